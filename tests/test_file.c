/* SPDX-License-Identifier: BSD-3-Clause */
#include "context-store/file.h"

#include <errno.h>
#include <fcntl.h>

#include "tests/capture.h"
#include "tests/scratch.h"
#include "tests/test.h"

#define ALIGN	   FLX_ARENA_PAGE
#define TYPES	   2
#define SIZE_BYTES (3 * ALIGN)
#define USED_BYTES (FLX_FILE_STATE_OFFSET + sizeof(struct flx_file_state))
#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

static struct flx_scratch scratch;
static struct flx_file_dir dir;

static struct flx_file_header good_header(void)
{
	return (struct flx_file_header){
		.type_count = TYPES,
		.size_bytes = SIZE_BYTES,
		.seed = {1, 2},
		.id = 3,
		.generation = 4,
		.node_count = 1,
		.type = {{"flow", 1, 8, 64, 192, 0, 1000, ALIGN},
			 {"user", 2, 4, 8, 64, 0, 32768, 2 * ALIGN}},
	};
}

static void set_up(void)
{
	flx_scratch_init(&scratch);
	dir = (struct flx_file_dir){
		.fd = open(scratch.path, O_RDONLY | O_DIRECTORY),
		.page_bytes = 4096,
		.layout = 42,
	};
	snprintf(dir.path, sizeof(dir.path), "%s", scratch.path);
	CU_ASSERT_FATAL(dir.fd >= 0);
}

static void tear_down(void)
{
	close(dir.fd);
	flx_scratch_fini(&scratch);
}

static void make(const char *name, const struct flx_file_header *header)
{
	struct flx_file file;

	CU_ASSERT_EQUAL_FATAL(flx_file_make(&file, &dir, name, header), 0);
	flx_file_close(&file);
}

/* Opens what must be refused, with @text in the one error, and unchanged. */
static void refused(const char *name, const char *text)
{
	uint64_t sum = flx_scratch_sum(&scratch, ".");
	struct flx_capture capture;
	struct flx_file file;
	const char *said;
	int error;

	flx_capture_start(&capture);
	error = flx_file_open(&file, &dir, name);
	said = flx_capture_stop(&capture);
	CU_ASSERT_EQUAL(error, -EINVAL);
	CU_ASSERT_EQUAL(file.fd, -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, text));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, name));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "; ")); /* a remedy */
	CU_ASSERT_PTR_EQUAL(strchr(said, '\n'), strrchr(said, '\n'));
	CU_ASSERT_EQUAL(flx_scratch_sum(&scratch, "."), sum);
	if (!strstr(said, text))
		printf("\n  wanted: %s\n  got: %s", text, said);
}

static void test_file_comes_back_as_it_was_made(void)
{
	struct flx_file_header header = good_header(), peeked;
	struct flx_file file;
	uint32_t value;

	set_up();
	CU_ASSERT_EQUAL(flx_file_open(&file, &dir, "node0"), -ENOENT);
	CU_ASSERT_FALSE(flx_file_peek(&dir, "node0", &peeked));
	CU_ASSERT_EQUAL_FATAL(flx_file_make(&file, &dir, "node0", &header), 0);
	for (uint32_t i = 0; i < TYPES; i++)
		for (uint32_t k = 0; k < FLX_FILE_TYPE_WORDS; k++) {
			CU_ASSERT_TRUE(flx_file_get(&file, i, k, &value) && value == 0);
			flx_file_set(&file, i, k, 7 + k);
		}
	flx_file_clock_set(&file, FLX_FILE_WALL, UINT32_MAX);
	flx_file_close(&file);

	for (int read_only = 0; read_only < 2; read_only++) {
		dir.read_only = read_only;
		CU_ASSERT_EQUAL_FATAL(flx_file_open(&file, &dir, "node0"), 0);
		CU_ASSERT_EQUAL(memcmp(file.header->seed, header.seed, sizeof(header.seed)), 0);
		CU_ASSERT_EQUAL(memcmp(file.header->type, header.type, sizeof(header.type)), 0);
		CU_ASSERT_EQUAL(file.header->id, 3);
		CU_ASSERT_EQUAL(file.header->generation, 4);
		for (uint32_t i = 0; i < TYPES; i++)
			for (uint32_t k = 0; k < FLX_FILE_TYPE_WORDS; k++)
				CU_ASSERT_TRUE(flx_file_get(&file, i, k, &value) && value == 7 + k);
		CU_ASSERT_TRUE(flx_file_clock_get(&file, FLX_FILE_TICK, &value) && value == 0);
		CU_ASSERT_TRUE(flx_file_clock_get(&file, FLX_FILE_WALL, &value) &&
			       value == UINT32_MAX);
		flx_file_close(&file);
	}
	CU_ASSERT_TRUE(flx_file_peek(&dir, "node0", &peeked) && peeked.generation == 4);
	tear_down();
}

