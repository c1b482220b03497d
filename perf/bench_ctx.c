/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench_ctx - measures the context store, beside cds_lfht and rte_hash, against its bounds.
 *
 * Contexts are of 64 bytes under keys of 8, drawn uniformly. What is compared runs in turn within one
 * process; benches.h says the rest.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fabric/base.h"
#include "perf/bed.h"
#include "perf/bench.h"
#include "perf/benches.h"
#include "perf/sample.h"

struct bench {
	int (*run)(const struct flx_bench_conf *conf);
	const char *suffix;
	uint32_t keys;
	uint32_t bytes_per_key; /* of memory that had better be in hugepages */
};

static double keys; /* 0: of the bench */

static int run(const void *argument)
{
	const struct bench *bench = argument;
	struct flx_bench_conf conf = {
		.suffix = bench->suffix,
		.keys = (keys > 0 ? (uint32_t)keys : bench->keys) / FLX_BATCH * FLX_BATCH,
		.runs = flx_benches_runs,
	};

	conf.huge = flx_bed_huge_bytes() >= (uint64_t)conf.keys * bench->bytes_per_key;
	return bench->run(&conf);
}

#define M 1000000
#define BENCH(name_, what_, ...)                                                                   \
	{                                                                                          \
		.name = (name_), .what = (what_), .run = run, .argument = &(const struct bench)    \
		{                                                                                  \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}

static const struct flx_bench benches[] = {
	BENCH("ctx.bind.1m", "bind, increment and commit, beside the peers", flx_bench_bind, ".1m",
	      M, 800),
	BENCH("ctx.bind.10m", "the same", flx_bench_bind, ".10m", 10 * M, 520),
	BENCH("ctx.change.1m", "insert and delete, beside the peers", flx_bench_change, ".1m", M,
	      256),
	BENCH("ctx.memory.1m", "bytes per context, all told", flx_bench_memory, ".1m", M, 280),
	BENCH("ctx.memory.10m", "the same", flx_bench_memory, ".10m", 10 * M, 240),
	BENCH("ctx.growth.10m", "worst turn while contexts are made", flx_bench_growth, ".10m",
	      10 * M, 240),
	BENCH("ctx.restart.1m", "files to contexts that are served", flx_bench_restart, ".1m", M,
	      280),
	BENCH("ctx.restart.10m", "the same", flx_bench_restart, ".10m", 10 * M, 240),
	BENCH("ctx.readers.1m", "what a reader costs the writer", flx_bench_readers, ".1m", M, 560),
};

static const struct flx_benches_option options[] = {
	{.name = "keys",
	 .value = "N",
	 .help = "keys, instead of a bench's own; bounds are for its own",
	 .least = 1024,
	 .most = 200 * M,
	 .number = &keys},
	{0},
};

static void begin(void)
{
	printf("TSC %.0f MHz, %u runs, %.0f MiB of free hugepages; median [least .. most]\n",
	       flx_tsc_mhz(), flx_benches_runs, (double)flx_bed_huge_bytes() / (1 << 20));
}

int main(int argc, char **argv)
{
	const struct flx_benches all = {
		.program = "bench_ctx",
		.bench = benches,
		.count = sizeof(benches) / sizeof(benches[0]),
		.options = options,
	};

	/* malloc, with which cds_lfht makes its table, is to use huge pages as well: before main. */
	if (!getenv("GLIBC_TUNABLES")) {
		setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1", 1);
		execv("/proc/self/exe", argv);
	}
	return flx_benches_main(&all, begin, argc, argv);
}
