/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/capture.h"
#include "tests/dumped.h"
#include "tests/test.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct flx_dumped dumped[] = {{"a", 5, 8, 8, 200}, {"b", 1, 4, 4, 10}};
static struct flx_capture capture;

static void test_restore_does_not_read_into_a_store_that_is_there(void)
{
	for (uint32_t i = 0; i < 3; i++) {
		struct flx_restore restore = {.only = i == 2};
		struct flx_store *store;
		const char *said;

		/* The second has less in it. */
		flx_dumped_make(dumped, i ? 1 : 2, flx_dumped_path("there"));
		restore.path = flx_dumped_path("there");
		flx_capture_start(&capture); /* also that the store is not on hugepages */
		store = flx_dumped_open(dumped, 2, flx_dumped_path("store"), &restore);
		said = flx_capture_stop(&capture);
		CU_ASSERT_EQUAL(restore.done, i == 0);
		if (i < 2) {
			CU_ASSERT_PTR_NOT_NULL_FATAL(store);
			CU_ASSERT_EQUAL(flx_dumped_count(store, dumped, 0),
					flx_dumped_sum(dumped, 2));
			flx_store_close(store);
		} else {
			CU_ASSERT_PTR_NULL(store);
			CU_ASSERT_PTR_NOT_NULL(strstr(said, "has a store already"));
		}
	}
}

/* -------------------------------------------------------------------------------- time and types */

/* Makes the dump at @path older. */
static void set_back(const char *path, uint64_t ms)
{
	static uint8_t block[FLX_DUMP_BLOCK];
	struct flx_dump_head *head = (void *)block;
	int file = open(path, O_RDWR);
	struct stat facts;

	CU_ASSERT_EQUAL_FATAL(fstat(file, &facts), 0);
	for (uint32_t i = 0; i < 2; i++) {
		off_t at = i ? facts.st_size - (off_t)FLX_DUMP_BLOCK : 0;

		CU_ASSERT_EQUAL(pread(file, block, sizeof(block), at), sizeof(block));
		head->wall_ms -= ms;
		head->check = flx_dump_head_sum(block);
		CU_ASSERT_EQUAL(pwrite(file, block, sizeof(block), at), sizeof(block));
	}
	close(file);
}

static void test_restore_ages_contexts_on_the_shelf(void)
{
	static const struct flx_dumped set[] = {{"a", 1, 8, 8, 1000}};
	static const struct {
		uint64_t away_ms, ttl_ms;
		uint32_t expired;
	} rows[] = {
		{0, 0, 0},
		{100000, 0, 0},
		{0, 100000, 0}, /* ages are up to 46.8 s */
		{500000, 100000, 1000},
		{480000, 500000, 573}, /* 20 s left, 1280 ticks: contexts 0 to 426 */
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct flx_context_type_conf type = {.name = "a",
						     .version = 1,
						     .key_size = 8,
						     .context_size = 8,
						     .capacity = 1000,
						     .ttl_ms = rows[i].ttl_ms};
		struct flx_restore restore = {.path = flx_dumped_path("old")};
		struct flx_store_conf conf = {
			.worker_count = 1, .type_count = 1, .type = &type, .restore = &restore};
		struct flx_store *store;

		flx_dumped_make(set, 1, flx_dumped_path("old"));
		set_back(flx_dumped_path("old"), rows[i].away_ms);
		CU_ASSERT_EQUAL_FATAL(flx_store_open(&store, &conf), 0);
		CU_ASSERT_EQUAL(restore.contexts + restore.expired, 1000);
		/* Some seconds may pass meanwhile: 22 contexts a second. */
		CU_ASSERT(restore.expired >= rows[i].expired &&
			  restore.expired < rows[i].expired + 220);
		CU_ASSERT_EQUAL(
			flx_dumped_count(store, set, (uint32_t)(rows[i].away_ms * 64 / 1000)),
			restore.contexts);
		flx_store_close(store);
	}
}

static int upgrade(uint32_t version, const void *old, uint32_t old_size, void *context)
{
	if (version != 1 || old_size != 5)
		return -EPROTO;
	memcpy((uint8_t *)context + 3, old, 5);
	return 0;
}

static int upgrade_fails(uint32_t version, const void *old, uint32_t old_size, void *context)
{
	(void)version;
	(void)old;
	(void)old_size;
	(void)context;
	return -EILSEQ;
}

