/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rest - how long what was moved stays where it is.
 *
 * A slice that has moved rests, so that its load shows where it went before anything is decided
 * about it again. When it goes back to a place that it has left not long ago, the move has not
 * helped: the load changes faster than it can be followed, or the slice is what makes a worker full
 * wherever it is. Each such return doubles the rest, up to a bound, so a load that alternates is
 * followed ever more seldom, and in the end put up with. After a calm time without a move all is
 * forgotten.
 *
 * A worker rests as well when it was added: it is not parked before it has rested. Its two places
 * are parked and active. Adding never waits.
 *
 * The clock is the caller's: any that does not go back. Context of everything: the control thread.
 */
#pragma once

#include "fabric/base.h"

struct flx_rest {
	uint64_t moved_us; /* the last move */
	uint64_t been;	   /* places that it has left since it was calm, a bit each */
	uint32_t span_us;  /* the rest after that move; 0: has not moved since it was calm */
};

struct flx_rest_rule {
	uint32_t first_us;
	uint32_t longest_us; /* first_us doubled some times */
	uint32_t calm_us;    /* after the rest */
};

/* What holds for slices, places being workers; rest.c says why. */
extern const struct flx_rest_rule flx_rest_slice;
/* And for workers, between parked and active. */
extern const struct flx_rest_rule flx_rest_worker;

/* Places of a worker. */
enum flx_rest_place {
	FLX_REST_PARKED,
	FLX_REST_ACTIVE,
};

/*
 * flx_rest_moved - note that something has moved; what is all zero has never moved
 * @from, @to: places, below 64
 */
void flx_rest_moved(struct flx_rest *rest, const struct flx_rest_rule *rule, uint64_t now_us,
		    uint32_t from, uint32_t to);

/* flx_rest_over - it may be moved again. */
static inline bool flx_rest_over(const struct flx_rest *rest, uint64_t now_us)
{
	return now_us >= rest->moved_us + rest->span_us;
}
