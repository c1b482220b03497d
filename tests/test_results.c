/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Figures are kept whoever finds them and however that ends; what is judged, printed and written of them
 * is what was found.
 */
#include "perf/results.h"

#include <errno.h>
#include <jansson.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fabric/ledger.h"
#include "perf/figure.h"
#include "perf/preflight.h"
#include "tests/test.h"

static const struct flx_figure floor_ = {.name = "ring", .unit = "cycles", .what = "a floor"};
static const struct flx_figure hop = {
	.name = "hop", .unit = "cycles", .floor = "ring", .must = "<= 2 * ring", .target = "<= 5"};

static struct flx_preflight preflight;

static struct flx_results begin(void)
{
	static char *const command[] = {"flxperf", "hop", NULL};
	struct flx_results results = {.preflight = &preflight,
				      .scenario = "hop",
				      .command = command,
				      .started = "2026-11-27T18:40:00Z",
				      .seconds = 1.5};

	CU_ASSERT_EQUAL_FATAL(flx_figures_open(), 0);
	results.figures = flx_figures();
	return results;
}

/* Three runs each; @cycles: median of hop, whose floor is 4. */
static struct flx_results measure(double cycles)
{
	struct flx_results results = begin();

	for (int run = 0; run < 3; run++) {
		flx_figure_add(&floor_, 4);
		flx_figure_add(&hop, cycles + (run - 1) * 2);
	}
	return results;
}

static void test_figures_of_a_child_that_dies_are_kept(void)
{
	struct flx_results results = begin();
	const struct flx_found *found;
	pid_t child = fork();
	int status;

	if (child == 0) {
		flx_figure_add(&hop, 7);
		flx_figure_add(&hop, 5);
		abort();
	}
	CU_ASSERT_FATAL(waitpid(child, &status, 0) == child);
	CU_ASSERT(WIFSIGNALED(status));
	CU_ASSERT_EQUAL_FATAL(results.figures->count, 1);
	found = flx_figures_find("hop");
	CU_ASSERT_EQUAL_FATAL(found->samples.count, 2);
	CU_ASSERT_EQUAL(found->samples.value[0], 7);
	CU_ASSERT_EQUAL(found->samples.value[1], 5);
	CU_ASSERT_STRING_EQUAL(found->must, "<= 2 * ring");
}

/* What is asserted, and found, decides the exit status. */
static void test_results_are_judged(void)
{
	static const struct {
		double cycles;
		const char *claim;
		bool check, failed, interrupted, limited;
		int64_t unexplained;
		int status;
	} cases[] = {
		{.cycles = 8, .status = 0},
		{.cycles = 9, .status = 0},
		{.cycles = 8, .check = true, .status = 0},
		{.cycles = 9, .check = true, .status = 1},
		{.cycles = 8, .claim = "hop <= 8", .status = 0},
		{.cycles = 8, .claim = "hop < 8", .status = 1},
		{.cycles = 8, .claim = "nothing < 8", .status = 1},
		{.cycles = 8, .failed = true, .status = 1},
		{.cycles = 8, .limited = true, .status = 3},
		{.cycles = 9, .limited = true, .check = true, .status = 1},
		{.cycles = 8, .interrupted = true, .status = 130},
		{.cycles = 8, .unexplained = -1, .status = 1},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct flx_results results = measure(cases[i].cycles);
		struct flx_ledger ledger = {.unexplained = cases[i].unexplained};

		results.check = cases[i].check;
		results.failed = cases[i].failed;
		results.interrupted = cases[i].interrupted;
		if (cases[i].limited)
			flx_perf_flag(FLX_PERF_GENERATOR_LIMITED);
		if (cases[i].claim)
			results.assert_[results.assert_count++].claim = cases[i].claim;
		flx_account_add(&ledger);
		flx_results_judge(&results);
		CU_ASSERT_EQUAL(results.status, cases[i].status);
	}
}

/* What is no number is none of the runs, and fails the whole. */
static void test_results_of_what_is_no_number_fail(void)
{
	struct flx_results results = measure(8);

	flx_figure_add(&hop, 1 / 0.0);
	flx_figure_add(&hop, 0 / 0.0);
	CU_ASSERT_EQUAL(flx_figures_find("hop")->samples.count, 3);
	flx_results_judge(&results);
	CU_ASSERT_EQUAL(results.status, 1);
}

