/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * spread - by how much one set of runs is above another, and how sure that is.
 *
 * The change is Hodges and Lehmann's: the median of what each run of the one makes of each run of the
 * other, as a quotient, or as a difference where a run is not above 0. Its interval is that of the test of
 * Mann and Whitney turned round: of those pairs, sorted, as many are left out at both ends as chance alone
 * would put there in 5 of 100 comparisons. That count is exact, and asks nothing of how runs are
 * distributed, only that both sets are so in the same way; a bootstrap of five runs draws from 126
 * resamples, and its intervals are known to be too narrow. (Hollander, Wolfe, Chicken: Nonparametric
 * Statistical Methods, chapter 4.)
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "perf/sample.h"

/* With three and three, no interval has 95 %: chance alone puts all of one above all of the other in 10 %. */
#define FLX_SPREAD_RUNS 4

struct flx_spread {
	bool ratio; /* quotients; else differences */
	bool known; /* there are runs enough for an interval */
	double change, low, high;
};

/* flx_spread_of - what became of @before in @after; both have a run at least */
struct flx_spread flx_spread_of(const struct flx_samples *before, const struct flx_samples *after);

/*
 * flx_spread_rank - which of the m * n sorted pairs, counted from 1 from either end, bounds the interval
 * 0: none does. @m, @n: runs, 1 to FLX_RUNS_MAX each.
 */
uint32_t flx_spread_rank(uint32_t m, uint32_t n);
