/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/search.h"

#include <math.h>
#include <string.h>

#include <rte_common.h>

#include "fabric/base.h"

#define NONE (-1)
/* Of the narrowest width: fine enough that rates can be near a bound and not at it, and halved twice more. */
#define STEPS_IN_WIDTH 8

static double rate_of(const struct flx_search *search, int32_t at)
{
	return at == search->last ? search->conf.max : search->conf.min * exp(at * search->step);
}

/* The highest step that is not above @rate. */
static int32_t step_below(const struct flx_search *search, double rate)
{
	if (rate <= search->conf.min)
		return 0;
	return RTE_MIN(search->last, (int32_t)(log(rate / search->conf.min) / search->step));
}

/* ----------------------------------------------------------------------------- what a rate is */

enum flx_search_class flx_search_classify(const struct flx_search_sums *sums, uint32_t sum_ms,
					  double exceed)
{
	double good = (double)sums->good_long_ms, balance, excess, bad, whole, allowed;

	/* Short trials: what the good ones do not make up for counts as if it were long. */
	balance = (double)sums->good_short_ms * exceed / (1 - exceed);
	excess = (double)sums->bad_short_ms - balance;
	bad = (double)sums->bad_long_ms + RTE_MAX(0.0, excess);
	whole = RTE_MAX(good + bad, (double)sum_ms);
	allowed = whole * exceed;
	/* What is still missing of the sum, all bad, and all good. */
	if (whole - good <= allowed)
		return FLX_SEARCH_LOWER;
	return bad <= allowed ? FLX_SEARCH_UNDECIDED : FLX_SEARCH_UPPER;
}

/* Sums the trials from @first on that are of one rate; the first that is not. */
static uint32_t sum_up(const struct flx_search *search, uint32_t first, double loss,
		       uint32_t trial_ms, struct flx_search_sums *sums)
{
	uint32_t i = first;

	*sums = (struct flx_search_sums){0};
	for (; i < search->count && search->note[i].at == search->note[first].at; i++) {
		bool good = search->note[i].loss <= loss;
		bool is_long = search->note[i].duration_ms >= trial_ms;
		uint64_t *sum = is_long ? (good ? &sums->good_long_ms : &sums->bad_long_ms)
					: (good ? &sums->good_short_ms : &sums->bad_short_ms);

		*sum += search->note[i].duration_ms;
	}
	return i;
}

/* The relevant bounds of goal @goal by what @phase asks for. */
static struct flx_search_bounds find_bounds(const struct flx_search *search, uint32_t goal,
					    const struct flx_search_phase *phase)
{
	const struct flx_search_goal *asked = &search->conf.goal[goal];
	struct flx_search_bounds bounds = {NONE, NONE};
	struct flx_search_sums sums;

	for (uint32_t i = 0, next; i < search->count && bounds.upper == NONE; i = next) {
		enum flx_search_class class;

		next = sum_up(search, i, asked->loss, phase->trial_ms, &sums);
		class = flx_search_classify(&sums, phase->sum_ms, asked->exceed);
		if (class == FLX_SEARCH_LOWER)
			bounds.lower = search->note[i].at;
		else if (class == FLX_SEARCH_UPPER)
			bounds.upper = search->note[i].at;
	}
	return bounds;
}

/* The first trial at rate @at, which there is: of these, the one that lost least. */
static uint32_t find_first(const struct flx_search *search, int32_t at)
{
	uint32_t i = 0;

	while (search->note[i].at != at)
		i++;
	return i;
}

/* ------------------------------------------------------------------------- what is to be tried next */

/* Whether @at is open: neither of @bounds, nor beyond them. */
static bool is_open(int32_t at, struct flx_search_bounds bounds)
{
	return at != NONE && at > bounds.lower && (bounds.upper == NONE || at < bounds.upper);
}

/* Whether @bounds are all that a phase of @width asks for, or all that there can be. */
static bool is_reached(const struct flx_search *search, struct flx_search_bounds bounds,
		       int32_t width)
{
	if (bounds.upper == 0 || bounds.lower == search->last)
		return true;
	return bounds.lower != NONE && bounds.upper != NONE && bounds.upper - bounds.lower <= width;
}

/*
 * How far from @bound the next rate is to be. Where the last one that was asked became that bound, the
 * knee is further away than was thought, and so twice as far each time.
 */
static int32_t stretch(const struct flx_search *search, struct flx_search_progress *goal,
		       int32_t bound)
{
	if (goal->asked == bound)
		goal->stretch = RTE_MIN(search->last, goal->stretch * 2);
	return goal->stretch;
}

