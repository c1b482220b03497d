/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * run - one run: feeds and turns the workers at random, checks between turns, drains or stops.
 */
#include <inttypes.h>

#include "tests/sim/sim.h"

/*
 * Rounds, of one turn of every worker, in which no message is handled although some are in flight.
 * Two are enough: one for what is staged to reach the ring, one for it to be taken. While slices
 * move they may wait for as many of each state of a move.
 */
#define IDLE_ROUNDS_MAX	       2
#define IDLE_ROUNDS_MAX_MOVING (2 * FLX_MOVE_STATES)

/* Headers of a flow, as far as flx_key_flow reads them, in front of the token. */
#define L2_SIZE 14
#define L3_SIZE 20
#define L4_SIZE 8

struct sim *sim_now;

static bool failed(const struct sim *sim)
{
	return sim->oracle.failure[0] != '\0';
}

/* ---------------------------------------------------------------------------------- set-up, end */

static uint32_t free_chunks(const struct flx_worker *worker)
{
	uint32_t count = 0;

	for (const struct flx_chunk *chunk = worker->chunks.free; chunk; chunk = chunk->next)
		count++;
	return count;
}

/* Owners as the run wants them; the oracle keeps its own copy. */
static void spread_slices(struct sim *sim)
{
	struct flx_routes *routes = sim->world.shared.routes;

	for (uint32_t g = 0; g < routes->group_count; g++)
		for (uint32_t s = 0; s < FLX_SLICES; s++) {
			if (sim->shape.moved)
				flx_world_place(&sim->world, g, s,
						flx_random_below(&sim->random, sim->shape.workers));
			/* Cast whole: gcc widens the branches when it sanitizes. */
			sim->oracle.owner[g][s] =
				(uint8_t)(sim->shape.moved ? flx_route_owner(&routes->route[g], s)
							   : s % sim->shape.workers);
		}
}

static int set_up(struct sim *sim)
{
	const struct sim_shape *shape = &sim->shape;
	const struct flx_world_conf conf = {
		.workers = shape->workers,
		.lane_size = shape->lane_size,
		.credits = shape->credits,
		.buffers = shape->buffers,
		.buffer_data = 2 * sizeof(struct sim_token),
		.seed = (const uint64_t[2]){sim->seed, ~sim->seed},
		.tsc_hz = SIM_TSC_HZ,
		.reta_size = shape->queues ? SIM_BUCKETS : 0,
		.rx_descs = SIM_DESCS,
	};
	int error = flx_world_init(&sim->world, &sim->program.program, &conf);

	if (error)
		return error;
	error = sim_oracle_init(&sim->oracle, &sim->world.registry, shape->workers, shape->keys);
	if (error) {
		flx_world_fini(&sim->world);
		return error;
	}
	sim->oracle.turn = sim->world.shared.store->turn;
	spread_slices(sim);
	sim_queues_init(sim);
	for (uint32_t w = 0; w < shape->workers; w++) {
		sim->pause[w] = 0;
		sim->chunks[w] = free_chunks(sim->world.shared.workers[w]);
	}
	sim->injected = sim->turns = sim->tsc = 0;
	sim->moved = sim->moved_back = sim->parked = sim->held = 0;
	memset(sim->moving, 0, sizeof(sim->moving));
	return 0;
}

/* ---------------------------------------------------------------------------------------- steps */

/* Credits and buffers: each message in flight holds one of both. */
static void check_conservation(struct sim *sim)
{
	struct sim_oracle *oracle = &sim->oracle;
	int64_t credits = flx_world_credits(&sim->world) + (int64_t)oracle->outstanding;
	uint64_t buffers = flx_world_buffers(&sim->world) + oracle->outstanding + sim->nic.queued;

	if (credits != sim->shape.credits)
		sim_fail(oracle, "%" PRId64 " credits; there are %u", credits, sim->shape.credits);
	if (buffers != sim->shape.buffers)
		sim_fail(oracle, "%" PRIu64 " buffers; there are %u", buffers, sim->shape.buffers);
	if (atomic_load(&sim->world.shared.credits.free) < 0)
		sim_fail(oracle, "credit pool is overdrawn");
}

static void check_ledger(struct sim *sim)
{
	flx_world_ledger(&sim->world, &sim->ledger);
	if (sim->ledger.received != sim->injected)
		sim_fail(&sim->oracle, "ledger has %" PRIu64 " received; true are %" PRIu64,
			 sim->ledger.received, sim->injected);
	sim_oracle_compare(&sim->oracle, &sim->ledger);
}

