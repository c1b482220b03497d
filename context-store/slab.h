/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * slab - records of one size, by number, handed out to workers in blocks.
 *
 * A worker takes and gives back records from a cache of its own, without an atomic operation.
 * Blocks of up to 64 come from a shared pool and go back to it, under a spin lock that is held for
 * a few instructions, at most once per block. Never more records than capacity.
 *
 * What the caches of other workers hold is out of a worker's reach: at most a block of fresh
 * records and a block of given-back ones each. So the block shrinks with the capacity (all caches
 * together hold at most 1/16 of it), and while the pool is dry every worker that settles brings
 * what it holds (flx_slab_relieve). A worker that finds the pool dry is refused without the lock:
 * at the limit a flood of new keys costs no shared write.
 *
 * Of a free record the first 8 bytes stay zero (a record that was never committed); the next 12
 * link it.
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "context-store/arena.h"
#include "fabric/base.h"

#define FLX_SLAB_NONE  UINT32_MAX
#define FLX_SLAB_BLOCK 64 /* a batch that makes 64 records locks once; more would only hoard */

/* Written and read by: its worker. */
struct flx_slab_cache {
	alignas(FLX_CACHE_LINE) uint32_t fresh; /* [fresh, fresh_end) were never handed out */
	uint32_t fresh_end;
	uint32_t chain; /* given back, linked; FLX_SLAB_NONE: none */
	uint32_t chain_count;
};

struct flx_slab {
	/* Read-only after init. */
	uint8_t *base;
	uint32_t stride_bytes;
	uint32_t capacity;
	uint32_t block;

	/* Written when the pool runs empty and when something comes back. Read by every settle. */
	_Atomic bool dry; /* a worker wanted a block and the pool had none */

	/* Written by: whoever holds the lock. */
	alignas(FLX_CACHE_LINE) atomic_flag lock;
	uint32_t bump;	 /* numbers from here were never handed out */
	uint32_t chains; /* chains given back, linked; FLX_SLAB_NONE: none */

	struct flx_slab_cache cache[FLX_WORKERS_MAX];
};

/* Bytes that flx_slab_init takes from the arena, alignment included. */
uint64_t flx_slab_reserve(uint32_t stride_bytes, uint32_t capacity);

/*
 * flx_slab_init - a full slab; @stride_bytes is a multiple of the cache line
 * 0; -ENOMEM: the arena's rest is too small. Context: setup.
 */
int flx_slab_init(struct flx_slab *slab, struct flx_arena *arena, uint32_t stride_bytes,
		  uint32_t capacity, uint32_t worker_count);

/*
 * flx_slab_take - a record's number, or FLX_SLAB_NONE
 * Its bytes are undefined but for the first 8. Context: that worker.
 */
uint32_t flx_slab_take(struct flx_slab *slab, uint32_t worker);

/*
 * flx_slab_give - take record @number back, whichever worker took it; its first 8 bytes are zero
 * Context: that worker.
 */
void flx_slab_give(struct flx_slab *slab, uint32_t worker, uint32_t number);

/* flx_slab_relieve - move all that @worker's cache holds to the pool. Context: that worker. */
void flx_slab_relieve(struct flx_slab *slab, uint32_t worker);

/* True when others may wait for what this worker's cache holds. One load of a line read by all. */
static inline bool flx_slab_dry(const struct flx_slab *slab)
{
	return atomic_load_explicit(&slab->dry, memory_order_relaxed);
}

static inline void *flx_slab_at(const struct flx_slab *slab, uint32_t number)
{
	return slab->base + (uint64_t)number * slab->stride_bytes;
}
