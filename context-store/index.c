/* SPDX-License-Identifier: BSD-3-Clause */
#include "context-store/index.h"

#include <errno.h>

#include <rte_prefetch.h>

#include "context-store/record.h"

/*
 * A leaf grows when a home bucket is full and it holds this many records per bucket. At 8 of 10,
 * 6 % of the keys are not in their home bucket (simulated); at 9 it would be 11 %, and at 7 it is 3
 * % for a seventh more memory.
 */
#define GROW_PER_BUCKET 8

/* Class of a block of 1 << c lines. Directory entries are 4 bytes, 16 of them a line. */
#define LINE_ENTRY_BITS 4
#define LEAF_CLASS	FLX_INDEX_LEAF_BITS

/*
 * Records per entry of the largest directory. A leaf that splits holds 512, so an entry stands for
 * 256 to 512 in the mean; the fewest that a keyed hash makes of it (6 sigma) is 188. One that has
 * shrunk is as large as its last two leaves of full depth demand, who are late by 6 sigma: half.
 */
#define DIRECTORY_RECORDS     128
#define DIRECTORY_RECORDS_MIN 64
#define LEAF_RECORDS	      160

/*
 * Two leaves are merged when together they hold this many or fewer. The check waits for a bucket to
 * become empty, which one removal in 16 does by then, so 160 are left per leaf, as reserved. A
 * merged leaf splits again after 160 more records, and the halves of a split one merge after 160
 * less: whoever goes to and fro has 2.1 records moved per record that he enters or removes.
 */
#define MERGE_RECORDS (2 * LEAF_RECORDS + 32)

/*
 * A table of one leaf halves it at this many records per bucket, a fourth of where it grows, down
 * to 16 buckets: all slices may have such a leaf, it is reserved.
 */
#define HALVE_PER_BUCKET 2
#define SHRUNK_BITS	 4

/* What it costs to count the records of two leaves, in buckets moved: 128 lines in sequence. */
#define LOOK_BUDGET 8

/*
 * Records per bucket of a table that is made for a count. A leaf then has 384 in the mean, and 512
 * is 6.5 sigma away. Half as many, where the count is just above a size, is still more than all
 * the numbers above allow for.
 */
#define PRESIZE_PER_BUCKET 6u

/*
 * Slots of the limbo. A slice that grows retires each size of small leaf once, and those always
 * fit. The two largest sizes it may retire again when it has shrunk: it shrinks while fewer than
 * the limit of them wait, and from then on all can but grow, each once through either size. A
 * split or a merge takes two at most, a directory and then its leaf, and begins while fewer leaves
 * than the limit wait. By then each worker may have begun one as well.
 */
#define SPLIT_LIMIT_MAX	 384
#define SHRINK_LIMIT_MAX 64

static_assert(FLX_INDEX_SLICES * FLX_INDEX_LEAF_BITS + SHRINK_LIMIT_MAX + FLX_WORKERS_MAX +
			      2 * (SPLIT_LIMIT_MAX + FLX_WORKERS_MAX) <=
		      FLX_BLOCK_LIMBO,
	      "whatever is retired has a slot");

static uint32_t directory_class(uint32_t depth)
{
	return depth > LINE_ENTRY_BITS ? depth - LINE_ENTRY_BITS : 0;
}

static uint32_t leaf_bits(struct flx_index_root root)
{
	return (uint32_t)__builtin_popcount(root.leaf_mask);
}

static uint32_t line_of(const struct flx_index *index, const void *block)
{
	return (uint32_t)((uint64_t)((const uint8_t *)block - index->pool.base) / FLX_CACHE_LINE);
}

static uint64_t at_most(uint64_t value, uint64_t limit)
{
	return value < limit ? value : limit;
}

/* Leaves that may wait for a grace period: a fourth of those that there are when all are full. */
static uint32_t split_limit(uint32_t capacity)
{
	return (uint32_t)at_most(capacity / (4 * LEAF_RECORDS) + 1, SPLIT_LIMIT_MAX);
}

/*
 * The worst case, however the records fall into slices, now and before. Leaves up to 16 buckets
 * stay, so each slice may have one. Larger ones halve, by when they hold 2 records per bucket at
 * the latest, and all but 1 in 10^6 before they hold 1. Blocks of a size are reused for that size
 * only. Of the small leaves and the directories, the rows count all that a slice has ever had, or
 * twice what its records need, so those in the limbo need no more.
 */
