/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * migrate_steps - what the workers do in each state of a move; move.h has the order, and why.
 */
#include "scheduler/migrate_wait.h"

/* ---------------------------------------------------------------------------- common to all steps */

/*
 * The next state, and it is the turn of worker @index, which may sleep. Looked up before: with the last
 * step taken there, the move may be over and another one in its place.
 */
static void pass_to(struct flx_migrate *migrate, struct flx_move *move, enum flx_move_state state,
		    uint32_t index, uint64_t now_tsc)
{
	struct flx_idle *idle = migrate->worker[index].idle;

	flx_move_note_waiting(move, 1ull << index);
	flx_move_enter(move, state, now_tsc);
	flx_idle_wake(idle);
}

static void set_bit(_Atomic uint64_t *word, uint32_t bit)
{
	atomic_fetch_or_explicit(word, 1ull << bit, memory_order_release);
}

static void clear_bit(_Atomic uint64_t *word, uint32_t bit)
{
	atomic_fetch_and_explicit(word, ~(1ull << bit), memory_order_relaxed);
}

static void set_flags(const struct flx_migrate *migrate, uint32_t index,
		      const struct flx_move_request *request, uint32_t flag)
{
	const struct flx_mover *mover = migrate->worker[index].mover;
	_Atomic uint8_t *flags = request->kind == FLX_MOVE_BUCKETS ? mover->buckets[request->of]
								   : mover->flags[request->of].flag;

	for (uint32_t i = 0; i < request->count; i++)
		atomic_store_explicit(&flags[request->number[i]], (uint8_t)flag,
				      memory_order_relaxed);
}

static void set_routes(const struct flx_migrate *migrate, const struct flx_move_request *request,
		       uint32_t owner)
{
	struct flx_route *route = &migrate->routes->route[request->of];

	for (uint32_t i = 0; i < request->count; i++)
		flx_route_set(route, request->number[i], owner);
}

/* The source's vectors of the group are waited for from now on (@sign 1), or not any more (-1). */
static void expect_vectors(const struct flx_migrate *migrate, const struct flx_move *move, int sign)
{
	uint8_t *waited =
		&migrate->worker[move->request.from].mover->vectors_waited[move->request.of];

	*waited = (uint8_t)(*waited + sign);
}

/* --------------------------------------------------------------------------------- the way there */

static void hurry(const struct flx_migrate *migrate, uint64_t now_tsc)
{
	atomic_store_explicit(migrate->hurry_until_tsc, now_tsc + migrate->hurry_tsc,
			      memory_order_relaxed);
}

static void announce(struct flx_migrate *migrate, struct flx_move *move, uint32_t number,
		     uint64_t now_tsc)
{
	const struct flx_move_request *request = &move->request;

	set_flags(migrate, request->to, request, FLX_SLICE_ARRIVING + number);
	if (request->kind == FLX_MOVE_BUCKETS) {
		set_bit(&migrate->worker[request->to].mover->incoming, number);
		set_bit(&migrate->worker[request->to].mover->incoming_buckets, number);
	} else {
		hurry(migrate, now_tsc);
	}
	flx_wait_begin_grace(migrate, move);
	flx_move_enter(move, FLX_MOVE_ANNOUNCED, now_tsc);
}

static void prepare(struct flx_migrate *migrate, struct flx_move *move, uint64_t now_tsc)
{
	expect_vectors(migrate, move, 1);
	flx_wait_mark_vectors(migrate, move, move->request.from, false);
	flx_move_enter(move, FLX_MOVE_PREPARING, now_tsc);
}

/* What lay here is handled, or it is time. */
static bool is_prepared(const struct flx_migrate *migrate, struct flx_move *move, uint64_t now_tsc)
{
	uint64_t since_tsc = atomic_load_explicit(&move->since_tsc, memory_order_relaxed);

	return flx_wait_vectors_passed(migrate, move, move->request.from, false) ||
	       now_tsc - since_tsc >= migrate->hurry_tsc;
}

static void reroute(struct flx_migrate *migrate, struct flx_move *move, uint32_t number,
		    uint64_t now_tsc)
{
	/* From here on the move is the target's to see to its end, so that it alone clears this. */
	set_bit(&migrate->worker[move->request.to].mover->incoming, number);
	set_routes(migrate, &move->request, move->request.to);
	hurry(migrate, now_tsc);
	move->times.routed_tsc = now_tsc;
	flx_wait_begin_grace(migrate, move);
	flx_move_enter(move, FLX_MOVE_ROUTED, now_tsc);
}

static void mark_queue(struct flx_migrate *migrate, struct flx_move *move, uint64_t now_tsc)
{
	const struct flx_rx_counts *rx = migrate->worker[move->request.from].rx[move->request.of];

	move->received = rx->received;
	move->empties = rx->empties;
	migrate->worker[move->request.from].mover->queues_waited++;
	flx_move_note_waiting(move, 1ull << move->request.from);
	flx_move_enter(move, FLX_MOVE_QUEUE, now_tsc);
}

