/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * migrate - carries moves (move.h) out: the control thread's part, and the workers'.
 */
#pragma once

#include <stdatomic.h>

#include "fabric/fifo.h"
#include "fabric/lane.h"
#include "fabric/pulse.h"
#include "fabric/route.h"
#include "fabric/stats.h"
#include "scheduler/idle.h"
#include "scheduler/move.h"

/*
 * How long all workers hurry (worker.h) for a move whose messages begin to wait; most are over in a fifth
 * of it. Shorter, and one that meets a long turn ends at leisure; longer, and all others pay for one that
 * is stuck. A matter of pace alone: nothing depends on it.
 */
#define FLX_MIGRATE_HURRY_US 100

/* What was polled from an RX queue. Its worker's alone. */
struct flx_rx_counts {
	uint64_t received; /* frames */
	uint64_t
		empties; /* polls that found none; drivers return short bursts of a queue that is not empty */
};

/* What moves have to know of a worker, beside its lanes. */
struct flx_migrate_worker {
	struct flx_mover *mover;
	const struct flx_pulse *pulse;
	struct flx_idle *idle;
	const struct flx_fifo *vectors; /* by fluxion number */
	const struct flx_fifo *frames[FLX_PORTS_MAX];
	const struct flx_rx_counts *rx[FLX_PORTS_MAX]; /* NULL: no queue there */
	struct flx_chunk_pool *chunks;
	struct flx_stats *stats; /* for what an undo hands over */
};

struct flx_migrate {
	/* Read-only after init. */
	const struct flx_registry *registry;
	struct flx_routes *routes;
	struct flx_lane *lanes; /* from * worker_count + to */
	_Atomic uint64_t *epoch;
	_Atomic uint64_t *hurry_until_tsc; /* until then workers make short turns */
	uint64_t hurry_tsc;		   /* for how long, from when a move lets messages wait */
	const _Atomic uint32_t *ends; /* not 0: RX queues are not polled any more, nor waited for */
	uint32_t worker_count;
	uint32_t port_count;
	const struct flx_migrate_port *port; /* by port */
	struct flx_migrate_worker worker[FLX_WORKERS_MAX];
	struct flx_move move[FLX_MOVES_MAX];
};

/*
 * flx_migrate_init - no moves; @migrate's read-only part was filled by the caller
 * 0; -ENOMEM. Context: setup.
 */
int flx_migrate_init(struct flx_migrate *migrate);
void flx_migrate_fini(struct flx_migrate *migrate);

/* -------------------------------------------------------------------------- the control thread */

/*
 * flx_migrate_request - begin to move slices
 * @request: copied; from and to are two workers; slices belong to from, buckets lead to its queue, of
 *	     which the caller makes sure, and to has one too
 * Number of the move; -EBUSY: there are FLX_MOVES_MAX, or one of them has some of these slices; -EINVAL:
 * what is said above does not hold. Nothing is begun then.
 * Context: control thread.
 */
int flx_migrate_request(struct flx_migrate *migrate, const struct flx_move_request *request,
			uint64_t now_tsc);

/* flx_migrate_undo - take move @number back, if it still can be. Context: control thread. */
void flx_migrate_undo(struct flx_migrate *migrate, uint32_t number);

/*
 * flx_migrate_written - the table of a move of buckets, which was READY, is written, or cannot be
 * @settled_tsc: what the NIC has sent to the old queue has its descriptor by then
 * Context: control thread.
 */
void flx_migrate_written(struct flx_migrate *migrate, uint32_t number, uint64_t now_tsc,
			 uint64_t settled_tsc);

/* flx_migrate_state - of move @number. Context: any thread. */
static inline enum flx_move_state flx_migrate_state(const struct flx_migrate *migrate,
						    uint32_t number)
{
	return (enum flx_move_state)atomic_load_explicit(&migrate->move[number].state,
							 memory_order_acquire);
}

/*
 * flx_migrate_reap - free a move that has ended
 * @move: out; its request and times
 * DONE or UNDONE, or FREE: none has ended. Context: control thread.
 */
enum flx_move_state flx_migrate_reap(struct flx_migrate *migrate, struct flx_move_request *request,
				     struct flx_move_times *times);

/* Moves under way, one bit each. Context: control thread. */
uint64_t flx_migrate_under_way(const struct flx_migrate *migrate);

/*
 * flx_migrate_holder - the worker that a move waits for; -1: none that can be named
 * @since_tsc: out; when it entered its state. Context: control thread.
 */
int flx_migrate_holder(const struct flx_migrate *migrate, uint32_t number, uint64_t *since_tsc);

/* -------------------------------------------------------------------------------- the workers */

/*
 * flx_migrate_advance - take the steps that are due of the moves that worker @index is the source of
 * Context: that worker, between two turns, when mover->outgoing is not 0.
 */
void flx_migrate_advance(struct flx_migrate *migrate, uint32_t index, uint64_t now_tsc);

/*
 * flx_migrate_arrive - whether worker @index may drain what it has parked for move @number
 * Else takes the step of an undo that is a target's, if it is due. Context: that worker, at the
 * begin of a turn, for each bit of mover->incoming.
 */
bool flx_migrate_arrive(struct flx_migrate *migrate, uint32_t index, uint32_t number,
			uint64_t now_tsc);

/* flx_migrate_drained - worker @index has drained all that it parked for @number: it is live. */
void flx_migrate_drained(struct flx_migrate *migrate, uint32_t index, uint32_t number,
			 uint64_t now_tsc);

/* Whether worker @index has steps to take by itself, and must not sleep. */
static inline bool flx_migrate_busy(const struct flx_migrate *migrate, uint32_t index)
{
	const struct flx_mover *mover = migrate->worker[index].mover;
	uint64_t incoming = atomic_load_explicit(&mover->incoming, memory_order_relaxed);

	if (atomic_load_explicit(&mover->outgoing, memory_order_relaxed))
		return true;
	for (; incoming; incoming &= incoming - 1)
		if (flx_migrate_state(migrate, (uint32_t)__builtin_ctzll(incoming)) >=
		    FLX_MOVE_HANDED)
			return true;
	return false;
}
