/* SPDX-License-Identifier: BSD-3-Clause */
#include "context-store/type.h"

#include <errno.h>
#include <stdlib.h>

#include "context-store/siphash.h"

/* See FLX_TYPE_AHEAD. */
#define AHEAD_OF_READY	  8
#define AHEAD_OF_CAPACITY 4

static bool is_valid(const struct flx_context_type_conf *conf, const struct flx_type_shape *shape)
{
	if (conf->key_size > FLX_RECORD_KEY_MAX || conf->context_size == 0 ||
	    conf->context_size > FLX_RECORD_CONTEXT_MAX || shape->worker_count == 0 ||
	    shape->worker_count > FLX_WORKERS_MAX || shape->node_count == 0 ||
	    shape->node_count > FLX_NODES_MAX || strlen(conf->name) > FLX_CONTEXT_NAME_MAX)
		return false;
	return conf->key_size == 0 || (conf->capacity > 0 && conf->capacity < FLX_SLAB_NONE / 2 &&
				       (conf->limit == 0 || (conf->limit >= conf->capacity &&
							     conf->limit < FLX_SLAB_NONE / 2)));
}

uint32_t flx_type_share(uint32_t records, uint32_t node_count)
{
	return (records + node_count - 1) / node_count;
}

static uint8_t *make_blank(const struct flx_record_layout *layout)
{
	uint8_t *blank = calloc(1, layout->image_size);

	if (blank)
		flx_record_fill(layout, blank);
	return blank;
}

int flx_type_alloc(struct flx_context_type **out, const struct flx_context_type_conf *conf,
		   const struct flx_type_shape *shape)
{
	size_t size_bytes = sizeof(struct flx_context_type) +
			    shape->worker_count * sizeof(struct flx_context_worker);
	struct flx_context_type *type;

	if (!is_valid(conf, shape))
		return -EINVAL;
	type = aligned_alloc(alignof(struct flx_context_type), size_bytes);
	if (!type)
		return -ENOMEM;
	memset(type, 0, size_bytes);
	flx_record_layout_init(&type->layout, conf->key_size, conf->context_size, conf->ttl_ms,
			       conf->init);
	memcpy(type->seed, shape->seed, sizeof(type->seed));
	memcpy(type->name, conf->name, strlen(conf->name));
	type->turn = shape->turn;
	type->worker_count = shape->worker_count;
	type->version = conf->version;
	type->evict = conf->evict;
	type->capacity = conf->key_size ? conf->capacity : 1;
	type->limit = conf->key_size && conf->limit ? conf->limit : type->capacity;
	type->slice = conf->slice;
	type->slice_argument = conf->slice_argument;
	type->blank = make_blank(&type->layout);
	if (!type->blank) {
		free(type);
		return -ENOMEM;
	}
	*out = type;
	return 0;
}

void flx_type_free(struct flx_context_type *type)
{
	if (!type)
		return;
	flx_arena_fini(&type->records);
	flx_arena_fini(&type->blocks);
	free((void *)(uintptr_t)type->blank);
	free(type);
}

static uint64_t round_up(uint64_t value, uint64_t unit)
{
	return (value + unit - 1) / unit * unit;
}

static uint64_t blocks_bytes(uint64_t records)
{
	return round_up(flx_index_reserve((uint32_t)records), FLX_ARENA_PAGE);
}

/* Backs index memory for @records records in all. What is there stays. */
static int back_blocks(struct flx_context_type *type, const struct flx_type_shape *shape,
		       uint64_t records)
{
	const struct flx_backing backing = {.fd = -1, .huge = shape->huge, .numa = -1};
	uint64_t ready = atomic_load_explicit(&type->blocks.ready_bytes, memory_order_relaxed);
	uint64_t wanted = blocks_bytes(records);

	return wanted > ready ? flx_arena_back(&type->blocks, ready, wanted - ready, &backing) : 0;
}

