/* SPDX-License-Identifier: BSD-3-Clause */
#include <pthread.h>

#include "context-store/record.h"
#include "tests/test.h"

static void fill(void *context)
{
	*(uint8_t *)context = 0x5a;
}

/* A record of @layout, its memory dirty but for the word. */
static struct flx_record *make_record(const struct flx_record_layout *layout)
{
	struct flx_record *record = aligned_alloc(FLX_CACHE_LINE, layout->stride_bytes);

	CU_ASSERT_PTR_NOT_NULL_FATAL(record);
	memset((void *)record, 0xee, layout->stride_bytes);
	atomic_init(&record->word, 0);
	return record;
}

static void test_record_layout_is_whole_lines(void)
{
	static const struct {
		uint32_t key_size, context_size, image_offset, stride_bytes;
	} rows[] = {
		{4, 8, 16, 64},	  {4, 16, 16, 64},   {8, 16, 24, 64}, {12, 16, 24, 64},
		{16, 16, 32, 64}, {8, 64, 24, 192},  {1, 1, 16, 64},  {40, 4096, 56, 8256},
		{0, 24, 16, 64},  {13, 17, 32, 128},
	};
	struct flx_record_layout layout;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		flx_record_layout_init(&layout, rows[i].key_size, rows[i].context_size, NULL);
		CU_ASSERT_EQUAL(layout.image_offset, rows[i].image_offset);
		CU_ASSERT_EQUAL(layout.stride_bytes, rows[i].stride_bytes);
		CU_ASSERT_EQUAL(layout.image_size % 8, 0);
		CU_ASSERT_TRUE(layout.image_size >= rows[i].context_size);
		CU_ASSERT_TRUE(layout.image_offset + 2 * layout.image_size <= layout.stride_bytes);
	}
}

/* Every size through fresh, commit, abort and commit, with the bytes around the images untouched.
 */
static void test_record_commit_keeps_and_abort_forgets(void)
{
	static const uint32_t sizes[] = {1, 7, 8, 9, 16, 24, 32, 63, 64, 65, 500, 4096};
	uint8_t seen[4096], expected[4096];

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct flx_record_layout layout;
		struct flx_record *record;
		uint8_t *context;

		flx_record_layout_init(&layout, 8, sizes[i], i % 2 ? fill : NULL);
		record = make_record(&layout);
		memset(expected, 0, sizes[i]);
		expected[0] = i % 2 ? 0x5a : 0;
		for (int abort = 0; abort < 3; abort++) {
			context = flx_record_open(&layout, record);
			CU_ASSERT_EQUAL(memcmp(context, expected, sizes[i]), 0);
			CU_ASSERT_EQUAL((uintptr_t)context % 8, 0);
			memset(context, 0x77, sizes[i]);
			CU_ASSERT_FALSE(flx_record_committed(record));
			CU_ASSERT_EQUAL(flx_record_read(&layout, record, seen), 0);
		}
		for (uint64_t commit = 1; commit < 6; commit++) {
			context = flx_record_open(&layout, record);
			CU_ASSERT_EQUAL(memcmp(context, expected, sizes[i]), 0);
			memset(context, (int)commit, sizes[i]);
			memset(expected, (int)commit, sizes[i]);
			flx_record_commit(record);
			memset(flx_record_open(&layout, record), 0x99, sizes[i]); /* aborted */
			CU_ASSERT_EQUAL(flx_record_read(&layout, record, seen), commit);
			CU_ASSERT_EQUAL(memcmp(seen, expected, sizes[i]), 0);
		}
		CU_ASSERT_EQUAL(record->key[7], 0xee);
		CU_ASSERT_TRUE(layout.image_offset + 2 * layout.image_size == layout.stride_bytes ||
			       ((uint8_t *)record)[layout.stride_bytes - 1] == 0xee);
		free(record);
	}
}

/* So large that the owner often overtakes a copy: without the second look, most runs tear. */
#define WORDS	64
#define COMMITS 1000000
#define READS	200000

struct race {
	struct flx_record_layout layout;
	struct flx_record *record;
	atomic_bool done;
	_Atomic uint64_t reads; /* of a committed image: the two threads do overlap */
	uint64_t torn, backwards;
};

static void *read_until_done(void *argument)
{
	struct race *race = argument;
	uint64_t last = 0, words[WORDS];

	do {
		uint64_t word = flx_record_read(&race->layout, race->record, words);

		if (word == 0)
			continue;
		atomic_fetch_add(&race->reads, 1);
		/* Commit n stores n in every word, so image and word prove each other. */
		for (uint32_t i = 0; i < WORDS; i++)
			race->torn += words[i] != word;
		race->backwards += word < last;
		last = word;
	} while (!atomic_load(&race->done));
	return NULL;
}

static void test_record_read_sees_no_torn_image(void)
{
	struct race race = {.torn = 0};
	pthread_t reader;

	flx_record_layout_init(&race.layout, 8, WORDS * sizeof(uint64_t), NULL);
	race.record = make_record(&race.layout);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&reader, NULL, read_until_done, &race), 0);
	for (uint64_t commit = 1; commit <= COMMITS || atomic_load(&race.reads) < READS; commit++) {
		uint64_t *words = flx_record_open(&race.layout, race.record);

		for (uint32_t i = 0; i < WORDS; i++)
			words[i] += commit % 3 ? 1 : 100; /* wrong for a while */
		for (uint32_t i = 0; i < WORDS; i++)
			words[i] = commit;
		flx_record_commit(race.record);
	}
	atomic_store(&race.done, true);
	pthread_join(reader, NULL);
	CU_ASSERT_EQUAL(race.torn, 0);
	CU_ASSERT_EQUAL(race.backwards, 0);
	free(race.record);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_record_layout_is_whole_lines),
		FLX_TEST(test_record_commit_keeps_and_abort_forgets),
		FLX_TEST(test_record_read_sees_no_torn_image),
		{0},
	};

	return flx_test_main("record", tests);
}
