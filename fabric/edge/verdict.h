/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * verdict - what a parser decided about a frame: which fluxion takes it, or why it is dropped.
 *
 * Four bytes, returned in a register.
 */
#pragma once

#include <stdint.h>

#include "fabric/drops.h"
#include "fabric/flx.h"

struct flx_verdict {
	uint16_t fluxion; /* FLX_FLUXION_NONE: dropped */
	uint16_t drop;	  /* enum flx_drop; of a dropped one */
};

static inline struct flx_verdict flx_take(uint16_t fluxion)
{
	return (struct flx_verdict){.fluxion = fluxion};
}

static inline struct flx_verdict flx_refuse(enum flx_drop drop)
{
	return (struct flx_verdict){.fluxion = FLX_FLUXION_NONE, .drop = (uint16_t)drop};
}
