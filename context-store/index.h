/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * index - finds the record of a key: one table per slice, each written by the slice's owner alone.
 *
 * A table starts as a leaf (leaf.h) of one bucket and doubles up to 64 buckets (4 KiB). From there
 * on it is a directory of leaves of 64 buckets, and only the leaf that is full is split in two
 * (extendible hashing; Fagin, Nievergelt, Pippenger, Strong 1979). So growth of a table of any size
 * costs one leaf, at most 640 records, where doubling the slice of a type with 10 M records would
 * move 19,500. And almost all memory is blocks of one size, which bounds it however the keys fall
 * into slices: 27 bytes per record when they are many (268 MB for 10 M), 32 at 1 M.
 *
 * A table shrinks the same way, so that what one slice had serves another, whatever senders do who
 * know how keys fall into slices: two leaves that came of one become one when half a leaf's worth
 * of records is left in them, the directory halves with the depth of its leaves, and a last leaf
 * halves down to 16 buckets.
 *
 * Bits of the hash: 0-5 bucket, 6-31 directory, 48-63 tag. The record keeps the lower half, so
 * growing does not hash.
 *
 * Written by: the owner of the slice, roots, directories and buckets. Read by: any thread inside an
 * RCU read-side section (its look-up ends before its next quiescent state). Readers take no lock
 * and repeat nothing, and yet none misses a key that is in the table from before its look-up starts
 * until after it ends:
 * - As long as its leaf is used, a look-up in the leaf finds it (leaf.h).
 * - Growth copies a leaf to new blocks, shrinking copies it to a smaller one or enters its records
 *   in another leaf as well. Where they are now is published, filled, by release stores, and then
 *   the old blocks are written no more. So who still reads the old leaf, or an old directory that
 *   leads to it, finds there all that was in the table when his look-up began. Old blocks wait for
 *   a grace period (block.h).
 * What a reader may get besides: numbers of records that are free, or another key's by now. Hence
 * he verifies the record, by its word and its key.
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "context-store/arena.h"
#include "context-store/block.h"
#include "context-store/leaf.h"
#include "context-store/slab.h"
#include "fabric/base.h"

#define FLX_INDEX_NONE	    UINT32_MAX
#define FLX_INDEX_SLICES    512 /* FLX_SLICES of flx.h, which is for apps */
#define FLX_INDEX_LEAF_BITS 6
#define FLX_INDEX_LEAF_SIZE (1u << FLX_INDEX_LEAF_BITS) /* buckets of a full-grown leaf */

/*
 * What growth and shrinking may cost a turn, in buckets moved: a doubling takes those that the leaf
 * has, a split 64, a merge 40, a look whether there is one 8. A bucket is 8 to 10 records of 58
 * instructions (callgrind) and a cache miss each, all of them asked for first. What has begun is
 * finished, so a turn moves up to 127: 74,000 instructions. Less would not make a split shorter.
 */
#define FLX_INDEX_BUDGET 64

struct flx_index {
	/* Read-only after init. */
	_Atomic uint64_t *root; /* one per slice, each a struct flx_index_root */
	const struct flx_slab *slab;
	uint32_t depth_max;	    /* of a directory */
	uint32_t split_limit;	    /* leaves of full size that may wait for a grace period */
	struct flx_block_pool pool; /* any thread */
};

/* A table: its block, and how to find the bucket. Read and published as one word. */
struct flx_index_root {
	uint32_t line;	    /* the leaf, or the directory */
	uint16_t leaf_mask; /* buckets of a leaf - 1 */
	uint16_t depth;	    /* 0: line is the leaf; else of 1 << depth entries */
};

static_assert(sizeof(struct flx_index_root) == sizeof(uint64_t), "published by one store");

/* Bytes that flx_index_init and growth up to @capacity records take from the arena. */
uint64_t flx_index_reserve(uint32_t capacity);

/*
 * flx_index_init - FLX_INDEX_SLICES empty tables for up to @limit records of @slab
 * Grows from the rest of @arena later, and is then the only one to. 0; -ENOMEM. Context: setup.
 */
int flx_index_init(struct flx_index *index, struct flx_arena *arena, const struct flx_slab *slab,
		   uint32_t limit);

static inline uint16_t flx_index_tag(uint64_t hash)
{
	return (uint16_t)(hash >> 48);
}

