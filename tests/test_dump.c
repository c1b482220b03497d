/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "context-store/dump.h"
#include "context-store/dump_reader.h"
#include "context-store/store.h"
#include "tests/capture.h"
#include "tests/random.h"
#include "tests/test.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TYPES_MAX    8
#define NOW	     1000000u /* tick at which dumps are made; stamps are before it */

static char folder[] = "/tmp/flx-test-dump-XXXXXX";
static struct flx_capture capture;
static struct flx_dump_reader reader;

/* ---------------------------------------------------------------------------------------- stores */

/* Types of a store, and how many contexts are put into it. */
struct set {
	const char *name;
	uint32_t version, key_size, context_size, contexts;
};

static const struct set sets[] = {
	{"single", 3, 0, 24, 1},	  {"tiny", 0, 1, 1, 200}, {"common", 1, 8, 64, 5000},
	{"page", 7, 40, 4096, 50},	  {"empty", 1, 4, 16, 0}, {"odd", 1, 13, 37, 1000},
	{"unit", UINT32_MAX, 4, 4096, 1},
};

static const char *path_of(const char *name)
{
	static char path[2][256];
	static unsigned int turn;

	turn ^= 1;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", folder, name);
	return path[turn];
}

static void fill_key(uint8_t *key, uint32_t size, uint32_t number)
{
	for (uint32_t i = 0; i < size; i++)
		key[i] = (uint8_t)(i < 4 ? number >> 8 * i : number * 31 + i);
}

static void fill_context(uint8_t *context, uint32_t size, uint32_t type, uint32_t number)
{
	struct flx_random random = {(uint64_t)type << 32 | number};

	for (uint32_t i = 0; i < size; i++)
		context[i] = (uint8_t)flx_random_next(&random);
}

static uint32_t age_of(uint32_t type, uint32_t number)
{
	return type * 1000 + number * 3;
}

static uint16_t slice_of(const void *argument, const uint8_t *key)
{
	(void)argument;
	return key[0];
}

static struct flx_store *open_store(const struct set *set, uint32_t count, const char *path,
				    struct flx_restore *restore)
{
	struct flx_context_type_conf types[TYPES_MAX] = {0};
	struct flx_store_conf conf = {
		.path = path,
		.worker_count = 1,
		.type_count = count,
		.type = types,
		.restore = restore,
	};
	struct flx_store *store = NULL;

	for (uint32_t t = 0; t < count; t++)
		types[t] = (struct flx_context_type_conf){
			.name = set[t].name,
			.version = set[t].version,
			.key_size = set[t].key_size,
			.context_size = set[t].context_size,
			.capacity = 100,
			.limit = 10000,
			.slice = slice_of,
		};
	return flx_store_open(&store, &conf) ? NULL : store;
}

static void fill_store(struct flx_store *store, const struct set *set)
{
	uint8_t key[FLX_RECORD_KEY_MAX], context[FLX_RECORD_CONTEXT_MAX];

	for (uint32_t t = 0; t < store->type_count; t++)
		for (uint32_t i = 0; i < set[t].contexts; i++) {
			fill_key(key, set[t].key_size, i);
			fill_context(context, set[t].context_size, t, i);
			CU_ASSERT_TRUE_FATAL(flx_store_put(store, store->type[t], key, context,
							   NOW - age_of(t, i)));
		}
}

static int dump_store(struct flx_store *store, const char *path, struct flx_dump_result *result)
{
	struct flx_scan_source source[TYPES_MAX];
	const struct flx_dump_conf conf = {
		.path = path, .source = source, .source_count = store->type_count, .now = NOW};

	for (uint32_t t = 0; t < store->type_count; t++)
		flx_store_source(store->type[t], &source[t]);
	return flx_dump_write(&conf, result);
}

/* A dump of the first @count of @set, at @path. */
static void make_dump(const struct set *set, uint32_t count, const char *path)
{
	struct flx_store *store = open_store(set, count, NULL, NULL);
	struct flx_dump_result result;

	CU_ASSERT_PTR_NOT_NULL_FATAL(store);
	fill_store(store, set);
	CU_ASSERT_EQUAL_FATAL(dump_store(store, path, &result), 0);
	flx_store_close(store);
}

