/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/demand.h"

#include <errno.h>

#include <rte_cycles.h>

#include "perf/sample.h"

/* Of each queue: enough for full batches at both workers, however they fall. */
#define IN_FLIGHT  256
#define WARM_MS	   200
#define MEASURE_MS 500

int flx_demand_start(struct flx_rig *rig, const struct flx_demand *demand)
{
	static const double even[FLX_DEMAND_WORKERS] = {1, 1};
	const struct flx_rig_conf conf = {
		.program = flx_mill_program(FLX_DEMAND_CYCLES),
		.workers = FLX_DEMAND_WORKERS,
		.sched = demand->sched,
		.dev = demand->dev,
		.client =
			{
				.queues = FLX_DEMAND_WORKERS,
				.in_flight = demand->workers > 0 ? 0 : IN_FLIGHT,
				.per_sec = demand->workers / FLX_DEMAND_WORKERS *
					   demand->full_per_sec / FLX_DEMAND_WORKERS,
				.clients = FLX_DEMAND_KEYS,
				.udp_port = FLX_MILL_PORT,
				.counted = true,
			},
	};
	int error = flx_rig_start(rig, &conf);

	return error ? error : flx_rig_draw(rig, FLX_DEMAND_GROUP, even);
}

static int measure(const void *argument, void *found)
{
	const struct flx_demand demand = {.sched = FLX_SCHED_OFF, .dev = *(const bool *)argument};
	struct flx_client_counts before, after;
	struct flx_rig rig;
	double *per_sec = found;
	uint64_t tsc;
	int error = flx_demand_start(&rig, &demand);

	if (error)
		return error;
	rte_delay_us_sleep(WARM_MS * 1000);
	flx_client_count(&rig.client, &before);
	tsc = rte_rdtsc();
	rte_delay_us_sleep(MEASURE_MS * 1000);
	flx_client_count(&rig.client, &after);
	tsc = rte_rdtsc() - tsc;
	*per_sec =
		(double)(after.answers - before.answers) * (double)rte_get_tsc_hz() / (double)tsc;
	return flx_rig_stop(&rig, 0);
}

double flx_demand_measure(bool dev)
{
	double per_sec;
	int error = flx_child_run(measure, &dev, &per_sec, sizeof(per_sec));

	return error ? error : per_sec;
}
