/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "context-store/index.h"
#include "context-store/record.h"
#include "tests/records.h"
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
	uint64_t size_bytes = records_reserve(STRIDE, capacity) + index_bytes;

	CU_ASSERT_EQUAL_FATAL(flx_arena_init(&arena, size_bytes, false), 0);
	CU_ASSERT_EQUAL_FATAL(records_init(&slab, &arena, STRIDE, capacity, 1), 0);
	CU_ASSERT_EQUAL_FATAL(flx_index_init(&index_, &arena, &slab, capacity), 0);
	arena.ready_bytes = size_bytes & ~7ull; /* not what rounding has added */
}

static void tear_down(void)
{
	flx_arena_fini(&arena);
}

/* By an owner who has @budget, and sees no grace period end. */
static bool insert_within(uint32_t slice, uint64_t hash, uint32_t number, uint32_t *budget)
{
	struct flx_record *record = flx_slab_at(&slab, number);

	record->hash = (uint32_t)hash;
	hashes[number] = hash;
	return flx_index_insert(&index_, slice, hash, number, budget);
}

/* Nobody else reads, so grace periods may take no time. */
static void pass_grace_period(void)
{
	if (flx_block_collect(&index_.pool))
		flx_block_release(&index_.pool);
}

static bool insert(uint32_t slice, uint64_t hash, uint32_t number)
{
	uint32_t budget = FLX_INDEX_BUDGET;

	pass_grace_period();
	return insert_within(slice, hash, number, &budget);
}

