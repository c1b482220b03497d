/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "context-store/store.h"
#include "fabric/flx.h"
#include "tests/random.h"
#include "tests/store.h"

static_assert(FLX_INDEX_SLICES == FLX_SLICES, "the store's tables are the fabric's slices");

static struct flx_store *store;

/* The one type of a new store. */
static struct flx_context_type *make_type(uint32_t key_size, uint32_t context_size,
					  uint32_t capacity, uint32_t worker_count)
{
	struct flx_context_type_conf conf = test_type(capacity);

	conf.key_size = key_size;
	conf.context_size = context_size;
	store = test_open(&conf, worker_count);
	return store->type[0];
}

static void test_context_batch_finds_what_it_made_and_keeps_what_committed(void)
{
	static const struct {
		const char *what;
		uint64_t keys[4];
		enum test_step steps[4];
		uint64_t expected[4]; /* value before each step */
		uint64_t count;	      /* contexts after */
	} rows[] = {
		{"new keys",
		 {1, 2, 3, 4},
		 {TEST_COMMIT, TEST_COMMIT, TEST_COMMIT, TEST_COMMIT},
		 {0, 0, 0, 0},
		 4},
		{"found again",
		 {4, 3, 2, 1},
		 {TEST_COMMIT, TEST_COMMIT, TEST_COMMIT, TEST_COMMIT},
		 {1, 1, 1, 1},
		 4},
		{"twice in a batch",
		 {5, 5, 5, 1},
		 {TEST_COMMIT, TEST_COMMIT, TEST_COMMIT, TEST_ABORT},
		 {0, 1, 2, 2},
		 5},
		{"abort keeps",
		 {1, 1, 2, 5},
		 {TEST_ABORT, TEST_COMMIT, TEST_ABORT, TEST_COMMIT},
		 {2, 2, 2, 3},
		 5},
		{"new and failed",
		 {6, 7, 6, 7},
		 {TEST_ABORT, TEST_ABORT, TEST_ABORT, TEST_ABORT},
		 {0, 0, 0, 0},
		 5},
		{"later commits",
		 {6, 6, 6, 8},
		 {TEST_ABORT, TEST_COMMIT, TEST_ABORT, TEST_ABORT},
		 {0, 0, 1, 0},
		 6},
		{"left no trace",
		 {8, 7, 6, 1},
		 {TEST_COMMIT, TEST_COMMIT, TEST_COMMIT, TEST_COMMIT},
		 {0, 0, 1, 3},
		 8},
	};

	for (uint32_t slice_count = 1; slice_count <= FLX_SLICES; slice_count *= 8) {
		struct flx_context_type *type = make_type(8, 8, 100, 1);

		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			uint64_t values[4];

			test_batch(type, 0, slice_count, rows[i].keys, rows[i].steps, 4, values);
			for (uint32_t n = 0; n < 4; n++)
				if (values[n] != rows[i].expected[n])
					CU_FAIL(rows[i].what);
			CU_ASSERT_EQUAL(flx_context_count(type), rows[i].count);
		}
		flx_store_close(store);
	}
}

static void test_context_full_refuses_and_recovers(void)
{
	static const uint32_t capacities[] = {1, 7, 10, 64, 65, 1000};

	for (size_t c = 0; c < sizeof(capacities) / sizeof(capacities[0]); c++) {
		uint32_t capacity = capacities[c], wrong = 0;
		struct flx_context_type *type = make_type(8, 8, capacity, 1);
		uint64_t value;

		for (uint64_t key = 0; key < 2 * capacity; key++) {
			/* The last is made and withdrawn three times before it is kept. */
			for (uint32_t i = 0; i < 3; i++) {
				test_batch(type, 0, 512, &key, &(enum test_step){TEST_ABORT}, 1,
					   &value);
				wrong += value != (key < capacity ? 0 : TEST_NONE);
			}
			test_batch(type, 0, 512, &key, &(enum test_step){TEST_COMMIT}, 1, &value);
			wrong += value != (key < capacity ? 0 : TEST_NONE);
		}
		for (uint64_t key = 0; key < 2 * capacity; key++) {
			test_batch(type, 0, 512, &key, &(enum test_step){TEST_COMMIT}, 1, &value);
			wrong += value != (key < capacity ? 1 : TEST_NONE);
		}
		CU_ASSERT_EQUAL(wrong, 0);
		CU_ASSERT_EQUAL(flx_context_count(type), capacity);
		flx_store_close(store);
	}
}