static void test_restore_upgrades_an_older_version(void)
{
	static const struct flx_dumped set[] = {{"a", 1, 4, 5, 300}};
	struct flx_context_type_conf type = {.name = "a",
					     .version = 2,
					     .key_size = 4,
					     .context_size = 9,
					     .capacity = 300,
					     .upgrade = upgrade};
	struct flx_restore restore = {.path = flx_dumped_path("v1")};
	struct flx_store_conf conf = {
		.worker_count = 1, .type_count = 1, .type = &type, .restore = &restore};
	static struct flx_scan scan;
	struct flx_scan_source source;
	struct flx_store *store;
	uint32_t number, wrong = 0;

	flx_dumped_make(set, 1, flx_dumped_path("v1"));
	CU_ASSERT_EQUAL_FATAL(flx_store_open(&store, &conf), 0);
	CU_ASSERT_EQUAL(restore.contexts, 300);
	CU_ASSERT_EQUAL(restore.upgraded, 300);
	flx_store_source(store->type[0], &source);
	flx_scan_init(&scan, &source, 0);
	while (flx_scan_next(&scan))
		wrong += !flx_dumped_is_right(0, set, scan.copy.key, scan.copy.context + 3,
					      &number) ||
			 scan.copy.context[2] != 0 || scan.copy.context[8] != 0;
	CU_ASSERT_EQUAL(wrong, 0);
	flx_store_close(store);

	type.upgrade = upgrade_fails;
	flx_capture_start(&capture);
	CU_ASSERT_EQUAL(flx_store_open(&store, &conf), -EILSEQ);
	CU_ASSERT_PTR_NOT_NULL(strstr(flx_capture_stop(&capture), "mend the upgrade"));
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs(text, file);
	fclose(file);
}

/* Flips a bit of the byte at @offset. */
static void flip(const char *path, off_t offset)
{
	int file = open(path, O_RDWR);
	uint8_t byte;

	CU_ASSERT_EQUAL(pread(file, &byte, 1, offset), 1);
	byte ^= 1;
	CU_ASSERT_EQUAL(pwrite(file, &byte, 1, offset), 1);
	close(file);
}

/* Dumps of these, called by what is wrong with them. */
static void make_damaged(void)
{
	static const char *const copies[] = {"good", "head", "frame", "block", "cut", "newer"};

	for (size_t i = 0; i < COUNT(copies); i++)
		flx_dumped_make(dumped, 2, flx_dumped_path(copies[i]));
	write_file(flx_dumped_path("text"), "not at all\n");
	write_file(flx_dumped_path("empty"), "");
	for (uint32_t i = 0; i < 2; i++)
		flip(flx_dumped_path("head"), 3 * FLX_DUMP_BLOCK * i + 100);
	flip(flx_dumped_path("frame"), FLX_DUMP_BLOCK + 32 + 24 * 7 + 20);
	flip(flx_dumped_path("block"), FLX_DUMP_BLOCK + 8);
	CU_ASSERT_EQUAL(truncate(flx_dumped_path("cut"), 3 * FLX_DUMP_BLOCK), 0);
	for (uint32_t i = 0; i < 2; i++) {
		int file = open(flx_dumped_path("newer"), O_WRONLY);

		CU_ASSERT_EQUAL(pwrite(file, "\2", 1, 3 * FLX_DUMP_BLOCK * i + 8), 1);
		close(file);
	}
}

