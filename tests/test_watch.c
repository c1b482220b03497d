/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/watch.h"
#include "tests/test.h"

#define MS 1000ull

static struct flx_watch watch;

/* One look at worker 3 of a watch that began at 100 s. */
struct look {
	uint64_t at_ms;
	uint64_t turns;
	bool rests;
	enum flx_watch_event event;
	uint64_t lasted_ms; /* of events */
};

static void check(const struct look *look, size_t count)
{
	flx_watch_init(&watch, 100000 * MS);
	for (size_t i = 0; i < count; i++, look++) {
		enum flx_watch_event event;
		uint64_t lasted_us;

		CU_ASSERT_TRUE(flx_watch_begin(&watch, (100000 + look->at_ms) * MS));
		event = flx_watch_look(&watch, 3, look->turns, look->rests, &lasted_us);
		CU_ASSERT_EQUAL(event, look->event);
		if (event != FLX_WATCH_NOTHING)
			CU_ASSERT_EQUAL(lasted_us, look->lasted_ms * MS);
	}
}

static void test_watch_tells_a_stall_and_its_end(void)
{
	static const struct look looks[] = {
		{250, 7, false, FLX_WATCH_NOTHING, 0},	  {500, 7, false, FLX_WATCH_NOTHING, 0},
		{750, 7, false, FLX_WATCH_NOTHING, 0},	  {1000, 7, false, FLX_WATCH_NOTHING, 0},
		{1250, 7, false, FLX_WATCH_STALLS, 1000}, {1500, 7, false, FLX_WATCH_NOTHING, 0},
		{2000, 7, false, FLX_WATCH_NOTHING, 0},	  {2300, 7, false, FLX_WATCH_STALLS, 2050},
		{2550, 7, false, FLX_WATCH_NOTHING, 0},	  {2800, 8, false, FLX_WATCH_GOES_ON, 2550},
		{3050, 8, false, FLX_WATCH_NOTHING, 0},	  {3300, 8, false, FLX_WATCH_NOTHING, 0},
		{3550, 8, false, FLX_WATCH_NOTHING, 0},	  {3799, 8, false, FLX_WATCH_STALLS, 999},
		{4049, 8, true, FLX_WATCH_GOES_ON, 1249},
	};

	check(looks, sizeof(looks) / sizeof(looks[0]));
}

static void test_watch_is_silent_about_workers_that_turn_or_rest(void)
{
	flx_watch_init(&watch, 0);
	for (uint64_t at_ms = 250, turns = 0; at_ms < 100000; at_ms += 250) {
		uint64_t lasted_us;

		CU_ASSERT_TRUE(flx_watch_begin(&watch, at_ms * MS));
		/* One turn in 750 ms is slow, but it ends. */
		if (at_ms % 750 == 0)
			turns++;
		CU_ASSERT_EQUAL(flx_watch_look(&watch, 0, turns, false, &lasted_us),
				FLX_WATCH_NOTHING);
		CU_ASSERT_EQUAL(flx_watch_look(&watch, 63, 5, true, &lasted_us), FLX_WATCH_NOTHING);
		CU_ASSERT_FALSE(flx_watch_stalls(&watch, 0) || flx_watch_stalls(&watch, 63));
	}
}

/* A worker that never comes back is told ever more seldom, but never forgotten. */
static void test_watch_doubles_up_to_a_minute(void)
{
	static const uint64_t told_s[] = {1, 2, 4, 8, 16, 32, 64, 128, 192, 256};
	size_t told = 0;

	flx_watch_init(&watch, 0);
	for (uint64_t at_ms = 250; at_ms < 300000; at_ms += 250) {
		uint64_t lasted_us;

		CU_ASSERT_TRUE(flx_watch_begin(&watch, at_ms * MS));
		if (flx_watch_look(&watch, 0, 0, false, &lasted_us) != FLX_WATCH_STALLS)
			continue;
		CU_ASSERT_TRUE_FATAL(told < sizeof(told_s) / sizeof(told_s[0]));
		CU_ASSERT_EQUAL(lasted_us, told_s[told] * 1000 * MS);
		told++;
		CU_ASSERT_TRUE(flx_watch_stalls(&watch, 0));
	}
	CU_ASSERT_EQUAL(told, sizeof(told_s) / sizeof(told_s[0]));
}

/* What stopped the whole process stopped the watch as well; half a second of it counts. */
static void test_watch_does_not_count_time_in_which_it_did_not_run(void)
{
	static const struct look looks[] = {
		{250, 7, false, FLX_WATCH_NOTHING, 0},
		{500, 7, false, FLX_WATCH_NOTHING, 0},
		{60000, 7, false, FLX_WATCH_NOTHING, 0},
		{60250, 7, false, FLX_WATCH_STALLS, 1000},
		{120000, 7, false, FLX_WATCH_NOTHING, 0},
		{120250, 7, false, FLX_WATCH_NOTHING, 0},
		{120500, 7, false, FLX_WATCH_STALLS, 2000},
		{180000, 9, false, FLX_WATCH_GOES_ON, 2500},
	};

	check(looks, sizeof(looks) / sizeof(looks[0]));
}

static void test_watch_refuses_a_look_that_is_too_early(void)
{
	flx_watch_init(&watch, 1000 * MS);
	CU_ASSERT_FALSE(flx_watch_begin(&watch, 1000 * MS));
	CU_ASSERT_FALSE(flx_watch_begin(&watch, 1199 * MS));
	CU_ASSERT_TRUE(flx_watch_begin(&watch, 1200 * MS));
	CU_ASSERT_FALSE(flx_watch_begin(&watch, 1250 * MS));
	CU_ASSERT_TRUE(flx_watch_begin(&watch, 1450 * MS));
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_watch_tells_a_stall_and_its_end),
		FLX_TEST(test_watch_is_silent_about_workers_that_turn_or_rest),
		FLX_TEST(test_watch_doubles_up_to_a_minute),
		FLX_TEST(test_watch_does_not_count_time_in_which_it_did_not_run),
		FLX_TEST(test_watch_refuses_a_look_that_is_too_early),
		{0},
	};

	return flx_test_main("watch", tests);
}
