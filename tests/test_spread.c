/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/spread.h"

#include <string.h>

#include "tests/random.h"
#include "tests/test.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define RUNS	     8

/* Published critical values of U, two-sided, 5 %; ours is the next. None: -1. */
static const struct {
	uint32_t m, n;
	int critical;
} published[] = {
	{1, 1, -1},   {2, 7, -1},  {2, 8, 0},	 {3, 3, -1},	{3, 4, -1}, {3, 5, 0},	{4, 4, 0},
	{4, 10, 5},   {5, 5, 2},   {5, 8, 6},	 {6, 6, 5},	{7, 7, 8},  {8, 8, 13}, {10, 5, 8},
	{10, 10, 23}, {12, 7, 18}, {15, 15, 64}, {20, 20, 127}, {20, 3, 8},
};

static void test_spread_rank_is_the_published_one(void)
{
	for (size_t i = 0; i < COUNT(published); i++) {
		uint32_t rank = flx_spread_rank(published[i].m, published[i].n);

		if (rank != (uint32_t)(published[i].critical + 1))
			printf("%u and %u runs: %u\n", published[i].m, published[i].n, rank);
		CU_ASSERT_EQUAL(rank, (uint32_t)(published[i].critical + 1));
		CU_ASSERT_EQUAL(flx_spread_rank(published[i].n, published[i].m), rank);
	}
	/* As many as there can be: by the normal distribution 1636 and some. */
	CU_ASSERT(flx_spread_rank(64, 64) > 1630 && flx_spread_rank(64, 64) < 1645);
}

struct row {
	struct flx_samples before, after;
	struct flx_spread spread;
};

static const struct row rows[] = {
	/* One run each: the quotient, and nothing else. */
	{{1, {10}}, {1, {11}}, {.ratio = true, .change = 1.1}},
	{{3, {10, 10, 10}}, {5, {20, 20, 20, 20, 20}}, {.ratio = true, .change = 2}},
	/* Four: from the least pair to the greatest, whatever their order. */
	{{4, {4, 1, 2, 4}}, {4, {4, 8, 8, 4}}, {true, true, 2, 1, 8}},
	{{4, {5, 5, 5, 5}}, {4, {5, 5, 5, 5}}, {true, true, 1, 1, 1}},
	/* Five: the third pair from either end. */
	{{5, {1, 1, 1, 1, 1}}, {5, {1, 2, 3, 4, 5}}, {true, true, 3, 1, 5}},
	/* Not above 0: differences. */
	{{4, {0, 0, 0, 0}}, {4, {1, 2, 3, 4}}, {false, true, 2.5, 1, 4}},
	{{4, {-1, -1, -1, -1}}, {4, {1, 1, 1, 1}}, {false, true, 2, 2, 2}},
	{{4, {2, 2, 2, 2}}, {4, {-1, 1, 1, 1}}, {false, true, -1, -3, -1}},
};

static void test_spread_is_of_all_pairs(void)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct flx_spread spread = flx_spread_of(&rows[i].before, &rows[i].after);
		const struct flx_spread *wanted = &rows[i].spread;

		CU_ASSERT_EQUAL(spread.ratio, wanted->ratio);
		CU_ASSERT_EQUAL(spread.known, wanted->known);
		CU_ASSERT_DOUBLE_EQUAL(spread.change, wanted->change, 1e-12);
		CU_ASSERT_DOUBLE_EQUAL(spread.low, wanted->low, 1e-12);
		CU_ASSERT_DOUBLE_EQUAL(spread.high, wanted->high, 1e-12);
	}
}

/* From 90 to 110, and now and then, as when the hypervisor takes a CPU away, up to 190. */
static double draw(struct flx_random *random)
{
	double value = 90 + 0.01 * flx_random_below(random, 2000);

	return flx_random_chance(random, 10) ? value + 80 : value;
}

/* The interval is wrong in 5 of 100, and no more, though runs are far from a normal distribution. */
static void test_spread_holds_the_truth_in_95_of_100(void)
{
	struct flx_random random = {1};
	uint32_t wrong = 0, trials = 10000;

	for (uint32_t trial = 0; trial < trials; trial++) {
		struct flx_samples a = {0}, b = {0};
		struct flx_spread spread;

		for (uint32_t i = 0; i < RUNS; i++) {
			flx_samples_add(&a, draw(&random));
			flx_samples_add(&b, draw(&random) * 1.1);
		}
		spread = flx_spread_of(&a, &b);
		wrong += spread.low > 1.1 || spread.high < 1.1;
	}
	/* 5 % of 10,000 are 500, with a deviation of 22. */
	CU_ASSERT(wrong > 400 && wrong < 570);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_spread_rank_is_the_published_one),
		FLX_TEST(test_spread_is_of_all_pairs),
		FLX_TEST(test_spread_holds_the_truth_in_95_of_100),
		{NULL, NULL},
	};

	return flx_test_main("spread", tests);
}
