/* SPDX-License-Identifier: BSD-3-Clause */
#include "context-store/context.h"

#include <rte_prefetch.h>

#include "context-store/siphash.h"

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

static uint32_t number_of(const struct flx_context_type *type, const struct flx_record *record)
{
	return (uint32_t)((uint64_t)((const uint8_t *)record - type->slab.base) /
			  type->slab.stride_bytes);
}

static struct flx_record *make_record(struct flx_context_type *type, uint32_t worker,
				      uint16_t slice, const uint8_t *key, uint64_t hash)
{
	struct flx_context_worker *own = &type->worker[worker];
	uint32_t number = flx_slab_take(&type->slab, worker);
	struct flx_record *record;

	own->wanted++;
	if (number == FLX_SLAB_NONE) {
		flx_context_add(&own->counts.refused, 1);
		return NULL;
	}
	record = flx_slab_at(&type->slab, number);
	flx_record_assign(&type->layout, record, (uint32_t)hash, key);
	if (!flx_index_insert(&type->index, slice, hash, number, &type->turn[worker].growth_left)) {
		flx_slab_give(&type->slab, worker, number);
		flx_context_add(&own->counts.refused, 1);
		return NULL;
	}
	own->made[own->made_count++] = (struct flx_context_doubt){number, slice};
	flx_context_add(&own->counts.live, 1);
	return record;
}

/* The key is not in its home bucket, one of two with its tag there, or nowhere. */
static __attribute__((noinline)) struct flx_record *find_record(const struct flx_context_type *type,
								uint16_t slice, const uint8_t *key,
								uint64_t hash)
{
	struct flx_index_probe probe;
	uint32_t number = flx_index_first(&type->index, slice, hash, &probe);

	for (; number != FLX_INDEX_NONE; number = flx_index_next(&probe)) {
		struct flx_record *record = flx_slab_at(&type->slab, number);

		if (memcmp(record->key, key, type->layout.key_size) == 0)
			return record;
	}
	return NULL;
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
 * The rounds, each of which finds in the cache what the one before has asked for. The images come
 * last, a few ahead of the handler that works on one (flx_context_ask): the core has some 10 to 24
 * lines under way at a time, so asked for here all at once they would be waited for, while among
 * the handlers they are hidden: 185 cycles against 140 at 1 M keys of 64 bytes. Inlined once per
 * key size that has a fast hash and compare. Misses are made in order, by a look-up of their own, as an
 * earlier key of the batch may have entered the same key or moved the leaf.
 * @making: NULL, or who makes what is not there: the same type, not const.
 */
static inline __attribute__((always_inline)) void find_batch(
	const struct flx_context_type *type, struct flx_context_type *making, uint32_t worker,
	const uint16_t *slices, const uint8_t *keys, uint32_t count, struct flx_record **records,
	uint32_t key_size)
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
			records[i] = find_record(type, slices[i], key, hash[i]);
		if (unlikely(!records[i] && making))
			records[i] = make_record(making, worker, slices[i], key, hash[i]);
	}
	for (uint32_t i = 0; i < count && i < FLX_CONTEXT_AHEAD; i++)
		flx_context_ask(type, records[i]);
}

static inline __attribute__((always_inline)) void find_sized(
	const struct flx_context_type *type, struct flx_context_type *making, uint32_t worker,
	const uint16_t *slices, const uint8_t *keys, uint32_t count, struct flx_record **records)
{
	switch (type->layout.key_size) {
	case 0:
		for (uint32_t i = 0; i < count; i++)
			records[i] = type->single;
		break;
	case 4:
		find_batch(type, making, worker, slices, keys, count, records, 4);
		break;
	case 8:
		find_batch(type, making, worker, slices, keys, count, records, 8);
		break;
	case 12:
		find_batch(type, making, worker, slices, keys, count, records, 12);
		break;
	case 16:
		find_batch(type, making, worker, slices, keys, count, records, 16);
		break;
	default:
		find_batch(type, making, worker, slices, keys, count, records,
			   type->layout.key_size);
	}
}

void flx_context_bind(struct flx_context_type *type, uint32_t worker, const uint16_t *slices,
		      const uint8_t *keys, uint32_t count, struct flx_record **records)
{
	FLX_ASSERT(count <= FLX_BATCH && worker < type->worker_count);
	FLX_ASSERT(type->worker[worker].made_count == 0);
	find_sized(type, type, worker, slices, keys, count, records);
}

