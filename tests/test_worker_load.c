/* SPDX-License-Identifier: BSD-3-Clause */
/* What a worker publishes of its load, window by window, by a clock of our own. */
#include "scheduler/load.h"
#include "tests/eal.h"
#include "tests/test.h"

#define HZ     1000000000ull
#define WINDOW (HZ / 1000000 * FLX_LOAD_WINDOW_US + 1)

static struct flx_load load;
static struct flx_load_sample sample;

static void begin(void)
{
	sample = (struct flx_load_sample){.now_tsc = 1000};
	CU_ASSERT_EQUAL_FATAL(flx_load_init(&load, 2, HZ, sample.now_tsc, -1), 0);
}

/* A window in which @busy thousandths were busy with @handled messages, of which @waiting are left. */
static void window(uint64_t length_tsc, uint64_t busy, uint64_t handled, uint32_t waiting)
{
	sample.now_tsc += length_tsc;
	sample.busy_tsc += length_tsc * busy / 1000;
	sample.handled += handled;
	sample.waiting = waiting;
	CU_ASSERT_TRUE(flx_load_due(&load, sample.now_tsc));
	flx_load_close(&load, &sample);
	CU_ASSERT_FALSE(flx_load_due(&load, sample.now_tsc));
	CU_ASSERT_EQUAL(atomic_load(&load.closed_tsc), sample.now_tsc);
}

static uint32_t busy(void)
{
	return (atomic_load(&load.busy_ppm) + 500) / 1000;
}

static void test_worker_load_follows_a_change_within_a_millisecond(void)
{
	begin();
	for (uint32_t i = 0; i < 2; i++)
		window(WINDOW, 1000, 100, 0);
	CU_ASSERT_EQUAL(busy(), 750);
	for (uint32_t i = 0; i < 16; i++)
		window(WINDOW, 1000, 100, 0);
	CU_ASSERT(busy() > 990);
	/* What stays the same is reached. */
	for (uint32_t i = 0; i < 60; i++)
		window(WINDOW, 500, 100, 0);
	CU_ASSERT_EQUAL(busy(), 500);
	flx_load_fini(&load);
}

static void test_worker_load_is_of_now_after_a_sleep(void)
{
	begin();
	for (uint32_t i = 0; i < 30; i++)
		window(WINDOW, 900, 100, 0);
	CU_ASSERT(busy() > 890);
	window(100 * WINDOW, 10, 1, 0);
	CU_ASSERT(busy() <= 10);
	flx_load_fini(&load);
}

static void test_worker_load_tells_waiting_work_as_time(void)
{
	begin();
	/* 250 messages in a window that is all busy: 1 us each. */
	for (uint32_t i = 0; i < 20; i++)
		window(WINDOW, 1000, 250, 0);
	CU_ASSERT_EQUAL(atomic_load(&load.waiting_us), 0);
	window(WINDOW, 1000, 250, 400);
	CU_ASSERT(atomic_load(&load.waiting_us) >= 390 && atomic_load(&load.waiting_us) <= 405);
	/* Idle windows say nothing of what a message takes. */
	window(WINDOW, 0, 0, 400);
	CU_ASSERT(atomic_load(&load.waiting_us) >= 390 && atomic_load(&load.waiting_us) <= 405);
	flx_load_fini(&load);
}

static void test_worker_load_tells_by_how_much_the_backlog_grows(void)
{
	begin();
	for (uint32_t i = 0; i < 30; i++)
		window(WINDOW, 1000, 250, 0);
	CU_ASSERT_EQUAL(atomic_load(&load.growth_ppm), 0);
	/* 25 more come in each window than are handled: a tenth more. */
	for (uint32_t i = 0; i < 30; i++)
		window(WINDOW, 1000, 250, 25 * (i + 1));
	CU_ASSERT(atomic_load(&load.growth_ppm) > 98000 && atomic_load(&load.growth_ppm) < 101000);
	/* And 50 less. */
	for (uint32_t i = 0; i < 14; i++)
		window(WINDOW, 1000, 250, 750 - 50 * (i + 1));
	CU_ASSERT(atomic_load(&load.growth_ppm) < -190000 &&
		  atomic_load(&load.growth_ppm) > -202000);
	flx_load_fini(&load);
}

