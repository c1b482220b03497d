/* SPDX-License-Identifier: BSD-3-Clause */
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
	flx_record_begin(record);
	return record;
}

/* Its lower half, and the stamp of the committed image. */
static uint32_t half_of(const struct flx_record *record)
{
	return (uint32_t)atomic_load(&record->word);
}

static void test_record_layout_is_whole_lines(void)
{
	static const struct {
		uint32_t key_size, context_size, image_offset, stride_bytes;
	} rows[] = {
		{4, 8, 24, 64},	   {4, 16, 24, 64},   {8, 16, 32, 64},	{12, 16, 32, 64},
		{16, 16, 40, 128}, {8, 64, 32, 192},  {1, 1, 24, 64},	{40, 4096, 64, 8256},
		{0, 24, 24, 128},  {13, 17, 40, 128}, {0, 20, 24, 128}, {5, 16, 32, 64},
	};
	struct flx_record_layout layout;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		flx_record_layout_init(&layout, rows[i].key_size, rows[i].context_size, 0, NULL);
		CU_ASSERT_EQUAL(layout.image_offset, rows[i].image_offset);
		CU_ASSERT_EQUAL(layout.stride_bytes, rows[i].stride_bytes);
		CU_ASSERT_EQUAL(layout.image_size % 8, 0);
		CU_ASSERT_TRUE(layout.image_size >= rows[i].context_size);
		CU_ASSERT_TRUE(layout.image_offset + 2 * layout.image_size <= layout.stride_bytes);
	}
}

/* Every size through fresh, commit, abort, commit and delete, with all around untouched. */
static void check_size(uint32_t size, void (*init)(void *context))
{
	uint8_t expected[FLX_RECORD_CONTEXT_MAX] = {init ? 0x5a : 0}, key[8] = "12345678";
	struct flx_record_layout layout;
	struct flx_record_copy copy;
	struct flx_record *record;
	uint8_t *context;

	flx_record_layout_init(&layout, sizeof(key), size, 0, init);
	record = make_record(&layout);
	CU_ASSERT_EQUAL(flx_record_verify(&layout, record), FLX_RECORD_FREE);
	flx_record_assign(&layout, record, 0xabcd, key);
	for (int abort = 0; abort < 3; abort++) {
		context = flx_record_open(&layout, record);
		CU_ASSERT_EQUAL(memcmp(context, expected, size), 0);
		CU_ASSERT_EQUAL((uintptr_t)context % 8, 0);
		memset(context, 0x77, size);
		CU_ASSERT_FALSE(flx_record_live(record));
		CU_ASSERT_FALSE(flx_record_read(&layout, record, &copy));
	}
	for (uint32_t commit = 1; commit < 6; commit++) {
		context = flx_record_open(&layout, record);
		CU_ASSERT_EQUAL(memcmp(context, expected, size), 0);
		memset(context, (int)commit, size);
		memset(expected, (int)commit, size);
		flx_record_commit(&layout, record, 1000 + commit);
		memset(flx_record_open(&layout, record), 0x99, size); /* aborted */
		CU_ASSERT_TRUE_FATAL(flx_record_read(&layout, record, &copy));
		CU_ASSERT_EQUAL(memcmp(copy.context, expected, size), 0);
		CU_ASSERT_EQUAL(memcmp(copy.key, key, sizeof(key)), 0);
		CU_ASSERT_EQUAL(copy.hash, 0xabcd);
		CU_ASSERT_EQUAL(copy.stamp, 1000 + commit);
		CU_ASSERT_EQUAL(copy.word, atomic_load(&record->word));
		CU_ASSERT_TRUE(flx_record_copy_sound(&layout, &copy));
		CU_ASSERT_EQUAL(flx_record_verify(&layout, record), FLX_RECORD_HELD);
	}
	flx_record_delete(record);
	CU_ASSERT_FALSE(flx_record_read(&layout, record, &copy));
	CU_ASSERT_EQUAL(flx_record_verify(&layout, record), FLX_RECORD_FREE);
	memset(expected, 0, size);
	expected[0] = init ? 0x5a : 0;
	CU_ASSERT_EQUAL(memcmp(flx_record_open(&layout, record), expected, size), 0);
	CU_ASSERT_EQUAL(record->key[8], 0xee);
	CU_ASSERT_TRUE(layout.image_offset + 2 * layout.image_size == layout.stride_bytes ||
		       ((uint8_t *)record)[layout.stride_bytes - 1] == 0xee);
	free(record);
}

