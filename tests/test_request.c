/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "apps/request.h"
#include "tests/random.h"
#include "tests/test.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct flx_request request;

/* The line in a piece of memory of just its size, where sanitizers see a byte too many. */
static const char *parse(const char *line, size_t size)
{
	char *exact = malloc(size ? size : 1);
	const char *why;

	memcpy(exact, line, size);
	why = flx_request_parse(&request, exact, size);
	free(exact);
	return why;
}

static void test_request_is_words_between_blanks(void)
{
	static const struct {
		const char *line;
		const char *words[5];
	} rows[] = {
		{"show", {"show"}},
		{"  ctx   list  ", {"ctx", "list"}},
		{"a b c d", {"a", "b", "c", "d"}},
		{"a%20b %25", {"a b", "%"}},
		{"m%c3%bcller", {"m\xc3\xbcller"}},
		{"--limit=5 ~!\"", {"--limit=5", "~!\""}},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		uint32_t count = 0;

		CU_ASSERT_PTR_NULL_FATAL(parse(rows[i].line, strlen(rows[i].line)));
		for (; rows[i].words[count]; count++)
			CU_ASSERT_STRING_EQUAL(request.word[count], rows[i].words[count]);
		CU_ASSERT_EQUAL(request.count, count);
		CU_ASSERT_PTR_NULL(request.word[count]);
	}
}

static void test_request_says_why_a_line_is_refused(void)
{
	static const struct {
		const char *line;
		size_t size;
		const char *why;
	} rows[] = {
#define ROW(line, why) {line, sizeof(line) - 1, why}
		ROW("", "empty"),
		ROW("   ", "empty"),
		ROW("show\r", "a byte that is not printable ASCII"),
		ROW("a\tb", "a byte that is not printable ASCII"),
		ROW("a\0b", "a byte that is not printable ASCII"),
		ROW("\x7f", "a byte that is not printable ASCII"),
		ROW("m\xc3\xbcller", "a byte that is not printable ASCII"),
		ROW("a %", "a % without two hexadecimal digits; write % itself as %25"),
		ROW("a %4", "a % without two hexadecimal digits; write % itself as %25"),
		ROW("a %4 b", "a % without two hexadecimal digits; write % itself as %25"),
		ROW("a %0x", "a % without two hexadecimal digits; write % itself as %25"),
		ROW("a%00b", "a word with a control character"),
		ROW("a%0ab", "a word with a control character"),
		ROW("%1b", "a word with a control character"),
		ROW("%7F", "a word with a control character"),
#undef ROW
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *why = parse(rows[i].line, rows[i].size);

		CU_ASSERT_PTR_NOT_NULL_FATAL(why);
		CU_ASSERT_STRING_EQUAL(why, rows[i].why);
	}
}

static void test_request_is_bounded(void)
{
	char line[FLX_REQUEST_MAX + 1];
	const char *why;

	memset(line, 'x', sizeof(line));
	CU_ASSERT_PTR_NULL(parse(line, FLX_REQUEST_MAX));
	CU_ASSERT_EQUAL(strlen(request.word[0]), FLX_REQUEST_MAX);
	why = parse(line, FLX_REQUEST_MAX + 1);
	CU_ASSERT(why && strcmp(why, "longer than 1,023 bytes") == 0);
	for (size_t at = 1; at < sizeof(line); at += 2)
		line[at] = ' ';
	CU_ASSERT_PTR_NULL(parse(line, 2 * FLX_REQUEST_WORDS_MAX));
	CU_ASSERT_EQUAL(request.count, FLX_REQUEST_WORDS_MAX);
	why = parse(line, 2 * FLX_REQUEST_WORDS_MAX + 1);
	CU_ASSERT(why && strcmp(why, "more than 64 words") == 0);
}

/* Any bytes: no crash, and what is taken is sound. */
static void test_request_takes_nothing_amiss(void)
{
	static const char bytes[] = "  %%%0123456789abfxyz\n\x7f\xc3";
	struct flx_random random = {.state = 1};

	for (uint32_t i = 0; i < 200000; i++) {
		char line[48];
		size_t size = flx_random_below(&random, sizeof(line));

		for (size_t at = 0; at < size; at++)
			line[at] = bytes[flx_random_below(&random, sizeof(bytes))];
		if (parse(line, size))
			continue;
		CU_ASSERT(request.count > 0 && request.count <= FLX_REQUEST_WORDS_MAX);
		for (uint32_t w = 0; w < request.count; w++) {
			CU_ASSERT_NOT_EQUAL(request.word[w][0], '\0');
			for (const char *at = request.word[w]; *at; at++)
				CU_ASSERT((unsigned char)*at >= ' ' && *at != 0x7f);
		}
	}
}

static void test_request_reads_what_it_has_written(void)
{
	static const char *const words[] = {"ctx", "get", "text:100%", "a b", "/home/m\xc3\xbc/x",
					    NULL};
	char line[FLX_REQUEST_MAX + 1];
	size_t size = flx_request_write(words, line);

	CU_ASSERT_FATAL(size > 0 && line[size - 1] == '\n');
	CU_ASSERT_PTR_NULL_FATAL(parse(line, size - 1));
	CU_ASSERT_EQUAL_FATAL(request.count, COUNT(words) - 1);
	for (uint32_t i = 0; words[i]; i++)
		CU_ASSERT_STRING_EQUAL(request.word[i], words[i]);
}

/* @a and @b as words in a line; its size, 0: refused. */
static size_t write_two(const char *a, const char *b)
{
	const char *const words[] = {a, b, NULL};
	char *line = malloc(FLX_REQUEST_MAX + 1);
	size_t size = flx_request_write(words, line);

	free(line);
	return size;
}

static void test_request_writes_only_what_can_be_read(void)
{
	char text[FLX_REQUEST_MAX + 2];
	const char *words[FLX_REQUEST_WORDS_MAX + 2] = {NULL};
	char line[FLX_REQUEST_MAX + 1];

	CU_ASSERT_EQUAL(write_two("a", "b\nc"), 0);
	CU_ASSERT_EQUAL(write_two("a\x7f", "b"), 0);
	CU_ASSERT_EQUAL(write_two("a", ""), 0);
	memset(text, 'x', sizeof(text));
	text[FLX_REQUEST_MAX] = '\0';
	CU_ASSERT_EQUAL(write_two(text, NULL), FLX_REQUEST_MAX + 1);
	CU_ASSERT_EQUAL(write_two(text, "b"), 0);
	CU_ASSERT_EQUAL(write_two(text + 2, "b"), FLX_REQUEST_MAX + 1);
	CU_ASSERT_EQUAL(write_two(text + 2, "bc"), 0);
	CU_ASSERT_EQUAL(write_two(text + 4, " "), FLX_REQUEST_MAX + 1);
	CU_ASSERT_EQUAL(write_two(text + 3, " "), 0);
	for (uint32_t i = 0; i <= FLX_REQUEST_WORDS_MAX; i++) {
		words[i] = "a";
		CU_ASSERT_EQUAL(flx_request_write(words, line) > 0, i < FLX_REQUEST_WORDS_MAX);
	}
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_request_is_words_between_blanks),
		FLX_TEST(test_request_says_why_a_line_is_refused),
		FLX_TEST(test_request_is_bounded),
		FLX_TEST(test_request_takes_nothing_amiss),
		FLX_TEST(test_request_reads_what_it_has_written),
		FLX_TEST(test_request_writes_only_what_can_be_read),
		{0},
	};

	return flx_test_main("request", tests);
}
