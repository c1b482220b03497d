/* SPDX-License-Identifier: BSD-3-Clause */
/* Which workers run, and how a plan reads. */
#include "tests/policy_view.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct made made;

/* Workers of which the first @active run; all steady. */
static void init_some(uint32_t workers, uint32_t active, const int32_t *pct)
{
	view_init(&made, workers);
	made.view.workers_min = 1;
	for (uint32_t w = 0; w < workers; w++) {
		if (w < active)
			view_load(&made, w, pct[w]);
		else
			made.workers[w].state = FLX_POLICY_PARKED;
	}
	for (uint32_t i = 0; i < COUNT(made.slices); i++)
		if (made.slices[i].owner >= active)
			made.slices[i].owner = 0;
}

static void test_policy_adds_a_worker_when_all_are_above(void)
{
	static const struct {
		int32_t pct[3];
		uint32_t active, min, max;
		bool steady;
		int32_t add;
	} rows[] = {
		{{71}, 1, 1, 3, true, 1},
		{{70}, 1, 1, 3, true, FLX_POLICY_NONE},
		{{71, 72}, 2, 1, 3, true, 2},
		{{71, 70}, 2, 1, 3, true, FLX_POLICY_NONE},
		{{71, 72}, 2, 1, 2, true, FLX_POLICY_NONE},
		/* Not steady: only when it cannot be noise. */
		{{89}, 1, 1, 3, false, FLX_POLICY_NONE},
		{{91}, 1, 1, 3, false, 1},
		{{100, 85}, 2, 1, 3, false, 2},
		{{100, 79}, 2, 1, 3, false, FLX_POLICY_NONE},
		/* Too few run, whatever they do. */
		{{5}, 1, 2, 3, true, 1},
		{{5, 5}, 2, 2, 3, true, FLX_POLICY_NONE},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		init_some(3, rows[i].active, rows[i].pct);
		made.view.workers_min = rows[i].min;
		made.view.workers_max = rows[i].max;
		for (uint32_t w = 0; w < 3; w++)
			made.workers[w].steady = rows[i].steady;
		view_decide(&made);
		CU_ASSERT_EQUAL(made.plan.add, rows[i].add);
		CU_ASSERT_EQUAL(made.plan.park, FLX_POLICY_NONE);
		if (rows[i].add != FLX_POLICY_NONE)
			CU_ASSERT_EQUAL(made.plan.verdict, FLX_POLICY_ADDS);
	}
}

static void test_policy_chooses_whom_to_add(void)
{
	static const int32_t pct[] = {75, 80};

	/* On the node of the most loaded one. */
	init_some(5, 2, pct);
	made.workers[1].numa = made.workers[3].numa = made.workers[4].numa = 1;
	view_decide(&made);
	CU_ASSERT_EQUAL(made.plan.add, 3);
	made.workers[3].stalled = true;
	view_decide(&made);
	CU_ASSERT_EQUAL(made.plan.add, 4);
	made.workers[4].stalled = true;
	view_decide(&made);
	CU_ASSERT_EQUAL(made.plan.add, 2);
	/* One that is about to leave rather than any other. */
	made.workers[3].stalled = false;
	made.workers[4].stalled = false;
	made.workers[4].state = FLX_POLICY_LEAVING;
	view_decide(&made);
	CU_ASSERT_EQUAL(made.plan.add, 4);
	made.workers[2].stalled = made.workers[3].stalled = made.workers[4].stalled = true;
	view_decide(&made);
	CU_ASSERT_EQUAL(made.plan.add, FLX_POLICY_NONE);
}

