/* SPDX-License-Identifier: BSD-3-Clause */
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "scheduler/idle.h"
#include "tests/random.h"
#include "tests/test.h"

/* No sleep by the clock is as long, and the safety sleep is not as short. */
#define CLOCK_MS 50
/* A wake-up that did not come by then is lost. */
#define LOST_S 10
/* Looks at most before a sleep: some are as long as the other takes for its turn. */
#define LOOKS_MAX 300

#ifdef __SANITIZE_THREAD__
#define ITEMS 30000
#else
#define ITEMS 300000
#endif

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* How long a sleep takes, in ms. */
static double sleep_ms(struct flx_idle *idle, bool deaf, uint32_t most_us)
{
	double start = now_ms();

	flx_idle_announce(idle);
	flx_idle_sleep(idle, deaf, most_us);
	CU_ASSERT_EQUAL(atomic_load(&idle->parked), 0);
	return now_ms() - start;
}

static void climb_down(struct flx_idle *idle)
{
	while (flx_idle_next(idle) != FLX_IDLE_SLEEP)
		;
}

/* ---------------------------------------------------------------------------- the ladder */

static void test_work_leads_back_to_the_top(void)
{
	uint32_t spins[2] = {0};
	struct flx_idle idle;

	CU_ASSERT_EQUAL_FATAL(flx_idle_init(&idle), 0);
	for (uint32_t round = 0; round < 2; round++) {
		while (flx_idle_next(&idle) == FLX_IDLE_SPIN)
			spins[round]++;
		CU_ASSERT_EQUAL(flx_idle_next(&idle), FLX_IDLE_SLEEP);
		flx_idle_busy(&idle);
	}
	CU_ASSERT_TRUE(spins[0] > 100);
	CU_ASSERT_EQUAL(spins[0], spins[1]);
	flx_idle_fini(&idle);
}

/* Which queues a worker has, and whether it sleeps by the clock. */
static void test_a_silent_queue_is_looked_at_by_the_clock(void)
{
	static const struct {
		uint32_t telling, silent;
		bool deaf, by_clock;
	} rows[] = {
		{0, 1, false, true}, {1, 1, false, true}, {2, 0, false, false},
		{2, 0, true, true},  {0, 2, true, true},  {FLX_PORTS_MAX, 0, false, false},
	};
	int ends[2];

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
	for (uint32_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		double least = 1e9;
		struct flx_idle idle;

		CU_ASSERT_EQUAL_FATAL(flx_idle_init(&idle), 0);
		for (uint32_t i = 0; i < rows[r].telling; i++)
			flx_idle_watch(&idle, ends[0]);
		for (uint32_t i = 0; i < rows[r].silent; i++)
			flx_idle_watch(&idle, -1);
		climb_down(&idle);
		/* The least of some: this machine may be busy. */
		for (uint32_t i = 0; i < (rows[r].by_clock ? 20 : 2); i++) {
			double took = sleep_ms(&idle, rows[r].deaf, 0);

			least = took < least ? took : least;
		}
		CU_ASSERT_EQUAL(least < CLOCK_MS, rows[r].by_clock);
		flx_idle_fini(&idle);
	}
	close(ends[0]);
	close(ends[1]);
}

static void test_a_limit_ends_the_sleep_whatever_tells(void)
{
	struct flx_idle idle;

	CU_ASSERT_EQUAL_FATAL(flx_idle_init(&idle), 0);
	climb_down(&idle);
	CU_ASSERT_TRUE(sleep_ms(&idle, false, 5000) >= 5);
	flx_idle_fini(&idle);
}

/* ------------------------------------------------------------------------------ frames */

static void test_a_frame_ends_the_sleep_and_one_that_stays_does_not_spin(void)
{
	struct flx_idle idle;
	int ends[2];
	char byte = 0;

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
	CU_ASSERT_EQUAL_FATAL(flx_idle_init(&idle), 0);
	flx_idle_watch(&idle, ends[0]);
	climb_down(&idle);
	CU_ASSERT_EQUAL(write(ends[1], &byte, 1), 1);
	for (uint32_t round = 0; round < 2; round++) {
		/* It came before the sleep. */
		sleep_ms(&idle, false, 0);
		CU_ASSERT_TRUE(idle.told);
		/* The turn after that found nothing: now by the clock, and deaf. */
		flx_idle_next(&idle);
		CU_ASSERT_TRUE(sleep_ms(&idle, false, 0) >= 0.02);
		CU_ASSERT_FALSE(idle.told);
	}
	/* It found something, and may listen again at once. */
	sleep_ms(&idle, false, 0);
	CU_ASSERT_TRUE(idle.told);
	flx_idle_busy(&idle);
	climb_down(&idle);
	sleep_ms(&idle, false, 0);
	CU_ASSERT_TRUE(idle.told);
	/* Of one that it would not take it hears nothing. */
	flx_idle_busy(&idle);
	climb_down(&idle);
	CU_ASSERT_TRUE(sleep_ms(&idle, true, 0) >= 0.02);
	CU_ASSERT_FALSE(idle.told);
	flx_idle_fini(&idle);
	close(ends[0]);
	close(ends[1]);
}

