/* SPDX-License-Identifier: BSD-3-Clause */
/* Random batches, deletes, time and sweeps against an array of what each key must hold. */
#include "tests/random.h"
#include "tests/store.h"

#define KEYS	  900
#define CAPACITY  500
#define BATCHES	  4000
#define TTL_TICKS 64

struct model {
	struct flx_store *store;
	struct flx_context_type *type;
	struct flx_random random;
	uint32_t slice_count;
	uint32_t now;
	uint64_t value[KEYS]; /* 0: there is none */
	uint32_t stamp[KEYS];
	uint64_t live, deleted, refused;
	uint64_t over;	/* contexts whose time came, found out about or not */
	uint64_t freed; /* since the last turn of the keeper: not to be had yet */
	uint64_t wrong;
};

static const struct flx_context_counts *counts_of(const struct model *model)
{
	return &model->type->worker[0].counts;
}

static uint16_t slice_of(const void *argument, const uint8_t *key)
{
	const struct model *model = argument;
	uint64_t number;

	memcpy(&number, key, sizeof(number));
	return (uint16_t)(number % model->slice_count);
}

static void pass_time(struct model *model)
{
	model->now += flx_random_between(&model->random, 1, TTL_TICKS / 4);
	flx_store_turn(model->store, 0, model->now);
	for (uint32_t key = 0; key < KEYS; key++) {
		if (!model->value[key] || model->now - model->stamp[key] <= TTL_TICKS)
			continue;
		model->value[key] = 0;
		model->live--;
		model->over++;
		model->freed++;
	}
}

static void end_context(struct model *model, uint64_t key)
{
	model->live -= model->value[key] != 0;
	model->freed += model->value[key] != 0;
	model->value[key] = 0;
}

/* What @step does to the context of @key, which was not refused. */
static void apply(struct model *model, uint64_t key, enum test_step step)
{
	if (step == TEST_COMMIT || step == TEST_WRITE_DELETE) {
		model->live += model->value[key] == 0;
		model->value[key]++;
		model->stamp[key] = model->now;
	}
	if (step == TEST_DELETE || step == TEST_WRITE_DELETE) {
		model->deleted += model->value[key] != 0;
		end_context(model, key);
	}
}

/* Contexts that are over, and that nobody has come by yet. */
static uint64_t pending(const struct model *model)
{
	return model->over - atomic_load(&counts_of(model)->expired);
}

static void check_counts(struct model *model)
{
	const struct flx_context_counts *counts = counts_of(model);

	model->wrong += flx_context_count(model->type) != model->live + pending(model);
	model->wrong += atomic_load(&counts->deleted) != model->deleted;
	model->wrong += atomic_load(&counts->refused) != model->refused;
}

static void run_batch(struct model *model)
{
	uint32_t count = flx_random_between(&model->random, 1, FLX_BATCH);
	uint64_t keys[FLX_BATCH], values[FLX_BATCH], used = model->live + pending(model);
	enum test_step steps[FLX_BATCH];
	uint32_t few = flx_random_chance(&model->random, 30) ? 8 : KEYS;

	for (uint32_t i = 0; i < count; i++) {
		keys[i] = flx_random_below(&model->random, few);
		steps[i] = flx_random_below(&model->random, 100) < 60
				   ? TEST_COMMIT
				   : (enum test_step)flx_random_below(&model->random, 4);
	}
	test_batch(model->type, 0, model->slice_count, keys, steps, count, values);
	for (uint32_t i = 0; i < count; i++) {
		if (values[i] != TEST_NONE) {
			model->wrong += values[i] != model->value[keys[i]];
			apply(model, keys[i], steps[i]);
			continue;
		}
		/* Refused only when new and full: the batch and what was freed may hold the rest. */
		model->refused++;
		model->wrong += model->value[keys[i]] || used + model->freed + FLX_BATCH < CAPACITY;
	}
	check_counts(model);
}