static void turn(struct sim *sim, uint32_t w)
{
	/* A batch per lane and a batch per fluxion: no chain keeps the others waiting for long. */
	const uint64_t most =
		FLX_BATCH * (sim->shape.workers - 1 + sim->shape.fluxions) + sim_moves_due(sim, w);
	uint64_t before = sim->oracle.arrivals;

	sim->world.shared.workers[w]->now_tsc = sim->world.shared.start_tsc + sim->tsc;
	if (sim->shape.queues)
		sim_queues_poll(sim, w);
	flx_worker_turn(sim->world.shared.workers[w]);
	sim->turns++;
	if (sim->oracle.arrivals - before > most)
		sim_fail(&sim->oracle,
			 "a turn handled %" PRIu64 " messages; %" PRIu64 " are the most",
			 sim->oracle.arrivals - before, most);
	check_conservation(sim);
	sim_moves_check(sim, false);
}

/* A worker that has nothing to do may fall asleep, as flx_worker_run lets it. */
static void rest(struct sim *sim, uint32_t w)
{
	struct flx_worker *worker = sim->world.shared.workers[w];

	if (!flx_random_chance(&sim->moves, sim->shape.sleep_pct))
		return;
	flx_idle_announce(&worker->idle);
	if (flx_worker_has_work(worker))
		flx_idle_retract(&worker->idle);
	else
		atomic_store(&worker->pulse.away, 1);
}

/* Whether it is awake, or was woken; where a port has something for it, its time is soon over. */
static bool awake(struct sim *sim, uint32_t w)
{
	struct flx_worker *worker = sim->world.shared.workers[w];

	if (!atomic_load(&worker->pulse.away))
		return true;
	if (atomic_load(&worker->idle.parked) && !sim->nic.queue[w].count &&
	    !flx_random_chance(&sim->moves, 5))
		return false;
	flx_idle_retract(&worker->idle);
	atomic_store(&worker->pulse.away, 0);
	return true;
}

static void write_flow(struct flx_msg *msg, uint32_t flow, uint32_t slice)
{
	const struct flx_heads heads = {L2_SIZE, L3_SIZE, L4_SIZE, FLX_ORIGIN_UDP4};
	uint8_t *ip = rte_pktmbuf_mtod(&msg->mbuf, uint8_t *) - L4_SIZE - L3_SIZE;

	memset(ip, 0, L3_SIZE + L4_SIZE);
	ip[15] = (uint8_t)flow; /* the last byte of the source address */
	flx_set_heads(msg, heads);
	msg->mbuf.hash.rss = slice + flow * FLX_SLICES;
}

/* As the edge would make it, or the NIC. */
struct flx_msg *sim_receive(struct sim *sim, struct sim_token *token, uint32_t w)
{
	struct sim_oracle *oracle = &sim->oracle;
	struct flx_random *random = &sim->random;
	struct flx_msg *msg = (struct flx_msg *)rte_pktmbuf_alloc(sim->world.shared.pool);

	*token = (struct sim_token){
		.key = flx_random_below(random, sim->shape.keys),
		.flow = flx_random_between(random, 1, sim->shape.keys),
		.hops = flx_random_between(random, 0, sim->shape.hops_max),
		.keyless = flx_random_chance(random, sim->shape.keyless_pct),
	};
	if (!msg)
		return NULL;
	write_flow(msg, token->flow, oracle->slice[SIM_KEY_FLOW][token->flow - 1]);
	if (sim->shape.queues) {
		/* Its flow is where it comes from, whichever worker polls it. */
		w = oracle->place[SIM_KEY_FLOW][token->flow - 1];
		/* Nobody has asked for its key while its bucket is parked. */
		token->keyless = false;
	}
	sim_token_seal(oracle, token, sim_place(oracle, oracle->fluxions, token, w));
	memcpy(flx_append(msg, sizeof(*token)), token, sizeof(*token));
	return msg;
}

static struct flx_msg *receive(struct sim *sim, uint32_t w, uint32_t f)
{
	struct sim_token token;
	struct flx_msg *msg = sim_receive(sim, &token, w);

