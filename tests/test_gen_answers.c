/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the generator counts of its answers: lost, wrong, late and missing ones, and noise.
 */
#include "perf/gen.h"

#include <string.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "perf/host.h"
#include "tests/gen_bed.h"
#include "tests/test.h"

static struct flx_gen_bed *const bed = &flx_gen_bed;

/* ------------------------------------------------------------------------------------------ counts */

static void test_gen_counts_what_is_lost_and_what_is_wrong(void)
{
	static const struct {
		uint32_t drop, spoil;
		bool counted;
		uint64_t answers, wrong;
		int64_t missing;
	} rows[] = {
		{0, 0, false, 1000, 0, 0}, {10, 0, false, 900, 0, 0}, {0, 25, false, 1000, 40, 0},
		{0, 0, true, 1000, 0, 0},  {1, 0, true, 0, 0, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct flx_asker_counts counts;

		flx_gen_bed_open(rows[i].counted);
		bed->server.drop = rows[i].drop;
		bed->server.spoil = rows[i].spoil;
		flx_gen_bed_begin(&(struct flx_gen_plan){.rate = 10000, .duration_s = 0.1});
		counts = flx_gen_bed_run(MS / 10);
		CU_ASSERT_EQUAL(counts.requests, 1000);
		CU_ASSERT_EQUAL(counts.answers, rows[i].answers);
		CU_ASSERT_EQUAL(counts.wrong, rows[i].wrong);
		CU_ASSERT_EQUAL(bed->gen.right, rows[i].answers - rows[i].wrong);
		if (rows[i].counted)
			CU_ASSERT_EQUAL(flx_gen_missing(&bed->gen), rows[i].missing);
		/* For what does not come it waits, and not for ever. */
		CU_ASSERT_EQUAL(bed->now >= START + 100 * MS + GRACE, rows[i].drop > 0);
		CU_ASSERT_TRUE(bed->now <= START + 110 * MS + GRACE);
		flx_gen_bed_close();
	}
}

static void test_gen_finds_counts_that_are_missing_or_come_twice(void)
{
	struct flx_asker_counts counts;

	flx_gen_bed_open(true);
	flx_gen_bed_begin(&(struct flx_gen_plan){.rate = 10000, .duration_s = 0.1});
	bed->server.counts[5] = 3; /* as if three answers had been lost before */
	counts = flx_gen_bed_run(MS / 10);
	CU_ASSERT_EQUAL(counts.wrong, 0);
	CU_ASSERT_EQUAL(flx_gen_missing(&bed->gen), 3);
	flx_gen_bed_close();

	flx_gen_bed_open(true);
	flx_gen_bed_begin(&(struct flx_gen_plan){.rate = 10000, .duration_s = 0.1});
	for (; !flx_gen_is_done(&bed->gen, bed->now); bed->now += MS / 10) {
		if (bed->now == START + 50 * MS)
			bed->server.counts[5] -= 2;
		flx_gen_poll(&bed->gen, bed->now);
		flx_gen_bed_serve();
	}
	flx_gen_count(&bed->gen, &counts);
	CU_ASSERT_EQUAL(counts.wrong, 2);
	CU_ASSERT_EQUAL(flx_gen_missing(&bed->gen), -1);
	flx_gen_bed_close();
}

static void test_gen_looks_at_some_answers_in_full(void)
{
	struct flx_asker_counts counts;

	flx_gen_bed_open(false);
	bed->server.missums = true;
	flx_gen_bed_begin(&(struct flx_gen_plan){.rate = 10000, .duration_s = 0.1});
	counts = flx_gen_bed_run(MS / 10);
	CU_ASSERT_EQUAL(counts.answers, 1000);
	CU_ASSERT_EQUAL(counts.wrong, 1000 / 64 + 1);
	flx_gen_bed_close();
}

/* The server stands still until the run is given up, and answers it during the next one. */
static void test_gen_takes_no_late_answer_for_one_of_the_next_run(void)
{
	static const struct {
		struct flx_gen_plan plan;
		uint32_t drop; /* of both */
		bool counted;
	} rows[] = {
		{{.rate = 10000, .duration_s = 0.1}, 0, true},
		{{.rate = 10000, .duration_s = 0.1}, 10, false},
		{{.rate = 10000, .duration_s = 0.1, .timed = true}, 10, false},
		{{.in_flight = 8, .duration_s = 0.1}, 0, true},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t dropped = rows[i].drop ? 100 / rows[i].drop : 0;
		struct flx_asker_counts counts;

		flx_gen_bed_open(rows[i].counted);
		bed->server.stalls_until = UINT64_MAX;
		flx_gen_bed_begin(&(struct flx_gen_plan){.rate = 1000, .duration_s = 0.1});
		counts = flx_gen_bed_run(MS / 10);
		CU_ASSERT_EQUAL(counts.requests, 100);
		CU_ASSERT_EQUAL(counts.answers, 0);
		bed->server.stalls_until = 0;
		bed->server.drop = rows[i].drop;
		flx_gen_begin(&bed->gen, &rows[i].plan, bed->now);
		counts = flx_gen_bed_run(MS / 10);
		CU_ASSERT_EQUAL(counts.late, 100 - dropped);
		CU_ASSERT_EQUAL(counts.wrong, 0);
		CU_ASSERT_EQUAL(counts.answers, counts.requests - 100 - 10 * dropped);
		if (rows[i].plan.rate > 0)
			CU_ASSERT_EQUAL(counts.requests, 1100);
		if (rows[i].counted)
			CU_ASSERT_EQUAL(flx_gen_missing(&bed->gen), 0);
		if (rows[i].plan.timed)
			CU_ASSERT_EQUAL(bed->gen.latency.count, 1000);
		flx_gen_bed_close();
	}
}

/* A wire is never silent; who asks in vain must still see that nobody answers. */
static void test_gen_takes_no_noise_for_answers(void)
{
	struct flx_gen_conf conf = flx_gen_bed_conf(1);
	struct flx_asker_counts counts;
	struct flx_host host = {
		.edge = {.ip = RTE_BE32(0xc6130000), .mask = RTE_BE32(0xfffe0000)},
		.addresses = 64,
		.port = bed->far.id,
		.pool = bed->pool,
	};

	conf.host = &host;
	CU_ASSERT_EQUAL_FATAL(flx_gen_init(&bed->gen, &conf), 0);
	bed->server.drop = 1;
	flx_gen_bed_begin(&(struct flx_gen_plan){.in_flight = 4, .duration_s = 1});
	for (; !flx_gen_is_done(&bed->gen, bed->now); bed->now += MS / 10) {
		struct rte_mbuf *frame = rte_pktmbuf_alloc(bed->pool);

		CU_ASSERT_PTR_NOT_NULL_FATAL(frame);
		memset(rte_pktmbuf_append(frame, 60), 0xff, 60);
		CU_ASSERT_EQUAL(rte_eth_tx_burst(bed->near.id, 0, &frame, 1), 1);
		CU_ASSERT_TRUE(flx_gen_poll(&bed->gen, bed->now) > 0);
		CU_ASSERT_TRUE_FATAL(bed->now < START + 2 * HZ);
		flx_gen_bed_serve();
	}
	flx_gen_count(&bed->gen, &counts);
	CU_ASSERT_EQUAL(counts.answers, 0);
	/* Four again after each grace. */
	CU_ASSERT_TRUE(counts.requests > 4 * 5 && counts.requests <= 4 * 10);
	flx_gen_bed_close();
}

static void test_gen_in_a_closed_loop_gets_over_losses(void)
{
	struct flx_asker_counts counts;

	flx_gen_bed_open(false);
	bed->server.service = MS / 10;
	bed->server.drop = 100;
	flx_gen_bed_begin(&(struct flx_gen_plan){.in_flight = 4, .duration_s = 10});
	counts = flx_gen_bed_run(MS / 10);
	/* Each 400 answers it stops for the grace, and goes on. */
	CU_ASSERT_TRUE(counts.answers > 20000);
	CU_ASSERT_TRUE(counts.lost > 100);
	CU_ASSERT_EQUAL(counts.refused, 0);
	flx_gen_bed_close();
}

/* It has no time for 200 ms, when the last answers come. */
static void test_gen_that_was_away_looks_once_more(void)
{
	struct flx_asker_counts counts;

	flx_gen_bed_open(false);
	flx_gen_bed_begin(&(struct flx_gen_plan){.rate = 10000, .duration_s = 0.1});
	for (; bed->now < START + 100 * MS; bed->now += MS / 10)
		flx_gen_poll(&bed->gen, bed->now);
	for (uint32_t i = 0; i < 100; i++)
		flx_gen_bed_serve();
	bed->now = START + 300 * MS;
	counts = flx_gen_bed_run(MS / 10);
	CU_ASSERT_EQUAL(counts.requests, 1000);
	CU_ASSERT_EQUAL(counts.answers, 1000);
	flx_gen_bed_close();
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_gen_looks_at_some_answers_in_full),
		FLX_TEST(test_gen_takes_no_late_answer_for_one_of_the_next_run),
		FLX_TEST(test_gen_takes_no_noise_for_answers),
		FLX_TEST(test_gen_counts_what_is_lost_and_what_is_wrong),
		FLX_TEST(test_gen_finds_counts_that_are_missing_or_come_twice),
		FLX_TEST(test_gen_in_a_closed_loop_gets_over_losses),
		FLX_TEST(test_gen_that_was_away_looks_once_more),
		{0},
	};

	return flx_test_main("gen_answers", tests);
}