/* A bound whose other side is missing is neither held nor missed, and --check wants to know. */
static void test_results_that_are_not_known_are_not_missed(void)
{
	struct flx_results results = begin();
	char text[2048] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");

	flx_figure_add(&hop, 8);
	flx_results_judge(&results);
	CU_ASSERT_EQUAL(results.status, 0);
	flx_results_print(&results, out);
	fclose(out);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "must <= 2 * ring: not measured"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "0 of 0 bounds hold, 1 could not be measured"));
	results.check = true;
	flx_results_judge(&results);
	CU_ASSERT_EQUAL(results.status, 1);
}

/* A reason that is too long ends before a character, not inside of it. */
static void test_figure_skip_cuts_between_characters(void)
{
	char reason[200];
	size_t room = sizeof(((struct flx_found *)NULL)->skipped) - 1;

	begin();
	memset(reason, 'x', sizeof(reason));
	memcpy(&reason[room - 1], "\xc3\xa9", 2); /* half of it would fit */
	reason[sizeof(reason) - 1] = '\0';
	flx_figure_skip(&hop, reason);
	CU_ASSERT_EQUAL(strlen(flx_figures_find("hop")->skipped), room - 1);
}

static void test_results_are_printed_with_what_they_stand_beside(void)
{
	struct flx_results results = measure(9);
	char text[4096] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");

	flx_figure_skip(&(struct flx_figure){.name = "dsw"}, "not installed");
	flx_perf_flag(FLX_PERF_DEV_MODE);
	flx_account_add(&(struct flx_ledger){.received = 12, .delivered = 12});
	flx_results_judge(&results);
	flx_results_print(&results, out);
	fclose(out);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "9.00 [7.00 .. 11.00]"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "2.25 x ring  must <= 2 * ring: MISSED"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "skipped: not installed"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "received 12"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nunexplained 0\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "0 of 1 bounds hold"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "DEV MODE"));
}

static double number(const json_t *object, const char *name)
{
	return json_number_value(json_object_get(object, name));
}

static void expect_hop(const json_t *result)
{
	const json_t *must = json_object_get(result, "must");

	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(result, "name")), "hop");
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(result, "unit")), "cycles");
	CU_ASSERT_EQUAL(number(result, "value"), 9);
	CU_ASSERT_EQUAL(number(result, "least"), 7);
	CU_ASSERT_EQUAL(number(result, "most"), 11);
	CU_ASSERT_EQUAL(number(result, "ratio"), 2.25);
	CU_ASSERT_EQUAL(number(json_object_get(result, "floor"), "value"), 4);
	CU_ASSERT_EQUAL(json_array_size(json_object_get(result, "runs")), 3);
	CU_ASSERT_EQUAL(number(must, "limit"), 8);
	CU_ASSERT(json_is_false(json_object_get(must, "holds")));
}

static void expect_skipped(const json_t *skipped)
{
	const json_t *must = json_object_get(skipped, "must");

	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(skipped, "name")), "dsw");
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(skipped, "reason")),
			       "not installed");
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(must, "claim")), "<= 2 * none");
	CU_ASSERT_PTR_NULL(json_object_get(must, "limit"));
}

