/* SPDX-License-Identifier: BSD-3-Clause */
#include "context-store/store.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "context-store/attach.h"
#include "context-store/siphash.h"
#include "context-store/type.h"
#include "context-store/upgrade.h"
#include "context-store/view.h"

uint64_t flx_store_layout(void)
{
	const uint64_t zero[2] = {0, 0};
	const uint32_t facts[] = {
		1, /* of what this list does not say */
		0x01020304,
		FLX_RECORD_KEY_OFFSET,
		offsetof(struct flx_record, hash),
		offsetof(struct flx_record, stamp),
		FLX_RECORD_LIVE,
		FLX_RECORD_FIRST,
		FLX_TICKS_PER_SECOND,
		FLX_CACHE_LINE,
	};

	return flx_siphash13(zero, (const uint8_t *)facts, sizeof(facts));
}

/* ------------------------------------------------------------------------------------- the clock */

static int start_clock(struct flx_store *store, const struct flx_store_conf *conf)
{
	int error = 0;

	store->start_tsc = conf->start_tsc;
	store->tick_tsc = conf->tsc_hz / FLX_TICKS_PER_SECOND;
	if (store->tick_tsc == 0)
		store->tick_tsc = 1;
	if (store->persists && !store->is_new)
		error = flx_view_now(&store->files.now, conf->path, &store->start_tick);
	store->grow_again_tick = store->start_tick;
	return error;
}

/* ---------------------------------------------------------------------------------------- opening */

static int report_no_memory(void)
{
	flx_error("the context store: no memory; give the machine more of it");
	return -ENOMEM;
}

static struct flx_schema wanted_schema(const struct flx_store *store,
				       const struct flx_store_conf *conf,
				       struct flx_schema_type *types)
{
	for (uint32_t t = 0; t < store->type_count; t++) {
		const struct flx_context_type *type = store->type[t];
		bool keyed = type->layout.key_size > 0;

		types[t] = (struct flx_schema_type){
			.version = type->version,
			.key_size = type->layout.key_size,
			.context_size = type->layout.context_size,
			.stride_bytes = type->layout.stride_bytes,
			.upgrades = conf->type[t].upgrade != NULL,
		};
		memcpy(types[t].name, type->name, sizeof(types[t].name));
		for (uint32_t n = 0; n < store->node_count; n++)
			types[t].limit[n] = keyed ? flx_type_share(type->limit, store->node_count)
					    : n	  ? 0
						  : 1;
	}
	return (struct flx_schema){
		.node_count = store->node_count, .type_count = store->type_count, .type = types};
}

/* The hash of @set is that of the store and its types. */
static void take_seed(struct flx_store *store, const struct flx_file_set *set)
{
	memcpy(store->seed, set->node[0].header->seed, sizeof(store->seed));
	for (uint32_t t = 0; t < store->type_count; t++)
		memcpy(store->type[t]->seed, store->seed, sizeof(store->seed));
}

/* Index in @set of each type of @store. */
static void number_types(struct flx_store *store, const struct flx_file_set *set)
{
	for (uint32_t t = 0; t < store->type_count; t++)
		store->file_type[t] = flx_files_type(set, store->type[t]->name);
}

static int report_map(const struct flx_store *store, const struct flx_context_type *type, int error)
{
	if (error == -EBADMSG)
		return flx_type_refuse_single(store->files.dir.path, type->name);
	flx_error(
		"contexts of '%s' (%u of %u bytes, key %u): %s; lower the capacity or the size, or "
		"give the machine more memory",
		type->name, type->capacity, type->layout.context_size, type->layout.key_size,
		strerror(-error));
	return error;
}

/* None begins before all are there. */
static int map_types(struct flx_store *store, struct flx_file_set *set)
{
	for (uint32_t t = 0; t < store->type_count; t++) {
		int error = flx_type_map(store->type[t], &store->shape, set,
					 set ? (uint32_t)store->file_type[t] : 0);

		if (error)
			return report_map(store, store->type[t], error);
	}
	for (uint32_t t = 0; t < store->type_count; t++)
		flx_type_begin(store->type[t]);
	return 0;
}

