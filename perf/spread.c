/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/spread.h"

#include <stdlib.h>
#include <string.h>

/* Of comparisons without a change, how many are told to be one on either side. */
#define ONE_SIDE 0.025

#define PAIRS_MAX (FLX_RUNS_MAX * FLX_RUNS_MAX)

/*
 * How likely it is, by chance alone, that of m * n pairs exactly u are in the wrong order. Mann and
 * Whitney's recurrence, by whose run is the greatest of all: one of the n makes m wrong pairs, one of the m
 * makes none.
 *
 *	p(m, n, u) = n / (m + n) p(m, n - 1, u - m) + m / (m + n) p(m - 1, n, u)
 *
 * One row per m, which holds the n before when it is made: from the top down, for it uses lower ones.
 */
static void count_chances(double (*p)[PAIRS_MAX + 1], uint32_t m_last, uint32_t n_last)
{
	/* Without runs of one kind there is one order, and no pair. */
	for (uint32_t m = 0; m <= m_last; m++)
		p[m][0] = 1;
	for (uint32_t n = 1; n <= n_last; n++)
		for (uint32_t m = 1; m <= m_last; m++)
			for (uint32_t u = m * n + 1; u-- > 0;)
				p[m][u] = ((u >= m ? n * p[m][u - m] : 0) + m * p[m - 1][u]) /
					  (m + n);
}

uint32_t flx_spread_rank(uint32_t m, uint32_t n)
{
	double(*p)[PAIRS_MAX + 1] = calloc(m + 1, sizeof(*p)), sum = 0;
	uint32_t u = 0;

	if (!p)
		return 0;
	count_chances(p, m, n);
	while (u <= m * n && (sum += p[m][u]) <= ONE_SIDE)
		u++;
	free(p);
	return u;
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

struct flx_spread flx_spread_of(const struct flx_samples *before, const struct flx_samples *after)
{
	struct flx_spread spread = {
		.ratio = flx_samples_min(before) > 0 && flx_samples_min(after) > 0,
	};
	uint32_t count = before->count * after->count, rank = 0;
	static double pair[PAIRS_MAX];

	for (uint32_t i = 0; i < before->count; i++)
		for (uint32_t j = 0; j < after->count; j++) {
			double a = before->value[i], b = after->value[j];

			pair[i * after->count + j] = spread.ratio ? b / a : b - a;
		}
	qsort(pair, count, sizeof(pair[0]), compare);
	spread.change = (pair[(count - 1) / 2] + pair[count / 2]) / 2;
	if (before->count >= FLX_SPREAD_RUNS && after->count >= FLX_SPREAD_RUNS)
		rank = flx_spread_rank(before->count, after->count);
	spread.known = rank > 0;
	if (spread.known) {
		spread.low = pair[rank - 1];
		spread.high = pair[count - rank];
	}
	return spread;
}
