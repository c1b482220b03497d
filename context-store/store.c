/* SPDX-License-Identifier: BSD-3-Clause */
#include "context-store/store.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include <rte_prefetch.h>

#include "context-store/siphash.h"

#define KEY_SIZE_MAX	 40   /* FLX_KEY_MAX of flx.h */
#define CONTEXT_SIZE_MAX 4096 /* FLX_CONTEXT_MAX of flx.h */

/* Lines of a record that bind asks for: both images of 64 bytes. Longer ones stream in. */
#define PREFETCH_LINES 4

static int check_conf(const struct flx_context_type_conf *conf)
{
	if (conf->key_size > KEY_SIZE_MAX || conf->context_size == 0 ||
	    conf->context_size > CONTEXT_SIZE_MAX || conf->worker_count == 0 ||
	    conf->worker_count > FLX_WORKERS_MAX)
		return -EINVAL;
	if (conf->key_size && (conf->capacity == 0 || conf->capacity >= FLX_SLAB_NONE))
		return -EINVAL;
	return 0;
}

static int init_keyed(struct flx_context_type *type, const struct flx_context_type_conf *conf)
{
	uint32_t stride_bytes = type->layout.stride_bytes;
	int error;

	error = flx_arena_init(&type->arena,
			       flx_slab_reserve(stride_bytes, conf->capacity) +
				       flx_index_reserve(conf->capacity),
			       conf->huge);
	if (error)
		return error;
	error = flx_slab_init(&type->slab, &type->arena, stride_bytes, conf->capacity,
			      conf->worker_count);
	if (error)
		return error;
	return flx_index_init(&type->index, &type->arena, &type->slab);
}

/* One record, without an index. A page of its own is enough, so no huge one. */
static int init_single(struct flx_context_type *type)
{
	int error = flx_arena_init(&type->arena, type->layout.stride_bytes, false);

	if (error)
		return error;
	type->single = flx_arena_at(&type->arena, 0);
	return 0;
}

static int init_type(struct flx_context_type *type, const struct flx_context_type_conf *conf)
{
	flx_record_layout_init(&type->layout, conf->key_size, conf->context_size, conf->init);
	type->worker_count = conf->worker_count;
	if (getrandom(type->seed, sizeof(type->seed), 0) != (ssize_t)sizeof(type->seed))
		return -EIO;
	return conf->key_size ? init_keyed(type, conf) : init_single(type);
}

struct flx_context_type *flx_context_type_alloc(const struct flx_context_type_conf *conf)
{
	struct flx_context_type *type = NULL;
	size_t size_bytes = sizeof(*type) + conf->worker_count * sizeof(type->worker[0]);
	int error = check_conf(conf);

	if (!error) {
		type = aligned_alloc(alignof(struct flx_context_type), size_bytes);
		error = type ? 0 : -ENOMEM;
	}
	if (!error) {
		memset(type, 0, size_bytes);
		error = init_type(type, conf);
	}
	if (!error)
		return type;
	flx_error(
		"contexts of '%s' (%u of %u bytes, key %u): %s; lower the capacity or the size, or "
		"give the machine more memory",
		conf->name, conf->capacity, conf->context_size, conf->key_size, strerror(-error));
	flx_context_type_free(type);
	return NULL;
}

void flx_context_type_free(struct flx_context_type *type)
{
	if (!type)
		return;
	flx_arena_fini(&type->arena);
	free(type);
}

/* Equality of two keys, inlined for the sizes of the fabric's own: addresses, flows, numbers. */
static inline __attribute__((always_inline)) bool key_equal(const uint8_t *a, const uint8_t *b,
							    uint32_t key_size)
{
	uint64_t head_a, head_b;

	if (key_size < sizeof(head_a) || key_size > 2 * sizeof(head_a))
		return memcmp(a, b, key_size) == 0;
	memcpy(&head_a, a, sizeof(head_a));
	memcpy(&head_b, b, sizeof(head_b));
	/* The rest is at most 8 bytes, which memcmp compares inline when key_size is constant. */
	return head_a == head_b &&
	       memcmp(a + sizeof(head_a), b + sizeof(head_b), key_size - sizeof(head_a)) == 0;
}

/* Its first line, with word and key, is there already. */
static inline void prefetch_images(const struct flx_record *record, uint32_t stride_bytes)
{
	for (uint32_t i = 1; i < PREFETCH_LINES && i * FLX_CACHE_LINE < stride_bytes; i++)
		rte_prefetch0((const uint8_t *)record + (size_t)i * FLX_CACHE_LINE);
}

static struct flx_record *make_record(struct flx_context_type *type, uint32_t worker,
				      uint16_t slice, const uint8_t *key, uint64_t hash)
{
	struct flx_store_worker *own = &type->worker[worker];
	uint32_t number = flx_slab_take(&type->slab, worker);
	uint32_t budget = FLX_INDEX_BUDGET;
	struct flx_record *record;

	if (number == FLX_SLAB_NONE)
		return NULL;
	record = flx_slab_at(&type->slab, number);
	record->hash = (uint32_t)hash;
	memcpy(record->key, key, type->layout.key_size);
	if (!flx_index_insert(&type->index, slice, hash, number, &budget)) {
		flx_slab_give(&type->slab, worker, number);
		return NULL;
	}
	own->made[own->made_count] = number;
	own->slices[own->made_count++] = slice;
	atomic_store_explicit(&own->live,
			      atomic_load_explicit(&own->live, memory_order_relaxed) + 1,
			      memory_order_relaxed);
	return record;
}

