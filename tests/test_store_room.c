/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that a store asks for while it runs, or while it is filled, and does not get. */
#include "context-store/dump.h"
#include "tests/failing.h"
#include "tests/store_dir.h"

#define CAPACITY 2000 /* of what grows: for each node more than a page of huge size */

/* --------------------------------------------------------------------------------- while it runs */

/* A store of two nodes, each step of which takes memory that was not there; its clock stands. */
static struct flx_store *open_growing(const char *path)
{
	static const uint32_t worker_node[] = {0, 1};
	struct flx_context_type_conf type = test_type(CAPACITY);
	struct flx_store_conf conf = test_conf(&type, 1, 2);
	struct flx_store_found found;
	struct flx_store *store;

	type.context_size = 1024;
	type.limit = 10 * FLX_TYPE_AHEAD;
	conf.path = path;
	conf.node_count = 2;
	conf.numa[0] = conf.numa[1] = -1;
	conf.worker_node = worker_node;
	conf.tsc_hz = UINT64_MAX;
	fail_at = 0;
	CU_ASSERT_EQUAL_FATAL(flx_store_open(&store, &conf), 0);
	CU_ASSERT_EQUAL_FATAL(flx_store_attach(store, &found), 0);
	CU_ASSERT_EQUAL_FATAL(flx_store_start(store), 0);
	flx_store_stop(store);
	return store;
}

/* One that is full, and without a keeper. */
static struct flx_store *open_full(bool in_files, uint64_t *made)
{
	struct flx_store *store;

	test_dir_clear();
	store = open_growing(in_files ? test_dir : NULL);
	*made = 0;
	while (test_one(store->type[0], 0, *made, TEST_COMMIT) == 0)
		++*made;
	/* Ahead of need on both nodes, from the start. */
	CU_ASSERT_EQUAL(*made, CAPACITY + 2 * FLX_TYPE_AHEAD);
	return store;
}

/* The keeper's turn, with every call failing from the one of number @from on; 0: none does. */
static uint32_t keep_failing(struct flx_store *store, uint32_t from)
{
	calls = 0;
	fail_at = from;
	fail_on = true;
	flx_store_keep(store);
	fail_on = false;
	fail_at = 0;
	return calls;
}

static uint64_t make_more(struct flx_store *store, uint64_t from)
{
	uint64_t key = from;

	while (test_one(store->type[0], 0, key, TEST_COMMIT) == 0)
		key++;
	return key - from;
}

/* What cannot grow says so once, goes on with what it has, and is tried again after a second. */
static void test_store_growth_that_failed_is_tried_again(void)
{
	for (uint32_t row = 0; row < 4; row++) {
		struct flx_store *store;
		uint32_t from = 1 + row / 2;
		uint64_t made, wrong = 0;

		store = open_full(row % 2, &made);
		warnings = 0;
		CU_ASSERT_TRUE(keep_failing(store, from) >= from);
		CU_ASSERT_EQUAL(warnings, 1);
		for (uint64_t key = 0; key < made; key++)
			wrong += test_one(store->type[0], 0, key, TEST_COMMIT) != 1;
		CU_ASSERT_EQUAL(wrong, 0);
		/* Not before the second is over, and then in vain: nothing more is said. */
		store->start_tick += FLX_TICKS_PER_SECOND - 1;
		CU_ASSERT_EQUAL(keep_failing(store, 0), 0);
		store->start_tick++;
		CU_ASSERT_TRUE(keep_failing(store, 1) > 0);
		CU_ASSERT_EQUAL(warnings, 1);
		/* Then there is memory. */
		CU_ASSERT_EQUAL(keep_failing(store, 0), 0);
		store->start_tick += FLX_TICKS_PER_SECOND;
		CU_ASSERT_TRUE(keep_failing(store, 0) > 0);
		CU_ASSERT_EQUAL(make_more(store, made), 2 * FLX_TYPE_AHEAD);
		/* And what fails from here on is news. */
		keep_failing(store, 1);
		CU_ASSERT_EQUAL(warnings, 2);
		flx_store_close(store);
	}
}

/* Where there is no memory for a large step, there may be for one of the capacity. */
static void test_store_growth_tries_a_small_step(void)
{
	for (uint32_t in_files = 0; in_files < 2; in_files++) {
		struct flx_store *store;
		uint64_t made;

		store = open_full(in_files, &made);
		warnings = calls = 0;
		fail_at = 1;
		CU_ASSERT_TRUE(flx_store_keep(store));
		fail_at = 0;
		CU_ASSERT_EQUAL(warnings, 0);
		CU_ASSERT_EQUAL(make_more(store, made), CAPACITY / 2 + FLX_TYPE_AHEAD);
		flx_store_close(store);
	}
}

/* A clock past half of its range is no reason to wait. */
static void test_store_growth_is_tried_again_whatever_the_clock(void)
{
	struct flx_store *store;
	uint64_t made;

	store = open_full(true, &made);
	flx_file_clock_set(&store->files.now.node[0], FLX_FILE_TICK, 0x90000000);
	flx_store_close(store);
	store = open_growing(test_dir);
	CU_ASSERT_TRUE(store->start_tick >= 0x90000000);
	CU_ASSERT_TRUE(make_more(store, made) > 0);
	keep_failing(store, 1);
	store->start_tick += FLX_TICKS_PER_SECOND;
	CU_ASSERT_TRUE(keep_failing(store, 0) > 0);
	flx_store_close(store);
}

