/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peers - what DPDK itself makes of the jobs that the fabric does, in turn with the fabric, on the same CPUs.
 *
 * Its scheduler dsw beside pipeline.c, which says what differs; testpmd's 5tswap, which swaps addresses and
 * ports and looks no further, beside the counter, which verifies, counts and answers: both from a looped
 * ring port to itself. What rings and rte_graph cost stands there for orientation.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "perf/figure.h"
#include "perf/part.h"
#include "perf/pipeline.h"
#include "perf/rig.h"
#include "perf/sample.h"
#include "perf/scenario.h"
#include "perf/scenarios.h"
#include "perf/script.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define WORKERS 2
/* Bursts that the source makes a turn: with fewer, the turn around them weighs more. */
#define TICKS	 4
#define WARM_MS	 300
#define DRAIN_MS 1000
/* As flxperf's counter. */
#define COUNTER_IN_FLIGHT 512
#define COUNTER_CLIENTS	  1024

/* ------------------------------------------------------------------------------------------- ours */

struct job {
	uint32_t stages;
	bool batch;
	bool dev;
	uint32_t run_ms;
};

struct found {
	double per_sec;
	uint32_t cpu[WORKERS];
};

static int place_stages(struct flx_rig *rig, uint32_t stages)
{
	int error = 0;

	for (uint32_t s = 0; s < stages && !error; s++)
		error = flx_rig_place(rig, FLX_PIPELINE_STAGE + s, 1);
	if (error)
		flx_error("peers: the stages do not come to the second worker: %s",
			  strerror(-error));
	return error;
}

static double count_per_sec(uint32_t run_ms)
{
	uint64_t ended, tsc;

	rte_delay_us_sleep(WARM_MS * 1000);
	ended = flx_pipeline_ended();
	tsc = rte_rdtsc();
	rte_delay_us_sleep(run_ms * 1000);
	ended = flx_pipeline_ended() - ended;
	return (double)ended * (double)rte_get_tsc_hz() / (double)(rte_rdtsc() - tsc);
}

/* Lets all messages end, and looks whether each went through every stage, in order. */
static int account(struct flx_rig *rig, uint32_t stages)
{
	static struct flx_ledger ledger;
	const struct flx_fluxion_ledger *stage =
		&ledger.fluxion[FLX_FLUXION_FIRST + FLX_PIPELINE_STAGE];
	uint64_t made;
	bool good = true;

	flx_pipeline_end();
	if (flx_fabric_drain(rig->fabric, DRAIN_MS, NULL)) {
		flx_error("peers: the messages did not come to an end in a second");
		return -ETIMEDOUT;
	}
	flx_fabric_ledger(rig->fabric, &ledger);
	made = flx_pipeline_made();
	for (uint32_t s = 0; s < stages; s++)
		good &= stage[s].handled == made;
	if (good && flx_pipeline_ended() == made && !flx_pipeline_wrong() && !ledger.dropped &&
	    !ledger.unexplained)
		return 0;
	flx_error("peers: of %" PRIu64 " messages %" PRIu64 " came to their end, %" PRIu64
		  " were overtaken or lost on their way, %" PRIu64 " dropped, %" PRId64
		  " unexplained: a bug of flx",
		  made, flx_pipeline_ended(), flx_pipeline_wrong(), ledger.dropped,
		  ledger.unexplained);
	return -EBADMSG;
}

static int run_pipeline(const void *argument, void *result)
{
	const struct job *job = argument;
	const struct flx_rig_conf conf = {
		.program = flx_pipeline_program(job->stages, job->batch),
		.workers = WORKERS,
		.sched = FLX_SCHED_OFF,
		.dev = job->dev,
		.client = {.queues = 1,
			   .in_flight = TICKS,
			   .clients = 1,
			   .udp_port = FLX_PIPELINE_PORT},
	};
	struct found *found = result;
	struct flx_rig rig;
	int error = flx_rig_start(&rig, &conf), ended;

	if (error)
		return error;
	for (uint32_t w = 0; w < WORKERS; w++)
		found->cpu[w] = flx_fabric_plan(rig.fabric)->worker[w].cpu;
	error = place_stages(&rig, job->stages);
	if (!error) {
		flx_pipeline_go();
		found->per_sec = count_per_sec(job->run_ms);
		error = account(&rig, job->stages);
	}
	ended = flx_rig_stop(&rig, TICKS);
	return error ? error : ended;
}

/* -------------------------------------------------------------------------------- figures and steps */

