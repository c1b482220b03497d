/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sample - runs a measurement in a process of its own, sums several up, and prints the row.
 *
 * EAL starts once per process, so each run of each scenario gets a child. That also lets runs of
 * different scenarios alternate, so that a change of the machine's speed meets all of them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLX_RUNS_MAX 64

/*
 * flx_child_run - call @run with @argument in a child process, and bring home what it has @found
 * @found: @size bytes, PIPE_BUF less an int at most; all zero at first, then as @run left it in the child
 * What @run returned; -EIO: the child died.
 */
int flx_child_run(int (*run)(const void *argument, void *found), const void *argument, void *found,
		  size_t size);

/* What one run found. */
struct flx_sample {
	int status;	/* 0, or the errno under which the run failed */
	double cycles;	/* TSC cycles per message: the figure */
	double client;	/* of these, the load generator's on the same core */
};

/*
 * flx_sample_run - the same for a @run that returns a sample
 * A child that dies counts as status EIO.
 */
struct flx_sample flx_sample_run(struct flx_sample (*run)(const void *argument),
				 const void *argument);

/* Runs of one scenario. */
struct flx_samples {
	uint32_t count;
	double value[FLX_RUNS_MAX];
};

/* Adds @value; past FLX_RUNS_MAX it is dropped. */
void flx_samples_add(struct flx_samples *samples, double value);

/* Median and extremes of @samples; 0 when there are none. */
double flx_samples_median(const struct flx_samples *samples);
double flx_samples_min(const struct flx_samples *samples);
double flx_samples_max(const struct flx_samples *samples);

/* Digits behind the point that a figure of that size is printed with. */
int flx_samples_digits(double value);

/* Seconds of the monotonic clock. */
double flx_now_s(void);

/* Frequency of the TSC; the first call measures it, for 50 ms. Context: one thread. */
double flx_tsc_mhz(void);
