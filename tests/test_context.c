/* SPDX-License-Identifier: BSD-3-Clause */
#include <pthread.h>

#include "context-store/store.h"
#include "fabric/flx.h"
#include "tests/test.h"

static_assert(FLX_INDEX_SLICES == FLX_SLICES, "the store's tables are the fabric's slices");

static uint64_t next_random(uint64_t *state)
{
	uint64_t value = *state += 0x9e3779b97f4a7c15;

	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
	value = (value ^ value >> 27) * 0x94d049bb133111eb;
	return value ^ value >> 31;
}

static struct flx_context_type *make_type(uint32_t key_size, uint32_t context_size,
					  uint32_t capacity, uint32_t worker_count)
{
	struct flx_context_type *type = flx_context_type_alloc(&(struct flx_context_type_conf){
		.name = "test",
		.key_size = key_size,
		.context_size = context_size,
		.capacity = capacity,
		.worker_count = worker_count,
	});

	CU_ASSERT_PTR_NOT_NULL_FATAL(type);
	return type;
}

/* What happens to a key of a batch: commit (adds 1 to the context), abort, or nothing is there. */
enum step { ABORT, COMMIT };

/*
 * One turn of a worker with keys of 8 bytes in slices key % slice_count: binds, adds 1 to each
 * context whose step says so, settles. @values gets what each context was before, UINT64_MAX for
 * refused.
 */
static void turn(struct flx_context_type *type, uint32_t worker, uint32_t slice_count,
		 const uint64_t *keys, const enum step *steps, uint32_t count, uint64_t *values)
{
	struct flx_record *records[FLX_BATCH];
	uint16_t slices[FLX_BATCH];

	for (uint32_t i = 0; i < count; i++)
		slices[i] = (uint16_t)(keys[i] % slice_count);
	flx_store_bind(type, worker, slices, (const uint8_t *)keys, count, records);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t *context;

		values[i] = UINT64_MAX;
		if (!records[i])
			continue;
		context = flx_record_open(&type->layout, records[i]);
		values[i] = (*context)++;
		if (steps[i] == COMMIT)
			flx_record_commit(records[i]);
	}
	flx_store_settle(type, worker);
}

static void test_store_batch_finds_what_it_made_and_keeps_what_committed(void)
{
	static const struct {
		const char *what;
		uint64_t keys[4];
		enum step steps[4];
		uint64_t expected[4]; /* value before each step */
		uint64_t count;	      /* contexts after */
	} rows[] = {
		{"new keys", {1, 2, 3, 4}, {COMMIT, COMMIT, COMMIT, COMMIT}, {0, 0, 0, 0}, 4},
		{"found again", {4, 3, 2, 1}, {COMMIT, COMMIT, COMMIT, COMMIT}, {1, 1, 1, 1}, 4},
		{"twice in a batch",
		 {5, 5, 5, 1},
		 {COMMIT, COMMIT, COMMIT, ABORT},
		 {0, 1, 2, 2},
		 5},
		{"abort keeps", {1, 1, 2, 5}, {ABORT, COMMIT, ABORT, COMMIT}, {2, 2, 2, 3}, 5},
		{"new and failed", {6, 7, 6, 7}, {ABORT, ABORT, ABORT, ABORT}, {0, 0, 0, 0}, 5},
		{"later commits", {6, 6, 6, 8}, {ABORT, COMMIT, ABORT, ABORT}, {0, 0, 1, 0}, 6},
		{"left no trace", {8, 7, 6, 1}, {COMMIT, COMMIT, COMMIT, COMMIT}, {0, 0, 1, 3}, 8},
	};

	for (uint32_t slice_count = 1; slice_count <= FLX_SLICES; slice_count *= 8) {
		struct flx_context_type *type = make_type(8, 8, 100, 1);

		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			uint64_t values[4];

			turn(type, 0, slice_count, rows[i].keys, rows[i].steps, 4, values);
			for (uint32_t n = 0; n < 4; n++)
				if (values[n] != rows[i].expected[n])
					CU_FAIL(rows[i].what);
			CU_ASSERT_EQUAL(flx_context_type_count(type), rows[i].count);
		}
		flx_context_type_free(type);
	}
}

