/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched_see - what the policy is shown: workers and slices as they publish their loads.
 */
#include "scheduler/sched.h"

/*
 * Windows after whose end a worker that sleeps is not busy any more, whatever it said last. One that does
 * not sleep is in a long turn, and as busy as it was.
 */
#define STALE_WINDOWS 8
/* And after which one that does not sleep has stalled: 50 ms. A turn of a batch of 0.5 ms each has ended. */
#define STALLED_WINDOWS 200
/*
 * Windows between two loads that count as two: half a tick. Fewer, and whoever asks in between makes two of
 * one; more, and a tick that comes early sees nothing new.
 */
#define FRESH_WINDOWS 4
/* Ticks of which one looks at all slices whatever is to be decided: which of them rest no more. */
#define SLICES_EVERY 8

const char *flx_sched_mode_name(enum flx_sched_mode mode)
{
	static const char *const names[FLX_SCHED_MODES] = {"auto", "observe", "off"};

	return names[mode];
}

static uint32_t published(const _Atomic uint32_t *figure)
{
	return atomic_load_explicit(figure, memory_order_relaxed);
}

static void see_load(struct flx_sched *sched, uint32_t w, uint64_t now_tsc)
{
	const struct flx_load *load = sched->worker_conf[w].load;
	struct flx_sched_worker *worker = &sched->worker[w];
	/* Acquire: pairs with the release in flx_load_close. */
	uint64_t closed_tsc = atomic_load_explicit(&load->closed_tsc, memory_order_acquire);
	bool away = flx_sched_away(sched, w);
	struct flx_policy_worker *row = &sched->rows[w];

	row->stalled = !away && closed_tsc + STALLED_WINDOWS * load->window_tsc < now_tsc;
	if (away && closed_tsc + STALE_WINDOWS * load->window_tsc < now_tsc) {
		closed_tsc = now_tsc;
	} else {
		row->load_ppm = (int32_t)published(&load->busy_ppm);
		row->growth_ppm = atomic_load_explicit(&load->growth_ppm, memory_order_relaxed);
		row->queue_us = published(&load->waiting_us);
		row->oldest_us = published(&load->oldest_us);
		row->measured = published(&load->measured) > 0;
	}
	if (closed_tsc >= worker->seen_tsc + FRESH_WINDOWS * load->window_tsc) {
		worker->seen_tsc = closed_tsc;
		flx_steady_add(&worker->steady, flx_policy_demand(row));
	}
	row->last_ppm = flx_steady_before(&worker->steady);
	row->steady = flx_steady_counts(&worker->steady);
	row->settled = flx_steady_settled(&worker->steady);
	row->steady_ppm = worker->steady.mean_ppm;
}

static void see_worker(struct flx_sched *sched, uint32_t w, uint64_t now_tsc)
{
	struct flx_policy_worker *row = &sched->rows[w];

	*row = (struct flx_policy_worker){
		.numa = sched->worker_conf[w].numa,
		.state = sched->worker[w].state,
		.goes_on = sched->plan.unfinished >> w & 1,
	};
	for (uint64_t left = flx_migrate_under_way(sched->migrate); left; left &= left - 1) {
		uint32_t m = (uint32_t)__builtin_ctzll(left);
		const struct flx_move_request *request = &sched->migrate->move[m].request;

		row->pending_ppm += request->to == w ? sched->load_ppm[m] : 0;
		row->pending_ppm -= request->from == w ? sched->load_ppm[m] : 0;
	}
	see_load(sched, w, now_tsc);
}

void flx_sched_see(struct flx_sched *sched, uint64_t now_tsc)
{
	for (uint32_t w = 0; w < sched->worker_count; w++)
		see_worker(sched, w, now_tsc);
}

/* Loads of the slices of group @g, as their owners publish them; and which of them rest no more. */
static void see_slices(struct flx_sched *sched, uint32_t g, uint64_t now_us)
{
	const struct flx_policy_group *group = &sched->groups[g];

	for (uint32_t i = group->first; i < group->first + group->count; i++) {
		struct flx_policy_slice *slice = &sched->slices[i];
		const struct flx_load *load = sched->worker_conf[slice->owner].load;

		if (slice->hold == FLX_POLICY_RESTS && flx_rest_over(&sched->rests[i], now_us))
			slice->hold = FLX_POLICY_FREE;
		slice->load_ppm = 0;
		if (sched->rows[slice->owner].measured)
			slice->load_ppm = (int32_t)((uint64_t)published(
							    &load->slices[g].cycles[slice->slice]) *
						    FLX_LOAD_FULL / load->window_tsc);
	}
}

static bool park_rests(const struct flx_sched *sched, uint64_t now_us)
{
	for (uint32_t w = 0; w < sched->worker_count; w++)
		if (sched->worker[w].state == FLX_POLICY_ACTIVE &&
		    !flx_rest_over(&sched->worker[w].rest, now_us))
			return true;
	return false;
}

/* Whether a plan of this kind was made without a look at any slice. */
static bool needs_no_slices(const struct flx_policy_plan *plan)
{
	return plan->verdict == FLX_POLICY_CALM || plan->verdict == FLX_POLICY_ALONE ||
	       plan->verdict == FLX_POLICY_EVEN || plan->verdict == FLX_POLICY_UNSTEADY ||
	       plan->verdict == FLX_POLICY_NOBODY;
}

void flx_sched_decide(struct flx_sched *sched, uint64_t now_tsc)
{
	uint64_t now_us = flx_sched_us(sched, now_tsc);

	flx_sched_see(sched, now_tsc);
	sched->view = (struct flx_policy_view){
		.worker_count = sched->worker_count,
		.group_count = sched->registry->group_count,
		.workers = sched->rows,
		.groups = sched->groups,
		.slices = sched->slices,
		.workers_min = sched->workers_min,
		.workers_max = sched->workers_max,
		.alert = now_us < sched->alert_until_us,
		.park_rests = park_rests(sched, now_us),
	};
	/*
	 * Loads of slices lie in the caches of their owners: thousands of lines to fetch. Most
	 * ticks need none of them, and what slices were at the last look says which.
	 */
	if (sched->counts.decisions++ % SLICES_EVERY) {
		flx_policy_decide(&sched->plan, &sched->view, sched->room);
		if (needs_no_slices(&sched->plan))
			return;
	}
	for (uint32_t g = 0; g < sched->registry->group_count; g++)
		see_slices(sched, g, now_us);
	flx_policy_decide(&sched->plan, &sched->view, sched->room);
}
