/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "fabric/topology.h"
#include "tests/test.h"

/* A machine in hwloc's synthetic form, with only @allowed ("": all) of its CPUs ours. */
static hwloc_topology_t machine(const char *synthetic, const char *allowed)
{
	hwloc_topology_t topology;
	hwloc_bitmap_t set;

	CU_ASSERT_FATAL(hwloc_topology_init(&topology) == 0);
	CU_ASSERT_FATAL(hwloc_topology_set_synthetic(topology, synthetic) == 0);
	hwloc_topology_set_flags(topology, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED);
	CU_ASSERT_FATAL(hwloc_topology_load(topology) == 0);
	if (allowed[0] == '\0')
		return topology;
	set = hwloc_bitmap_alloc();
	CU_ASSERT_FATAL(hwloc_bitmap_list_sscanf(set, allowed) == 0);
	CU_ASSERT_FATAL(hwloc_topology_allow(topology, set, NULL, HWLOC_ALLOW_FLAG_CUSTOM) == 0);
	hwloc_bitmap_free(set);
	return topology;
}

static void cpus_of(const struct flx_plan *plan, char *text, size_t size)
{
	size_t length = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < plan->worker_count; i++)
		length += (size_t)snprintf(text + length, size - length, "%s%u", i ? "," : "",
					   plan->worker[i].cpu);
}

#define TWO_CPUS      "numa:1 core:2 pu:1"
#define SMT_FOUR      "numa:1 core:4 pu:2(indexes=core)" /* core c: CPUs c and c + 4 */
#define TWO_NODES     "package:2 numa:1 core:4 pu:1"	 /* node 0: 0-3, node 1: 4-7 */
#define TWO_NODES_SMT "package:2 numa:1 core:2 pu:2"	 /* core c: 2c, 2c + 1; node 1: 4-7 */
#define NO_PORT	      INT32_MIN

struct row {
	const char *machine, *allowed;
	uint32_t workers;
	int32_t port_numa; /* NO_PORT: none */
	bool oversubscribe;
	const char *cpus, *housekeeping;
	bool floating;
	const char *why; /* of the last worker, in part */
};

static const struct row rows[] = {
	{TWO_CPUS, "", 1, NO_PORT, false, "1", "0", false, "own core, on NUMA node 0"},
	{TWO_CPUS, "", 0, NO_PORT, false, "1", "0", false, "own core"},
	{TWO_CPUS, "", 2, NO_PORT, false, "1,0", "0-1", true, "own core"},
	{TWO_CPUS, "", 3, NO_PORT, true, "1,0,1", "0-1", true, "shares CPU 1 with worker 0"},
	{TWO_CPUS, "1", 1, NO_PORT, false, "1", "1", true, "own core"},
	{"pu:1", "", 0, NO_PORT, false, "0", "0", true, "own core"},
	{SMT_FOUR, "", 0, 0, false, "1,2,3", "0,4-7", false, "on NUMA node 0 of port 0"},
	{SMT_FOUR, "", 4, 0, false, "1,2,3,5", "0,4,6-7", false, "SMT sibling of worker 0's CPU 1"},
	{SMT_FOUR, "", 7, 0, false, "1,2,3,5,6,7,0", "4", false, "own core"},
	{SMT_FOUR, "", 8, 0, false, "1,2,3,5,6,7,0,4", "0-7", true, "SMT sibling of worker 6"},
	{SMT_FOUR, "4-7", 0, 0, false, "5,6,7", "4", false, "own core"},
	{TWO_NODES, "", 0, 1, false, "4,5,6,7", "0-3", false, "on NUMA node 1 of port 0"},
	{TWO_NODES, "", 0, 0, false, "1,2,3", "0,4-7", false, "on NUMA node 0 of port 0"},
	{TWO_NODES, "", 4, 0, false, "1,2,3,4", "0,5-7", false, "far from the ports"},
	{TWO_NODES, "", 0, -1, false, "1,2,3,4,5,6,7", "0", false, "on NUMA node 1"},
	{TWO_NODES, "2-5", 2, 1, false, "4,5", "2-3", false, "of port 0"},
	{TWO_NODES_SMT, "", 3, 0, false, "2,4,6", "0-1,3,5,7", false, "far from the ports"},
	{TWO_NODES_SMT, "", 4, 0, false, "2,4,6,3", "0-1,5,7", false, "SMT sibling"},
};

