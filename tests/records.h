/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * records - a slab in an arena of a test's own, all of it ready.
 */
#pragma once

#include <errno.h>

#include "context-store/arena.h"
#include "context-store/slab.h"

/* Bytes that records_init takes from the arena, alignment included. */
static inline uint64_t records_reserve(uint32_t stride_bytes, uint32_t capacity)
{
	return (uint64_t)stride_bytes * capacity + FLX_CACHE_LINE;
}

static inline int records_init(struct flx_slab *slab, struct flx_arena *arena,
			       uint32_t stride_bytes, uint32_t capacity, uint32_t worker_count)
{
	uint64_t at = flx_arena_alloc(arena, (uint64_t)stride_bytes * capacity, FLX_CACHE_LINE);
	struct flx_slab_conf conf = {
		.stride_bytes = stride_bytes,
		.capacity = capacity,
		.worker_count = worker_count,
		.node_count = 1,
		.node = {{.end = capacity, .ready = capacity}},
	};

	if (at == FLX_ARENA_NONE)
		return -ENOMEM;
	conf.base = flx_arena_at(arena, at);
	flx_slab_init(slab, &conf);
	return 0;
}
