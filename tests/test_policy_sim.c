/* SPDX-License-Identifier: BSD-3-Clause */
/* The policy let loose on loads. Time is simulated, so every bound here is exact. */
#include <math.h>

#include "tests/policy_sim.h"
#include "tests/test.h"

#define PCT (FLX_POLICY_FULL / 100)
#define MS  1000ull
#define S   1000000ull

static struct sim sim;

static void run_for(uint64_t us)
{
	sim_run(&sim, sim.now_us + us);
}

/* How far the most and the least loaded worker are from their mean, in percent of it, at most. */
static int64_t off_pct(int32_t even_ppm)
{
	return sim_difference(&sim) * 100 / 2 / even_ppm;
}

/* Two even workers; then, at once, what the first has is nine tenths of @total_pct. */
static void skew_what_is_hot(uint64_t seed, int32_t total_pct)
{
	sim_init(&sim, seed, 2, 1);
	sim_demand_of(&sim, 0, total_pct * PCT / 2);
	sim_demand_of(&sim, 1, total_pct * PCT / 2);
	run_for(20 * MS);
	CU_ASSERT_EQUAL(sim.move_count, 0);
	sim_demand_of(&sim, 0, total_pct * PCT / 10 * 9);
	sim_demand_of(&sim, 1, total_pct * PCT / 10);
}

/* Slices alike, of which the first worker owns nine tenths. */
static void skew_who_owns(uint64_t seed, int32_t total_pct)
{
	sim_init(&sim, seed, 2, 1);
	for (uint32_t i = 0; i < FLX_SLICES; i++) {
		sim.slices[i].owner = i % 10 == 0;
		sim.demand_ppm[i] = total_pct * PCT / FLX_SLICES;
	}
}

/* The promise: a 90/10 skew over two workers is within 10 % of even 20 ms after it has begun. */
static void test_policy_evens_out_a_skew_in_20_ms(void)
{
	static const int32_t totals_pct[] = {90, 100, 130, 160, 190, 195};
	static void (*const skews[])(uint64_t, int32_t) = {skew_what_is_hot, skew_who_owns};
	static const uint32_t queues_us[] = {SIM_QUEUE_MAX_US, 100}; /* credits; a NIC's queue */

	for (uint32_t i = 0; i < 6 * 2 * 2 * 20; i++) {
		int32_t total_pct = totals_pct[i % 6];

		skews[i / 6 % 2](i, total_pct);
		sim.queue_max_us = queues_us[i / 12 % 2];
		run_for(20 * MS);
		CU_ASSERT_TRUE(off_pct(total_pct * PCT / 2) < 10);
		run_for(80 * MS);
		CU_ASSERT_TRUE(off_pct(total_pct * PCT / 2) < 10);
		CU_ASSERT_EQUAL(sim.faults, 0);
	}
}

/* The same where nobody tells how much more than a full worker can handle comes to it. */
static void test_policy_evens_out_a_skew_without_knowing_the_demand(void)
{
	for (uint32_t seed = 0; seed < 100; seed++) {
		int32_t total_pct = seed % 2 ? 190 : 140;

		skew_who_owns(seed, total_pct);
		sim.hides_growth = true;
		sim.queue_max_us = 100;
		run_for(20 * MS);
		CU_ASSERT_TRUE(off_pct(total_pct * PCT / 2) < 10);
		/* What waits hides it for as long as it lasts. */
		skew_who_owns(seed, total_pct);
		sim.hides_growth = true;
		run_for(60 * MS);
		CU_ASSERT_TRUE(off_pct(total_pct * PCT / 2) < 10);
	}
}

/* It must not hang on what the simulation happens to be like. */
static void test_policy_evens_out_a_skew_when_moves_are_slow_or_late(void)
{
	static const uint32_t moves_us[] = {250, 1000, 1750, 3000, 5000};

	for (uint32_t i = 0; i < 5 * 20; i++) {
		skew_who_owns(i, 140);
		sim.move_us = moves_us[i % 5];
		run_for(40 * MS);
		CU_ASSERT_TRUE(off_pct(70 * PCT) < 10);
		CU_ASSERT_EQUAL(sim.faults, 0);
	}
}

/* Keys of which the n-th most popular is asked for 1/n^0.99 as often, spread by hash. */
static void zipf(uint64_t seed, int64_t total_ppm)
{
	enum { KEYS = 100000 };
	struct flx_random random = {seed};
	double share[FLX_SLICES] = {0}, sum = 0;

	for (int key = 1; key <= KEYS; key++)
		sum += pow(key, -0.99);
	for (int key = 1; key <= KEYS; key++)
		share[flx_random_below(&random, FLX_SLICES)] += pow(key, -0.99) / sum;
	for (uint32_t i = 0; i < FLX_SLICES; i++)
		sim.demand_ppm[i] = (int32_t)((double)total_ppm * share[i]);
}