/* Read-only, by the owner and as any thread would: makes nothing, ends nothing. */
static void look(struct model *model)
{
	for (uint32_t i = 0; i < 20; i++) {
		uint64_t key = flx_random_below(&model->random, KEYS), value;
		uint16_t slice = (uint16_t)(key % model->slice_count);
		struct flx_record_copy copy;
		struct flx_record *record;
		bool found;

		flx_context_find(model->type, &slice, (const uint8_t *)&key, 1, &record);
		memcpy(&value, flx_context_view(model->type, 0, record), sizeof(value));
		model->wrong += value != model->value[key];
		model->wrong += model->value[key] && !record;
		found = flx_context_get(model->type, (const uint8_t *)&key, model->now, &copy);
		memcpy(&value, copy.context, sizeof(value));
		model->wrong += found != (model->value[key] != 0);
		model->wrong += found && value != model->value[key];
		model->wrong += found && copy.stamp != model->stamp[key];
	}
	check_counts(model);
}

/* As the sweep takes out what it found, outside of a batch. */
static void withdraw(struct model *model)
{
	uint64_t key = flx_random_below(&model->random, KEYS);
	uint16_t slice = (uint16_t)(key % model->slice_count);
	struct flx_context_type *type = model->type;
	struct flx_record *record;
	uint64_t before = atomic_load(&counts_of(model)->evicted);

	flx_context_find(type, &slice, (const uint8_t *)&key, 1, &record);
	if (!record || !model->value[key])
		return;
	flx_context_withdraw(
		type, 0, slice,
		(uint32_t)((size_t)((uint8_t *)record - type->slab.base) / type->slab.stride_bytes),
		&type->worker[0].counts.evicted);
	end_context(model, key);
	model->wrong += atomic_load(&counts_of(model)->evicted) != before + 1;
	check_counts(model);
}

static void step(struct model *model, uint32_t batch)
{
	static const _Atomic uint8_t live[FLX_INDEX_SLICES];

	run_batch(model);
	if (batch % 4 == 0)
		pass_time(model);
	if (batch % 3 == 0)
		look(model);
	if (batch % 5 == 0)
		withdraw(model);
	if (flx_random_chance(&model->random, 30)) {
		flx_sweep_turn(model->type, 0, live, model->now, FLX_TICKS_PER_SECOND);
		check_counts(model);
	}
	if (flx_random_chance(&model->random, 10)) {
		flx_slab_relieve(&model->type->slab, 0); /* or a few in the cache stay out */
		flx_store_keep(model->store);
		model->freed = pending(model);
		model->wrong += flx_store_deferred_bytes(model->type) != 0;
	}
}

static void test_context_agrees_with_a_model_of_time_and_deletes(void)
{
	static const uint32_t slice_counts[] = {512, 1, 37};
	static struct model model;

	for (size_t i = 0; i < sizeof(slice_counts) / sizeof(slice_counts[0]); i++) {
		struct flx_context_type_conf conf = test_type(CAPACITY);

		conf.ttl_ms = 1000 * TTL_TICKS / FLX_TICKS_PER_SECOND;
		conf.slice = slice_of;
		conf.slice_argument = &model;
		model = (struct model){.random = {.state = i}, .slice_count = slice_counts[i]};
		model.store = test_open(&conf, 1);
		model.type = model.store->type[0];
		for (uint32_t batch = 0; batch < BATCHES; batch++)
			step(&model, batch);
		CU_ASSERT_EQUAL(model.wrong, 0);
		/* All of it has happened, and often. */
		CU_ASSERT_TRUE(model.deleted > 3000);
		CU_ASSERT_TRUE(atomic_load(&counts_of(&model)->expired) > 3000);
		CU_ASSERT_TRUE(atomic_load(&counts_of(&model)->evicted) > 50);
		CU_ASSERT_TRUE(model.refused > 0 || slice_counts[i] != 512);
		flx_store_close(model.store);
	}
}

