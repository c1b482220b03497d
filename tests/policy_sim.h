/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * policy_sim - a load that the policy is let loose on: workers as queues of work, without messages.
 *
 * Every slice has a demand, in parts per million of a worker. In windows of 250 us each worker
 * takes in what its slices demand, handles as much as fits into the window, and queues the rest, up
 * to the limit that credits set; beyond it is refused. Every 2 ms the policy sees what the
 * scheduler would see: loads smoothed over half a millisecond, late and with noise, slices measured
 * from the tick after their owner has passed 60 %, rests, steady means. Its plan is carried out as
 * the scheduler would do it: a move takes some time, its slices rest afterwards, a worker that
 * leaves is parked when it owns nothing.
 *
 * A seed decides the noise, so a run repeats itself.
 */
#pragma once

#include "scheduler/policy.h"
#include "scheduler/rest.h"
#include "scheduler/steady.h"
#include "tests/random.h"

#define SIM_WORKERS	 8
#define SIM_GROUPS	 4
#define SIM_SLICES	 (SIM_GROUPS * FLX_SLICES)
#define SIM_TICK_US	 2000
#define SIM_IN_FLIGHT	 16 /* moves */
#define SIM_NOISE_PCT	 5
#define SIM_MOVE_US	 500
#define SIM_QUEUE_MAX_US 5000

struct sim_worker {
	enum flx_policy_state state;
	bool stalled;
	int numa;
	int64_t came_ppm; /* demand of what it owns now */
	int64_t queue;	  /* work that waits, in millionths of a microsecond */
	int32_t load_ppm; /* smoothed */
	int32_t growth_ppm;
	int64_t tick_came; /* in this tick */
	int64_t tick_served;
	bool measured;
	struct flx_steady steady;
	struct flx_rest rest;
};

struct sim_move {
	uint64_t done_us;
	struct flx_policy_move move;
};

struct sim {
	struct flx_random random;
	uint64_t now_us;
	/* What a test may change, before the run or during it. */
	uint32_t worker_count;
	uint32_t group_count;
	uint32_t workers_min, workers_max;
	uint32_t noise_pct;
	uint32_t move_us;
	uint32_t queue_max_us;
	bool hides_growth;  /* as where the NIC drops what is too much */
	uint32_t apart_pct; /* what torn mates demand beyond what they do together */
	int32_t demand_ppm[SIM_SLICES];
	struct sim_worker workers[SIM_WORKERS];
	struct flx_policy_group groups[SIM_GROUPS];
	struct flx_policy_slice slices[SIM_SLICES]; /* owners */
	/* What it works with. */
	struct flx_rest rest[SIM_SLICES];
	uint64_t alert_until_us;
	uint32_t in_flight;
	struct sim_move moves[SIM_IN_FLIGHT];
	struct flx_policy_worker rows[SIM_WORKERS]; /* of the view */
	struct flx_policy_view view;
	struct flx_policy_plan plan;
	struct flx_policy_candidate room[SIM_SLICES];
	/* What has happened. */
	uint64_t move_count;
	uint64_t slice_count; /* in moves */
	uint64_t node_count;  /* of these, from node to node */
	uint64_t add_count;
	uint64_t park_count;
	uint64_t refused;
	uint64_t faults; /* of plans that must not be */
};

/*
 * sim_init - @workers active workers and @groups groups without mates
 * Slices belong to workers in turn, and demand nothing.
 */
void sim_init(struct sim *sim, uint64_t seed, uint32_t workers, uint32_t groups);

/* sim_run - go on until @until_us; demands may be set in between */
void sim_run(struct sim *sim, uint64_t until_us);

/* Demand of all slices of @worker now, without noise. */
int64_t sim_demand(const struct sim *sim, uint32_t worker);
/* What the most loaded active worker has more than the least loaded one. */
int64_t sim_difference(const struct sim *sim);
uint32_t sim_active(const struct sim *sim);
/* Numbers of mates of group 0 that are not at one worker. */
uint32_t sim_apart(const struct sim *sim);
/* Sets equal demands of the slices that @worker owns, @ppm in all. */
void sim_demand_of(struct sim *sim, uint32_t worker, int32_t ppm);
