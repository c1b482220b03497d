/* SPDX-License-Identifier: BSD-3-Clause */
#include "context-store/slab.h"

#include <rte_pause.h>

/* The reserve is a 16th of a pool: what waits for grace periods while evicted records make room. */
#define RESERVE_SHARE 16

/*
 * What a free record holds, behind its word. A chain is moved as one: its first record says how
 * long it is and which chain is the next of the pool.
 */
struct link {
	uint64_t word;
	uint32_t next;
	uint32_t next_chain;
	uint32_t chain_count;
};

static struct link *link_at(const struct flx_slab *slab, uint32_t number)
{
	return flx_slab_at(slab, number);
}

static void lock(struct flx_slab_pool *pool)
{
	/* Acquire: pairs with the release in unlock, for the pool and the links in it. */
	while (atomic_flag_test_and_set_explicit(&pool->lock, memory_order_acquire))
		rte_pause();
}

static void unlock(struct flx_slab_pool *pool)
{
	atomic_flag_clear_explicit(&pool->lock, memory_order_release);
}

/* Free records of @pool, caches aside: exact under its lock, else a moment's figure. */
static uint32_t count_free(const struct flx_slab_pool *pool)
{
	uint32_t bump = pool->bump, ready = pool->ready; /* in this order: it is never above */

	return pool->free_count + (ready - bump);
}

/* After a change of what is free. Under the lock. */
static void note_free(const struct flx_slab *slab, struct flx_slab_pool *pool)
{
	uint32_t count = count_free(pool);

	if (count)
		atomic_store_explicit(&pool->dry, false, memory_order_relaxed);
	/* What waits for a grace period is room that was made already. */
	count += pool->limbo_count + pool->waiting_count;
	atomic_store_explicit(&pool->low,
			      count < slab->reserve && (pool->ready == pool->end || pool->stuck),
			      memory_order_relaxed);
}

void flx_slab_init(struct flx_slab *slab, const struct flx_slab_conf *conf)
{
	uint32_t block = conf->capacity / (32 * conf->worker_count);

	*slab = (struct flx_slab){
		.base = conf->base,
		.stride_bytes = conf->stride_bytes,
		.block = block == 0		  ? 1
			 : block > FLX_SLAB_BLOCK ? FLX_SLAB_BLOCK
						  : block,
		.reserve = conf->capacity / conf->node_count / RESERVE_SHARE + 1,
		.node_count = conf->node_count,
		.bumped = conf->bumped,
		.bumped_argument = conf->bumped_argument,
	};
	for (uint32_t n = 0; n < conf->node_count; n++) {
		slab->pool[n] = (struct flx_slab_pool){
			.lock = ATOMIC_FLAG_INIT,
			.first = conf->node[n].first,
			.end = conf->node[n].end,
			.ready = conf->node[n].ready,
			.bump = conf->node[n].bump,
			.chains = FLX_SLAB_NONE,
			.limbo = FLX_SLAB_NONE,
			.waiting = FLX_SLAB_NONE,
		};
		note_free(slab, &slab->pool[n]);
	}
	for (uint32_t w = 0; w < FLX_WORKERS_MAX; w++)
		slab->cache[w] = (struct flx_slab_cache){
			.chain = FLX_SLAB_NONE,
			.limbo = FLX_SLAB_NONE,
			.node = conf->worker_node && w < conf->worker_count ? conf->worker_node[w]
									    : 0,
		};
}

/* A free chain, or a block of fresh records. Under the lock; false: there is neither. */
static bool take_block(struct flx_slab *slab, uint32_t node, struct flx_slab_cache *cache)
{
	struct flx_slab_pool *pool = &slab->pool[node];

	if (pool->chains != FLX_SLAB_NONE) {
		const struct link *first = link_at(slab, pool->chains);

		cache->chain = pool->chains;
		cache->chain_count = first->chain_count;
		pool->free_count -= first->chain_count;
		pool->chains = first->next_chain;
		return true;
	}
	if (pool->bump < pool->ready) {
		uint32_t rest = pool->ready - pool->bump;

		cache->fresh = pool->bump;
		cache->fresh_end = cache->fresh + (rest < slab->block ? rest : slab->block);
		if (slab->bumped)
			slab->bumped(slab->bumped_argument, node, cache->fresh_end);
		pool->bump = cache->fresh_end;
		return true;
	}
	return false;
}

static bool refill_from(struct flx_slab *slab, uint32_t node, struct flx_slab_cache *cache)
{
	struct flx_slab_pool *pool = &slab->pool[node];
	bool found;

	if (atomic_load_explicit(&pool->dry, memory_order_relaxed))
		return false;
	lock(pool);
	found = take_block(slab, node, cache);
	/* Under the lock, so that it cannot overwrite the false of a spill that came later. */
	if (!found)
		atomic_store_explicit(&pool->dry, true, memory_order_relaxed);
	note_free(slab, pool);
	unlock(pool);
	return found;
}

static bool refill(struct flx_slab *slab, struct flx_slab_cache *cache)
{
	for (uint32_t i = 0; i < slab->node_count; i++)
		if (refill_from(slab, (cache->node + i) % slab->node_count, cache))
			return true;
	return false;
}

/* Puts record @number before chain *@head of *@count. */
static void push(struct flx_slab *slab, uint32_t *head, uint32_t *count, uint32_t number)
{
	link_at(slab, number)->next = *head;
	*head = number;
	++*count;
}