/* Whatever the steps, pages are told once each, and all that the records touch. */
static void test_file_parts_join_without_gap_or_overlap(void)
{
	static const uint32_t steps[] = {1, 20, 21, 22, 63, 64, 500, 999, 1000};
	struct flx_file_header header = good_header();
	struct flx_file_part part;
	uint64_t end = 0;
	uint32_t from = 0;
	struct flx_file file;

	set_up();
	header.type[0].first = 32768;
	CU_ASSERT_EQUAL_FATAL(flx_file_make(&file, &dir, "node0", &header), 0);
	for (size_t i = 0; i < ROWS(steps); i++) {
		part = flx_file_part(&file, 0, from, steps[i]);
		CU_ASSERT_EQUAL(part.arena_offset, 32768ull * 192 + end);
		CU_ASSERT_EQUAL(part.file_offset, ALIGN + end);
		CU_ASSERT_EQUAL(part.size_bytes % 4096, 0);
		end += part.size_bytes;
		CU_ASSERT_TRUE(end >= steps[i] * 192ull && end < steps[i] * 192ull + 4096);
		from = steps[i];
	}
	flx_file_close(&file);
	tear_down();
}

static void patch(const char *name, off_t at, const void *bytes, size_t size)
{
	int fd = openat(dir.fd, name, O_WRONLY);

	CU_ASSERT_EQUAL(pwrite(fd, bytes, size, at), (ssize_t)size);
	close(fd);
}

static void test_file_of_another_kind_is_refused(void)
{
	static const uint32_t newer = FLX_FILE_FORMAT + 1, older = FLX_FILE_FORMAT - 1;
	static const uint32_t ours = FLX_FILE_FORMAT;
	struct flx_file_header header = good_header();

	set_up();
	make("node0", &header);
	patch("node0", 0, "x", 1);
	refused("node0", "not a file of a store (no FLXSTORE");
	patch("node0", 0, "F", 1);
	patch("node0", 8, &newer, sizeof(newer));
	refused("node0", "format 2, newer than format 1 of this flx");
	patch("node0", 8, &older, sizeof(older));
	refused("node0", "format 0, older than format 1 of this flx");
	patch("node0", 8, &ours, sizeof(ours));
	patch("node0", 100, "x", 1);
	refused("node0", "the header is damaged (checksum)");
	CU_ASSERT_EQUAL(flx_scratch_run(&scratch, "rm node0"), 0);
	make("node0", &header);
	dir.layout++;
	refused("node0", "is not that of this flx");
	dir.layout--;
	dir.page_bytes = ALIGN;
	refused("node0", "made on pages of 4096 bytes, found on pages of 2097152");
	tear_down();
}

static void test_file_that_is_no_file_is_refused(void)
{
	set_up();
	CU_ASSERT_EQUAL(flx_scratch_run(&scratch, "mkfifo pipe && mkdir directory"), 0);
	refused("pipe", "not a regular file");
	dir.read_only = true;
	refused("pipe", "not a regular file");
	refused("directory", "not a regular file");
	tear_down();
}

static void test_file_of_other_length_is_refused(void)
{
	static const uint64_t short_bytes[] = {0,    1,	    7,	   8,	  4095,
					       4096, 16472, 32768, 32800, USED_BYTES - 1};
	struct flx_file_header header = good_header();
	int fd;

	set_up();
	make("node0", &header);
	fd = openat(dir.fd, "node0", O_RDWR);
	CU_ASSERT_EQUAL(ftruncate(fd, SIZE_BYTES + 1), 0);
	refused("node0", "extended: 6291457 bytes, made with 6291456");
	for (uint64_t size = USED_BYTES; size < SIZE_BYTES; size += 999983) {
		CU_ASSERT_EQUAL(ftruncate(fd, (off_t)size), 0);
		refused("node0", "truncated: ");
	}
	for (size_t i = ROWS(short_bytes); i-- > 0;) {
		CU_ASSERT_EQUAL(ftruncate(fd, (off_t)short_bytes[i]), 0);
		refused("node0", "the header alone has");
	}
	close(fd);
	tear_down();
}

