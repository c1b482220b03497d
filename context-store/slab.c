/* SPDX-License-Identifier: BSD-3-Clause */
#include "context-store/slab.h"

#include <errno.h>

#include <rte_pause.h>

/*
 * What a free record holds, behind its commit word. A chain is moved as one: its first record says
 * how long it is and which chain is the next in the pool.
 */
struct link {
	uint64_t word; /* zero */
	uint32_t next;
	uint32_t next_chain;
	uint32_t chain_count;
};

static struct link *link_at(const struct flx_slab *slab, uint32_t number)
{
	return flx_slab_at(slab, number);
}

static void lock(struct flx_slab *slab)
{
	/* Acquire: pairs with the release in unlock, for the pool and the links in it. */
	while (atomic_flag_test_and_set_explicit(&slab->lock, memory_order_acquire))
		rte_pause();
}

static void unlock(struct flx_slab *slab)
{
	atomic_flag_clear_explicit(&slab->lock, memory_order_release);
}

uint64_t flx_slab_reserve(uint32_t stride_bytes, uint32_t capacity)
{
	return (uint64_t)stride_bytes * capacity + FLX_CACHE_LINE;
}

int flx_slab_init(struct flx_slab *slab, struct flx_arena *arena, uint32_t stride_bytes,
		  uint32_t capacity, uint32_t worker_count)
{
	uint64_t at = flx_arena_alloc(arena, (uint64_t)stride_bytes * capacity, FLX_CACHE_LINE);
	uint32_t block = capacity / (32 * worker_count); /* two blocks per cache: 1/16 in all */

	if (at == FLX_ARENA_NONE)
		return -ENOMEM;
	*slab = (struct flx_slab){
		.base = flx_arena_at(arena, at),
		.stride_bytes = stride_bytes,
		.capacity = capacity,
		.block = block == 0		  ? 1
			 : block > FLX_SLAB_BLOCK ? FLX_SLAB_BLOCK
						  : block,
		.lock = ATOMIC_FLAG_INIT,
		.chains = FLX_SLAB_NONE,
	};
	for (uint32_t i = 0; i < FLX_WORKERS_MAX; i++)
		slab->cache[i].chain = FLX_SLAB_NONE;
	return 0;
}

/* A chain, a block of fresh records, or neither: then the pool is dry. */
static bool refill(struct flx_slab *slab, struct flx_slab_cache *cache)
{
	bool found = true;

	if (flx_slab_dry(slab))
		return false;
	lock(slab);
	if (slab->chains != FLX_SLAB_NONE) {
		cache->chain = slab->chains;
		cache->chain_count = link_at(slab, cache->chain)->chain_count;
		slab->chains = link_at(slab, cache->chain)->next_chain;
	} else if (slab->bump < slab->capacity) {
		uint32_t rest = slab->capacity - slab->bump;

		cache->fresh = slab->bump;
		cache->fresh_end = cache->fresh + (rest < slab->block ? rest : slab->block);
		slab->bump = cache->fresh_end;
	} else {
		/* Under the lock, so that it cannot overwrite the false of a spill that came later.
		 */
		atomic_store_explicit(&slab->dry, true, memory_order_relaxed);
		found = false;
	}
	unlock(slab);
	return found;
}

/* The whole chain of @cache to the pool. */
static void spill(struct flx_slab *slab, struct flx_slab_cache *cache)
{
	struct link *first = link_at(slab, cache->chain);

	first->chain_count = cache->chain_count;
	lock(slab);
	first->next_chain = slab->chains;
	slab->chains = cache->chain;
	atomic_store_explicit(&slab->dry, false, memory_order_relaxed);
	unlock(slab);
	cache->chain = FLX_SLAB_NONE;
	cache->chain_count = 0;
}

static void push(struct flx_slab *slab, struct flx_slab_cache *cache, uint32_t number)
{
	struct link *link = link_at(slab, number);

	FLX_ASSERT(link->word == 0);
	link->next = cache->chain;
	cache->chain = number;
	cache->chain_count++;
}

uint32_t flx_slab_take(struct flx_slab *slab, uint32_t worker)
{
	struct flx_slab_cache *cache = &slab->cache[worker];
	uint32_t number;

	if (cache->chain == FLX_SLAB_NONE && cache->fresh == cache->fresh_end &&
	    !refill(slab, cache))
		return FLX_SLAB_NONE;
	if (cache->chain == FLX_SLAB_NONE)
		return cache->fresh++;
	number = cache->chain;
	FLX_VERIFY(number < slab->capacity);
	cache->chain = link_at(slab, number)->next;
	cache->chain_count--;
	return number;
}

void flx_slab_give(struct flx_slab *slab, uint32_t worker, uint32_t number)
{
	struct flx_slab_cache *cache = &slab->cache[worker];

	push(slab, cache, number);
	if (cache->chain_count >= slab->block)
		spill(slab, cache);
}

void flx_slab_relieve(struct flx_slab *slab, uint32_t worker)
{
	struct flx_slab_cache *cache = &slab->cache[worker];

	while (cache->fresh != cache->fresh_end)
		push(slab, cache, cache->fresh++);
	if (cache->chain != FLX_SLAB_NONE)
		spill(slab, cache);
}
