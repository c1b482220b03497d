/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench - the benches of the context store.
 *
 * A bench prints its rows and says how many of their bounds were missed; -errno: it could not run,
 * after one flx_error. A figure is the median of the runs with the range, like those of flxperf.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct flx_bench_conf {
	const char *suffix; /* of the rows' names: ".1m" */
	uint32_t keys;
	uint32_t runs;
	/*
	 * There are hugepages enough for all that is compared; else nobody gets any. A bench of
	 * the store alone takes what there is, as a fabric does.
	 */
	bool huge;
};

/*
 * Bind, open, increment, commit and settle of keys that are there, uniformly drawn: in memory and
 * on a store's files, in turn with cds_lfht and rte_hash, all with the same keys.
 */
int flx_bench_bind(const struct flx_bench_conf *conf);

/* Insert of new keys, from an empty index on, and delete of all; in turn with the others. */
int flx_bench_change(const struct flx_bench_conf *conf);

/* Bytes per context, all told. */
int flx_bench_memory(const struct flx_bench_conf *conf);

/* What a turn takes while the store grows. */
int flx_bench_growth(const struct flx_bench_conf *conf);

/* Open, scan and enter, by two workers. */
int flx_bench_restart(const struct flx_bench_conf *conf);

/* What the writer pays for a reader on another CPU, and whether that one ever sees a torn image. */
int flx_bench_readers(const struct flx_bench_conf *conf);
