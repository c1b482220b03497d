/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What scripts say becomes figures, or a failure that names it; none of their processes is left.
 */
#include "perf/script.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "perf/figure.h"
#include "tests/capture.h"
#include "tests/test.h"

static const struct flx_figure figures[] = {
	{.name = "a.rate", .unit = "answers/s"},
	{.name = "a.share", .unit = "%"},
	{.name = "process", .unit = "pid"},
};

#define FIGURES (sizeof(figures) / sizeof(figures[0]))

/* What was added, as text: "a.rate=1 a.share=2 ". */
static char added[256], skipped[256];

void flx_figure_add(const struct flx_figure *figure, double value)
{
	size_t size = strlen(added);

	snprintf(added + size, sizeof(added) - size, "%s=%g ", figure->name, value);
}

void flx_figure_skip(const struct flx_figure *figure, const char *reason)
{
	size_t size = strlen(skipped);

	snprintf(skipped + size, sizeof(skipped) - size, "%s=%s ", figure->name, reason);
}

static double value[FIGURES];
static struct flx_capture errors;

/* Runs @text in a shell, which is given @limit_s; what flx_script_run returned, errors are captured. */
static int run_for(const char *text, double limit_s)
{
	const char *const argv[] = {"/bin/sh", "-c", text, NULL};
	const struct flx_script script = {
		.argv = argv,
		.figure = figures,
		.count = FIGURES,
		.value = value,
		.limit_s = limit_s,
	};
	int rc;

	added[0] = skipped[0] = '\0';
	flx_capture_start(&errors);
	rc = flx_script_run(&script);
	flx_capture_stop(&errors);
	return rc;
}

static int run(const char *text)
{
	return run_for(text, 0);
}

static bool errors_say(const char *text)
{
	return strstr(errors.text, text) != NULL;
}

static void test_figures_are_added_in_order(void)
{
	CU_ASSERT_EQUAL(run("echo FIGURE a.rate answers/s 1.5e3; echo FIGURE a.share % 7;"
			    "printf 'FIGURE a.rate answers/s 2000'"),
			0);
	CU_ASSERT_STRING_EQUAL(added, "a.rate=1500 a.share=7 a.rate=2000 ");
	CU_ASSERT_EQUAL(value[0], 2000);
	CU_ASSERT_EQUAL(value[1], 7);
	CU_ASSERT(isnan(value[2]));
	CU_ASSERT_STRING_EQUAL(errors.text, "");
}

/* Standard output is a pipe's while the script runs. */
static void test_other_lines_are_passed_on(void)
{
	static const char expected[] = "one\n\nFIGURES are two\n SKIP nothing\nlast\n";
	char text[sizeof(expected) + 1] = "";
	int before = dup(STDOUT_FILENO), fd[2];

	CU_ASSERT_EQUAL_FATAL(pipe(fd), 0);
	fflush(stdout);
	dup2(fd[1], STDOUT_FILENO);
	CU_ASSERT_EQUAL(run("echo one; echo; echo FIGURES are two; echo FIGURE a.share % 1;"
			    "echo ' SKIP nothing'; printf last"),
			0);
	dup2(before, STDOUT_FILENO);
	close(before);
	close(fd[1]);
	CU_ASSERT_EQUAL(read(fd[0], text, sizeof(text)), (ssize_t)strlen(expected));
	close(fd[0]);
	CU_ASSERT_STRING_EQUAL(text, expected);
	CU_ASSERT_STRING_EQUAL(added, "a.share=1 ");
}

