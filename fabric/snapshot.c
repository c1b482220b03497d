/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/snapshot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#include <rte_cycles.h>

#include "context-store/dump.h"

struct flx_snapshot {
	struct flx_store *store;
	const char *path;
	uint32_t every_s;
	FILE *out;    /* where the last one is told of; NULL: nowhere */
	bool failing; /* the last one did; whoever dumps */
	struct flx_dump_result result;
	uint64_t spent_us;
	struct flx_scan_source source[FLX_STORE_TYPES_MAX];

	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	_Atomic bool stop; /* set under lock; read by a dump under way */
};

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int dump(struct flx_snapshot *snapshot, const _Atomic bool *cancel)
{
	struct flx_store *store = snapshot->store;
	struct flx_dump_conf conf = {
		.path = snapshot->path,
		.source = snapshot->source,
		.source_count = store->type_count,
		.now = flx_store_tick(store, rte_rdtsc()),
		.cancel = cancel,
	};
	uint64_t start_us = now_us();
	int error;

	/* Anew each time: types grow. */
	for (uint32_t t = 0; t < store->type_count; t++)
		flx_store_source(store->type[t], &snapshot->source[t]);
	error = flx_dump_write(&conf, &snapshot->result);
	snapshot->spent_us = now_us() - start_us;
	return error;
}

static void dump_now_and_then(struct flx_snapshot *snapshot)
{
	int error = dump(snapshot, &snapshot->stop);

	if (error == -ECANCELED)
		return;
	if (error && !snapshot->failing)
		flx_warn("snapshot %s; the one before is as it was, and the next is tried every %u "
			 "s",
			 snapshot->result.why, snapshot->every_s);
	else if (!error && snapshot->failing)
		flx_note("snapshot %s: written again", snapshot->path);
	snapshot->failing = error != 0;
}

/* Waits for the next one; true when there is none. */
static bool wait_for_next(struct flx_snapshot *snapshot)
{
	struct timespec until;
	bool stop;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += snapshot->every_s;
	pthread_mutex_lock(&snapshot->lock);
	while (!snapshot->stop &&
	       pthread_cond_timedwait(&snapshot->wake, &snapshot->lock, &until) != ETIMEDOUT)
		;
	stop = snapshot->stop;
	pthread_mutex_unlock(&snapshot->lock);
	return stop;
}

static void *run(void *argument)
{
	struct flx_snapshot *snapshot = argument;

	prctl(PR_SET_NAME, "flx-snapshot");
	while (!wait_for_next(snapshot))
		dump_now_and_then(snapshot);
	return NULL;
}

static void free_snapshot(struct flx_snapshot *snapshot)
{
	pthread_cond_destroy(&snapshot->wake);
	pthread_mutex_destroy(&snapshot->lock);
	free(snapshot);
}

int flx_snapshot_start(struct flx_snapshot **started, struct flx_store *store, const char *path,
		       uint32_t every_s, FILE *out)
{
	struct flx_snapshot *snapshot = calloc(1, sizeof(*snapshot));
	pthread_condattr_t attributes;
	int error;

	if (!snapshot)
		return -ENOMEM;
	snapshot->store = store;
	snapshot->path = path;
	snapshot->every_s = every_s;
	snapshot->out = out;
	pthread_mutex_init(&snapshot->lock, NULL);
	/* The pause is by a clock that nobody sets. */
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&snapshot->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	error = pthread_create(&snapshot->thread, NULL, run, snapshot);
	if (error) {
		flx_error("--snapshot %s: %s; allow more threads (ulimit -u)", path,
			  strerror(error));
		free_snapshot(snapshot);
		return -error;
	}
	*started = snapshot;
	return 0;
}

const char *flx_snapshot_path(const struct flx_snapshot *snapshot)
{
	return snapshot->path;
}

bool flx_snapshot_stop(struct flx_snapshot *snapshot)
{
	bool failed;

	pthread_mutex_lock(&snapshot->lock);
	snapshot->stop = true;
	pthread_cond_signal(&snapshot->wake);
	pthread_mutex_unlock(&snapshot->lock);
	pthread_join(snapshot->thread, NULL);
	failed = dump(snapshot, NULL) != 0;
	if (failed)
		flx_error("snapshot %s; the one before is as it was", snapshot->result.why);
	else if (snapshot->out)
		fprintf(snapshot->out, "snapshot %s: %" PRIu64 " contexts in %.1f ms\n",
			snapshot->path, snapshot->result.contexts,
			(double)snapshot->spent_us / 1e3);
	free_snapshot(snapshot);
	return !failed;
}
