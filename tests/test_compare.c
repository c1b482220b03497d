/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/compare.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "tests/capture.h"
#include "tests/scratch.h"
#include "tests/test.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define HEAD "{\"flxperf\":1,\"scenario\":\"hop\",\"started\":\"2026-11-27T18:40:00Z\","
#define RESULT(name, runs)                                                                         \
	"{\"name\":\"" name "\",\"unit\":\"cycles/msg\",\"value\":0,\"runs\":[" runs "]}"
#define FILE_OF(results) HEAD "\"results\":[" results "]}"

#define STEADY "10.0,10.1,9.9,10.2,9.8"
#define SLOWER "11.0,11.1,10.9,11.2,10.8"
#define FASTER "9.0,9.1,8.9,9.2,8.8"
#define AGAIN  "10.1,9.9,10.0,9.7,10.3"
#define WILD   "8.0,13.0,10.0,9.0,15.0"

static struct flx_scratch scratch;
static struct flx_capture capture;
static char printed[8192];

static void write_file(const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", scratch.path, name);
	file = fopen(path, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs(text, file);
	fclose(file);
}

/* Compares two files with these contents (NULL: there is none); what was printed, or the error. */
static const char *compare(const char *a, const char *b, int *rc)
{
	FILE *out = fmemopen(printed, sizeof(printed), "w");
	char path[2][256];
	const char *said;

	printed[0] = '\0';
	flx_scratch_init(&scratch);
	if (a)
		write_file("a.json", a);
	if (b)
		write_file("b.json", b);
	snprintf(path[0], sizeof(path[0]), "%s/a.json", scratch.path);
	snprintf(path[1], sizeof(path[1]), "%s/b.json", scratch.path);
	flx_capture_start(&capture);
	*rc = flx_perf_compare(path[0], path[1], out);
	said = flx_capture_stop(&capture);
	fclose(out);
	flx_scratch_fini(&scratch);
	return *rc ? said : printed;
}

static const struct {
	const char *before, *after;
	const char *row, *verdict; /* both on one line */
} rows[] = {
	{STEADY, STEADY, "+0.00 %", "within noise"},
	{STEADY, SLOWER, "+10.00 %", "HIGHER"},
	{SLOWER, STEADY, "-9.09 %", "LOWER"},
	{STEADY, FASTER, "-10.00 %", "LOWER"},
	{STEADY, AGAIN, "", "within noise"},
	/* As far apart at the median, but with noise as wide. */
	{WILD, SLOWER, "+10.", "within noise"},
	{"10,10,10", "11,11,11,11,11", "+10.00 %", "no interval: 3 and 5 runs, 4 of each"},
	{"10", "11", "+10.00 %", "no interval: 1 and 1 runs"},
	{"-1,-1,0,-1", "3,3,3,3", "+4.00  ", "HIGHER; a difference"},
	{"0,0,0,0", "0,0,0,0", "+0.00  ", "within noise"},
};

static void test_compare_tells_a_change_from_noise(void)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		char before[512], after[512], *row;
		const char *text;
		int rc;

		snprintf(before, sizeof(before), FILE_OF(RESULT("hop.x", "%s")), rows[i].before);
		snprintf(after, sizeof(after), FILE_OF(RESULT("hop.x", "%s")), rows[i].after);
		text = compare(before, after, &rc);
		CU_ASSERT_EQUAL(rc, 0);
		row = strstr(text, "\nhop.x");
		CU_ASSERT_PTR_NOT_NULL_FATAL(row);
		row[1 + strcspn(row + 1, "\n")] = '\0';
		if (!strstr(row, rows[i].row) || !strstr(row, rows[i].verdict))
			printf("row %zu: %s\n", i, row);
		CU_ASSERT_PTR_NOT_NULL(strstr(row, rows[i].row));
		CU_ASSERT_PTR_NOT_NULL(strstr(row, rows[i].verdict));
	}
}

static void test_compare_lists_what_is_in_one_alone(void)
{
	int rc;
	const char *text = compare(FILE_OF(RESULT("x", STEADY) "," RESULT("old", STEADY)),
				   FILE_OF(RESULT("new", STEADY) "," RESULT("x", SLOWER)), &rc);

	CU_ASSERT_EQUAL(rc, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "a.json: old\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "b.json: new\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "1 higher, 0 lower, 0 within noise, 0 not to be told"));
}

static void test_compare_refuses_two_units(void)
{
	int rc;
	const char *text = compare(
		FILE_OF(RESULT("x", STEADY)),
		HEAD "\"results\":[{\"name\":\"x\",\"unit\":\"ns\",\"runs\":[" STEADY "]}]}", &rc);

	CU_ASSERT_EQUAL(rc, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "in cycles/msg, then in ns: not compared"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "0 higher, 0 lower, 0 within noise"));
}

#define ENVIRONMENT(cpu, commit, memory, flags)                                                    \
	HEAD "\"environment\":{\"cpu\":\"" cpu "\",\"commit\":\"" commit "\",\"memory\":\"" memory \
	     "\"},\"flags\":[" flags "],\"results\":[" RESULT("x", STEADY) "]}"

