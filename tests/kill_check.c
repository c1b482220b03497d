/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/kill.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <urcu-qsbr.h>

#include "context-store/view.h"

/* Before the first stamp of all, so that nothing is over: what is there is to be seen. */
#define NEVER_OVER 0
/* Rounds of settling and reclaiming after which a type that refuses is full. */
#define FILL_ROUNDS 3

static struct flx_view view;
static struct flx_scan scan;
static struct flx_record_copy copy;
static uint64_t seen[KILL_KEYS]; /* version by key; 0: not there */

/* Contexts of @source, each whole, of a key of the load, and there once; versions in seen. */
static uint64_t scan_type(uint32_t t, const struct flx_scan_source *source)
{
	uint8_t key[FLX_RECORD_KEY_MAX];
	uint64_t count = 0;

	memset(seen, 0, sizeof(seen));
	flx_scan_init(&scan, source, NEVER_OVER);
	for (; flx_scan_next(&scan); count++) {
		uint32_t number = t == KILL_SINGLE ? 0 : kill_key_number(scan.copy.key);
		uint64_t version;

		if (number >= KILL_KEYS) {
			kill_fail("'%s': a context of key %u", source->name, number);
			continue;
		}
		kill_make_key(t, number, key);
		version = kill_image_version(t, number, scan.copy.context,
					     source->layout->context_size);
		if (memcmp(key, scan.copy.key, source->layout->key_size) != 0)
			kill_fail("'%s' key %u: not whole", source->name, number);
		if (version == 0 || version == UINT64_MAX)
			kill_fail("'%s' key %u: mixed", source->name, number);
		if (seen[number])
			kill_fail("'%s' key %u: twice", source->name, number);
		seen[number] = version;
	}
	if (scan.damaged)
		kill_fail("'%s': %llu damaged", source->name, (unsigned long long)scan.damaged);
	return count;
}

/* What seen[@number] may be after what was told and begun; then that is what was told. */
static void check_key(uint32_t t, const char *name, uint32_t number)
{
	struct kill_key *key = &kill_shared->key[t][number];
	uint64_t told = atomic_load(&key->told), begun = atomic_load(&key->begun);
	uint64_t version = seen[number];
	bool may_be_told = version ? version == told / KILL_VERSION && !(told & KILL_DELETES)
				   : told == 0 || told & KILL_DELETES;
	bool may_be_begun = version ? version == begun / KILL_VERSION && !(begun & KILL_DELETES)
				    : begun & KILL_DELETES;

	if (!may_be_told && !may_be_begun && !(version == 0 && (t == KILL_TTL || t == KILL_EVICT)))
		kill_fail("'%s' key %u: found version %llu, told %llu%s, begun %llu%s", name,
			  number, (unsigned long long)version,
			  (unsigned long long)told / KILL_VERSION,
			  told & KILL_DELETES ? " deletes" : "",
			  (unsigned long long)begun / KILL_VERSION,
			  begun & KILL_DELETES ? " deletes" : "");
	/* The next number is above both. */
	told = begun / KILL_VERSION * KILL_VERSION;
	if (version == 0 && told)
		told |= KILL_DELETES;
	else if (version)
		told = version * KILL_VERSION;
	atomic_store(&key->told, told);
	atomic_store(&key->begun, told);
}

/* The index has what the scan has. */
static void check_get(struct flx_context_type *type, uint32_t t)
{
	uint8_t key[FLX_RECORD_KEY_MAX];

	for (uint32_t number = 0; number < (t == KILL_SINGLE ? 1 : KILL_KEYS); number++) {
		uint64_t version = 0;

		kill_make_key(t, number, key);
		if (flx_context_get(type, key, NEVER_OVER, &copy))
			version = kill_image_version(t, number, copy.context,
						     type->layout.context_size);
		if (version != seen[number])
			kill_fail("'%s' key %u: version %llu by key, %llu by scan", type->name,
				  number, (unsigned long long)version,
				  (unsigned long long)seen[number]);
	}
}

static void settle_all(struct flx_store *store, struct flx_context_type *type)
{
	for (uint32_t w = 0; w < store->worker_count; w++) {
		flx_store_turn(store, w, store->start_tsc);
		flx_context_settle(type, w);
	}
	rcu_thread_offline();
	flx_store_keep(store);
	rcu_thread_online();
}

