/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The generator keeps to its plan: when requests go out, over which queue, and what its latencies say of a
 * server that stalls.
 */
#include "perf/gen.h"


#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "pmd-config/pair.h"
#include "tests/gen_bed.h"
#include "tests/test.h"

static struct flx_gen_bed *const bed = &flx_gen_bed;

/* ------------------------------------------------------------------------------------------ pacing */

static void test_gen_sends_each_request_when_it_is_due(void)
{
	static const double rates[] = {1000, 3000, 7, 333333};

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		double interval = (double)HZ / rates[i];

		flx_gen_bed_open(false);
		flx_gen_bed_begin(&(struct flx_gen_plan){
			.rate = rates[i], .duration_s = 100 / rates[i], .timed = true});
		CU_ASSERT_EQUAL(flx_gen_poll(&bed->gen, START - 1), 0);
		for (uint32_t n = 0; n < 99; n++) {
			uint64_t due = START + (uint64_t)(n * interval);

			if (n)
				CU_ASSERT_EQUAL(flx_gen_poll(&bed->gen, due - 1), 0);
			CU_ASSERT_EQUAL(flx_gen_poll(&bed->gen, due), 1);
			CU_ASSERT_EQUAL(flx_gen_bed_waiting(), 1);
		}
		flx_latency_sort(&bed->gen.pacing);
		CU_ASSERT_EQUAL(bed->gen.pacing.count, 99);
		CU_ASSERT_EQUAL(flx_latency_at(&bed->gen.pacing, 1000000), 0);
		flx_gen_bed_close();
	}
}

static void test_gen_tells_how_late_it_was(void)
{
	flx_gen_bed_open(false);
	flx_gen_bed_begin(&(struct flx_gen_plan){.rate = 1000, .duration_s = 1, .timed = true});
	/* Away for 9.5 of 10 intervals. */
	CU_ASSERT_EQUAL(flx_gen_poll(&bed->gen, START + 9 * MS + MS / 2), 10);
	flx_latency_sort(&bed->gen.pacing);
	CU_ASSERT_EQUAL(flx_latency_at(&bed->gen.pacing, 100000), MS / 2);
	CU_ASSERT_EQUAL(flx_latency_at(&bed->gen.pacing, 1000000), 9 * MS + MS / 2);
	flx_gen_bed_close();
}

static void test_gen_keeps_what_the_port_does_not_take(void)
{
	struct flx_asker_counts counts;

	flx_gen_bed_open(false);
	bed->server.stalls_from = START;
	bed->server.stalls_until = START + 100 * MS;
	flx_gen_bed_begin(&(struct flx_gen_plan){.rate = 100000, .duration_s = 0.5, .timed = true});
	counts = flx_gen_bed_run(MS / 20);
	CU_ASSERT_TRUE(bed->gen.blocked); /* 10,000 came due, and a ring holds 4,096 */
	CU_ASSERT_EQUAL(counts.requests, 50000);
	CU_ASSERT_EQUAL(counts.answers, 50000);
	CU_ASSERT_EQUAL(counts.refused, 0);
	CU_ASSERT_EQUAL(counts.wrong, 0);
	CU_ASSERT_EQUAL(bed->server.disordered, 0);
	CU_ASSERT_EQUAL(bed->gen.latency.count, 50000);
	flx_gen_bed_close();
}

static void test_gen_refuses_what_it_never_sends(void)
{
	struct flx_asker_counts counts;

	/* Nobody takes anything: the ring is full, and the port's fault. */
	flx_gen_bed_open(false);
	bed->server.stalls_until = UINT64_MAX;
	flx_gen_bed_begin(&(struct flx_gen_plan){.rate = 100000, .duration_s = 0.1});
	counts = flx_gen_bed_run(MS / 20);
	CU_ASSERT_EQUAL(counts.requests, FLX_PAIR_FRAMES);
	CU_ASSERT_EQUAL(counts.requests + counts.refused, 10000);
	CU_ASSERT_EQUAL(counts.answers, 0);
	CU_ASSERT_FALSE(flx_gen_was_limit(&bed->gen, counts.refused));
	flx_gen_bed_close();

	/* It does not come to it: its own. */
	flx_gen_bed_open(false);
	flx_gen_bed_begin(&(struct flx_gen_plan){.rate = 100000, .duration_s = 0.1});
	bed->now = START + HZ;
	counts = flx_gen_bed_run(MS);
	CU_ASSERT_EQUAL(counts.requests, 0);
	CU_ASSERT_EQUAL(counts.refused, 10000);
	CU_ASSERT_TRUE(flx_gen_was_limit(&bed->gen, counts.refused));
	flx_gen_bed_close();
}

