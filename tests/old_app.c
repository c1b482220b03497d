/* SPDX-License-Identifier: BSD-3-Clause */
/* old_app - a shared object that claims to be built from another version of flx.h. */
#include "fabric/flx.h"

static int swallow(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)call, (void)msg, (void)context;
	return 0;
}

static struct flx_fluxion fluxions[] = {{.id = "old", .listen = {.udp = 7}, .handler = swallow}};

struct flx_program flx_program = {
	.abi = FLX_ABI + 1,
	.name = "old",
	.fluxions = fluxions,
	.fluxion_count = 1,
};
