/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/script.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fabric/base.h"
#include "perf/figure.h"

#define NS_PER_S UINT64_C(1000000000)
/* Of a script that has been asked to end: flx drains in less, and flxperf itself waits for three. */
#define GRACE_NS (2 * NS_PER_S)
/* What is longer is passed on in parts: no figure and no reason needs as much. */
#define LINE_SIZE 1024

/* What is polled. */
enum { OUTPUT, SIGNALS, EXIT, POLLED };

struct running {
	const struct flx_script *script;
	pid_t pid; /* and of its group */
	struct pollfd polled[POLLED];
	sigset_t mask; /* the caller's */
	char line[LINE_SIZE];
	uint32_t size; /* of what is there of a line */
	bool rest;     /* its beginning is passed on already */
	uint32_t found, skipped;
	bool heard[FLX_FIGURES_MAX]; /* of each of the script's figures: found or skipped */
	int signal;		     /* that ended it; 0: none */
	int rc;			     /* of the first failure, which has been told */
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* --------------------------------------------------------------------------------------- its lines */

/* One failure is told; what follows from it is not. */
static void fail(struct running *run, int rc, const char *what, const char *line)
{
	if (run->rc)
		return;
	run->rc = rc;
	flx_error("%s: it says '%.100s', and %s", run->script->argv[0], line, what);
}

static const struct flx_figure *find(const struct flx_script *script, const char *name)
{
	for (uint32_t i = 0; i < script->count; i++)
		if (strcmp(script->figure[i].name, name) == 0)
			return &script->figure[i];
	return NULL;
}

static void take_figure(struct running *run, const char *line)
{
	char name[LINE_SIZE], unit[LINE_SIZE], number[LINE_SIZE], more[2], *end;
	const struct flx_figure *figure;
	double value;

	if (sscanf(line, "FIGURE %s %s %s %1s", name, unit, number, more) != 3) {
		fail(run, -EINVAL, "that is not FIGURE NAME UNIT VALUE", line);
		return;
	}
	figure = find(run->script, name);
	value = strtod(number, &end);
	if (!figure) {
		fail(run, -EINVAL, "there is no such figure; add it to the table of its caller",
		     line);
	} else if (strcmp(figure->unit, unit) != 0) {
		fail(run, -EINVAL, "the figure has another unit in the table of its caller", line);
	} else if (*end || !isfinite(value)) {
		fail(run, -EINVAL, "the value is no number", line);
	} else {
		flx_figure_add(figure, value);
		if (run->script->value)
			run->script->value[figure - run->script->figure] = value;
		run->heard[figure - run->script->figure] = true;
		run->found++;
	}
}

static void take_skip(struct running *run, const char *line)
{
	char name[LINE_SIZE];
	const struct flx_figure *figure;
	int reason = 0;

	if (sscanf(line, "SKIP %s %n", name, &reason) != 1 || !reason || !line[reason]) {
		fail(run, -EINVAL, "that is not SKIP NAME REASON", line);
		return;
	}
	figure = find(run->script, name);
	if (!figure) {
		fail(run, -EINVAL, "there is no such figure; add it to the table of its caller",
		     line);
		return;
	}
	flx_figure_skip(figure, line + reason);
	run->heard[figure - run->script->figure] = true;
	run->skipped++;
}

/* Whether the first word of @line is @word. */
static bool begins(const char *line, const char *word)
{
	size_t size = strlen(word);

	return strncmp(line, word, size) == 0 && (line[size] == ' ' || line[size] == '\0');
}

/* @whole: the line ends here. Only its first part can say something to us. */
static void take_line(struct running *run, bool whole)
{
	bool is_figure, is_skip;

	run->line[run->size] = '\0';
	run->size = 0;
	is_figure = !run->rest && begins(run->line, "FIGURE");
	is_skip = !run->rest && begins(run->line, "SKIP");
	run->rest = !whole;
	if ((is_figure || is_skip) && !whole)
		fail(run, -EINVAL, "goes on for longer than a line may be", run->line);
	else if (is_figure)
		take_figure(run, run->line);
	else if (is_skip)
		take_skip(run, run->line);
	else
		printf("%s%s", run->line, whole ? "\n" : "");
}

static void take_output(struct running *run)
{
	char bytes[LINE_SIZE];
	ssize_t size = read(run->polled[OUTPUT].fd, bytes, sizeof(bytes));

	for (ssize_t i = 0; i < size; i++) {
		if (bytes[i] != '\n')
			run->line[run->size++] = bytes[i];
		if (bytes[i] == '\n' || run->size == LINE_SIZE - 1)
			take_line(run, bytes[i] == '\n');
	}
	if (size == 0 || (size < 0 && errno != EINTR)) {
		if (run->size || run->rest)
			take_line(run, true);
		close(run->polled[OUTPUT].fd);
		run->polled[OUTPUT].fd = -1;
	}
	fflush(stdout);
}

/* ------------------------------------------------------------------------------------ its process */

/* Those that would end the caller; what it ignores, the script ignores too. */
static void list_signals(sigset_t *set)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};

	sigemptyset(set);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct sigaction action;

		if (sigaction(numbers[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			sigaddset(set, numbers[i]);
	}
}

/* The rest of the child: a script outlives neither its caller nor that one's signals. */
static _Noreturn void be_script(const struct running *run, pid_t parent, int output)
{
	int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);

	setpgid(0, 0);
	sigprocmask(SIG_SETMASK, &run->mask, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent || nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 ||
	    dup2(output, STDOUT_FILENO) < 0 || chdir(FLX_SOURCE_DIR) ||
	    setenv("FLX_BUILD", FLX_BUILD_DIR, 1))
		_exit(126);
	execvp(run->script->argv[0], (char *const *)(uintptr_t)run->script->argv);
	dprintf(STDERR_FILENO, "%s: %s\n", run->script->argv[0], strerror(errno));
	_exit(127);
}

