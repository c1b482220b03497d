/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * relay - a program for moving slices under full load: numbered messages go round three keyed fluxions.
 *
 * Each request becomes a message that goes from "first" over "second" to "third" and back to "first", for
 * ever. "first" numbers the messages of its key, and "second" and "third" must see the numbers in turn;
 * "third" numbers them again for the way back. So one that is lost, comes twice or is overtaken by another of
 * its key shows at once. "second" goes by another key, so the chain changes slices. One per process.
 */
#pragma once

#include <stdint.h>

#include "fabric/flx.h"

#define FLX_RELAY_PORT 7003

/* Its groups, one for each fluxion. */
enum flx_relay_group {
	FLX_RELAY_ENTER, /* where requests come in; on every worker */
	FLX_RELAY_FIRST,
	FLX_RELAY_SECOND,
	FLX_RELAY_THIRD,
};

extern struct flx_program flx_relay_program;

/* flx_relay_end - from now on messages end where the chain does */
void flx_relay_end(void);

/* Messages that were not the next of their key. */
uint64_t flx_relay_wrong(void);
