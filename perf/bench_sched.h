/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench_sched - the benches of movement and scheduling; benches.h says what a bench is.
 */
#pragma once

#include <stdbool.h>

/* What the command line says; what each of them gets. */
struct flx_bench_sched {
	const char *svg;   /* file for the picture of a skewed run; NULL: none */
	double duration_s; /* of the calm run */
	bool dev;	   /* ordinary memory */
};

/*
 * What a slice's messages wait while it moves, at full load; what the others notice; beside DPDK's dsw.
 */
int flx_bench_move(const void *settings);

/*
 * A load that is even turns into 90/10 at once: how long until both workers have the same again, at a
 * demand of 1.0 and of 1.8 workers, and in a closed loop.
 */
int flx_bench_skew(const void *settings);

/* Moves per second that a load of few hot keys still causes when it has been seen. */
int flx_bench_zipf(const void *settings);

/* Moves that an even, constant load causes. */
int flx_bench_calm(const void *settings);

/* What the scheduler takes of the throughput when there is nothing for it to do. */
int flx_bench_cost(const void *settings);

/* Two workers against one, each with requests of its own; beside two rings, for what the CPUs give. */
int flx_bench_scale(const void *settings);

/* Two workers that share a CPU against one that has it. */
int flx_bench_oversubscribed(const void *settings);
