/* SPDX-License-Identifier: BSD-3-Clause */
#include "context-store/attach.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <rte_prefetch.h>

#include "context-store/siphash.h"

/* Records ahead in a scan, which goes in order: more than the hardware looks ahead. */
#define SCAN_AHEAD 16
/* Records entered in one go: their lines, then their buckets, are all under way together. */
#define ENTER_BATCH 32

/* What one worker has found for one other. */
struct list {
	uint32_t *numbers; /* room for all of the scanner's share, touched as it fills */
	uint32_t count;
};

/* Of one scanning worker; on lines of its own. */
struct share {
	alignas(FLX_CACHE_LINE) struct list list[FLX_WORKERS_MAX];
	uint32_t slice_count[FLX_INDEX_SLICES];
	size_t room_bytes; /* of each list */
};

struct flx_attach {
	struct flx_context_type *type;
	struct share share[]; /* by worker */
};

struct flx_attach *flx_attach_alloc(struct flx_context_type *type)
{
	size_t size_bytes = sizeof(struct flx_attach) + type->worker_count * sizeof(struct share);
	struct flx_attach *attach = aligned_alloc(FLX_CACHE_LINE, size_bytes);

	if (!attach)
		return NULL;
	memset(attach, 0, size_bytes);
	attach->type = type;
	return attach;
}

void flx_attach_free(struct flx_attach *attach)
{
	if (!attach)
		return;
	for (uint32_t w = 0; w < attach->type->worker_count; w++)
		for (uint32_t to = 0; to < attach->type->worker_count; to++)
			if (attach->share[w].list[to].numbers)
				munmap(attach->share[w].list[to].numbers,
				       attach->share[w].room_bytes);
	free(attach);
}

