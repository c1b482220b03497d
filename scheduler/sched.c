/* SPDX-License-Identifier: BSD-3-Clause */
#include "scheduler/sched.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Below this share of time no worker needs help, and nobody has to look often. */
#define CALM_PPM (FLX_LOAD_FULL / 100 * 50)
/* --------------------------------------------------------------------------------------- set-up */

/* Slices that there are of a group: all, one, or none. */
static uint16_t slices_of(const struct flx_group *group)
{
	if (group->mode == FLX_PLACE_LOCAL)
		return 0;
	return group->mode == FLX_PLACE_SINGLE ? 1 : FLX_SLICES;
}

/* Number in its group of slice @n of those that there are. */
static uint16_t number_of(const struct flx_group *group, uint32_t n)
{
	return group->mode == FLX_PLACE_SINGLE ? group->slice : (uint16_t)n;
}

static void fill_groups(struct flx_sched *sched)
{
	uint32_t first = 0;

	for (uint32_t g = 0; g < sched->registry->group_count; g++) {
		const struct flx_group *group = &sched->registry->group[g];

		sched->groups[g] = (struct flx_policy_group){
			.name = group->name,
			.first = first,
			.count = slices_of(group),
			.mates = group->mates,
		};
		first += slices_of(group);
	}
	sched->slice_count = first;
}

static void fill_slices(struct flx_sched *sched)
{
	for (uint32_t g = 0; g < sched->registry->group_count; g++) {
		const struct flx_group *group = &sched->registry->group[g];

		for (uint32_t n = 0; n < sched->groups[g].count; n++) {
			uint16_t number = number_of(group, n);

			sched->slices[sched->groups[g].first + n] = (struct flx_policy_slice){
				.slice = number,
				.owner = flx_route_owner(&sched->migrate->routes->route[g], number),
			};
		}
	}
}

int flx_sched_init(struct flx_sched *sched, const struct flx_sched_conf *conf)
{
	memset(sched, 0, sizeof(*sched));
	sched->registry = conf->registry;
	sched->migrate = conf->migrate;
	sched->worker_count = conf->worker_count;
	sched->workers_min = conf->workers_min;
	sched->workers_max = conf->worker_count;
	sched->tsc_hz = conf->tsc_hz;
	sched->mode = conf->mode;
	for (uint32_t w = 0; w < conf->worker_count; w++) {
		sched->worker_conf[w] = conf->worker[w];
		sched->worker[w].state =
			w < conf->workers_min ? FLX_POLICY_ACTIVE : FLX_POLICY_PARKED;
	}
	fill_groups(sched);
	sched->slices = calloc(sched->slice_count + 1, sizeof(*sched->slices));
	sched->rests = calloc(sched->slice_count + 1, sizeof(*sched->rests));
	sched->room = calloc(sched->slice_count + 1, sizeof(*sched->room));
	sched->pinned = calloc(sched->slice_count + 1, sizeof(*sched->pinned));
	if (!sched->slices || !sched->rests || !sched->room || !sched->pinned ||
	    flx_history_init(&sched->history, conf->worker_count) ||
	    flx_reta_init(&sched->reta, conf->reta)) {
		flx_sched_fini(sched);
		return -ENOMEM;
	}
	fill_slices(sched);
	sched->begun_tsc = conf->now_tsc;
	flx_sched_thread_init(sched);
	return 0;
}

void flx_sched_fini(struct flx_sched *sched)
{
	flx_reta_fini(&sched->reta);
	flx_history_fini(&sched->history);
	free(sched->slices);
	free(sched->rests);
	free(sched->room);
	free(sched->pinned);
	sched->slices = NULL;
	sched->rests = NULL;
	sched->room = NULL;
	sched->pinned = NULL;
}

/* ------------------------------------------------------------------------------------------ acting */

bool flx_sched_begin(struct flx_sched *sched, const struct flx_move_request *request,
		     int32_t load_ppm, uint64_t now_tsc)
{
	int number = flx_migrate_request(sched->migrate, request, now_tsc);

	if (number < 0)
		return false;
	sched->load_ppm[number] = load_ppm;
	for (uint32_t i = 0; i < request->count; i++)
		sched->slices[flx_sched_index(sched, request->of, request->number[i])].hold =
			FLX_POLICY_MOVES_NOW;
	return true;
}

static void begin_planned(struct flx_sched *sched, const struct flx_policy_move *move,
			  uint64_t now_tsc)
{
	struct flx_move_request request = {
		.of = move->group, .from = move->from, .to = move->to, .count = move->count};

	memcpy(request.number, move->slices, move->count * sizeof(move->slices[0]));
	flx_sched_begin(sched, &request, move->load_ppm, now_tsc);
}

