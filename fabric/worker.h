/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * worker - a dedicated lcore and its loop.
 *
 * A turn of the loop is a table of contents (worker.c); dispatch.c runs handlers, send.c routes what
 * they sent, park.c keeps what came before its slice, sleep.c rests; call.c is what handlers call.
 * A worker owns everything below but the lanes' far ends, the idle word and the shared read-only
 * parts, so nothing on the hot path is locked.
 */
#pragma once

#include <rte_ethdev.h>

#include "context-store/store.h"
#include "fabric/credit.h"
#include "fabric/edge/arp.h"
#include "fabric/edge/edge.h"
#include "fabric/lane.h"
#include "fabric/registry.h"
#include "fabric/route.h"
#include "fabric/stats.h"
#include "fabric/pulse.h"
#include "scheduler/idle.h"
#include "scheduler/load.h"
#include "scheduler/migrate.h"

/*
 * Room for a batch's sends. A call that makes messages may send FLX_MADE_MAX and its own, and is
 * looked at afterwards: with a batch's worth or more the sends are routed at once. All other calls
 * send at most their own message: FLX_BATCH.
 */
#define FLX_SENDS_ROOM (FLX_BATCH + FLX_MADE_MAX + 1 + FLX_BATCH)

/*
 * Messages of a source, or a fluxion, that a worker takes at once while it *hurries*: messages of a slice
 * that moves wait for some turns of all workers. More, and these turns are longer; fewer, and their fixed
 * cost makes them no shorter. It also takes all that lies on its lanes, but only to sort it: with a full
 * lane a move would wait for many turns, and not for one.
 */
#define FLX_BATCH_HURRIED 8

/* What the control thread wants of all workers. */
enum flx_run_state {
	FLX_RUN = 0, /* work */
	FLX_DRAIN,   /* admit nothing new */
	FLX_STOP,    /* leave the loop */
};

/*
 * Shared by all workers. Written before they start, then read only; but for what has lines of its
 * own at the end.
 */
struct flx_shared {
	const struct flx_registry *registry;
	struct flx_routes *routes; /* bytes of it change: route.h */
	struct flx_store *store;
	struct flx_context_type **context_types; /* by group; NULL: the group has none */
	const uint16_t *sweep_groups;		 /* whose contexts end or give way by themselves */
	uint32_t sweep_count;
	struct flx_worker **workers;
	struct flx_lane *lanes;	  /* from * worker_count + to */
	struct rte_mempool *pool; /* messages */
	struct flx_arp *arp;
	struct flx_edge_port edge[FLX_PORTS_MAX];
	struct flx_migrate_port queues[FLX_PORTS_MAX]; /* what moving their buckets asks for */
	uint32_t port_count;
	uint32_t worker_count;
	uint64_t start_tsc;
	uint64_t tsc_hz;
	uint64_t stall_tsc;    /* TX without progress for longer drops what waits */
	uint32_t credit_count; /* in all */
	/* Read by workers every turn; written by the control thread, the last three by workers. */
	alignas(FLX_CACHE_LINE) _Atomic uint32_t state;
	_Atomic uint32_t snapshot_wanted; /* number of the snapshot asked for last */
	_Atomic uint64_t epoch;		  /* of grace periods: pulse.h */
	_Atomic uint64_t hold; /* bit: that worker has parked so much that nobody may admit more */
	_Atomic uint64_t hurry_until_tsc; /* by each one's clock */
	/* Written by all workers. */
	struct flx_credit_pool credits;
	struct flx_migrate migrate;
};

/* Frames for one port, on their way to its TX queue. */
struct flx_tx {
	struct flx_fifo frames;
	uint64_t stuck_since_tsc; /* no frame taken since; 0: it moves */
	uint16_t ethdev;
	uint16_t queue;
	bool has_queue; /* else frames go to worker `owner` by lane */
	uint8_t owner;
};

struct flx_rx {
	uint16_t ethdev;
	uint16_t queue;
	bool has_queue;
	struct flx_rx_counts counts;
};

