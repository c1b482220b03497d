/* SPDX-License-Identifier: BSD-3-Clause */
#include "context-store/arena.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE_BYTES (2ull << 20)
#define MAP_2MB	   (21 << 26) /* MAP_HUGE_2MB of <linux/mman.h>: log2 of the size, shifted */

static void warn_once(uint64_t size_bytes, int error)
{
	static atomic_flag warned = ATOMIC_FLAG_INIT;

	if (!atomic_flag_test_and_set(&warned))
		flx_warn("no %llu hugepages of 2 MiB for contexts (%s): running on ordinary pages, "
			 "slower when contexts are many; reserve them with `sysctl "
			 "vm.nr_hugepages=N` or run in dev mode",
			 (unsigned long long)(size_bytes / PAGE_BYTES), strerror(error));
}

static uint8_t *map_hugetlb(uint64_t size_bytes)
{
	void *base =
		mmap(NULL, size_bytes, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_2MB | MAP_POPULATE, -1, 0);

	return base == MAP_FAILED ? NULL : base;
}

/* Ordinary pages on a 2 MiB boundary, without which the kernel cannot make them huge. */
static uint8_t *map_ordinary(uint64_t size_bytes)
{
	uint8_t *raw, *base;

	raw = mmap(NULL, size_bytes + PAGE_BYTES, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (raw == MAP_FAILED)
		return NULL;
	base = raw + (-(uintptr_t)raw & (PAGE_BYTES - 1));
	if (base != raw)
		munmap(raw, (size_t)(base - raw));
	munmap(base + size_bytes, (size_t)(raw + PAGE_BYTES - base));
	/* A wish: where it is refused the pages are small, and all still works. */
	madvise(base, size_bytes, MADV_HUGEPAGE);
	return base;
}

int flx_arena_init(struct flx_arena *arena, uint64_t size_bytes, bool huge)
{
	uint64_t rounded = (size_bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
	uint8_t *base = NULL;

	if (size_bytes == 0 || rounded < size_bytes || rounded > SIZE_MAX - PAGE_BYTES)
		return -EINVAL;
	if (huge) {
		base = map_hugetlb(rounded);
		if (!base)
			warn_once(rounded, errno);
	}
	if (!base) {
		base = map_ordinary(rounded);
		if (!base)
			return -ENOMEM;
		/* A kernel before 5.14 cannot (EINVAL): the pages then come when first touched. */
		if (huge && madvise(base, rounded, MADV_POPULATE_WRITE) < 0 && errno != EINVAL) {
			munmap(base, rounded);
			return -ENOMEM;
		}
	}
	*arena = (struct flx_arena){.base = base, .size_bytes = rounded};
	return 0;
}

void flx_arena_fini(struct flx_arena *arena)
{
	if (arena->base)
		munmap(arena->base, arena->size_bytes);
	*arena = (struct flx_arena){0};
}

uint64_t flx_arena_alloc(struct flx_arena *arena, uint64_t size_bytes, uint64_t align_bytes)
{
	uint64_t at = (arena->used_bytes + align_bytes - 1) & ~(align_bytes - 1);

	FLX_ASSERT(align_bytes > 0 && (align_bytes & (align_bytes - 1)) == 0);
	FLX_ASSERT(align_bytes <= PAGE_BYTES);
	if (at > arena->size_bytes || size_bytes > arena->size_bytes - at)
		return FLX_ARENA_NONE;
	arena->used_bytes = at + size_bytes;
	return at;
}
