/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What flxperf's words mean, and that wrong ones are refused by name.
 */
#include "perf/arguments.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "perf/figure.h"
#include "tests/test.h"

#define WORDS_MAX 20

static int run_nothing(const struct flx_perf *perf)
{
	(void)perf;
	return 0;
}

/* In place of flxperf's own. */
const struct flx_perf_scenario flx_perf_scenarios[] = {
	{"hop", "", run_nothing, FLX_USES_DURATION, 2.5},
	{"echo", "", run_nothing, UINT32_MAX, 1},
	{"plain", "", run_nothing, 0, 0},
	{0},
};

static char said[512];

void __wrap_flx_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void __wrap_flx_error(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(said, sizeof(said), format, list);
	va_end(list);
}

/* Parses the words of @line, which end at blanks, or in quotes at quotes. */
static int parse(struct flx_arguments *arguments, const char *line)
{
	static char copy[512];
	char *argv[WORDS_MAX + 1] = {"flxperf"}, *at = copy;
	int argc = 1;

	said[0] = '\0';
	snprintf(copy, sizeof(copy), "%s", line);
	while (*at && argc < WORDS_MAX) {
		const char *end = *at == '\'' ? "'" : " ";

		at += *at == '\'';
		argv[argc++] = at;
		at += strcspn(at, end);
		if (*at)
			*at++ = '\0';
		while (*at == ' ')
			at++;
	}
	return flx_arguments_parse(arguments, argc, argv);
}

static void test_arguments_have_defaults(void)
{
	struct flx_arguments got;

	CU_ASSERT_EQUAL_FATAL(parse(&got, "hop"), 0);
	CU_ASSERT_STRING_EQUAL(got.scenario->name, "hop");
	CU_ASSERT_PTR_NULL(got.perf.only);
	CU_ASSERT_EQUAL(got.perf.repeat, 5);
	CU_ASSERT_EQUAL(got.perf.size, 64);
	CU_ASSERT_EQUAL(got.perf.seed, 1);
	CU_ASSERT_EQUAL(got.perf.rate, 0);
	CU_ASSERT_EQUAL(got.perf.duration_s, 2.5);
	CU_ASSERT_FALSE(got.perf.dev);
	CU_ASSERT_FALSE(got.check);
	CU_ASSERT_PTR_NULL(got.json);
}

static void test_arguments_are_taken(void)
{
	struct flx_arguments got;

	CU_ASSERT_EQUAL_FATAL(
		parse(&got, "--size imix --flows 4096 --keys 1024 --zipf 0.99 --rate 1.5M echo.ring"),
		0);
	CU_ASSERT_STRING_EQUAL(got.perf.only, "echo.ring");
	CU_ASSERT_EQUAL(got.perf.size, FLX_SIZE_IMIX);
	CU_ASSERT_EQUAL(got.perf.flows, 4096);
	CU_ASSERT_EQUAL(got.perf.keys, 1024);
	CU_ASSERT_EQUAL(got.perf.zipf, 0.99);
	CU_ASSERT_EQUAL(got.perf.rate, 1500000);
	CU_ASSERT_EQUAL_FATAL(
		parse(&got, "echo --port pci:0000:81:00.0 --to 198.18.0.1:7000 --ip 198.18.0.2/15 "
			    "--workers 3 --rate max --dev"),
		0);
	CU_ASSERT_STRING_EQUAL(got.perf.port, "pci:0000:81:00.0");
	CU_ASSERT_STRING_EQUAL(got.perf.to, "198.18.0.1:7000");
	CU_ASSERT_STRING_EQUAL(got.perf.ip, "198.18.0.2/15");
	CU_ASSERT_EQUAL(got.perf.workers, 3);
	CU_ASSERT_EQUAL(got.perf.rate, 0);
	CU_ASSERT(got.perf.dev);
	CU_ASSERT_EQUAL_FATAL(
		parse(&got, "hop --duration 0.5 --repeat 7 --json a --csv b --svg c --check "
			    "--assert 'a.b <= 2 * c'"),
		0);
	CU_ASSERT_EQUAL(got.perf.duration_s, 0.5);
	CU_ASSERT_EQUAL(got.perf.repeat, 7);
	CU_ASSERT_STRING_EQUAL(got.json, "a");
	CU_ASSERT_STRING_EQUAL(got.csv, "b");
	CU_ASSERT_STRING_EQUAL(got.perf.svg, "c");
	CU_ASSERT(got.check);
	CU_ASSERT_EQUAL_FATAL(got.claim_count, 1);
	CU_ASSERT_STRING_EQUAL(got.claim[0], "a.b <= 2 * c");
	CU_ASSERT_EQUAL_FATAL(parse(&got, "compare a.json b.json"), 0);
	CU_ASSERT_STRING_EQUAL(got.compare[0], "a.json");
	CU_ASSERT_STRING_EQUAL(got.compare[1], "b.json");
	CU_ASSERT_EQUAL_FATAL(parse(&got, "--help"), 0);
	CU_ASSERT(got.help);
}

