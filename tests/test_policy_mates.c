/* SPDX-License-Identifier: BSD-3-Clause */
/* Slices that exchange messages: they move together, and come together. */
#include "tests/policy_view.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct made made;

/* Groups a and c are mates. */
static void init_mates(const int32_t *pct, uint32_t workers)
{
	view_init(&made, workers);
	made.groups[2].mates = 0;
	for (uint32_t w = 0; w < workers; w++)
		view_set(&made, w, pct[w]);
}

static void test_policy_moves_mates_together(void)
{
	static const int32_t pct[] = {90, 30};

	init_mates(pct, 2);
	view_put(&made, 0, 0, 64, 0, 60);
	view_put(&made, 2, 0, 64, 0, 30);
	/* These have to stay, each for one of both, the first in line. */
	view_slice(&made, 0, 63)->hold = FLX_POLICY_PINNED;
	view_slice(&made, 2, 62)->hold = FLX_POLICY_PINNED;
	view_decide(&made);
	CU_ASSERT_EQUAL(made.plan.after_ppm[1] / PCT, 59);
	for (uint32_t s = 0; s < 64; s++)
		CU_ASSERT_EQUAL(view_find(&made, 0, s) != NULL, view_find(&made, 2, s) != NULL);
	CU_ASSERT_PTR_NULL(view_find(&made, 0, 63));
	CU_ASSERT_PTR_NULL(view_find(&made, 0, 62));
	for (uint32_t m = 0; m < made.plan.move_count; m++)
		CU_ASSERT_EQUAL(made.plan.moves[m].why, FLX_POLICY_EVENS);
}

/* No half of a pair goes into the last free move. */
static void test_policy_tears_nobody_for_want_of_moves(void)
{
	static const int32_t pct[] = {96, 4};

	init_mates(pct, 2);
	/* The larger ones take five moves of eight, pairs two more; one is left. */
	view_put(&made, 0, 0, 64, 0, 15);
	view_put(&made, 1, 0, 40, 0, 30);
	view_put(&made, 2, 0, 64, 0, 15);
	view_decide(&made);
	CU_ASSERT_EQUAL(made.plan.unfinished, 1);
	CU_ASSERT_EQUAL(view_moved(&made), 56);
	for (uint32_t s = 0; s < 64; s++)
		CU_ASSERT_EQUAL(view_find(&made, 0, s) != NULL, view_find(&made, 2, s) != NULL);
}

static void test_policy_moves_first_what_has_mates_at_the_target(void)
{
	static const int32_t pct[] = {90, 30};

	init_mates(pct, 2);
	view_put(&made, 0, 0, 64, 0, 80);
	/* Smaller than the others, and yet they go. */
	view_put(&made, 0, 20, 16, 0, 4);
	view_put(&made, 2, 20, 16, 1, 30);
	view_decide(&made);
	for (uint32_t s = 20; s < 36; s++)
		CU_ASSERT_PTR_NOT_NULL(view_find(&made, 0, s));
	CU_ASSERT_TRUE(view_moved(&made) > 16);
}

/* A pair that is too large for the target goes in parts, where the worker is full. */
static void test_policy_tears_mates_only_where_it_must(void)
{
	static const struct {
		int32_t source_pct, target_pct;
		bool tears;
	} rows[] = {{100, 30, true}, {90, 20, false}};

	for (size_t i = 0; i < COUNT(rows); i++) {
		const int32_t pct[] = {rows[i].source_pct, rows[i].target_pct};

		init_mates(pct, 2);
		view_put(&made, 0, 3, 1, 0, 45);
		view_put(&made, 2, 3, 1, 0, 45);
		view_decide(&made);
		CU_ASSERT_EQUAL(view_moved(&made), rows[i].tears);
		if (rows[i].tears)
			CU_ASSERT_EQUAL(made.plan.moves[0].why, FLX_POLICY_TEARS);
	}
}

static void test_policy_joins_mates_where_workers_are_busy(void)
{
	static const struct {
		int32_t pct[2];
		bool measured, steady;
		bool joins;
	} rows[] = {
		{{75, 75}, true, true, true},
		{{70, 70}, true, true, false},
		{{75, 75}, false, true, false},
		{{75, 75}, true, false, false},
		/* The difference may not grow. */
		{{80, 72}, true, true, true},
		{{97, 97}, true, true, false},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		init_mates(rows[i].pct, 2);
		for (uint32_t s = 0; s < 64; s++) {
			view_put(&made, 0, s, 1, s % 2, 1);
			view_put(&made, 2, s, 1, !(s % 2), 1);
		}
		for (uint32_t w = 0; w < 2; w++) {
			made.workers[w].measured = rows[i].measured;
			made.workers[w].steady = rows[i].steady;
		}
		view_decide(&made);
		CU_ASSERT_EQUAL(made.plan.verdict == FLX_POLICY_MATES, rows[i].joins);
		CU_ASSERT_EQUAL(view_moved(&made) > 0, rows[i].joins);
		for (uint32_t m = 0; m < made.plan.move_count; m++)
			CU_ASSERT_EQUAL(made.plan.moves[m].why, FLX_POLICY_JOINS);
		/* Both at one worker then, and both workers as even as before. */
		CU_ASSERT_TRUE(abs(made.plan.after_ppm[0] - made.plan.after_ppm[1]) <= 8 * PCT);
		for (uint32_t s = 0; s < 64; s++)
			CU_ASSERT_FALSE(view_find(&made, 0, s) && view_find(&made, 2, s));
	}
}

