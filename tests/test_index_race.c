/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One owner, two readers, one keeper. The owner fills slice after slice with keys that stay, among
 * keys that come and go, through every size that a table grows, or lets crowds come and go, on
 * which tables grow and shrink around the few that stay; the readers must find every key that stays
 * from the moment they are told of it. Clean under ThreadSanitizer, by hand:
 *
 *	gcc -std=c11 -D_GNU_SOURCE -O1 -g -fsanitize=thread -Wno-tsan -I. $(pkg-config --cflags
 *	libdpdk) tests/test_index_race.c context-store/{index,block,arena,slab}.c fabric/base.c
 *	$(pkg-config --libs liburcu-qsbr cunit) -lpthread
 */
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include <urcu-qsbr.h>

#include "context-store/index.h"
#include "context-store/record.h"
#include "tests/random.h"
#include "tests/records.h"
#include "tests/test.h"

#define READERS	    2
#define SLICES	    64
#define STAY	    8000 /* of a slice: about 30 leaves */
#define STAY_FEW    100
#define CROWD	    6000
#define COME_AND_GO 64
#define CAPACITY    (SLICES * STAY + COME_AND_GO)
#define STRIDE	    64

struct race {
	struct flx_arena arena;
	struct flx_slab slab;
	struct flx_index index;
	uint64_t hash[CAPACITY];
	uint32_t stay;	       /* keys of a slice that do */
	_Atomic uint32_t told; /* numbers below are in the table, for good */
	_Atomic bool done;
	_Atomic uint32_t turns[READERS]; /* for ThreadSanitizer, which does not know QSBR */
	_Atomic uint64_t looks[READERS], missed[READERS], foreign[READERS];
};

static struct race race;

static void look(uint32_t reader, uint32_t number)
{
	struct flx_index_probe probe;
	uint32_t seen = 0;

	for (uint32_t n =
		     flx_index_first(&race.index, number / race.stay, race.hash[number], &probe);
	     n != FLX_INDEX_NONE; n = flx_index_next(&probe)) {
		seen += n == number;
		race.foreign[reader] += n >= CAPACITY;
	}
	race.looks[reader]++;
	race.missed[reader] += seen != 1;
}

static void *read_until_done(void *argument)
{
	uint32_t reader = (uint32_t)(uintptr_t)argument;
	struct flx_random random = {.state = reader};

	urcu_qsbr_register_thread();
	while (!atomic_load_explicit(&race.done, memory_order_acquire)) {
		uint32_t told = atomic_load_explicit(&race.told, memory_order_acquire);

		/* The latest, whose leaf is on the move, and any. */
		for (uint32_t i = 0; told && i < 64; i++)
			look(reader,
			     i % 2 ? flx_random_below(&random, told)
				   : told - 1 - flx_random_below(&random, told) % race.stay);
		atomic_fetch_add_explicit(&race.turns[reader], 1, memory_order_release);
		urcu_qsbr_quiescent_state();
	}
	urcu_qsbr_unregister_thread();
	return NULL;
}

static void *keep_until_done(void *argument)
{
	while (!atomic_load_explicit(&race.done, memory_order_acquire)) {
		if (!flx_block_collect(&race.index.pool)) {
			usleep(10);
			continue;
		}
		urcu_qsbr_synchronize_rcu();
		for (uint32_t reader = 0; reader < READERS; reader++)
			atomic_load_explicit(&race.turns[reader], memory_order_acquire);
		flx_block_release(&race.index.pool);
	}
	return argument;
}

static bool insert(uint32_t slice, uint32_t number, uint64_t hash)
{
	struct flx_record *record = flx_slab_at(&race.slab, number);
	uint32_t budget = FLX_INDEX_BUDGET;

	record->hash = (uint32_t)hash;
	return flx_index_insert(&race.index, slice, hash, number, &budget);
}

static void take_out(uint32_t slice, uint32_t number)
{
	uint32_t budget = FLX_INDEX_BUDGET;

	flx_index_remove(&race.index, slice, number, &budget);
}

/* Owner's: enters @number, which stays. */
static void settle(struct flx_random *random, uint32_t number)
{
	race.hash[number] = flx_random_next(random);
	while (!insert(number / race.stay, number, race.hash[number]))
		sched_yield(); /* the limbo is full */
	atomic_store_explicit(&race.told, number + 1, memory_order_release);
}

/* The owner's turns. */
static void fill(void)
{
	struct flx_random random = {.state = 99};

	for (uint32_t number = 0; number < SLICES * STAY; number++) {
		uint32_t slice = number / STAY, guest = CAPACITY - 1 - number % COME_AND_GO;

		settle(&random, number);
		/* Of the same bucket and tag as one that stays, or anywhere. */
		if (insert(slice, guest,
			   number % 2 ? flx_random_next(&random) : race.hash[number] ^ 1ull << 40))
			take_out(slice, guest);
	}
}

/* Grace periods end when the kernel lets readers and keeper run: what a slice retires has room. */
static void wait_for_keeper(void)
{
	while (flx_block_waiting(&race.index.pool, FLX_INDEX_LEAF_BITS) > 32)
		sched_yield();
}

