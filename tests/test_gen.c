/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The generator on a clock of the test's, against a server of the test's at the other end of a pair: when
 * requests go out, what of their answers is counted, and what its latencies say of a server that stalls.
 */
#include "perf/gen.h"

#include <string.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "fabric/flx.h"
#include "perf/host.h"
#include "perf/scenarios.h"
#include "pmd-config/pair.h"
#include "pmd-config/pool.h"
#include "pmd-config/port.h"
#include "tests/eal.h"
#include "tests/test.h"
#include "tests/turn.h"

/* A tick is a nanosecond. */
#define HZ     UINT64_C(1000000000)
#define MS     (HZ / 1000)
#define START  (5 * HZ)
#define QUEUES 2
#define POOL   16383
#define GRACE  (FLX_GEN_GRACE_MS * MS)

static struct rte_mempool *pool;
static struct flx_port near, far;
static struct flx_gen gen;
static uint64_t now;

/* What the server does. */
static struct {
	uint64_t stalls_from, stalls_until; /* takes and answers nothing */
	uint64_t service;		    /* ticks that an answer takes: one after the other */
	uint64_t free_at;
	uint32_t drop, spoil, number; /* every so many-th; 0: none */
	bool missums;		      /* no check sum is right */
	uint32_t last_client;
	uint64_t counts[64];
	bool counted;
	uint32_t disordered; /* clients that did not come in turn */
} server;

static bool is_up(void)
{
	static int state = 1;
	static const struct flx_pool_conf conf = {.count = POOL,
						  .priv_bytes = sizeof(struct flx_msg) -
								sizeof(struct rte_mbuf),
						  .room_bytes = RTE_PKTMBUF_HEADROOM + 2048,
						  .numa = -1};
	static const uint8_t key[FLX_RSS_KEY_SIZE] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e,
						      0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3};
	struct flx_port_conf port = {.queues = QUEUES, .rss_key = key};
	struct flx_port_spec spec;

	if (state <= 0)
		return state == 0;
	state = flx_test_eal();
	if (state == 0)
		pool = flx_pool_alloc("gen", &conf);
	port.pool = pool;
	if (!pool || flx_port_spec_parse(&spec, "pair", 0, QUEUES) ||
	    flx_port_start(&near, &spec, &port))
		state = -1;
	flx_pair_far(&near.spec, &spec);
	if (state == 0 && flx_port_start(&far, &spec, &port))
		state = -1;
	return state == 0;
}

static struct flx_gen_conf make_conf(uint16_t queues)
{
	CU_ASSERT_TRUE_FATAL(is_up());
	memset(&server, 0, sizeof(server));
	server.last_client = 63;
	now = START;
	return (struct flx_gen_conf){
		.port = far.id,
		.queues = queues,
		.pool = pool,
		.query = {.ip = RTE_BE32(0xc6120001), .udp_port = 7007, .size = 64, .clients = 64},
		.rss = &near.rss,
		.hz = HZ,
	};
}

static void open_gen(bool counted)
{
	struct flx_gen_conf conf = make_conf(1);

	conf.query.counted = counted;
	server.counted = counted;
	CU_ASSERT_EQUAL_FATAL(flx_gen_init(&gen, &conf), 0);
}

/* Nothing of it is left anywhere. */
static void close_gen(void)
{
	struct rte_mbuf *frame;

	for (uint16_t q = 0; q < QUEUES; q++)
		while (rte_eth_rx_burst(near.id, q, &frame, 1))
			rte_pktmbuf_free(frame);
	flx_gen_fini(&gen);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), POOL);
}

/* Turns @frame into its answer; false: it has none. */
static bool answer(struct rte_mbuf *frame)
{
	struct flx_test_heads *heads = flx_test_turn(frame);
	uint32_t client = rte_be_to_cpu_32(heads->ip.dst_addr) & 63;

	server.disordered += client != (server.last_client + 1) % 64;
	server.last_client = client;
	server.number++;
	if (server.drop && server.number % server.drop == 0)
		return false;
	if (server.spoil && server.number % server.spoil == 0)
		((uint8_t *)(heads + 1))[17] ^= 1;
	if (server.missums)
		heads->udp.dgram_cksum ^= RTE_BE16(0x0100);
	return true;
}