/* Each is refused by one error, which names the second. */
static const struct {
	const char *line, *named;
} bad[] = {
	{"", "which scenario"},
	{"walk", "'walk'"},
	{"hopp", "'hopp'"},
	{"hop echo", "'echo'"},
	{"compare", "two files"},
	{"compare a", "two files"},
	{"compare a b c", "two files"},
	{"compare a b --duration 2", "--duration"},
	{"compare a b --check", "--check"},
	{"compare a b --json x", "--json"},
	{"echo --port ring", "--to"},
	{"echo --to 198.18.0.1:7", "--port"},
	{"echo --ip 198.18.0.1/24", "--ip"},
	{"echo --flows 100", "--flows 100"},
	{"echo --flows 12 --keys 8", "--flows 12"},
	{"hop --no-such", "--no-such"},
	{"hop --repeat", "--repeat"},
	{"hop --repeat 0", "--repeat 0"},
	{"hop --repeat 65", "--repeat 65"},
	{"hop --repeat 2.5", "whole"},
	{"hop --repeat x", "--repeat x"},
	{"hop --duration 0", "--duration 0"},
	{"hop --duration nan", "--duration nan"},
	{"hop --duration 3601", "--duration 3601"},
	{"hop --rate 5", "--rate means nothing to hop"},
	{"hop --port ring", "--port means nothing to hop"},
	{"hop --keys 8", "--keys means nothing to hop"},
	{"hop --hlog x", "--hlog means nothing to hop"},
	{"plain --duration 1", "--duration means nothing to plain"},
	{"echo --size 63", "--size 63"},
	{"echo --size 1519", "--size 1519"},
	{"echo --size big", "--size big"},
	{"echo --keys 1000", "power of two"},
	{"echo --keys 0", "--keys 0"},
	{"echo --flows -1", "--flows -1"},
	{"echo --zipf 11", "--zipf 11"},
	{"echo --rate 0", "--rate 0"},
	{"echo --rate 1G", "--rate 1G"},
	{"echo --workers 0", "--workers 0"},
	{"echo --seed -1", "--seed -1"},
	{"hop --assert 'hop <= '", "--assert 'hop <= '"},
	{"hop --assert 5", "--assert '5'"},
};

static void test_arguments_that_are_wrong_are_refused(void)
{
	struct flx_arguments got;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int error = parse(&got, bad[i].line);

		CU_ASSERT_EQUAL(error, -EINVAL);
		CU_ASSERT_PTR_NOT_NULL(strstr(said, bad[i].named));
		if (error != -EINVAL || !strstr(said, bad[i].named))
			printf("\n    '%s': %d, '%s'", bad[i].line, error, said);
	}
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_arguments_have_defaults),
		FLX_TEST(test_arguments_are_taken),
		FLX_TEST(test_arguments_that_are_wrong_are_refused),
		{0},
	};

	return flx_test_main("arguments", tests);
}
