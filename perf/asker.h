/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * asker - what a load generator does with one queue, whoever drives it: looks at answers, and makes the
 * requests that are due of their buffers.
 *
 * Closed loop: so many requests are under way, and each answer brings the next one. Open loop: request n is
 * due at start + n * interval, whatever becomes of the others. One that is made late still counts from when
 * it was due (so that a server that stalls does not hide what it made wait: coordinated omission); one that
 * is never made is refused, and counted.
 *
 * Each request comes from one of many client addresses: in turn, as a table says, or of a list of flows.
 * Where answers count the requests of their client, those of one client must rise on each queue, and in the
 * end be 1, 2, 3 .. without a gap: none was lost, none came twice, and none was overtaken on its way to its
 * context. Every 64th answer of a queue is looked at in full, to its last check sum.
 *
 * Requests that are stamped tell when they were due, so an answer to one of an earlier plan is known: it is
 * late, and neither an answer of this plan nor wrong. Of servers that do not count, one that comes twice is
 * not known, and stands for one that is lost: only more answers than requests show.
 *
 *			written by			read by
 *	requests..	who drives the queue		anybody: single words
 *	pick		control thread			who drives
 *	the rest	who drives the queue		who drives; control when it has stopped
 *
 * Time is an argument everywhere, in ticks of a clock of hz.
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_mempool.h>

#include "fabric/base.h"
#include "perf/latency.h"
#include "perf/pick.h"
#include "perf/query.h"

struct flx_asker_conf {
	struct rte_mempool *pool;
	const struct flx_query *query;
	const struct flx_query_flow *flows; /* NULL: client n's only one is n */
	uint32_t flow_count;
	uint32_t spares; /* answers at most that wait to be made requests */
	uint64_t
		backlog; /* open loop: requests that may be late; more are refused, the first ones */
	uint64_t hz;
	uint64_t seed;
};

/* What it is to do now. */
struct flx_asker_plan {
	uint32_t in_flight; /* closed loop; 0: open */
	double per_tick;    /* open loop: requests */
	uint64_t start_tsc; /* open loop: when the first is due */
	uint64_t count;	    /* requests in all */
	/* Where not NULL, of each of so many as they say: */
	struct flx_latency *latency;
	struct flx_latency *pacing; /* how late it was made */
};

struct flx_asker {
	alignas(FLX_CACHE_LINE) _Atomic uint64_t requests;
	_Atomic uint64_t answers;
	_Atomic uint64_t wrong;	  /* of these, not right */
	_Atomic uint64_t late;	  /* not of these: right, but of an earlier plan */
	_Atomic uint64_t lost;	  /* closed loop: requests that are not waited for any more */
	_Atomic uint64_t refused; /* requests that were due, and never made */
	_Atomic int64_t made;	  /* buffers taken from the pool, less those given back */
	alignas(FLX_CACHE_LINE) _Atomic(const struct flx_pick *) pick; /* NULL: in turn */
	alignas(FLX_CACHE_LINE) struct flx_asker_conf conf;
	struct flx_asker_plan plan;
	uint64_t next;	     /* number of the next request of the plan, refused ones included */
	uint64_t next_timed; /* of those, the next that is timed: every k-th is, made or not */
	uint64_t looked;     /* answers */
	double interval;     /* ticks */
	double ns_per_tick;
	uint64_t random;
	uint64_t sum;	    /* of all counts */
	uint32_t next_flow; /* in turn */
	uint32_t turn;	    /* of sizes */
	uint32_t first;	    /* of the spare buffers: oldest */
	uint32_t spare_count;
	struct rte_mbuf **spare;
	uint32_t *last; /* count, by client */
};

/* Sums over askers. Context: any thread. */
struct flx_asker_counts {
	uint64_t requests, answers, wrong, late, lost, refused;
};

/*
 * flx_asker_init - make @asker idle, with what @conf says
 * flx_asker_fini - free its memory; its buffers were given back
 * 0 or -ENOMEM. Context: setup.
 */
int flx_asker_init(struct flx_asker *asker, const struct flx_asker_conf *conf);
void flx_asker_fini(struct flx_asker *asker);

/* flx_asker_begin - from now on do as @plan says. Context: who drives, or setup. */
void flx_asker_begin(struct flx_asker *asker, const struct flx_asker_plan *plan);

/* flx_asker_due - when request @n of the plan is due */
static inline uint64_t flx_asker_due(const struct flx_asker *asker, uint64_t n)
{
	return asker->plan.start_tsc + (uint64_t)((double)n * asker->interval);
}

/* flx_asker_recv - take @count answers: @frames are its own now. Context: who drives. */
void flx_asker_recv(struct flx_asker *asker, struct rte_mbuf *frames[], uint32_t count,
		    uint64_t now_tsc);

/*
 * flx_asker_make - make requests that are due, at most @room
 * How many stand in @frames, to be sent in this order. Context: who drives.
 */
uint32_t flx_asker_make(struct flx_asker *asker, struct rte_mbuf *frames[], uint32_t room,
			uint64_t now_tsc);

/* flx_asker_unmake - the last @count that were made are not sent after all: refused, and freed. */
void flx_asker_unmake(struct flx_asker *asker, struct rte_mbuf *frames[], uint32_t count);

/* flx_asker_refuse - what of the plan is due and not made never will be; how many. Open loop. */
uint64_t flx_asker_refuse(struct flx_asker *asker, uint64_t now_tsc);

/* flx_asker_give_up - do not wait any more for what is not answered. Context: who drives. */
void flx_asker_give_up(struct flx_asker *asker);

/* flx_asker_timed - how many requests of the plan so far, made or refused, are to be timed */
uint64_t flx_asker_timed(const struct flx_asker *asker);

/* flx_asker_absorb - give the spare buffers back. Context: who drives. */
void flx_asker_absorb(struct flx_asker *asker);

/* Requests that are waited for: made, and neither answered nor given up. */
static inline int64_t flx_asker_under_way(const struct flx_asker *asker)
{
	return (int64_t)(atomic_load_explicit(&asker->requests, memory_order_relaxed) -
			 atomic_load_explicit(&asker->answers, memory_order_relaxed) -
			 atomic_load_explicit(&asker->lost, memory_order_relaxed));
}

/* flx_asker_count - add @asker's to @counts */
void flx_asker_count(const struct flx_asker *asker, struct flx_asker_counts *counts);

/*
 * flx_askers_missing - of the counts that the answers of all @count askers had, how many never came
 * -1: some came more than once, or in place of others. All must have stopped.
 */
int64_t flx_askers_missing(struct flx_asker *const askers[], uint32_t count);
