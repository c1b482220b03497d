/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/topology.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the plan knows of one CPU of the allowed set. */
struct candidate {
	uint32_t cpu;
	uint32_t core;	  /* logical index of its physical core */
	uint32_t sibling; /* 0: first allowed CPU of its core */
	int32_t numa;
	uint32_t port; /* first port on its node; port_count: none */
	bool reserved; /* shares the core that housekeeping wants */
};

struct candidates {
	uint32_t count;
	struct candidate *row; /* best first */
};

static int32_t numa_of(hwloc_const_nodeset_t nodes)
{
	return nodes ? hwloc_bitmap_first(nodes) : -1;
}

/* The first port on one of @nodes, or the number of ports. */
static uint32_t port_on(const struct flx_plan_request *request, hwloc_const_nodeset_t nodes)
{
	uint32_t port;

	for (port = 0; port < request->port_count; port++) {
		int32_t numa = request->port_numa[port];

		if (numa >= 0 && nodes && hwloc_bitmap_isset(nodes, (unsigned int)numa))
			break;
	}
	return port;
}

/*
 * A remote core costs some cache misses per message, a busy sibling half a core: so physical cores
 * of any node come before siblings, and near ones before far ones among equals.
 */
static int by_preference(const void *left, const void *right)
{
	const struct candidate *a = left, *b = right;

	if (a->reserved != b->reserved)
		return a->reserved ? 1 : -1;
	if (a->sibling != b->sibling)
		return a->sibling < b->sibling ? -1 : 1;
	if (a->port != b->port)
		return a->port < b->port ? -1 : 1;
	if (a->core != b->core)
		return a->core < b->core ? -1 : 1;
	return a->cpu < b->cpu ? -1 : 1;
}

static void candidate_fill(struct candidate *row, hwloc_topology_t topology, hwloc_obj_t unit,
			   const struct flx_plan_request *request)
{
	hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(topology, HWLOC_OBJ_CORE, unit);

	row->cpu = unit->os_index;
	row->core = core ? core->logical_index : unit->logical_index;
	row->numa = numa_of(unit->nodeset);
	row->port = port_on(request, unit->nodeset);
}

/* Which thread of its core each CPU is, and which core is kept for housekeeping: the first CPU's.
 */
static void candidates_relate(struct candidates *all)
{
	uint32_t first = 0;

	for (uint32_t i = 0; i < all->count; i++) {
		if (all->row[i].cpu < all->row[first].cpu)
			first = i;
		for (uint32_t j = 0; j < all->count; j++)
			if (all->row[j].core == all->row[i].core &&
			    all->row[j].cpu < all->row[i].cpu)
				all->row[i].sibling++;
	}
	for (uint32_t i = 0; i < all->count; i++)
		all->row[i].reserved = all->row[i].core == all->row[first].core;
}

static int candidates_init(struct candidates *all, hwloc_topology_t topology,
			   const struct flx_plan_request *request)
{
	hwloc_const_cpuset_t allowed = hwloc_topology_get_allowed_cpuset(topology);
	int units = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PU);
	hwloc_obj_t unit = NULL;

	all->count = 0;
	all->row = calloc((size_t)(units > 0 ? units : 1), sizeof(*all->row));
	if (!all->row)
		return -ENOMEM;
	while ((unit = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_PU, unit)))
		if (hwloc_bitmap_isset(allowed, unit->os_index))
			candidate_fill(&all->row[all->count++], topology, unit, request);
	candidates_relate(all);
	qsort(all->row, all->count, sizeof(*all->row), by_preference);
	return 0;
}

static const struct candidate *candidate_find(const struct candidates *all, uint32_t cpu)
{
	for (uint32_t i = 0; i < all->count; i++)
		if (all->row[i].cpu == cpu)
			return &all->row[i];
	return NULL;
}