static void test_compare_warns_of_another_environment(void)
{
	int rc;
	const char *text =
		compare(ENVIRONMENT("Xeon", "1a2b", "hugepages", ""),
			ENVIRONMENT("EPYC", "", "ordinary", "\"DEV MODE\",\"SHORT\""), &rc);

	CU_ASSERT_EQUAL(rc, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "WARN cpu differs: Xeon, then EPYC\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "WARN commit differs: 1a2b, then unknown\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "WARN memory differs: hugepages, then ordinary\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "flags differs: none, then DEV MODE, SHORT\n"));
	text = compare(ENVIRONMENT("Xeon", "1a2b", "hugepages", "\"DEV MODE\""),
		       ENVIRONMENT("Xeon", "1a2b", "hugepages", "\"DEV MODE\""), &rc);
	CU_ASSERT_EQUAL(rc, 0);
	CU_ASSERT_PTR_NULL(strstr(text, "WARN"));
}

static const struct {
	const char *text; /* NULL: there is no file */
	int rc;
	const char *cause;
} broken[] = {
	{NULL, -ENOENT, "cannot be read: No such file"},
	{"", -EINVAL, "not JSON: line"},
	{"RESULT hop.x 9.8", -EINVAL, "not JSON: line"},
	{"{\"flxperf\":1,\n\"results\":[", -EINVAL, "not JSON: line 2"},
	{"[1]", -EINVAL, "not a file of flxperf"},
	{"{}", -EINVAL, "not a file of flxperf"},
	{"{\"flxperf\":\"1\"}", -EINVAL, "not a file of flxperf"},
	{"{\"flxperf\":2,\"results\":[]}", -EINVAL, "version 2"},
	{"{\"flxperf\":1}", -EINVAL, "no results"},
	{"{\"flxperf\":1,\"results\":{}}", -EINVAL, "no results"},
	{FILE_OF(""), -EINVAL, "no results"},
	{FILE_OF(RESULT("x", "")), -EINVAL, "result 0 has"},
	{FILE_OF(RESULT("x", "1") "," RESULT("", "1")), -EINVAL, "result 1 has"},
	{FILE_OF(RESULT("x", "1,\"2\"")), -EINVAL, "result 0 has"},
	{FILE_OF("7"), -EINVAL, "result 0 has"},
	{FILE_OF("{\"name\":\"x\",\"runs\":7}"), -EINVAL, "result 0 has"},
};

static void test_compare_refuses_what_is_not_ours(void)
{
	static const char good[] = FILE_OF(RESULT("x", STEADY));

	for (size_t i = 0; i < COUNT(broken); i++)
		for (int second = 0; second < 2; second++) {
			int rc;
			const char *said = second ? compare(good, broken[i].text, &rc)
						  : compare(broken[i].text, good, &rc);

			if (!strstr(said, broken[i].cause))
				printf("row %zu: %s\n", i, said);
			CU_ASSERT_EQUAL(rc, broken[i].rc);
			CU_ASSERT_PTR_NOT_NULL(strstr(said, broken[i].cause));
			CU_ASSERT_PTR_NOT_NULL(strstr(said, second ? "b.json: " : "a.json: "));
			/* One line. */
			CU_ASSERT_PTR_EQUAL(strchr(said, '\n'), said + strlen(said) - 1);
			CU_ASSERT_STRING_EQUAL(printed, "");
		}
}

/* Escape sequences, in C1 too, and a line's end, wherever they stand. */
#define EVIL "\\u001b[2J\\u009b\\n\\u007f"
#define TAME "?[2J????"

static const char evil[] =
	"{\"flxperf\":1,\"scenario\":\"" EVIL "\",\"started\":\"" EVIL
	"\",\"environment\":{\"cpu\":\"" EVIL "\"},\"flags\":[\"" EVIL
	"\"],\"results\":[{\"name\":\"" EVIL "\",\"unit\":\"" EVIL
	"\",\"runs\":[1]},{\"name\":\"x" EVIL "\",\"unit\":\"u" EVIL "\",\"runs\":[1]}]}";
static const char tame[] = FILE_OF("{\"name\":\"x" TAME "\",\"unit\":\"u\",\"runs\":[1]}");

/* Whether a terminal shows @text as it is. */
static bool is_printable(const char *text)
{
	while ((*text >= ' ' && *text <= '~') || *text == '\n')
		text++;
	return *text == '\0';
}

static void test_compare_prints_nothing_that_a_terminal_obeys(void)
{
	static const char *const files[][2] = {{evil, evil}, {evil, tame}, {tame, evil}};
	static const char *const texts[] = {"\x1b[2J", "{\x1b",
					    "{\"flxperf\":1,\"scenario\":\"\x9b",
					    "{\"\x1b[2J\":1 \x1b[2J}"};
	const char *text;
	int rc;

	for (size_t i = 0; i < COUNT(files); i++) {
		text = compare(files[i][0], files[i][1], &rc);
		CU_ASSERT_EQUAL(rc, 0);
		CU_ASSERT(is_printable(text));
		CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nx" TAME " "));
	}
	/* The heads differ, one has no flags, and what is in one alone is told. */
	text = compare(evil, tame, &rc);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "cpu differs: " TAME ", then unknown\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "flags differs: " TAME ", then none\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "a.json: " TAME "\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "is in u" TAME ", then in u: not compared\n"));
	for (size_t i = 0; i < COUNT(texts); i++) {
		text = compare(texts[i], evil, &rc);
		CU_ASSERT_EQUAL(rc, -EINVAL);
		CU_ASSERT(is_printable(text));
	}
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_compare_tells_a_change_from_noise),
		FLX_TEST(test_compare_lists_what_is_in_one_alone),
		FLX_TEST(test_compare_refuses_two_units),
		FLX_TEST(test_compare_warns_of_another_environment),
		FLX_TEST(test_compare_prints_nothing_that_a_terminal_obeys),
		FLX_TEST(test_compare_refuses_what_is_not_ours),
		{NULL, NULL},
	};

	return flx_test_main("compare", tests);
}
