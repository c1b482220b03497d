/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/fifo.h"

#include "fabric/memory.h"

int flx_chunk_pool_init(struct flx_chunk_pool *pool, uint32_t elems, uint32_t fifos, int numa)
{
	/* Two per queue: one partly taken at the head, one partly filled at the tail. */
	uint32_t chunks = elems / FLX_BATCH + 1 + 2 * fifos;
	struct flx_chunk *chunk;

	*pool = (struct flx_chunk_pool){0};
	chunk = flx_memory_alloc("chunks", chunks * sizeof(*chunk), numa);
	if (!chunk)
		return -ENOMEM;
	pool->memory = chunk;
	while (chunks--)
		flx_chunk_put(pool, &chunk[chunks]);
	return 0;
}

void flx_chunk_pool_fini(struct flx_chunk_pool *pool)
{
	flx_memory_free(pool->memory);
	pool->memory = NULL;
}