static void test_store_full_refuses_and_recovers(void)
{
	static const uint32_t capacities[] = {1, 7, 10, 64, 65, 1000};

	for (size_t c = 0; c < sizeof(capacities) / sizeof(capacities[0]); c++) {
		uint32_t capacity = capacities[c], wrong = 0;
		struct flx_context_type *type = make_type(8, 8, capacity, 1);
		uint64_t value;

		for (uint64_t key = 0; key < 2 * capacity; key++) {
			/* The last is made and withdrawn three times before it is kept. */
			for (uint32_t i = 0; i < 3; i++) {
				turn(type, 0, 512, &key, &(enum step){ABORT}, 1, &value);
				wrong += value != (key < capacity ? 0 : UINT64_MAX);
			}
			turn(type, 0, 512, &key, &(enum step){COMMIT}, 1, &value);
			wrong += value != (key < capacity ? 0 : UINT64_MAX);
		}
		for (uint64_t key = 0; key < 2 * capacity; key++) {
			turn(type, 0, 512, &key, &(enum step){COMMIT}, 1, &value);
			wrong += value != (key < capacity ? 1 : UINT64_MAX);
		}
		CU_ASSERT_EQUAL(wrong, 0);
		CU_ASSERT_EQUAL(flx_context_type_count(type), capacity);
		flx_context_type_free(type);
	}
}

/* Full inside a batch: the refused are NULL, those after them that exist are found. */
static void test_store_full_in_a_batch_still_finds(void)
{
	struct flx_context_type *type = make_type(8, 8, 3, 1);
	static const uint64_t keys[] = {1, 2, 3, 4, 1, 5, 3},
			      expected[] = {0, 0, 0, UINT64_MAX, 1, UINT64_MAX, 0};
	static const enum step steps[] = {COMMIT, COMMIT, ABORT, COMMIT, COMMIT, COMMIT, ABORT};
	uint64_t values[7];

	turn(type, 0, 512, keys, steps, 7, values);
	CU_ASSERT_EQUAL(memcmp(values, expected, sizeof(values)), 0);
	CU_ASSERT_EQUAL(flx_context_type_count(type), 2);
	/* The place that was withdrawn is there for another key. */
	turn(type, 0, 512, keys + 3, steps, 1, values);
	CU_ASSERT_EQUAL(values[0], 0);
	flx_context_type_free(type);
}

/* A worker that needs records gets those that another took and did not use. */
static void test_store_full_takes_what_other_workers_hold(void)
{
	struct flx_context_type *type = make_type(8, 8, 1000, 3);
	enum step steps[FLX_BATCH] = {ABORT}; /* all of them */
	uint64_t keys[FLX_BATCH], value, made = 0, state = 5;

	for (uint32_t worker = 1; worker < 3; worker++) {
		uint64_t values[FLX_BATCH];

		for (uint32_t i = 0; i < 5; i++)
			keys[i] = next_random(&state);
		turn(type, worker, 512, keys, steps, 5, values);
	}
	for (uint64_t key = 0; key < 2000; key++) {
		turn(type, 0, 512, &key, &(enum step){COMMIT}, 1, &value);
		made += value == 0;
		/* A turn of the others without any message. */
		flx_store_settle(type, 1);
		flx_store_settle(type, 2);
	}
	CU_ASSERT_EQUAL(made, 1000);
	flx_context_type_free(type);
}

