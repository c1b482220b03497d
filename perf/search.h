/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * search - the highest rates that lose no more than their goals allow, from trials that others run.
 *
 * The rules are those of MLRsearch (draft-ietf-bmwg-mlrsearch, RFC 9971; its Appendix A decides what a rate
 * is, Appendix B what it is worth); which rates are tried is after FD.io CSIT's library of that name. Trials
 * of one rate make it a lower bound of a goal, an upper bound, or leave it undecided; a goal ends with its
 * relevant upper bound, the least of all, and its relevant lower bound, the highest below that. Each goal
 * goes through phases: the first takes few short trials and is content with a wide interval, the last has
 * the duration and the width that the goal asks for; each begins where the one before ended. Goals come one
 * after the other, and are judged by all trials: those of the first spare the next some.
 *
 * What is asked of a goal beyond MLRsearch: that one ends a rate's trials as soon as the rest of the sum
 * could not change what the rate is. Here both bounds get the whole sum in the end, so that "60 s" is true
 * of both, and the throughput is the quantile of all of it, not what it is at worst.
 *
 * Pure: no clock, no I/O, no memory but the struct. It ends: each trial is one of trials_max.
 * Context of everything: one thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define FLX_SEARCH_GOALS  4
#define FLX_SEARCH_PHASES 5 /* before the last */
#define FLX_SEARCH_TRIALS 4096

/*
 * A goal. A hypervisor that takes the CPU once in a while makes each trial lose during which it does so:
 * of one trial of a minute, that is every trial, and the rate that is found says how often the machine
 * pauses, not what runs on it. Of sixty trials of a second more than half are spared, so with an exceed ratio
 * of one half the median trial decides, which is what the draft recommends. For RFC 2544's own rule, where
 * any loss in a minute counts: exceed 0, trial_ms = sum_ms = 60000.
 */
struct flx_search_goal {
	double loss; /* a trial is good when it loses no greater part of what was planned; 0 .. <1 */
	double exceed;	   /* part of the sum that may be of trials that are not; 0 .. <1 */
	double width;	   /* between the bounds, as part of the upper one; >0 .. <1 */
	uint32_t first_ms; /* the sum of the first phase, and its trial where that is shorter */
	uint32_t trial_ms; /* of the last phase; shorter ones count against a rate, not for it */
	uint32_t
		sum_ms; /* of trials at one rate, in the last phase; at least first_ms and trial_ms */
	uint32_t
		phases; /* before the last, up to FLX_SEARCH_PHASES; each has twice the width of the next */
};

struct flx_search_conf {
	struct flx_search_goal goal[FLX_SEARCH_GOALS];
	uint32_t goal_count;
	double min, max;     /* rates, 0 < min < max */
	uint32_t trials_max; /* up to FLX_SEARCH_TRIALS */
};

struct flx_search_trial {
	double rate;
	uint32_t duration_ms;
	int32_t at; /* the rate, as the search counts */
};

struct flx_search_result {
	uint64_t planned; /* rate times duration */
	uint64_t lost;	  /* of these: not answered, or never sent */
};

enum flx_search_state {
	FLX_SEARCH_MORE,       /* run this trial */
	FLX_SEARCH_DONE,       /* all goals have ended */
	FLX_SEARCH_IMPOSSIBLE, /* they have not, and trials_max is reached */
};

/* What a goal has found. */
struct flx_search_found {
	double lower;	   /* 0: there is none: even min loses too much */
	double upper;	   /* 0: there is none: even max does not, and lower is "at least" */
	double throughput; /* of what is offered at lower, what is answered: conditional throughput */
	bool irregular;	   /* a bound is missing, or they are further apart than width */
};

/* Durations of the trials of one rate, by whether they are as long as trial_ms, and good. */
struct flx_search_sums {
	uint64_t good_long_ms, bad_long_ms, good_short_ms, bad_short_ms;
};

enum flx_search_class {
	FLX_SEARCH_UNDECIDED,
	FLX_SEARCH_LOWER,
	FLX_SEARCH_UPPER,
};

/* Of a goal, what a phase asks for. */
struct flx_search_phase {
	int32_t width; /* in steps */
	uint32_t trial_ms, sum_ms;
};

/* Rates, in steps; -1: none. */
struct flx_search_bounds {
	int32_t lower, upper;
};

/* How far a goal is. */
struct flx_search_progress {
	struct flx_search_phase phase[FLX_SEARCH_PHASES + 1];
	uint32_t now;
	struct flx_search_bounds
		before; /* where the knee is thought to be: what the phase before found */
	int32_t asked;	/* the rate that is being decided; -1: none */
	int32_t stretch; /* how far from a bound the next rate is while the knee is not where it was */
};

/* A trial that was run. */
struct flx_search_note {
	int32_t at;
	uint32_t duration_ms;
	double loss;
};

struct flx_search {
	struct flx_search_conf conf;
	/*
	 * Rates are in steps, from 0, which is min, to last, which is max; each is higher than the one before
	 * by the same factor. So what two goals want to try is often the same, and adds up.
	 */
	int32_t last;
	double step; /* logarithm of that factor */
	struct flx_search_progress goal[FLX_SEARCH_GOALS];
	uint32_t count;
	struct flx_search_note note[FLX_SEARCH_TRIALS]; /* by rate, then by loss */
};

/* flx_search_init - begin a search; @conf: copied, and must be as described. */
void flx_search_init(struct flx_search *search, const struct flx_search_conf *conf);

/* flx_search_next - what is to be tried next; the same again until there is a note. */
enum flx_search_state flx_search_next(struct flx_search *search, struct flx_search_trial *trial);

/*
 * flx_search_note - @trial, which came from flx_search_next, had this @result
 * A trial for which nothing was planned has shown nothing, and is taken to have lost all.
 */
void flx_search_note(struct flx_search *search, const struct flx_search_trial *trial,
		     const struct flx_search_result *result);

/* flx_search_found - what goal @goal has found so far; that is its result once the search is done. */
void flx_search_found(const struct flx_search *search, uint32_t goal,
		      struct flx_search_found *found);

/* flx_search_classify - what a rate with such trials is, by Appendix A of the draft. */
enum flx_search_class flx_search_classify(const struct flx_search_sums *sums, uint32_t sum_ms,
					  double exceed);
