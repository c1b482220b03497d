/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/kill.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <urcu-qsbr.h>

#include "tests/random.h"

#define BATCH_MAX 32

void kill_fail(const char *format, ...)
{
	va_list list;

	if (atomic_exchange(&kill_shared->failed, true))
		return;
	va_start(list, format);
	vsnprintf(kill_shared->failure, sizeof(kill_shared->failure), format, list);
	va_end(list);
}

/* --------------------------------------------------------------------------------- keys and images */

/* Of version v a context has size_bytes + 8 * (v % 3), so that an upgrade moves everything. */
static const struct {
	const char *name;
	uint32_t key_size, size_bytes, capacity, ttl_ms;
	bool evict;
} kinds[KILL_TYPES] = {
	[KILL_PLAIN] = {"plain", 8, 64, 150, 0, false},
	[KILL_SMALL] = {"small", 12, 16, 700, 0, false},
	[KILL_BIG] = {"big", 20, 1001, 64, 0, false},
	[KILL_TTL] = {"ttl", 8, 43, 200, 40, false},
	[KILL_EVICT] = {"evict", 4, 24, 300, 0, true},
	[KILL_SINGLE] = {"single", 0, 48, 1, 0, false},
};

static uint64_t mixed(uint64_t value)
{
	return flx_random_next(&(struct flx_random){value});
}

void kill_make_key(uint32_t type, uint32_t number, uint8_t *key)
{
	for (uint32_t i = 0; i < kinds[type].key_size; i++)
		key[i] = (uint8_t)(i < 4 ? number >> 8 * i : number * 7 + i + type);
}

uint32_t kill_key_number(const uint8_t *key)
{
	uint32_t number;

	memcpy(&number, key, sizeof(number));
	return number;
}

uint16_t kill_slice(uint32_t number)
{
	return (uint16_t)(mixed(number) % kill_shared->plan.slices);
}

static uint16_t slice_of(const void *argument, const uint8_t *key)
{
	(void)argument;
	return kill_slice(kill_key_number(key));
}

/* The first word names both. */
#define NUMBER_BITS 20

void kill_make_image(uint32_t type, uint32_t number, uint64_t version, uint8_t *image,
		     uint32_t size)
{
	uint64_t word = version << NUMBER_BITS | number;

	for (uint32_t at = 0; at < size; at += 8) {
		uint32_t rest = size - at;

		memcpy(image + at, &word, rest < 8 ? rest : 8);
		word = mixed(word ^ (uint64_t)type << 56);
	}
}

static uint64_t image_version(uint32_t type, uint32_t *number, const uint8_t *image, uint32_t size)
{
	uint8_t expected[FLX_RECORD_CONTEXT_MAX] = {0};
	uint64_t word;

	memcpy(&word, image, sizeof(word));
	*number = word & ((1u << NUMBER_BITS) - 1);
	if (word)
		kill_make_image(type, *number, word >> NUMBER_BITS, expected, size);
	return memcmp(image, expected, size) == 0 ? word >> NUMBER_BITS : UINT64_MAX;
}

uint64_t kill_image_version(uint32_t type, uint32_t number, const uint8_t *image, uint32_t size)
{
	uint32_t found;
	uint64_t version = image_version(type, &found, image, size);

	return version == 0 || found == number ? version : UINT64_MAX;
}

/* ---------------------------------------------------------------------------------------- the store */

static uint32_t size_of(uint32_t type, uint32_t version)
{
	return kinds[type].size_bytes + 8 * (version % 3);
}

static int upgrade(uint32_t type, uint32_t version, const void *old, uint32_t old_size,
		   void *context)
{
	uint32_t number;
	uint64_t operation = image_version(type, &number, old, old_size);

	if (old_size != size_of(type, version) || operation == 0 || operation == UINT64_MAX)
		kill_fail("'%s': a context of version %u to upgrade is no whole one",
			  kinds[type].name, version);
	kill_make_image(type, number, operation, context,
			size_of(type, kill_shared->plan.version[type]));
	return 0;
}

#define UPGRADE(type)                                                                              \
	static int upgrade_##type(uint32_t version, const void *old, uint32_t size, void *context) \
	{                                                                                          \
		return upgrade(type, version, old, size, context);                                 \
	}
