/* SPDX-License-Identifier: BSD-3-Clause */
#include "scheduler/policy_draft.h"

#include <string.h>

#include <rte_common.h>

/*
 * A difference that is acted upon at once, when it was the lesser at least a tick before; while alert
 * the lesser is enough. Less, and noise moves slices: a worker that loses its CPU for some
 * milliseconds, and makes up for it; more, and a worker that is swamped waits for its mean.
 */
#define URGENT	     POINTS(35)
#define URGENT_ALERT POINTS(25)
/*
 * A difference that is acted upon by loads that have settled, or while alert by steady ones: what must be
 * less than 10 points in the end must not be left at 10. Less, and slices move for what nobody feels;
 * more, and one worker's queue is twice the other's.
 */
#define IMBALANCE	POINTS(10)
#define IMBALANCE_ALERT POINTS(8)
/*
 * Busy for this share of the time is all the time, as measured. Lower, and growth, which is noise
 * where no queue stands, is taken for load; higher, and a full worker passes for one that has room.
 */
#define BUSY POINTS(90)
/*
 * What is believed of growth. Less, and relief takes one more round; more, and one burst looks like
 * the load of several workers.
 */
#define GROWTH_MAX FLX_POLICY_FULL
/*
 * What a standing queue adds, and from which length on in full: one tick's work. Half of IMBALANCE
 * at most, for it will be worked off: more would move slices for it that come back later; with
 * less, a worker that is just full stays late for ever beside one that is not.
 */
#define QUEUE_MAX    POINTS(5)
#define QUEUE_MAX_US 2000

int32_t flx_policy_demand(const struct flx_policy_worker *worker)
{
	uint32_t wait_us = RTE_MAX(worker->queue_us, worker->oldest_us);
	int32_t growth_ppm = RTE_MIN(worker->growth_ppm, GROWTH_MAX);

	if (worker->load_ppm < BUSY)
		return worker->load_ppm;
	wait_us = RTE_MIN(wait_us, (uint32_t)QUEUE_MAX_US);
	return RTE_MAX(worker->load_ppm + growth_ppm, 0) +
	       (int32_t)wait_us * (QUEUE_MAX / QUEUE_MAX_US);
}

uint32_t flx_policy_hottest(const struct flx_policy_draft *draft, uint64_t set)
{
	uint32_t hottest = worker_first(set);

	for (uint64_t left = set; left; left &= left - 1)
		if (draft->plan->after_ppm[worker_first(left)] > draft->plan->after_ppm[hottest])
			hottest = worker_first(left);
	return hottest;
}

uint32_t flx_policy_coldest(const struct flx_policy_draft *draft, uint64_t set)
{
	uint32_t coldest = worker_first(set);

	for (uint64_t left = set; left; left &= left - 1)
		if (draft->plan->after_ppm[worker_first(left)] < draft->plan->after_ppm[coldest])
			coldest = worker_first(left);
	return coldest;
}

static void see_workers(struct flx_policy_draft *draft)
{
	const struct flx_policy_view *view = draft->view;

	for (uint32_t w = 0; w < view->worker_count; w++) {
		const struct flx_policy_worker *worker = &view->workers[w];
		int32_t demand_ppm = flx_policy_demand(worker) + worker->pending_ppm;
		int32_t steady_ppm = worker->steady_ppm + worker->pending_ppm;

		draft->quick_ppm[w] = RTE_MAX(demand_ppm, 0);
		draft->steady_ppm[w] =
			worker->steady ? RTE_MAX(steady_ppm, 0) : draft->quick_ppm[w];
		if (worker->stalled || worker->state == FLX_POLICY_PARKED)
			continue;
		if (worker->state == FLX_POLICY_LEAVING) {
			draft->leaving |= worker_bit(w);
			continue;
		}
		draft->active |= worker_bit(w);
		if (worker->steady)
			draft->steady |= worker_bit(w);
		if (worker->steady && worker->settled)
			draft->settled |= worker_bit(w);
	}
}

/* Groups that are mates, in order, each with a link to the next. */
static void link_mates(struct flx_policy_draft *draft)
{
	uint16_t last[FLX_FLUXIONS_MAX];

	for (uint32_t g = 0; g < draft->view->group_count; g++) {
		uint32_t head = draft->view->groups[g].mates;

		FLX_ASSERT(head <= g);
		FLX_ASSERT(draft->view->groups[g].count == draft->view->groups[head].count);
		draft->next_mate[g] = NO_GROUP;
		if (head != g) {
			draft->next_mate[last[head]] = (uint16_t)g;
			draft->any_mates = true;
		}
		last[head] = (uint16_t)g;
	}
}

/* From here on the plan is judged by @ppm; nothing has been taken yet. */
static void use(struct flx_policy_draft *draft, const int32_t *ppm)
{
	for (uint32_t w = 0; w < draft->view->worker_count; w++)
		draft->plan->before_ppm[w] = draft->plan->after_ppm[w] = ppm[w];
}

