/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wires - the scenarios that need the kernel's network: what an idle fabric takes, and echo over a veth pair.
 *
 * Scripts make the pair in namespaces of their own, start who is to be measured, and drive it.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "perf/figure.h"
#include "perf/scenarios.h"
#include "perf/script.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Wake-ups that a figure's tail is read from: 100 ms each. */
#define WAKES_PER_RUN 10
/* Much longer than a script takes: in all, of a run of idle, and beside each measurement of wire. */
#define LIMIT_S 60
#define IDLE_S	20
#define WIRE_S	20

/* Runs a script that makes namespaces; where it cannot, all of @figure are skipped. */
static int run(const char *const *argv, const struct flx_figure *figure, uint32_t count,
	       double limit_s)
{
	const struct flx_script script = {
		.argv = argv, .figure = figure, .count = count, .limit_s = limit_s};

	if (geteuid() == 0)
		return flx_script_run(&script);
	for (uint32_t i = 0; i < count; i++)
		flx_figure_skip(&figure[i],
				"needs root, for a veth pair in a namespace of its own");
	return -ENOTSUP;
}

int flx_perf_idle(const struct flx_perf *perf)
{
	static const struct flx_figure figures[] = {
		{.name = "idle.cpu",
		 .unit = "%",
		 .must = "<= 5",
		 .what = "of a CPU, by the counter on a veth while nothing comes"},
		{.name = "idle.kernel_us.p50",
		 .unit = "us",
		 .what = "a kernel socket's echo to the first datagram after 0.1 s"},
		{.name = "idle.kernel_us.p99", .unit = "us", .what = "the same"},
		{.name = "idle.wake_us.p50",
		 .unit = "us",
		 .floor = "idle.kernel_us.p50",
		 .what = "the counter's answer to it"},
		{.name = "idle.wake_us.p99",
		 .unit = "us",
		 .floor = "idle.kernel_us.p99",
		 .must = "<= 200",
		 .what = "the same"},
	};
	const double limit_s = LIMIT_S + perf->repeat * IDLE_S;
	char runs[16], wakes[16];
	const char *const argv[] = {"unshare", "--net", "--mount", "perf/idle.sh", "--runs", runs,
				    "--count", wakes,	NULL};

	snprintf(runs, sizeof(runs), "%u", perf->repeat);
	snprintf(wakes, sizeof(wakes), "%u", perf->repeat * WAKES_PER_RUN);
	return run(argv, figures, COUNT(figures), limit_s);
}

int flx_perf_wire(const struct flx_perf *perf)
{
	static const struct flx_figure figures[] = {
		{.name = "wire.testpmd.5tswap",
		 .unit = "answers/s",
		 .what = "testpmd over af_xdp on a veth pair, a client in the kernel on the other "
			 "CPU"},
		{.name = "wire.echo",
		 .unit = "answers/s",
		 .floor = "wire.testpmd.5tswap",
		 .must = ">= 0.9 * wire.testpmd.5tswap",
		 .what = "flx run echo in its place"},
	};
	const double limit_s = LIMIT_S + perf->repeat * 2 * (perf->duration_s + WIRE_S);
	char rounds[16], seconds[16];
	const char *const argv[] = {"unshare", "--net", "--mount", "perf/wire.sh",
				    rounds,    seconds, NULL};

	snprintf(rounds, sizeof(rounds), "%u", perf->repeat);
	snprintf(seconds, sizeof(seconds), "%.2f", perf->duration_s);
	return run(argv, figures, COUNT(figures), limit_s);
}