/* Prepends the count of its client, as the counter does. */
static void count(struct rte_mbuf *frame)
{
	struct flx_test_heads heads = *rte_pktmbuf_mtod(frame, struct flx_test_heads *);
	uint64_t *counted = &server.counts[rte_be_to_cpu_32(heads.ip.dst_addr) & 63];
	char text[24];
	uint16_t size =
		(uint16_t)snprintf(text, sizeof(text), "%llu ", (unsigned long long)++*counted);
	uint8_t *data = (uint8_t *)rte_pktmbuf_prepend(frame, size);

	heads.udp.dgram_len = rte_cpu_to_be_16(
		(uint16_t)(frame->data_len - sizeof(heads.eth) - sizeof(heads.ip)));
	heads.ip.total_length = rte_cpu_to_be_16((uint16_t)(frame->data_len - sizeof(heads.eth)));
	heads.ip.hdr_checksum = 0;
	heads.ip.hdr_checksum = rte_ipv4_cksum(&heads.ip);
	heads.udp.dgram_cksum = 0; /* none */
	memcpy(data, &heads, sizeof(heads));
	memcpy(data + sizeof(heads), text, size);
}

/* What the server does in a turn: a batch of each queue at most, and no more than it has time for. */
static void serve(void)
{
	struct rte_mbuf *frame;

	if (now >= server.stalls_from && now < server.stalls_until)
		return;
	for (uint16_t q = 0; q < QUEUES; q++)
		for (uint32_t n = 0; n < FLX_BATCH && now >= server.free_at; n++) {
			if (!rte_eth_rx_burst(near.id, q, &frame, 1))
				break;
			if (!answer(frame)) {
				rte_pktmbuf_free(frame);
				continue;
			}
			if (server.counted)
				count(frame);
			server.free_at = now + server.service;
			CU_ASSERT_EQUAL(rte_eth_tx_burst(near.id, q, &frame, 1), 1);
		}
}

static void begin(const struct flx_gen_plan *plan)
{
	CU_ASSERT_EQUAL_FATAL(flx_gen_prepare(&gen), 0);
	flx_gen_begin(&gen, plan, START);
}

/* Runs to the end, with a look every @step ticks. */
static struct flx_asker_counts run(uint64_t step)
{
	struct flx_asker_counts counts;

	for (; !flx_gen_is_done(&gen, now); now += step) {
		flx_gen_poll(&gen, now);
		serve();
	}
	flx_gen_count(&gen, &counts);
	if (gen.latency.sample)
		flx_gen_settle(&gen);
	return counts;
}

static uint32_t at_server(void)
{
	struct rte_mbuf *frames[64];
	uint32_t count = 0;

	for (uint16_t q = 0; q < QUEUES; q++) {
		uint16_t more = rte_eth_rx_burst(near.id, q, frames, 64);

		rte_pktmbuf_free_bulk(frames, more);
		count += more;
	}
	return count;
}

/* ------------------------------------------------------------------------------------------ pacing */

static void test_gen_sends_each_request_when_it_is_due(void)
{
	static const double rates[] = {1000, 3000, 7, 333333};

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		double interval = (double)HZ / rates[i];

		open_gen(false);
		begin(&(struct flx_gen_plan){
			.rate = rates[i], .duration_s = 100 / rates[i], .timed = true});
		CU_ASSERT_EQUAL(flx_gen_poll(&gen, START - 1), 0);
		for (uint32_t n = 0; n < 99; n++) {
			uint64_t due = START + (uint64_t)(n * interval);

			if (n)
				CU_ASSERT_EQUAL(flx_gen_poll(&gen, due - 1), 0);
			CU_ASSERT_EQUAL(flx_gen_poll(&gen, due), 1);
			CU_ASSERT_EQUAL(at_server(), 1);
		}
		flx_latency_sort(&gen.pacing);
		CU_ASSERT_EQUAL(gen.pacing.count, 99);
		CU_ASSERT_EQUAL(flx_latency_at(&gen.pacing, 1000000), 0);
		close_gen();
	}
}

