/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * policy_candidates - the slices of one worker by size, and how they get into a plan's moves.
 */
#include "scheduler/policy_draft.h"

#include <string.h>

#include <rte_common.h>

#define TAKEN  1 /* flags of a candidate */
#define SINGLE 2

#define SCALE_BITS 20

static const struct flx_policy_slice *slice_at(const struct flx_policy_draft *draft, uint32_t group,
					       uint32_t index)
{
	return &draft->view->slices[draft->view->groups[group].first + index];
}

static int32_t load_of(const struct flx_policy_draft *draft, const struct flx_policy_slice *slice)
{
	if (!draft->measured)
		return draft->share_ppm;
	return (int32_t)(slice->load_ppm * draft->scale >> SCALE_BITS);
}

static uint32_t count_slices(const struct flx_policy_view *view, uint32_t worker)
{
	uint32_t count = 0;

	for (uint32_t g = 0; g < view->group_count; g++) {
		const struct flx_policy_slice *slice = &view->slices[view->groups[g].first];

		for (uint32_t i = 0; i < view->groups[g].count; i++)
			count += slice[i].owner == worker;
	}
	return count;
}

void flx_policy_weigh(struct flx_policy_draft *draft, uint32_t worker)
{
	const struct flx_policy_worker *row = &draft->view->workers[worker];
	int32_t demand_ppm = flx_policy_demand(row);

	draft->measured = row->measured;
	if (!row->measured) {
		uint32_t count = count_slices(draft->view, worker);

		draft->share_ppm = count ? demand_ppm / (int32_t)count : 0;
		return;
	}
	/* What a worker that is full cannot handle comes to its slices as the rest does. */
	draft->scale = 1 << SCALE_BITS;
	if (demand_ppm > row->load_ppm && row->load_ppm > 0)
		draft->scale = ((int64_t)demand_ppm << SCALE_BITS) / row->load_ppm;
}

static uint32_t class_of(int32_t load_ppm)
{
	uint32_t load = (uint32_t)RTE_MIN(load_ppm, 4 * FLX_POLICY_FULL);
	uint32_t power = 31 - (uint32_t)__builtin_clz(load | 8);

	return (power - 3) * 8 + (load >> (power - 3) & 7);
}

static_assert(FLX_POLICY_CLASSES == (22 - 3) * 8 + 8, "2^22 is the first power above 4 FULL");

static void add_candidate(struct flx_policy_draft *draft, struct flx_policy_candidate candidate)
{
	uint32_t index = draft->candidate_count++;
	uint32_t *head = &draft->by_size[class_of(candidate.load_ppm)];

	candidate.next = *head;
	draft->room[index] = candidate;
	*head = index;
	draft->torn = draft->torn || candidate.mate != NO_WORKER;
	if (draft->largest == NO_CANDIDATE ||
	    candidate.load_ppm > draft->room[draft->largest].load_ppm)
		draft->largest = index;
}

/* Slices of @group, which has no mates, or whose mates shall not matter. */
static void gather_singles(struct flx_policy_draft *draft, uint32_t worker, uint32_t group,
			   enum flx_policy_gather what)
{
	const struct flx_policy_slice *slice = slice_at(draft, group, 0);
	uint32_t count = draft->view->groups[group].count;

	for (uint32_t i = 0; i < count; i++, slice++) {
		int32_t load_ppm;

		if (slice->owner != worker || slice->hold != FLX_POLICY_FREE)
			continue;
		load_ppm = load_of(draft, slice);
		if (load_ppm || what == FLX_POLICY_ALL)
			add_candidate(draft, (struct flx_policy_candidate){
						     .load_ppm = load_ppm,
						     .head = (uint16_t)group,
						     .index = (uint16_t)i,
						     .mate = NO_WORKER,
						     .flags = SINGLE,
					     });
	}
}