	if (!msg)
		return NULL;
	sim_oracle_send(&sim->oracle, &token, 1u << f);
	sim_oracle_commit(&sim->oracle);
	return msg;
}

/* What poll_queue does: no credits, nothing; a full lane, nothing. */
static void inject(struct sim *sim)
{
	uint32_t w = flx_random_below(&sim->random, sim->shape.workers);
	uint32_t f = flx_random_below(&sim->random, sim->shape.fluxions);
	uint32_t wanted = flx_random_between(&sim->random, 1, FLX_BATCH), count = 0;
	struct flx_worker *worker = sim->world.shared.workers[w];
	struct flx_msg *msgs[FLX_BATCH];

	if (sim->shape.queues) {
		sim_queues_step(sim, true);
		return;
	}
	if ((worker->congested && !flx_random_chance(&sim->random, 10)) ||
	    atomic_load(&sim->world.shared.hold) || atomic_load(&worker->pulse.away) ||
	    !flx_purse_has(&worker->purse, wanted))
		return;
	while (count < wanted && (msgs[count] = receive(sim, w, f)) != NULL)
		count++;
	flx_world_inject(&sim->world, w, (uint16_t)(FLX_FLUXION_FIRST + f), msgs, count);
	sim->injected += count;
}

/* Records and blocks that wait for the keeper; false: none is near its end. */
static bool must_keep(const struct sim *sim)
{
	for (uint32_t g = 0; g < sim->world.registry.group_count; g++) {
		struct flx_context_type *type = sim->world.shared.context_types[g];

		if (type && !type->single && flx_slab_deferred(&type->slab) > SIM_CAPACITY / 2)
			return true;
	}
	return false;
}

/* What goes on beside the workers: time, and the store's keeper. */
static void pass_time(struct sim *sim)
{
	if (flx_random_chance(&sim->extra, sim->shape.tick_pct))
		sim->tsc += flx_random_below(&sim->extra, 32 * SIM_TSC_HZ / FLX_TICKS_PER_SECOND);
	/* What a NIC has under way settles in a few steps. */
	if (sim->shape.queues)
		sim->tsc += flx_random_below(&sim->moves, SIM_SETTLE_TSC / 2);
	if (flx_random_chance(&sim->extra, sim->shape.keep_pct) || must_keep(sim))
		flx_store_keep(sim->world.shared.store);
}

static void step(struct sim *sim)
{
	uint32_t w = flx_random_below(&sim->random, sim->shape.workers);

	pass_time(sim);
	sim_moves_step(sim);
	if (sim->shape.queues)
		sim_queues_step(sim, false);
	if (flx_random_chance(&sim->random, sim->shape.inject_pct))
		inject(sim);
	if (sim->pause[w]) {
		sim->pause[w]--;
		return;
	}
	if (!awake(sim, w))
		return;
	turn(sim, w);
	if (flx_random_chance(&sim->random, sim->shape.pause_pct))
		sim->pause[w] = flx_random_between(&sim->random, 5, 60);
	rest(sim, w);
}

/* Messages handled, and those parked, ever. */
static uint64_t progress(const struct sim *sim)
{
	uint64_t sum = sim->oracle.arrivals;

	for (uint32_t w = 0; w < sim->shape.workers; w++)
		sum += sim->world.shared.workers[w]->stats->parked;
	return sum;
}

static bool all_done(const struct sim *sim)
{
	return !sim->oracle.outstanding && !sim->nic.queued &&
	       !flx_migrate_under_way(&sim->world.shared.migrate);
}

/*
 * Injection has stopped: all that is in flight must end, moves too, and something must go on all the
 * time.
 */
static void drain(struct sim *sim)
{
	uint32_t idle_rounds = 0;

	while (!all_done(sim) && !failed(sim)) {
		bool moving = flx_migrate_under_way(&sim->world.shared.migrate) != 0;
		uint64_t before = progress(sim);
		uint32_t first = flx_random_below(&sim->random, sim->shape.workers);

		pass_time(sim);
		sim_moves_reap(sim);
		if (sim->shape.queues)
			sim_queues_step(sim, false);
		for (uint32_t i = 0; i < sim->shape.workers && !failed(sim); i++)
			if (awake(sim, (first + i) % sim->shape.workers))
				turn(sim, (first + i) % sim->shape.workers);
		idle_rounds = progress(sim) == before ? idle_rounds + 1 : 0;
		if (idle_rounds > (moving ? IDLE_ROUNDS_MAX_MOVING : IDLE_ROUNDS_MAX) &&
		    !all_done(sim))
			sim_fail(&sim->oracle, "%" PRIu64 " messages in flight do not move%s",
				 sim->oracle.outstanding, moving ? ", nor do slices" : "");
	}
}

