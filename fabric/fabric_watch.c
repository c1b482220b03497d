/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fabric_watch - looks after the workers of a running fabric, and tells the operator which one has
 * stalled, where, and when it goes on.
 */
#include <time.h>

#include "fabric/fabric_state.h"

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

void flx_fabric_watch_start(struct flx_fabric *fabric)
{
	flx_watch_init(&fabric->watch, now_us());
}

static void tell_stall(const struct flx_fabric *fabric, uint32_t w, uint64_t lasted_us)
{
	const struct flx_pulse *pulse = &fabric->shared.workers[w]->pulse;
	uint32_t number = atomic_load_explicit(&pulse->fluxion, memory_order_relaxed);
	uint32_t cpu = fabric->setup.plan.worker[w].cpu;
	double seconds = (double)lasted_us / 1e6;

	if (atomic_load_explicit(&pulse->away, memory_order_relaxed))
		flx_warn(
			"worker %u (CPU %u) was woken %.1f s ago and does not run: another process "
			"has taken its CPU; give the worker one of its own",
			w, cpu, seconds);
	else if (number == FLX_FLUXION_NONE)
		flx_warn(
			"worker %u (CPU %u) has not ended its turn for %.1f s: no fluxion runs, so "
			"another process has taken its CPU or a port's driver does not return; "
			"memory freed meanwhile waits for it",
			w, cpu, seconds);
	else
		flx_warn("worker %u (CPU %u) has not ended its turn for %.1f s: fluxion '%s' runs; "
			 "memory freed meanwhile waits for it",
			 w, cpu, seconds, fabric->registry.fluxion[number].id);
}

static void watch_worker(struct flx_fabric *fabric, uint32_t w)
{
	struct flx_worker *worker = fabric->shared.workers[w];
	/* Pairs with the release in account: see struct flx_pulse. */
	uint64_t turns = atomic_load_explicit(&worker->pulse.turns, memory_order_acquire);
	/* One that was woken and still sleeps has work, but no CPU. */
	bool rests = atomic_load_explicit(&worker->pulse.away, memory_order_relaxed) &&
		     atomic_load_explicit(&worker->idle.parked, memory_order_relaxed);
	uint64_t lasted_us;

	switch (flx_watch_look(&fabric->watch, w, turns, rests, &lasted_us)) {
	case FLX_WATCH_STALLS:
		tell_stall(fabric, w, lasted_us);
		break;
	case FLX_WATCH_GOES_ON:
		flx_warn("worker %u (CPU %u) goes on after %.1f s", w,
			 fabric->setup.plan.worker[w].cpu, (double)lasted_us / 1e6);
		break;
	case FLX_WATCH_NOTHING:
		break;
	}
}

void flx_fabric_watch(struct flx_fabric *fabric)
{
	if (!flx_watch_begin(&fabric->watch, now_us()))
		return;
	flx_fabric_sched_watch(fabric);
	for (uint32_t w = 0; w < fabric->workers_launched; w++) {
		watch_worker(fabric, w);
		/* One that sleeps until a message comes would never sweep its contexts. */
		if (fabric->shared.sweep_count)
			flx_idle_wake(&fabric->shared.workers[w]->idle);
	}
}
