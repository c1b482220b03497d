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

/*
 * Runs @text in a shell that is given @limit_s, for the first @count figures; what flx_script_run returned,
 * errors are captured.
 */
static int run_of(uint32_t count, const char *text, double limit_s)
{
	const char *const argv[] = {"/bin/sh", "-c", text, NULL};
	const struct flx_script script = {
		.argv = argv,
		.figure = figures,
		.count = count,
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

/* A script that says what it must, when it has run @text. */
static int run(const char *text)
{
	char all[4096];

	snprintf(all, sizeof(all), "%s\n%s", text,
		 "status=$?; for name in a.rate a.share process; do echo SKIP $name end; done;"
		 "exit $status");
	return run_of(FIGURES, all, 0);
}

static bool errors_say(const char *text)
{
	return strstr(errors.text, text) != NULL;
}

static void test_figures_are_added_in_order(void)
{
	CU_ASSERT_EQUAL(run_of(2,
			       "echo FIGURE a.rate answers/s 1.5e3; echo FIGURE a.share % 7;"
			       "printf 'FIGURE a.rate answers/s 2000'",
			       0),
			0);
	CU_ASSERT_STRING_EQUAL(added, "a.rate=1500 a.share=7 a.rate=2000 ");
	CU_ASSERT_EQUAL(value[0], 2000);
	CU_ASSERT_EQUAL(value[1], 7);
	CU_ASSERT_STRING_EQUAL(errors.text, "");
}

/* What a script that says a.rate passes on: standard output is a pipe's while it runs. */
static void run_and_read(const char *script, char *text, size_t size)
{
	int before = dup(STDOUT_FILENO), fd[2];
	ssize_t got;

	CU_ASSERT_EQUAL_FATAL(pipe(fd), 0);
	fflush(stdout);
	dup2(fd[1], STDOUT_FILENO);
	CU_ASSERT_EQUAL(run_of(1, script, 0), 0);
	dup2(before, STDOUT_FILENO);
	close(before);
	close(fd[1]);
	got = read(fd[0], text, size - 1);
	close(fd[0]);
	CU_ASSERT_FATAL(got >= 0);
	text[got] = '\0';
}

static void test_other_lines_are_passed_on(void)
{
	char text[256];

	run_and_read("echo one; echo; echo FIGURES are two; echo FIGURE a.rate answers/s 1;"
		     "echo ' SKIP nothing'; printf last",
		     text, sizeof(text));
	CU_ASSERT_STRING_EQUAL(text, "one\n\nFIGURES are two\n SKIP nothing\nlast\n");
	CU_ASSERT_STRING_EQUAL(added, "a.rate=1 ");
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
	CU_ASSERT_EQUAL(run_of(1, "printf 'FIGURE a.rate answers/s %0500d' 5", 0), 0);
	CU_ASSERT_STRING_EQUAL(added, "a.rate=5 ");
}

/* What begins a later part of a line does not begin a line. */
static void test_long_line_is_passed_on_as_one(void)
{
	static const char *const tails[] = {"FIGURE a.rate answers/s 7", "SKIP a.rate none",
					    "FIGURE", ""};
	char script[256], text[4096];

	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++)
		for (size_t size = 1023; size < 2500; size += 1023) {
			char *tail = text + size;

			snprintf(script, sizeof(script),
				 "echo FIGURE a.rate answers/s 3;"
				 "printf '%%0%zud%s\\nlast\\n%%0%zud' 0 0",
				 size, tails[i], (size_t)1023);
			run_and_read(script, text, sizeof(text));
			CU_ASSERT_EQUAL(strspn(text, "0"), size);
			CU_ASSERT_EQUAL(strncmp(tail, tails[i], strlen(tails[i])), 0);
			tail += strlen(tails[i]);
			CU_ASSERT_EQUAL(strncmp(tail, "\nlast\n0", 7), 0);
			/* Nobody ended the last one, which is a line all the same. */
			CU_ASSERT_EQUAL(strspn(tail + 6, "0"), 1023);
			CU_ASSERT_STRING_EQUAL(tail + 6 + 1023, "\n");
			CU_ASSERT_STRING_EQUAL(added, "a.rate=3 ");
			CU_ASSERT_STRING_EQUAL(skipped, "");
		}
}

static void test_figure_that_is_not_spoken_of_is_a_failure(void)
{
	static const struct {
		const char *text, *missing; /* NULL: none */
		int rc;
	} rows[] = {
		{"true", "of a.rate;", -ENODATA},
		{"echo FIGURE a.share % 3", "of a.rate;", -ENODATA},
		{"echo FIGURE a.rate answers/s 3; echo FIGURE a.rate answers/s 4", "of a.share;",
		 -ENODATA},
		{"echo SKIP a.rate none", "of a.share;", -ENODATA},
		{"echo SKIP a.rate none; echo FIGURE a.share % 3", NULL, 0},
		{"echo SKIP a.rate none; echo SKIP a.share none", NULL, -ENOTSUP},
		/* A failure says more. */
		{"exit 3", "ended with status 3", -EIO},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CU_ASSERT_EQUAL(run_of(2, rows[i].text, 0), rows[i].rc);
		if (rows[i].missing)
			CU_ASSERT(errors_say(rows[i].missing));
		CU_ASSERT_EQUAL(errors.text[0] == '\0', !rows[i].missing);
		CU_ASSERT(!strchr(errors.text, '\n') || !strchr(errors.text, '\n')[1]);
	}
	CU_ASSERT_EQUAL(run_of(0, "true", 0), 0);
}

/* What a figure was before does not stand for what it is. */
static void test_value_of_a_skipped_figure_is_none(void)
{
	CU_ASSERT_EQUAL(run("echo FIGURE a.rate answers/s 3"), 0);
	CU_ASSERT_EQUAL(value[0], 3);
	CU_ASSERT(isnan(value[1]));
	CU_ASSERT_EQUAL(run("echo FIGURE a.share % 3"), 0);
	CU_ASSERT(isnan(value[0]));
}

static void test_failed_script_fails(void)
{
	static const struct {
		const char *text, *what;
	} rows[] = {
		{"echo FIGURE a.share % 3; (exit 3)", "ended with status 3"},
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
	const struct flx_script script = {.argv = argv, .figure = figures, .count = 1};

	flx_capture_start(&errors);
	CU_ASSERT_EQUAL(flx_script_run(&script), -EIO);
	flx_capture_stop(&errors);
	CU_ASSERT(errors_say("perf/no_such_script: No such file or directory"));
}

static void test_skips_are_told_from_failures(void)
{
	CU_ASSERT_EQUAL(run("echo SKIP a.rate no veth here: be root"), -ENOTSUP);
	CU_ASSERT_EQUAL(strncmp(skipped, "a.rate=no veth here: be root ", 29), 0);
	CU_ASSERT_EQUAL(run("echo SKIP a.rate no node; echo FIGURE a.share % 1"), 0);
	CU_ASSERT_EQUAL(strncmp(skipped, "a.rate=no node ", 15), 0);
	CU_ASSERT_EQUAL(run("echo SKIP a.rate no node; exit 1"), -EIO);
}

static void test_script_has_source_and_build_directory(void)
{
	CU_ASSERT_EQUAL(run_of(0,
			       "test -f perf/script.h && test -f \"$FLX_BUILD/build.ninja\" &&"
			       "! read line",
			       0),
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
	CU_ASSERT_EQUAL(run_of(FIGURES,
			       "trap '' TERM; echo FIGURE process pid $$;"
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
		FLX_TEST(test_long_line_is_passed_on_as_one),
		FLX_TEST(test_figure_that_is_not_spoken_of_is_a_failure),
		FLX_TEST(test_value_of_a_skipped_figure_is_none),
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