static const struct flx_figure figures[] = {
	{.name = "peers.flx.1stage",
	 .unit = "M/s",
	 .floor = "peers.dsw.1stage",
	 .must = ">= 2 * peers.dsw.1stage",
	 .what = "a keyed stage on another core, batches; on 2 CPUs dsw's main shares its "
		 "producer's, nice 19"},
	{.name = "peers.dsw.1stage", .unit = "M/s", .what = "the same by event_dsw, perf_queue"},
	{.name = "peers.flx.2stage",
	 .unit = "M/s",
	 .floor = "peers.dsw.2stage",
	 .must = ">= 3 * peers.dsw.2stage",
	 .what = "through two stages; on 2 CPUs dsw's main thread shares its producer's, at nice "
		 "19"},
	{.name = "peers.dsw.2stage", .unit = "M/s", .what = "the same by event_dsw, perf_queue"},
	{.name = "peers.flx.1stage.plain",
	 .unit = "M/s",
	 .floor = "peers.dsw.1stage",
	 .what = "a handler's call per message; dsw's main thread as above"},
	{.name = "peers.flx.2stage.plain",
	 .unit = "M/s",
	 .floor = "peers.dsw.2stage",
	 .what = "a handler's call per message; dsw's main thread as above"},
	{.name = "peers.5tswap",
	 .unit = "cycles/frame",
	 .what = "testpmd on a looped ring port, one core, 512 frames"},
	{.name = "peers.counter",
	 .unit = "x",
	 .must = ">= 0.3",
	 .target = ">= 0.5",
	 .what = "counter's answers there, client's part taken off, to 5tswap's frames"},
	{.name = "peers.ring.spsc.8", .unit = "cycles/elem", .what = "ring_perf_autotest, bulk"},
	{.name = "peers.ring.mpmc.8", .unit = "cycles/elem", .what = "two cores, each waits for"},
	{.name = "peers.ring.spsc.32", .unit = "cycles/elem", .what = "the other; enqueue and"},
	{.name = "peers.ring.mpmc.32", .unit = "cycles/elem", .what = "dequeue summed"},
	{.name = "peers.graph.call",
	 .unit = "cycles/call",
	 .what = "graph_perf_autotest: a node's call of 256 objects"},
	{.name = "peers.graph.object", .unit = "cycles/object", .what = "the same, per object"},
	{.name = "peers.io", .unit = "cycles/frame", .what = "testpmd, moves frames"},
	{.name = "peers.macswap", .unit = "cycles/frame", .what = "testpmd, swaps addresses"},
	{.name = "peers.csum", .unit = "cycles/frame", .what = "testpmd, parses and sums"},
};

/* What is measured in one go. */
struct step {
	const char *name; /* of its figures, or what they begin with */
	const char *peer; /* argument of peers.sh; NULL: ours */
	uint32_t stages;  /* of the pipeline; 0: the counter */
	bool batch;
	const char *beside; /* step that it is compared with; NULL: none */
	bool once;	    /* nothing is measured by it: not in every run */
};

static const struct step steps[] = {
	{.name = "peers.flx.1stage", .stages = 1, .batch = true, .beside = "peers.dsw.1stage"},
	{.name = "peers.dsw.1stage", .peer = "dsw.1stage"},
	{.name = "peers.flx.2stage", .stages = 2, .batch = true, .beside = "peers.dsw.2stage"},
	{.name = "peers.dsw.2stage", .peer = "dsw.2stage"},
	{.name = "peers.flx.1stage.plain", .stages = 1, .beside = "peers.dsw.1stage"},
	{.name = "peers.flx.2stage.plain", .stages = 2, .beside = "peers.dsw.2stage"},
	{.name = "peers.5tswap", .peer = "5tswap"},
	{.name = "peers.counter", .beside = "peers.5tswap"},
	{.name = "peers.ring", .peer = "ring", .once = true},
	{.name = "peers.graph", .peer = "graph", .once = true},
	{.name = "peers.io", .peer = "io", .once = true},
	{.name = "peers.macswap", .peer = "macswap", .once = true},
	{.name = "peers.csum", .peer = "csum", .once = true},
};

struct peers {
	const struct flx_perf *perf;
	uint32_t cpu[WORKERS]; /* that the fabric chose; equal: not known yet */
	double value[COUNT(figures)];
};

static bool leads(const char *part, const char *name)
{
	return strncmp(part, name, strlen(part)) == 0;
}