static void test_gen_tells_how_late_it_was(void)
{
	open_gen(false);
	begin(&(struct flx_gen_plan){.rate = 1000, .duration_s = 1, .timed = true});
	/* Away for 9.5 of 10 intervals. */
	CU_ASSERT_EQUAL(flx_gen_poll(&gen, START + 9 * MS + MS / 2), 10);
	flx_latency_sort(&gen.pacing);
	CU_ASSERT_EQUAL(flx_latency_at(&gen.pacing, 100000), MS / 2);
	CU_ASSERT_EQUAL(flx_latency_at(&gen.pacing, 1000000), 9 * MS + MS / 2);
	close_gen();
}

static void test_gen_keeps_what_the_port_does_not_take(void)
{
	struct flx_asker_counts counts;

	open_gen(false);
	server.stalls_from = START;
	server.stalls_until = START + 100 * MS;
	begin(&(struct flx_gen_plan){.rate = 100000, .duration_s = 0.5, .timed = true});
	counts = run(MS / 20);
	CU_ASSERT_TRUE(gen.blocked); /* 10,000 came due, and a ring holds 4,096 */
	CU_ASSERT_EQUAL(counts.requests, 50000);
	CU_ASSERT_EQUAL(counts.answers, 50000);
	CU_ASSERT_EQUAL(counts.refused, 0);
	CU_ASSERT_EQUAL(counts.wrong, 0);
	CU_ASSERT_EQUAL(server.disordered, 0);
	CU_ASSERT_EQUAL(gen.latency.count, 50000);
	close_gen();
}

static void test_gen_refuses_what_it_never_sends(void)
{
	struct flx_asker_counts counts;

	/* Nobody takes anything: the ring is full, and the port's fault. */
	open_gen(false);
	server.stalls_until = UINT64_MAX;
	begin(&(struct flx_gen_plan){.rate = 100000, .duration_s = 0.1});
	counts = run(MS / 20);
	CU_ASSERT_EQUAL(counts.requests, FLX_PAIR_FRAMES);
	CU_ASSERT_EQUAL(counts.requests + counts.refused, 10000);
	CU_ASSERT_EQUAL(counts.answers, 0);
	CU_ASSERT_FALSE(flx_gen_was_limit(&gen, counts.refused));
	close_gen();

	/* It does not come to it: its own. */
	open_gen(false);
	begin(&(struct flx_gen_plan){.rate = 100000, .duration_s = 0.1});
	now = START + HZ;
	counts = run(MS);
	CU_ASSERT_EQUAL(counts.requests, 0);
	CU_ASSERT_EQUAL(counts.refused, 10000);
	CU_ASSERT_TRUE(flx_gen_was_limit(&gen, counts.refused));
	close_gen();
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
	open_gen(false);
	server.service = MS / 100;
	server.stalls_from = START + HZ;
	server.stalls_until = START + HZ + 100 * MS;
	begin(plan);
}

static void test_gen_shows_a_stall_in_an_open_loop(void)
{
	struct flx_asker_counts counts;

	stall_once(&(struct flx_gen_plan){.rate = 10000, .duration_s = 10, .timed = true});
	counts = run(MS / 100);
	CU_ASSERT_EQUAL(counts.answers, 100000);
	CU_ASSERT_EQUAL(counts.refused, 0);
	CU_ASSERT_EQUAL(gen.latency.count, 100000);
	CU_ASSERT_TRUE(flx_latency_at(&gen.latency, 500000) <= MS / 20);
	/* A request in a hundred met it, and waited for up to all of it. */
	CU_ASSERT_DOUBLE_EQUAL(flx_latency_at(&gen.latency, 999000), 90 * MS, 2 * MS);
	CU_ASSERT_DOUBLE_EQUAL(flx_latency_at(&gen.latency, 1000000), 100 * MS, MS / 5);
	close_gen();
}

