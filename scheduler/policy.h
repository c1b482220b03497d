/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * policy - which slices move to which worker, and how many workers run: a pure function.
 *
 * A view goes in: what is known of workers and slices at one tick. A plan comes out: up to 8 moves,
 * or one worker to add or to empty, and why, or why nothing is to be done. There is no clock, no
 * I/O, no allocation, and no floating point, so that the same view gives the same plan on any
 * machine: it can be tested, replayed, and asked what it would do. What must be remembered from
 * tick to tick is in the view: rest.h says which slices rest, steady.h what loads are on average.
 *
 * The rules, in this order; policy.c has the figures and what speaks for each:
 *
 *  1. Relieve: a worker above 70 % and far above another one gives it slices at once, until both are
 *     even, over several ticks where need be. Far is 35 points in two ticks one after the other.
 *  2. Empty: a worker that is leaving gives all its slices to the others.
 *  3. Even out: a worker above 70 % and more than 10 points above another one gives it slices.
 *     Decided by loads that have settled, so that noise moves nothing.
 *  4. Add a worker when all that run are above 70 %.
 *  5. Bring mates together: slices that exchange messages across workers.
 *  6. Park a worker when the others could carry all, at 55 % on average.
 *
 * A relief of 50 points and more is an *alarm*: load has changed, and what it leaves uneven is less likely
 * noise. For 60 ms all is alert: 25 points in one tick are far, loads settle sooner, and 70 % need not be
 * reached.
 *
 * Even means even: sources and targets meet at the mean of the workers concerned. A target is
 * therefore never filled beyond the mean, but for a slice that is larger than what it lacks; it
 * then stays below 80 %, or below the mean where that is more.
 *
 * Of a source the largest slices that fit are moved, for they move the load with the fewest
 * contexts. One that fits nowhere, an elephant, stays, and its worker gives the others away. Slices
 * whose mates are at the target go first. Slices of one number of groups that are mates move
 * together; they are torn apart only where their worker is full and nothing else can be moved.
 *
 * Slices stay on their NUMA node, unless the mean of its workers is above 70 % and 20 points above
 * another node's. Stalled workers get nothing, give nothing and are not counted.
 *
 * Loads are in parts per million of one worker's time; "points" are percent of it.
 */
#pragma once

#include <stdio.h>

#include "fabric/base.h"
#include "fabric/flx.h"

/* One worker's whole time. */
#define FLX_POLICY_FULL	   1000000
#define FLX_POLICY_UNKNOWN (-1)
/* Above this the caller must know the loads of a worker's slices, one by one. */
#define FLX_POLICY_MEASURE (60 * FLX_POLICY_FULL / 100)
/*
 * Slices of one move. They wait together while it goes on, a few loop times: at 8 that is some
 * percent of a worker's messages. More would be felt; fewer, and moves, which cost grace periods
 * whatever they carry, take too long to carry a load.
 */
#define FLX_POLICY_SLICES 8
/*
 * Moves of one plan. Half of what can be in flight, so that the next plan, and an operator, find
 * room although some of this one's are slow. Fewer, and two workers need more than 20 ms to become
 * even; more, and a plan carries loads that nobody has looked at since it began.
 */
#define FLX_POLICY_MOVES 8

enum flx_policy_state {
	FLX_POLICY_PARKED, /* owns nothing, may be added */
	FLX_POLICY_ACTIVE,
	FLX_POLICY_LEAVING, /* being emptied, then parked */
};

struct flx_policy_worker {
	/*
	 * Share of time busy, up to FULL, over about the last half millisecond. Over longer, and
	 * what was moved in the last tick would be moved again, for its load would still show.
	 */
	int32_t load_ppm;
	/*
	 * Beyond load: what came to it less what it handled, over the same time. Negative while it
	 * works off a backlog. From counts of messages, never from a difference of two queue_us,
	 * each of which is off by some percent of all that waits. 0 when not known: demand beyond
	 * FULL is then found step by step.
	 */
	int32_t growth_ppm;
	int32_t last_ppm;    /* demand at the tick before, or UNKNOWN: slices have come or gone */
	int32_t steady_ppm;  /* mean of flx_policy_demand, see steady.h */
	int32_t pending_ppm; /* load of slices on their way to it, less of those that leave it */
	uint32_t queue_us;   /* work that waits for it, as time */
	uint32_t oldest_us;  /* age of the oldest message that waits for it */
	int16_t numa;	     /* -1: unknown */
	uint8_t state;	     /* enum flx_policy_state */
	bool steady;	     /* steady_ppm counts */
	bool settled;	     /* and for small differences, when steady */
	bool measured; /* loads of its slices are known; else each is taken for an equal share */
	bool stalled;
	bool goes_on; /* the last plan was cut short: its bit in unfinished */
};

/* Whether a slice may move. */
enum flx_policy_hold {
	FLX_POLICY_FREE,
	FLX_POLICY_MOVES_NOW,
	FLX_POLICY_RESTS,  /* for a while, see rest.h */
	FLX_POLICY_PINNED, /* until somebody says otherwise */
};

struct flx_policy_slice {
	int32_t load_ppm; /* of one worker, while its owner is measured */
	uint16_t slice;	  /* its number in the group */
	uint8_t owner;
	uint8_t hold; /* enum flx_policy_hold */
};

/*
 * For so long after a relief that was an alarm the view is to say alert. Shorter, and what demand is
 * found step by step stays uneven; longer, and noise is taken for load for longer.
 */
#define FLX_POLICY_ALERT_US 60000
/*
 * Of what was there to handle, the difference that is an alarm. Less, and a CPU that is slow for a moment
 * sounds it; more, and a demand of little more than one worker that comes to one of two does not.
 */
#define FLX_POLICY_ALARM (50 * FLX_POLICY_FULL / 100)