/* The key is new, not in its home bucket, or one of two with its tag there. */
static __attribute__((noinline)) struct flx_record *find_or_make(struct flx_context_type *type,
								 uint32_t worker, uint16_t slice,
								 const uint8_t *key, uint64_t hash)
{
	struct flx_index_probe probe;
	uint32_t number = flx_index_first(&type->index, slice, hash, &probe);

	for (; number != FLX_INDEX_NONE; number = flx_index_next(&probe)) {
		struct flx_record *record = flx_slab_at(&type->slab, number);

		if (memcmp(record->key, key, type->layout.key_size) == 0)
			return record;
	}
	return make_record(type, worker, slice, key, hash);
}

/* The candidate of a key whose home bucket has overflowed: 1 in 16 when leaves are full. */
static __attribute__((noinline)) struct flx_record *find_late(const struct flx_context_type *type,
							      uint16_t slice, uint64_t hash)
{
	struct flx_index_probe probe;
	uint32_t number = flx_index_first(&type->index, slice, hash, &probe);
	struct flx_record *record = NULL;

	if (number != FLX_INDEX_NONE) {
		record = flx_slab_at(&type->slab, number);
		rte_prefetch0(record);
	}
	return record;
}

/*
 * The rounds, each of which finds in the cache what the one before has asked for. The images are
 * asked for last, for the handlers: the core has some 10 to 24 lines under way at a time, and
 * spread over the rounds they hide more (5 % at 1 M keys of 64 bytes). Inlined once per key size
 * that has a fast hash and compare. Misses are made in order, by a look-up of their own, as an
 * earlier key of the batch may have entered the same key or moved the leaf.
 */
static inline __attribute__((always_inline)) void bind_batch(
	struct flx_context_type *type, uint32_t worker, const uint16_t *slices, const uint8_t *keys,
	uint32_t count, struct flx_record **records, uint32_t key_size)
{
	uint64_t hash[FLX_BATCH];
	const struct flx_bucket *home[FLX_BATCH];
	uint32_t late[FLX_BATCH], late_count = 0;

	for (uint32_t i = 0; i < count; i++) {
		hash[i] = flx_siphash13(type->seed, keys + (size_t)i * key_size, key_size);
		home[i] = flx_index_home(&type->index, slices[i], hash[i]);
		rte_prefetch0(home[i]);
	}
	for (uint32_t i = 0; i < count; i++) {
		uint32_t matches = flx_bucket_match(home[i], flx_index_tag(hash[i]));

		records[i] = NULL;
		if (unlikely(matches == 0)) {
			late[late_count] = i;
			late_count += flx_bucket_overflowed(home[i]);
			continue;
		}
		records[i] = flx_slab_at(&type->slab, flx_bucket_record(home[i], matches));
		rte_prefetch0(records[i]);
	}
	for (uint32_t i = 0; i < late_count; i++)
		records[late[i]] = find_late(type, slices[late[i]], hash[late[i]]);
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *key = keys + (size_t)i * key_size;

		if (unlikely(!records[i] || !key_equal(records[i]->key, key, key_size)))
			records[i] = find_or_make(type, worker, slices[i], key, hash[i]);
		if (likely(records[i]))
			prefetch_images(records[i], type->layout.stride_bytes);
	}
}

void flx_store_bind(struct flx_context_type *type, uint32_t worker, const uint16_t *slices,
		    const uint8_t *keys, uint32_t count, struct flx_record **records)
{
	FLX_ASSERT(count <= FLX_BATCH && worker < type->worker_count);
	FLX_ASSERT(type->worker[worker].made_count == 0);
	switch (type->layout.key_size) {
	case 0:
		for (uint32_t i = 0; i < count; i++)
			records[i] = type->single;
		break;
	case 4:
		bind_batch(type, worker, slices, keys, count, records, 4);
		break;
	case 8:
		bind_batch(type, worker, slices, keys, count, records, 8);
		break;
	case 12:
		bind_batch(type, worker, slices, keys, count, records, 12);
		break;
	case 16:
		bind_batch(type, worker, slices, keys, count, records, 16);
		break;
	default:
		bind_batch(type, worker, slices, keys, count, records, type->layout.key_size);
	}
}

void flx_store_settle_slow(struct flx_context_type *type, uint32_t worker)
{
	struct flx_store_worker *own = &type->worker[worker];
	uint64_t live = atomic_load_explicit(&own->live, memory_order_relaxed);

	for (uint32_t i = 0; i < own->made_count; i++) {
		struct flx_record *record = flx_slab_at(&type->slab, own->made[i]);

		if (flx_record_committed(record))
			continue;
		flx_index_remove(&type->index, own->slices[i], own->made[i]);
		flx_slab_give(&type->slab, worker, own->made[i]);
		live--;
	}
	/* Nobody but the owner reads a table yet, so grace periods take no time. */
	if (worker == 0 && flx_block_collect(&type->index.pool))
		flx_block_release(&type->index.pool);
	own->made_count = 0;
	atomic_store_explicit(&own->live, live, memory_order_relaxed);
	if (flx_slab_dry(&type->slab))
		flx_slab_relieve(&type->slab, worker);
}

uint64_t flx_context_type_count(const struct flx_context_type *type)
{
	uint64_t count = 0;

	if (type->single)
		return flx_record_committed(type->single) ? 1 : 0;
	for (uint32_t i = 0; i < type->worker_count; i++)
		count += atomic_load_explicit(&type->worker[i].live, memory_order_relaxed);
	return count;
}
