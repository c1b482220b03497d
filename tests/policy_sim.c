/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/policy_sim.h"

#include <string.h>

#include <rte_common.h>

#define WINDOW_US 250
/* Smoothing: half of the newest window, so that 2 ms later nothing is left of what was. */
#define WEIGHT 2

void sim_init(struct sim *sim, uint64_t seed, uint32_t workers, uint32_t groups)
{
	*sim = (struct sim){.random = {seed},
			    .worker_count = workers,
			    .group_count = groups,
			    .workers_min = workers,
			    .workers_max = workers,
			    .noise_pct = SIM_NOISE_PCT,
			    .move_us = SIM_MOVE_US,
			    .queue_max_us = SIM_QUEUE_MAX_US};
	for (uint32_t w = 0; w < workers; w++)
		sim->workers[w] = (struct sim_worker){.state = FLX_POLICY_ACTIVE, .numa = -1};
	for (uint32_t g = 0; g < groups; g++)
		sim->groups[g] = (struct flx_policy_group){.name = "group",
							   .first = g * FLX_SLICES,
							   .count = FLX_SLICES,
							   .mates = (uint16_t)g};
	for (uint32_t i = 0; i < groups * FLX_SLICES; i++)
		sim->slices[i] = (struct flx_policy_slice){.slice = i % FLX_SLICES,
							   .owner = (uint8_t)(i % workers)};
}

/* The index of the next group with the same mates, or the first one's; @index is a slice's. */
static bool is_apart(const struct sim *sim, uint32_t index)
{
	uint32_t group = index / FLX_SLICES;

	for (uint32_t g = 0; g < sim->group_count; g++)
		if (sim->groups[g].mates == sim->groups[group].mates &&
		    sim->slices[g * FLX_SLICES + index % FLX_SLICES].owner !=
			    sim->slices[index].owner)
			return true;
	return false;
}

static uint32_t slice_total(const struct sim *sim)
{
	return sim->group_count * FLX_SLICES;
}

static int64_t demand_of(const struct sim *sim, uint32_t index)
{
	int64_t demand = sim->demand_ppm[index];

	return sim->apart_pct && is_apart(sim, index) ? demand * (100 + sim->apart_pct) / 100
						      : demand;
}

static void sum_demands(struct sim *sim)
{
	for (uint32_t w = 0; w < sim->worker_count; w++)
		sim->workers[w].came_ppm = 0;
	for (uint32_t i = 0; i < slice_total(sim); i++)
		sim->workers[sim->slices[i].owner].came_ppm += demand_of(sim, i);
}

int64_t sim_demand(const struct sim *sim, uint32_t worker)
{
	int64_t sum = 0;

	for (uint32_t i = 0; i < slice_total(sim); i++)
		if (sim->slices[i].owner == worker)
			sum += demand_of(sim, i);
	return sum;
}

int64_t sim_difference(const struct sim *sim)
{
	int64_t most = INT64_MIN, least = INT64_MAX;

	for (uint32_t w = 0; w < sim->worker_count; w++) {
		int64_t demand = sim_demand(sim, w);

		if (sim->workers[w].state != FLX_POLICY_ACTIVE || sim->workers[w].stalled)
			continue;
		most = RTE_MAX(most, demand);
		least = RTE_MIN(least, demand);
	}
	return most - least;
}

uint32_t sim_active(const struct sim *sim)
{
	uint32_t count = 0;

	for (uint32_t w = 0; w < sim->worker_count; w++)
		count += sim->workers[w].state == FLX_POLICY_ACTIVE;
	return count;
}

uint32_t sim_apart(const struct sim *sim)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < FLX_SLICES; i++)
		count += is_apart(sim, i);
	return count;
}

void sim_demand_of(struct sim *sim, uint32_t worker, int32_t ppm)
{
	int32_t count = 0;

	for (uint32_t i = 0; i < slice_total(sim); i++)
		count += sim->slices[i].owner == worker;
	for (uint32_t i = 0; i < slice_total(sim); i++)
		if (sim->slices[i].owner == worker)
			sim->demand_ppm[i] = ppm / count;
}

static void pass_window(struct sim *sim, struct sim_worker *worker)
{
	int64_t came = worker->came_ppm * WINDOW_US;
	int64_t limit = (int64_t)sim->queue_max_us * FLX_POLICY_FULL;
	int64_t work = worker->queue + came;
	int64_t served = worker->stalled ? 0 : RTE_MIN(work, (int64_t)FLX_POLICY_FULL * WINDOW_US);
	int64_t queue = RTE_MIN(work - served, RTE_MAX(limit, worker->queue));
	int64_t growth = queue - worker->queue;

	sim->refused += (uint64_t)(work - served - queue);
	worker->queue = queue;
	worker->tick_came += came;
	worker->tick_served += served;
	worker->load_ppm += ((int32_t)(served / WINDOW_US) - worker->load_ppm) / WEIGHT;
	worker->growth_ppm += ((int32_t)(growth / WINDOW_US) - worker->growth_ppm) / WEIGHT;
}

