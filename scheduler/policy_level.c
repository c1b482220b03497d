/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * policy_level - load goes from workers that have too much to those that have least.
 *
 * Sources are served from the hottest down, each with the coldest targets, up to the mean of all.
 * DPDK's event device dsw (drivers/event/dsw) has the thresholds and the idea to predict both ends;
 * RSS++ (Barbette et al., CoNEXT 2019) levels to the mean, which a target that several sources find
 * at once cannot overshoot.
 */
#include "scheduler/policy_draft.h"

#include <rte_common.h>

/*
 * A target stays below this, where a slice takes it beyond the mean. Lower, and large slices find
 * no place; higher, and the target is the next source.
 */
#define CEILING POINTS(80)
/* A relief that was cut short goes on down to this difference. Less is noise; more is not even. */
#define END POINTS(5)
/*
 * One slice that takes the target beyond the mean must make the larger of both smaller by this.
 * Less, and noise sends it back; more, and what could be better stays.
 */
#define GAIN POINTS(5)
/* Less than this is nothing. More, and 64 workers cannot fill one that lacks 10 points. */
#define GRAIN (POINTS(1) / 10)
/* A slice this large may be an elephant; smaller ones always fit beside others. */
#define ELEPHANT POINTS(25)
/* Above this a worker is so full that mates may be torn apart. Lower does so without need. */
#define TEAR POINTS(90)
/*
 * Between means of two NUMA nodes. Less, and contexts are fetched from the other node for ever
 * after for a difference that would pass; more, and a node is full while another one idles.
 */
#define NODE POINTS(20)

static int32_t mean(const struct flx_policy_draft *draft, uint64_t set)
{
	int32_t sum = 0;

	for (uint64_t left = set; left; left &= left - 1)
		sum += draft->plan->after_ppm[worker_first(left)];
	return set ? sum / __builtin_popcountll(set) : 0;
}

/* Gives up to the goal to one target after the other; false when nothing could be given at all. */
static bool share_out(struct flx_policy_draft *draft, uint32_t from, uint64_t targets, int32_t goal,
		      enum flx_policy_why why)
{
	const int32_t *after = draft->plan->after_ppm;
	bool any = false;

	for (;;) {
		uint32_t to = flx_policy_coldest(draft, targets);
		int32_t amount = RTE_MIN(after[from] - goal, goal - after[to]);
		int32_t limit = RTE_MIN(after[from] - GAIN, CEILING) - after[to];

		if (amount < GRAIN)
			return any;
		if (!flx_policy_give(draft, from, to, amount, RTE_MAX(amount, limit), why) &&
		    !flx_policy_give_one(draft, from, to, limit, why))
			return any;
		any = true;
		if (draft->full)
			return any;
	}
}

/* The largest of what was gathered would only make another worker as full as @from is. */
static bool is_elephant(const struct flx_policy_draft *draft, uint32_t from, uint32_t to)
{
	const int32_t *after = draft->plan->after_ppm;

	return draft->largest != NO_CANDIDATE && draft->room[draft->largest].load_ppm >= ELEPHANT &&
	       draft->room[draft->largest].load_ppm > after[from] - after[to] - GAIN;
}

static void relieve(struct flx_policy_draft *draft, uint32_t from, uint64_t targets, int32_t goal,
		    enum flx_policy_why why)
{
	struct flx_policy_plan *plan = draft->plan;
	const struct flx_policy_worker *worker = &draft->view->workers[from];
	uint32_t coldest = flx_policy_coldest(draft, targets);
	bool any;

	if (!worker->measured && !worker->goes_on) {
		flx_policy_judge(draft, FLX_POLICY_UNMEASURED, from, coldest);
		return;
	}
	flx_policy_gather(draft, from, FLX_POLICY_LOADED);
	if (is_elephant(draft, from, coldest)) {
		const struct flx_policy_candidate *largest = &draft->room[draft->largest];

		plan->elephant = draft->view->groups[largest->head].first + largest->index;
		why = why == FLX_POLICY_EVENS ? FLX_POLICY_ISOLATES : why;
	}
	any = share_out(draft, from, targets, goal, why);
	if (!any && !draft->full && draft->any_mates && plan->after_ppm[from] > TEAR) {
		flx_policy_gather(draft, from, FLX_POLICY_SINGLE);
		any = share_out(draft, from, targets, goal, FLX_POLICY_TEARS);
	}
	if (any)
		return;
	draft->stuck |= worker_bit(from);
	/* For now: what moves decides the verdict in the end. */
	flx_policy_judge(draft, FLX_POLICY_STUCK, from, coldest);
}

