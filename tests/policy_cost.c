/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * policy_cost - one decision about 8 workers and 2,048 slices, to count its instructions:
 *
 *	valgrind --tool=callgrind --callgrind-out-file=/dev/null \
 *		--toggle-collect=flx_policy_decide build/tests/policy_cost CASE
 *
 * prints them as "Collected". Without arguments it lists the cases and what their plans are.
 */
#include <stdlib.h>
#include <string.h>

#include "scheduler/policy.h"
#include "tests/random.h"

#define WORKERS 8
#define GROUPS	4

static const struct cost_case {
	const char *name;
	uint32_t hot; /* workers at hot_pct, the others at cold_pct */
	int32_t hot_pct, cold_pct;
	bool mates, rest; /* the groups are mates; nothing may move */
} cases[] = {
	{"calm", 0, 0, 50, false, false},      {"even", 8, 80, 0, false, false},
	{"one", 1, 95, 30, false, false},      {"seven", 7, 95, 5, false, false},
	{"mates", 7, 95, 5, true, false},      {"stuck", 7, 95, 5, false, true},
	{"stuck-mates", 7, 95, 5, true, true},
};

static struct flx_policy_worker workers[WORKERS];
static struct flx_policy_group groups[GROUPS];
static struct flx_policy_slice slices[GROUPS * FLX_SLICES];
static struct flx_policy_candidate room[GROUPS * FLX_SLICES];
static struct flx_policy_plan plan;

static void decide(const struct cost_case *row)
{
	struct flx_random random = {1};
	struct flx_policy_view view = {.worker_count = WORKERS,
				       .group_count = GROUPS,
				       .workers = workers,
				       .groups = groups,
				       .slices = slices,
				       .workers_min = WORKERS,
				       .workers_max = WORKERS};

	for (uint32_t w = 0; w < WORKERS; w++) {
		int32_t pct = w < row->hot ? row->hot_pct : row->cold_pct;

		workers[w] = (struct flx_policy_worker){.load_ppm = pct * 10000,
							.steady_ppm = pct * 10000,
							.numa = -1,
							.state = FLX_POLICY_ACTIVE,
							.steady = true,
							.measured = pct > 60};
	}
	for (uint32_t g = 0; g < GROUPS; g++)
		groups[g] = (struct flx_policy_group){.name = "group",
						      .first = g * FLX_SLICES,
						      .count = FLX_SLICES,
						      .mates = (uint16_t)(row->mates ? 0 : g)};
	for (uint32_t i = 0; i < GROUPS * FLX_SLICES; i++) {
		uint32_t share =
			(uint32_t)workers[i % WORKERS].load_ppm * WORKERS / (GROUPS * FLX_SLICES);

		slices[i] = (struct flx_policy_slice){
			.load_ppm = (int32_t)flx_random_between(&random, share / 2, share * 3 / 2),
			.slice = (uint16_t)(i % FLX_SLICES),
			.owner = (uint8_t)(i % WORKERS),
			.hold = row->rest ? FLX_POLICY_RESTS : FLX_POLICY_FREE};
	}
	flx_policy_decide(&plan, &view, room);
}

int main(int argc, char **argv)
{
	bool any = false;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (argc > 1 && strcmp(argv[1], cases[i].name) != 0)
			continue;
		any = true;
		decide(&cases[i]);
		printf("%-12s %u moves, verdict %u\n", cases[i].name, plan.move_count,
		       plan.verdict);
	}
	return any ? EXIT_SUCCESS : EXIT_FAILURE;
}
