/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A real bed: a fabric and a generator on threads of their own, by the real clock. Of times only what holds
 * however slow the machine is: what a handler has made wait has waited so long.
 */
#include "perf/trial.h"

#include <stdatomic.h>
#include <unistd.h>

#include "fabric/flx.h"
#include "perf/figure.h"
#include "perf/latency.h"
#include "tests/test.h"

#define STALL_MS 100

static _Atomic uint32_t stalls, spoils, handled;

/* Answers at once, but so many times it stands still, or changes the last byte. */
static int echo(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)context;
	atomic_fetch_add(&handled, 1);
	if (atomic_load(&stalls)) {
		atomic_fetch_sub(&stalls, 1);
		usleep(STALL_MS * 1000);
	}
	if (atomic_load(&spoils)) {
		atomic_fetch_sub(&spoils, 1);
		*(uint8_t *)flx_at(msg, msg->mbuf.data_len - 1u, 1) ^= 1;
	}
	return flx_reply(call, msg);
}

static struct flx_fluxion fluxions[] = {{.id = "echo", .listen = {.udp = 7007}, .handler = echo}};
static struct flx_program program = {.name = "stall", FLX_FLUXIONS(fluxions)};
static const struct flx_perf perf = {.size = 0, .keys = 64, .flows = 256, .dev = true};
static struct flx_trial_bed *bed;

