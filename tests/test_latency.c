/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Percentiles of raw samples against those that HdrHistogram's own tests publish
 * (HistogramDataAccessTest.testGetValueAtPercentile): 10,000 results of 1 ms, 100 a second, then one of
 * 100 s; as they are, and corrected for the requests that a client left out meanwhile. Corrected they come
 * about here by doing what is missing: the requests are planned, and the server stalls.
 */
#include "perf/latency.h"

#include <string.h>
#include <unistd.h>

#include <rte_mbuf.h>

#include "perf/asker.h"
#include "tests/eal.h"
#include "tests/test.h"
#include "tests/turn.h"

/* All times divided by 100, since a sample is below 4.29 s. */
#define MS	 10000u /* ns */
#define SECOND	 (1000 * MS)
#define INTERVAL (10 * MS)
#define RESULTS	 10000

struct percentile {
	uint32_t ppm;
	uint32_t ns;
};

static const struct percentile raw[] = {
	{300000, MS},
	{500000, MS},
	{750000, MS},
	{990000, MS},
	{999900, MS},
	{999990, 100 * SECOND},
	{1000000, 100 * SECOND},
	{0},
};

static const struct percentile corrected[] = {
	{300000, MS},
	{500000, MS},
	{750000, 50 * SECOND},
	{900000, 80 * SECOND},
	{990000, 98 * SECOND},
	{999990, 100 * SECOND},
	{1000000, 100 * SECOND},
	{0},
};

/* As exact as they are published: 0.1 %. */
static void check(const struct flx_latency *latency, const struct percentile *row)
{
	for (; row->ppm; row++)
		CU_ASSERT_DOUBLE_EQUAL(flx_latency_at(latency, row->ppm), row->ns, row->ns * 0.001);
}

static void test_latency_gives_the_published_percentiles(void)
{
	struct flx_latency latency;

	CU_ASSERT_EQUAL_FATAL(flx_latency_init(&latency, RESULTS + 1), 0);
	flx_latency_begin(&latency, RESULTS + 1);
	flx_latency_add(&latency, 100 * SECOND);
	for (uint32_t i = 0; i < RESULTS; i++)
		flx_latency_add(&latency, MS);
	flx_latency_sort(&latency);
	CU_ASSERT_EQUAL(latency.count, RESULTS + 1);
	check(&latency, raw);
	flx_latency_fini(&latency);
}

static bool is_up(void)
{
	static int state = 1;

	if (state > 0)
		state = flx_test_eal();
	return state == 0;
}

static void test_latency_counts_from_the_plan_while_the_server_stalls(void)
{
	static const struct flx_query_conf query_conf = {.ip = RTE_BE32(0xc6120001),
							 .udp_port = 7,
							 .size = 64,
							 .clients = 8,
							 .stamped = true};
	static struct rte_mbuf *frames[2 * RESULTS];
	static struct flx_asker asker;
	static struct flx_query query;
	struct flx_latency latency, pacing;
	struct rte_mempool *pool;
	struct flx_asker_conf conf = {.query = &query,
				      .flow_count = 8,
				      .spares = 64,
				      .backlog = UINT64_MAX,
				      .hz = 1000000000};
	const struct flx_asker_plan plan = {.per_tick = 1.0 / INTERVAL,
					    .start_tsc = 1,
					    .count = 2 * RESULTS,
					    .latency = &latency,
					    .pacing = &pacing};
	uint64_t now = 1;

	CU_ASSERT_TRUE_FATAL(is_up());
	pool = rte_pktmbuf_pool_create("stall", RESULTS + 127, 0, 0, RTE_PKTMBUF_HEADROOM + 128,
				       -1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
	flx_query_make(&query, &query_conf);
	conf.pool = pool;
	CU_ASSERT_EQUAL_FATAL(flx_latency_init(&latency, 2 * RESULTS), 0);
	CU_ASSERT_EQUAL_FATAL(flx_latency_init(&pacing, 2 * RESULTS), 0);
	flx_latency_begin(&latency, 2 * RESULTS);
	flx_latency_begin(&pacing, 2 * RESULTS);
	CU_ASSERT_EQUAL_FATAL(flx_asker_init(&asker, &conf), 0);
	flx_asker_begin(&asker, &plan);
	for (uint32_t n = 0; n < 2 * RESULTS; n++) {
		now = flx_asker_due(&asker, n);
		CU_ASSERT_EQUAL(flx_asker_make(&asker, &frames[n], 64, now), 1);
		flx_test_turn(frames[n]);
		if (n < RESULTS)
			flx_asker_recv(&asker, &frames[n], 1, now + MS);
	}
	/* It goes on 100 s after the first one that it let wait. */
	now = flx_asker_due(&asker, RESULTS) + 100ull * SECOND;
	flx_asker_recv(&asker, frames + RESULTS, RESULTS, now);
	flx_latency_sort(&latency);
	flx_latency_sort(&pacing);
	CU_ASSERT_EQUAL(latency.count, 2 * RESULTS);
	CU_ASSERT_EQUAL(asker.wrong, 0);
	check(&latency, corrected);
	CU_ASSERT_EQUAL(flx_latency_at(&pacing, 1000000), 0);
	flx_asker_absorb(&asker);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), RESULTS + 127);
	flx_asker_fini(&asker);
	flx_latency_fini(&latency);
	flx_latency_fini(&pacing);
	rte_mempool_free(pool);
}