static bool owns_any(const struct flx_sched *sched, uint32_t w)
{
	for (uint32_t i = 0; i < sched->slice_count; i++)
		if (sched->slices[i].owner == w)
			return true;
	for (uint64_t left = flx_migrate_under_way(sched->migrate); left; left &= left - 1)
		if (sched->migrate->move[__builtin_ctzll(left)].request.to == w)
			return true;
	return false;
}

static void change_workers(struct flx_sched *sched, uint64_t now_us)
{
	int32_t add = sched->plan.add, park = sched->plan.park;

	if (add != FLX_POLICY_NONE) {
		sched->worker[add].state = FLX_POLICY_ACTIVE;
		flx_rest_moved(&sched->worker[add].rest, &flx_rest_worker, now_us, FLX_REST_PARKED,
			       FLX_REST_ACTIVE);
	}
	if (park != FLX_POLICY_NONE && !(sched->order.under_way && sched->order.to == park))
		sched->worker[park].state = FLX_POLICY_LEAVING;
	for (uint32_t w = 0; w < sched->worker_count; w++) {
		if (sched->worker[w].state != FLX_POLICY_LEAVING || owns_any(sched, w))
			continue;
		sched->worker[w].state = FLX_POLICY_PARKED;
		flx_rest_moved(&sched->worker[w].rest, &flx_rest_worker, now_us, FLX_REST_ACTIVE,
			       FLX_REST_PARKED);
	}
}

/* A move of slices is over: they are where they were to go, or (@undone) where they were. */
static void end_slices(struct flx_sched *sched, const struct flx_move_request *request, bool undone,
		       uint64_t now_us)
{
	for (uint32_t i = 0; i < request->count; i++) {
		uint32_t index = flx_sched_index(sched, request->of, request->number[i]);
		struct flx_policy_slice *slice = &sched->slices[index];

		slice->hold = sched->pinned[index] ? FLX_POLICY_PINNED : FLX_POLICY_RESTS;
		if (undone)
			continue;
		slice->owner = request->to;
		flx_rest_moved(&sched->rests[index], &flx_rest_slice, now_us, request->from,
			       request->to);
	}
	/* The worker may only have lost its CPU for a moment, or have left a long turn by now. */
	if (undone && sched->order.under_way && sched->order.group == request->of &&
	    sched->order.to == request->to && now_us - sched->order.begun_us > FLX_SCHED_ORDER_US) {
		sched->order.under_way = false;
		sched->order.failed = true;
	}
	flx_steady_reset(&sched->worker[request->from].steady);
	flx_steady_reset(&sched->worker[request->to].steady);
	sched->counts.moves++;
	sched->counts.undone += undone;
	sched->counts.slices += undone ? 0 : request->count;
}

static void note_move(struct flx_sched *sched, const struct flx_move_request *request,
		      const struct flx_move_times *times, bool undone)
{
	const struct flx_history_move move = {
		.begun_us = flx_sched_us(sched, times->requested_tsc),
		.ended_us = flx_sched_us(sched, times->ended_tsc),
		.pause_us = times->parked_tsc
				    ? (uint32_t)((times->drained_tsc - times->parked_tsc) /
						 (sched->tsc_hz / 1000000))
				    : 0,
		.parked = (uint32_t)times->parked_count,
		.of = request->of,
		.count = (uint16_t)request->count,
		.first = request->number[0],
		.kind = request->kind,
		.from = request->from,
		.to = request->to,
		.undone = undone,
	};

	flx_history_note(&sched->history, &move);
	sched->counts.parked += times->parked_count;
}

static void end_moves(struct flx_sched *sched, uint64_t now_us)
{
	struct flx_move_request request;
	struct flx_move_times times;
	enum flx_move_state state;

	while ((state = flx_migrate_reap(sched->migrate, &request, &times)) != FLX_MOVE_FREE) {
		note_move(sched, &request, &times, state == FLX_MOVE_UNDONE);
		if (request.kind == FLX_MOVE_BUCKETS) {
			flx_reta_moved(&sched->reta, &request);
			sched->counts.bucket_moves++;
			sched->counts.buckets += request.count;
		} else {
			end_slices(sched, &request, state == FLX_MOVE_UNDONE, now_us);
		}
	}
}

static void write_tables(struct flx_sched *sched)
{
	for (uint64_t left = flx_migrate_under_way(sched->migrate); left; left &= left - 1) {
		uint32_t m = (uint32_t)__builtin_ctzll(left);

		if (flx_migrate_state(sched->migrate, m) == FLX_MOVE_READY)
			flx_reta_write(&sched->reta, sched->migrate, m, sched->tsc_hz);
	}
}

/* ---------------------------------------------------------------------------------------- the tick */

