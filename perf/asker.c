/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/asker.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <rte_prefetch.h>

#include "tests/random.h"

/*
 * Answers that are fetched before they are looked at: each comes from another core's cache, its mbuf and
 * then the frame that this one points to. As many as a core has lines under way (10 to 12), and not both
 * at once.
 */
#define AHEAD 6
/* Answers of which one is looked at in full: what that costs is hardly anything of each then. */
#define LOOK_EVERY 64

/* One writer: no read-modify-write is needed. */
static void add(_Atomic uint64_t *count, uint64_t more)
{
	atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + more,
			      memory_order_relaxed);
}

static void add_made(struct flx_asker *asker, int64_t more)
{
	/* Release: who sees the last one gone sees what became of all. */
	atomic_store_explicit(&asker->made,
			      atomic_load_explicit(&asker->made, memory_order_relaxed) + more,
			      memory_order_release);
}

/* ---------------------------------------------------------------------------------------- buffers */

static void keep(struct flx_asker *asker, struct rte_mbuf *frame)
{
	uint32_t at = asker->first + asker->spare_count;

	if (unlikely(asker->spare_count == asker->conf.spares)) {
		rte_pktmbuf_free(frame);
		add_made(asker, -1);
		return;
	}
	asker->spare_count++;
	asker->spare[at >= asker->conf.spares ? at - asker->conf.spares : at] = frame;
}

static struct rte_mbuf *take_spare(struct flx_asker *asker)
{
	struct rte_mbuf *frame = asker->spare[asker->first++];

	if (asker->first == asker->conf.spares)
		asker->first = 0;
	asker->spare_count--;
	return frame;
}

/*
 * New ones first, until a closed loop has all that it is to have: each poll brings as many answers as it
 * takes requests, so they would never be more than a burst. Then the oldest: all take part, as on a wire.
 * NULL: there is none.
 */
static struct rte_mbuf *take(struct flx_asker *asker)
{
	int64_t made = atomic_load_explicit(&asker->made, memory_order_relaxed);
	struct rte_mbuf *frame;

	if (unlikely(!asker->spare_count || made < asker->plan.in_flight)) {
		frame = rte_pktmbuf_alloc(asker->conf.pool);
		if (frame)
			add_made(asker, 1);
		return frame;
	}
	return take_spare(asker);
}

void flx_asker_absorb(struct flx_asker *asker)
{
	int64_t gone = asker->spare_count;

	while (asker->spare_count)
		rte_pktmbuf_free(take_spare(asker));
	add_made(asker, -gone);
}

/* ---------------------------------------------------------------------------------------- answers */

enum verdict {
	RIGHT,
	WRONG,
	LATE, /* right, but of an earlier plan */
};

/* A stamp: when the request was due, and whether it is timed. */
static uint64_t make_stamp(uint64_t due_tsc, bool timed)
{
	return due_tsc << 1 | timed;
}

/* Whether @answer has a higher count of its client than the last here. */
static bool check_count(struct flx_asker *asker, const struct flx_query_answer *answer)
{
	if (!asker->conf.query->conf.counted && !answer->count)
		return true;
	if (unlikely(answer->count <= asker->last[answer->client]))
		return false;
	asker->last[answer->client] = answer->count;
	asker->sum += answer->count;
	return true;
}

/* Whether @frame answers a request of ours; takes the time that it tells. */
static enum verdict check_answer(struct flx_asker *asker, const struct rte_mbuf *frame,
				 uint64_t now_tsc)
{
	const struct flx_query *query = asker->conf.query;
	struct flx_query_answer answer;
	uint64_t due_tsc;

	if (unlikely(!flx_query_read(query, frame, &answer)))
		return WRONG;
	if (unlikely(asker->looked++ % LOOK_EVERY == 0 && !flx_query_is_intact(frame)))
		return WRONG;
	due_tsc = answer.stamp >> 1;
	if (unlikely(due_tsc > now_tsc || !check_count(asker, &answer)))
		return WRONG;
	if (!query->conf.stamped)
		return RIGHT;
	if (unlikely(due_tsc < asker->plan.start_tsc))
		return LATE;
	if (asker->plan.latency && (answer.stamp & 1))
		flx_latency_add(asker->plan.latency,
				(uint64_t)((double)(now_tsc - due_tsc) * asker->ns_per_tick));
	return RIGHT;
}