static void test_worker_load_tells_the_age_of_the_oldest(void)
{
	begin();
	window(WINDOW, 1000, 100, 0);
	CU_ASSERT_EQUAL(atomic_load(&load.oldest_us), 0);
	/* 50 arrive more than are handled, in each window. */
	window(WINDOW, 1000, 100, 50);
	CU_ASSERT_EQUAL(atomic_load(&load.oldest_us), 0); /* since this window */
	window(WINDOW, 1000, 100, 100);
	/* What had arrived by the end of the last one, 150, is not all handled: 100 are. */
	CU_ASSERT_EQUAL(atomic_load(&load.oldest_us), 0);
	for (uint32_t i = 0; i < 8; i++)
		window(WINDOW, 1000, 100, 150 + 50 * i);
	/* 500 wait, 100 a window were handled and 150 came: the oldest came 500 / 150 ago. */
	CU_ASSERT_EQUAL(atomic_load(&load.oldest_us), 3 * FLX_LOAD_WINDOW_US);
	/* Nothing is handled any more: it gets older. */
	for (uint32_t i = 0; i < 10; i++)
		window(WINDOW, 1000, 0, 500);
	CU_ASSERT_EQUAL(atomic_load(&load.oldest_us), 13 * FLX_LOAD_WINDOW_US);
	/* As far as is remembered. */
	for (uint32_t i = 0; i < 200; i++)
		window(WINDOW, 1000, 0, 500);
	CU_ASSERT_EQUAL(atomic_load(&load.oldest_us), FLX_LOAD_HISTORY * FLX_LOAD_WINDOW_US);
	window(WINDOW, 1000, 500, 0);
	CU_ASSERT_EQUAL(atomic_load(&load.oldest_us), 0);
	flx_load_fini(&load);
}

static uint32_t cycles(uint32_t group, uint32_t slice)
{
	return atomic_load(&load.slices[group].cycles[slice]);
}

/* A batch, as a worker counts it. */
static void count(const struct flx_elem *batch, uint32_t size, uint64_t tsc)
{
	if (load.measures)
		flx_load_count(&load, 1, batch, size, tsc);
}

static void test_worker_load_measures_slices_only_while_busy(void)
{
	const struct flx_elem batch[4] = {{.slice = 7}, {.slice = 7}, {.slice = 511}, {.slice = 0}};

	begin();
	for (uint32_t i = 0; i < 2; i++) {
		CU_ASSERT_FALSE(load.measures);
		window(WINDOW, 1000, 100, 0);
	}
	CU_ASSERT_TRUE(load.measures);
	CU_ASSERT_EQUAL(atomic_load(&load.measured), 0);
	for (uint32_t i = 0; i < 30; i++) {
		count(batch, 4, 40000);
		window(WINDOW, 700, 100, 0);
	}
	CU_ASSERT_EQUAL(atomic_load(&load.measured), FLX_LOAD_LEARN + 24 / FLX_LOAD_EVERY);
	CU_ASSERT(cycles(1, 7) > 19900 && cycles(1, 7) <= 20002);
	CU_ASSERT(cycles(1, 511) > 9950 && cycles(1, 511) <= 10002);
	CU_ASSERT(cycles(1, 0) > 9950 && cycles(1, 0) <= 10002);
	CU_ASSERT_EQUAL(cycles(1, 8), 0);
	CU_ASSERT_EQUAL(cycles(0, 7), 0);
	/* A window twice as long, with twice the work, is the same load. */
	for (uint32_t i = 0; i < 30; i++) {
		count(batch, 4, 80000);
		window(2 * WINDOW, 700, 200, 0);
	}
	CU_ASSERT(cycles(1, 7) > 19900 && cycles(1, 7) <= 20002);
	/* A slice that has gone quiet fades, to nothing. */
	for (uint32_t i = 0; i < 60 * FLX_LOAD_EVERY; i++)
		window(WINDOW, 700, 100, 0);
	CU_ASSERT_EQUAL(cycles(1, 7), 0);
	count(batch, 4, 40000);
	for (uint32_t i = 0; i < 2; i++)
		window(WINDOW, 0, 0, 0);
	/* Below 55 %: not measured any more, and nothing old is left. */
	CU_ASSERT_FALSE(load.measures);
	CU_ASSERT_EQUAL(atomic_load(&load.measured), 0);
	CU_ASSERT_EQUAL(cycles(1, 7), 0);
	flx_load_fini(&load);
}