UPGRADE(KILL_PLAIN)
UPGRADE(KILL_SMALL)
UPGRADE(KILL_BIG)
UPGRADE(KILL_TTL)
UPGRADE(KILL_EVICT)
UPGRADE(KILL_SINGLE)

struct flx_store_conf kill_conf(uint32_t workers, struct flx_context_type_conf *types,
				uint32_t *worker_node)
{
	static int (*const upgrades[])(uint32_t, const void *, uint32_t, void *) = {
		upgrade_KILL_PLAIN, upgrade_KILL_SMALL, upgrade_KILL_BIG,
		upgrade_KILL_TTL,   upgrade_KILL_EVICT, upgrade_KILL_SINGLE,
	};
	const struct kill_plan *plan = &kill_shared->plan;

	for (uint32_t t = 0; t < KILL_TYPES; t++)
		types[t] = (struct flx_context_type_conf){
			.name = kinds[t].name,
			.version = plan->version[t],
			.key_size = kinds[t].key_size,
			.context_size = size_of(t, plan->version[t]),
			.capacity = kinds[t].capacity,
			.limit = plan->limit[t],
			.ttl_ms = kinds[t].ttl_ms,
			.evict = kinds[t].evict,
			.upgrade = upgrades[t],
			.slice = slice_of,
		};
	for (uint32_t w = 0; w < workers; w++)
		worker_node[w] = w % plan->nodes;
	return (struct flx_store_conf){
		.path = plan->path,
		.tsc_hz = kill_shared->tsc_hz,
		.start_tsc = rte_rdtsc(),
		.worker_count = workers,
		.worker_node = worker_node,
		.node_count = plan->nodes,
		.numa = {-1, -1},
		.type_count = KILL_TYPES,
		.type = types,
	};
}

/* ----------------------------------------------------------------------------------------- the load */

struct loader {
	struct flx_store *store;
	uint32_t worker;
	struct flx_random random;
	_Atomic uint8_t flag[FLX_INDEX_SLICES]; /* 0: the worker's own */
};

/* A key in one of the worker's slices. */
static uint32_t choose_key(struct loader *loader, uint32_t type)
{
	uint32_t number;

	do {
		/* Half of the time one of a few, so that many operations meet on a key. */
		number = flx_random_below(&loader->random,
					  flx_random_chance(&loader->random, 50) ? 64 : KILL_KEYS);
	} while (loader->flag[kill_slice(number)]);
	return type == KILL_SINGLE ? 0 : number;
}

static bool may_go(uint32_t type)
{
	return type == KILL_TTL || type == KILL_EVICT;
}

static void expect_last(uint32_t type, uint32_t number, const uint8_t *context, uint32_t size)
{
	uint64_t told = atomic_load(&kill_shared->key[type][number].told);
	uint64_t version = kill_image_version(type, number, context, size);
	bool is_last = version == told / KILL_VERSION && !(told & KILL_DELETES);

	if (is_last || (version == 0 && (told & KILL_DELETES || may_go(type))))
		return;
	kill_fail("'%s' key %u: opened version %lld, told %llu%s", kinds[type].name, number,
		  (long long)version, (unsigned long long)told / KILL_VERSION,
		  told & KILL_DELETES ? " deleted" : "");
}

/* Commits, deletes, or leaves it at a start. */
static void operate(struct loader *loader, uint32_t t, uint32_t number, struct flx_record *record)
{
	struct flx_context_type *type = loader->store->type[t];
	struct kill_key *key = &kill_shared->key[t][number];
	uint64_t begun = atomic_load(&key->told) / KILL_VERSION * KILL_VERSION + KILL_VERSION;
	uint16_t slice = t == KILL_SINGLE ? 0 : kill_slice(number);
	uint32_t size = type->layout.context_size;
	uint8_t *context = flx_context_open(type, loader->worker, slice, record);

	expect_last(t, number, context, size);
	if (flx_random_chance(&loader->random, 10)) {
		memset(context, (int)begun, flx_random_below(&loader->random, size));
		return;
	}
	if (flx_record_live(record) &&
	    flx_random_chance(&loader->random, kill_shared->plan.deletes_pct)) {
		begun |= KILL_DELETES;
		atomic_store(&key->begun, begun);
		flx_context_delete(type, loader->worker, slice, record);
	} else {
		atomic_store(&key->begun, begun);
		kill_make_image(t, number, begun / KILL_VERSION, context, size);
		flx_context_commit(type, loader->worker, record);
	}
	atomic_store(&key->told, begun);
}

