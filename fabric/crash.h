/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * crash - a last line on standard error when a fault ends the process: which signal, and which
 * worker, fluxion and message it struck.
 *
 * For SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT, which is how FLX_VERIFY stops. The line is one
 * write, made of what was laid out before by a signal handler that calls nothing else; then the
 * signal does what it always did, with a core of the place where it struck. A worker has a stack
 * for it apart, so that a stack that has overflowed is told of as well. A signal that the process
 * handles already, as sanitizers do, stays with its handler.
 */
#pragma once

#include "fabric/registry.h"
#include "fabric/stats.h"
#include "fabric/pulse.h"

/* Where a worker's state is found when it can no longer be asked. Outlives flx_crash_leave. */
struct flx_crash_scene {
	uint32_t worker; /* index */
	const struct flx_pulse *pulse;
	uint32_t fluxion_count;
	const struct flx_fluxion_entry *fluxions; /* by number */
	const struct flx_stats *stats;
};

/* flx_crash_start, flx_crash_stop - handle the signals, and no more. Context: setup. */
void flx_crash_start(void);
void flx_crash_stop(void);

/*
 * flx_crash_enter - from here on the calling thread is the worker of @scene, which is copied
 * flx_crash_leave - and from here on no more
 */
void flx_crash_enter(const struct flx_crash_scene *scene);
void flx_crash_leave(void);
