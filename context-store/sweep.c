/* SPDX-License-Identifier: BSD-3-Clause */
#include "context-store/sweep.h"

#include <rte_prefetch.h>

#include "context-store/context.h"

/*
 * Buckets looked at in one turn at most: 10 records each, about 0.5 us when none is in the cache.
 * While room is to be made, two more for each record that the turn has asked for, since some are
 * empty: what comes in must be able to go out.
 */
#define STEPS_MAX  16
#define WANTED_MAX FLX_BATCH
/* A pass takes half a TTL, within these: a quarter of a second, a minute. In ticks. */
#define PASS_TICKS_MIN (FLX_TICKS_PER_SECOND / 4)
#define PASS_TICKS_MAX (FLX_TICKS_PER_SECOND * 60)

/* The leaf that @sweep is at; NULL: the slice has no such leaf, or it was seen already. */
static struct flx_bucket *find_leaf(const struct flx_index *index, const struct flx_sweep *sweep,
				    struct flx_index_root root)
{
	struct flx_bucket *leaf;

	if (root.depth == 0)
		return flx_block_at(&index->pool, root.line);
	leaf = flx_index_leaf(index, root, (uint64_t)sweep->leaf << FLX_INDEX_LEAF_BITS);
	/* A leaf that several entries of the directory lead to is looked at under the first. */
	return sweep->leaf >> flx_leaf_depth(leaf) ? NULL : leaf;
}

static void end_slice(struct flx_sweep *sweep)
{
	sweep->leaf = 0;
	sweep->bucket = 0;
	if (++sweep->slice < FLX_INDEX_SLICES)
		return;
	sweep->slice = 0;
	sweep->pass_steps = sweep->steps;
	sweep->steps = 0;
}

/*
 * The next bucket of the slices that are live here; NULL: none is. Tables grow and shrink under
 * the walk, and records move; what it misses, the next pass finds.
 */
static struct flx_bucket *next_bucket(const struct flx_index *index, struct flx_sweep *sweep,
				      const _Atomic uint8_t *flag)
{
	uint32_t skipped = 0;

	while (skipped <= FLX_INDEX_SLICES) {
		struct flx_index_root root = flx_index_root(index, sweep->slice);
		struct flx_bucket *leaf;

		if (atomic_load_explicit(&flag[sweep->slice], memory_order_relaxed) ||
		    sweep->leaf >> root.depth) {
			end_slice(sweep);
			skipped++;
			continue;
		}
		leaf = find_leaf(index, sweep, root);
		if (!leaf || sweep->bucket > root.leaf_mask) {
			sweep->bucket = 0;
			sweep->leaf++;
			continue;
		}
		sweep->steps++;
		return &leaf[sweep->bucket++];
	}
	return NULL;
}

/* Withdraws what is over in @bucket, and when there is need of room, the longest idle. */
static void sweep_bucket(struct flx_context_type *type, uint32_t worker, uint32_t slice,
			 const struct flx_bucket *bucket, bool make_room)
{
	struct flx_context_counts *counts = &type->worker[worker].counts;
	uint32_t now = type->turn[worker].now;
	uint32_t numbers[FLX_BUCKET_ENTRIES], count, oldest = FLX_SLAB_NONE;
	uint32_t oldest_age = 0;

	count = flx_bucket_numbers(bucket, numbers);
	for (uint32_t i = 0; i < count; i++)
		rte_prefetch0(flx_slab_at(&type->slab, numbers[i]));
	for (uint32_t i = 0; i < count; i++) {
		const struct flx_record *record = flx_slab_at(&type->slab, numbers[i]);
		uint64_t word = atomic_load_explicit(&record->word, memory_order_relaxed);
		uint32_t age = flx_clock_age(record->stamp[word & 1], now);

		if (flx_record_expired(&type->layout, record, now)) {
			flx_context_withdraw(type, worker, (uint16_t)slice, numbers[i],
					     &counts->expired);
			make_room = false;
		} else if (oldest == FLX_SLAB_NONE || age > oldest_age) {
			oldest = numbers[i];
			oldest_age = age;
		}
	}
	if (make_room && oldest != FLX_SLAB_NONE)
		flx_context_withdraw(type, worker, (uint16_t)slice, oldest, &counts->evicted);
}

/* Cycles between two steps, so that a pass of as many as the last takes its time. */
static uint64_t interval(const struct flx_context_type *type, uint32_t worker, uint64_t tsc_hz)
{
	const struct flx_sweep *sweep = &type->worker[worker].sweep;
	uint64_t ticks = type->layout.ttl_ticks / 2;
	uint64_t steps = sweep->pass_steps > sweep->steps ? sweep->pass_steps : sweep->steps;
	/* Tables that grew since, or were found at start: 8 records a bucket. */
	uint64_t live =
		atomic_load_explicit(&type->worker[worker].counts.live, memory_order_relaxed);

	if (live < type->limit && live / 8 > steps)
		steps = live / 8;
	if (ticks < PASS_TICKS_MIN)
		ticks = PASS_TICKS_MIN;
	if (ticks > PASS_TICKS_MAX)
		ticks = PASS_TICKS_MAX;
	/* Empty slices have a bucket each. */
	return ticks * (tsc_hz / FLX_TICKS_PER_SECOND) / (steps + FLX_INDEX_SLICES);
}

void flx_sweep_turn(struct flx_context_type *type, uint32_t worker, const _Atomic uint8_t *flag,
		    uint64_t tsc, uint64_t tsc_hz)
{
	struct flx_context_worker *own = &type->worker[worker];
	struct flx_sweep *sweep = &own->sweep;
	uint32_t steps = STEPS_MAX;
	bool make_room = type->evict && flx_slab_low(&type->slab);

	if (likely(!make_room && (type->layout.ttl_ticks == 0 || tsc < sweep->next_tsc)))
		return;
	if (type->single)
		return; /* it is looked at whenever it is opened */
	if (make_room)
		steps += 2 * (own->wanted < WANTED_MAX ? own->wanted : WANTED_MAX);
	own->wanted = 0;
	for (uint32_t i = 0; i < steps && (make_room || tsc >= sweep->next_tsc); i++) {
		uint32_t slice;
		struct flx_bucket *bucket = next_bucket(&type->index, sweep, flag);

		if (!bucket) {
			sweep->next_tsc = tsc + tsc_hz / FLX_TICKS_PER_SECOND;
			return;
		}
		slice = sweep->slice;
		if (tsc >= sweep->next_tsc)
			sweep->next_tsc += interval(type, worker, tsc_hz);
		sweep_bucket(type, worker, slice, bucket, make_room);
		/* No more than there is need of. */
		make_room = make_room && flx_slab_low(&type->slab);
	}
	/* Late, as after a sleep: it is made up for, but for no more than a second. */
	if (sweep->next_tsc + tsc_hz < tsc)
		sweep->next_tsc = tsc - tsc_hz;
}
