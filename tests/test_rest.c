/* SPDX-License-Identifier: BSD-3-Clause */
#include "scheduler/rest.h"
#include "scheduler/steady.h"
#include "tests/test.h"

#define MS 1000ull

/* One move of a slice of which nothing was known before the first. */
struct move {
	uint64_t at_ms;
	uint32_t from;
	uint32_t to;
	uint32_t rest_ms; /* after it */
};

static void check(const struct flx_rest_rule *rule, const struct move *move, size_t count)
{
	struct flx_rest rest = {0};

	CU_ASSERT_TRUE(flx_rest_over(&rest, 0));
	for (size_t i = 0; i < count; i++, move++) {
		uint64_t end_us = (move->at_ms + move->rest_ms) * MS;

		flx_rest_moved(&rest, rule, move->at_ms * MS, move->from, move->to);
		CU_ASSERT_FALSE(flx_rest_over(&rest, move->at_ms * MS));
		CU_ASSERT_FALSE(flx_rest_over(&rest, end_us - 1));
		CU_ASSERT_TRUE(flx_rest_over(&rest, end_us));
	}
}

#define CHECK(rule, moves) check(rule, moves, sizeof(moves) / sizeof((moves)[0]))

static void test_rest_doubles_when_a_slice_comes_back(void)
{
	static const struct move moves[] = {
		{10, 0, 1, 4}, {20, 1, 0, 8}, {30, 0, 1, 16}, {50, 1, 0, 32}, {90, 0, 1, 64}};

	CHECK(&flx_rest_slice, moves);
}

/* Three workers hand a slice round: that is no better than two. */
static void test_rest_doubles_when_a_slice_goes_round(void)
{
	static const struct move moves[] = {{10, 0, 1, 4},  {20, 1, 2, 4},   {30, 2, 0, 8},
					    {40, 0, 1, 16}, {60, 1, 63, 16}, {80, 63, 2, 32}};

	CHECK(&flx_rest_slice, moves);
}

static void test_rest_does_not_double_when_a_slice_goes_on(void)
{
	static const struct move moves[] = {
		{10, 0, 1, 4}, {14, 1, 2, 4}, {18, 2, 3, 4}, {22, 3, 4, 4}};

	CHECK(&flx_rest_slice, moves);
}

static void test_rest_has_a_bound(void)
{
	struct flx_rest slice = {0}, worker = {0};
	uint64_t at_ms = 0;

	for (uint32_t i = 0; i < 40; i++, at_ms += 2000) {
		flx_rest_moved(&slice, &flx_rest_slice, at_ms * MS, i % 2, !(i % 2));
		flx_rest_moved(&worker, &flx_rest_worker, at_ms * MS, i % 2, !(i % 2));
	}
	CU_ASSERT_EQUAL(slice.span_us, 1024 * MS);
	CU_ASSERT_EQUAL(worker.span_us, 12800 * MS);
}

/* Calm is counted from the end of the rest. */
static void test_rest_is_forgotten_after_calm(void)
{
	static const struct move late[] = {{10, 0, 1, 4}, {20, 1, 0, 8}, {20 + 8 + 7999, 0, 1, 16}};
	static const struct move calm[] = {
		{10, 0, 1, 4}, {20, 1, 0, 8}, {20 + 8 + 8000, 0, 1, 4}, {9000, 1, 0, 8}};

	CHECK(&flx_rest_slice, late);
	CHECK(&flx_rest_slice, calm);
}

/* The longest rest must not be so long that it is forgotten before it has ended. */
static void test_rest_remembers_for_longer_than_it_rests(void)
{
	CU_ASSERT_TRUE(flx_rest_slice.calm_us > 4 * flx_rest_slice.longest_us);
	CU_ASSERT_TRUE(flx_rest_worker.calm_us > 4 * flx_rest_worker.longest_us);
}

static void test_rest_of_a_worker_that_comes_and_goes(void)
{
	static const struct move moves[] = {
		{1000, FLX_REST_PARKED, FLX_REST_ACTIVE, 100},
		{2000, FLX_REST_ACTIVE, FLX_REST_PARKED, 200},
		{3000, FLX_REST_PARKED, FLX_REST_ACTIVE, 400},
		{90000, FLX_REST_ACTIVE, FLX_REST_PARKED, 100},
	};

	CHECK(&flx_rest_worker, moves);
}

static void test_steady_is_the_mean_of_what_came_since_the_reset(void)
{
	struct flx_steady steady = {0};

	CU_ASSERT_EQUAL(flx_steady_before(&steady), FLX_POLICY_UNKNOWN);
	for (uint32_t i = 0; i < FLX_STEADY_TICKS; i++) {
		CU_ASSERT_FALSE(flx_steady_counts(&steady));
		flx_steady_add(&steady, i % 2 ? 850000 : 750000);
	}
	CU_ASSERT_TRUE(flx_steady_counts(&steady));
	CU_ASSERT_FALSE(flx_steady_settled(&steady));
	CU_ASSERT_EQUAL(steady.mean_ppm, 790000);
	CU_ASSERT_EQUAL(flx_steady_before(&steady), 850000);
	for (uint32_t i = FLX_STEADY_TICKS; i < FLX_STEADY_SETTLED; i++) {
		CU_ASSERT_FALSE(flx_steady_settled(&steady));
		flx_steady_add(&steady, 750000);
	}
	CU_ASSERT_TRUE(flx_steady_settled(&steady));
	flx_steady_reset(&steady);
	CU_ASSERT_FALSE(flx_steady_counts(&steady));
	CU_ASSERT_EQUAL(flx_steady_before(&steady), FLX_POLICY_UNKNOWN);
	flx_steady_add(&steady, 1700000);
	CU_ASSERT_EQUAL(steady.mean_ppm, FLX_POLICY_FULL);
	CU_ASSERT_EQUAL(flx_steady_before(&steady), FLX_POLICY_UNKNOWN);
	flx_steady_add(&steady, 0);
	CU_ASSERT_EQUAL(steady.mean_ppm, FLX_POLICY_FULL / 2);
	CU_ASSERT_EQUAL(flx_steady_before(&steady), FLX_POLICY_FULL);
}

/* Noise of 5 % is less than 2 % in the mean, and a step is followed within half a second. */
static void test_steady_follows_and_does_not_shake(void)
{
	struct flx_steady steady = {0};

	for (uint32_t i = 0; i < 100; i++)
		flx_steady_add(&steady, i % 4 < 2 ? 760000 : 840000);
	CU_ASSERT_TRUE(steady.mean_ppm > 784000 && steady.mean_ppm < 816000);
	for (uint32_t i = 0; i < 250; i++)
		flx_steady_add(&steady, 400000);
	CU_ASSERT_TRUE(steady.mean_ppm > 399000 && steady.mean_ppm < 420000);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_rest_doubles_when_a_slice_comes_back),
		FLX_TEST(test_rest_doubles_when_a_slice_goes_round),
		FLX_TEST(test_rest_does_not_double_when_a_slice_goes_on),
		FLX_TEST(test_rest_has_a_bound),
		FLX_TEST(test_rest_is_forgotten_after_calm),
		FLX_TEST(test_rest_remembers_for_longer_than_it_rests),
		FLX_TEST(test_rest_of_a_worker_that_comes_and_goes),
		FLX_TEST(test_steady_is_the_mean_of_what_came_since_the_reset),
		FLX_TEST(test_steady_follows_and_does_not_shake),
		{0},
	};

	return flx_test_main("rest", tests);
}
