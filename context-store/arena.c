/* SPDX-License-Identifier: BSD-3-Clause */
#include "context-store/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mempolicy.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define SMALL_PAGE 4096
#define MAP_2MB	   (21 << 26) /* MAP_HUGE_2MB of <linux/mman.h>: log2 of the size, shifted */

static void warn_once(uint64_t size_bytes, int error)
{
	static atomic_flag warned = ATOMIC_FLAG_INIT;

	if (!atomic_flag_test_and_set(&warned))
		flx_warn("no %llu hugepages of 2 MiB for contexts (%s): running on ordinary pages, "
			 "slower when contexts are many; reserve them with `sysctl "
			 "vm.nr_hugepages=N` or run in dev mode",
			 (unsigned long long)(size_bytes / FLX_ARENA_PAGE), strerror(error));
}

/* A wish: where it is refused the memory is remote, and all still works. */
static void prefer_node(void *base, uint64_t size_bytes, int numa)
{
	static atomic_flag warned = ATOMIC_FLAG_INIT;
	unsigned long mask[16] = {0};
	unsigned int bits = 8 * sizeof(mask[0]), node = (unsigned int)numa;

	if (numa < 0 || node >= 8 * sizeof(mask))
		return;
	mask[node / bits] = 1ul << node % bits;
	/* The kernel takes one bit less than it is told. libnuma for one call would be too much. */
	if (syscall(SYS_mbind, base, size_bytes, MPOL_PREFERRED, mask, 8 * sizeof(mask), 0) < 0 &&
	    !atomic_flag_test_and_set(&warned))
		flx_warn("memory for contexts cannot be bound to NUMA node %d (%s): some of it may "
			 "be remote and slower; allow mbind, or ignore this on one node",
			 numa, strerror(errno));
}

/* Ordinary pages on a boundary of @align_bytes, where the kernel may make them huge. */
static uint8_t *map_aligned(uint64_t size_bytes, uint64_t align_bytes, int protection, int flags)
{
	uint8_t *raw, *base;

	raw = mmap(NULL, size_bytes + align_bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags,
		   -1, 0);
	if (raw == MAP_FAILED)
		return NULL;
	base = raw + (-(uintptr_t)raw & (align_bytes - 1));
	if (base != raw)
		munmap(raw, (size_t)(base - raw));
	munmap(base + size_bytes, (size_t)(raw + align_bytes - base));
	return base;
}

/*
 * All pages present, and an error instead of a signal where that cannot be. A kernel before 5.14
 * cannot (EINVAL): the pages then come when first touched.
 */
static int populate(void *base, uint64_t size_bytes, int advice)
{
	if (madvise(base, size_bytes, advice) == 0 || errno == EINVAL)
		return 0;
	return errno == EFAULT ? -EIO : -errno;
}

/* Without MAP_POPULATE, which would come before the binding and cannot fail. */
static uint8_t *map_hugetlb(uint64_t size_bytes, int numa)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_2MB;
	uint8_t *base = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
	int error;

	if (base == MAP_FAILED)
		return NULL;
	prefer_node(base, size_bytes, numa);
	error = populate(base, size_bytes, MADV_POPULATE_WRITE);
	if (!error)
		return base;
	munmap(base, size_bytes);
	errno = -error;
	return NULL;
}

static int map_memory(uint8_t **base, uint64_t size_bytes, const struct flx_backing *backing)
{
	if (backing->huge) {
		*base = map_hugetlb(size_bytes, backing->numa);
		if (*base)
			return 0;
		warn_once(size_bytes, errno);
	}
	*base = map_aligned(size_bytes, FLX_ARENA_PAGE, PROT_READ | PROT_WRITE, 0);
	if (!*base)
		return -ENOMEM;
	prefer_node(*base, size_bytes, backing->numa);
	/* A wish: where it is refused the pages are small, and all still works. */
	madvise(*base, size_bytes, MADV_HUGEPAGE);
	if (!backing->huge || !populate(*base, size_bytes, MADV_POPULATE_WRITE))
		return 0;
	munmap(*base, size_bytes);
	return -ENOMEM;
}

/* The blocks come after the binding: a file's pages are placed when they are reserved. */
static int reserve_blocks(const struct flx_backing *backing, uint64_t size_bytes)
{
	void *aside = mmap(NULL, size_bytes, PROT_NONE, MAP_SHARED, backing->fd,
			   (off_t)backing->file_offset);
	int error;

	if (aside == MAP_FAILED)
		return -errno;
	prefer_node(aside, size_bytes, backing->numa);
	munmap(aside, size_bytes);
	do {
		error = posix_fallocate(backing->fd, (off_t)backing->file_offset,
					(off_t)size_bytes);
	} while (error == EINTR);
	return -error;
}

/*
 * Straight to its place, when nothing is left that could fail but the mapping itself: moving a
 * shared mapping of a GiB or more of hugepages hangs the kernel for good (mremap takes the file's
 * i_mmap lock, and again to share page tables; seen on 6.18).
 */
