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

/* Between workers only. */
static void lock(struct flx_slab_pool *pool)
{
	/* Acquire: pairs with the release in unlock, for the chains and the links in them. */
	while (atomic_flag_test_and_set_explicit(&pool->lock, memory_order_acquire))
		rte_pause();
}

static void unlock(struct flx_slab_pool *pool)
{
	atomic_flag_clear_explicit(&pool->lock, memory_order_release);
}

/*
 * Chains @first to @last go before those of @list. Release: their links, and what the records held,
 * are there for take_list; each push is a read-modify-write, so it goes on with the releases of
 * those before it. Sequentially consistent for the sake of note_free.
 */
static void push_list(const struct flx_slab *slab, _Atomic uint32_t *list, uint32_t first,
		      uint32_t last)
{
	uint32_t head = atomic_load_explicit(list, memory_order_relaxed);

	do {
		link_at(slab, last)->next_chain = head;
	} while (!atomic_compare_exchange_weak_explicit(list, &head, first, memory_order_seq_cst,
							memory_order_relaxed));
}

/* All chains of @list, or FLX_SLAB_NONE; no write when there is none. */
static uint32_t take_list(_Atomic uint32_t *list)
{
	/* Sequentially consistent: see refill_from. */
	if (atomic_load_explicit(list, memory_order_seq_cst) == FLX_SLAB_NONE)
		return FLX_SLAB_NONE;
	/* Acquire: pairs with the release of every push. */
	return atomic_exchange_explicit(list, FLX_SLAB_NONE, memory_order_acquire);
}

/*
 * There is a block to be had, since before this call. No lock: whoever finds none at the same time
 * looks again after he has said so (refill_from).
 */
static void note_free(struct flx_slab_pool *pool)
{
	if (atomic_load_explicit(&pool->dry, memory_order_seq_cst))
		atomic_store_explicit(&pool->dry, false, memory_order_seq_cst);
}

/* Keeper's, and init's: whether it pays to make room depends on whether @pool grows. */
static void set_floor(const struct flx_slab *slab, struct flx_slab_pool *pool, bool grows)
{
	atomic_store_explicit(&pool->floor, grows ? 0 : slab->reserve, memory_order_relaxed);
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
			.returned = FLX_SLAB_NONE,
			.room = conf->node[n].ready - conf->node[n].bump,
			.waiting = FLX_SLAB_NONE,
		};
		set_floor(slab, &slab->pool[n], conf->node[n].ready < conf->node[n].end);
	}
	for (uint32_t w = 0; w < FLX_WORKERS_MAX; w++)
		slab->cache[w] = (struct flx_slab_cache){
			.chain = FLX_SLAB_NONE,
			.limbo = FLX_SLAB_NONE,
			.node = conf->worker_node && w < conf->worker_count ? conf->worker_node[w]
									    : 0,
		};
}

/* Room counts what is to be had before it can be taken, so it never falls below 0. */
static void add_room(struct flx_slab_pool *pool, uint32_t count)
{
	atomic_fetch_add_explicit(&pool->room, count, memory_order_relaxed);
}

static void take_room(struct flx_slab_pool *pool, uint32_t count)
{
	atomic_fetch_sub_explicit(&pool->room, count, memory_order_relaxed);
}

/* Fresh records for @cache, as many as a block, as far as memory goes. Under the lock. */
static bool take_fresh(struct flx_slab *slab, uint32_t node, struct flx_slab_cache *cache)
{
	struct flx_slab_pool *pool = &slab->pool[node];
	uint32_t bump = atomic_load_explicit(&pool->bump, memory_order_relaxed), rest;

	/* Acquire, of flx_slab_extend: they are backed. And more than that: see refill_from. */
	rest = atomic_load_explicit(&pool->ready, memory_order_seq_cst) - bump;
	if (rest == 0)
		return false;
	cache->fresh = bump;
	cache->fresh_end = bump + (rest < slab->block ? rest : slab->block);
	if (slab->bumped)
		slab->bumped(slab->bumped_argument, node, cache->fresh_end);
	atomic_store_explicit(&pool->bump, cache->fresh_end, memory_order_relaxed);
	take_room(pool, cache->fresh_end - bump);
	return true;
}

/* A free chain, or a block of fresh records. Under the lock; false: there is neither. */
static bool take_block(struct flx_slab *slab, uint32_t node, struct flx_slab_cache *cache)
{
	struct flx_slab_pool *pool = &slab->pool[node];
	const struct link *first;

	if (pool->chains == FLX_SLAB_NONE)
		pool->chains = take_list(&pool->returned);
	if (pool->chains == FLX_SLAB_NONE)
		return take_fresh(slab, node, cache);
	first = link_at(slab, pool->chains);
	cache->chain = pool->chains;
	cache->chain_count = first->chain_count;
	pool->chains = first->next_chain;
	take_room(pool, cache->chain_count);
	return true;
}