static void check_row(const struct row *row)
{
	hwloc_topology_t topology = machine(row->machine, row->allowed);
	struct flx_plan_request request = {
		.workers = row->workers,
		.port_numa = &row->port_numa,
		.port_count = row->port_numa == NO_PORT ? 0 : 1,
		.oversubscribe = row->oversubscribe,
	};
	struct flx_plan plan;
	char cpus[256];

	CU_ASSERT_EQUAL_FATAL(flx_plan_make(&plan, topology, &request), 0);
	cpus_of(&plan, cpus, sizeof(cpus));
	CU_ASSERT_STRING_EQUAL(cpus, row->cpus);
	CU_ASSERT_STRING_EQUAL(plan.housekeeping, row->housekeeping);
	CU_ASSERT_EQUAL(plan.floating, row->floating);
	CU_ASSERT_PTR_NOT_NULL(strstr(plan.worker[plan.worker_count - 1].why, row->why));
	if (strcmp(cpus, row->cpus) != 0 ||
	    !strstr(plan.worker[plan.worker_count - 1].why, row->why))
		printf("\n  %s: CPUs %s, not %s; '%s'\n", row->machine, cpus, row->cpus,
		       plan.worker[plan.worker_count - 1].why);
	hwloc_topology_destroy(topology);
}

static void test_plan_places_workers_as_the_table_says(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_row(&rows[i]);
}

static void test_plan_serves_the_nodes_of_two_ports_in_turn(void)
{
	hwloc_topology_t topology = machine(TWO_NODES, "");
	const int32_t numa[] = {1, 0};
	struct flx_plan_request request = {.port_numa = numa, .port_count = 2};
	struct flx_plan plan;
	char cpus[256];

	CU_ASSERT_EQUAL(flx_plan_make(&plan, topology, &request), 0);
	cpus_of(&plan, cpus, sizeof(cpus));
	CU_ASSERT_STRING_EQUAL(cpus, "4,5,6,7,1,2,3");
	hwloc_topology_destroy(topology);
}

static void test_plan_takes_given_cpus_or_names_the_fault(void)
{
	static const struct {
		uint32_t workers, count, cpu[3];
		int expected;
	} given[] = {
		{0, 2, {3, 2}, 0},    {2, 2, {0, 1}, 0},    {0, 2, {2, 2}, -EINVAL},
		{0, 1, {9}, -EINVAL}, {0, 1, {6}, -EINVAL}, {3, 2, {1, 2}, -EINVAL},
	};
	hwloc_topology_t topology = machine(TWO_NODES, "0-3");

	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
		struct flx_plan_request request = {
			.workers = given[i].workers,
			.cpus = given[i].cpu,
			.cpu_count = given[i].count,
		};
		struct flx_plan plan;

		CU_ASSERT_EQUAL(flx_plan_make(&plan, topology, &request), given[i].expected);
		if (given[i].expected == 0) {
			CU_ASSERT_EQUAL(plan.worker_count, given[i].count);
			CU_ASSERT_EQUAL(plan.worker[0].cpu, given[i].cpu[0]);
			CU_ASSERT_PTR_NOT_NULL(strstr(plan.worker[0].why, "as given"));
		}
	}
	hwloc_topology_destroy(topology);
}

