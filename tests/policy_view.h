/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * policy_view - views of a few workers, made by hand, and what a plan did with them.
 *
 * There are four groups, 'a' to 'd', of 64 slices. Loads are given in percent: view_load makes a
 * worker with a load that is steady, measured, and in equal parts that of its slices of group 'a'.
 */
#pragma once

#include <string.h>

#include "scheduler/policy.h"
#include "tests/test.h"

#define VIEW_WORKERS 8
#define VIEW_GROUPS  4
#define VIEW_SLICES  64
#define PCT	     (FLX_POLICY_FULL / 100)

struct made {
	struct flx_policy_worker workers[VIEW_WORKERS];
	struct flx_policy_group groups[VIEW_GROUPS];
	struct flx_policy_slice slices[VIEW_GROUPS * VIEW_SLICES];
	struct flx_policy_view view;
	struct flx_policy_candidate room[VIEW_GROUPS * VIEW_SLICES];
	struct flx_policy_plan plan;
};

/* @workers active workers that do nothing, and so many stay; slices are worker 0's. */
static inline void view_init(struct made *made, uint32_t workers)
{
	static const char *const names[] = {"a", "b", "c", "d"};

	*made = (struct made){0};
	for (uint32_t w = 0; w < workers; w++)
		made->workers[w] = (struct flx_policy_worker){
			.numa = -1, .state = FLX_POLICY_ACTIVE, .steady = true, .settled = true};
	for (uint32_t g = 0; g < VIEW_GROUPS; g++)
		made->groups[g] = (struct flx_policy_group){.name = names[g],
							    .first = g * VIEW_SLICES,
							    .count = VIEW_SLICES,
							    .mates = (uint16_t)g};
	for (uint32_t i = 0; i < VIEW_GROUPS * VIEW_SLICES; i++)
		made->slices[i].slice = (uint16_t)(i % VIEW_SLICES);
	made->view = (struct flx_policy_view){.worker_count = workers,
					      .group_count = VIEW_GROUPS,
					      .workers = made->workers,
					      .groups = made->groups,
					      .slices = made->slices,
					      .workers_min = workers,
					      .workers_max = workers};
}

static inline struct flx_policy_slice *view_slice(struct made *made, uint32_t group, uint32_t slice)
{
	return &made->slices[made->groups[group].first + slice];
}

/* Slices @first .. @first + @count - 1 of @group are @owner's and have @pct together. */
static inline void view_put(struct made *made, uint32_t group, uint32_t first, uint32_t count,
			    uint32_t owner, int32_t pct)
{
	for (uint32_t i = 0; i < count; i++) {
		struct flx_policy_slice *slice = view_slice(made, group, first + i);

		slice->owner = (uint8_t)owner;
		slice->load_ppm = pct * PCT / (int32_t)count;
	}
}

/* The load of @worker, of which nothing is said about its slices. */
static inline void view_set(struct made *made, uint32_t worker, int32_t pct)
{
	made->workers[worker].load_ppm = pct * PCT;
	made->workers[worker].last_ppm = pct * PCT;
	made->workers[worker].steady_ppm = pct * PCT;
	made->workers[worker].measured = pct > 60;
}

/* The same, with its share of the slices of group 'a'. */
static inline void view_load(struct made *made, uint32_t worker, int32_t pct)
{
	uint32_t share = VIEW_SLICES / made->view.worker_count;

	view_set(made, worker, pct);
	view_put(made, 0, worker * share, share, worker, pct);
}

static inline void view_decide(struct made *made)
{
	memset(made->room, 0xa5, sizeof(made->room));
	flx_policy_decide(&made->plan, &made->view, made->room);
}

/* Carries the plan out at once. */
static inline void view_carry_out(struct made *made)
{
	for (uint32_t m = 0; m < made->plan.move_count; m++) {
		const struct flx_policy_move *move = &made->plan.moves[m];

		for (uint32_t i = 0; i < move->count; i++)
			view_slice(made, move->group, move->slices[i])->owner = move->to;
	}
	for (uint32_t w = 0; w < made->view.worker_count; w++) {
		made->workers[w].load_ppm = made->plan.after_ppm[w];
		made->workers[w].last_ppm = made->plan.after_ppm[w];
		made->workers[w].steady_ppm = made->plan.after_ppm[w];
		made->workers[w].goes_on = made->plan.unfinished >> w & 1;
	}
}

static inline uint32_t view_moved(const struct made *made)
{
	uint32_t count = 0;

	for (uint32_t m = 0; m < made->plan.move_count; m++)
		count += made->plan.moves[m].count;
	return count;
}

/* The move that takes the slice, or NULL. */
static inline const struct flx_policy_move *view_find(const struct made *made, uint32_t group,
						      uint32_t slice)
{
	for (uint32_t m = 0; m < made->plan.move_count; m++)
		for (uint32_t i = 0; i < made->plan.moves[m].count; i++)
			if (made->plan.moves[m].group == group &&
			    made->plan.moves[m].slices[i] == slice)
				return &made->plan.moves[m];
	return NULL;
}
