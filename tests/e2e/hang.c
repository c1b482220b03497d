/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hang - an app whose handler breaks the rule that it must return.
 */
#include <rte_pause.h>

#include "fabric/flx.h"

static int never(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)msg, (void)context;
	while (call)
		rte_pause();
	return 0;
}

static struct flx_fluxion fluxions[] = {{
	.id = "never",
	.listen = {.udp = 7000},
	.handler = never,
}};

struct flx_program flx_program = {
	.name = "hang",
	.about = "takes one request and never returns",
	FLX_FLUXIONS(fluxions),
};
