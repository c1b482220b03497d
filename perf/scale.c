/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scale - two workers against one: with a CPU each, and with one for both.
 *
 * The floor under the first is two processes that share nothing, each with a ring on one of the same two
 * CPUs: less than twice of one alone is what the machine takes (caches, hyperthreads, a hypervisor).
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_ring_elem.h>

#include "perf/bench_sched.h"
#include "perf/benches.h"
#include "perf/mill.h"
#include "perf/rig.h"
#include "perf/sample.h"

#define WORKERS_MAX 2
/* Of each worker: as in flxperf's counter. */
#define IN_FLIGHT 512
#define KEYS	  1024
#define WARM_MS	  300
#define RUN_MS	  700

#define MUST_SCALE	    1.85
#define MUST_OVERSUBSCRIBED 0.8
/* A handler on a CPU that is not its own does something; an empty one is all scheduling. */
#define SHARED_CYCLES 500

struct load {
	uint32_t workers;
	bool shared; /* one CPU for all; requests for any worker come by any queue */
	bool dev;
};

struct found {
	double per_sec; /* answers */
	uint32_t cpu[WORKERS_MAX];
};

/* Leaves this process the last CPU of those that it may use. */
static int stay_on_one_cpu(void)
{
	cpu_set_t set, one;
	int cpu = CPU_SETSIZE - 1;

	if (sched_getaffinity(0, sizeof(set), &set))
		return -errno;
	while (!CPU_ISSET((size_t)cpu, &set))
		cpu--;
	CPU_ZERO(&one);
	CPU_SET((size_t)cpu, &one);
	return sched_setaffinity(0, sizeof(one), &one) ? -errno : 0;
}

static double count_per_sec(struct flx_rig *rig)
{
	struct flx_client_counts before, after;
	uint64_t tsc;

	rte_delay_us_sleep(WARM_MS * 1000);
	flx_client_count(&rig->client, &before);
	tsc = rte_rdtsc();
	rte_delay_us_sleep(RUN_MS * 1000);
	flx_client_count(&rig->client, &after);
	return (double)(after.answers - before.answers) * (double)rte_get_tsc_hz() /
	       (double)(rte_rdtsc() - tsc);
}

static int run(const void *argument, void *result)
{
	const struct load *load = argument;
	const struct flx_rig_conf conf = {
		.program = flx_mill_program(load->shared ? SHARED_CYCLES : 0),
		.workers = load->workers,
		.sched = FLX_SCHED_OFF,
		.dev = load->dev,
		.oversubscribe = load->shared,
		.client = {.queues = load->workers,
			   .in_flight = load->shared ? IN_FLIGHT / load->workers : IN_FLIGHT,
			   .clients = KEYS * (load->shared ? 1 : load->workers),
			   .udp_port = FLX_MILL_PORT,
			   .counted = true},
	};
	struct found *found = result;
	struct flx_rig rig;
	int error = load->shared ? stay_on_one_cpu() : 0;

	if (!error)
		error = flx_rig_start(&rig, &conf);
	if (!error && !load->shared)
		error = flx_rig_draw_own(&rig, 0);
	if (error)
		return error;
	for (uint32_t w = 0; w < load->workers; w++)
		found->cpu[w] = flx_fabric_plan(rig.fabric)->worker[w].cpu;
	found->per_sec = count_per_sec(&rig);
	return flx_rig_stop(&rig, 0);
}

/* ------------------------------------------------------------------------------------------- floor */

static void pin(uint32_t cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	/* Refused in some containers: then the figures scatter more. */
	(void)sched_setaffinity(0, sizeof(set), &set);
}

/* Elements per second into a ring of this process alone, and out again. */
static int turn_ring(const void *cpu, void *per_sec)
{
	const ssize_t size = rte_ring_get_memsize_elem(sizeof(struct flx_elem), 1024);
	struct rte_ring *ring = aligned_alloc(FLX_CACHE_LINE, (size_t)size);
	struct flx_elem elems[FLX_BATCH] = {0};
	const double hz = flx_tsc_mhz() * 1e6;
	uint64_t begin = rte_rdtsc() + (uint64_t)(hz * WARM_MS / 1e3);
	uint64_t end = begin + (uint64_t)(hz * RUN_MS / 1e3), now, turns = 0;

	pin(*(const uint32_t *)cpu);
	if (!ring || rte_ring_init(ring, "floor", 1024, RING_F_SP_ENQ | RING_F_SC_DEQ))
		return -ENOMEM;
	while ((now = rte_rdtsc()) < end) {
		rte_ring_sp_enqueue_bulk_elem(ring, elems, sizeof(elems[0]), FLX_BATCH, NULL);
		rte_ring_sc_dequeue_bulk_elem(ring, elems, sizeof(elems[0]), FLX_BATCH, NULL);
		turns += now >= begin;
	}
	*(double *)per_sec = (double)turns * FLX_BATCH * 1e3 / RUN_MS;
	return 0;
}

