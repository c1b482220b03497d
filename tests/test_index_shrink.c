/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tables that shrink: what one slice had must serve the next, whatever was there before.
 */
#include <stdlib.h>

#include "context-store/index.h"
#include "context-store/record.h"
#include "tests/random.h"
#include "tests/records.h"
#include "tests/test.h"

#define CAPACITY 60000
#define STRIDE	 64
#define OUT	 UINT16_MAX

static struct flx_arena arena;
static struct flx_slab slab;
static struct flx_index index_;
static struct flx_random random_;
static uint64_t hashes[CAPACITY];
static uint16_t slices[CAPACITY]; /* of the records that are in; OUT */
static uint64_t index_bytes, slab_bytes;

static void set_up(uint32_t capacity)
{
	slab_bytes = records_reserve(STRIDE, capacity);
	index_bytes = flx_index_reserve(capacity);
	CU_ASSERT_EQUAL_FATAL(flx_arena_init(&arena, slab_bytes + index_bytes, false), 0);
	CU_ASSERT_EQUAL_FATAL(records_init(&slab, &arena, STRIDE, capacity, 1), 0);
	CU_ASSERT_EQUAL_FATAL(flx_index_init(&index_, &arena, &slab, capacity), 0);
	arena.ready_bytes = (slab_bytes + index_bytes) & ~7ull; /* not what rounding has added */
	random_ = (struct flx_random){.state = capacity};
	for (uint32_t n = 0; n < CAPACITY; n++)
		slices[n] = OUT;
}

static void tear_down(void)
{
	flx_arena_fini(&arena);
}

/* Nobody else reads, so grace periods may take no time. */
static void pass_grace_period(void)
{
	if (flx_block_collect(&index_.pool))
		flx_block_release(&index_.pool);
}

static bool insert(uint32_t slice, uint32_t number)
{
	struct flx_record *record = flx_slab_at(&slab, number);
	uint32_t budget = FLX_INDEX_BUDGET;

	hashes[number] = flx_random_next(&random_);
	record->hash = (uint32_t)hashes[number];
	if (!flx_index_insert(&index_, slice, hashes[number], number, &budget))
		return false;
	slices[number] = (uint16_t)slice;
	return true;
}

/* Returns what it cost. */
static uint32_t take_out(uint32_t number, uint32_t budget)
{
	uint32_t left = budget;

	flx_index_remove(&index_, slices[number], number, &left);
	slices[number] = OUT;
	return budget - left;
}

/* How many of [0, @count) are not as often where the index finds them as they should be. */
static uint32_t count_wrong(uint32_t count, uint32_t slice_count)
{
	uint32_t wrong = 0;

	for (uint32_t n = 0; n < count; n++) {
		struct flx_index_probe probe;
		uint32_t slice = slices[n] == OUT ? n % slice_count : slices[n], seen = 0;

		for (uint32_t at = flx_index_first(&index_, slice, hashes[n], &probe);
		     at != FLX_INDEX_NONE; at = flx_index_next(&probe))
			seen += at == n;
		wrong += seen != (slices[n] != OUT);
	}
	return wrong;
}

/* Buckets of a leaf, times entries of the directory. */
static uint32_t table_size(uint32_t slice)
{
	struct flx_index_root root = flx_index_root(&index_, slice);

	return (root.leaf_mask + 1u) << root.depth;
}

/* By leaf, and by bucket in it, as the sweep goes through a table of 64 leaves. */
static int in_order(const void *a, const void *b)
{
	uint64_t first = hashes[*(const uint32_t *)a] & 4095;
	uint64_t second = hashes[*(const uint32_t *)b] & 4095;

	return first < second ? -1 : first > second;
}

/* Takes [@first, @end) out of the index. */
static void empty(uint32_t first, uint32_t end, bool sweep)
{
	static uint32_t numbers[CAPACITY];
	uint32_t count = 0;

	for (uint32_t n = first; n < end; n++)
		if (slices[n] != OUT)
			numbers[count++] = n;
	if (sweep)
		qsort(numbers, count, sizeof(numbers[0]), in_order);
	for (uint32_t i = 0; i < count; i++) {
		pass_grace_period();
		take_out(numbers[i], FLX_INDEX_BUDGET);
	}
}

/* A sender who chooses slices fills one after the other, and leaves as few records as he likes. */
static void test_index_slices_filled_in_turn_leave_room_for_the_next(void)
{
	static const struct {
		uint32_t capacity;
		uint32_t keep; /* of every slice */
		bool sweep;
	} rows[] = {{1000, 0, false}, {5000, 8, false}, {20000, 0, true}, {20000, 30, false}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t capacity = rows[i].capacity, refused = 0, large = 0;

		set_up(capacity);
		for (uint32_t slice = 0; slice < FLX_INDEX_SLICES; slice++) {
			uint32_t kept = slice * rows[i].keep;

			for (uint32_t n = kept; n < capacity; n++) {
				pass_grace_period();
				refused += !insert(slice, n);
			}
			empty(kept + rows[i].keep, capacity, rows[i].sweep);
			large += table_size(slice) > 32;
		}
		CU_ASSERT_EQUAL(refused, 0);
		CU_ASSERT_EQUAL(large, 0);
		CU_ASSERT_EQUAL(count_wrong(capacity, FLX_INDEX_SLICES), 0);
		tear_down();
	}
}