static uint32_t directory_depth(uint32_t slice)
{
	return flx_index_root(&race.index, slice).depth;
}

/* The owner's turns: in each slice half of the few come, a crowd, the other half, and it leaves. */
static void let_crowds_pass(void)
{
	static bool entered[CROWD];
	struct flx_random random = {.state = 77};
	const uint32_t first = SLICES * STAY_FEW;
	uint32_t shrunk = 0;

	for (uint32_t slice = 0; slice < SLICES; slice++) {
		uint32_t number = slice * STAY_FEW, end = number + STAY_FEW, depth;

		wait_for_keeper();
		while (number < end - STAY_FEW / 2)
			settle(&random, number++);
		for (uint32_t n = 0; n < CROWD; n++)
			entered[n] = insert(slice, first + n, flx_random_next(&random));
		depth = directory_depth(slice);
		for (uint32_t n = 0; n < CROWD; n++) {
			if (entered[n])
				take_out(slice, first + n);
			if (n % 100 == 0 && number < end)
				settle(&random, number++);
		}
		shrunk += depth - directory_depth(slice);
	}
	/* From 16 leaves or so to one. */
	CU_ASSERT_TRUE(shrunk > 3 * SLICES);
}

static void set_up(uint32_t stay)
{
	uint64_t size_bytes = records_reserve(STRIDE, CAPACITY) + flx_index_reserve(CAPACITY);

	memset((void *)&race, 0, sizeof(race));
	race.stay = stay;
	CU_ASSERT_EQUAL_FATAL(flx_arena_init(&race.arena, size_bytes, false), 0);
	CU_ASSERT_EQUAL_FATAL(records_init(&race.slab, &race.arena, STRIDE, CAPACITY, 1), 0);
	CU_ASSERT_EQUAL_FATAL(flx_index_init(&race.index, &race.arena, &race.slab, CAPACITY), 0);
}

static void tear_down(void)
{
	CU_ASSERT_TRUE(race.arena.used_bytes <=
		       records_reserve(STRIDE, CAPACITY) + flx_index_reserve(CAPACITY));
	flx_arena_fini(&race.arena);
}

static void run_readers_beside(void (*own)(void), uint32_t stay)
{
	pthread_t reader[READERS], keeper;

	set_up(stay);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&keeper, NULL, keep_until_done, NULL), 0);
	for (uintptr_t i = 0; i < READERS; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&reader[i], NULL, read_until_done, (void *)i),
				      0);
	own();
	/* They do overlap, whatever the scheduler thinks. */
	for (uint32_t i = 0; i < READERS; i++)
		while (atomic_load(&race.looks[i]) < 1000)
			usleep(100);
	atomic_store_explicit(&race.done, true, memory_order_release);
	for (uint32_t i = 0; i < READERS; i++) {
		pthread_join(reader[i], NULL);
		CU_ASSERT_EQUAL(race.missed[i], 0);
		CU_ASSERT_EQUAL(race.foreign[i], 0);
	}
	pthread_join(keeper, NULL);
	tear_down();
}

static void test_index_readers_miss_nothing_while_the_owner_writes(void)
{
	run_readers_beside(fill, STAY);
}

static void test_index_readers_miss_nothing_while_tables_shrink(void)
{
	run_readers_beside(let_crowds_pass, STAY_FEW);
}

/* Owner of every second slice: one half of its tables has the size from the start. */
static void *own_half(void *argument)
{
	uintptr_t refused = 0;

	for (uint32_t slice = (uint32_t)(uintptr_t)argument; slice < SLICES; slice += 2) {
		if (slice % 4 < 2)
			refused += flx_index_presize(&race.index, slice, STAY) != 0;
		for (uint32_t number = slice * STAY; number < (slice + 1) * STAY; number++) {
			race.hash[number] = (uint64_t)number * 0x9e3779b97f4a7c15;
			while (!insert(slice, number, race.hash[number]))
				sched_yield(); /* the limbo is full */
		}
	}
	return (void *)refused;
}

static void test_index_owners_presize_and_grow_at_once(void)
{
	pthread_t owner[2], keeper;
	void *refused;

	set_up(STAY);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&keeper, NULL, keep_until_done, NULL), 0);
	for (uintptr_t i = 0; i < 2; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&owner[i], NULL, own_half, (void *)i), 0);
	for (uint32_t i = 0; i < 2; i++) {
		pthread_join(owner[i], &refused);
		CU_ASSERT_PTR_NULL(refused);
	}
	atomic_store_explicit(&race.done, true, memory_order_release);
	pthread_join(keeper, NULL);
	for (uint32_t number = 0; number < SLICES * STAY; number++)
		look(0, number);
	CU_ASSERT_EQUAL(race.looks[0], SLICES * STAY);
	CU_ASSERT_EQUAL(race.missed[0], 0);
	tear_down();
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_index_readers_miss_nothing_while_the_owner_writes),
		FLX_TEST(test_index_readers_miss_nothing_while_tables_shrink),
		FLX_TEST(test_index_owners_presize_and_grow_at_once),
		{0},
	};

	return flx_test_main("index_race", tests);
}