/* ------------------------------------------------------------------------------ while it is filled */

static int upgrade(uint32_t version, const void *old, uint32_t old_size, void *context)
{
	(void)version;
	memcpy(context, old, old_size);
	return 0;
}

/* Version 2 is what version 1 is upgraded to. A large context: each step takes memory. */
static struct flx_context_type_conf filled_type(uint32_t version, uint32_t capacity, uint32_t limit)
{
	struct flx_context_type_conf type = test_type(capacity);

	type.version = version;
	type.context_size = 1024;
	type.limit = limit;
	type.upgrade = upgrade;
	return type;
}

static int open_filling(const struct flx_context_type_conf *type, const char *path,
			struct flx_restore *restore)
{
	struct flx_store_conf conf = test_conf(type, 1, 1);
	struct flx_store *store = NULL;
	int error;

	conf.path = path;
	conf.restore = restore;
	errors = calls = 0;
	error = flx_store_open(&store, &conf);
	CU_ASSERT_EQUAL(errors, error ? 1 : 0);
	if (store)
		flx_store_close(store);
	return error;
}

/* A store of version 1 there with CAPACITY contexts; and a dump of it, at @dump. */
static void fill(const char *dump)
{
	struct flx_context_type_conf type = filled_type(1, CAPACITY, CAPACITY);
	struct flx_scan_source source;
	struct flx_dump_conf conf = {.path = dump, .source = &source, .source_count = 1};
	struct flx_dump_result result;
	struct flx_store_found found;
	struct flx_store *store;

	test_dir_clear();
	store = test_dir_open(&type, 1, 1, 1, &found);
	CU_ASSERT_PTR_NOT_NULL_FATAL(store);
	CU_ASSERT_EQUAL(make_more(store, 0), CAPACITY);
	flx_store_source(store->type[0], &source);
	CU_ASSERT_EQUAL_FATAL(flx_dump_write(&conf, &result), 0);
	flx_store_close(store);
}

/*
 * From the first call that fails on all do. Who has not the memory is not told to raise a limit, and
 * who has the limit not to find memory. @path: where to; NULL: memory.
 */
static void check_told_apart(const char *path, struct flx_restore *restore)
{
	struct flx_context_type_conf type = filled_type(2, CAPACITY / 2, 10 * CAPACITY);
	uint32_t no_room = 0;
	int error = -1;

	for (uint32_t from = 1; error; from++) {
		fail_at = from;
		fail_on = true;
		last_error[0] = 0;
		error = open_filling(&type, path, restore);
		fail_at = 0;
		fail_on = false;
		CU_ASSERT_PTR_NULL(strstr(last_error, "raise"));
		CU_ASSERT_PTR_NULL(strstr(last_error, "the limit of"));
		if (strstr(last_error, "no room for all")) {
			CU_ASSERT_TRUE(error == -ENOMEM || error == -ENOSPC);
			CU_ASSERT_PTR_NOT_NULL(strstr(last_error, "; give the"));
			no_room++;
		}
	}
	CU_ASSERT_TRUE(no_room > 1);
}

static void check_limit(const char *path, struct flx_restore *restore)
{
	for (uint32_t capacity = 10; capacity < CAPACITY; capacity *= 10) {
		struct flx_context_type_conf type = filled_type(2, capacity, CAPACITY - 1);

		CU_ASSERT_EQUAL(open_filling(&type, path, restore), -ENOSPC);
		CU_ASSERT_PTR_NOT_NULL(strstr(last_error, "limit of 1999"));
		CU_ASSERT_PTR_NOT_NULL(strstr(last_error, "raise"));
		CU_ASSERT_PTR_NULL(strstr(last_error, "room"));
	}
}

static void test_store_upgrade_tells_no_room_from_a_limit(void)
{
	char dump[96];

	snprintf(dump, sizeof(dump), "%s.dump", test_dir);
	fill(dump);
	check_limit(test_dir, NULL);
	check_told_apart(test_dir, NULL);
	unlink(dump);
}

static void test_store_restore_tells_no_room_from_a_limit(void)
{
	char dump[96];
	struct flx_restore restore = {.path = dump};

	snprintf(dump, sizeof(dump), "%s.dump", test_dir);
	fill(dump);
	for (uint32_t in_files = 0; in_files < 2; in_files++) {
		const char *path = in_files ? test_dir : NULL;

		test_dir_clear();
		check_limit(path, &restore);
		check_told_apart(path, &restore);
	}
	unlink(dump);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_store_growth_that_failed_is_tried_again),
		FLX_TEST(test_store_growth_tries_a_small_step),
		FLX_TEST(test_store_growth_is_tried_again_whatever_the_clock),
		FLX_TEST(test_store_upgrade_tells_no_room_from_a_limit),
		FLX_TEST(test_store_restore_tells_no_room_from_a_limit),
		{0},
	};
	int status;

	test_dir_init();
	status = flx_test_main("store room", tests);
	test_dir_clear();
	return status;
}
