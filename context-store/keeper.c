/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * keeper - the thread of a store that does what no worker may wait for.
 */
#include <errno.h>
#include <sys/prctl.h>
#include <time.h>

#include <rte_cycles.h>
#include <urcu-qsbr.h>

#include "context-store/store.h"
#include "context-store/type.h"

/*
 * Pauses between turns, in ns: while something was freed, and otherwise. Longer keeps more memory
 * waiting (1 M deletes a second make 1,000 records a ms), shorter wakes a CPU that may be a
 * worker's.
 */
#define PAUSE_BUSY_NS 1000000
#define PAUSE_IDLE_NS 10000000
/* Ticks between two saves of the clock: what a TTL may stretch by when the process is killed. */
#define CLOCK_TICKS (FLX_TICKS_PER_SECOND / 4)

static bool grow_type(struct flx_store *store, uint32_t t)
{
	struct flx_context_type *type = store->type[t];
	bool grown = false;

	for (uint32_t n = 0; n < type->slab.node_count && !store->cannot_grow[t]; n++) {
		int rc = flx_type_grow(type, &store->shape, n);

		grown |= rc > 0;
		if (rc < 0) {
			store->cannot_grow[t] = true;
			flx_warn("contexts of '%s' cannot grow beyond %u: %s; new keys are refused "
				 "when these are used up; give the machine more memory, or lower "
				 "the "
				 "limit",
				 type->name, type->slab.pool[n].ready - type->slab.pool[n].first,
				 strerror(-rc));
		}
	}
	return grown;
}

/* What was freed becomes free: all types share one grace period. */
static bool reclaim(struct flx_store *store)
{
	bool found = false;

	for (uint32_t t = 0; t < store->type_count; t++) {
		struct flx_context_type *type = store->type[t];

		if (type->single)
			continue;
		found |= flx_slab_collect(&type->slab);
		found |= flx_block_collect(&type->index.pool);
	}
	if (!found)
		return false;
	synchronize_rcu();
	for (uint32_t t = 0; t < store->type_count; t++) {
		struct flx_context_type *type = store->type[t];

		if (type->single)
			continue;
		flx_slab_release(&type->slab);
		flx_block_release(&type->index.pool);
	}
	return true;
}

static void save_clock(struct flx_store *store, uint32_t tick)
{
	struct flx_file *file = &store->files.now.node[0];

	if (!store->persists)
		return;
	flx_file_clock_set(file, FLX_FILE_TICK, tick);
	flx_file_clock_set(file, FLX_FILE_WALL, (uint32_t)time(NULL));
}

bool flx_store_keep(struct flx_store *store)
{
	bool worked = false;

	for (uint32_t t = 0; t < store->type_count; t++)
		worked |= grow_type(store, t);
	return reclaim(store) | worked;
}

/* Waits; true when the keeper is to end. */
static bool pause_keeper(struct flx_store *store, long pause_ns)
{
	struct timespec until;
	bool stop;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += pause_ns;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&store->lock);
	while (!store->stop &&
	       pthread_cond_timedwait(&store->wake, &store->lock, &until) != ETIMEDOUT)
		;
	stop = store->stop;
	pthread_mutex_unlock(&store->lock);
	return stop;
}

static void *run_keeper(void *argument)
{
	struct flx_store *store = argument;
	uint32_t saved = store->start_tick;
	bool worked = false;

	prctl(PR_SET_NAME, "flx-keeper");
	while (!pause_keeper(store, worked ? PAUSE_BUSY_NS : PAUSE_IDLE_NS)) {
		uint32_t tick = flx_store_tick(store, rte_rdtsc());

		worked = flx_store_keep(store);
		if (tick - saved < CLOCK_TICKS)
			continue;
		saved = tick;
		save_clock(store, tick);
	}
	return NULL;
}

int flx_store_start(struct flx_store *store)
{
	pthread_condattr_t attributes;
	int error;

	/* The pause is by a clock that nobody sets. */
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&store->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	save_clock(store, flx_store_tick(store, rte_rdtsc()));
	error = pthread_create(&store->keeper, NULL, run_keeper, store);
	if (error) {
		pthread_cond_destroy(&store->wake);
		flx_error("the store's keeper: %s; allow more threads (ulimit -u)",
			  strerror(error));
		return -error;
	}
	store->keeper_runs = true;
	return 0;
}

void flx_store_stop(struct flx_store *store)
{
	if (!store->keeper_runs)
		return;
	pthread_mutex_lock(&store->lock);
	store->stop = true;
	pthread_cond_signal(&store->wake);
	pthread_mutex_unlock(&store->lock);
	pthread_join(store->keeper, NULL);
	pthread_cond_destroy(&store->wake);
	store->keeper_runs = false;
	store->stop = false;
}
