/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * move - how slices go from one worker to another, while messages for them are under way.
 *
 * A move takes some slices of one group from their owner, the *source*, to a *target*. It is a state
 * machine that never blocks: the control thread asks for it, the source advances it at the end of its
 * turns, the target drains what it has parked meanwhile. The others obey the tables (route.h).
 * Producers are never stopped, contexts are not copied, and only messages of these slices wait.
 *
 *	state		what the source has done		and waits for
 *	REQUESTED	nothing yet				its next turn
 *	ANNOUNCED	target's flags: arriving		a grace period: it parks from then on
 *	PREPARING	marked our vectors of the group		most to be handled; not for long
 *	ROUTED		route: target				a grace period: nobody sends to us now
 *	LANES_IN	noted put of every lane to us		taken to reach it
 *	VECTORS		marked our vectors of the group		all in them to be handled
 *	LOCALS		marked our vectors without slices	the same, once per step of their chains
 *	LANES_OUT	noted put of every lane from us		taken to reach it: nothing that they have
 *			and marked our frames			sent can be overtaken
 *	HANDED		our flags: departed; woken the target	the target: it drains what it parked
 *	DONE						the control thread: it frees the move
 *
 * Why this keeps order: what the slices were sent before the second grace period is handled here
 * before LANES_OUT; what they are sent after it waits at the target until HANDED; what they have
 * sent themselves has arrived by then. Why the target must park first: a message that comes before
 * its flag says so would be sent on, behind ones that were sent later. "Taken" and not "handled" is
 * counted because messages are sorted by fluxion when they are taken: the count is no prefix then.
 *
 * From ANNOUNCED on all workers hurry (worker.h), and the source gets through the group's vectors before
 * it lets messages wait elsewhere (PREPARING) and while they do. That is for the pause's sake alone:
 * after FLX_MIGRATE_HURRY_US it goes on as it is.
 *
 * Fluxions without slices run on every worker, so what was sent through them could be overtaken there:
 * hence LOCALS. A message that goes round in a circle of them more often than it is long has no order.
 *
 * The target's flags stay arriving until its queue of parked messages is empty, so that what comes
 * meanwhile goes behind; it drains faster than that grows.
 *
 * A move can be undone until ROUTED, where only flags are taken back, and again in LANES_OUT:
 *
 *	BACK_ROUTED	our flags: arriving; route: us		a grace period
 *	BACK_LANES	noted put of every lane to the target	taken to reach it
 *	BACK_VECTORS					the target: it marks its vectors
 *	BACK_PASSING					the target: all in them to be parked
 *	BACK_GIVEN	(target's flags: departed)		us, at our next turn
 *	BACK_TAKEN	copied what it had parked before	the target: it takes back its chunks
 *			what we have
 *	BACK_CLEARED					us: we drain it, as a target does
 *	UNDONE						the control thread: it frees the move
 *
 * In between, what has been sent to the target must be handled there. Between BACK_ROUTED and its
 * grace period no flag of ours need be waited for: we alone read them.
 *
 * The same machine moves *buckets* of a port's indirection table from one RX queue to another, so that
 * flows come in where their slices are. The NIC is a producer that cannot be asked to wait: what it
 * has put into the old queue must be sent on before what comes in the new one. So the target parks
 * what arrives for these buckets on its own queue, before it looks for its slice:
 *
 *	ANNOUNCED	target's buckets: arriving		a grace period
 *	READY							the control thread: it writes the table
 *	SETTLING						the NIC: descriptors on their way
 *	QUEUE		marked our RX queue			it to be seen empty, or through
 *	LOCALS, LANES_OUT, HANDED, DONE as above, but that what was parked is now routed, not handled
 *
 * It is not undone: a table that cannot be written is as good as one that was, for nothing comes.
 *
 * A worker that stalls holds up the moves that wait for it, and nothing else but their slices.
 *
 *			written by			read by
 *	request		control, while FREE		source, target, control
 *	state		whose turn it is, above		source, target, control
 *	undo		control				source
 *	the rest	whose turn it is		the same; control when DONE or UNDONE
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>

#include "fabric/fifo.h"
#include "fabric/pulse.h"
#include "fabric/route.h"

/*
 * Moves under way in a fabric. Fewer, and emptying a worker takes longer; more, and the queues that
 * each worker has for what it parks take more of its memory.
 */
#define FLX_MOVES_MAX 16
/* Slices or buckets of a move. Fewer take as long, more wait for the slowest of them. */
#define FLX_MOVE_MAX 64

static_assert(FLX_SLICE_ARRIVING + FLX_MOVES_MAX <= UINT8_MAX, "a flag is one byte");
static_assert(FLX_MOVES_MAX <= 64, "a worker's moves are one word");

enum flx_move_state {
	FLX_MOVE_FREE = 0,
	FLX_MOVE_REQUESTED,
	FLX_MOVE_ANNOUNCED,
	FLX_MOVE_PREPARING,
	FLX_MOVE_ROUTED,
	FLX_MOVE_LANES_IN,
	FLX_MOVE_VECTORS,
	FLX_MOVE_READY,
	FLX_MOVE_SETTLING,
	FLX_MOVE_QUEUE,
	FLX_MOVE_LOCALS,
	FLX_MOVE_LANES_OUT,
	FLX_MOVE_HANDED,
	FLX_MOVE_DONE,
	FLX_MOVE_BACK_ROUTED,
	FLX_MOVE_BACK_LANES,
	FLX_MOVE_BACK_VECTORS,
	FLX_MOVE_BACK_PASSING,
	FLX_MOVE_BACK_GIVEN,
	FLX_MOVE_BACK_TAKEN,
	FLX_MOVE_BACK_CLEARED,
	FLX_MOVE_UNDONE,
	FLX_MOVE_STATES,
};

enum flx_move_kind {
	FLX_MOVE_SLICES = 0, /* of group `of` */
	FLX_MOVE_BUCKETS,    /* of the indirection table of port `of` */
};

struct flx_move_request {
	uint8_t kind; /* enum flx_move_kind */
	uint8_t from; /* workers */
	uint8_t to;
	uint16_t of;
	uint32_t count;		       /* 1..FLX_MOVE_MAX */
	uint16_t number[FLX_MOVE_MAX]; /* of slices or buckets */
};

/* When what happened, for reports; in cycles of the workers' clock. 0: it has not. */
struct flx_move_times {
	uint64_t requested_tsc;
	uint64_t routed_tsc;
	uint64_t handed_tsc;
	uint64_t parked_tsc;  /* the first message that had to wait */
	uint64_t drained_tsc; /* none waits any more */
	uint64_t ended_tsc;
	uint64_t parked_count;
};

struct flx_move {
	struct flx_move_request request;
	struct flx_move_times times;
	alignas(FLX_CACHE_LINE) _Atomic uint32_t state; /* enum flx_move_state */
	_Atomic uint32_t undo;				/* 1: to be undone, if it can be */
	_Atomic uint64_t since_tsc;			/* in this state */
	_Atomic uint64_t waiting; /* bit: that worker holds it up, as far as the source knows */
	alignas(FLX_CACHE_LINE) struct flx_grace grace;
	uint32_t locals_left;
	uint64_t put[FLX_WORKERS_MAX]; /* noted counts of lanes, by their other end */
	uint64_t frames[FLX_PORTS_MAX];
	uint64_t settled_tsc;	    /* descriptors on their way have come by then */
	uint64_t received, empties; /* of the RX queue */
	uint64_t *mark;		    /* by fluxion number */
	struct flx_fifo
		given; /* of an undo: what the target had parked; its chunks are the target's */
};

/* What a worker has parked for a move. Its own alone. */
struct flx_parking {
	struct flx_fifo queue;
	uint32_t turn;	    /* parked in the last turn */
	uint64_t count;	    /* parked in all */
	uint64_t since_tsc; /* when the first was; 0: none was */
};

/*
 * A worker's part in moves.
 *
 *			written by			read by
 *	parking..	the worker			the worker
 *	outgoing	control sets, worker clears	the worker, every turn
 *	incoming..	source sets, worker clears	the worker, every turn
 *	buckets		source sets, worker clears	the worker, when incoming_buckets is not 0
 */
struct flx_mover {
	struct flx_flags *flags;		   /* by group */
	_Atomic uint8_t *buckets[FLX_PORTS_MAX];   /* by port: flags, 0 but where buckets arrive */
	struct flx_parking parking[FLX_MOVES_MAX]; /* by move */
	uint32_t parked_count;			   /* in all their queues */
	uint32_t queues_waited; /* moves of ours that wait for an RX queue: it must be polled */
	uint8_t vectors_waited[FLX_FLUXIONS_MAX]; /* and for vectors, by group: these go first */
	alignas(FLX_CACHE_LINE) _Atomic uint64_t outgoing; /* bit: we are that move's source */
	_Atomic uint64_t incoming;	   /* bit: we park for that move, or drain */
	_Atomic uint64_t incoming_buckets; /* of these, those of buckets */
};

/* What moves have to know of a port. */
struct flx_migrate_port {
	uint16_t rx_queues; /* queue q is worker q's */
	uint16_t rx_descs;
	uint16_t reta_size; /* buckets, a power of two; 0: the port has no table */
};

/*
 * flx_mover_init - a worker without moves, whose slices are as spread at first
 * @chunks: of the worker, with room for two times FLX_MOVES_MAX queues more
 * @port: @port_count of them
 * 0; -ENOMEM. Context: setup.
 */
int flx_mover_init(struct flx_mover *mover, const struct flx_flags_conf *conf,
		   const struct flx_migrate_port *port, uint32_t port_count,
		   struct flx_chunk_pool *chunks);
void flx_mover_fini(struct flx_mover *mover);

/* The next state. Release: who acts in it finds all that was done in the ones before. */
static inline void flx_move_enter(struct flx_move *move, enum flx_move_state state,
				  uint64_t now_tsc)
{
	atomic_store_explicit(&move->since_tsc, now_tsc, memory_order_relaxed);
	atomic_store_explicit(&move->state, state, memory_order_release);
}

/* @workers: bits; who holds it up in this state. */
static inline void flx_move_note_waiting(struct flx_move *move, uint64_t workers)
{
	atomic_store_explicit(&move->waiting, workers, memory_order_relaxed);
}

/* Words for a state, for reports: "announced". */
const char *flx_move_state_name(enum flx_move_state state);
