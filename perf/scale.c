/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scale - two workers against one: with a CPU each, and with one for both.
 *
 * Beside the first run two processes that share nothing, each on one of the same two CPUs: with a ring, and
 * with a fabric of one worker. What these lack of twice of one alone is what the machine takes (caches,
 * hyperthreads, a hypervisor), and what two workers lack of two fabrics is what they share.
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
	int cpu;     /* for all; -1: as they are planned */
	bool dev;
};

struct found {
	double per_sec; /* answers */
	uint32_t cpu[WORKERS_MAX];
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
	int error = load->cpu >= 0 ? stay_on((uint32_t)load->cpu) : 0;

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

/* Elements per second into a ring of this process alone, and out again. */
static int turn_ring(const void *cpu, void *result)
{
	struct found *found = result;
	const ssize_t size = rte_ring_get_memsize_elem(sizeof(struct flx_elem), 1024);
	struct rte_ring *ring = aligned_alloc(FLX_CACHE_LINE, (size_t)size);
	struct flx_elem elems[FLX_BATCH] = {0};
	const double hz = flx_tsc_mhz() * 1e6;
	uint64_t begin = rte_rdtsc() + (uint64_t)(hz * WARM_MS / 1e3);
	uint64_t end = begin + (uint64_t)(hz * RUN_MS / 1e3), now, turns = 0;

	/* Refused in some containers: then the figures scatter more. */
	(void)stay_on(*(const uint32_t *)cpu);
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

/* @run with @mine, while a process of its own does it with @other. */
static int run_beside(int (*run_one)(const void *, void *), const void *mine, const void *other,
		      struct found *found)
{
	struct found unused;
	pid_t child;
	int error;

	fflush(NULL);
	child = fork();
	if (child == 0)
		_exit(run_one(other, &unused) ? 1 : 0);
	if (child < 0)
		return -errno;
	error = flx_child_run(run_one, mine, found, sizeof(*found));
	waitpid(child, NULL, 0);
	return error;
}

/* How much both of @first and @second are of one: each beside the other, and each alone. */
static int find_both(int (*run_one)(const void *, void *), const void *first, const void *second,
		     struct flx_samples *ratios)
{
	struct found beside[2], alone[2];
	int error = run_beside(run_one, first, second, &beside[0]);

	if (!error)
		error = run_beside(run_one, second, first, &beside[1]);
	if (!error)
		error = flx_child_run(run_one, first, &alone[0], sizeof(alone[0]));
	if (!error)
		error = flx_child_run(run_one, second, &alone[1], sizeof(alone[1]));
	if (!error)
		flx_samples_add(ratios, 2 * (beside[0].per_sec + beside[1].per_sec) /
						(alone[0].per_sec + alone[1].per_sec));
	return error;
}

static int find_floors(const struct load *load, const uint32_t cpu[WORKERS_MAX],
		       struct flx_samples *rings, struct flx_samples *apart)
{
	struct load fabric[WORKERS_MAX] = {*load, *load};
	int error;

	for (uint32_t w = 0; w < WORKERS_MAX; w++) {
		fabric[w].workers = 1;
		fabric[w].cpu = (int)cpu[w];
	}
	error = find_both(turn_ring, &cpu[0], &cpu[1], rings);
	return error ? error : find_both(run, &fabric[0], &fabric[1], apart);
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
	const struct load load = {.cpu = -1, .dev = settings->dev};
	struct flx_samples ratios = {0}, single = {0}, rings = {0}, apart = {0};
	uint32_t cpu[WORKERS_MAX];
	int error = 0;

	if (sysconf(_SC_NPROCESSORS_ONLN) < WORKERS_MAX) {
		printf("scale.2: skipped: this machine has one CPU\n");
		return -ENOTSUP;
	}
	for (uint32_t i = 0; i < flx_benches_runs && !error; i++) {
		error = run_pair(&load, &ratios, &single, cpu);
		if (!error)
			error = find_floors(&load, cpu, &rings, &apart);
	}
	if (error)
		return error;
	flx_samples_print(&rings, "scale.2.rings", "x of one, apart", "-", true);
	flx_samples_print(&apart, "scale.2.fabrics", "x of one, apart", "-", true);
	return !print(&ratios, &single, "scale.2", MUST_SCALE);
}

int flx_bench_oversubscribed(const void *argument)
{
	const struct flx_bench_sched *settings = argument;
	const struct load load = {.shared = true, .cpu = last_cpu(), .dev = settings->dev};
	struct flx_samples ratios = {0}, single = {0};
	uint32_t cpu[WORKERS_MAX];
	int error = 0;

	for (uint32_t i = 0; i < flx_benches_runs && !error; i++)
		error = run_pair(&load, &ratios, &single, cpu);
	if (error)
		return error;
	return !print(&ratios, &single, "oversubscribed", MUST_OVERSUBSCRIBED);
}
