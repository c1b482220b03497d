/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * idle - the ladder that a worker without work climbs down: pause, short sleeps, park.
 *
 * A parked worker sleeps on a futex that any producer into one of its lanes, or the control thread,
 * wakes. A worker that polls RX queues sleeps with a timeout, since nothing wakes it for a frame; one
 * that does not sleeps until woken.
 *
 * Lost wake-ups: the sleeper announces itself (parked = 1), then looks at its lanes once more; the
 * producer fills a lane, then looks at parked. Both put a full fence between the two, so at least one
 * sees the other (Dekker).
 *
 *			written by			read by
 *	parked		owner, producers (on waking)	producers, once per flush
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>

#include "fabric/base.h"

struct flx_idle {
	/* Owner's. */
	uint32_t empty_turns; /* in a row */
	bool polls_ports;
	uint64_t sleeps;
	/* Shared. */
	alignas(FLX_CACHE_LINE) _Atomic uint32_t parked;
};

void flx_idle_init(struct flx_idle *idle, bool polls_ports);

/* What to do after a turn without work. */
enum flx_idle_step {
	FLX_IDLE_SPIN,	/* already paused; turn again */
	FLX_IDLE_SLEEP, /* look once more after flx_idle_announce, then flx_idle_sleep */
};

/*
 * flx_idle_next - one rung; call after each turn without work
 * Context: the owner.
 */
enum flx_idle_step flx_idle_next(struct flx_idle *idle);

/* flx_idle_busy - the turn found work: back to the top. */
static inline void flx_idle_busy(struct flx_idle *idle)
{
	idle->empty_turns = 0;
}

/* flx_idle_announce - from here on a producer wakes this worker; ends with a full fence. */
static inline void flx_idle_announce(struct flx_idle *idle)
{
	atomic_store_explicit(&idle->parked, 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
}

/* flx_idle_retract - there was work after all. */
static inline void flx_idle_retract(struct flx_idle *idle)
{
	atomic_store_explicit(&idle->parked, 0, memory_order_relaxed);
}

/*
 * flx_idle_sleep - wait to be woken, or for the rung's time; after flx_idle_announce
 * Returns with the announcement retracted. The RCU reader must be offline.
 */
void flx_idle_sleep(struct flx_idle *idle);

void flx_idle_wake_slow(struct flx_idle *idle);

/*
 * flx_idle_wake - wake the owner if it sleeps; call after the work is visible in its lane
 * One fence and one read of a line that seldom changes. Context: any other thread.
 */
static inline void flx_idle_wake(struct flx_idle *idle)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (unlikely(atomic_load_explicit(&idle->parked, memory_order_relaxed)))
		flx_idle_wake_slow(idle);
}