/*
 * The keeper brings chains and memory without the lock, and then says that the pool is not dry.
 * That must not be lost to who has found none and is about to say that it is: then nobody would
 * look again. So he says so first, and looks once more. In the one order of these operations (all
 * are sequentially consistent) his true comes before his second look; where that has missed what
 * the keeper brought, the look comes before the bringing, and that before the keeper's false, which
 * therefore is the later one. Where it has not, he says false himself. A false that comes late, or
 * when all is gone again, costs a look. Among workers the lock decides.
 */
static bool refill_from(struct flx_slab *slab, uint32_t node, struct flx_slab_cache *cache)
{
	struct flx_slab_pool *pool = &slab->pool[node];
	bool found;

	if (atomic_load_explicit(&pool->dry, memory_order_relaxed))
		return false;
	lock(pool);
	found = take_block(slab, node, cache);
	if (!found) {
		atomic_store_explicit(&pool->dry, true, memory_order_seq_cst);
		found = take_block(slab, node, cache);
		if (found)
			note_free(pool);
	}
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

/* Takes chain *@head of *@count out of a cache, to be moved as one. Its first record. */
static uint32_t close_chain(struct flx_slab *slab, uint32_t *head, uint32_t *count)
{
	uint32_t first = *head;

	link_at(slab, first)->chain_count = *count;
	*head = FLX_SLAB_NONE;
	*count = 0;
	return first;
}

/* The free chain of @cache to its pool. */
static void spill(struct flx_slab *slab, struct flx_slab_cache *cache)
{
	struct flx_slab_pool *pool = &slab->pool[cache->node];
	uint32_t count = cache->chain_count;
	uint32_t chain = close_chain(slab, &cache->chain, &cache->chain_count);

	add_room(pool, count);
	lock(pool);
	link_at(slab, chain)->next_chain = pool->chains;
	pool->chains = chain;
	note_free(pool);
	unlock(pool);
}

/* The retired chain of @cache to its pool, for the keeper: counted before he can release it. */
static void spill_limbo(struct flx_slab *slab, struct flx_slab_cache *cache)
{
	struct flx_slab_pool *pool = &slab->pool[cache->node];
	uint32_t count = cache->limbo_count;
	uint32_t chain = close_chain(slab, &cache->limbo, &cache->limbo_count);

	add_room(pool, count);
	atomic_fetch_add_explicit(&pool->deferred, count, memory_order_relaxed);
	push_list(slab, &pool->limbo, chain, chain);
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
		take_room(pool, 1);
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

		pool->waiting = take_list(&pool->limbo);
		found |= pool->waiting != FLX_SLAB_NONE;
	}
	return found;
}

static void release(struct flx_slab *slab, struct flx_slab_pool *pool)
{
	const struct link *last = link_at(slab, pool->waiting);
	uint32_t number = pool->waiting, count = last->chain_count;

	/* The keeper's alone until they are pushed. */
	while (last->next_chain != FLX_SLAB_NONE) {
		number = last->next_chain;
		last = link_at(slab, number);
		count += last->chain_count;
	}
	push_list(slab, &pool->returned, pool->waiting, number);
	note_free(pool);
	pool->waiting = FLX_SLAB_NONE;
	/* Release: who sees that nothing is deferred finds all of it free. */
	atomic_fetch_sub_explicit(&pool->deferred, count, memory_order_release);
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

	add_room(pool, ready - atomic_load_explicit(&pool->ready, memory_order_relaxed));
	/* Release: they are backed. And more than that: see refill_from. */
	atomic_store_explicit(&pool->ready, ready, memory_order_seq_cst);
	note_free(pool);
	set_floor(slab, pool, ready < pool->end);
}

void flx_slab_stick(struct flx_slab *slab, uint32_t node)
{
	set_floor(slab, &slab->pool[node], false);
}

uint32_t flx_slab_free_count(const struct flx_slab *slab, uint32_t node)
{
	const struct flx_slab_pool *pool = &slab->pool[node];
	/* Acquire: what is deferred was room before. It may be gone before the second look. */
	uint32_t deferred = atomic_load_explicit(&pool->deferred, memory_order_acquire);
	uint32_t room = atomic_load_explicit(&pool->room, memory_order_relaxed);

	return room > deferred ? room - deferred : 0;
}

uint32_t flx_slab_deferred(const struct flx_slab *slab)
{
	uint32_t count = 0;

	for (uint32_t n = 0; n < slab->node_count; n++)
		count += atomic_load_explicit(&slab->pool[n].deferred, memory_order_acquire);
	return count;
}

uint32_t flx_slab_bump(const struct flx_slab *slab, uint32_t node)
{
	return atomic_load_explicit(&slab->pool[node].bump, memory_order_relaxed);
}