static int back_file(uint8_t *at, uint64_t size_bytes, const struct flx_backing *backing)
{
	int protection = backing->read_only ? PROT_READ : PROT_READ | PROT_WRITE;
	struct stat facts;
	int error = 0;

	if (fstat(backing->fd, &facts) < 0)
		return -errno;
	/* Behind the end is a SIGBUS. */
	if (backing->file_offset > (uint64_t)facts.st_size ||
	    size_bytes > (uint64_t)facts.st_size - backing->file_offset)
		return -EINVAL;
	if (!backing->read_only)
		error = reserve_blocks(backing, size_bytes);
	if (error)
		return error;
	if (mmap(at, size_bytes, protection, MAP_SHARED | MAP_FIXED, backing->fd,
		 (off_t)backing->file_offset) == MAP_FAILED) {
		error = -errno;
		/* Where the kernel has cleared the place before it refused. */
		(void)mmap(at, size_bytes, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1,
			   0);
		return error;
	}
	/* Reading makes a shared page present and writable, without making it dirty. */
	if (!backing->read_only)
		error = populate(at, size_bytes, MADV_POPULATE_READ);
	if (error)
		(void)mmap(at, size_bytes, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	return error;
}

/* Prepared beside the region, moved in when it is complete. */
static int back_memory(uint8_t *at, uint64_t size_bytes, const struct flx_backing *backing)
{
	uint8_t *base;
	int error = map_memory(&base, size_bytes, backing);

	if (error)
		return error;
	if (mremap(base, size_bytes, size_bytes, MREMAP_MAYMOVE | MREMAP_FIXED, at) == MAP_FAILED) {
		error = -errno;
		munmap(base, size_bytes);
	}
	return error;
}

int flx_arena_reserve(struct flx_arena *arena, uint64_t size_bytes, uint64_t align_bytes)
{
	uint64_t rounded = (size_bytes + align_bytes - 1) & ~(align_bytes - 1);
	uint8_t *base;

	FLX_ASSERT(align_bytes >= FLX_ARENA_PAGE && (align_bytes & (align_bytes - 1)) == 0);
	if (size_bytes == 0 || rounded < size_bytes || rounded > SIZE_MAX - align_bytes)
		return -EINVAL;
	base = map_aligned(rounded, align_bytes, PROT_NONE, MAP_NORESERVE);
	if (!base)
		return -ENOMEM;
	*arena = (struct flx_arena){.base = base, .size_bytes = rounded};
	return 0;
}

int flx_arena_back(struct flx_arena *arena, uint64_t offset_bytes, uint64_t size_bytes,
		   const struct flx_backing *backing)
{
	bool file = backing->fd >= 0;
	uint64_t page = file ? flx_arena_page_bytes(backing->fd) : FLX_ARENA_PAGE;
	uint8_t *at = arena->base + offset_bytes;
	int error;

	if (size_bytes == 0 || offset_bytes > arena->size_bytes ||
	    size_bytes > arena->size_bytes - offset_bytes ||
	    ((offset_bytes | size_bytes | (file ? backing->file_offset : 0)) & (page - 1)))
		return -EINVAL;
	error = file ? back_file(at, size_bytes, backing) : back_memory(at, size_bytes, backing);
	if (error)
		return error;
	/* Release: the memory is there before it is announced; pairs with flx_arena_alloc. */
	if (offset_bytes == atomic_load_explicit(&arena->ready_bytes, memory_order_relaxed))
		atomic_store_explicit(&arena->ready_bytes, offset_bytes + size_bytes,
				      memory_order_release);
	return 0;
}

uint64_t flx_arena_page_bytes(int fd)
{
	struct statfs filesystem;

	if (fstatfs(fd, &filesystem) < 0 || filesystem.f_type != HUGETLBFS_MAGIC)
		return SMALL_PAGE;
	return (uint64_t)filesystem.f_bsize;
}

int flx_arena_init(struct flx_arena *arena, uint64_t size_bytes, bool huge)
{
	struct flx_backing backing = {.fd = -1, .huge = huge, .numa = -1};
	int error = flx_arena_reserve(arena, size_bytes, FLX_ARENA_PAGE);

	if (error)
		return error;
	error = flx_arena_back(arena, 0, arena->size_bytes, &backing);
	if (error)
		flx_arena_fini(arena);
	return error;
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
	uint64_t ready = atomic_load_explicit(&arena->ready_bytes, memory_order_acquire);

	FLX_ASSERT(align_bytes > 0 && (align_bytes & (align_bytes - 1)) == 0);
	FLX_ASSERT(align_bytes <= FLX_ARENA_PAGE);
	if (at > ready || size_bytes > ready - at)
		return FLX_ARENA_NONE;
	arena->used_bytes = at + size_bytes;
	return at;
}