/* New files, with what the old ones hold, if any; then they are the store. */
static int make_files(struct flx_store *store, const struct flx_store_conf *conf,
		      const struct flx_schema *schema)
{
	struct flx_file_set next;
	int error = flx_files_make(&store->files, schema, &next);

	if (error)
		return error;
	take_seed(store, &next);
	number_types(store, &next);
	error = map_types(store, &next);
	if (!error && !store->is_new)
		error = flx_upgrade(store, conf);
	else if (!error && conf->restore)
		error = flx_restore(store, conf, schema);
	if (error) {
		flx_files_drop(&store->files, &next);
	} else {
		/* Or stamps would lie ahead, should the process end before its keeper begins. */
		flx_file_clock_set(&next.node[0], FLX_FILE_TICK, store->start_tick);
		flx_file_clock_set(&next.node[0], FLX_FILE_WALL, (uint32_t)time(NULL));
		error = flx_files_commit(&store->files, &next);
	}
	if (error)
		return error;
	for (uint32_t t = 0; t < store->type_count; t++)
		store->type[t]->files = &store->files.now;
	return 0;
}

static int open_files(struct flx_store *store, const struct flx_store_conf *conf)
{
	struct flx_schema_type *types = calloc(2 * FLX_STORE_TYPES_MAX, sizeof(*types));
	struct flx_schema wanted, found;
	char why[256];
	int error;

	if (!types)
		return report_no_memory();
	error = flx_files_run(&store->files, conf->path, flx_store_layout());
	if (error)
		goto err_files;
	store->persists = true;
	store->is_new = store->files.now.node_count == 0;
	if (!store->is_new && conf->restore && conf->restore->only) {
		flx_error("%s: has a store already; give a directory that has none", conf->path);
		error = -EEXIST;
		goto err_files;
	}
	error = start_clock(store, conf);
	if (error)
		goto err_files;
	wanted = wanted_schema(store, conf, types);
	if (store->is_new) {
		error = make_files(store, conf, &wanted);
		goto err_files;
	}
	found = flx_files_schema(&store->files, types + FLX_STORE_TYPES_MAX);
	switch (flx_schema_compare(&wanted, &found, why, sizeof(why))) {
	case FLX_SCHEMA_SAME:
		take_seed(store, &store->files.now);
		number_types(store, &store->files.now);
		error = map_types(store, &store->files.now);
		break;
	case FLX_SCHEMA_UPGRADE:
		flx_note("--store %s: %s; copying its contexts", conf->path, why);
		error = make_files(store, conf, &wanted);
		break;
	case FLX_SCHEMA_REFUSED:
		flx_error("--store %s: %s", conf->path, why);
		error = -EINVAL;
	}
err_files:
	free(types);
	return error;
}

/* In memory of the process. */
static int open_memory(struct flx_store *store, const struct flx_store_conf *conf)
{
	struct flx_schema_type *types;
	struct flx_schema wanted;
	int error;

	store->is_new = true;
	error = start_clock(store, conf);
	if (!error)
		error = map_types(store, NULL);
	if (error || !conf->restore)
		return error;
	types = calloc(FLX_STORE_TYPES_MAX, sizeof(*types));
	if (!types)
		return report_no_memory();
	wanted = wanted_schema(store, conf, types);
	error = flx_restore(store, conf, &wanted);
	free(types);
	return error;
}

static bool is_twice(const struct flx_store_conf *conf, uint32_t t)
{
	for (uint32_t other = 0; other < t; other++)
		if (strcmp(conf->type[other].name, conf->type[t].name) == 0)
			return true;
	return false;
}

