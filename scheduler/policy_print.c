/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * policy_print - a plan in words.
 */
#include "scheduler/policy.h"

#include <inttypes.h>

/* A sentence: before, "worker S, at X %", between, "worker O, at Y %", after. */
struct sentence {
	const char *before;
	const char *between;
	const char *after; /* NULL: ends with between */
};

static const struct sentence verdicts[] = {
	[FLX_POLICY_CALM] = {"nothing to do: ", ", has most to do: none is above 70 %", NULL},
	[FLX_POLICY_ALONE] = {"nothing to do: ",
			      ", is the only one that runs, and no other may be added", NULL},
	[FLX_POLICY_EVEN] = {"nothing to do: ", ", is not far above ", ""},
	[FLX_POLICY_UNSTEADY] = {"waiting: ", ", may be above ",
				 ", but their loads are not steady yet"},
	[FLX_POLICY_UNMEASURED] = {"waiting: ", ", is far above ",
				   ", but its slices are not measured yet"},
	[FLX_POLICY_STUCK] = {"nothing to do: ", ", is far above ",
			      ", but none of its slices can move with gain"},
	[FLX_POLICY_RELIEVES] = {"relieving at once ", ", which is far above ", ""},
	[FLX_POLICY_TUNES] = {"evening out ", ", which is steadily above ", ""},
	[FLX_POLICY_LEAVES] = {"emptying ", ", which leaves", NULL},
	[FLX_POLICY_ADDS] = {"adding ", ": all that run are above 70 %, or too few run", NULL},
	[FLX_POLICY_MATES] = {"bringing mates together of ", " and ", ""},
	[FLX_POLICY_PARKS] = {"parking ", ": the others have room, or too many run", NULL},
};

static const char *const whys[] = {
	[FLX_POLICY_EVENS] = "to even out both",
	[FLX_POLICY_ISOLATES] = "to leave a large slice alone",
	[FLX_POLICY_JOINS] = "to be with its mates",
	[FLX_POLICY_TEARS] = "away from its mates, for the worker is full",
	[FLX_POLICY_CROSSES] = "to a NUMA node that has room",
	[FLX_POLICY_EMPTIES] = "for the worker leaves",
};

static const char *const states[] = {
	[FLX_POLICY_PARKED] = ", parked",
	[FLX_POLICY_ACTIVE] = "",
	[FLX_POLICY_LEAVING] = ", leaving",
};

static int32_t percent(int32_t ppm)
{
	return (ppm + FLX_POLICY_FULL / 200) / (FLX_POLICY_FULL / 100);
}

static void print_verdict(const struct flx_policy_plan *plan, FILE *out)
{
	const struct sentence *sentence = &verdicts[plan->verdict];

	if (plan->verdict == FLX_POLICY_NOBODY) {
		fprintf(out, "nothing to do: no worker is both active and not stalled\n");
		return;
	}
	fprintf(out, "%sworker %u, at %" PRId32 " %%%s", sentence->before, plan->subject,
		percent(plan->before_ppm[plan->subject]), sentence->between);
	if (sentence->after)
		fprintf(out, "worker %u, at %" PRId32 " %%%s", plan->object,
			percent(plan->before_ppm[plan->object]), sentence->after);
	fprintf(out, "\n");
}

static void print_elephant(const struct flx_policy_plan *plan, const struct flx_policy_view *view,
			   FILE *out)
{
	for (uint32_t g = 0; g < view->group_count; g++) {
		const struct flx_policy_group *group = &view->groups[g];
		const struct flx_policy_slice *slice = &view->slices[plan->elephant];

		if (plan->elephant >= group->first &&
		    plan->elephant < (int64_t)group->first + group->count)
			fprintf(out,
				"slice %u of '%s' takes %" PRId32 " %% of worker %u by itself\n",
				slice->slice, group->name, percent(slice->load_ppm), slice->owner);
	}
}

static void print_worker(const struct flx_policy_plan *plan, const struct flx_policy_view *view,
			 uint32_t index, FILE *out)
{
	const struct flx_policy_worker *worker = &view->workers[index];

	fprintf(out, "worker %-2u  %3" PRId32 " %% -> %3" PRId32 " %%", index,
		percent(plan->before_ppm[index]), percent(plan->after_ppm[index]));
	if (worker->numa >= 0)
		fprintf(out, "  node %d", worker->numa);
	if (worker->queue_us)
		fprintf(out, "  %" PRIu32 " us wait", worker->queue_us);
	fprintf(out, "%s%s\n", states[worker->state], worker->stalled ? ", stalled" : "");
}

static void print_move(const struct flx_policy_move *move, const struct flx_policy_view *view,
		       FILE *out)
{
	int32_t tenths = (move->load_ppm + FLX_POLICY_FULL / 2000) / (FLX_POLICY_FULL / 1000);

	fprintf(out,
		"move %u slice%s of '%s' (%" PRId32 ".%" PRId32 " %%) from worker %u to %u, %s:",
		move->count, move->count == 1 ? "" : "s", view->groups[move->group].name,
		tenths / 10, tenths % 10, move->from, move->to, whys[move->why]);
	for (uint32_t i = 0; i < move->count; i++)
		fprintf(out, " %u", move->slices[i]);
	fprintf(out, "\n");
}

void flx_policy_print(const struct flx_policy_plan *plan, const struct flx_policy_view *view,
		      FILE *out)
{
	print_verdict(plan, out);
	if (plan->elephant != FLX_POLICY_NONE)
		print_elephant(plan, view, out);
	for (uint32_t w = 0; w < view->worker_count; w++)
		print_worker(plan, view, w, out);
	for (uint32_t m = 0; m < plan->move_count; m++)
		print_move(&plan->moves[m], view, out);
	if (plan->add != FLX_POLICY_NONE)
		fprintf(out, "add worker %" PRId32 "\n", plan->add);
	if (plan->park != FLX_POLICY_NONE)
		fprintf(out, "empty worker %" PRId32 ", then park it\n", plan->park);
	if (plan->unfinished)
		fprintf(out, "more of the same to come: a plan has at most %d moves\n",
			FLX_POLICY_MOVES);
}
