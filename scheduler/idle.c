/* SPDX-License-Identifier: BSD-3-Clause */
#include "scheduler/idle.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <rte_pause.h>

/*
 * Empty turns spent pausing, about 50 us of polling. Fewer, and a gap between two bursts costs a
 * system call; more, and a service at one request per millisecond burns its core.
 */
#define SPIN_TURNS 1000
/*
 * Empty turns with the short sleep after that. Fewer, and a lull of a millisecond already costs the
 * long sleep's delay; more, and an idle process takes more than 5 % of a CPU for longer.
 */
#define SHORT_TURNS    100
#define SHORT_SLEEP_US 20
/*
 * The long sleep: with the timer's own delay a frame is seen within 200 us, and 10,000 wakes per
 * second of about 4 us each stay under 5 % of a CPU.
 */
#define LONG_SLEEP_US 100

void flx_idle_init(struct flx_idle *idle, bool polls_ports)
{
	*idle = (struct flx_idle){.polls_ports = polls_ports};
}

enum flx_idle_step flx_idle_next(struct flx_idle *idle)
{
	if (idle->empty_turns < SPIN_TURNS + SHORT_TURNS)
		idle->empty_turns++;
	if (idle->empty_turns > SPIN_TURNS)
		return FLX_IDLE_SLEEP;
	rte_pause();
	return FLX_IDLE_SPIN;
}

void flx_idle_sleep(struct flx_idle *idle)
{
	bool brief = idle->empty_turns < SPIN_TURNS + SHORT_TURNS;
	struct timespec limit = {.tv_nsec = (brief ? SHORT_SLEEP_US : LONG_SLEEP_US) * 1000};
	bool forever = !brief && !idle->polls_ports;

	idle->sleeps++;
	/* Returns at once when parked is no longer 1: a producer was here already. */
	syscall(SYS_futex, &idle->parked, FUTEX_WAIT_PRIVATE, 1, forever ? NULL : &limit, NULL, 0);
	flx_idle_retract(idle);
}

void flx_idle_wake_slow(struct flx_idle *idle)
{
	/* The exchange lets one of several producers make the system call. */
	if (atomic_exchange_explicit(&idle->parked, 0, memory_order_relaxed))
		syscall(SYS_futex, &idle->parked, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
