/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ledger - promise 6: received + generated = delivered + consumed + drops + in flight + unexplained.
 *
 * Every worker's part balances exactly at its quiescent points: what came in (from ports and lanes, or
 * was made) is what went out (to ports and lanes, consumed, dropped) and what its queues hold, counted
 * by looking at the queues. The sum over workers therefore balances too, however far apart their
 * snapshots were taken, and what is left over is a bug.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "fabric/base.h"
#include "fabric/drops.h"
#include "fabric/flx.h"

/* Room for errno values; beyond Linux's highest (133). */
#define FLX_ERRORS 135

struct flx_port_ledger {
	char name[64];
	uint64_t received;  /* frames taken from RX queues */
	uint64_t delivered; /* frames that TX queues took */
	uint64_t refused;   /* frames that the NIC dropped because we did not poll (rx_missed) */
	uint64_t rx_nombuf;
	uint64_t rx_errors;
	uint64_t tx_errors;
	uint32_t queue_count;			  /* RX queues, each its worker's */
	uint64_t queue_received[FLX_WORKERS_MAX]; /* frames */
	uint64_t queue_steered[FLX_WORKERS_MAX];  /* messages of these that went to other workers */
};

struct flx_fluxion_ledger {
	char id[FLX_ID_MAX + 1];
	uint64_t arrived;	     /* messages sent to it */
	uint64_t handled;	     /* of these, handler returned 0 */
	uint64_t failed;	     /* of these, dropped under an error */
	uint64_t pending;	     /* of these, in vectors now */
	uint64_t consumed;	     /* not sent on */
	uint64_t generated;	     /* made by it */
	uint64_t errors[FLX_ERRORS]; /* failed by errno; [0] is any beyond */
};

/* Contexts of one group. */
struct flx_context_ledger {
	char name[FLX_ID_MAX + 1];
	uint64_t contexts; /* now */
	uint64_t deleted;  /* by handlers */
	uint64_t expired;
	uint64_t evicted;
	uint64_t refused;	 /* new keys for which there was no room: dropped under ENOSPC */
	uint64_t damaged;	 /* records that were not what a commit leaves: not used */
	uint64_t deferred_bytes; /* freed, and not to be used again before readers are done */
};

struct flx_ledger {
	uint64_t received;
	uint64_t generated;
	uint64_t delivered;
	uint64_t consumed;
	uint64_t dropped;    /* sum of drops and of all fluxions' failed */
	int64_t in_flight;   /* looked up in vectors, lanes, staging, TX and ARP queues */
	int64_t unexplained; /* the rest: 0, or a bug */

	struct flx_drops drops;
	uint32_t port_count;
	struct flx_port_ledger port[FLX_PORTS_MAX];
	uint32_t fluxion_count;
	struct flx_fluxion_ledger fluxion[FLX_FLUXIONS_MAX + FLX_FLUXION_FIRST];

	uint64_t first_answer_us; /* from the start of the fabric to its first answer; 0: none */
	uint64_t contexts;	  /* now, of all types */
	uint32_t context_type_count;
	struct flx_context_ledger context_type[FLX_FLUXIONS_MAX];
	bool snapshot_failed; /* the last one, when the fabric has stopped */
	uint64_t pool_free;   /* buffers */
	uint64_t pool_size;
	uint64_t pool_kept; /* by drivers that never give theirs back; at the end only */
	uint32_t worker_count;
	uint64_t worker_handled[FLX_WORKERS_MAX]; /* messages, since start */
	uint64_t
		worker_busy_tsc[FLX_WORKERS_MAX]; /* cycles in turns that found work, since start */
	uint64_t worker_total_tsc[FLX_WORKERS_MAX];
	uint32_t stalled_workers; /* did not answer: what they did and hold is missing above */
};

/* Share of the time between two ledgers that @worker was busy; 0 where one of them lacks it. */
uint32_t flx_ledger_busy_pct(const struct flx_ledger *before, const struct flx_ledger *now,
			     uint32_t worker);

/* Prints @ledger as the table that `flx run` ends with: only rows and reasons that are not 0. */
void flx_ledger_print(const struct flx_ledger *ledger, FILE *out);
