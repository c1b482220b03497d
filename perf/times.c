/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * times - the scenarios of single requests' times: latency, at loads from idle to nearly all that is taken,
 * and gen, the generator against any server.
 *
 * All in open loop, from when a request was due; what is never answered is in the percentiles as the longest.
 * Those with fewer than 10 samples above them are left out, for they say nothing; the greatest is told always.
 * Beside each figure of a fabric stands the generator's own floor: the same at the same rates, with its far
 * end looped straight back.
 *
 * The loads of `latency` are parts of what is taken with at most 0.5 % unanswered (PDR), which a few short
 * trials find below what a closed loop brings, or of --rate.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fabric/base.h"
#include "perf/figure.h"
#include "perf/latency.h"
#include "perf/load.h"
#include "perf/sample.h"
#include "perf/script.h"

#define COUNTER_PORT 7000
#define IDLE_RATE    1000
/* How long a closed loop runs to find what is taken at most. */
#define FIND_S 0.5
#define WARM_S 0.1
/* And then for PDR: how long a trial is, by how many parts of that it goes down, and what it may not answer. */
#define PDR_S	       0.1
#define PDR_STEPS      20
#define UNANSWERED_PCT 0.5
/* A histogram of 4 Mi samples takes the library seconds. */
#define HLOG_LIMIT_S 300

extern struct flx_program flx_program_counter;

/* What is offered: a rate, or a part of the most that is taken. */
struct offer {
	const char *name;
	double rate, part;
};

static const struct offer latency_offers[] = {
	{.name = "idle", .rate = IDLE_RATE},
	{.name = "10", .part = 0.1},
	{.name = "50", .part = 0.5},
	{.name = "90", .part = 0.9},
	{0},
};

static const struct offer gen_offers[] = {{.name = "half", .part = 0.5}, {0}};
/* Where a rate was given, that. */
static const struct offer gen_given[] = {{.name = "given", .part = 1}, {0}};

/* What one process does. */
struct times {
	const struct flx_perf *perf;
	const struct offer *offers;
	enum flx_trial_whom whom;
	const char *prefix; /* of its figures: "latency.floor" */
	const char *floor;  /* prefix of those that they stand beside; NULL: none */
	bool is_gen;	    /* the generator is what is measured: rate, pacing error, losses */
	double most;	    /* requests per second; 0: to be found */
	uint32_t run;
};

/* ----------------------------------------------------------------------------------------- figures */

static void add_us(const char *name, const char *floor, double ns)
{
	const struct flx_figure figure = {.name = name, .unit = "us", .floor = floor};

	flx_figure_add(&figure, ns / 1e3);
}

static void add_latencies(const struct times *times, const char *load,
			  const struct flx_latency *latency)
{
	char name[64], floor[64];

	for (const struct flx_latency_point *point = flx_latency_points; point->ppm; point++) {
		if (!flx_latency_tells(latency, point->ppm))
			continue;
		snprintf(name, sizeof(name), "%s.%s.%s", times->prefix, load, point->name);
		if (times->floor)
			snprintf(floor, sizeof(floor), "%s.%s.%s", times->floor, load, point->name);
		add_us(name, times->floor ? floor : NULL, flx_latency_at(latency, point->ppm));
	}
}

/* Of what was planned, in per cent: lost, wrong, or never sent. */
static double unanswered_pct(const struct flx_trial_found *found)
{
	double unanswered = (double)(found->lost + found->refused + found->wrong);

	return found->planned ? 100 * unanswered / (double)found->planned : 0;
}

static void add_unanswered(const struct times *times, const char *load,
			   const struct flx_trial_found *found)
{
	char name[64], floor[64];
	struct flx_figure figure = {
		.name = name, .unit = "%", .what = "lost, wrong, or never sent"};

	snprintf(name, sizeof(name), "%s.%s.unanswered", times->prefix, load);
	snprintf(floor, sizeof(floor), "%s.%s.unanswered", times->floor ? times->floor : "", load);
	if (times->floor)
		figure.floor = floor;
	flx_figure_add(&figure, unanswered_pct(found));
}

static void tell(const struct times *times, const struct flx_trial_found *found, const char *what)
{
	const struct flx_latency *latency = found->latency;

	printf("  %s: %.0f/s planned, %.0f/s answered; lost %" PRIu64 ", wrong %" PRIu64
	       ", refused %" PRIu64 "; sent %.2f us late at p50, %.2f at p99, %.2f at most; busy: "
	       "generator %.0f %%, worker %.0f %%\n",
	       what, (double)found->planned / found->seconds, found->answers_per_sec, found->lost,
	       found->wrong, found->refused, found->pacing.p50_ns / 1e3, found->pacing.p99_ns / 1e3,
	       found->pacing.max_ns / 1e3, found->generator_busy_pct, found->worker_busy_pct);
	if (latency->every > 1)
		printf("  %s: one request in %" PRIu32 " is timed\n", what, latency->every);
	if (latency->unanswered)
		printf("    of %" PRIu64 " that are timed %" PRIu64
		       " were never answered: 4.29 s or more in what follows\n",
		       latency->count, latency->unanswered);
	if (latency->saturated)
		flx_warn("%s: %" PRIu64 " answers took 4.29 s or more, and are told as that", what,
			 latency->saturated);
	/* The generator's own floor is where it is the limit by intent. */
	if (found->limited && (times->whom != FLX_TRIAL_ITSELF || times->is_gen))
		flx_perf_flag(FLX_PERF_GENERATOR_LIMITED);
}