uint64_t flx_index_reserve(uint32_t capacity)
{
	uint64_t lines = FLX_INDEX_SLICES * (sizeof(uint64_t) + FLX_CACHE_LINE) / FLX_CACHE_LINE;

	for (uint32_t bits = 1; bits <= FLX_INDEX_LEAF_BITS; bits++) {
		uint64_t leaves = FLX_INDEX_SLICES;

		if ((uint64_t)GROW_PER_BUCKET << (bits - 1) > capacity)
			break;
		if (bits > SHRUNK_BITS)
			leaves = at_most(leaves, (capacity >> bits) + 1);
		lines += leaves << bits;
	}
	lines += ((uint64_t)capacity / LEAF_RECORDS + split_limit(capacity)) * FLX_INDEX_LEAF_SIZE;
	for (uint32_t depth = 1; (uint64_t)DIRECTORY_RECORDS << depth <= capacity; depth++) {
		uint64_t directories = capacity / ((uint64_t)DIRECTORY_RECORDS_MIN << depth);

		lines += at_most(directories, FLX_INDEX_SLICES) << directory_class(depth);
	}
	return lines * FLX_CACHE_LINE + flx_block_reserve();
}

static uint32_t leaf_alloc(struct flx_index *index, uint32_t bits, uint32_t depth)
{
	uint32_t line = flx_block_alloc(&index->pool, bits);
	struct flx_bucket *leaf = flx_block_at(&index->pool, line);

	if (line == 0)
		return 0;
	memset((void *)leaf, 0, sizeof(*leaf) << bits);
	flx_leaf_set_depth(leaf, depth);
	return line;
}

/* Release: pairs with the acquire in flx_index_root. */
static void publish(struct flx_index *index, uint32_t slice, struct flx_index_root root)
{
	uint64_t word;

	memcpy(&word, &root, sizeof(word));
	atomic_store_explicit(&index->root[slice], word, memory_order_release);
}

int flx_index_init(struct flx_index *index, struct flx_arena *arena, const struct flx_slab *slab,
		   uint32_t limit)
{
	uint64_t roots =
		flx_arena_alloc(arena, FLX_INDEX_SLICES * sizeof(uint64_t), FLX_CACHE_LINE);
	int error;

	if (roots == FLX_ARENA_NONE)
		return -ENOMEM;
	*index = (struct flx_index){
		.root = flx_arena_at(arena, roots),
		.slab = slab,
		.split_limit = split_limit(limit),
	};
	error = flx_block_pool_init(&index->pool, arena);
	if (error)
		return error;
	while ((uint64_t)DIRECTORY_RECORDS << (index->depth_max + 1) <= limit)
		index->depth_max++;
	for (uint32_t slice = 0; slice < FLX_INDEX_SLICES; slice++) {
		struct flx_index_root root = {.line = leaf_alloc(index, 0, 0)};

		if (root.line == 0)
			return -ENOMEM;
		publish(index, slice, root);
	}
	return 0;
}

static uint32_t record_hash(const struct flx_index *index, uint32_t number)
{
	const struct flx_record *record = flx_slab_at(index->slab, number);

	FLX_VERIFY(number < index->slab->pool[index->slab->node_count - 1].end);
	return record->hash;
}

/* All of leaf @from also to two leaves, by @bit of the hash. They may be one, and have others. */
static void leaf_move(const struct flx_index *index, const struct flx_bucket *from,
		      uint32_t from_mask, struct flx_bucket *const to[2], uint32_t to_mask,
		      uint32_t bit)
{
	for (uint32_t at = 0; at <= from_mask; at++)
		for (uint32_t used = flx_bucket_state(&from[at]) & FLX_BUCKET_USED; used;
		     used &= used - 1)
			rte_prefetch0(flx_slab_at(index->slab, flx_bucket_record(&from[at], used)));
	for (uint32_t at = 0; at <= from_mask; at++)
		for (uint32_t used = flx_bucket_state(&from[at]) & FLX_BUCKET_USED; used;
		     used &= used - 1) {
			uint32_t number = flx_bucket_record(&from[at], used);
			uint32_t hash = record_hash(index, number);
			uint16_t tag = atomic_load_explicit(&from[at].tag[__builtin_ctz(used)],
							    memory_order_relaxed);

			/* Whoever moves has made sure of room for all. */
			bool entered =
				flx_leaf_insert(to[hash >> bit & 1], to_mask, hash, tag, number);

			FLX_VERIFY(entered);
		}
}

