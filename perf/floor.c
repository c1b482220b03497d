/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * floor - what two cores and the rings between them do, without a fabric.
 */
#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_launch.h>
#include <rte_pause.h>
#include <rte_ring_elem.h>

#include "fabric/flx.h"
#include "fabric/topology.h"
#include "perf/bare_eal.h"
#include "perf/scenario.h"

#define CORES	  2
#define RING_SIZE 1024

struct core {
	struct rte_ring *in, *out; /* NULL: it makes elements, or drops them */
	alignas(FLX_CACHE_LINE) _Atomic uint64_t taken;
};

static struct core cores[CORES];
static _Atomic bool stop;

/* ------------------------------------------------------------------------------------------- cores */

static uint32_t take(struct core *core, struct flx_elem *elems)
{
	uint64_t taken = atomic_load_explicit(&core->taken, memory_order_relaxed);
	uint32_t got;

	if (!core->in)
		return FLX_BATCH;
	got = rte_ring_sc_dequeue_burst_elem(core->in, elems, sizeof(*elems), FLX_BATCH, NULL);
	atomic_store_explicit(&core->taken, taken + got, memory_order_relaxed);
	return got;
}

static void put(struct core *core, const struct flx_elem *elems, uint32_t count)
{
	uint32_t done = 0;

	while (core->out && done < count && !atomic_load_explicit(&stop, memory_order_relaxed)) {
		uint32_t more = rte_ring_sp_enqueue_burst_elem(core->out, elems + done,
							       sizeof(*elems), count - done, NULL);

		if (!more)
			rte_pause();
		done += more;
	}
}

static int work(void *argument)
{
	struct core *core = argument;
	struct flx_elem elems[FLX_BATCH] = {0};

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		uint32_t got = take(core, elems);

		if (!got)
			rte_pause();
		put(core, elems, got);
	}
	return 0;
}

/* ------------------------------------------------------------------------------------------- floors */

/* The CPUs of two workers. */
static int find_cpus(uint32_t *cpu)
{
	const struct flx_plan_request request = {.workers = CORES};
	struct flx_plan plan;
	hwloc_topology_t topology;
	int error = flx_topology_load(&topology);

	if (error)
		return error;
	error = flx_plan_make(&plan, topology, &request);
	hwloc_topology_destroy(topology);
	for (uint32_t i = 0; i < CORES && !error; i++)
		cpu[i] = plan.worker[i].cpu;
	return error;
}

static int start_eal(void)
{
	uint32_t cpu[CORES];
	int error = find_cpus(cpu);

	return error ? error : flx_bare_eal_start("floor", 64, cpu, CORES);
}

static struct rte_ring *make_ring(const char *name)
{
	return rte_ring_create_elem(name, sizeof(struct flx_elem), RING_SIZE, SOCKET_ID_ANY,
				    RING_F_SP_ENQ | RING_F_SC_DEQ);
}

static uint64_t count_taken(void)
{
	return atomic_load(&cores[0].taken) + atomic_load(&cores[1].taken);
}

/* Lets the cores work, and counts what came from one to the other. */
static struct flx_sample measure(const struct flx_scenario_conf *conf)
{
	struct flx_sample sample = {0};
	uint64_t tsc, taken;

	for (unsigned int i = 0; i < CORES; i++)
		rte_eal_remote_launch(work, &cores[i], i);
	rte_delay_us_sleep(conf->warm_ms * 1000);
	taken = count_taken();
	tsc = rte_rdtsc();
	rte_delay_us_sleep(conf->run_ms * 1000);
	taken = count_taken() - taken;
	tsc = rte_rdtsc() - tsc;
	atomic_store(&stop, true);
	rte_eal_mp_wait_lcore();
	sample.cycles = (double)tsc / (double)taken;
	rte_eal_cleanup();
	return sample;
}

struct flx_sample flx_scenario_stream(const void *conf)
{
	const struct flx_sample failed = {.status = EIO};

	if (start_eal())
		return failed;
	cores[0].out = cores[1].in = make_ring("there");
	return cores[0].out ? measure(conf) : failed;
}

struct flx_sample flx_scenario_circle(const void *argument)
{
	const struct flx_scenario_conf *conf = argument;
	const struct flx_sample failed = {.status = EIO};
	struct flx_elem elem = {0};

	if (start_eal())
		return failed;
	cores[0].out = cores[1].in = make_ring("there");
	cores[1].out = cores[0].in = make_ring("back");
	if (!cores[0].out || !cores[1].out)
		return failed;
	for (uint32_t i = 0; i < conf->in_flight; i++)
		rte_ring_sp_enqueue_elem(cores[0].out, &elem, sizeof(elem));
	return measure(conf);
}