static void test_gen_is_the_limit_when_it_has_no_time_left(void)
{
	static const struct {
		uint64_t busy, total, refused;
		bool blocked, limit;
	} rows[] = {
		{0, 0, 0, false, false},   {94, 100, 0, false, false}, {95, 100, 0, false, true},
		{100, 100, 0, true, true}, {50, 100, 1, false, true},  {50, 100, 1, true, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct flx_gen row = {
			.busy = rows[i].busy, .total = rows[i].total, .blocked = rows[i].blocked};

		CU_ASSERT_EQUAL(flx_gen_was_limit(&row, rows[i].refused), rows[i].limit);
	}
}

/* ------------------------------------------------------------------------- coordinated omission */

/* A server that answers in 10 us, but once stands still for 100 ms. */
static void stall_once(const struct flx_gen_plan *plan)
{
	flx_gen_bed_open(false);
	bed->server.service = MS / 100;
	bed->server.stalls_from = START + HZ;
	bed->server.stalls_until = START + HZ + 100 * MS;
	flx_gen_bed_begin(plan);
}

static void test_gen_shows_a_stall_in_an_open_loop(void)
{
	struct flx_asker_counts counts;

	stall_once(&(struct flx_gen_plan){.rate = 10000, .duration_s = 10, .timed = true});
	counts = flx_gen_bed_run(MS / 100);
	CU_ASSERT_EQUAL(counts.answers, 100000);
	CU_ASSERT_EQUAL(counts.refused, 0);
	CU_ASSERT_EQUAL(bed->gen.latency.count, 100000);
	CU_ASSERT_TRUE(flx_latency_at(&bed->gen.latency, 500000) <= MS / 20);
	/* A request in a hundred met it, and waited for up to all of it. */
	CU_ASSERT_DOUBLE_EQUAL(flx_latency_at(&bed->gen.latency, 999000), 90 * MS, 2 * MS);
	CU_ASSERT_DOUBLE_EQUAL(flx_latency_at(&bed->gen.latency, 1000000), 100 * MS, MS / 5);
	flx_gen_bed_close();
}

static void test_gen_hides_a_stall_in_a_closed_loop(void)
{
	struct flx_asker_counts counts;

	stall_once(&(struct flx_gen_plan){.in_flight = 1, .duration_s = 2, .timed = true});
	counts = flx_gen_bed_run(MS / 100);
	CU_ASSERT_TRUE(counts.answers > 50000);
	CU_ASSERT_EQUAL(counts.lost, 0);
	CU_ASSERT_TRUE(flx_latency_at(&bed->gen.latency, 999000) <= MS / 20);
	CU_ASSERT_DOUBLE_EQUAL(flx_latency_at(&bed->gen.latency, 1000000), 100 * MS, MS / 5);
	flx_gen_bed_close();
}

/* What is lost, wrong or never sent is no less late than what took longest. */
static void test_gen_counts_what_is_not_answered_as_the_longest(void)
{
	static const struct {
		double rate;
		uint32_t drop, spoil, in_flight;
		bool deaf;
		uint64_t timed, unanswered; /* of 1 s */
	} rows[] = {
		{10000, 0, 0, 0, false, 10000, 0},
		{10000, 10, 0, 0, false, 10000, 1000},
		{10000, 0, 50, 0, false, 10000, 200},
		/* All but what a ring holds is refused. */
		{10000, 0, 0, 0, true, 10000, 10000},
		{0, 1, 0, 4, false, 40, 40},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct flx_latency *latency = &bed->gen.latency;

		flx_gen_bed_open(false);
		bed->server.drop = rows[i].drop;
		bed->server.spoil = rows[i].spoil;
		bed->server.stalls_until = rows[i].deaf ? UINT64_MAX : 0;
		flx_gen_bed_begin(&(struct flx_gen_plan){.rate = rows[i].rate,
							 .in_flight = rows[i].in_flight,
							 .duration_s = 1,
							 .timed = true});
		flx_gen_bed_run(MS / 10);
		CU_ASSERT_EQUAL(latency->unanswered,
				latency->count * rows[i].unanswered / RTE_MAX(rows[i].timed, 1u));
		if (rows[i].rate > 0)
			CU_ASSERT_EQUAL(latency->count, rows[i].timed);
		CU_ASSERT_EQUAL(latency->saturated, 0);
		CU_ASSERT_EQUAL(flx_latency_at(latency, 1000000) == UINT32_MAX,
				rows[i].unanswered > 0);
		if (!rows[i].deaf && rows[i].rate > 0)
			CU_ASSERT_TRUE(flx_latency_at(latency, 890000) < MS);
		flx_gen_bed_close();
	}
}

/* Where every third is timed: of those that are made or refused, and not of those that no plan wanted. */
static void test_gen_counts_of_what_is_refused_what_would_be_timed(void)
{
	static const struct flx_gen_plan plans[] = {
		{.rate = 10000, .duration_s = 1, .timed = true},
		{.in_flight = FLX_PAIR_FRAMES + 100, .duration_s = 1, .timed = true},
	};

	for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
		struct flx_asker_counts counts;

		flx_gen_bed_open(false);
		bed->server.stalls_until = UINT64_MAX;
		flx_gen_bed_begin(&plans[i]);
		bed->gen.latency.every = bed->gen.pacing.every = 3;
		counts = flx_gen_bed_run(MS / 10);
		CU_ASSERT_EQUAL(counts.requests, FLX_PAIR_FRAMES);
		CU_ASSERT_EQUAL(bed->gen.latency.unanswered,
				(counts.requests + counts.refused + 2) / 3);
		CU_ASSERT_EQUAL(bed->gen.latency.count, bed->gen.latency.unanswered);
		flx_gen_bed_close();
	}
}