/* Gives a table of one leaf another, of 1 << @bits buckets, which hold all. */
static bool resize_leaf(struct flx_index *index, uint32_t slice, struct flx_index_root root,
			uint32_t bits)
{
	uint32_t line = leaf_alloc(index, bits, 0), mask = (1u << bits) - 1;
	struct flx_bucket *leaf = flx_block_at(&index->pool, line);

	if (line == 0)
		return false;
	leaf_move(index, flx_block_at(&index->pool, root.line), root.leaf_mask,
		  (struct flx_bucket *const[2]){leaf, leaf}, mask, 0);
	publish(index, slice, (struct flx_index_root){.line = line, .leaf_mask = (uint16_t)mask});
	flx_block_retire(&index->pool, leaf_bits(root), root.line);
	return true;
}

/* A directory twice as deep as that of @root, not yet published; its line, 0: no memory. */
static uint32_t directory_alloc(struct flx_index *index, struct flx_index_root root)
{
	uint32_t line = flx_block_alloc(&index->pool, directory_class(root.depth + 1u));
	size_t size_bytes = sizeof(uint32_t) << root.depth;
	uint8_t *grown = flx_block_at(&index->pool, line);
	const void *old = root.depth ? flx_block_at(&index->pool, root.line) : &root.line;

	if (line == 0)
		return 0;
	/* Only its owner writes the old one, and nobody sees the new one: no atomics, for speed. */
	memcpy(grown, old, size_bytes);
	memcpy(grown + size_bytes, old, size_bytes);
	return line;
}

/* Entries of @hash, of a leaf of @depth, lead to one or two leaves. Release: flx_index_leaf. */
static void directory_lead(struct flx_index *index, struct flx_index_root root, uint32_t hash,
			   uint32_t depth, const uint32_t line[2])
{
	_Atomic uint32_t *leaves = flx_block_at(&index->pool, root.line);
	uint32_t step = 1u << depth;

	for (uint32_t i = hash >> FLX_INDEX_LEAF_BITS & (step - 1); i < 1u << root.depth; i += step)
		atomic_store_explicit(&leaves[i], line[i >> depth & 1], memory_order_release);
}

static bool split_leaf(struct flx_index *index, uint32_t slice, struct flx_index_root root,
		       uint32_t hash)
{
	struct flx_bucket *leaf = flx_index_leaf(index, root, hash);
	uint32_t depth = flx_leaf_depth(leaf);
	uint32_t line[2] = {0, 0};
	struct flx_index_root grown = root;

	if (depth == index->depth_max ||
	    flx_block_waiting(&index->pool, LEAF_CLASS) >= index->split_limit)
		return false;
	for (uint32_t i = 0; i < 2; i++) {
		line[i] = leaf_alloc(index, FLX_INDEX_LEAF_BITS, depth + 1);
		if (line[i] == 0)
			goto err_block;
	}
	if (depth == root.depth) {
		grown.line = directory_alloc(index, root);
		grown.depth++;
		if (grown.line == 0)
			goto err_block;
	}
	leaf_move(index, leaf, root.leaf_mask,
		  (struct flx_bucket *const[2]){flx_block_at(&index->pool, line[0]),
						flx_block_at(&index->pool, line[1])},
		  root.leaf_mask, FLX_INDEX_LEAF_BITS + depth);
	directory_lead(index, grown, hash, depth, line);
	publish(index, slice, grown);
	if (root.depth && grown.line != root.line)
		flx_block_retire(&index->pool, directory_class(root.depth), root.line);
	flx_block_retire(&index->pool, LEAF_CLASS, line_of(index, leaf));
	return true;

err_block:
	for (uint32_t i = 0; i < 2; i++)
		if (line[i])
			flx_block_free(&index->pool, LEAF_CLASS, line[i]);
	return false;
}

static bool grow(struct flx_index *index, uint32_t slice, struct flx_index_root root, uint32_t hash)
{
	return root.leaf_mask + 1u < FLX_INDEX_LEAF_SIZE
		       ? resize_leaf(index, slice, root, leaf_bits(root) + 1)
		       : split_leaf(index, slice, root, hash);
}

static bool crowded(const struct flx_bucket *leaf, uint32_t mask, uint64_t hash)
{
	return flx_bucket_full(flx_bucket_state(&leaf[hash & mask])) &&
	       flx_leaf_used(leaf, mask) >= GROW_PER_BUCKET * (mask + 1);
}

