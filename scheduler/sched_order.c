/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched_order - what an operator has the scheduler do: moves and pins.
 */
#include <errno.h>
#include <string.h>

#include "scheduler/sched.h"

/* As many of the slices that are still elsewhere with one owner as fit a move; 0: none can now. */
static uint32_t choose_ordered(const struct flx_sched *sched, struct flx_move_request *request)
{
	const struct flx_sched_order *order = &sched->order;
	const struct flx_policy_group *group = &sched->groups[order->group];

	for (uint32_t i = group->first; i < group->first + group->count; i++) {
		const struct flx_policy_slice *slice = &sched->slices[i];

		if (!order->wanted[slice->slice] || slice->owner == order->to ||
		    slice->hold == FLX_POLICY_MOVES_NOW || request->count == FLX_MOVE_MAX ||
		    (request->count && slice->owner != request->from))
			continue;
		request->from = slice->owner;
		request->number[request->count++] = slice->slice;
	}
	return request->count;
}

static uint32_t count_left(const struct flx_sched *sched)
{
	const struct flx_policy_group *group = &sched->groups[sched->order.group];
	uint32_t left = 0;

	for (uint32_t i = group->first; i < group->first + group->count; i++)
		left += sched->order.wanted[sched->slices[i].slice] &&
			sched->slices[i].owner != sched->order.to;
	return left;
}

void flx_sched_carry_out(struct flx_sched *sched, uint64_t now_tsc)
{
	struct flx_sched_order *order = &sched->order;
	bool began = true;

	while (order->under_way && began) {
		struct flx_move_request request = {.of = order->group, .to = order->to};

		began = choose_ordered(sched, &request) &&
			flx_sched_begin(sched, &request, 0, now_tsc);
	}
	order->left = count_left(sched);
	if (order->left == 0)
		order->under_way = false;
}

int flx_sched_order(struct flx_sched *sched, uint32_t group, const bool *wanted, uint32_t to,
		    uint64_t now_tsc)
{
	struct flx_sched_order *order = &sched->order;
	uint32_t found = 0;

	if (order->under_way)
		return -EBUSY;
	if (group >= sched->registry->group_count || to >= sched->worker_count)
		return -EINVAL;
	for (uint32_t n = 0; n < sched->groups[group].count; n++)
		found += wanted[sched->slices[sched->groups[group].first + n].slice];
	if (!found)
		return -EINVAL;
	*order = (struct flx_sched_order){
		.number = order->number + 1,
		.group = (uint16_t)group,
		.to = (uint8_t)to,
		.under_way = true,
		.begun_us = flx_sched_us(sched, now_tsc),
	};
	memcpy(order->wanted, wanted, sizeof(order->wanted));
	/* It may not own anything otherwise; and is not to be parked before that was of any use. */
	if (sched->worker[to].state != FLX_POLICY_ACTIVE) {
		sched->worker[to].state = FLX_POLICY_ACTIVE;
		flx_rest_moved(&sched->worker[to].rest, &flx_rest_worker, order->begun_us,
			       FLX_REST_PARKED, FLX_REST_ACTIVE);
	}
	order->left = count_left(sched);
	return 0;
}

uint32_t flx_sched_pin(struct flx_sched *sched, uint32_t group, const bool *wanted, bool pin)
{
	uint32_t changed = 0;

	for (uint32_t n = 0; n < sched->groups[group].count; n++) {
		uint32_t index = sched->groups[group].first + n;
		struct flx_policy_slice *slice = &sched->slices[index];

		if (!wanted[slice->slice] || sched->pinned[index] == pin)
			continue;
		sched->pinned[index] = pin;
		changed++;
		/* It could never be emptied. */
		if (pin && sched->worker[slice->owner].state == FLX_POLICY_LEAVING)
			sched->worker[slice->owner].state = FLX_POLICY_ACTIVE;
		if (slice->hold != FLX_POLICY_MOVES_NOW)
			slice->hold = pin ? FLX_POLICY_PINNED : FLX_POLICY_RESTS;
	}
	return changed;
}
