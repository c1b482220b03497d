/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * load - what the scenarios of the load generator share: whom they ask, and a trial in a process of its own.
 */
#pragma once

#include "perf/trial.h"

/* Few enough to stay in the caches, enough that neither side waits for the other. */
#define FLX_LOAD_IN_FLIGHT 512

/* What a trial has found of itself, brought home from its process. */
struct flx_load_job {
	struct flx_trial_conf conf;
	struct flx_trial trial;
};

/*
 * flx_load_run - open a bed, run one trial on it and close it, in a process of its own
 * @found: its latency is NULL: samples stay there. What the bed said; -EIO: the process died.
 */
int flx_load_run(const struct flx_load_job *job, struct flx_trial_found *found);

/* flx_load_counter - counter.pair and counter.gen, as scenario `counter` has them */
int flx_load_counter(const struct flx_perf *perf);
