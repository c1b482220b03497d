/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * store - all contexts of a program: opened, found again after a restart, kept while it runs.
 *
 * With a path the records live in files there (files.h), and survive the process. Without one they
 * live in memory of the process. All else - index, free lists - is made anew at every start.
 *
 *	flx_store_open		checks, locks, maps; upgrades what is of an older version, fills
 *				a new store from a dump
 *	flx_store_prepare, then each worker flx_store_scan, then each flx_store_enter, then
 *	flx_store_finish	records verified and indexed; flx_store_attach does it all at once
 *	flx_store_start		the keeper begins
 *	... flx_context_* on type[], flx_store_turn by each worker ...
 *	flx_store_stop		the keeper ends
 *	flx_store_close		when no worker is left
 *
 * The *keeper* is two threads on the housekeeping CPUs that do what no worker may wait for: one lets
 * grace periods pass for what was freed; one finds memory for types that grow, and saves the clock.
 */
#pragma once

#include <pthread.h>

#include "context-store/context.h"
#include "context-store/files.h"
#include "context-store/restore.h"
#include "context-store/scan.h"
#include "context-store/type.h"

#define FLX_STORE_TYPES_MAX FLX_FILE_TYPES_MAX
#define FLX_STORE_KEEPERS   2 /* threads */

struct flx_store_conf {
	const char *path;	     /* directory of the files; NULL: memory of the process */
	bool huge;		     /* hugepages, all memory present at start; false: dev mode */
	uint64_t tsc_hz;	     /* of the tsc that flx_store_turn is given */
	uint64_t start_tsc;	     /* now */
	const uint64_t *seed;	     /* of the hash, two words; NULL: random, or the files' */
	uint32_t worker_count;	     /* 1..FLX_WORKERS_MAX */
	const uint32_t *worker_node; /* index in numa[] of each worker's node; NULL: 0 */
	uint32_t node_count;	     /* 0: 1, any */
	int numa[FLX_NODES_MAX];     /* NUMA node of each */
	uint32_t type_count;
	const struct flx_context_type_conf *type;
	struct flx_restore *restore; /* what fills the store when it is new; NULL: nothing */
};

/* What was found at start; sums over all types. */
struct flx_store_found {
	uint64_t contexts;
	uint64_t damaged;
	uint64_t twins;	   /* contexts of a key that had a later one */
	uint64_t upgraded; /* contexts that were of an older version */
};

struct flx_store {
	/* Read-only after open. */
	uint32_t type_count;
	uint32_t worker_count;
	uint32_t node_count;
	int numa[FLX_NODES_MAX];
	uint32_t worker_node[FLX_WORKERS_MAX];
	uint64_t seed[2];
	struct flx_type_shape shape; /* of the above, for all types */
	bool may_grow;		     /* some type has a limit above its capacity */
	bool persists;
	bool is_new; /* there were no contexts that persist */
	struct flx_files files;
	int file_type[FLX_STORE_TYPES_MAX]; /* index in the files */
	struct flx_context_type *type[FLX_STORE_TYPES_MAX];
	struct flx_context_turn *turn; /* by worker */
	uint64_t start_tsc;
	uint64_t tick_tsc;	    /* cycles per tick */
	uint32_t start_tick;	    /* at start_tsc */
	uint64_t upgraded;	    /* contexts that were of an older version */
	struct flx_attach **attach; /* by type; between prepare and finish */

	/* The keeper's. */
	pthread_t keeper[FLX_STORE_KEEPERS];
	uint32_t keeper_count; /* that run */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop;			       /* under lock */
	bool cannot_grow[FLX_STORE_TYPES_MAX]; /* and it was said */
	uint32_t grow_again_tick;	       /* when it is tried again */
};

/* Hash of everything that the meaning of a record's bytes depends on; see flx_files_run. */
uint64_t flx_store_layout(void);

/*
 * flx_store_open - open the store, or make it
 * 0; -errno after one flx_error, and then no file was changed, but for a directory made.
 * -EBUSY: another process runs on it; -EINVAL: it is another program's, damaged, or @conf is wrong;
 * -EBADMSG: a context that has no key is damaged; -ENOMEM, -ENOSPC. Context: setup.
 */
int flx_store_open(struct flx_store **store, const struct flx_store_conf *conf);

/* flx_store_close - ends the keeper and gives everything back; files stay. Context: setup. */
void flx_store_close(struct flx_store *store);

/*
 * flx_store_put - enter a context, of files that are upgraded or a dump, while the store is opened
 * @key, @context: sizes of @type; @stamp: tick of its last commit
 * 0; -E2BIG: the type has its limit; -errno: there is no memory for more. Context: setup.
 */
int flx_store_put(struct flx_store *store, struct flx_context_type *type, const uint8_t *key,
		  const void *context, uint32_t stamp);

/*
 * flx_store_prepare, flx_store_scan, flx_store_enter, flx_store_finish - find what is there
 *
 * Scan and enter are made by each worker once, at the same time; all scan before any enters, and
 * the caller sees to it. Finish says what was found. 0; -ENOMEM.
 * Context: setup; of scan and enter, a thread per worker. Nobody else uses the store.
 */
int flx_store_prepare(struct flx_store *store);
int flx_store_scan(struct flx_store *store, uint32_t worker);
int flx_store_enter(struct flx_store *store, uint32_t worker);
void flx_store_finish(struct flx_store *store, struct flx_store_found *found);

/* flx_store_attach - all of these, by the caller alone. 0; -ENOMEM. Context: setup. */
int flx_store_attach(struct flx_store *store, struct flx_store_found *found);

/*
 * flx_store_start, flx_store_stop - the keeper begins, and ends
 * Without one (simulations), flx_store_keep is called now and then. 0; -errno after one flx_error.
 * Context: setup.
 */
int flx_store_start(struct flx_store *store);
void flx_store_stop(struct flx_store *store);

/*
 * flx_store_keep - one turn of the keeper; true: there was something to do
 * May wait a grace period. Context: one thread, not online in RCU.
 */
bool flx_store_keep(struct flx_store *store);

/* The store's clock at @tsc, in ticks. Any thread. */
static inline uint32_t flx_store_tick(const struct flx_store *store, uint64_t tsc)
{
	return store->start_tick + (uint32_t)((tsc - store->start_tsc) / store->tick_tsc);
}

/*
 * flx_store_turn - a turn of @worker begins: its clock, and what it may spend
 * Context: that worker.
 */
static inline void flx_store_turn(struct flx_store *store, uint32_t worker, uint64_t tsc)
{
	struct flx_context_turn *turn = &store->turn[worker];

	turn->growth_left = FLX_INDEX_BUDGET;
	if (unlikely(tsc >= turn->next_tsc)) {
		turn->now = flx_store_tick(store, tsc);
		turn->next_tsc = tsc + store->tick_tsc / 4;
	}
}

/* flx_store_source - the contexts of @type, for flx_scan. Context: any thread. */
void flx_store_source(struct flx_context_type *type, struct flx_scan_source *source);

/* Records and index blocks of @type that wait for a grace period, in bytes. Any thread. */
uint64_t flx_store_deferred_bytes(struct flx_context_type *type);