static void test_policy_settles_on_zipf_keys(void)
{
	static const uint32_t workers[] = {2, 4, 8};

	for (uint32_t i = 0; i < 12; i++) {
		uint32_t count = workers[i % 3];
		int32_t each = (70 + 10 * (int32_t)(i % 4 % 3)) * PCT;
		uint64_t moves;

		sim_init(&sim, i, count, 1);
		zipf(i, (int64_t)each * count);
		run_for(1 * S);
		moves = sim.move_count;
		CU_ASSERT_TRUE(sim_difference(&sim) < 12 * PCT);
		run_for(20 * S);
		CU_ASSERT_TRUE(sim.move_count - moves < 20);
		CU_ASSERT_TRUE(sim_difference(&sim) < 12 * PCT);
	}
}

/* Constant loads: once even, nothing moves but what is left to tune. */
static void test_policy_does_not_follow_noise(void)
{
	static const int32_t each_pct[] = {65, 72, 80, 90, 95};

	for (uint32_t i = 0; i < 10; i++) {
		uint32_t workers = i < 5 ? 2 : 8;
		uint64_t moves;

		sim_init(&sim, i, workers, 1);
		for (uint32_t w = 0; w < workers; w++)
			sim_demand_of(&sim, w, each_pct[i % 5] * PCT);
		run_for(60 * S);
		CU_ASSERT_EQUAL(sim.move_count, 0);
		/* And from a skew. */
		skew_what_is_hot(i, 2 * each_pct[i % 5]);
		run_for(100 * MS);
		moves = sim.move_count;
		run_for(60 * S);
		CU_ASSERT_TRUE(sim.move_count - moves <= 2);
	}
}

static void test_policy_isolates_an_elephant(void)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		int64_t beside;

		sim_init(&sim, seed, 2, 1);
		sim_demand_of(&sim, 0, 40 * PCT);
		sim_demand_of(&sim, 1, 40 * PCT);
		sim.demand_ppm[0] = 60 * PCT;
		run_for(20 * MS);
		beside = sim_demand(&sim, 0) - 60 * PCT;
		CU_ASSERT_EQUAL(sim.slices[0].owner, 0);
		CU_ASSERT_TRUE(beside < 15 * PCT);
		CU_ASSERT_TRUE(sim_difference(&sim) < 10 * PCT);
		/* It becomes more than one worker can do: it is left to itself. */
		sim.demand_ppm[0] = 120 * PCT;
		run_for(40 * MS);
		CU_ASSERT_EQUAL(sim.slices[0].owner, 0);
		CU_ASSERT_EQUAL(sim_demand(&sim, 0), 120 * PCT);
		sim.move_count = 0;
		run_for(2 * S);
		CU_ASSERT_EQUAL(sim.move_count, 0);
	}
}

static void test_policy_brings_eight_random_workers_together(void)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct flx_random random = {seed};
		int64_t most = 0;

		sim_init(&sim, seed, 8, 4);
		for (uint32_t i = 0; i < SIM_SLICES; i++) {
			uint32_t most_ppm = flx_random_chance(&random, 5) ? 20000 : 5000;

			/* The first have many, the last few. */
			sim.slices[i].owner = (uint8_t)(flx_random_below(&random, 8) *
							flx_random_below(&random, 8) / 7);
			sim.demand_ppm[i] = (int32_t)flx_random_below(&random, most_ppm);
		}
		run_for(60 * MS);
		CU_ASSERT_TRUE(sim_difference(&sim) < 13 * PCT);
		for (uint32_t w = 0; w < 8; w++)
			most = sim_demand(&sim, w) > most ? sim_demand(&sim, w) : most;
		CU_ASSERT_TRUE(most < 85 * PCT);
		sim.move_count = 0;
		run_for(10 * S);
		CU_ASSERT_TRUE(sim.move_count < 10);
		CU_ASSERT_EQUAL(sim.faults, 0);
	}
}

/* @workers of which the first @active own all slices and run. */
static void init_some(uint64_t seed, uint32_t workers, uint32_t active)
{
	sim_init(&sim, seed, workers, 1);
	sim.workers_min = 1;
	for (uint32_t w = active; w < workers; w++)
		sim.workers[w].state = FLX_POLICY_PARKED;
	for (uint32_t i = 0; i < FLX_SLICES; i++)
		sim.slices[i].owner = (uint8_t)(i % active);
}

