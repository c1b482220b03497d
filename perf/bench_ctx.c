/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench_ctx - cycles per message of bind, open, increment, commit and settle, on one core.
 *
 *	bench_ctx [KEYS CONTEXT_SIZE [KEY_SIZE [RUNS]]]
 *
 * Without arguments it prints the rows below, of 5 runs each. Keys are drawn uniformly, in batches
 * of FLX_BATCH; drawing is not timed, the clock reads are (under 1 cycle per message). Each row:
 * what it took to make the keys and the worst batch of that, in which tables grew (or the bench was
 * preempted); then the median, least and most of RUNS runs of 4 M messages. Pin it: `taskset -c 1`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <rte_cycles.h>

#include "context-store/store.h"

#define MESSAGES_PER_RUN (4u << 20)
#define RUNS_MAX	 99

struct batch {
	uint16_t slices[FLX_BATCH];
	uint8_t keys[FLX_BATCH * 40];
	struct flx_record *records[FLX_BATCH];
};

/* splitmix64 (Vigna, 2015), also to spread key numbers: a bijection, so keys differ. */
static uint64_t mix(uint64_t value)
{
	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
	value = (value ^ value >> 27) * 0x94d049bb133111eb;
	return value ^ value >> 31;
}

static void set_key(struct batch *batch, uint32_t i, uint32_t key_size, uint64_t number)
{
	uint64_t spread = mix(number + 1);
	uint8_t *key = batch->keys + (size_t)i * key_size;

	memset(key, 0, key_size);
	if (key_size < sizeof(spread))
		memcpy(key, &number, key_size); /* a bijection of 64 bits is none of 32 */
	else
		memcpy(key, &spread, sizeof(spread));
	batch->slices[i] = (uint16_t)(spread >> 40 & (FLX_INDEX_SLICES - 1));
}

/* The worker's cycle, timed; failed binds are the bench's fault and end it. */
static uint64_t run_batch(struct flx_context_type *type, struct batch *batch)
{
	uint64_t start = rte_rdtsc();

	type->turn[0].growth_left = FLX_INDEX_BUDGET;
	flx_context_bind(type, 0, batch->slices, batch->keys, FLX_BATCH, batch->records);
	for (uint32_t i = 0; i < FLX_BATCH; i++) {
		uint64_t *counter;

		FLX_VERIFY(batch->records[i]);
		counter = flx_context_open(type, 0, batch->slices[i], batch->records[i]);
		++*counter;
		flx_context_commit(type, 0, batch->records[i]);
	}
	flx_context_settle(type, 0);
	return rte_rdtsc() - start;
}

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return left < right ? -1 : left > right;
}

/* Of the TSC; without EAL nobody else has measured it. */
static double cycles_per_us(void)
{
	const struct timespec pause = {.tv_nsec = 50000000};
	struct timespec begin, end;
	uint64_t start = rte_rdtsc();

	clock_gettime(CLOCK_MONOTONIC, &begin);
	nanosleep(&pause, NULL);
	clock_gettime(CLOCK_MONOTONIC, &end);
	return (double)(rte_rdtsc() - start) / ((double)(end.tv_sec - begin.tv_sec) * 1e6 +
						(double)(end.tv_nsec - begin.tv_nsec) / 1e3);
}

static void make_keys(struct flx_context_type *type, struct batch *batch, uint32_t keys)
{
	uint64_t total = 0, worst = 0;

	for (uint32_t next = 0; next < keys; next += FLX_BATCH) {
		uint64_t spent;

		for (uint32_t i = 0; i < FLX_BATCH; i++)
			set_key(batch, i, type->layout.key_size, next + i);
		spent = run_batch(type, batch);
		total += spent;
		worst = spent > worst ? spent : worst;
	}
	printf("made in %5.1f each, worst batch %4.0f us; ", (double)total / keys,
	       (double)worst / cycles_per_us());
}

static double run(struct flx_context_type *type, struct batch *batch, uint32_t keys)
{
	static uint64_t state = 1;
	uint64_t spent = 0;

	for (uint32_t done = 0; done < MESSAGES_PER_RUN; done += FLX_BATCH) {
		for (uint32_t i = 0; i < FLX_BATCH; i++)
			set_key(batch, i, type->layout.key_size,
				mix(++state * 0x9e3779b97f4a7c15) % keys);
		spent += run_batch(type, batch);
	}
	return (double)spent / MESSAGES_PER_RUN;
}

static int bench(uint32_t keys, uint32_t context_size, uint32_t key_size, uint32_t runs)
{
	struct flx_context_type_conf conf = {
		.name = "bench",
		.key_size = key_size,
		.context_size = context_size,
		.capacity = keys + FLX_BATCH,
	};
	struct flx_store_conf store_conf = {
		.huge = true,
		.tsc_hz = 1000000000,
		.worker_count = 1,
		.type_count = 1,
		.type = &conf,
	};
	struct flx_context_type *type;
	struct flx_store *store;
	static struct batch batch;
	double cycles[RUNS_MAX];

	if (flx_store_open(&store, &store_conf))
		return EXIT_FAILURE;
	type = store->type[0];
	printf("%9u keys of %2u bytes, context %4u: ", keys, key_size, context_size);
	make_keys(type, &batch, keys);
	for (uint32_t i = 0; i < runs; i++)
		cycles[i] = run(type, &batch, keys);
	qsort(cycles, runs, sizeof(cycles[0]), compare);
	printf("median %6.1f (%6.1f .. %6.1f) cycles\n", cycles[runs / 2], cycles[0],
	       cycles[runs - 1]);
	flx_store_close(store);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static const struct {
		uint32_t keys, context_size, key_size;
	} rows[] = {
		{1000, 8, 4},	{1000, 8, 8},	 {1000, 8, 12},	   {1000, 64, 8},
		{65536, 64, 8}, {1000000, 8, 8}, {1000000, 64, 8}, {10000000, 64, 8},
	};
	uint32_t runs = argc > 4 ? (uint32_t)atoi(argv[4]) : 5;

	if (argc > 2)
		return bench((uint32_t)atoi(argv[1]), (uint32_t)atoi(argv[2]),
			     argc > 3 ? (uint32_t)atoi(argv[3]) : 8,
			     runs < RUNS_MAX ? runs : RUNS_MAX);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (bench(rows[i].keys, rows[i].context_size, rows[i].key_size, runs))
			return EXIT_FAILURE;
	return EXIT_SUCCESS;
}
