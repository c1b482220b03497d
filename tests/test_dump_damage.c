/* SPDX-License-Identifier: BSD-3-Clause */
#include <fcntl.h>
#include <unistd.h>

#include "context-store/dump_reader.h"
#include "tests/capture.h"
#include "tests/dumped.h"
#include "tests/random.h"
#include "tests/test.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct flx_capture capture;
static struct flx_dump_reader reader;

/* A small dump, and what each byte of it is for. */
static const struct flx_dumped small[] = {
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

	flx_dumped_make(small, COUNT(small), flx_dumped_path("small"));
	file = open(flx_dumped_path("small"), O_RDONLY);
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
		if (!flx_dumped_is_right(reader.type, &small[reader.type], reader.key,
					 reader.context, &number))
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
	struct expected expected = {.contexts = flx_dumped_sum(small, COUNT(small))};
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
	CU_ASSERT_EQUAL(read_all(), flx_dumped_sum(small, COUNT(small)));
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
	CU_ASSERT_EQUAL(read_all(), flx_dumped_sum(small, COUNT(small)));
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

/* Words of heads and headers that are anything, under checks that are right. */
static void test_dump_words_that_cannot_be_cost_what_they_say(void)
{
	static const uint32_t odd[] = {0, 1, 2, 3, 255, 65536, INT32_MAX, UINT32_MAX};
	static uint8_t block[FLX_DUMP_BLOCK];
	struct flx_random random = {4};
	uint32_t wrong = 0;

	load_pristine();
	for (uint32_t i = 0; i < 3000; i++) {
		uint32_t b = flx_random_below(&random, pristine.blocks);
		bool is_head = b == 0 || b == pristine.blocks - 1;
		uint32_t word = is_head ? flx_random_between(&random, 4, 13 + 3 * 16)
					: flx_random_between(&random, 1, 7);
		uint32_t value = odd[flx_random_below(&random, COUNT(odd))];
		off_t at = (off_t)b * FLX_DUMP_BLOCK;
		int64_t found;

		memcpy(block, pristine.bytes + at, sizeof(block));
		memcpy(block + (size_t)word * 4, &value, sizeof(value));
		if (is_head)
			((struct flx_dump_head *)(void *)block)->check = flx_dump_head_sum(block);
		else
			((struct flx_dump_block *)(void *)block)->check =
				flx_dump_block_sum((const void *)block);
		wrong += pwrite(pristine.file, block, sizeof(block), at) != sizeof(block);
		found = read_all();
		wrong += found < -1 || found > flx_dumped_sum(small, COUNT(small));
		wrong += pwrite(pristine.file, pristine.bytes + at, sizeof(block), at) !=
			 sizeof(block);
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_EQUAL(read_all(), flx_dumped_sum(small, COUNT(small)));
	close(pristine.file);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_dump_flipped_bytes_cost_what_they_hit),
		FLX_TEST(test_dump_cut_anywhere_gives_what_is_whole),
		FLX_TEST(test_dump_types_that_cannot_be_are_refused),
		FLX_TEST(test_dump_words_that_cannot_be_cost_what_they_say),
		{0},
	};

	return flx_dumped_main("dump_damage", tests);
}
