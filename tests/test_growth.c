/* SPDX-License-Identifier: BSD-3-Clause */
/* New keys in floods, a turn of the keeper between two of them, and no clock: none is refused. */
#include "tests/store.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

/* Numbers of a share: free ones serve the flood, the keeper adds to them. */
struct share {
	uint32_t capacity, limit, ready, used;
};

static uint32_t step_of(const struct share *share)
{
	return flx_type_step(share->capacity, share->limit, share->ready,
			     share->ready - share->used);
}

/* Turns of the keeper, each followed by @flood new keys, to the limit; how many were refused. */
static uint64_t flood_share(struct share *share, uint32_t flood)
{
	uint64_t refused = 0;

	while (share->used < share->limit) {
		uint32_t keys =
			flood < share->limit - share->used ? flood : share->limit - share->used;
		uint32_t before = share->used;

		share->ready += step_of(share);
		CU_ASSERT_TRUE_FATAL(share->ready <= share->limit);
		share->used +=
			keys < share->ready - share->used ? keys : share->ready - share->used;
		CU_ASSERT_TRUE_FATAL(share->used > before);
		refused += keys - (share->used - before);
	}
	return refused;
}

static void test_growth_is_ahead_of_any_flood_that_is_promised(void)
{
	static const uint32_t capacities[] = {1, 64, 1000, 4096, 65536, 1000000};

	for (size_t c = 0; c < ROWS(capacities); c++)
		for (uint32_t flood = 4; flood <= FLX_TYPE_AHEAD; flood *= 4) {
			struct share share = {capacities[c], 3000000, capacities[c], 0};

			CU_ASSERT_EQUAL(flood_share(&share, flood), 0);
		}
	/* The larger it is the more it takes: an eighth of it each turn. */
	for (uint32_t used = 10000; used < 100000000; used *= 3) {
		struct share share = {64, INT32_MAX - 1, used + FLX_TYPE_AHEAD, used};

		for (uint32_t turn = 0; turn < 20; turn++) {
			uint32_t flood = share.ready / 8;

			share.ready += step_of(&share);
			CU_ASSERT_TRUE_FATAL(share.ready - share.used >= flood);
			share.used += flood;
		}
	}
}

static void test_growth_takes_no_more_than_it_says(void)
{
	static const struct {
		uint32_t capacity, limit, ready, free_count, step;
	} rows[] = {
		/* At first, and without need. */
		{1, 100000, 1, 1, FLX_TYPE_AHEAD},
		{65536, 1000000, 65536, 65536, 0},
		{65536, 1000000, 65536, 16385, 0},
		{65536, 1000000, 65536, 16384, 65536},
		{20000, 1000000, 20000, 5001, 0},
		{8000, 1000000, 8000, 4097, 0},
		{8000, 1000000, 8000, 4096, 8000},
		/* An eighth of what is there. */
		{1000, 10000000, 800000, 100001, 0},
		{1000, 10000000, 800000, 100000, 100000},
		/* The limit. */
		{1000, 1000, 1000, 0, 0},
		{1000, 1001, 1000, 0, 1},
		{1000, 1000000, 990000, 0, 10000},
		{1u << 30, (1u << 31) - 2, 1u << 30, 5, (1u << 30) - 2},
	};

	for (size_t i = 0; i < ROWS(rows); i++)
		CU_ASSERT_EQUAL(flx_type_step(rows[i].capacity, rows[i].limit, rows[i].ready,
					      rows[i].free_count),
				rows[i].step);
	/* Whatever came before: at most a quarter of what is there lies idle, or what was asked. */
	for (uint32_t flood = 1; flood < 4096; flood = flood * 5 + 1) {
		struct share share = {100, 2000000, 100, 0};

		while (share.used + flood < share.limit) {
			share.ready += step_of(&share);
			CU_ASSERT_TRUE_FATAL(share.ready - share.used <= share.ready / 4 + 1 ||
					     share.ready - share.used <= 2 * FLX_TYPE_AHEAD);
			share.used += flood;
		}
	}
}

/* The same of a store, whose caches and index have their say. */
static void test_growth_of_a_store_refuses_no_key_of_a_flood(void)
{
	static const struct {
		uint32_t capacity, limit, flood, slices;
	} rows[] = {{64, 300000, FLX_TYPE_AHEAD - FLX_SLAB_BLOCK, 512},
		    {1, 50000, 1000, 512},
		    {5000, 200000, 4000, 512},
		    {64, 100000, 2000, 1}};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct flx_context_type_conf conf = test_type(rows[i].capacity);
		struct flx_store *store;
		uint64_t key = 0, refused = 0, value;

		conf.limit = rows[i].limit;
		store = test_open(&conf, 1);
		while (key < rows[i].limit) {
			flx_store_keep(store);
			for (uint32_t n = 0; n < rows[i].flood && key < rows[i].limit; n++, key++) {
				test_batch(store->type[0], 0, rows[i].slices, &key,
					   &(enum test_step){TEST_COMMIT}, 1, &value);
				refused += value == TEST_NONE;
			}
		}
		CU_ASSERT_EQUAL(refused, 0);
		CU_ASSERT_EQUAL(flx_context_count(store->type[0]), rows[i].limit);
		flx_store_close(store);
	}
}

/* What the first flood takes is there before the keeper's threads are. */
static void test_growth_begins_before_the_first_key(void)
{
	struct flx_context_type_conf conf = test_type(1);
	struct flx_store *store;

	conf.limit = 100000;
	store = test_open(&conf, 1);
	CU_ASSERT_EQUAL_FATAL(flx_store_start(store), 0);
	flx_store_stop(store);
	CU_ASSERT_TRUE(flx_slab_free_count(&store->type[0]->slab, 0) > FLX_TYPE_AHEAD);
	flx_store_close(store);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_growth_is_ahead_of_any_flood_that_is_promised),
		FLX_TEST(test_growth_takes_no_more_than_it_says),
		FLX_TEST(test_growth_of_a_store_refuses_no_key_of_a_flood),
		FLX_TEST(test_growth_begins_before_the_first_key),
		{0},
	};

	return flx_test_main("growth", tests);
}
