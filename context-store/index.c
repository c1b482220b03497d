/* SPDX-License-Identifier: BSD-3-Clause */
#include "context-store/index.h"

#include <errno.h>

#include <rte_pause.h>
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
 * 256 to 512 in the mean; the fewest that a keyed hash makes of it (6 sigma) is 188.
 */
#define DIRECTORY_RECORDS 128
#define LEAF_RECORDS	  160

#define DEPTH_SHIFT FLX_BUCKET_ENTRIES /* in the state of a leaf's first bucket */

static uint32_t directory_class(uint32_t depth)
{
	return depth > LINE_ENTRY_BITS ? depth - LINE_ENTRY_BITS : 0;
}

static uint64_t at_most(uint64_t value, uint64_t limit)
{
	return value < limit ? value : limit;
}

/*
 * The worst case, however the records fall into slices. A table never shrinks, so each slice may
 * show the size of a batch that was withdrawn beside the records that it has. Blocks of a size are
 * reused for that size only.
 */
uint64_t flx_index_reserve(uint32_t capacity)
{
	const uint64_t align_lines = FLX_INDEX_LEAF_SIZE;
	uint64_t lines = FLX_INDEX_SLICES * (sizeof(uint64_t) + FLX_CACHE_LINE) / FLX_CACHE_LINE +
			 align_lines;

	for (uint32_t bits = 1; bits <= FLX_INDEX_LEAF_BITS; bits++) {
		uint64_t needs = (uint64_t)GROW_PER_BUCKET << (bits - 1);
		uint64_t leaves = FLX_INDEX_SLICES;

		if (needs > capacity)
			break;
		if (needs > FLX_BATCH)
			leaves = at_most(leaves, capacity / (needs - FLX_BATCH) + 1);
		lines += (leaves << bits) + align_lines;
	}
	lines += (uint64_t)capacity / LEAF_RECORDS * FLX_INDEX_LEAF_SIZE;
	for (uint32_t depth = 1; (uint64_t)DIRECTORY_RECORDS << depth <= capacity; depth++) {
		uint64_t directories = capacity / ((uint64_t)DIRECTORY_RECORDS << depth);

		lines += (at_most(directories, FLX_INDEX_SLICES) << directory_class(depth)) +
			 align_lines;
	}
	return lines * FLX_CACHE_LINE;
}

static uint32_t line_of(const struct flx_index *index, const void *block)
{
	return (uint32_t)((uint64_t)((const uint8_t *)block - index->base) / FLX_CACHE_LINE);
}

/* Line number of a block of 1 << @class lines, its bytes undefined; 0: there is no memory. */
static uint32_t block_alloc(struct flx_index *index, uint32_t class)
{
	uint64_t size_bytes = (uint64_t)FLX_CACHE_LINE << class;
	uint32_t line;

	/* Acquire: pairs with the release of the clear, for the lists and the links in the blocks.
	 */
	while (atomic_flag_test_and_set_explicit(&index->lock, memory_order_acquire))
		rte_pause();
	line = index->free_block[class];
	if (line) {
		index->free_block[class] = *(uint32_t *)flx_index_line(index, line);
	} else {
		/* A leaf in one page: one TLB entry, where pages are small. */
		uint64_t at = flx_arena_alloc(index->arena, size_bytes, at_most(size_bytes, 4096));

		if (at != FLX_ARENA_NONE)
			line = line_of(index, flx_arena_at(index->arena, at));
	}
	atomic_flag_clear_explicit(&index->lock, memory_order_release);
	return line;
}

static void block_free(struct flx_index *index, uint32_t class, uint32_t line)
{
	while (atomic_flag_test_and_set_explicit(&index->lock, memory_order_acquire))
		rte_pause();
	*(uint32_t *)flx_index_line(index, line) = index->free_block[class];
	index->free_block[class] = line;
	atomic_flag_clear_explicit(&index->lock, memory_order_release);
}

static uint32_t leaf_alloc(struct flx_index *index, uint32_t bits, uint32_t depth)
{
	uint32_t line = block_alloc(index, bits);
	struct flx_bucket *leaf = flx_index_line(index, line);

	if (line == 0)
		return 0;
	memset(leaf, 0, sizeof(*leaf) << bits);
	leaf->state = (uint16_t)(depth << DEPTH_SHIFT);
	return line;
}