/* How @row's node lies to the ports, as an end of a sentence. */
static void describe_node(char *text, size_t size, const struct candidate *row,
			  const struct flx_plan_request *request)
{
	bool known = false;

	for (uint32_t port = 0; port < request->port_count; port++)
		known |= request->port_numa[port] >= 0;
	if (row->port < request->port_count)
		snprintf(text, size, "on NUMA node %d of port %u", row->numa, row->port);
	else if (known)
		snprintf(text, size, "on NUMA node %d, far from the ports: nearer cores are taken",
			 row->numa);
	else if (row->numa >= 0)
		snprintf(text, size, "on NUMA node %d", row->numa);
	else
		snprintf(text, size, "NUMA node unknown");
}

static void share(struct flx_placement *place, uint32_t cpu, uint32_t other)
{
	if (!place->shared)
		snprintf(place->why, sizeof(place->why),
			 "shares CPU %u with worker %u: oversubscribed", cpu, other);
	place->shared = true;
}

static void describe(struct flx_plan *plan, uint32_t worker, const struct candidate *row,
		     const struct candidates *all, const struct flx_plan_request *request)
{
	struct flx_placement *place = &plan->worker[worker];
	char node[64];

	describe_node(node, sizeof(node), row, request);
	for (uint32_t before = 0; before < worker; before++) {
		const struct candidate *other = candidate_find(all, plan->worker[before].cpu);

		if (other->cpu == row->cpu) {
			share(place, row->cpu, before);
			share(&plan->worker[before], row->cpu, worker);
			return;
		}
		if (other->core == row->core) {
			snprintf(place->why, sizeof(place->why),
				 "SMT sibling of worker %u's CPU %u, %s", before, other->cpu, node);
			return;
		}
	}
	snprintf(place->why, sizeof(place->why), "%s, %s", request->cpus ? "as given" : "own core",
		 node);
}

static void place(struct flx_plan *plan, uint32_t worker, const struct candidate *row,
		  const struct candidates *all, const struct flx_plan_request *request)
{
	plan->worker[worker].cpu = row->cpu;
	plan->worker[worker].numa = row->numa;
	describe(plan, worker, row, all, request);
	plan->worker_count = worker + 1;
}

static int place_given(struct flx_plan *plan, const struct candidates *all,
		       const struct flx_plan_request *request, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t cpu = request->cpus[i % request->cpu_count];
		const struct candidate *row = candidate_find(all, cpu);

		if (!row) {
			flx_error(
				"worker %u: CPU %u is not on this machine, or not allowed to this "
				"process; /proc/self/status lists Cpus_allowed",
				i, cpu);
			return -EINVAL;
		}
		for (uint32_t before = 0; before < i && !request->oversubscribe; before++)
			if (plan->worker[before].cpu == row->cpu) {
				flx_error(
					"CPU %u is given to workers %u and %u; a worker polls, so "
					"each wants its own; ask for --oversubscribe to let them "
					"share",
					row->cpu, before, i);
				return -EINVAL;
			}
		place(plan, i, row, all, request);
	}
	return 0;
}

/* One worker per physical core of the ports' nodes, of all nodes when none is known; at least one.
 */
static uint32_t workers_wanted(const struct candidates *all, const struct flx_plan_request *request)
{
	uint32_t near = 0, cores = 0, wanted;

	for (uint32_t i = 0; i < all->count; i++) {
		const struct candidate *row = &all->row[i];

		if (row->sibling > 0 || row->reserved)
			continue;
		cores++;
		near += row->port < request->port_count;
	}
	wanted = near > 0 ? near : cores;
	if (wanted == 0)
		wanted = 1;
	return wanted < FLX_WORKERS_MAX ? wanted : FLX_WORKERS_MAX;
}

static int count_workers(uint32_t *count, const struct candidates *all,
			 const struct flx_plan_request *request)
{
	bool shared = request->oversubscribe && request->workers > request->cpu_count;

	if (request->cpus && request->workers != 0 && request->workers != request->cpu_count &&
	    !shared) {
		flx_error("%u workers but %u CPUs are given; give one CPU per worker",
			  request->workers, request->cpu_count);
		return -EINVAL;
	}
	*count = request->cpus && !shared ? request->cpu_count : request->workers;
	if (*count == 0)
		*count = workers_wanted(all, request);
	if (*count > FLX_WORKERS_MAX) {
		flx_error("%u workers are more than the %u that one fabric has; start a second one",
			  *count, FLX_WORKERS_MAX);
		return -EINVAL;
	}
	if (!request->cpus && *count > all->count && !request->oversubscribe) {
		flx_error("%u workers want %u CPUs, and this process may use %u; ask for fewer, or "
			  "for --oversubscribe to let them share",
			  *count, *count, all->count);
		return -EINVAL;
	}
	return 0;
}

