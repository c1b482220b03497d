/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * search_run - the highest rate that the app counter, or a server elsewhere, answers without loss (NDR), and
 * with a loss of at most half a percent (PDR); by the rules of search.h, on the bed of trial.h.
 *
 * A request is lost that was not answered, was answered wrongly, or was never sent: what the generator or its
 * port could not take in time is the same to whom asks. So a generator that is too slow ends the search at its
 * own limit, which is then said. Each run is in a process of its own.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include <rte_common.h>

#include "fabric/base.h"
#include "perf/figure.h"
#include "perf/gen.h"
#include "perf/sample.h"
#include "perf/scenarios.h"
#include "perf/search.h"
#include "perf/trial.h"

#define COUNTER_PORT 7000

/* What the rules ask for; a shorter search is flagged. */
#define SUM_S 60.0
/*
 * Trials of a second are what the draft recommends. Where the sum is shorter they are too, for a median of few
 * trials is none; below a tenth of a second most of the time would go into their beginnings and ends.
 */
#define TRIALS_IN_SUM 20
#define TRIAL_MIN_MS  100u
#define TRIAL_MAX_MS  1000u
#define FIRST_MS      250u
#define WIDTH	      0.005
#define TRIALS_MAX    2000 /* simulated noise took up to 1,200, 300 on average */
#define RATES	      1000 /* max through min */
#define AGAIN	      3	   /* a trial during which the generator was away */
/*
 * The highest rate to try is twice the first that loses so much in each of so many trials, beginning low, each
 * twice as high. Less, and what takes the CPU for a moment would set it.
 */
#define PROBE_FIRST 10e3
#define PROBE_MOST  1e9
#define PROBE_MS    100
#define PROBE_LOSS  0.3
#define PROBES	    3

extern struct flx_program flx_program_counter;

static const struct {
	struct flx_figure figure;
	const char *name;
	double loss;
} goals[] = {
	{{.name = "search.ndr",
	  .unit = "requests/s",
	  .what = "highest rate at which half of the trials or more lose nothing"},
	 "ndr",
	 0},
	{{.name = "search.pdr",
	  .unit = "requests/s",
	  .what = "highest rate with a loss of at most 0.5 %"},
	 "pdr",
	 0.005},
};

#define GOALS RTE_DIM(goals)

/* A run, in its process. */
static struct {
	const struct flx_perf *perf;
	uint32_t number;
	struct flx_trial_bed *bed;
	double begun_s;
	double max; /* rate */
	struct flx_search search;
	/* Of each trial, as they came. */
	double rate[TRIALS_MAX];
	bool limited[TRIALS_MAX]; /* the generator was */
} run;

/* ------------------------------------------------------------------------------------------- trials */

/* Tells of a trial who draws, and who watches; all but its verdict. */
static void tell_trial(double rate, uint32_t duration_ms, const struct flx_trial_found *found,
		       uint64_t lost)
{
	double at_s = flx_now_s() - run.begun_s;

	flx_second_add(&(struct flx_second){
		.name = "search.ndr",
		.run = run.number,
		.at_s = at_s,
		.offered = (double)found->planned / found->seconds,
		.answered = found->answers_per_sec,
		.dropped = (double)lost / found->seconds,
	});
	printf("  %6.1f s %11.0f/s for %4" PRIu32 " ms: lost %8.4f %%%s", at_s, rate, duration_ms,
	       found->planned ? 100 * (double)lost / (double)found->planned : 100,
	       found->limited ? ", generator-limited" : "");
	fflush(stdout);
}

/*
 * Tries @rate. A generator that is behind its plan and not busy was away: its CPU was taken from it. That says
 * nothing of whom it asks, so the trial is not one, and another takes its place; but not for ever, for a
 * machine that always does so must not hang the search.
 */
static int try_rate(double rate, uint32_t duration_ms, struct flx_search_result *result,
		    bool *limited)
{
	const struct flx_trial trial = {.rate = rate, .duration_s = duration_ms / 1e3};
	struct flx_trial_found found;

	for (uint32_t i = 0;; i++) {
		int error = flx_trial_run(run.bed, &trial, &found);

		if (error)
			return error;
		result->planned = found.planned;
		result->lost = found.lost + found.refused + found.wrong;
		tell_trial(rate, duration_ms, &found, result->lost);
		*limited = found.limited;
		if (!found.limited || found.generator_busy_pct >= FLX_GEN_BUSY_PCT || i == AGAIN)
			return 0;
		puts(", again");
	}
}

/* 1: @rate loses too much, each time; 0: it does not; -errno. */
static int is_too_high(double rate)
{
	struct flx_search_result result;
	bool too_high = true, limited;

	for (uint32_t i = 0; i < PROBES && too_high; i++) {
		int error = try_rate(rate, PROBE_MS, &result, &limited);

		if (error)
			return error;
		puts("");
		too_high = (double)result.lost >= PROBE_LOSS * (double)result.planned;
	}
	return too_high;
}

