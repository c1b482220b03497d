/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pulse - what other threads may know of a worker at any time, and grace periods made of it.
 *
 * A *grace period* is over when every worker has begun a turn since it began, so that none still
 * acts on what it read before. liburcu waits for one; whoever moves a slice is a worker itself and
 * must not wait, so here it is observed. Who begins one raises the shared epoch; each worker looks
 * at the epoch between two turns, and says which one it has seen.
 *
 * Why acquire and release are enough: raising is a release, and a worker's look an acquire, so what
 * was stored before the raise (a route, a flag) is seen by all that the worker does from then on.
 * Saying is a release, and grace_passed an acquire, so what the worker did before (counts of
 * messages that it put on lanes) is seen by who has begun.
 *
 * A worker that sleeps says nothing. It has said `away` (release), and reads nothing shared before
 * the full fence with which it comes back; who begins puts a full fence between raising and looking
 * at `away`. So either he sees it asleep, and it will read what was stored, or it is awake and says.
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "fabric/base.h"

/*
 *		written by			read by
 *	all	the worker			control thread; other workers, while a slice moves; a
 *						crash's signal handler
 */
struct flx_pulse {
	/* Ended. Released after the RCU quiescent state of each: who sees it move (acquire) knows
	 * that the worker holds nothing from before. */
	_Atomic uint64_t turns;
	_Atomic uint64_t epoch;	  /* seen between two turns */
	_Atomic uint32_t fluxion; /* number of the one that runs now; FLX_FLUXION_NONE: none */
	_Atomic uint32_t away;	  /* 1: asleep as no reader of RCU; nothing waits for it */
};

/* A grace period that was begun. */
struct flx_grace {
	uint64_t epoch;
	uint64_t waiting; /* bit: that worker has not passed */
};

/* flx_pulse_look - the worker is between two turns. A load, mostly. Context: the worker. */
static inline void flx_pulse_look(struct flx_pulse *pulse, const _Atomic uint64_t *shared_epoch)
{
	uint64_t epoch = atomic_load_explicit(shared_epoch, memory_order_acquire);

	if (unlikely(epoch != atomic_load_explicit(&pulse->epoch, memory_order_relaxed)))
		atomic_store_explicit(&pulse->epoch, epoch, memory_order_release);
}

/*
 * flx_grace_begin - a grace period for the workers of bit mask @workers, without the caller's own
 * What it is to cover was stored before. Context: any thread.
 */
static inline void flx_grace_begin(struct flx_grace *grace, _Atomic uint64_t *shared_epoch,
				   uint64_t workers)
{
	/* Sequentially consistent: the fence before a look at `away`. */
	grace->epoch = atomic_fetch_add_explicit(shared_epoch, 1, memory_order_seq_cst) + 1;
	atomic_thread_fence(memory_order_seq_cst);
	grace->waiting = workers;
}

/*
 * flx_grace_look - worker @index has passed, if it has
 * Context: who began it.
 */
static inline void flx_grace_look(struct flx_grace *grace, uint32_t index,
				  const struct flx_pulse *pulse)
{
	/* Acquire in both: what it did before it slept, or before it said so. */
	if (atomic_load_explicit(&pulse->away, memory_order_acquire) ||
	    atomic_load_explicit(&pulse->epoch, memory_order_acquire) >= grace->epoch)
		grace->waiting &= ~(1ull << index);
}
