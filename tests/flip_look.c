/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/flip.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <urcu-qsbr.h>

#include "context-store/view.h"

#define KEYS	       40 /* of a type, but for the one without */
#define CAPACITY       48
#define LIMIT	       96
#define TSC_HZ	       1000000000ull
#define SIZE_MAX_BYTES 256

static const struct {
	const char *name;
	uint32_t key_size, context_size, ttl_ms;
} kinds[FLIP_TYPES] = {{"plain", 8, 64, 0}, {"line", 4, 16, 0},	  {"odd", 13, 101, 0},
		       {"ttl", 8, 24, 500}, {"single", 0, 24, 0}, {"large", 40, 256, 0}};

/* Of one type, before the damage. */
struct known {
	bool there[KEYS];
	uint8_t context[KEYS][SIZE_MAX_BYTES];
};

static const char *directory;
static uint32_t node_count;
static struct known known[FLIP_TYPES];
static struct flx_view view;
static struct flx_scan scan;
static struct flx_record_copy copy;

/* ----------------------------------------------------------------------------------- the store */

static uint16_t slice_of(const void *argument, const uint8_t *key)
{
	(void)argument;
	return (uint16_t)(key[0] * 5 % FLX_INDEX_SLICES);
}

static void make_key(uint32_t t, uint32_t number, uint8_t *key)
{
	for (uint32_t i = 0; i < kinds[t].key_size; i++)
		key[i] = (uint8_t)(number * 11 + i * (t + 1));
}

static struct flx_store *open_store(struct flx_store_found *found)
{
	static const uint32_t worker_node[] = {0, 1};
	struct flx_context_type_conf types[FLIP_TYPES];
	struct flx_store_conf conf = {
		.path = directory,
		.tsc_hz = TSC_HZ,
		.start_tsc = 1,
		.worker_count = 2,
		.worker_node = node_count > 1 ? worker_node : NULL,
		.node_count = node_count,
		.numa = {-1, -1},
		.type_count = FLIP_TYPES,
		.type = types,
	};
	struct flx_store *store;

	for (uint32_t t = 0; t < FLIP_TYPES; t++)
		types[t] = (struct flx_context_type_conf){
			.name = kinds[t].name,
			.key_size = kinds[t].key_size,
			.context_size = kinds[t].context_size,
			.capacity = CAPACITY,
			.limit = LIMIT,
			.ttl_ms = kinds[t].ttl_ms,
			.slice = slice_of,
		};
	if (flx_store_open(&store, &conf))
		return NULL;
	if (flx_store_attach(store, found))
		flip_fail("the store opens, and does not attach");
	return store;
}

enum step { COMMIT, DELETE, LEAVE };

/* One operation; false: there was no room. */
static bool operate(struct flx_store *store, uint32_t t, uint32_t number, enum step step)
{
	struct flx_context_type *type = store->type[t];
	uint8_t key[FLX_RECORD_KEY_MAX] = {0};
	struct flx_record *record;
	uint32_t worker;
	uint16_t slice;
	uint8_t *context;

	make_key(t, number, key);
	slice = kinds[t].key_size ? slice_of(NULL, key) : 0;
	worker = slice % store->worker_count;
	flx_context_bind(type, worker, &slice, key, 1, &record);
	if (record && step == DELETE) {
		flx_context_delete(type, worker, slice, record);
	} else if (record) {
		context = flx_context_open(type, worker, slice, record);
		for (uint32_t i = 0; i < kinds[t].context_size; i++)
			context[i] = (uint8_t)flx_random_next(&flip_random);
		if (number < KEYS && step == COMMIT)
			memcpy(known[t].context[number], context, kinds[t].context_size);
		if (step == COMMIT)
			flx_context_commit(type, worker, record);
	}
	if (number < KEYS && step != LEAVE)
		known[t].there[number] = record && step == COMMIT;
	flx_context_settle(type, worker);
	return record != NULL;
}

/* Contexts committed once and twice, of times long ago, deleted, begun and left; free records. */
static void fill_store(struct flx_store *store)
{
	for (uint32_t t = 0; t < FLIP_TYPES; t++) {
		uint32_t keys = kinds[t].key_size ? KEYS : 1;

		for (uint32_t i = 0; i < 3 * keys; i++) {
			uint64_t tsc = i * TSC_HZ / 20;

			flx_store_turn(store, 0, tsc);
			flx_store_turn(store, 1, tsc);
			operate(store, t, flx_random_below(&flip_random, keys),
				flx_random_chance(&flip_random, 75)   ? COMMIT
				: flx_random_chance(&flip_random, 50) ? DELETE
								      : LEAVE);
			if (i % 16 == 0)
				flx_store_keep(store);
		}
		operate(store, t, 0, COMMIT);
	}
	if (flx_store_start(store)) /* saves the clock */
		flip_fail("no keeper");
	flx_store_stop(store);
}

