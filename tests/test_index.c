/* SPDX-License-Identifier: BSD-3-Clause */
#include "context-store/index.h"
#include "context-store/record.h"
#include "tests/test.h"

#define CAPACITY 1000000
#define STRIDE	 64

static struct flx_arena arena;
static struct flx_slab slab;
static struct flx_index index_; /* index is a function of <strings.h> */
static uint64_t hashes[CAPACITY];

static uint64_t next_random(uint64_t *state)
{
	uint64_t value = *state += 0x9e3779b97f4a7c15;

	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
	value = (value ^ value >> 27) * 0x94d049bb133111eb;
	return value ^ value >> 31;
}

static void set_up(uint32_t capacity, uint64_t index_bytes)
{
	uint64_t size_bytes = flx_slab_reserve(STRIDE, capacity) + index_bytes;

	CU_ASSERT_EQUAL_FATAL(flx_arena_init(&arena, size_bytes, false), 0);
	CU_ASSERT_EQUAL_FATAL(flx_slab_init(&slab, &arena, STRIDE, capacity, 1), 0);
	CU_ASSERT_EQUAL_FATAL(flx_index_init(&index_, &arena, &slab), 0);
	arena.ready_bytes = size_bytes & ~7ull; /* not what rounding has added */
}

static void tear_down(void)
{
	flx_arena_fini(&arena);
}

static bool insert(uint32_t slice, uint64_t hash, uint32_t number)
{
	struct flx_record *record = flx_slab_at(&slab, number);
	uint32_t budget = FLX_INDEX_BUDGET;

	record->hash = (uint32_t)hash;
	hashes[number] = hash;
	return flx_index_insert(&index_, slice, hash, number, &budget);
}

/* How often @number is a candidate for its hash: 1 when it is there. */
static uint32_t find(uint32_t slice, uint32_t number)
{
	struct flx_index_probe probe;
	uint32_t count = 0;

	for (uint32_t n = flx_index_first(&index_, slice, hashes[number], &probe);
	     n != FLX_INDEX_NONE; n = flx_index_next(&probe))
		count += n == number;
	return count;
}

static void test_index_keeps_every_record_while_one_slice_grows(void)
{
	const uint32_t count = 200000;
	uint64_t state = 1;
	uint32_t lost = 0;

	set_up(count, flx_index_reserve(count));
	for (uint32_t number = 0; number < count; number++) {
		CU_ASSERT_TRUE_FATAL(insert(7, next_random(&state), number));
		/* All of them near every size that a leaf or directory grows at; else a sample. */
		for (uint32_t n = 0; n <= number; n += number < 1500 ? 1 : 997)
			lost += find(7, n) != 1;
	}
	for (uint32_t number = 0; number < count; number++)
		lost += find(7, number) != 1;
	CU_ASSERT_EQUAL(lost, 0);
	for (uint32_t number = 0; number < 100; number++)
		CU_ASSERT_EQUAL(find(8, number), 0);
	tear_down();
}

static void test_index_reserve_suffices_however_keys_fall(void)
{
	static const struct {
		uint32_t capacity, slices;
	} rows[] = {
		{1, 1},	      {10, 1},	    {10, 512},	   {500, 1},	    {500, 7},
		{5000, 1},    {5000, 64},   {5000, 512},   {65536, 1},	    {65536, 64},
		{65536, 511}, {65536, 512}, {CAPACITY, 1}, {CAPACITY, 512},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t reserve = flx_index_reserve(rows[i].capacity), state = i, slab_bytes;
		uint32_t refused = 0;

		/* Twice the memory, as growth that is refused would leave full leaves and no trace.
		 */
		set_up(rows[i].capacity, 2 * reserve);
		slab_bytes = flx_slab_reserve(STRIDE, rows[i].capacity);
		for (uint32_t n = 0; n < rows[i].capacity; n++)
			refused += !insert(n % rows[i].slices, next_random(&state), n);
		CU_ASSERT_EQUAL(refused, 0);
		CU_ASSERT_TRUE(arena.used_bytes <= slab_bytes + reserve);
		/* A split leaf is half full, 12.8 bytes per record, and the old one serves again.
		 */
		if (rows[i].capacity >= CAPACITY)
			CU_ASSERT_TRUE(arena.used_bytes < slab_bytes + 18ull * CAPACITY);
		tear_down();
	}
}

