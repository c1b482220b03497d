/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/lane.h"

#include <errno.h>

#include "fabric/memory.h"

int flx_lane_init(struct flx_lane *lane, const char *name, uint32_t size, int numa,
		  struct flx_chunk_pool *staging_pool)
{
	/* One slot stays free, and slots are a power of two. */
	ssize_t bytes = rte_ring_get_memsize_elem(sizeof(struct flx_elem), 2 * size);
	int error;

	if (bytes < 0)
		return (int)bytes;
	/* Of memory zones, in which DPDK would make it, there are too few for the lanes of 64 workers. */
	lane->ring = flx_memory_alloc("lane", (size_t)bytes, numa);
	if (!lane->ring)
		return -ENOMEM;
	error = rte_ring_init(lane->ring, name, size,
			      RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
	if (error) {
		flx_lane_fini(lane);
		return error;
	}
	flx_fifo_init(&lane->staging, staging_pool);
	atomic_init(&lane->put, 0);
	atomic_init(&lane->taken, 0);
	return 0;
}

void flx_lane_fini(struct flx_lane *lane)
{
	flx_memory_free(lane->ring);
	lane->ring = NULL;
}
