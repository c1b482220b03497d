/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/crash.h"

#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

/*
 * The handler needs 1 KiB; the kernel lays the registers under it, 2.7 KiB with AVX-512 and 11 KiB
 * with AMX.
 */
#define STACK_SIZE 32768

static const struct {
	int number;
	const char *name;
} faults[] = {
	{SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"},   {SIGFPE, "SIGFPE"},
	{SIGILL, "SIGILL"},   {SIGABRT, "SIGABRT"},
};

#define FAULTS (sizeof(faults) / sizeof(faults[0]))

/* A thread's own, at the far end of its stack from where that overflows. */
static _Thread_local alignas(16) uint8_t stack[STACK_SIZE];
static _Thread_local struct flx_crash_scene scene;
static _Thread_local bool is_worker, has_stack;

/* ------------------------------------------------------ in the handler: async-signal-safe calls */

struct line {
	char text[512];
	size_t size;
};

static void add(struct line *line, const char *text)
{
	while (*text && line->size < sizeof(line->text))
		line->text[line->size++] = *text++;
}

static void add_number(struct line *line, uint64_t number)
{
	char digits[21], *at = &digits[20];

	*at = '\0';
	do
		*--at = (char)('0' + number % 10);
	while (number /= 10);
	add(line, at);
}

static void add_scene(struct line *line)
{
	uint32_t number = atomic_load_explicit(&scene.pulse->fluxion, memory_order_relaxed);
	const struct flx_fluxion_stats *stats;

	add(line, " in worker ");
	add_number(line, scene.worker);
	/* What it says may be part of the damage. */
	if (number == FLX_FLUXION_NONE || number >= scene.fluxion_count) {
		add(line, ", while no fluxion ran");
		return;
	}
	stats = &scene.stats->fluxion[number];
	add(line, ": fluxion '");
	add(line, scene.fluxions[number].id);
	/* Those that succeed are counted when their batch ends. */
	add(line, "', at the worker's message ");
	add_number(line, stats->handled + stats->failed + 1);
	add(line, " for it, or one of the ");
	add_number(line, FLX_BATCH - 1);
	add(line, " behind");
}

static void note(int number)
{
	static atomic_flag noted = ATOMIC_FLAG_INIT;
	struct line line = {.size = 0};

	/* Another thread is at it, and ends the process for both. */
	while (atomic_flag_test_and_set(&noted))
		pause();
	add(&line, "flx: error: ");
	for (size_t i = 0; i < FAULTS; i++)
		if (faults[i].number == number)
			add(&line, faults[i].name);
	if (is_worker)
		add_scene(&line);
	else
		add(&line, " outside the workers");
	add(&line, "; contexts are at their last commit\n");
	(void)!write(STDERR_FILENO, line.text, line.size);
	/* Blocked until this returns: then it strikes where the fault did, and is in the core so. */
	signal(number, SIG_DFL);
	raise(number);
}

/* --------------------------------------------------------------------------------------- set-up */

void flx_crash_start(void)
{
	struct sigaction action = {.sa_handler = note, .sa_flags = SA_ONSTACK}, old;

	/* A fault in the handler ends the process at once: the kernel does not let it be blocked. */
	for (size_t i = 0; i < FAULTS; i++)
		sigaddset(&action.sa_mask, faults[i].number);
	for (size_t i = 0; i < FAULTS; i++)
		if (!sigaction(faults[i].number, NULL, &old) && old.sa_handler == SIG_DFL)
			sigaction(faults[i].number, &action, NULL);
}

void flx_crash_stop(void)
{
	struct sigaction old;

	for (size_t i = 0; i < FAULTS; i++)
		if (!sigaction(faults[i].number, NULL, &old) && old.sa_handler == note)
			signal(faults[i].number, SIG_DFL);
}

void flx_crash_enter(const struct flx_crash_scene *own)
{
	stack_t mine = {.ss_sp = stack, .ss_size = sizeof(stack)}, old;

	scene = *own;
	is_worker = true;
	/* Sanitizers give every thread a stack of theirs, and take it back when the thread ends. */
	has_stack =
		!sigaltstack(NULL, &old) && old.ss_flags & SS_DISABLE && !sigaltstack(&mine, NULL);
}

void flx_crash_leave(void)
{
	stack_t none = {.ss_flags = SS_DISABLE};

	is_worker = false;
	if (has_stack)
		sigaltstack(&none, NULL);
}
