/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * slab - records of one size, by number, handed out to workers in blocks.
 *
 * A worker takes and gives back records from a cache of its own, without an atomic operation.
 * Blocks of up to 64 come from a *pool* and go back to it, under a spin lock of the workers that is
 * held for a few instructions (and, for fresh ones, the stores of bumped), at most once per block.
 * There is a pool per NUMA node, each with numbers of its own; a worker asks that of its node
 * first. Never more records than are backed by memory, and never more than the limit.
 *
 * Two ways back. What no reader can have seen a context in is free at once (flx_slab_give). A
 * record that held one waits in *limbo* for a grace period (flx_slab_retire): the keeper collects
 * what has gathered there, waits, and releases it.
 *
 * No worker waits for the keeper, which runs on CPUs that it may lose at any instruction: it takes
 * no lock. What was retired goes to it, and what it has freed comes back, over two lists of chains
 * that are pushed by compare-and-swap and only ever taken whole, by one exchange. (So no ABA: what
 * a push compares is the first chain alone, and that this is still the first is all it needs.)
 *
 * What the caches of other workers hold is out of a worker's reach: at most a block of fresh
 * records, one of free and one of retired ones each. So the block shrinks with the capacity (all
 * caches together hold at most 3/32 of it), and while a pool is dry every worker that settles
 * brings what it holds (flx_slab_relieve). A worker that finds the pools dry is refused without the
 * lock: at the limit a flood of new keys costs no shared write.
 *
 * Of a free record the first 8 bytes stay as they are (the word of a record); the next 12 link it.
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fabric/base.h"

#define FLX_SLAB_NONE  UINT32_MAX
#define FLX_SLAB_BLOCK 64 /* a batch that makes 64 records locks once; more would only hoard */
#define FLX_NODES_MAX  8  /* NUMA nodes with workers */

/* Written and read by: its worker. */
struct flx_slab_cache {
	alignas(FLX_CACHE_LINE) uint32_t fresh; /* [fresh, fresh_end) were never handed out */
	uint32_t fresh_end;
	uint32_t chain; /* free, linked; FLX_SLAB_NONE: none */
	uint32_t chain_count;
	uint32_t limbo; /* retired, linked */
	uint32_t limbo_count;
	uint32_t node; /* whose pool comes first */
};

/*
 * The records of one NUMA node: numbers [first, end), of which those below ready are backed.
 *
 *	field			written by		read by
 *	dry			workers under the	any worker
 *				lock; keeper: false
 *	floor, ready		keeper			any worker, any thread
 *	lock, chains		workers			workers, under the lock
 *	bump			workers, under the	any thread
 *				lock
 *	limbo			workers push		keeper takes all
 *	returned		keeper pushes		a worker under the lock takes all
 *	room, deferred		workers and keeper,	any thread
 *				by adding
 *	waiting			keeper			keeper
 */
struct flx_slab_pool {
	/* Seldom written. */
	alignas(FLX_CACHE_LINE) _Atomic bool dry; /* a worker wanted a block and there was none */
	_Atomic uint32_t floor; /* with less room it is low; 0: it grows, or may soon */
	_Atomic uint32_t ready;
	uint32_t first; /* read-only after init, as end */
	uint32_t end;

	/* The workers'. */
	alignas(FLX_CACHE_LINE) atomic_flag lock;
	uint32_t chains;       /* free chains, linked; FLX_SLAB_NONE: none */
	_Atomic uint32_t bump; /* numbers from here were never handed out */

	/* Between them and the keeper. */
	alignas(FLX_CACHE_LINE) _Atomic uint32_t limbo; /* retired chains, linked */
	_Atomic uint32_t returned;			/* free chains, linked */
	_Atomic uint32_t room;	   /* records in no cache and no use: free, or soon */
	_Atomic uint32_t deferred; /* of these, in limbo or waiting */

	uint32_t waiting; /* chains in the grace period under way */
};