static int start(struct running *run)
{
	pid_t parent = getpid();
	sigset_t signals;
	int output[2];

	list_signals(&signals);
	sigprocmask(SIG_BLOCK, &signals, &run->mask);
	if (pipe2(output, O_CLOEXEC))
		return -errno;
	run->polled[OUTPUT].fd = output[0];
	fflush(NULL);
	run->pid = fork();
	if (run->pid == 0)
		be_script(run, parent, output[1]);
	close(output[1]);
	if (run->pid < 0)
		return -errno;
	setpgid(run->pid, run->pid); /* whoever of the two comes first */
	run->polled[SIGNALS].fd = signalfd(-1, &signals, SFD_CLOEXEC);
	if (run->polled[SIGNALS].fd < 0)
		return -errno;
	run->polled[EXIT].fd = pidfd_open(run->pid, 0);
	return run->polled[EXIT].fd < 0 ? -errno : 0;
}

/* Takes its output, or where there is none of it looks at what else came; whether it has ended. */
static bool look(struct running *run)
{
	struct signalfd_siginfo info;

	if (run->polled[SIGNALS].revents &&
	    read(run->polled[SIGNALS].fd, &info, sizeof(info)) == sizeof(info))
		run->signal = (int)info.ssi_signo;
	if (run->polled[OUTPUT].revents)
		take_output(run);
	else if (run->polled[EXIT].revents)
		return true;
	return false;
}

/* Until it has ended and all that it said is read, or there is a reason to end it. */
static void follow(struct running *run)
{
	double limit_s = run->script->limit_s;
	uint64_t since = now_ns();

	while (!run->rc && !run->signal) {
		double left_s = limit_s - (double)(now_ns() - since) / (double)NS_PER_S;

		if (limit_s > 0 && left_s <= 0) {
			run->rc = -ETIMEDOUT;
			flx_error("%s: not done after %g s, and ended; run it by hand to see why",
				  run->script->argv[0], limit_s);
			return;
		}
		if (poll(run->polled, POLLED, limit_s > 0 ? (int)(left_s * 1000) + 1 : -1) > 0 &&
		    look(run))
			return;
	}
}

/* Hears of those of the group that have ended; true when the script is one of them. */
static bool reap(const struct running *run, int *status)
{
	bool reaped = false;
	pid_t ended;
	int how;

	/* More than the script where we adopt what it leaves behind. */
	while ((ended = waitpid(-run->pid, &how, WNOHANG)) > 0) {
		if (ended != run->pid)
			continue;
		*status = how;
		reaped = true;
	}
	return reaped;
}

/* Nobody of its group is left afterwards. Its status as of waitpid. */
static int end(struct running *run)
{
	uint64_t since = now_ns(), spent = 0;
	bool reaped = false;
	int status = 0;

	for (bool asked = false;; asked = true) {
		reaped |= reap(run, &status);
		/* What is left after KILL is dead, and who adopted it has not heard of it. */
		if (reaped && (kill(-run->pid, 0) || spent > 2 * GRACE_NS))
			return status;
		if (spent > GRACE_NS)
			kill(-run->pid, SIGKILL);
		else if (!asked)
			kill(-run->pid, SIGTERM);
		if (poll(&run->polled[OUTPUT], 1, 10) > 0)
			take_output(run);
		spent = now_ns() - since;
	}
}

/* What a script is silent about would be missing from the results, and nobody would miss it. */
static bool heard_all(const struct running *run)
{
	const struct flx_script *script = run->script;

	for (uint32_t i = 0; i < script->count; i++)
		if (!run->heard[i]) {
			flx_error("%s: it ended well, but said neither FIGURE nor SKIP of %s; run "
				  "it by hand to see why",
				  script->argv[0], script->figure[i].name);
			return false;
		}
	return true;
}

static int judge(struct running *run, int status)
{
	const char *name = run->script->argv[0];

	if (run->rc)
		return run->rc;
	if (WIFSIGNALED(status))
		flx_error("%s: ended by signal %d (%s); run it by hand to see why", name,
			  WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status))
		flx_error("%s: ended with status %d; what it said is above", name,
			  WEXITSTATUS(status));
	if (status)
		return -EIO;
	if (!heard_all(run))
		return -ENODATA;
	return run->skipped && !run->found ? -ENOTSUP : 0;
}

int flx_script_run(const struct flx_script *script)
{
	struct running run = {.script = script};
	int status = 0;

	FLX_VERIFY(script->count <= FLX_FIGURES_MAX);
	for (uint32_t i = 0; script->value && i < script->count; i++)
		script->value[i] = NAN;
	for (uint32_t i = 0; i < POLLED; i++)
		run.polled[i] = (struct pollfd){.fd = -1, .events = POLLIN};
	run.rc = start(&run);
	if (run.rc)
		flx_error("%s: cannot start a process: %s", script->argv[0], strerror(-run.rc));
	follow(&run);
	if (run.pid > 0)
		status = end(&run);
	for (uint32_t i = 0; i < POLLED; i++)
		if (run.polled[i].fd >= 0)
			close(run.polled[i].fd);
	sigprocmask(SIG_SETMASK, &run.mask, NULL);
	if (!run.signal)
		return judge(&run, status);
	raise(run.signal);
	return -EINTR;
}