static const struct {
	const char *what;
	uint64_t keys[4];
	enum test_step steps[4];
	uint64_t expected[4];
	uint64_t live, deleted, expired; /* after */
	uint32_t pause;			 /* ticks before */
} rows[] = {
	{"make", {1, 2, 3, 3}, {1, 1, 1, 1}, {0, 0, 0, 1}, 3, 0, 0, 0},
	{"delete, then write", {1, 1, 1, 2}, {2, 1, 1, 0}, {1, 0, 1, 1}, 3, 1, 0, 0},
	{"write, then delete", {1, 1, 2, 3}, {1, 2, 2, 2}, {2, 3, 1, 2}, 0, 4, 0, 0},
	{"delete nothing", {1, 1, 5, 6}, {2, 2, 2, 0}, {0, 0, 0, 0}, 0, 4, 0, 0},
	{"new and gone at once", {7, 7, 8, 8}, {3, 0, 3, 1}, {0, 0, 0, 0}, 1, 6, 0, 0},
	{"twice deleted", {8, 8, 8, 8}, {2, 1, 2, 2}, {1, 0, 1, 0}, 0, 8, 0, 0},
	{"make again", {1, 2, 3, 4}, {1, 1, 1, 1}, {0, 0, 0, 0}, 4, 8, 0, 0},
	{"on its last tick", {1, 1, 1, 1}, {0, 0, 0, 1}, {1, 1, 1, 1}, 4, 8, 0, 64},
	{"over, and aborted", {2, 2, 1, 1}, {0, 0, 0, 0}, {0, 0, 2, 2}, 3, 8, 1, 1},
	{"over, and written", {3, 3, 1, 1}, {1, 0, 0, 0}, {0, 1, 2, 2}, 3, 8, 2, 0},
	{"over, and deleted", {4, 4, 1, 1}, {2, 1, 0, 0}, {0, 0, 2, 2}, 3, 8, 3, 0},
	{"over, written, deleted", {1, 3, 4, 1}, {3, 2, 2, 0}, {0, 0, 0, 0}, 0, 9, 6, 1000},
};

static void test_context_ends_by_table(void)
{
	struct flx_context_type_conf conf = test_type(10);
	struct flx_context_type *type;
	struct flx_store *store;
	uint32_t now = 0;

	conf.ttl_ms = 1000;
	store = test_open(&conf, 1);
	type = store->type[0];
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct flx_context_counts *counts = &type->worker[0].counts;
		uint64_t values[4];

		now += rows[i].pause;
		flx_store_turn(store, 0, now);
		test_batch(type, 0, 512, rows[i].keys, rows[i].steps, 4, values);
		if (memcmp(values, rows[i].expected, sizeof(values)) != 0)
			CU_FAIL(rows[i].what);
		CU_ASSERT_EQUAL(flx_context_count(type), rows[i].live);
		CU_ASSERT_EQUAL(atomic_load(&counts->deleted), rows[i].deleted);
		CU_ASSERT_EQUAL(atomic_load(&counts->expired), rows[i].expired);
		CU_ASSERT_EQUAL(atomic_load(&counts->refused), 0);
		flx_slab_relieve(&type->slab, 0);
		flx_store_keep(store);
		/* None lost, none twice. */
		CU_ASSERT_EQUAL(flx_slab_free_count(&type->slab, 0), 10 - rows[i].live);
	}
	flx_store_close(store);
}

/* What held a context serves no other before a grace period; what held none, at once. */
static void test_context_deleted_waits_for_a_grace_period(void)
{
	struct flx_context_type_conf conf = test_type(10);
	struct flx_store *store = test_open(&conf, 1);
	struct flx_context_type *type = store->type[0];

	for (uint64_t key = 0; key < 10; key++)
		CU_ASSERT_EQUAL(test_one(type, 0, key, key < 9 ? TEST_COMMIT : TEST_ABORT), 0);
	CU_ASSERT_EQUAL(test_one(type, 0, 9, TEST_COMMIT), 0);
	CU_ASSERT_EQUAL(test_one(type, 0, 3, TEST_DELETE), 1);
	CU_ASSERT_EQUAL(test_one(type, 0, 10, TEST_COMMIT), TEST_NONE);
	CU_ASSERT_EQUAL(test_one(type, 0, 3, TEST_COMMIT), TEST_NONE);
	CU_ASSERT_EQUAL(flx_store_deferred_bytes(type), type->layout.stride_bytes);
	CU_ASSERT_TRUE(flx_store_keep(store));
	CU_ASSERT_EQUAL(flx_store_deferred_bytes(type), 0);
	CU_ASSERT_EQUAL(test_one(type, 0, 10, TEST_COMMIT), 0);
	flx_store_close(store);
}

static void fill(void *context)
{
	memset(context, 0x5a, 13);
}

