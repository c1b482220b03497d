/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbers come as often as their weights say, and never where there is none.
 */
#include "perf/pick.h"

#include <math.h>

#include "tests/random.h"
#include "tests/test.h"

#define NUMBERS 1000
#define DRAWS	2000000u

static double weights[NUMBERS];
static uint32_t drawn[NUMBERS];

static void draw_all(const struct flx_pick *pick)
{
	struct flx_random random = {1};

	memset(drawn, 0, sizeof(drawn));
	for (uint32_t i = 0; i < DRAWS; i++) {
		uint32_t number = flx_pick_draw(pick, flx_random_next(&random));

		CU_ASSERT_FATAL(number < pick->count);
		drawn[number]++;
	}
}

/* Each count is within 5 standard deviations of its binomial distribution. */
static void expect_weights(uint32_t count)
{
	struct flx_pick *pick = flx_pick_make(weights, count);
	double sum = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(pick);
	draw_all(pick);
	for (uint32_t i = 0; i < count; i++)
		sum += weights[i];
	for (uint32_t i = 0; i < count; i++) {
		double share = weights[i] / sum, mean = DRAWS * share;

		CU_ASSERT(fabs(drawn[i] - mean) <= 5 * sqrt(mean * (1 - share)));
	}
	free(pick);
}

static void test_pick_of_equal_weights_is_even(void)
{
	for (uint32_t i = 0; i < NUMBERS; i++)
		weights[i] = 3;
	expect_weights(NUMBERS);
}

static void test_pick_follows_weights(void)
{
	for (uint32_t i = 0; i < NUMBERS; i++)
		weights[i] = i % 7;
	expect_weights(NUMBERS);
}

/* One number has half of all, and one column can hold but a thousandth. */
static void test_pick_follows_one_heavy_weight(void)
{
	for (uint32_t i = 0; i < NUMBERS; i++)
		weights[i] = i == 613 ? NUMBERS - 1 : 1;
	expect_weights(NUMBERS);
}

static void test_pick_of_one_number_is_that(void)
{
	weights[0] = 0.001;
	expect_weights(1);
}

static void test_pick_never_draws_what_has_no_weight(void)
{
	/* Sums that rounding leaves a little off: thirds. */
	for (uint32_t i = 0; i < NUMBERS; i++)
		weights[i] = i % 3 ? 1.0 / 3 : 0;
	expect_weights(NUMBERS);
	for (uint32_t i = 0; i < NUMBERS; i += 3)
		CU_ASSERT_EQUAL(drawn[i], 0);
}

static void test_pick_refuses_weights_that_say_nothing(void)
{
	memset(weights, 0, sizeof(weights));
	CU_ASSERT_PTR_NULL(flx_pick_make(weights, NUMBERS));
	weights[1] = NAN;
	CU_ASSERT_PTR_NULL(flx_pick_make(weights, NUMBERS));
}

static int descending(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a < b) - (a > b);
}

static void test_zipf_gives_each_rank_its_weight_once(void)
{
	flx_weights_zipf(weights, NUMBERS, 0.99, 7);
	expect_weights(NUMBERS);
	CU_ASSERT(weights[0] != 1 || weights[1] != pow(2, -0.99)); /* shuffled */
	qsort(weights, NUMBERS, sizeof(weights[0]), descending);
	for (uint32_t i = 0; i < NUMBERS; i++)
		CU_ASSERT_DOUBLE_EQUAL(weights[i], pow(i + 1, -0.99), 1e-12);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_pick_of_equal_weights_is_even),
		FLX_TEST(test_pick_follows_weights),
		FLX_TEST(test_pick_follows_one_heavy_weight),
		FLX_TEST(test_pick_of_one_number_is_that),
		FLX_TEST(test_pick_never_draws_what_has_no_weight),
		FLX_TEST(test_pick_refuses_weights_that_say_nothing),
		FLX_TEST(test_zipf_gives_each_rank_its_weight_once),
		{0},
	};

	return flx_test_main("pick", tests);
}
