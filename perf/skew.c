/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * skew - how long a load that has shifted all at once stays uneven.
 *
 * Time is counted from the shift, by what the workers did as the mill has noted it, not by what the
 * fabric measured of itself. Even means that both are within 10 % of their mean, over every window of
 * 10 ms of the next 50.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>

#include "apps/timeline.h"
#include "perf/demand.h"
#include "perf/figure.h"
#include "perf/sample.h"
#include "perf/sched_parts.h"

#define WARM_MS	 500
#define AFTER_MS 500
#define EVEN	 0.10
#define HOLD_MS	 50
/*
 * Shorter windows see noise: in 10 ms a worker at half its load handles 2,500 messages, give or take
 * 35. Longer ones hide the first milliseconds.
 */
#define WINDOW_MS 10
/* What the picture shows. */
#define SHOWN_BEFORE_US 30000
#define SHOWN_AFTER_US	120000

struct skew {
	const char *name;
	double workers; /* of demand; 0: a closed loop */
	const struct flx_perf *perf;
	bool drawn;
};

struct found {
	double even_ms;
	double before_pct[FLX_DEMAND_WORKERS]; /* loads, just before the shift */
	uint64_t moves_before, moves, slices, refused;
};

/* -------------------------------------------------------------------------------------- evenness */

static bool is_even(uint32_t first)
{
	double a = (double)flx_mill_handled(0, first, WINDOW_MS);
	double b = (double)flx_mill_handled(1, first, WINDOW_MS);

	return a + b > 0 && fabs(a - b) <= EVEN * (a + b);
}

static bool stays_even(uint32_t first)
{
	for (uint32_t window = 0; window <= HOLD_MS - WINDOW_MS; window++)
		if (!is_even(first + window))
			return false;
	return true;
}

/* AFTER_MS: never. */
static double find_even(void)
{
	for (uint32_t first = 0; first + HOLD_MS <= AFTER_MS; first++)
		if (stays_even(first))
			return first;
	return AFTER_MS;
}

/* ------------------------------------------------------------------------------------------- a run */

static uint64_t us_since_begin(const struct flx_sched *sched, uint64_t tsc)
{
	return (tsc - sched->begun_tsc) / (sched->tsc_hz / 1000000);
}

/* Mean loads of the last tenth of a second before @shift_us. */
static void look_back(const struct flx_sched *sched, uint64_t shift_us, struct found *found)
{
	const struct flx_history *history = &sched->history;
	uint32_t count = 0;

	for (uint64_t n = flx_history_first_sample(history); n < history->sample_count; n++) {
		const struct flx_history_sample *sample = flx_history_sample(history, n);

		if (sample->at_us + 100000 < shift_us || sample->at_us > shift_us)
			continue;
		count++;
		for (uint32_t w = 0; w < FLX_DEMAND_WORKERS; w++)
			found->before_pct[w] += sample->busy_permille[w] / 10.0;
	}
	for (uint32_t w = 0; count && w < FLX_DEMAND_WORKERS; w++)
		found->before_pct[w] /= count;
}

static int draw(const struct skew *skew, const struct flx_sched *sched, uint64_t shift_us)
{
	char title[96];
	const struct flx_timeline_conf conf = {
		.title = title,
		.from_us = shift_us - SHOWN_BEFORE_US,
		.until_us = shift_us + SHOWN_AFTER_US,
		.zero_us = shift_us,
		.zero = "90 % of the load shifts to worker 0",
	};
	FILE *out = fopen(skew->perf->svg, "w");
	bool good;

	snprintf(title, sizeof(title), "A demand of %.1f workers on two", skew->workers);
	if (out)
		flx_timeline_print(&sched->history, &conf, out);
	good = out && !ferror(out);
	if (out && fclose(out) == 0 && good)
		return 0;
	flx_error("flxperf: cannot write %s: %s; --svg wants a file", skew->perf->svg,
		  strerror(errno));
	return -EIO;
}

static int run(const void *argument, void *result)
{
	static const double shares[FLX_DEMAND_WORKERS] = {0.9, 0.1};
	const struct skew *skew = argument;
	const struct flx_demand demand = {
		.workers = skew->workers,
		.dev = skew->perf->dev,
	};
	struct flx_client_counts counts;
	struct flx_sched_counts before;
	struct found *found = result;
	struct flx_rig rig;
	uint64_t shift_us;
	int error = flx_demand_start(&rig, &demand), ended;

	if (error)
		return error;
	rte_delay_us_sleep(WARM_MS * 1000);
	flx_sched_lock(rig.sched);
	before = rig.sched->counts;
	flx_sched_unlock(rig.sched);
	shift_us = us_since_begin(rig.sched, flx_mill_begin());
	error = flx_rig_draw(&rig, FLX_DEMAND_GROUP, shares);
	rte_delay_us_sleep(AFTER_MS * 1000);
	flx_sched_stop(rig.sched);
	found->even_ms = find_even();
	found->moves_before = before.moves;
	found->moves = rig.sched->counts.moves - before.moves;
	found->slices = rig.sched->counts.slices - before.slices;
	flx_client_count(&rig.client, &counts);
	found->refused = counts.refused;
	look_back(rig.sched, shift_us, found);
	if (!error && skew->drawn)
		error = draw(skew, rig.sched, shift_us);
	ended = flx_rig_stop(&rig, 0);
	return error ? error : ended;
}

/* ------------------------------------------------------------------------------------------ all runs */

static int measure(const struct skew *skew)
{
	char name[48];
	const struct flx_figure figure = {.name = name,
					  .unit = "ms",
					  .must = "<= 20",
					  .what = "from a shift of 90/10 until both workers are "
						  "even within 10 %, and stay so"};
	struct found found;

	snprintf(name, sizeof(name), "sched.skew_ms.%s", skew->name);
	for (uint32_t i = 0; i < skew->perf->repeat; i++) {
		struct skew one = *skew;
		int error;

		one.drawn = skew->drawn && i == 0;
		error = flx_child_run(run, &one, &found, sizeof(found));
		if (error)
			return error;
		flx_figure_add(&figure, found.even_ms);
		if (found.even_ms >= AFTER_MS)
			flx_perf_flag(FLX_PERF_CAPPED);
		printf("    from %.0f + %.0f %%, by %" PRIu64 " moves of %" PRIu64
		       " slices; %" PRIu64 " requests refused\n",
		       found.before_pct[0], found.before_pct[1], found.moves, found.slices,
		       found.refused);
	}
	return 0;
}

int flx_sched_skew(const struct flx_perf *perf, const void *argument)
{
	struct skew skews[] = {
		{.name = "1.0", .workers = 1.0},
		{.name = "1.8", .workers = 1.8, .drawn = perf->svg != NULL},
		{.name = "closed"},
	};
	int error = 0;

	(void)argument;
	for (size_t i = 0; i < sizeof(skews) / sizeof(skews[0]) && !error; i++) {
		skews[i].perf = perf;
		error = measure(&skews[i]);
	}
	return error;
}
