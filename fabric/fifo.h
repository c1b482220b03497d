/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fifo - queues of elements inside one worker: vectors, staging, TX.
 *
 * A queue is a chain of chunks of one batch each, taken from the worker's chunk pool. However the
 * messages in flight are spread over a worker's queues they fit: the credits bound their number, and
 * each queue wastes at most two chunks at its ends. So a push cannot fail (promise 1), and a queue
 * that is emptied in every turn stays in the same, cached, chunk.
 *
 * Context of everything: the worker that owns the pool.
 */
#pragma once

#include <string.h>

#include "fabric/base.h"
#include "fabric/flx.h"

struct flx_chunk {
	struct flx_chunk *next;
	uint8_t pad[FLX_CACHE_LINE - sizeof(struct flx_chunk *)];
	struct flx_elem elem[FLX_BATCH];
};

struct flx_chunk_pool {
	struct flx_chunk *free;
	void *memory; /* all chunks, one allocation */
};

struct flx_fifo {
	struct flx_chunk *head;
	struct flx_chunk *tail;
	uint32_t first; /* next to take, in head */
	uint32_t end;	/* next to fill, in tail */
	uint32_t count;
	uint64_t
		popped; /* ever taken: with count, a mark that tells when what is in it now is out */
};

/*
 * flx_chunk_pool_init - chunks for @fifos queues that hold at most @elems elements together
 * 0 or -ENOMEM. Context: setup.
 */
int flx_chunk_pool_init(struct flx_chunk_pool *pool, uint32_t elems, uint32_t fifos, int numa);
void flx_chunk_pool_fini(struct flx_chunk_pool *pool);

static inline struct flx_chunk *flx_chunk_get(struct flx_chunk_pool *pool)
{
	struct flx_chunk *chunk = pool->free;

	/* Not a matter of load: it would mean more messages than credits. */
	FLX_VERIFY(chunk != NULL);
	pool->free = chunk->next;
	chunk->next = NULL;
	return chunk;
}

static inline void flx_chunk_put(struct flx_chunk_pool *pool, struct flx_chunk *chunk)
{
	chunk->next = pool->free;
	pool->free = chunk;
}

/* An empty queue with its first chunk. */
static inline void flx_fifo_init(struct flx_fifo *fifo, struct flx_chunk_pool *pool)
{
	*fifo = (struct flx_fifo){0};
	fifo->head = fifo->tail = flx_chunk_get(pool);
}

/* flx_fifo_push - append @count elements, in order. Never fails. */
static inline void flx_fifo_push(struct flx_fifo *fifo, struct flx_chunk_pool *pool,
				 const struct flx_elem *elems, uint32_t count)
{
	fifo->count += count;
	while (unlikely(count > FLX_BATCH - fifo->end)) {
		uint32_t room = FLX_BATCH - fifo->end;

		memcpy(&fifo->tail->elem[fifo->end], elems, room * sizeof(*elems));
		elems += room;
		count -= room;
		fifo->tail = fifo->tail->next = flx_chunk_get(pool);
		fifo->end = 0;
	}
	memcpy(&fifo->tail->elem[fifo->end], elems, count * sizeof(*elems));
	fifo->end += count;
}

/* flx_fifo_mark - what flx_fifo_passed takes, to learn when all that is in the queue now is out. */
static inline uint64_t flx_fifo_mark(const struct flx_fifo *fifo)
{
	return fifo->popped + fifo->count;
}

static inline bool flx_fifo_passed(const struct flx_fifo *fifo, uint64_t mark)
{
	return fifo->popped >= mark;
}

/*
 * flx_fifo_peek - the elements at the head that lie in a row: at most a batch, 0 when empty
 * *@elems is theirs until the next pop.
 */
static inline uint32_t flx_fifo_peek(const struct flx_fifo *fifo, struct flx_elem **elems)
{
	uint32_t row = (fifo->head == fifo->tail ? fifo->end : FLX_BATCH) - fifo->first;

	*elems = &fifo->head->elem[fifo->first];
	return row;
}

/* flx_fifo_pop - take @count elements away, at most what flx_fifo_peek returned. */
static inline void flx_fifo_pop(struct flx_fifo *fifo, struct flx_chunk_pool *pool, uint32_t count)
{
	fifo->first += count;
	fifo->count -= count;
	fifo->popped += count;
	if (likely(fifo->count == 0)) {
		/* Empty: head is tail (or a full chunk before an empty one); begin at its start. */
		if (unlikely(fifo->head != fifo->tail)) {
			flx_chunk_put(pool, fifo->head);
			fifo->head = fifo->tail;
		}
		fifo->first = fifo->end = 0;
	} else if (unlikely(fifo->first == FLX_BATCH)) {
		struct flx_chunk *done = fifo->head;

		fifo->head = done->next;
		fifo->first = 0;
		flx_chunk_put(pool, done);
	}
}

/* flx_fifo_fini - give all its chunks back, with whatever is in it. */
static inline void flx_fifo_fini(struct flx_fifo *fifo, struct flx_chunk_pool *pool)
{
	while (fifo->head) {
		struct flx_chunk *chunk = fifo->head;

		fifo->head = chunk->next;
		flx_chunk_put(pool, chunk);
	}
	*fifo = (struct flx_fifo){0};
}

/*
 * flx_fifo_copy - append all elements of @from, which stays as it is
 * @pool: of @fifo; @from may be of another worker's, as long as that one does not touch it.
 */
void flx_fifo_copy(struct flx_fifo *fifo, struct flx_chunk_pool *pool, const struct flx_fifo *from);

/* flx_fifo_count - adds how many elements are for each fluxion to @counts, by number. */
void flx_fifo_count(const struct flx_fifo *fifo, uint32_t *counts);