/* One pair, of which @pct[2] are busy otherwise: who goes where. */
static void test_policy_joins_at_the_worker_that_has_less_to_do(void)
{
	static const struct {
		int32_t pct[3];	 /* of all workers; the pair is at the first two */
		int32_t pair[2]; /* of these, in percent */
		enum flx_policy_hold hold[2];
		int32_t from; /* or NONE */
	} rows[] = {
		{{78, 76, 78}, {1, 1}, {0, 0}, 0},
		{{76, 78, 78}, {1, 1}, {0, 0}, 1},
		/* The larger part would make a difference: the smaller one goes. */
		{{78, 76, 78}, {6, 1}, {0, 0}, 1},
		{{78, 76, 78}, {6, 6}, {0, 0}, FLX_POLICY_NONE},
		{{78, 76, 78}, {1, 1}, {FLX_POLICY_RESTS, 0}, 1},
		{{78, 76, 78}, {1, 1}, {FLX_POLICY_RESTS, FLX_POLICY_PINNED}, FLX_POLICY_NONE},
		/* A third one is busy, not they. */
		{{69, 69, 75}, {1, 1}, {0, 0}, FLX_POLICY_NONE},
		{{69, 71, 75}, {1, 1}, {0, 0}, 1},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		init_mates(rows[i].pct, 3);
		for (uint32_t side = 0; side < 2; side++) {
			view_put(&made, side * 2, 33, 1, side, rows[i].pair[side]);
			view_slice(&made, side * 2, 33)->hold = (uint8_t)rows[i].hold[side];
		}
		view_decide(&made);
		CU_ASSERT_EQUAL(view_moved(&made), rows[i].from != FLX_POLICY_NONE);
		if (made.plan.move_count == 1) {
			CU_ASSERT_EQUAL(made.plan.moves[0].from, rows[i].from);
			CU_ASSERT_EQUAL(made.plan.moves[0].to, !rows[i].from);
			CU_ASSERT_EQUAL(made.plan.moves[0].slices[0], 33);
		}
	}
}

/* When a worker leaves, its slices go to their mates, though another one has more room. */
static void test_policy_sends_home_what_leaves(void)
{
	static const int32_t pct[] = {30, 60, 10};

	init_mates(pct, 3);
	made.workers[0].state = FLX_POLICY_LEAVING;
	made.workers[0].measured = true;
	made.view.workers_min = 1;
	for (uint32_t i = 0; i < COUNT(made.slices); i++)
		made.slices[i].owner = 2;
	view_put(&made, 0, 0, 8, 0, 4);
	view_put(&made, 2, 0, 8, 1, 8);
	/* Where there is no room at home they go where there is. */
	view_put(&made, 0, 8, 1, 0, 26);
	view_put(&made, 2, 8, 1, 1, 8);
	view_decide(&made);
	for (uint32_t s = 0; s < 9; s++) {
		const struct flx_policy_move *move = view_find(&made, 0, s);

		CU_ASSERT_PTR_NOT_NULL_FATAL(move);
		CU_ASSERT_EQUAL(move->to, s < 8 ? 1 : 2);
	}
	made.workers[1].stalled = true;
	view_decide(&made);
	CU_ASSERT_EQUAL(view_moved(&made), 9);
	for (uint32_t m = 0; m < made.plan.move_count; m++)
		CU_ASSERT_EQUAL(made.plan.moves[m].to, 2);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_policy_moves_mates_together),
		FLX_TEST(test_policy_tears_nobody_for_want_of_moves),
		FLX_TEST(test_policy_moves_first_what_has_mates_at_the_target),
		FLX_TEST(test_policy_tears_mates_only_where_it_must),
		FLX_TEST(test_policy_joins_mates_where_workers_are_busy),
		FLX_TEST(test_policy_joins_at_the_worker_that_has_less_to_do),
		FLX_TEST(test_policy_sends_home_what_leaves),
		{0},
	};

	return flx_test_main("policy_mates", tests);
}