/* Whether a context is as fill_store has put it; @number: out. */
static bool is_as_put(uint32_t type, const struct set *set, const uint8_t *key,
		      const uint8_t *context, uint32_t *number)
{
	uint8_t bytes[FLX_RECORD_CONTEXT_MAX];
	uint32_t low = 0;

	memcpy(&low, key, set->key_size < 4 ? set->key_size : 4);
	*number = low;
	fill_key(bytes, set->key_size, low);
	if (low >= set->contexts || memcmp(bytes, key, set->key_size) != 0)
		return false;
	fill_context(bytes, set->context_size, type, low);
	return memcmp(bytes, context, set->context_size) == 0;
}

/* Contexts in @store that are as they were put, each once, and of the right age; else UINT32_MAX. */
static uint32_t count_right(struct flx_store *store, const struct set *set, uint32_t more_age)
{
	static uint8_t seen[TYPES_MAX][10000];
	static struct flx_scan scan;
	uint32_t right = 0, number;

	memset(seen, 0, sizeof(seen));
	for (uint32_t t = 0; t < store->type_count; t++) {
		struct flx_scan_source source;

		flx_store_source(store->type[t], &source);
		flx_scan_init(&scan, &source, store->start_tick);
		while (flx_scan_next(&scan)) {
			uint32_t age = store->start_tick - scan.copy.stamp;

			if (!is_as_put(t, &set[t], scan.copy.key, scan.copy.context, &number) ||
			    seen[t][number]++)
				return UINT32_MAX;
			/* Up to ten seconds were spent in between. */
			if (age - age_of(t, number) - more_age > 10 * FLX_TICKS_PER_SECOND)
				return UINT32_MAX;
			right++;
		}
		if (scan.damaged)
			return UINT32_MAX;
	}
	return right;
}

static uint32_t sum_of(const struct set *set, uint32_t count)
{
	uint32_t sum = 0;

	for (uint32_t t = 0; t < count; t++)
		sum += set[t].contexts;
	return sum;
}

/* ------------------------------------------------------------------------------------ round trip */

static void test_dump_comes_back_as_it_was(void)
{
	/* In memory, and in files; the types of the program in any order would do as well. */
	const char *stores[] = {NULL, "store"};

	make_dump(sets, COUNT(sets), path_of("all"));
	for (size_t i = 0; i < COUNT(stores); i++) {
		struct flx_restore restore = {.path = path_of("all")};
		struct flx_store_found found;
		struct flx_store *store;

		flx_capture_start(&capture); /* that the store is not on hugepages */
		store = open_store(sets, COUNT(sets), stores[i] ? path_of(stores[i]) : NULL,
				   &restore);
		flx_capture_stop(&capture);
		CU_ASSERT_PTR_NOT_NULL_FATAL(store);
		CU_ASSERT_TRUE(restore.done);
		CU_ASSERT_EQUAL(restore.contexts, sum_of(sets, COUNT(sets)));
		CU_ASSERT_EQUAL(restore.expired + restore.upgraded, 0);
		CU_ASSERT_EQUAL(count_right(store, sets, 0), sum_of(sets, COUNT(sets)));
		CU_ASSERT_EQUAL(flx_store_attach(store, &found), 0);
		CU_ASSERT_EQUAL(found.contexts, sum_of(sets, COUNT(sets)));
		flx_store_close(store);
	}
}

static void test_dump_is_not_read_into_a_store_that_is_there(void)
{
	struct flx_restore restore = {.path = path_of("nothing")};
	struct flx_store *store;

	flx_capture_start(&capture);
	store = open_store(sets, COUNT(sets), path_of("store"), &restore);
	flx_capture_stop(&capture);
	CU_ASSERT_PTR_NOT_NULL_FATAL(store);
	CU_ASSERT_FALSE(restore.done);
	CU_ASSERT_EQUAL(count_right(store, sets, 0), sum_of(sets, COUNT(sets)));
	flx_store_close(store);

	restore.only = true;
	flx_capture_start(&capture);
	store = open_store(sets, COUNT(sets), path_of("store"), &restore);
	CU_ASSERT_PTR_NOT_NULL(strstr(flx_capture_stop(&capture), "has a store already"));
	CU_ASSERT_PTR_NULL(store);
}

