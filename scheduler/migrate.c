/* SPDX-License-Identifier: BSD-3-Clause */
#include "scheduler/migrate.h"

#include <errno.h>

#include "fabric/memory.h"

int flx_migrate_init(struct flx_migrate *migrate)
{
	for (uint32_t m = 0; m < FLX_MOVES_MAX; m++) {
		struct flx_move *move = &migrate->move[m];

		move->mark = flx_memory_alloc(
			"marks", migrate->registry->fluxion_count * sizeof(*move->mark), -1);
		if (!move->mark)
			return -ENOMEM;
		atomic_init(&move->state, FLX_MOVE_FREE);
		atomic_init(&move->undo, 0);
	}
	return 0;
}

void flx_migrate_fini(struct flx_migrate *migrate)
{
	for (uint32_t m = 0; m < FLX_MOVES_MAX; m++) {
		flx_memory_free(migrate->move[m].mark);
		migrate->move[m].mark = NULL;
	}
}

static bool slices_valid(const struct flx_migrate *migrate, const struct flx_move_request *request)
{
	const struct flx_registry *registry = migrate->registry;

	if (request->of >= registry->group_count ||
	    registry->group[request->of].mode == FLX_PLACE_LOCAL)
		return false;
	for (uint32_t i = 0; i < request->count; i++)
		if (request->number[i] >= FLX_SLICES ||
		    flx_route_owner(&migrate->routes->route[request->of], request->number[i]) !=
			    request->from)
			return false;
	return true;
}

static bool buckets_valid(const struct flx_migrate *migrate, const struct flx_move_request *request)
{
	if (request->of >= migrate->port_count || !migrate->worker[request->from].rx[request->of] ||
	    !migrate->worker[request->to].rx[request->of])
		return false;
	for (uint32_t i = 0; i < request->count; i++)
		if (request->number[i] >= migrate->port[request->of].reta_size)
			return false;
	return true;
}

/* Whether a move under way has some of what @request asks for. */
static bool is_under_way(const struct flx_migrate *migrate, const struct flx_move_request *request)
{
	for (uint32_t m = 0; m < FLX_MOVES_MAX; m++) {
		const struct flx_move_request *other = &migrate->move[m].request;

		if (flx_migrate_state(migrate, m) == FLX_MOVE_FREE ||
		    other->kind != request->kind || other->of != request->of)
			continue;
		for (uint32_t i = 0; i < request->count; i++)
			for (uint32_t k = 0; k < other->count; k++)
				if (request->number[i] == other->number[k])
					return true;
	}
	return false;
}

static bool is_valid(const struct flx_migrate *migrate, const struct flx_move_request *request)
{
	if (request->from >= migrate->worker_count || request->to >= migrate->worker_count ||
	    request->from == request->to || request->count == 0 || request->count > FLX_MOVE_MAX)
		return false;
	return request->kind == FLX_MOVE_BUCKETS ? buckets_valid(migrate, request)
						 : slices_valid(migrate, request);
}

int flx_migrate_request(struct flx_migrate *migrate, const struct flx_move_request *request,
			uint64_t now_tsc)
{
	uint32_t number = 0;
	struct flx_move *move;

	if (!is_valid(migrate, request))
		return -EINVAL;
	while (number < FLX_MOVES_MAX && flx_migrate_state(migrate, number) != FLX_MOVE_FREE)
		number++;
	if (number == FLX_MOVES_MAX || is_under_way(migrate, request))
		return -EBUSY;
	move = &migrate->move[number];
	move->request = *request;
	move->times = (struct flx_move_times){.requested_tsc = now_tsc};
	atomic_store_explicit(&move->undo, 0, memory_order_relaxed);
	flx_move_note_waiting(move, 1ull << request->from);
	flx_move_enter(move, FLX_MOVE_REQUESTED, now_tsc);
	/* Release: whoever finds the bit finds the request. */
	atomic_fetch_or_explicit(&migrate->worker[request->from].mover->outgoing, 1ull << number,
				 memory_order_release);
	flx_idle_wake(migrate->worker[request->from].idle);
	return (int)number;
}

void flx_migrate_written(struct flx_migrate *migrate, uint32_t number, uint64_t now_tsc,
			 uint64_t settled_tsc)
{
	struct flx_move *move = &migrate->move[number];

	move->times.routed_tsc = now_tsc;
	move->settled_tsc = settled_tsc;
	flx_move_note_waiting(move, 0);
	flx_move_enter(move, FLX_MOVE_SETTLING, now_tsc);
}

void flx_migrate_undo(struct flx_migrate *migrate, uint32_t number)
{
	atomic_store_explicit(&migrate->move[number].undo, 1, memory_order_relaxed);
}

enum flx_move_state flx_migrate_reap(struct flx_migrate *migrate, struct flx_move_request *request,
				     struct flx_move_times *times)
{
	for (uint32_t m = 0; m < FLX_MOVES_MAX; m++) {
		struct flx_move *move = &migrate->move[m];
		enum flx_move_state state = flx_migrate_state(migrate, m);

		if (state != FLX_MOVE_DONE && state != FLX_MOVE_UNDONE)
			continue;
		*request = move->request;
		*times = move->times;
		atomic_store_explicit(&move->state, FLX_MOVE_FREE, memory_order_relaxed);
		return state;
	}
	return FLX_MOVE_FREE;
}

uint64_t flx_migrate_under_way(const struct flx_migrate *migrate)
{
	uint64_t moves = 0;

	for (uint32_t m = 0; m < FLX_MOVES_MAX; m++)
		if (flx_migrate_state(migrate, m) != FLX_MOVE_FREE)
			moves |= 1ull << m;
	return moves;
}

int flx_migrate_holder(const struct flx_migrate *migrate, uint32_t number, uint64_t *since_tsc)
{
	const struct flx_move *move = &migrate->move[number];
	uint64_t waiting = atomic_load_explicit(&move->waiting, memory_order_relaxed);

	*since_tsc = atomic_load_explicit(&move->since_tsc, memory_order_relaxed);
	return waiting ? __builtin_ctzll(waiting) : -1;
}
