/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * moves - the control thread of a run: asks for moves at random, late, and for some to be undone.
 */
#include <inttypes.h>

#include "tests/sim/sim.h"

static struct flx_migrate *migrate_of(struct sim *sim)
{
	return &sim->world.shared.migrate;
}

/* A slice of group @g; mostly one that messages go to. */
static uint32_t choose_slice(struct sim *sim, uint32_t g)
{
	const struct flx_group *group = &sim->world.registry.group[g];
	const struct sim_oracle *oracle = &sim->oracle;
	uint32_t kind = SIM_KEY_NARROW;

	if (group->mode == FLX_PLACE_SINGLE)
		return group->slice;
	if (flx_random_chance(&sim->moves, 10))
		return flx_random_below(&sim->moves, FLX_SLICES);
	if (group->mode == FLX_PLACE_FLOW)
		kind = SIM_KEY_FLOW;
	else if (group->key == flx_key_client)
		kind = SIM_KEY_CLIENT;
	else if (group->key == sim_key_wide)
		kind = SIM_KEY_WIDE;
	return oracle->slice[kind][flx_random_below(&sim->moves, oracle->keys)];
}

/* Slices of one owner that stay so far; fewer than wanted where they are not found. */
static void choose(struct sim *sim, struct flx_move_request *request)
{
	const struct flx_route *route = &sim->world.shared.routes->route[request->of];
	uint32_t wanted = flx_random_chance(&sim->moves, 10)
				  ? FLX_MOVE_MAX
				  : flx_random_between(&sim->moves, 1, 8);
	bool chosen[FLX_SLICES] = {false};

	request->count = 0;
	for (uint32_t tries = 0; tries < 2 * wanted && request->count < wanted; tries++) {
		uint32_t slice = choose_slice(sim, request->of);
		uint8_t owner = flx_route_owner(route, slice);

		if (chosen[slice] || sim->moving[request->of][slice] ||
		    (request->count && owner != request->from))
			continue;
		chosen[slice] = true;
		request->from = owner;
		request->number[request->count++] = (uint16_t)slice;
	}
}

static void ask(struct sim *sim)
{
	struct flx_move_request request = {
		.of = (uint16_t)flx_random_below(&sim->moves, sim->world.registry.group_count)};
	int number;

	if (sim->world.registry.group[request.of].mode == FLX_PLACE_LOCAL)
		return;
	choose(sim, &request);
	request.to = (uint8_t)flx_random_below(&sim->moves, sim->shape.workers);
	number = flx_migrate_request(migrate_of(sim), &request, sim->tsc);
	if (number < 0) {
		/* Nothing to do, to where it is, or too many: refused, and nothing has changed. */
		if (request.count && request.from != request.to && number != -EBUSY)
			sim_fail(&sim->oracle, "a move was refused: %s", strerror(-number));
		return;
	}
	for (uint32_t i = 0; i < request.count; i++) {
		sim->moving[request.of][request.number[i]] = (uint8_t)(number + 1);
		sim_oracle_move(&sim->oracle, request.of, request.number[i], request.to);
	}
}

void sim_moves_reap(struct sim *sim)
{
	struct flx_move_request request;
	struct flx_move_times times;
	enum flx_move_state state;

	sim_queues_write(sim);
	while ((state = flx_migrate_reap(migrate_of(sim), &request, &times)) != FLX_MOVE_FREE) {
		sim->parked += times.parked_count;
		if (request.kind == FLX_MOVE_BUCKETS) {
			sim_queues_moved(sim, &request);
			continue;
		}
		for (uint32_t i = 0; i < request.count; i++) {
			sim->moving[request.of][request.number[i]] = 0;
			sim_oracle_moved(&sim->oracle, request.of, request.number[i],
					 state == FLX_MOVE_UNDONE);
		}
		sim->moved += request.count;
		sim->moved_back += state == FLX_MOVE_UNDONE ? request.count : 0;
	}
}