/* New contexts until there is no room: each record is somebody's, and nobody's twice. */
static void fill_type(struct flx_store *store, uint32_t t)
{
	struct flx_context_type *type = store->type[t];
	uint8_t key[FLX_RECORD_KEY_MAX];
	uint64_t count = 0;

	for (uint32_t number = KILL_KEYS, misses = 0; misses < FILL_ROUNDS;) {
		uint16_t slice = kill_slice(number);
		uint32_t worker = slice % store->worker_count;
		struct flx_record *record;

		kill_make_key(t, number, key);
		flx_context_bind(type, worker, &slice, key, 1, &record);
		if (record) {
			flx_context_open(type, worker, slice, record);
			flx_context_commit(type, worker, record);
			flx_context_settle(type, worker);
			number++;
			misses = 0;
			continue;
		}
		misses++;
		settle_all(store, type);
	}
	for (uint32_t n = 0; n < type->slab.node_count; n++)
		count += type->slab.pool[n].end - type->slab.pool[n].first;
	if (flx_context_count(type) != count || count < type->limit)
		kill_fail("'%s': full with %llu contexts of %u", type->name,
			  (unsigned long long)flx_context_count(type), type->limit);
	for (uint32_t number = 0; number < KILL_KEYS; number++) {
		kill_make_key(t, number, key);
		if (seen[number] && (!flx_context_get(type, key, NEVER_OVER, &copy) ||
				     kill_image_version(t, number, copy.context,
							type->layout.context_size) != seen[number]))
			kill_fail("'%s' key %u: gone or another's when full", type->name, number);
	}
}

static void check_type(struct flx_store *store, uint32_t t)
{
	struct flx_context_type *type = store->type[t];
	struct flx_scan_source source;
	uint64_t count;

	flx_store_source(type, &source);
	count = scan_type(t, &source);
	if (count != flx_context_count(type))
		kill_fail("'%s': %llu contexts by index, %llu by scan", type->name,
			  (unsigned long long)flx_context_count(type), (unsigned long long)count);
	check_get(type, t);
	for (uint32_t number = 0; number < KILL_KEYS; number++)
		check_key(t, type->name, number);
	if (kill_shared->plan.fill && t != KILL_SINGLE)
		fill_type(store, t);
}

/* What a reader sees before anybody has opened the store; contexts, but for those that expire. */
static uint64_t count_viewed(void)
{
	uint64_t count = 0;
	char path[96];

	snprintf(path, sizeof(path), "%s/node0", kill_shared->plan.path);
	if (access(path, F_OK) != 0)
		return 0; /* killed before there was a store */
	if (flx_view_open(&view, kill_shared->plan.path)) {
		kill_fail("no view");
		return 0;
	}
	for (uint32_t t = 0; t < KILL_TYPES; t++)
		if (t != KILL_TTL)
			count += scan_type(t, &view.source[t]);
	flx_view_close(&view);
	return count;
}

void kill_check(void)
{
	struct flx_context_type_conf types[KILL_TYPES];
	uint32_t workers = kill_shared->plan.check_workers, worker_node[KILL_WORKERS];
	struct flx_store_conf conf = kill_conf(workers, types, worker_node);
	uint64_t viewed = count_viewed();
	struct flx_store_found found;
	struct flx_store *store;

	rcu_register_thread();
	if (flx_store_open(&store, &conf)) {
		kill_fail("the store does not open again");
		return;
	}
	if (flx_store_attach(store, &found)) {
		kill_fail("the store does not attach again");
		return;
	}
	if (found.damaged)
		kill_fail("%llu damaged by attach", (unsigned long long)found.damaged);
	if (found.contexts - flx_context_count(store->type[KILL_TTL]) != viewed)
		kill_fail("%llu contexts viewed, %llu found, %llu of them of 'ttl'",
			  (unsigned long long)viewed, (unsigned long long)found.contexts,
			  (unsigned long long)flx_context_count(store->type[KILL_TTL]));
	for (uint32_t t = 0; t < KILL_TYPES; t++)
		check_type(store, t);
	atomic_store(&kill_shared->found, found.contexts);
	rcu_thread_offline();
	flx_store_close(store);
	rcu_unregister_thread();
}
