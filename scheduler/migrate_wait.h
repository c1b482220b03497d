/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * migrate_wait - what the steps of a move (move.h) wait for: grace periods, lanes, vectors.
 *
 * Each is noted in the move as it is at one time, and later looked at: nobody waits. Who holds it up is
 * noted too. Context of everything: the worker whose turn it is in the move's state.
 */
#pragma once

#include "scheduler/migrate.h"

/* A grace period for all workers but the source, which has seen what it has done itself. */
void flx_wait_begin_grace(const struct flx_migrate *migrate, struct flx_move *move);
bool flx_wait_grace_passed(const struct flx_migrate *migrate, struct flx_move *move);

/* Counts of the lanes of worker @index, into it or out of it, as they are now; and all of it taken. */
void flx_wait_note_lanes(const struct flx_migrate *migrate, struct flx_move *move, uint32_t index,
			 bool into);
bool flx_wait_lanes_taken(const struct flx_migrate *migrate, struct flx_move *move, uint32_t index,
			  bool into);

/*
 * What lies in the vectors of worker @index now, of the group that moves, or (@locals) of what has no
 * slices; and none of it there any more. Context: that worker.
 */
void flx_wait_mark_vectors(const struct flx_migrate *migrate, struct flx_move *move, uint32_t index,
			   bool locals);
bool flx_wait_vectors_passed(const struct flx_migrate *migrate, struct flx_move *move,
			     uint32_t index, bool locals);
