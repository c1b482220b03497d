/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched_thread - the thread that makes the scheduler's ticks, and its lock.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#include <rte_cycles.h>

#include "scheduler/sched.h"

/*
 * Where every CPU polls, a thread of the same priority waits for the end of a worker's time slice, some
 * milliseconds. The lowest real-time priority is enough; where it is not allowed, a low nice value.
 */
#define NICE (-15)

void flx_sched_thread_init(struct flx_sched *sched)
{
	pthread_mutexattr_t inherits;
	pthread_condattr_t attributes;

	/* Who looks, at ordinary priority, must not keep the ticks waiting for a CPU. */
	pthread_mutexattr_init(&inherits);
	pthread_mutexattr_setprotocol(&inherits, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&sched->lock, &inherits);
	pthread_mutexattr_destroy(&inherits);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&sched->wake, &attributes);
	pthread_condattr_destroy(&attributes);
}

void flx_sched_lock(struct flx_sched *sched)
{
	pthread_mutex_lock(&sched->lock);
}

void flx_sched_unlock(struct flx_sched *sched)
{
	pthread_mutex_unlock(&sched->lock);
}

static void raise_priority(void)
{
	const struct sched_param lowest = {.sched_priority = 1};

	/* Not inherited: what it may start one day is not to run before workers. */
	if (pthread_setschedparam(pthread_self(), SCHED_FIFO | SCHED_RESET_ON_FORK, &lowest))
		(void)setpriority(PRIO_PROCESS, 0, NICE);
}

/* Waits for the next tick; false: there is to be none. */
static bool wait_for_tick(struct flx_sched *sched, uint32_t pause_us)
{
	struct timespec until;
	bool goes_on;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)pause_us * 1000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	flx_sched_lock(sched);
	while (!sched->stop && !sched->poked &&
	       pthread_cond_timedwait(&sched->wake, &sched->lock, &until) != ETIMEDOUT)
		;
	sched->poked = false;
	goes_on = !sched->stop;
	flx_sched_unlock(sched);
	return goes_on;
}

static void *run(void *argument)
{
	struct flx_sched *sched = argument;
	uint32_t pause_us = FLX_SCHED_TICK_US;

	prctl(PR_SET_NAME, "flx-sched");
	prctl(PR_SET_TIMERSLACK, 1000);
	raise_priority();
	while (wait_for_tick(sched, pause_us))
		pause_us = flx_sched_tick(sched, rte_rdtsc());
	return NULL;
}

int flx_sched_start(struct flx_sched *sched)
{
	int error = pthread_create(&sched->thread, NULL, run, sched);

	if (error) {
		flx_error("the scheduler's thread: %s; allow more threads (ulimit -u)",
			  strerror(error));
		return -error;
	}
	sched->runs = true;
	return 0;
}

void flx_sched_stop(struct flx_sched *sched)
{
	if (!sched->runs)
		return;
	flx_sched_lock(sched);
	sched->stop = true;
	pthread_cond_broadcast(&sched->wake);
	flx_sched_unlock(sched);
	pthread_join(sched->thread, NULL);
	sched->runs = false;
	sched->stop = false;
}

void flx_sched_poke(struct flx_sched *sched)
{
	flx_sched_lock(sched);
	sched->poked = true;
	pthread_cond_broadcast(&sched->wake);
	flx_sched_unlock(sched);
}
