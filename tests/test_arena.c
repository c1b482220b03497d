/* SPDX-License-Identifier: BSD-3-Clause */
#include "context-store/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/test.h"

#define PAGE	   FLX_ARENA_PAGE
#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

static void test_arena_alloc_aligns_and_stays_inside(void)
{
	static const struct {
		uint64_t size_bytes, align_bytes, expected;
	} rows[] = {
		{1, 1, 0},	  {1, 64, 64},	{0, 1, 65},
		{64, 4096, 4096}, {8, 8, 4160}, {1u << 20, 1u << 20, 1u << 20},
		{1, 1, 2u << 20},
	};
	struct flx_arena arena;

	CU_ASSERT_EQUAL_FATAL(flx_arena_init(&arena, 3u << 20, false), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT_EQUAL(flx_arena_alloc(&arena, rows[i].size_bytes, rows[i].align_bytes),
				rows[i].expected);
	CU_ASSERT_EQUAL((uintptr_t)arena.base % (2u << 20), 0);
	flx_arena_fini(&arena);
}

static void test_arena_is_zeroed_and_writable_to_its_end(void)
{
	for (int huge = 0; huge < 2; huge++) {
		struct flx_arena arena;
		uint64_t at;

		CU_ASSERT_EQUAL_FATAL(flx_arena_init(&arena, (2u << 20) + 1, huge), 0);
		CU_ASSERT_EQUAL(arena.size_bytes, 4u << 20);
		at = flx_arena_alloc(&arena, 4u << 20, 64);
		CU_ASSERT_EQUAL_FATAL(at, 0);
		for (uint64_t i = 0; i < arena.size_bytes; i += 4095)
			CU_ASSERT_EQUAL(*(uint8_t *)flx_arena_at(&arena, i), 0);
		memset(flx_arena_at(&arena, at), 0xff, 4u << 20);
		flx_arena_fini(&arena);
	}
}

static void test_arena_full_refuses_and_keeps_the_rest(void)
{
	static const uint64_t refused[] = {(2u << 20) + 1, UINT64_MAX, UINT64_MAX - 4096};
	struct flx_arena arena;

	CU_ASSERT_EQUAL_FATAL(flx_arena_init(&arena, 1, false), 0);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		CU_ASSERT_EQUAL(flx_arena_alloc(&arena, refused[i], 64), FLX_ARENA_NONE);
	CU_ASSERT_EQUAL(flx_arena_alloc(&arena, 2u << 20, 64), 0);
	CU_ASSERT_EQUAL(flx_arena_alloc(&arena, 1, 1), FLX_ARENA_NONE);
	flx_arena_fini(&arena);
}

static void test_arena_init_refuses_what_the_machine_has_not(void)
{
	static const struct {
		uint64_t size_bytes;
		int error;
	} rows[] = {{0, -EINVAL}, {UINT64_MAX, -EINVAL}, {1ull << 60, -ENOMEM}};
	struct flx_arena arena;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (int huge = 0; huge < 2; huge++)
			CU_ASSERT_EQUAL(flx_arena_init(&arena, rows[i].size_bytes, huge),
					rows[i].error);
}

/* Whether the kernel can read, or write, a byte at @at for us: what it cannot would be a signal. */
static bool can_read(const void *at)
{
	int sink = memfd_create("sink", MFD_CLOEXEC);
	bool can = write(sink, at, 1) == 1;

	close(sink);
	return can;
}

static bool can_write(void *at)
{
	int zero = open("/dev/zero", O_RDONLY);
	bool can = read(zero, at, 1) == 1;

	close(zero);
	return can;
}

static void test_arena_reserved_is_out_of_reach_until_backed(void)
{
	static const struct flx_backing memory = {.fd = -1, .numa = -1};
	static const uint64_t aligns[] = {PAGE, 1ull << 30};

	for (size_t i = 0; i < ROWS(aligns); i++) {
		struct flx_arena arena;

		CU_ASSERT_EQUAL_FATAL(flx_arena_reserve(&arena, 6 * PAGE, aligns[i]), 0);
		CU_ASSERT_EQUAL((uintptr_t)arena.base % aligns[i], 0);
		CU_ASSERT_EQUAL(arena.size_bytes % aligns[i], 0);
		CU_ASSERT_FALSE(can_read(arena.base));
		CU_ASSERT_EQUAL(flx_arena_alloc(&arena, 1, 1), FLX_ARENA_NONE);

		/* Out of order: usable, and not allocated from before the rest is there. */
		CU_ASSERT_EQUAL(flx_arena_back(&arena, 2 * PAGE, PAGE, &memory), 0);
		CU_ASSERT_TRUE(can_write(flx_arena_at(&arena, 3 * PAGE - 1)));
		CU_ASSERT_FALSE(can_read(flx_arena_at(&arena, 2 * PAGE - 1)));
		CU_ASSERT_FALSE(can_read(flx_arena_at(&arena, 3 * PAGE)));
		CU_ASSERT_EQUAL(flx_arena_alloc(&arena, 1, 1), FLX_ARENA_NONE);

		CU_ASSERT_EQUAL(flx_arena_back(&arena, 0, PAGE, &memory), 0);
		CU_ASSERT_EQUAL(flx_arena_alloc(&arena, PAGE, 64), 0);
		CU_ASSERT_EQUAL(flx_arena_alloc(&arena, 1, 1), FLX_ARENA_NONE);
		CU_ASSERT_EQUAL(flx_arena_back(&arena, PAGE, PAGE, &memory), 0);
		CU_ASSERT_EQUAL(flx_arena_alloc(&arena, PAGE, 64), PAGE);
		flx_arena_fini(&arena);
	}
}

static int file_of(uint64_t size_bytes)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	CU_ASSERT_FATAL(fd >= 0 && ftruncate(fd, (off_t)size_bytes) == 0);
	return fd;
}

