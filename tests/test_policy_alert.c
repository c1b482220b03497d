/* SPDX-License-Identifier: BSD-3-Clause */
/* What is urgent, when it is an alarm, and what changes for a while after one. */
#include "tests/policy_view.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct made made;

/* What is far in one tick alone may be a CPU lost for a moment; not so where relief has begun. */
static void test_policy_relieves_when_two_ticks_agree(void)
{
	static const struct {
		int32_t pct[2], last[2];
		bool alert;
		bool relieves;
	} rows[] = {
		{{100, 50}, {100, 50}, false, true}, {{100, 50}, {76, 50}, false, true},
		{{100, 50}, {75, 50}, false, false}, {{100, 50}, {100, 75}, false, false},
		{{100, 50}, {70, 30}, false, false}, {{85, 50}, {100, 50}, false, false},
		{{100, 50}, {-1, 50}, false, false}, {{100, 50}, {100, -1}, false, false},
		{{100, 50}, {-1, -1}, true, true},   {{76, 50}, {50, 50}, true, true},
		{{75, 50}, {100, 50}, true, false},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		view_init(&made, 2);
		for (uint32_t w = 0; w < 2; w++) {
			view_load(&made, w, rows[i].pct[w]);
			made.workers[w].steady = false;
			made.workers[w].last_ppm =
				rows[i].last[w] < 0 ? FLX_POLICY_UNKNOWN : rows[i].last[w] * PCT;
		}
		made.view.alert = rows[i].alert;
		view_decide(&made);
		CU_ASSERT_EQUAL(made.plan.move_count > 0, rows[i].relieves);
		CU_ASSERT_EQUAL(made.plan.verdict,
				rows[i].relieves ? FLX_POLICY_RELIEVES : FLX_POLICY_UNSTEADY);
	}
}

static void test_policy_finishes_below_70_what_began_above(void)
{
	for (uint32_t alert = 0; alert < 2; alert++) {
		view_init(&made, 2);
		view_load(&made, 0, 62);
		view_load(&made, 1, 50);
		made.view.alert = alert;
		view_decide(&made);
		CU_ASSERT_EQUAL(made.plan.verdict, alert ? FLX_POLICY_TUNES : FLX_POLICY_CALM);
	}
}

static void test_policy_raises_an_alarm_by_the_load_that_is_far(void)
{
	static const struct {
		int32_t pct[2], growth_pct;
		bool alarms;
	} rows[] = {
		{{90, 39}, 0, true},	 {{90, 40}, 0, false}, {{100, 49}, 100, true},
		{{100, 50}, 100, false}, {{80, 40}, 0, false}, {{60, 5}, 0, false},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		view_init(&made, 2);
		for (uint32_t w = 0; w < 2; w++)
			view_load(&made, w, rows[i].pct[w]);
		made.workers[0].growth_ppm = rows[i].growth_pct * PCT;
		view_decide(&made);
		CU_ASSERT_EQUAL(flx_policy_alarms(&made.plan), rows[i].alarms);
	}
}

static void test_policy_tunes_what_has_settled_or_sooner_while_alert(void)
{
	for (uint32_t settled = 0; settled < 2; settled++)
		for (uint32_t alert = 0; alert < 2; alert++) {
			view_init(&made, 2);
			view_load(&made, 0, 86);
			view_load(&made, 1, 75);
			made.workers[0].settled = settled;
			made.view.alert = alert;
			view_decide(&made);
			CU_ASSERT_EQUAL(made.plan.verdict,
					settled || alert ? FLX_POLICY_TUNES : FLX_POLICY_UNSTEADY);
		}
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_policy_relieves_when_two_ticks_agree),
		FLX_TEST(test_policy_finishes_below_70_what_began_above),
		FLX_TEST(test_policy_raises_an_alarm_by_the_load_that_is_far),
		FLX_TEST(test_policy_tunes_what_has_settled_or_sooner_while_alert),
		{0},
	};

	return flx_test_main("policy_alert", tests);
}