void flip_make(const char *path, uint32_t nodes)
{
	struct flx_store_found found;
	struct flx_store *store;

	directory = path;
	node_count = nodes;
	memset(known, 0, sizeof(known));
	store = open_store(&found);
	if (!store)
		flip_fail("no store");
	fill_store(store);
	flx_store_close(store);
}

/* ---------------------------------------------------------------------------------- what comes of it */

/* How many known contexts of @t are not there any more; others must not be, nor be changed. */
static uint64_t count_missing(struct flx_context_type *type, uint32_t t)
{
	uint64_t missing = 0;

	for (uint32_t number = 0; number < (kinds[t].key_size ? KEYS : 1); number++) {
		uint8_t key[FLX_RECORD_KEY_MAX] = {0};
		bool there;

		make_key(t, number, key);
		there = flx_context_get(type, key, 0, &copy);
		if (there && !known[t].there[number])
			flip_fail("'%s' key %u: there again", kinds[t].name, number);
		if (there &&
		    memcmp(copy.context, known[t].context[number], kinds[t].context_size) != 0)
			flip_fail("'%s' key %u: changed", kinds[t].name, number);
		missing += !there && known[t].there[number];
	}
	return missing;
}

static uint64_t count_all_missing(struct flx_store *store)
{
	uint64_t missing = 0;

	for (uint32_t t = 0; t < FLIP_TYPES; t++)
		missing += count_missing(store->type[t], t);
	return missing;
}

/* Readers without an index count the same. */
static void check_scan(struct flx_store *store, const struct flx_store_found *found)
{
	uint64_t contexts = 0, damaged = 0;

	for (uint32_t t = 0; t < FLIP_TYPES; t++) {
		struct flx_scan_source records;

		flx_store_source(store->type[t], &records);
		flx_scan_init(&scan, &records, 0);
		while (flx_scan_next(&scan))
			contexts++;
		damaged += scan.damaged;
	}
	if (contexts != found->contexts || damaged != found->damaged)
		flip_fail("%" PRIu64 " contexts and %" PRIu64 " damaged by scan, %" PRIu64
			  " and %" PRIu64 " by attach",
			  contexts, damaged, found->contexts, found->damaged);
}

/* However the clock was found: nothing was committed after it. */
static void check_clock(struct flx_store *store)
{
	for (uint32_t t = 0; t < FLIP_TYPES; t++) {
		struct flx_scan_source records;

		flx_store_source(store->type[t], &records);
		flx_scan_init(&scan, &records, 0);
		while (flx_scan_next(&scan))
			if (flx_clock_age(store->start_tick, scan.copy.stamp))
				flip_fail("'%s': the clock is %u, a stamp %u", kinds[t].name,
					  store->start_tick, scan.copy.stamp);
	}
}

/* New keys until there is no room, in every type. */
static void use_store(struct flx_store *store)
{
	for (uint32_t t = 0; t < FLIP_TYPES; t++)
		for (uint32_t i = 0; kinds[t].key_size && i < LIMIT + KEYS; i++) {
			operate(store, t, KEYS + i % (LIMIT - KEYS), i % 5 ? COMMIT : DELETE);
			if (i % 32 == 0)
				flx_store_keep(store);
		}
}

enum flip_outcome flip_look(void)
{
	struct flx_store_found found;
	struct flx_store *store = open_store(&found);
	uint64_t missing;

	if (!store)
		return FLIP_REFUSED;
	rcu_register_thread();
	missing = count_all_missing(store);
	if (missing > found.damaged)
		flip_fail("%" PRIu64 " contexts missing, %" PRIu64 " damaged", missing,
			  found.damaged);
	check_scan(store, &found);
	check_clock(store);
	rcu_thread_offline();
	use_store(store);
	rcu_thread_online();
	if (count_all_missing(store) != missing)
		flip_fail("%" PRIu64 " contexts missing at first, then %" PRIu64, missing,
			  count_all_missing(store));
	rcu_unregister_thread();
	flx_store_close(store);
	return found.damaged ? FLIP_QUARANTINED : FLIP_HARMLESS;
}

int64_t flip_view(void)
{
	int64_t damaged = 0;

	if (flx_view_open(&view, directory))
		return -1;
	for (uint32_t t = 0; t < view.type_count; t++) {
		flx_scan_init(&scan, &view.source[t], 0);
		while (flx_scan_next(&scan))
			;
		damaged += (int64_t)scan.damaged;
	}
	flx_view_close(&view);
	return damaged;
}
