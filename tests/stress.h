/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stress - what stress_move.c, which has the workers and their messages, and stress_mover.c, which moves
 * slices meanwhile, share.
 */
#pragma once

#include "tests/random.h"
#include "tests/world.h"

#define STRESS_PAUSES_MAX (1u << 20)
/* A move, or the end, that takes longer has got stuck. */
#define STRESS_STUCK_S 60

/* Group of each fluxion, in the order of the chain; the last one's slices stay. */
enum { STRESS_FIRST, STRESS_BETWEEN, STRESS_SECOND, STRESS_THIRD, STRESS_GROUPS };

struct stress_settings {
	uint32_t workers, keys, window, undo_pct;
	uint64_t moves, messages, seed;
	bool sched; /* moves are ordered of a scheduler, which makes some of its own */
};

/* What was moved. */
struct stress_moved {
	uint64_t moves, undone;
	uint64_t parked; /* messages */
	uint32_t pause_count;
	double pauses_us[STRESS_PAUSES_MAX];
};

extern struct stress_settings stress_settings;
extern struct flx_world stress_world;
extern struct flx_ledger stress_ledger;
extern _Atomic uint32_t stress_wrong; /* messages that were not the next of their key */

/* A ledger, of a snapshot of all workers at one of their quiescent points each; handled in it. */
void stress_look(void);
uint64_t stress_handled(void);

/* Moves slices until both numbers of the settings are reached; false: something got stuck. */
bool stress_move_all(struct stress_moved *moved);