bool flx_index_insert(struct flx_index *index, uint32_t slice, uint64_t hash, uint32_t number,
		      uint32_t *budget)
{
	for (bool stuck = false;;) {
		struct flx_index_root root = flx_index_root(index, slice);
		struct flx_bucket *leaf = flx_index_leaf(index, root, hash);
		uint32_t mask = root.leaf_mask;

		if ((stuck || *budget == 0 || !crowded(leaf, mask, hash)) &&
		    flx_leaf_insert(leaf, mask, (uint32_t)hash, flx_index_tag(hash), number))
			return true;
		/* Crowded, or full. Depth and leaf size have limits, so growth ends. */
		if (stuck)
			return false;
		stuck = !grow(index, slice, root, (uint32_t)hash);
		if (!stuck)
			*budget -= (uint32_t)at_most(*budget, mask + 1);
	}
}

/*
 * Whether both halves of a directory lead to the same leaves. It looks first at the entry after
 * that of @hash, as who empties leaves in order (sweep.h) has not yet been there.
 */
static bool halves_equal(const _Atomic uint32_t *leaves, uint32_t depth, uint32_t hash)
{
	uint32_t half = 1u << (depth - 1), after = (hash >> FLX_INDEX_LEAF_BITS) + 1;

	for (uint32_t i = 0; i < half; i++) {
		const _Atomic uint32_t *low = &leaves[(after + i) & (half - 1)];

		if (atomic_load_explicit(low, memory_order_relaxed) !=
		    atomic_load_explicit(low + half, memory_order_relaxed))
			return false;
	}
	return true;
}

/* A directory as deep as the deepest leaf, or none for one leaf. Without memory it stays. */
static void trim_directory(struct flx_index *index, uint32_t slice, struct flx_index_root root,
			   uint32_t hash)
{
	const _Atomic uint32_t *leaves = flx_block_at(&index->pool, root.line);
	struct flx_index_root trimmed = root;

	while (trimmed.depth && halves_equal(leaves, trimmed.depth, hash))
		trimmed.depth--;
	if (trimmed.depth == root.depth)
		return;
	trimmed.line = trimmed.depth ? flx_block_alloc(&index->pool, directory_class(trimmed.depth))
				     : atomic_load_explicit(leaves, memory_order_relaxed);
	if (trimmed.line == 0)
		return;
	if (trimmed.depth)
		memcpy(flx_block_at(&index->pool, trimmed.line), (const void *)leaves,
		       sizeof(*leaves) << trimmed.depth);
	publish(index, slice, trimmed);
	flx_block_retire(&index->pool, directory_class(root.depth), root.line);
}

/*
 * The leaf of @hash and the one that was split from the same, when their records are few: those of
 * the emptier are entered into the other, which stays. So it takes no memory but for a directory.
 */
static bool merge_leaf(struct flx_index *index, uint32_t slice, struct flx_index_root root,
		       uint32_t hash)
{
	struct flx_bucket *leaf[2] = {flx_index_leaf(index, root, hash)}, *from, *to;
	uint32_t mask = root.leaf_mask, depth = flx_leaf_depth(leaf[0]), used[2], line;

	FLX_ASSERT(depth > 0);
	leaf[1] = flx_index_leaf(index, root, hash ^ 1u << (FLX_INDEX_LEAF_BITS + depth - 1));
	if (flx_leaf_depth(leaf[1]) != depth)
		return false;
	for (uint32_t i = 0; i < 2; i++)
		used[i] = flx_leaf_used(leaf[i], mask);
	if (used[0] + used[1] > MERGE_RECORDS)
		return false;
	from = leaf[used[1] < used[0]];
	to = leaf[used[1] >= used[0]];
	leaf_move(index, from, mask, (struct flx_bucket *const[2]){to, to}, mask, 0);
	flx_leaf_set_depth(to, depth - 1);
	line = line_of(index, to);
	directory_lead(index, root, hash, depth - 1, (const uint32_t[2]){line, line});
	trim_directory(index, slice, root, hash);
	flx_block_retire(&index->pool, LEAF_CLASS, line_of(index, from));
	return true;
}

static bool halve_leaf(struct flx_index *index, uint32_t slice, struct flx_index_root root)
{
	uint32_t used = flx_leaf_used(flx_block_at(&index->pool, root.line), root.leaf_mask);

	return used <= HALVE_PER_BUCKET * (root.leaf_mask + 1u) &&
	       resize_leaf(index, slice, root, leaf_bits(root) - 1);
}

