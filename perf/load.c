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
#include "perf/load.h"
#include "perf/sample.h"
#include "perf/scenarios.h"

#define ECHO_PORT    7007
#define COUNTER_PORT 7000
#define WARM_S	     0.3

extern struct flx_program flx_program_echo, flx_program_counter;

struct load {
	struct flx_figure figure, alone;
	struct flx_program *program;
	uint16_t udp_port;
	bool counted;
};

static const struct load echo = {
	.figure = {.name = "echo.ring",
		   .unit = "answers/s/worker",
		   .floor = "gen.alone",
		   .what = "echo over a pair of rings, its generator on a core of its own"},
	.alone = {.name = "gen.alone",
		  .unit = "answers/s/worker",
		  .must = ">= 1.5 * echo.ring",
		  .what = "the generator with its far end looped straight back"},
	.program = &flx_program_echo,
	.udp_port = ECHO_PORT,
};

static const struct load counter = {
	.figure = {.name = "counter.pair",
		   .unit = "answers/s/worker",
		   .floor = "counter.gen",
		   .what = "counter over a pair of rings, its generator on a core of its own"},
	.alone = {.name = "counter.gen",
		  .unit = "answers/s/worker",
		  .must = ">= 1.5 * counter.pair",
		  .what = "that generator with its far end looped straight back"},
	.program = &flx_program_counter,
	.udp_port = COUNTER_PORT,
	.counted = true,
};

/* What a process of its own does. */
struct job {
	struct flx_trial_conf conf;
	struct flx_trial trial;
};

static int run_trial(const void *argument, void *found)
{
	const struct job *job = argument;
	struct flx_trial_bed *bed;
	int error = flx_trial_open(&bed, &job->conf), closed;

	if (error)
		return error;
	error = flx_trial_run(bed, &job->trial, found);
	((struct flx_trial_found *)found)->latency = NULL;
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

/* One run of @figure, as what whom answers divided by the workers, or what would be theirs. */
static int saturate(const struct flx_perf *perf, const struct load *load, enum flx_trial_whom whom,
		    uint32_t run)
{
	const struct flx_figure *figure = whom == FLX_TRIAL_ITSELF ? &load->alone : &load->figure;
	const struct job job = {
		.conf = {.perf = perf,
			 .whom = whom,
			 .program = load->program,
			 .udp_port = load->udp_port,
			 .counted = load->counted},
		.trial = {.in_flight = FLX_LOAD_IN_FLIGHT,
			  .warm_s = WARM_S,
			  .duration_s = perf->duration_s,
			  .second = figure->name,
			  .run = run},
	};
	struct flx_trial_found found;
	int error = flx_child_run(run_trial, &job, &found, sizeof(found));

	if (error == -ENOTSUP)
		flx_figure_skip(figure, "this machine lacks what is said above");
	if (!error)
		error = check(&found, figure->name);
	if (error)
		return error;
	flx_figure_add(figure, found.answers_per_sec / (perf->workers ? perf->workers : 1));
	if (whom == FLX_TRIAL_PROGRAM) {
		printf("  busy: generator %.0f %%, worker %.0f %%\n", found.generator_busy_pct,
		       found.worker_busy_pct);
		if (found.limited)
			flx_perf_flag(FLX_PERF_GENERATOR_LIMITED);
	}
	return 0;
}

static int run_all(const struct flx_perf *perf, const struct load *load)
{
	int error = 0;

	for (uint32_t run = 0; run < perf->repeat && !error; run++) {
		error = saturate(perf, load, FLX_TRIAL_PROGRAM, run);
		if (!error)
			error = saturate(perf, load, FLX_TRIAL_ITSELF, run);
	}
	return error;
}

int flx_perf_echo(const struct flx_perf *perf)
{
	return run_all(perf, &echo);
}

int flx_load_counter(const struct flx_perf *perf)
{
	return run_all(perf, &counter);
}
