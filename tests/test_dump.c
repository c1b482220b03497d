/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "context-store/dump_reader.h"
#include "tests/capture.h"
#include "tests/dumped.h"
#include "tests/random.h"
#include "tests/test.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct flx_capture capture;
static struct flx_dump_reader reader;

static const struct flx_dumped sets[] = {
	{"single", 3, 0, 24, 1},	  {"tiny", 0, 1, 1, 200}, {"common", 1, 8, 64, 5000},
	{"page", 7, 40, 4096, 50},	  {"empty", 1, 4, 16, 0}, {"odd", 1, 13, 37, 1000},
	{"unit", UINT32_MAX, 4, 4096, 1},
};

/* ------------------------------------------------------------------------------------ round trip */

static void test_dump_comes_back_as_it_was(void)
{
	/* In memory, and in files; the types of the program in any order would do as well. */
	const char *stores[] = {NULL, "store"};

	flx_dumped_make(sets, COUNT(sets), flx_dumped_path("all"));
	for (size_t i = 0; i < COUNT(stores); i++) {
		struct flx_restore restore = {.path = flx_dumped_path("all")};
		struct flx_store_found found;
		struct flx_store *store;

		flx_capture_start(&capture); /* that the store is not on hugepages */
		store = flx_dumped_open(sets, COUNT(sets),
					stores[i] ? flx_dumped_path(stores[i]) : NULL, &restore);
		flx_capture_stop(&capture);
		CU_ASSERT_PTR_NOT_NULL_FATAL(store);
		CU_ASSERT_TRUE(restore.done);
		CU_ASSERT_EQUAL(restore.contexts, flx_dumped_sum(sets, COUNT(sets)));
		CU_ASSERT_EQUAL(restore.expired + restore.upgraded, 0);
		CU_ASSERT_EQUAL(flx_dumped_count(store, sets, 0),
				flx_dumped_sum(sets, COUNT(sets)));
		CU_ASSERT_EQUAL(flx_store_attach(store, &found), 0);
		CU_ASSERT_EQUAL(found.contexts, flx_dumped_sum(sets, COUNT(sets)));
		flx_store_close(store);
	}
}

static void test_dump_of_nothing_is_whole(void)
{
	char damage[256];

	flx_dumped_make(sets, 0, flx_dumped_path("none"));
	CU_ASSERT_EQUAL_FATAL(flx_dump_open(&reader, flx_dumped_path("none")), 0);
	CU_ASSERT_EQUAL(reader.head.type_count, 0);
	CU_ASSERT_EQUAL(flx_dump_next(&reader), 0);
	CU_ASSERT_EQUAL(flx_dump_next(&reader), 0);
	CU_ASSERT_TRUE(flx_dump_is_whole(&reader, damage, sizeof(damage)));
	flx_dump_close(&reader);
}

/* --------------------------------------------------------------------------------------- writing */

static struct rlimit limit_file_size(rlim_t bytes)
{
	struct rlimit before, limit;

	getrlimit(RLIMIT_FSIZE, &before);
	limit = before;
	limit.rlim_cur = bytes;
	setrlimit(RLIMIT_FSIZE, &limit);
	return before;
}

static void test_dump_failure_leaves_the_one_before(void)
{
	static const struct flx_dumped set[] = {{"a", 1, 8, 1000, 1000}};
	struct flx_store *store = flx_dumped_open(set, 1, NULL, NULL);
	struct flx_restore restore = {.path = flx_dumped_path("kept")};
	struct flx_dump_result result;
	struct rlimit before;

	signal(SIGXFSZ, SIG_IGN);
	CU_ASSERT_PTR_NOT_NULL_FATAL(store);
	flx_dumped_fill(store, set);
	CU_ASSERT_EQUAL_FATAL(flx_dumped_write(store, flx_dumped_path("kept"), &result), 0);
	CU_ASSERT_EQUAL(result.contexts, 1000);
	before = limit_file_size(5 * FLX_DUMP_BLOCK + 1);
	CU_ASSERT_EQUAL(flx_dumped_write(store, flx_dumped_path("kept"), &result), -EFBIG);
	setrlimit(RLIMIT_FSIZE, &before);
	CU_ASSERT_PTR_NOT_NULL(strstr(result.why, "/kept: File too large; allow larger files"));
	CU_ASSERT_EQUAL(flx_dumped_left("kept"), 0);
	flx_store_close(store);
	store = flx_dumped_open(set, 1, NULL, &restore);
	CU_ASSERT_PTR_NOT_NULL_FATAL(store);
	CU_ASSERT_EQUAL(flx_dumped_count(store, set, 0), 1000);
	flx_store_close(store);
}