/* ----------------------------------------------------------------------------------------- flows */

static void test_gen_brings_each_flow_to_its_queue(void)
{
	static const uint32_t forms[][2] = {{1024, 1}, {64, 16}};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct flx_gen_conf conf = flx_gen_bed_conf(QUEUES);
		uint32_t seen[QUEUES] = {0};
		struct rte_mbuf *frame;

		conf.query.clients = forms[i][0];
		conf.query.ports = forms[i][1];
		CU_ASSERT_EQUAL_FATAL(flx_gen_init(&bed->gen, &conf), 0);
		flx_gen_bed_begin(&(struct flx_gen_plan){.rate = 1024000, .duration_s = 0.001});
		for (bed->now = START; bed->now < START + MS; bed->now += MS / 100)
			flx_gen_poll(&bed->gen, bed->now);
		for (uint16_t q = 0; q < QUEUES; q++)
			for (; rte_eth_rx_burst(bed->near.id, q, &frame, 1); seen[q]++) {
				const uint8_t *flow = rte_pktmbuf_mtod(frame, uint8_t *) + 26;

				CU_ASSERT_EQUAL((flx_rss_flow(&bed->near.rss, flow) & 511) % QUEUES,
						q);
				rte_pktmbuf_free(frame);
			}
		CU_ASSERT_TRUE(seen[0] > 400 && seen[1] > 400);
		CU_ASSERT_TRUE(seen[0] + seen[1] > 1000);
		flx_gen_bed_close();
	}
}

static void test_gen_asks_as_often_as_popularity_says(void)
{
	struct flx_gen_conf conf = flx_gen_bed_conf(QUEUES);
	struct flx_asker_counts counts;
	uint32_t most = 0;

	conf.zipf = 1;
	conf.seed = 7;
	bed->server.counted = true; /* for the count of each; the generator takes them for wrong */
	CU_ASSERT_EQUAL_FATAL(flx_gen_init(&bed->gen, &conf), 0);
	flx_gen_bed_begin(&(struct flx_gen_plan){.rate = 100000, .duration_s = 1});
	counts = flx_gen_bed_run(MS / 20);
	CU_ASSERT_TRUE(counts.answers >= 99990);
	for (uint32_t c = 0; c < 64; c++)
		if (bed->server.counts[c] > bed->server.counts[most])
			most = c;
	/* 1 of 1 + 1/2 + .. 1/64 = 4.744 */
	CU_ASSERT_DOUBLE_EQUAL((double)bed->server.counts[most], 100000 / 4.744, 1500);
	flx_gen_bed_close();
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_gen_sends_each_request_when_it_is_due),
		FLX_TEST(test_gen_tells_how_late_it_was),
		FLX_TEST(test_gen_keeps_what_the_port_does_not_take),
		FLX_TEST(test_gen_refuses_what_it_never_sends),
		FLX_TEST(test_gen_is_the_limit_when_it_has_no_time_left),
		FLX_TEST(test_gen_shows_a_stall_in_an_open_loop),
		FLX_TEST(test_gen_hides_a_stall_in_a_closed_loop),
		FLX_TEST(test_gen_counts_what_is_not_answered_as_the_longest),
		FLX_TEST(test_gen_counts_of_what_is_refused_what_would_be_timed),
		FLX_TEST(test_gen_brings_each_flow_to_its_queue),
		FLX_TEST(test_gen_asks_as_often_as_popularity_says),
		{0},
	};

	return flx_test_main("gen", tests);
}
