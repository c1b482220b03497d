/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * slow - an app that any client can overload: each answer takes 20 us, so 50,000 a second is all.
 */
#include <rte_cycles.h>
#include <rte_pause.h>

#include "fabric/flx.h"

#define ANSWERS_PER_S 50000

static int answer(struct flx_call *call, struct flx_msg *msg, void *context)
{
	uint64_t end = rte_rdtsc() + rte_get_tsc_hz() / ANSWERS_PER_S;

	(void)context;
	while (rte_rdtsc() < end)
		rte_pause();
	return flx_reply(call, msg);
}

static struct flx_fluxion fluxions[] = {{
	.id = "answer",
	.listen = {.udp = 7000},
	.handler = answer,
}};

struct flx_program flx_program = {
	.name = "slow",
	.about = "answers 50,000 requests a second at most",
	FLX_FLUXIONS(fluxions),
};
