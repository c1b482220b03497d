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

#include "fabric/base.h"

/*
 * Ticks before the mean counts. Fewer, and noise of 5 % in two workers still looks like a
 * difference of some points; more, and what an urgent move has left uneven stays so for longer.
 */
#define FLX_STEADY_TICKS 5
/*
 * Ticks that the mean looks back. Fewer, and noise makes moves; more, and a load that grows slowly
 * is seen late.
 */
#define FLX_STEADY_MEMORY 16

struct flx_steady {
	int32_t mean_ppm;
	uint32_t ticks; /* in the mean, up to FLX_STEADY_MEMORY */
};

/* flx_steady_reset - the worker has got or given slices. */
static inline void flx_steady_reset(struct flx_steady *steady)
{
	*steady = (struct flx_steady){0};
}

/* flx_steady_add - the load of one more tick, as flx_policy_demand tells it */
static inline void flx_steady_add(struct flx_steady *steady, int32_t load_ppm)
{
	if (steady->ticks < FLX_STEADY_MEMORY)
		steady->ticks++;
	steady->mean_ppm += (load_ppm - steady->mean_ppm) / (int32_t)steady->ticks;
}

/* Whether the mean counts. */
static inline bool flx_steady_counts(const struct flx_steady *steady)
{
	return steady->ticks >= FLX_STEADY_TICKS;
}
