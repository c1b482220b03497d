/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * flxperf - measures the fabric against floors of the same run.
 *
 * Every scenario runs several times in turn with the others, each time in a process of its own. A
 * figure is the median, with the range; a bound that is a multiple of a floor is taken of medians
 * of this run. Exit status: 0, 1 a run failed (or, with --check, a bound was missed), 2 bad
 * arguments.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabric/base.h"
#include "perf/scenario.h"

#define RUNS_DEFAULT   5
#define RUN_MS_DEFAULT 1000
#define WARM_MS	       300

struct scenario {
	const char *name;
	const char *what;
	struct flx_sample (*run)(const void *conf);
	uint32_t workers, in_flight, clients;
	bool batch;
	double must;	   /* cycles, or multiple of the floor; 0: none */
	double target;	   /* likewise */
	const char *floor; /* name of the scenario that must and target are multiples of */
	struct flx_samples cycles, client;
	uint32_t failed;
};

/* Bounds: "Ours" in the project's figures; 168 cycles are 10G line rate on one 2.5 GHz core. */
static struct scenario scenarios[] = {
	{.name = "ring.spsc",
	 .what = "floor: raw SP/SC ring, two cores",
	 .run = flx_scenario_ring,
	 .workers = 2},
	{.name = "hop.same_core",
	 .what = "hop, empty handler, one worker",
	 .run = flx_scenario_hop,
	 .workers = 1,
	 .in_flight = 512,
	 .must = 25,
	 .target = 12},
	{.name = "hop.cross_core",
	 .what = "hop between two workers",
	 .run = flx_scenario_hop,
	 .workers = 2,
	 .in_flight = 512,
	 .must = 1.5,
	 .floor = "ring.spsc"},
	{.name = "hop.same_core.batch",
	 .what = "the same as hop.same_core, by batch handlers",
	 .run = flx_scenario_hop,
	 .workers = 1,
	 .in_flight = 512,
	 .batch = true,
	 .must = 25,
	 .target = 12},
	{.name = "hop.cross_core.batch",
	 .what = "the same as hop.cross_core, by batch handlers",
	 .run = flx_scenario_hop,
	 .workers = 2,
	 .in_flight = 512,
	 .batch = true,
	 .must = 1.5,
	 .floor = "ring.spsc"},
	{.name = "counter.ring",
	 .what = "counter port to port, 512 in flight, 1 k contexts",
	 .run = flx_scenario_counter,
	 .workers = 1,
	 .in_flight = 512,
	 .clients = 1024,
	 .must = 168,
	 .target = 98},
	{.name = "counter.ring.1m",
	 .what = "the same, 4,096 in flight, 1 M contexts",
	 .run = flx_scenario_counter,
	 .workers = 1,
	 .in_flight = 4096,
	 .clients = 1 << 20,
	 .must = 320,
	 .target = 200},
};

#define SCENARIO_COUNT (sizeof(scenarios) / sizeof(scenarios[0]))

static struct scenario *find(const char *name)
{
	for (size_t i = 0; i < SCENARIO_COUNT; i++)
		if (strcmp(scenarios[i].name, name) == 0)
			return &scenarios[i];
	return NULL;
}

static void run_once(struct scenario *scenario, uint32_t run_ms, bool dev)
{
	struct flx_scenario_conf conf = {
		.workers = scenario->workers,
		.in_flight = scenario->in_flight,
		.clients = scenario->clients,
		/* Every context once before the measurement: 1 M at 5 M/s take 200 ms. */
		.warm_ms = scenario->clients > 65536 ? 4 * WARM_MS : WARM_MS,
		.run_ms = run_ms,
		.dev = dev,
		.batch = scenario->batch,
	};
	struct flx_sample sample = flx_sample_run(scenario->run, &conf);

	if (sample.status) {
		fprintf(stderr, "flxperf: %s: run failed: %s\n", scenario->name,
			strerror(sample.status < 0 ? -sample.status : sample.status));
		scenario->failed++;
		return;
	}
	flx_samples_add(&scenario->cycles, sample.cycles);
	flx_samples_add(&scenario->client, sample.client);
}