/* Checksummed, and wrong all the same: made by a program with a bug, or by hand. */
static void test_file_with_impossible_extents_is_refused(void)
{
	static const struct {
		struct flx_file_type type;	       /* the second one */
		uint32_t node, node_count, type_count; /* rows 11 to 13: these are wrong */
	} rows[] = {
		{{"user", 2, 4, 8, 64, 0, 32769, 2 * ALIGN}, 0, 1, 2},	  /* too long */
		{{"user", 2, 4, 8, 64, 0, 1, 2 * ALIGN + 4096}, 0, 1, 2}, /* not aligned */
		{{"user", 2, 4, 8, 64, 0, 1, ALIGN}, 0, 1, 2},		  /* in another one */
		{{"user", 2, 4, 8, 64, 0, 1, 0}, 0, 1, 2},		  /* in the header */
		{{"user", 2, 4, 8, 64, 0, 1, 4 * ALIGN}, 0, 1, 2},	  /* behind the end */
		{{"user", 2, 4, 8, 64, 0, 1, UINT64_MAX - ALIGN + 1}, 0, 1, 2},
		{{"user", 2, 4, 8, 64, 64, 1, 2 * ALIGN}, 0, 1, 2}, /* numbers off a page */
		{{"user", 2, 4, 8, 64, UINT32_MAX - 32767, 32768, 2 * ALIGN}, 0, 1, 2},
		{{"user", 2, 4, 8, 0, 0, 1, 2 * ALIGN}, 0, 1, 2},
		{{"user", 2, 4, 8, 65, 0, 1, 2 * ALIGN}, 0, 1, 2},
		{{"user", 2, 4, 8, UINT32_MAX - 63, 0, UINT32_MAX - 1, 2 * ALIGN}, 0, 1, 2},
		{{"user", 2, 4, 8, 64, 0, 1, 2 * ALIGN}, 1, 1, 2},
		{{"user", 2, 4, 8, 64, 0, 1, 2 * ALIGN}, 0, 0, 2},
		{{"user", 2, 4, 8, 64, 0, 1, 2 * ALIGN}, 8, FLX_FILE_NODES_MAX + 1, 2},
		{{"user", 2, 4, 8, 64, 0, 1, 2 * ALIGN}, 0, 1, 3}, /* a type without a size */
	};

	set_up();
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct flx_file_header header = good_header();

		header.type[1] = rows[i].type;
		header.node = rows[i].node;
		header.node_count = rows[i].node_count;
		header.type_count = rows[i].type_count;
		make("node0", &header);
		refused("node0", i >= 11 && i <= 13 ? "cannot be" : "the extent of");
		CU_ASSERT_EQUAL(flx_scratch_run(&scratch, "rm node0"), 0);
	}
	tear_down();
}

static void test_file_with_more_types_than_there_are_is_refused(void)
{
	static struct flx_capture capture;
	struct flx_file_header header = good_header();
	struct flx_file file;

	set_up();
	make("node0", &header);
	/* Not by make, which sets the words of as many. */
	header.type_count = FLX_FILE_TYPES_MAX + 1;
	patch("node0", offsetof(struct flx_file_header, type_count), &header.type_count, 4);
	flx_capture_start(&capture);
	CU_ASSERT_EQUAL(flx_file_open(&file, &dir, "node0"), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(flx_capture_stop(&capture), "damaged"));
	tear_down();
}

static void test_file_with_impossible_words_is_refused(void)
{
	static const struct {
		uint32_t bump, ready;
		const char *text;
	} rows[] = {
		{0, 1001, "the word ready of type flow is 1001, its limit 1000"},
		{6, 5, "the word bump of type flow is 6, ready 5"},
		{UINT32_MAX, 1000, "the word bump of type flow is 4294967295, ready 1000"},
	};
	struct flx_file_header header = good_header();
	uint64_t word[FLX_FILE_TYPE_WORDS];
	struct flx_file file;

	set_up();
	for (size_t i = 0; i < ROWS(rows); i++) {
		CU_ASSERT_EQUAL_FATAL(flx_file_make(&file, &dir, "node0", &header), 0);
		flx_file_set(&file, 0, FLX_FILE_BUMP, rows[i].bump);
		flx_file_set(&file, 0, FLX_FILE_READY, rows[i].ready);
		flx_file_close(&file);
		refused("node0", rows[i].text);
		CU_ASSERT_EQUAL(flx_scratch_run(&scratch, "rm node0"), 0);
	}
	/* A word in another's place. */
	CU_ASSERT_EQUAL_FATAL(flx_file_make(&file, &dir, "node0", &header), 0);
	memcpy(word, (const void *)file.state->type[0].word, sizeof(word));
	memcpy((void *)file.state->type[1].word, word, sizeof(word));
	flx_file_close(&file);
	refused("node0", "the word bump of type user is damaged");
	tear_down();
}