static void load_batch(struct loader *loader, uint32_t t)
{
	struct flx_context_type *type = loader->store->type[t];
	uint32_t count = flx_random_between(&loader->random, 1, BATCH_MAX);
	uint8_t keys[BATCH_MAX * FLX_RECORD_KEY_MAX];
	struct flx_record *records[BATCH_MAX];
	uint32_t numbers[BATCH_MAX];
	uint16_t slices[BATCH_MAX];

	for (uint32_t i = 0; i < count; i++) {
		numbers[i] = choose_key(loader, t);
		slices[i] = t == KILL_SINGLE ? 0 : kill_slice(numbers[i]);
		kill_make_key(t, numbers[i], keys + i * kinds[t].key_size);
	}
	flx_context_bind(type, loader->worker, slices, keys, count, records);
	for (uint32_t i = 0; i < count; i++)
		if (records[i])
			operate(loader, t, numbers[i], records[i]);
	flx_context_settle(type, loader->worker);
	atomic_fetch_add_explicit(&kill_shared->operations, count, memory_order_relaxed);
}

static void *load(void *argument)
{
	struct loader *loader = argument;
	struct flx_store *store = loader->store;

	rcu_register_thread();
	while (!atomic_load_explicit(&kill_shared->failed, memory_order_relaxed)) {
		uint32_t t = flx_random_below(&loader->random, KILL_TYPES);
		uint64_t tsc = rte_rdtsc();

		flx_store_turn(store, loader->worker, tsc);
		if (t != KILL_SINGLE || loader->worker == 0)
			load_batch(loader, t);
		flx_sweep_turn(store->type[KILL_TTL], loader->worker, loader->flag, tsc,
			       kill_shared->tsc_hz);
		flx_sweep_turn(store->type[KILL_EVICT], loader->worker, loader->flag, tsc,
			       kill_shared->tsc_hz);
		rcu_quiescent_state();
	}
	_exit(EXIT_FAILURE);
}

static uint64_t count_ready(const struct flx_store *store)
{
	uint64_t ready = 0;

	for (uint32_t t = 0; t < KILL_TYPES; t++)
		for (uint32_t n = 0; n < store->type[t]->slab.node_count; n++)
			ready += store->type[t]->slab.pool[n].ready -
				 store->type[t]->slab.pool[n].first;
	return ready;
}

void kill_load(uint64_t seed)
{
	static struct loader loaders[KILL_WORKERS];
	struct flx_context_type_conf types[KILL_TYPES];
	uint32_t workers = kill_shared->plan.workers, worker_node[KILL_WORKERS];
	struct flx_store_conf conf = kill_conf(workers, types, worker_node);
	struct flx_store_found found;
	struct flx_store *store;
	pthread_t thread;

	if (flx_store_open(&store, &conf)) {
		kill_fail("the store does not open");
		_exit(EXIT_FAILURE);
	}
	atomic_store(&kill_shared->phase, KILL_ATTACHES);
	if (flx_store_attach(store, &found) || flx_store_start(store)) {
		kill_fail("the store does not attach");
		_exit(EXIT_FAILURE);
	}
	atomic_store(&kill_shared->phase, KILL_LOADS);
	for (uint32_t w = 0; w < workers; w++) {
		loaders[w] = (struct loader){.store = store, .worker = w, .random = {seed + w}};
		for (uint32_t s = 0; s < FLX_INDEX_SLICES; s++)
			loaders[w].flag[s] = s % workers != w;
		if (pthread_create(&thread, NULL, load, &loaders[w])) {
			kill_fail("no thread");
			_exit(EXIT_FAILURE);
		}
	}
	for (uint64_t ready = count_ready(store);; usleep(1000))
		if (count_ready(store) != ready) {
			ready = count_ready(store);
			atomic_fetch_add(&kill_shared->grown, 1);
		}
}
