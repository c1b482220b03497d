/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A flood of keys that a sender has chosen to collide, which he can for a seed that he knows. Under
 * the store's own they must lie as keys at random do.
 */
#include "context-store/index.h"
#include "context-store/record.h"
#include "context-store/siphash.h"
#include "tests/records.h"
#include "tests/test.h"

#define STRIDE	 64
#define CAPACITY 4000 /* so that a directory has 32 leaves: 5 bits of the hash */

static struct flx_arena arena;
static struct flx_slab slab;
static struct flx_index index_;
static uint64_t keys[CAPACITY], hashes[CAPACITY];

static const uint64_t known_seed[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};

/* What the look-ups of all keys read. */
struct reach {
	uint32_t found;
	uint32_t mean_pct;	      /* buckets in the mean, to the end */
	uint32_t buckets, candidates; /* by the longest */
};

static uint64_t hash_of(const uint64_t seed[2], uint64_t key)
{
	return flx_siphash13(seed, (const uint8_t *)&key, sizeof(key));
}

/* The first @count numbers whose hashes under the known seed are alike in the bits of @mask. */
static void choose_keys(uint32_t count, uint64_t mask)
{
	for (uint64_t key = 0, found = 0; found < count; key++)
		if ((hash_of(known_seed, key) & mask) == (0x5a5a5a5a5a5a5a5a & mask))
			keys[found++] = key;
}

static struct reach look_up(uint32_t count)
{
	struct reach reach = {0};
	uint32_t total = 0;

	for (uint32_t n = 0; n < count; n++) {
		struct flx_index_probe probe;
		uint32_t candidates = 0, buckets, seen = 0;
		uint32_t at = flx_index_first(&index_, 3, hashes[n], &probe);

		for (; at != FLX_INDEX_NONE; at = flx_index_next(&probe), candidates++)
			seen += at == n;
		buckets = probe.leaf_mask - probe.left + 1;
		if (buckets > probe.leaf_mask)
			buckets = probe.leaf_mask + 1;
		reach.found += seen;
		total += buckets;
		reach.candidates = candidates > reach.candidates ? candidates : reach.candidates;
		reach.buckets = buckets > reach.buckets ? buckets : reach.buckets;
	}
	reach.mean_pct = 100 * total / count;
	return reach;
}

/* Enters the chosen keys in one table under @seed, and looks all of them up to the end. */
static struct reach flood(const uint64_t seed[2], uint32_t count)
{
	uint64_t size_bytes = records_reserve(STRIDE, CAPACITY) + flx_index_reserve(CAPACITY);
	struct reach reach;

	CU_ASSERT_EQUAL_FATAL(flx_arena_init(&arena, size_bytes, false), 0);
	CU_ASSERT_EQUAL_FATAL(records_init(&slab, &arena, STRIDE, CAPACITY, 1), 0);
	CU_ASSERT_EQUAL_FATAL(flx_index_init(&index_, &arena, &slab, CAPACITY), 0);
	for (uint32_t n = 0; n < count; n++) {
		struct flx_record *record = flx_slab_at(&slab, n);
		uint32_t budget = FLX_INDEX_BUDGET;

		hashes[n] = hash_of(seed, keys[n]);
		record->hash = (uint32_t)hashes[n];
		if (flx_block_collect(&index_.pool))
			flx_block_release(&index_.pool);
		flx_index_insert(&index_, 3, hashes[n], n, &budget);
	}
	reach = look_up(count);
	flx_arena_fini(&arena);
	return reach;
}

/*
 * The bits that choose the bucket, the leaf, and the tag: all that the index uses of a hash. The
 * row of no bits is of keys that nobody chose. Counts are those at which leaves are about to split.
 */
static void test_flood_of_chosen_keys_spreads_under_another_seed(void)
{
	static const struct {
		uint64_t mask;
		uint32_t count;
		struct reach known; /* under the known seed, at least */
		struct reach most;  /* under others */
	} rows[] = {
		{0, CAPACITY, {CAPACITY, 100, 2, 1}, {CAPACITY, 225, 16, 2}},
		{0x7ff, 2000, {640, 6400, 64, 1}, {2000, 225, 16, 2}},
		{0x3f, CAPACITY, {CAPACITY, 2000, 50, 1}, {CAPACITY, 225, 16, 2}},
		{0xffffull << 48, 150, {150, 100, 1, 10}, {150, 225, 16, 2}},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct reach *known = &rows[i].known, *most = &rows[i].most;
		struct reach reach;

		choose_keys(rows[i].count, rows[i].mask);
		reach = flood(known_seed, rows[i].count);
		CU_ASSERT_EQUAL(reach.found, known->found);
		CU_ASSERT_TRUE(reach.mean_pct >= known->mean_pct);
		CU_ASSERT_TRUE(reach.buckets >= known->buckets);
		CU_ASSERT_TRUE(reach.candidates >= known->candidates);
		for (uint64_t other = 1; other <= 20; other++) {
			const uint64_t seed[2] = {known_seed[0], known_seed[1] ^ other};

			reach = flood(seed, rows[i].count);
			CU_ASSERT_EQUAL(reach.found, most->found);
			CU_ASSERT_TRUE(reach.mean_pct <= most->mean_pct);
			CU_ASSERT_TRUE(reach.buckets <= most->buckets);
			CU_ASSERT_TRUE(reach.candidates <= most->candidates);
		}
	}
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_flood_of_chosen_keys_spreads_under_another_seed),
		{0},
	};

	return flx_test_main("flood", tests);
}
