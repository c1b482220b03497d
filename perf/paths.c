/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * paths - the scenarios of a message's way through the fabric, beside the floor: hops, and the counter from
 * port to port with its client on the worker's own core, and then with one that has its own.
 *
 * All run in turn, each run in a process of its own, so that a machine that becomes slower meets all alike.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fabric/base.h"
#include "perf/figure.h"
#include "perf/load.h"
#include "perf/part.h"
#include "perf/scenario.h"
#include "perf/scenarios.h"

#define WARM_MS 150

/*
 * Bounds: "Ours" in the project's figures; 168 cycles are 10G line rate on one 2.5 GHz core, 98 half of
 * testpmd's 5tswap.
 */
struct path {
	struct flx_figure figure;
	struct flx_sample (*run)(const void *conf);
	uint32_t workers, in_flight, clients;
	bool batch;
	bool is_floor; /* runs whatever was asked for */
};

static const struct path hops[] = {
	{.figure = {.name = "ring.spsc",
		    .unit = "cycles/msg",
		    .what = "floor: raw SP/SC ring, a stream from one core to the other"},
	 .run = flx_scenario_stream,
	 .workers = 2,
	 .is_floor = true},
	{.figure = {.name = "ring.circle",
		    .unit = "cycles/msg",
		    .what = "floor: two rings, 512 elements round between two cores"},
	 .run = flx_scenario_circle,
	 .workers = 2,
	 .in_flight = 512,
	 .is_floor = true},
	{.figure = {.name = "hop.same_core",
		    .unit = "cycles/msg",
		    .must = "<= 25",
		    .target = "<= 12",
		    .floor = "ring.spsc",
		    .what = "hop, empty handler, one worker"},
	 .run = flx_scenario_hop,
	 .workers = 1,
	 .in_flight = 512},
	{.figure = {.name = "hop.cross_core",
		    .unit = "cycles/msg",
		    .must = "<= 1.5 * ring.spsc",
		    .target = "<= 12",
		    .floor = "ring.spsc",
		    .what = "hop between two workers"},
	 .run = flx_scenario_hop,
	 .workers = 2,
	 .in_flight = 512},
	{.figure = {.name = "hop.same_core.batch",
		    .unit = "cycles/msg",
		    .must = "<= 25",
		    .target = "<= 12",
		    .floor = "ring.spsc",
		    .what = "the same as hop.same_core, by batch handlers"},
	 .run = flx_scenario_hop,
	 .workers = 1,
	 .in_flight = 512,
	 .batch = true},
	{.figure = {.name = "hop.cross_core.batch",
		    .unit = "cycles/msg",
		    .must = "<= 1.5 * ring.spsc",
		    .target = "<= 12",
		    .floor = "ring.spsc",
		    .what = "the same as hop.cross_core, by batch handlers"},
	 .run = flx_scenario_hop,
	 .workers = 2,
	 .in_flight = 512,
	 .batch = true},
	{.figure = {.name = "hop.cross_core.keyed",
		    .unit = "cycles/msg",
		    .must = "<= 160",
		    .target = "<= 100",
		    .floor = "ring.spsc",
		    .what = "hop between two workers, a line of the message read, a keyed context "
			    "written"},
	 .run = flx_scenario_keyed,
	 .workers = 2,
	 .in_flight = 512,
	 .clients = 1024},
};

static const struct path counters[] = {
	{.figure = {.name = "counter.ring",
		    .unit = "cycles/msg",
		    .must = "<= 168",
		    .target = "<= 98",
		    .what = "counter port to port, 512 in flight, 1 k contexts, less "
			    "counter.ring.client"},
	 .run = flx_scenario_counter,
	 .workers = 1,
	 .in_flight = 512,
	 .clients = 1024},
	{.figure = {.name = "counter.ring.1m",
		    .unit = "cycles/msg",
		    .must = "<= 320",
		    .target = "<= 200",
		    .what = "the same, 4,096 in flight, 1 M contexts"},
	 .run = flx_scenario_counter,
	 .workers = 1,
	 .in_flight = 4096,
	 .clients = 1 << 20},
};

/* What the client took of the same core beside that. It leaves each frame in the worker's cache. */
static void add_client(const struct path *path, double cycles)
{
	char name[48];
	const struct flx_figure figure = {
		.name = name,
		.unit = "cycles/msg",
		.what = "the client, on the worker's core and not in the figure beside it"};

	snprintf(name, sizeof(name), "%s.client", path->figure.name);
	flx_figure_add(&figure, cycles);
}

static int run_once(const struct flx_perf *perf, const struct path *path)
{
	struct flx_scenario_conf conf = {
		.workers = path->workers,
		.in_flight = path->in_flight,
		.clients = path->clients,
		/* Every context once before the measurement: 1 M at 5 M/s take 200 ms. */
		.warm_ms = path->clients > 65536 ? 8 * WARM_MS : WARM_MS,
		.run_ms = (uint32_t)(perf->duration_s * 1e3),
		.dev = perf->dev,
		.batch = path->batch,
	};
	struct flx_sample sample = flx_sample_run(path->run, &conf);

	if (sample.status) {
		int error = sample.status < 0 ? sample.status : -sample.status;

		flx_error("flxperf: %s: run failed: %s", path->figure.name, strerror(-error));
		return error;
	}
	flx_figure_add(&path->figure, sample.cycles);
	if (sample.client > 0)
		add_client(path, sample.client);
	return 0;
}

static bool is_wanted(const struct flx_perf *perf, const struct path *path)
{
	return path->is_floor || flx_part_wanted(perf, path->figure.name);
}

static int run_all(const struct flx_perf *perf, const struct path *paths, size_t count)
{
	bool any = false;
	int error = 0;

	for (size_t i = 0; i < count; i++)
		any |= !paths[i].is_floor && is_wanted(perf, &paths[i]);
	for (uint32_t run = 0; run < perf->repeat && any && !error; run++)
		for (size_t i = 0; i < count && !error; i++)
			if (is_wanted(perf, &paths[i]))
				error = run_once(perf, &paths[i]);
	return any ? error : -ENOENT;
}

int flx_perf_hop(const struct flx_perf *perf)
{
	return run_all(perf, hops, sizeof(hops) / sizeof(hops[0]));
}

int flx_perf_counter(const struct flx_perf *perf)
{
	bool given =
		perf->size != 64 || perf->flows || perf->keys || perf->zipf > 0 || perf->workers;
	int error = 0;

	/* counter.ring is of one frame and so many contexts; the pair is of any. */
	if (given && perf->only && !flx_part_wanted(perf, "counter.pair")) {
		flx_error("flxperf: %s is of frames of 64 bytes and contexts of its own: leave "
			  "--size, "
			  "--flows, --keys, --zipf and --workers out, or ask for counter.pair",
			  perf->only);
		return -EINVAL;
	}
	if (!given)
		error = run_all(perf, counters, sizeof(counters) / sizeof(counters[0]));

	if ((error && error != -ENOENT) || !flx_part_wanted(perf, "counter.pair"))
		return error;
	return flx_load_counter(perf);
}