void sim_moves_step(struct sim *sim)
{
	struct flx_random *random = &sim->moves;
	uint64_t under_way = flx_migrate_under_way(migrate_of(sim));
	uint32_t number = flx_random_below(random, FLX_MOVES_MAX);

	if (flx_random_chance(random, sim->shape.reap_pct))
		sim_moves_reap(sim);
	if (sim->shape.workers > 1 && flx_random_chance(random, sim->shape.move_pct)) {
		if (sim->shape.queues && flx_random_chance(random, 20))
			sim_queues_ask(sim);
		else
			ask(sim);
	}
	if (flx_random_chance(random, sim->shape.undo_pct) && under_way & 1ull << number)
		flx_migrate_undo(migrate_of(sim), number);
}

/* Whether worker @w may handle messages of the slice: live, or draining what it has parked. */
static bool may_handle(struct sim *sim, uint32_t w, uint32_t g, uint32_t slice)
{
	uint32_t flag = flx_flag(&sim->world.shared.workers[w]->mover.flags[g], slice), number;
	enum flx_move_state state;

	if (flag < FLX_SLICE_ARRIVING)
		return flag == FLX_SLICE_LIVE;
	number = flag - FLX_SLICE_ARRIVING;
	state = flx_migrate_state(migrate_of(sim), number);
	return state == (migrate_of(sim)->move[number].request.to == w ? FLX_MOVE_HANDED
								       : FLX_MOVE_BACK_CLEARED);
}

static void check_slice(struct sim *sim, uint32_t g, uint32_t slice, bool at_rest)
{
	uint32_t owner = flx_route_owner(&sim->world.shared.routes->route[g], slice), count = 0;

	for (uint32_t w = 0; w < sim->shape.workers; w++) {
		bool may = may_handle(sim, w, g, slice);

		count += may;
		if (at_rest && may != (w == owner))
			sim_fail(&sim->oracle, "at rest, worker %u %s group %u, slice %u of %u", w,
				 may ? "handles" : "does not handle", g, slice, owner);
	}
	if (count > 1)
		sim_fail(&sim->oracle, "%u workers may handle group %u, slice %u", count, g, slice);
}

/* A worker knows of those moves that it has a part in, and of no others. */
static void check_parts(struct sim *sim, uint32_t w)
{
	const struct flx_mover *mover = &sim->world.shared.workers[w]->mover;

	for (uint32_t m = 0; m < FLX_MOVES_MAX; m++) {
		const struct flx_move_request *request = &migrate_of(sim)->move[m].request;
		enum flx_move_state state = flx_migrate_state(migrate_of(sim), m);
		bool outgoing = atomic_load(&mover->outgoing) >> m & 1;
		bool incoming = atomic_load(&mover->incoming) >> m & 1;
		bool over = state == FLX_MOVE_FREE || state == FLX_MOVE_DONE ||
			    state == FLX_MOVE_UNDONE;
		bool back = state >= FLX_MOVE_BACK_ROUTED && !over;

		if ((outgoing && (over || request->from != w)) ||
		    (incoming && (over || (request->to != w && !(back && request->from == w)))))
			sim_fail(&sim->oracle, "worker %u takes part in move %u, which is %s", w, m,
				 flx_move_state_name(state));
	}
}

void sim_moves_check(struct sim *sim, bool at_rest)
{
	for (uint32_t g = 0; g < sim->world.registry.group_count; g++)
		for (uint32_t s = 0; s < FLX_SLICES; s++)
			if (at_rest || sim->moving[g][s])
				check_slice(sim, g, s, at_rest);
	if (atomic_load(&sim->world.shared.hold)) {
		sim->held++;
		if (at_rest)
			sim_fail(&sim->oracle, "at rest, nobody may admit anything");
	}
	for (uint32_t w = 0; w < sim->shape.workers; w++) {
		const struct flx_worker *worker = sim->world.shared.workers[w];

		check_parts(sim, w);
		if (worker->stats->forwarded)
			sim_fail(&sim->oracle, "worker %u sent on %" PRIu64 " messages", w,
				 worker->stats->forwarded);
		if (at_rest && worker->mover.parked_count)
			sim_fail(&sim->oracle, "worker %u has %u messages parked at rest", w,
				 worker->mover.parked_count);
	}
}

uint64_t sim_moves_due(const struct sim *sim, uint32_t w)
{
	const struct flx_mover *mover = &sim->world.shared.workers[w]->mover;
	uint64_t due = 0;

	for (uint32_t m = 0; m < FLX_MOVES_MAX; m++)
		if (mover->parking[m].queue.count)
			due += FLX_BATCH + mover->parking[m].turn;
	return due;
}
