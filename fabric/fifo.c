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

/* The row that begins at @first of @chunk. */
static uint32_t row_of(const struct flx_fifo *fifo, const struct flx_chunk *chunk, uint32_t first)
{
	return (chunk == fifo->tail ? fifo->end : FLX_BATCH) - first;
}

void flx_fifo_copy(struct flx_fifo *fifo, struct flx_chunk_pool *pool, const struct flx_fifo *from)
{
	uint32_t first = from->first;

	for (const struct flx_chunk *chunk = from->head; chunk; chunk = chunk->next, first = 0)
		flx_fifo_push(fifo, pool, &chunk->elem[first], row_of(from, chunk, first));
}

void flx_fifo_count(const struct flx_fifo *fifo, uint32_t *counts)
{
	uint32_t first = fifo->first;

	for (const struct flx_chunk *chunk = fifo->head; chunk; chunk = chunk->next, first = 0)
		for (uint32_t i = 0; i < row_of(fifo, chunk, first); i++)
			counts[chunk->elem[first + i].fluxion]++;
}