void flx_asker_recv(struct flx_asker *asker, struct rte_mbuf *frames[], uint32_t count,
		    uint64_t now_tsc)
{
	uint64_t of[LATE + 1] = {0};

	for (uint32_t i = 0; i < count && i < 2 * AHEAD; i++)
		rte_prefetch0(frames[i]);
	for (uint32_t i = 0; i < count && i < AHEAD; i++)
		rte_prefetch0(rte_pktmbuf_mtod(frames[i], void *));
	for (uint32_t i = 0; i < count; i++) {
		if (i + 2 * AHEAD < count)
			rte_prefetch0(frames[i + 2 * AHEAD]);
		if (i + AHEAD < count)
			rte_prefetch0(rte_pktmbuf_mtod(frames[i + AHEAD], void *));
		of[check_answer(asker, frames[i], now_tsc)]++;
		keep(asker, frames[i]);
	}
	add(&asker->answers, count - of[LATE]);
	if (unlikely(of[WRONG]))
		add(&asker->wrong, of[WRONG]);
	if (unlikely(of[LATE]))
		add(&asker->late, of[LATE]);
}

void flx_asker_give_up(struct flx_asker *asker)
{
	int64_t under_way = flx_asker_under_way(asker);

	if (under_way > 0)
		add(&asker->lost, (uint64_t)under_way);
}

/* --------------------------------------------------------------------------------------- requests */

/* How many of the plan are due up to now, made or not. */
static uint64_t count_due(const struct flx_asker *asker, uint64_t now_tsc)
{
	const struct flx_asker_plan *plan = &asker->plan;
	uint64_t due;

	if (now_tsc < plan->start_tsc || plan->per_tick <= 0)
		return 0;
	due = (uint64_t)((double)(now_tsc - plan->start_tsc) * plan->per_tick) + 1;
	/* That rounds, and request n is due when flx_asker_due says so. */
	while (due > 0 && flx_asker_due(asker, due - 1) > now_tsc)
		due--;
	while (flx_asker_due(asker, due) <= now_tsc)
		due++;
	return RTE_MIN(due, plan->count);
}

/* Requests of an open loop that are to be made now. */
static uint64_t count_late(struct flx_asker *asker, uint64_t now_tsc)
{
	uint64_t due = count_due(asker, now_tsc);
	uint64_t late = due > asker->next ? due - asker->next : 0;

	if (unlikely(late > asker->conf.backlog)) {
		add(&asker->refused, late - asker->conf.backlog);
		asker->next += late - asker->conf.backlog;
		late = asker->conf.backlog;
	}
	return late;
}

/* Closed loop: one for each answer, and at first as many as are to be under way. */
static uint64_t count_wanted(const struct flx_asker *asker)
{
	int64_t wanted = (int64_t)asker->plan.in_flight - flx_asker_under_way(asker);

	return wanted > 0 ? (uint64_t)wanted : 0;
}

static struct flx_query_flow next_flow(struct flx_asker *asker)
{
	/* Acquire: the table is whole. */
	const struct flx_pick *pick = atomic_load_explicit(&asker->pick, memory_order_acquire);
	struct flx_random random = {asker->random};
	uint32_t index;

	if (pick) {
		index = flx_pick_draw(pick, flx_random_next(&random));
		asker->random = random.state;
	} else {
		index = asker->next_flow++;
		if (asker->next_flow == asker->conf.flow_count)
			asker->next_flow = 0;
	}
	return asker->conf.flows ? asker->conf.flows[index]
				 : (struct flx_query_flow){.client = index};
}

/* Whether the next request is timed: every k-th of the plan is, however many were refused before it. */
static bool is_next_timed(struct flx_asker *asker)
{
	const struct flx_latency *latency = asker->plan.latency;

	if (!latency)
		return false;
	if (unlikely(asker->next > asker->next_timed))
		asker->next_timed = flx_asker_timed(asker) * latency->every;
	if (asker->next < asker->next_timed)
		return false;
	asker->next_timed += latency->every;
	return true;
}

/* The stamp of the next request, which in a closed loop is due now; 0: there is none. */
static uint64_t next_stamp(struct flx_asker *asker, uint64_t now_tsc)
{
	const struct flx_asker_plan *plan = &asker->plan;
	uint64_t due_tsc;
	bool timed;

	if (!asker->conf.query->conf.stamped)
		return 0;
	due_tsc = plan->in_flight ? now_tsc : flx_asker_due(asker, asker->next);
	timed = is_next_timed(asker);
	if (timed)
		flx_latency_add(plan->pacing,
				(uint64_t)((double)(now_tsc - due_tsc) * asker->ns_per_tick));
	return make_stamp(due_tsc, timed);
}

