/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/stats.h"
#include "tests/test.h"

#define FLUXIONS 6

/* Two workers whose counters balance, to be spoiled by the tests. */
struct bench {
	struct flx_stats *stats[2];
	uint32_t pending[2][FLUXIONS];
};

static struct flx_stats *stats_alloc(void)
{
	struct flx_stats *stats = calloc(1, flx_stats_size(FLUXIONS));

	CU_ASSERT_PTR_NOT_NULL_FATAL(stats);
	stats->fluxion_count = FLUXIONS;
	return stats;
}

/*
 * Worker 0 received 100: 40 handled by fluxion 4, which consumed 5 and sent 35 over the lane, 10
 * failed there, 20 pending, 30 bad checksums. Worker 1 took 30 of the 35 for fluxion 5, which
 * handled 25 (consumed none, made 3), 22 + 3 were delivered, 3 wait for TX; 5 are pending.
 */
static void bench_init(struct bench *bench)
{
	memset(bench, 0, sizeof(*bench));
	bench->stats[0] = stats_alloc();
	bench->stats[0]->port[0].received = 100;
	bench->stats[0]->drops.count[FLX_DROP_ip_checksum] = 30;
	bench->stats[0]->fluxion[4] = (struct flx_fluxion_stats){
		.arrived = 70, .handled = 40, .failed = 10, .consumed = 5};
	bench->stats[0]->fluxion[4].errors[ENOBUFS] = 10;
	bench->stats[0]->put = 35;
	bench->stats[0]->held = 20;
	bench->pending[0][4] = 20;
	bench->stats[1] = stats_alloc();
	bench->stats[1]->taken = 30;
	bench->stats[1]->fluxion[5] =
		(struct flx_fluxion_stats){.arrived = 30, .handled = 25, .generated = 3};
	bench->stats[1]->port[0].delivered = 25;
	bench->stats[1]->held = 8;
	bench->pending[1][5] = 5;
}

static void bench_fini(struct bench *bench)
{
	free(bench->stats[0]);
	free(bench->stats[1]);
}

static void sum(const struct bench *bench, struct flx_ledger *ledger)
{
	memset(ledger, 0, sizeof(*ledger));
	ledger->port_count = 1;
	ledger->fluxion_count = FLUXIONS;
	for (uint32_t w = 0; w < 2; w++)
		flx_stats_sum(ledger, bench->stats[w], bench->pending[w]);
	flx_stats_balance(ledger);
}

static void test_stats_balance_over_workers(void)
{
	struct bench bench;
	struct flx_ledger ledger;

	bench_init(&bench);
	sum(&bench, &ledger);
	CU_ASSERT_EQUAL(ledger.unexplained, 0);
	CU_ASSERT_EQUAL(ledger.received, 100);
	CU_ASSERT_EQUAL(ledger.generated, 3);
	CU_ASSERT_EQUAL(ledger.delivered, 25);
	CU_ASSERT_EQUAL(ledger.consumed, 5);
	CU_ASSERT_EQUAL(ledger.dropped, 40);
	CU_ASSERT_EQUAL(ledger.in_flight, 33);
	CU_ASSERT_EQUAL(ledger.fluxion[4].pending, 20);
	CU_ASSERT_EQUAL(ledger.fluxion[4].errors[ENOBUFS], 10);
	CU_ASSERT_EQUAL(ledger.fluxion[5].arrived, 30);
	CU_ASSERT_EQUAL(ledger.drops.count[FLX_DROP_ip_checksum], 30);
	CU_ASSERT_EQUAL(ledger.port[0].delivered, 25);
	bench_fini(&bench);
}