/*
 * A rate below the upper bound, while there is no lower one. At first, when nothing is known, the part
 * that was answered says where the knee is, for a system that still answers what it can when it is asked
 * for more. For one that does not, the rate is too low, and a lower bound: the way up doubles.
 */
static int32_t reach_down(const struct flx_search *search, struct flx_search_progress *goal,
			  int32_t upper)
{
	const struct flx_search_note *least = &search->note[find_first(search, upper)];
	double answered = rate_of(search, upper) * (1 - least->loss);
	int32_t at = upper - stretch(search, goal, upper);

	if (goal->now == 0)
		at = RTE_MIN(at, step_below(search, answered));
	if (at < goal->phase[goal->now].width)
		at = 0;
	if (goal->now == 0)
		goal->before = (struct flx_search_bounds){at, at};
	return at;
}

/* A rate above the lower bound, while there is no upper one. */
static int32_t reach_up(const struct flx_search *search, struct flx_search_progress *goal,
			int32_t lower)
{
	int32_t at = lower + stretch(search, goal, lower);

	return at > search->last - goal->phase[goal->now].width ? search->last : at;
}

/*
 * A rate between the bounds: half way, but where the knee is thought to be near one of them, and one is
 * because another goal tried it, no further from that than the knee may be.
 */
static int32_t divide(const struct flx_search *search, struct flx_search_progress *goal,
		      struct flx_search_bounds bounds)
{
	int32_t middle = (bounds.lower + bounds.upper) / 2;

	if (goal->before.lower != NONE && middle < goal->before.lower)
		return RTE_MAX(middle, bounds.upper - stretch(search, goal, bounds.upper));
	if (goal->before.upper != NONE && middle > goal->before.upper)
		return RTE_MIN(middle, bounds.lower + stretch(search, goal, bounds.lower));
	return middle;
}

/*
 * The rate that @goal is to try in its phase, which is not reached. First whether what the phase
 * before has found is still so: half way between its bounds, for then one of them at most must be tried
 * again to have them at this phase's width. Then outwards, then inwards.
 */
static int32_t choose(const struct flx_search *search, struct flx_search_progress *goal,
		      struct flx_search_bounds bounds)
{
	struct flx_search_bounds before = goal->before;
	bool low = is_open(before.lower, bounds), high = is_open(before.upper, bounds);

	if (low && high && before.upper - before.lower > goal->phase[goal->now].width)
		return (before.lower + before.upper) / 2;
	if (low || high)
		return low ? before.lower : before.upper;
	if (bounds.lower == NONE && bounds.upper == NONE)
		return search->last;
	if (bounds.lower == NONE)
		return reach_down(search, goal, bounds.upper);
	if (bounds.upper == NONE)
		return reach_up(search, goal, bounds.lower);
	return divide(search, goal, bounds);
}

/* A bound of goal @index that has not the whole sum of long trials yet; NONE: both have. */
static int32_t find_short(const struct flx_search *search, uint32_t index,
			  struct flx_search_bounds bounds)
{
	const struct flx_search_goal *asked = &search->conf.goal[index];
	int32_t at[] = {bounds.lower, bounds.upper};
	struct flx_search_sums sums;

	for (uint32_t i = 0; i < RTE_DIM(at); i++) {
		if (at[i] == NONE)
			continue;
		sum_up(search, find_first(search, at[i]), asked->loss, asked->trial_ms, &sums);
		if (sums.good_long_ms + sums.bad_long_ms < asked->sum_ms)
			return at[i];
	}
	return NONE;
}

/* The rate that goal @index is to try, in the phase that it is in then; NONE: it has ended. */
static int32_t advance(struct flx_search *search, uint32_t index)
{
	struct flx_search_progress *goal = &search->goal[index];
	struct flx_search_phase *phase = &goal->phase[goal->now];
	struct flx_search_bounds bounds = find_bounds(search, index, phase);

	while (is_reached(search, bounds, phase->width)) {
		if (goal->now == search->conf.goal[index].phases)
			return find_short(search, index, bounds);
		goal->now++;
		phase++;
		goal->before = bounds;
		goal->asked = NONE;
		goal->stretch = phase->width;
		bounds = find_bounds(search, index, phase);
	}
	if (!is_open(goal->asked, bounds))
		goal->asked = choose(search, goal, bounds);
	return goal->asked;
}