uint32_t flx_asker_make(struct flx_asker *asker, struct rte_mbuf *frames[], uint32_t room,
			uint64_t now_tsc)
{
	uint64_t most = asker->plan.in_flight ? count_wanted(asker) : count_late(asker, now_tsc);
	uint32_t count;

	most = RTE_MIN(most, room);
	for (count = 0; count < most; count++) {
		frames[count] = take(asker);
		if (unlikely(!frames[count]))
			break;
		flx_query_write(asker->conf.query, frames[count], next_flow(asker), asker->turn,
				next_stamp(asker, now_tsc));
		asker->next++;
		if (++asker->turn == FLX_QUERY_TURNS)
			asker->turn = 0;
	}
	add(&asker->requests, count);
	return count;
}

void flx_asker_unmake(struct flx_asker *asker, struct rte_mbuf *frames[], uint32_t count)
{
	rte_pktmbuf_free_bulk(frames, count);
	add_made(asker, -(int64_t)count);
	add(&asker->requests, (uint64_t) - (int64_t)count);
	if (!asker->plan.in_flight)
		add(&asker->refused, count);
	else
		asker->next -= count; /* no plan wanted them */
}

uint64_t flx_asker_timed(const struct flx_asker *asker)
{
	const struct flx_latency *latency = asker->plan.latency;

	return latency ? (asker->next + latency->every - 1) / latency->every : 0;
}

uint64_t flx_asker_refuse(struct flx_asker *asker, uint64_t now_tsc)
{
	uint64_t due = count_due(asker, now_tsc);
	uint64_t refused = due > asker->next ? due - asker->next : 0;

	add(&asker->refused, refused);
	asker->next += refused;
	return refused;
}

/* ----------------------------------------------------------------------------------------- control */

int flx_asker_init(struct flx_asker *asker, const struct flx_asker_conf *conf)
{
	memset(asker, 0, sizeof(*asker));
	asker->conf = *conf;
	asker->random = conf->seed;
	asker->ns_per_tick = 1e9 / (double)conf->hz;
	asker->spare = calloc(conf->spares, sizeof(struct rte_mbuf *));
	asker->last = calloc(conf->query->conf.clients, sizeof(*asker->last));
	if (asker->spare && asker->last)
		return 0;
	flx_asker_fini(asker);
	return -ENOMEM;
}

void flx_asker_fini(struct flx_asker *asker)
{
	free(asker->spare);
	free(asker->last);
	asker->spare = NULL;
	asker->last = NULL;
}

void flx_asker_begin(struct flx_asker *asker, const struct flx_asker_plan *plan)
{
	asker->plan = *plan;
	asker->interval = plan->per_tick > 0 ? 1 / plan->per_tick : 0;
	asker->next = 0;
	asker->next_timed = 0;
}

void flx_asker_count(const struct flx_asker *asker, struct flx_asker_counts *counts)
{
	counts->requests += atomic_load_explicit(&asker->requests, memory_order_relaxed);
	counts->answers += atomic_load_explicit(&asker->answers, memory_order_relaxed);
	counts->wrong += atomic_load_explicit(&asker->wrong, memory_order_relaxed);
	counts->late += atomic_load_explicit(&asker->late, memory_order_relaxed);
	counts->lost += atomic_load_explicit(&asker->lost, memory_order_relaxed);
	counts->refused += atomic_load_explicit(&asker->refused, memory_order_relaxed);
}

/*
 * Counts rise on each queue, so they differ there; the highest of a client says how many answers it must
 * have had, and where none is missing, their sum shows one that came to two queues in place of another.
 */
int64_t flx_askers_missing(struct flx_asker *const askers[], uint32_t count)
{
	struct flx_asker_counts counts = {0};
	uint64_t answers = 0, sum = 0;
	int64_t missing;

	for (uint32_t c = 0; c < askers[0]->conf.query->conf.clients; c++) {
		uint64_t highest = 0;

		for (uint32_t a = 0; a < count; a++)
			highest = RTE_MAX(highest, askers[a]->last[c]);
		answers += highest;
		sum += highest * (highest + 1) / 2;
	}
	for (uint32_t a = 0; a < count; a++) {
		sum -= askers[a]->sum;
		flx_asker_count(askers[a], &counts);
	}
	missing = (int64_t)(answers - counts.answers - counts.late);
	return missing < 0 || (missing == 0 && sum) ? -1 : missing;
}
