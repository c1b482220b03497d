/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/lane.h"

#include <errno.h>

#include <rte_errno.h>

int flx_lane_init(struct flx_lane *lane, const char *name, uint32_t size, int numa,
		  struct flx_chunk_pool *staging_pool)
{
	lane->ring = rte_ring_create_elem(name, sizeof(struct flx_elem), size,
					  numa < 0 ? SOCKET_ID_ANY : numa,
					  RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
	if (!lane->ring)
		return -rte_errno;
	flx_fifo_init(&lane->staging, staging_pool);
	atomic_init(&lane->put, 0);
	atomic_init(&lane->taken, 0);
	return 0;
}

void flx_lane_fini(struct flx_lane *lane)
{
	rte_ring_free(lane->ring);
	lane->ring = NULL;
}
