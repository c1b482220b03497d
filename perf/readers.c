/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * readers - what the writer pays for a reader at full speed on another CPU.
 *
 * Runs of the writer with the reader at work and at rest alternate; a figure is of such a pair. The
 * reader also works on a store of its own, of the same size and which nobody writes: what the
 * writer then pays is for the memory and cache that CPUs share, whatever runs there, and not for
 * lines that are fetched from each other.
 *
 * Contexts describe themselves: all words follow from the first and the key. The reader checks
 * each copy that it gets.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <urcu-qsbr.h>

#include "perf/bed.h"
#include "perf/ctx.h"
#include "perf/figure.h"
#include "perf/sample.h"

#define MESSAGES_PER_RUN (1u << 20)
#define PAIRS_MIN	 7
#define MUST_PERCENT	 "<= 5"
#define REST_US		 100

enum work {
	WORK_NONE = 0,
	WORK_SCAN,
	WORK_GET,
	WORK_STOP,
};

/* Written by: the writer, work and bed; the reader, the rest. */
struct reader {
	_Atomic int work;
	struct flx_bed *bed;
	uint32_t keys;
	_Atomic int doing;
	alignas(FLX_CACHE_LINE) uint64_t copies;
	uint64_t torn;
};

static void describe(uint64_t *context, uint64_t key)
{
	uint64_t count = context[0] + 1;

	for (uint32_t i = 0; i < FLX_BED_WORDS; i++)
		context[i] = count + i * key;
}

static bool is_whole(const struct flx_record_copy *copy)
{
	uint64_t word[FLX_BED_WORDS], key;

	memcpy(word, copy->context, sizeof(word));
	memcpy(&key, copy->key, sizeof(key));
	for (uint32_t i = 1; i < FLX_BED_WORDS; i++)
		if (word[i] != word[0] + i * key)
			return false;
	return word[0] > 0;
}

/* ---------------------------------------------------------------------------------------- reader */

static bool is_wanted(struct reader *reader, int work)
{
	return atomic_load_explicit(&reader->work, memory_order_relaxed) == work;
}

static void scan(struct reader *reader)
{
	struct flx_scan_source source;
	static struct flx_scan scan;

	flx_store_source(reader->bed->type, &source);
	while (is_wanted(reader, WORK_SCAN)) {
		flx_scan_init(&scan, &source, 0);
		while (flx_scan_next(&scan)) {
			reader->copies++;
			reader->torn += !is_whole(&scan.copy);
			if (!is_wanted(reader, WORK_SCAN))
				break;
		}
		reader->torn += scan.damaged;
	}
}

static void get(struct reader *reader)
{
	struct flx_draw draw = {.state = reader->copies, .keys = reader->keys};
	static struct flx_record_copy copy;
	static struct flx_keys keys;

	rcu_thread_online();
	while (is_wanted(reader, WORK_GET)) {
		flx_keys_draw(&keys, &draw);
		for (uint32_t i = 0; i < FLX_BATCH; i++) {
			bool found = flx_context_get(reader->bed->type,
						     (const uint8_t *)&keys.key[i], 0, &copy);

			reader->copies++;
			reader->torn += !found || !is_whole(&copy);
		}
		rcu_quiescent_state();
	}
	rcu_thread_offline();
}

static void *read_on(void *argument)
{
	struct reader *reader = argument;
	int work;

	flx_bed_pin(flx_bed_other_cpu());
	rcu_register_thread();
	rcu_thread_offline();
	while ((work = atomic_load(&reader->work)) != WORK_STOP) {
		atomic_store(&reader->doing, work);
		if (work == WORK_SCAN)
			scan(reader);
		else if (work == WORK_GET)
			get(reader);
		else
			usleep(REST_US);
	}
	rcu_unregister_thread();
	return NULL;
}

static void set_work(struct reader *reader, struct flx_bed *bed, int work)
{
	if (work == WORK_NONE) {
		atomic_store(&reader->work, work);
	} else {
		reader->bed = bed;
		atomic_store(&reader->work, work);
	}
	while (atomic_load(&reader->doing) != work)
		usleep(REST_US);
}

/* ---------------------------------------------------------------------------------------- writer */

