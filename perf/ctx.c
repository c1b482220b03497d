/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ctx - the scenario of the context store alone, beside cds_lfht and rte_hash.
 *
 * Contexts are of 64 bytes under keys of 8, drawn uniformly. What is compared runs in turn within one
 * process.
 */
#include "perf/ctx.h"

#include <stdio.h>

#include "fabric/base.h"
#include "perf/bed.h"
#include "perf/figure.h"
#include "perf/part.h"

#define M 1000000

struct bench {
	int (*run)(const struct flx_ctx_conf *conf);
	const char *suffix;
	uint32_t keys;
	uint32_t bytes_per_key; /* of memory that had better be in hugepages */
};

static int run(const struct flx_perf *perf, const void *argument)
{
	const struct bench *bench = argument;
	char suffix[16];
	struct flx_ctx_conf conf = {
		.suffix = perf->keys ? suffix : bench->suffix,
		.keys = (perf->keys ? perf->keys : bench->keys) / FLX_BATCH * FLX_BATCH,
		.runs = perf->repeat,
		.bounded = perf->keys == 0,
	};

	/* Another number of keys is another figure; and one that is in the table twice runs once. */
	if (perf->keys && bench->keys != M)
		return 0;
	snprintf(suffix, sizeof(suffix), ".%u", perf->keys);
	conf.huge =
		!perf->dev && flx_bed_huge_bytes() >= (uint64_t)conf.keys * bench->bytes_per_key;
	return bench->run(&conf);
}

#define PART(name_, ...)                                                                           \
	{                                                                                          \
		.name = (name_), .run = run, .argument = &(const struct bench)                     \
		{                                                                                  \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}

static const struct flx_part parts[] = {
	PART("ctx.bind.1m", flx_ctx_bind, ".1m", M, 800),
	PART("ctx.bind.10m", flx_ctx_bind, ".10m", 10 * M, 520),
	PART("ctx.change.1m", flx_ctx_change, ".1m", M, 256),
	PART("ctx.memory.1m", flx_ctx_memory, ".1m", M, 280),
	PART("ctx.memory.10m", flx_ctx_memory, ".10m", 10 * M, 240),
	PART("ctx.growth.10m", flx_ctx_growth, ".10m", 10 * M, 240),
	PART("ctx.restart.1m", flx_ctx_restart, ".1m", M, 280),
	PART("ctx.restart.10m", flx_ctx_restart, ".10m", 10 * M, 240),
	PART("ctx.readers.1m", flx_ctx_readers, ".1m", M, 560),
};

int flx_perf_ctx(const struct flx_perf *perf)
{
	return flx_parts_run(perf, parts, sizeof(parts) / sizeof(parts[0]));
}