/* Told to stop at once: all that is in flight is dropped, as stopped. */
static void abandon(struct sim *sim)
{
	struct sim_oracle *oracle = &sim->oracle;

	sim_queues_drop(sim);
	for (uint32_t w = 0; w < sim->shape.workers; w++)
		flx_worker_abandon(sim->world.shared.workers[w]);
	flx_world_ledger(&sim->world, &sim->ledger);
	if (sim->ledger.drops.count[FLX_DROP_stopped] != oracle->outstanding)
		sim_fail(oracle, "%" PRIu64 " dropped as stopped; %" PRIu64 " were in flight",
			 sim->ledger.drops.count[FLX_DROP_stopped], oracle->outstanding);
	oracle->outstanding = 0;
}

/* As many as were committed and did not end; what is over may be there still. */
static void check_contexts(struct sim *sim, uint32_t g)
{
	const struct flx_context_type *type = sim->world.shared.context_types[g];
	uint64_t there, over, count = flx_context_count(type), deleted = 0, lost = 0;

	sim_oracle_contexts(&sim->oracle, g, &there, &over);
	for (uint32_t w = 0; w < sim->shape.workers; w++) {
		const struct flx_context_counts *counts = &type->worker[w].counts;

		deleted += atomic_load(&counts->deleted);
		lost += atomic_load(&counts->evicted) + atomic_load(&counts->refused);
	}
	if (count > there || count < there - over)
		sim_fail(&sim->oracle,
			 "group %s has %" PRIu64 " contexts; %" PRIu64 " are there, %" PRIu64
			 " of them over",
			 type->name, count, there, over);
	if (deleted != sim->oracle.deleted[g] || lost)
		sim_fail(&sim->oracle,
			 "group %s counts %" PRIu64 " deleted, %" PRIu64
			 " evicted or refused; true are %" PRIu64 " and none",
			 type->name, deleted, lost, sim->oracle.deleted[g]);
}

/* At rest: nothing in flight, and everything back where it came from. */
static void check_rest(struct sim *sim)
{
	struct sim_oracle *oracle = &sim->oracle;

	check_conservation(sim);
	check_ledger(sim);
	if (!sim->shape.abandoned)
		sim_moves_check(sim, true);
	for (uint32_t w = 0; w < sim->shape.workers; w++)
		if (free_chunks(sim->world.shared.workers[w]) != sim->chunks[w])
			sim_fail(oracle,
				 "worker %u: %u chunks are free at rest; %u were at the start", w,
				 free_chunks(sim->world.shared.workers[w]), sim->chunks[w]);
	for (uint32_t g = 0; g < sim->world.registry.group_count; g++) {
		const struct flx_group *group = &sim->world.registry.group[g];

		if (group->context_size)
			check_contexts(sim, g);
	}
}

bool sim_run(struct sim *sim, uint64_t seed)
{
	int error;

	sim_now = sim;
	sim->oracle.failure[0] = '\0';
	sim->seed = seed;
	sim->random = (struct flx_random){.state = seed};
	sim->extra = (struct flx_random){.state = ~seed};
	sim->moves = (struct flx_random){.state = seed ^ 0x6d6f766573};
	sim_shape_draw(&sim->shape, &sim->random, &sim->extra, &sim->moves);
	sim_program_draw(sim);
	error = set_up(sim);
	if (error) {
		sim_fail(&sim->oracle, "set-up: %s", strerror(-error));
		return false;
	}
	for (uint32_t i = 0; i < sim->shape.steps && !failed(sim); i++) {
		step(sim);
		if (!failed(sim) && flx_random_chance(&sim->random, 20))
			check_ledger(sim);
	}
	if (!failed(sim) && !sim->shape.abandoned)
		drain(sim);
	else if (!failed(sim))
		abandon(sim);
	if (!failed(sim))
		check_rest(sim);
	/* A broken promise leaves messages behind; the next run's pool is its own. */
	sim_oracle_fini(&sim->oracle);
	flx_world_fini(&sim->world);
	return !failed(sim);
}
