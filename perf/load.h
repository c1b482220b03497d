/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * load - what the scenarios of the load generator share at saturation.
 */
#pragma once

#include "perf/trial.h"

/* Few enough to stay in the caches, enough that neither side waits for the other. */
#define FLX_LOAD_IN_FLIGHT 512

/* flx_load_counter - counter.pair and counter.gen, as scenario `counter` has them */
int flx_load_counter(const struct flx_perf *perf);
