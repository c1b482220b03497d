/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scenario - what flxperf can measure: one function per figure, each a fresh process's whole work.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "perf/sample.h"

struct flx_scenario_conf {
	uint32_t workers;
	uint32_t in_flight; /* messages */
	uint32_t clients;   /* keys */
	uint32_t warm_ms;
	uint32_t run_ms;
	bool dev;   /* ordinary memory */
	bool batch; /* hop: by batch handlers */
};

/* Floor: two lcores, one SP/SC ring of 16-byte elements, bursts of a batch. Cycles per element. */
struct flx_sample flx_scenario_ring(const void *conf);

/*
 * Messages that go round a circle of empty fluxions for ever: on one worker (workers = 1), or with
 * every hop from one worker to the other (workers = 2). Cycles per hop; nothing of a message is
 * read.
 */
struct flx_sample flx_scenario_hop(const void *conf);

/*
 * The counter app from ring port to ring port: parse, verify, three fluxions, a keyed context,
 * reply with check sums. Cycles per answer on the worker's core, without the client's own.
 */
struct flx_sample flx_scenario_counter(const void *conf);
