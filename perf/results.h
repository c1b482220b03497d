/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * results - what flxperf found, told to people and to files.
 *
 * The JSON is for programs, and has a version, which changes when what is there changes its meaning:
 *
 *	flxperf		1
 *	scenario	"hop"; command: its words; started: UTC; seconds: how long all took
 *	environment	what preflight found of the machine
 *	results		of each figure: name, unit, value (median), runs (in order), least, most; where it
 *			has one: floor {name, value}, ratio (value / floor), must and target {claim,
 *			limit, known (what it is about was measured), holds}, what
 *	skipped		figures that could not be measured here: name, reason; must, target and what
 *			as above
 *	series		what happened over time: name, run, rows of [second, offered, answered, dropped],
 *			all per second
 *	ledger		sums over all fabrics: fabrics, received, generated, delivered, consumed, dropped,
 *			in_flight, unexplained
 *	flags		"GENERATOR-LIMITED", "DEV MODE", "SHORT", "CAPPED"
 *	asserts		claim, result ("holds", "fails", "unknown"), says
 *	failed		a run did not come to its end
 *	interrupted	by ctrl-C: what is there is of the runs before
 *	exit		the exit status
 *
 * The CSV has a line for each run of each figure: name,unit,run,value.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "perf/claim.h"
#include "perf/figure.h"

struct flx_preflight;

/* Of the JSON. */
#define FLX_RESULTS_VERSION 1

#define FLX_ASSERTS_MAX 64

/* What was asserted on the command line, and what became of it. */
struct flx_assert {
	const char *claim;
	enum flx_claim_result result;
	char says[160];
};

struct flx_results {
	const struct flx_figures *figures;
	const struct flx_preflight *preflight;
	const char *scenario;
	char *const *command; /* ends at NULL */
	char started[24];     /* UTC */
	double seconds;
	uint32_t assert_count;
	struct flx_assert assert_[FLX_ASSERTS_MAX];
	bool check; /* every must is asserted as well: one that could not be measured does not hold */
	bool failed;
	bool interrupted;
	int status; /* exit status */
};

/*
 * flx_results_judge - test all that was asserted, and set the exit status
 * 0; 1 something failed, or an assert does not hold; 3 the generator was the limit; 130 interrupted.
 */
void flx_results_judge(struct flx_results *results);

/* flx_results_bound - does @found keep to @bound, "<= 25"? Of the figures of the same run. */
enum flx_claim_result flx_results_bound(const struct flx_figures *figures,
					const struct flx_found *found, const char *bound);

const char *flx_perf_flag_name(enum flx_perf_flag flag);

/* flx_results_print - RESULT, LATENCY, LEDGER and VERDICT. After flx_results_judge. */
void flx_results_print(const struct flx_results *results, FILE *out);

/* Whole or not at all: under another name first. 0; -errno after one flx_error. */
int flx_results_write_json(const struct flx_results *results, const char *path);
int flx_results_write_csv(const struct flx_results *results, const char *path);