/* What mates have at @worker as one candidate for each number, unless part of that may not move. */
static void gather_mates(struct flx_policy_draft *draft, uint32_t worker, uint32_t head,
			 enum flx_policy_gather what)
{
	for (uint32_t i = 0; i < draft->view->groups[head].count; i++) {
		struct flx_policy_candidate candidate = {
			.head = (uint16_t)head, .index = (uint16_t)i, .mate = NO_WORKER};
		bool here = false, held = false;

		for (uint32_t g = head; g != NO_GROUP; g = draft->next_mate[g]) {
			const struct flx_policy_slice *slice = slice_at(draft, g, i);

			if (slice->owner != worker) {
				candidate.mate = slice->owner;
				continue;
			}
			here = true;
			held = held || slice->hold != FLX_POLICY_FREE;
			candidate.load_ppm += load_of(draft, slice);
		}
		if (here && !held && (candidate.load_ppm || what == FLX_POLICY_ALL))
			add_candidate(draft, candidate);
	}
}

void flx_policy_gather(struct flx_policy_draft *draft, uint32_t worker, enum flx_policy_gather what)
{
	flx_policy_weigh(draft, worker);
	draft->candidate_count = 0;
	draft->largest = NO_CANDIDATE;
	draft->torn = false;
	memset(draft->by_size, 0xff, sizeof(draft->by_size)); /* NO_CANDIDATE */
	for (uint32_t g = 0; g < draft->view->group_count; g++) {
		bool has_mates =
			draft->view->groups[g].mates != g || draft->next_mate[g] != NO_GROUP;

		if (!has_mates || what == FLX_POLICY_SINGLE)
			gather_singles(draft, worker, g, what);
		else if (draft->view->groups[g].mates == g)
			gather_mates(draft, worker, g, what);
	}
}

/* A move of that group between them that has room. */
static struct flx_policy_move *find_move(struct flx_policy_plan *plan, uint32_t group,
					 uint32_t from, uint32_t to)
{
	for (uint32_t m = 0; m < plan->move_count; m++) {
		struct flx_policy_move *move = &plan->moves[m];

		if (move->group == group && move->from == from && move->to == to &&
		    move->count < FLX_POLICY_SLICES)
			return move;
	}
	return NULL;
}

static void take_slice(struct flx_policy_draft *draft, uint32_t group, uint32_t index,
		       uint32_t from, uint32_t to, enum flx_policy_why why)
{
	struct flx_policy_plan *plan = draft->plan;
	struct flx_policy_move *move = find_move(plan, group, from, to);
	const struct flx_policy_slice *slice = slice_at(draft, group, index);
	int32_t load_ppm = load_of(draft, slice);

	if (!move) {
		move = &plan->moves[plan->move_count++];
		move->group = (uint16_t)group;
		move->from = (uint8_t)from;
		move->to = (uint8_t)to;
		move->why = (uint8_t)why;
	}
	move->slices[move->count++] = slice->slice;
	move->load_ppm += load_ppm;
	plan->after_ppm[from] -= load_ppm;
	plan->after_ppm[to] += load_ppm;
}

static uint32_t next_group(const struct flx_policy_draft *draft,
			   const struct flx_policy_candidate *candidate, uint32_t group)
{
	return candidate->flags & SINGLE ? NO_GROUP : draft->next_mate[group];
}

/* How many moves are missing for the slices of @candidate. */
static uint32_t missing_moves(const struct flx_policy_draft *draft,
			      const struct flx_policy_candidate *candidate, uint32_t from,
			      uint32_t to)
{
	uint32_t missing = 0;

	for (uint32_t g = candidate->head; g != NO_GROUP; g = next_group(draft, candidate, g))
		missing += slice_at(draft, g, candidate->index)->owner == from &&
			   !find_move(draft->plan, g, from, to);
	return missing;
}

bool flx_policy_take(struct flx_policy_draft *draft, struct flx_policy_candidate *candidate,
		     uint32_t from, uint32_t to, enum flx_policy_why why)
{
	if (draft->plan->move_count + missing_moves(draft, candidate, from, to) >
	    FLX_POLICY_MOVES) {
		draft->full = true;
		return false;
	}
	for (uint32_t g = candidate->head; g != NO_GROUP; g = next_group(draft, candidate, g))
		if (slice_at(draft, g, candidate->index)->owner == from)
			take_slice(draft, g, candidate->index, from, to, why);
	candidate->flags |= TAKEN;
	draft->served |= worker_bit(from);
	return true;
}

