/* SPDX-License-Identifier: BSD-3-Clause */
#include "context-store/block.h"

#include <errno.h>

#include <rte_pause.h>

static_assert((FLX_BLOCK_LIMBO & (FLX_BLOCK_LIMBO - 1)) == 0, "positions count on past 2^32");

uint64_t flx_block_reserve(void)
{
	return FLX_BLOCK_LIMBO * sizeof(struct flx_block_retired) + FLX_CACHE_LINE;
}

int flx_block_pool_init(struct flx_block_pool *pool, struct flx_arena *arena)
{
	uint64_t limbo = flx_arena_alloc(arena, FLX_BLOCK_LIMBO * sizeof(struct flx_block_retired),
					 FLX_CACHE_LINE);

	if (limbo == FLX_ARENA_NONE)
		return -ENOMEM;
	*pool = (struct flx_block_pool){
		.base = flx_arena_at(arena, limbo),
		.limbo = flx_arena_at(arena, limbo),
		.arena = arena,
		.lock = ATOMIC_FLAG_INIT,
	};
	return 0;
}

/* Acquire: pairs with the release in unlock, for the lists, the limbo and the links in blocks. */
static void lock(struct flx_block_pool *pool)
{
	while (atomic_flag_test_and_set_explicit(&pool->lock, memory_order_acquire))
		rte_pause();
}

static void unlock(struct flx_block_pool *pool)
{
	atomic_flag_clear_explicit(&pool->lock, memory_order_release);
}

/* The next of a free block, in its first bytes. */
static uint32_t *link_of(const struct flx_block_pool *pool, uint32_t line)
{
	return flx_block_at(pool, line);
}

uint32_t flx_block_alloc(struct flx_block_pool *pool, uint32_t class)
{
	uint64_t size_bytes = (uint64_t)FLX_CACHE_LINE << class;
	uint32_t line;

	lock(pool);
	line = pool->free[class];
	if (line) {
		pool->free[class] = *link_of(pool, line);
	} else {
		/* Not on a page, of which every second leaf would waste one beside small blocks. */
		uint64_t at = flx_arena_alloc(pool->arena, size_bytes, FLX_CACHE_LINE);

		if (at != FLX_ARENA_NONE)
			line = (uint32_t)((uint64_t)((uint8_t *)flx_arena_at(pool->arena, at) -
						     pool->base) /
					  FLX_CACHE_LINE);
	}
	unlock(pool);
	return line;
}

void flx_block_free(struct flx_block_pool *pool, uint32_t class, uint32_t line)
{
	lock(pool);
	*link_of(pool, line) = pool->free[class];
	pool->free[class] = line;
	unlock(pool);
}

/* Read without the lock, hence atomic. */
static void count_waiting(struct flx_block_pool *pool, uint32_t class, uint32_t change)
{
	atomic_store_explicit(&pool->waiting[class], flx_block_waiting(pool, class) + change,
			      memory_order_relaxed);
}

void flx_block_retire(struct flx_block_pool *pool, uint32_t class, uint32_t line)
{
	lock(pool);
	FLX_VERIFY(pool->tail - pool->head < FLX_BLOCK_LIMBO);
	pool->limbo[pool->tail++ % FLX_BLOCK_LIMBO] =
		(struct flx_block_retired){.line = line, .class = class};
	count_waiting(pool, class, 1);
	unlock(pool);
}

bool flx_block_collect(struct flx_block_pool *pool)
{
	bool any;

	lock(pool);
	pool->marked = pool->tail;
	any = pool->marked != pool->head;
	unlock(pool);
	return any;
}

/* The long part, a cache miss per block, is done before the lock is taken. */
void flx_block_release(struct flx_block_pool *pool)
{
	uint32_t first[FLX_BLOCK_CLASS_COUNT] = {0}, last[FLX_BLOCK_CLASS_COUNT] = {0};
	uint32_t count[FLX_BLOCK_CLASS_COUNT] = {0};

	/* Only this thread moves head and marked, and what lies between is not written by others.
	 */
	for (uint32_t at = pool->head; at != pool->marked; at++) {
		struct flx_block_retired *block = &pool->limbo[at % FLX_BLOCK_LIMBO];

		if (count[block->class]++ == 0)
			last[block->class] = block->line;
		*link_of(pool, block->line) = first[block->class];
		first[block->class] = block->line;
	}
	lock(pool);
	pool->head = pool->marked;
	for (uint32_t class = 0; class < FLX_BLOCK_CLASS_COUNT; class ++) {
		if (count[class] == 0)
			continue;
		*link_of(pool, last[class]) = pool->free[class];
		pool->free[class] = first[class];
		count_waiting(pool, class, -count[class]);
	}
	unlock(pool);
}

uint64_t flx_block_deferred_bytes(const struct flx_block_pool *pool)
{
	uint64_t size_bytes = 0;

	for (uint32_t class = 0; class < FLX_BLOCK_CLASS_COUNT; class ++)
		size_bytes += (uint64_t)flx_block_waiting(pool, class) * FLX_CACHE_LINE << class;
	return size_bytes;
}
