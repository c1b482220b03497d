/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * watch - tells which workers have stalled: their turns do not end, and they do not rest either.
 *
 * A handler that blocks or loops, or a CPU that another process has taken, shows here and nowhere
 * else: the other workers go on, while messages wait behind the one that stalled, and so does all
 * memory that is freed after a grace period. What is decided takes its clock and counts as
 * arguments; fabric_watch.c reads them and tells the operator.
 *
 * A stall is told after 1, 2, 4 .. 64 s, then every 64 s, and so is its end. Time in which the
 * watch itself did not run does not count: a process that was stopped as a whole (SIGSTOP, a
 * debugger, a suspended machine) has no stalled worker.
 */
#pragma once

#include "fabric/base.h"

/* Between two looks. Longer, and 1 s is told late; shorter gains nothing that a person sees. */
#define FLX_WATCH_PERIOD_MS 250

struct flx_watch_worker {
	uint64_t turns;	   /* when last looked at */
	uint64_t since_us; /* not moved since, on the watch's clock */
	uint64_t next_us;  /* told when it has lasted that long */
};

struct flx_watch {
	uint64_t last_us;  /* the last look, on the caller's clock */
	uint64_t clock_us; /* time that the watch has seen pass */
	struct flx_watch_worker worker[FLX_WORKERS_MAX];
};

enum flx_watch_event {
	FLX_WATCH_NOTHING, /* that is new */
	FLX_WATCH_STALLS,
	FLX_WATCH_GOES_ON,
};

/* flx_watch_init - all workers move; @now_us: any clock that does not go back. */
void flx_watch_init(struct flx_watch *watch, uint64_t now_us);

/*
 * flx_watch_begin - begin a look at all workers; false when it is too early for one
 * Context: owner, at least once per FLX_WATCH_PERIOD_MS.
 */
bool flx_watch_begin(struct flx_watch *watch, uint64_t now_us);

/*
 * flx_watch_look - what has become of worker @index, once per look
 * @turns: that it has ended
 * @rests: it sleeps, and nobody has woken it
 * @lasted_us: how long its turn lasts, or has lasted when it goes on
 * Context: owner.
 */
enum flx_watch_event flx_watch_look(struct flx_watch *watch, uint32_t index, uint64_t turns,
				    bool rests, uint64_t *lasted_us);

/* Whether worker @index was told to stall and not yet to go on. */
bool flx_watch_stalls(const struct flx_watch *watch, uint32_t index);