/* Lists with room for @most numbers each. */
static int make_lists(struct share *share, uint32_t worker_count, uint64_t most)
{
	share->room_bytes = most * sizeof(uint32_t);
	for (uint32_t to = 0; most && to < worker_count; to++) {
		void *room = mmap(NULL, share->room_bytes, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (room == MAP_FAILED)
			return -ENOMEM;
		share->list[to].numbers = room;
	}
	return 0;
}

static void scan_record(struct flx_context_type *type, struct share *share, uint32_t worker,
			uint32_t number)
{
	const struct flx_record *record = flx_slab_at(&type->slab, number);
	enum flx_record_state state = flx_record_verify(&type->layout, record);
	uint32_t key_size = type->layout.key_size;
	struct list *list;
	uint16_t slice;

	if (state == FLX_RECORD_FREE) {
		flx_slab_give(&type->slab, worker, number);
		return;
	}
	if (state == FLX_RECORD_DAMAGED ||
	    (uint32_t)flx_siphash13(type->seed, record->key, key_size) != record->hash) {
		atomic_fetch_add_explicit(&type->damaged, 1, memory_order_relaxed);
		return;
	}
	slice = type->slice(type->slice_argument, record->key);
	list = &share->list[slice % type->worker_count];
	list->numbers[list->count++] = number;
	share->slice_count[slice]++;
}

/* The part of worker @worker in [first, end). */
static uint32_t share_begin(uint32_t first, uint32_t end, uint32_t worker, uint32_t worker_count)
{
	return first + (uint32_t)((uint64_t)(end - first) * worker / worker_count);
}

int flx_attach_scan(struct flx_attach *attach, uint32_t worker)
{
	struct flx_context_type *type = attach->type;
	struct share *share = &attach->share[worker];
	const struct flx_slab *slab = &type->slab;
	uint32_t workers = type->worker_count;
	uint64_t most = 0;

	for (uint32_t n = 0; n < slab->node_count; n++)
		most += (slab->pool[n].bump - slab->pool[n].first) / workers + 1;
	if (make_lists(share, workers, most))
		return -ENOMEM;
	for (uint32_t n = 0; n < slab->node_count; n++) {
		const struct flx_slab_pool *pool = &slab->pool[n];
		uint32_t number = share_begin(pool->first, pool->bump, worker, workers);
		uint32_t end = share_begin(pool->first, pool->bump, worker + 1, workers);

		for (; number < end; number++) {
			for (uint32_t at = 0; at < slab->stride_bytes && at < 256; at += 64)
				rte_prefetch0((const uint8_t *)flx_slab_at(slab, number) + at +
					      (size_t)SCAN_AHEAD * slab->stride_bytes);
			scan_record(type, share, worker, number);
		}
	}
	return 0;
}

/*
 * True when @record may be entered. Another of its key is there already: the one that was
 * committed later stays.
 */
static bool settle_twin(struct flx_context_type *type, uint32_t worker, uint32_t slice,
			uint64_t hash, struct flx_record *record)
{
	struct flx_index_probe probe;
	uint32_t number = flx_index_first(&type->index, slice, hash, &probe);
	uint32_t budget = 0; /* the table has the size that it needs */

	for (; number != FLX_INDEX_NONE; number = flx_index_next(&probe)) {
		struct flx_record *twin = flx_slab_at(&type->slab, number);
		uint64_t mine = atomic_load_explicit(&record->word, memory_order_relaxed);
		uint64_t other = atomic_load_explicit(&twin->word, memory_order_relaxed);

		if (memcmp(twin->key, record->key, type->layout.key_size) != 0)
			continue;
		atomic_fetch_add_explicit(&type->twins, 1, memory_order_relaxed);
		if ((int32_t)(record->stamp[mine & 1] - twin->stamp[other & 1]) < 0) {
			flx_record_delete(record);
			return false;
		}
		flx_index_remove(&type->index, slice, number, &budget);
		flx_context_add(&type->worker[worker].counts.live, UINT64_MAX);
		flx_record_delete(twin);
		return true;
	}
	return true;
}

/* Enters @count records, at most a batch; -ENOMEM: the index has no room. */
static int enter_batch(struct flx_context_type *type, uint32_t worker, const uint32_t *numbers,
		       uint32_t count)
{
	struct flx_context_worker *own = &type->worker[worker];
	struct flx_record *records[ENTER_BATCH];
	uint64_t hash[ENTER_BATCH];
	uint16_t slices[ENTER_BATCH];
	uint32_t growth = UINT32_MAX;

	for (uint32_t i = 0; i < count; i++) {
		records[i] = flx_slab_at(&type->slab, numbers[i]);
		rte_prefetch0(records[i]);
	}
	for (uint32_t i = 0; i < count; i++) {
		slices[i] = type->slice(type->slice_argument, records[i]->key);
		hash[i] = flx_siphash13(type->seed, records[i]->key, type->layout.key_size);
		rte_prefetch0(flx_index_home(&type->index, slices[i], hash[i]));
	}
	for (uint32_t i = 0; i < count; i++) {
		if (!settle_twin(type, worker, slices[i], hash[i], records[i]))
			continue;
		if (!flx_index_insert(&type->index, slices[i], hash[i], numbers[i], &growth))
			return -ENOMEM;
		flx_context_add(&own->counts.live, 1);
	}
	return 0;
}

static int make_tables(struct flx_attach *attach, uint32_t worker)
{
	struct flx_context_type *type = attach->type;

	for (uint32_t slice = worker; slice < FLX_INDEX_SLICES; slice += type->worker_count) {
		uint32_t count = 0;
		int error;

		for (uint32_t from = 0; from < type->worker_count; from++)
			count += attach->share[from].slice_count[slice];
		error = count ? flx_index_presize(&type->index, slice, count) : 0;
		if (error)
			return error;
	}
	return 0;
}

int flx_attach_enter(struct flx_attach *attach, uint32_t worker)
{
	struct flx_context_type *type = attach->type;
	int error = make_tables(attach, worker);

	for (uint32_t from = 0; !error && from < type->worker_count; from++) {
		const struct list *list = &attach->share[from].list[worker];

		for (uint32_t at = 0; !error && at < list->count; at += ENTER_BATCH) {
			uint32_t rest = list->count - at;

			error = enter_batch(type, worker, &list->numbers[at],
					    rest < ENTER_BATCH ? rest : ENTER_BATCH);
		}
	}
	return error;
}
