/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench_ctx - measures the context store, beside cds_lfht and rte_hash, against its bounds.
 *
 * Contexts are of 64 bytes under keys of 8, drawn uniformly. Each bench runs in a process of its
 * own, so that it begins with memory as the system gives it; what is compared runs in turn within
 * one. Exit status: 0, 1 a bench failed (or, with --check, a bound was missed), 2 bad arguments.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fabric/base.h"
#include "perf/bed.h"
#include "perf/bench.h"
#include "perf/sample.h"

#define RUNS_DEFAULT 5
#define KEYS_MAX     200000000

struct bench {
	const char *name;
	const char *suffix;
	const char *what;
	int (*run)(const struct flx_bench_conf *conf);
	uint32_t keys;
	uint32_t bytes_per_key; /* of memory that had better be in hugepages */
};

static const struct bench benches[] = {
	{"ctx.bind.1m", ".1m", "bind, increment and commit, beside the peers", flx_bench_bind,
	 1000000, 800},
	{"ctx.bind.10m", ".10m", "the same", flx_bench_bind, 10000000, 520},
	{"ctx.change.1m", ".1m", "insert and delete, beside the peers", flx_bench_change, 1000000,
	 256},
	{"ctx.memory.1m", ".1m", "bytes per context, all told", flx_bench_memory, 1000000, 280},
	{"ctx.memory.10m", ".10m", "the same", flx_bench_memory, 10000000, 240},
	{"ctx.growth.10m", ".10m", "worst turn while contexts are made", flx_bench_growth, 10000000,
	 240},
	{"ctx.restart.1m", ".1m", "files to contexts that are served", flx_bench_restart, 1000000,
	 280},
	{"ctx.restart.10m", ".10m", "the same", flx_bench_restart, 10000000, 240},
	{"ctx.readers.1m", ".1m", "what a reader costs the writer", flx_bench_readers, 1000000,
	 560},
};

#define BENCH_COUNT (sizeof(benches) / sizeof(benches[0]))

struct arguments {
	uint32_t runs, keys; /* keys: 0: of the bench */
	bool check;
};

/* The bench in a process of its own: bounds missed; -errno. */
static int run(const struct bench *bench, const struct arguments *arguments)
{
	struct flx_bench_conf conf = {
		.suffix = bench->suffix,
		.keys = (arguments->keys ? arguments->keys : bench->keys) / FLX_BATCH * FLX_BATCH,
		.runs = arguments->runs,
	};
	int status;
	pid_t child;

	conf.huge = flx_bed_huge_bytes() >= (uint64_t)conf.keys * bench->bytes_per_key;
	fflush(NULL);
	child = fork();
	if (child == 0) {
		int missed = bench->run(&conf);

		fflush(NULL);
		_exit(missed < 0 ? 255 : missed);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFEXITED(status) ||
	    WEXITSTATUS(status) == 255) {
		flx_error("bench_ctx: %s failed", bench->name);
		return -EIO;
	}
	return WEXITSTATUS(status);
}

/* --------------------------------------------------------------------------------- command line */

static void usage(FILE *out)
{
	fprintf(out,
		"usage: bench_ctx [--runs N] [--keys N] [--check] [BENCH]...\n"
		"  --runs N   runs of each figure, in turn with what it is compared with (default "
		"%d, at most %d)\n"
		"  --keys N   keys, instead of a bench's own; bounds are for its own\n"
		"  --check    exit 1 when a bound is missed\n"
		"benches (default: all):\n",
		RUNS_DEFAULT, FLX_RUNS_MAX);
	for (size_t i = 0; i < BENCH_COUNT; i++)
		fprintf(out, "  %-16s %s\n", benches[i].name, benches[i].what);
}

static int parse(struct arguments *arguments, int argc, char **argv)
{
	static const struct option options[] = {
		{"runs", required_argument, NULL, 'r'},
		{"keys", required_argument, NULL, 'k'},
		{"check", no_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		char *end = NULL;
		unsigned long value = optarg ? strtoul(optarg, &end, 10) : 0;

		if (optarg && (*end || end == optarg))
			value = 0;
		if (option == 'r' && value >= 1 && value <= FLX_RUNS_MAX) {
			arguments->runs = (uint32_t)value;
		} else if (option == 'k' && value >= 1024 && value <= KEYS_MAX) {
			arguments->keys = (uint32_t)value;
		} else if (option == 'c') {
			arguments->check = true;
		} else if (option == 'h') {
			usage(stdout);
			exit(0);
		} else {
			if (optarg)
				flx_error("bench_ctx: '%s' is out of range", optarg);
			return -EINVAL;
		}
	}
	return 0;
}

static int choose(bool *chosen, char **names)
{
	if (!*names)
		memset(chosen, true, BENCH_COUNT);
	for (; *names; names++) {
		size_t i = 0;

		while (i < BENCH_COUNT && strcmp(benches[i].name, *names) != 0)
			i++;
		if (i == BENCH_COUNT) {
			flx_error("bench_ctx: no bench '%s'; --help lists them", *names);
			return -EINVAL;
		}
		chosen[i] = true;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct arguments arguments = {.runs = RUNS_DEFAULT};
	bool chosen[BENCH_COUNT] = {false};
	int failed = 0, missed = 0;

	/* malloc, with which cds_lfht makes its table, is to use huge pages as well: before main. */
	if (!getenv("GLIBC_TUNABLES")) {
		setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1", 1);
		execv("/proc/self/exe", argv);
	}
	if (parse(&arguments, argc, argv) || choose(chosen, argv + optind)) {
		usage(stderr);
		return 2;
	}
	printf("TSC %.0f MHz, %u runs, %.0f MiB of free hugepages; median [least .. most]\n",
	       flx_tsc_mhz(), arguments.runs, (double)flx_bed_huge_bytes() / (1 << 20));
	for (size_t i = 0; i < BENCH_COUNT; i++) {
		int rc = chosen[i] ? run(&benches[i], &arguments) : 0;

		failed += rc < 0;
		missed += rc > 0 ? rc : 0;
	}
	return failed || (arguments.check && missed);
}