static void test_plan_lets_workers_share_the_cpus_given_when_asked_to(void)
{
	static const uint32_t cpus[] = {2, 1, 2};
	hwloc_topology_t topology = machine(TWO_NODES, "0-3");
	struct flx_plan_request request = {.cpus = cpus, .cpu_count = 3, .oversubscribe = true};
	struct flx_plan plan;

	CU_ASSERT_EQUAL(flx_plan_make(&plan, topology, &request), 0);
	CU_ASSERT_EQUAL(plan.worker_count, 3);
	CU_ASSERT_STRING_EQUAL(plan.worker[0].why, "shares CPU 2 with worker 2: oversubscribed");
	CU_ASSERT_STRING_EQUAL(plan.worker[2].why, "shares CPU 2 with worker 0: oversubscribed");
	CU_ASSERT_TRUE(plan.worker[0].shared && !plan.worker[1].shared && plan.worker[2].shared);
	/* More workers than CPUs: over and over. */
	request.cpu_count = 2;
	request.workers = 5;
	CU_ASSERT_EQUAL(flx_plan_make(&plan, topology, &request), 0);
	CU_ASSERT_EQUAL(plan.worker_count, 5);
	CU_ASSERT_EQUAL(plan.worker[3].cpu, 1);
	CU_ASSERT_EQUAL(plan.worker[4].cpu, 2);
	request.workers = 1;
	CU_ASSERT_EQUAL(flx_plan_make(&plan, topology, &request), -EINVAL);
	hwloc_topology_destroy(topology);
}

static void test_plan_refuses_more_workers_than_cpus(void)
{
	hwloc_topology_t topology = machine(TWO_CPUS, "");
	struct flx_plan_request request = {.workers = 3};
	struct flx_plan plan;

	CU_ASSERT_EQUAL(flx_plan_make(&plan, topology, &request), -EINVAL);
	request.oversubscribe = true;
	request.workers = FLX_WORKERS_MAX;
	CU_ASSERT_EQUAL(flx_plan_make(&plan, topology, &request), 0);
	request.workers = FLX_WORKERS_MAX + 1;
	CU_ASSERT_EQUAL(flx_plan_make(&plan, topology, &request), -EINVAL);
	hwloc_topology_destroy(topology);
}

static void test_plan_keeps_to_the_affinity_of_the_process(void)
{
	cpu_set_t before, one;
	hwloc_topology_t topology;
	struct flx_plan_request request = {0};
	struct flx_plan plan;
	size_t cpu = 0;

	CU_ASSERT_FATAL(sched_getaffinity(0, sizeof(before), &before) == 0);
	while (!CPU_ISSET(cpu, &before))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	CU_ASSERT_FATAL(sched_setaffinity(0, sizeof(one), &one) == 0);
	CU_ASSERT_EQUAL_FATAL(flx_topology_load(&topology), 0);
	CU_ASSERT_EQUAL(flx_plan_make(&plan, topology, &request), 0);
	CU_ASSERT_EQUAL(plan.worker_count, 1);
	CU_ASSERT_EQUAL(plan.worker[0].cpu, cpu);
	CU_ASSERT_TRUE(plan.floating);
	CU_ASSERT_EQUAL(flx_topology_pci_numa(topology, "ffff:ff:1f.7"), -1);
	CU_ASSERT_EQUAL(flx_topology_pci_numa(topology, "nonsense"), -1);
	hwloc_topology_destroy(topology);
	sched_setaffinity(0, sizeof(before), &before);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_plan_places_workers_as_the_table_says),
		FLX_TEST(test_plan_serves_the_nodes_of_two_ports_in_turn),
		FLX_TEST(test_plan_takes_given_cpus_or_names_the_fault),
		FLX_TEST(test_plan_lets_workers_share_the_cpus_given_when_asked_to),
		FLX_TEST(test_plan_refuses_more_workers_than_cpus),
		FLX_TEST(test_plan_keeps_to_the_affinity_of_the_process),
		{0},
	};

	return flx_test_main("topology", tests);
}
