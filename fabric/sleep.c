/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sleep - what a worker does after a turn without work; scheduler/idle.h has the ladder.
 *
 * Whatever a sleeper has to do is a frame on its queues, or comes with a wake-up (flx_idle_wake):
 * messages on lanes, a step of a move, a snapshot, the end, and contexts to be swept; or it is
 * among what flx_worker_has_work looks at, and then nobody sleeps. A worker that does not poll its
 * queues (no credits, a full lane, draining) sleeps by the clock, since nobody says when it may.
 */
#include <urcu-qsbr.h>

#include "fabric/worker.h"

bool flx_worker_has_work(struct flx_worker *worker)
{
	uint32_t state = atomic_load_explicit(&worker->shared->state, memory_order_relaxed);
	uint32_t wanted =
		atomic_load_explicit(&worker->shared->snapshot_wanted, memory_order_relaxed);

	if (worker->dirty_lanes || state == FLX_STOP ||
	    wanted != atomic_load_explicit(&worker->snapshot_done, memory_order_relaxed) ||
	    flx_migrate_busy(&worker->shared->migrate, worker->index))
		return true;
	for (uint32_t f = 0; f < sizeof(worker->pending) / sizeof(worker->pending[0]); f++)
		if (worker->pending[f])
			return true;
	for (uint32_t p = 0; p < worker->port_count; p++)
		if (worker->tx[p].frames.count)
			return true;
	for (uint32_t from = 0; from < worker->worker_count; from++)
		if (from != worker->index && flx_lane_count(flx_worker_lane_from(worker, from)))
			return true;
	return false;
}

void flx_worker_rest(struct flx_worker *worker)
{
	uint32_t most_us = 0;
	uint64_t now;

	if (flx_idle_next(&worker->idle) == FLX_IDLE_SPIN)
		return;
	flx_idle_announce(&worker->idle);
	if (flx_worker_has_work(worker)) {
		flx_idle_retract(&worker->idle);
		/* It waits for others: a step of a move, a full lane. */
		flx_idle_pause(&worker->idle);
		return;
	}
	/* Nothing wakes it for the retries that are due to messages that wait. */
	if (worker->runs_arp && flx_arp_waiting(worker->shared->arp))
		most_us = FLX_ARP_PERIOD_US;
	/* Offline: no grace period waits for a sleeper, and it holds no pointer meanwhile. */
	urcu_qsbr_thread_offline();
	atomic_store_explicit(&worker->pulse.away, 1, memory_order_release);
	flx_idle_sleep(&worker->idle, worker->deaf, most_us);
	atomic_store_explicit(&worker->pulse.away, 0, memory_order_relaxed);
	/* Ends with a full fence, so that what is read under RCU comes after away. */
	urcu_qsbr_thread_online();
	/* The time asleep is not part of the turn that follows. */
	now = rte_rdtsc();
	worker->stats->total_tsc += now - worker->now_tsc;
	worker->now_tsc = now;
}
