/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/demand.h"

#include <rte_cycles.h>

/* Of each queue, in a closed loop: enough for full batches at both workers, however they fall. */
#define IN_FLIGHT 256
/*
 * Looks at how busy the workers are. A message costs the more beside its handler, the fewer come at once,
 * so each look corrects what the one before has found; the last change it by next to nothing.
 */
#define LOOKS	6
#define LOOK_MS 80

/* Share of their time that the workers were busy for @ms from now on. */
static double look(const struct flx_rig *rig, uint32_t ms)
{
	static struct flx_ledger before, now;
	double busy = 0, total = 0;

	flx_fabric_ledger(rig->fabric, &before);
	rte_delay_us_sleep(ms * 1000);
	flx_fabric_ledger(rig->fabric, &now);
	for (uint32_t w = 0; w < FLX_DEMAND_WORKERS; w++) {
		busy += (double)(now.worker_busy_tsc[w] - before.worker_busy_tsc[w]);
		total += (double)(now.worker_total_tsc[w] - before.worker_total_tsc[w]);
	}
	return busy / total;
}

static void find_pace(struct flx_rig *rig, double share)
{
	double per_sec = share * (double)rte_get_tsc_hz() / (1.5 * FLX_DEMAND_CYCLES);

	for (uint32_t i = 0; i < LOOKS; i++) {
		flx_client_pace(&rig->client, per_sec);
		per_sec *= share / look(rig, LOOK_MS);
	}
	flx_client_pace(&rig->client, per_sec);
}

int flx_demand_start(struct flx_rig *rig, const struct flx_demand *demand)
{
	static const double even[FLX_DEMAND_WORKERS] = {1, 1};
	const struct flx_rig_conf conf = {
		.program = flx_mill_program(FLX_DEMAND_CYCLES),
		.workers = FLX_DEMAND_WORKERS,
		.sched = demand->sched,
		.dev = demand->dev,
		.client = {.queues = FLX_DEMAND_WORKERS,
			   .in_flight = demand->workers > 0 ? 0 : IN_FLIGHT,
			   .clients = FLX_DEMAND_KEYS,
			   .udp_port = FLX_MILL_PORT,
			   .counted = true},
	};
	int error = flx_rig_start(rig, &conf);

	if (!error)
		error = flx_rig_draw(rig, FLX_DEMAND_GROUP, even);
	if (!error && demand->workers > 0)
		find_pace(rig, demand->workers / FLX_DEMAND_WORKERS);
	return error;
}
