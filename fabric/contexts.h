/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * contexts - the context store of a program: a type for each group that has contexts.
 */
#pragma once

#include "fabric/worker.h"

struct flx_contexts_conf {
	const char *path; /* directory that they outlive the process in; NULL: they do not */
	bool huge;	  /* hugepages, all memory present at start */
	const int32_t *worker_numa; /* NUMA node of each worker; NULL: unknown */
	const uint64_t *seed;	    /* of the hash, two words; NULL: random, or the files' */
	const struct flx_rss *rss;  /* of the ports, for groups keyed by flow; NULL: no port */
};

/*
 * flx_contexts_open - open the store of @shared->registry for @shared->worker_count workers
 * Sets @shared's store, context_types and sweep_groups. 0; -errno after one flx_error.
 * Context: setup.
 */
int flx_contexts_open(struct flx_shared *shared, const struct flx_contexts_conf *conf);

/* flx_contexts_close - give it all back, also after a failed open. Context: setup. */
void flx_contexts_close(struct flx_shared *shared);