/* Twice with other types: a dump of the dump is the same contexts. */
static void test_dump_of_nothing_is_whole(void)
{
	char damage[256];

	make_dump(sets, 0, path_of("none"));
	CU_ASSERT_EQUAL_FATAL(flx_dump_open(&reader, path_of("none")), 0);
	CU_ASSERT_EQUAL(reader.head.type_count, 0);
	CU_ASSERT_EQUAL(flx_dump_next(&reader), 0);
	CU_ASSERT_EQUAL(flx_dump_next(&reader), 0);
	CU_ASSERT_TRUE(flx_dump_is_whole(&reader, damage, sizeof(damage)));
	flx_dump_close(&reader);
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

static void test_dump_contexts_age_on_the_shelf(void)
{
	static const struct set set[] = {{"a", 1, 8, 8, 1000}};
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
		struct flx_restore restore = {.path = path_of("old")};
		struct flx_store_conf conf = {
			.worker_count = 1, .type_count = 1, .type = &type, .restore = &restore};
		struct flx_store *store;

		make_dump(set, 1, path_of("old"));
		set_back(path_of("old"), rows[i].away_ms);
		CU_ASSERT_EQUAL_FATAL(flx_store_open(&store, &conf), 0);
		CU_ASSERT_EQUAL(restore.contexts + restore.expired, 1000);
		/* Some seconds may pass meanwhile: 22 contexts a second. */
		CU_ASSERT(restore.expired >= rows[i].expired &&
			  restore.expired < rows[i].expired + 220);
		CU_ASSERT_EQUAL(count_right(store, set, (uint32_t)(rows[i].away_ms * 64 / 1000)),
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

static void test_dump_of_an_older_version_is_upgraded(void)
{
	static const struct set set[] = {{"a", 1, 4, 5, 300}};
	struct flx_context_type_conf type = {.name = "a",
					     .version = 2,
					     .key_size = 4,
					     .context_size = 9,
					     .capacity = 300,
					     .upgrade = upgrade};
	struct flx_restore restore = {.path = path_of("v1")};
	struct flx_store_conf conf = {
		.worker_count = 1, .type_count = 1, .type = &type, .restore = &restore};
	static struct flx_scan scan;
	struct flx_scan_source source;
	struct flx_store *store;
	uint32_t number, wrong = 0;

	make_dump(set, 1, path_of("v1"));
	CU_ASSERT_EQUAL_FATAL(flx_store_open(&store, &conf), 0);
	CU_ASSERT_EQUAL(restore.contexts, 300);
	CU_ASSERT_EQUAL(restore.upgraded, 300);
	flx_store_source(store->type[0], &source);
	flx_scan_init(&scan, &source, 0);
	while (flx_scan_next(&scan))
		wrong += !is_as_put(0, set, scan.copy.key, scan.copy.context + 3, &number) ||
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

static const struct set dumped[] = {{"a", 5, 8, 8, 200}, {"b", 1, 4, 4, 10}};

/* Dumps of these, called by what is wrong with them. */
static void make_damaged(void)
{
	static const char *const copies[] = {"good", "head", "frame", "block", "cut", "newer"};

	for (size_t i = 0; i < COUNT(copies); i++)
		make_dump(dumped, 2, path_of(copies[i]));
	write_file(path_of("text"), "not at all\n");
	write_file(path_of("empty"), "");
	for (uint32_t i = 0; i < 2; i++)
		flip(path_of("head"), 3 * FLX_DUMP_BLOCK * i + 100);
	flip(path_of("frame"), FLX_DUMP_BLOCK + 32 + 24 * 7 + 20);
	flip(path_of("block"), FLX_DUMP_BLOCK + 8);
	CU_ASSERT_EQUAL(truncate(path_of("cut"), 3 * FLX_DUMP_BLOCK), 0);
	for (uint32_t i = 0; i < 2; i++) {
		int file = open(path_of("newer"), O_WRONLY);

		CU_ASSERT_EQUAL(pwrite(file, "\2", 1, 3 * FLX_DUMP_BLOCK * i + 8), 1);
		close(file);
	}
}

static void test_dump_is_refused_and_leaves_nothing(void)
{
	static const struct {
		const char *file, *said;
		struct set program[2];
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
			struct flx_restore restore = {.path = path_of(rows[i].file)};
			struct flx_store *store;
			const char *said;
			char path[256];

			snprintf(path, sizeof(path), "%s/refused", folder);
			flx_capture_start(&capture);
			store = open_store(rows[i].program, rows[i].count, in_files ? path : NULL,
					   &restore);
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

static void test_dump_over_the_limit_is_refused(void)
{
	static const struct set set[] = {{"a", 1, 8, 8, 1000}};
	struct flx_context_type_conf type = {
		.name = "a", .version = 1, .key_size = 8, .context_size = 8, .capacity = 999};
	struct flx_restore restore = {.path = path_of("large")};
	struct flx_store_conf conf = {
		.worker_count = 1, .type_count = 1, .type = &type, .restore = &restore};
	struct flx_store *store;

	make_dump(set, 1, path_of("large"));
	flx_capture_start(&capture);
	CU_ASSERT_EQUAL(flx_store_open(&store, &conf), -ENOSPC);
	CU_ASSERT_PTR_NOT_NULL(strstr(flx_capture_stop(&capture), "limit of 999"));
	type.capacity = 1;
	type.limit = 1000;
	CU_ASSERT_EQUAL_FATAL(flx_store_open(&store, &conf), 0);
	CU_ASSERT_EQUAL(count_right(store, set, 0), 1000);
	flx_store_close(store);
}

/* ----------------------------------------------------------------------------------- any bytes */

/* A small dump, and what each byte of it is for. */
static const struct set small[] = {
	{"a", 1, 8, 16, 1500}, {"b", 1, 3, 1000, 100}, {"c", 1, 0, 8, 1}};

static struct {
	uint8_t bytes[16 * FLX_DUMP_BLOCK];
	uint32_t size, blocks;
	uint32_t type[16], count[16], frame_size[16];
	int file;
	char path[64];
} pristine;

static void load_pristine(void)
{
	int file;

	make_dump(small, COUNT(small), path_of("small"));
	file = open(path_of("small"), O_RDONLY);
	pristine.size = (uint32_t)read(file, pristine.bytes, sizeof(pristine.bytes));
	close(file);
	pristine.blocks = pristine.size / FLX_DUMP_BLOCK;
	CU_ASSERT_FATAL(pristine.blocks > 4 && pristine.blocks < 16);
	for (uint32_t b = 1; b < pristine.blocks - 1; b++) {
		const struct flx_dump_block *block =
			(const void *)(pristine.bytes + b * FLX_DUMP_BLOCK);

		pristine.type[b] = block->type;
		pristine.count[b] = block->count;
		pristine.frame_size[b] =
			8 + small[block->type].key_size + small[block->type].context_size;
	}
	pristine.file = memfd_create("dump", MFD_CLOEXEC);
	CU_ASSERT_EQUAL_FATAL(write(pristine.file, pristine.bytes, pristine.size), pristine.size);
	snprintf(pristine.path, sizeof(pristine.path), "/proc/self/fd/%d", pristine.file);
}

/* Reads the file; contexts found, each as it was put, else UINT32_MAX; -1: refused. */
static int64_t read_all(void)
{
	int64_t right = 0;
	uint32_t number;
	int error;

	flx_capture_start(&capture);
	error = flx_dump_open(&reader, pristine.path);
	flx_capture_stop(&capture);
	if (error)
		return -1;
	while ((error = flx_dump_next(&reader)) > 0) {
		if (!is_as_put(reader.type, &small[reader.type], reader.key, reader.context,
			       &number))
			return UINT32_MAX;
		right++;
	}
	flx_dump_close(&reader);
	return error ? UINT32_MAX : right;
}

struct expected {
	uint32_t contexts, frames, blocks;
	bool first, last;
};

/* What is lost by changes at @offset[@count], which differ. */
static struct expected expect(const uint32_t *offset, uint32_t count)
{
	struct expected expected = {.contexts = sum_of(small, COUNT(small))};
	static bool lost[16], frame_lost[16][4096];

	memset(lost, 0, sizeof(lost));
	memset(frame_lost, 0, sizeof(frame_lost));
	for (uint32_t i = 0; i < count; i++) {
		uint32_t b = offset[i] / FLX_DUMP_BLOCK, at = offset[i] % FLX_DUMP_BLOCK;

		if (b == 0)
			expected.first = true;
		else if (b == pristine.blocks - 1)
			expected.last = true;
		else if (at < sizeof(struct flx_dump_block))
			lost[b] = true;
		else if ((at - 32) / pristine.frame_size[b] < pristine.count[b])
			frame_lost[b][(at - 32) / pristine.frame_size[b]] = true;
	}
	for (uint32_t b = 1; b < pristine.blocks - 1; b++) {
		uint32_t frames = 0;

		for (uint32_t f = 0; f < pristine.count[b]; f++)
			frames += frame_lost[b][f];
		expected.blocks += lost[b];
		expected.frames += lost[b] ? 0 : frames;
		expected.contexts -= lost[b] ? pristine.count[b] : frames;
	}
	/* Without the second head, that block is one of frames that is damaged. */
	expected.blocks += expected.last;
	return expected;
}

static void test_dump_flipped_bytes_cost_what_they_hit(void)
{
	struct flx_random random = {1};
	uint32_t wrong = 0;

	load_pristine();
	for (uint32_t i = 0; i < 20000; i++) {
		uint32_t count = flx_random_between(&random, 1, 4), offset[4];
		struct expected expected;
		int64_t found;

		for (uint32_t n = 0; n < count; n++) {
			uint8_t byte;

			/* Often in heads and headers, which are small. */
			offset[n] = flx_random_below(&random, pristine.size / 4) * 4 + n;
			if (flx_random_chance(&random, 30))
				offset[n] = offset[n] / FLX_DUMP_BLOCK * FLX_DUMP_BLOCK +
					    flx_random_below(&random, 60) * 4 + n;
			byte = pristine.bytes[offset[n]] ^
			       (uint8_t)flx_random_between(&random, 1, 255);
			wrong += pwrite(pristine.file, &byte, 1, offset[n]) != 1;
		}
		expected = expect(offset, count);
		found = read_all();
		if (expected.first && expected.last)
			wrong += found != -1;
		else
			wrong += found != expected.contexts ||
				 reader.damage.frames != expected.frames ||
				 reader.damage.blocks != expected.blocks ||
				 reader.damage.head != expected.first ||
				 reader.damage.end != expected.last;
		for (uint32_t n = 0; n < count; n++)
			wrong += pwrite(pristine.file, &pristine.bytes[offset[n]], 1, offset[n]) !=
				 1;
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_EQUAL(read_all(), sum_of(small, COUNT(small)));
	close(pristine.file);
}

/* Contexts of which all bytes are below @size. */
static int64_t whole_below(uint32_t size)
{
	int64_t whole = 0;

	for (uint32_t b = 1; b < pristine.blocks - 1; b++)
		for (uint32_t f = 0; f < pristine.count[b]; f++)
			whole += b * FLX_DUMP_BLOCK + 32 + (f + 1) * pristine.frame_size[b] <= size;
	return whole;
}

static void test_dump_cut_anywhere_gives_what_is_whole(void)
{
	struct flx_random random = {2};
	uint32_t wrong = 0;

	load_pristine();
	for (uint32_t i = 0; i < 2000; i++) {
		uint32_t size = i < 100 ? i * 4 : flx_random_below(&random, pristine.size);
		int64_t found, whole = whole_below(size);

		if (i % 10 == 0)
			size = size / FLX_DUMP_BLOCK * FLX_DUMP_BLOCK;
		whole = whole_below(size);
		wrong += ftruncate(pristine.file, size) != 0;
		found = read_all();
		/* The rest of the last one may be zeroes, which are as good as not there. */
		if (size >= FLX_DUMP_BLOCK || found >= 0)
			wrong += found < whole || found > whole + 1 || !reader.damage.end;
		wrong += pwrite(pristine.file, pristine.bytes + size, pristine.size - size, size) !=
			 pristine.size - size;
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_EQUAL(read_all(), sum_of(small, COUNT(small)));
	close(pristine.file);
}

/* Whatever is right by its checks, and cannot be. */
static void test_dump_types_that_cannot_be_are_refused(void)
{
	static const struct flx_dump_type good = {
		.name = "a", .key_size = 4, .context_size = 8, .limit = 1};
	struct flx_dump_type bad[9];
	struct flx_dump_head *head = (void *)pristine.bytes;

	for (size_t i = 0; i < COUNT(bad); i++)
		bad[i] = good;
	bad[0].key_size = FLX_RECORD_KEY_MAX + 1;
	bad[1].context_size = 0;
	bad[2].context_size = FLX_RECORD_CONTEXT_MAX + 1;
	bad[3].limit = 0;
	bad[4].limit = UINT32_MAX;
	memset(bad[5].name, 'x', sizeof(bad[5].name));
	bad[6].name[0] = '\0';
	bad[7].contexts = UINT64_MAX;
	bad[8].ttl_ticks = UINT32_MAX;
	load_pristine();
	for (size_t i = 0; i < COUNT(bad) + 3; i++) {
		head->type[0] = i < COUNT(bad) ? bad[i] : good;
		head->type_count = i == COUNT(bad) ? 2 : i == COUNT(bad) + 1 ? UINT32_MAX : 1;
		head->type[1] = good; /* the same name */
		head->check = flx_dump_head_sum(pristine.bytes);
		CU_ASSERT_EQUAL(pwrite(pristine.file, head, FLX_DUMP_BLOCK, 0), FLX_DUMP_BLOCK);
		CU_ASSERT_EQUAL(ftruncate(pristine.file, FLX_DUMP_BLOCK), 0);
		CU_ASSERT_EQUAL(read_all(), i < COUNT(bad) + 2 ? -1 : 0);
	}
	close(pristine.file);
}

static void test_dump_damaged_is_restored_on_demand(void)
{
	static const struct {
		const char *file;
		uint32_t contexts;
	} rows[] = {{"frame", 209}, {"block", 10}, {"cut", 210}};

	make_damaged();
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct flx_restore restore = {.path = path_of(rows[i].file), .damaged = true};
		struct flx_store *store;

		flx_capture_start(&capture);
		store = open_store(dumped, 2, NULL, &restore);
		CU_ASSERT_PTR_NOT_NULL(strstr(flx_capture_stop(&capture), "what is whole"));
		CU_ASSERT_PTR_NOT_NULL_FATAL(store);
		CU_ASSERT_EQUAL(restore.contexts, rows[i].contexts);
		CU_ASSERT_EQUAL(count_right(store, dumped, 0), rows[i].contexts);
		flx_store_close(store);
	}
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
	static const struct set set[] = {{"a", 1, 8, 1000, 1000}};
	struct flx_store *store = open_store(set, 1, NULL, NULL);
	struct flx_restore restore = {.path = path_of("kept")};
	struct flx_dump_result result;
	struct rlimit before;
	char temporary[300];

	signal(SIGXFSZ, SIG_IGN);
	CU_ASSERT_PTR_NOT_NULL_FATAL(store);
	fill_store(store, set);
	CU_ASSERT_EQUAL_FATAL(dump_store(store, path_of("kept"), &result), 0);
	CU_ASSERT_EQUAL(result.contexts, 1000);
	before = limit_file_size(5 * FLX_DUMP_BLOCK + 1);
	CU_ASSERT_EQUAL(dump_store(store, path_of("kept"), &result), -EFBIG);
	setrlimit(RLIMIT_FSIZE, &before);
	CU_ASSERT_PTR_NOT_NULL(strstr(result.why, "/kept: File too large; allow larger files"));
	snprintf(temporary, sizeof(temporary), "%s.tmp-%d", path_of("kept"), getpid());
	CU_ASSERT_NOT_EQUAL(access(temporary, F_OK), 0);
	flx_store_close(store);
	store = open_store(set, 1, NULL, &restore);
	CU_ASSERT_PTR_NOT_NULL_FATAL(store);
	CU_ASSERT_EQUAL(count_right(store, set, 0), 1000);
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
	struct flx_store *store = open_store(small, COUNT(small), NULL, NULL);

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct flx_dump_result result;

		CU_ASSERT_EQUAL(dump_store(store, rows[i].path, &result), rows[i].error);
		CU_ASSERT_PTR_NOT_NULL(strstr(result.why, rows[i].why));
		CU_ASSERT_EQUAL(strncmp(result.why, rows[i].path, strlen(rows[i].path)), 0);
	}
	flx_store_close(store);
}

static void test_dump_can_be_given_up(void)
{
	struct flx_store *store = open_store(small, COUNT(small), NULL, NULL);
	const _Atomic bool cancel = true;
	struct flx_scan_source source;
	struct flx_dump_conf conf = {
		.path = path_of("never"), .source = &source, .source_count = 1, .cancel = &cancel};
	struct flx_dump_result result;

	flx_store_source(store->type[0], &source);
	CU_ASSERT_EQUAL(flx_dump_write(&conf, &result), -ECANCELED);
	CU_ASSERT_NOT_EQUAL(access(path_of("never"), F_OK), 0);
	flx_store_close(store);
}

static void test_dump_removes_what_the_killed_have_left(void)
{
	struct flx_store *store = open_store(small, COUNT(small), NULL, NULL);
	struct flx_dump_result result;
	char dead[300], alive[300], other[300];
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
	snprintf(dead, sizeof(dead), "%s.tmp-%d", path_of("left"), child);
	snprintf(alive, sizeof(alive), "%s.tmp-1", path_of("left"));
	snprintf(other, sizeof(other), "%s.tmp-%dx", path_of("left"), child);
	write_file(dead, "");
	write_file(alive, "");
	write_file(other, "");
	CU_ASSERT_EQUAL(dump_store(store, path_of("left"), &result), 0);
	CU_ASSERT_NOT_EQUAL(access(dead, F_OK), 0);
	CU_ASSERT_EQUAL(access(alive, F_OK), 0);
	CU_ASSERT_EQUAL(access(other, F_OK), 0);
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
		flx_record_commit(layout, record, NOW);
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
	static const struct set set[] = {{"live", 1, 8, LIVE_WORDS * 8, 0}};
	struct flx_store *store = open_store(set, 1, NULL, NULL);
	struct live live = {.type = store->type[0]};
	uint64_t words[LIVE_WORDS];
	pthread_t thread;
	uint32_t torn = 0, least = LIVE;

	for (uint64_t i = 0; i < LIVE; i++) {
		for (uint32_t w = 0; w < LIVE_WORDS; w++)
			words[w] = i;
		CU_ASSERT_TRUE_FATAL(
			flx_store_put(store, live.type, (const uint8_t *)&i, words, NOW));
	}
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, commit, &live), 0);
	for (uint32_t i = 0; i < 50; i++) {
		struct flx_dump_result result;

		CU_ASSERT_EQUAL(dump_store(store, path_of("live"), &result), 0);
		CU_ASSERT_EQUAL(result.damaged, 0);
		torn += count_torn(path_of("live"));
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
		FLX_TEST(test_dump_is_not_read_into_a_store_that_is_there),
		FLX_TEST(test_dump_of_nothing_is_whole),
		FLX_TEST(test_dump_contexts_age_on_the_shelf),
		FLX_TEST(test_dump_of_an_older_version_is_upgraded),
		FLX_TEST(test_dump_is_refused_and_leaves_nothing),
		FLX_TEST(test_dump_over_the_limit_is_refused),
		FLX_TEST(test_dump_flipped_bytes_cost_what_they_hit),
		FLX_TEST(test_dump_cut_anywhere_gives_what_is_whole),
		FLX_TEST(test_dump_types_that_cannot_be_are_refused),
		FLX_TEST(test_dump_damaged_is_restored_on_demand),
		FLX_TEST(test_dump_failure_leaves_the_one_before),
		FLX_TEST(test_dump_only_over_files),
		FLX_TEST(test_dump_can_be_given_up),
		FLX_TEST(test_dump_removes_what_the_killed_have_left),
		FLX_TEST(test_dump_of_a_store_that_changes_has_no_torn_context),
		{0},
	};
	char command[64];
	int status;

	if (!mkdtemp(folder))
		return EXIT_FAILURE;
	status = flx_test_main("dump", tests);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command) ? EXIT_FAILURE : status;
}
