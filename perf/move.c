/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * move - how long messages wait for a slice that moves, and what the others notice of it.
 *
 * Two workers at full load pass messages round a chain of three fluxions, the last of which stays at the
 * second worker. First slices move there and back at the rate of a busy scheduler, in turn with phases
 * without; then at random, as fast as they can. All messages are numbered: that none is lost or
 * overtaken is part of every run. DPDK's dsw follows, on the same CPUs.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "perf/figure.h"
#include "perf/peer_dsw.h"
#include "perf/relay.h"
#include "perf/rig.h"
#include "perf/sample.h"
#include "perf/scenarios.h"
#include "tests/random.h"

#define WORKERS 2
/*
 * Messages under way, as in flxperf's hops. More lengthen every wait, with or without moves (Little); fewer
 * do not fill the batches of both workers.
 */
#define IN_FLIGHT 512
/* Two messages of each are under way: one alone could not be overtaken. */
#define KEYS	(IN_FLIGHT / 2)
#define WARM_MS 200

/* What the scheduler itself moves at once, and how often it would at worst. */
#define SLICES	   8
#define CALM_US	   10000
#define PHASE_MS   200
#define PHASES	   5 /* of each kind, in a run */
#define STORM_MS   1000
#define STORM_US   250 /* between two looks: shorter ones would take the workers' CPUs instead */
#define PAUSES_MAX 100000

static const struct flx_figure p50 = {.name = "move.pause_us.p50",
				      .unit = "us",
				      .must = "<= 50",
				      .what = "from the first message that waits for a moving "
					      "slice to the last; under full load"};
static const struct flx_figure p99 = {
	.name = "move.pause_us.p99", .unit = "us", .must = "<= 500", .what = "the same"};
static const struct flx_figure dip = {.name = "move.dip",
				      .unit = "%",
				      .must = "<= 2",
				      .what = "of the throughput, by 100 moves/s"};
static const struct flx_figure alone = {
	.name = "move.pause_us.alone",
	.unit = "us",
	.floor = "dsw.migration_us",
	.must = "<= 0.5 * dsw.migration_us",
	.what = "p50 of one move at a time, beside dsw's migration of a flow"};
static const struct flx_figure rival = {
	.name = "dsw.migration_us", .unit = "us", .what = "p50, by dsw's own account"};

struct found {
	double alone_us; /* p50 of moves that are alone, as those of dsw */
	double p50_us, p99_us, most_us;
	double dip_pct;
	double per_sec; /* messages, in the phases without moves */
	uint64_t moves, paused;
	uint32_t cpu[WORKERS];
};

static struct {
	struct flx_rig rig;
	struct flx_ledger ledger;
	bool moving[FLX_RELAY_THIRD][FLX_SLICES]; /* by group, of those whose slices move */
	struct flx_random random;
	uint32_t pause_count;
	double pause_us[PAUSES_MAX];
	uint64_t moves;
} run;

/* ------------------------------------------------------------------------------------------- moves */

static void reap(void)
{
	struct flx_migrate *migrate = run.rig.sched->migrate;
	struct flx_move_request request;
	struct flx_move_times times;

	while (flx_migrate_reap(migrate, &request, &times) != FLX_MOVE_FREE) {
		for (uint32_t i = 0; i < request.count; i++)
			run.moving[request.of][request.number[i]] = false;
		run.moves++;
		if (times.parked_tsc && run.pause_count < PAUSES_MAX)
			run.pause_us[run.pause_count++] =
				(double)(times.drained_tsc - times.parked_tsc) * 1e6 /
				(double)rte_get_tsc_hz();
	}
}

/* Waits for all moves to end; false: one does not, in a second. */
static bool reap_all(void)
{
	for (uint32_t ms = 0; ms < 1000; ms++) {
		reap();
		if (!flx_migrate_under_way(run.rig.sched->migrate))
			return true;
		rte_delay_us_sleep(1000);
	}
	return false;
}

