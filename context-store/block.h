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
 * Written by: whoever holds the lock. It is held for a few instructions, and by release, once per
 * grace period, for a few per class. Read by any thread: waiting.
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

struct flx_block_pool {
	/* Read-only after init. */
	uint8_t *base; /* lines are numbered from here; 0 is the limbo's and never a block's */
	struct flx_block_retired *limbo;
	struct flx_arena *arena;

	/* Written by: whoever holds the lock. */
	alignas(FLX_CACHE_LINE) atomic_flag lock;
	uint32_t head, marked, tail; /* of the limbo, counting on: collected, retired since */
	uint32_t free[FLX_BLOCK_CLASS_COUNT];		 /* line number, linked; 0: none */
	_Atomic uint32_t waiting[FLX_BLOCK_CLASS_COUNT]; /* blocks in the limbo */
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
 * 0: there is no memory. Context: any thread.
 */
uint32_t flx_block_alloc(struct flx_block_pool *pool, uint32_t class);

/* flx_block_free - take back a block that no reader has ever seen. Context: any thread. */
void flx_block_free(struct flx_block_pool *pool, uint32_t class, uint32_t line);

/*
 * flx_block_retire - take back a block to which no path leads for who starts to look now
 * Not to be written from here on. Context: any thread.
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

static inline uint32_t flx_block_waiting(const struct flx_block_pool *pool, uint32_t class)
{
	return atomic_load_explicit(&pool->waiting[class], memory_order_relaxed);
}

static inline void *flx_block_at(const struct flx_block_pool *pool, uint32_t line)
{
	return pool->base + (uint64_t)line * FLX_CACHE_LINE;
}