/* Full inside a batch: the refused are NULL, those after them that exist are found. */
static void test_context_full_in_a_batch_still_finds(void)
{
	struct flx_context_type *type = make_type(8, 8, 3, 1);
	static const uint64_t keys[] = {1, 2, 3, 4, 1, 5, 3},
			      expected[] = {0, 0, 0, TEST_NONE, 1, TEST_NONE, 0};
	static const enum test_step steps[] = {TEST_COMMIT, TEST_COMMIT, TEST_ABORT, TEST_COMMIT,
					       TEST_COMMIT, TEST_COMMIT, TEST_ABORT};
	uint64_t values[7];

	test_batch(type, 0, 512, keys, steps, 7, values);
	CU_ASSERT_EQUAL(memcmp(values, expected, sizeof(values)), 0);
	CU_ASSERT_EQUAL(flx_context_count(type), 2);
	/* The place that was withdrawn is there for another key. */
	test_batch(type, 0, 512, keys + 3, steps, 1, values);
	CU_ASSERT_EQUAL(values[0], 0);
	flx_store_close(store);
}

/* A worker that needs records gets those that another took and did not use. */
static void test_context_full_takes_what_other_workers_hold(void)
{
	struct flx_context_type *type = make_type(8, 8, 1000, 3);
	enum test_step steps[FLX_BATCH] = {TEST_ABORT}; /* all of them */
	uint64_t keys[FLX_BATCH], value, made = 0;
	struct flx_random random = {.state = 5};

	for (uint32_t worker = 1; worker < 3; worker++) {
		uint64_t values[FLX_BATCH];

		for (uint32_t i = 0; i < 5; i++)
			keys[i] = flx_random_next(&random);
		test_batch(type, worker, 512, keys, steps, 5, values);
	}
	for (uint64_t key = 0; key < 2000; key++) {
		test_batch(type, 0, 512, &key, &(enum test_step){TEST_COMMIT}, 1, &value);
		made += value == 0;
		/* A turn of the others without any message. */
		flx_context_settle(type, 1);
		flx_context_settle(type, 2);
	}
	CU_ASSERT_EQUAL(made, 1000);
	flx_store_close(store);
}

static void test_context_tells_keys_of_every_size_apart(void)
{
	for (uint32_t key_size = 1; key_size <= FLX_KEY_MAX; key_size++) {
		struct flx_context_type *type = make_type(key_size, 8, 1000, 1);
		/* A zero key, and keys that differ from it in one bit. */
		uint32_t count = 1 + 8 * key_size;
		uint8_t *keys = calloc(count, key_size); /* exact, for AddressSanitizer */
		uint32_t wrong = 0;

		CU_ASSERT_PTR_NOT_NULL_FATAL(keys);
		for (uint32_t bit = 0; bit < 8 * key_size; bit++)
			keys[(1 + bit) * key_size + bit / 8] ^= (uint8_t)(1u << bit % 8);
		for (uint64_t pass = 0; pass < 3; pass++)
			for (uint32_t i = 0; i < count; i += FLX_BATCH) {
				static const uint16_t slices[FLX_BATCH]; /* all 0 */
				struct flx_record *records[FLX_BATCH];
				uint32_t size = count - i < FLX_BATCH ? count - i : FLX_BATCH;

				flx_context_bind(type, 0, slices, keys + i * key_size, size,
						 records);
				for (uint32_t n = 0; n < size; n++) {
					uint64_t *context;

					CU_ASSERT_PTR_NOT_NULL_FATAL(records[n]);
					context = flx_context_open(type, 0, 0, records[n]);
					wrong += (*context)++ != pass;
					flx_context_commit(type, 0, records[n]);
				}
				flx_context_settle(type, 0);
			}
		CU_ASSERT_EQUAL(wrong, 0);
		CU_ASSERT_EQUAL(flx_context_count(type), count);
		free(keys);
		flx_store_close(store);
	}
}

static void fill(void *context)
{
	*(uint64_t *)context = 42;
}

static void test_context_single_context_needs_no_key(void)
{
	struct flx_context_type_conf conf = {.name = "single", .context_size = 64, .init = fill};
	struct flx_context_type *type;
	static const uint64_t keys[FLX_BATCH];
	enum test_step steps[FLX_BATCH] = {TEST_ABORT, TEST_COMMIT, TEST_ABORT, TEST_COMMIT};
	uint64_t values[FLX_BATCH];

	store = test_open(&conf, 4);
	type = store->type[0];
	test_batch(type, 3, 1, keys, steps, 1, values);
	CU_ASSERT_EQUAL(flx_context_count(type), 0);
	test_batch(type, 0, 1, keys, steps, 5, values);
	CU_ASSERT_EQUAL(values[0], 42);
	CU_ASSERT_EQUAL(values[1], 42);
	CU_ASSERT_EQUAL(values[2], 43);
	CU_ASSERT_EQUAL(values[4], 44);
	CU_ASSERT_EQUAL(flx_context_count(type), 1);
	flx_store_close(store);
}