/* What index.h says of memory: it is the price of a type before its first key. */
static void test_index_reserve_is_modest(void)
{
	static const struct {
		uint32_t capacity;
		uint64_t most_bytes;
	} rows[] = {{1, 41000}, {1000, 1200000}, {65536, 5300000}, {10000000, 270000000}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT_TRUE(flx_index_reserve(rows[i].capacity) <= rows[i].most_bytes);
}

static void test_index_removal_leaves_nothing_behind(void)
{
	uint64_t state = 3;
	uint32_t wrong = 0, overflow = 0;

	set_up(5000, flx_index_reserve(5000));
	for (uint32_t turn = 0; turn < 20; turn++) {
		for (uint32_t n = 0; n < 5000; n++)
			wrong += !insert(0, next_random(&state), n);
		for (uint32_t n = 0; n < 5000; n += 2)
			flx_index_remove(&index_, 0, n);
		for (uint32_t n = 0; n < 5000; n++)
			wrong += find(0, n) != n % 2;
		for (uint32_t n = 1; n < 5000; n += 2)
			flx_index_remove(&index_, 0, n);
	}
	for (uint64_t hash = 0; hash < 4096; hash++) {
		const struct flx_bucket *bucket = flx_index_home(&index_, 0, hash);

		overflow += bucket->overflow + (bucket->state & FLX_BUCKET_USED);
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_EQUAL(overflow, 0);
	tear_down();
}

/* Keys of one tag but different buckets: told apart by the caller, in one bucket's worth of them.
 */
static void test_index_one_tag_for_all_is_bounded_by_the_bucket(void)
{
	uint64_t state = 4;
	uint32_t most = 0;

	set_up(20000, flx_index_reserve(20000));
	for (uint32_t n = 0; n < 20000; n++)
		CU_ASSERT_TRUE(insert(0, next_random(&state) & 0xffffffffffff, n));
	for (uint32_t n = 0; n < 20000; n++) {
		struct flx_index_probe probe;
		uint32_t candidates = 0, seen = 0;
		uint32_t at = flx_index_first(&index_, 0, hashes[n], &probe);

		for (; at != FLX_INDEX_NONE; at = flx_index_next(&probe), candidates++)
			seen += at == n;
		CU_ASSERT_EQUAL(seen, 1);
		most = candidates > most ? candidates : most;
	}
	/* A few buckets: the home one and those that it overflowed to. */
	CU_ASSERT_TRUE(most <= 5 * FLX_BUCKET_ENTRIES);
	tear_down();
}

/* One hash for all, which the seed makes impossible: one leaf fills, all else is refused. */
static void test_index_one_hash_for_all_fills_one_leaf_and_refuses(void)
{
	const uint32_t leaf = FLX_INDEX_LEAF_SIZE * FLX_BUCKET_ENTRIES;
	struct flx_index_probe probe;
	uint32_t wrong = 0;

	set_up(5000, flx_index_reserve(5000));
	for (uint32_t n = 0; n < 2000; n++)
		wrong += insert(0, 0x123456789abcdef, n) != (n < leaf);
	for (uint32_t n = 0; n < 2000; n++)
		wrong += find(0, n) != (n < leaf);
	flx_index_first(&index_, 0, 0x123456789abcdef, &probe);
	CU_ASSERT_EQUAL(probe.left, FLX_INDEX_LEAF_SIZE - 1);
	for (uint32_t n = 0; n < leaf; n++)
		flx_index_remove(&index_, 0, n);
	for (uint32_t n = 0; n < 2000; n++)
		wrong += find(0, n) != 0;
	CU_ASSERT_EQUAL(wrong, 0);
	tear_down();
}

/* Without memory to grow, tables fill up, refuse, and lose nothing. */
static void test_index_out_of_memory_refuses_and_keeps_what_it_has(void)
{
	static const uint64_t extra_bytes[] = {0, 64, 4096, 8192, 20000, 100000};
	const uint64_t empty_bytes = FLX_INDEX_SLICES * (8 + 64) + 8192;

	for (size_t i = 0; i < sizeof(extra_bytes) / sizeof(extra_bytes[0]); i++) {
		uint64_t state = i;
		uint32_t count = 0, lost = 0;
		static bool entered[CAPACITY];

		set_up(CAPACITY, empty_bytes + extra_bytes[i]);
		for (uint32_t n = 0; n < 20000; n++) {
			entered[n] = insert(3, next_random(&state), n);
			count += entered[n];
		}
		for (uint32_t n = 0; n < 20000; n++)
			lost += find(3, n) != entered[n];
		CU_ASSERT_TRUE(count >= FLX_BUCKET_ENTRIES && count < 20000);
		CU_ASSERT_EQUAL(lost, 0);
		tear_down();
	}
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_index_keeps_every_record_while_one_slice_grows),
		FLX_TEST(test_index_reserve_suffices_however_keys_fall),
		FLX_TEST(test_index_reserve_is_modest),
		FLX_TEST(test_index_removal_leaves_nothing_behind),
		FLX_TEST(test_index_one_tag_for_all_is_bounded_by_the_bucket),
		FLX_TEST(test_index_one_hash_for_all_fills_one_leaf_and_refuses),
		FLX_TEST(test_index_out_of_memory_refuses_and_keeps_what_it_has),
		{0},
	};

	return flx_test_main("index", tests);
}
