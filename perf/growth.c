/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * growth - what contexts cost in memory, and what a turn takes while the store grows.
 *
 * What a turn takes on a machine that others use says as much of them as of us. But with the same
 * keys, and the same seed, the same turns grow in every run, while the others come at random: so
 * the least that a turn took in any run is what it takes by itself, and the worst of these is the
 * pause that growth makes. Beside it stand the turns of the runs as they were, and those of making
 * all contexts again when the index has its size already.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_pause.h>
#include <urcu-qsbr.h>

#include "perf/bed.h"
#include "perf/ctx.h"
#include "perf/figure.h"
#include "perf/sample.h"

#define MUST_BYTES   "<= 256"
#define LONG_TURN_US 50.0
#define MUST_TURN    "<= 50"
#define TURN_RUNS    3 /* three strokes at one turn of 100,000 are not by chance */

static void add(const struct flx_ctx_conf *conf, const char *format, const char *unit,
		const char *must, double value)
{
	char name[48];
	const struct flx_figure figure = {
		.name = name, .unit = unit, .must = conf->bounded ? must : NULL};

	snprintf(name, sizeof(name), format, conf->suffix);
	flx_figure_add(&figure, value);
}

/* --------------------------------------------------------------------------------------- memory */

/* Memory that the process has, hugepages included, in bytes. */
static uint64_t resident_bytes(void)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "r");
	unsigned long kib = 0, all = 0;
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "Rss: %lu", &kib) == 1 ||
		    sscanf(line, "Private_Hugetlb: %lu", &kib) == 1 ||
		    sscanf(line, "Shared_Hugetlb: %lu", &kib) == 1)
			all += kib;
	if (file)
		fclose(file);
	return all << 10;
}

int flx_ctx_memory(const struct flx_ctx_conf *conf)
{
	const struct flx_bed_conf bed_conf = {.keys = conf->keys, .huge = true};
	struct flx_bed bed = {0};
	uint64_t before, records, index;
	int error;

	rcu_register_thread();
	before = resident_bytes();
	error = flx_bed_open(&bed, &bed_conf);
	if (error)
		return error;
	flx_bed_fill(&bed, conf->keys, flx_bed_update);
	records = bed.type->records.ready_bytes;
	index = bed.type->blocks.ready_bytes;
	add(conf, "ctx.memory%s", "bytes/context", MUST_BYTES,
	    (double)(records + index + sizeof(*bed.type)) / conf->keys);
	add(conf, "ctx.memory%s.rss", "bytes/context", MUST_BYTES,
	    (double)(resident_bytes() - before) / conf->keys);
	printf("  records %.1f, index %.1f of which %.1f in use\n", (double)records / conf->keys,
	       (double)index / conf->keys, (double)bed.type->blocks.used_bytes / conf->keys);
	flx_bed_close(&bed);
	return 0;
}

/* ---------------------------------------------------------------------------------------- growth */

/* Cycles of each turn of a run. */
struct turns {
	uint32_t count;
	uint32_t *cycles;
};

static int compare(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

	return (a > b) - (a < b);
}

/*
 * A turn per batch of new keys. Returns how many were refused at first, because the keeper was
 * behind with records or with what a table has to wait for; they are made again, not timed.
 */
static uint32_t make_all(struct flx_bed *bed, struct turns *turns)
{
	static struct flx_keys keys;
	uint32_t refused = 0;

	for (uint32_t t = 0; t < turns->count; t++) {
		uint64_t start, spent;
		uint32_t missing;

		flx_keys_list(&keys, t * FLX_BATCH);
		start = rte_rdtsc();
		missing = flx_bed_update(bed, &keys);
		spent = rte_rdtsc() - start;
		turns->cycles[t] = spent < UINT32_MAX ? (uint32_t)spent : UINT32_MAX;
		refused += missing;
		rcu_quiescent_state();
		while (missing) {
			missing = flx_bed_update(bed, &keys);
			rcu_quiescent_state();
		}
	}
	return refused;
}

static void delete_all(struct flx_bed *bed, uint32_t count)
{
	static struct flx_keys keys;

	for (uint32_t next = 0; next < count; next += FLX_BATCH) {
		flx_keys_list(&keys, next);
		flx_bed_delete(bed, &keys);
		rcu_quiescent_state();
	}
	/* The keeper takes them back meanwhile. */
	rcu_thread_offline();
	while (flx_store_deferred_bytes(bed->type) > 0)
		rte_pause();
	rcu_thread_online();
}

static void print_turns(const char *what, struct turns *turns, uint32_t refused)
{
	const double us = flx_tsc_mhz();
	uint32_t over = 0;

	qsort(turns->cycles, turns->count, sizeof(turns->cycles[0]), compare);
	while (over < turns->count && turns->cycles[turns->count - 1 - over] > LONG_TURN_US * us)
		over++;
	printf("  %-24s p50 %5.1f us, p99.99 %6.1f, worst %7.1f; %u of %u turns over %.0f us, "
	       "%u keys refused at first\n",
	       what, turns->cycles[turns->count / 2] / us,
	       turns->cycles[turns->count - 1 - turns->count / 10000] / us,
	       turns->cycles[turns->count - 1] / us, over, turns->count, LONG_TURN_US, refused);
}

/* Grows a store from nothing; then, in the first run, the same without growth. */
static int run_growth(const struct flx_ctx_conf *conf, uint32_t run, struct turns *least,
		      struct turns *turns)
{
	/* Records come in eight steps, of which the first is there. */
	const struct flx_bed_conf bed_conf = {
		.keys = conf->keys, .step = conf->keys / 8, .huge = true};
	struct flx_bed bed = {0};
	int error = flx_bed_open(&bed, &bed_conf);
	uint32_t refused;

	if (error)
		return error;
	flx_bed_pin(flx_bed_other_cpu());
	error = flx_store_start(bed.store);
	flx_bed_pin(flx_bed_worker_cpu());
	if (!error) {
		refused = make_all(&bed, turns);
		for (uint32_t t = 0; t < turns->count; t++)
			if (run == 0 || turns->cycles[t] < least->cycles[t])
				least->cycles[t] = turns->cycles[t];
		print_turns("a run that grows:", turns, refused);
		if (run == 0) {
			delete_all(&bed, conf->keys);
			refused = make_all(&bed, turns);
			print_turns("the same without growth:", turns, refused);
		}
	}
	rcu_thread_offline();
	flx_store_stop(bed.store);
	rcu_thread_online();
	flx_bed_close(&bed);
	return error;
}

int flx_ctx_growth(const struct flx_ctx_conf *conf)
{
	struct turns turns = {.count = conf->keys / FLX_BATCH}, least = turns;
	int error = 0;

	flx_bed_pin(flx_bed_worker_cpu());
	rcu_register_thread();
	turns.cycles = calloc(turns.count, sizeof(turns.cycles[0]));
	least.cycles = calloc(turns.count, sizeof(least.cycles[0]));
	if (!turns.cycles || !least.cycles)
		error = -ENOMEM;
	for (uint32_t run = 0; run < TURN_RUNS && !error; run++)
		error = run_growth(conf, run, &least, &turns);
	if (!error) {
		print_turns("least of each turn:", &least, 0);
		add(conf, "ctx.growth%s", "us, worst turn", MUST_TURN,
		    least.cycles[turns.count - 1] / flx_tsc_mhz());
	}
	free(turns.cycles);
	free(least.cycles);
	return error;
}