struct flx_worker {
	/* Read-mostly. */
	struct flx_shared *shared;
	const struct flx_fluxion_entry *fluxions;
	struct flx_lane *lanes_out; /* shared->lanes + index * worker_count */
	/* Of shared->pool, of the lcore that it runs on; NULL: none, or it does not run. */
	struct rte_mempool_cache *cache;
	uint32_t index;
	uint32_t worker_count;
	uint32_t port_count;
	bool runs_arp;

	/* Written every turn. */
	struct flx_chunk_pool chunks;
	struct flx_purse purse;
	uint64_t pending[(FLX_FLUXION_FIRST + FLX_FLUXIONS_MAX + 63) /
			 64]; /* bit: vector not empty */
	uint64_t dirty_lanes; /* bit: put to since the last flush, or staging not empty */
	uint64_t now_tsc;
	uint64_t handled; /* messages, in all, whatever became of them */
	uint64_t arp_next_tsc;
	bool congested;		  /* some lane was full at the last flush: admit nothing */
	bool deaf;		  /* some RX queue was not polled in the last turn */
	uint16_t batch;		  /* FLX_BATCH_HURRIED while it hurries, else FLX_BATCH */
	struct flx_fifo *vectors; /* by fluxion number */
	struct flx_stats *stats;
	struct flx_rx rx[FLX_PORTS_MAX]; /* by port */
	struct flx_tx tx[FLX_PORTS_MAX];
	struct flx_call call;
	struct flx_elem sends[FLX_SENDS_ROOM];
	/* The batch that is handled now; elems only when some of it were dropped, parked or sent on. */
	struct flx_elem batch_elems[FLX_BATCH];
	struct flx_record *batch_records[FLX_BATCH];
	uint16_t batch_slices[FLX_BATCH];
	uint8_t batch_keys[FLX_BATCH * FLX_KEY_MAX];

	/* Written by the worker every turn and batch; read by other threads. */
	alignas(FLX_CACHE_LINE) struct flx_pulse pulse;
	/* Snapshot: written by the worker when asked, then read by the control thread. */
	_Atomic uint32_t snapshot_done;
	struct flx_stats *snapshot;
	uint32_t *snapshot_pending; /* by fluxion number */

	struct flx_mover mover;
	struct flx_load load;
	struct flx_idle idle;
};

static_assert(FLX_WORKERS_MAX <= 64, "dirty_lanes is one word");

struct flx_worker_conf {
	uint32_t index;
	uint32_t spread; /* workers that slices are spread over */
	int numa;	 /* its node; -1: any */
	uint32_t
		elems; /* most elements that its queues can hold: all credits, and the edge's own */
	uint32_t keep; /* credits that it may hold unused */
};

/*
 * flx_worker_alloc - a worker of @shared
 * NULL when memory is short. Queues (rx, tx) are then set by the caller. Context: setup.
 */
struct flx_worker *flx_worker_alloc(struct flx_shared *shared, const struct flx_worker_conf *conf);
void flx_worker_free(struct flx_worker *worker);

/* flx_worker_turn - one turn of the loop; returns the work done, in messages and frames. */
uint32_t flx_worker_turn(struct flx_worker *worker);

/*
 * flx_worker_has_work - whether something waits that no wake-up announces: on lanes, in staging, for
 * a TX queue, a step of a move. Context: the worker, between two turns.
 */
bool flx_worker_has_work(struct flx_worker *worker);

/* flx_worker_run - turns until FLX_STOP; for rte_eal_remote_launch. @worker: struct flx_worker *.
 */
int flx_worker_run(void *worker);

/*
 * flx_worker_snapshot - copy the counters, and what the queues hold, as snapshot @number
 * Context: the worker at a quiescent point; the control thread when the worker has stopped.
 */
void flx_worker_snapshot(struct flx_worker *worker, uint32_t number);

/*
 * flx_worker_abandon - drop all that its queues hold, as stopped; the fabric is ending
 * Context: the control thread, when all workers have stopped.
 */
void flx_worker_abandon(struct flx_worker *worker);

