/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * leaf - a hash table of 1 to 64 buckets, of which index.h makes tables of any size.
 *
 * A bucket is one cache line: 10 tags of 16 bits, compared in one go, and 10 record numbers. A key
 * that finds its home bucket full goes to the next one of the leaf, and every bucket that it passed
 * counts it (after F14, Bronson and Shi 2019): a look-up goes on only while that count is not 0,
 * and removal leaves no mark behind. A look-up never reads more than the buckets of a leaf; under
 * the keyed hash it reads 1.1 in the mean at the load at which leaves split.
 *
 * Written by: the owner. Read by: any thread, as index.h says:
 * - An entry stays where it is for as long as its leaf is used. Its tag and number are written
 *   before its bit (release), and a reader loads the bit first (acquire).
 * - Each bucket that it passed counts it from before the bit is set until after it is cleared.
 */
#pragma once

#include <emmintrin.h>

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "fabric/base.h"

#define FLX_BUCKET_ENTRIES 10
#define FLX_BUCKET_USED	   ((1u << FLX_BUCKET_ENTRIES) - 1)

struct flx_bucket {
	alignas(FLX_CACHE_LINE) _Atomic uint16_t tag[FLX_BUCKET_ENTRIES];
	_Atomic uint16_t state;	   /* low 10 bits: in use; high 6, in a leaf's first: its depth */
	_Atomic uint16_t overflow; /* entries that passed this bucket because it was full */
	_Atomic uint32_t record[FLX_BUCKET_ENTRIES];
};

static_assert(sizeof(struct flx_bucket) == FLX_CACHE_LINE, "a look-up is one line");

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
	/* Acquire: pairs with the release in flx_leaf_insert, for tag and number of an entry. */
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

/* Entries of @bucket in use, one bit each, and what else its state holds. Context: owner. */
static inline uint32_t flx_bucket_state(const struct flx_bucket *bucket)
{
	return atomic_load_explicit(&bucket->state, memory_order_relaxed);
}

/* Numbers of all records in @bucket, into @numbers; returns how many. Context: owner. */
static inline uint32_t flx_bucket_numbers(const struct flx_bucket *bucket,
					  uint32_t numbers[FLX_BUCKET_ENTRIES])
{
	uint32_t count = 0;

	for (uint32_t used = flx_bucket_state(bucket) & FLX_BUCKET_USED; used; used &= used - 1)
		numbers[count++] = flx_bucket_record(bucket, used);
	return count;
}

/* Bits of the directory that lead to @leaf, its first bucket. Context: owner. */
static inline uint32_t flx_leaf_depth(const struct flx_bucket *leaf)
{
	return flx_bucket_state(leaf) >> FLX_BUCKET_ENTRIES;
}

/* Release, as for an entry. Context: owner. */
static inline void flx_leaf_set_depth(struct flx_bucket *leaf, uint32_t depth)
{
	uint32_t used = flx_bucket_state(leaf) & FLX_BUCKET_USED;

	atomic_store_explicit(&leaf->state, (uint16_t)(used | depth << FLX_BUCKET_ENTRIES),
			      memory_order_release);
}

static inline bool flx_bucket_full(uint32_t state)
{
	return (state & FLX_BUCKET_USED) == FLX_BUCKET_USED;
}

/* One more or one less passed @bucket. Context: owner. */
static inline void flx_bucket_count(struct flx_bucket *bucket, int change)
{
	int overflow = atomic_load_explicit(&bucket->overflow, memory_order_relaxed);

	atomic_store_explicit(&bucket->overflow, (uint16_t)(overflow + change),
			      memory_order_relaxed);
}

/*
 * Records in @leaf. Not counted as they come and go: only who finds a home bucket full, or leaves
 * one empty, needs to know. Context: owner.
 */
static inline uint32_t flx_leaf_used(const struct flx_bucket *leaf, uint32_t mask)
{
	uint32_t used = 0;

	for (uint32_t at = 0; at <= mask; at++)
		used += (uint32_t)__builtin_popcount(flx_bucket_state(&leaf[at]) & FLX_BUCKET_USED);
	return used;
}

/* False, and no change: the leaf is full. Context: owner. */
static inline bool flx_leaf_insert(struct flx_bucket *leaf, uint32_t mask, uint32_t hash,
				   uint16_t tag, uint32_t number)
{
	struct flx_bucket *bucket = &leaf[hash & mask];
	uint32_t state = flx_bucket_state(bucket), passed = 0, entry;

	while (flx_bucket_full(state)) {
		if (passed++ == mask)
			return false;
		bucket = &leaf[(hash + passed) & mask];
		state = flx_bucket_state(bucket);
	}
	for (uint32_t i = 0; i < passed; i++)
		flx_bucket_count(&leaf[(hash + i) & mask], 1);
	entry = (uint32_t)__builtin_ctz(~state);
	atomic_store_explicit(&bucket->tag[entry], tag, memory_order_relaxed);
	atomic_store_explicit(&bucket->record[entry], number, memory_order_relaxed);
	/* Release: the entry and the counts before it; pairs with the acquire in a look-up. */
	atomic_store_explicit(&bucket->state, (uint16_t)(state | 1u << entry),
			      memory_order_release);
	return true;
}
