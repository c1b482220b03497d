/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * workers - all workers of a fabric, with what runs between them: lanes, routes, credits, moves.
 */
#pragma once

#include "fabric/worker.h"

struct flx_workers_conf {
	const char *name;      /* of the lanes' rings */
	const int32_t *numa;   /* NUMA node of each worker; NULL: any */
	uint32_t spread;       /* workers that slices are spread over, from the first; 0: all */
	uint32_t lane_size;    /* elements, a power of two */
	uint32_t credits;      /* messages in flight at most */
	uint32_t edge_buffers; /* and what the edge makes without credits */
};

/*
 * flx_workers_alloc - make the workers of @shared, which has registry, worker_count, port_count set
 * Fills workers, lanes, routes, credits, epoch and migrate. Their queues (rx, tx) are the caller's
 * to set. 0; -ENOMEM or -errno, and then flx_workers_free is still to be called. Context: setup.
 */
int flx_workers_alloc(struct flx_shared *shared, const struct flx_workers_conf *conf);
void flx_workers_free(struct flx_shared *shared);