static inline struct flx_index_root flx_index_root(const struct flx_index *index, uint32_t slice)
{
	struct flx_index_root root;
	/* Acquire: pairs with the release in publish: the blocks behind the word are filled. */
	uint64_t word = atomic_load_explicit(&index->root[slice], memory_order_acquire);

	memcpy(&root, &word, sizeof(root));
	return root;
}

/* First bucket of the leaf of @hash. */
static inline struct flx_bucket *flx_index_leaf(const struct flx_index *index,
						struct flx_index_root root, uint64_t hash)
{
	uint32_t line = root.line;

	if (root.depth) {
		const _Atomic uint32_t *leaves = flx_block_at(&index->pool, line);
		uint64_t at = (uint32_t)hash >> FLX_INDEX_LEAF_BITS & ((1u << root.depth) - 1);

		line = atomic_load_explicit(&leaves[at], memory_order_acquire);
	}
	return flx_block_at(&index->pool, line);
}

/* flx_index_home - the bucket where the look-up of @hash begins. Touches neither it nor its leaf.
 */
static inline struct flx_bucket *flx_index_home(const struct flx_index *index, uint32_t slice,
						uint64_t hash)
{
	struct flx_index_root root = flx_index_root(index, slice);

	return flx_index_leaf(index, root, hash) + (hash & root.leaf_mask);
}

/* A look-up under way: the candidates of one hash, one after the other. */
struct flx_index_probe {
	const struct flx_bucket *leaf;
	uint32_t leaf_mask;
	uint32_t at;	  /* bucket under way */
	uint32_t left;	  /* buckets after it */
	uint32_t matches; /* of it, not yet returned */
	uint16_t tag;
};

/*
 * flx_index_first, flx_index_next - numbers of the records that may have @hash, FLX_INDEX_NONE at
 * last
 *
 * The caller compares keys: one candidate in about 6,500 look-ups is another key's.
 * Context: owner of @slice, with no insert or remove between the calls; any thread inside a
 * read-side section, which also verifies the record: see the top.
 */
static inline uint32_t flx_index_next(struct flx_index_probe *probe)
{
	const struct flx_bucket *bucket = &probe->leaf[probe->at];
	uint32_t number;

	while (probe->matches == 0) {
		if (likely(!flx_bucket_overflowed(bucket)) || probe->left-- == 0)
			return FLX_INDEX_NONE;
		probe->at = (probe->at + 1) & probe->leaf_mask;
		bucket = &probe->leaf[probe->at];
		probe->matches = flx_bucket_match(bucket, probe->tag);
	}
	number = flx_bucket_record(bucket, probe->matches);
	probe->matches &= probe->matches - 1;
	return number;
}

static inline uint32_t flx_index_first(const struct flx_index *index, uint32_t slice, uint64_t hash,
				       struct flx_index_probe *probe)
{
	struct flx_index_root root = flx_index_root(index, slice);

	probe->leaf = flx_index_leaf(index, root, hash);
	probe->leaf_mask = root.leaf_mask;
	probe->at = (uint32_t)hash & root.leaf_mask;
	probe->left = root.leaf_mask;
	probe->tag = flx_index_tag(hash);
	probe->matches = flx_bucket_match(&probe->leaf[probe->at], probe->tag);
	return flx_index_next(probe);
}

/*
 * flx_index_insert - enter record @number, whose hash field is the lower half of @hash
 *
 * False when the leaf is full and cannot grow: no memory, no hope, or too much waits for a grace
 * period. Then nothing has changed. The caller has made sure that the key is not there.
 *
 * May grow the table, and takes what that costs from @budget. At 0 growth is put off for as long as
 * the leaf has a free entry: no key is refused for a budget. Context: owner of @slice.
 */
bool flx_index_insert(struct flx_index *index, uint32_t slice, uint64_t hash, uint32_t number,
		      uint32_t *budget);

/*
 * flx_index_remove - take record @number out, which must be there
 * May shrink the table, and takes what that costs from @budget; at 0 it is put off. Context: owner
 * of @slice.
 */
void flx_index_remove(struct flx_index *index, uint32_t slice, uint32_t number, uint32_t *budget);

/*
 * flx_index_presize - give the table of @slice, as init left it, the size for @count records
 * With up to that many it then grows once in 10^10 leaves. 0; -ENOMEM: it is as it was.
 * Context: owner of @slice; for other slices at the same time.
 */
int flx_index_presize(struct flx_index *index, uint32_t slice, uint32_t count);