static int plan_housekeeping(struct flx_plan *plan, hwloc_topology_t topology)
{
	hwloc_bitmap_t rest = hwloc_bitmap_alloc();
	int length;

	if (!rest)
		return -ENOMEM;
	hwloc_bitmap_and(rest, hwloc_topology_get_allowed_cpuset(topology),
			 hwloc_topology_get_topology_cpuset(topology));
	for (uint32_t i = 0; i < plan->worker_count; i++)
		hwloc_bitmap_clr(rest, plan->worker[i].cpu);
	plan->floating = hwloc_bitmap_iszero(rest);
	if (plan->floating)
		hwloc_bitmap_and(rest, hwloc_topology_get_allowed_cpuset(topology),
				 hwloc_topology_get_topology_cpuset(topology));
	length = hwloc_bitmap_list_snprintf(plan->housekeeping, sizeof(plan->housekeeping), rest);
	/* A list that does not fit is cut to its first CPU: the control thread needs no more. */
	if (length < 0 || (size_t)length >= sizeof(plan->housekeeping))
		snprintf(plan->housekeeping, sizeof(plan->housekeeping), "%d",
			 hwloc_bitmap_first(rest));
	hwloc_bitmap_free(rest);
	return 0;
}

int flx_plan_make(struct flx_plan *plan, hwloc_topology_t topology,
		  const struct flx_plan_request *request)
{
	struct candidates all;
	uint32_t count;
	int error;

	memset(plan, 0, sizeof(*plan));
	error = candidates_init(&all, topology, request);
	if (error)
		return error;
	error = count_workers(&count, &all, request);
	if (error)
		goto out;
	if (request->cpus)
		error = place_given(plan, &all, request, count);
	else
		for (uint32_t i = 0; i < count; i++)
			place(plan, i, &all.row[i % all.count], &all, request);
	if (!error)
		error = plan_housekeeping(plan, topology);
out:
	free(all.row);
	return error;
}

/* Allowed is what cgroups allow and the affinity of this process (taskset) leaves. */
static int restrict_to_affinity(hwloc_topology_t topology)
{
	hwloc_bitmap_t set = hwloc_bitmap_alloc();
	int error = 0;

	if (!set)
		return -ENOMEM;
	if (hwloc_get_cpubind(topology, set, HWLOC_CPUBIND_THREAD) == 0) {
		hwloc_bitmap_and(set, set, hwloc_topology_get_allowed_cpuset(topology));
		if (hwloc_topology_allow(topology, set, NULL, HWLOC_ALLOW_FLAG_CUSTOM))
			error = -errno;
	}
	hwloc_bitmap_free(set);
	return error;
}

int flx_topology_load(hwloc_topology_t *topology)
{
	int error;

	if (hwloc_topology_init(topology))
		return -ENOMEM;
	/* Disallowed CPUs are kept, so that the allowed set can be narrowed further. */
	hwloc_topology_set_flags(*topology, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED);
	hwloc_topology_set_io_types_filter(*topology, HWLOC_TYPE_FILTER_KEEP_IMPORTANT);
	error = hwloc_topology_load(*topology) ? -errno : restrict_to_affinity(*topology);
	if (error) {
		flx_error("cannot read this machine's topology: %s; is /sys mounted?",
			  strerror(-error));
		hwloc_topology_destroy(*topology);
	}
	return error;
}

int32_t flx_topology_pci_numa(hwloc_topology_t topology, const char *address)
{
	hwloc_obj_t device = hwloc_get_pcidev_by_busidstring(topology, address);
	hwloc_obj_t near = device ? hwloc_get_non_io_ancestor_obj(topology, device) : NULL;

	/* A device that hangs off several nodes is near none of them. */
	if (!near || !near->nodeset || hwloc_bitmap_weight(near->nodeset) != 1)
		return -1;
	return numa_of(near->nodeset);
}
