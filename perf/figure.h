/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * figure - what a run of flxperf finds: figures, run by run, and what is to be said of all of them.
 *
 * A figure has a name, a unit, and a value per run; it may have a floor, which is another figure of the
 * same run, and bounds in the language of claim.h. All live in memory that flxperf shares with the
 * processes that it forks, so what was measured is there whatever becomes of who measured it: a run that is
 * interrupted, or dies, leaves all runs before it.
 *
 * Context of everything: one process writes at a time, while its parents wait for it; the memory is there
 * from flx_figures_open on.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "perf/sample.h"

struct flx_ledger;

/* What is measured. Strings are copied where they are used; NULL: there is none. */
struct flx_figure {
	const char *name;   /* "hop.same_core" */
	const char *unit;   /* "cycles/msg" */
	const char *floor;  /* name of the figure that it stands beside */
	const char *must;   /* claim without its left side: "<= 1.5 * ring.spsc" */
	const char *target; /* likewise */
	const char *what;   /* a line */
};

/* The same as it is kept. Empty strings: there is none. */
struct flx_found {
	char name[48], unit[24], floor[48], must[64], target[64], what[96];
	char skipped[128]; /* why it was not measured here; "": it was */
	struct flx_samples samples;
};

/* One line of what happened over time. */
struct flx_second {
	char name[48];	/* of the figure that it is part of */
	uint32_t run;	/* from 0 */
	double at_s;	/* since the run began */
	double offered; /* requests per second in the time since the line before */
	double answered;
	double dropped;
};

/* What must be said beside every figure. */
enum flx_perf_flag {
	FLX_PERF_GENERATOR_LIMITED, /* the generator was the limit */
	FLX_PERF_DEV_MODE,	    /* no NIC carried it */
	FLX_PERF_SHORT,		    /* shorter than its rules ask for */
	FLX_PERF_CAPPED,	    /* a figure is the most that was offered, or looked for */
	FLX_PERF_FLAGS,
};

#define FLX_FIGURES_MAX 256
#define FLX_SECONDS_MAX 8192

/* Sums over all fabrics of the run. */
struct flx_account {
	uint64_t received, generated, delivered, consumed, dropped, in_flight;
	uint64_t unexplained; /* of either sign */
	uint32_t fabrics;
};

struct flx_figures {
	uint32_t count, seconds_count;
	bool broken; /* some value was no number: what it is of was not measured */
	bool flag[FLX_PERF_FLAGS];
	struct flx_account account;
	struct flx_found found[FLX_FIGURES_MAX];
	struct flx_second second[FLX_SECONDS_MAX];
};

/* flx_figures_open - make the memory; once, before anything forks. 0 or -errno. */
int flx_figures_open(void);

/* All that was found so far. */
const struct flx_figures *flx_figures(void);

/* NULL: not measured. */
const struct flx_found *flx_figures_find(const char *name);

/*
 * flx_figure_add - one more run of @figure found @value, which is printed as it comes
 * The first one says what the figure is; past FLX_RUNS_MAX values are dropped. What is no finite number is
 * none of them, and fails the run after one flx_error.
 */
void flx_figure_add(const struct flx_figure *figure, double value);

/* flx_figure_skip - @figure cannot be measured here, and why: one line, with a remedy. */
void flx_figure_skip(const struct flx_figure *figure, const char *reason);

/* flx_second_add - one more line of time; past FLX_SECONDS_MAX they are dropped. Not printed. */
void flx_second_add(const struct flx_second *second);

void flx_perf_flag(enum flx_perf_flag flag);

/* flx_account_add - the ledger of one more fabric, at its end */
void flx_account_add(const struct flx_ledger *ledger);