static void test_dump_only_over_files(void)
{
	static const struct {
		const char *path, *why;
		int error;
	} rows[] = {
		{"/dev/null", "not a regular file", -EINVAL},
		{"/", "not a regular file", -EINVAL},
		{"/tmp", "not a regular file", -EINVAL},
		{"/proc/self/exe", "not a regular file", -EINVAL},
		{"/nothing/x", "make the directory", -ENOENT},
		{"/dev/null/x", "make the directory", -ENOTDIR},
	};
	struct flx_store *store = flx_dumped_open(sets, COUNT(sets), NULL, NULL);

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct flx_dump_result result;

		CU_ASSERT_EQUAL(flx_dumped_write(store, rows[i].path, &result), rows[i].error);
		CU_ASSERT_PTR_NOT_NULL(strstr(result.why, rows[i].why));
		CU_ASSERT_EQUAL(strncmp(result.why, rows[i].path, strlen(rows[i].path)), 0);
	}
	flx_store_close(store);
}

static void test_dump_can_be_given_up(void)
{
	struct flx_store *store = flx_dumped_open(sets, COUNT(sets), NULL, NULL);
	const _Atomic bool cancel = true;
	struct flx_scan_source source;
	struct flx_dump_conf conf = {.path = flx_dumped_path("never"),
				     .source = &source,
				     .source_count = 1,
				     .cancel = &cancel};
	struct flx_dump_result result;

	flx_store_source(store->type[0], &source);
	CU_ASSERT_EQUAL(flx_dump_write(&conf, &result), -ECANCELED);
	CU_ASSERT_NOT_EQUAL(access(flx_dumped_path("never"), F_OK), 0);
	flx_store_close(store);
}

/* ---------------------------------------------------------------------------------- while it runs */

#define LIVE	   2000
#define LIVE_WORDS 32

struct live {
	struct flx_context_type *type;
	_Atomic bool stop;
	uint64_t commits;
};

/* Commits contexts of which every word is the same, and whose first tells the key; or deletes. */
static void *commit(void *argument)
{
	struct live *live = argument;
	const struct flx_record_layout *layout = &live->type->layout;
	struct flx_random random = {3};

	while (!atomic_load_explicit(&live->stop, memory_order_relaxed)) {
		uint32_t number = flx_random_below(&random, LIVE);
		struct flx_record *record = flx_slab_at(&live->type->slab, number);
		uint64_t *words = flx_record_open(layout, record);

		if (flx_random_chance(&random, 10)) {
			flx_record_delete(record);
			continue;
		}
		words[0] = number | ++live->commits << 32;
		for (uint32_t w = 1; w < LIVE_WORDS; w++)
			words[w] = words[0];
		flx_record_commit(layout, record, FLX_DUMPED_NOW);
	}
	return NULL;
}

static uint32_t count_torn(const char *path)
{
	uint32_t torn = 0;

	CU_ASSERT_EQUAL_FATAL(flx_dump_open(&reader, path), 0);
	while (flx_dump_next(&reader) > 0) {
		uint64_t words[LIVE_WORDS], key;

		memcpy(words, reader.context, sizeof(words));
		memcpy(&key, reader.key, sizeof(key));
		for (uint32_t w = 0; w < LIVE_WORDS; w++)
			torn += words[w] != words[0];
		torn += (uint32_t)words[0] != (uint32_t)key;
	}
	flx_dump_close(&reader);
	return torn;
}

static void test_dump_of_a_store_that_changes_has_no_torn_context(void)
{
	static const struct flx_dumped set[] = {{"live", 1, 8, LIVE_WORDS * 8, 0}};
	struct flx_store *store = flx_dumped_open(set, 1, NULL, NULL);
	struct live live = {.type = store->type[0]};
	uint64_t words[LIVE_WORDS];
	pthread_t thread;
	uint32_t torn = 0, least = LIVE;

	for (uint64_t i = 0; i < LIVE; i++) {
		for (uint32_t w = 0; w < LIVE_WORDS; w++)
			words[w] = i;
		CU_ASSERT_FALSE_FATAL(flx_store_put(store, live.type, (const uint8_t *)&i, words,
						    FLX_DUMPED_NOW));
	}
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, commit, &live), 0);
	for (uint32_t i = 0; i < 50; i++) {
		struct flx_dump_result result;

		CU_ASSERT_EQUAL(flx_dumped_write(store, flx_dumped_path("live"), &result), 0);
		CU_ASSERT_EQUAL(result.damaged, 0);
		torn += count_torn(flx_dumped_path("live"));
		least = result.contexts < least ? (uint32_t)result.contexts : least;
	}
	atomic_store(&live.stop, true);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(torn, 0);
	CU_ASSERT(live.commits > 1000 && least < LIVE && least > LIVE / 2);
	flx_store_close(store);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_dump_comes_back_as_it_was),
		FLX_TEST(test_dump_of_nothing_is_whole),
		FLX_TEST(test_dump_failure_leaves_the_one_before),
		FLX_TEST(test_dump_only_over_files),
		FLX_TEST(test_dump_can_be_given_up),
		FLX_TEST(test_dump_of_a_store_that_changes_has_no_torn_context),
		{0},
	};

	return flx_dumped_main("dump", tests);
}