static void add_generator(const struct flx_trial_found *found)
{
	const struct flx_figure lost = {.name = "gen.unanswered", .unit = "%"};

	add_us("gen.pacing.p50", NULL, found->pacing.p50_ns);
	add_us("gen.pacing.p99", NULL, found->pacing.p99_ns);
	add_us("gen.pacing.max", NULL, found->pacing.max_ns);
	flx_figure_add(&lost, unanswered_pct(found));
}

/* ------------------------------------------------------------------------------------------ trials */

static void name_raw(char path[PATH_MAX], const struct flx_perf *perf, const char *load)
{
	snprintf(path, PATH_MAX, "%s.%s.raw", perf->hlog, load);
}

/* 0: none was wrong; else -errno after one flx_error, before which stands what was told so far. */
static int check_right(const struct flx_trial_found *found, const char *what)
{
	if (!found->wrong)
		return 0;
	fflush(stdout);
	flx_error(
		"%s: of %" PRIu64 " answers %" PRIu64 " were wrong; see whether the server "
		"echoes, or counts as flx run counter does, once each, and leaves no check sum to "
		"hardware that is not there (ethtool -K DEVICE tx off)",
		what, found->answered, found->wrong);
	return -EBADMSG;
}

/* The same, and at least one came. */
static int check_answered(const struct flx_trial_found *found, const char *what)
{
	if (found->answered)
		return check_right(found, what);
	fflush(stdout);
	flx_error("%s: nothing is answered; see whether the server runs, and answers on that port",
		  what);
	return -EHOSTDOWN;
}

/* The most that is taken: what a closed loop brings. */
static int find_most(struct flx_trial_bed *bed, const struct times *times, double *most)
{
	const struct flx_figure figure = {
		.name = "gen.rate", .unit = "answers/s", .what = "closed loop, 512 under way"};
	const struct flx_trial trial = {
		.in_flight = FLX_LOAD_IN_FLIGHT, .warm_s = WARM_S, .duration_s = FIND_S};
	struct flx_trial_found found;
	int error = flx_trial_run(bed, &trial, &found);

	*most = found.answers_per_sec;
	if (!error)
		printf("  %s.rate: closed loop, %.0f/s answered; lost %" PRIu64 ", wrong %" PRIu64
		       "; busy: generator %.0f %%, worker %.0f %%\n",
		       times->prefix, *most, found.lost, found.wrong, found.generator_busy_pct,
		       found.worker_busy_pct);
	if (!error)
		error = check_answered(&found, times->prefix);
	if (!error && times->is_gen)
		flx_figure_add(&figure, *most);
	return error;
}

/*
 * The highest rate with next to nothing unanswered, from @most downwards: an open loop does not wait for whom
 * it asks, so what a closed one brings is more than that.
 */
static int find_pdr(struct flx_trial_bed *bed, double most, double *pdr)
{
	const struct flx_figure figure = {
		.name = "latency.pdr",
		.unit = "requests/s",
		.what = "found by short trials: search finds it by the rules"};

	for (uint32_t part = PDR_STEPS; part > 0; part--) {
		const struct flx_trial trial = {.rate = most * part / PDR_STEPS,
						.duration_s = PDR_S};
		struct flx_trial_found found;
		int error = flx_trial_run(bed, &trial, &found);

		if (!error)
			error = check_right(&found, figure.name);
		if (error)
			return error;
		printf("  %s: %.0f/s for %.1f s, %.2f %% unanswered; busy: generator %.0f %%, "
		       "worker "
		       "%.0f %%\n",
		       figure.name, trial.rate, PDR_S, unanswered_pct(&found),
		       found.generator_busy_pct, found.worker_busy_pct);
		if (unanswered_pct(&found) > UNANSWERED_PCT)
			continue;
		*pdr = trial.rate;
		flx_figure_add(&figure, *pdr);
		return 0;
	}
	flx_error("%s: not even %.0f/s are answered at an even pace; free the machine of other "
		  "load, or give --rate",
		  figure.name, most / PDR_STEPS);
	return -EBUSY;
}

static int time_offer(struct flx_trial_bed *bed, const struct times *times,
		      const struct offer *offer, double most)
{
	const struct flx_perf *perf = times->perf;
	char what[64], path[PATH_MAX];
	const struct flx_trial trial = {
		.rate = offer->rate > 0 ? offer->rate : offer->part * most,
		.warm_s = WARM_S,
		.duration_s = perf->duration_s,
		.timed = true,
		.second = what,
		.run = times->run,
	};
	struct flx_trial_found found;
	int error;

	snprintf(what, sizeof(what), "%s.%s", times->prefix, offer->name);
	error = flx_trial_run(bed, &trial, &found);
	if (error)
		return error;
	tell(times, &found, what);
	error = check_answered(&found, what);
	if (error)
		return error;
	add_latencies(times, offer->name, found.latency);
	if (times->is_gen)
		add_generator(&found);
	else
		add_unanswered(times, offer->name, &found);
	if (!perf->hlog || (times->whom == FLX_TRIAL_ITSELF && !times->is_gen))
		return 0;
	name_raw(path, perf, offer->name);
	return flx_latency_save(found.latency, path);
}

