/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * restart - from files to contexts that are served: open, then scan and enter by two workers.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include <urcu-qsbr.h>

#include "perf/bed.h"
#include "perf/ctx.h"
#include "perf/figure.h"
#include "perf/sample.h"

#define WORKERS 2
/* 100 ms for 1 M contexts; 1 s for 10 M. */
#define MUST_MS_PER_M 100.0

struct restart {
	struct flx_bed bed;
	pthread_barrier_t step;
	uint64_t scanned; /* tsc at which all had scanned */
	_Atomic int error;
};

struct worker {
	struct restart *restart;
	uint32_t index;
};

static void *work(void *argument)
{
	struct worker *worker = argument;
	struct restart *restart = worker->restart;
	int error;

	flx_bed_pin(worker->index ? flx_bed_worker_cpu() : flx_bed_other_cpu());
	error = flx_store_scan(restart->bed.store, worker->index);
	pthread_barrier_wait(&restart->step);
	if (worker->index == 0)
		restart->scanned = rte_rdtsc();
	if (!error)
		error = flx_store_enter(restart->bed.store, worker->index);
	if (error)
		atomic_store(&restart->error, error);
	return NULL;
}

/* Both workers; the caller is the first. */
static int attach(struct restart *restart, struct flx_store_found *found)
{
	struct worker workers[WORKERS] = {{restart, 0}, {restart, 1}};
	pthread_t thread;
	int error = flx_store_prepare(restart->bed.store);

	if (error)
		return error;
	pthread_barrier_init(&restart->step, NULL, WORKERS);
	error = -pthread_create(&thread, NULL, work, &workers[1]);
	if (error)
		return error;
	work(&workers[0]);
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&restart->step);
	if (atomic_load(&restart->error))
		return atomic_load(&restart->error);
	flx_store_finish(restart->bed.store, found);
	return 0;
}

static void add(const struct flx_ctx_conf *conf, const char *step, double ms)
{
	char name[48], must[32];
	const struct flx_figure figure = {
		.name = name,
		.unit = "ms",
		.must = *step ? NULL : must,
	};

	snprintf(name, sizeof(name), "ctx.restart%s%s", conf->suffix, step);
	snprintf(must, sizeof(must), "<= %.0f", MUST_MS_PER_M * conf->keys / 1e6);
	flx_figure_add(&figure, ms);
}

static int run(const struct flx_ctx_conf *conf, const char *path)
{
	const struct flx_bed_conf bed_conf = {
		.keys = conf->keys, .workers = WORKERS, .huge = true, .path = path};
	struct restart restart = {0};
	struct flx_store_found found = {0};
	const double ms = flx_tsc_mhz() * 1e3;
	uint64_t start = rte_rdtsc(), opened, end;
	int error = flx_bed_open(&restart.bed, &bed_conf);

	opened = rte_rdtsc();
	if (!error)
		error = attach(&restart, &found);
	end = rte_rdtsc();
	flx_bed_close(&restart.bed);
	if (error)
		return error;
	if (found.contexts != conf->keys || found.damaged) {
		flx_error("ctx.restart: of %u contexts %lu were found, and %lu damaged records",
			  conf->keys, (unsigned long)found.contexts, (unsigned long)found.damaged);
		return -EBADMSG;
	}
	add(conf, "", (double)(end - start) / ms);
	add(conf, ".open", (double)(opened - start) / ms);
	add(conf, ".scan", (double)(restart.scanned - opened) / ms);
	add(conf, ".enter", (double)(end - restart.scanned) / ms);
	return 0;
}

static int make_store(const struct flx_ctx_conf *conf, const char *path)
{
	const struct flx_bed_conf bed_conf = {.keys = conf->keys, .path = path};
	struct flx_bed bed = {0};
	int error = flx_bed_open(&bed, &bed_conf);

	if (!error)
		flx_bed_fill(&bed, conf->keys, flx_bed_update);
	flx_bed_close(&bed);
	return error;
}

int flx_ctx_restart(const struct flx_ctx_conf *conf)
{
	char path[64];
	int error = flx_bed_path(path, conf->keys);

	if (error)
		return error;
	rcu_register_thread();
	error = make_store(conf, path);
	for (uint32_t i = 0; i < conf->runs && !error; i++)
		error = run(conf, path);
	flx_bed_unlink(path);
	return error;
}
