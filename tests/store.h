/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * store - what the tests of the context store share: stores of one type whose context and key are a
 * number each, and turns of a worker on them.
 *
 * One cycle of the tsc is one tick of the store's clock. Key k lies in slice k % 512.
 */
#pragma once

#include "context-store/store.h"
#include "tests/test.h"

#define TEST_NONE UINT64_MAX /* of a value: the key was refused */

/* What a handler does with a context of value n. */
enum test_step {
	TEST_ABORT,
	TEST_COMMIT, /* n + 1 */
	TEST_DELETE,
	TEST_WRITE_DELETE, /* a commit within the batch, and then a delete of it */
};

static inline uint16_t test_slice(const void *argument, const uint8_t *key)
{
	uint64_t number;

	(void)argument;
	memcpy(&number, key, sizeof(number));
	return (uint16_t)(number % FLX_INDEX_SLICES);
}

static inline struct flx_context_type_conf test_type(uint32_t capacity)
{
	return (struct flx_context_type_conf){
		.name = "test",
		.version = 1,
		.key_size = sizeof(uint64_t),
		.context_size = sizeof(uint64_t),
		.capacity = capacity,
		.slice = test_slice,
	};
}

static inline struct flx_store_conf test_conf(const struct flx_context_type_conf *types,
					      uint32_t type_count, uint32_t workers)
{
	return (struct flx_store_conf){
		.tsc_hz = FLX_TICKS_PER_SECOND,
		.worker_count = workers,
		.type_count = type_count,
		.type = types,
	};
}

/* An anonymous store of one type, ready to use. */
static inline struct flx_store *test_open(const struct flx_context_type_conf *type,
					  uint32_t workers)
{
	struct flx_store_conf conf = test_conf(type, 1, workers);
	struct flx_store_found found;
	struct flx_store *store;

	CU_ASSERT_EQUAL_FATAL(flx_store_open(&store, &conf), 0);
	CU_ASSERT_EQUAL_FATAL(flx_store_attach(store, &found), 0);
	CU_ASSERT_EQUAL(found.contexts + found.damaged + found.upgraded, 0);
	return store;
}

static inline void test_step(struct flx_context_type *type, uint32_t worker, uint16_t slice,
			     struct flx_record *record, enum test_step step, uint64_t *value)
{
	uint64_t *context = flx_context_open(type, worker, slice, record);

	*value = (*context)++;
	if (step == TEST_COMMIT || step == TEST_WRITE_DELETE)
		flx_context_commit(type, worker, record);
	if (step == TEST_DELETE || step == TEST_WRITE_DELETE)
		flx_context_delete(type, worker, slice, record);
}

/*
 * One batch of @worker, of which the slices key % @slice_count are: @values gets what each context
 * was before its step.
 */
static inline void test_batch(struct flx_context_type *type, uint32_t worker, uint32_t slice_count,
			      const uint64_t *keys, const enum test_step *steps, uint32_t count,
			      uint64_t *values)
{
	struct flx_record *records[FLX_BATCH];
	uint16_t slices[FLX_BATCH];

	type->turn[worker].growth_left = FLX_INDEX_BUDGET;
	for (uint32_t i = 0; i < count; i++)
		slices[i] = (uint16_t)(keys[i] % slice_count);
	flx_context_bind(type, worker, slices, (const uint8_t *)keys, count, records);
	for (uint32_t i = 0; i < count; i++) {
		values[i] = TEST_NONE;
		if (records[i])
			test_step(type, worker, slices[i], records[i], steps[i], &values[i]);
	}
	flx_context_settle(type, worker);
}

/* The same for one key, in its slice. */
static inline uint64_t test_one(struct flx_context_type *type, uint32_t worker, uint64_t key,
				enum test_step step)
{
	uint64_t value;

	test_batch(type, worker, FLX_INDEX_SLICES, &key, &step, 1, &value);
	return value;
}

/* The committed value of @key as its owner sees it; 0: there is none. */
static inline uint64_t test_view(const struct flx_context_type *type, uint32_t worker, uint64_t key)
{
	uint16_t slice = (uint16_t)(key % FLX_INDEX_SLICES);
	struct flx_record *record;
	uint64_t value;

	flx_context_find(type, &slice, (const uint8_t *)&key, 1, &record);
	memcpy(&value, flx_context_view(type, worker, record), sizeof(value));
	return value;
}
