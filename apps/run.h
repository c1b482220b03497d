/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * run - what `flx run` and `flx check` do, once their arguments are understood.
 *
 * The calling thread is the control thread. Between a start and a stop it is one loop, asleep until a
 * signal, the next look at the workers, the next status line, or somebody at its control socket
 * (desk.h).
 *
 * Signals: SIGINT and SIGTERM stay blocked from before the start, so every thread of the fabric
 * inherits that and only the calling thread takes them, while it waits; one that comes during the
 * start ends that as soon as a step of it is done, with nothing left behind. The first drains; the
 * second ends the draining; the third kills, for then its default action is back. SIGPIPE is ignored:
 * the reader of the status lines may leave while the fabric goes on.
 */
#pragma once

#include "apps/args.h"

/* Exit statuses of the command. */
enum {
	FLX_EXIT_OK = 0,
	FLX_EXIT_FAILED = 1, /* the machine refused, or the ledger or the pools do not balance */
	FLX_EXIT_USAGE = 2,  /* bad arguments, configuration or program; nothing was started */
};

/* Runs the app until a signal or for the duration; returns the exit status. Once per process. */
int flx_run(const struct flx_args *args);

/* Checks the app and prints its plan; touches nothing. Returns the exit status. */
int flx_check(const struct flx_args *args);
