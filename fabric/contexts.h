/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * contexts - the context store of a program: a type for each group that has contexts.
 */
#pragma once

#include <stdio.h>

#include "fabric/worker.h"

struct flx_contexts_conf {
	const char *path; /* directory that they outlive the process in; NULL: they do not */
	bool huge;	  /* hugepages, all memory present at start */
	const int32_t *worker_numa; /* NUMA node of each worker; NULL: unknown */
	const uint64_t *seed;	    /* of the hash, two words; NULL: random, or the files' */
	const struct flx_rss *rss;  /* of the ports, for groups keyed by flow; NULL: no port */
	const char *restore;	    /* dump for a store that is new; NULL: none */
	const char *snapshot;	    /* dump that will be written; NULL: none */
	FILE *out;		    /* where to say what was restored; NULL: nowhere */
};

/*
 * flx_contexts_open - open the store of @shared->registry for @shared->worker_count workers
 * Sets @shared's store, context_types and sweep_groups. 0; -errno after one flx_error.
 * Context: setup.
 */
int flx_contexts_open(struct flx_shared *shared, const struct flx_contexts_conf *conf);

/*
 * flx_contexts_find - verify and index what an earlier process has left, on all workers' lcores
 * @path: as in @conf; @since_tsc: before it was opened
 * @out: where to say what was found, and in what time; NULL: nowhere
 * 0; -errno after one flx_error. Context: the control thread, before workers run.
 */
int flx_contexts_find(struct flx_shared *shared, const char *path, uint64_t since_tsc, FILE *out);

/* flx_contexts_close - give it all back, also after a failed open. Context: setup. */
void flx_contexts_close(struct flx_shared *shared);