static void test_trial_refuses_what_cannot_be_asked(void)
{
	static const struct {
		struct flx_perf perf;
		enum flx_trial_whom whom;
		bool counted;
	} rows[] = {
		{{.size = FLX_SIZE_IMIX}, FLX_TRIAL_PROGRAM, true},
		{{.size = 1508}, FLX_TRIAL_PROGRAM, true},
		{{.size = 64, .keys = 2, .flows = 2 * 25535 + 1}, FLX_TRIAL_PROGRAM, false},
		{{.size = 64, .port = "ring"}, FLX_TRIAL_SERVER, false},
		{{.size = 64, .to = "198.18.0.1:7"}, FLX_TRIAL_SERVER, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct flx_trial_conf conf = {.perf = &rows[i].perf,
						    .whom = rows[i].whom,
						    .program = &program,
						    .counted = rows[i].counted};

		CU_ASSERT_EQUAL(flx_trial_open(&bed, &conf), -EINVAL);
		CU_ASSERT_PTR_NULL(bed);
	}
}

static void test_trial_opens_a_bed(void)
{
	const struct flx_trial_conf conf = {
		.perf = &perf, .whom = FLX_TRIAL_PROGRAM, .program = &program, .udp_port = 7007};

	CU_ASSERT_EQUAL_FATAL(flx_figures_open(), 0);
	CU_ASSERT_EQUAL_FATAL(flx_trial_open(&bed, &conf), 0);
}

static void test_trial_in_a_closed_loop_is_answered(void)
{
	const struct flx_trial trial = {
		.in_flight = 32, .warm_s = 0.05, .duration_s = 0.3, .second = "trial"};
	struct flx_trial_found found;

	CU_ASSERT_PTR_NOT_NULL_FATAL(bed);
	CU_ASSERT_EQUAL_FATAL(flx_trial_run(bed, &trial, &found), 0);
	CU_ASSERT_TRUE(found.sent > 0);
	/* Lost is what a machine that stands still for 0.1 s has not answered. */
	CU_ASSERT_EQUAL(found.answered + found.lost, found.sent);
	CU_ASSERT_EQUAL(found.planned, found.sent);
	CU_ASSERT_EQUAL(found.wrong + found.refused, 0);
	CU_ASSERT_PTR_NULL(found.latency);
	CU_ASSERT_TRUE(found.answers_per_sec > 0);
	CU_ASSERT_TRUE(found.generator_busy_pct > 0 && found.generator_busy_pct <= 100);
}

static void test_trial_in_an_open_loop_has_as_many_as_planned(void)
{
	const struct flx_trial trial = {.rate = 2000, .duration_s = 0.5};
	struct flx_trial_found found;

	CU_ASSERT_PTR_NOT_NULL_FATAL(bed);
	CU_ASSERT_EQUAL_FATAL(flx_trial_run(bed, &trial, &found), 0);
	CU_ASSERT_EQUAL(found.planned, 1000);
	CU_ASSERT_EQUAL(found.sent + found.refused, 1000);
	CU_ASSERT_EQUAL(found.answered + found.lost, found.sent);
	CU_ASSERT_EQUAL(found.wrong, 0);
}

static void test_trial_rates_only_what_is_right(void)
{
	static const struct flx_trial trials[] = {
		{.rate = 2000, .duration_s = 0.25},
		{.rate = 2000, .duration_s = 0.25, .timed = true},
		{.in_flight = 4, .duration_s = 0.25},
	};

	CU_ASSERT_PTR_NOT_NULL_FATAL(bed);
	for (size_t i = 0; i < sizeof(trials) / sizeof(trials[0]); i++) {
		struct flx_trial_found found;
		double right;

		atomic_store(&spoils, 100);
		CU_ASSERT_EQUAL_FATAL(flx_trial_run(bed, &trials[i], &found), 0);
		CU_ASSERT_EQUAL(atomic_load(&spoils), 0);
		CU_ASSERT_TRUE(found.wrong > 0 && found.wrong + found.lost >= 100);
		CU_ASSERT_EQUAL(found.answered + found.lost, found.sent);
		right = (double)(found.answered - found.wrong);
		/* Of a closed loop those that come after its end are answered, but not in that time. */
		CU_ASSERT_TRUE(found.answers_per_sec * found.seconds <= right + 0.5);
		CU_ASSERT_TRUE(found.answers_per_sec * found.seconds >=
			       right - trials[i].in_flight - 0.5);
		if (trials[i].timed)
			CU_ASSERT_EQUAL(found.latency->unanswered,
					found.lost + found.refused + found.wrong);
	}
}

/* Of 1,000 requests, one a millisecond, a hundred come due while the handler stands still. */
static void test_trial_counts_what_a_stall_makes_wait(void)
{
	const struct flx_trial trial = {.rate = 1000, .duration_s = 1, .timed = true};
	struct flx_trial_found found;

	CU_ASSERT_PTR_NOT_NULL_FATAL(bed);
	atomic_store(&stalls, 1);
	CU_ASSERT_EQUAL_FATAL(flx_trial_run(bed, &trial, &found), 0);
	CU_ASSERT_EQUAL(atomic_load(&stalls), 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(found.latency);
	CU_ASSERT_EQUAL(found.latency->count, found.planned);
	CU_ASSERT_EQUAL(found.latency->unanswered, found.lost + found.refused);
	CU_ASSERT_TRUE(flx_latency_at(found.latency, 1000000) >= STALL_MS * 1000000);
	/* A tenth would be missing had the generator waited with it. */
	CU_ASSERT_TRUE(flx_latency_at(found.latency, 999000) >= (STALL_MS - 3) * 1000000);
	CU_ASSERT_TRUE(flx_latency_at(found.latency, 950000) >= STALL_MS / 3 * 1000000);
	CU_ASSERT_TRUE(found.pacing.max_ns >= found.pacing.p50_ns);
}

static void test_trial_hands_its_ledger_over(void)
{
	const struct flx_account *account = &flx_figures()->account;

	CU_ASSERT_PTR_NOT_NULL_FATAL(bed);
	CU_ASSERT_EQUAL(flx_trial_close(bed), 0);
	CU_ASSERT_EQUAL(account->fabrics, 1);
	CU_ASSERT_EQUAL(account->unexplained, 0);
	CU_ASSERT_EQUAL(account->received, atomic_load(&handled));
	CU_ASSERT_EQUAL(account->delivered, account->received);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_trial_refuses_what_cannot_be_asked),
		FLX_TEST(test_trial_opens_a_bed),
		FLX_TEST(test_trial_in_a_closed_loop_is_answered),
		FLX_TEST(test_trial_in_an_open_loop_has_as_many_as_planned),
		FLX_TEST(test_trial_rates_only_what_is_right),
		FLX_TEST(test_trial_counts_what_a_stall_makes_wait),
		FLX_TEST(test_trial_hands_its_ledger_over),
		{0},
	};

	return flx_test_main("trial", tests);
}