/* Late by more than it may be, it refuses; of what is left and of what is not each third is one that counts. */
static void test_latency_times_every_kth_whatever_is_refused(void)
{
	static const struct flx_query_conf query_conf = {.ip = RTE_BE32(0xc6120001),
							 .udp_port = 7,
							 .size = 64,
							 .clients = 8,
							 .stamped = true};
	static struct flx_asker asker;
	static struct flx_query query;
	struct flx_latency latency, pacing;
	struct rte_mbuf *frames[8];
	struct flx_asker_conf conf = {
		.query = &query, .flow_count = 8, .spares = 8, .backlog = 4, .hz = 1000000000};
	const struct flx_asker_plan plan = {.per_tick = 1.0 / INTERVAL,
					    .start_tsc = 1,
					    .count = 100,
					    .latency = &latency,
					    .pacing = &pacing};

	CU_ASSERT_TRUE_FATAL(is_up());
	conf.pool = rte_pktmbuf_pool_create("kth", 127, 0, 0, RTE_PKTMBUF_HEADROOM + 128, -1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(conf.pool);
	flx_query_make(&query, &query_conf);
	CU_ASSERT_EQUAL_FATAL(flx_latency_init(&latency, 34), 0);
	CU_ASSERT_EQUAL_FATAL(flx_latency_init(&pacing, 34), 0);
	flx_latency_begin(&latency, 100);
	flx_latency_begin(&pacing, 100);
	CU_ASSERT_EQUAL(latency.every, 3);
	CU_ASSERT_EQUAL_FATAL(flx_asker_init(&asker, &conf), 0);
	flx_asker_begin(&asker, &plan);
	/* 46 to 49, of which 48. */
	CU_ASSERT_EQUAL_FATAL(flx_asker_make(&asker, frames, 8, flx_asker_due(&asker, 49)), 4);
	CU_ASSERT_EQUAL(asker.refused, 46);
	CU_ASSERT_EQUAL(pacing.count, 1);
	CU_ASSERT_EQUAL(flx_asker_timed(&asker), 17);
	for (uint32_t i = 0; i < 4; i++)
		flx_test_turn(frames[i]);
	flx_asker_recv(&asker, frames, 4, flx_asker_due(&asker, 50));
	CU_ASSERT_EQUAL(latency.count, 1);
	CU_ASSERT_EQUAL(latency.sample[0], 2 * INTERVAL);
	CU_ASSERT_EQUAL(asker.wrong, 0);
	flx_asker_absorb(&asker);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(conf.pool), 127);
	flx_asker_fini(&asker);
	flx_latency_fini(&latency);
	flx_latency_fini(&pacing);
	rte_mempool_free(conf.pool);
}

static void test_latency_is_an_order_statistic(void)
{
	static const struct {
		uint32_t ppm, rank; /* of 10, by nearest rank */
	} rows[] = {{0, 1},	 {1, 1},      {100000, 1}, {100001, 2},	 {500000, 5},
		    {500001, 6}, {899999, 9}, {900000, 9}, {900001, 10}, {1000000, 10}};
	static const uint32_t values[] = {7, 3, 9, 1, 10, 2, 8, 4, 6, 5};
	struct flx_latency latency;

	CU_ASSERT_EQUAL_FATAL(flx_latency_init(&latency, 10), 0);
	flx_latency_begin(&latency, 10);
	flx_latency_sort(&latency);
	CU_ASSERT_EQUAL(flx_latency_at(&latency, 500000), 0);
	flx_latency_begin(&latency, 10);
	for (size_t i = 0; i < 10; i++)
		flx_latency_add(&latency, values[i]);
	flx_latency_sort(&latency);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT_EQUAL(flx_latency_at(&latency, rows[i].ppm), rows[i].rank);
	flx_latency_fini(&latency);
}