/* The first CPU's figure, while a process of its own does the same on the second. */
static int turn_beside(const uint32_t *cpu, double *per_sec)
{
	pid_t other;
	int error;

	fflush(NULL);
	other = fork();
	if (other == 0) {
		double unused;

		_exit(turn_ring(&cpu[1], &unused) ? 1 : 0);
	}
	if (other < 0)
		return -errno;
	error = flx_child_run(turn_ring, &cpu[0], per_sec, sizeof(*per_sec));
	waitpid(other, NULL, 0);
	return error;
}

/* How much two CPUs are of one: each alone, then each beside the other. */
static int find_floor(const uint32_t cpu[WORKERS_MAX], struct flx_samples *floor)
{
	const uint32_t swapped[WORKERS_MAX] = {cpu[1], cpu[0]};
	double alone[WORKERS_MAX], beside[WORKERS_MAX];
	int error = turn_beside(cpu, &beside[0]);

	if (!error)
		error = turn_beside(swapped, &beside[1]);
	for (uint32_t w = 0; w < WORKERS_MAX && !error; w++)
		error = flx_child_run(turn_ring, &cpu[w], &alone[w], sizeof(alone[w]));
	if (!error)
		flx_samples_add(floor, 2 * (beside[0] + beside[1]) / (alone[0] + alone[1]));
	return error;
}

/* ---------------------------------------------------------------------------------------- all runs */

/* One worker, then two; adds the ratio to @ratios, and what one makes to @single. */
static int run_pair(const struct load *load, struct flx_samples *ratios, struct flx_samples *single,
		    uint32_t cpu[WORKERS_MAX])
{
	struct load one = *load, two = *load;
	struct found found[WORKERS_MAX];
	int error;

	one.workers = 1;
	two.workers = 2;
	error = flx_child_run(run, &one, &found[0], sizeof(found[0]));
	if (!error)
		error = flx_child_run(run, &two, &found[1], sizeof(found[1]));
	if (error)
		return error;
	flx_samples_add(ratios, found[1].per_sec / found[0].per_sec);
	flx_samples_add(single, found[0].per_sec / 1e6);
	memcpy(cpu, found[1].cpu, sizeof(found[1].cpu));
	return 0;
}

static bool print(struct flx_samples *ratios, struct flx_samples *single, const char *name,
		  double must)
{
	bool good = flx_samples_median(ratios) >= must;
	char unit[48], bound[32];

	snprintf(unit, sizeof(unit), "x of one, %.2f M answers/s", flx_samples_median(single));
	snprintf(bound, sizeof(bound), "must %.2f", must);
	flx_samples_print(ratios, name, unit, bound, good);
	return good;
}

int flx_bench_scale(const void *argument)
{
	const struct flx_bench_sched *settings = argument;
	const struct load load = {.dev = settings->dev};
	struct flx_samples ratios = {0}, single = {0}, floor = {0};
	uint32_t cpu[WORKERS_MAX];
	int error = 0;
	bool good;

	if (sysconf(_SC_NPROCESSORS_ONLN) < WORKERS_MAX) {
		printf("scale.2: skipped: this machine has one CPU\n");
		return -ENOTSUP;
	}
	for (uint32_t i = 0; i < flx_benches_runs && !error; i++) {
		error = run_pair(&load, &ratios, &single, cpu);
		if (!error)
			error = find_floor(cpu, &floor);
	}
	if (error)
		return error;
	flx_samples_print(&floor, "scale.2.floor", "x of one ring", "-", true);
	good = print(&ratios, &single, "scale.2", MUST_SCALE);
	return !good;
}

int flx_bench_oversubscribed(const void *argument)
{
	const struct flx_bench_sched *settings = argument;
	const struct load load = {.shared = true, .dev = settings->dev};
	struct flx_samples ratios = {0}, single = {0};
	uint32_t cpu[WORKERS_MAX];
	int error = 0;

	for (uint32_t i = 0; i < flx_benches_runs && !error; i++)
		error = run_pair(&load, &ratios, &single, cpu);
	if (error)
		return error;
	return !print(&ratios, &single, "oversubscribed", MUST_OVERSUBSCRIBED);
}
