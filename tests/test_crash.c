/* SPDX-License-Identifier: BSD-3-Clause */
/* What a crash is told as, by children that crash. Real faults in a running fabric: tests/e2e. */
#include "fabric/crash.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/test.h"

static struct flx_fluxion_entry fluxions[FLX_FLUXION_FIRST + 1] = {
	[FLX_FLUXION_FIRST] = {.id = "reply"},
};
static struct flx_pulse pulse;
static struct flx_stats *stats;

static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
static const char *const names[] = {"SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT"};

/* A sanitizer's own handler is there before ours, and stays. */
static bool is_free(int number)
{
	struct sigaction old;

	return sigaction(number, NULL, &old) == 0 && old.sa_handler == SIG_DFL;
}

static void enter(void)
{
	flx_crash_enter(
		&(struct flx_crash_scene){3, &pulse, FLX_FLUXION_FIRST + 1, fluxions, stats});
}

static void leave(void)
{
	enter();
	flx_crash_leave();
}

static void never(void)
{
}

static void stop(void)
{
	enter();
	flx_crash_stop();
}

static void ignore(int number)
{
	_exit(number);
}

static void handle(void)
{
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], ignore);
	flx_crash_start();
	enter();
}

/* What a child says that is @prepared and then struck by signal @number; its wait status. */
static int strike(void (*prepare)(void), int number, char *text, size_t size)
{
	int pipes[2], status = 0;
	ssize_t got;
	pid_t pid;

	CU_ASSERT_EQUAL_FATAL(pipe(pipes), 0);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){0});
		dup2(pipes[1], STDERR_FILENO);
		if (prepare != handle)
			flx_crash_start();
		prepare();
		raise(number);
		_exit(0);
	}
	close(pipes[1]);
	got = read(pipes[0], text, size - 1);
	text[got > 0 ? got : 0] = '\0';
	close(pipes[0]);
	CU_ASSERT_EQUAL_FATAL(waitpid(pid, &status, 0), pid);
	return status;
}

static void check(void (*prepare)(void), const char *expected)
{
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		char text[1024], line[1024] = "";
		int status;

		if (!is_free(signals[i])) {
			printf("(%s is the sanitizer's) ", names[i]);
			continue;
		}
		status = strike(prepare, signals[i], text, sizeof(text));
		if (*expected)
			snprintf(line, sizeof(line),
				 "flx: error: %s%s; contexts are at their last commit\n", names[i],
				 expected);
		CU_ASSERT_STRING_EQUAL(text, line);
		CU_ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == signals[i]);
	}
}

static void test_crash_names_worker_fluxion_and_message(void)
{
	pulse.fluxion = FLX_FLUXION_FIRST;
	stats->fluxion[FLX_FLUXION_FIRST].handled = 12345678901234;
	stats->fluxion[FLX_FLUXION_FIRST].failed = 5;
	check(enter, " in worker 3: fluxion 'reply', at the worker's message 12345678901240 for "
		     "it, or one of the 63 behind");
}

static void test_crash_between_fluxions_names_the_worker(void)
{
	pulse.fluxion = FLX_FLUXION_NONE;
	check(enter, " in worker 3, while no fluxion ran");
	/* Memory may be anything by now. */
	pulse.fluxion = UINT32_MAX;
	check(enter, " in worker 3, while no fluxion ran");
}

static void test_crash_outside_of_a_worker_says_so(void)
{
	check(never, " outside the workers");
	check(leave, " outside the workers");
}

static void test_crash_is_silent_once_stopped(void)
{
	check(stop, "");
}

static void test_crash_leaves_a_signal_to_its_handler(void)
{
	char text[1024];

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		int status = strike(handle, signals[i], text, sizeof(text));

		CU_ASSERT_STRING_EQUAL(text, "");
		CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == signals[i]);
	}
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_crash_names_worker_fluxion_and_message),
		FLX_TEST(test_crash_between_fluxions_names_the_worker),
		FLX_TEST(test_crash_outside_of_a_worker_says_so),
		FLX_TEST(test_crash_is_silent_once_stopped),
		FLX_TEST(test_crash_leaves_a_signal_to_its_handler),
		{0},
	};
	int status;

	stats = calloc(1, flx_stats_size(FLX_FLUXION_FIRST + 1));
	if (!stats)
		return EXIT_FAILURE;
	status = flx_test_main("crash", tests);
	free(stats);
	return status;
}
