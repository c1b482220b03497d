/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/sched_serve.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "apps/timeline.h"
#include "apps/value.h"

#define HISTORY_DEFAULT 20
/* The history may reach farther back, but then there is little to be seen in a picture of it. */
#define TIMELINE_MOST_S 3600
/* An order that takes longer goes on by itself. */
#define ORDER_WAIT_US 3000000

/* ---------------------------------------------------------------------------------------- showing */

static const char *state_name(uint32_t state)
{
	static const char *const names[] = {
		[FLX_POLICY_PARKED] = "parked",
		[FLX_POLICY_ACTIVE] = "active",
		[FLX_POLICY_LEAVING] = "leaving",
	};

	return names[state];
}

static void print_moves(struct flx_sched *sched, FILE *out)
{
	const struct flx_sched_counts *counts = &sched->counts;
	uint32_t *pauses = malloc(FLX_HISTORY_MOVES * sizeof(*pauses));
	uint32_t found = pauses ? flx_history_pauses(&sched->history, pauses) : 0;

	fprintf(out,
		"scheduler %s: %" PRIu64 " slices in %" PRIu64 " moves (%" PRIu64
		" undone), %" PRIu64 " under way; %" PRIu64 " messages waited\n",
		flx_sched_mode_name(sched->mode), counts->slices, counts->moves, counts->undone,
		(uint64_t)__builtin_popcountll(flx_migrate_under_way(sched->migrate)),
		counts->parked);
	if (found)
		fprintf(out,
			"pause of a move that any waited for: p50 %" PRIu32 " us, p99 %" PRIu32
			" us, most %" PRIu32 " us, of the last %" PRIu32 "\n",
			pauses[found / 2], pauses[(uint64_t)found * 99 / 100], pauses[found - 1],
			found);
	free(pauses);
}

/* Slices that worker @w owns, and of these those that are pinned. */
static void count_slices(const struct flx_sched *sched, uint32_t w, uint32_t *owned,
			 uint32_t *pinned)
{
	*owned = *pinned = 0;
	for (uint32_t i = 0; i < sched->slice_count; i++) {
		if (sched->slices[i].owner != w)
			continue;
		++*owned;
		*pinned += sched->pinned[i];
	}
}

static int print_status(struct flx_sched *sched, struct flx_answer *answer)
{
	FILE *out = answer->out;

	print_moves(sched, out);
	fprintf(out, "%-6s %-8s %5s %10s %10s %7s %7s\n", "worker", "state", "busy", "waiting",
		"oldest", "slices", "pinned");
	for (uint32_t w = 0; w < sched->worker_count; w++) {
		const struct flx_policy_worker *row = &sched->rows[w];
		uint32_t owned, pinned;

		count_slices(sched, w, &owned, &pinned);
		fprintf(out,
			"%-6" PRIu32 " %-8s %4" PRId32 "%% %7" PRIu32 " us %7" PRIu32
			" us %7" PRIu32 " %7" PRIu32 "%s\n",
			w, state_name(sched->worker[w].state), row->load_ppm / 10000, row->queue_us,
			row->oldest_us, owned, pinned, row->stalled ? "  stalled" : "");
	}
	return 0;
}

static void print_move(const struct flx_sched *sched, const struct flx_history_move *move,
		       uint64_t now_us, FILE *out)
{
	bool buckets = move->kind == FLX_MOVE_BUCKETS;

	fprintf(out, "%8.3f s ago  ", (double)(now_us - move->ended_us) / 1e6);
	if (buckets)
		fprintf(out, "port %u: ", move->of);
	else
		fprintf(out, "%s: ", sched->registry->group[move->of].name);
	/* Those of a move need not be neighbours. */
	fprintf(out, "%u %s%s, ", move->count, buckets ? "bucket" : "slice",
		move->count == 1 ? "" : "s");
	fprintf(out, "%s%u, %s %u -> %u, in %" PRIu64 " us",
		move->count == 1 ? "number " : "the first is ", move->first,
		buckets ? "queue" : "worker", move->from, move->to,
		move->ended_us - move->begun_us);
	if (move->parked)
		fprintf(out, ", %" PRIu32 " messages waited up to %" PRIu32 " us", move->parked,
			move->pause_us);
	fprintf(out, "%s\n", move->undone ? ", undone" : "");
}

