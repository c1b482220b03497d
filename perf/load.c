/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * load - the scenarios of the load generator at saturation: what it has answered by a fabric with a worker
 * of its own, and what it does alone.
 *
 * Each run in a process of its own, in turn: ours, then the generator with its far end looped straight back,
 * at the same sizes and flows. Where that is not enough faster, the generator was the limit, and the figure
 * says nothing of the fabric.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fabric/base.h"
#include "perf/figure.h"
#include "perf/part.h"
#include "perf/sample.h"
#include "perf/scenarios.h"
#include "perf/trial.h"

#define ECHO_PORT    7007
#define COUNTER_PORT 7000
/* Few enough to stay in the caches, enough that neither side waits for the other. */
#define IN_FLIGHT 512
#define WARM_S	  0.3

extern struct flx_program flx_program_echo, flx_program_counter;

struct load {
	struct flx_figure figure, alone;
	struct flx_program *program;
	uint16_t udp_port;
	bool counted;
};

static const struct load echo = {
	.figure = {.name = "echo.ring",
		   .unit = "answers/s",
		   .floor = "gen.alone",
		   .what = "echo over a pair of rings, per worker's core, generator on its own"},
	.alone = {.name = "gen.alone",
		  .unit = "answers/s",
		  .must = ">= 1.5 * echo.ring",
		  .what = "the generator with its far end looped straight back"},
	.program = &flx_program_echo,
	.udp_port = ECHO_PORT,
};

static const struct load counter __attribute__((unused)) = {
	.figure = {.name = "counter.pair",
		   .unit = "answers/s",
		   .floor = "gen.alone",
		   .what = "counter over a pair of rings, per worker's core, generator on its own"},
	.alone = {.name = "gen.alone",
		  .unit = "answers/s",
		  .must = ">= 1.5 * counter.pair",
		  .what = "the generator with its far end looped straight back"},
	.program = &flx_program_counter,
	.udp_port = COUNTER_PORT,
	.counted = true,
};

/* What one process does. */
struct saturated {
	const struct flx_perf *perf;
	const struct load *load;
	bool alone;
	uint32_t run;
};

static int saturate(const void *argument, void *found)
{
	const struct saturated *saturated = argument;
	const struct load *load = saturated->load;
	const struct flx_trial_conf conf = {
		.perf = saturated->perf,
		.whom = saturated->alone ? FLX_TRIAL_ITSELF : FLX_TRIAL_PROGRAM,
		.program = load->program,
		.udp_port = load->udp_port,
		.counted = load->counted,
	};
	const struct flx_trial trial = {
		.in_flight = IN_FLIGHT,
		.warm_s = WARM_S,
		.duration_s = saturated->perf->duration_s,
		.second = saturated->alone ? load->alone.name : load->figure.name,
		.run = saturated->run,
	};
	struct flx_trial_bed *bed;
	int error = flx_trial_open(&bed, &conf), closed;

	if (error)
		return error;
	error = flx_trial_run(bed, &trial, found);
	closed = flx_trial_close(bed);
	return error ? error : closed;
}

/* A closed loop over rings loses nothing, and nobody has a reason to answer wrongly. */
static int check(const struct flx_trial_found *found, const char *name)
{
	if (!found->lost && !found->wrong)
		return 0;
	flx_error("%s: of %" PRIu64 " requests %" PRIu64 " were lost, and %" PRIu64
		  " answers were wrong (has something else taken the CPU for 0.1 s?)",
		  name, found->sent, found->lost, found->wrong);
	return -EBADMSG;
}

static int run_one(struct saturated *saturated, double *per_sec)
{
	const struct load *load = saturated->load;
	const struct flx_figure *figure = saturated->alone ? &load->alone : &load->figure;
	struct flx_trial_found found;
	int error = flx_child_run(saturate, saturated, &found, sizeof(found));

	if (error == -ENOTSUP)
		flx_figure_skip(figure, "the machine lacks what is said above");
	if (!error)
		error = check(&found, figure->name);
	if (error)
		return error;
	*per_sec = found.answers_per_sec;
	printf("  generator busy for %.0f %%, worker for %.0f %%\n", found.generator_busy_pct,
	       found.worker_busy_pct);
	flx_figure_add(figure, *per_sec);
	if (!saturated->alone && found.limited)
		flx_perf_flag(FLX_PERF_GENERATOR_LIMITED);
	return 0;
}

static int run_all(const struct flx_perf *perf, const struct load *load)
{
	struct saturated saturated = {.perf = perf, .load = load};
	uint32_t workers = perf->workers ? perf->workers : 1;
	double per_sec, alone;
	int error = 0;

	(void)workers;
	for (; saturated.run < perf->repeat && !error; saturated.run++) {
		saturated.alone = false;
		error = run_one(&saturated, &per_sec);
		saturated.alone = true;
		if (!error)
			error = run_one(&saturated, &alone);
	}
	return error;
}

int flx_perf_echo(const struct flx_perf *perf)
{
	return run_all(perf, &echo);
}
