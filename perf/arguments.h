/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arguments - what the words on flxperf's command line mean. Pure but for what it says of wrong ones.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "perf/results.h"
#include "perf/scenarios.h"

/* Options that a scenario heeds beside those that all do; one that it would not is refused. */
enum flx_perf_uses {
	FLX_USES_PORT = 1 << 0, /* --port, --to, --ip */
	FLX_USES_WORKERS = 1 << 1,
	FLX_USES_FRAMES = 1 << 2, /* --size, --flows, --zipf, --seed */
	FLX_USES_KEYS = 1 << 3,
	FLX_USES_RATE = 1 << 4,
	FLX_USES_DURATION = 1 << 5,
	FLX_USES_HLOG = 1 << 6,
	FLX_DRAWS_ITSELF = 1 << 7, /* --svg is not of its figures */
};

/* Runs of a figure, where they are not given; fewer are told as SHORT. */
#define FLX_REPEAT_LEAST 5

struct flx_perf_scenario {
	const char *name;
	const char *what;
	int (*run)(const struct flx_perf *perf);
	uint32_t uses;
	double duration_s; /* of a run, where it is not given */
};

/* The table; ends at a name of NULL. */
extern const struct flx_perf_scenario flx_perf_scenarios[];

struct flx_arguments {
	const struct flx_perf_scenario *scenario;
	struct flx_perf perf;
	const char *json, *csv;
	const char *compare[2]; /* files; NULL: something is to be measured */
	const char *claim[FLX_ASSERTS_MAX];
	uint32_t claim_count;
	bool check;
	bool help;
};

/*
 * flx_arguments_parse - read @argv
 * 0; -EINVAL after one flx_error that names the word, the cause and the remedy. Strings stay @argv's.
 */
int flx_arguments_parse(struct flx_arguments *arguments, int argc, char **argv);
