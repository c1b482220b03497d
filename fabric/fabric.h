/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fabric - starts and stops everything, in order: program, plan, EAL, ports, contexts, workers.
 *
 * One fabric per process (EAL starts once). Whoever calls flx_fabric_start is the control thread.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "fabric/flx.h"
#include "fabric/ledger.h"
#include "fabric/options.h"
#include "fabric/topology.h"
#include "fabric/watch.h"
#include "pmd-config/port.h"

struct flx_fabric;
struct flx_store;

/*
 * flx_fabric_check - check @program and plan its placement; touches nothing
 * Prints groups, fluxions and the plan to @out. 0, or -errno after one flx_error per fault.
 */
int flx_fabric_check(struct flx_program *program, const struct flx_options *options, FILE *out);

/*
 * flx_fabric_start - check, bring up and run @program
 * Prints the placement and the derived EAL line to @out (NULL: nowhere). On failure nothing stays
 * running, and flx_error has said why: -EINVAL a bad program or option (exit status 2), another -errno
 * when the machine refused. Without a word -ECANCELED, between two steps, when SIGINT or SIGTERM is
 * pending, which the caller may have blocked. @program stays the caller's and must outlive the fabric.
 */
int flx_fabric_start(struct flx_fabric **fabric, struct flx_program *program,
		     const struct flx_options *options, FILE *out);

/* The scheduler of @fabric; see scheduler/sched.h for who may ask it what. */
struct flx_sched;
struct flx_sched *flx_fabric_sched(struct flx_fabric *fabric);

/* Port @index of @fabric, up to the number of --port options. Context: control thread. */
const struct flx_port *flx_fabric_port(const struct flx_fabric *fabric, uint32_t index);

/* Where the workers of @fabric run. Context: control thread. */
const struct flx_plan *flx_fabric_plan(const struct flx_fabric *fabric);

/* The contexts of @fabric: for what any thread may do with a store. Context: control thread. */
struct flx_store *flx_fabric_store(const struct flx_fabric *fabric);

/* The file that @fabric dumps its contexts to; NULL: none. Context: control thread. */
const char *flx_fabric_snapshot_path(const struct flx_fabric *fabric);

/*
 * flx_fabric_ledger - the ledger now, see ledger.h; exact per worker, never estimated
 * Waits for every worker's turn to end; for one that stalls, until the watch tells so.
 * Context: control thread.
 */
void flx_fabric_ledger(struct flx_fabric *fabric, struct flx_ledger *ledger);

/*
 * flx_fabric_watch - warn of workers that stall, and tell when they go on; see watch.h
 * Context: control thread, at least once per FLX_WATCH_PERIOD_MS. Earlier than that it does nothing.
 */
void flx_fabric_watch(struct flx_fabric *fabric);

/*
 * flx_fabric_drain - admit nothing new and wait until nothing is in flight
 * 0; -ETIMEDOUT after @timeout_ms; -EINTR when *@interrupted (may be NULL) becomes nonzero.
 */
int flx_fabric_drain(struct flx_fabric *fabric, uint32_t timeout_ms,
		     const volatile int *interrupted);

#define FLX_FABRIC_STUCK UINT32_MAX

/*
 * flx_fabric_stop - stop the workers, fill @ledger (may be NULL) a last time, take the ports down, free
 * everything. Returns the number of buffers that did not come back to their pools: 0, or a bug. A worker
 * whose handler does not return is left behind with all that it may use, after one flx_error: then
 * FLX_FABRIC_STUCK is returned, @ledger is empty, and the process may only end by _exit.
 */
uint32_t flx_fabric_stop(struct flx_fabric *fabric, struct flx_ledger *ledger);