static int make_types(struct flx_store *store, const struct flx_store_conf *conf)
{
	for (uint32_t t = 0; t < conf->type_count; t++) {
		int error;

		if (is_twice(conf, t)) {
			flx_error("contexts of '%s': two groups have this name; rename the tag or "
				  "the fluxion of one",
				  conf->type[t].name);
			return -EINVAL;
		}
		error = flx_type_alloc(&store->type[t], &conf->type[t], &store->shape);
		if (error == -ENOMEM)
			return report_no_memory();
		if (error) {
			flx_error("contexts of '%s' (%u of %u bytes, key %u): not possible; use up "
				  "to %d bytes, keys of up to %d, and a limit not below the "
				  "capacity",
				  conf->type[t].name, conf->type[t].capacity,
				  conf->type[t].context_size, conf->type[t].key_size,
				  FLX_RECORD_CONTEXT_MAX, FLX_RECORD_KEY_MAX);
			return error;
		}
		store->may_grow |= store->type[t]->limit > store->type[t]->capacity;
		store->type_count++;
	}
	return 0;
}

/* What of @conf the store keeps. */
static int take_conf(struct flx_store *store, const struct flx_store_conf *conf)
{
	store->files.lock = -1;
	store->worker_count = conf->worker_count;
	store->node_count = conf->node_count ? conf->node_count : 1;
	if (conf->type_count > FLX_STORE_TYPES_MAX || store->node_count > FLX_NODES_MAX ||
	    conf->worker_count == 0 || conf->worker_count > FLX_WORKERS_MAX) {
		flx_error("the context store: %u types for %u workers on %u NUMA nodes; use up to "
			  "%d, %d and %d",
			  conf->type_count, conf->worker_count, store->node_count,
			  FLX_STORE_TYPES_MAX, FLX_WORKERS_MAX, FLX_NODES_MAX);
		return -EINVAL;
	}
	for (uint32_t n = 0; n < store->node_count; n++)
		store->numa[n] = conf->node_count ? conf->numa[n] : -1;
	for (uint32_t w = 0; conf->worker_node && w < conf->worker_count; w++)
		store->worker_node[w] = conf->worker_node[w];
	store->turn = aligned_alloc(FLX_CACHE_LINE, conf->worker_count * sizeof(*store->turn));
	if (!store->turn)
		return report_no_memory();
	memset(store->turn, 0, conf->worker_count * sizeof(*store->turn));
	if (conf->seed) {
		memcpy(store->seed, conf->seed, sizeof(store->seed));
	} else if (getrandom(store->seed, sizeof(store->seed), 0) != (ssize_t)sizeof(store->seed)) {
		flx_error("the context store: no seed for its hash; give this process random "
			  "numbers");
		return -EIO;
	}
	store->shape = (struct flx_type_shape){
		.huge = conf->huge,
		.worker_count = conf->worker_count,
		.worker_node = store->worker_node,
		.node_count = store->node_count,
		.numa = store->numa,
		.seed = store->seed,
		.turn = store->turn,
	};
	return 0;
}

int flx_store_open(struct flx_store **out, const struct flx_store_conf *conf)
{
	struct flx_store *store = calloc(1, sizeof(*store));
	int error;

	if (!store)
		return report_no_memory();
	pthread_mutex_init(&store->lock, NULL);
	error = take_conf(store, conf);
	if (!error)
		error = make_types(store, conf);
	if (!error)
		error = conf->path ? open_files(store, conf) : open_memory(store, conf);
	if (error) {
		flx_store_close(store);
		return error;
	}
	for (uint32_t w = 0; w < store->worker_count; w++)
		store->turn[w] = (struct flx_context_turn){.now = store->start_tick,
							   .growth_left = FLX_INDEX_BUDGET};
	*out = store;
	return 0;
}

static void free_attach(struct flx_store *store)
{
	for (uint32_t t = 0; store->attach && t < store->type_count; t++)
		flx_attach_free(store->attach[t]);
	free(store->attach);
	store->attach = NULL;
}

void flx_store_close(struct flx_store *store)
{
	flx_store_stop(store);
	free_attach(store);
	for (uint32_t t = 0; t < store->type_count; t++)
		flx_type_free(store->type[t]);
	if (store->files.lock >= 0)
		flx_files_close(&store->files);
	free(store->turn);
	pthread_mutex_destroy(&store->lock);
	free(store);
}

/* ----------------------------------------------------------------------------- contexts that were */