static void test_record_commit_keeps_abort_forgets_delete_ends(void)
{
	for (uint32_t size = 1; size <= FLX_RECORD_CONTEXT_MAX; size += size < 140 ? 1 : 61) {
		check_size(size, NULL);
		check_size(size, fill);
	}
	check_size(FLX_RECORD_CONTEXT_MAX, fill);
}

/* The image flips with each commit, the sequence rises by one each time, and wraps to 64. */
static void test_record_word_counts_and_wraps(void)
{
	static const uint32_t starts[] = {0, 256, 0x12345678, 0xfffffff0, 0xffffffff};
	struct flx_record_layout layout;
	struct flx_record *record;

	flx_record_layout_init(&layout, 4, 8, 0, NULL);
	record = make_record(&layout);
	flx_record_assign(&layout, record, 1, (const uint8_t *)"key");
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		uint32_t sequence = starts[i] >> 2;

		atomic_store(&record->word, starts[i] & ~2u);
		for (uint32_t step = 0; step < 20; step++) {
			uint32_t before = half_of(record);
			bool is_delete = step % 5 == 4;

			sequence = sequence + 1 < 1u << 30 ? sequence + 1 : 0;
			sequence = sequence < 64 ? sequence + 64 : sequence;
			if (is_delete) {
				flx_record_delete(record);
			} else {
				flx_record_open(&layout, record);
				flx_record_commit(&layout, record, step);
				CU_ASSERT_EQUAL(record->stamp[half_of(record) & 1], step);
			}
			CU_ASSERT_EQUAL(half_of(record) >> 2, sequence);
			CU_ASSERT_EQUAL(half_of(record) & FLX_RECORD_LIVE, is_delete ? 0 : 2);
			CU_ASSERT_EQUAL(half_of(record) & 1, (before ^ !is_delete) & 1);
			CU_ASSERT_EQUAL(flx_record_verify(&layout, record),
					is_delete ? FLX_RECORD_FREE : FLX_RECORD_HELD);
		}
	}
	free(record);
}

/* One byte of @record in turn, changed: all of [@begin, @end) must be @expected. */
static void check_bytes(const struct flx_record_layout *layout, struct flx_record *record,
			size_t begin, size_t end, enum flx_record_state expected)
{
	static const uint8_t changes[] = {1, 2, 3, 4, 0x10, 0x55, 0x80, 0xaa, 0xfe, 0xff};
	uint8_t *bytes = (uint8_t *)record;
	uint32_t wrong = 0;

	for (size_t at = begin; at < end; at++) {
		uint8_t was = bytes[at];

		for (size_t i = 0; i < sizeof(changes) + 2; i++) {
			bytes[at] = i < sizeof(changes)	   ? was ^ changes[i]
				    : i == sizeof(changes) ? 0
							   : 0xff;
			wrong += bytes[at] != was && flx_record_verify(layout, record) != expected;
		}
		bytes[at] = was;
	}
	CU_ASSERT_EQUAL(wrong, 0);
}

static void test_record_every_changed_byte_is_noticed(void)
{
	static const uint32_t sizes[] = {1, 8, 16, 24, 31, 32, 33, 40, 64, 100, 256, 4096};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct flx_record_layout layout;
		struct flx_record *record;

		flx_record_layout_init(&layout, 4, sizes[i], 0, NULL);
		record = make_record(&layout);
		flx_record_assign(&layout, record, 0x01020304, (const uint8_t *)"key");
		/* Both images and both stamps the same, first of zeroes, then of others. */
		for (uint32_t round = 0; round < 5; round++) {
			uint32_t image, spare;

			memset(flx_record_open(&layout, record), round < 2 ? 0 : 0x3c, sizes[i]);
			flx_record_commit(&layout, record, round < 2 ? 0 : 77);
			image = half_of(record) & 1;
			spare = !image;
			CU_ASSERT_EQUAL(flx_record_verify(&layout, record), FLX_RECORD_HELD);
			check_bytes(&layout, record, 0, 12, FLX_RECORD_DAMAGED);
			check_bytes(&layout, record, 12 + 4 * image, 16 + 4 * image,
				    FLX_RECORD_DAMAGED);
			check_bytes(&layout, record,
				    layout.image_offset + image * layout.image_size,
				    layout.image_offset + (image + 1) * layout.image_size,
				    FLX_RECORD_DAMAGED);
			/* What nobody reads harms nobody; the key is the hash's to tell. */
			check_bytes(&layout, record, 12 + 4 * spare, 16 + 4 * spare,
				    FLX_RECORD_HELD);
			check_bytes(&layout, record, 20, layout.image_offset, FLX_RECORD_HELD);
			check_bytes(&layout, record,
				    layout.image_offset + spare * layout.image_size,
				    layout.image_offset + (spare + 1) * layout.image_size,
				    FLX_RECORD_HELD);
		}
		flx_record_delete(record);
		check_bytes(&layout, record, 0, 8, FLX_RECORD_DAMAGED);
		check_bytes(&layout, record, 8, layout.stride_bytes, FLX_RECORD_FREE);
		free(record);
	}
}

