/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * steady - what a worker's load has been on average since it last got or gave slices.
 *
 * The load of one tick is quick to show that a worker is swamped, but off by some percent: acted
 * upon for every small difference, it would move slices to and fro forever. The mean over many
 * ticks is exact, but late, and false as soon as slices have moved. So it begins anew with each
 * move, and counts for nothing before it has seen enough ticks.
 *
 * Context of everything: the control thread, once per tick.
 */
#pragma once

#include <stdlib.h>

#include "scheduler/policy.h"

/*
 * Ticks before the mean counts. Fewer, and noise of 5 % in two workers looks like a difference of some
 * points; more, and what an urgent move has left uneven is so still after 20 ms.
 */
#define FLX_STEADY_TICKS 3
/*
 * Ticks before a small difference counts. Fewer, and a hypervisor that gives one worker less for some
 * ten milliseconds makes moves, each of which begins the mean anew; more, and what nobody feels much is
 * evened out even later.
 */
#define FLX_STEADY_SETTLED 32
/*
 * Ticks that the mean looks back. Fewer, and noise makes moves; more, and a load that grows slowly
 * is seen late.
 */
#define FLX_STEADY_MEMORY 64
/*
 * A load this far from the one before is not taken into the mean until the next one is there. Less, and the
 * mean is made of what is near it already; more, and a CPU lost for half a millisecond is in it.
 */
#define FLX_STEADY_FAR (FLX_POLICY_FULL / 8)

struct flx_steady {
	int32_t mean_ppm;
	int32_t last_ppm; /* at the last tick, up to the whole time */
	uint32_t ticks;	  /* in the mean, up to FLX_STEADY_MEMORY */
	bool far;	  /* the last was */
};

/* flx_steady_reset - the worker has got or given slices. */
static inline void flx_steady_reset(struct flx_steady *steady)
{
	*steady = (struct flx_steady){0};
}

/* flx_steady_add - the load of one more tick, as flx_policy_demand tells it */
static inline void flx_steady_add(struct flx_steady *steady, int32_t load_ppm)
{
	int32_t shown_ppm = load_ppm < FLX_POLICY_FULL ? load_ppm : FLX_POLICY_FULL;
	bool far = steady->ticks && abs(shown_ppm - steady->last_ppm) > FLX_STEADY_FAR;
	bool waits = far && !steady->far;

	steady->far = far;
	steady->last_ppm = shown_ppm;
	if (waits)
		return;
	if (steady->ticks < FLX_STEADY_MEMORY)
		steady->ticks++;
	steady->mean_ppm += (load_ppm - steady->mean_ppm) / (int32_t)steady->ticks;
}

/* The load of the last tick; FLX_POLICY_UNKNOWN: there was none since the reset. */
static inline int32_t flx_steady_last(const struct flx_steady *steady)
{
	return steady->ticks ? steady->last_ppm : FLX_POLICY_UNKNOWN;
}

/* Whether the mean counts; and whether for small differences. */
static inline bool flx_steady_counts(const struct flx_steady *steady)
{
	return steady->ticks >= FLX_STEADY_TICKS;
}

static inline bool flx_steady_settled(const struct flx_steady *steady)
{
	return steady->ticks >= FLX_STEADY_SETTLED;
}
