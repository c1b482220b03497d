/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pick - which key comes next: any distribution over numbers, drawn in constant time.
 *
 * A table has one column per number. A column is split in two: up to its threshold it stands for its
 * own number, beyond for another one, so that all columns together give each number its weight. One
 * random word picks a column and a place in it (Walker's alias method, built as in Vose, "A linear
 * algorithm for generating random numbers with a given distribution", IEEE TSE 17(9), 1991).
 *
 * A table is read-only once made; whoever draws may do so beside any other.
 */
#pragma once

#include <stdint.h>

struct flx_pick_column {
	uint32_t threshold; /* of 2^32 */
	uint32_t other;
};

struct flx_pick {
	uint32_t count;
	struct flx_pick_column column[];
};

/*
 * flx_pick_make - a table that draws n as often as @weights[n] is of their sum
 * @weights: @count of them (1 or more), none negative, one at least not 0; the caller's
 * NULL: no memory, or weights that say nothing. Freed by free().
 */
struct flx_pick *flx_pick_make(const double *weights, uint32_t count);

/* flx_pick_draw - the number that the uniformly random word @random stands for. Two loads at most. */
static inline uint32_t flx_pick_draw(const struct flx_pick *pick, uint64_t random)
{
	uint32_t at = (uint32_t)((random >> 32) * pick->count >> 32);
	const struct flx_pick_column *column = &pick->column[at];

	return (uint32_t)random < column->threshold ? at : column->other;
}

/*
 * flx_weights_zipf - the n-th most popular is drawn in proportion to 1 / n^@exponent; who is the
 * n-th most popular is shuffled by @seed, for keys that lie together are not popular together
 */
void flx_weights_zipf(double *weights, uint32_t count, double exponent, uint64_t seed);
