/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * credit - the right to bring one more message into the fabric.
 *
 * A message in flight holds one credit from the moment that it begins a chain until it is delivered,
 * consumed or dropped; continuing a chain costs nothing. A worker spends and returns from its own
 * purse, and goes to the shared pool in blocks only, so the pool's line is touched once in 64
 * messages. When the pool is empty a worker stops polling its RX queues: load is refused at the edge.
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>

#include "fabric/base.h"

/* Below 64 the pool's line would travel for every burst; above, few workers could hold it all. */
#define FLX_CREDIT_BLOCK 64

/* Written by every worker, once a block. */
struct flx_credit_pool {
	alignas(FLX_CACHE_LINE) _Atomic int64_t free;
};

struct flx_purse {
	struct flx_credit_pool *pool;
	int64_t credits; /* below 0 only by what the edge made itself (ARP requests) */
	int64_t keep;	 /* above this, blocks go back */
};

static inline void flx_credit_pool_init(struct flx_credit_pool *pool, uint32_t credits)
{
	atomic_init(&pool->free, credits);
}

/* @keep: what this worker may hold unused, in credits; at least two blocks. */
static inline void flx_purse_init(struct flx_purse *purse, struct flx_credit_pool *pool,
				  uint32_t keep)
{
	*purse = (struct flx_purse){.pool = pool, .keep = keep};
}

/* Out of line: goes to the pool. */
bool flx_purse_borrow(struct flx_purse *purse, uint32_t count);
void flx_purse_return_blocks(struct flx_purse *purse);

/* flx_purse_has - make sure of @count credits, borrowing if need be; false when there are none. */
static inline bool flx_purse_has(struct flx_purse *purse, uint32_t count)
{
	return likely(purse->credits >= (int64_t)count) || flx_purse_borrow(purse, count);
}

/* flx_purse_spend - @count messages began; flx_purse_has was true, or the edge made them. */
static inline void flx_purse_spend(struct flx_purse *purse, uint64_t count)
{
	purse->credits -= (int64_t)count;
}

/* flx_purse_return - @count messages ended here. */
static inline void flx_purse_return(struct flx_purse *purse, uint64_t count)
{
	purse->credits += (int64_t)count;
	if (unlikely(purse->credits > purse->keep))
		flx_purse_return_blocks(purse);
}