static void test_results_are_written_as_json(void)
{
	struct flx_results results = measure(9);
	char path[64];
	json_t *root;

	for (int s = 0; s < 2; s++)
		flx_second_add(&(struct flx_second){
			.name = "hop", .at_s = s + 1, .offered = 10, .answered = 9, .dropped = 1});
	flx_second_add(&(struct flx_second){.name = "hop", .run = 1, .at_s = 1});
	flx_figure_skip(&(struct flx_figure){.name = "dsw", .must = "<= 2 * none"},
			"not installed");
	flx_account_add(&(struct flx_ledger){.received = 12, .delivered = 12});
	flx_results_judge(&results);
	snprintf(path, sizeof(path), "/tmp/flx-results-%d", (int)getpid());
	CU_ASSERT_EQUAL_FATAL(flx_results_write_json(&results, path), 0);
	root = json_load_file(path, 0, NULL);
	unlink(path);
	CU_ASSERT_PTR_NOT_NULL_FATAL(root);
	CU_ASSERT_EQUAL(number(root, "flxperf"), 1);
	CU_ASSERT_EQUAL(json_array_size(json_object_get(root, "results")), 2);
	expect_hop(json_array_get(json_object_get(root, "results"), 1));
	expect_skipped(json_array_get(json_object_get(root, "skipped"), 0));
	CU_ASSERT_EQUAL(json_array_size(json_object_get(root, "series")), 2);
	CU_ASSERT_EQUAL(number(json_object_get(root, "ledger"), "received"), 12);
	CU_ASSERT_EQUAL(number(json_object_get(root, "ledger"), "unexplained"), 0);
	CU_ASSERT(json_is_object(json_object_get(root, "environment")));
	json_decref(root);
}

static void test_results_are_written_as_csv(void)
{
	struct flx_results results = measure(9);
	char path[64], text[512] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/tmp/flx-results-%d", (int)getpid());
	CU_ASSERT_EQUAL_FATAL(flx_results_write_csv(&results, path), 0);
	file = fopen(path, "r");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	CU_ASSERT(fread(text, 1, sizeof(text) - 1, file) > 0);
	fclose(file);
	unlink(path);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "name,unit,run,value\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "hop,\"cycles\",2,11\n"));
}

/* A pipe stays one, and a link leads where it led. */
static void test_results_replace_nothing_but_files(void)
{
	struct flx_results results = measure(9);
	char folder[] = "/tmp/flx-results-XXXXXX", fifo[64], link[64], file[64], text[64] = "";
	struct stat status;
	int reader;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
	snprintf(fifo, sizeof(fifo), "%s/fifo", folder);
	snprintf(link, sizeof(link), "%s/link", folder);
	snprintf(file, sizeof(file), "%s/file", folder);
	CU_ASSERT_EQUAL_FATAL(mkfifo(fifo, 0600), 0);
	reader = open(fifo, O_RDWR | O_NONBLOCK);
	CU_ASSERT_EQUAL(flx_results_write_csv(&results, fifo), 0);
	CU_ASSERT(lstat(fifo, &status) == 0 && S_ISFIFO(status.st_mode));
	CU_ASSERT(read(reader, text, sizeof(text) - 1) > 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "name,unit,run,value\n"));
	close(reader);
	CU_ASSERT_EQUAL_FATAL(flx_results_write_csv(&results, file), 0);
	CU_ASSERT_EQUAL_FATAL(symlink(file, link), 0);
	CU_ASSERT_EQUAL(flx_results_write_json(&results, link), 0);
	CU_ASSERT(lstat(link, &status) == 0 && S_ISLNK(status.st_mode));
	unlink(fifo);
	unlink(link);
	unlink(file);
	CU_ASSERT_EQUAL(rmdir(folder), 0); /* nothing else is left there */
}

/* A directory that is not there: one error, and nothing is left. */
static void test_results_that_cannot_be_written_are_an_error(void)
{
	struct flx_results results = measure(9);

	CU_ASSERT_EQUAL(flx_results_write_json(&results, "/nothing/here"), -ENOENT);
	CU_ASSERT_EQUAL(flx_results_write_csv(&results, "/nothing/here"), -ENOENT);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_figures_of_a_child_that_dies_are_kept),
		FLX_TEST(test_results_are_judged),
		FLX_TEST(test_results_of_what_is_no_number_fail),
		FLX_TEST(test_results_that_are_not_known_are_not_missed),
		FLX_TEST(test_figure_skip_cuts_between_characters),
		FLX_TEST(test_results_replace_nothing_but_files),
		FLX_TEST(test_results_are_printed_with_what_they_stand_beside),
		FLX_TEST(test_results_are_written_as_json),
		FLX_TEST(test_results_are_written_as_csv),
		FLX_TEST(test_results_that_cannot_be_written_are_an_error),
		{0},
	};

	return flx_test_main("results", tests);
}