static uint32_t index_of(const struct flx_policy_move *move, uint32_t i)
{
	return (uint32_t)move->group * FLX_SLICES + move->slices[i];
}

static void end_move(struct sim *sim, const struct flx_policy_move *move)
{
	for (uint32_t i = 0; i < move->count; i++) {
		uint32_t index = index_of(move, i);

		sim->slices[index].owner = move->to;
		sim->slices[index].hold = FLX_POLICY_RESTS;
		flx_rest_moved(&sim->rest[index], &flx_rest_slice, sim->now_us, move->from,
			       move->to);
	}
	flx_steady_reset(&sim->workers[move->from].steady);
	flx_steady_reset(&sim->workers[move->to].steady);
}

static void end_moves(struct sim *sim)
{
	uint32_t left = 0;

	for (uint32_t m = 0; m < sim->in_flight; m++) {
		if (sim->moves[m].done_us <= sim->now_us)
			end_move(sim, &sim->moves[m].move);
		else
			sim->moves[left++] = sim->moves[m];
	}
	if (left != sim->in_flight)
		sum_demands(sim);
	sim->in_flight = left;
}

static int32_t noisy(struct sim *sim, int64_t ppm)
{
	int64_t range = (int64_t)sim->noise_pct * 10000;
	int64_t permillion = FLX_POLICY_FULL - range;

	permillion += flx_random_below(&sim->random, (uint32_t)(2 * range + 1));
	return (int32_t)(ppm * permillion / FLX_POLICY_FULL);
}

static void see_worker(struct sim *sim, uint32_t w)
{
	struct sim_worker *worker = &sim->workers[w];
	struct flx_policy_worker *row = &sim->rows[w];
	bool goes_on = sim->plan.unfinished >> w & 1;

	*row = (struct flx_policy_worker){
		.load_ppm = RTE_MIN(noisy(sim, worker->load_ppm), FLX_POLICY_FULL),
		.queue_us = (uint32_t)noisy(sim, worker->queue / FLX_POLICY_FULL),
		.numa = (int16_t)worker->numa,
		.state = (uint8_t)worker->state,
		.stalled = worker->stalled,
		.measured = worker->measured,
		.goes_on = goes_on,
	};
	row->oldest_us = row->queue_us;
	/* Both counts are off: of what came, and of what was handled. */
	if (!sim->hides_growth)
		row->growth_ppm = noisy(sim, worker->load_ppm + worker->growth_ppm) - row->load_ppm;
	for (uint32_t m = 0; m < sim->in_flight; m++) {
		const struct flx_policy_move *move = &sim->moves[m].move;

		row->pending_ppm += move->to == w ? move->load_ppm : 0;
		row->pending_ppm -= move->from == w ? move->load_ppm : 0;
	}
	flx_steady_add(&worker->steady, flx_policy_demand(row));
	row->last_ppm = flx_steady_before(&worker->steady);
	row->steady = flx_steady_counts(&worker->steady);
	row->settled = flx_steady_settled(&worker->steady);
	row->steady_ppm = worker->steady.mean_ppm;
}

static void see_slices(struct sim *sim)
{
	for (uint32_t i = 0; i < slice_total(sim); i++) {
		struct flx_policy_slice *slice = &sim->slices[i];
		const struct sim_worker *owner = &sim->workers[slice->owner];

		if (slice->hold == FLX_POLICY_RESTS && flx_rest_over(&sim->rest[i], sim->now_us))
			slice->hold = FLX_POLICY_FREE;
		slice->load_ppm = 0;
		if (owner->measured && owner->tick_came)
			slice->load_ppm =
				noisy(sim, demand_of(sim, i) * (owner->tick_served >> 10) /
						   RTE_MAX(owner->tick_came >> 10, 1));
	}
}

static void see(struct sim *sim)
{
	for (uint32_t w = 0; w < sim->worker_count; w++)
		see_worker(sim, w);
	see_slices(sim);
	sim->view = (struct flx_policy_view){.worker_count = sim->worker_count,
					     .group_count = sim->group_count,
					     .workers = sim->rows,
					     .groups = sim->groups,
					     .slices = sim->slices,
					     .workers_min = sim->workers_min,
					     .workers_max = sim->workers_max,
					     .alert = sim->now_us < sim->alert_until_us};
	for (uint32_t w = 0; w < sim->worker_count; w++)
		if (sim->workers[w].state == FLX_POLICY_ACTIVE &&
		    !flx_rest_over(&sim->workers[w].rest, sim->now_us))
			sim->view.park_rests = true;
}

