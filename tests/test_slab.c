/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "context-store/slab.h"
#include "tests/test.h"

#define CAPACITY 10000
#define STRIDE	 64

static struct flx_arena arena;
static struct flx_slab slab;
static uint8_t taken[CAPACITY];

static void set_up(uint32_t capacity, uint32_t worker_count)
{
	CU_ASSERT_EQUAL_FATAL(flx_arena_init(&arena, flx_slab_reserve(STRIDE, CAPACITY), false), 0);
	CU_ASSERT_EQUAL_FATAL(flx_slab_init(&slab, &arena, STRIDE, capacity, worker_count), 0);
	memset(taken, 0, sizeof(taken));
}

/* Takes until refused, and checks that no number is out of bounds or out twice. */
static uint32_t take_all(uint32_t worker, uint32_t *numbers)
{
	uint32_t count = 0;

	for (;; count++) {
		uint32_t number = flx_slab_take(&slab, worker);

		if (number == FLX_SLAB_NONE) {
			CU_ASSERT_EQUAL(slab.cache[worker].chain_count, 0);
			return count;
		}
		CU_ASSERT_TRUE_FATAL(number < slab.capacity);
		CU_ASSERT_EQUAL_FATAL(taken[number], 0);
		taken[number] = 1;
		/* What a record holds while in use; the word is zero again when it comes back. */
		memset((uint8_t *)flx_slab_at(&slab, number) + 8, 0xff, STRIDE - 8);
		numbers[count] = number;
	}
}

static void give(uint32_t worker, uint32_t number)
{
	taken[number] = 0;
	flx_slab_give(&slab, worker, number);
}

static void test_slab_hands_out_exactly_its_capacity(void)
{
	static const uint32_t capacities[] = {1, 2, 31, 32, 33, 63, 64, 65, 4096, CAPACITY};
	static uint32_t numbers[CAPACITY];

	for (size_t i = 0; i < sizeof(capacities) / sizeof(capacities[0]); i++) {
		set_up(capacities[i], 1);
		for (int again = 0; again < 3; again++) {
			CU_ASSERT_EQUAL(take_all(0, numbers), capacities[i]);
			for (uint32_t n = 0; n < capacities[i]; n++)
				give(0, numbers[n]);
		}
		flx_arena_fini(&arena);
	}
}

static void test_slab_caches_hold_back_a_sixteenth_at_most(void)
{
	static const uint32_t worker_counts[] = {2, 8, 64};
	static uint32_t numbers[CAPACITY];

	for (size_t i = 0; i < sizeof(worker_counts) / sizeof(worker_counts[0]); i++) {
		set_up(CAPACITY, worker_counts[i]);
		/* The worst: each of the others holds a block of fresh records and one given back.
		 */
		for (uint32_t worker = 1; worker < worker_counts[i]; worker++) {
			uint32_t mine[2 * FLX_SLAB_BLOCK];

			for (uint32_t n = 0; n < slab.block; n++)
				mine[n] = flx_slab_take(&slab, worker);
			flx_slab_give(&slab, worker, flx_slab_take(&slab, worker));
			for (uint32_t n = 1; n < slab.block; n++)
				flx_slab_give(&slab, worker, mine[n]);
			flx_slab_give(&slab, worker, mine[0]);
		}
		CU_ASSERT_TRUE(take_all(0, numbers) >= CAPACITY - CAPACITY / 16);
		/* Asked to, they bring it. */
		for (uint32_t worker = 1; worker < worker_counts[i]; worker++)
			if (flx_slab_dry(&slab))
				flx_slab_relieve(&slab, worker);
		CU_ASSERT_FALSE(flx_slab_dry(&slab));
		flx_arena_fini(&arena);
	}
}

static void test_slab_dry_brings_every_record_to_who_needs_it(void)
{
	static uint32_t numbers[CAPACITY];
	uint32_t count = 0;

	set_up(1000, 4);
	for (uint32_t worker = 1; worker < 4; worker++)
		flx_slab_give(&slab, worker, flx_slab_take(&slab, worker));
	for (uint32_t turn = 0; turn < 8; turn++) {
		count += take_all(0, numbers + count);
		CU_ASSERT_TRUE(flx_slab_dry(&slab));
		if (turn < 3)
			flx_slab_relieve(&slab, turn + 1);
	}
	CU_ASSERT_EQUAL(count, 1000);
	/* Recovery: one comes back through another worker, and is found. */
	give(2, numbers[500]);
	flx_slab_relieve(&slab, 2);
	CU_ASSERT_FALSE(flx_slab_dry(&slab));
	CU_ASSERT_EQUAL(take_all(0, numbers), 1);
	flx_arena_fini(&arena);
}

static void test_slab_init_refuses_a_small_arena(void)
{
	CU_ASSERT_EQUAL_FATAL(flx_arena_init(&arena, 1, false), 0);
	CU_ASSERT_EQUAL(flx_slab_init(&slab, &arena, STRIDE, (2u << 20) / STRIDE + 1, 1), -ENOMEM);
	CU_ASSERT_EQUAL(flx_slab_init(&slab, &arena, STRIDE, (2u << 20) / STRIDE, 1), 0);
	flx_arena_fini(&arena);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_slab_hands_out_exactly_its_capacity),
		FLX_TEST(test_slab_caches_hold_back_a_sixteenth_at_most),
		FLX_TEST(test_slab_dry_brings_every_record_to_who_needs_it),
		FLX_TEST(test_slab_init_refuses_a_small_arena),
		{0},
	};

	return flx_test_main("slab", tests);
}
