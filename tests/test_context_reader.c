/* SPDX-License-Identifier: BSD-3-Clause */
/* Readers in threads of their own, while the owner of all slices makes, deletes and grows. */
#include <pthread.h>

#include <urcu-qsbr.h>

#include "tests/random.h"
#include "tests/store.h"

#define STAY	500   /* keys that are there all the time */
#define OTHERS	20000 /* keys that come and go */
#define BATCHES 40000
#define READERS 2

struct content {
	uint64_t key;
	uint64_t version;
	uint64_t proof;
};

struct shared {
	struct flx_store *store;
	struct flx_context_type *type;
	atomic_bool done;
	_Atomic uint64_t readers;
	_Atomic uint64_t seen_others;
	_Atomic uint64_t missed, foreign, torn, backwards;
};

/* Half of the keys lie in slice 0, whose table grows far; and others between the two. */
static uint64_t key_of(uint32_t number)
{
	return number % 2 ? number : (uint64_t)number * FLX_INDEX_SLICES;
}

static uint64_t prove(uint64_t key, uint64_t version)
{
	struct flx_random random = {.state = key * 77 + version};

	return flx_random_next(&random);
}

/* True when @number was found. */
static bool read_one(struct shared *shared, uint32_t number, uint64_t *version)
{
	uint64_t key = key_of(number);
	struct flx_record_copy copy;
	struct content content;

	if (!flx_context_get(shared->type, (const uint8_t *)&key, 0, &copy))
		return false;
	memcpy(&content, copy.context, sizeof(content));
	if (content.key != key || memcmp(copy.key, &key, sizeof(key)) != 0)
		atomic_fetch_add(&shared->foreign, 1);
	if (content.proof != prove(content.key, content.version))
		atomic_fetch_add(&shared->torn, 1);
	*version = content.version;
	return true;
}

static void *run_reader(void *argument)
{
	struct shared *shared = argument;
	struct flx_random random = {.state = atomic_fetch_add(&shared->readers, 1)};
	uint64_t last[STAY] = {0}, version;

	urcu_qsbr_register_thread();
	while (!atomic_load(&shared->done)) {
		uint32_t number = flx_random_below(&random, STAY);

		if (!read_one(shared, number, &version)) {
			atomic_fetch_add(&shared->missed, 1);
		} else {
			if (version < last[number])
				atomic_fetch_add(&shared->backwards, 1);
			last[number] = version;
		}
		number = STAY + flx_random_below(&random, OTHERS);
		if (read_one(shared, number, &version))
			atomic_fetch_add(&shared->seen_others, 1);
		urcu_qsbr_quiescent_state();
	}
	urcu_qsbr_unregister_thread();
	return NULL;
}

/* Each key of @numbers written, or deleted; refused ones are new. */
static void write_batch(struct shared *shared, const uint32_t *numbers, const bool *deletes,
			uint32_t count, uint64_t version)
{
	struct flx_context_type *type = shared->type;
	struct flx_record *records[FLX_BATCH];
	uint16_t slices[FLX_BATCH];
	uint64_t keys[FLX_BATCH];

	flx_store_turn(shared->store, 0, 0);
	type->turn[0].growth_left = FLX_INDEX_BUDGET;
	for (uint32_t i = 0; i < count; i++) {
		keys[i] = key_of(numbers[i]);
		slices[i] = (uint16_t)(keys[i] % FLX_INDEX_SLICES);
	}
	flx_context_bind(type, 0, slices, (const uint8_t *)keys, count, records);
	for (uint32_t i = 0; i < count; i++) {
		struct content *content;

		if (!records[i])
			continue;
		content = flx_context_open(type, 0, slices[i], records[i]);
		*content = (struct content){keys[i], version, prove(keys[i], version)};
		if (deletes[i])
			flx_context_delete(type, 0, slices[i], records[i]);
		else
			flx_context_commit(type, 0, records[i]);
	}
	flx_context_settle(type, 0);
}

static void run_owner(struct shared *shared)
{
	struct flx_random random = {.state = 1};

	for (uint64_t batch = 1; batch <= BATCHES; batch++) {
		/* More and more of the others; then fewer. */
		uint32_t most =
			(uint32_t)(batch < BATCHES / 2 ? OTHERS * batch / BATCHES * 2 : OTHERS);
		uint32_t delete_pct = batch < BATCHES / 2 ? 20 : 60;
		uint32_t numbers[FLX_BATCH];
		bool deletes[FLX_BATCH];

		for (uint32_t i = 0; i < FLX_BATCH; i++) {
			bool stays = flx_random_chance(&random, 30);

			numbers[i] = stays ? flx_random_below(&random, STAY)
					   : STAY + flx_random_below(&random, most + 1);
			deletes[i] = !stays && flx_random_chance(&random, delete_pct);
		}
		write_batch(shared, numbers, deletes, FLX_BATCH, batch);
	}
}

static void make_those_that_stay(struct shared *shared)
{
	static const bool none[FLX_BATCH];
	uint32_t numbers[FLX_BATCH];

	for (uint32_t at = 0; at < STAY; at += FLX_BATCH / 2) {
		uint32_t count = 0;

		while (count < FLX_BATCH / 2 && at + count < STAY) {
			numbers[count] = at + count;
			count++;
		}
		write_batch(shared, numbers, none, count, 0);
	}
}

static void test_context_get_never_misses_and_never_confuses(void)
{
	struct flx_context_type_conf conf = test_type(1000);
	struct shared shared = {0};
	pthread_t readers[READERS];

	conf.limit = OTHERS;
	conf.context_size = sizeof(struct content);
	shared.store = test_open(&conf, 1);
	shared.type = shared.store->type[0];
	make_those_that_stay(&shared);
	CU_ASSERT_EQUAL_FATAL(flx_context_count(shared.type), STAY);
	CU_ASSERT_EQUAL_FATAL(flx_store_start(shared.store), 0);
	for (int r = 0; r < READERS; r++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&readers[r], NULL, run_reader, &shared), 0);
	run_owner(&shared);
	while (atomic_load(&shared.seen_others) < 1000)
		run_owner(&shared);
	atomic_store(&shared.done, true);
	for (int r = 0; r < READERS; r++)
		pthread_join(readers[r], NULL);
	CU_ASSERT_EQUAL(shared.missed, 0);
	CU_ASSERT_EQUAL(shared.foreign, 0);
	CU_ASSERT_EQUAL(shared.torn, 0);
	CU_ASSERT_EQUAL(shared.backwards, 0);
	flx_store_close(shared.store);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_context_get_never_misses_and_never_confuses),
		{0},
	};

	return flx_test_main("context reader", tests);
}