#define MODEL_KEYS	 150000
#define MODEL_CAPACITY	 100000
#define MODEL_OPERATIONS 1000000

/* Random batches against an array: @slice_count 1 makes one big table, 512 many small ones. */
static void check_model(uint32_t slice_count, uint64_t seed)
{
	struct flx_context_type *type = make_type(8, 8, MODEL_CAPACITY, 1);
	uint64_t *model = calloc(MODEL_KEYS, sizeof(*model)), live = 0, wrong = 0;
	struct flx_random random = {.state = seed};

	CU_ASSERT_PTR_NOT_NULL_FATAL(model);
	for (uint32_t done = 0; done < MODEL_OPERATIONS; done += FLX_BATCH) {
		uint64_t keys[FLX_BATCH], values[FLX_BATCH];
		enum test_step steps[FLX_BATCH];

		for (uint32_t i = 0; i < FLX_BATCH; i++) {
			/* A quarter of the keys come from a few, so that batches hold doubles. */
			keys[i] = flx_random_next(&random) %
				  (flx_random_next(&random) % 4 ? MODEL_KEYS : 50);
			steps[i] = flx_random_next(&random) % 3 ? TEST_COMMIT : TEST_ABORT;
		}
		test_batch(type, 0, slice_count, keys, steps, FLX_BATCH, values);
		/* What growth has left would make it refuse keys. */
		if (done % (16 * FLX_BATCH) == 0)
			flx_store_keep(store);
		for (uint32_t i = 0; i < FLX_BATCH; i++) {
			/* Refused only when new and full (the batch may hold the last places). */
			if (values[i] == TEST_NONE)
				wrong += model[keys[i]] || live + FLX_BATCH < MODEL_CAPACITY;
			else
				wrong += values[i] != model[keys[i]];
			if (values[i] == TEST_NONE || steps[i] == TEST_ABORT)
				continue;
			live += model[keys[i]]++ == 0;
		}
		wrong += flx_context_count(type) != live;
	}
	for (uint64_t key = 0; key < MODEL_KEYS; key++) {
		uint64_t value;

		test_batch(type, 0, slice_count, &key, &(enum test_step){TEST_ABORT}, 1, &value);
		wrong += value != model[key] && !(value == TEST_NONE && model[key] == 0);
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_EQUAL(live, MODEL_CAPACITY);
	free(model);
	flx_store_close(store);
}

static void test_context_agrees_with_a_model(void)
{
	check_model(512, 11);
	check_model(1, 12);
	check_model(37, 13);
}

#define THREAD_KEYS  40000
#define THREAD_TURNS 8000

struct thread {
	struct flx_context_type *type;
	uint32_t worker;
	uint64_t wrong, committed;
	uint32_t model[THREAD_KEYS];
};

/* Keys of slices that this worker owns: worker 0 the even ones, worker 1 the odd. */
static void *run_worker(void *argument)
{
	struct thread *thread = argument;
	struct flx_random random = {.state = thread->worker};

	for (uint32_t i = 0; i < THREAD_TURNS; i++) {
		uint64_t keys[FLX_BATCH], values[FLX_BATCH];
		enum test_step steps[FLX_BATCH];

		for (uint32_t n = 0; n < FLX_BATCH; n++) {
			keys[n] = flx_random_next(&random) % THREAD_KEYS / 2 * 2 + thread->worker;
			steps[n] = flx_random_next(&random) % 2 ? TEST_COMMIT : TEST_ABORT;
		}
		test_batch(thread->type, thread->worker, 512, keys, steps, FLX_BATCH, values);
		for (uint32_t n = 0; n < FLX_BATCH; n++) {
			uint32_t *model = &thread->model[keys[n]];

			if (values[n] == TEST_NONE) {
				thread->wrong += *model != 0;
				continue;
			}
			thread->wrong += values[n] != *model;
			*model += steps[n] == TEST_COMMIT;
		}
	}
	for (uint32_t key = 0; key < THREAD_KEYS; key++)
		thread->committed += thread->model[key] != 0;
	return NULL;
}

/* Both make, withdraw, grow tables and, in the second row, fight for the last records. */
static void test_context_two_workers_do_not_disturb_each_other(void)
{
	static const uint32_t capacities[] = {THREAD_KEYS + 10000, THREAD_KEYS - 5000};
	static struct thread threads[2];

	for (size_t c = 0; c < 2; c++) {
		struct flx_context_type *type = make_type(8, 8, capacities[c], 2);
		pthread_t other;

		for (uint32_t worker = 0; worker < 2; worker++)
			threads[worker] = (struct thread){.type = type, .worker = worker};
		CU_ASSERT_EQUAL_FATAL(pthread_create(&other, NULL, run_worker, &threads[1]), 0);
		run_worker(&threads[0]);
		pthread_join(other, NULL);
		CU_ASSERT_EQUAL(threads[0].wrong + threads[1].wrong, 0);
		CU_ASSERT_EQUAL(threads[0].committed + threads[1].committed,
				flx_context_count(type));
		CU_ASSERT_TRUE(flx_context_count(type) <= capacities[c]);
		CU_ASSERT_TRUE(flx_context_count(type) >= capacities[c] / 16 * 15 ||
			       flx_context_count(type) == THREAD_KEYS);
		flx_store_close(store);
	}
}

static void test_context_seeds_differ(void)
{
	struct flx_context_type_conf conf = test_type(10);
	struct flx_store *a = test_open(&conf, 1), *b = test_open(&conf, 1);

	CU_ASSERT_NOT_EQUAL(a->seed[0], b->seed[0]);
	CU_ASSERT_NOT_EQUAL(a->seed[1], b->seed[1]);
	CU_ASSERT_EQUAL(memcmp(a->seed, a->type[0]->seed, sizeof(a->seed)), 0);
	flx_store_close(a);
	flx_store_close(b);
}

static void test_context_open_refuses_what_cannot_be(void)
{
	static const struct {
		struct flx_context_type_conf type;
		uint32_t workers;
		int error;
	} rows[] = {
		{{.name = "key", .key_size = 41, .context_size = 8, .capacity = 1}, 1, -EINVAL},
		{{.name = "no size", .key_size = 4, .capacity = 1}, 1, -EINVAL},
		{{.name = "size", .key_size = 4, .context_size = 4097, .capacity = 1}, 1, -EINVAL},
		{{.name = "no room", .key_size = 4, .context_size = 8}, 1, -EINVAL},
		{{.name = "nobody", .key_size = 4, .context_size = 8, .capacity = 1}, 0, -EINVAL},
		{{.name = "crowd", .key_size = 4, .context_size = 8, .capacity = 1},
		 FLX_WORKERS_MAX + 1,
		 -EINVAL},
		{{.name = "limit", .key_size = 4, .context_size = 8, .capacity = 9, .limit = 8},
		 1,
		 -EINVAL},
		{{.name = "a name that is longer than names of types may be",
		  .key_size = 4,
		  .context_size = 8,
		  .capacity = 1},
		 1,
		 -EINVAL},
		{{.name = "number", .key_size = 4, .context_size = 8, .capacity = UINT32_MAX},
		 1,
		 -EINVAL},
		/* 17 TB: no machine of ours has them, and Linux says so at once. */
		{{.name = "memory",
		  .key_size = 4,
		  .context_size = 4096,
		  .capacity = UINT32_MAX / 2 - 1},
		 1,
		 -ENOMEM},
	};
	struct flx_store *none = NULL;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct flx_store_conf conf = test_conf(&rows[i].type, 1, rows[i].workers);

		CU_ASSERT_EQUAL(flx_store_open(&none, &conf), rows[i].error);
		/* What was not ours is still there. */
		CU_ASSERT_TRUE(fcntl(STDIN_FILENO, F_GETFD) >= 0);
	}
	CU_ASSERT_PTR_NULL(none);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_context_batch_finds_what_it_made_and_keeps_what_committed),
		FLX_TEST(test_context_full_refuses_and_recovers),
		FLX_TEST(test_context_full_in_a_batch_still_finds),
		FLX_TEST(test_context_full_takes_what_other_workers_hold),
		FLX_TEST(test_context_tells_keys_of_every_size_apart),
		FLX_TEST(test_context_single_context_needs_no_key),
		FLX_TEST(test_context_agrees_with_a_model),
		FLX_TEST(test_context_two_workers_do_not_disturb_each_other),
		FLX_TEST(test_context_seeds_differ),
		FLX_TEST(test_context_open_refuses_what_cannot_be),
		{0},
	};

	return flx_test_main("context", tests);
}
