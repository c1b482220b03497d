/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * idle - the ladder that a worker without work climbs down: pause, short sleeps, park.
 * Where workers share a CPU, a pause would keep it from those that have work: there it gives way.
 *
 * A worker sleeps in ppoll, on an eventfd that any producer into one of its lanes, or the control
 * thread, writes to, and on the descriptors that tell of frames on its RX queues. A queue that has
 * no such descriptor is *silent*: a worker with one sleeps by the clock. The descriptors are
 * watched in the sleep alone (an epoll instance would be told of every frame), and for a level:
 * what came before the sleep ends it at once.
 *
 * Lost wake-ups: the sleeper announces itself (parked = 1), then looks at its lanes once more; the
 * producer fills a lane, then looks at parked. Both put a full fence between the two, so at least
 * one sees the other (Dekker). What the producer then writes stays in the eventfd until it is read.
 *
 *			written by			read by
 *	parked		owner, producers (on waking)	producers, once per flush
 */
#pragma once

#include <poll.h>
#include <stdalign.h>
#include <stdatomic.h>

#include "fabric/base.h"

struct flx_idle {
	/* Owner's. */
	uint32_t empty_turns; /* in a row */
	bool told;	      /* a queue's descriptor ended the last sleep, and no work since */
	bool silent;	      /* some RX queue has nothing that tells of frames */
	bool shares;	      /* its CPU with other workers */
	uint32_t watched_count;
	uint64_t sleeps;
	struct pollfd watched[1 + FLX_PORTS_MAX]; /* its eventfd, then the queues' descriptors */
	/* Shared. */
	alignas(FLX_CACHE_LINE) _Atomic uint32_t parked;
};

/*
 * flx_idle_init - a worker with a CPU of its own, that polls no RX queue yet
 * 0; -errno: no eventfd, and then flx_idle_fini is a no-op as well. Context: setup.
 */
int flx_idle_init(struct flx_idle *idle);
void flx_idle_fini(struct flx_idle *idle);

/*
 * flx_idle_watch - the worker polls one more RX queue
 * @descriptor: readable (POLLIN) while a frame waits there; the caller's, and open while the worker
 *	        runs; -1: nothing tells of its frames
 * Context: setup, FLX_PORTS_MAX times at most.
 */
void flx_idle_watch(struct flx_idle *idle, int descriptor);

/* flx_idle_share - other workers run on its CPU too. Context: setup. */
static inline void flx_idle_share(struct flx_idle *idle)
{
	idle->shares = true;
}

/* What to do after a turn without work. */
enum flx_idle_step {
	FLX_IDLE_SPIN,	/* already paused, or others have run; turn again */
	FLX_IDLE_SLEEP, /* look once more after flx_idle_announce, then flx_idle_sleep */
};

/*
 * flx_idle_next - one rung; call after each turn without work
 * Context: the owner.
 */
enum flx_idle_step flx_idle_next(struct flx_idle *idle);

/* flx_idle_pause - a moment for whoever is waited for: others on this CPU run. Context: the owner. */
void flx_idle_pause(const struct flx_idle *idle);

/* flx_idle_busy - the turn found work: back to the top. */
static inline void flx_idle_busy(struct flx_idle *idle)
{
	idle->empty_turns = 0;
	idle->told = false;
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
 * flx_idle_sleep - wait to be woken, for a frame, or for the rung's time; after flx_idle_announce
 * @deaf: frames may wait that the worker would not take now: it sleeps by the clock
 * @most_us: no longer than that; 0: as long as the rung says
 * Returns with the announcement retracted; a signal ends it too. The RCU reader must be offline.
 */
void flx_idle_sleep(struct flx_idle *idle, bool deaf, uint32_t most_us);

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