static void test_gen_hides_a_stall_in_a_closed_loop(void)
{
	struct flx_asker_counts counts;

	stall_once(&(struct flx_gen_plan){.in_flight = 1, .duration_s = 2, .timed = true});
	counts = run(MS / 100);
	CU_ASSERT_TRUE(counts.answers > 50000);
	CU_ASSERT_EQUAL(counts.lost, 0);
	CU_ASSERT_TRUE(flx_latency_at(&gen.latency, 999000) <= MS / 20);
	CU_ASSERT_DOUBLE_EQUAL(flx_latency_at(&gen.latency, 1000000), 100 * MS, MS / 5);
	close_gen();
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
		const struct flx_latency *latency = &gen.latency;

		open_gen(false);
		server.drop = rows[i].drop;
		server.spoil = rows[i].spoil;
		server.stalls_until = rows[i].deaf ? UINT64_MAX : 0;
		begin(&(struct flx_gen_plan){.rate = rows[i].rate,
					     .in_flight = rows[i].in_flight,
					     .duration_s = 1,
					     .timed = true});
		run(MS / 10);
		CU_ASSERT_EQUAL(latency->unanswered,
				latency->count * rows[i].unanswered / RTE_MAX(rows[i].timed, 1u));
		if (rows[i].rate > 0)
			CU_ASSERT_EQUAL(latency->count, rows[i].timed);
		CU_ASSERT_EQUAL(latency->saturated, 0);
		CU_ASSERT_EQUAL(flx_latency_at(latency, 1000000) == UINT32_MAX,
				rows[i].unanswered > 0);
		if (!rows[i].deaf && rows[i].rate > 0)
			CU_ASSERT_TRUE(flx_latency_at(latency, 890000) < MS);
		close_gen();
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

		open_gen(false);
		server.stalls_until = UINT64_MAX;
		begin(&plans[i]);
		gen.latency.every = gen.pacing.every = 3;
		counts = run(MS / 10);
		CU_ASSERT_EQUAL(counts.requests, FLX_PAIR_FRAMES);
		CU_ASSERT_EQUAL(gen.latency.unanswered, (counts.requests + counts.refused + 2) / 3);
		CU_ASSERT_EQUAL(gen.latency.count, gen.latency.unanswered);
		close_gen();
	}
}

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

		open_gen(rows[i].counted);
		server.drop = rows[i].drop;
		server.spoil = rows[i].spoil;
		begin(&(struct flx_gen_plan){.rate = 10000, .duration_s = 0.1});
		counts = run(MS / 10);
		CU_ASSERT_EQUAL(counts.requests, 1000);
		CU_ASSERT_EQUAL(counts.answers, rows[i].answers);
		CU_ASSERT_EQUAL(counts.wrong, rows[i].wrong);
		CU_ASSERT_EQUAL(gen.right, rows[i].answers - rows[i].wrong);
		if (rows[i].counted)
			CU_ASSERT_EQUAL(flx_gen_missing(&gen), rows[i].missing);
		/* For what does not come it waits, and not for ever. */
		CU_ASSERT_EQUAL(now >= START + 100 * MS + GRACE, rows[i].drop > 0);
		CU_ASSERT_TRUE(now <= START + 110 * MS + GRACE);
		close_gen();
	}
}

static void test_gen_finds_counts_that_are_missing_or_come_twice(void)
{
	struct flx_asker_counts counts;

	open_gen(true);
	begin(&(struct flx_gen_plan){.rate = 10000, .duration_s = 0.1});
	server.counts[5] = 3; /* as if three answers had been lost before */
	counts = run(MS / 10);
	CU_ASSERT_EQUAL(counts.wrong, 0);
	CU_ASSERT_EQUAL(flx_gen_missing(&gen), 3);
	close_gen();

	open_gen(true);
	begin(&(struct flx_gen_plan){.rate = 10000, .duration_s = 0.1});
	for (; !flx_gen_is_done(&gen, now); now += MS / 10) {
		if (now == START + 50 * MS)
			server.counts[5] -= 2;
		flx_gen_poll(&gen, now);
		serve();
	}
	flx_gen_count(&gen, &counts);
	CU_ASSERT_EQUAL(counts.wrong, 2);
	CU_ASSERT_EQUAL(flx_gen_missing(&gen), -1);
	close_gen();
}