/* ----------------------------------------- between worker.c, dispatch.c, park.c, send.c, sleep.c */

/* Between two looks at the clock of ARP, whose retries need not be exact. */
#define FLX_ARP_PERIOD_US 10000

/* The lane from worker @from to this one. */
static inline struct flx_lane *flx_worker_lane_from(const struct flx_worker *worker, uint32_t from)
{
	return &worker->shared->lanes[from * worker->worker_count + worker->index];
}

/* After a turn without work: a pause, or a sleep. */
void flx_worker_rest(struct flx_worker *worker);

/* Runs a batch of every fluxion that has messages; returns how many were handled. */
uint32_t flx_worker_dispatch(struct flx_worker *worker);

/*
 * Whether this worker must not poll its RX queues now: a lane is full, or too much is parked. A move
 * that waits for a queue to be polled would never end, and never let what is parked go on.
 */
static inline bool flx_worker_refuses(const struct flx_worker *worker)
{
	return worker->congested ||
	       (atomic_load_explicit(&worker->shared->hold, memory_order_relaxed) &&
		!worker->mover.queues_waited);
}

/* Routes @elems, come in on RX queues of port @port: whatever else may begin a chain does so here. */
void flx_worker_admit(struct flx_worker *worker, uint32_t port, struct flx_elem *elems,
		      uint32_t count);

/* Parks those of @elems whose bucket is on its way to this worker's queue; how many are left. */
uint32_t flx_worker_sift_buckets(struct flx_worker *worker, uint32_t port, struct flx_elem *elems,
				 uint32_t count);

/* Handles @count messages of fluxion @number, at most a batch, whose slices are live here. */
void flx_worker_handle(struct flx_worker *worker, uint32_t number, const struct flx_elem *elems,
		       uint32_t count);

/*
 * flx_worker_sift - park or send on those of a batch whose slices are not live here
 * Returns how many are left; @elems becomes these.
 */
uint32_t flx_worker_sift(struct flx_worker *worker, const struct flx_fluxion_entry *fluxion,
			 const struct flx_elem **elems, uint32_t count);

/* Handles, or routes, what was parked of what has arrived; how many. At the begin of a turn. */
uint32_t flx_worker_unpark(struct flx_worker *worker);

/* Messages that are parked; those for a fluxion that they have arrived at are added to @pending. */
uint32_t flx_worker_count_parked(const struct flx_worker *worker, uint32_t *pending);

/* Of flx_worker_abandon, what is parked. */
void flx_worker_abandon_parked(struct flx_worker *worker);

/* Sends each of @elems where its fluxion and key say. They may be reordered in place by the edge.
 */
void flx_worker_route(struct flx_worker *worker, struct flx_elem *elems, uint32_t count);

/* Hands @elems, come off a lane, to their fluxions: handles them at once, or pushes them to
 * vectors. */
void flx_worker_sort(struct flx_worker *worker, const struct flx_elem *elems, uint32_t count);

/* Pushes @elems, come off a lane, to their fluxions' vectors. */
void flx_worker_push(struct flx_worker *worker, const struct flx_elem *elems, uint32_t count);

/*
 * flx_call_settle - what a handler left behind
 * Called when it failed, made messages, or kept its own. @first: where its sends begin. @msg: its
 * message. @result: what it returned. @deletes: out; its context is to be deleted, not committed.
 * Returns the errno (positive) that it failed under, 0 if it succeeded. On failure its sends are
 * gone.
 */
uint32_t flx_call_settle(struct flx_call *call, struct flx_elem *first, struct flx_msg *msg,
			 int result, struct flx_fluxion_stats *stats, bool *deletes);

/* The same for a flx_batch_fn that got @batch. */
uint32_t flx_call_settle_batch(struct flx_call *call, struct flx_elem *first,
			       const struct flx_elem *batch, int result,
			       struct flx_fluxion_stats *stats);

/* Frees @msg, which ends here, and returns its credit. Counting is the caller's. */
void flx_worker_end(struct flx_worker *worker, struct flx_msg *msg);