/* Slices that are where the move takes them from, free, and in no other move. */
static void begin_move(struct sim *sim, const struct flx_policy_move *move)
{
	const struct sim_worker *from = &sim->workers[move->from], *to = &sim->workers[move->to];

	if (to->state != FLX_POLICY_ACTIVE || from->state == FLX_POLICY_PARKED || to->stalled ||
	    from->stalled || move->from == move->to || !move->count ||
	    move->count > FLX_POLICY_SLICES || sim->in_flight == SIM_IN_FLIGHT)
		sim->faults++;
	for (uint32_t i = 0; i < move->count; i++) {
		struct flx_policy_slice *slice = &sim->slices[index_of(move, i)];

		if (slice->owner != move->from || slice->hold != FLX_POLICY_FREE)
			sim->faults++;
		slice->hold = FLX_POLICY_MOVES_NOW;
	}
	sim->moves[sim->in_flight++] = (struct sim_move){sim->now_us + sim->move_us, *move};
	sim->move_count++;
	sim->slice_count += move->count;
	sim->node_count += from->numa != to->numa ? move->count : 0;
}

static bool is_empty(const struct sim *sim, uint32_t worker)
{
	for (uint32_t i = 0; i < slice_total(sim); i++)
		if (sim->slices[i].owner == worker)
			return false;
	for (uint32_t m = 0; m < sim->in_flight; m++)
		if (sim->moves[m].move.to == worker)
			return false;
	return true;
}

static void change_workers(struct sim *sim)
{
	if (sim->plan.add != FLX_POLICY_NONE) {
		struct sim_worker *worker = &sim->workers[sim->plan.add];

		sim->faults += worker->state == FLX_POLICY_ACTIVE || worker->stalled;
		worker->state = FLX_POLICY_ACTIVE;
		flx_rest_moved(&worker->rest, &flx_rest_worker, sim->now_us, FLX_REST_PARKED,
			       FLX_REST_ACTIVE);
		sim->add_count++;
	}
	if (sim->plan.park != FLX_POLICY_NONE) {
		sim->faults += sim->workers[sim->plan.park].state != FLX_POLICY_ACTIVE;
		sim->workers[sim->plan.park].state = FLX_POLICY_LEAVING;
		sim->park_count++;
	}
	for (uint32_t w = 0; w < sim->worker_count; w++) {
		struct sim_worker *worker = &sim->workers[w];

		if (worker->state != FLX_POLICY_LEAVING || !is_empty(sim, w))
			continue;
		worker->state = FLX_POLICY_PARKED;
		flx_rest_moved(&worker->rest, &flx_rest_worker, sim->now_us, FLX_REST_ACTIVE,
			       FLX_REST_PARKED);
	}
}

/* The plan says what it predicts: what leaves one worker arrives at another. */
static void check_sums(struct sim *sim)
{
	int64_t before = 0, after = 0;

	for (uint32_t w = 0; w < sim->worker_count; w++) {
		before += sim->plan.before_ppm[w];
		after += sim->plan.after_ppm[w];
	}
	sim->faults += before != after;
}

static void tick(struct sim *sim)
{
	see(sim);
	flx_policy_decide(&sim->plan, &sim->view, sim->room);
	check_sums(sim);
	if (flx_policy_alarms(&sim->plan) && !sim->view.alert)
		sim->alert_until_us = sim->now_us + FLX_POLICY_ALERT_US;
	for (uint32_t m = 0; m < sim->plan.move_count; m++)
		if (sim->in_flight < SIM_IN_FLIGHT)
			begin_move(sim, &sim->plan.moves[m]);
	change_workers(sim);
	for (uint32_t w = 0; w < sim->worker_count; w++) {
		struct sim_worker *worker = &sim->workers[w];

		/* Counting begins now, and is known in the next tick. */
		worker->measured =
			worker->load_ppm > FLX_POLICY_MEASURE || sim->plan.unfinished >> w & 1;
		worker->tick_came = worker->tick_served = 0;
	}
}

void sim_run(struct sim *sim, uint64_t until_us)
{
	sum_demands(sim);
	while (sim->now_us < until_us) {
		sim->now_us += WINDOW_US;
		for (uint32_t w = 0; w < sim->worker_count; w++)
			pass_window(sim, &sim->workers[w]);
		end_moves(sim);
		if (sim->now_us % SIM_TICK_US == 0)
			tick(sim);
	}
}
