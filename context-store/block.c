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

/*
 * Between workers only. Acquire: pairs with the release in unlock, for the free lists, the links in
 * blocks and the slots of the limbo.
 */
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

/* A block that was in use before; 0: there is none. Under the lock. */
static uint32_t take_free(struct flx_block_pool *pool, uint32_t class)
{
	uint32_t line = pool->free[class];

	/* Acquire: pairs with the release of each push in give_back, for the links. */
	if (!line && atomic_load_explicit(&pool->returned[class], memory_order_relaxed))
		line = atomic_exchange_explicit(&pool->returned[class], 0, memory_order_acquire);
	if (line)
		pool->free[class] = *link_of(pool, line);
	return line;
}

uint32_t flx_block_alloc(struct flx_block_pool *pool, uint32_t class)
{
	uint64_t size_bytes = (uint64_t)FLX_CACHE_LINE << class;
	uint32_t line;

	lock(pool);
	line = take_free(pool, class);
	if (!line) {
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

void flx_block_retire(struct flx_block_pool *pool, uint32_t class, uint32_t line)
{
	uint32_t tail;

	/* Before the keeper can see it, so that the count never falls below 0. */
	atomic_fetch_add_explicit(&pool->waiting[class], 1, memory_order_relaxed);
	lock(pool);
	tail = atomic_load_explicit(&pool->tail, memory_order_relaxed);
	/* Acquire: pairs with the release of head: the keeper has read what the slot held. */
	FLX_VERIFY(tail - atomic_load_explicit(&pool->head, memory_order_acquire) <
		   FLX_BLOCK_LIMBO);
	pool->limbo[tail % FLX_BLOCK_LIMBO] =
		(struct flx_block_retired){.line = line, .class = class};
	/* Release: the slot before it; pairs with flx_block_collect. */
	atomic_store_explicit(&pool->tail, tail + 1, memory_order_release);
	unlock(pool);
}

bool flx_block_collect(struct flx_block_pool *pool)
{
	/* Acquire: pairs with the release of tail: slots below it are filled. */
	pool->marked = atomic_load_explicit(&pool->tail, memory_order_acquire);
	return pool->marked != atomic_load_explicit(&pool->head, memory_order_relaxed);
}

/*
 * Blocks @first to @last, linked, go before those that no worker has fetched yet. Only this thread
 * pushes, and who takes takes all: an attempt fails only when it has been taken meanwhile. Release:
 * the links are there for take_free.
 */
static void give_back(struct flx_block_pool *pool, uint32_t class, uint32_t first, uint32_t last)
{
	uint32_t head = atomic_load_explicit(&pool->returned[class], memory_order_relaxed);

	do {
		*link_of(pool, last) = head;
	} while (!atomic_compare_exchange_weak_explicit(
		&pool->returned[class], &head, first, memory_order_release, memory_order_relaxed));
}

/* The blocks' first bytes are written here, a cache miss each: nobody waits for it. */
void flx_block_release(struct flx_block_pool *pool)
{
	uint32_t first[FLX_BLOCK_CLASS_COUNT] = {0}, last[FLX_BLOCK_CLASS_COUNT] = {0};
	uint32_t count[FLX_BLOCK_CLASS_COUNT] = {0};
	uint32_t at = atomic_load_explicit(&pool->head, memory_order_relaxed);

	for (; at != pool->marked; at++) {
		struct flx_block_retired *block = &pool->limbo[at % FLX_BLOCK_LIMBO];

		if (count[block->class]++ == 0)
			last[block->class] = block->line;
		*link_of(pool, block->line) = first[block->class];
		first[block->class] = block->line;
	}
	/* Release: the slots were read; pairs with flx_block_retire. */
	atomic_store_explicit(&pool->head, pool->marked, memory_order_release);
	for (uint32_t class = 0; class < FLX_BLOCK_CLASS_COUNT; class ++) {
		if (count[class] == 0)
			continue;
		give_back(pool, class, first[class], last[class]);
		/*
		 * Last, and release: who sees by the count that he may retire more, or that there
		 * is memory, finds slots and blocks; pairs with flx_block_waiting.
		 */
		atomic_fetch_sub_explicit(&pool->waiting[class], count[class],
					  memory_order_release);
	}
}

uint64_t flx_block_deferred_bytes(const struct flx_block_pool *pool)
{
	uint64_t size_bytes = 0;

	for (uint32_t class = 0; class < FLX_BLOCK_CLASS_COUNT; class ++)
		size_bytes += (uint64_t)flx_block_waiting(pool, class) * FLX_CACHE_LINE << class;
	return size_bytes;
}