/* Backs records [@from, @to) of @node, counted from its first. */
static int back_records(struct flx_context_type *type, const struct flx_type_shape *shape,
			uint32_t node, uint32_t from, uint32_t to)
{
	const struct flx_file_set *files = type->files;
	/* For one record a page of its own is enough, so no huge one. */
	struct flx_backing backing = {
		.fd = -1,
		.huge = shape->huge && type->layout.key_size,
		.numa = shape->numa[node],
	};
	struct flx_file_part part;

	if (files) {
		part = flx_file_part(&files->node[node], type->file_type, from, to);
		backing.fd = files->node[node].fd;
		backing.file_offset = part.file_offset;
	} else {
		uint64_t base = (uint64_t)type->slab.pool[node].first * type->layout.stride_bytes;
		uint64_t begin =
			base + round_up((uint64_t)from * type->layout.stride_bytes, FLX_ARENA_PAGE);
		uint64_t end =
			base + round_up((uint64_t)to * type->layout.stride_bytes, FLX_ARENA_PAGE);

		part = (struct flx_file_part){.arena_offset = begin, .size_bytes = end - begin};
	}
	if (part.size_bytes == 0)
		return 0;
	return flx_arena_back(&type->records, part.arena_offset, part.size_bytes, &backing);
}

/*
 * Records up to @bump of @node become free ones, then the file's word says so; see struct
 * flx_slab_conf. In this order, so that a kill leaves none below the word that was not begun.
 */
static void begin_records(void *argument, uint32_t node, uint32_t bump)
{
	struct flx_context_type *type = argument;

	for (uint32_t number = type->slab.pool[node].bump; number < bump; number++)
		flx_record_begin(flx_slab_at(&type->slab, number));
	if (type->files)
		flx_file_set(&type->files->node[node], type->file_type, FLX_FILE_BUMP,
			     bump - type->slab.pool[node].first);
}

/* Number ranges of the nodes, as the files have them or, without any, by the same rule. */
static int plan_nodes(const struct flx_context_type *type, const struct flx_type_shape *shape,
		      struct flx_slab_conf *conf)
{
	uint32_t limit = flx_type_share(type->limit, shape->node_count);
	uint32_t share = flx_type_share(type->capacity, shape->node_count);
	uint64_t next = 0;

	for (uint32_t n = 0; n < conf->node_count; n++) {
		uint32_t ready = share, bump = 0;

		next = flx_file_first(next, type->layout.stride_bytes, FLX_ARENA_PAGE);
		if (next + limit >= FLX_SLAB_NONE)
			return -EOVERFLOW;
		conf->node[n].first = (uint32_t)next;
		if (type->files) {
			const struct flx_file *file = &type->files->node[n];
			uint32_t file_type = type->file_type, had;

			conf->node[n].first = file->header->type[file_type].first;
			limit = file->header->type[file_type].limit;
			if (!flx_file_get(file, file_type, FLX_FILE_BUMP, &bump) ||
			    !flx_file_get(file, file_type, FLX_FILE_READY, &had) || had > limit ||
			    bump > had)
				return -EINVAL;
			ready = had > share ? had : share;
		}
		conf->node[n].ready = conf->node[n].first + ready;
		conf->node[n].bump = conf->node[n].first + bump;
		next = (uint64_t)conf->node[n].first + limit;
		conf->node[n].end = (uint32_t)next;
	}
	return 0;
}

static int map_nodes(struct flx_context_type *type, const struct flx_type_shape *shape,
		     const struct flx_slab_conf *conf)
{
	for (uint32_t n = 0; n < conf->node_count; n++) {
		int error =
			back_records(type, shape, n, 0, conf->node[n].ready - conf->node[n].first);

		if (error)
			return error;
	}
	return 0;
}

static int make_index(struct flx_context_type *type, const struct flx_type_shape *shape,
		      const struct flx_slab_conf *conf)
{
	uint64_t limit = 0, ready = 0;
	int error;

	for (uint32_t n = 0; n < conf->node_count; n++) {
		limit += conf->node[n].end - conf->node[n].first;
		ready += conf->node[n].ready - conf->node[n].first;
	}
	error = flx_arena_reserve(&type->blocks, blocks_bytes(limit), FLX_ARENA_PAGE);
	if (!error)
		error = back_blocks(type, shape, ready);
	if (!error)
		error = flx_index_init(&type->index, &type->blocks, &type->slab, (uint32_t)limit);
	return error;
}

/* The one record of a type without keys; -EBADMSG: it is not what a kill can leave. */
static int find_single(struct flx_context_type *type)
{
	struct flx_record *record = flx_slab_at(&type->slab, 0);

	if (type->slab.pool[0].bump > 0 &&
	    flx_record_verify(&type->layout, record) == FLX_RECORD_DAMAGED)
		return -EBADMSG;
	type->single = record;
	return 0;
}

