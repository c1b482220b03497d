/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arena - a region of the address space, backed step by step with memory or with parts of files.
 *
 * The size is fixed when it is reserved; addresses never change while it grows. What lies inside
 * refers to itself by offsets and never by pointers, so that a file may come back at another
 * address. Untouchable until backed: a stray access faults instead of reading a neighbour.
 *
 * A part of memory is prepared beside the region and moved in when it is complete, one of a file
 * mapped to its place when its blocks are there: a failure leaves the region untouchable there.
 *
 * Huge: 2 MiB pages (without them every random access to a large table is a TLB miss as well), all
 * of them present before the call returns. A fault on the hot path would stop a worker for at
 * least 165 us (a transparent 2 MiB page, measured), and memory that is not there must refuse the
 * start, not kill the fabric later. The price is a start that takes 0.12 s longer per GiB; up to
 * 1.6 s where the host has to find the memory first. Where the pool of hugepages is too small,
 * ordinary memory serves, under one warning per process.
 *
 * Not huge (development): ordinary memory, present when first touched, and no warning.
 *
 * A file's blocks are reserved before it is mapped: a full disk or too few hugepages is an error
 * here, and not a SIGBUS later.
 *
 *	field		written by		read by
 *	ready_bytes	who backs		who allocates
 *	used_bytes	who allocates		who allocates
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fabric/base.h"

#define FLX_ARENA_NONE UINT64_MAX
#define FLX_ARENA_PAGE (2ull << 20)

struct flx_arena {
	uint8_t *base;		      /* of the region; aligned to 2 MiB or what reserve was told */
	uint64_t size_bytes;	      /* of the region */
	_Atomic uint64_t ready_bytes; /* [0, ready) may be allocated from */
	uint64_t used_bytes;
};

/* What a part of an arena stands on. */
struct flx_backing {
	int fd;		      /* of a file that is long enough; -1: anonymous memory */
	uint64_t file_offset; /* a multiple of the file's pages */
	bool huge;	      /* anonymous memory only: see above */
	bool read_only;	      /* files only: nothing is reserved or made present */
	int numa;	      /* node that the memory had better be of; -1: any */
};

/*
 * flx_arena_init - reserve and back @size_bytes (1 or more, rounded up to 2 MiB) of zeroes
 * 0; -ENOMEM: the machine does not have them; -EINVAL: no such size. Context: setup.
 */
int flx_arena_init(struct flx_arena *arena, uint64_t size_bytes, bool huge);
void flx_arena_fini(struct flx_arena *arena);

/*
 * flx_arena_reserve - take @size_bytes of addresses, and no memory
 * @size_bytes: rounded up to @align_bytes
 * @align_bytes: of the base; a power of two, at least 2 MiB
 * 0; -ENOMEM: no such stretch of addresses is free; -EINVAL: no such size. Context: setup.
 */
int flx_arena_reserve(struct flx_arena *arena, uint64_t size_bytes, uint64_t align_bytes);

/*
 * flx_arena_back - make [@offset_bytes, @offset_bytes + @size_bytes) of the region usable
 *
 * Both multiples of 2 MiB for anonymous memory, else of flx_arena_page_bytes of the file. Parts in
 * any order; one that begins at ready_bytes moves it on. @backing->fd may be closed afterwards.
 * 0; -ENOSPC, -ENOMEM: no room in the filesystem, not enough memory; -EINVAL: not inside, not
 * aligned; or what mmap says. The region is then unchanged (a file may keep reserved blocks).
 * Context: setup, or one thread at a time while others use what is ready.
 */
int flx_arena_back(struct flx_arena *arena, uint64_t offset_bytes, uint64_t size_bytes,
		   const struct flx_backing *backing);

/* Bytes per page of the filesystem of @fd: on hugetlbfs what it was mounted with, else 4,096. */
uint64_t flx_arena_page_bytes(int fd);

/*
 * flx_arena_alloc - take @size_bytes aligned to @align_bytes (a power of two, at most 2 MiB)
 * The offset, or FLX_ARENA_NONE when what is ready is too small. Not given back before fini.
 * Context: one thread at a time; another one may back more meanwhile.
 */
uint64_t flx_arena_alloc(struct flx_arena *arena, uint64_t size_bytes, uint64_t align_bytes);

static inline void *flx_arena_at(const struct flx_arena *arena, uint64_t offset)
{
	return arena->base + offset;
}