/* The consumer's snapshot is older than the producer's, or newer: both balance. */
static void test_stats_balance_with_snapshots_far_apart(void)
{
	struct bench bench;
	struct flx_ledger ledger;

	bench_init(&bench);
	/* Worker 1 has by now taken and kept 50 that worker 0's snapshot does not know of. */
	bench.stats[1]->taken += 50;
	bench.stats[1]->fluxion[5].arrived += 50;
	bench.stats[1]->held += 50;
	bench.pending[1][5] += 50;
	sum(&bench, &ledger);
	CU_ASSERT_EQUAL(ledger.unexplained, 0);
	CU_ASSERT_EQUAL(ledger.in_flight, 33);
	/* And delivered them: the ledger's sum stays, one part of it below nothing. */
	bench.stats[1]->fluxion[5].handled += 50;
	bench.stats[1]->held -= 50;
	bench.pending[1][5] -= 50;
	bench.stats[1]->port[0].delivered += 50;
	sum(&bench, &ledger);
	CU_ASSERT_EQUAL(ledger.unexplained, 0);
	CU_ASSERT_EQUAL(ledger.in_flight, -17);
	bench_fini(&bench);
}

static void test_stats_balance_shows_each_fault(void)
{
	struct bench bench;
	struct flx_ledger ledger;
	struct flx_stats *worker;

	bench_init(&bench);
	worker = bench.stats[0];
	{
		const struct {
			uint64_t *counter;
			int64_t unexplained; /* when it is one too high */
		} rows[] = {
			{&worker->port[0].received, 1},
			{&worker->port[0].delivered, -1},
			{&worker->edge_generated, 1},
			{&worker->edge_consumed, -1},
			{&worker->put, -1},
			{&worker->taken, 1},
			{&worker->held, -1},
			{&worker->drops.count[FLX_DROP_stopped], -1},
			{&worker->fluxion[4].consumed, -1},
			{&worker->fluxion[4].generated, 1},
			{&worker->fluxion[4].arrived, 1},
			{&worker->fluxion[4].handled, 1},
			/* In the sum and in the fluxion's own equation. */
			{&worker->fluxion[4].failed, -2},
		};

		for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
			++*rows[r].counter;
			sum(&bench, &ledger);
			CU_ASSERT_EQUAL(ledger.unexplained, rows[r].unexplained);
			--*rows[r].counter;
		}
	}
	sum(&bench, &ledger);
	CU_ASSERT_EQUAL(ledger.unexplained, 0);
	bench_fini(&bench);
}

static void test_stats_balance_lets_no_two_faults_cancel(void)
{
	/* One message missing at fluxion 4, and off by so many at fluxion 5 and in the whole sum.
	 */
	static const int rows[][2] = {{1, 0}, {-1, 0},	{0, 1},	 {0, -1},
				      {1, 1}, {-1, -1}, {1, -1}, {-1, 1}};
	struct bench bench;
	struct flx_ledger ledger;

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		int64_t faults = 1 + abs(rows[r][0]) + abs(rows[r][1]);

		bench_init(&bench);
		bench.stats[0]->fluxion[4].arrived++;
		bench.stats[1]->fluxion[5].arrived += (uint64_t)(int64_t)rows[r][0];
		bench.stats[0]->port[0].received += (uint64_t)(int64_t)rows[r][1];
		sum(&bench, &ledger);
		CU_ASSERT_EQUAL(llabs(ledger.unexplained), faults);
		bench_fini(&bench);
	}
}

static void test_stats_fail_counts_by_errno(void)
{
	static const struct {
		uint32_t error, index;
	} rows[] = {{1, 1}, {ENOBUFS, ENOBUFS}, {133, 133}, {134, 134}, {135, 0}, {100000, 0}};
	struct flx_fluxion_stats stats = {0};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		uint64_t before = stats.errors[rows[r].index];

		flx_stats_fail(&stats, rows[r].error);
		CU_ASSERT_EQUAL(stats.errors[rows[r].index], before + 1);
		CU_ASSERT_EQUAL(stats.failed, r + 1);
	}
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_stats_balance_over_workers),
		FLX_TEST(test_stats_balance_with_snapshots_far_apart),
		FLX_TEST(test_stats_balance_shows_each_fault),
		FLX_TEST(test_stats_balance_lets_no_two_faults_cancel),
		FLX_TEST(test_stats_fail_counts_by_errno),
		{0},
	};

	return flx_test_main("stats", tests);
}