/* Release: pairs with the acquire in flx_index_root. */
static void publish(struct flx_index *index, uint32_t slice, struct flx_index_root root)
{
	uint64_t word;

	memcpy(&word, &root, sizeof(word));
	atomic_store_explicit(&index->root[slice], word, memory_order_release);
}

int flx_index_init(struct flx_index *index, struct flx_arena *arena, const struct flx_slab *slab)
{
	uint64_t roots = flx_arena_alloc(arena, FLX_INDEX_SLICES * sizeof(uint64_t), 4096);

	if (roots == FLX_ARENA_NONE)
		return -ENOMEM;
	*index = (struct flx_index){
		.base = flx_arena_at(arena, roots),
		.root = flx_arena_at(arena, roots),
		.slab = slab,
		.arena = arena,
		.lock = ATOMIC_FLAG_INIT,
	};
	while ((uint64_t)DIRECTORY_RECORDS << (index->depth_max + 1) <= slab->capacity)
		index->depth_max++;
	for (uint32_t slice = 0; slice < FLX_INDEX_SLICES; slice++) {
		struct flx_index_root root = {.line = leaf_alloc(index, 0, 0)};

		if (root.line == 0)
			return -ENOMEM;
		publish(index, slice, root);
	}
	return 0;
}

static uint32_t bucket_used(const struct flx_bucket *bucket)
{
	return (uint32_t)__builtin_popcount(bucket->state & FLX_BUCKET_USED);
}

/* Not counted as records come and go: only who finds a home bucket full needs to know. */
static uint32_t leaf_used(const struct flx_bucket *leaf, uint32_t mask)
{
	uint32_t used = 0;

	for (uint32_t at = 0; at <= mask; at++)
		used += bucket_used(&leaf[at]);
	return used;
}

/* False, and no change: the leaf is full. */
static bool leaf_insert(struct flx_bucket *leaf, uint32_t mask, uint32_t hash, uint16_t tag,
			uint32_t number)
{
	struct flx_bucket *bucket;
	uint32_t passed = 0, entry;

	while (bucket_used(&leaf[(hash + passed) & mask]) == FLX_BUCKET_ENTRIES)
		if (passed++ == mask)
			return false;
	bucket = &leaf[(hash + passed) & mask];
	entry = (uint32_t)__builtin_ctz(~(uint32_t)bucket->state);
	bucket->tag[entry] = tag;
	bucket->record[entry] = number;
	bucket->state = (uint16_t)(bucket->state | 1u << entry);
	while (passed--)
		leaf[(hash + passed) & mask].overflow++;
	return true;
}

static uint32_t record_hash(const struct flx_index *index, uint32_t number)
{
	const struct flx_record *record = flx_slab_at(index->slab, number);

	FLX_VERIFY(number < index->slab->capacity);
	return record->hash;
}

/* All of leaf @from to two leaves, by @bit of the hash. They may be one. */
static void leaf_move(const struct flx_index *index, const struct flx_bucket *from,
		      uint32_t from_mask, struct flx_bucket *const to[2], uint32_t to_mask,
		      uint32_t bit)
{
	for (uint32_t at = 0; at <= from_mask; at++)
		for (uint32_t used = from[at].state & FLX_BUCKET_USED; used; used &= used - 1)
			rte_prefetch0(
				flx_slab_at(index->slab, from[at].record[__builtin_ctz(used)]));
	for (uint32_t at = 0; at <= from_mask; at++)
		for (uint32_t used = from[at].state & FLX_BUCKET_USED; used; used &= used - 1) {
			uint32_t entry = (uint32_t)__builtin_ctz(used);
			uint32_t number = from[at].record[entry];
			uint32_t hash = record_hash(index, number);
			/* Each is as large as the old one or larger, so nothing is refused. */
			bool entered = leaf_insert(to[hash >> bit & 1], to_mask, hash,
						   from[at].tag[entry], number);

			FLX_VERIFY(entered);
		}
}

static bool grow_leaf(struct flx_index *index, uint32_t slice, struct flx_index_root root)
{
	uint32_t bits = (uint32_t)__builtin_popcount(root.leaf_mask);
	uint32_t line = leaf_alloc(index, bits + 1, 0);
	struct flx_bucket *grown = flx_index_line(index, line);
	struct flx_bucket *const to[2] = {grown, grown};
	uint32_t mask = root.leaf_mask;

	if (line == 0)
		return false;
	leaf_move(index, flx_index_line(index, root.line), mask, to, 2 * mask + 1, 0);
	publish(index, slice,
		(struct flx_index_root){.line = line, .leaf_mask = (uint16_t)(2 * mask + 1)});
	block_free(index, bits, root.line);
	return true;
}

