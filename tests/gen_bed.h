/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gen_bed - the generator on a clock of the test's, and a server of the test's at the other end of a pair.
 *
 * One per program, single-threaded: the caller turns the clock, whose tick is a nanosecond.
 */
#pragma once

#include "perf/gen.h"
#include "pmd-config/port.h"

#define HZ     UINT64_C(1000000000)
#define MS     (HZ / 1000)
#define START  (5 * HZ)
#define QUEUES 2
#define GRACE  (FLX_GEN_GRACE_MS * MS)

/* What the server does. */
struct flx_gen_server {
	uint64_t stalls_from, stalls_until; /* takes and answers nothing */
	uint64_t service;		    /* ticks that an answer takes: one after the other */
	uint64_t free_at;
	uint32_t drop, spoil, number; /* every so many-th; 0: none */
	bool missums;		      /* no check sum is right */
	uint32_t last_client;
	uint64_t counts[64];
	bool counted;
	uint32_t disordered; /* clients that did not come in turn */
};

extern struct flx_gen_bed {
	struct rte_mempool *pool;
	struct flx_port near, far;
	struct flx_gen gen;
	uint64_t now;
	struct flx_gen_server server;
} flx_gen_bed;

/* Of a generator at the far end; makes the pair when it is first called, and a server that answers all. */
struct flx_gen_conf flx_gen_bed_conf(uint16_t queues);

/* A generator of one queue; @counted: answers count the requests of their client. */
void flx_gen_bed_open(bool counted);

/* Nothing of it is left anywhere. */
void flx_gen_bed_close(void);

/* A run as @plan says begins at START. */
void flx_gen_bed_begin(const struct flx_gen_plan *plan);

/* What the server does in a turn: a batch of each queue at most, and no more than it has time for. */
void flx_gen_bed_serve(void);

/* Runs to the end, with a look every @step ticks. */
struct flx_asker_counts flx_gen_bed_run(uint64_t step);

/* Takes what waits for the server: how many. */
uint32_t flx_gen_bed_waiting(void);
