/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ctx - what is measured of the context store; each a process's whole work.
 *
 * 0; -ENOTSUP: it cannot run here, and has said why; another -errno: it failed, after one flx_error.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct flx_ctx_conf {
	const char *suffix; /* of the rows' names: ".1m" */
	uint32_t keys;
	uint32_t runs;
	/*
	 * There are hugepages enough for all that is compared; else nobody gets any. A bench of
	 * the store alone takes what there is, as a fabric does.
	 */
	bool huge;
	bool bounded; /* bounds are for this number of keys */
};

/*
 * Bind, open, increment, commit and settle of keys that are there, uniformly drawn: in memory and
 * on a store's files, in turn with cds_lfht and rte_hash, all with the same keys.
 */
int flx_ctx_bind(const struct flx_ctx_conf *conf);

/* Insert of new keys, from an empty index on, and delete of all; in turn with the others. */
int flx_ctx_change(const struct flx_ctx_conf *conf);

/* Bytes per context, all told. */
int flx_ctx_memory(const struct flx_ctx_conf *conf);

/* What a turn takes while the store grows. */
int flx_ctx_growth(const struct flx_ctx_conf *conf);

/* Open, scan and enter, by two workers. */
int flx_ctx_restart(const struct flx_ctx_conf *conf);

/* What the writer pays for a reader on another CPU, and whether that one ever sees a torn image. */
int flx_ctx_readers(const struct flx_ctx_conf *conf);