/* Whether some worker is so full that it matters who owns what. */
static bool any_hot(const struct flx_policy_draft *draft)
{
	for (uint64_t left = draft->active; left; left &= left - 1) {
		uint32_t w = worker_first(left);

		if (draft->quick_ppm[w] > draft->act_ppm || draft->steady_ppm[w] > draft->act_ppm ||
		    draft->view->workers[w].goes_on)
			return true;
	}
	return false;
}

/* The verdict when moves were made that were not there before. */
static void note_moves(struct flx_policy_draft *draft, uint32_t before,
		       enum flx_policy_verdict verdict)
{
	const struct flx_policy_move *move = &draft->plan->moves[before];

	if (!before && draft->plan->move_count)
		flx_policy_judge(draft, verdict, move->from, move->to);
}

/* Why there is nothing to do, unless a rule has already told. */
static void explain(struct flx_policy_draft *draft)
{
	uint32_t hottest = flx_policy_hottest(draft, draft->active);
	uint64_t others = draft->active & ~worker_bit(hottest);
	uint32_t coldest = others ? flx_policy_coldest(draft, others) : hottest;
	int32_t quick_ppm = draft->quick_ppm[hottest] - draft->quick_ppm[coldest];
	int32_t steady_ppm = draft->steady_ppm[hottest] - draft->steady_ppm[coldest];

	if (draft->plan->verdict != FLX_POLICY_CALM)
		return;
	if (draft->leaving)
		flx_policy_judge(draft, FLX_POLICY_LEAVES, worker_first(draft->leaving), coldest);
	else if (draft->plan->after_ppm[hottest] <= ACT)
		flx_policy_judge(draft, FLX_POLICY_CALM, hottest, coldest);
	else if (!others)
		flx_policy_judge(draft, FLX_POLICY_ALONE, hottest, coldest);
	else if (quick_ppm > IMBALANCE || steady_ppm > IMBALANCE)
		flx_policy_judge(draft, FLX_POLICY_UNSTEADY, hottest, coldest);
	else
		flx_policy_judge(draft, FLX_POLICY_EVEN, hottest, coldest);
}

/* Workers that were far above some other one at the tick before as well. */
static uint64_t confirmed(const struct flx_policy_draft *draft)
{
	const struct flx_policy_worker *workers = draft->view->workers;
	int32_t least_ppm = INT32_MAX;
	uint64_t found = 0;

	for (uint64_t left = draft->active; left; left &= left - 1) {
		int32_t last_ppm = workers[worker_first(left)].last_ppm;

		if (last_ppm != FLX_POLICY_UNKNOWN)
			least_ppm = RTE_MIN(least_ppm, last_ppm);
	}
	for (uint64_t left = draft->active; left; left &= left - 1) {
		int32_t last_ppm = workers[worker_first(left)].last_ppm;

		if (last_ppm > ACT && last_ppm - least_ppm > URGENT_ALERT)
			found |= left & -left;
	}
	return found;
}

/* The rules that move slices because loads differ, or because a worker leaves. */
static void balance(struct flx_policy_draft *draft, bool hot)
{
	struct flx_policy_plan *plan = draft->plan;
	bool alert = draft->view->alert;

	use(draft, draft->quick_ppm);
	draft->sources = alert ? draft->active : confirmed(draft);
	if (hot)
		flx_policy_level(draft, draft->active, alert ? URGENT_ALERT : URGENT);
	note_moves(draft, 0, FLX_POLICY_RELIEVES);
	if (draft->leaving) {
		uint32_t before = plan->move_count;

		flx_policy_empty(draft);
		note_moves(draft, before, FLX_POLICY_LEAVES);
	}
	if (plan->move_count)
		return;
	use(draft, draft->steady_ppm);
	draft->sources = draft->active;
	/* Who could give nothing to somebody far below need not be asked again. */
	draft->served = draft->stuck;
	if (hot)
		flx_policy_level(draft, alert ? draft->steady : draft->settled,
				 alert ? IMBALANCE_ALERT : IMBALANCE);
	note_moves(draft, 0, FLX_POLICY_TUNES);
}

void flx_policy_decide(struct flx_policy_plan *plan, const struct flx_policy_view *view,
		       struct flx_policy_candidate *room)
{
	struct flx_policy_draft draft = {.view = view, .plan = plan, .room = room};
	bool hot;

	FLX_ASSERT(view->worker_count <= FLX_WORKERS_MAX);
	FLX_ASSERT(view->group_count <= FLX_FLUXIONS_MAX);
	memset(plan, 0, sizeof(*plan)); /* padding too: plans are compared */
	plan->add = plan->park = FLX_POLICY_NONE;
	plan->elephant = FLX_POLICY_NONE;
	draft.act_ppm = view->alert ? 0 : ACT;
	see_workers(&draft);
	hot = any_hot(&draft);
	if (hot || draft.leaving)
		link_mates(&draft);
	if (!draft.active)
		flx_policy_judge(&draft, FLX_POLICY_NOBODY, 0, 0);
	else
		balance(&draft, hot);
	if (flx_policy_add(&draft) || plan->move_count || !draft.active)
		return;
	if (hot && draft.any_mates)
		flx_policy_join(&draft, draft.steady);
	note_moves(&draft, 0, FLX_POLICY_MATES);
	if (!plan->move_count && !flx_policy_park(&draft))
		explain(&draft);
}