static int print_history(struct flx_sched *sched, const char *number, struct flx_answer *answer)
{
	uint64_t wanted = HISTORY_DEFAULT, first = flx_history_first_move(&sched->history);
	uint64_t now_us = (rte_rdtsc() - sched->begun_tsc) / (sched->tsc_hz / 1000000);
	const char *why = number ? flx_value_number(number, 1, FLX_HISTORY_MOVES, &wanted) : NULL;

	if (why)
		return flx_answer_refuse(answer, -EINVAL, "%s: %s; give 1..%d moves", number, why,
					 FLX_HISTORY_MOVES);
	if (sched->history.move_count - first > wanted)
		first = sched->history.move_count - wanted;
	if (first == sched->history.move_count)
		fprintf(answer->out, "no moves yet\n");
	for (; first < sched->history.move_count; first++)
		print_move(sched, flx_history_move(&sched->history, first), now_us, answer->out);
	return 0;
}

/* Draws it, which takes a while, without the lock. */
static int print_timeline(struct flx_sched *sched, const char *number, struct flx_answer *answer)
{
	uint64_t seconds = TIMELINE_MOST_S;
	const char *why = number ? flx_value_number(number, 1, TIMELINE_MOST_S, &seconds) : NULL;
	struct flx_timeline_conf conf = {.title = "flx: load and moves", .zero = "now"};
	struct flx_history history;
	int rc;

	if (why)
		return flx_answer_refuse(answer, -EINVAL, "%s: %s; give 1..%d seconds", number, why,
					 TIMELINE_MOST_S);
	flx_sched_lock(sched);
	rc = flx_history_copy(&history, &sched->history);
	conf.until_us = flx_sched_us(sched, rte_rdtsc());
	flx_sched_unlock(sched);
	if (rc)
		return flx_answer_refuse(answer, rc, "no memory for a copy of the history");
	conf.zero_us = conf.until_us;
	if (conf.until_us > seconds * 1000000)
		conf.from_us = conf.until_us - seconds * 1000000;
	flx_timeline_print(&history, &conf, answer->out);
	flx_history_fini(&history);
	return 0;
}

static int print_plan(struct flx_sched *sched, struct flx_answer *answer)
{
	flx_sched_decide(sched, rte_rdtsc());
	flx_policy_print(&sched->plan, &sched->view, answer->out);
	/* Asked for, not to be carried out. */
	sched->plan.unfinished = 0;
	if (sched->mode == FLX_SCHED_AUTO)
		fprintf(answer->out, "scheduler auto: it decides again every %d ms\n",
			FLX_SCHED_TICK_US / 1000);
	return 0;
}

static int set_mode(struct flx_sched *sched, const char *word, struct flx_answer *answer)
{
	for (uint32_t mode = 0; mode < FLX_SCHED_MODES; mode++)
		if (strcmp(word, flx_sched_mode_name((enum flx_sched_mode)mode)) == 0) {
			sched->mode = (enum flx_sched_mode)mode;
			fprintf(answer->out, "scheduler %s\n", word);
			return 0;
		}
	return flx_answer_refuse(answer, -EINVAL,
				 "%s: not to be asked of the scheduler; give plan, history, "
				 "timeline, auto, observe, off, or nothing",
				 word);
}

static int serve(struct flx_sched *sched, const struct flx_request *request,
		 struct flx_answer *answer)
{
	const char *word = request->word[1];

	if (!word)
		return print_status(sched, answer);
	if (strcmp(word, "plan") == 0)
		return print_plan(sched, answer);
	if (strcmp(word, "history") == 0)
		return print_history(sched, request->word[2], answer);
	return set_mode(sched, word, answer);
}

