/* SPDX-License-Identifier: BSD-3-Clause */
#include "scheduler/idle.h"

#include <errno.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <rte_pause.h>

/*
 * Empty turns spent pausing, about 50 us of polling. Fewer, and a gap between two bursts costs a
 * system call; more, and a service at one request per millisecond burns its core.
 */
#define SPIN_TURNS 1000
/*
 * With a silent queue, empty turns with the short sleep after that. Fewer, and a lull of a
 * millisecond already costs the long sleep's delay; more, and an idle process takes more of a CPU
 * for longer.
 */
#define SHORT_TURNS    100
#define SHORT_SLEEP_US 20
/* The long sleep there: with the timer's own delay a frame is seen within 200 us. */
#define LONG_SLEEP_US 100
/*
 * When every queue tells of its frames nothing is known that needs a clock. But a driver or a
 * kernel that forgets to tell costs this much, and not everything; ten wakes per second cost
 * nothing.
 */
#define SAFETY_SLEEP_US 100000

int flx_idle_init(struct flx_idle *idle)
{
	int descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	*idle = (struct flx_idle){0};
	if (descriptor < 0)
		return -errno;
	idle->watched[idle->watched_count++] = (struct pollfd){.fd = descriptor, .events = POLLIN};
	return 0;
}

void flx_idle_fini(struct flx_idle *idle)
{
	if (idle->watched_count)
		close(idle->watched[0].fd);
	idle->watched_count = 0;
}

void flx_idle_watch(struct flx_idle *idle, int descriptor)
{
	FLX_VERIFY(idle->watched_count <= FLX_PORTS_MAX);
	if (descriptor < 0)
		idle->silent = true;
	else
		idle->watched[idle->watched_count++] =
			(struct pollfd){.fd = descriptor, .events = POLLIN};
}

void flx_idle_pause(const struct flx_idle *idle)
{
	if (idle->shares)
		sched_yield();
	else
		rte_pause();
}

enum flx_idle_step flx_idle_next(struct flx_idle *idle)
{
	if (idle->empty_turns < SPIN_TURNS + SHORT_TURNS)
		idle->empty_turns++;
	if (idle->empty_turns > SPIN_TURNS)
		return FLX_IDLE_SLEEP;
	flx_idle_pause(idle);
	return FLX_IDLE_SPIN;
}

/* How long to sleep at most; 0: until woken. */
static uint32_t sleep_us(const struct flx_idle *idle, bool by_clock)
{
	if (by_clock || idle->silent)
		return idle->empty_turns < SPIN_TURNS + SHORT_TURNS ? SHORT_SLEEP_US
								    : LONG_SLEEP_US;
	return idle->watched_count > 1 ? SAFETY_SLEEP_US : 0;
}

/* What ended the sleep, of @count descriptors. */
static void take_events(struct flx_idle *idle, uint32_t count)
{
	uint64_t wakes;

	if (idle->watched[0].revents && read(idle->watched[0].fd, &wakes, sizeof(wakes)) < 0)
		FLX_ASSERT(errno == EAGAIN);
	for (uint32_t i = 1; i < count; i++) {
		int error;
		socklen_t size = sizeof(error);

		idle->told |= idle->watched[i].revents != 0;
		/* An interface that went down tells of it until asked why; a tap that is gone, for ever. */
		if (idle->watched[i].revents & POLLERR &&
		    getsockopt(idle->watched[i].fd, SOL_SOCKET, SO_ERROR, &error, &size)) {
			idle->watched[i].fd = -1;
			idle->silent = true;
		}
	}
}

void flx_idle_sleep(struct flx_idle *idle, bool deaf, uint32_t most_us)
{
	/* Told of frames that were not there, or may not be had: once by the clock, or it spins. */
	bool by_clock = (deaf || idle->told) && idle->watched_count > 1;
	uint32_t count = by_clock ? 1 : idle->watched_count;
	uint32_t us = sleep_us(idle, by_clock);
	struct timespec limit;

	if (most_us && (!us || us > most_us))
		us = most_us;
	limit = (struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
	idle->sleeps++;
	idle->told = false;
	/* Returns at once when a producer was here already. */
	if (ppoll(idle->watched, count, us ? &limit : NULL, NULL) > 0)
		take_events(idle, count);
	flx_idle_retract(idle);
}

void flx_idle_wake_slow(struct flx_idle *idle)
{
	const uint64_t one = 1;

	/* The exchange lets one of several producers make the system call. */
	if (atomic_exchange_explicit(&idle->parked, 0, memory_order_relaxed) &&
	    write(idle->watched[0].fd, &one, sizeof(one)) < 0)
		FLX_ASSERT(errno == EAGAIN); /* full: it will wake, even so */
}
