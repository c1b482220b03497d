/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "context-store/arena.h"
#include "tests/test.h"

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

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_arena_alloc_aligns_and_stays_inside),
		FLX_TEST(test_arena_is_zeroed_and_writable_to_its_end),
		FLX_TEST(test_arena_full_refuses_and_keeps_the_rest),
		FLX_TEST(test_arena_init_refuses_what_the_machine_has_not),
		{0},
	};

	return flx_test_main("arena", tests);
}
