/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * node - the same services in one thread of Node, and by one worker of ours.
 *
 * A row of the first table is asked through a veth pair by the same generator, each side on a core of its
 * own (services.sh). There the kernel carries both, and takes most of the time of ours; the rows of the second
 * are without a network on either side: Node's handler in a loop, and the counter from ring port to ring
 * port, without its client's own cycles.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "fabric/base.h"
#include "perf/figure.h"
#include "perf/gen.h"
#include "perf/part.h"
#include "perf/scenario.h"
#include "perf/scenarios.h"
#include "perf/script.h"

#define WARM_MS 300
/* Of services.sh: five runs of each service; and what all that it starts takes to start. */
#define RUNS_OF_SERVICES     10
#define LIMIT_OF_SERVICES_S  120
#define LIMIT_OF_INPROCESS_S 60
/* A service that is less busy than that was not the limit. */
#define SATURATED_PCT 90
/* Of the runs that were not sustained: one in which it was held up says nothing of the others. */
#define LIMITED_PCT 50

/* The figures of a row; services.sh gives those after RATIO, inprocess.mjs the one of Node. */
enum {
	RATIO,
	NODE,
	FLX,
	NODE_BUSY,
	NODE_GENERATOR,
	NODE_LIMITED,
	FLX_BUSY,
	FLX_GENERATOR,
	FLX_LIMITED,
	FIGURES
};

struct service {
	const char *name; /* of the row; its figures begin with it */
	const char *app;  /* of flx run, and the --mode of the program for Node */
	const char *port; /* UDP */
	struct flx_figure figure[FIGURES];
};

#define SERVICE(NAME, APP, PORT, MUST)                                                             \
	{                                                                                          \
		.name = NAME, .app = APP, .port = PORT,                                            \
		.figure = {                                                                        \
			[RATIO] = {NAME, "x", NULL, MUST, NULL,                                    \
				   "flx run " APP " over Node's, per core"},                       \
			[NODE] = {NAME ".node", "answers/s", NULL, NULL, NULL,                     \
				  "a single thread of Node, the kernel's UDP on a veth pair"},     \
			[FLX] = {NAME ".flx", "answers/s", NAME ".node", NULL, NULL,               \
				 "flx run " APP ", one worker, af_xdp on the same pair"},          \
			[NODE_BUSY] = {NAME ".node.busy", "%", NULL, NULL, NULL,                   \
				       "of its CPU, what Node took, with interrupts"},             \
			[NODE_GENERATOR] = {NAME ".node.generator", "%", NULL, NULL, NULL,         \
					    "of its time, what the generator was busy"},           \
			[NODE_LIMITED] = {NAME ".node.limited", "%", NULL, NULL, NULL,             \
					  "of runs not sustained, the generator was the limit"},   \
			[FLX_BUSY] = {NAME ".flx.busy", "%", NULL, NULL, NULL,                     \
				      "of its time, what flx's worker was busy"},                  \
			[FLX_GENERATOR] = {NAME ".flx.generator", "%", NULL, NULL, NULL,           \
					   "of its time, what the generator was busy"},            \
			[FLX_LIMITED] = {NAME ".flx.limited", "%", NULL, NULL, NULL,               \
					 "of runs not sustained, the generator was the limit"},    \
		},                                                                                 \
	}

static const struct service services[] = {
	SERVICE("node.udp", "counter", "7000", ">= 5"),
};

static const struct flx_figure inprocess[] = {
	[RATIO] = {"node.inprocess", "x", NULL, NULL, NULL,
		   "the counter over Node's, neither with a network"},
	[NODE] = {"node.inprocess.node", "answers/s", NULL, NULL, NULL,
		  "Node's handler of the counter in a loop, 1 k clients: no frames, no check sums"},
	[FLX] = {"node.inprocess.flx", "answers/s", "node.inprocess.node", NULL, NULL,
		 "counter.ring: port to port, 512 in flight, 1 k clients"},
};

/* -------------------------------------------------------------------------------------- rows */

/* Adds the quotient where both were measured; what is skipped skips it. */
static int add_ratio(const struct flx_figure *figure, const double *value, int error)
{
	if (error == -ENOTSUP)
		flx_figure_skip(&figure[RATIO], "what it is the ratio of was not measured");
	else if (!error && value[NODE] > 0 && isfinite(value[FLX]))
		flx_figure_add(&figure[RATIO], value[FLX] / value[NODE]);
	return error;
}