static void test_policy_parks_a_worker_when_the_others_have_room(void)
{
	static const struct {
		int32_t pct[3];
		uint32_t min, max;
		int32_t park;
	} rows[] = {
		{{30, 40, 39}, 1, 3, 0},
		{{30, 40, 40}, 1, 3, FLX_POLICY_NONE},
		{{30, 40, 20}, 1, 3, 2},
		{{30, 40, 20}, 3, 3, FLX_POLICY_NONE},
		/* An elephant is left to itself. */
		{{99, 4, 3}, 1, 3, 2},
		/* Too many run, whatever they do. */
		{{90, 85, 95}, 1, 2, 1},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		init_some(3, 3, rows[i].pct);
		made.view.workers_min = rows[i].min;
		made.view.workers_max = rows[i].max;
		for (uint32_t s = 0; s < VIEW_SLICES; s++)
			view_slice(&made, 0, s)->hold = FLX_POLICY_RESTS;
		view_decide(&made);
		CU_ASSERT_EQUAL(made.plan.park, rows[i].park);
		CU_ASSERT_EQUAL(made.plan.add, FLX_POLICY_NONE);
		if (rows[i].park != FLX_POLICY_NONE)
			CU_ASSERT_EQUAL(made.plan.verdict, FLX_POLICY_PARKS);
	}
}

/* Of those with as little to do, who owns least: what somebody has just sent to one is not sent on. */
static void test_policy_parks_who_has_least_to_give_away(void)
{
	static const int32_t pct[] = {1, 2, 30};

	init_some(3, 3, pct);
	for (uint32_t i = 0; i < COUNT(made.slices); i++)
		if (made.slices[i].owner == 1 && i % VIEW_SLICES % 8)
			made.slices[i].owner = 0;
	view_decide(&made);
	CU_ASSERT_EQUAL(made.plan.park, 1);
	/* But not for the sake of slices that are idle. */
	view_set(&made, 1, 4);
	view_decide(&made);
	CU_ASSERT_EQUAL(made.plan.park, 0);
}

static void test_policy_parks_nobody_when_something_speaks_against_it(void)
{
	static const int32_t pct[] = {20, 10, 30};

	init_some(3, 3, pct);
	view_decide(&made);
	CU_ASSERT_EQUAL(made.plan.park, 1);
	made.view.park_rests = true;
	view_decide(&made);
	CU_ASSERT_EQUAL(made.plan.park, FLX_POLICY_NONE);
	made.view.park_rests = false;
	made.workers[2].steady = false;
	view_decide(&made);
	CU_ASSERT_EQUAL(made.plan.park, FLX_POLICY_NONE);
	made.workers[2].steady = true;
	/* What is pinned cannot leave. */
	view_slice(&made, 0, 64 / 3 + 1)->hold = FLX_POLICY_PINNED;
	view_decide(&made);
	CU_ASSERT_EQUAL(made.plan.park, 0);
	/* One at a time. */
	made.workers[0].state = FLX_POLICY_LEAVING;
	for (uint32_t i = 0; i < COUNT(made.slices); i++)
		made.slices[i].hold = FLX_POLICY_RESTS;
	view_decide(&made);
	CU_ASSERT_EQUAL(made.plan.park, FLX_POLICY_NONE);
	CU_ASSERT_EQUAL(made.plan.move_count, 0);
	CU_ASSERT_EQUAL(made.plan.verdict, FLX_POLICY_LEAVES);
	/* A stalled worker is no help. */
	made.workers[0].state = FLX_POLICY_ACTIVE;
	made.workers[0].stalled = made.workers[1].stalled = true;
	view_decide(&made);
	CU_ASSERT_EQUAL(made.plan.park, FLX_POLICY_NONE);
}

