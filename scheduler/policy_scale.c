/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * policy_scale - how many workers run: one more when all have much to do, one less when the others
 * could carry it.
 *
 * Between the two lies what keeps the number from flapping: with n workers at 70 % one is added,
 * and it is parked only when the load is below 55 % of n again, a fifth less, by steady loads.
 */
#include "scheduler/policy_draft.h"

/*
 * All are above ACT; and on average above this, it is not waited for that their loads are steady.
 * Lower follows noise; higher lets queues grow while means are taken.
 */
#define ADD_AT_ONCE POINTS(90)
/*
 * What the others would have to carry on average, at most, when one is parked. Higher, and the next
 * rise adds it again; lower, and cores poll that are not needed.
 */
#define PARK POINTS(55)

/* Loads as far apart are alike. Less is noise; more, and work is moved for the sake of idle slices. */
#define ALIKE POINTS(2)

static uint32_t count_active(const struct flx_policy_view *view)
{
	uint32_t count = 0;

	for (uint32_t w = 0; w < view->worker_count; w++)
		count += view->workers[w].state == FLX_POLICY_ACTIVE;
	return count;
}

/* A worker that leaves is warm still; else one on the node where the load is; or NONE. */
static int32_t choose_new(const struct flx_policy_draft *draft)
{
	const struct flx_policy_worker *workers = draft->view->workers;
	int32_t chosen = FLX_POLICY_NONE;

	if (draft->leaving)
		return (int32_t)worker_first(draft->leaving);
	for (uint32_t w = 0; w < draft->view->worker_count; w++) {
		if (workers[w].state != FLX_POLICY_PARKED || workers[w].stalled)
			continue;
		if (chosen == FLX_POLICY_NONE)
			chosen = (int32_t)w;
		if (draft->active &&
		    workers[w].numa == workers[flx_policy_hottest(draft, draft->active)].numa)
			return (int32_t)w;
	}
	return chosen;
}

static bool all_above(const struct flx_policy_draft *draft, const int32_t *demand_ppm)
{
	for (uint64_t left = draft->active; left; left &= left - 1)
		if (demand_ppm[worker_first(left)] <= ACT)
			return false;
	return true;
}

static int64_t sum(uint64_t set, const int32_t *demand_ppm)
{
	int64_t sum_ppm = 0;

	for (uint64_t left = set; left; left &= left - 1)
		sum_ppm += demand_ppm[worker_first(left)];
	return sum_ppm;
}

/* Steadily, or so far that it cannot be noise. */
static bool too_few(const struct flx_policy_draft *draft)
{
	int64_t at_once_ppm = (int64_t)ADD_AT_ONCE * __builtin_popcountll(draft->active);

	if (!draft->active)
		return false;
	if (draft->steady == draft->active && all_above(draft, draft->steady_ppm))
		return true;
	return all_above(draft, draft->quick_ppm) &&
	       sum(draft->active, draft->quick_ppm) > at_once_ppm;
}

bool flx_policy_add(struct flx_policy_draft *draft)
{
	struct flx_policy_plan *plan = draft->plan;
	uint32_t count = count_active(draft->view);

	if (count >= draft->view->workers_max)
		return false;
	if (count >= draft->view->workers_min && !too_few(draft))
		return false;
	plan->add = choose_new(draft);
	if (plan->add == FLX_POLICY_NONE)
		return false;
	if (!plan->move_count)
		flx_policy_judge(draft, FLX_POLICY_ADDS, (uint32_t)plan->add, (uint32_t)plan->add);
	return true;
}

/* Workers with slices that somebody wants to stay. */
static uint64_t pinned(const struct flx_policy_view *view)
{
	uint64_t set = 0;

	for (uint32_t g = 0; g < view->group_count; g++)
		for (uint32_t i = 0; i < view->groups[g].count; i++) {
			const struct flx_policy_slice *slice =
				&view->slices[view->groups[g].first + i];

			if (slice->hold == FLX_POLICY_PINNED)
				set |= worker_bit(slice->owner);
		}
	return set;
}

/* The others would have room, and nothing is about to change. */
static bool fits_into_fewer(const struct flx_policy_draft *draft)
{
	int32_t others = __builtin_popcountll(draft->active) - 1;

	if (draft->view->park_rests || draft->steady != draft->active || others < 1)
		return false;
	return sum(draft->active, draft->steady_ppm) < (int64_t)PARK * others;
}

static uint32_t count_slices(const struct flx_policy_view *view, uint32_t worker)
{
	uint32_t count = 0;

	for (uint32_t g = 0; g < view->group_count; g++)
		for (uint32_t i = 0; i < view->groups[g].count; i++)
			count += view->slices[view->groups[g].first + i].owner == worker;
	return count;
}

/* Of those that have about as little to do as the coldest, who has least to give away. */
static uint32_t choose_parked(const struct flx_policy_draft *draft, uint64_t set)
{
	uint32_t chosen = flx_policy_coldest(draft, set);
	int32_t most_ppm = draft->plan->after_ppm[chosen] + ALIKE;

	for (uint64_t left = set; left; left &= left - 1) {
		uint32_t w = worker_first(left);

		if (draft->plan->after_ppm[w] <= most_ppm &&
		    count_slices(draft->view, w) < count_slices(draft->view, chosen))
			chosen = w;
	}
	return chosen;
}

bool flx_policy_park(struct flx_policy_draft *draft)
{
	uint32_t count = count_active(draft->view);
	uint64_t set;

	if (draft->leaving || count <= draft->view->workers_min)
		return false;
	if (count <= draft->view->workers_max && !fits_into_fewer(draft))
		return false;
	set = draft->active & ~pinned(draft->view);
	if (!set)
		return false;
	draft->plan->park = (int32_t)choose_parked(draft, set);
	flx_policy_judge(draft, FLX_POLICY_PARKS, (uint32_t)draft->plan->park,
			 (uint32_t)draft->plan->park);
	return true;
}
