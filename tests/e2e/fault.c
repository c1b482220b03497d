/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fault - an app that does what no handler may, each thing when it is asked for by its name, and
 * answers everything else.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "fabric/base.h"
#include "fabric/flx.h"

/* Longer than the second warning of the watch, shorter than the third. */
#define STALL_US 2500000

static void stall(void)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += STALL_US % 1000000 * 1000L;
	until.tv_sec += STALL_US / 1000000 + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	/* net_tap has a signal sent for each frame, which ends a sleep. */
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

static void touch_nothing(void)
{
	int *volatile nothing = (int *)8;

	*nothing = 1;
}

/* A page of a file that ends before it. */
static void touch_beyond(void)
{
	volatile char *page =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memfd_create("fault", 0), 0);

	*page = 1;
}

static void divide(void)
{
	volatile int zero = 0;

	zero = 1000 / zero; /* 1 / zero needs no division */
}

static void trap(void)
{
	__builtin_trap();
}

static void verify(void)
{
	volatile int one = 1;

	FLX_VERIFY(one == 2);
}

static uint8_t descend(volatile const uint8_t *above)
{
	volatile uint8_t frame[4096] = {0};

	return above ? (uint8_t)(frame[1] + descend(frame) + frame[0]) : 0;
}

static void overflow(void)
{
	descend((const uint8_t *)"");
}

static const struct {
	char name[9];
	void (*commit)(void);
} faults[] = {
	{"stall", stall}, {"segv", touch_nothing}, {"bus", touch_beyond}, {"fpe", divide},
	{"ill", trap},	  {"abort", abort},	   {"verify", verify},	  {"stack", overflow},
};

static int answer(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)context;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		const char *asked = flx_at(msg, 0, (uint32_t)strlen(faults[i].name));

		if (asked && memcmp(asked, faults[i].name, strlen(faults[i].name)) == 0)
			faults[i].commit();
	}
	return flx_reply(call, msg);
}

static struct flx_fluxion fluxions[] = {{
	.id = "answer",
	.listen = {.udp = 7000},
	.handler = answer,
}};

struct flx_program flx_program = {
	.name = "fault",
	.about = "answers, but for what it is asked to break",
	FLX_FLUXIONS(fluxions),
};