static void test_store_tells_keys_of_every_size_apart(void)
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

				flx_store_bind(type, 0, slices, keys + i * key_size, size, records);
				for (uint32_t n = 0; n < size; n++) {
					uint64_t *context;

					CU_ASSERT_PTR_NOT_NULL_FATAL(records[n]);
					context = flx_record_open(&type->layout, records[n]);
					wrong += (*context)++ != pass;
					flx_record_commit(records[n]);
				}
				flx_store_settle(type, 0);
			}
		CU_ASSERT_EQUAL(wrong, 0);
		CU_ASSERT_EQUAL(flx_context_type_count(type), count);
		free(keys);
		flx_context_type_free(type);
	}
}

static void fill(void *context)
{
	*(uint64_t *)context = 42;
}

static void test_store_single_context_needs_no_key(void)
{
	struct flx_context_type *type = flx_context_type_alloc(&(struct flx_context_type_conf){
		.name = "single", .context_size = 64, .worker_count = 4, .init = fill});
	static const uint64_t keys[FLX_BATCH];
	enum step steps[FLX_BATCH] = {ABORT, COMMIT, ABORT, COMMIT};
	uint64_t values[FLX_BATCH];

	CU_ASSERT_PTR_NOT_NULL_FATAL(type);
	turn(type, 3, 1, keys, steps, 1, values);
	CU_ASSERT_EQUAL(flx_context_type_count(type), 0);
	turn(type, 0, 1, keys, steps, 5, values);
	CU_ASSERT_EQUAL(values[0], 42);
	CU_ASSERT_EQUAL(values[1], 42);
	CU_ASSERT_EQUAL(values[2], 43);
	CU_ASSERT_EQUAL(values[4], 44);
	CU_ASSERT_EQUAL(flx_context_type_count(type), 1);
	flx_context_type_free(type);
}

#define MODEL_KEYS	 150000
#define MODEL_CAPACITY	 100000
#define MODEL_OPERATIONS 1000000

/* Random batches against an array: @slice_count 1 makes one big table, 512 many small ones. */
static void check_model(uint32_t slice_count, uint64_t seed)
{
	struct flx_context_type *type = make_type(8, 8, MODEL_CAPACITY, 1);
	uint64_t *model = calloc(MODEL_KEYS, sizeof(*model)), state = seed, live = 0, wrong = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(model);
	for (uint32_t done = 0; done < MODEL_OPERATIONS; done += FLX_BATCH) {
		uint64_t keys[FLX_BATCH], values[FLX_BATCH];
		enum step steps[FLX_BATCH];

		for (uint32_t i = 0; i < FLX_BATCH; i++) {
			/* A quarter of the keys come from a few, so that batches hold doubles. */
			keys[i] = next_random(&state) % (next_random(&state) % 4 ? MODEL_KEYS : 50);
			steps[i] = next_random(&state) % 3 ? COMMIT : ABORT;
		}
		turn(type, 0, slice_count, keys, steps, FLX_BATCH, values);
		for (uint32_t i = 0; i < FLX_BATCH; i++) {
			/* Refused only when new and full (the batch may hold the last places). */
			if (values[i] == UINT64_MAX)
				wrong += model[keys[i]] || live + FLX_BATCH < MODEL_CAPACITY;
			else
				wrong += values[i] != model[keys[i]];
			if (values[i] == UINT64_MAX || steps[i] == ABORT)
				continue;
			live += model[keys[i]]++ == 0;
		}
		wrong += flx_context_type_count(type) != live;
	}
	for (uint64_t key = 0; key < MODEL_KEYS; key++) {
		uint64_t value;

		turn(type, 0, slice_count, &key, &(enum step){ABORT}, 1, &value);
		wrong += value != model[key] && !(value == UINT64_MAX && model[key] == 0);
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_EQUAL(live, MODEL_CAPACITY);
	free(model);
	flx_context_type_free(type);
}

static void test_store_agrees_with_a_model(void)
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
	uint64_t state = thread->worker;

	for (uint32_t i = 0; i < THREAD_TURNS; i++) {
		uint64_t keys[FLX_BATCH], values[FLX_BATCH];
		enum step steps[FLX_BATCH];

		for (uint32_t n = 0; n < FLX_BATCH; n++) {
			keys[n] = next_random(&state) % THREAD_KEYS / 2 * 2 + thread->worker;
			steps[n] = next_random(&state) % 2 ? COMMIT : ABORT;
		}
		turn(thread->type, thread->worker, 512, keys, steps, FLX_BATCH, values);
		for (uint32_t n = 0; n < FLX_BATCH; n++) {
			uint32_t *model = &thread->model[keys[n]];

			if (values[n] == UINT64_MAX) {
				thread->wrong += *model != 0;
				continue;
			}
			thread->wrong += values[n] != *model;
			*model += steps[n] == COMMIT;
		}
	}
	for (uint32_t key = 0; key < THREAD_KEYS; key++)
		thread->committed += thread->model[key] != 0;
	return NULL;
}

