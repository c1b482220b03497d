/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * policy_draft - a plan in the making: what the files of the policy share, and nobody else
 * includes.
 *
 * plan->after_ppm is the prediction: every slice that is taken is subtracted from its source and
 * added to its target at once, so each rule sees what those before it have done.
 *
 * Sets of workers are masks, a bit each.
 */
#pragma once

#include "scheduler/policy.h"

#define POINTS(count) ((count) * (FLX_POLICY_FULL / 100))

/*
 * Sources are above this. Lower, and slices move although nobody waits; higher, and latency has
 * already grown when they do: at 70 % of its time a worker's queue is about two messages on
 * average, at 90 % nine (M/M/1).
 */
#define ACT POINTS(70)

#define NO_WORKER    UINT8_MAX
#define NO_GROUP     UINT16_MAX
#define NO_CANDIDATE UINT32_MAX

/*
 * Candidates are kept by size: eight classes for each power of two, so what is in one class differs
 * by up to an eighth, less than anybody can measure. In place of sorting them.
 */
#define FLX_POLICY_CLASSES 160

struct flx_policy_draft {
	const struct flx_policy_view *view;
	struct flx_policy_plan *plan;
	/* Workers that are not stalled. */
	uint64_t active;
	uint64_t steady;  /* of these: steady_ppm counts */
	uint64_t settled; /* of these: for small differences too */
	int32_t act_ppm;  /* what a source has at least: ACT, or nothing while alert */
	uint64_t sources; /* which may give for their loads; those that go on may in any case */
	uint64_t leaving;
	/* Demand with pending moves counted as done: now, and on average. */
	int32_t quick_ppm[FLX_WORKERS_MAX];
	int32_t steady_ppm[FLX_WORKERS_MAX];
	/* By group: the next of its mates, or NO_GROUP. */
	uint16_t next_mate[FLX_FLUXIONS_MAX];
	bool any_mates;
	/* Sources of moves. Gathered once more they would offer what they have given. */
	uint64_t served;
	uint64_t stuck; /* sources that had nothing to give */
	bool full;	/* a slice found no move that had room */
	/* How to tell a slice's load; of the worker that was weighed last. */
	bool measured;
	int64_t scale;	   /* demand per load, times 2^20 */
	int32_t share_ppm; /* of each slice, where they are not measured */
	/* Of the worker that was gathered last. */
	struct flx_policy_candidate *room;
	uint32_t candidate_count;
	uint32_t largest;		      /* candidate */
	uint32_t by_size[FLX_POLICY_CLASSES]; /* first candidate of the class */
	bool torn;			      /* some have mates elsewhere */
};

/* What is gathered of a worker's slices, beside those of one number of mates as one candidate. */
enum flx_policy_gather {
	FLX_POLICY_LOADED, /* that have a load */
	FLX_POLICY_ALL,
	FLX_POLICY_SINGLE, /* that have a load, each for itself */
};

/* flx_policy_judge - what the plan is about, so far */
static inline void flx_policy_judge(struct flx_policy_draft *draft, enum flx_policy_verdict verdict,
				    uint32_t subject, uint32_t object)
{
	draft->plan->verdict = (uint8_t)verdict;
	draft->plan->subject = (uint8_t)subject;
	draft->plan->object = (uint8_t)object;
}

static_assert(FLX_WORKERS_MAX <= 64, "sets of workers are masks of 64 bits");

static inline uint64_t worker_bit(uint32_t worker)
{
	return UINT64_C(1) << worker;
}

static inline uint32_t worker_first(uint64_t set)
{
	return (uint32_t)__builtin_ctzll(set);
}

/* The most and the least loaded of @set, not empty, by the prediction; the first among equals. */
uint32_t flx_policy_hottest(const struct flx_policy_draft *draft, uint64_t set);
uint32_t flx_policy_coldest(const struct flx_policy_draft *draft, uint64_t set);

/* flx_policy_weigh - from here on slices are @worker's: its demand is shared out to them */
void flx_policy_weigh(struct flx_policy_draft *draft, uint32_t worker);

/* flx_policy_gather - candidates := the slices of @worker that are free to move; weighs it */
void flx_policy_gather(struct flx_policy_draft *draft, uint32_t worker,
		       enum flx_policy_gather what);

/*
 * flx_policy_take - put the slices of @candidate into moves from @from to @to
 * False when they do not all fit in; then the draft is full, and none is moved.
 */
bool flx_policy_take(struct flx_policy_draft *draft, struct flx_policy_candidate *candidate,
		     uint32_t from, uint32_t to, enum flx_policy_why why);

/*
 * flx_policy_give - take gathered candidates of @from for @to, about @amount_ppm in all, and never
 * more than @limit_ppm: first those that have mates there, then the largest Returns what was taken.
 */
int32_t flx_policy_give(struct flx_policy_draft *draft, uint32_t from, uint32_t to,
			int32_t amount_ppm, int32_t limit_ppm, enum flx_policy_why why);

/* flx_policy_give_one - the same for the smallest alone, when that is at most @limit_ppm */
int32_t flx_policy_give_one(struct flx_policy_draft *draft, uint32_t from, uint32_t to,
			    int32_t limit_ppm, enum flx_policy_why why);

/*
 * flx_policy_level - rules 1 and 3: workers of @set above 70 %, and more than @begin_ppm above
 * another one of their node, give it slices; then node to node
 */
void flx_policy_level(struct flx_policy_draft *draft, uint64_t set, int32_t begin_ppm);

/* flx_policy_empty - rule 2: slices of the leaving workers go to those of draft->active */
void flx_policy_empty(struct flx_policy_draft *draft);

/* flx_policy_join - rule 5: mates that are at two workers of @set come together at one */
void flx_policy_join(struct flx_policy_draft *draft, uint64_t set);

/*
 * flx_policy_add, flx_policy_park - rules 4 and 6: fill in plan->add, plan->park; false: nothing to
 * do
 */
bool flx_policy_add(struct flx_policy_draft *draft);
bool flx_policy_park(struct flx_policy_draft *draft);