/* Prints one row; returns whether it holds its bound. */
static bool print_row(struct scenario *scenario, double tsc_mhz)
{
	double median = flx_samples_median(&scenario->cycles);
	struct scenario *floor = scenario->floor ? find(scenario->floor) : NULL;
	double base = floor ? flx_samples_median(&floor->cycles) : 1;
	char bound[64] = "-", unit[64] = "";
	bool good = !scenario->failed && scenario->cycles.count;

	if (scenario->must > 0 && base > 0) {
		good = good && median <= scenario->must * base;
		if (floor)
			snprintf(bound, sizeof(bound), "%.2f x %s, must %.1f x", median / base,
				 floor->name, scenario->must);
		else
			snprintf(bound, sizeof(bound), "must %.0f, target %.0f", scenario->must,
				 scenario->target);
	}
	if (flx_samples_median(&scenario->client) > 0)
		snprintf(unit, sizeof(unit), "(+%.0f client) ",
			 flx_samples_median(&scenario->client));
	snprintf(unit + strlen(unit), sizeof(unit) - strlen(unit), "cycles/msg  %.2f M/s",
		 median > 0 ? tsc_mhz / median : 0);
	flx_samples_print(&scenario->cycles, scenario->name, unit, bound, good);
	return good || (scenario->must <= 0 && !scenario->failed);
}

/* --------------------------------------------------------------------------------- command line */

struct arguments {
	uint32_t runs, run_ms;
	bool dev, check;
};

static void usage(FILE *out)
{
	fprintf(out,
		"usage: flxperf [--runs N] [--duration SECONDS] [--dev] [--check] [SCENARIO]...\n"
		"  --runs N      runs of each scenario, in turn with the others (default %d, at "
		"most "
		"%d)\n"
		"  --duration S  length of a run in seconds (default %d)\n"
		"  --dev         ordinary memory, no hugepages\n"
		"  --check       exit 1 when a bound is missed\n"
		"scenarios (default: all; a floor runs with whatever needs it):\n",
		RUNS_DEFAULT, FLX_RUNS_MAX, RUN_MS_DEFAULT / 1000);
	for (size_t i = 0; i < SCENARIO_COUNT; i++)
		fprintf(out, "  %-20s %s\n", scenarios[i].name, scenarios[i].what);
}

static int parse(struct arguments *arguments, int argc, char **argv)
{
	static const struct option options[] = {
		{"runs", required_argument, NULL, 'r'}, {"duration", required_argument, NULL, 'd'},
		{"dev", no_argument, NULL, 'D'},	{"check", no_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},	{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		char *end = NULL;
		double value = optarg ? strtod(optarg, &end) : 0;

		if (optarg && (*end || end == optarg))
			value = -1;
		if (option == 'r' && value >= 1 && value <= FLX_RUNS_MAX) {
			arguments->runs = (uint32_t)value;
		} else if (option == 'd' && value >= 0.05 && value <= 3600) {
			arguments->run_ms = (uint32_t)(value * 1000);
		} else if (option == 'D') {
			arguments->dev = true;
		} else if (option == 'c') {
			arguments->check = true;
		} else if (option == 'h') {
			usage(stdout);
			exit(0);
		} else {
			if (optarg)
				flx_error("flxperf: '%s' is out of range", optarg);
			return -EINVAL;
		}
	}
	return 0;
}

/* Marks the scenarios named in @names, and their floors; all when there are none. */
static int choose(bool *chosen, char **names)
{
	if (!*names)
		memset(chosen, true, SCENARIO_COUNT);
	for (; *names; names++) {
		struct scenario *scenario = find(*names);

		if (!scenario) {
			flx_error("flxperf: no scenario '%s'; --help lists them", *names);
			return -EINVAL;
		}
		chosen[scenario - scenarios] = true;
		if (scenario->floor)
			chosen[find(scenario->floor) - scenarios] = true;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct arguments arguments = {.runs = RUNS_DEFAULT, .run_ms = RUN_MS_DEFAULT};
	bool chosen[SCENARIO_COUNT] = {false};
	bool good = true, ran = true;
	double tsc_mhz;

	if (parse(&arguments, argc, argv) || choose(chosen, argv + optind)) {
		usage(stderr);
		return 2;
	}
	tsc_mhz = flx_tsc_mhz();
	for (uint32_t run = 0; run < arguments.runs; run++)
		for (size_t i = 0; i < SCENARIO_COUNT; i++)
			if (chosen[i])
				run_once(&scenarios[i], arguments.run_ms, arguments.dev);
	printf("TSC %.0f MHz, %u runs of %.2f s each; median [least .. most]\n", tsc_mhz,
	       arguments.runs, arguments.run_ms / 1e3);
	for (size_t i = 0; i < SCENARIO_COUNT; i++) {
		if (!chosen[i])
			continue;
		good &= print_row(&scenarios[i], tsc_mhz);
		ran &= !scenarios[i].failed;
	}
	return !ran || (arguments.check && !good);
}
