/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/run.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "apps/commands.h"
#include "apps/desk.h"
#include "apps/load.h"
#include "apps/status.h"
#include "fabric/base.h"
#include "fabric/fabric.h"

#define STATUS_PERIOD_US 1000000u
/* Longer than a client waits for an answer; shorter than an operator waits for a prompt. */
#define DRAIN_TIMEOUT_MS 2000u

/* Large, and only one: a process has one fabric. */
struct run {
	struct flx_fabric *fabric;
	uint64_t start_us;
	uint64_t end_us; /* UINT64_MAX: until a signal */
	uint64_t last_us;
	bool answered; /* and said so */
	int signals;   /* readable when one says to stop */
	struct flx_desk desk;
	uint32_t current; /* the ledger of the next status; the other is the last one's */
	struct flx_ledger ledger[2];
};

static volatile sig_atomic_t interrupted;

static void note_signal(int number)
{
	(void)number;
	interrupted = 1;
}

static sigset_t stop_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	return set;
}

/* 0; -errno after one flx_error. */
static int prepare_signals(struct run *run)
{
	/* One shot, so that one more of its kind kills a process that even draining cannot end. */
	struct sigaction note = {.sa_handler = note_signal, .sa_flags = (int)SA_RESETHAND};
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t set = stop_signals();

	sigaction(SIGINT, &note, NULL);
	sigaction(SIGTERM, &note, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGXFSZ, &ignore, NULL); /* a snapshot that is too large has its own error */
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	run->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (run->signals >= 0)
		return 0;
	flx_error("no descriptor for signals: %s; allow more (ulimit -n)", strerror(errno));
	return -EMFILE;
}

