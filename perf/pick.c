/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/pick.h"

#include <math.h>
#include <stdlib.h>

#include "tests/random.h"

/* Columns that are not closed yet: those short of a whole, and the others. */
struct open {
	double *share; /* that a number has left to give out, in columns */
	uint32_t *small, *large;
	uint32_t small_count, large_count;
};

static void put(struct open *open, uint32_t number)
{
	if (open->share[number] < 1)
		open->small[open->small_count++] = number;
	else
		open->large[open->large_count++] = number;
}

static void close_column(struct flx_pick *pick, uint32_t number, double share, uint32_t other)
{
	double threshold = share * 4294967296.0; /* 2^32 */

	pick->column[number] = (struct flx_pick_column){
		.threshold = threshold >= UINT32_MAX ? UINT32_MAX : (uint32_t)threshold,
		.other = other,
	};
}

/* Each that is short is filled up by one that has more, which may be short itself then. */
static void fill(struct flx_pick *pick, struct open *open, uint32_t heaviest)
{
	while (open->small_count && open->large_count) {
		uint32_t small = open->small[--open->small_count];
		uint32_t large = open->large[--open->large_count];

		close_column(pick, small, open->share[small], large);
		open->share[large] -= 1 - open->share[small];
		put(open, large);
	}
	/* Wholes, but for rounding; and, by the same, some that nobody has filled up. */
	for (uint32_t i = 0; i < open->large_count; i++)
		close_column(pick, open->large[i], 1, open->large[i]);
	for (uint32_t i = 0; i < open->small_count; i++)
		close_column(pick, open->small[i], open->share[open->small[i]], heaviest);
}

struct flx_pick *flx_pick_make(const double *weights, uint32_t count)
{
	struct flx_pick *pick = malloc(sizeof(*pick) + count * sizeof(pick->column[0]));
	struct open open = {
		.share = malloc(count * sizeof(double)),
		.small = malloc(count * sizeof(uint32_t)),
		.large = malloc(count * sizeof(uint32_t)),
	};
	uint32_t heaviest = 0;
	double sum = 0;

	for (uint32_t i = 0; i < count; i++) {
		sum += weights[i];
		if (weights[i] > weights[heaviest])
			heaviest = i;
	}
	if (!pick || !open.share || !open.small || !open.large || !(sum > 0)) {
		free(pick);
		pick = NULL;
		goto out;
	}
	pick->count = count;
	for (uint32_t i = 0; i < count; i++) {
		open.share[i] = weights[i] * count / sum;
		put(&open, i);
	}
	fill(pick, &open, heaviest);
out:
	free(open.share);
	free(open.small);
	free(open.large);
	return pick;
}

void flx_weights_zipf(double *weights, uint32_t count, double exponent, uint64_t seed)
{
	struct flx_random random = {seed};

	for (uint32_t i = 0; i < count; i++) {
		/* Fisher and Yates, inside out. */
		uint32_t at = flx_random_below(&random, i + 1);

		weights[i] = weights[at];
		weights[at] = pow(i + 1, -exponent);
	}
}