static void demand_in_all(int64_t ppm)
{
	for (uint32_t i = 0; i < FLX_SLICES; i++)
		sim.demand_ppm[i] = (int32_t)(ppm / FLX_SLICES);
}

static void test_policy_follows_a_ramp_up_and_down(void)
{
	init_some(1, 8, 1);
	for (int32_t step = 0; step <= 200; step++) {
		demand_in_all(20 * PCT + step * 29000);
		run_for(10 * MS);
	}
	/* Eight for 600 %, one after the other, and nothing was refused on the way. */
	CU_ASSERT_EQUAL(sim_active(&sim), 8);
	CU_ASSERT_EQUAL(sim.add_count, 7);
	CU_ASSERT_EQUAL(sim.park_count, 0);
	CU_ASSERT_EQUAL(sim.refused, 0);
	run_for(2 * S);
	for (int32_t step = 200; step >= 0; step--) {
		demand_in_all(20 * PCT + step * 29000);
		run_for(10 * MS);
	}
	run_for(1 * S);
	CU_ASSERT_EQUAL(sim_active(&sim), 1);
	CU_ASSERT_EQUAL(sim.add_count, 7);
	CU_ASSERT_EQUAL(sim.park_count, 7);
	CU_ASSERT_EQUAL(sim.refused, 0);
	CU_ASSERT_EQUAL(sim.faults, 0);
}

/* A load at any height, between and on the thresholds, changes the count of workers one way. */
static void test_policy_does_not_flap_at_the_thresholds(void)
{
	for (uint32_t active = 1; active <= 7; active++)
		for (int32_t each_pct = 36; each_pct <= 74; each_pct += 2) {
			init_some(active, 8, active);
			demand_in_all((int64_t)each_pct * PCT * active);
			run_for(10 * S);
			/* Some of seven may be too many, but none is needed again. */
			CU_ASSERT_TRUE(!sim.add_count || !sim.park_count);
			CU_ASSERT_TRUE(sim.add_count <= 1 && sim.park_count <= 2);
			CU_ASSERT_EQUAL(sim.faults, 0);
		}
}

/* Loads that jump, between what one and what four can carry, are not followed for ever. */
static void test_policy_backs_off_from_parking(void)
{
	uint64_t parks = 0, refused = 0;

	init_some(1, 4, 4);
	for (uint32_t i = 0; i < 600; i++) {
		demand_in_all(i % 2 ? 300 * PCT : 30 * PCT);
		run_for(100 * MS);
		if (i == 299) {
			parks = sim.park_count;
			refused = sim.refused;
		}
	}
	CU_ASSERT_TRUE(sim.park_count - parks < 8);
	CU_ASSERT_TRUE(sim.refused - refused < refused);
	CU_ASSERT_EQUAL(sim.faults, 0);
}

static void test_policy_keeps_to_the_nodes(void)
{
	static const struct {
		int32_t pct[4]; /* two workers on each of two nodes */
		bool crosses;
	} rows[] = {
		{{90, 20, 30, 30}, false}, {{110, 20, 60, 60}, false}, {{95, 95, 20, 20}, true},
		{{130, 60, 10, 10}, true}, {{80, 80, 75, 75}, false},
	};

	for (uint32_t i = 0; i < 5 * 10; i++) {
		sim_init(&sim, i, 4, 1);
		for (uint32_t w = 0; w < 4; w++) {
			sim.workers[w].numa = (int)w / 2;
			sim_demand_of(&sim, w, rows[i % 5].pct[w] * PCT);
		}
		run_for(100 * MS);
		CU_ASSERT_EQUAL(sim.node_count > 0, rows[i % 5].crosses);
		for (uint32_t w = 0; w < 4; w++)
			CU_ASSERT_TRUE(sim_demand(&sim, w) < 85 * PCT);
		sim.move_count = 0;
		run_for(5 * S);
		CU_ASSERT_TRUE(sim.move_count <= 2);
		CU_ASSERT_EQUAL(sim.faults, 0);
	}
}

/* Two groups that are mates; those of the second are at @shift workers further on. */
static void init_mates(uint64_t seed, uint32_t shift, int32_t each_pct)
{
	sim_init(&sim, seed, 2, 2);
	sim.groups[1].mates = 0;
	sim.apart_pct = 15;
	for (uint32_t i = 0; i < FLX_SLICES; i++)
		sim.slices[FLX_SLICES + i].owner = (uint8_t)((i + shift) % 2);
	for (uint32_t i = 0; i < 2 * FLX_SLICES; i++)
		sim.demand_ppm[i] = each_pct * PCT / FLX_SLICES;
}