/* The highest rate that is worth a trial: --rate, or twice what is too high. */
static int find_max(void)
{
	int found = run.perf->rate > 0;

	run.max = found ? run.perf->rate : PROBE_FIRST;
	while (!found && run.max < PROBE_MOST) {
		found = is_too_high(run.max);
		run.max *= 2;
	}
	return RTE_MIN(found, 0);
}

static int search(void)
{
	enum flx_search_state state;
	struct flx_search_trial trial;

	while ((state = flx_search_next(&run.search, &trial)) == FLX_SEARCH_MORE) {
		struct flx_search_result result;
		uint32_t number = run.search.count;
		int error = try_rate(trial.rate, trial.duration_ms, &result, &run.limited[number]);

		if (error)
			return error;
		run.rate[number] = trial.rate;
		flx_search_note(&run.search, &trial, &result);
		for (uint32_t i = 0; i < GOALS; i++)
			printf(", %s %s", goals[i].name,
			       (double)result.lost > goals[i].loss * (double)result.planned
				       ? "bad"
				       : "good");
		puts("");
		fflush(stdout);
	}
	if (state == FLX_SEARCH_DONE)
		return 0;
	flx_error("search: %d trials did not decide which rates lose too much: what is asked is "
		  "not the "
		  "same from one second to the next; try a quieter machine, or a longer --duration",
		  TRIALS_MAX);
	return -ETIMEDOUT;
}

/* ---------------------------------------------------------------------------------------- its result */

/* Whether the generator was the limit in most trials at @rate. */
static bool was_limited(double rate)
{
	uint32_t limited = 0, count = 0;

	for (uint32_t i = 0; i < run.search.count; i++)
		if (run.rate[i] == rate) {
			count++;
			limited += run.limited[i];
		}
	return 2 * limited > count;
}

static void tell(uint32_t goal)
{
	struct flx_search_found found;

	flx_search_found(&run.search, goal, &found);
	printf("  %s: ", goals[goal].name);
	if (!found.lower)
		printf("none: even %.0f/s lose too much", found.upper);
	else if (!found.upper)
		printf("at least %.0f/s, which is the most that was offered", found.lower);
	if (found.lower && !found.upper)
		flx_perf_flag(FLX_PERF_CAPPED);
	else if (found.lower)
		printf("%.0f/s do, %.0f/s do not, %.0f/s are answered", found.lower, found.upper,
		       found.throughput);
	printf("; %" PRIu32 " trials in %.0f s\n", run.search.count, flx_now_s() - run.begun_s);
	if (was_limited(found.upper > 0 ? found.upper : found.lower))
		flx_perf_flag(FLX_PERF_GENERATOR_LIMITED);
	flx_figure_add(&goals[goal].figure, found.lower);
}

static struct flx_search_conf make_conf(void)
{
	struct flx_search_conf conf = {
		.goal_count = GOALS,
		.min = run.max / RATES,
		.max = run.max,
		.trials_max = TRIALS_MAX,
	};
	uint32_t sum_ms = (uint32_t)(run.perf->duration_s * 1e3);
	uint32_t trial_ms = RTE_MIN(RTE_MAX(sum_ms / TRIALS_IN_SUM, TRIAL_MIN_MS), TRIAL_MAX_MS);

	for (uint32_t i = 0; i < GOALS; i++)
		conf.goal[i] = (struct flx_search_goal){
			.loss = goals[i].loss,
			.exceed = 0.5,
			.width = WIDTH,
			.first_ms = RTE_MIN(trial_ms, FIRST_MS),
			.trial_ms = trial_ms,
			.sum_ms = RTE_MAX(sum_ms, trial_ms),
			.phases = 2,
		};
	return conf;
}

/* ------------------------------------------------------------------------------------------ all runs */

static int run_once(const void *argument, void *unused)
{
	const struct flx_perf *perf = argument;
	struct flx_trial_conf conf = {.perf = perf, .whom = FLX_TRIAL_SERVER};
	struct flx_search_conf rules;
	int error, closed;

	if (!perf->to) {
		conf.whom = FLX_TRIAL_PROGRAM;
		conf.program = &flx_program_counter;
		conf.udp_port = COUNTER_PORT;
		conf.counted = true;
	}
	(void)unused;
	run.perf = perf;
	run.begun_s = flx_now_s();
	error = flx_trial_open(&run.bed, &conf);
	if (error)
		return error;
	error = find_max();
	if (!error) {
		rules = make_conf();
		flx_search_init(&run.search, &rules);
		error = search();
	}
	for (uint32_t i = 0; i < GOALS && !error; i++)
		tell(i);
	closed = flx_trial_close(run.bed);
	return error ? error : closed;
}

int flx_perf_search(const struct flx_perf *perf)
{
	char unused;
	int error = 0;

	if (perf->duration_s < SUM_S)
		flx_perf_flag(FLX_PERF_SHORT);
	for (run.number = 0; run.number < perf->repeat && !error; run.number++)
		error = flx_child_run(run_once, perf, &unused, sizeof(unused));
	for (uint32_t i = 0; i < GOALS && error == -ENOTSUP; i++)
		flx_figure_skip(&goals[i].figure,
				"no bed for trials here; what is missing is said above");
	return error;
}
