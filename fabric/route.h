/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * route - which worker owns each slice of each group: who producers send to, and who runs what.
 *
 * Two tables, since a slice moves while messages are under way. The *route*, one for all, says where
 * a message is sent. The *flags*, one table per worker, say what this worker does with one that it
 * has: handle it, park it, or send it on. Sends look only at the route, dispatch only at the flag;
 * move.h changes both, in an order that keeps what each promises.
 *
 * Both are bytes that are changed in place, relaxed: a reader may see the old value until it has
 * passed a grace period (pulse.h), which the changer observes. A table published whole under RCU
 * would say the same and cost a copy of it for each move.
 *
 * Spread at first by slice number over the workers, so that the indirection table of a NIC (bucket i
 * to queue i mod queues) sends a flow to the owner of its slice.
 *
 *			written by				read by
 *	owner		source of a move			all workers
 *	flag		its worker; source of a move to it	its worker
 */
#pragma once

#include <stdatomic.h>

#include "fabric/registry.h"

struct flx_route {
	_Atomic uint8_t owner[FLX_SLICES]; /* worker index */
};

static_assert(FLX_WORKERS_MAX <= 256, "an owner is one byte");

/* The routes of all groups, indexed by group number. */
struct flx_routes {
	uint32_t group_count;
	struct flx_route route[];
};

/* What a worker does with messages of a slice. */
enum flx_slice_flag {
	FLX_SLICE_LIVE =
		0, /* handles them: 0, so that a batch of flags is all live when its OR is */
	FLX_SLICE_DEPARTED, /* sends them on by the route */
	FLX_SLICE_ARRIVING, /* parks them; and so on: plus the number of the move */
};

struct flx_flags {
	_Atomic uint8_t flag[FLX_SLICES];
};

/* Whose flags. */
struct flx_flags_conf {
	uint32_t group_count;
	uint32_t worker_count; /* that slices are spread over */
	uint32_t index;	       /* of the worker */
	int numa;	       /* its node; -1: any */
};

/*
 * flx_routes_alloc - routes that spread the slices of @group_count groups over @worker_count workers
 * flx_flags_alloc - and the flags of one of them, by group
 * NULL: no memory. Context: setup.
 */
struct flx_routes *flx_routes_alloc(uint32_t group_count, uint32_t worker_count);
struct flx_flags *flx_flags_alloc(const struct flx_flags_conf *conf);
void flx_routes_free(struct flx_routes *routes);
void flx_flags_free(struct flx_flags *flags);

static inline uint8_t flx_route_owner(const struct flx_route *route, uint32_t slice)
{
	return atomic_load_explicit(&route->owner[slice], memory_order_relaxed);
}

static inline void flx_route_set(struct flx_route *route, uint32_t slice, uint32_t owner)
{
	atomic_store_explicit(&route->owner[slice], (uint8_t)owner, memory_order_relaxed);
}

static inline uint8_t flx_flag(const struct flx_flags *flags, uint32_t slice)
{
	return atomic_load_explicit(&flags->flag[slice], memory_order_relaxed);
}

static inline void flx_flag_set(struct flx_flags *flags, uint32_t slice, uint32_t flag)
{
	atomic_store_explicit(&flags->flag[slice], (uint8_t)flag, memory_order_relaxed);
}

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
