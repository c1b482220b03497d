/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/random.h"
#include "tests/store.h"

#define TICK	  10000 /* cycles of the simulated tsc */
#define TSC_HZ	  (TICK * (uint64_t)FLX_TICKS_PER_SECOND)
#define TTL_TICKS 128
#define KEYS	  8000
#define TURN_MOST (16 * FLX_BUCKET_ENTRIES) /* records that a turn may look at */

static struct flx_store *store;
static struct flx_context_type *type;
/* Of each worker: 0 where the slice is its own. */
static _Atomic uint8_t flag[2][FLX_INDEX_SLICES];
static uint64_t tsc;

static void set_up(const struct flx_context_type_conf *of_type, uint32_t workers)
{
	struct flx_store_conf conf = test_conf(of_type, 1, workers);
	struct flx_store_found found;

	conf.tsc_hz = TSC_HZ;
	conf.start_tsc = tsc = 1000;
	CU_ASSERT_EQUAL_FATAL(flx_store_open(&store, &conf), 0);
	CU_ASSERT_EQUAL_FATAL(flx_store_attach(store, &found), 0);
	type = store->type[0];
	for (uint32_t slice = 0; slice < FLX_INDEX_SLICES; slice++)
		for (uint32_t w = 0; w < workers; w++)
			flag[w][slice] = slice % workers != w;
}

static uint64_t turn(uint32_t worker)
{
	uint64_t before = flx_context_count(type);

	flx_store_turn(store, worker, tsc);
	flx_sweep_turn(type, worker, flag[worker], tsc, TSC_HZ);
	return before - flx_context_count(type);
}

/* Turns of @worker for @ticks, eight a tick; none may take out more than it may look at. */
static uint64_t turns(uint32_t worker, uint32_t ticks)
{
	uint64_t gone = 0, most = 0;

	for (uint32_t i = 0; i < ticks * 8; i++) {
		uint64_t of_turn;

		tsc += TICK / 8;
		of_turn = turn(worker);
		gone += of_turn;
		most = of_turn > most ? of_turn : most;
	}
	CU_ASSERT_TRUE(most <= TURN_MOST);
	return gone;
}

static uint64_t expired(uint32_t worker)
{
	return atomic_load(&type->worker[worker].counts.expired);
}

/* A worker's keys all go within a pass or two after their time, and not one of another's. */
static void test_sweep_expires_what_is_over_and_its_own(void)
{

	for (size_t row = 0; row < 2; row++) {
		struct flx_context_type_conf conf = test_type(2 * KEYS);

		conf.ttl_ms = 1000 * TTL_TICKS / FLX_TICKS_PER_SECOND;
		set_up(&conf, 2);
		for (uint64_t i = 0; i < KEYS; i++) {
			/* Second row: all in two slices, of a directory of leaves each. */
			uint64_t key = row ? i / 2 * 512 + i % 2 : i;

			CU_ASSERT_EQUAL(test_one(type, key % 2, key, TEST_COMMIT), 0);
			if (i % 64 == 0)
				flx_store_keep(store);
		}
		/* Nothing goes on or before its last tick. */
		CU_ASSERT_EQUAL(turns(0, TTL_TICKS - 1), 0);
		CU_ASSERT_EQUAL(flx_context_count(type), KEYS);
		CU_ASSERT_EQUAL(turns(0, 5 * TTL_TICKS), KEYS / 2);
		CU_ASSERT_EQUAL(expired(0), KEYS / 2);
		CU_ASSERT_EQUAL(expired(1), 0);
		CU_ASSERT_EQUAL(turns(1, 5 * TTL_TICKS), KEYS / 2);
		CU_ASSERT_EQUAL(flx_context_count(type), 0);
		/* Their records are to be had again: all of them. */
		flx_slab_relieve(&type->slab, 0);
		flx_slab_relieve(&type->slab, 1);
		flx_store_keep(store);
		CU_ASSERT_EQUAL(flx_slab_free_count(&type->slab, 0), 2 * KEYS);
		flx_store_close(store);
	}
}

