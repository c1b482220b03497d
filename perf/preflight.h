/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * preflight - on what machine a run of flxperf happens, and what about it spoils figures.
 *
 * Everything is read from files below a root directory, as /proc and /sys have them, and judged by rules
 * that see the struct alone; so tests show it machines that are not there. What a machine does not tell
 * stays empty, and is no reason to warn. A warning names the cause and the remedy.
 *
 * Context of everything: the main thread of flxperf, before and after all that it measures.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct flx_perf;

#define FLX_PREFLIGHT_WARNINGS 16
#define FLX_PREFLIGHT_PAGES    4 /* sizes of hugepages; x86 has two */

struct flx_preflight_pages {
	uint64_t size_kib, total, free;
};

/* Lists of CPUs are as the kernel writes them: "0,2-5". Empty strings: unknown, or none. */
struct flx_preflight {
	const char *root; /* not ours; "": this machine */

	char cpu[96];
	char kernel[96];
	char hypervisor[64]; /* "KVM"; "of an unknown kind" */
	char governor[32];   /* of the CPUs used: the first that is not "performance" */
	char clock[32];	     /* what the kernel tells time by */
	bool tsc_invariant;  /* one rate, through all states of power */
	uint32_t online;     /* CPUs */
	char allowed[256];
	char used[256];	    /* by the workers, where there are as many as asked for */
	char siblings[256]; /* further threads of the cores of those */
	char isolated[256];
	char nohz_full[256];
	uint32_t nodes;	     /* NUMA nodes */
	uint32_t used_nodes; /* of these, with CPUs used */
	double load;	     /* mean of a minute: of what ran just before, too, which may be ours */
	uint32_t running;    /* threads that ran or could, beside this one, when it was read */
	uint32_t pages_count;
	struct flx_preflight_pages pages[FLX_PREFLIGHT_PAGES];

	bool ordinary; /* no hugepages, by --dev */
	bool checked;  /* built with the assertions of debug builds */
	double tsc_mhz;
	char version[32], commit[48], dpdk[48], compiler[64];

	uint64_t stolen, ticks; /* of the CPUs used, since the machine started */
	double steal_per_mille; /* of their time, while it ran; below 0: not yet known */

	uint32_t warning_count;
	char warning[FLX_PREFLIGHT_WARNINGS][224];
};

/*
 * flx_preflight_read - fill all that files tell
 * @root: directory that has proc and sys; outlives @preflight. "": this machine's own.
 * @used: CPUs that workers run on; "": all that are allowed.
 */
void flx_preflight_read(struct flx_preflight *preflight, const char *root, const char *used);

/* flx_preflight_steal - what the hypervisor took since flx_preflight_read, into steal_per_mille */
void flx_preflight_steal(struct flx_preflight *preflight);

/* flx_preflight_judge - the warnings, from what is in @preflight; reads nothing */
void flx_preflight_judge(struct flx_preflight *preflight);

/* flx_preflight_begin - this machine and this program as @perf uses them, judged */
void flx_preflight_begin(struct flx_preflight *preflight, const struct flx_perf *perf);

/* flx_preflight_print - the header of a run: a few lines, then a line per warning */
void flx_preflight_print(const struct flx_preflight *preflight, FILE *out);

/* flx_preflight_end - the run is over: what was stolen meanwhile, judged again, and a line of it */
void flx_preflight_end(struct flx_preflight *preflight, FILE *out);
