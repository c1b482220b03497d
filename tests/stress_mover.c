/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stress_mover - the control thread of stress_move: begins moves at random, and has some undone; or
 * orders them of a scheduler, whose thread begins them.
 */
#include <stdio.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "scheduler/sched.h"
#include "tests/stress.h"

static bool moving[STRESS_GROUPS][FLX_SLICES];

/* One of the groups whose slices move. */
static uint16_t choose_group(struct flx_random *random)
{
	return flx_random_chance(random, 50) ? STRESS_FIRST : STRESS_SECOND;
}

/* Asks for a move of 1 to 16 slices of one owner, that are not under way. */
static void ask(struct flx_random *random)
{
	struct flx_move_request request = {
		.of = choose_group(random),
		.from = (uint8_t)flx_random_below(random, stress_settings.workers),
		.to = (uint8_t)flx_random_below(random, stress_settings.workers),
	};
	const struct flx_route *route = &stress_world.shared.routes->route[request.of];
	uint32_t wanted = flx_random_between(random, 1, 16), slice;
	int number;

	slice = flx_random_below(random, FLX_SLICES);
	for (uint32_t i = 0; i < FLX_SLICES && request.count < wanted;
	     i++, slice = (slice + 1) % FLX_SLICES)
		if (!moving[request.of][slice] && flx_route_owner(route, slice) == request.from)
			request.number[request.count++] = (uint16_t)slice;
	if (!request.count || request.from == request.to)
		return;
	number = flx_migrate_request(&stress_world.shared.migrate, &request, rte_rdtsc());
	if (number < 0)
		return;
	for (uint32_t i = 0; i < request.count; i++)
		moving[request.of][request.number[i]] = true;
}

/* One that is under way shall be undone, wherever it is by now. */
static void undo(struct flx_random *random)
{
	uint64_t moves = flx_migrate_under_way(&stress_world.shared.migrate);
	uint32_t number = flx_random_below(random, FLX_MOVES_MAX);

	if (moves & 1ull << number)
		flx_migrate_undo(&stress_world.shared.migrate, number);
}

/* Frees moves that have ended; how many. */
static uint64_t reap(struct stress_moved *moved)
{
	struct flx_move_request request;
	struct flx_move_times times;
	enum flx_move_state state;
	uint64_t count = 0;

	while ((state = flx_migrate_reap(&stress_world.shared.migrate, &request, &times)) !=
	       FLX_MOVE_FREE) {
		for (uint32_t i = 0; i < request.count; i++)
			moving[request.of][request.number[i]] = false;
		moved->undone += state == FLX_MOVE_UNDONE;
		moved->parked += times.parked_count;
		if (times.parked_tsc && moved->pause_count < STRESS_PAUSES_MAX)
			moved->pauses_us[moved->pause_count++] =
				(double)(times.drained_tsc - times.parked_tsc) * 1e6 /
				(double)rte_get_tsc_hz();
		count++;
	}
	return count;
}

static struct flx_sched sched;

static bool start_sched(void)
{
	struct flx_sched_worker_conf workers[FLX_WORKERS_MAX];
	const struct flx_sched_conf conf = {
		.registry = &stress_world.registry,
		.migrate = &stress_world.shared.migrate,
		.worker_count = stress_settings.workers,
		.worker = workers,
		.workers_min = stress_settings.workers,
		.tsc_hz = rte_get_tsc_hz(),
		.now_tsc = rte_rdtsc(),
	};

	for (uint32_t w = 0; w < stress_settings.workers; w++)
		workers[w] = (struct flx_sched_worker_conf){
			.load = &stress_world.shared.workers[w]->load,
			.pulse = &stress_world.shared.workers[w]->pulse,
			.numa = -1,
		};
	return flx_sched_init(&sched, &conf) == 0 && flx_sched_start(&sched) == 0;
}

/* Some slices of a group to a worker; and the next tick now. */
static void order(struct flx_random *random)
{
	bool wanted[FLX_SLICES];
	uint32_t pct = flx_random_between(random, 1, 100);

	for (uint32_t s = 0; s < FLX_SLICES; s++)
		wanted[s] = flx_random_chance(random, pct);
	flx_sched_lock(&sched);
	(void)flx_sched_order(&sched, choose_group(random), wanted,
			      flx_random_below(random, stress_settings.workers), rte_rdtsc());
	flx_sched_unlock(&sched);
	flx_sched_poke(&sched);
}

/* What the scheduler has ended since the last call. */
static uint64_t ended_by_sched(struct stress_moved *moved)
{
	uint64_t count;

	flx_sched_lock(&sched);
	count = sched.counts.moves - moved->moves;
	moved->undone = sched.counts.undone;
	moved->parked = sched.counts.parked;
	flx_sched_unlock(&sched);
	return count;
}

static void act(struct flx_random *random, bool enough)
{
	if (!enough && flx_random_chance(random, 30)) {
		if (stress_settings.sched)
			order(random);
		else
			ask(random);
	}
	if (flx_random_chance(random, stress_settings.undo_pct))
		undo(random);
}

/* The scheduler goes on for as long as it runs: no more, and what it has begun ends. */
static void calm_sched(void)
{
	flx_sched_lock(&sched);
	sched.mode = FLX_SCHED_OFF;
	sched.order.under_way = false;
	flx_sched_unlock(&sched);
}

static bool move_all(struct stress_moved *moved)
{
	struct flx_random random = {stress_settings.seed};
	uint64_t hz = rte_get_tsc_hz(), next_look = 0, last = rte_rdtsc(), count = 0;
	bool enough = false;

	while (!enough || flx_migrate_under_way(&stress_world.shared.migrate)) {
		uint64_t ended = stress_settings.sched ? ended_by_sched(moved) : reap(moved);
		uint64_t now = rte_rdtsc();

		moved->moves += ended;
		enough = moved->moves >= stress_settings.moves &&
			 stress_handled() >= stress_settings.messages;
		if (ended)
			last = now;
		if (now - last > STRESS_STUCK_S * hz || atomic_load(&stress_wrong))
			return false;
		if (enough && stress_settings.sched)
			calm_sched();
		act(&random, enough);
		if (now > next_look) {
			stress_look();
			if (stress_handled() > count &&
			    !flx_migrate_under_way(&stress_world.shared.migrate))
				last = now;
			count = stress_handled();
			next_look = now + hz / 100;
		}
		usleep(flx_random_below(&random, 50));
	}
	return true;
}

bool stress_move_all(struct stress_moved *moved)
{
	bool good;

	if (!stress_settings.sched)
		return move_all(moved);
	if (!start_sched())
		return false;
	good = move_all(moved);
	flx_sched_stop(&sched);
	flx_sched_fini(&sched);
	return good;
}
