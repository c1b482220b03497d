/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * demand - two workers under a load that is told in workers: 1.8 of them, whatever this machine's are.
 *
 * The mill is measured once, in a closed loop, and an open loop then asks for a part of what it gave. A
 * message takes about two microseconds, so that what the fabric and the client take beside is little,
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
	double workers;	     /* wanted; 0: a closed loop */
	double full_per_sec; /* messages, of all workers: of flx_demand_measure */
	enum flx_sched_mode sched;
	bool dev;
};

/*
 * flx_demand_measure - what the workers can do at most, in a process of its own
 * Messages per second; -errno after one flx_error.
 */
double flx_demand_measure(bool dev);

/* flx_demand_start - the mill under @demand; clients are drawn so that all workers have the same. */
int flx_demand_start(struct flx_rig *rig, const struct flx_demand *demand);
