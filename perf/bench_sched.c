/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench_sched - measures how slices move and how load is spread, against the bounds of the design.
 *
 * Fabrics run on a ring port of two queues, their clients on the workers' own cores, so that two CPUs are
 * enough; answers are verified in all of them, and a run with a lost, wrong or overtaken message fails.
 */
#include "perf/bench_sched.h"

#include <stdio.h>
#include <unistd.h>

#include "perf/benches.h"
#include "perf/sample.h"

static struct flx_bench_sched settings = {.duration_s = 60};

#define BENCH(name_, function, what_)                                                              \
	{                                                                                          \
		.name = (name_), .what = (what_), .run = (function), .argument = &settings         \
	}

static const struct flx_bench benches[] = {
	BENCH("move", flx_bench_move, "what messages wait for a slice that moves, beside dsw"),
	BENCH("skew", flx_bench_skew, "until a load of 90/10 is even again"),
	BENCH("zipf", flx_bench_zipf, "moves under few hot keys"),
	BENCH("calm", flx_bench_calm, "moves under an even load"),
	BENCH("cost", flx_bench_cost, "throughput that the scheduler takes"),
	BENCH("scale", flx_bench_scale, "two workers against one"),
	BENCH("oversubscribed", flx_bench_oversubscribed, "two workers on one CPU against one"),
};

static const struct flx_benches_option options[] = {
	{.name = "dev",
	 .value = "",
	 .help = "ordinary memory, no hugepages",
	 .flag = &settings.dev},
	{.name = "duration",
	 .value = "SECONDS",
	 .help = "of the calm run (default 60)",
	 .least = 2,
	 .most = 3600,
	 .number = &settings.duration_s},
	{.name = "svg",
	 .value = "FILE",
	 .help = "draw the first run of skew at a demand of 1.8 workers",
	 .text = &settings.svg},
	{0},
};

static void begin(void)
{
	printf("TSC %.0f MHz, %ld CPUs, %u runs; median [least .. most]\n", flx_tsc_mhz(),
	       sysconf(_SC_NPROCESSORS_ONLN), flx_benches_runs);
}

int main(int argc, char **argv)
{
	const struct flx_benches all = {
		.program = "bench_sched",
		.bench = benches,
		.count = sizeof(benches) / sizeof(benches[0]),
		.options = options,
	};

	return flx_benches_main(&all, begin, argc, argv);
}
