/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * keeper - the threads of a store that do what no worker may wait for.
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

static void note_failure(struct flx_store *store, uint32_t t, uint32_t node, int error)
{
	const struct flx_context_type *type = store->type[t];

	flx_slab_stick(&store->type[t]->slab, node);
	if (!store->cannot_grow[t])
		flx_warn("contexts of '%s' cannot grow beyond %u: %s; trying again; until then new "
			 "keys may be refused; give the machine more memory, or lower the limit",
			 type->name, type->slab.pool[node].ready - type->slab.pool[node].first,
			 strerror(-error));
	store->cannot_grow[t] = true;
}

static bool grow_type(struct flx_store *store, uint32_t t)
{
	struct flx_context_type *type = store->type[t];
	bool grown = false;

	for (uint32_t n = 0; n < type->slab.node_count; n++) {
		int rc = flx_type_grow(type, &store->shape, n);

		grown |= rc > 0;
		if (rc > 0)
			store->cannot_grow[t] = false;
		else if (rc < 0)
			note_failure(store, t, n, rc);
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

static bool grow(struct flx_store *store)
{
	uint32_t tick = flx_store_tick(store, rte_rdtsc());
	bool grown = false, again = (int32_t)(tick - store->grow_again_tick) >= 0;

	for (uint32_t t = 0; t < store->type_count; t++)
		if (again || !store->cannot_grow[t])
			grown |= grow_type(store, t);
	if (again)
		store->grow_again_tick = tick + FLX_TICKS_PER_SECOND;
	return grown;
}

bool flx_store_keep(struct flx_store *store)
{
	return grow(store) | reclaim(store);
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

static void *run_reclaimer(void *argument)
{
	struct flx_store *store = argument;
	bool worked = false;

	prctl(PR_SET_NAME, "flx-reclaimer");
	while (!pause_keeper(store, worked ? PAUSE_BUSY_NS : PAUSE_IDLE_NS))
		worked = reclaim(store);
	return NULL;
}

/* Apart, since a worker that stalls holds up a grace period, and must not hold up growth. */
static void *run_grower(void *argument)
{
	struct flx_store *store = argument;
	uint32_t saved = store->start_tick;

	prctl(PR_SET_NAME, "flx-grower");
	/* Always short: new keys come faster than any sign of them. */
	while (!pause_keeper(store, store->may_grow ? PAUSE_BUSY_NS : PAUSE_IDLE_NS)) {
		uint32_t tick = flx_store_tick(store, rte_rdtsc());

		grow(store);
		if (tick - saved < CLOCK_TICKS)
			continue;
		saved = tick;
		save_clock(store, tick);
	}
	return NULL;
}

int flx_store_start(struct flx_store *store)
{
	void *(*const run[FLX_STORE_KEEPERS])(void *) = {run_reclaimer, run_grower};
	pthread_condattr_t attributes;

	/* The pause is by a clock that nobody sets. */
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&store->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	save_clock(store, flx_store_tick(store, rte_rdtsc()));
	/* What the first messages will take is there before them. */
	grow(store);
	for (uint32_t i = 0; i < FLX_STORE_KEEPERS; i++) {
		int error = pthread_create(&store->keeper[i], NULL, run[i], store);

		if (error) {
			flx_error("the store's keeper: %s; allow more threads (ulimit -u)",
				  strerror(error));
			flx_store_stop(store);
			if (i == 0)
				pthread_cond_destroy(&store->wake);
			return -error;
		}
		store->keeper_count++;
	}
	return 0;
}

void flx_store_stop(struct flx_store *store)
{
	pthread_mutex_lock(&store->lock);
	store->stop = true;
	if (store->keeper_count)
		pthread_cond_broadcast(&store->wake);
	pthread_mutex_unlock(&store->lock);
	for (uint32_t i = 0; i < store->keeper_count; i++)
		pthread_join(store->keeper[i], NULL);
	if (store->keeper_count) {
		pthread_cond_destroy(&store->wake);
		save_clock(store, flx_store_tick(store, rte_rdtsc()));
	}
	store->keeper_count = 0;
	store->stop = false;
}
