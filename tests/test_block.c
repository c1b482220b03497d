/* SPDX-License-Identifier: BSD-3-Clause */
#include "context-store/block.h"
#include "tests/test.h"

static struct flx_arena arena;
static struct flx_block_pool pool;

static void set_up(uint64_t size_bytes)
{
	CU_ASSERT_EQUAL_FATAL(flx_arena_init(&arena, flx_block_reserve() + size_bytes, false), 0);
	CU_ASSERT_EQUAL_FATAL(flx_block_pool_init(&pool, &arena), 0);
}

static void test_block_serves_again_for_its_class_only(void)
{
	uint32_t line[3], used;

	set_up(1 << 20);
	for (uint32_t class = 0; class < 3; class ++) {
		line[class] = flx_block_alloc(&pool, class);
		CU_ASSERT_NOT_EQUAL_FATAL(line[class], 0);
		memset(flx_block_at(&pool, line[class]), 0xff, (size_t)FLX_CACHE_LINE << class);
	}
	used = (uint32_t)arena.used_bytes;
	for (uint32_t class = 0; class < 3; class ++)
		flx_block_free(&pool, class, line[class]);
	for (uint32_t class = 3; class --;)
		CU_ASSERT_EQUAL(flx_block_alloc(&pool, class), line[class]);
	CU_ASSERT_EQUAL(arena.used_bytes, used);
	CU_ASSERT_NOT_EQUAL(flx_block_alloc(&pool, 1), 0);
	CU_ASSERT_EQUAL(arena.used_bytes, used + 2 * FLX_CACHE_LINE);
	flx_arena_fini(&arena);
}

/* Also when the arena grows later: alloc asks it each time. */
static void test_block_alloc_without_memory_says_so(void)
{
	uint64_t size_bytes;

	set_up(0);
	size_bytes = arena.ready_bytes;
	arena.ready_bytes = arena.used_bytes;
	CU_ASSERT_EQUAL(flx_block_alloc(&pool, 0), 0);
	arena.ready_bytes += 3 * FLX_CACHE_LINE;
	CU_ASSERT_EQUAL(flx_block_alloc(&pool, 2), 0);
	CU_ASSERT_NOT_EQUAL(flx_block_alloc(&pool, 1), 0);
	CU_ASSERT_NOT_EQUAL(flx_block_alloc(&pool, 0), 0);
	CU_ASSERT_EQUAL(flx_block_alloc(&pool, 0), 0);
	arena.ready_bytes = size_bytes;
	flx_arena_fini(&arena);
}

/* What is retired after collect waits for the next, even past the release. */
static void test_block_retired_waits_for_its_own_grace_period(void)
{
	uint32_t early, late;
	uint8_t *bytes;

	set_up(1 << 20);
	CU_ASSERT_FALSE(flx_block_collect(&pool));
	early = flx_block_alloc(&pool, 1);
	late = flx_block_alloc(&pool, 1);
	bytes = flx_block_at(&pool, late);
	memset(bytes, 0x5a, 2 * FLX_CACHE_LINE);
	flx_block_retire(&pool, 1, early);
	CU_ASSERT_TRUE(flx_block_collect(&pool));
	flx_block_retire(&pool, 1, late);
	CU_ASSERT_EQUAL(flx_block_waiting(&pool, 1), 2);
	CU_ASSERT_EQUAL(flx_block_deferred_bytes(&pool), 4 * FLX_CACHE_LINE);
	flx_block_release(&pool);
	CU_ASSERT_EQUAL(flx_block_deferred_bytes(&pool), 2 * FLX_CACHE_LINE);
	CU_ASSERT_EQUAL(flx_block_alloc(&pool, 1), early);
	CU_ASSERT_NOT_EQUAL(flx_block_alloc(&pool, 1), late);
	for (uint32_t i = 0; i < 2 * FLX_CACHE_LINE; i++)
		CU_ASSERT_EQUAL(bytes[i], 0x5a);
	CU_ASSERT_TRUE(flx_block_collect(&pool));
	flx_block_release(&pool);
	CU_ASSERT_EQUAL(flx_block_alloc(&pool, 1), late);
	CU_ASSERT_EQUAL(flx_block_deferred_bytes(&pool), 0);
	flx_arena_fini(&arena);
}

/* The ring goes round, full and not: none lost, none handed out twice. */
static void test_block_limbo_goes_round(void)
{
	static uint32_t line[FLX_BLOCK_LIMBO];
	static const uint32_t sizes[] = {FLX_BLOCK_LIMBO, 1, FLX_BLOCK_LIMBO, 1000, 3333,
					 FLX_BLOCK_LIMBO};
	uint64_t used_bytes = 0;
	uint32_t wrong = 0;

	set_up(8 << 20);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (uint32_t n = 0; n < sizes[i]; n++) {
			line[n] = flx_block_alloc(&pool, n % 5);
			*(uint32_t *)flx_block_at(&pool, line[n]) = n;
		}
		for (uint32_t n = 0; n < sizes[i]; n++) {
			wrong += *(uint32_t *)flx_block_at(&pool, line[n]) != n;
			flx_block_retire(&pool, n % 5, line[n]);
		}
		CU_ASSERT_TRUE(flx_block_collect(&pool));
		flx_block_release(&pool);
		used_bytes = used_bytes ? used_bytes : arena.used_bytes;
		CU_ASSERT_EQUAL(arena.used_bytes, used_bytes);
	}
	CU_ASSERT_EQUAL(wrong, 0);
	flx_arena_fini(&arena);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_block_serves_again_for_its_class_only),
		FLX_TEST(test_block_alloc_without_memory_says_so),
		FLX_TEST(test_block_retired_waits_for_its_own_grace_period),
		FLX_TEST(test_block_limbo_goes_round),
		{0},
	};

	return flx_test_main("block", tests);
}