/* Whether one of the services may give more than the generator let it. */
static bool was_limited(const double *value)
{
	return value[NODE_BUSY] < SATURATED_PCT || value[FLX_BUSY] < SATURATED_PCT ||
	       value[NODE_GENERATOR] >= FLX_GEN_BUSY_PCT ||
	       value[FLX_GENERATOR] >= FLX_GEN_BUSY_PCT || value[NODE_LIMITED] > LIMITED_PCT ||
	       value[FLX_LIMITED] > LIMITED_PCT;
}

/* @limited: runs so far in which the generator was the limit. */
static int run_service(const struct flx_perf *perf, const struct service *service,
		       uint32_t *limited)
{
	char seconds[16];
	const char *const argv[] = {"perf/node/services.sh", service->name, service->app,
				    service->port,	     seconds,	    NULL};
	double value[FIGURES];
	const struct flx_script script = {
		.argv = argv,
		.figure = &service->figure[RATIO + 1],
		.count = FIGURES - 1,
		.value = &value[RATIO + 1],
		.limit_s = RUNS_OF_SERVICES * perf->duration_s + LIMIT_OF_SERVICES_S,
	};
	int error;

	snprintf(seconds, sizeof(seconds), "%.2f", perf->duration_s);
	error = add_ratio(service->figure, value, flx_script_run(&script));
	*limited += !error && was_limited(value);
	return error;
}

/* What a core gives: that of the worker, without the client's cycles. */
static int run_counter(const struct flx_perf *perf, double *per_sec)
{
	const struct flx_scenario_conf conf = {
		.workers = 1,
		.in_flight = 512,
		.clients = 1024,
		.warm_ms = WARM_MS,
		.run_ms = (uint32_t)(perf->duration_s * 1e3),
		.dev = perf->dev,
	};
	struct flx_sample sample = flx_sample_run(flx_scenario_counter, &conf);

	if (sample.status) {
		int error = sample.status < 0 ? sample.status : -sample.status;

		flx_error("flxperf: node.inprocess.flx: run failed: %s", strerror(-error));
		return error;
	}
	*per_sec = flx_tsc_mhz() * 1e6 / sample.cycles;
	flx_figure_add(&inprocess[FLX], *per_sec);
	return 0;
}

static int run_inprocess(const struct flx_perf *perf)
{
	static const char loop[] =
		"command -v node >/dev/null ||"
		" { echo \"SKIP $0 Node is not installed; apt-get install nodejs\"; exit 0; };"
		"exec node perf/node/inprocess.mjs --figure \"$0\" --duration \"$1\"";
	char seconds[16];
	const char *const argv[] = {"sh", "-c", loop, inprocess[NODE].name, seconds, NULL};
	double value[FLX + 1];
	const struct flx_script script = {
		.argv = argv,
		.figure = &inprocess[NODE],
		.count = 1,
		.value = &value[NODE],
		.limit_s = perf->duration_s + LIMIT_OF_INPROCESS_S,
	};
	int error;

	snprintf(seconds, sizeof(seconds), "%.2f", perf->duration_s);
	error = flx_script_run(&script);
	if (!error)
		error = run_counter(perf, &value[FLX]);
	return add_ratio(inprocess, value, error);
}

/* -------------------------------------------------------------------------------------- scenario */

#define SERVICES (sizeof(services) / sizeof(services[0]))

/* Rows of both tables; what cannot run here is tried once. */
int flx_perf_node(const struct flx_perf *perf)
{
	bool left[SERVICES + 1], any = false;
	uint32_t limited[SERVICES] = {0};
	int error = 0;

	for (size_t row = 0; row <= SERVICES; row++) {
		left[row] = flx_part_wanted(perf, row < SERVICES ? services[row].name
								 : inprocess[RATIO].name);
		any |= left[row];
	}
	for (uint32_t run = 0; run < perf->repeat; run++)
		for (size_t row = 0; row <= SERVICES && !error; row++) {
			if (!left[row])
				continue;
			error = row < SERVICES ? run_service(perf, &services[row], &limited[row])
					       : run_inprocess(perf);
			left[row] = error != -ENOTSUP;
			error = left[row] ? error : 0;
		}
	for (size_t row = 0; row < SERVICES; row++)
		if (2 * limited[row] > perf->repeat)
			flx_perf_flag(FLX_PERF_GENERATOR_LIMITED);
	return any ? error : -ENOENT;
}
