/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scale - two workers against one: with a CPU each, and with one for both. Where there are more CPUs, also
 * four, eight and so on against one.
 *
 * Beside it as many processes that share nothing, each on one of the same CPUs: with a ring, and with a
 * fabric of one worker. What these lack of so many times one alone is what the machine takes (caches,
 * hyperthreads, a hypervisor), and what the workers lack of the fabrics is what they share.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_ring_elem.h>

#include "perf/figure.h"
#include "perf/mill.h"
#include "perf/rig.h"
#include "perf/sample.h"
#include "perf/scenarios.h"
#include "perf/sched_parts.h"

/* Queues that net_ring takes. */
#define QUEUES_MAX 16u
/* Of each worker: as in flxperf's counter. */
#define IN_FLIGHT 512
#define KEYS	  1024
#define WARM_MS	  200
#define RUN_MS	  400

/* A handler on a CPU that is not its own does something; an empty one is all scheduling. */
#define SHARED_CYCLES 500

struct load {
	uint32_t workers;
	bool shared; /* one CPU for all; requests for any worker come by any queue */
	int cpu;     /* for all; -1: as they are planned */
	bool dev;
};

struct found {
	double per_sec; /* answers */
	uint32_t cpu[FLX_WORKERS_MAX];
};

/* Leaves this process one CPU. */
static int stay_on(uint32_t cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

/* The last CPU that this process may use: the first is for what else there is. */
static int last_cpu(void)
{
	int cpu = CPU_SETSIZE - 1;
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return 0;
	while (!CPU_ISSET((size_t)cpu, &set))
		cpu--;
	return cpu;
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

static int run(const struct load *load, struct found *found)
{
	const struct flx_rig_conf conf = {
		.program = flx_mill_program(load->shared ? SHARED_CYCLES : 0),
		.workers = load->workers,
		.sched = FLX_SCHED_OFF,
		.dev = load->dev,
		.oversubscribe = load->shared,
		.own = !load->shared,
		.client = {.queues = load->workers,
			   .in_flight = load->shared ? IN_FLIGHT / load->workers : IN_FLIGHT,
			   .clients = KEYS * (load->shared ? 1 : load->workers),
			   .udp_port = FLX_MILL_PORT,
			   .counted = true},
	};
	struct flx_rig rig;
	int error = load->cpu >= 0 ? stay_on((uint32_t)load->cpu) : 0;

	if (!error)
		error = flx_rig_start(&rig, &conf);
	if (error)
		return error;
	for (uint32_t w = 0; w < load->workers; w++)
		found->cpu[w] = flx_fabric_plan(rig.fabric)->worker[w].cpu;
	found->per_sec = count_per_sec(&rig);
	return flx_rig_stop(&rig, 0);
}

/* ------------------------------------------------------------------------------------------- floor */

/* Elements per second into a ring of this process alone, and out again. */
static int turn_ring(const struct load *load, struct found *found)
{
	const ssize_t size = rte_ring_get_memsize_elem(sizeof(struct flx_elem), 1024);
	struct rte_ring *ring = aligned_alloc(FLX_CACHE_LINE, (size_t)size);
	struct flx_elem elems[FLX_BATCH] = {0};
	const double hz = flx_tsc_mhz() * 1e6;
	uint64_t begin = rte_rdtsc() + (uint64_t)(hz * WARM_MS / 1e3);
	uint64_t end = begin + (uint64_t)(hz * RUN_MS / 1e3), now, turns = 0;

	/* Refused in some containers: then the figures scatter more. */
	(void)stay_on((uint32_t)load->cpu);
	if (!ring || rte_ring_init(ring, "floor", 1024, RING_F_SP_ENQ | RING_F_SC_DEQ))
		return -ENOMEM;
	while ((now = rte_rdtsc()) < end) {
		rte_ring_sp_enqueue_bulk_elem(ring, elems, sizeof(elems[0]), FLX_BATCH, NULL);
		rte_ring_sc_dequeue_bulk_elem(ring, elems, sizeof(elems[0]), FLX_BATCH, NULL);
		turns += now >= begin;
	}
	found->per_sec = (double)turns * FLX_BATCH * 1e3 / RUN_MS;
	return 0;
}

/* Answers or elements per second of @count processes at once, each of which does @run_one with its @cpu. */
static int run_apart(int (*run_one)(const struct load *, struct found *), const struct load *load,
		     const uint32_t *cpu, uint32_t count, double *per_sec)
{
	struct found *found = mmap(NULL, count * sizeof(*found), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint32_t begun = 0;
	int status, error = 0;

	if (found == MAP_FAILED)
		return -errno;
	fflush(NULL);
	for (pid_t child; begun < count && !error; begun++) {
		struct load own = *load;

		own.workers = 1;
		own.cpu = (int)cpu[begun];
		child = fork();
		if (child == 0)
			_exit(run_one(&own, &found[begun]) ? 1 : 0);
		if (child < 0)
			error = -errno;
	}
	*per_sec = 0;
	for (uint32_t i = 0; i < begun; i++) {
		if (wait(&status) > 0 && status && !error)
			error = -ECHILD;
		*per_sec += found[i].per_sec;
	}
	munmap(found, count * sizeof(*found));
	return error;
}

/* How much @count processes at once are of the first of them alone. */
static int find_apart(int (*run_one)(const struct load *, struct found *), const struct load *load,
		      const uint32_t *cpu, uint32_t count, const struct flx_figure *figure)
{
	double many = 0, one = 0;
	int error = run_apart(run_one, load, cpu, count, &many);

	if (!error)
		error = run_apart(run_one, load, cpu, 1, &one);
	if (!error)
		flx_figure_add(figure, many / one);
	return error;
}

/* ---------------------------------------------------------------------------------------- all runs */

static int run_child(const void *load, void *found)
{
	return run(load, found);
}

/* @workers of them against one, once; @cpu: where they were. */
static int scale(const struct load *load, uint32_t workers, const struct flx_figure *figure,
		 uint32_t *cpu)
{
	struct load one = *load, many = *load;
	struct found found[2];
	int error;

	one.workers = 1;
	many.workers = workers;
	error = flx_child_run(run_child, &one, &found[0], sizeof(found[0]));
	if (!error)
		error = flx_child_run(run_child, &many, &found[1], sizeof(found[1]));
	if (error)
		return error;
	flx_figure_add(figure, found[1].per_sec / found[0].per_sec);
	printf("    one: %.2f M answers/s\n", found[0].per_sec / 1e6);
	memcpy(cpu, found[1].cpu, sizeof(found[1].cpu));
	return 0;
}

/* @workers workers, and as many processes. */
static int run_scale(const struct flx_perf *perf, const struct load *load, uint32_t workers)
{
	char name[32], rings_name[32], fabrics_name[32];
	const struct flx_figure rings = {.name = rings_name, .unit = "x of one"};
	const struct flx_figure fabrics = {.name = fabrics_name, .unit = "x of one"};
	const struct flx_figure figure = {
		.name = name,
		.unit = "x of one",
		.floor = fabrics_name,
		.must = workers == 2 ? ">= 1.85" : NULL,
		.what = "workers against one; beside as many processes that share nothing",
	};
	uint32_t cpu[FLX_WORKERS_MAX];
	int error = 0;

	snprintf(name, sizeof(name), "scale.%u", workers);
	snprintf(rings_name, sizeof(rings_name), "scale.%u.rings", workers);
	snprintf(fabrics_name, sizeof(fabrics_name), "scale.%u.fabrics", workers);
	for (uint32_t i = 0; i < perf->repeat && !error; i++) {
		error = scale(load, workers, &figure, cpu);
		if (!error)
			error = find_apart(turn_ring, load, cpu, workers, &rings);
		if (!error)
			error = find_apart(run, load, cpu, workers, &fabrics);
	}
	return error;
}

/* CPUs for workers: where there are more than four, two are left for what else there is. */
static uint32_t count_cpus(void)
{
	cpu_set_t set;
	uint32_t count;

	if (sched_getaffinity(0, sizeof(set), &set))
		return 1;
	count = (uint32_t)CPU_COUNT(&set);
	return RTE_MIN(count > 4 ? count - 2 : count, QUEUES_MAX);
}

/* Two workers, four, and so on, up to as many as there are CPUs for, or the operator wants. */
int flx_perf_scale(const struct flx_perf *perf)
{
	static const struct flx_figure figure = {.name = "scale.2"};
	const struct load load = {.cpu = -1, .dev = perf->dev};
	uint32_t cpus = count_cpus();
	int error;

	if (cpus < 2) {
		flx_figure_skip(&figure, "this machine has one CPU; it needs two");
		return -ENOTSUP;
	}
	if (perf->workers == 1) {
		flx_error("flxperf: scale --workers 1: two at least are compared with one");
		return -EINVAL;
	}
	if (perf->workers)
		cpus = RTE_MIN(cpus, perf->workers);
	error = run_scale(perf, &load, 2);
	for (uint32_t workers = 4; !error && workers < 2 * cpus; workers *= 2)
		error = run_scale(perf, &load, RTE_MIN(workers, cpus));
	return error;
}

int flx_sched_oversubscribed(const struct flx_perf *perf, const void *argument)
{
	static const struct flx_figure figure = {
		.name = "sched.oversubscribed",
		.unit = "x of one",
		.must = ">= 0.8",
		.what = "two workers on one CPU against one there"};
	const struct load load = {.shared = true, .cpu = last_cpu(), .dev = perf->dev};
	uint32_t cpu[FLX_WORKERS_MAX];
	int error = 0;

	(void)argument;
	for (uint32_t i = 0; i < perf->repeat && !error; i++)
		error = scale(&load, 2, &figure, cpu);
	return error;
}
