/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * topology - which worker runs on which CPU, and why.
 *
 * A pure plan over an hwloc topology, never with a CPU outside the allowed set. In this order: the
 * first CPU's core last, because housekeeping wants it; physical cores before SMT siblings (a busy
 * sibling takes half a core, a far node only some cache misses); the ports' NUMA nodes before
 * others. What the workers leave is for housekeeping; when that is nothing, all allowed CPUs are,
 * and the control thread floats.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <hwloc.h>

#include "fabric/base.h"

struct flx_placement {
	uint32_t cpu;  /* OS index */
	int32_t numa;  /* OS index of its node; -1: unknown */
	bool shared;   /* other workers have its CPU too: oversubscribed */
	char why[128]; /* "own core, on NUMA node 0 of port 0" */
};

struct flx_plan {
	uint32_t worker_count;
	struct flx_placement worker[FLX_WORKERS_MAX];
	char housekeeping[256]; /* CPU list as EAL writes it: "0,2-5" */
	bool floating;		/* housekeeping shares the workers' CPUs */
};

struct flx_plan_request {
	uint32_t workers;     /* 0: one per free physical core of the ports' nodes, at least 1 */
	const uint32_t *cpus; /* explicit CPUs, one per worker; NULL: choose */
	uint32_t cpu_count;
	const int32_t *port_numa; /* node of each port; -1: unknown */
	uint32_t port_count;
	bool oversubscribe; /* more workers than CPUs are wanted */
};

/*
 * flx_plan_make - fill @plan for @request on @topology
 *
 * 0; -EINVAL: a CPU that is not there, not allowed, or given twice, or more workers than allowed
 * CPUs (unless oversubscribe) or than FLX_WORKERS_MAX. One flx_error names the cause.
 * Context: setup.
 */
int flx_plan_make(struct flx_plan *plan, hwloc_topology_t topology,
		  const struct flx_plan_request *request);

/* The topology of this machine with its allowed set; *@topology is the caller's to destroy. */
int flx_topology_load(hwloc_topology_t *topology);

/* NUMA node of PCI device @address ("0000:81:00.0"); -1: unknown. */
int32_t flx_topology_pci_numa(hwloc_topology_t topology, const char *address);