static bool is_source(const struct flx_policy_draft *draft, uint32_t worker, uint64_t targets,
		      int32_t begin_ppm)
{
	const int32_t *after = draft->plan->after_ppm;
	int32_t difference = after[worker] - after[flx_policy_coldest(draft, targets)];

	if (draft->view->workers[worker].goes_on && difference > END)
		return true;
	return draft->sources & worker_bit(worker) && after[worker] > draft->act_ppm &&
	       difference > begin_ppm;
}

static void level(struct flx_policy_draft *draft, uint64_t sources, uint64_t all, int32_t begin_ppm,
		  enum flx_policy_why why)
{
	uint64_t counted = sources | all;

	while (sources) {
		uint32_t from = flx_policy_hottest(draft, sources);
		uint64_t targets = all & ~worker_bit(from);
		int32_t goal = mean(draft, counted);

		sources &= ~worker_bit(from);
		if (!targets || draft->served & worker_bit(from) ||
		    !is_source(draft, from, targets, begin_ppm))
			continue;
		if (!draft->full)
			relieve(draft, from, targets, goal, why);
		if (draft->full)
			draft->plan->unfinished |= worker_bit(from);
		/* What it cannot give is no load that others could share. */
		if (draft->plan->after_ppm[from] > goal + GRAIN)
			counted &= ~worker_bit(from);
	}
}

static uint64_t node_of(const struct flx_policy_draft *draft, uint64_t set, uint32_t worker)
{
	const struct flx_policy_worker *workers = draft->view->workers;
	uint64_t node = 0;

	for (uint64_t left = set; left; left &= left - 1)
		if (workers[worker_first(left)].numa == workers[worker].numa)
			node |= left & -left;
	return node;
}

static void level_nodes(struct flx_policy_draft *draft, uint64_t set, int32_t begin_ppm)
{
	uint64_t hot = 0, cold = 0, node;

	for (uint64_t left = set; left; left &= ~node) {
		node = node_of(draft, set, worker_first(left));
		if (!hot || mean(draft, node) > mean(draft, hot))
			hot = node;
		if (!cold || mean(draft, node) < mean(draft, cold))
			cold = node;
	}
	if (hot != cold && mean(draft, hot) > ACT &&
	    mean(draft, hot) - mean(draft, cold) > RTE_MAX(begin_ppm, NODE))
		level(draft, hot, cold, begin_ppm, FLX_POLICY_CROSSES);
}

void flx_policy_level(struct flx_policy_draft *draft, uint64_t set, int32_t begin_ppm)
{
	uint64_t node;

	for (uint64_t left = set; left; left &= ~node) {
		node = node_of(draft, set, worker_first(left));
		level(draft, node, node, begin_ppm, FLX_POLICY_EVENS);
	}
	level_nodes(draft, set, begin_ppm);
}

/* Where @candidate goes when its worker leaves: to its mates when they have room, else to @to. */
static uint32_t home_of(const struct flx_policy_draft *draft,
			const struct flx_policy_candidate *candidate, uint32_t to)
{
	uint32_t mate = candidate->mate;

	if (mate != NO_WORKER && draft->active & worker_bit(mate) &&
	    draft->plan->after_ppm[mate] + candidate->load_ppm < CEILING)
		return mate;
	return to;
}

/* Whose turn it is after @last: the coldest's, but for what is idle, that of the next in line. */
static uint32_t next_home(const struct flx_policy_draft *draft,
			  const struct flx_policy_candidate *candidate, uint32_t last)
{
	uint64_t after_last = draft->active & ~(worker_bit(last) | (worker_bit(last) - 1));

	if (candidate->load_ppm)
		return flx_policy_coldest(draft, draft->active);
	return worker_first(after_last ? after_last : draft->active);
}

static void empty(struct flx_policy_draft *draft, uint32_t from)
{
	uint32_t to = flx_policy_coldest(draft, draft->active);
	uint32_t count = 0;   /* given to it in its turn */
	int32_t load_ppm = 0; /* of these */

	flx_policy_gather(draft, from, FLX_POLICY_ALL);
	for (uint32_t size = FLX_POLICY_CLASSES; size-- > 0;) {
		for (uint32_t c = draft->by_size[size]; c != NO_CANDIDATE;
		     c = draft->room[c].next) {
			struct flx_policy_candidate *candidate = &draft->room[c];

			/* One worker at a time, so that moves are filled. */
			if (count == FLX_POLICY_SLICES || load_ppm > END) {
				to = next_home(draft, candidate, to);
				count = 0;
				load_ppm = 0;
			}
			if (!flx_policy_take(draft, candidate, from, home_of(draft, candidate, to),
					     FLX_POLICY_EMPTIES))
				return;
			count++;
			load_ppm += candidate->load_ppm;
		}
	}
}

void flx_policy_empty(struct flx_policy_draft *draft)
{
	for (uint64_t left = draft->leaving; left && draft->active; left &= left - 1)
		empty(draft, worker_first(left));
}