struct flx_slab_conf {
	uint8_t *base; /* of number 0 */
	uint32_t stride_bytes;
	uint32_t capacity; /* records backed at start, over all nodes; sizes blocks and reserve */
	uint32_t worker_count;
	const uint32_t *worker_node; /* pool of each worker; NULL: 0 */
	uint32_t node_count;
	struct {
		uint32_t first, end, ready, bump;
	} node[FLX_NODES_MAX];
	/*
	 * Called under the lock before numbers up to @bump of @node are handed out for the first
	 * time; NULL: nobody needs to know.
	 */
	void (*bumped)(void *argument, uint32_t node, uint32_t bump);
	void *bumped_argument;
};

struct flx_slab {
	/* Read-only after init. */
	uint8_t *base;
	uint32_t stride_bytes;
	uint32_t block;
	uint32_t reserve; /* the floor of a pool that does not grow */
	uint32_t node_count;
	void (*bumped)(void *argument, uint32_t node, uint32_t bump);
	void *bumped_argument;

	struct flx_slab_pool pool[FLX_NODES_MAX];
	struct flx_slab_cache cache[FLX_WORKERS_MAX];
};

void flx_slab_init(struct flx_slab *slab, const struct flx_slab_conf *conf);

/*
 * flx_slab_take - a record's number, or FLX_SLAB_NONE
 * Its bytes are undefined but for the first 8. Context: that worker.
 */
uint32_t flx_slab_take(struct flx_slab *slab, uint32_t worker);

/*
 * flx_slab_append - a number that was never handed out, past all caches; FLX_SLAB_NONE
 * Context: setup.
 */
uint32_t flx_slab_append(struct flx_slab *slab);

/* flx_slab_give - record @number is free, whichever worker took it. Context: that worker. */
void flx_slab_give(struct flx_slab *slab, uint32_t worker, uint32_t number);

/* flx_slab_retire - record @number is free after a grace period. Context: that worker. */
void flx_slab_retire(struct flx_slab *slab, uint32_t worker, uint32_t number);

/* flx_slab_relieve - move all that @worker's cache holds to its pool. Context: that worker. */
void flx_slab_relieve(struct flx_slab *slab, uint32_t worker);

/*
 * flx_slab_collect - what has been retired so far begins to wait; false: nothing was
 * flx_slab_release - a grace period later: it is free
 * Context: keeper, in turns.
 */
bool flx_slab_collect(struct flx_slab *slab);
void flx_slab_release(struct flx_slab *slab);

/*
 * flx_slab_extend - numbers of @node below @ready are backed by memory now
 * flx_slab_stick - they are not, for now: idle records have to make room, where they may
 * Context: keeper.
 */
void flx_slab_extend(struct flx_slab *slab, uint32_t node, uint32_t ready);
void flx_slab_stick(struct flx_slab *slab, uint32_t node);

/*
 * flx_slab_free_count - records of @node that a worker could get, but for those in caches
 * flx_slab_deferred - records in limbo or waiting. Context of both: any thread, a moment's figure.
 */
uint32_t flx_slab_free_count(const struct flx_slab *slab, uint32_t node);
uint32_t flx_slab_deferred(const struct flx_slab *slab);

/* flx_slab_bump - numbers of @node from here were never handed out. Context: any thread. */
uint32_t flx_slab_bump(const struct flx_slab *slab, uint32_t node);

/* True when others may wait for what this worker's cache holds. A load of a line read by all. */
static inline bool flx_slab_dry(const struct flx_slab *slab, uint32_t worker)
{
	return atomic_load_explicit(&slab->pool[slab->cache[worker].node].dry,
				    memory_order_relaxed);
}

/*
 * True when every pool, of which each may serve any worker, has less room than its reserve and does
 * not grow. What waits for a grace period is room that was made already.
 */
static inline bool flx_slab_low(const struct flx_slab *slab)
{
	for (uint32_t n = 0; n < slab->node_count; n++) {
		const struct flx_slab_pool *pool = &slab->pool[n];

		if (atomic_load_explicit(&pool->room, memory_order_relaxed) >=
		    atomic_load_explicit(&pool->floor, memory_order_relaxed))
			return false;
	}
	return true;
}

static inline void *flx_slab_at(const struct flx_slab *slab, uint32_t number)
{
	return slab->base + (uint64_t)number * slab->stride_bytes;
}
