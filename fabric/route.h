/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * route - which worker owns each slice of each group: who producers send to.
 *
 * One table per group, read by all workers under RCU: a worker takes the pointer once per turn, and a
 * new table is published whole. Spread now by slice number over the workers, so that the indirection
 * table of a NIC (bucket i to queue i mod queues) sends a flow to the owner of its slice.
 */
#pragma once

#include "fabric/registry.h"

struct flx_route {
	uint8_t owner[FLX_SLICES]; /* worker index */
};

static_assert(FLX_WORKERS_MAX <= 256, "an owner is one byte");

/* The routes of all groups, indexed by group number. */
struct flx_routes {
	uint32_t group_count;
	struct flx_route route[];
};

/* Routes that spread the slices of @group_count groups over @worker_count workers; NULL: no memory. */
struct flx_routes *flx_routes_alloc(uint32_t group_count, uint32_t worker_count);
void flx_routes_free(struct flx_routes *routes);

/*
 * flx_slice_of_key - the slice of a key of @size bytes (1..FLX_KEY_MAX)
 * A fast hash: it places, and need not keep secrets; the store's index does.
 */
static inline uint16_t flx_slice_of_key(const uint8_t *key, uint32_t size)
{
	/* Odd multiplier of 64 bits (2^64 / golden ratio), Knuth, TAOCP 3, 6.4: high bits mix well. */
	const uint64_t multiplier = 0x9e3779b97f4a7c15u;
	uint64_t hash = size, word = 0;

	for (; size > 8; size -= 8, key += 8) {
		memcpy(&word, key, 8);
		hash = (hash ^ word) * multiplier;
		hash ^= hash >> 32;
	}
	/* The last 1 to 8 bytes; the common sizes without a loop. */
	word = 0;
	if (size == 4)
		memcpy(&word, key, 4);
	else if (size == 8)
		memcpy(&word, key, 8);
	else
		for (uint32_t i = 0; i < size; i++)
			word = word << 8 | key[i];
	hash = (hash ^ word) * multiplier;
	hash ^= hash >> 32;
	return (uint16_t)((hash * multiplier) >> 55);
}

static_assert(FLX_SLICES == 512, "flx_slice_of_key takes 9 bits");