/* Both make, withdraw, grow tables and, in the second row, fight for the last records. */
static void test_store_two_workers_do_not_disturb_each_other(void)
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
				flx_context_type_count(type));
		CU_ASSERT_TRUE(flx_context_type_count(type) <= capacities[c]);
		CU_ASSERT_TRUE(flx_context_type_count(type) >= capacities[c] / 16 * 15 ||
			       flx_context_type_count(type) == THREAD_KEYS);
		flx_context_type_free(type);
	}
}

static void test_store_seeds_differ(void)
{
	struct flx_context_type *a = make_type(8, 8, 10, 1), *b = make_type(8, 8, 10, 1);

	CU_ASSERT_NOT_EQUAL(a->seed[0], b->seed[0]);
	CU_ASSERT_NOT_EQUAL(a->seed[1], b->seed[1]);
	flx_context_type_free(a);
	flx_context_type_free(b);
}

static void test_store_alloc_refuses_what_cannot_be(void)
{
	static const struct flx_context_type_conf rows[] = {
		{.name = "key",
		 .key_size = 41,
		 .context_size = 8,
		 .capacity = 1,
		 .worker_count = 1},
		{.name = "no size", .key_size = 4, .capacity = 1, .worker_count = 1},
		{.name = "size",
		 .key_size = 4,
		 .context_size = 4097,
		 .capacity = 1,
		 .worker_count = 1},
		{.name = "no room", .key_size = 4, .context_size = 8, .worker_count = 1},
		{.name = "nobody", .key_size = 4, .context_size = 8, .capacity = 1},
		{.name = "crowd",
		 .key_size = 4,
		 .context_size = 8,
		 .capacity = 1,
		 .worker_count = 65},
		{.name = "number",
		 .key_size = 4,
		 .context_size = 8,
		 .capacity = UINT32_MAX,
		 .worker_count = 1},
		/* 35 TB: no machine of ours has them, and Linux says so at once. */
		{.name = "memory",
		 .key_size = 4,
		 .context_size = 4096,
		 .capacity = UINT32_MAX - 1,
		 .worker_count = 1},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT_PTR_NULL(flx_context_type_alloc(&rows[i]));
	flx_context_type_free(NULL);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_store_batch_finds_what_it_made_and_keeps_what_committed),
		FLX_TEST(test_store_full_refuses_and_recovers),
		FLX_TEST(test_store_full_in_a_batch_still_finds),
		FLX_TEST(test_store_full_takes_what_other_workers_hold),
		FLX_TEST(test_store_tells_keys_of_every_size_apart),
		FLX_TEST(test_store_single_context_needs_no_key),
		FLX_TEST(test_store_agrees_with_a_model),
		FLX_TEST(test_store_two_workers_do_not_disturb_each_other),
		FLX_TEST(test_store_seeds_differ),
		FLX_TEST(test_store_alloc_refuses_what_cannot_be),
		{0},
	};

	return flx_test_main("store", tests);
}
