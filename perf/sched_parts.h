/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched_parts - what is measured of the scheduler; parts of a scenario, as scenarios.h says of them.
 *
 * Fabrics run on a ring port of two queues, their clients on the workers' own cores, so that two CPUs are
 * enough; answers are verified in all of them, and a run with a lost, wrong or overtaken message fails.
 */
#pragma once

#include "perf/scenarios.h"

/*
 * A load that is even turns into 90/10 at once: how long until both workers have the same again, at a
 * demand of 1.0 and of 1.8 workers, and in a closed loop.
 */
int flx_sched_skew(const struct flx_perf *perf, const void *argument);

/* Moves per second that a load of few hot keys still causes when it has been seen. */
int flx_sched_zipf(const struct flx_perf *perf, const void *argument);

/* Moves that an even, constant load causes. */
int flx_sched_calm(const struct flx_perf *perf, const void *argument);

/* What the scheduler takes of the throughput when there is nothing for it to do. */
int flx_sched_cost(const struct flx_perf *perf, const void *argument);

/* Two workers that share a CPU against one that has it. In scale.c. */
int flx_sched_oversubscribed(const struct flx_perf *perf, const void *argument);