static void take_out(uint32_t slice, uint32_t number)
{
	uint32_t budget = FLX_INDEX_BUDGET;

	pass_grace_period();
	flx_index_remove(&index_, slice, number, &budget);
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
		slab_bytes = records_reserve(STRIDE, rows[i].capacity);
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
static void test_index_reserve_is_modest_and_monotonic(void)
{
	static const struct {
		uint32_t capacity;
		uint64_t most_bytes;
	} rows[] = {{1, 74000},
		    {1000, 1220000},
		    {65536, 6400000},
		    {1000000, 32000000},
		    {10000000, 268000000}};
	uint64_t last = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT_TRUE(flx_index_reserve(rows[i].capacity) <= rows[i].most_bytes);
	for (uint64_t capacity = 1; capacity < UINT32_MAX; capacity += 1 + capacity / 3000) {
		uint64_t bytes = flx_index_reserve((uint32_t)capacity);

		CU_ASSERT_TRUE_FATAL(bytes >= last);
		last = bytes;
	}
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
			take_out(0, n);
		for (uint32_t n = 0; n < 5000; n++)
			wrong += find(0, n) != n % 2;
		for (uint32_t n = 1; n < 5000; n += 2)
			take_out(0, n);
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
		take_out(0, n);
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

/* Buckets of a leaf, times entries of the directory. */
static uint32_t table_size(uint32_t slice)
{
	struct flx_index_root root = flx_index_root(&index_, slice);

	return (root.leaf_mask + 1u) << root.depth;
}

/* All slices grow at once, and no grace period ends: every small leaf is retired, none refused. */
static void test_index_limbo_holds_the_early_growth_of_all_slices(void)
{
	const uint32_t count = FLX_INDEX_SLICES * 500;
	uint64_t state = 5, early_bytes;
	uint32_t refused = 0;

	set_up(CAPACITY, flx_index_reserve(CAPACITY));
	for (uint32_t n = 0; n < count; n++) {
		uint32_t budget = FLX_INDEX_BUDGET;

		refused += !insert_within(n % FLX_INDEX_SLICES, next_random(&state), n, &budget);
	}
	CU_ASSERT_EQUAL(refused, 0);
	for (uint32_t slice = 0; slice < FLX_INDEX_SLICES; slice++)
		CU_ASSERT_EQUAL(table_size(slice), FLX_INDEX_LEAF_SIZE);
	early_bytes = (uint64_t)FLX_INDEX_SLICES * (FLX_INDEX_LEAF_SIZE - 1) * FLX_CACHE_LINE;
	CU_ASSERT_EQUAL(flx_block_deferred_bytes(&index_.pool), early_bytes);
	tear_down();
}

/* A worker stalls the grace period: leaves fill up, then refuse, and all goes on when it ends. */
static void test_index_stalled_grace_period_bounds_what_is_deferred(void)
{
	static bool entered[CAPACITY];
	uint64_t state = 6, reserve = flx_index_reserve(CAPACITY);
	uint32_t count = 0, full = 0, lost = 0;

	set_up(CAPACITY, reserve);
	for (uint32_t n = 0; n < CAPACITY; n++) {
		uint32_t budget = FLX_INDEX_BUDGET;

		entered[n] = insert_within(n % 2, next_random(&state), n, &budget);
		count += entered[n];
	}
	/* Twice 193 leaves of 640, less what chance leaves in other leaves. */
	CU_ASSERT_TRUE(count > 200000 && count < 300000);
	CU_ASSERT_TRUE(flx_block_deferred_bytes(&index_.pool) < 386 * 4096 + 4 * 4096);
	/* Of either slice, one line each: its first leaf, and directories of 2, 4, 8 and 16. */
	CU_ASSERT_EQUAL(flx_block_waiting(&index_.pool, 0), 2 * 5);
	for (uint32_t n = 0; n < CAPACITY; n++)
		lost += find(n % 2, n) != entered[n];
	for (uint32_t n = 0; n < CAPACITY; n++)
		full += !entered[n] && !insert(n % 2, hashes[n], n);
	for (uint32_t n = 0; n < CAPACITY; n++)
		lost += find(n % 2, n) != 1;
	CU_ASSERT_EQUAL(full, 0);
	CU_ASSERT_EQUAL(lost, 0);
	CU_ASSERT_TRUE(arena.used_bytes <= records_reserve(STRIDE, CAPACITY) + reserve);
	tear_down();
}

/* Without a budget a table grows only where it must; with one it pays for what it moves. */
static void test_index_budget_puts_growth_off_and_refuses_nothing(void)
{
	uint64_t state = 7;
	uint32_t early = 0, unpaid = 0, full = 0;

	set_up(20000, flx_index_reserve(20000));
	for (uint32_t n = 0; n < 10000; n++) {
		uint32_t budget = 0, size = table_size(0);

		pass_grace_period();
		full += !insert_within(0, next_random(&state), n, &budget);
		early += size <= FLX_INDEX_LEAF_SIZE / 2 && size != table_size(0) &&
			 n != size * FLX_BUCKET_ENTRIES;
	}
	for (uint32_t n = 10000; n < 20000; n++) {
		uint32_t budget = 70, size = table_size(1);

		pass_grace_period();
		full += !insert_within(1, next_random(&state), n, &budget);
		if (size <= FLX_INDEX_LEAF_SIZE / 2)
			unpaid += budget + table_size(1) - size != 70;
		else
			unpaid += budget != 70 && budget != 70 - FLX_INDEX_LEAF_SIZE;
	}
	CU_ASSERT_EQUAL(full, 0);
	CU_ASSERT_EQUAL(early, 0);
	CU_ASSERT_EQUAL(unpaid, 0);
	for (uint32_t n = 0; n < 20000; n++)
		CU_ASSERT_EQUAL(find(n / 10000, n), 1);
	tear_down();
}

/* A table made for a count takes that many and does not grow; for more it grows like any other. */
static void test_index_presized_table_grows_past_its_count_only(void)
{
	static const uint32_t counts[] = {1,	6,    7,    12,	   13,	  100,	 192,
					  193,	384,  385,  570,   768,	  769,	 850,
					  1537, 2300, 5000, 50000, 98304, 200000};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		uint64_t state = i, slab_bytes;
		uint32_t slice = (uint32_t)i, lost = 0, capacity = 3 * counts[i], size;

		set_up(capacity, flx_index_reserve(capacity));
		slab_bytes = records_reserve(STRIDE, capacity);
		CU_ASSERT_EQUAL_FATAL(flx_index_presize(&index_, slice, counts[i]), 0);
		size = table_size(slice);
		/* The empty leaf that was there. */
		CU_ASSERT_EQUAL(flx_block_deferred_bytes(&index_.pool),
				size == 1 ? 0 : FLX_CACHE_LINE);
		for (uint32_t n = 0; n < counts[i]; n++)
			lost += !insert(slice, next_random(&state), n);
		CU_ASSERT_EQUAL(table_size(slice), size);
		CU_ASSERT_EQUAL(flx_block_deferred_bytes(&index_.pool), 0);
		CU_ASSERT_TRUE(arena.used_bytes <= slab_bytes + flx_index_reserve(counts[i]));
		for (uint32_t n = counts[i]; n < capacity; n++)
			lost += !insert(slice, next_random(&state), n);
		for (uint32_t n = 0; n < capacity; n++)
			lost += find(slice, n) != 1;
		CU_ASSERT_EQUAL(lost, 0);
		tear_down();
	}
}

/* However the records fall into slices, and with growth after it. */
static void test_index_presize_of_all_slices_fits_the_reserve(void)
{
	static const struct {
		uint32_t capacity, slices;
	} rows[] = {{10, 10},	    {500, 71},	  {4000, 512},	{5000, 12},    {5000, 512},
		    {65536, 7},	    {65536, 170}, {65536, 339}, {65536, 512},  {CAPACITY, 1},
		    {CAPACITY, 61}, {98816, 512}, {98818, 256}, {197120, 512}, {CAPACITY, 512}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t count = rows[i].capacity / rows[i].slices, refused = 0;
		uint64_t state = i, reserve = flx_index_reserve(rows[i].capacity), slab_bytes;

		set_up(rows[i].capacity, 2 * reserve);
		slab_bytes = records_reserve(STRIDE, rows[i].capacity);
		for (uint32_t slice = 0; slice < rows[i].slices; slice++)
			refused += flx_index_presize(&index_, slice, count) != 0;
		for (uint32_t n = 0; n < rows[i].capacity; n++)
			refused += !insert(n % rows[i].slices, next_random(&state), n);
		CU_ASSERT_EQUAL(refused, 0);
		CU_ASSERT_TRUE(arena.used_bytes <= slab_bytes + reserve);
		tear_down();
	}
}

static void test_index_presize_without_memory_changes_nothing(void)
{
	uint64_t state = 8, used_bytes;
	uint32_t entered = 0;

	set_up(CAPACITY, flx_index_reserve(1) + 20 * 4096 + 1000);
	CU_ASSERT_EQUAL(flx_index_presize(&index_, 9, 10000), -ENOMEM);
	CU_ASSERT_EQUAL(table_size(9), 1);
	CU_ASSERT_EQUAL(flx_block_deferred_bytes(&index_.pool), 0);
	used_bytes = arena.used_bytes;
	/* What it had taken serves again. */
	CU_ASSERT_EQUAL(flx_index_presize(&index_, 9, 10000), -ENOMEM);
	CU_ASSERT_EQUAL(arena.used_bytes, used_bytes);
	CU_ASSERT_EQUAL(flx_index_presize(&index_, 8, 5000), 0);
	CU_ASSERT_EQUAL(arena.used_bytes, used_bytes + FLX_CACHE_LINE); /* the directory */
	for (uint32_t n = 0; n < 5000; n++)
		entered += insert(8, next_random(&state), n);
	CU_ASSERT_EQUAL(entered, 5000);
	CU_ASSERT_TRUE(insert(9, next_random(&state), 5000));
	tear_down();
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_index_keeps_every_record_while_one_slice_grows),
		FLX_TEST(test_index_reserve_suffices_however_keys_fall),
		FLX_TEST(test_index_reserve_is_modest_and_monotonic),
		FLX_TEST(test_index_removal_leaves_nothing_behind),
		FLX_TEST(test_index_one_tag_for_all_is_bounded_by_the_bucket),
		FLX_TEST(test_index_one_hash_for_all_fills_one_leaf_and_refuses),
		FLX_TEST(test_index_out_of_memory_refuses_and_keeps_what_it_has),
		FLX_TEST(test_index_limbo_holds_the_early_growth_of_all_slices),
		FLX_TEST(test_index_stalled_grace_period_bounds_what_is_deferred),
		FLX_TEST(test_index_budget_puts_growth_off_and_refuses_nothing),
		FLX_TEST(test_index_presized_table_grows_past_its_count_only),
		FLX_TEST(test_index_presize_of_all_slices_fits_the_reserve),
		FLX_TEST(test_index_presize_without_memory_changes_nothing),
		{0},
	};

	return flx_test_main("index", tests);
}