/* What is to be given, and how much of it is left to give. */
struct gift {
	uint32_t from;
	uint32_t to;
	int32_t amount_ppm;
	int32_t limit_ppm;
	enum flx_policy_why why;
	bool mates_only;
};

/* A slice's load is known to an eighth at best, so one that is that much too large fits. */
static bool fits(const struct flx_policy_candidate *candidate, const struct gift *gift)
{
	return !(candidate->flags & TAKEN) && candidate->load_ppm <= gift->limit_ppm &&
	       candidate->load_ppm - candidate->load_ppm / 8 <= gift->amount_ppm &&
	       (!gift->mates_only || candidate->mate == gift->to);
}

static bool give(struct flx_policy_draft *draft, struct flx_policy_candidate *candidate,
		 struct gift *gift)
{
	if (!flx_policy_take(draft, candidate, gift->from, gift->to, gift->why))
		return false;
	gift->amount_ppm -= candidate->load_ppm;
	gift->limit_ppm -= candidate->load_ppm;
	return true;
}

/* The largest candidate that fits, or NULL. */
static struct flx_policy_candidate *find_largest(const struct flx_policy_draft *draft,
						 const struct gift *gift)
{
	for (uint32_t size = class_of(gift->limit_ppm) + 1; size-- > 0;)
		for (uint32_t c = draft->by_size[size]; c != NO_CANDIDATE; c = draft->room[c].next)
			if (fits(&draft->room[c], gift))
				return &draft->room[c];
	return NULL;
}

/* Fills up the moves that were opened for @opener, with what has the same groups. */
static void fill_up(struct flx_policy_draft *draft, const struct flx_policy_candidate *opener,
		    struct gift *gift)
{
	for (uint32_t size = class_of(gift->limit_ppm) + 1; size-- > 0 && gift->amount_ppm > 0;)
		for (uint32_t c = draft->by_size[size]; c != NO_CANDIDATE;
		     c = draft->room[c].next) {
			struct flx_policy_candidate *candidate = &draft->room[c];

			if (candidate->head != opener->head || !fits(candidate, gift))
				continue;
			if (missing_moves(draft, candidate, gift->from, gift->to))
				return;
			give(draft, candidate, gift);
		}
}

/* Moves are few: the largest decides whose is next, and that one is filled up. */
static void give_all(struct flx_policy_draft *draft, struct gift *gift)
{
	while (gift->amount_ppm > 0 && gift->limit_ppm > 0) {
		struct flx_policy_candidate *largest = find_largest(draft, gift);

		if (!largest || !give(draft, largest, gift))
			return;
		fill_up(draft, largest, gift);
	}
}

int32_t flx_policy_give(struct flx_policy_draft *draft, uint32_t from, uint32_t to,
			int32_t amount_ppm, int32_t limit_ppm, enum flx_policy_why why)
{
	struct gift gift = {from, to, amount_ppm, limit_ppm, why, draft->torn};

	give_all(draft, &gift);
	gift.mates_only = false;
	if (draft->torn)
		give_all(draft, &gift);
	return amount_ppm - gift.amount_ppm;
}

int32_t flx_policy_give_one(struct flx_policy_draft *draft, uint32_t from, uint32_t to,
			    int32_t limit_ppm, enum flx_policy_why why)
{
	for (uint32_t size = 0; limit_ppm > 0 && size <= class_of(limit_ppm); size++) {
		for (uint32_t c = draft->by_size[size]; c != NO_CANDIDATE;
		     c = draft->room[c].next) {
			struct flx_policy_candidate *candidate = &draft->room[c];

			if (candidate->flags & TAKEN || candidate->load_ppm > limit_ppm)
				continue;
			return flx_policy_take(draft, candidate, from, to, why)
				       ? candidate->load_ppm
				       : 0;
		}
	}
	return 0;
}