/* Loaded or not, measured or not, but not what may not move. */
static void check_empties(bool measured)
{
	static const int32_t pct[] = {40, 30, 30};
	uint32_t plans = 0, total[3] = {0};

	init_some(3, 3, pct);
	made.workers[0].measured = measured;
	made.workers[0].state = FLX_POLICY_LEAVING;
	view_slice(&made, 3, 63)->hold = FLX_POLICY_RESTS;
	do {
		view_decide(&made);
		CU_ASSERT_EQUAL(made.plan.verdict, FLX_POLICY_LEAVES);
		for (uint32_t m = 0; m < made.plan.move_count; m++)
			CU_ASSERT_TRUE(made.plan.moves[m].from == 0 &&
				       made.plan.moves[m].why == FLX_POLICY_EMPTIES);
		view_carry_out(&made);
	} while (made.plan.move_count && plans++ < 10);
	for (uint32_t i = 0; i < COUNT(made.slices); i++)
		total[made.slices[i].owner]++;
	CU_ASSERT_EQUAL(total[0], 1);
	/* 256 slices less 42 that were elsewhere: four plans of 64. */
	CU_ASSERT_EQUAL(plans, 4);
	CU_ASSERT_TRUE(abs((int)total[1] - (int)total[2]) < 32);
	/* They take turns, of a little more than 5 % each. */
	CU_ASSERT_TRUE(abs(made.plan.after_ppm[1] - made.plan.after_ppm[2]) < 7 * PCT);
	/* When it may move again it does. */
	view_slice(&made, 3, 63)->hold = FLX_POLICY_FREE;
	view_decide(&made);
	CU_ASSERT_EQUAL(view_moved(&made), 1);
	/* Nowhere to go. */
	made.workers[1].stalled = made.workers[2].stalled = true;
	view_decide(&made);
	CU_ASSERT_EQUAL(made.plan.move_count, 0);
}

static void test_policy_empties_a_worker_that_leaves(void)
{
	check_empties(true);
	check_empties(false);
}

/* Some slices at a time, or many targets would share few moves; but large ones one by one. */
static void test_policy_empties_a_worker_with_full_moves(void)
{
	static const int32_t pct[] = {61, 30, 30, 30, 30};

	init_some(5, 5, pct);
	for (uint32_t i = 0; i < COUNT(made.slices); i++)
		made.slices[i].owner = 1;
	view_put(&made, 0, 0, 64, 0, 61);
	made.workers[0].state = FLX_POLICY_LEAVING;
	/* Of about half a percent each, and two large ones. */
	view_put(&made, 0, 0, 62, 0, 31);
	view_put(&made, 0, 62, 2, 0, 30);
	view_decide(&made);
	CU_ASSERT_EQUAL(view_find(&made, 0, 62)->to + view_find(&made, 0, 63)->to, 1 + 2);
	CU_ASSERT_TRUE(view_moved(&made) >= 48);
	CU_ASSERT_EQUAL(made.plan.move_count, 8);
	view_carry_out(&made);
	made.workers[0].measured = true;
	view_decide(&made);
	CU_ASSERT_TRUE(made.plan.after_ppm[0] < PCT);
	for (uint32_t w = 1; w < 5; w++)
		CU_ASSERT_TRUE(abs(made.plan.after_ppm[w] - 45 * PCT) <= 5 * PCT);
}

static void test_policy_gives_nothing_to_a_worker_that_leaves(void)
{
	static const int32_t pct[] = {96, 60, 1};

	init_some(3, 3, pct);
	made.workers[2].state = FLX_POLICY_LEAVING;
	view_decide(&made);
	CU_ASSERT_EQUAL(made.plan.verdict, FLX_POLICY_RELIEVES);
	for (uint32_t m = 0; m < made.plan.move_count; m++)
		CU_ASSERT_NOT_EQUAL(made.plan.moves[m].to, 2);
}

static void check_print(const char *expected)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	CU_ASSERT_PTR_NOT_NULL_FATAL(out);
	view_decide(&made);
	flx_policy_print(&made.plan, &made.view, out);
	fclose(out);
	CU_ASSERT_STRING_EQUAL(text, expected);
	if (strcmp(text, expected) != 0)
		printf("\n%s", text);
	free(text);
}

static void test_policy_print_tells_what_and_why(void)
{
	view_init(&made, 3);
	view_set(&made, 0, 95);
	view_put(&made, 0, 4, 1, 0, 75);
	view_put(&made, 1, 10, 9, 0, 18);
	view_set(&made, 1, 20);
	view_set(&made, 2, 30);
	made.workers[0].queue_us = 140;
	made.workers[1].numa = made.workers[0].numa = 1;
	made.workers[2].stalled = true;
	check_print("relieving at once worker 0, at 95 %, which is far above worker 1, at 20 %\n"
		    "slice 4 of 'a' takes 75 % of worker 0 by itself\n"
		    "worker 0    95 % ->  77 %  node 1  140 us wait\n"
		    "worker 1    20 % ->  38 %  node 1\n"
		    "worker 2    30 % ->  30 %, stalled\n"
		    "move 8 slices of 'b' (16.1 %) from worker 0 to 1, to leave a large slice "
		    "alone: 18 17 16 15 14 13 12 11\n"
		    "move 1 slice of 'b' (2.0 %) from worker 0 to 1, to leave a large slice "
		    "alone: 10\n");
}

