/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * policy_mates - slices that exchange messages come together.
 *
 * A message that crosses costs both workers a lane and a cache line; whom it would cost least is
 * not known, so each pair meets at the worker that has less to do. That keeps both as even as they
 * were, whichever way the pairs were torn.
 */
#include "scheduler/policy_draft.h"

#include <rte_common.h>

/* The difference that joining may make. More makes moves to even it out; less stops halfway. */
#define DIFFERENCE POINTS(5)
/* Nobody is filled beyond this. Higher overloads it before the hops are saved; lower never begins
 * where all are busy with hops. */
#define CEILING POINTS(95)

/* One number of mates at two workers: what each has of it. */
struct pair {
	uint32_t worker[2];
	int32_t load_ppm[2];
	bool free[2]; /* all of that may move */
};

/* False when they are not torn. Of more than two workers the first two are taken. */
static bool find_pair(const struct flx_policy_draft *draft, uint32_t head, uint32_t index,
		      struct pair *pair)
{
	*pair = (struct pair){.worker = {NO_WORKER, NO_WORKER}, .free = {true, true}};
	for (uint32_t g = head; g != NO_GROUP; g = draft->next_mate[g]) {
		const struct flx_policy_slice *slice =
			&draft->view->slices[draft->view->groups[g].first + index];
		uint32_t side = pair->worker[0] != NO_WORKER && pair->worker[0] != slice->owner;

		if (pair->worker[side] != NO_WORKER && pair->worker[side] != slice->owner)
			continue;
		pair->worker[side] = slice->owner;
		pair->load_ppm[side] += slice->load_ppm;
		pair->free[side] = pair->free[side] && slice->hold == FLX_POLICY_FREE;
	}
	return pair->worker[1] != NO_WORKER;
}

/* What @side has may go to the other one; its load must be known, and make no new difference. */
static bool may_go(const struct flx_policy_draft *draft, const struct pair *pair, uint32_t side)
{
	uint32_t from = pair->worker[side], to = pair->worker[!side];
	int32_t after_from = draft->plan->after_ppm[from] - pair->load_ppm[side];
	int32_t after_to = draft->plan->after_ppm[to] + pair->load_ppm[side];

	return pair->free[side] && draft->view->workers[from].measured &&
	       after_to - after_from < DIFFERENCE && after_to < CEILING;
}

static void join(struct flx_policy_draft *draft, uint64_t set, uint32_t head, uint32_t index)
{
	const int32_t *after = draft->plan->after_ppm;
	struct flx_policy_candidate candidate = {.head = (uint16_t)head, .index = (uint16_t)index};
	struct pair pair;
	uint32_t side;

	if (!find_pair(draft, head, index, &pair) || !(set & worker_bit(pair.worker[0])) ||
	    !(set & worker_bit(pair.worker[1])) ||
	    RTE_MAX(after[pair.worker[0]], after[pair.worker[1]]) <= ACT)
		return;
	side = after[pair.worker[1]] > after[pair.worker[0]];
	if (!may_go(draft, &pair, side))
		side = !side;
	if (!may_go(draft, &pair, side))
		return;
	flx_policy_weigh(draft, pair.worker[side]);
	flx_policy_take(draft, &candidate, pair.worker[side], pair.worker[!side], FLX_POLICY_JOINS);
}

void flx_policy_join(struct flx_policy_draft *draft, uint64_t set)
{
	const struct flx_policy_group *groups = draft->view->groups;

	for (uint32_t g = 0; g < draft->view->group_count; g++) {
		if (groups[g].mates != g || draft->next_mate[g] == NO_GROUP)
			continue;
		for (uint32_t i = 0; i < groups[g].count && !draft->full; i++)
			join(draft, set, g, i);
	}
}