/* True when all that lay in the queue when it was marked has been polled. */
static bool queue_passed(const struct flx_migrate *migrate, const struct flx_move *move)
{
	const struct flx_rx_counts *rx = migrate->worker[move->request.from].rx[move->request.of];

	return atomic_load_explicit(migrate->ends, memory_order_relaxed) ||
	       rx->empties != move->empties ||
	       rx->received - move->received >= migrate->port[move->request.of].rx_descs;
}

static void mark_locals(struct flx_migrate *migrate, struct flx_move *move, uint64_t now_tsc)
{
	move->locals_left = migrate->registry->locals_depth;
	flx_wait_mark_vectors(migrate, move, move->request.from, true);
	flx_move_enter(move, FLX_MOVE_LOCALS, now_tsc);
}

/* True when what the slices have sent to fluxions without slices has left those as well. */
static bool locals_passed(const struct flx_migrate *migrate, struct flx_move *move)
{
	while (move->locals_left) {
		if (!flx_wait_vectors_passed(migrate, move, move->request.from, true))
			return false;
		/* What the first of a chain has sent lies before the second now. */
		if (--move->locals_left)
			flx_wait_mark_vectors(migrate, move, move->request.from, true);
	}
	return true;
}

static void note_out(struct flx_migrate *migrate, struct flx_move *move, uint64_t now_tsc)
{
	uint32_t from = move->request.from;

	flx_wait_note_lanes(migrate, move, from, false);
	for (uint32_t p = 0; p < migrate->port_count; p++)
		move->frames[p] = flx_fifo_mark(migrate->worker[from].frames[p]);
	flx_move_enter(move, FLX_MOVE_LANES_OUT, now_tsc);
}

static bool out_taken(const struct flx_migrate *migrate, struct flx_move *move)
{
	uint32_t from = move->request.from;

	if (!flx_wait_lanes_taken(migrate, move, from, false))
		return false;
	for (uint32_t p = 0; p < migrate->port_count; p++)
		if (!flx_fifo_passed(migrate->worker[from].frames[p], move->frames[p])) {
			flx_move_note_waiting(move, 1ull << from);
			return false;
		}
	return true;
}

static void hand_over(struct flx_migrate *migrate, struct flx_move *move, uint32_t number,
		      uint64_t now_tsc)
{
	const struct flx_move_request *request = &move->request;

	if (request->kind == FLX_MOVE_SLICES)
		set_flags(migrate, request->from, request, FLX_SLICE_DEPARTED);
	clear_bit(&migrate->worker[request->from].mover->outgoing, number);
	move->times.handed_tsc = now_tsc;
	pass_to(migrate, move, FLX_MOVE_HANDED, request->to, now_tsc);
}

/* ---------------------------------------------------------------------------------- the way back */

/* Nothing was routed to the target yet: only its flags know of the move. */
static void withdraw(struct flx_migrate *migrate, struct flx_move *move, uint32_t number,
		     uint64_t now_tsc)
{
	const struct flx_move_request *request = &move->request;

	set_flags(migrate, request->to, request, FLX_SLICE_DEPARTED);
	clear_bit(&migrate->worker[request->from].mover->outgoing, number);
	move->times.ended_tsc = now_tsc;
	flx_move_enter(move, FLX_MOVE_UNDONE, now_tsc);
}

static void route_back(struct flx_migrate *migrate, struct flx_move *move, uint32_t number,
		       uint64_t now_tsc)
{
	const struct flx_move_request *request = &move->request;

	set_flags(migrate, request->from, request, FLX_SLICE_ARRIVING + number);
	set_bit(&migrate->worker[request->from].mover->incoming, number);
	set_routes(migrate, request, request->from);
	flx_wait_begin_grace(migrate, move);
	flx_move_enter(move, FLX_MOVE_BACK_ROUTED, now_tsc);
}

/*
 * The account of what an undo hands over: as if it went by a lane, so that each worker's own stays
 * whole. @sign 1: the elements of @fifo arrive at this worker, -1: it never had them.
 */
static void count_arrived(struct flx_stats *stats, const struct flx_fifo *fifo, int sign)
{
	uint32_t counts[FLX_FLUXION_FIRST + FLX_FLUXIONS_MAX] = {0};

	flx_fifo_count(fifo, counts);
	for (uint32_t f = 0; f < stats->fluxion_count; f++)
		stats->fluxion[f].arrived += (uint64_t)((int64_t)counts[f] * sign);
}

