/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * calm - what the scheduler does, and costs, under a load that does not change.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_cycles.h>

#include "perf/demand.h"
#include "perf/figure.h"
#include "perf/sample.h"
#include "perf/sched_parts.h"

/* Zipf's exponent, as key-value benches have it (YCSB), and what one key has beside. */
#define ZIPF	  0.99
#define HOT_SHARE 0.2
#define ZIPF_LOAD 0.7 /* of the workers */
/* Seconds in which moves count: before, the load is being learnt. */
#define ZIPF_FROM_S  3
#define ZIPF_UNTIL_S 10

#define CALM_LOAD   0.8
#define CALM_FROM_S 1

/* Of a phase with the scheduler, or without; and of them in a run, each. */
#define COST_PHASE_MS 200
#define COST_PHASES   8

static uint64_t count_moves(struct flx_sched *sched)
{
	uint64_t moves;

	flx_sched_lock(sched);
	moves = sched->counts.moves;
	flx_sched_unlock(sched);
	return moves;
}

/* @load: of each worker; 0: a closed loop. */
static int start(struct flx_rig *rig, const struct flx_perf *perf, double load)
{
	const struct flx_demand demand = {
		.workers = load * FLX_DEMAND_WORKERS,
		.dev = perf->dev,
	};

	return flx_demand_start(rig, &demand);
}

/* Moves from second @from to second @until. */
static double moves_between(struct flx_rig *rig, double from, double until)
{
	uint64_t before;

	rte_delay_us_sleep((unsigned int)(from * 1e6));
	before = count_moves(rig->sched);
	rte_delay_us_sleep((unsigned int)((until - from) * 1e6));
	return (double)(count_moves(rig->sched) - before);
}

/* ------------------------------------------------------------------------------------------- zipf */

/* Zipf's, but that its first key has a part of all requests beside. */
static void weigh_zipf(double *weights)
{
	uint32_t hottest = 0;
	double sum = 0;

	flx_weights_zipf(weights, FLX_DEMAND_KEYS, ZIPF, 1);
	for (uint32_t k = 0; k < FLX_DEMAND_KEYS; k++) {
		sum += weights[k];
		if (weights[k] > weights[hottest])
			hottest = k;
	}
	weights[hottest] += sum * HOT_SHARE / (1 - HOT_SHARE);
}

static int draw_zipf(struct flx_rig *rig)
{
	static double weights[FLX_DEMAND_KEYS];
	struct flx_pick *pick;

	weigh_zipf(weights);
	pick = flx_pick_make(weights, FLX_DEMAND_KEYS);
	for (uint32_t q = 0; pick && q < FLX_DEMAND_WORKERS; q++)
		flx_client_draw(&rig->client, q, pick);
	return pick ? 0 : -ENOMEM;
}

static int run_zipf(const void *argument, void *found)
{
	double *per_sec = found;
	struct flx_rig rig;
	int error = start(&rig, argument, ZIPF_LOAD), ended;

	if (error)
		return error;
	error = draw_zipf(&rig);
	if (!error)
		*per_sec = moves_between(&rig, ZIPF_FROM_S, ZIPF_UNTIL_S) /
			   (ZIPF_UNTIL_S - ZIPF_FROM_S);
	ended = flx_rig_stop(&rig, 0);
	return error ? error : ended;
}

/* ------------------------------------------------------------------------------------------- calm */

static int run_calm(const void *argument, void *found)
{
	const struct flx_perf *perf = argument;
	double *moves = found;
	struct flx_rig rig;
	int error = start(&rig, perf, CALM_LOAD);

	if (error)
		return error;
	*moves = moves_between(&rig, CALM_FROM_S, perf->duration_s);
	return flx_rig_stop(&rig, 0);
}

/* ------------------------------------------------------------------------------------------- cost */

static uint64_t count_answers(struct flx_rig *rig)
{
	struct flx_client_counts before, after;

	flx_client_count(&rig->client, &before);
	rte_delay_us_sleep(COST_PHASE_MS * 1000);
	flx_client_count(&rig->client, &after);
	return after.answers - before.answers;
}

/* A phase with the scheduler (@with) or without its thread; -errno, or answers. */
static int64_t run_phase(struct flx_rig *rig, bool with)
{
	int64_t answers;
	int error = with ? flx_sched_start(rig->sched) : 0;

	if (error)
		return error;
	answers = (int64_t)count_answers(rig);
	if (with)
		flx_sched_stop(rig->sched);
	return answers;
}

/* Without, with, with, without: a machine that becomes slower meets both alike. */
static int run_cost(const void *argument, void *found)
{
	double answers[2] = {0}, *pct = found;
	struct flx_rig rig;
	int error = start(&rig, argument, 0);

	if (error)
		return error;
	flx_sched_stop(rig.sched);
	rte_delay_us_sleep(COST_PHASE_MS * 1000);
	for (uint32_t phase = 0; phase < 2 * COST_PHASES && error >= 0; phase++) {
		bool with = (phase + 1) / 2 % 2;
		int64_t more = run_phase(&rig, with);

		error = more < 0 ? (int)more : 0;
		answers[with] += (double)more;
	}
	*pct = 100 * (1 - answers[true] / answers[false]);
	if (error)
		return error;
	return flx_rig_stop(&rig, 0);
}

/* ---------------------------------------------------------------------------------------- all runs */

/* @figure by @run, @runs times. */
static int measure(const struct flx_perf *perf, const struct flx_figure *figure,
		   int (*run)(const void *, void *), uint32_t runs)
{
	for (uint32_t i = 0; i < runs; i++) {
		double value;
		int error = flx_child_run(run, perf, &value, sizeof(value));

		if (error)
			return error;
		flx_figure_add(figure, value);
	}
	return 0;
}

int flx_sched_zipf(const struct flx_perf *perf, const void *argument)
{
	static const struct flx_figure figure = {
		.name = "sched.zipf",
		.unit = "moves/s",
		.must = "<= 1",
		.what = "seconds 3 to 10; a key has a fifth of the load, the rest is Zipf 0.99"};

	(void)argument;
	return measure(perf, &figure, run_zipf, perf->repeat);
}

/* Once: it is as long as it is. */
int flx_sched_calm(const struct flx_perf *perf, const void *argument)
{
	char what[80];
	const struct flx_figure figure = {
		.name = "sched.calm", .unit = "moves", .must = "<= 1", .what = what};

	(void)argument;
	snprintf(what, sizeof(what), "from second 1 to %.0f of an even load of 80 %%",
		 perf->duration_s);
	return measure(perf, &figure, run_calm, 1);
}

int flx_sched_cost(const struct flx_perf *perf, const void *argument)
{
	static const struct flx_figure figure = {
		.name = "sched.cost",
		.unit = "%",
		.must = "<= 1",
		.what = "of the throughput, when there is nothing to do"};

	(void)argument;
	return measure(perf, &figure, run_cost, perf->repeat);
}