static void test_restore_refused_leaves_nothing(void)
{
	static const struct {
		const char *file, *said;
		struct flx_dumped program[2];
		uint32_t count;
	} rows[] = {
		{"good",
		 "of version 5, this program has version 4",
		 {{"a", 4, 8, 8, 0}, {"b", 1, 4, 4, 0}},
		 2},
		{"good", "no function to upgrade them", {{"a", 6, 8, 8, 0}, {"b", 1, 4, 4, 0}}, 2},
		{"good",
		 "keys of 8 bytes, this program keys of 9",
		 {{"a", 5, 9, 8, 0}, {"b", 1, 4, 4, 0}},
		 2},
		{"good", "both version 5", {{"a", 5, 8, 9, 0}, {"b", 1, 4, 4, 0}}, 2},
		{"good", "no such type", {{"a", 5, 8, 8, 0}}, 1},
		{"absent", "No such file", {{"a", 5, 8, 8, 0}, {"b", 1, 4, 4, 0}}, 2},
		{".", "Is a directory", {{"a", 5, 8, 8, 0}, {"b", 1, 4, 4, 0}}, 2},
		{"text", "not a dump", {{"a", 5, 8, 8, 0}, {"b", 1, 4, 4, 0}}, 2},
		{"empty", "not a dump", {{"a", 5, 8, 8, 0}, {"b", 1, 4, 4, 0}}, 2},
		{"newer", "a dump of format 2", {{"a", 5, 8, 8, 0}, {"b", 1, 4, 4, 0}}, 2},
		{"head", "both heads", {{"a", 5, 8, 8, 0}, {"b", 1, 4, 4, 0}}, 2},
		{"frame",
		 "1 damaged contexts, 0 damaged blocks;",
		 {{"a", 5, 8, 8, 0}, {"b", 1, 4, 4, 0}},
		 2},
		{"block",
		 "0 damaged contexts, 1 damaged blocks;",
		 {{"a", 5, 8, 8, 0}, {"b", 1, 4, 4, 0}},
		 2},
		{"cut", "its end is missing", {{"a", 5, 8, 8, 0}, {"b", 1, 4, 4, 0}}, 2},
	};

	make_damaged();
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (uint32_t in_files = 0; in_files < 2; in_files++) {
			struct flx_restore restore = {.path = flx_dumped_path(rows[i].file)};
			struct flx_store *store;
			const char *said;
			char path[256];

			snprintf(path, sizeof(path), "%s", flx_dumped_path("refused"));
			flx_capture_start(&capture);
			store = flx_dumped_open(rows[i].program, rows[i].count,
						in_files ? path : NULL, &restore);
			said = flx_capture_stop(&capture);
			if (store || restore.done || !strstr(said, rows[i].said)) {
				fprintf(stderr, "row %zu: %s\n", i, said);
				CU_FAIL("not refused as it should be");
			}
			strcat(path, "/node0");
			CU_ASSERT_NOT_EQUAL(access(path, F_OK), 0);
			strcat(path, ".next");
			CU_ASSERT_NOT_EQUAL(access(path, F_OK), 0);
		}
	}
}

static void test_restore_over_the_limit_is_refused(void)
{
	static const struct flx_dumped set[] = {{"a", 1, 8, 8, 1000}};
	struct flx_context_type_conf type = {
		.name = "a", .version = 1, .key_size = 8, .context_size = 8, .capacity = 999};
	struct flx_restore restore = {.path = flx_dumped_path("large")};
	struct flx_store_conf conf = {
		.worker_count = 1, .type_count = 1, .type = &type, .restore = &restore};
	struct flx_store *store;

	flx_dumped_make(set, 1, flx_dumped_path("large"));
	flx_capture_start(&capture);
	CU_ASSERT_EQUAL(flx_store_open(&store, &conf), -ENOSPC);
	CU_ASSERT_PTR_NOT_NULL(strstr(flx_capture_stop(&capture), "limit of 999"));
	type.capacity = 1;
	type.limit = 1000;
	CU_ASSERT_EQUAL_FATAL(flx_store_open(&store, &conf), 0);
	CU_ASSERT_EQUAL(flx_dumped_count(store, set, 0), 1000);
	flx_store_close(store);
}

static void test_restore_takes_what_is_whole_on_demand(void)
{
	static const struct {
		const char *file;
		uint32_t contexts;
	} rows[] = {{"frame", 209}, {"block", 10}, {"cut", 210}};

	make_damaged();
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct flx_restore restore = {.path = flx_dumped_path(rows[i].file),
					      .damaged = true};
		struct flx_store *store;

		flx_capture_start(&capture);
		store = flx_dumped_open(dumped, 2, NULL, &restore);
		CU_ASSERT_PTR_NOT_NULL(strstr(flx_capture_stop(&capture), "what is whole"));
		CU_ASSERT_PTR_NOT_NULL_FATAL(store);
		CU_ASSERT_EQUAL(restore.contexts, rows[i].contexts);
		CU_ASSERT_EQUAL(flx_dumped_count(store, dumped, 0), rows[i].contexts);
		flx_store_close(store);
	}
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_restore_does_not_read_into_a_store_that_is_there),
		FLX_TEST(test_restore_ages_contexts_on_the_shelf),
		FLX_TEST(test_restore_upgrades_an_older_version),
		FLX_TEST(test_restore_refused_leaves_nothing),
		FLX_TEST(test_restore_over_the_limit_is_refused),
		FLX_TEST(test_restore_takes_what_is_whole_on_demand),
		{0},
	};

	return flx_dumped_main("restore", tests);
}
