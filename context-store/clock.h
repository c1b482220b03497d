/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * clock - the store's time: ticks, ages, and how it goes on after the store was away.
 *
 * Stamps and now are ticks modulo 2^32, which is 777 days. A stamp may lie ahead of now, by a quarter
 * of a second after a kill, and is young then; so an age is a signed difference, and more than half
 * of the range, 388 days, would read as the future. No context with a time limit gets so old before
 * it is seen that its time is over:
 *
 *	days
 *	180	FLX_CLOCK_TTL_MAX_S: the longest limit, not quite over when the process ends
 *	194	FLX_CLOCK_AWAY_MAX_S: all that the clock makes up for until the next one begins
 *	 14	left until the sweep (sweep.h) has come by, which takes a minute or two
 *	388
 *
 * One without a limit may get older. Nothing hangs on it but which gives way to a new one, and the
 * age that is shown.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "fabric/base.h"

#define FLX_TICKS_PER_SECOND 64

#define FLX_CLOCK_DAY_S	     86400
#define FLX_CLOCK_TTL_MAX_S  (180 * FLX_CLOCK_DAY_S) /* FLX_TTL_MAX_MS of flx.h */
#define FLX_CLOCK_AWAY_MAX_S (194 * FLX_CLOCK_DAY_S)

static_assert((FLX_CLOCK_TTL_MAX_S + FLX_CLOCK_AWAY_MAX_S + 14 * FLX_CLOCK_DAY_S) <=
		      INT32_MAX / FLX_TICKS_PER_SECOND,
	      "the sum above");

/* Ticks in @ms, rounded up; of a time limit: at most FLX_CLOCK_TTL_MAX_S. */
uint32_t flx_clock_ticks(uint64_t ms);

/* Ticks since @stamp; 0 when it lies ahead. */
static inline uint32_t flx_clock_age(uint32_t stamp, uint32_t now)
{
	int32_t age = (int32_t)(now - stamp);

	return age > 0 ? (uint32_t)age : 0;
}

struct flx_file_set;

/* What the clock of a store's files says. */
struct flx_clock {
	uint32_t
		tick; /* that it is now; only what has passed since a commit, where it is damaged */
	bool tick_damaged;
	bool wall_damaged; /* for how long the store was away is not known, and not in tick */
};

/*
 * flx_clock_read - the clock of @set
 *
 * It goes on from where it was saved, and on for the time since, as the machine's clock has it;
 * should that have been set back, from where it was saved. That is in whole seconds: of two, almost
 * one may not have passed. Better that a context lives a second longer than that a restart ends it
 * before its time. Context: setup, any process.
 */
void flx_clock_read(struct flx_clock *clock, const struct flx_file_set *set);