/* The first figure of a step. */
static uint32_t find(const char *name)
{
	uint32_t f = 0;

	while (!leads(name, figures[f].name))
		f++;
	return f;
}

/* Whether it was asked for, or what was stands beside it. */
static bool is_wanted(const struct flx_perf *perf, const struct step *step)
{
	if (flx_part_wanted(perf, step->name))
		return true;
	for (const struct step *other = steps; other < steps + COUNT(steps); other++)
		if (other->beside && strcmp(other->beside, step->name) == 0 &&
		    flx_part_wanted(perf, other->name))
			return true;
	return false;
}

/* ------------------------------------------------------------------------------------------ a step */

static int run_ours(struct peers *peers, const struct step *step)
{
	const struct job job = {
		.stages = step->stages,
		.batch = step->batch,
		.dev = peers->perf->dev,
		.run_ms = (uint32_t)(peers->perf->duration_s * 1e3),
	};
	struct found found;
	int error = flx_child_run(run_pipeline, &job, &found, sizeof(found));

	if (error)
		return error;
	memcpy(peers->cpu, found.cpu, sizeof(found.cpu));
	flx_figure_add(&figures[find(step->name)], found.per_sec / 1e6);
	return 0;
}

static int run_counter(struct peers *peers, const struct step *step)
{
	const struct flx_scenario_conf conf = {
		.workers = 1,
		.in_flight = COUNTER_IN_FLIGHT,
		.clients = COUNTER_CLIENTS,
		.warm_ms = WARM_MS,
		.run_ms = (uint32_t)(peers->perf->duration_s * 1e3),
		.dev = peers->perf->dev,
	};
	const struct flx_figure *figure = &figures[find(step->name)];
	double swap = peers->value[find(step->beside)];
	struct flx_sample sample;

	if (!(swap > 0)) {
		flx_figure_skip(figure, "no 5tswap to compare with; install the package dpdk-dev");
		return -ENOTSUP;
	}
	sample = flx_sample_run(flx_scenario_counter, &conf);
	if (sample.status)
		return sample.status < 0 ? sample.status : -sample.status;
	flx_figure_add(figure, swap / sample.cycles);
	return 0;
}

/* How many figures a step has: they follow each other, and begin with its name. */
static uint32_t count_figures(const struct step *step, uint32_t first)
{
	uint32_t f = first;

	while (f < COUNT(figures) && leads(step->name, figures[f].name))
		f++;
	return f - first;
}

static int run_script(struct peers *peers, const struct step *step)
{
	uint32_t first = find(step->name);
	double seconds = ceil(peers->perf->duration_s);
	char cpus[32], length[16], mhz[32];
	const char *argv[] = {"perf/peers.sh", "--seconds", length, "--tsc-mhz", mhz,
			      "--cpus",	       cpus,	    NULL,   NULL};
	const struct flx_script script = {
		.argv = argv,
		.figure = &figures[first],
		.count = count_figures(step, first),
		.value = &peers->value[first],
		.limit_s = seconds + 90, /* two tests take up to 60 s, on a machine that is busy */
	};
	/* Where ours has not run, the script chooses. */
	uint32_t end = peers->cpu[0] == peers->cpu[1] ? 5 : 7;

	argv[end] = step->peer;
	argv[end + 1] = NULL;
	snprintf(length, sizeof(length), "%.0f", seconds);
	snprintf(mhz, sizeof(mhz), "%.3f", flx_tsc_mhz());
	snprintf(cpus, sizeof(cpus), "%" PRIu32 ",%" PRIu32, peers->cpu[0], peers->cpu[1]);
	return flx_script_run(&script);
}

static int run_step(struct peers *peers, const struct step *step)
{
	int error;

	if (step->peer)
		error = run_script(peers, step);
	else if (step->stages)
		error = run_ours(peers, step);
	else
		error = run_counter(peers, step);
	/* Who is not installed does not stop the others. */
	if (!error || error == -ENOTSUP)
		return 0;
	flx_error("flxperf: %s failed: %s", step->name, strerror(-error));
	return error;
}

int flx_perf_peers(const struct flx_perf *perf)
{
	struct peers peers = {.perf = perf};
	bool any = false;
	int error = 0;

	for (uint32_t run = 0; run < perf->repeat && !error; run++)
		for (uint32_t s = 0; s < COUNT(steps) && !error; s++) {
			if (!is_wanted(perf, &steps[s]) || (run && steps[s].once))
				continue;
			any = true;
			error = run_step(&peers, &steps[s]);
		}
	return any ? error : -ENOENT;
}
