/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scenario - what paths.c measures: one function per figure, each a fresh process's whole work.
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

/*
 * Floors on the two CPUs that two workers would have: SP/SC rings of 16-byte elements, bursts of a batch.
 * Cycles from one core to the other, per element: of a stream, one ring from one core to the other; and of
 * a circle, two rings with in_flight elements that go round for ever, as messages between two workers do.
 */
struct flx_sample flx_scenario_stream(const void *conf);
struct flx_sample flx_scenario_circle(const void *conf);

/*
 * Messages that go round a circle of empty fluxions for ever: on one worker (workers = 1), or with
 * every hop from one worker to the other (workers = 2). Cycles per hop; nothing of a message is
 * read.
 */
struct flx_sample flx_scenario_hop(const void *conf);

/*
 * Messages that go to and fro between two keyed groups, each with a worker of its own: each hop binds the
 * context of the message's client, of a line, writes it, and reads a line of the message. Cycles per hop.
 */
struct flx_sample flx_scenario_keyed(const void *conf);

/*
 * The counter app from ring port to ring port: parse, verify, three fluxions, a keyed context,
 * reply with check sums. Cycles per answer on the worker's core, without the client's own.
 */
struct flx_sample flx_scenario_counter(const void *conf);