int flx_sched_serve(struct flx_sched *sched, const struct flx_request *request,
		    struct flx_answer *answer)
{
	const char *word = request->word[1];
	bool timeline = word && strcmp(word, "timeline") == 0;
	uint32_t most = timeline || (word && strcmp(word, "history") == 0) ? 3 : 2;
	enum flx_sched_mode mode;
	bool mode_changed;
	int rc;

	if (request->count > most)
		return flx_answer_refuse(answer, -EINVAL, "%s: one too many; see flx help",
					 request->word[most]);
	if (timeline)
		return print_timeline(sched, request->word[2], answer);
	flx_sched_lock(sched);
	mode = sched->mode;
	rc = serve(sched, request, answer);
	mode_changed = mode != sched->mode;
	flx_sched_unlock(sched);
	if (mode_changed)
		flx_sched_poke(sched);
	return rc;
}

/* --------------------------------------------------------------------------------------- ordering */

/* Slices as an operator names them. */
struct chosen {
	uint32_t group;
	uint32_t count;
	bool wanted[FLX_SLICES];
};

static int find_group(const struct flx_registry *registry, const char *name, size_t size)
{
	for (uint32_t g = 0; g < registry->group_count; g++)
		if (strlen(registry->group[g].name) == size &&
		    memcmp(registry->group[g].name, name, size) == 0)
			return (int)g;
	return -1;
}

/* All slices that there are of the group, or those that @list names. */
static const char *choose_slices(const struct flx_group *group, const char *list,
				 struct chosen *chosen)
{
	const char *why = NULL;

	if (list)
		why = flx_value_set(list, FLX_SLICES, chosen->wanted);
	else
		memset(chosen->wanted, true, sizeof(chosen->wanted));
	if (why)
		return why;
	for (uint32_t s = 0; s < FLX_SLICES; s++) {
		if (group->mode == FLX_PLACE_SINGLE && s != group->slice)
			chosen->wanted[s] = false;
		chosen->count += chosen->wanted[s];
	}
	return chosen->count ? NULL : "the group has one slice, and it is another";
}

/* GROUP[:SLICES] */
static int choose(const struct flx_sched *sched, const char *word, struct chosen *chosen,
		  struct flx_answer *answer)
{
	const char *colon = strchr(word, ':'), *why;
	size_t size = colon ? (size_t)(colon - word) : strlen(word);
	int group = find_group(sched->registry, word, size);

	*chosen = (struct chosen){0};
	if (group < 0)
		return flx_answer_refuse(answer, -EINVAL,
					 "%.*s: no such group; give one that flx check lists",
					 (int)size, word);
	if (sched->registry->group[group].mode == FLX_PLACE_LOCAL)
		return flx_answer_refuse(
			answer, -EINVAL,
			"%.*s: runs on every worker; give a group that has a key or "
			"a context",
			(int)size, word);
	chosen->group = (uint32_t)group;
	why = choose_slices(&sched->registry->group[group], colon ? colon + 1 : NULL, chosen);
	if (why)
		return flx_answer_refuse(
			answer, -EINVAL,
			"%s: %s; give numbers and ranges of slices below %d, such as 3,17-20", word,
			why, FLX_SLICES);
	return 0;
}

/* An order that is waited for. */
struct waiting {
	struct flx_sched *sched;
	uint64_t begun_tsc;
	uint32_t number;
	uint32_t count;
	uint32_t to;
};