/* Where nothing is, a reader sees what a writer would begin with, and leaves nothing. */
static void test_context_blank_is_what_init_writes(void)
{
	struct flx_context_type_conf confs[] = {test_type(10), test_type(10)};
	uint8_t expected[13];
	uint64_t key = 5;

	confs[1].init = fill;
	for (uint32_t i = 0; i < 2; i++) {
		struct flx_context_type *type;
		struct flx_record *record = NULL;
		struct flx_record_copy copy;
		struct flx_store *store;
		uint16_t slice = 5;

		confs[i].context_size = 13;
		confs[i].ttl_ms = 1000;
		store = test_open(&confs[i], 1);
		type = store->type[0];
		memset(expected, i ? 0x5a : 0, sizeof(expected));
		for (uint32_t round = 0; round < 3; round++) {
			flx_context_find(type, &slice, (uint8_t *)&key, 1, &record);
			CU_ASSERT_EQUAL(record != NULL, round == 1);
			/* In the second round there is one, but its time is over. */
			CU_ASSERT_EQUAL(memcmp(flx_context_view(type, 0, record), expected, 13), 0);
			CU_ASSERT_FALSE(
				flx_context_get(type, (uint8_t *)&key, type->turn[0].now, &copy));
			CU_ASSERT_EQUAL(flx_context_count(type), round == 1);
			flx_context_bind(type, 0, &slice, (uint8_t *)&key, 1, &record);
			memset(flx_context_open(type, 0, slice, record), 0x11, 13);
			flx_context_commit(type, 0, record);
			CU_ASSERT_EQUAL(*(const uint8_t *)flx_context_view(type, 0, record), 0x11);
			if (round == 1)
				flx_context_delete(type, 0, slice, record);
			CU_ASSERT_EQUAL(*(const uint8_t *)flx_context_view(type, 0, record),
					round == 1 ? expected[0] : 0x11);
			flx_context_settle(type, 0);
			flx_store_turn(store, 0, type->turn[0].now + 65);
		}
		flx_store_close(store);
	}
}

/* One context, no key: it is deleted, goes over and comes back in its place. */
static void test_context_single_is_deleted_and_expires(void)
{
	struct flx_context_type_conf conf = {
		.name = "single", .context_size = 8, .ttl_ms = 1000, .evict = true};
	static const enum test_step steps[] = {TEST_COMMIT,	  TEST_COMMIT, TEST_DELETE,
					       TEST_WRITE_DELETE, TEST_ABORT,  TEST_COMMIT};
	static const uint64_t keys[6], expected[] = {0, 1, 2, 0, 0, 0};
	static const _Atomic uint8_t live[FLX_INDEX_SLICES];
	struct flx_store *store = test_open(&conf, 2);
	struct flx_context_type *type = store->type[0];
	struct flx_record_copy copy;
	uint64_t values[6];

	test_batch(type, 1, 1, keys, steps, 6, values);
	CU_ASSERT_EQUAL(memcmp(values, expected, sizeof(values)), 0);
	CU_ASSERT_EQUAL(flx_context_count(type), 1);
	CU_ASSERT_EQUAL(atomic_load(&type->worker[1].counts.deleted), 2);
	CU_ASSERT_TRUE(flx_context_get(type, NULL, 64, &copy));
	CU_ASSERT_FALSE(flx_context_get(type, NULL, 65, &copy));
	flx_store_turn(store, 1, 65);
	flx_sweep_turn(type, 1, live, 65, FLX_TICKS_PER_SECOND);
	CU_ASSERT_EQUAL(flx_context_count(type), 1); /* the sweep leaves it alone */
	test_batch(type, 1, 1, keys, steps, 1, values);
	CU_ASSERT_EQUAL(values[0], 0);
	CU_ASSERT_EQUAL(atomic_load(&type->worker[1].counts.expired), 1);
	CU_ASSERT_EQUAL(flx_store_deferred_bytes(type), 0);
	CU_ASSERT_FALSE(flx_store_keep(store));
	flx_store_close(store);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_context_ends_by_table),
		FLX_TEST(test_context_agrees_with_a_model_of_time_and_deletes),
		FLX_TEST(test_context_deleted_waits_for_a_grace_period),
		FLX_TEST(test_context_blank_is_what_init_writes),
		FLX_TEST(test_context_single_is_deleted_and_expires),
		{0},
	};

	return flx_test_main("context model", tests);
}
