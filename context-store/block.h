/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * block - memory of an index: blocks of 1 << class cache lines, known by the number of their first.
 *
 * A block comes from the arena once and then serves again for its class only: nothing is split or
 * joined, and what was reserved per class stays there for it. The arena may be shorter than the
 * plan for now, or for good: alloc then says 0, and the next call asks again.
 *
 * A block that readers of other threads may look at is not freed but retired. It waits in the
 * limbo, its bytes as they are, until the keeper has let a grace period pass:
 *
 *	if (flx_block_collect(pool)) {
 *		synchronize_rcu();
 *		flx_block_release(pool);
 *	}
 *
 * The limbo is a ring beside the blocks, of fixed size. Whoever retires makes sure of a slot before
 * he begins, by a limit on what is waiting (index.c argues it); a ring that overflows is a bug.
 *
 * No worker waits for the keeper, which may lose its CPU at any instruction: it takes no lock. What
 * is retired goes to it over the ring, which has one reader; what it has released comes back over a
 * list for each class that it pushes by compare-and-swap and that is only ever taken whole, by one
 * exchange.
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "context-store/arena.h"
#include "fabric/base.h"

#define FLX_BLOCK_CLASS_COUNT 22   /* 64 B << 0..21, the last a directory of 32 M leaves */
#define FLX_BLOCK_LIMBO	      4096 /* slots; a power of two */

struct flx_block_retired {
	uint32_t line;
	uint32_t class;
};

/*
 *	field		written by			read by
 *	lock, free	workers				workers, under the lock
 *	tail, slots	workers, under the lock		keeper: slots below tail
 *	head		keeper				workers: slots below it serve again
 *	marked		keeper				keeper
 *	returned	keeper pushes			a worker under the lock takes all
 *	waiting		workers and keeper, by adding	any thread
 */
struct flx_block_pool {
	/* Read-only after init. */
	uint8_t *base; /* lines are numbered from here; 0 is the limbo's and never a block's */
	struct flx_block_retired *limbo;
	struct flx_arena *arena;

	/* The workers'. */
	alignas(FLX_CACHE_LINE) atomic_flag lock;
	_Atomic uint32_t tail;		      /* of the limbo, counting on: retired */
	uint32_t free[FLX_BLOCK_CLASS_COUNT]; /* line number, linked; 0: none */

	/* Between them and the keeper. */
	alignas(FLX_CACHE_LINE) _Atomic uint32_t head;	  /* of the limbo: released */
	uint32_t marked;				  /* collected */
	_Atomic uint32_t returned[FLX_BLOCK_CLASS_COUNT]; /* as free */
	_Atomic uint32_t waiting[FLX_BLOCK_CLASS_COUNT];  /* blocks in the limbo */
};

/* Bytes that flx_block_pool_init takes from the arena, alignment included. */
uint64_t flx_block_reserve(void);

/*
 * flx_block_pool_init - no blocks yet; they come from the rest of @arena as they are asked for
 * From now on nobody else takes from it. 0; -ENOMEM. Context: setup.
 */
int flx_block_pool_init(struct flx_block_pool *pool, struct flx_arena *arena);

/*
 * flx_block_alloc - line number of a block of 1 << @class lines, its bytes undefined
 * 0: there is no memory. Context: a worker, or setup; so of free and retire.
 */
uint32_t flx_block_alloc(struct flx_block_pool *pool, uint32_t class);

/* flx_block_free - take back a block that no reader has ever seen */
void flx_block_free(struct flx_block_pool *pool, uint32_t class, uint32_t line);

/*
 * flx_block_retire - take back a block to which no path leads for who starts to look now
 * Not to be written from here on.
 */
void flx_block_retire(struct flx_block_pool *pool, uint32_t class, uint32_t line);

/*
 * flx_block_collect - mark all that has been retired so far; true: there is something
 * flx_block_release - what was marked may serve again. A grace period has passed since collect.
 * Context: keeper.
 */
bool flx_block_collect(struct flx_block_pool *pool);
void flx_block_release(struct flx_block_pool *pool);

/* Bytes in the limbo. Context: any thread. */
uint64_t flx_block_deferred_bytes(const struct flx_block_pool *pool);

/*
 * flx_block_waiting - blocks of @class in the limbo
 * Of those that do not count any more, the slots and the memory are there. Context: any thread.
 */
static inline uint32_t flx_block_waiting(const struct flx_block_pool *pool, uint32_t class)
{
	/* Acquire: pairs with the release in flx_block_release. */
	return atomic_load_explicit(&pool->waiting[class], memory_order_acquire);
}

static inline void *flx_block_at(const struct flx_block_pool *pool, uint32_t line)
{
	return pool->base + (uint64_t)line * FLX_CACHE_LINE;
}