/* Begins @request; false: there are too many moves, nothing to move, or what is still under way. */
static bool ask(const struct flx_move_request *request)
{
	if (!request->count ||
	    flx_migrate_request(run.rig.sched->migrate, request, rte_rdtsc()) < 0)
		return false;
	for (uint32_t i = 0; i < request->count; i++)
		run.moving[request->of][request->number[i]] = true;
	return true;
}

/* Some slices of one owner, that are not under way, from a random one on. */
static void choose(struct flx_move_request *request)
{
	const struct flx_route *routes = run.rig.sched->migrate->routes->route;
	uint32_t slice = flx_random_below(&run.random, FLX_SLICES);

	*request = (struct flx_move_request){
		.of = flx_random_chance(&run.random, 50) ? FLX_RELAY_FIRST : FLX_RELAY_SECOND,
		.from = (uint8_t)flx_random_below(&run.random, WORKERS),
	};
	request->to = !request->from;
	for (uint32_t i = 0; i < FLX_SLICES && request->count < SLICES;
	     i++, slice = (slice + 1) % FLX_SLICES)
		if (!run.moving[request->of][slice] &&
		    flx_route_owner(&routes[request->of], slice) == request->from)
			request->number[request->count++] = (uint16_t)slice;
}

/* ------------------------------------------------------------------------------------- throughput */

static uint64_t count_handled(void)
{
	uint64_t handled = 0;

	flx_fabric_ledger(run.rig.fabric, &run.ledger);
	for (uint32_t w = 0; w < WORKERS; w++)
		handled += run.ledger.worker_handled[w];
	return handled;
}