/* Notes who holds up a step for too long, once per step; for much too long, and the move is undone. */
static void note_stuck(struct flx_sched *sched, uint64_t now_tsc)
{
	uint64_t limit_tsc = sched->tsc_hz / 1000000 * FLX_SCHED_STUCK_US;
	uint64_t undo_tsc = sched->tsc_hz / 1000000 * FLX_SCHED_UNDO_US;

	for (uint64_t left = flx_migrate_under_way(sched->migrate); left; left &= left - 1) {
		uint32_t m = (uint32_t)__builtin_ctzll(left);
		uint64_t since_tsc;
		int holder = flx_migrate_holder(sched->migrate, m, &since_tsc);

		if (holder < 0 || now_tsc < since_tsc + limit_tsc)
			continue;
		/* Later it cannot be undone, or the worker is needed for it all the same. */
		if (now_tsc >= since_tsc + undo_tsc &&
		    flx_migrate_state(sched->migrate, m) < FLX_MOVE_ROUTED)
			flx_migrate_undo(sched->migrate, m);
		if (sched->told_tsc[m] == since_tsc)
			continue;
		sched->told_tsc[m] = since_tsc;
		sched->stuck.worker = (uint32_t)holder;
		sched->stuck.fluxion = atomic_load_explicit(
			&sched->worker_conf[holder].pulse->fluxion, memory_order_relaxed);
		sched->stuck.state = flx_migrate_state(sched->migrate, m);
		sched->stuck.lasted_us = (now_tsc - since_tsc) / (sched->tsc_hz / 1000000);
		sched->stuck.count++;
	}
}

static void sample(struct flx_sched *sched, uint64_t now_us)
{
	struct flx_history_sample *sample = flx_history_add(&sched->history, now_us);

	for (uint32_t w = 0; w < sched->worker_count; w++)
		sample->busy_permille[w] = (uint16_t)(sched->rows[w].load_ppm / 1000);
}

static uint32_t interval_us(const struct flx_sched *sched, uint64_t now_us)
{
	bool all_away = true;

	if (flx_migrate_under_way(sched->migrate) || sched->order.under_way ||
	    now_us < sched->alert_until_us)
		return FLX_SCHED_TICK_US;
	for (uint32_t w = 0; w < sched->worker_count; w++) {
		if (sched->rows[w].load_ppm > CALM_PPM ||
		    (sched->worker[w].state == FLX_POLICY_LEAVING && sched->mode == FLX_SCHED_AUTO))
			return FLX_SCHED_TICK_US;
		all_away &= flx_sched_away(sched, w);
	}
	return all_away ? FLX_SCHED_TICK_ASLEEP_US : FLX_SCHED_TICK_CALM_US;
}

/* While alert loads are evened out that are too small to be measured else. */
static void ask_for_slices(const struct flx_sched *sched, uint64_t now_us)
{
	bool wanted = sched->mode == FLX_SCHED_AUTO && now_us < sched->alert_until_us;

	for (uint32_t w = 0; w < sched->worker_count; w++) {
		_Atomic bool *asked = &sched->worker_conf[w].load->asked;

		/* Its line is the worker's: written only when there is something to say. */
		if (atomic_load_explicit(asked, memory_order_relaxed) != wanted)
			atomic_store_explicit(asked, wanted, memory_order_relaxed);
	}
}

uint32_t flx_sched_tick(struct flx_sched *sched, uint64_t now_tsc)
{
	uint64_t now_us = flx_sched_us(sched, now_tsc);
	uint32_t next_us;

	flx_sched_lock(sched);
	sched->counts.ticks++;
	end_moves(sched, now_us);
	write_tables(sched);
	note_stuck(sched, now_tsc);
	if (sched->order.under_way)
		flx_sched_carry_out(sched, now_tsc);
	if (sched->mode == FLX_SCHED_OFF)
		flx_sched_see(sched, now_tsc);
	else
		flx_sched_decide(sched, now_tsc);
	if (sched->mode == FLX_SCHED_AUTO) {
		if (flx_policy_alarms(&sched->plan) && !sched->view.alert)
			sched->alert_until_us = now_us + FLX_POLICY_ALERT_US;
		for (uint32_t m = 0; m < sched->plan.move_count; m++)
			begin_planned(sched, &sched->plan.moves[m], now_tsc);
		change_workers(sched, now_us);
		flx_reta_step(&sched->reta, sched->migrate, now_tsc, sched->tsc_hz);
	}
	ask_for_slices(sched, now_us);
	sample(sched, now_us);
	next_us = interval_us(sched, now_us);
	flx_sched_unlock(sched);
	return next_us;
}

bool flx_sched_take_stuck(struct flx_sched *sched, struct flx_sched_stuck *stuck)
{
	flx_sched_lock(sched);
	*stuck = sched->stuck;
	sched->stuck.count = 0;
	flx_sched_unlock(sched);
	return stuck->count > 0;
}