static void test_policy_print_tells_why_nothing(void)
{
	view_init(&made, 2);
	view_load(&made, 0, 80);
	view_load(&made, 1, 75);
	check_print("nothing to do: worker 0, at 80 %, is not far above worker 1, at 75 %\n"
		    "worker 0    80 % ->  80 %\n"
		    "worker 1    75 % ->  75 %\n");
	made.workers[0].stalled = made.workers[1].stalled = true;
	check_print("nothing to do: no worker is both active and not stalled\n"
		    "worker 0     0 % ->   0 %, stalled\n"
		    "worker 1     0 % ->   0 %, stalled\n");
}

static void test_policy_print_tells_of_workers_that_come_and_go(void)
{
	view_init(&made, 3);
	made.workers[2].state = FLX_POLICY_PARKED;
	made.view.workers_max = 2;
	made.view.workers_min = 1;
	view_set(&made, 0, 20);
	view_set(&made, 1, 10);
	check_print("parking worker 1, at 10 %: the others have room, or too many run\n"
		    "worker 0    20 % ->  20 %\n"
		    "worker 1    10 % ->  10 %\n"
		    "worker 2     0 % ->   0 %, parked\n"
		    "empty worker 1, then park it\n");
	view_set(&made, 0, 80);
	view_set(&made, 1, 80);
	made.view.workers_max = 3;
	check_print("adding worker 2, at 0 %: all that run are above 70 %, or too few run\n"
		    "worker 0    80 % ->  80 %\n"
		    "worker 1    80 % ->  80 %\n"
		    "worker 2     0 % ->   0 %, parked\n"
		    "add worker 2\n");
}

/* A verdict or a reason without words would print as (null), or crash. */
static void test_policy_print_has_words_for_all(void)
{
	static const int32_t pct[] = {90, 30};

	for (uint8_t i = 0; i <= FLX_POLICY_NOBODY; i++) {
		char *text = NULL;
		size_t size;
		FILE *out = open_memstream(&text, &size);

		CU_ASSERT_PTR_NOT_NULL_FATAL(out);
		init_some(2, 2, pct);
		view_decide(&made);
		made.plan.verdict = i;
		made.plan.moves[0].why = i <= FLX_POLICY_EMPTIES ? i : 0;
		flx_policy_print(&made.plan, &made.view, out);
		fclose(out);
		CU_ASSERT_PTR_NULL(strstr(text, "null"));
		CU_ASSERT_PTR_NOT_NULL(strstr(text, "ing"));
		free(text);
	}
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_policy_adds_a_worker_when_all_are_above),
		FLX_TEST(test_policy_chooses_whom_to_add),
		FLX_TEST(test_policy_parks_a_worker_when_the_others_have_room),
		FLX_TEST(test_policy_parks_who_has_least_to_give_away),
		FLX_TEST(test_policy_parks_nobody_when_something_speaks_against_it),
		FLX_TEST(test_policy_empties_a_worker_that_leaves),
		FLX_TEST(test_policy_empties_a_worker_with_full_moves),
		FLX_TEST(test_policy_gives_nothing_to_a_worker_that_leaves),
		FLX_TEST(test_policy_print_tells_what_and_why),
		FLX_TEST(test_policy_print_has_words_for_all),
		FLX_TEST(test_policy_print_tells_why_nothing),
		FLX_TEST(test_policy_print_tells_of_workers_that_come_and_go),
		{0},
	};

	return flx_test_main("policy_workers", tests);
}