void flx_context_find(const struct flx_context_type *type, const uint16_t *slices,
		      const uint8_t *keys, uint32_t count, struct flx_record **records)
{
	FLX_ASSERT(count <= FLX_BATCH);
	find_sized(type, NULL, 0, slices, keys, count, records);
}

static bool is_in(const struct flx_context_doubt *doubts, uint32_t count, uint32_t number)
{
	for (uint32_t i = 0; i < count; i++)
		if (doubts[i].number == number)
			return true;
	return false;
}

void flx_context_delete(struct flx_context_type *type, uint32_t worker, uint16_t slice,
			struct flx_record *record)
{
	struct flx_context_worker *own = &type->worker[worker];
	uint32_t number;

	if (!flx_record_live(record))
		return; /* never committed: there is nothing to delete */
	flx_record_delete(record);
	flx_context_add(&own->counts.deleted, 1);
	if (type->single)
		return;
	number = number_of(type, record);
	if (is_in(own->deleted, own->deleted_count, number))
		return; /* the same key again in one batch */
	FLX_ASSERT(own->deleted_count < FLX_BATCH);
	own->deleted[own->deleted_count++] = (struct flx_context_doubt){number, slice};
}

void flx_context_expire(struct flx_context_type *type, uint32_t worker, uint16_t slice,
			struct flx_record *record)
{
	struct flx_context_counts *counts = &type->worker[worker].counts;

	flx_context_delete(type, worker, slice, record);
	flx_context_add(&counts->deleted, UINT64_MAX); /* it goes under its own name */
	flx_context_add(&counts->expired, 1);
}

/* Takes a record without context out of the index. */
static void withdraw(struct flx_context_type *type, uint32_t worker, uint16_t slice,
		     uint32_t number)
{
	flx_index_remove(&type->index, slice, number, &type->turn[worker].growth_left);
	flx_context_add(&type->worker[worker].counts.live, UINT64_MAX);
}

void flx_context_withdraw(struct flx_context_type *type, uint32_t worker, uint16_t slice,
			  uint32_t number, _Atomic uint64_t *count)
{
	flx_record_delete(flx_slab_at(&type->slab, number));
	withdraw(type, worker, slice, number);
	flx_slab_retire(&type->slab, worker, number);
	flx_context_add(count, 1);
}

void flx_context_settle_slow(struct flx_context_type *type, uint32_t worker)
{
	struct flx_context_worker *own = &type->worker[worker];

	for (uint32_t i = 0; i < own->deleted_count; i++) {
		uint32_t number = own->deleted[i].number;

		if (flx_record_live(flx_slab_at(&type->slab, number)))
			continue; /* a later message of the batch made it anew */
		withdraw(type, worker, own->deleted[i].slice, number);
		flx_slab_retire(&type->slab, worker, number);
	}
	for (uint32_t i = 0; i < own->made_count; i++) {
		uint32_t number = own->made[i].number;

		if (flx_record_live(flx_slab_at(&type->slab, number)) ||
		    is_in(own->deleted, own->deleted_count, number))
			continue;
		/* No reader can have seen a context in it: nobody has to be waited for. */
		withdraw(type, worker, own->made[i].slice, number);
		flx_slab_give(&type->slab, worker, number);
	}
	own->made_count = 0;
	own->deleted_count = 0;
	if (flx_slab_dry(&type->slab, worker))
		flx_slab_relieve(&type->slab, worker);
}

bool flx_context_get(const struct flx_context_type *type, const uint8_t *key, uint32_t now,
		     struct flx_record_copy *copy)
{
	const struct flx_record_layout *layout = &type->layout;
	struct flx_index_probe probe;
	uint64_t hash;
	uint32_t number;

	if (type->single)
		return flx_record_read(layout, type->single, copy) &&
		       !flx_record_over(layout, copy->stamp, now);
	hash = flx_siphash13(type->seed, key, layout->key_size);
	number =
		flx_index_first(&type->index, type->slice(type->slice_argument, key), hash, &probe);
	for (; number != FLX_INDEX_NONE; number = flx_index_next(&probe))
		if (flx_record_read(layout, flx_slab_at(&type->slab, number), copy) &&
		    memcmp(copy->key, key, layout->key_size) == 0)
			return !flx_record_over(layout, copy->stamp, now);
	return false;
}

uint64_t flx_context_count(const struct flx_context_type *type)
{
	uint64_t count = 0;

	if (type->single)
		return flx_record_live(type->single) ? 1 : 0;
	for (uint32_t i = 0; i < type->worker_count; i++)
		count += atomic_load_explicit(&type->worker[i].counts.live, memory_order_relaxed);
	return count;
}