static uint32_t write_batch(struct flx_bed *bed, struct flx_keys *keys)
{
	struct flx_context_type *type = bed->type;

	flx_store_turn(bed->store, 0, rte_rdtsc());
	flx_context_bind(type, 0, keys->slices, (const uint8_t *)keys->key, FLX_BATCH,
			 keys->records);
	for (uint32_t i = 0; i < FLX_BATCH; i++) {
		FLX_VERIFY(keys->records[i]);
		describe(flx_context_open(type, 0, keys->slices[i], keys->records[i]),
			 keys->key[i]);
		flx_context_commit(type, 0, keys->records[i]);
	}
	flx_context_settle(type, 0);
	return 0;
}

static double write_run(struct flx_bed *bed, struct flx_draw *draw)
{
	static struct flx_keys keys;
	uint64_t spent = 0, start;

	for (uint32_t done = 0; done < MESSAGES_PER_RUN; done += FLX_BATCH) {
		flx_keys_draw(&keys, draw);
		start = rte_rdtsc();
		write_batch(bed, &keys);
		spent += rte_rdtsc() - start;
		rcu_quiescent_state();
	}
	return (double)spent / MESSAGES_PER_RUN;
}

static int make_bed(struct flx_bed *bed, const struct flx_ctx_conf *conf)
{
	const struct flx_bed_conf bed_conf = {.keys = conf->keys, .huge = true};
	int error = flx_bed_open(bed, &bed_conf);

	if (!error)
		flx_bed_fill(bed, conf->keys, write_batch);
	return error;
}

/* What is done beside the writer, and what that costs it. */
struct beside {
	const char *name;
	int work;
	bool apart; /* on the store that nobody writes */
};

static const struct beside besides[] = {
	{.name = "scan", .work = WORK_SCAN},
	{.name = "scan.apart", .work = WORK_SCAN, .apart = true},
	{.name = "get", .work = WORK_GET},
	{.name = "get.apart", .work = WORK_GET, .apart = true},
};

#define BESIDES (sizeof(besides) / sizeof(besides[0]))

static void add(const struct flx_ctx_conf *conf, const char *name, const char *unit,
		const char *must, double value)
{
	char full[48];
	const struct flx_figure figure = {.name = full, .unit = unit, .must = must};

	snprintf(full, sizeof(full), "ctx.readers%s.%s", conf->suffix, name);
	flx_figure_add(&figure, value);
}

static void measure(const struct flx_ctx_conf *conf, struct reader *reader, struct flx_bed *bed,
		    struct flx_bed *apart)
{
	uint32_t pairs = conf->runs < PAIRS_MIN ? PAIRS_MIN : conf->runs;
	struct flx_draw draw = {.keys = conf->keys};

	for (uint32_t run = 0; run < pairs; run++)
		for (size_t i = 0; i < BESIDES; i++) {
			const struct beside *beside = &besides[i];
			double with, without = write_run(bed, &draw);

			set_work(reader, beside->apart ? apart : bed, beside->work);
			with = write_run(bed, &draw);
			set_work(reader, NULL, WORK_NONE);
			add(conf, "none", "cycles/msg", NULL, without);
			add(conf, beside->name, "% more", beside->apart ? NULL : MUST_PERCENT,
			    (with / without - 1) * 100);
		}
}

static void skip(const struct flx_ctx_conf *conf)
{
	char name[48];
	const struct flx_figure figure = {.name = name};

	snprintf(name, sizeof(name), "ctx.readers%s", conf->suffix);
	flx_figure_skip(&figure, "this machine has one CPU; it needs two");
}

int flx_ctx_readers(const struct flx_ctx_conf *conf)
{
	static struct reader reader;
	struct flx_bed bed = {0}, apart = {0};
	pthread_t thread;
	int error;

	if (flx_bed_worker_cpu() == flx_bed_other_cpu()) {
		skip(conf);
		return -ENOTSUP;
	}
	flx_bed_pin(flx_bed_worker_cpu());
	rcu_register_thread();
	reader.keys = conf->keys;
	error = make_bed(&bed, conf);
	if (!error)
		error = make_bed(&apart, conf);
	if (!error)
		error = -pthread_create(&thread, NULL, read_on, &reader);
	if (!error) {
		measure(conf, &reader, &bed, &apart);
		atomic_store(&reader.work, WORK_STOP);
		pthread_join(thread, NULL);
	}
	flx_bed_close(&bed);
	flx_bed_close(&apart);
	if (error)
		return error;
	add(conf, "torn", "of all copies", "<= 0", (double)reader.torn);
	printf("  copies that the reader has seen: %.1f M\n", (double)reader.copies / 1e6);
	return 0;
}