/* The target's part: what it has parked is its own no longer. */
static void give(struct flx_migrate *migrate, struct flx_move *move, uint32_t number,
		 uint64_t now_tsc)
{
	const struct flx_migrate_worker *target = &migrate->worker[move->request.to];
	struct flx_parking *parking = &target->mover->parking[number];

	move->given = parking->queue;
	*parking = (struct flx_parking){0};
	flx_fifo_init(&parking->queue, target->chunks);
	target->mover->parked_count -= move->given.count;
	target->stats->put += move->given.count;
	count_arrived(target->stats, &move->given, -1);
	set_flags(migrate, move->request.to, &move->request, FLX_SLICE_DEPARTED);
	pass_to(migrate, move, FLX_MOVE_BACK_GIVEN, move->request.from, now_tsc);
}

/* The source's: before what it has parked itself. The target does not touch it meanwhile. */
static void inherit(struct flx_migrate *migrate, struct flx_move *move, uint32_t number,
		    uint64_t now_tsc)
{
	const struct flx_migrate_worker *source = &migrate->worker[move->request.from];
	struct flx_parking *parking = &source->mover->parking[number];
	struct flx_elem *elems;
	struct flx_fifo all;
	uint32_t row;

	flx_fifo_init(&all, source->chunks);
	flx_fifo_copy(&all, source->chunks, &move->given);
	/* Row by row: there are not chunks for all of it twice. */
	while ((row = flx_fifo_peek(&parking->queue, &elems)) != 0) {
		flx_fifo_push(&all, source->chunks, elems, row);
		flx_fifo_pop(&parking->queue, source->chunks, row);
	}
	flx_fifo_fini(&parking->queue, source->chunks);
	parking->queue = all;
	parking->count += move->given.count;
	source->mover->parked_count += move->given.count;
	source->stats->taken += move->given.count;
	count_arrived(source->stats, &move->given, 1);
	/* What is left to us is to drain, as a target does: see flx_migrate_arrive. */
	clear_bit(&source->mover->outgoing, number);
	pass_to(migrate, move, FLX_MOVE_BACK_TAKEN, move->request.to, now_tsc);
}

/* ------------------------------------------------------------------------------------ the machine */

/* One step of the source on the way back; false: it has to wait. */
static bool step_back(struct flx_migrate *migrate, uint32_t number, uint64_t now_tsc)
{
	struct flx_move *move = &migrate->move[number];
	uint32_t to = move->request.to;

	switch (flx_migrate_state(migrate, number)) {
	case FLX_MOVE_BACK_ROUTED:
		if (!flx_wait_grace_passed(migrate, move))
			return false;
		flx_wait_note_lanes(migrate, move, to, true);
		flx_move_enter(move, FLX_MOVE_BACK_LANES, now_tsc);
		return true;
	case FLX_MOVE_BACK_LANES:
		if (!flx_wait_lanes_taken(migrate, move, to, true))
			return false;
		pass_to(migrate, move, FLX_MOVE_BACK_VECTORS, to, now_tsc);
		return true;
	case FLX_MOVE_BACK_GIVEN:
		inherit(migrate, move, number, now_tsc);
		return true;
	default:
		return false; /* the target's turn, or the control thread's */
	}
}

/* One step of the source while nothing was routed to the target yet; false: it has to wait. */
static bool step_first(struct flx_migrate *migrate, uint32_t number, bool undo, uint64_t now_tsc)
{
	struct flx_move *move = &migrate->move[number];

	switch (flx_migrate_state(migrate, number)) {
	case FLX_MOVE_REQUESTED:
		if (undo)
			withdraw(migrate, move, number, now_tsc);
		else
			announce(migrate, move, number, now_tsc);
		return true;
	case FLX_MOVE_ANNOUNCED:
		if (undo)
			withdraw(migrate, move, number, now_tsc);
		else if (!flx_wait_grace_passed(migrate, move))
			return false;
		else if (move->request.kind == FLX_MOVE_BUCKETS)
			flx_move_enter(move, FLX_MOVE_READY, now_tsc);
		else
			prepare(migrate, move, now_tsc);
		return true;
	default: /* PREPARING */
		if (undo) {
			expect_vectors(migrate, move, -1);
			withdraw(migrate, move, number, now_tsc);
		} else if (is_prepared(migrate, move, now_tsc)) {
			reroute(migrate, move, number, now_tsc);
		} else {
			return false;
		}
		return true;
	}
}