/* Four tables go up and down between nothing and a directory of 64 leaves. */
static void test_index_model_of_tables_that_go_up_and_down(void)
{
	const uint32_t count = 60000;
	uint32_t refused = 0, wrong = 0, smallest = UINT32_MAX, largest = 0;

	set_up(count);
	for (uint32_t wave = 0; wave < 24; wave++) {
		/* Of 8 steps, so many insert; the last wave ends with nothing. */
		uint32_t up = wave % 2 ? flx_random_below(&random_, 3)
				       : 5 + flx_random_below(&random_, 4);

		for (uint32_t step = 0; step < 100000; step++) {
			uint32_t n = flx_random_below(&random_, count);

			if (step % 64 == 0)
				pass_grace_period();
			if (slices[n] == OUT && flx_random_below(&random_, 8) < up)
				refused += !insert(n % 4, n);
			else if (slices[n] != OUT && flx_random_below(&random_, 8) >= up)
				take_out(n, FLX_INDEX_BUDGET);
		}
		wrong += count_wrong(count, 4);
		smallest = table_size(0) < smallest ? table_size(0) : smallest;
		largest = table_size(0) > largest ? table_size(0) : largest;
	}
	empty(0, count, false);
	CU_ASSERT_EQUAL(refused, 0);
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_EQUAL(count_wrong(count, 4), 0);
	CU_ASSERT_TRUE(smallest <= 64 * 8);
	CU_ASSERT_TRUE(largest >= 64 * 32);
	for (uint32_t slice = 0; slice < 4; slice++)
		CU_ASSERT_EQUAL(table_size(slice), 16);
	tear_down();
}

/* Whoever replaces records, however many there are, has a table of one size. */
static void test_index_size_stands_still_while_records_are_replaced(void)
{
	uint32_t turned = 0;

	for (uint32_t count = 20; count < 2000; count += 20) {
		uint32_t sizes = 0;

		set_up(5000);
		/* Once down from a larger one, for the least that it may have. */
		for (uint32_t n = 0; n < 2 * count; n++)
			insert(0, n);
		empty(count, 2 * count, false);
		for (uint32_t step = 0; step < 5000; step++, pass_grace_period()) {
			uint32_t n = flx_random_below(&random_, count);
			uint32_t size = table_size(0);

			take_out(n, FLX_INDEX_BUDGET);
			insert(0, n);
			sizes += table_size(0) != size;
		}
		/* From four leaves on, chance puts more or fewer into a pair of them. */
		turned += sizes > (count < 700 ? 2 : 12);
		tear_down();
	}
	CU_ASSERT_EQUAL(turned, 0);
}

/* No grace period ends: what waits is bounded, and growth finds half of the limbo free. */
static void test_index_stalled_grace_period_puts_shrinking_off(void)
{
	static const struct {
		uint32_t slices;
		uint32_t class; /* of the leaves that wait */
		uint32_t waiting;
	} rows[] = {{1, 6, 47}, {400, 5, 64}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t refused = 0;

		set_up(CAPACITY);
		for (uint32_t n = 0; n < CAPACITY; n++) {
			pass_grace_period();
			refused += !insert(n % rows[i].slices, n);
		}
		pass_grace_period();
		for (uint32_t n = 0; n < CAPACITY; n++)
			take_out(n, FLX_INDEX_BUDGET);
		CU_ASSERT_EQUAL(flx_block_waiting(&index_.pool, rows[i].class), rows[i].waiting);
		for (uint32_t n = 0; n < 12000; n++)
			refused += !insert(511, n);
		CU_ASSERT_EQUAL(refused, 0);
		CU_ASSERT_EQUAL(count_wrong(CAPACITY, rows[i].slices), 0);
		/* And it goes on with the next that are removed. */
		empty(0, CAPACITY, false);
		CU_ASSERT_EQUAL(table_size(511), 16);
		tear_down();
	}
}

/* A turn that has spent its budget shrinks nothing; otherwise it pays as index.h says. */
static void test_index_shrinking_pays_from_the_budget(void)
{
	uint32_t unpaid = 0, merged = 0, size;

	set_up(20000);
	for (uint32_t n = 0; n < 20000; n++, pass_grace_period())
		insert(n % 2, n);
	size = table_size(0);
	for (uint32_t n = 0; n < 20000; n += 2)
		unpaid += take_out(n, 0) != 0;
	CU_ASSERT_EQUAL(table_size(0), size);
	for (uint32_t n = 1; n < 20000; n += 2, pass_grace_period()) {
		uint32_t cost = take_out(n, FLX_INDEX_BUDGET);

		unpaid += cost != 0 && cost != 8 && cost != 8 + 16 && cost != 8 + 32;
		merged += cost == 8 + 32;
	}
	CU_ASSERT_EQUAL(unpaid, 0);
	/* All but one, and that one halved. */
	CU_ASSERT_TRUE(merged >= size / FLX_INDEX_LEAF_SIZE / 2);
	CU_ASSERT_EQUAL(table_size(1), 16);
	tear_down();
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_index_slices_filled_in_turn_leave_room_for_the_next),
		FLX_TEST(test_index_model_of_tables_that_go_up_and_down),
		FLX_TEST(test_index_size_stands_still_while_records_are_replaced),
		FLX_TEST(test_index_stalled_grace_period_puts_shrinking_off),
		FLX_TEST(test_index_shrinking_pays_from_the_budget),
		{0},
	};

	return flx_test_main("index_shrink", tests);
}
