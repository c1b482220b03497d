/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arena - a region of fixed size, from which memory is taken once and addressed by offsets.
 *
 * What lies inside refers to itself by offsets and never by pointers, so that the region may come
 * back at another address (a file mapped again). It never grows: what does not fit is refused.
 *
 * Huge: 2 MiB pages (without them every random access to a large table is a TLB miss as well), all
 * of them present before init returns. A fault on the hot path would stop a worker for at least
 * 165 us (a transparent 2 MiB page, measured), and memory that is not there must refuse the start,
 * not kill the fabric later. The price is a start that takes 0.12 s longer per GiB; up to 1.6 s
 * where the host has to find the memory first. Where the pool of hugepages is too small, ordinary
 * memory serves, under one warning per process.
 *
 * Not huge (development): ordinary memory, present when first touched, and no warning.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fabric/base.h"

#define FLX_ARENA_NONE UINT64_MAX

struct flx_arena {
	uint8_t *base; /* of the region; aligned to 2 MiB */
	uint64_t size_bytes;
	uint64_t used_bytes;
};

/*
 * flx_arena_init - map @size_bytes (1 or more, rounded up to 2 MiB) of zeroes
 * 0; -ENOMEM: the machine does not have them; -EINVAL: no such size. Context: setup.
 */
int flx_arena_init(struct flx_arena *arena, uint64_t size_bytes, bool huge);
void flx_arena_fini(struct flx_arena *arena);

/*
 * flx_arena_alloc - take @size_bytes aligned to @align_bytes (a power of two, at most 2 MiB)
 * The offset, or FLX_ARENA_NONE when the rest is too small. Not given back before fini.
 * Context: one thread at a time.
 */
uint64_t flx_arena_alloc(struct flx_arena *arena, uint64_t size_bytes, uint64_t align_bytes);

static inline void *flx_arena_at(const struct flx_arena *arena, uint64_t offset)
{
	return arena->base + offset;
}
