/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * demand - two workers under a load that is told in workers: 1.8 of them, whatever this machine's are.
 *
 * An open loop is paced until the workers are busy for that share of their time, while all have the same.
 * A message takes about two microseconds, so that what the fabric and the client take beside is little,
 * and two milliseconds, a tick of the scheduler, still see a thousand messages of each worker.
 */
#pragma once

#include "perf/mill.h"
#include "perf/rig.h"

#define FLX_DEMAND_WORKERS 2
#define FLX_DEMAND_CYCLES  5000
/* 16 a slice: moving one moves several. */
#define FLX_DEMAND_KEYS 8192
/* Of the mill: what its client's keys pick the slices of. */
#define FLX_DEMAND_GROUP 0

struct flx_demand {
	double workers; /* wanted; 0: a closed loop */
	enum flx_sched_mode sched;
	bool dev;
};

/*
 * flx_demand_start - the mill under @demand; clients are drawn so that all workers have the same
 * Takes half a second to find the pace. 0; -errno after one flx_error.
 */
int flx_demand_start(struct flx_rig *rig, const struct flx_demand *demand);