static void test_policy_brings_mates_together(void)
{
	for (uint64_t seed = 1; seed <= 10; seed++) {
		init_mates(seed, 1, 76);
		CU_ASSERT_EQUAL(sim_apart(&sim), FLX_SLICES);
		run_for(500 * MS);
		CU_ASSERT_EQUAL(sim_apart(&sim), 0);
		CU_ASSERT_TRUE(sim_difference(&sim) < 10 * PCT);
		sim.move_count = 0;
		run_for(5 * S);
		CU_ASSERT_TRUE(sim.move_count <= 1);
		CU_ASSERT_EQUAL(sim.faults, 0);
	}
}

static void test_policy_keeps_mates_together(void)
{
	for (uint64_t seed = 1; seed <= 10; seed++) {
		init_mates(seed, 0, 75);
		sim_demand_of(&sim, 0, 120 * PCT);
		sim_demand_of(&sim, 1, 30 * PCT);
		run_for(40 * MS);
		CU_ASSERT_TRUE(sim_difference(&sim) < 10 * PCT);
		CU_ASSERT_EQUAL(sim_apart(&sim), 0);
	}
}

/* Two hot spots in turn, 10 ms each: both are spread, and then there is nothing to follow. */
static void test_policy_spreads_a_hot_spot_that_alternates(void)
{
	sim_init(&sim, 1, 2, 1);
	for (uint32_t turn = 0; turn < 1000; turn++) {
		for (uint32_t i = 0; i < FLX_SLICES; i++)
			sim.demand_ppm[i] = (i % 2 == turn % 2 ? 90 : 10) * PCT / 256;
		run_for(10 * MS);
		if (turn == 9)
			sim.move_count = 0;
	}
	CU_ASSERT_EQUAL(sim.move_count, 0);
}

/* The load is always where the policy has just moved slices to: each way there costs more. */
static void test_policy_backs_off_from_a_load_that_runs_away(void)
{
	uint64_t first;

	sim_init(&sim, 1, 2, 1);
	for (uint32_t turn = 0; turn < 10; turn++) {
		sim_demand_of(&sim, turn % 2, 90 * PCT);
		sim_demand_of(&sim, !(turn % 2), 10 * PCT);
		run_for(10 * MS);
	}
	first = sim.slice_count;
	for (uint32_t turn = 10; turn < 1000; turn++) {
		if (turn == 500)
			sim.slice_count = 0;
		sim_demand_of(&sim, turn % 2, 90 * PCT);
		sim_demand_of(&sim, !(turn % 2), 10 * PCT);
		run_for(10 * MS);
	}
	/* Five seconds now, against a tenth: each slice at most once a second. */
	CU_ASSERT_TRUE(first > 1000);
	CU_ASSERT_TRUE(sim.slice_count <= 5 * FLX_SLICES);
}

static void test_policy_gives_nothing_to_a_stalled_worker(void)
{
	sim_init(&sim, 1, 3, 1);
	sim_demand_of(&sim, 0, 90 * PCT);
	sim_demand_of(&sim, 1, 30 * PCT);
	sim.workers[2].stalled = true;
	run_for(100 * MS);
	CU_ASSERT_EQUAL(sim_demand(&sim, 2), 0);
	CU_ASSERT_TRUE(sim_difference(&sim) < 10 * PCT);
	CU_ASSERT_EQUAL(sim.faults, 0);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_policy_evens_out_a_skew_in_20_ms),
		FLX_TEST(test_policy_evens_out_a_skew_without_knowing_the_demand),
		FLX_TEST(test_policy_evens_out_a_skew_when_moves_are_slow_or_late),
		FLX_TEST(test_policy_settles_on_zipf_keys),
		FLX_TEST(test_policy_does_not_follow_noise),
		FLX_TEST(test_policy_isolates_an_elephant),
		FLX_TEST(test_policy_brings_eight_random_workers_together),
		FLX_TEST(test_policy_follows_a_ramp_up_and_down),
		FLX_TEST(test_policy_does_not_flap_at_the_thresholds),
		FLX_TEST(test_policy_backs_off_from_parking),
		FLX_TEST(test_policy_keeps_to_the_nodes),
		FLX_TEST(test_policy_brings_mates_together),
		FLX_TEST(test_policy_keeps_mates_together),
		FLX_TEST(test_policy_spreads_a_hot_spot_that_alternates),
		FLX_TEST(test_policy_backs_off_from_a_load_that_runs_away),
		FLX_TEST(test_policy_gives_nothing_to_a_stalled_worker),
		{0},
	};

	return flx_test_main("policy_sim", tests);
}