/* A group has 512 slices, or one, or none. */
struct flx_policy_group {
	const char *name; /* for print */
	uint32_t first;	  /* its slices are view->slices[first .. first + count - 1] */
	uint16_t count;
	/*
	 * Number of the first of its mates, itself included: groups with the same slice function
	 * that exchange messages, so that slices of one number belong together. Mates have equal
	 * counts.
	 */
	uint16_t mates;
};

struct flx_policy_view {
	uint32_t worker_count;
	uint32_t group_count; /* up to FLX_FLUXIONS_MAX */
	const struct flx_policy_worker *workers;
	const struct flx_policy_group *groups;
	const struct flx_policy_slice *slices;
	uint32_t workers_min; /* 1 .. workers_max */
	uint32_t workers_max;
	bool alert;	 /* relief began not long ago */
	bool park_rests; /* a worker was added not long ago: nobody is parked */
};

enum flx_policy_why {
	FLX_POLICY_EVENS,    /* the source is far above the target */
	FLX_POLICY_ISOLATES, /* the same, and leaves an elephant alone */
	FLX_POLICY_JOINS,    /* brings mates together */
	FLX_POLICY_TEARS,    /* takes mates apart, for the source is full */
	FLX_POLICY_CROSSES,  /* from one NUMA node to another that has room */
	FLX_POLICY_EMPTIES,  /* the source is leaving */
};

/* Slices of one group from one worker to another. No slice is in two moves of a plan. */
struct flx_policy_move {
	uint16_t group;
	uint8_t from;
	uint8_t to;
	uint8_t why; /* enum flx_policy_why */
	uint8_t count;
	uint16_t slices[FLX_POLICY_SLICES]; /* numbers in the group */
	int32_t load_ppm;		    /* of all */
};

/* What the plan as a whole does, or why it does nothing. */
enum flx_policy_verdict {
	FLX_POLICY_CALM,       /* no worker is above 70 % */
	FLX_POLICY_ALONE,      /* the only one that runs is, and none may be added */
	FLX_POLICY_EVEN,       /* some are, but not far above the others */
	FLX_POLICY_UNSTEADY,   /* a difference that may be noise, or what the last move left */
	FLX_POLICY_UNMEASURED, /* loads of the source's slices are not known yet */
	FLX_POLICY_STUCK,      /* nothing that the source has can be moved with gain */
	FLX_POLICY_RELIEVES,
	FLX_POLICY_TUNES,
	FLX_POLICY_LEAVES, /* a worker is being emptied; nothing may move of it when no moves */
	FLX_POLICY_ADDS,
	FLX_POLICY_MATES,
	FLX_POLICY_PARKS,
	FLX_POLICY_NOBODY, /* no worker that is active and not stalled */
};

#define FLX_POLICY_NONE (-1)

struct flx_policy_plan {
	uint8_t verdict; /* enum flx_policy_verdict */
	uint8_t subject; /* the worker that it is about */
	uint8_t object;	 /* the worker that it was compared to */
	uint32_t move_count;
	struct flx_policy_move moves[FLX_POLICY_MOVES];
	int32_t add;  /* worker to activate, parked or leaving; or NONE */
	int32_t park; /* worker to empty and to park; or NONE */
	/* Workers, a bit each, whose relief was cut short by FLX_POLICY_MOVES. Their slices must
	 * stay measured, and goes_on be set in the next view. */
	uint64_t unfinished;
	/* An elephant of subject, when there is one: index into view->slices; or NONE. */
	int64_t elephant;
	int32_t before_ppm[FLX_WORKERS_MAX]; /* demand, by the loads that decided */
	int32_t after_ppm[FLX_WORKERS_MAX];  /* when all moves are done */
};

/* Whether @plan is an alarm: from now on the views are to be alert. */
static inline bool flx_policy_alarms(const struct flx_policy_plan *plan)
{
	int32_t from_ppm = plan->before_ppm[plan->subject];

	if (from_ppm > FLX_POLICY_FULL)
		from_ppm = FLX_POLICY_FULL;
	return plan->verdict == FLX_POLICY_RELIEVES &&
	       from_ppm - plan->before_ppm[plan->object] > FLX_POLICY_ALARM;
}

/* What a decision works with; opaque. */
struct flx_policy_candidate {
	int32_t load_ppm;
	uint32_t next;
	uint16_t head;
	uint16_t index;
	uint8_t mate;
	uint8_t flags;
};

/*
 * flx_policy_decide - what to do about @view
 * @plan: filled; what it held before does not matter
 * @room: one candidate for each slice of the view, contents do not matter; the caller's
 *
 * Cost in instructions for 8 workers and 2,048 slices (tests/policy_cost.c, gcc 12 -O3): 1,800
 * while no worker is above 70 %, 5,800 while some are but nothing is to be done, 64,000 for a plan
 * with one source, 110,000 with seven, 146,000 where all groups are mates, and 432,000 at most, when
 * seven full workers have nothing that may move. Each source costs a walk over all slices.
 * Context: any thread.
 */
void flx_policy_decide(struct flx_policy_plan *plan, const struct flx_policy_view *view,
		       struct flx_policy_candidate *room);

/*
 * flx_policy_demand - load of a worker that may be above FLX_POLICY_FULL
 *
 * What it was busy with, and when that was all its time, also what came to it beyond. A backlog
 * that does not fall adds up to 5 points: without it a worker that is just full, and late, would
 * look like one that is well used.
 */
int32_t flx_policy_demand(const struct flx_policy_worker *worker);

/*
 * flx_policy_print - @plan for an operator: the reason, workers before and after, and moves
 * Ends each line with a line feed.
 */
void flx_policy_print(const struct flx_policy_plan *plan, const struct flx_policy_view *view,
		      FILE *out);