static void test_gen_looks_at_some_answers_in_full(void)
{
	struct flx_asker_counts counts;

	open_gen(false);
	server.missums = true;
	begin(&(struct flx_gen_plan){.rate = 10000, .duration_s = 0.1});
	counts = run(MS / 10);
	CU_ASSERT_EQUAL(counts.answers, 1000);
	CU_ASSERT_EQUAL(counts.wrong, 1000 / 64 + 1);
	close_gen();
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

		open_gen(rows[i].counted);
		server.stalls_until = UINT64_MAX;
		begin(&(struct flx_gen_plan){.rate = 1000, .duration_s = 0.1});
		counts = run(MS / 10);
		CU_ASSERT_EQUAL(counts.requests, 100);
		CU_ASSERT_EQUAL(counts.answers, 0);
		server.stalls_until = 0;
		server.drop = rows[i].drop;
		flx_gen_begin(&gen, &rows[i].plan, now);
		counts = run(MS / 10);
		CU_ASSERT_EQUAL(counts.late, 100 - dropped);
		CU_ASSERT_EQUAL(counts.wrong, 0);
		CU_ASSERT_EQUAL(counts.answers, counts.requests - 100 - 10 * dropped);
		if (rows[i].plan.rate > 0)
			CU_ASSERT_EQUAL(counts.requests, 1100);
		if (rows[i].counted)
			CU_ASSERT_EQUAL(flx_gen_missing(&gen), 0);
		if (rows[i].plan.timed)
			CU_ASSERT_EQUAL(gen.latency.count, 1000);
		close_gen();
	}
}

/* A wire is never silent; who asks in vain must still see that nobody answers. */
static void test_gen_takes_no_noise_for_answers(void)
{
	struct flx_gen_conf conf = make_conf(1);
	struct flx_asker_counts counts;
	struct flx_host host = {
		.edge = {.ip = RTE_BE32(0xc6130000), .mask = RTE_BE32(0xfffe0000)},
		.addresses = 64,
		.port = far.id,
		.pool = pool,
	};

	conf.host = &host;
	CU_ASSERT_EQUAL_FATAL(flx_gen_init(&gen, &conf), 0);
	server.drop = 1;
	begin(&(struct flx_gen_plan){.in_flight = 4, .duration_s = 1});
	for (; !flx_gen_is_done(&gen, now); now += MS / 10) {
		struct rte_mbuf *frame = rte_pktmbuf_alloc(pool);

		CU_ASSERT_PTR_NOT_NULL_FATAL(frame);
		memset(rte_pktmbuf_append(frame, 60), 0xff, 60);
		CU_ASSERT_EQUAL(rte_eth_tx_burst(near.id, 0, &frame, 1), 1);
		CU_ASSERT_TRUE(flx_gen_poll(&gen, now) > 0);
		CU_ASSERT_TRUE_FATAL(now < START + 2 * HZ);
		serve();
	}
	flx_gen_count(&gen, &counts);
	CU_ASSERT_EQUAL(counts.answers, 0);
	/* Four again after each grace. */
	CU_ASSERT_TRUE(counts.requests > 4 * 5 && counts.requests <= 4 * 10);
	close_gen();
}

static void test_gen_in_a_closed_loop_gets_over_losses(void)
{
	struct flx_asker_counts counts;

	open_gen(false);
	server.service = MS / 10;
	server.drop = 100;
	begin(&(struct flx_gen_plan){.in_flight = 4, .duration_s = 10});
	counts = run(MS / 10);
	/* Each 400 answers it stops for the grace, and goes on. */
	CU_ASSERT_TRUE(counts.answers > 20000);
	CU_ASSERT_TRUE(counts.lost > 100);
	CU_ASSERT_EQUAL(counts.refused, 0);
	close_gen();
}