/* Chain *@head of *@count before the chains at *@chains. Under the lock of their pool. */
static void hand_over(struct flx_slab *slab, uint32_t *head, uint32_t *count, uint32_t *chains)
{
	struct link *first = link_at(slab, *head);

	first->chain_count = *count;
	first->next_chain = *chains;
	*chains = *head;
	*head = FLX_SLAB_NONE;
	*count = 0;
}

/* The free chain of @cache to its pool. */
static void spill(struct flx_slab *slab, struct flx_slab_cache *cache)
{
	struct flx_slab_pool *pool = &slab->pool[cache->node];

	lock(pool);
	pool->free_count += cache->chain_count;
	hand_over(slab, &cache->chain, &cache->chain_count, &pool->chains);
	note_free(slab, pool);
	unlock(pool);
}

static void spill_limbo(struct flx_slab *slab, struct flx_slab_cache *cache)
{
	struct flx_slab_pool *pool = &slab->pool[cache->node];

	lock(pool);
	pool->limbo_count += cache->limbo_count;
	hand_over(slab, &cache->limbo, &cache->limbo_count, &pool->limbo);
	note_free(slab, pool);
	unlock(pool);
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
	FLX_VERIFY(number < slab->pool[slab->node_count - 1].end);
	cache->chain = link_at(slab, number)->next;
	cache->chain_count--;
	return number;
}

uint32_t flx_slab_append(struct flx_slab *slab)
{
	for (uint32_t n = 0; n < slab->node_count; n++) {
		struct flx_slab_pool *pool = &slab->pool[n];

		if (pool->bump == pool->ready)
			continue;
		if (slab->bumped)
			slab->bumped(slab->bumped_argument, n, pool->bump + 1);
		return pool->bump++;
	}
	return FLX_SLAB_NONE;
}

void flx_slab_give(struct flx_slab *slab, uint32_t worker, uint32_t number)
{
	struct flx_slab_cache *cache = &slab->cache[worker];

	push(slab, &cache->chain, &cache->chain_count, number);
	if (cache->chain_count >= slab->block)
		spill(slab, cache);
}

void flx_slab_retire(struct flx_slab *slab, uint32_t worker, uint32_t number)
{
	struct flx_slab_cache *cache = &slab->cache[worker];

	push(slab, &cache->limbo, &cache->limbo_count, number);
	if (cache->limbo_count >= slab->block)
		spill_limbo(slab, cache);
}

void flx_slab_relieve(struct flx_slab *slab, uint32_t worker)
{
	struct flx_slab_cache *cache = &slab->cache[worker];

	while (cache->fresh != cache->fresh_end)
		push(slab, &cache->chain, &cache->chain_count, cache->fresh++);
	if (cache->chain != FLX_SLAB_NONE)
		spill(slab, cache);
	if (cache->limbo != FLX_SLAB_NONE)
		spill_limbo(slab, cache);
}

bool flx_slab_collect(struct flx_slab *slab)
{
	bool found = false;

	for (uint32_t n = 0; n < slab->node_count; n++) {
		struct flx_slab_pool *pool = &slab->pool[n];

		lock(pool);
		pool->waiting = pool->limbo;
		pool->waiting_count = pool->limbo_count;
		pool->limbo = FLX_SLAB_NONE;
		pool->limbo_count = 0;
		unlock(pool);
		found |= pool->waiting != FLX_SLAB_NONE;
	}
	return found;
}

static void release(struct flx_slab *slab, struct flx_slab_pool *pool)
{
	struct link *last = link_at(slab, pool->waiting);

	/* The keeper's alone until they are joined to the free ones. */
	while (last->next_chain != FLX_SLAB_NONE)
		last = link_at(slab, last->next_chain);
	lock(pool);
	last->next_chain = pool->chains;
	pool->chains = pool->waiting;
	pool->free_count += pool->waiting_count;
	pool->waiting_count = 0;
	note_free(slab, pool);
	unlock(pool);
	pool->waiting = FLX_SLAB_NONE;
}

void flx_slab_release(struct flx_slab *slab)
{
	for (uint32_t n = 0; n < slab->node_count; n++)
		if (slab->pool[n].waiting != FLX_SLAB_NONE)
			release(slab, &slab->pool[n]);
}

void flx_slab_extend(struct flx_slab *slab, uint32_t node, uint32_t ready)
{
	struct flx_slab_pool *pool = &slab->pool[node];

	lock(pool);
	pool->ready = ready;
	pool->stuck = false;
	note_free(slab, pool);
	unlock(pool);
}

void flx_slab_stick(struct flx_slab *slab, uint32_t node)
{
	struct flx_slab_pool *pool = &slab->pool[node];

	lock(pool);
	pool->stuck = true;
	note_free(slab, pool);
	unlock(pool);
}

uint32_t flx_slab_free_count(const struct flx_slab *slab, uint32_t node)
{
	return count_free(&slab->pool[node]);
}

uint32_t flx_slab_deferred(const struct flx_slab *slab)
{
	uint32_t count = 0;

	for (uint32_t n = 0; n < slab->node_count; n++)
		count += slab->pool[n].limbo_count + slab->pool[n].waiting_count;
	return count;
}

uint32_t flx_slab_bump(const struct flx_slab *slab, uint32_t node)
{
	return slab->pool[node].bump;
}