static uint8_t *bytes;
static int flipped;

/* Flips bits of byte @at, in the file; true: an error, and no more than that. */
static bool flip_is_noticed(size_t at, uint8_t mask)
{
	struct flx_file file;
	uint8_t changed = bytes[at] ^ mask;
	bool noticed;

	noticed = pwrite(flipped, &changed, 1, (off_t)at) == 1 &&
		  flx_file_open(&file, &dir, "node0") == -EINVAL;
	return pwrite(flipped, &bytes[at], 1, (off_t)at) == 1 && noticed;
}

static uint32_t unnoticed(size_t from, size_t to)
{
	uint32_t count = 0;

	for (size_t at = from; at < to; at++) {
		count += !flip_is_noticed(at, (uint8_t)(1u << at % 8));
		count += !flip_is_noticed(at, 0xff);
	}
	return count;
}

/* How many of the words that are about time are damaged. */
static uint32_t damaged_times(const struct flx_file *file)
{
	uint32_t count = 0, value;

	for (uint32_t i = 0; i < FLX_FILE_CLOCKS; i++)
		count += !flx_file_clock_get(file, i, &value);
	for (uint32_t i = 0; i < TYPES; i++)
		count += !flx_file_get(file, i, FLX_FILE_TTL, &value);
	return count;
}

/* The word at @from: whichever byte of it is flipped, the file opens, and the word is damaged. */
static uint32_t untold(size_t from)
{
	uint32_t count = 0;

	for (size_t at = from; at < from + sizeof(uint64_t); at++) {
		uint8_t changed = bytes[at] ^ (uint8_t)(1u << at % 8);
		struct flx_file file;

		CU_ASSERT_EQUAL(pwrite(flipped, &changed, 1, (off_t)at), 1);
		CU_ASSERT_EQUAL_FATAL(flx_file_open(&file, &dir, "node0"), 0);
		count += damaged_times(&file) != 1;
		flx_file_close(&file);
		CU_ASSERT_EQUAL(pwrite(flipped, &bytes[at], 1, (off_t)at), 1);
	}
	return count;
}

/* Or, where it is only about time, told to who asks for it. */
static void test_file_with_any_byte_flipped_is_refused(void)
{
	struct flx_file_header header = good_header();
	struct flx_capture capture;
	struct flx_file file;
	uint32_t count = 0;

	set_up();
	make("node0", &header);
	bytes = malloc(USED_BYTES);
	flipped = openat(dir.fd, "node0", O_RDWR);
	CU_ASSERT_EQUAL_FATAL(pread(flipped, bytes, USED_BYTES, 0), USED_BYTES);
	flx_capture_start(&capture);
	count += unnoticed(0, sizeof(struct flx_file_header));
	for (size_t i = 0; i < FLX_FILE_CLOCKS; i++)
		count += untold(FLX_FILE_STATE_OFFSET + i * sizeof(uint64_t));
	for (size_t i = 0; i < TYPES; i++) {
		size_t at = FLX_FILE_STATE_OFFSET + offsetof(struct flx_file_state, type) +
			    i * sizeof(((struct flx_file_state *)0)->type[0]);

		count += unnoticed(at, at + FLX_FILE_TTL * sizeof(uint64_t));
		count += untold(at + FLX_FILE_TTL * sizeof(uint64_t));
	}
	flx_capture_stop(&capture);
	CU_ASSERT_EQUAL(count, 0);
	CU_ASSERT_EQUAL(flx_file_open(&file, &dir, "node0"), 0);
	flx_file_close(&file);
	close(flipped);
	free(bytes);
	tear_down();
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_file_comes_back_as_it_was_made),
		FLX_TEST(test_file_parts_join_without_gap_or_overlap),
		FLX_TEST(test_file_of_another_kind_is_refused),
		FLX_TEST(test_file_that_is_no_file_is_refused),
		FLX_TEST(test_file_of_other_length_is_refused),
		FLX_TEST(test_file_with_impossible_extents_is_refused),
		FLX_TEST(test_file_with_more_types_than_there_are_is_refused),
		FLX_TEST(test_file_with_impossible_words_is_refused),
		FLX_TEST(test_file_with_any_byte_flipped_is_refused),
		{0},
	};

	return flx_test_main("file", tests);
}