static void test_latency_has_a_sample_of_what_is_not_answered(void)
{
	struct flx_latency latency;

	CU_ASSERT_EQUAL_FATAL(flx_latency_init(&latency, 100), 0);
	flx_latency_begin(&latency, 100);
	for (uint32_t i = 0; i < 90; i++)
		flx_latency_add(&latency, 7);
	flx_latency_add_unanswered(&latency, 0);
	flx_latency_add_unanswered(&latency, 9);
	flx_latency_sort(&latency);
	CU_ASSERT_EQUAL(latency.count, 99);
	CU_ASSERT_EQUAL(latency.unanswered, 9);
	CU_ASSERT_EQUAL(latency.saturated, 0);
	CU_ASSERT_EQUAL(flx_latency_at(&latency, 900000), 7);
	CU_ASSERT_EQUAL(flx_latency_at(&latency, 910000), UINT32_MAX);
	flx_latency_add_unanswered(&latency, 3);
	CU_ASSERT_EQUAL(latency.count, 100);
	CU_ASSERT_EQUAL(latency.unanswered, 10);
	CU_ASSERT_EQUAL(latency.unkept, 2);
	flx_latency_begin(&latency, 100);
	CU_ASSERT_EQUAL(latency.unanswered, 0);
	flx_latency_fini(&latency);
}

static void test_latency_tells_what_ten_samples_are_above(void)
{
	static const struct {
		uint32_t samples, ppm;
		bool tells;
	} rows[] = {
		{0, 500000, false},    {0, 1000000, true},     {1, 1000000, true},
		{19, 500000, false},   {20, 500000, true},     {999, 990000, false},
		{1000, 990000, true},  {1000, 999000, false},  {10000, 999000, true},
		{9999, 999000, false}, {99999, 999900, false}, {100000, 999900, true},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct flx_latency latency = {.count = rows[i].samples};

		CU_ASSERT_EQUAL(flx_latency_tells(&latency, rows[i].ppm), rows[i].tells);
	}
}

static void test_latency_bounds_its_memory_and_tells(void)
{
	static const struct {
		uint64_t expected;
		uint32_t every;
	} rows[] = {{0, 1},  {1, 1},  {8, 1},	  {9, 2},
		    {16, 2}, {17, 3}, {800, 100}, {UINT64_MAX / 2, UINT32_MAX}};
	struct flx_latency latency;

	CU_ASSERT_EQUAL_FATAL(flx_latency_init(&latency, 8), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		flx_latency_begin(&latency, rows[i].expected);
		CU_ASSERT_EQUAL(latency.every, rows[i].every);
	}
	flx_latency_begin(&latency, 8);
	for (uint32_t i = 0; i < 10; i++)
		flx_latency_add(&latency, i ? 5 : UINT64_C(5000000000));
	flx_latency_sort(&latency);
	CU_ASSERT_EQUAL(latency.count, 8);
	CU_ASSERT_EQUAL(latency.unkept, 2);
	CU_ASSERT_EQUAL(latency.saturated, 1);
	CU_ASSERT_EQUAL(flx_latency_at(&latency, 1000000), UINT32_MAX);
	CU_ASSERT_EQUAL(flx_latency_at(&latency, 500000), 5);
	flx_latency_fini(&latency);
}

static void test_latency_saves_what_a_reader_of_words_finds(void)
{
	static const uint8_t bytes[] = {1, 0, 0, 0, 0x04, 0x03, 0x02, 0x01, 1, 0, 0, 0, 4, 3, 2, 1};
	char path[] = "/tmp/flx_latencyXXXXXX";
	int descriptor = mkstemp(path);
	struct flx_latency latency;
	uint8_t found[32];

	CU_ASSERT_TRUE_FATAL(descriptor >= 0);
	CU_ASSERT_EQUAL_FATAL(flx_latency_init(&latency, 2), 0);
	flx_latency_begin(&latency, 2);
	flx_latency_add(&latency, 1);
	flx_latency_add(&latency, 0x01020304);
	CU_ASSERT_EQUAL(flx_latency_save(&latency, path), 0);
	CU_ASSERT_EQUAL(flx_latency_save(&latency, path), 0);
	CU_ASSERT_EQUAL(read(descriptor, found, sizeof(found)), (ssize_t)sizeof(bytes));
	CU_ASSERT_EQUAL(memcmp(found, bytes, sizeof(bytes)), 0);
	CU_ASSERT_TRUE(flx_latency_save(&latency, "/nowhere/latency.raw") < 0);
	close(descriptor);
	unlink(path);
	flx_latency_fini(&latency);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_latency_gives_the_published_percentiles),
		FLX_TEST(test_latency_counts_from_the_plan_while_the_server_stalls),
		FLX_TEST(test_latency_times_every_kth_whatever_is_refused),
		FLX_TEST(test_latency_is_an_order_statistic),
		FLX_TEST(test_latency_has_a_sample_of_what_is_not_answered),
		FLX_TEST(test_latency_tells_what_ten_samples_are_above),
		FLX_TEST(test_latency_bounds_its_memory_and_tells),
		FLX_TEST(test_latency_saves_what_a_reader_of_words_finds),
		{0},
	};

	return flx_test_main("latency", tests);
}