static void test_worker_load_does_not_flap_between_the_two_bounds(void)
{
	uint32_t changes = 0;
	bool before;

	begin();
	for (uint32_t i = 0; i < 30; i++)
		window(WINDOW, 620, 100, 0);
	CU_ASSERT_TRUE(load.watches);
	before = load.watches;
	for (uint32_t i = 0; i < 200; i++) {
		window(WINDOW, i % 2 ? 620 : 560, 100, 0);
		changes += load.watches != before;
		before = load.watches;
	}
	CU_ASSERT_EQUAL(changes, 0);
	flx_load_fini(&load);
}

/* Six in a row, and then one in four; what is left out changes nothing. */
static void test_worker_load_leaves_windows_out_once_slices_are_known(void)
{
	const struct flx_elem batch[1] = {{.slice = 7}};
	uint32_t measured = 0;

	begin();
	for (uint32_t i = 0; i < 2; i++)
		window(WINDOW, 1000, 100, 0);
	for (uint32_t i = 0; i < FLX_LOAD_LEARN; i++) {
		CU_ASSERT_TRUE(load.measures);
		count(batch, 1, 1000);
		window(WINDOW, 1000, 100, 0);
	}
	for (uint32_t i = 0; i < 100 * FLX_LOAD_EVERY; i++) {
		measured += load.measures;
		count(batch, 1, 1000);
		window(WINDOW, 1000, 100, 0);
	}
	CU_ASSERT_EQUAL(measured, 100);
	CU_ASSERT(cycles(1, 7) >= 998 && cycles(1, 7) <= 1000);
	flx_load_fini(&load);
}

static void test_worker_load_measures_slices_while_asked_to(void)
{
	begin();
	window(WINDOW, 100, 100, 0);
	CU_ASSERT_FALSE(load.measures);
	atomic_store(&load.asked, true);
	for (uint32_t i = 0; i < 20; i++)
		window(WINDOW, 100, 100, 0);
	CU_ASSERT_EQUAL(atomic_load(&load.measured), 19);
	atomic_store(&load.asked, false);
	window(WINDOW, 100, 100, 0);
	CU_ASSERT_FALSE(load.measures);
	CU_ASSERT_EQUAL(atomic_load(&load.measured), 0);
	flx_load_fini(&load);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_worker_load_follows_a_change_within_a_millisecond),
		FLX_TEST(test_worker_load_is_of_now_after_a_sleep),
		FLX_TEST(test_worker_load_tells_waiting_work_as_time),
		FLX_TEST(test_worker_load_tells_by_how_much_the_backlog_grows),
		FLX_TEST(test_worker_load_tells_the_age_of_the_oldest),
		FLX_TEST(test_worker_load_measures_slices_only_while_busy),
		FLX_TEST(test_worker_load_leaves_windows_out_once_slices_are_known),
		FLX_TEST(test_worker_load_measures_slices_while_asked_to),
		FLX_TEST(test_worker_load_does_not_flap_between_the_two_bounds),
		{0},
	};

	return flx_test_eal() ? EXIT_FAILURE : flx_test_main("worker_load", tests);
}
