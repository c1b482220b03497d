/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/policy_view.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct made made;

static void test_policy_demand_is_load_and_what_a_full_worker_is_late(void)
{
	static const struct {
		struct flx_policy_worker worker;
		int32_t demand_ppm;
	} rows[] = {
		{{.load_ppm = 500000}, 500000},
		/* Not full: growth is noise, and a queue will be gone in no time. */
		{{.load_ppm = 899999, .growth_ppm = 50000, .queue_us = 9000}, 899999},
		{{.load_ppm = 1000000, .growth_ppm = 710000}, 1710000},
		{{.load_ppm = 1000000, .growth_ppm = 5000000}, 2000000},
		/* Works off what waits. */
		{{.load_ppm = 1000000, .growth_ppm = -200000}, 800000},
		{{.load_ppm = 1000000, .growth_ppm = -2000000}, 0},
		{{.load_ppm = 1000000, .queue_us = 1000}, 1025000},
		{{.load_ppm = 1000000, .queue_us = 2000}, 1050000},
		{{.load_ppm = 1000000, .queue_us = UINT32_MAX}, 1050000},
		/* The older of both tells. */
		{{.load_ppm = 1000000, .queue_us = 1, .oldest_us = 1000}, 1025000},
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		CU_ASSERT_EQUAL(flx_policy_demand(&rows[i].worker), rows[i].demand_ppm);
}

static void test_policy_acts_at_the_thresholds(void)
{
	static const struct {
		int32_t pct[2];
		bool steady;
		bool measured;
		enum flx_policy_verdict verdict;
	} rows[] = {
		{{70, 10}, true, true, FLX_POLICY_CALM},
		{{71, 10}, true, true, FLX_POLICY_RELIEVES},
		{{71, 10}, true, false, FLX_POLICY_UNMEASURED},
		{{95, 60}, false, true, FLX_POLICY_UNSTEADY},
		{{96, 60}, false, true, FLX_POLICY_RELIEVES},
		{{85, 75}, true, true, FLX_POLICY_EVEN},
		{{86, 75}, true, true, FLX_POLICY_TUNES},
		{{86, 75}, false, true, FLX_POLICY_UNSTEADY},
		{{86, 75}, true, false, FLX_POLICY_UNMEASURED},
		/* Both full: nothing can be gained. */
		{{100, 100}, true, true, FLX_POLICY_EVEN},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		bool moves = rows[i].verdict == FLX_POLICY_RELIEVES ||
			     rows[i].verdict == FLX_POLICY_TUNES;

		view_init(&made, 2);
		for (uint32_t w = 0; w < 2; w++) {
			view_load(&made, w, rows[i].pct[w]);
			made.workers[w].steady = rows[i].steady;
		}
		made.workers[0].measured = rows[i].measured;
		view_decide(&made);
		CU_ASSERT_EQUAL(made.plan.verdict, rows[i].verdict);
		CU_ASSERT_EQUAL(made.plan.subject, 0);
		CU_ASSERT_EQUAL(made.plan.move_count > 0, moves);
		CU_ASSERT_EQUAL(made.plan.before_ppm[0], rows[i].pct[0] * PCT);
		CU_ASSERT_EQUAL(made.plan.add, FLX_POLICY_NONE);
	}
}

static void test_policy_has_nobody_to_relieve_the_only_worker(void)
{
	view_init(&made, 1);
	view_load(&made, 0, 99);
	view_decide(&made);
	CU_ASSERT_EQUAL(made.plan.verdict, FLX_POLICY_ALONE);
	CU_ASSERT_EQUAL(made.plan.move_count, 0);
}

/* By what is steady, not by what this tick happens to show, and the other way round. */
static void test_policy_tunes_by_steady_loads(void)
{
	view_init(&made, 2);
	view_load(&made, 0, 80);
	view_load(&made, 1, 80);
	made.workers[0].load_ppm = 90 * PCT;
	view_decide(&made);
	CU_ASSERT_EQUAL(made.plan.move_count, 0);
	made.workers[0].load_ppm = 80 * PCT;
	made.workers[0].steady_ppm = 92 * PCT;
	view_decide(&made);
	CU_ASSERT_EQUAL(made.plan.verdict, FLX_POLICY_TUNES);
	CU_ASSERT_EQUAL(made.plan.before_ppm[0], 92 * PCT);
	/* A worker that has just changed is neither source nor target. */
	made.workers[1].steady = false;
	view_decide(&made);
	CU_ASSERT_EQUAL(made.plan.verdict, FLX_POLICY_UNSTEADY);
}

static void test_policy_goes_to_the_mean_and_not_beyond(void)
{
	static const struct {
		uint32_t workers;
		int32_t pct[5];
		int32_t mean_pct;
	} rows[] = {
		{2, {90, 50}, 70},
		/* Beyond the ceiling for targets, where the mean is. */
		{2, {100, 80}, 90},
		{3, {96, 30, 30}, 52},
		{4, {90, 90, 40, 40}, 65},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		view_init(&made, rows[i].workers);
		for (uint32_t w = 0; w < rows[i].workers; w++)
			view_load(&made, w, rows[i].pct[w]);
		view_decide(&made);
		CU_ASSERT_TRUE(made.plan.move_count > 0);
		for (uint32_t w = 0; w < rows[i].workers; w++) {
			int32_t off_ppm = made.plan.after_ppm[w] - rows[i].mean_pct * PCT;

			/* Within one slice, of up to 6 %. */
			CU_ASSERT_TRUE(abs(off_ppm) <= 6 * PCT);
		}
	}
}

/* What a full worker is late is its slices' as well: fewer of them make the same difference. */
static void test_policy_counts_what_a_full_worker_cannot_handle(void)
{
	view_init(&made, 2);
	view_load(&made, 0, 100);
	view_load(&made, 1, 20);
	made.workers[0].growth_ppm = 60 * PCT;
	view_decide(&made);
	/* 70 of 160 %, each of 32 slices has 5. */
	CU_ASSERT_EQUAL(view_moved(&made), 14);
	CU_ASSERT_EQUAL(made.plan.before_ppm[0], 160 * PCT);
	CU_ASSERT_TRUE(abs(made.plan.after_ppm[0] - 90 * PCT) < PCT);
	CU_ASSERT_TRUE(abs(made.plan.after_ppm[1] - 90 * PCT) < PCT);
}

static void test_policy_counts_moves_that_go_on_as_done(void)
{
	view_init(&made, 2);
	view_load(&made, 0, 90);
	view_load(&made, 1, 50);
	made.workers[0].pending_ppm = -20 * PCT;
	made.workers[1].pending_ppm = 20 * PCT;
	view_decide(&made);
	CU_ASSERT_EQUAL(made.plan.move_count, 0);
	CU_ASSERT_EQUAL(made.plan.before_ppm[1], 70 * PCT);
}

/* 64 slices at a time; then below 70 %, until it is done. */
static void test_policy_goes_on_where_a_plan_was_cut_short(void)
{
	uint32_t plans = 0;

	view_init(&made, 2);
	for (uint32_t g = 0; g < VIEW_GROUPS; g++) {
		view_put(&made, g, 0, 56, 0, 24);
		view_put(&made, g, 56, 8, 1, 1);
	}
	view_set(&made, 0, 96);
	view_set(&made, 1, 4);
	do {
		view_decide(&made);
		CU_ASSERT_EQUAL_FATAL(made.plan.verdict, FLX_POLICY_RELIEVES);
		for (uint32_t m = 0; m < made.plan.move_count; m++)
			CU_ASSERT_TRUE(made.plan.moves[m].count <= FLX_POLICY_SLICES);
		CU_ASSERT_TRUE(made.plan.move_count <= FLX_POLICY_MOVES);
		if (made.plan.unfinished)
			CU_ASSERT_EQUAL(view_moved(&made), 64);
		view_carry_out(&made);
		plans++;
	} while (made.plan.unfinished);
	CU_ASSERT_EQUAL(plans, 2);
	CU_ASSERT_TRUE(made.plan.after_ppm[0] - made.plan.after_ppm[1] < 5 * PCT);
	view_decide(&made);
	CU_ASSERT_EQUAL(made.plan.verdict, FLX_POLICY_CALM);
}

/* Many groups, many targets: moves are filled one after the other, for there are only eight. */
static void test_policy_fills_its_moves(void)
{
	view_init(&made, 8);
	for (uint32_t g = 0; g < VIEW_GROUPS; g++)
		for (uint32_t s = 0; s < VIEW_SLICES; s++) {
			view_slice(&made, g, s)->load_ppm = (int32_t)(1000 + 10 * s + 2 * g);
			view_slice(&made, g, s)->owner = 0;
		}
	view_set(&made, 0, 96);
	view_decide(&made);
	CU_ASSERT_EQUAL(made.plan.move_count, 8);
	CU_ASSERT_EQUAL(view_moved(&made), 64);
}

static void test_policy_ends_what_goes_on_where_it_is_nearly_even(void)
{
	static const struct {
		int32_t pct[2];
		bool moves;
	} rows[] = {{{56, 50}, true}, {{55, 50}, false}, {{50, 55}, false}};

	for (size_t i = 0; i < COUNT(rows); i++) {
		view_init(&made, 2);
		view_load(&made, 0, rows[i].pct[0]);
		view_load(&made, 1, rows[i].pct[1]);
		made.workers[0].goes_on = true;
		view_decide(&made);
		CU_ASSERT_EQUAL(made.plan.move_count > 0, rows[i].moves);
	}
}

/* One slice of the source, and what the target has: whether it moves. The rest may not. */
static void test_policy_moves_large_slices_with_gain_only(void)
{
	static const struct {
		int32_t source_pct, slice_pct, target_pct;
		bool moves;
	} rows[] = {
		{90, 20, 50, true},  /* what is missing */
		{90, 22, 50, true},  /* as good as */
		{90, 29, 50, true},  /* beyond the mean, below the ceiling */
		{90, 31, 50, false}, /* above the ceiling */
		{78, 44, 30, false}, /* both would change places */
		{78, 42, 30, true},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		view_init(&made, 2);
		view_set(&made, 0, rows[i].source_pct);
		view_set(&made, 1, rows[i].target_pct);
		view_put(&made, 0, 7, 1, 0, rows[i].slice_pct);
		view_decide(&made);
		CU_ASSERT_EQUAL(view_moved(&made), rows[i].moves);
		CU_ASSERT_EQUAL(made.plan.verdict,
				rows[i].moves ? FLX_POLICY_RELIEVES : FLX_POLICY_STUCK);
		CU_ASSERT_EQUAL(view_find(&made, 0, 7) != NULL, rows[i].moves);
	}
}

static void test_policy_takes_the_largest_that_fit(void)
{
	view_init(&made, 2);
	view_set(&made, 0, 90);
	view_set(&made, 1, 50);
	view_put(&made, 0, 0, 40, 0, 40);
	view_put(&made, 0, 40, 1, 0, 13);
	view_put(&made, 0, 41, 1, 0, 5);
	view_put(&made, 0, 42, 1, 0, 30);
	view_decide(&made);
	CU_ASSERT_EQUAL(view_moved(&made), 4);
	CU_ASSERT_PTR_NOT_NULL(view_find(&made, 0, 40));
	CU_ASSERT_PTR_NOT_NULL(view_find(&made, 0, 41));
	CU_ASSERT_PTR_NULL(view_find(&made, 0, 42));
	CU_ASSERT_EQUAL(made.plan.after_ppm[1], 70 * PCT);
}

/* Loads are not known to the percent: one that is a little too large beats many small ones. */
static void test_policy_takes_what_is_an_eighth_too_large(void)
{
	view_init(&made, 2);
	view_set(&made, 0, 90);
	view_set(&made, 1, 50);
	view_put(&made, 0, 0, 40, 0, 40);
	view_put(&made, 0, 40, 1, 0, 22);
	view_decide(&made);
	CU_ASSERT_EQUAL(view_moved(&made), 1);
	CU_ASSERT_PTR_NOT_NULL(view_find(&made, 0, 40));
	view_put(&made, 0, 40, 1, 0, 23);
	view_decide(&made);
	CU_ASSERT_EQUAL(view_moved(&made), 20);
	CU_ASSERT_PTR_NULL(view_find(&made, 0, 40));
}

/* What goes on below 60 % is not measured any more: slices are then taken for alike. */
static void test_policy_shares_out_what_is_not_measured(void)
{
	view_init(&made, 2);
	view_load(&made, 0, 56);
	view_load(&made, 1, 30);
	for (uint32_t i = VIEW_SLICES; i < COUNT(made.slices); i++)
		made.slices[i].owner = 1;
	for (uint32_t i = 0; i < VIEW_SLICES; i++)
		made.slices[i].load_ppm = 0;
	made.workers[0].goes_on = true;
	view_decide(&made);
	/* 13 of 56 %, where each of 32 has 1.75. */
	CU_ASSERT_EQUAL(view_moved(&made), 7);
	CU_ASSERT_EQUAL(made.plan.after_ppm[0], 56 * PCT - 7 * 56 * PCT / 32);
}

static void test_policy_isolates_an_elephant(void)
{
	view_init(&made, 3);
	view_set(&made, 0, 97);
	view_put(&made, 0, 0, 1, 0, 63);
	view_put(&made, 0, 1, 34, 0, 34);
	for (uint32_t w = 1; w < 3; w++)
		view_set(&made, w, 30);
	view_decide(&made);
	CU_ASSERT_PTR_NULL(view_find(&made, 0, 0));
	CU_ASSERT_EQUAL(made.plan.elephant, 0);
	CU_ASSERT_EQUAL(made.plan.moves[0].why, FLX_POLICY_ISOLATES);
	/* All that is not it: the mean, 52 %, cannot be reached. */
	CU_ASSERT_EQUAL(view_moved(&made), 34);
	view_carry_out(&made);
	view_decide(&made);
	CU_ASSERT_EQUAL(made.plan.verdict, FLX_POLICY_CALM);
}

/* One of 7 % is no elephant, though it would only change places. */
static void test_policy_calls_no_small_slice_an_elephant(void)
{
	view_init(&made, 2);
	view_set(&made, 0, 86);
	view_set(&made, 1, 75);
	view_put(&made, 0, 0, 1, 0, 7);
	view_put(&made, 0, 1, 20, 0, 20);
	view_decide(&made);
	CU_ASSERT_EQUAL(made.plan.elephant, FLX_POLICY_NONE);
	CU_ASSERT_EQUAL(made.plan.moves[0].why, FLX_POLICY_EVENS);
}

/* What an elephant makes of the mean does not hold up the others. */
static void test_policy_evens_out_beside_a_worker_that_is_stuck(void)
{
	view_init(&made, 3);
	view_set(&made, 0, 100);
	view_put(&made, 0, 0, 1, 0, 100);
	made.workers[0].growth_ppm = 90 * PCT;
	view_set(&made, 1, 80);
	view_put(&made, 0, 1, 40, 1, 80);
	view_set(&made, 2, 10);
	view_decide(&made);
	CU_ASSERT_EQUAL(made.plan.after_ppm[0], 190 * PCT);
	CU_ASSERT_EQUAL(made.plan.after_ppm[1], 46 * PCT);
	CU_ASSERT_EQUAL(made.plan.after_ppm[2], 44 * PCT);
}

static void test_policy_leaves_alone_what_is_held(void)
{
	static const enum flx_policy_hold holds[] = {FLX_POLICY_MOVES_NOW, FLX_POLICY_RESTS,
						     FLX_POLICY_PINNED};

	for (size_t i = 0; i < COUNT(holds); i++) {
		view_init(&made, 2);
		view_load(&made, 0, 90);
		view_load(&made, 1, 10);
		for (uint32_t s = 0; s < 31; s++)
			view_slice(&made, 0, s)->hold = (uint8_t)holds[i];
		view_decide(&made);
		CU_ASSERT_EQUAL(view_moved(&made), 1);
		CU_ASSERT_PTR_NOT_NULL(view_find(&made, 0, 31));
		view_slice(&made, 0, 31)->hold = (uint8_t)holds[i];
		view_decide(&made);
		CU_ASSERT_EQUAL(made.plan.verdict, FLX_POLICY_STUCK);
	}
}

/* Slices without a load stay: to move them would change nothing. */
static void test_policy_leaves_idle_slices_alone(void)
{
	view_init(&made, 2);
	view_set(&made, 0, 90);
	view_set(&made, 1, 10);
	view_put(&made, 2, 5, 1, 0, 30);
	view_decide(&made);
	CU_ASSERT_EQUAL(view_moved(&made), 1);
}

static void test_policy_passes_over_stalled_workers(void)
{
	view_init(&made, 3);
	view_load(&made, 0, 90);
	view_load(&made, 1, 50);
	view_load(&made, 2, 0);
	made.workers[2].stalled = true;
	view_decide(&made);
	/* Nor is its load in the mean. */
	CU_ASSERT_TRUE(abs(made.plan.after_ppm[0] - 70 * PCT) <= 5 * PCT);
	CU_ASSERT_EQUAL(made.plan.after_ppm[2], 0);
	made.workers[0].stalled = true;
	made.workers[2].stalled = false;
	view_decide(&made);
	CU_ASSERT_EQUAL(made.plan.verdict, FLX_POLICY_CALM);
	CU_ASSERT_EQUAL(made.plan.subject, 1);
	made.workers[1].stalled = made.workers[2].stalled = true;
	view_decide(&made);
	CU_ASSERT_EQUAL(made.plan.verdict, FLX_POLICY_NOBODY);
}

static void test_policy_stays_on_the_node_unless_it_is_full(void)
{
	static const struct {
		int32_t pct[4]; /* two on each node */
		bool moves, crosses;
	} rows[] = {
		{{90, 30, 10, 10}, true, false}, /* there is room on the node */
		{{90, 50, 20, 20}, true, false}, /* 70 is not above 70 */
		{{90, 54, 20, 20}, true, true},
		{{88, 84, 72, 60}, true, false}, /* 20 above the other is not enough */
		{{88, 86, 66, 64}, true, true},
		{{100, 100, 90, 90}, false, false},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		bool crosses = false;

		view_init(&made, 4);
		for (uint32_t w = 0; w < 4; w++) {
			view_load(&made, w, rows[i].pct[w]);
			made.workers[w].numa = (int16_t)(w / 2);
		}
		view_decide(&made);
		for (uint32_t m = 0; m < made.plan.move_count; m++) {
			const struct flx_policy_move *move = &made.plan.moves[m];

			crosses = crosses || move->from / 2 != move->to / 2;
			CU_ASSERT_EQUAL(move->why == FLX_POLICY_CROSSES,
					move->from / 2 != move->to / 2);
		}
		if (made.plan.move_count && !crosses && rows[i].crosses) {
			/* First on the node, for what has moved cannot move again in one plan. */
			view_carry_out(&made);
			view_decide(&made);
			crosses = made.plan.move_count &&
				  made.plan.moves[0].why == FLX_POLICY_CROSSES;
		}
		CU_ASSERT_EQUAL(made.plan.move_count > 0, rows[i].moves);
		CU_ASSERT_EQUAL(crosses, rows[i].crosses);
	}
}

static void test_policy_gives_the_same_plan_for_the_same_view(void)
{
	static struct flx_policy_plan first;

	view_init(&made, 3);
	view_load(&made, 0, 99);
	view_load(&made, 1, 90);
	view_load(&made, 2, 5);
	view_decide(&made);
	first = made.plan;
	memset(&made.plan, 0xff, sizeof(made.plan));
	memset(made.room, 0, sizeof(made.room));
	flx_policy_decide(&made.plan, &made.view, made.room);
	CU_ASSERT_TRUE(first.move_count > 1);
	CU_ASSERT_EQUAL(memcmp(&first, &made.plan, sizeof(first)), 0);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_policy_demand_is_load_and_what_a_full_worker_is_late),
		FLX_TEST(test_policy_acts_at_the_thresholds),
		FLX_TEST(test_policy_has_nobody_to_relieve_the_only_worker),
		FLX_TEST(test_policy_tunes_by_steady_loads),
		FLX_TEST(test_policy_goes_to_the_mean_and_not_beyond),
		FLX_TEST(test_policy_counts_what_a_full_worker_cannot_handle),
		FLX_TEST(test_policy_counts_moves_that_go_on_as_done),
		FLX_TEST(test_policy_goes_on_where_a_plan_was_cut_short),
		FLX_TEST(test_policy_fills_its_moves),
		FLX_TEST(test_policy_ends_what_goes_on_where_it_is_nearly_even),
		FLX_TEST(test_policy_moves_large_slices_with_gain_only),
		FLX_TEST(test_policy_takes_the_largest_that_fit),
		FLX_TEST(test_policy_takes_what_is_an_eighth_too_large),
		FLX_TEST(test_policy_shares_out_what_is_not_measured),
		FLX_TEST(test_policy_isolates_an_elephant),
		FLX_TEST(test_policy_calls_no_small_slice_an_elephant),
		FLX_TEST(test_policy_evens_out_beside_a_worker_that_is_stuck),
		FLX_TEST(test_policy_leaves_alone_what_is_held),
		FLX_TEST(test_policy_leaves_idle_slices_alone),
		FLX_TEST(test_policy_passes_over_stalled_workers),
		FLX_TEST(test_policy_stays_on_the_node_unless_it_is_full),
		FLX_TEST(test_policy_gives_the_same_plan_for_the_same_view),
		{0},
	};

	return flx_test_main("policy", tests);
}