/* It has no time for 200 ms, when the last answers come. */
static void test_gen_that_was_away_looks_once_more(void)
{
	struct flx_asker_counts counts;

	open_gen(false);
	begin(&(struct flx_gen_plan){.rate = 10000, .duration_s = 0.1});
	for (; now < START + 100 * MS; now += MS / 10)
		flx_gen_poll(&gen, now);
	for (uint32_t i = 0; i < 100; i++)
		serve();
	now = START + 300 * MS;
	counts = run(MS / 10);
	CU_ASSERT_EQUAL(counts.requests, 1000);
	CU_ASSERT_EQUAL(counts.answers, 1000);
	close_gen();
}

/* ----------------------------------------------------------------------------------------- flows */

static void test_gen_brings_each_flow_to_its_queue(void)
{
	static const uint32_t forms[][2] = {{1024, 1}, {64, 16}};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct flx_gen_conf conf = make_conf(QUEUES);
		uint32_t seen[QUEUES] = {0};
		struct rte_mbuf *frame;

		conf.query.clients = forms[i][0];
		conf.query.ports = forms[i][1];
		CU_ASSERT_EQUAL_FATAL(flx_gen_init(&gen, &conf), 0);
		begin(&(struct flx_gen_plan){.rate = 1024000, .duration_s = 0.001});
		for (now = START; now < START + MS; now += MS / 100)
			flx_gen_poll(&gen, now);
		for (uint16_t q = 0; q < QUEUES; q++)
			for (; rte_eth_rx_burst(near.id, q, &frame, 1); seen[q]++) {
				const uint8_t *flow = rte_pktmbuf_mtod(frame, uint8_t *) + 26;

				CU_ASSERT_EQUAL((flx_rss_flow(&near.rss, flow) & 511) % QUEUES, q);
				rte_pktmbuf_free(frame);
			}
		CU_ASSERT_TRUE(seen[0] > 400 && seen[1] > 400);
		CU_ASSERT_TRUE(seen[0] + seen[1] > 1000);
		close_gen();
	}
}

static void test_gen_asks_as_often_as_popularity_says(void)
{
	struct flx_gen_conf conf = make_conf(QUEUES);
	struct flx_asker_counts counts;
	uint32_t most = 0;

	conf.zipf = 1;
	conf.seed = 7;
	server.counted = true; /* for the count of each; the generator takes them for wrong */
	CU_ASSERT_EQUAL_FATAL(flx_gen_init(&gen, &conf), 0);
	begin(&(struct flx_gen_plan){.rate = 100000, .duration_s = 1});
	counts = run(MS / 20);
	CU_ASSERT_TRUE(counts.answers >= 99990);
	for (uint32_t c = 0; c < 64; c++)
		if (server.counts[c] > server.counts[most])
			most = c;
	/* 1 of 1 + 1/2 + .. 1/64 = 4.744 */
	CU_ASSERT_DOUBLE_EQUAL((double)server.counts[most], 100000 / 4.744, 1500);
	close_gen();
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
		FLX_TEST(test_gen_looks_at_some_answers_in_full),
		FLX_TEST(test_gen_takes_no_late_answer_for_one_of_the_next_run),
		FLX_TEST(test_gen_takes_no_noise_for_answers),
		FLX_TEST(test_gen_counts_what_is_lost_and_what_is_wrong),
		FLX_TEST(test_gen_finds_counts_that_are_missing_or_come_twice),
		FLX_TEST(test_gen_in_a_closed_loop_gets_over_losses),
		FLX_TEST(test_gen_that_was_away_looks_once_more),
		FLX_TEST(test_gen_brings_each_flow_to_its_queue),
		FLX_TEST(test_gen_asks_as_often_as_popularity_says),
		{0},
	};

	return flx_test_main("gen", tests);
}