static int await(void *argument, struct flx_answer *answer)
{
	const struct waiting *waiting = argument;
	struct flx_sched *sched = waiting->sched;
	uint64_t us = (rte_rdtsc() - waiting->begun_tsc) / (sched->tsc_hz / 1000000);
	uint32_t left;
	bool under_way, failed, replaced;

	flx_sched_lock(sched);
	under_way = sched->order.under_way;
	failed = sched->order.failed;
	left = sched->order.left;
	replaced = sched->order.number != waiting->number;
	flx_sched_unlock(sched);
	if (replaced)
		return flx_answer_refuse(
			answer, -EAGAIN,
			"the order has ended, and another one has begun before it "
			"could be told how; flx sched history says what has moved");
	if (under_way && us < ORDER_WAIT_US)
		return FLX_ANSWER_WAIT;
	if (under_way)
		return flx_answer_refuse(answer, -ETIMEDOUT,
					 "%" PRIu32 " of %" PRIu32
					 " slices are still under way after "
					 "%.1f s, and go on; flx sched says how it stands",
					 left, waiting->count, (double)us / 1e6);
	if (failed)
		return flx_answer_refuse(
			answer, -EIO,
			"a worker does not end its turn, so %" PRIu32 " of %" PRIu32
			" slices stay where they are; flx run says which worker, and "
			"what runs there",
			left, waiting->count);
	fprintf(answer->out, "%" PRIu32 " slices run on worker %" PRIu32 " now\n", waiting->count,
		waiting->to);
	return FLX_ANSWER_DONE;
}

static int order(struct flx_sched *sched, const struct flx_request *request, struct chosen *chosen,
		 uint64_t *to, struct flx_answer *answer)
{
	const char *why;
	int rc;

	if (request->count != 3)
		return flx_answer_refuse(answer, -EINVAL,
					 "move: %s; give GROUP[:SLICES] and the number of a worker",
					 request->count < 3 ? "too little" : "one too many");
	rc = choose(sched, request->word[1], chosen, answer);
	if (rc)
		return rc;
	why = flx_value_number(request->word[2], 0, sched->worker_count - 1, to);
	if (why)
		return flx_answer_refuse(answer, -EINVAL, "%s: %s; give a worker, 0..%" PRIu32,
					 request->word[2], why, sched->worker_count - 1);
	rc = flx_sched_order(sched, chosen->group, chosen->wanted, (uint32_t)*to, rte_rdtsc());
	if (rc == -EBUSY)
		return flx_answer_refuse(answer, rc,
					 "another order is under way; wait until flx sched shows "
					 "none, and try again");
	return rc ? flx_answer_refuse(answer, rc, "%s", strerror(-rc)) : 0;
}

int flx_sched_serve_move(struct flx_sched *sched, const struct flx_request *request,
			 struct flx_answer *answer)
{
	struct waiting *waiting = malloc(sizeof(*waiting));
	struct chosen chosen;
	uint64_t to = 0;
	int rc;

	if (!waiting)
		return flx_answer_refuse(answer, -ENOMEM, "no memory for an order");
	*waiting = (struct waiting){.sched = sched, .begun_tsc = rte_rdtsc()};
	flx_sched_lock(sched);
	rc = order(sched, request, &chosen, &to, answer);
	waiting->number = sched->order.number;
	flx_sched_unlock(sched);
	if (rc) {
		free(waiting);
		return rc;
	}
	waiting->count = chosen.count;
	waiting->to = (uint32_t)to;
	flx_sched_poke(sched);
	flx_answer_continue(answer, await, free, waiting);
	return 0;
}

int flx_sched_serve_pin(struct flx_sched *sched, const struct flx_request *request,
			struct flx_answer *answer)
{
	bool pin = strcmp(request->word[0], "pin") == 0;
	struct chosen chosen;
	uint32_t changed;
	int rc;

	if (request->count != 2)
		return flx_answer_refuse(answer, -EINVAL, "%s: %s; give GROUP[:SLICES]",
					 request->word[0],
					 request->count < 2 ? "too little" : "one too many");
	flx_sched_lock(sched);
	rc = choose(sched, request->word[1], &chosen, answer);
	changed = rc ? 0 : flx_sched_pin(sched, chosen.group, chosen.wanted, pin);
	flx_sched_unlock(sched);
	if (rc)
		return rc;
	fprintf(answer->out, "%" PRIu32 " slices %s, %" PRIu32 " were already\n", changed,
		pin ? "pinned" : "unpinned", chosen.count - changed);
	return 0;
}
