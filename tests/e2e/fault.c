/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fault - an app that does what no handler may, each thing when it is asked for by its name, and
 * answers everything else.
 */
#include <unistd.h>

#include "fabric/flx.h"

/* Longer than the second warning of the watch, shorter than the third. */
#define STALL_US 2500000

static void stall(void)
{
	usleep(STALL_US);
}

static const struct {
	char name[9];
	void (*commit)(void);
} faults[] = {
	{"stall", stall},
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