static void test_bad_line_fails_and_is_named(void)
{
	static const struct {
		const char *line, *what;
	} rows[] = {
		{"FIGURE", "not FIGURE NAME UNIT VALUE"},
		{"FIGURE a.rate answers/s", "not FIGURE NAME UNIT VALUE"},
		{"FIGURE a.rate answers/s 1 2", "not FIGURE NAME UNIT VALUE"},
		{"FIGURE b.rate answers/s 1", "no such figure"},
		{"FIGURE a.rate answers 1", "another unit"},
		{"FIGURE a.rate answers/s 1x", "no number"},
		{"FIGURE a.rate answers/s nan", "no number"},
		{"FIGURE a.rate answers/s inf", "no number"},
		{"SKIP", "not SKIP NAME REASON"},
		{"SKIP a.rate", "not SKIP NAME REASON"},
		{"SKIP b.rate no such thing", "no such figure"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[256];

		snprintf(text, sizeof(text),
			 "echo FIGURE a.share %% 3; echo '%s'; echo FIGURE; sleep 60; echo FIGURE",
			 rows[i].line);
		CU_ASSERT_EQUAL(run(text), -EINVAL);
		CU_ASSERT_STRING_EQUAL(added, "a.share=3 ");
		snprintf(text, sizeof(text), "it says '%s', and", rows[i].line);
		CU_ASSERT(errors_say("/bin/sh: "));
		CU_ASSERT(errors_say(text));
		CU_ASSERT(errors_say(rows[i].what));
		/* One line, whatever came after it. */
		CU_ASSERT_PTR_EQUAL(strchr(errors.text, '\n'),
				    errors.text + strlen(errors.text) - 1);
	}
}

static void test_line_of_any_length_is_read(void)
{
	CU_ASSERT_EQUAL(run("printf 'FIGURE a.rate answers/s %02000d\\n' 5"), -EINVAL);
	CU_ASSERT(errors_say("longer than a line may be"));
	CU_ASSERT_EQUAL(run("printf 'FIGURE a.rate answers/s %0500d' 5"), 0);
	CU_ASSERT_STRING_EQUAL(added, "a.rate=5 ");
}

static void test_failed_script_fails(void)
{
	static const struct {
		const char *text, *what;
	} rows[] = {
		{"echo FIGURE a.share % 3; exit 3", "ended with status 3"},
		{"echo FIGURE a.share % 3; kill -USR1 $$", "ended by signal 10"},
		{"echo FIGURE a.share % 3; exec /no/such/program", "ended with status 127"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CU_ASSERT_EQUAL(run(rows[i].text), -EIO);
		CU_ASSERT(errors_say(rows[i].what));
		CU_ASSERT_STRING_EQUAL(added, "a.share=3 ");
	}
}

static void test_program_that_is_not_there_is_named(void)
{
	const char *const argv[] = {"perf/no_such_script", NULL};
	const struct flx_script script = {.argv = argv};

	flx_capture_start(&errors);
	CU_ASSERT_EQUAL(flx_script_run(&script), -EIO);
	flx_capture_stop(&errors);
	CU_ASSERT(errors_say("perf/no_such_script: No such file or directory"));
}

static void test_skips_are_told_from_failures(void)
{
	CU_ASSERT_EQUAL(run("echo SKIP a.rate no veth here: be root"), -ENOTSUP);
	CU_ASSERT_STRING_EQUAL(skipped, "a.rate=no veth here: be root ");
	CU_ASSERT_EQUAL(run("echo SKIP a.rate no node; echo FIGURE a.share % 1"), 0);
	CU_ASSERT_STRING_EQUAL(skipped, "a.rate=no node ");
	CU_ASSERT_EQUAL(run("echo SKIP a.rate no node; exit 1"), -EIO);
}

static void test_script_has_source_and_build_directory(void)
{
	CU_ASSERT_EQUAL(run("test -f perf/script.h && test -f \"$FLX_BUILD/build.ninja\" &&"
			    "! read line"),
			0);
}

/* The test adopts what a script leaves behind. */
static void test_nothing_is_left_of_a_script(void)
{
	static const char *const rows[] = {
		"sleep 60 & echo FIGURE process pid $!",
		"sleep 60 & echo FIGURE process pid $!; exit 1",
		"sleep 60 & echo FIGURE process pid $!; kill -KILL $$",
		"sleep 60 & echo FIGURE process pid $!; echo FIGURE; wait",
	};

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		run(rows[i]);
		CU_ASSERT_FATAL(value[2] > 0);
		CU_ASSERT(kill((pid_t)value[2], 0) && errno == ESRCH);
	}
}

static void test_script_that_takes_too_long_is_killed(void)
{
	CU_ASSERT_EQUAL(run_for("trap '' TERM; echo FIGURE process pid $$;"
				"while :; do sleep 1; done",
				0.2),
			-ETIMEDOUT);
	CU_ASSERT(errors_say("not done after 0.2 s"));
	CU_ASSERT_FATAL(value[2] > 0);
	CU_ASSERT(kill((pid_t)value[2], 0) && errno == ESRCH);
}

/* The script tells on descriptor 9 when it is there, and when it was asked to end. */
static void test_signal_ends_the_script_and_then_the_caller(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		int fd[2], status;
		char text[2] = "";
		pid_t child;

		CU_ASSERT_EQUAL_FATAL(pipe(fd), 0);
		child = fork();
		if (child == 0) {
			signal(numbers[i], SIG_DFL);
			dup2(fd[1], 9);
			run("trap 'printf e >&9; exit 0' TERM; printf r >&9;"
			    "while :; do sleep 0.1; done");
			_exit(0);
		}
		close(fd[1]);
		CU_ASSERT_EQUAL(read(fd[0], text, 1), 1);
		CU_ASSERT_EQUAL(text[0], 'r');
		kill(child, numbers[i]);
		CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
		CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == numbers[i]);
		CU_ASSERT_EQUAL(read(fd[0], text, 1), 1);
		CU_ASSERT_EQUAL(text[0], 'e');
		CU_ASSERT_EQUAL(read(fd[0], text, 1), 0); /* nobody holds the other end */
		close(fd[0]);
	}
}

static volatile sig_atomic_t caught;

static void catch (int number)
{
	caught = number;
}

static void test_caller_that_survives_a_signal_is_told(void)
{
	struct sigaction before, action = {.sa_handler = catch};

	sigaction(SIGINT, &action, &before);
	CU_ASSERT_EQUAL(run("kill -INT $PPID; sleep 60"), -EINTR);
	CU_ASSERT_EQUAL(caught, SIGINT);
	CU_ASSERT_STRING_EQUAL(errors.text, "");
	sigaction(SIGINT, &before, NULL);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_figures_are_added_in_order),
		FLX_TEST(test_other_lines_are_passed_on),
		FLX_TEST(test_bad_line_fails_and_is_named),
		FLX_TEST(test_line_of_any_length_is_read),
		FLX_TEST(test_failed_script_fails),
		FLX_TEST(test_program_that_is_not_there_is_named),
		FLX_TEST(test_skips_are_told_from_failures),
		FLX_TEST(test_script_has_source_and_build_directory),
		FLX_TEST(test_nothing_is_left_of_a_script),
		FLX_TEST(test_script_that_takes_too_long_is_killed),
		FLX_TEST(test_signal_ends_the_script_and_then_the_caller),
		FLX_TEST(test_caller_that_survives_a_signal_is_told),
		{0},
	};

	return flx_test_main("script", tests);
}