enum flx_search_state flx_search_next(struct flx_search *search, struct flx_search_trial *trial)
{
	for (uint32_t i = 0; i < search->conf.goal_count; i++) {
		const struct flx_search_progress *goal = &search->goal[i];
		int32_t at = advance(search, i);

		if (at == NONE)
			continue;
		*trial = (struct flx_search_trial){
			.rate = rate_of(search, at),
			.duration_ms = goal->phase[goal->now].trial_ms,
			.at = at,
		};
		return search->count < search->conf.trials_max ? FLX_SEARCH_MORE
							       : FLX_SEARCH_IMPOSSIBLE;
	}
	return FLX_SEARCH_DONE;
}

/* ------------------------------------------------------------------------- begin, note and result */

/* The sums of the phases are a geometric series, as in the library; the widths halve. */
static void plan_phases(const struct flx_search_goal *goal, double step,
			struct flx_search_progress *progress)
{
	double factor =
		goal->phases ? pow((double)goal->first_ms / goal->sum_ms, 1.0 / goal->phases) : 1;
	int32_t width = (int32_t)(-log1p(-goal->width) / step + 1e-6);

	for (uint32_t left = 0; left <= goal->phases; left++) {
		struct flx_search_phase *phase = &progress->phase[goal->phases - left];

		phase->width = width << left;
		phase->sum_ms = (uint32_t)lround(goal->sum_ms * pow(factor, left));
		phase->trial_ms = RTE_MIN(goal->trial_ms, phase->sum_ms);
	}
	progress->asked = progress->before.lower = progress->before.upper = NONE;
	progress->stretch = progress->phase[0].width;
}

void flx_search_init(struct flx_search *search, const struct flx_search_conf *conf)
{
	double least = 1, range = log(conf->max / conf->min);

	FLX_ASSERT(conf->goal_count <= FLX_SEARCH_GOALS && conf->trials_max <= FLX_SEARCH_TRIALS);
	FLX_ASSERT(conf->min > 0 && conf->min < conf->max);
	memset(search, 0, sizeof(*search));
	search->conf = *conf;
	for (uint32_t i = 0; i < conf->goal_count; i++)
		least = RTE_MIN(least, conf->goal[i].width);
	search->last = (int32_t)ceil(range / -log1p(-least) * STEPS_IN_WIDTH);
	search->step = range / search->last;
	for (uint32_t i = 0; i < conf->goal_count; i++)
		plan_phases(&conf->goal[i], search->step, &search->goal[i]);
}

void flx_search_note(struct flx_search *search, const struct flx_search_trial *trial,
		     const struct flx_search_result *result)
{
	struct flx_search_note note = {
		.at = trial->at, .duration_ms = trial->duration_ms, .loss = 1};
	uint32_t i = search->count;

	if (result->planned)
		note.loss = (double)result->lost / (double)result->planned;
	FLX_VERIFY(search->count < search->conf.trials_max);
	for (;
	     i > 0 && (search->note[i - 1].at > note.at ||
		       (search->note[i - 1].at == note.at && search->note[i - 1].loss > note.loss));
	     i--)
		search->note[i] = search->note[i - 1];
	search->note[i] = note;
	search->count++;
}

/* The loss of which the long trials at @at have no more, but for a part of exceed: Appendix B. */
static double find_quantile(const struct flx_search *search, const struct flx_search_goal *goal,
			    int32_t at)
{
	uint32_t first = find_first(search, at), next;
	struct flx_search_sums sums;
	double left, loss = 1;

	next = sum_up(search, first, goal->loss, goal->trial_ms, &sums);
	left = (double)RTE_MAX(goal->sum_ms, sums.good_long_ms + sums.bad_long_ms) *
	       (1 - goal->exceed);
	for (uint32_t i = first; i < next && left > 0; i++) {
		if (search->note[i].duration_ms < goal->trial_ms)
			continue;
		loss = search->note[i].loss;
		left -= search->note[i].duration_ms;
	}
	return loss;
}

void flx_search_found(const struct flx_search *search, uint32_t goal,
		      struct flx_search_found *found)
{
	const struct flx_search_goal *asked = &search->conf.goal[goal];
	const struct flx_search_phase *last = &search->goal[goal].phase[asked->phases];
	struct flx_search_bounds bounds = find_bounds(search, goal, last);

	*found = (struct flx_search_found){
		.irregular = bounds.lower == NONE || bounds.upper == NONE ||
			     bounds.upper - bounds.lower > last->width,
	};
	if (bounds.upper != NONE)
		found->upper = rate_of(search, bounds.upper);
	if (bounds.lower == NONE)
		return;
	found->lower = rate_of(search, bounds.lower);
	found->throughput = found->lower * (1 - find_quantile(search, asked, bounds.lower));
}