int flx_type_refuse_single(const char *path, const char *name)
{
	flx_error("%s: the one context of '%s' is damaged; restore a dump into another --store, or "
		  "begin without it: copy the others with `flx ctx dump`, and make another --store "
		  "of them with `flx ctx restore`",
		  path, name);
	return -EBADMSG;
}

int flx_type_map(struct flx_context_type *type, const struct flx_type_shape *shape,
		 struct flx_file_set *files, uint32_t file_type)
{
	struct flx_slab_conf conf = {
		.stride_bytes = type->layout.stride_bytes,
		.capacity = type->capacity,
		.worker_count = shape->worker_count,
		.worker_node = shape->worker_node,
		.node_count = type->layout.key_size ? shape->node_count : 1,
		.bumped = begin_records,
		.bumped_argument = type,
	};
	uint64_t align = files ? flx_file_align(files->node[0].header->page_bytes) : FLX_ARENA_PAGE;
	int error;

	type->files = files;
	type->file_type = file_type;
	error = plan_nodes(type, shape, &conf);
	if (!error)
		error = flx_arena_reserve(
			&type->records,
			(uint64_t)conf.node[conf.node_count - 1].end * conf.stride_bytes, align);
	if (error)
		return error;
	conf.base = type->records.base;
	flx_slab_init(&type->slab, &conf);
	error = map_nodes(type, shape, &conf);
	if (error)
		return error;
	return type->layout.key_size ? make_index(type, shape, &conf) : find_single(type);
}

static void begin_words(struct flx_context_type *type, uint32_t node)
{
	struct flx_file *file = &type->files->node[node];
	const struct flx_slab_pool *pool = &type->slab.pool[node];
	uint32_t had;

	if (!flx_file_get(file, type->file_type, FLX_FILE_TTL, &had))
		flx_warn("contexts of '%s': the word ttl of node%u was damaged; the program's own "
			 "is "
			 "in its place; check the machine's memory and disk",
			 type->name, node);
	flx_file_set(file, type->file_type, FLX_FILE_READY, pool->ready - pool->first);
	flx_file_set(file, type->file_type, FLX_FILE_TTL, type->layout.ttl_ticks);
}

void flx_type_begin(struct flx_context_type *type)
{
	for (uint32_t n = 0; type->files && n < type->slab.node_count; n++)
		begin_words(type, n);
	if (!type->single)
		return;
	if (type->slab.pool[0].bump == 0)
		begin_records(type, 0, 1);
	if (!flx_record_live(type->single))
		flx_record_assign(&type->layout, type->single,
				  (uint32_t)flx_siphash13(type->seed, type->blank, 0), type->blank);
}

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

uint32_t flx_type_step(uint32_t capacity, uint32_t limit, uint32_t ready, uint32_t free_count)
{
	uint32_t ahead = larger(ready / AHEAD_OF_READY, FLX_TYPE_AHEAD);

	if (free_count > larger(ahead, capacity / AHEAD_OF_CAPACITY))
		return 0;
	ahead = larger(ahead, capacity);
	return limit - ready < ahead ? limit - ready : ahead;
}

/* Backs records [@from, @to) of @node, and the index for as many. What was backed stays. */
static int back_more(struct flx_context_type *type, const struct flx_type_shape *shape,
		     uint32_t node, uint32_t from, uint32_t to)
{
	uint64_t ready = to - from;
	int error;

	for (uint32_t n = 0; n < shape->node_count; n++)
		ready += type->slab.pool[n].ready - type->slab.pool[n].first;
	error = back_blocks(type, shape, ready);
	return error ? error : back_records(type, shape, node, from, to);
}

int flx_type_grow(struct flx_context_type *type, const struct flx_type_shape *shape, uint32_t node)
{
	struct flx_slab_pool *pool = &type->slab.pool[node];
	uint32_t capacity = flx_type_share(type->capacity, shape->node_count), step;
	uint32_t from = pool->ready - pool->first;
	int error;

	if (type->single)
		return 0;
	step = flx_type_step(capacity, pool->end - pool->first, from,
			     flx_slab_free_count(&type->slab, node));
	if (step == 0)
		return 0;
	error = back_more(type, shape, node, from, from + step);
	if (error && step > capacity) {
		step = capacity;
		error = back_more(type, shape, node, from, from + step);
	}
	if (error)
		return error;
	if (type->files)
		flx_file_set(&type->files->node[node], type->file_type, FLX_FILE_READY,
			     from + step);
	flx_slab_extend(&type->slab, node, pool->first + from + step);
	return 1;
}