static void let_signals_through(void)
{
	sigset_t set = stop_signals();

	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

/* Takes the signal that said to stop, or the next would count as the second. */
static bool take_signal(const struct run *run)
{
	struct signalfd_siginfo signal;

	return read(run->signals, &signal, sizeof(signal)) == (ssize_t)sizeof(signal);
}

/* Sleeps until @until_us, a signal, or somebody at the desk. */
static void sleep_until(const struct run *run, uint64_t until_us)
{
	uint64_t us = now_us(), due_us = flx_desk_due_us(&run->desk, us);
	struct pollfd wait[] = {
		{.fd = run->signals, .events = POLLIN},
		{.fd = flx_desk_fd(&run->desk, us), .events = POLLIN},
	};
	struct timespec left;

	due_us = due_us < until_us ? due_us : until_us;
	us = due_us > us ? due_us - us : 0;
	left = (struct timespec){.tv_sec = (time_t)(us / 1000000u),
				 .tv_nsec = (long)(us % 1000000u) * 1000};
	ppoll(wait, 2, &left, NULL);
}

/* Serves the desk until @until_us; true when a signal said to stop. */
static bool serve_until(struct run *run, uint64_t until_us)
{
	do {
		sleep_until(run, until_us);
		/* First, and also when there was no time to sleep: a signal that came before. */
		if (take_signal(run))
			return true;
		flx_desk_serve(&run->desk);
	} while (now_us() < until_us);
	return false;
}

static void print_status(struct run *run)
{
	struct flx_ledger *ledger = &run->ledger[run->current];
	uint64_t us = now_us();

	flx_fabric_ledger(run->fabric, ledger);
	flx_status_print(stdout, &run->ledger[run->current ^ 1], ledger, us - run->start_us,
			 us > run->last_us ? us - run->last_us : 1);
	if (ledger->first_answer_us && !run->answered) {
		printf("first answer %.1f ms after the start\n",
		       (double)ledger->first_answer_us / 1e3);
		run->answered = true;
	}
	/* The next rates are of the time since the last status that had any. */
	if (ledger->stalled_workers)
		return;
	run->current ^= 1;
	run->last_us = us;
}

/* Looks after the workers until @until_us; true when a signal said to stop. */
static bool watch_until(struct run *run, uint64_t until_us)
{
	uint64_t us;

	while ((us = now_us()) < until_us) {
		uint64_t look_us = us + FLX_WATCH_PERIOD_MS * 1000u;

		if (serve_until(run, look_us < until_us ? look_us : until_us))
			return true;
		flx_fabric_watch(run->fabric);
	}
	return take_signal(run);
}

/* The life of a running fabric: a status line per second until something ends it. */
static void attend(struct run *run, uint64_t duration_us)
{
	uint64_t tick_us;

	run->start_us = run->last_us = now_us();
	run->end_us = duration_us ? run->start_us + duration_us : UINT64_MAX;
	for (tick_us = run->start_us + STATUS_PERIOD_US;; tick_us += STATUS_PERIOD_US) {
		if (watch_until(run, tick_us < run->end_us ? tick_us : run->end_us))
			return;
		if (tick_us > run->end_us)
			return;
		print_status(run);
		/* Stopped for a while (SIGSTOP, a debugger): no burst of lines to catch up. */
		if (now_us() > tick_us + STATUS_PERIOD_US)
			tick_us = now_us();
	}
}

static void drain(struct run *run)
{
	int rc;

	let_signals_through();
	rc = flx_fabric_drain(run->fabric, DRAIN_TIMEOUT_MS, &interrupted);
	if (rc == -ETIMEDOUT)
		flx_warn("messages still in flight %u ms after the last was admitted: stopping "
			 "without them; a fluxion that sends to itself never comes to an end",
			 DRAIN_TIMEOUT_MS);
	else if (rc == -EINTR)
		flx_warn("second signal: stopping without draining");
}

static int stop(struct run *run)
{
	struct flx_ledger *ledger = &run->ledger[0];
	uint32_t lost = flx_fabric_stop(run->fabric, ledger);

	/* A thread still runs in the app and in EAL: nothing may be taken from under it. */
	if (lost == FLX_FABRIC_STUCK) {
		fflush(stdout);
		_exit(FLX_EXIT_FAILED);
	}
	flx_ledger_print(ledger, stdout);
	fflush(stdout);
	if (lost)
		flx_error("%" PRIu32 " buffers did not come back to their pools: a bug of flx or "
			  "of the port's driver; please report it with the ledger",
			  lost);
	if (ledger->unexplained)
		flx_error("%" PRId64 " messages unexplained: a bug of flx; please report it with "
			  "the ledger",
			  ledger->unexplained);
	return lost || ledger->unexplained || ledger->snapshot_failed ? FLX_EXIT_FAILED
								      : FLX_EXIT_OK;
}

static int status_of(int rc)
{
	if (rc == 0 || rc == -ECANCELED)
		return FLX_EXIT_OK;
	return rc == -EINVAL ? FLX_EXIT_USAGE : FLX_EXIT_FAILED;
}

/* Loads the app that @args names, with its settings; -EINVAL, whatever was wrong with it. */
static int load(struct flx_app *app, const struct flx_args *args)
{
	int rc = flx_load_app(app, args->app);

	if (rc)
		return -EINVAL;
	for (uint32_t i = 0; i < args->setting_count && rc == 0; i++)
		rc = flx_load_set(app->program, &args->setting[i]);
	if (rc)
		flx_unload_app(app);
	return rc;
}

/* Everything between a start and a stop; the exit status. */
static int live(struct run *run, uint64_t duration_us)
{
	const struct flx_control_conf conf = {.run = flx_commands_run, .argument = run->fabric};

	fflush(stdout);
	flx_desk_start(&run->desk, &conf, flx_fabric_plan(run->fabric)->floating);
	attend(run, duration_us);
	flx_desk_close(&run->desk);
	flx_commands_stop();
	drain(run);
	return stop(run);
}

static int start_and_live(struct run *run, struct flx_program *program, const struct flx_args *args)
{
	int status, rc = flx_desk_open(&run->desk, args->control, program->name);

	if (!rc)
		rc = flx_fabric_start(&run->fabric, program, &args->options, stdout);
	if (rc == -ECANCELED)
		flx_note("told to stop before the start was done; nothing has run");
	status = rc ? status_of(rc) : live(run, args->duration_us);
	flx_desk_close(&run->desk);
	return status;
}

int flx_run(const struct flx_args *args)
{
	struct run *run = calloc(1, sizeof(*run));
	int status = FLX_EXIT_FAILED;
	struct flx_app app;

	if (!run) {
		flx_error("no memory for two ledgers; free %zu bytes", sizeof(*run));
		return FLX_EXIT_FAILED;
	}
	if (load(&app, args)) {
		status = FLX_EXIT_USAGE;
		goto err_load;
	}
	if (!args->options.port_count)
		flx_warn("no --port given, so nothing can arrive; give one, such as "
			 "--port af_packet:IFACE");
	setvbuf(stdout, NULL, _IOLBF, 0); /* a log file shows each line when it was said */
	if (prepare_signals(run) == 0) {
		status = start_and_live(run, app.program, args);
		close(run->signals);
	}
	flx_unload_app(&app);
err_load:
	free(run);
	return status;
}

int flx_check(const struct flx_args *args)
{
	struct flx_app app;
	int rc = load(&app, args);

	if (rc)
		return status_of(rc);
	rc = flx_fabric_check(app.program, &args->options, stdout);
	flx_unload_app(&app);
	return status_of(rc);
}