/* A directory twice as deep as that of @root, not yet published; its line, 0: no memory. */
static uint32_t directory_alloc(struct flx_index *index, struct flx_index_root root)
{
	uint32_t line = block_alloc(index, directory_class(root.depth + 1u));
	_Atomic uint32_t *grown = flx_index_line(index, line);
	const _Atomic uint32_t *old = flx_index_line(index, root.line);
	uint32_t size = 1u << root.depth;

	if (line == 0)
		return 0;
	for (uint32_t i = 0; i < 2 * size; i++) {
		uint32_t leaf = root.line;

		if (root.depth)
			leaf = atomic_load_explicit(&old[i & (size - 1)], memory_order_relaxed);
		atomic_store_explicit(&grown[i], leaf, memory_order_relaxed);
	}
	return line;
}

/* Entries of the leaf of @hash, of @depth, now lead to two leaves. Release: see flx_index_leaf. */
static void directory_split(struct flx_index *index, struct flx_index_root root, uint32_t hash,
			    uint32_t depth, const uint32_t line[2])
{
	_Atomic uint32_t *leaves = flx_index_line(index, root.line);
	uint32_t step = 1u << depth;

	for (uint32_t i = hash >> FLX_INDEX_LEAF_BITS & (step - 1); i < 1u << root.depth; i += step)
		atomic_store_explicit(&leaves[i], line[i >> depth & 1], memory_order_release);
}

static bool split_leaf(struct flx_index *index, uint32_t slice, struct flx_index_root root,
		       uint32_t hash)
{
	struct flx_bucket *leaf = flx_index_leaf(index, root, hash);
	uint32_t old = line_of(index, leaf);
	uint32_t depth = (uint32_t)leaf->state >> DEPTH_SHIFT;
	uint32_t line[2] = {0, 0};
	struct flx_index_root grown = root;

	if (depth == index->depth_max)
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
		  (struct flx_bucket *const[2]){flx_index_line(index, line[0]),
						flx_index_line(index, line[1])},
		  root.leaf_mask, FLX_INDEX_LEAF_BITS + depth);
	directory_split(index, grown, hash, depth, line);
	publish(index, slice, grown);
	if (root.depth && grown.line != root.line)
		block_free(index, directory_class(root.depth), root.line);
	block_free(index, LEAF_CLASS, old);
	return true;

err_block:
	for (uint32_t i = 0; i < 2; i++)
		if (line[i])
			block_free(index, LEAF_CLASS, line[i]);
	return false;
}

bool flx_index_insert(struct flx_index *index, uint32_t slice, uint64_t hash, uint32_t number)
{
	for (;;) {
		struct flx_index_root root = flx_index_root(index, slice);
		struct flx_bucket *leaf = flx_index_leaf(index, root, hash);
		uint32_t mask = root.leaf_mask;

		/* Depth and leaf size have limits, so growth ends; then the leaf fills up. */
		if (bucket_used(&leaf[hash & mask]) == FLX_BUCKET_ENTRIES &&
		    leaf_used(leaf, mask) >= GROW_PER_BUCKET * (mask + 1) &&
		    (mask + 1 < FLX_INDEX_LEAF_SIZE
			     ? grow_leaf(index, slice, root)
			     : split_leaf(index, slice, root, (uint32_t)hash)))
			continue;
		return leaf_insert(leaf, mask, (uint32_t)hash, flx_index_tag(hash), number);
	}
}

void flx_index_remove(struct flx_index *index, uint32_t slice, uint32_t number)
{
	uint32_t hash = record_hash(index, number);
	struct flx_index_root root = flx_index_root(index, slice);
	struct flx_bucket *leaf = flx_index_leaf(index, root, hash);

	for (uint32_t passed = 0; passed <= root.leaf_mask; passed++) {
		struct flx_bucket *bucket = &leaf[(hash + passed) & root.leaf_mask];

		for (uint32_t used = bucket->state & FLX_BUCKET_USED; used; used &= used - 1) {
			uint32_t entry = (uint32_t)__builtin_ctz(used);

			if (bucket->record[entry] != number)
				continue;
			bucket->state = (uint16_t)(bucket->state & ~(1u << entry));
			while (passed--)
				leaf[(hash + passed) & root.leaf_mask].overflow--;
			return;
		}
	}
	FLX_VERIFY(!"a record that is removed is in the index");
}
