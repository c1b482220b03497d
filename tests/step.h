/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * step - what another thread may do when the CPU is taken from this one, between any two of its
 * instructions. By x86's trap flag, in one thread, so that a seed repeats it; some 20 us a step.
 *
 * One *stands*, the other *goes on*. Who goes on is called from the handler of a signal: it does not
 * allocate. Where it waits for the one who stands, it does so for ever, until an alarm ends the test.
 *
 * What this cannot show is a store that another CPU sees late; ThreadSanitizer and races are for that.
 */
#pragma once

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <ucontext.h>
#include <unistd.h>

#include "tests/random.h"
#include "tests/test.h"

#define TEST_STEP_DEADLINE_S 110
#define TEST_STEP_FLAG	     0x100 /* TF in the flags register: a SIGTRAP after the next instruction */

static struct flx_random test_randoms; /* all that is random here, and in the test */
static uint64_t test_steps;	       /* made since the begin */
static uint64_t test_intruded;	       /* of these, between which somebody went on */

static uint64_t test_step_wanted; /* the one at which it goes on, */
static uint32_t test_step_chance; /* or how often, in 256 */
static void (*test_goes_on)(void);
static atomic_bool test_stepping;

static inline void test_step_trap(int signal, siginfo_t *info, void *context)
{
	greg_t *flags = &((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL];

	(void)signal;
	(void)info;
	if (!atomic_load(&test_stepping)) {
		*flags &= ~(greg_t)TEST_STEP_FLAG;
		return;
	}
	/* The kernel has cleared the flag for the handler, and what it calls is not stepped. */
	*flags |= TEST_STEP_FLAG;
	if (test_steps++ == test_step_wanted) {
		test_goes_on();
		*flags &= ~(greg_t)TEST_STEP_FLAG; /* the rest is of no interest */
	} else if (flx_random_below(&test_randoms, 256) < test_step_chance) {
		test_intruded++;
		test_goes_on();
	}
}

static inline void test_step_run(void (*stands)(void), void (*goes_on)(void))
{
	struct sigaction action = {.sa_sigaction = test_step_trap, .sa_flags = SA_SIGINFO};

	sigaction(SIGTRAP, &action, NULL);
	test_goes_on = goes_on;
	atomic_store(&test_stepping, true);
	raise(SIGTRAP);
	stands();
	atomic_store(&test_stepping, false);
}

static inline void test_step_begin(uint32_t seed)
{
	test_randoms = (struct flx_random){.state = seed};
	test_steps = test_intruded = 0;
}

/* @goes_on between instructions of @stands, at random: between most of them, or a few. */
static inline void test_step_random(void (*stands)(void), void (*goes_on)(void))
{
	test_step_wanted = UINT64_MAX;
	test_step_chance = 1u << flx_random_between(&test_randoms, 2, 7);
	test_step_run(stands, goes_on);
}

/* @goes_on once, after @step instructions of @stands; false: it has not so many. */
static inline bool test_step_once(void (*stands)(void), void (*goes_on)(void), uint64_t step)
{
	test_steps = 0;
	test_step_wanted = step;
	test_step_chance = 0;
	test_step_run(stands, goes_on);
	return test_steps > step;
}

/*
 * From one step to the next that is tried, of what has @steps of them: all, but in a sanitized build,
 * which has many times as many, as many as there is time for.
 */
static inline uint64_t test_step_stride(uint64_t steps)
{
	return 1 + steps / 1500 * (steps / 1500) * 16;
}

static inline void test_step_nothing(void)
{
}

/* The exit status of @tests, which a wait that does not end fails; 77: there is no such flag here. */
static inline int test_step_main(const char *suite, const struct flx_test *tests)
{
	test_step_begin(0);
	test_step_once(test_step_nothing, test_step_nothing, UINT64_MAX);
	if (test_steps == 0) {
		printf("skipped: no trap comes of the trap flag here\n");
		return 77;
	}
	alarm(TEST_STEP_DEADLINE_S);
	return flx_test_main(suite, tests);
}