static void test_arena_file_is_shared_and_its_blocks_are_there(void)
{
	int fd = file_of(4 * PAGE);
	struct flx_backing part = {.fd = fd, .file_offset = PAGE, .numa = 0};
	struct stat facts;
	struct flx_arena arena, reader;
	uint8_t byte = 0;

	CU_ASSERT_EQUAL_FATAL(flx_arena_reserve(&arena, 4 * PAGE, PAGE), 0);
	CU_ASSERT_EQUAL_FATAL(flx_arena_reserve(&reader, 4 * PAGE, PAGE), 0);
	CU_ASSERT_EQUAL(flx_arena_back(&arena, 0, 12288, &part), 0);
	CU_ASSERT_EQUAL(atomic_load(&arena.ready_bytes), 12288);
	CU_ASSERT_EQUAL(fstat(fd, &facts), 0);
	CU_ASSERT_EQUAL(facts.st_blocks * 512, 12288);
	*(uint8_t *)flx_arena_at(&arena, 12287) = 99;
	CU_ASSERT_EQUAL(pread(fd, &byte, 1, PAGE + 12287), 1);
	CU_ASSERT_EQUAL(byte, 99);

	part.read_only = true;
	CU_ASSERT_EQUAL(flx_arena_back(&reader, 0, PAGE, &part), 0);
	CU_ASSERT_EQUAL(*(uint8_t *)flx_arena_at(&reader, 12287), 99);
	CU_ASSERT_FALSE(can_write(flx_arena_at(&reader, 12287)));
	CU_ASSERT_EQUAL(fstat(fd, &facts), 0);
	CU_ASSERT_EQUAL(facts.st_blocks * 512, 12288);
	flx_arena_fini(&arena);
	flx_arena_fini(&reader);
	close(fd);
}

static void test_arena_part_that_cannot_be_leaves_the_region_as_it_was(void)
{
	int closed = file_of(PAGE), fd = file_of(PAGE);
	const struct {
		uint64_t offset, size;
		struct flx_backing backing;
		int error;
	} rows[] = {
		{0, 0, {.fd = -1}, -EINVAL},
		{0, 5 * PAGE, {.fd = -1}, -EINVAL},
		{4 * PAGE, PAGE, {.fd = -1}, -EINVAL},
		{UINT64_MAX - PAGE + 1, PAGE, {.fd = -1}, -EINVAL},
		{0, 4096, {.fd = -1}, -EINVAL},
		{4096, PAGE, {.fd = -1}, -EINVAL},
		{0, PAGE, {.fd = fd, .file_offset = 1}, -EINVAL},
		{0, PAGE, {.fd = fd, .file_offset = 1ull << 62}, -EINVAL},
		{0, PAGE, {.fd = fd, .file_offset = 4096}, -EINVAL},
		{0, PAGE, {.fd = fd, .file_offset = 4096, .read_only = true}, -EINVAL},
		{0, PAGE, {.fd = closed}, -EBADF},
	};
	struct flx_arena arena;

	close(closed);
	CU_ASSERT_EQUAL_FATAL(flx_arena_reserve(&arena, 4 * PAGE, PAGE), 0);
	for (size_t i = 0; i < ROWS(rows); i++) {
		CU_ASSERT_EQUAL(
			flx_arena_back(&arena, rows[i].offset, rows[i].size, &rows[i].backing),
			rows[i].error);
		CU_ASSERT_EQUAL(atomic_load(&arena.ready_bytes), 0);
		CU_ASSERT_FALSE(can_read(arena.base));
	}
	flx_arena_fini(&arena);
	close(fd);
}

static void *keep(void *opaque)
{
	static const struct flx_backing memory = {.fd = -1, .numa = -1};
	struct flx_arena *arena = opaque;

	for (uint64_t at = 0; at < arena->size_bytes; at += PAGE)
		CU_ASSERT_EQUAL(flx_arena_back(arena, at, PAGE, &memory), 0);
	return NULL;
}

/* What is allocated is there, at whatever moment the keeper backs more. */
static void test_arena_grows_under_the_one_who_allocates(void)
{
	struct flx_arena arena;
	pthread_t keeper;
	uint64_t taken = 0;

	CU_ASSERT_EQUAL_FATAL(flx_arena_reserve(&arena, 64 * PAGE, PAGE), 0);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&keeper, NULL, keep, &arena), 0);
	while (taken < arena.size_bytes) {
		uint64_t at = flx_arena_alloc(&arena, 65536, 64);

		if (at == FLX_ARENA_NONE) {
			sched_yield();
			continue;
		}
		CU_ASSERT_EQUAL(at, taken);
		memset(flx_arena_at(&arena, at), 0xff, 65536);
		taken += 65536;
	}
	pthread_join(keeper, NULL);
	CU_ASSERT_EQUAL(flx_arena_alloc(&arena, 1, 1), FLX_ARENA_NONE);
	flx_arena_fini(&arena);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_arena_alloc_aligns_and_stays_inside),
		FLX_TEST(test_arena_is_zeroed_and_writable_to_its_end),
		FLX_TEST(test_arena_full_refuses_and_keeps_the_rest),
		FLX_TEST(test_arena_init_refuses_what_the_machine_has_not),
		FLX_TEST(test_arena_reserved_is_out_of_reach_until_backed),
		FLX_TEST(test_arena_file_is_shared_and_its_blocks_are_there),
		FLX_TEST(test_arena_part_that_cannot_be_leaves_the_region_as_it_was),
		FLX_TEST(test_arena_grows_under_the_one_who_allocates),
		{0},
	};

	return flx_test_main("arena", tests);
}
