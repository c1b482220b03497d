/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * preflight_judge - what of a machine spoils figures, and how it is shown.
 */
#include "perf/preflight.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include <hwloc.h>
#include <rte_common.h>
#include <rte_version.h>

#include "fabric/topology.h"
#include "perf/commit.h"
#include "perf/sample.h"
#include "perf/scenarios.h"

/* Medians of a run differ by a few per cent; what is less than half of one is not seen in them. */
#define STEAL_MUCH 5.0
/* CPUs that a run without --workers uses at most: hops, rings and moves are between two. */
#define USED_DEFAULT 2

static void warn(struct flx_preflight *preflight, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void warn(struct flx_preflight *preflight, const char *format, ...)
{
	va_list arguments;

	if (preflight->warning_count == FLX_PREFLIGHT_WARNINGS)
		return;
	va_start(arguments, format);
	vsnprintf(preflight->warning[preflight->warning_count++], sizeof(preflight->warning[0]),
		  format, arguments);
	va_end(arguments);
}

/* Whether all of @list are in @among. */
static bool within(const char *list, const char *among)
{
	hwloc_bitmap_t part = hwloc_bitmap_alloc(), whole = hwloc_bitmap_alloc();
	bool in;

	/* An empty list does not parse; nothing is in it. */
	in = list[0] && among[0] && hwloc_bitmap_list_sscanf(part, list) == 0 &&
	     hwloc_bitmap_list_sscanf(whole, among) == 0 && hwloc_bitmap_isincluded(part, whole);
	hwloc_bitmap_free(part);
	hwloc_bitmap_free(whole);
	return in;
}

/* ---------------------------------------------------------------------------------------- warnings */

/* Whether a cycle is a cycle. */
static void judge_clock(struct flx_preflight *preflight)
{
	if (preflight->governor[0] && strcmp(preflight->governor, "performance") != 0)
		warn(preflight,
		     "governor %s: the clock rate varies, and cycles of the TSC with it; cpupower "
		     "frequency-set -g performance",
		     preflight->governor);
	if (!preflight->tsc_invariant)
		warn(preflight, "the TSC is not invariant: figures in cycles are wrong whenever "
				"the clock rate changes; read those in time, or use another CPU");
	if (preflight->clock[0] && !strstr(preflight->clock, "tsc") &&
	    strcmp(preflight->clock, "kvm-clock") != 0)
		warn(preflight,
		     "clock %s: the kernel has given the TSC up, or was told to; see dmesg | grep "
		     "-i tsc, and boot with tsc=reliable only if it was wrong",
		     preflight->clock);
}

/* Who else is on the CPUs. */
static void judge_company(struct flx_preflight *preflight)
{
	if (preflight->hypervisor[0])
		warn(preflight,
		     "virtual machine (%s): its CPUs are shared with others; trust ratios of one "
		     "run alone, or measure on bare metal",
		     preflight->hypervisor);
	if (within(preflight->allowed, preflight->used))
		warn(preflight,
		     "CPUs %s, which are all there are, run workers: the kernel and whoever starts "
		     "a program interrupt them; give the machine more",
		     preflight->used);
	else if (!within(preflight->used, preflight->isolated))
		warn(preflight,
		     "of CPUs %s not all are isolated: the kernel and others interrupt workers; "
		     "boot with isolcpus=%s nohz_full=%s",
		     preflight->used, preflight->used, preflight->used);
	if (preflight->siblings[0])
		warn(preflight,
		     "CPUs %s are SMT siblings of CPUs used: work there takes up to half of a "
		     "core; keep them idle, or boot with nosmt",
		     preflight->siblings);
	if (preflight->used_nodes > 1)
		warn(preflight,
		     "CPUs %s lie on %u NUMA nodes: messages cross sockets; taskset -c to the CPUs "
		     "of one",
		     preflight->used, preflight->used_nodes);
	if (preflight->running)
		warn(preflight,
		     "%u more threads ran when this began: they compete for CPUs; wait for them, "
		     "or stop them (top)",
		     preflight->running);
	if (preflight->steal_per_mille > STEAL_MUCH)
		warn(preflight,
		     "steal %.0f per mille: the hypervisor took as much of the CPUs used; repeat "
		     "at a quieter time, or on bare metal",
		     preflight->steal_per_mille);
}

static void judge_memory(struct flx_preflight *preflight)
{
	uint64_t free_kib = 0;

	for (uint32_t i = 0; i < preflight->pages_count; i++)
		free_kib += preflight->pages[i].free * preflight->pages[i].size_kib;
	if (preflight->ordinary)
		warn(preflight, "ordinary memory (--dev): misses of the TLB are in all figures; "
				"pmd-config/setup.sh hugepages 1024, and leave --dev out");
	else if (!free_kib)
		warn(preflight, "no free hugepages: a fabric will not start; pmd-config/setup.sh "
				"hugepages 1024, or --dev for ordinary memory");
}

void flx_preflight_judge(struct flx_preflight *preflight)
{
	preflight->warning_count = 0;
	if (preflight->checked)
		warn(preflight, "built with assertions: slower than what is released; meson setup "
				"--reconfigure build -Dbuildtype=release -Db_ndebug=if-release");
	judge_clock(preflight);
	judge_company(preflight);
	judge_memory(preflight);
}

/* ---------------------------------------------------------------------------------------- this one */

/* The CPUs that a fabric with @workers gets here; "": unknown. */
static void plan_used(char *used, size_t size, uint32_t workers)
{
	hwloc_bitmap_t cpus = hwloc_bitmap_alloc();
	struct flx_plan_request request = {.workers = workers ? workers : USED_DEFAULT};
	hwloc_topology_t topology;
	struct flx_plan plan;
	int allowed;

	used[0] = '\0';
	if (flx_topology_load(&topology) == 0) {
		allowed = hwloc_bitmap_weight(hwloc_topology_get_allowed_cpuset(topology));
		request.workers = RTE_MIN(request.workers, allowed > 0 ? (uint32_t)allowed : 1);
		if (flx_plan_make(&plan, topology, &request) == 0)
			for (uint32_t i = 0; i < plan.worker_count; i++)
				hwloc_bitmap_set(cpus, plan.worker[i].cpu);
		hwloc_topology_destroy(topology);
	}
	hwloc_bitmap_list_snprintf(used, size, cpus);
	hwloc_bitmap_free(cpus);
}

#ifdef __clang__
#define COMPILER __VERSION__
#else
#define COMPILER "gcc " __VERSION__
#endif

void flx_preflight_begin(struct flx_preflight *preflight, const struct flx_perf *perf)
{
	char used[sizeof(preflight->used)];

	plan_used(used, sizeof(used), perf->workers);
	flx_preflight_read(preflight, "", used);
	preflight->ordinary = perf->dev;
#ifndef NDEBUG
	preflight->checked = true;
#endif
	preflight->tsc_mhz = flx_tsc_mhz();
	snprintf(preflight->version, sizeof(preflight->version), "%s", FLX_VERSION);
	snprintf(preflight->commit, sizeof(preflight->commit), "%s", FLX_COMMIT);
	snprintf(preflight->dpdk, sizeof(preflight->dpdk), "%s", rte_version());
	snprintf(preflight->compiler, sizeof(preflight->compiler), "%s", COMPILER);
	flx_preflight_judge(preflight);
}

/* ------------------------------------------------------------------------------------------ header */

static const char * or (const char *text, const char *none)
{
	return text[0] ? text : none;
}

static void print_pages(const struct flx_preflight *preflight, FILE *out)
{
	fprintf(out, "memory     %s", preflight->ordinary ? "ordinary (--dev)" : "hugepages");
	for (uint32_t i = 0; i < preflight->pages_count; i++)
		fprintf(out, ", %" PRIu64 " of %" PRIu64 " of %" PRIu64 " MiB free",
			preflight->pages[i].free, preflight->pages[i].total,
			preflight->pages[i].size_kib / 1024);
	fprintf(out, "; %u NUMA node%s\n", preflight->nodes, preflight->nodes == 1 ? "" : "s");
}

void flx_preflight_print(const struct flx_preflight *preflight, FILE *out)
{
	fprintf(out, "machine    %s%s%s%s, Linux %s\n", or (preflight->cpu, "unknown CPU"),
		preflight->hypervisor[0] ? ", virtual machine (" : "", preflight->hypervisor,
		preflight->hypervisor[0] ? ")" : "", or (preflight->kernel, "of unknown version"));
	fprintf(out,
		"CPUs       %u online, %s allowed, %s used; isolated %s, nohz_full %s, siblings "
		"%s\n",
		preflight->online, or (preflight->allowed, "all"), preflight->used,
		or (preflight->isolated, "none"), or (preflight->nohz_full, "none"),
		or (preflight->siblings, "none"));
	fprintf(out, "clock      TSC %.0f MHz, %sinvariant; kernel's %s; governor %s; load %.2f\n",
		preflight->tsc_mhz, preflight->tsc_invariant ? "" : "not ",
		or (preflight->clock, "unknown"), or (preflight->governor, "unknown"),
		preflight->load);
	print_pages(preflight, out);
	fprintf(out, "software   flx %s (%s), %s, %s\n", preflight->version,
		or (preflight->commit, "unknown commit"), preflight->dpdk, preflight->compiler);
	for (uint32_t i = 0; i < preflight->warning_count; i++)
		fprintf(out, "WARN %s\n", preflight->warning[i]);
}

void flx_preflight_end(struct flx_preflight *preflight, FILE *out)
{
	flx_preflight_steal(preflight);
	flx_preflight_judge(preflight);
	fprintf(out, "steal      %.0f per mille of CPUs %s during the run%s\n",
		preflight->steal_per_mille, preflight->used,
		preflight->steal_per_mille > STEAL_MUCH
			? ": figures suffer; repeat at a quieter time"
			: "");
}
