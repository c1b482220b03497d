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

#include "scheduler/policy.h"

/*
 * Ticks before the mean counts. Fewer, and noise of 5 % in two workers looks like a difference that is to be
 * mended, and never ends; more, and what an urgent move has left uneven is so still after 20 ms.
 */
#define FLX_STEADY_TICKS 5
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

struct flx_steady {
	int32_t mean_ppm;
	int32_t last_ppm[2]; /* of the last tick and the one before */
	uint32_t ticks;	     /* in the mean, up to FLX_STEADY_MEMORY */
};

/* flx_steady_reset - the worker has got or given slices. */
static inline void flx_steady_reset(struct flx_steady *steady)
{
	*steady = (struct flx_steady){0};
}

/*
 * flx_steady_add - the load of one more tick, as flx_policy_demand tells it
 * What is beyond the whole time does not count: for one tick it may be many times that.
 */
static inline void flx_steady_add(struct flx_steady *steady, int32_t load_ppm)
{
	load_ppm = load_ppm < FLX_POLICY_FULL ? load_ppm : FLX_POLICY_FULL;
	if (steady->ticks < FLX_STEADY_MEMORY)
		steady->ticks++;
	steady->mean_ppm += (load_ppm - steady->mean_ppm) / (int32_t)steady->ticks;
	steady->last_ppm[1] = steady->last_ppm[0];
	steady->last_ppm[0] = load_ppm;
}

/* The load of the tick before the last; FLX_POLICY_UNKNOWN: there was none since the reset. */
static inline int32_t flx_steady_before(const struct flx_steady *steady)
{
	return steady->ticks > 1 ? steady->last_ppm[1] : FLX_POLICY_UNKNOWN;
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
