/* SPDX-License-Identifier: BSD-3-Clause */
#include "scheduler/migrate_wait.h"

static struct flx_lane *lane_of(const struct flx_migrate *migrate, uint32_t from, uint32_t to)
{
	return &migrate->lanes[from * migrate->worker_count + to];
}

void flx_wait_begin_grace(const struct flx_migrate *migrate, struct flx_move *move)
{
	uint64_t all = migrate->worker_count == 64 ? ~0ull : (1ull << migrate->worker_count) - 1;

	flx_grace_begin(&move->grace, migrate->epoch, all & ~(1ull << move->request.from));
}

bool flx_wait_grace_passed(const struct flx_migrate *migrate, struct flx_move *move)
{
	for (uint64_t left = move->grace.waiting; left; left &= left - 1) {
		uint32_t w = (uint32_t)__builtin_ctzll(left);

		flx_grace_look(&move->grace, w, migrate->worker[w].pulse);
	}
	flx_move_note_waiting(move, move->grace.waiting);
	return move->grace.waiting == 0;
}

void flx_wait_note_lanes(const struct flx_migrate *migrate, struct flx_move *move, uint32_t index,
			 bool into)
{
	for (uint32_t w = 0; w < migrate->worker_count; w++)
		if (w != index)
			move->put[w] = flx_lane_put_count(into ? lane_of(migrate, w, index)
							       : lane_of(migrate, index, w));
}

bool flx_wait_lanes_taken(const struct flx_migrate *migrate, struct flx_move *move, uint32_t index,
			  bool into)
{
	uint64_t waiting = 0;

	for (uint32_t w = 0; w < migrate->worker_count; w++) {
		const struct flx_lane *lane =
			into ? lane_of(migrate, w, index) : lane_of(migrate, index, w);

		if (w != index && flx_lane_taken_count(lane) < move->put[w])
			waiting |= 1ull << (into ? index : w);
	}
	flx_move_note_waiting(move, waiting);
	return waiting == 0;
}

/*
 * Fluxions of the group that moves; or those that have no slices, which run where they are sent, the
 * fabric's own among them.
 */
static bool concerns(const struct flx_migrate *migrate, uint32_t fluxion, uint32_t group,
		     bool locals)
{
	const struct flx_fluxion_entry *entry = &migrate->registry->fluxion[fluxion];

	if (entry->mode == FLX_PLACE_LOCAL)
		return locals;
	return !locals && entry->group == group;
}

void flx_wait_mark_vectors(const struct flx_migrate *migrate, struct flx_move *move, uint32_t index,
			   bool locals)
{
	const struct flx_fifo *vectors = migrate->worker[index].vectors;

	for (uint32_t f = FLX_FLUXION_NONE + 1; f < migrate->registry->fluxion_count; f++)
		if (concerns(migrate, f, move->request.of, locals))
			move->mark[f] = flx_fifo_mark(&vectors[f]);
}

bool flx_wait_vectors_passed(const struct flx_migrate *migrate, struct flx_move *move,
			     uint32_t index, bool locals)
{
	const struct flx_fifo *vectors = migrate->worker[index].vectors;

	flx_move_note_waiting(move, 1ull << index);
	for (uint32_t f = FLX_FLUXION_NONE + 1; f < migrate->registry->fluxion_count; f++)
		if (concerns(migrate, f, move->request.of, locals) &&
		    !flx_fifo_passed(&vectors[f], move->mark[f]))
			return false;
	return true;
}