/* One step of the source on the way there; false: it has to wait. */
static bool step(struct flx_migrate *migrate, uint32_t number, uint64_t now_tsc)
{
	struct flx_move *move = &migrate->move[number];
	uint32_t from = move->request.from;
	bool undo = atomic_load_explicit(&move->undo, memory_order_relaxed) &&
		    move->request.kind == FLX_MOVE_SLICES;

	switch (flx_migrate_state(migrate, number)) {
	case FLX_MOVE_REQUESTED:
	case FLX_MOVE_ANNOUNCED:
	case FLX_MOVE_PREPARING:
		return step_first(migrate, number, undo, now_tsc);
	case FLX_MOVE_ROUTED:
		if (!flx_wait_grace_passed(migrate, move))
			return false;
		flx_wait_note_lanes(migrate, move, from, true);
		flx_move_enter(move, FLX_MOVE_LANES_IN, now_tsc);
		return true;
	case FLX_MOVE_LANES_IN:
		if (!flx_wait_lanes_taken(migrate, move, from, true))
			return false;
		flx_wait_mark_vectors(migrate, move, from, false);
		flx_move_enter(move, FLX_MOVE_VECTORS, now_tsc);
		return true;
	case FLX_MOVE_VECTORS:
		if (!flx_wait_vectors_passed(migrate, move, from, false))
			return false;
		expect_vectors(migrate, move, -1);
		mark_locals(migrate, move, now_tsc);
		return true;
	case FLX_MOVE_SETTLING:
		if (now_tsc < move->settled_tsc)
			return false;
		mark_queue(migrate, move, now_tsc);
		return true;
	case FLX_MOVE_QUEUE:
		if (!queue_passed(migrate, move))
			return false;
		migrate->worker[from].mover->queues_waited--;
		mark_locals(migrate, move, now_tsc);
		return true;
	case FLX_MOVE_LOCALS:
		if (!locals_passed(migrate, move))
			return false;
		note_out(migrate, move, now_tsc);
		return true;
	case FLX_MOVE_LANES_OUT:
		if (undo)
			route_back(migrate, move, number, now_tsc);
		else if (out_taken(migrate, move))
			hand_over(migrate, move, number, now_tsc);
		else
			return false;
		return true;
	default:
		return step_back(migrate, number, now_tsc);
	}
}

void flx_migrate_advance(struct flx_migrate *migrate, uint32_t index, uint64_t now_tsc)
{
	_Atomic uint64_t *outgoing = &migrate->worker[index].mover->outgoing;
	/* Acquire: pairs with the release in flx_migrate_request, for the request. */
	uint64_t moves = atomic_load_explicit(outgoing, memory_order_acquire);

	for (; moves; moves &= moves - 1) {
		uint32_t number = (uint32_t)__builtin_ctzll(moves);

		/* Ends: a step that waits for nobody leads to one that waits, or to the end. */
		while (atomic_load_explicit(outgoing, memory_order_relaxed) & 1ull << number &&
		       step(migrate, number, now_tsc))
			;
	}
}

bool flx_migrate_arrive(struct flx_migrate *migrate, uint32_t index, uint32_t number,
			uint64_t now_tsc)
{
	struct flx_move *move = &migrate->move[number];
	const struct flx_migrate_worker *worker = &migrate->worker[index];
	bool target = move->request.to == index;

	switch (flx_migrate_state(migrate, number)) {
	case FLX_MOVE_HANDED:
		return target;
	case FLX_MOVE_BACK_CLEARED:
		return !target;
	case FLX_MOVE_BACK_VECTORS:
		if (!target)
			return false;
		flx_wait_mark_vectors(migrate, move, index, false);
		flx_move_enter(move, FLX_MOVE_BACK_PASSING, now_tsc);
		return false;
	case FLX_MOVE_BACK_PASSING:
		if (!target || !flx_wait_vectors_passed(migrate, move, index, false))
			return false;
		give(migrate, move, number, now_tsc);
		return false;
	case FLX_MOVE_BACK_TAKEN:
		if (!target)
			return false;
		flx_fifo_fini(&move->given, worker->chunks);
		clear_bit(&worker->mover->incoming, number);
		pass_to(migrate, move, FLX_MOVE_BACK_CLEARED, move->request.from, now_tsc);
		return false;
	default:
		return false;
	}
}

void flx_migrate_drained(struct flx_migrate *migrate, uint32_t index, uint32_t number,
			 uint64_t now_tsc)
{
	struct flx_move *move = &migrate->move[number];
	struct flx_parking *parking = &migrate->worker[index].mover->parking[number];

	set_flags(migrate, index, &move->request, FLX_SLICE_LIVE);
	clear_bit(&migrate->worker[index].mover->incoming, number);
	clear_bit(&migrate->worker[index].mover->incoming_buckets, number);
	move->times.parked_count = parking->count;
	move->times.parked_tsc = parking->since_tsc;
	move->times.drained_tsc = now_tsc;
	move->times.ended_tsc = now_tsc;
	parking->turn = 0;
	parking->count = 0;
	parking->since_tsc = 0;
	flx_move_enter(move, move->request.to == index ? FLX_MOVE_DONE : FLX_MOVE_UNDONE, now_tsc);
}
