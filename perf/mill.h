/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mill - the counter app with work to do: its first fluxion takes as many cycles as it is told.
 *
 * It also notes which worker did how much of it when, in milliseconds since flx_mill_begin: a witness of
 * where the load is that owes nothing to the fabric's own measurement. One per process.
 *
 *			written by			read by
 *	handled[w]	worker w			control thread
 *	the rest	control, before the start	all workers
 */
#pragma once

#include <stdint.h>

#include "fabric/flx.h"

#define FLX_MILL_PORT 7000
/* 16 s; what is handled later is not noted. */
#define FLX_MILL_SLOTS 16384

/* flx_mill_program - to be started next; each message takes @cycles of a worker, and what the app does. */
struct flx_program *flx_mill_program(uint32_t cycles);

/* flx_mill_begin - from now on note what is handled; returns the TSC of the first slot's begin */
uint64_t flx_mill_begin(void);

/* Messages that worker @worker handled in the @count milliseconds from slot @first on. */
uint64_t flx_mill_handled(uint32_t worker, uint32_t first, uint32_t count);