static int time_all(const void *argument, void *most)
{
	const struct times *times = argument;
	const struct flx_trial_conf conf = {
		.perf = times->perf,
		.whom = times->whom,
		.program = &flx_program_counter,
		.udp_port = COUNTER_PORT,
		.counted = true,
	};
	struct flx_trial_bed *bed;
	double rate = times->most;
	int error = flx_trial_open(&bed, &conf), closed;

	if (error)
		return error;
	if (rate <= 0) {
		error = find_most(bed, times, &rate);
		if (!error && !times->is_gen)
			error = find_pdr(bed, rate, &rate);
	}
	for (const struct offer *offer = times->offers; offer->name && !error; offer++)
		error = time_offer(bed, times, offer, rate);
	memcpy(most, &rate, sizeof(rate));
	closed = flx_trial_close(bed);
	return error ? error : closed;
}

/* ------------------------------------------------------------------------------------------- hlog */

static int write_hlog(const struct flx_perf *perf, const struct offer *offer, time_t began)
{
	char raw[PATH_MAX], log[PATH_MAX], absolute[PATH_MAX], seconds[32], start[32];
	const char *const argv[] = {"node",	  "perf/node/hlog.mjs",
				    "--log",	  log,
				    "--tag",	  offer->name,
				    "--duration", seconds,
				    "--start",	  start,
				    absolute,	  NULL};
	const struct flx_script script = {.argv = argv, .limit_s = HLOG_LIMIT_S};
	int error;

	name_raw(raw, perf, offer->name);
	/* The script runs elsewhere. */
	if (!realpath(raw, absolute)) {
		flx_error("--hlog %s: no latencies in %s: %s", perf->hlog, raw, strerror(errno));
		return -errno;
	}
	snprintf(log, sizeof(log), "%.*s", (int)(strlen(absolute) - strlen(".raw")), absolute);
	snprintf(start, sizeof(start), "%lld", (long long)began);
	snprintf(seconds, sizeof(seconds), "%.3f", perf->duration_s * perf->repeat);
	error = flx_script_run(&script);
	if (error)
		flx_note("--hlog %s: %s has the latencies of %s, in ns, 32 bits each; a log of "
			 "them takes "
			 "node and, once, npm --prefix perf/node ci",
			 perf->hlog, raw, offer->name);
	else
		unlink(raw);
	return error;
}

static int write_hlogs(const struct flx_perf *perf, const struct offer *offers, time_t began)
{
	int error = 0;

	for (; perf->hlog && offers->name && !error; offers++)
		error = write_hlog(perf, offers, began);
	return error;
}

/* What an earlier run has left would be taken for this one's. */
static void forget_raws(const struct flx_perf *perf, const struct offer *offers)
{
	char path[PATH_MAX];

	for (; perf->hlog && offers->name; offers++) {
		name_raw(path, perf, offers->name);
		unlink(path);
	}
}

/* ---------------------------------------------------------------------------------------- scenarios */

int flx_perf_latency(const struct flx_perf *perf)
{
	struct times ours = {
		.perf = perf,
		.offers = latency_offers,
		.whom = perf->to ? FLX_TRIAL_SERVER : FLX_TRIAL_PROGRAM,
		.prefix = "latency",
		.floor = "latency.floor",
	};
	time_t began = time(NULL);
	int error = 0;

	forget_raws(perf, latency_offers);
	for (; ours.run < perf->repeat && !error; ours.run++) {
		struct times floor = ours;
		double unused;

		ours.most = perf->rate;
		error = flx_child_run(time_all, &ours, &floor.most, sizeof(floor.most));
		floor.whom = FLX_TRIAL_ITSELF;
		floor.prefix = ours.floor;
		floor.floor = NULL;
		if (!error)
			error = flx_child_run(time_all, &floor, &unused, sizeof(unused));
	}
	return error ? error : write_hlogs(perf, latency_offers, began);
}

int flx_perf_gen(const struct flx_perf *perf)
{
	struct times gen = {
		.perf = perf,
		.offers = perf->rate > 0 ? gen_given : gen_offers,
		.whom = perf->port || perf->to ? FLX_TRIAL_SERVER : FLX_TRIAL_ITSELF,
		.prefix = "gen",
		.is_gen = true,
		.most = perf->rate,
	};
	double unused;
	time_t began = time(NULL);
	int error = 0;

	forget_raws(perf, gen.offers);
	for (; gen.run < perf->repeat && !error; gen.run++)
		error = flx_child_run(time_all, &gen, &unused, sizeof(unused));
	return error ? error : write_hlogs(perf, gen.offers, began);
}
