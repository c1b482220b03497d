/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/credit.h"

/*
 * Relaxed everywhere: a credit is a count and guards no data. What a message carries is published by
 * the lane that it goes through.
 */
bool flx_purse_borrow(struct flx_purse *purse, uint32_t count)
{
	int64_t wanted = (int64_t)count - purse->credits;
	int64_t blocks = (wanted + FLX_CREDIT_BLOCK - 1) / FLX_CREDIT_BLOCK * FLX_CREDIT_BLOCK;
	int64_t had;

	/* Look before taking: at an empty pool a waiting worker only reads. */
	if (atomic_load_explicit(&purse->pool->free, memory_order_relaxed) < blocks)
		return false;
	had = atomic_fetch_sub_explicit(&purse->pool->free, blocks, memory_order_relaxed);
	if (had < blocks) {
		atomic_fetch_add_explicit(&purse->pool->free, blocks, memory_order_relaxed);
		return false;
	}
	purse->credits += blocks;
	return true;
}

void flx_purse_return_blocks(struct flx_purse *purse)
{
	/* Down to half: a purse that swings around its limit would otherwise go to the pool each time. */
	int64_t blocks = (purse->credits - purse->keep / 2) / FLX_CREDIT_BLOCK * FLX_CREDIT_BLOCK;

	purse->credits -= blocks;
	atomic_fetch_add_explicit(&purse->pool->free, blocks, memory_order_relaxed);
}
