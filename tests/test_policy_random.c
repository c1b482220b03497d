/* SPDX-License-Identifier: BSD-3-Clause */
/* Views that make no sense, in every way: whatever they say, a plan can be carried out. */
#include "tests/policy_view.h"
#include "tests/random.h"

#define VIEWS 20000

static struct made made;
static struct flx_random random_state;

static uint32_t below(uint32_t bound)
{
	return flx_random_below(&random_state, bound);
}

static bool chance(uint32_t percent)
{
	return flx_random_chance(&random_state, percent);
}

static void make_worker(struct flx_policy_worker *worker)
{
	*worker = (struct flx_policy_worker){
		.load_ppm = (int32_t)below(FLX_POLICY_FULL + 1),
		.growth_ppm =
			chance(70) ? 0 : (int32_t)below(4 * FLX_POLICY_FULL) - 2 * FLX_POLICY_FULL,
		.steady_ppm = (int32_t)below(2 * FLX_POLICY_FULL + 50001),
		.pending_ppm =
			chance(70) ? 0 : (int32_t)below(2 * FLX_POLICY_FULL) - FLX_POLICY_FULL,
		.queue_us = chance(50) ? 0 : below(100000),
		.oldest_us = chance(50) ? 0 : below(100000),
		.numa = (int16_t)(below(4) - 1),
		.state = chance(80) ? FLX_POLICY_ACTIVE : (uint8_t)below(3),
		.last_ppm = chance(10) ? FLX_POLICY_UNKNOWN : (int32_t)below(FLX_POLICY_FULL + 1),
		.steady = chance(70),
		.settled = chance(80),
		.measured = chance(80),
		.stalled = chance(10),
		.goes_on = chance(20),
	};
}

static void make_view(void)
{
	uint32_t workers = 1 + below(VIEW_WORKERS), held_pct = below(40), large_pct = below(60);
	uint32_t idle_pct = chance(30) ? 97 : 20;
	bool few = chance(30); /* owners */

	view_init(&made, workers);
	made.view.workers_min = 1 + below(workers);
	made.view.workers_max = made.view.workers_min + below(workers - made.view.workers_min + 1);
	made.view.park_rests = chance(20);
	made.view.alert = chance(50);
	for (uint32_t w = 0; w < workers; w++)
		make_worker(&made.workers[w]);
	for (uint32_t g = 0; g < VIEW_GROUPS; g++)
		made.groups[g].mates = (uint16_t)(chance(50) ? g : made.groups[below(g + 1)].mates);
	for (uint32_t i = 0; i < VIEW_GROUPS * VIEW_SLICES; i++) {
		struct flx_policy_slice *slice = &made.slices[i];

		slice->owner = (uint8_t)(few ? below(1 + workers / 3) : below(workers));
		slice->hold = chance(held_pct) ? (uint8_t)below(4) : FLX_POLICY_FREE;
		slice->load_ppm = (int32_t)below(chance(large_pct) ? FLX_POLICY_FULL : 30000);
		if (chance(idle_pct))
			slice->load_ppm = 0;
	}
}

static void check_move(const struct flx_policy_move *move)
{
	const struct flx_policy_worker *from = &made.workers[move->from];
	const struct flx_policy_worker *to = &made.workers[move->to];

	CU_ASSERT_FATAL(move->group < VIEW_GROUPS && move->count >= 1 &&
			move->count <= FLX_POLICY_SLICES);
	CU_ASSERT_FATAL(move->from < made.view.worker_count && move->to < made.view.worker_count);
	CU_ASSERT(move->from != move->to && !from->stalled && !to->stalled);
	CU_ASSERT(to->state == FLX_POLICY_ACTIVE && from->state != FLX_POLICY_PARKED);
	CU_ASSERT((from->state == FLX_POLICY_LEAVING) == (move->why == FLX_POLICY_EMPTIES));
	for (uint32_t i = 0; i < move->count; i++) {
		struct flx_policy_slice *slice = view_slice(&made, move->group, move->slices[i]);

		CU_ASSERT(slice->owner == move->from && slice->hold == FLX_POLICY_FREE);
		slice->hold = FLX_POLICY_MOVES_NOW; /* and not in another move */
	}
}

/* What the plan predicts is what it began with, and its moves. */
static void check_prediction(void)
{
	int32_t expected_ppm[VIEW_WORKERS];

	for (uint32_t w = 0; w < made.view.worker_count; w++)
		expected_ppm[w] = made.plan.before_ppm[w];
	for (uint32_t m = 0; m < made.plan.move_count; m++) {
		expected_ppm[made.plan.moves[m].from] -= made.plan.moves[m].load_ppm;
		expected_ppm[made.plan.moves[m].to] += made.plan.moves[m].load_ppm;
	}
	for (uint32_t w = 0; w < made.view.worker_count; w++)
		CU_ASSERT_EQUAL(made.plan.after_ppm[w], expected_ppm[w]);
}

static void check_workers(void)
{
	const struct flx_policy_plan *plan = &made.plan;

	CU_ASSERT(plan->add == FLX_POLICY_NONE || plan->park == FLX_POLICY_NONE);
	if (plan->add != FLX_POLICY_NONE) {
		CU_ASSERT(made.workers[plan->add].state != FLX_POLICY_ACTIVE);
		CU_ASSERT(!made.workers[plan->add].stalled);
	}
	if (plan->park != FLX_POLICY_NONE) {
		CU_ASSERT(made.workers[plan->park].state == FLX_POLICY_ACTIVE);
		CU_ASSERT(!made.workers[plan->park].stalled && !plan->move_count);
	}
	for (uint32_t w = 0; w < 64; w++)
		if (plan->unfinished >> w & 1)
			CU_ASSERT(w < made.view.worker_count &&
				  made.workers[w].state == FLX_POLICY_ACTIVE);
}

static void test_policy_makes_plans_that_can_be_carried_out(void)
{
	static uint32_t verdicts[FLX_POLICY_NOBODY + 1], whys[FLX_POLICY_EMPTIES + 1];

	random_state.state = 4;
	for (uint32_t i = 0; i < VIEWS; i++) {
		static struct flx_policy_plan first;

		make_view();
		view_decide(&made);
		first = made.plan;
		memset(&made.plan, 0xff, sizeof(made.plan));
		view_decide(&made);
		CU_ASSERT_EQUAL(memcmp(&first, &made.plan, sizeof(first)), 0);
		CU_ASSERT_FATAL(made.plan.move_count <= FLX_POLICY_MOVES);
		CU_ASSERT_FATAL(made.plan.verdict <= FLX_POLICY_NOBODY);
		check_prediction();
		check_workers();
		verdicts[made.plan.verdict]++;
		for (uint32_t m = 0; m < made.plan.move_count; m++) {
			check_move(&made.plan.moves[m]);
			whys[made.plan.moves[m].why]++;
		}
	}
	/* It was no test of what did not come up. */
	for (uint32_t v = 0; v <= FLX_POLICY_NOBODY; v++)
		CU_ASSERT(verdicts[v] > 5);
	for (uint32_t w = 0; w <= FLX_POLICY_EMPTIES; w++)
		CU_ASSERT(whys[w] > 5);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_policy_makes_plans_that_can_be_carried_out),
		{0},
	};

	return flx_test_main("policy_random", tests);
}
