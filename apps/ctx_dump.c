/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/ctx_dump.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>

#include <rte_cycles.h>

#include "context-store/dump.h"

/*
 * Shared by the control thread and the one that dumps. Written by: cancel, the former; done, error,
 * result and spent_ms, the latter, which are read when done is seen; all else before it begins.
 */
struct job {
	pthread_t thread;
	struct flx_store *store;
	_Atomic bool cancel;
	_Atomic bool done;
	bool answered; /* no answer looks at it any more; the control thread's */
	int error;
	struct flx_dump_result result;
	double spent_ms;
	char path[PATH_MAX];
};

/* The control thread's. It outlives the answer when the client goes away before the end. */
static struct job *under_way;

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void *run(void *argument)
{
	struct job *job = argument;
	struct flx_scan_source source[FLX_STORE_TYPES_MAX];
	const struct flx_dump_conf conf = {
		.path = job->path,
		.source = source,
		.source_count = job->store->type_count,
		.now = flx_store_tick(job->store, rte_rdtsc()),
		.cancel = &job->cancel,
	};
	double start_ms = now_ms();

	prctl(PR_SET_NAME, "flx-dump");
	for (uint32_t t = 0; t < job->store->type_count; t++)
		flx_store_source(job->store->type[t], &source[t]);
	job->error = flx_dump_write(&conf, &job->result);
	job->spent_ms = now_ms() - start_ms;
	/* Release: pairs with the acquire in report. */
	atomic_store_explicit(&job->done, true, memory_order_release);
	return NULL;
}

static void reap(void)
{
	pthread_join(under_way->thread, NULL);
	free(under_way);
	under_way = NULL;
}

static bool is_done(const struct job *job)
{
	return atomic_load_explicit(&job->done, memory_order_acquire);
}

static int report(void *argument, struct flx_answer *answer)
{
	const struct job *job = argument;

	if (!is_done(job))
		return FLX_ANSWER_WAIT;
	if (job->error)
		return flx_answer_refuse(answer, job->error, "%s", job->result.why);
	fprintf(answer->out, "dumped %" PRIu64 " contexts to %s in %.1f ms\n", job->result.contexts,
		job->path, job->spent_ms);
	if (job->result.damaged)
		fprintf(answer->out, "%" PRIu64 " damaged contexts are not in the dump\n",
			job->result.damaged);
	return FLX_ANSWER_DONE;
}

/*
 * The answer has ended, or nobody waits for it any more. Then the thread stops soon, and who comes
 * next reaps it: nobody waits for a disk here.
 */
static void give_up(void *argument)
{
	struct job *job = argument;

	job->answered = true;
	atomic_store_explicit(&job->cancel, true, memory_order_relaxed);
}

/* Whether both are one name in one directory. */
static bool is_same(const char *a, const char *b)
{
	const char *paths[2] = {a, b};
	char text[2][2][PATH_MAX];
	struct stat dir[2];
	char *name[2];

	for (int i = 0; i < 2; i++) {
		for (int copy = 0; copy < 2; copy++)
			snprintf(text[i][copy], PATH_MAX, "%s", paths[i]);
		if (stat(dirname(text[i][0]), &dir[i]) < 0)
			return false;
		name[i] = basename(text[i][1]);
	}
	return dir[0].st_dev == dir[1].st_dev && dir[0].st_ino == dir[1].st_ino &&
	       strcmp(name[0], name[1]) == 0;
}

int flx_ctx_dump(struct flx_store *store, const char *snapshot, const char *path,
		 struct flx_answer *answer)
{
	int error;

	if (path[0] != '/')
		return flx_answer_refuse(answer, -EINVAL, "%s: not an absolute path; give one",
					 path);
	if (snapshot && is_same(snapshot, path))
		return flx_answer_refuse(answer, -EBUSY,
					 "%s: the fabric writes its snapshots there; give another "
					 "path, or copy that file",
					 path);
	if (under_way && under_way->answered && is_done(under_way))
		reap();
	if (under_way)
		return flx_answer_refuse(answer, -EBUSY, "a dump is under way; wait for its end");
	under_way = calloc(1, sizeof(*under_way));
	if (!under_way)
		return flx_answer_refuse(answer, -ENOMEM, "no memory for a dump");
	under_way->store = store;
	snprintf(under_way->path, sizeof(under_way->path), "%s", path);
	error = pthread_create(&under_way->thread, NULL, run, under_way);
	if (error) {
		free(under_way);
		under_way = NULL;
		return flx_answer_refuse(answer, -error,
					 "no thread for a dump; allow more (ulimit -u)");
	}
	flx_answer_continue(answer, report, give_up, under_way);
	return 0;
}

void flx_ctx_dump_stop(void)
{
	if (!under_way)
		return;
	give_up(under_way);
	reap();
}