/* Messages per second of a phase in which (@with) slices go there and back, so that it ends as it began. */
static double run_phase(bool with)
{
	struct flx_move_request request;
	uint64_t handled = count_handled(), tsc = rte_rdtsc();
	bool back = false;

	for (uint32_t us = 0; us < PHASE_MS * 1000; us += CALM_US) {
		rte_delay_us_sleep(CALM_US);
		reap();
		if (!with)
			continue;
		if (back) {
			request.from = !request.from;
			request.to = !request.to;
		} else {
			choose(&request);
		}
		back = ask(&request) && !back;
	}
	handled = count_handled() - handled;
	return (double)handled * (double)rte_get_tsc_hz() / (double)(rte_rdtsc() - tsc);
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

/* @permille of the pauses so far are not longer. */
static double pause_at(uint32_t permille)
{
	qsort(run.pause_us, run.pause_count, sizeof(run.pause_us[0]), compare);
	return run.pause_count ? run.pause_us[(uint64_t)(run.pause_count - 1) * permille / 1000]
			       : 0;
}

/* Without, with, with, without: a machine that becomes slower meets both alike. */
static void find_dip(struct found *found)
{
	double per_sec[2] = {0};

	for (uint32_t phase = 0; phase < 2 * PHASES; phase++) {
		bool with = (phase + 1) / 2 % 2;

		per_sec[with] += run_phase(with) / PHASES;
	}
	found->per_sec = per_sec[false];
	found->dip_pct = 100 * (1 - per_sec[true] / per_sec[false]);
	found->alone_us = pause_at(500);
}

/* --------------------------------------------------------------------------------------- the storm */

static void find_pauses(struct found *found)
{
	uint64_t end = rte_rdtsc() + rte_get_tsc_hz() / 1000 * STORM_MS;
	struct flx_move_request request;

	run.moves = run.pause_count = 0;
	while (rte_rdtsc() < end) {
		reap();
		do
			choose(&request);
		while (ask(&request));
		rte_delay_us_sleep(STORM_US);
	}
	reap_all();
	found->moves = run.moves;
	found->paused = run.pause_count;
	found->p50_us = pause_at(500);
	found->p99_us = pause_at(990);
	found->most_us = pause_at(1000);
}

/* -------------------------------------------------------------------------------------------- a run */

/* Lets all messages end, and looks whether each was seen by all three as often, and in order. */
static int account(void)
{
	const struct flx_fluxion_ledger *first;
	bool good;

	flx_relay_end();
	if (flx_fabric_drain(run.rig.fabric, 1000, NULL))
		return -ETIMEDOUT;
	flx_fabric_ledger(run.rig.fabric, &run.ledger);
	first = &run.ledger.fluxion[FLX_FLUXION_FIRST + FLX_RELAY_FIRST];
	good = first[0].handled == first[1].handled && first[0].handled == first[2].handled;
	if (good && !flx_relay_wrong() && !run.ledger.dropped && !run.ledger.unexplained &&
	    run.ledger.consumed == IN_FLIGHT)
		return 0;
	flx_error("move: of %d messages %" PRIu64 " came to their end, %" PRIu64
		  " were overtaken or lost on their way, %" PRIu64 " dropped, %" PRId64
		  " unexplained: a bug of flx",
		  IN_FLIGHT, run.ledger.consumed, flx_relay_wrong(), run.ledger.dropped,
		  run.ledger.unexplained);
	return -EBADMSG;
}

static int run_moves(const void *argument, void *result)
{
	const struct flx_perf *perf = argument;
	const struct flx_rig_conf conf = {
		.program = &flx_relay_program,
		.workers = WORKERS,
		.sched = FLX_SCHED_OFF,
		.dev = perf->dev,
		.client = {.queues = 1,
			   .in_flight = IN_FLIGHT,
			   .clients = KEYS,
			   .udp_port = FLX_RELAY_PORT},
	};
	struct found *found = result;
	int error = flx_rig_start(&run.rig, &conf), ended;

	if (error)
		return error;
	for (uint32_t w = 0; w < WORKERS; w++)
		found->cpu[w] = flx_fabric_plan(run.rig.fabric)->worker[w].cpu;
	/* All slices of the last fluxion are the second worker's; from there on the moves are ours. */
	error = flx_rig_place(&run.rig, FLX_RELAY_THIRD, 1);
	flx_sched_stop(run.rig.sched);
	rte_delay_us_sleep(WARM_MS * 1000);
	if (!error) {
		find_dip(found);
		error = reap_all() ? 0 : -ETIMEDOUT;
	}
	if (!error) {
		find_pauses(found);
		error = account();
	}
	if (error == -ETIMEDOUT)
		flx_error("move: a move, or the messages, did not come to an end in a second");
	ended = flx_rig_stop(&run.rig, IN_FLIGHT);
	return error ? error : ended;
}

/* ----------------------------------------------------------------------------------------- all runs */

/* One run of ours, and one of dsw on the same CPUs; -ENOTSUP: there is no dsw. */
static int run_both(const struct flx_perf *perf)
{
	struct flx_dsw_conf dsw = {.in_flight = IN_FLIGHT, .run_ms = STORM_MS};
	struct flx_dsw_found other;
	struct found found;
	int error = flx_child_run(run_moves, perf, &found, sizeof(found));

	if (error)
		return error;
	flx_figure_add(&p50, found.p50_us);
	flx_figure_add(&p99, found.p99_us);
	flx_figure_add(&dip, found.dip_pct);
	flx_figure_add(&alone, found.alone_us);
	printf("  %.1f M messages/s; %" PRIu64 " moves in %.1f s, %" PRIu64
	       " with messages that waited, %.1f us at most\n",
	       found.per_sec / 1e6, found.moves, STORM_MS / 1e3, found.paused, found.most_us);
	memcpy(dsw.cpu, found.cpu, sizeof(dsw.cpu));
	error = flx_child_run(flx_peer_dsw, &dsw, &other, sizeof(other));
	if (error == -ENOTSUP)
		flx_figure_skip(&rival, "there is no event_dsw here; install librte-event-dsw23");
	if (error)
		return error;
	flx_figure_add(&rival, other.p50_us);
	printf("  dsw: %.1f M events/s, %" PRIu64 " flows migrated, in %.1f us on average\n",
	       other.per_sec / 1e6, other.migrations, other.mean_us);
	return 0;
}

int flx_perf_move(const struct flx_perf *perf)
{
	int error = 0;

	for (uint32_t i = 0; i < perf->repeat && (!error || error == -ENOTSUP); i++)
		error = run_both(perf);
	return error == -ENOTSUP ? 0 : error;
}