/* A word that no commit has written: of sequences that are never used, or without a check. */
static void test_record_words_that_never_were_are_damaged(void)
{
	static const uint64_t words[] = {1, 2, 3, 4, 255, 0x100, 0x102, 0x1ull << 32, UINT64_MAX};
	struct flx_record_layout layout;
	struct flx_record *record;

	flx_record_layout_init(&layout, 4, 8, 0, NULL);
	record = make_record(&layout);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		atomic_store(&record->word, words[i]);
		CU_ASSERT_EQUAL(flx_record_verify(&layout, record), FLX_RECORD_DAMAGED);
	}
	/* Small sequences are refused even when the check is right. */
	for (uint32_t half = 4; half < FLX_RECORD_FIRST; half += 4) {
		uint64_t sum =
			flx_record_sum(flx_record_image(&layout, record, half | 2),
				       layout.image_size, record->hash, record->stamp[0], half | 2);

		atomic_store(&record->word, sum << 32 | half | 2);
		CU_ASSERT_EQUAL(flx_record_verify(&layout, record), FLX_RECORD_DAMAGED);
		atomic_store(&record->word, (uint64_t)flx_record_dead_sum(half) << 32 | half);
		CU_ASSERT_EQUAL(flx_record_verify(&layout, record), FLX_RECORD_DAMAGED);
	}
	free(record);
}

static void test_record_expires_on_its_tick(void)
{
	static const struct {
		uint64_t ttl_ms;
		uint32_t stamp, now;
		bool over;
	} rows[] = {
		{0, 0, INT32_MAX, false},
		{1000, 100, 100, false},
		{1000, 100, 164, false},
		{1000, 100, 165, true},
		{1000, 100, 99, false},
		{1000, 100, 0, false},
		{1000, 0xffffffff, 63, false},
		{1000, 0xffffffff, 64, true},
		{1000, 0xffffffc0, 0, false},
		{1000, 0xffffffbf, 0, true},
		{1000, 5, 0xfffffff0, false}, /* ahead, across the wrap */
		{1, 10, 11, false},
		{1, 10, 12, true},
		{UINT64_MAX, 0, FLX_CLOCK_TTL_MAX_S * FLX_TICKS_PER_SECOND, false},
		{UINT64_MAX, 0, FLX_CLOCK_TTL_MAX_S * FLX_TICKS_PER_SECOND + 1, true},
		{UINT64_MAX, 0, INT32_MAX, true},
	};
	struct flx_record_layout layout;
	struct flx_record *record;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		flx_record_layout_init(&layout, 4, 8, rows[i].ttl_ms, NULL);
		record = make_record(&layout);
		CU_ASSERT_EQUAL(flx_record_over(&layout, rows[i].stamp, rows[i].now), rows[i].over);
		for (uint32_t image = 0; image < 2; image++) {
			flx_record_open(&layout, record);
			flx_record_commit(&layout, record, rows[i].stamp);
			CU_ASSERT_EQUAL(flx_record_expired(&layout, record, rows[i].now),
					rows[i].over);
		}
		flx_record_delete(record);
		CU_ASSERT_FALSE(flx_record_expired(&layout, record, rows[i].now));
		free(record);
	}
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_record_layout_is_whole_lines),
		FLX_TEST(test_record_commit_keeps_abort_forgets_delete_ends),
		FLX_TEST(test_record_word_counts_and_wraps),
		FLX_TEST(test_record_every_changed_byte_is_noticed),
		FLX_TEST(test_record_words_that_never_were_are_damaged),
		FLX_TEST(test_record_expires_on_its_tick),
		{0},
	};

	return flx_test_main("record", tests);
}