/* A number that was never used, into @number; the type grows for it. As flx_store_put. */
static int append(struct flx_store *store, struct flx_context_type *type, uint32_t *number)
{
	int failed = 0;

	*number = flx_slab_append(&type->slab);
	for (uint32_t n = 0; *number == FLX_SLAB_NONE && n < type->slab.node_count; n++) {
		int rc = flx_type_grow(type, &store->shape, n);

		if (rc > 0)
			*number = flx_slab_append(&type->slab);
		else if (rc < 0)
			failed = rc;
	}
	if (*number != FLX_SLAB_NONE)
		return 0;
	return failed ? failed : -E2BIG;
}

int flx_store_put(struct flx_store *store, struct flx_context_type *type, const uint8_t *key,
		  const void *context, uint32_t stamp)
{
	const struct flx_record_layout *layout = &type->layout;
	struct flx_record *record = type->single;

	if (!record) {
		uint32_t number;
		int error = append(store, type, &number);

		if (error)
			return error;
		record = flx_slab_at(&type->slab, number);
		flx_record_assign(layout, record,
				  (uint32_t)flx_siphash13(type->seed, key, layout->key_size), key);
	}
	memcpy(flx_record_open(layout, record), context, layout->context_size);
	flx_record_commit(layout, record, stamp);
	return 0;
}

int flx_store_prepare(struct flx_store *store)
{
	store->attach = calloc(store->type_count ? store->type_count : 1, sizeof(*store->attach));
	if (!store->attach)
		return -ENOMEM;
	for (uint32_t t = 0; t < store->type_count; t++) {
		store->attach[t] = flx_attach_alloc(store->type[t]);
		if (!store->attach[t])
			return -ENOMEM;
	}
	return 0;
}

int flx_store_scan(struct flx_store *store, uint32_t worker)
{
	int error = 0;

	for (uint32_t t = 0; t < store->type_count && !error; t++)
		if (!store->type[t]->single)
			error = flx_attach_scan(store->attach[t], worker);
	return error;
}

int flx_store_enter(struct flx_store *store, uint32_t worker)
{
	int error = 0;

	for (uint32_t t = 0; t < store->type_count && !error; t++)
		if (!store->type[t]->single)
			error = flx_attach_enter(store->attach[t], worker);
	return error;
}

void flx_store_finish(struct flx_store *store, struct flx_store_found *found)
{
	*found = (struct flx_store_found){.upgraded = store->upgraded};
	for (uint32_t t = 0; t < store->type_count; t++) {
		found->contexts += flx_context_count(store->type[t]);
		found->damaged +=
			atomic_load_explicit(&store->type[t]->damaged, memory_order_relaxed);
		found->twins += atomic_load_explicit(&store->type[t]->twins, memory_order_relaxed);
	}
	free_attach(store);
}

int flx_store_attach(struct flx_store *store, struct flx_store_found *found)
{
	int error = flx_store_prepare(store);

	for (uint32_t w = 0; w < store->worker_count && !error; w++)
		error = flx_store_scan(store, w);
	for (uint32_t w = 0; w < store->worker_count && !error; w++)
		error = flx_store_enter(store, w);
	if (!error)
		flx_store_finish(store, found);
	return error;
}

/* ------------------------------------------------------------------------------------- any thread */

void flx_store_source(struct flx_context_type *type, struct flx_scan_source *source)
{
	*source = (struct flx_scan_source){
		.name = type->name,
		.version = type->version,
		.layout = &type->layout,
		.base = type->records.base,
		.seed = {type->seed[0], type->seed[1]},
		.limit = type->limit,
		.node_count = type->slab.node_count,
	};
	for (uint32_t n = 0; n < type->slab.node_count; n++) {
		source->node[n].first = type->slab.pool[n].first;
		source->node[n].end = type->single ? 1 : flx_slab_bump(&type->slab, n);
	}
}

uint64_t flx_store_deferred_bytes(struct flx_context_type *type)
{
	if (type->single)
		return 0;
	return (uint64_t)flx_slab_deferred(&type->slab) * type->layout.stride_bytes +
	       flx_block_deferred_bytes(&type->index.pool);
}