/* Whether the limbo has room for what shrinking retires. One half of it is for splits. */
static bool may_shrink(const struct flx_index *index, struct flx_index_root root)
{
	const struct flx_block_pool *pool = &index->pool;

	if (flx_block_waiting(pool, LEAF_CLASS) >= (index->split_limit + 1) / 2)
		return false;
	return root.depth ||
	       (leaf_bits(root) > SHRUNK_BITS &&
		flx_block_waiting(pool, LEAF_CLASS - 1) + flx_block_waiting(pool, LEAF_CLASS - 2) <
			SHRINK_LIMIT_MAX);
}

/*
 * The bucket that record @number was in has become empty; at 5 records per bucket, one removal in
 * 150 does that. What is put off now, the next one does.
 */
static __attribute__((noinline)) void shrink(struct flx_index *index, uint32_t slice,
					     uint32_t number, uint32_t *budget)
{
	struct flx_index_root root = flx_index_root(index, slice);
	uint32_t hash = record_hash(index, number);

	if (*budget == 0 || !may_shrink(index, root))
		return;
	*budget -= (uint32_t)at_most(*budget, LOOK_BUDGET);
	if (root.depth ? merge_leaf(index, slice, root, hash) : halve_leaf(index, slice, root))
		*budget -= (uint32_t)at_most(*budget, (root.leaf_mask + 1u) / 2);
}

void flx_index_remove(struct flx_index *index, uint32_t slice, uint32_t number, uint32_t *budget)
{
	uint32_t hash = record_hash(index, number);
	struct flx_index_root root = flx_index_root(index, slice);
	struct flx_bucket *leaf = flx_index_leaf(index, root, hash);

	for (uint32_t passed = 0; passed <= root.leaf_mask; passed++) {
		struct flx_bucket *bucket = &leaf[(hash + passed) & root.leaf_mask];
		uint32_t state = flx_bucket_state(bucket);

		for (uint32_t used = state & FLX_BUCKET_USED; used; used &= used - 1) {
			if (flx_bucket_record(bucket, used) != number)
				continue;
			state &= ~(used & -used);
			atomic_store_explicit(&bucket->state, (uint16_t)state,
					      memory_order_relaxed);
			while (passed--)
				flx_bucket_count(&leaf[(hash + passed) & root.leaf_mask], -1);
			if (unlikely((state & FLX_BUCKET_USED) == 0))
				shrink(index, slice, number, budget);
			return;
		}
	}
	FLX_VERIFY(!"a record that is removed is in the index");
}

/* Directory of 1 << @depth empty leaves, not yet published; its line, 0: no memory. */
static uint32_t directory_presize(struct flx_index *index, uint32_t depth)
{
	uint32_t line = flx_block_alloc(&index->pool, directory_class(depth));
	uint32_t *leaves = flx_block_at(&index->pool, line);
	uint32_t count = 0;

	if (line == 0)
		return 0;
	for (; count < 1u << depth; count++) {
		leaves[count] = leaf_alloc(index, FLX_INDEX_LEAF_BITS, depth);
		if (leaves[count] == 0)
			goto err_leaf;
	}
	return line;

err_leaf:
	while (count--)
		flx_block_free(&index->pool, LEAF_CLASS, leaves[count]);
	flx_block_free(&index->pool, directory_class(depth), line);
	return 0;
}

int flx_index_presize(struct flx_index *index, uint32_t slice, uint32_t count)
{
	struct flx_index_root old = flx_index_root(index, slice), root = {0};
	uint32_t bits = 0;

	FLX_ASSERT(old.depth == 0 && old.leaf_mask == 0);
	while (bits < FLX_INDEX_LEAF_BITS && count > PRESIZE_PER_BUCKET << bits)
		bits++;
	while (root.depth < index->depth_max && count > (uint64_t)PRESIZE_PER_BUCKET
								<< (bits + root.depth))
		root.depth++;
	if (bits == 0)
		return 0;
	root.leaf_mask = (uint16_t)((1u << bits) - 1);
	root.line = root.depth ? directory_presize(index, root.depth) : leaf_alloc(index, bits, 0);
	if (root.line == 0)
		return -ENOMEM;
	publish(index, slice, root);
	flx_block_retire(&index->pool, 0, old.line);
	return 0;
}
