/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * index - finds the record of a key: one table per slice, each written by the slice's owner alone.
 *
 * A bucket is one cache line: 10 tags of 16 bits, compared in one go, and 10 record numbers. A
 * table starts as a leaf of one bucket and doubles up to 64 buckets (4 KiB). From there on it is a
 * directory of leaves of 64 buckets, and only the leaf that is full is split in two (extendible
 * hashing; Fagin, Nievergelt, Pippenger, Strong 1979). So growth of a table of any size costs one
 * leaf, at most 640 records, where doubling the slice of a type with 10 M records would move
 * 19,500. And almost all memory is blocks of one size, which bounds it however the keys fall into
 * slices: 27 bytes per record when they are many (265 MB for 10 M), 32 at 1 M. A table never
 * shrinks: what removed keys leave serves new ones of the slice.
 *
 * A key that finds its home bucket full goes to the next one of the leaf, and every bucket that it
 * passed counts it (after F14, Bronson and Shi 2019): a look-up goes on only while that count is
 * not 0, and removal leaves no mark behind. A look-up never reads more than the 64 buckets of a
 * leaf; under the keyed hash it reads 1.1 in the mean at the load at which leaves split.
 *
 * Bits of the hash: 0-5 bucket, 6-31 directory, 48-63 tag. The record keeps the lower half, so
 * growing does not hash.
 *
 * Written by: the owner of the slice, roots, directories and buckets. Read by: any thread inside an
 * RCU read-side section (its look-up ends before its next quiescent state). Readers take no lock
 * and repeat nothing, and yet none misses a key that is in the table from before its look-up starts
 * until after it ends:
 * - An entry stays where it is for as long as its leaf is used. Its tag and number are written
 *   before its bit (release), and a reader loads the bit first (acquire).
 * - Each bucket that it passed counts it from before the bit is set until after it is cleared.
 * - Growth copies a leaf to new blocks, which are published, filled, by one release store, and then
 *   writes the old ones no more. So who still reads the old leaf, or an old directory that leads to
 *   it, finds there all that was in the table when his look-up began. Old blocks wait for a grace
 *   period (block.h).
 * What a reader may get besides: numbers of records that are free, or another key's by now. Hence
 * he verifies the record, by its word and its key.
 */
#pragma once

#include <emmintrin.h>

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "context-store/arena.h"
#include "context-store/block.h"
#include "context-store/slab.h"
#include "fabric/base.h"

#define FLX_INDEX_NONE	    UINT32_MAX
#define FLX_INDEX_SLICES    512 /* FLX_SLICES of flx.h, which is for apps */
#define FLX_BUCKET_ENTRIES  10
#define FLX_BUCKET_USED	    ((1u << FLX_BUCKET_ENTRIES) - 1)
#define FLX_INDEX_LEAF_BITS 6
#define FLX_INDEX_LEAF_SIZE (1u << FLX_INDEX_LEAF_BITS) /* buckets of a full-grown leaf */

/*
 * What growth may cost a turn, in buckets moved: a doubling takes those that the leaf has, a split
 * 64. A bucket is 8 to 10 records of 58 instructions (callgrind) and a cache miss each, all of them
 * asked for first. Growth that has begun is finished, so a turn moves up to 127: 74,000
 * instructions. Less would not make a split shorter.
 */
#define FLX_INDEX_BUDGET 64

struct flx_bucket {
	alignas(FLX_CACHE_LINE) _Atomic uint16_t tag[FLX_BUCKET_ENTRIES];
	_Atomic uint16_t state;	   /* low 10 bits: in use; high 6, in a leaf's first: its depth */
	_Atomic uint16_t overflow; /* entries that passed this bucket because it was full */
	_Atomic uint32_t record[FLX_BUCKET_ENTRIES];
};

static_assert(sizeof(struct flx_bucket) == FLX_CACHE_LINE, "a look-up is one line");

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

/*
 * Tags of @bucket that are @tag, one bit each; the high 6 of the 16 are not tags. SSE2: all that
 * x86-64 must have. The load of 16 bytes races with the owner's stores of 2, by design: a tag that
 * is not changing comes whole from a load however wide, and one that is changing belongs to no key
 * that the reader must find. C11 has no such load and ThreadSanitizer would object, hence the
 * attribute.
 */
static inline __attribute__((no_sanitize("thread"))) uint32_t flx_bucket_equal(
	const struct flx_bucket *bucket, uint16_t tag)
{
	const __m128i *half = (const __m128i *)(const void *)bucket;
	__m128i wanted = _mm_set1_epi16((short)tag);
	__m128i low = _mm_cmpeq_epi16(_mm_load_si128(half), wanted);
	__m128i high = _mm_cmpeq_epi16(_mm_load_si128(half + 1), wanted);

	return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(low, high));
}

/* flx_bucket_match - entries of @bucket with @tag, one bit each. */
static inline uint32_t flx_bucket_match(const struct flx_bucket *bucket, uint16_t tag)
{
	/* Acquire: pairs with the release in leaf_insert, for the tag and number of an entry. */
	uint32_t state = atomic_load_explicit(&bucket->state, memory_order_acquire);

	return flx_bucket_equal(bucket, tag) & state & FLX_BUCKET_USED;
}

static inline bool flx_bucket_overflowed(const struct flx_bucket *bucket)
{
	return atomic_load_explicit(&bucket->overflow, memory_order_relaxed) != 0;
}

/* Number of the record of the first entry of @matches, at least one. */
static inline uint32_t flx_bucket_record(const struct flx_bucket *bucket, uint32_t matches)
{
	return atomic_load_explicit(&bucket->record[__builtin_ctz(matches)], memory_order_relaxed);
}

/* Numbers of all records in @bucket, into @numbers; returns how many. Context: owner. */
static inline uint32_t flx_bucket_numbers(const struct flx_bucket *bucket,
					  uint32_t numbers[FLX_BUCKET_ENTRIES])
{
	uint32_t used = atomic_load_explicit(&bucket->state, memory_order_relaxed);
	uint32_t count = 0;

	for (used &= FLX_BUCKET_USED; used; used &= used - 1)
		numbers[count++] = flx_bucket_record(bucket, used);
	return count;
}

/* Bits of the directory that lead to @leaf, its first bucket. */
static inline uint32_t flx_index_leaf_depth(const struct flx_bucket *leaf)
{
	return (uint32_t)atomic_load_explicit(&leaf->state, memory_order_relaxed) >>
	       FLX_BUCKET_ENTRIES;
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

/* flx_index_remove - take record @number out, which must be there. Context: owner of @slice. */
void flx_index_remove(struct flx_index *index, uint32_t slice, uint32_t number);

/*
 * flx_index_presize - give the table of @slice, as init left it, the size for @count records
 * With up to that many it then grows once in 10^10 leaves. 0; -ENOMEM: it is as it was.
 * Context: owner of @slice; for other slices at the same time.
 */
int flx_index_presize(struct flx_index *index, uint32_t slice, uint32_t count);