/* In the steady state memory of the dead is held for half a TTL, give or take. */
static void test_sweep_keeps_up_with_what_dies(void)
{
	struct flx_context_type_conf conf = test_type(3 * KEYS);
	uint64_t key = 0, most = 0, wrong = 0;

	conf.ttl_ms = 1000 * TTL_TICKS / FLX_TICKS_PER_SECOND;
	set_up(&conf, 1);
	for (uint32_t tick = 0; tick < 10 * TTL_TICKS; tick++) {
		for (uint32_t i = 0; i < KEYS / TTL_TICKS; i++)
			wrong += test_one(type, 0, key++, TEST_COMMIT) != 0;
		/* One that is written all the time is never over. */
		wrong += test_one(type, 0, UINT64_MAX - 1, TEST_COMMIT) != tick;
		turns(0, 1);
		flx_store_keep(store);
		if (tick > 5 * TTL_TICKS && flx_context_count(type) > most)
			most = flx_context_count(type);
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_TRUE(most >= KEYS);
	CU_ASSERT_TRUE(most <= KEYS * 7 / 4);
	flx_store_close(store);
}

static void test_sweep_makes_no_room_that_is_there(void)
{
	struct flx_context_type_conf conf = test_type(1600);

	conf.evict = true;
	set_up(&conf, 1);
	for (uint64_t key = 0; !flx_slab_low(&type->slab); key++) {
		CU_ASSERT_EQUAL(turns(0, 1), 0);
		test_one(type, 0, key, TEST_COMMIT);
	}
	CU_ASSERT_TRUE(flx_context_count(type) >= 1600 / 16 * 15 - 64);
	CU_ASSERT_TRUE(turns(0, 1) > 0);
	/* A block at most more than there was need of. */
	CU_ASSERT_FALSE(flx_slab_low(&type->slab));
	CU_ASSERT_TRUE(flx_context_count(type) >= 1600 / 16 * 15 - 2 * 64);
	CU_ASSERT_EQUAL(turns(0, 10), 0);
	CU_ASSERT_EQUAL(expired(0), 0);
	flx_store_close(store);
}

static uint16_t slice_zero(const void *argument, const uint8_t *key)
{
	(void)argument;
	(void)key;
	return 0;
}

/* All in one bucket: in the order of their last commits. */
static void test_sweep_evicts_the_longest_idle(void)
{
	static const uint32_t touched[] = {0, 3, 5}, order[] = {1, 2, 4, 6, 7, 0, 3, 5};
	struct flx_context_type_conf conf = test_type(8);
	enum test_step steps[] = {TEST_COMMIT};

	conf.evict = true;
	conf.slice = slice_zero;
	set_up(&conf, 1);
	memset((void *)&flag[0][1], 1, FLX_INDEX_SLICES - 1);
	for (uint64_t i = 0, value; i < 8 + 3; i++) {
		uint64_t key = i < 8 ? i : touched[i - 8];

		tsc += 10 * TICK;
		flx_store_turn(store, 0, tsc);
		test_batch(type, 0, 1, &key, steps, 1, &value);
		CU_ASSERT_NOT_EQUAL(value, TEST_NONE);
	}
	for (uint64_t i = 0; i < 8; i++) {
		uint64_t next = 100 + i, value;

		CU_ASSERT_TRUE(flx_slab_low(&type->slab));
		CU_ASSERT_EQUAL(turn(0), 1);
		CU_ASSERT_EQUAL(atomic_load(&type->worker[0].counts.evicted), i + 1);
		for (uint64_t n = 0; n < 8; n++) {
			struct flx_record_copy copy;
			uint64_t key = order[n];

			CU_ASSERT_EQUAL(flx_context_get(type, (uint8_t *)&key, 0, &copy), n > i);
		}
		flx_store_keep(store);
		flx_store_turn(store, 0, tsc += 10 * TICK);
		test_batch(type, 0, 1, &next, steps, 1, &value);
		CU_ASSERT_EQUAL(value, 0);
	}
	flx_store_close(store);
}

/* New keys all the time, of two workers: none is refused, and the reserve is there. */
static void test_sweep_makes_room_ahead_of_need(void)
{
	struct flx_context_type_conf conf = test_type(10000);
	struct flx_random random = {.state = 3};
	uint64_t key = 0, wrong = 0, young = 0;

	conf.evict = true;
	set_up(&conf, 2);
	for (uint32_t round = 0; round < 20000; round++) {
		uint32_t w = round % 2, made = flx_random_between(&random, 1, 8);

		flx_store_turn(store, w, tsc += TICK / 16);
		for (uint32_t i = 0; i < made; i++, key++)
			wrong += test_one(type, w, key * 2 + w, TEST_COMMIT) != 0;
		turn(w);
		/* What was made a moment ago is not what goes. */
		young += test_view(type, w, (key - 1) * 2 + w) != 1;
		if (flx_random_chance(&random, 20))
			flx_store_keep(store);
		/* What is below is in caches, of two workers. */
		wrong += flx_slab_free_count(&type->slab, 0) + flx_slab_deferred(&type->slab) +
				 4 * type->slab.block <
			 10000 / 16;
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_TRUE(young < 20);
	CU_ASSERT_EQUAL(atomic_load(&type->worker[0].counts.refused), 0);
	CU_ASSERT_EQUAL(flx_context_count(type) + atomic_load(&type->worker[0].counts.evicted) +
				atomic_load(&type->worker[1].counts.evicted),
			key);
	CU_ASSERT_TRUE(flx_context_count(type) > 10000 / 16 * 14);
	flx_store_close(store);
}

/* Whole batches of new keys, each turn, for ever: what is idle gives way as fast as they come. */
static void test_sweep_makes_room_for_a_flood(void)
{
	struct flx_context_type_conf conf = test_type(10000);
	enum test_step steps[FLX_BATCH];
	uint64_t keys[FLX_BATCH], values[FLX_BATCH], key = 0;

	conf.evict = true;
	set_up(&conf, 1);
	for (uint32_t i = 0; i < FLX_BATCH; i++)
		steps[i] = TEST_COMMIT;
	for (uint32_t round = 0; round < 20000; round++) {
		for (uint32_t i = 0; i < FLX_BATCH; i++)
			keys[i] = key++;
		flx_store_turn(store, 0, tsc += TICK / 16);
		test_batch(type, 0, FLX_INDEX_SLICES, keys, steps, FLX_BATCH, values);
		flx_sweep_turn(type, 0, flag[0], tsc, TSC_HZ);
		/* The keeper comes by while the reserve lasts: 625 records, 9 turns of these. */
		if (round % 4 == 0)
			flx_store_keep(store);
	}
	CU_ASSERT_EQUAL(atomic_load(&type->worker[0].counts.refused), 0);
	CU_ASSERT_TRUE(flx_context_count(type) > 10000 / 16 * 14);
	flx_store_close(store);
}

/* Nothing gives way before the limit, unless there is no memory to grow into. */
static void test_sweep_takes_nothing_while_the_type_may_grow(void)
{
	struct flx_context_type_conf conf = test_type(1000);
	uint64_t key = 0;

	conf.evict = true;
	conf.limit = 5000;
	set_up(&conf, 1);
	for (; key < 990; key++) {
		CU_ASSERT_EQUAL(test_one(type, 0, key, TEST_COMMIT), 0);
		CU_ASSERT_EQUAL(turn(0), 0);
	}
	flx_slab_stick(&type->slab, 0);
	CU_ASSERT_TRUE(turn(0) > 0);
	CU_ASSERT_TRUE(flx_store_keep(store)); /* it grows after all */
	while (turn(0))
		;
	for (; key < 2900; key++) {
		CU_ASSERT_EQUAL(test_one(type, 0, key, TEST_COMMIT), 0);
		CU_ASSERT_EQUAL(turn(0), 0);
		if (key % 100 == 0)
			flx_store_keep(store);
	}
	flx_store_close(store);
}

/* A clock that was saved a moment before a kill: room is made all the same. */
static void test_sweep_makes_room_among_stamps_that_lie_ahead(void)
{
	struct flx_context_type_conf conf = test_type(160);

	conf.evict = true;
	conf.ttl_ms = 1000;
	set_up(&conf, 1);
	tsc += 1000 * TICK;
	flx_store_turn(store, 0, tsc);
	for (uint64_t key = 0; key < 160; key++)
		CU_ASSERT_EQUAL(test_one(type, 0, key, TEST_COMMIT), 0);
	type->turn[0].now -= 10;
	type->turn[0].next_tsc = UINT64_MAX;
	CU_ASSERT_TRUE(turns(0, 50) > 0);
	CU_ASSERT_FALSE(flx_slab_low(&type->slab));
	CU_ASSERT_EQUAL(expired(0), 0);
	flx_store_close(store);
}

/* Who owns nothing does nothing, and comes back to it. */
static void test_sweep_of_a_worker_without_slices(void)
{
	struct flx_context_type_conf conf = test_type(100);

	conf.ttl_ms = 100;
	conf.evict = true;
	set_up(&conf, 1);
	for (uint64_t key = 0; key < 100; key++)
		CU_ASSERT_EQUAL(test_one(type, 0, key, TEST_COMMIT), 0);
	memset((void *)flag[0], 1, sizeof(flag[0]));
	CU_ASSERT_EQUAL(turns(0, 100), 0);
	memset((void *)flag[0], 0, sizeof(flag[0]));
	CU_ASSERT_EQUAL(turns(0, 100), 100);
	flx_store_close(store);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_sweep_expires_what_is_over_and_its_own),
		FLX_TEST(test_sweep_keeps_up_with_what_dies),
		FLX_TEST(test_sweep_makes_no_room_that_is_there),
		FLX_TEST(test_sweep_evicts_the_longest_idle),
		FLX_TEST(test_sweep_makes_room_ahead_of_need),
		FLX_TEST(test_sweep_makes_room_for_a_flood),
		FLX_TEST(test_sweep_takes_nothing_while_the_type_may_grow),
		FLX_TEST(test_sweep_makes_room_among_stamps_that_lie_ahead),
		FLX_TEST(test_sweep_of_a_worker_without_slices),
		{0},
	};

	return flx_test_main("sweep", tests);
}
