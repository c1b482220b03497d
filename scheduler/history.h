/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * history - what the scheduler saw and did lately: loads at each tick, and moves, in two rings.
 *
 * Fixed in size: the newest push the oldest out. Times are in microseconds since the scheduler began.
 * Context of everything: under the scheduler's lock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "fabric/base.h"
#include "scheduler/migrate.h"

/* At 2 ms a tick these are 16 s. */
#define FLX_HISTORY_SAMPLES 8192
#define FLX_HISTORY_MOVES   2048

struct flx_history_sample {
	uint64_t at_us;
	uint16_t busy_permille[]; /* by worker */
};

struct flx_history_move {
	uint64_t begun_us;
	uint64_t ended_us;
	uint32_t pause_us; /* of the slices: from the first message that waited to the last */
	uint32_t parked;   /* messages */
	uint16_t of;	   /* group or port */
	uint16_t count;	   /* slices or buckets */
	uint8_t kind;	   /* enum flx_move_kind */
	uint8_t from;
	uint8_t to;
	bool undone;
	uint16_t first; /* number of the first of them */
};

struct flx_history {
	uint32_t worker_count;
	uint64_t sample_count; /* ever */
	uint64_t move_count;   /* ever */
	uint8_t *samples;
	struct flx_history_move *moves;
};

/* 0; -ENOMEM. Context: setup. */
int flx_history_init(struct flx_history *history, uint32_t worker_count);
void flx_history_fini(struct flx_history *history);

/* Makes @copy, which was not, of @history: to be looked at without the lock. 0; -ENOMEM. */
int flx_history_copy(struct flx_history *copy, const struct flx_history *history);

/* flx_history_add - room for a new sample, whose shares the caller fills */
struct flx_history_sample *flx_history_add(struct flx_history *history, uint64_t at_us);
void flx_history_note(struct flx_history *history, const struct flx_history_move *move);

/* Sample or move @number of all ever noted, which is one of those that are left. */
const struct flx_history_sample *flx_history_sample(const struct flx_history *history,
						    uint64_t number);
const struct flx_history_move *flx_history_move(const struct flx_history *history, uint64_t number);

/* Numbers of the oldest that are left. */
uint64_t flx_history_first_sample(const struct flx_history *history);
uint64_t flx_history_first_move(const struct flx_history *history);

/*
 * flx_history_pauses - pauses of the moves that are left and have parked any, in ascending order
 * @pauses_us: room for FLX_HISTORY_MOVES. Returns how many.
 */
uint32_t flx_history_pauses(const struct flx_history *history, uint32_t *pauses_us);