/* ---------------------------------------------------------------------------- wake-ups */

static void test_a_wake_up_before_the_sleep_ends_it(void)
{
	double start;
	struct flx_idle idle;

	CU_ASSERT_EQUAL_FATAL(flx_idle_init(&idle), 0);
	climb_down(&idle);
	/* Awake: nobody writes, and the next sleep lasts. */
	flx_idle_wake(&idle);
	CU_ASSERT_TRUE(sleep_ms(&idle, false, 5000) >= 5);
	flx_idle_announce(&idle);
	flx_idle_wake(&idle);
	start = now_ms();
	flx_idle_sleep(&idle, false, LOST_S * 1000000);
	CU_ASSERT_TRUE(now_ms() - start < LOST_S * 1000);
	/* It was taken: it does not end the next one too. */
	CU_ASSERT_TRUE(sleep_ms(&idle, false, 5000) >= 5);
	/* A deaf one is woken as well. */
	flx_idle_announce(&idle);
	flx_idle_wake(&idle);
	start = now_ms();
	flx_idle_sleep(&idle, true, LOST_S * 1000000);
	CU_ASSERT_TRUE(now_ms() - start < LOST_S * 1000);
	flx_idle_fini(&idle);
}

struct side {
	struct flx_idle idle;
	struct side *other;
	struct flx_random random;
	bool lost;
	alignas(FLX_CACHE_LINE) _Atomic uint64_t items; /* for this side; written by the other */
};

/*
 * Waits for @count items to have come; false: a wake-up was lost. It looks for a while before it
 * sleeps, so that the other often sends just then.
 */
static bool take(struct side *side, uint64_t count)
{
	for (uint32_t left = flx_random_below(&side->random, LOOKS_MAX); left; left--)
		if (atomic_load_explicit(&side->items, memory_order_relaxed) >= count)
			return true;
	while (atomic_load_explicit(&side->items, memory_order_relaxed) < count) {
		double start;

		flx_idle_announce(&side->idle);
		if (atomic_load_explicit(&side->items, memory_order_relaxed) >= count) {
			flx_idle_retract(&side->idle);
			break;
		}
		start = now_ms();
		flx_idle_sleep(&side->idle, false, LOST_S * 1000000);
		if (now_ms() - start >= LOST_S * 1000)
			return false;
	}
	return true;
}

static struct side sides[2];

static void *play(void *argument)
{
	struct side *side = argument;

	for (uint64_t i = 1; i <= ITEMS && !side->lost; i++) {
		side->lost = !take(side, i);
		/* As weak as can be: what orders it is in flx_idle_wake. */
		atomic_store_explicit(&side->other->items, side == sides ? i : i + 1,
				      memory_order_relaxed);
		flx_idle_wake(&side->other->idle);
	}
	return NULL;
}

/* One item between two threads that sleep when it is not theirs: all depends on wake-ups. */
static void test_no_wake_up_is_lost_between_two_threads(void)
{
	pthread_t thread[2];

	for (uint32_t s = 0; s < 2; s++) {
		CU_ASSERT_EQUAL_FATAL(flx_idle_init(&sides[s].idle), 0);
		sides[s].other = &sides[1 - s];
		sides[s].random = (struct flx_random){.state = s + 1};
	}
	atomic_store(&sides[0].items, 1);
	for (uint32_t s = 0; s < 2; s++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&thread[s], NULL, play, &sides[s]), 0);
	for (uint32_t s = 0; s < 2; s++) {
		pthread_join(thread[s], NULL);
		CU_ASSERT_FALSE(sides[s].lost);
		CU_ASSERT_EQUAL(atomic_load(&sides[s].items), ITEMS + (s == 0));
		CU_ASSERT_TRUE(sides[s].idle.sleeps > 0);
		flx_idle_fini(&sides[s].idle);
	}
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_work_leads_back_to_the_top),
		FLX_TEST(test_a_silent_queue_is_looked_at_by_the_clock),
		FLX_TEST(test_a_limit_ends_the_sleep_whatever_tells),
		FLX_TEST(test_a_frame_ends_the_sleep_and_one_that_stays_does_not_spin),
		FLX_TEST(test_a_wake_up_before_the_sleep_ends_it),
		FLX_TEST(test_no_wake_up_is_lost_between_two_threads),
		{0},
	};

	return flx_test_main("idle", tests);
}
