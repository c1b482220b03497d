/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gen - a load generator on a core of its own, over the queues of any port.
 *
 * One thread drives all queues, one after the other: it takes what came, makes what is due of its buffers
 * (asker.h) and sends it; what the port does not take is kept and goes first the next time, and until then
 * nothing more is made. Each flow keeps to one queue, the one that RSS would bring it to; a queue's share of
 * the load is that of its flows.
 *
 * A run is what flx_gen_begin says; it sends until its time is over, and then waits for what is not answered.
 * It is done in polls, to which time is an argument, so that a test can be its clock.
 *
 * Context: flx_gen_poll and flx_gen_run one thread; the rest before and after it; flx_gen_count any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_mempool.h>

#include "perf/asker.h"
#include "perf/latency.h"
#include "pmd-config/rss.h"

struct flx_host;

/* Requests that are still sent so long after they should have been, at the end; more are refused. */
#define FLX_GEN_LATE_US 1000
/* Above this share of its time in polls that moved something a generator has none left to be faster. */
#define FLX_GEN_BUSY_PCT 95.0
/* What is not answered so long after the last request is lost; in a closed loop, when nothing is for so long. */
#define FLX_GEN_GRACE_MS 100

struct flx_gen_conf {
	uint16_t port; /* ethdev, with as many queues */
	uint16_t queues;
	struct rte_mempool *pool;
	struct flx_query_conf query; /* always stamped */
	const struct flx_rss *rss;   /* key of whom it asks: it has as many queues; NULL: any */
	double zipf;		     /* exponent of how often a client asks; 0: all in turn */
	uint64_t seed;
	uint64_t hz; /* of the clock */
	struct flx_host
		*host; /* takes what is no answer; NULL: there is nothing else on the wire */
};

/* A queue, and what it has not sent yet. */
struct flx_gen_queue {
	struct flx_asker asker;
	struct rte_mbuf *unsent[FLX_BATCH];
	uint32_t unsent_first, unsent_count;
	double share; /* of the load */
	uint32_t flow_count;
	struct flx_query_flow *flows;
	struct flx_pick *pick;
};

struct flx_gen {
	struct flx_gen_conf conf;
	struct flx_query query;
	struct flx_gen_queue *queue;
	struct flx_latency latency, pacing;
	/* Of the run. */
	bool closed;	      /* loop */
	bool ended;	      /* nothing is sent any more */
	bool blocked;	      /* the port did not take all at once, some time */
	uint64_t start_tsc;   /* nothing is sent before */
	uint64_t end_tsc;     /* nothing more is due from then on */
	uint64_t close_tsc;   /* nothing more is sent from then on */
	uint64_t moved_tsc;   /* when an answer came or a request went last */
	uint64_t polled_tsc;  /* last poll */
	bool quiet;	      /* none came or went in it, and it was not away before */
	uint64_t right;	      /* answers of all runs, when this one closed */
	uint64_t busy, total; /* ticks of the thread, in polls that moved something, and in all */
};

/* What is run. */
struct flx_gen_plan {
	double rate;	    /* requests per second of all queues; 0: closed loop */
	uint32_t in_flight; /* closed loop: of all queues */
	double duration_s;
	bool timed;
};

/* 0; -ENOMEM after one flx_error. */
int flx_gen_init(struct flx_gen *gen, const struct flx_gen_conf *conf);

/* flx_gen_fini - give all buffers back, and free all. The port still stands. */
void flx_gen_fini(struct flx_gen *gen);

/*
 * flx_gen_prepare - memory for what is timed, all of it present: takes tens of milliseconds, once, and so
 * comes before the time of a run is chosen. 0; -ENOMEM after one flx_error.
 */
int flx_gen_prepare(struct flx_gen *gen);

/* flx_gen_begin - a run as @plan says begins at @start_tsc. Where it is timed, flx_gen_prepare came before. */
void flx_gen_begin(struct flx_gen *gen, const struct flx_gen_plan *plan, uint64_t start_tsc);

/* flx_gen_poll - a turn over all queues. How many frames it moved. */
uint32_t flx_gen_poll(struct flx_gen *gen, uint64_t now_tsc);

/* flx_gen_is_done - the run is over: all is answered, or what is not is lost */
bool flx_gen_is_done(const struct flx_gen *gen, uint64_t now_tsc);

/* flx_gen_run - poll until the run is over, by the TSC, for a thread of its own: argument a flx_gen */
void *flx_gen_run(void *gen);

/*
 * flx_gen_settle - the timed run is done: what is timed and was not answered rightly, or never sent, is
 * added to the latencies, and all are sorted
 */
void flx_gen_settle(struct flx_gen *gen);

/* Share of the run in polls that moved something, in per cent. */
double flx_gen_busy_pct(const struct flx_gen *gen);

/*
 * flx_gen_was_limit - the generator was the limit of the run: it had no time left, or refused some of the
 * @refused requests though the port took whatever it sent
 */
bool flx_gen_was_limit(const struct flx_gen *gen, uint64_t refused);

void flx_gen_count(const struct flx_gen *gen, struct flx_asker_counts *counts);

/* flx_gen_missing - flx_askers_missing of all queues */
int64_t flx_gen_missing(const struct flx_gen *gen);
