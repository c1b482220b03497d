/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stats - a worker's counters, and how the control thread reads them whole.
 *
 * Only the owner writes, plain adds, once per batch. The control thread asks for a snapshot; the
 * worker copies its counters at its next quiescent point, together with what its queues hold then, so
 * a snapshot always balances (see ledger.h).
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>

#include "fabric/base.h"
#include "fabric/drops.h"
#include "fabric/flx.h"
#include "fabric/ledger.h"

struct flx_fluxion_stats {
	uint64_t arrived; /* pushed into its vector */
	uint64_t handled;
	uint64_t failed;
	uint64_t consumed;
	uint64_t generated;
	uint64_t errors[FLX_ERRORS]; /* failed, by errno; [0] is any beyond */
};

struct flx_port_stats {
	uint64_t received;
	uint64_t delivered;
	uint64_t steered; /* of those received, messages that went to another worker at once */
};

struct flx_stats {
	uint64_t edge_generated; /* ARP requests */
	uint64_t edge_consumed;	 /* ARP replies */
	uint64_t put;		 /* on lanes to other workers */
	uint64_t taken;		 /* off lanes from other workers */
	uint64_t parked;	 /* of slices that were on their way here; handled since, or held */
	uint64_t forwarded;	 /* of slices that had left: 0, or a bug */
	uint64_t held;		 /* in this worker's queues; set when a snapshot is taken */
	uint64_t turns;
	uint64_t refused_turns; /* RX queues not polled: no credit, or a lane full */
	uint64_t busy_tsc;	/* cycles of turns that found work */
	uint64_t total_tsc;
	uint64_t first_answer_tsc; /* when the first answer was built; 0: none yet */
	struct flx_drops drops;
	struct flx_port_stats port[FLX_PORTS_MAX];
	uint32_t fluxion_count;
	struct flx_fluxion_stats fluxion[]; /* by number */
};

/* Bytes of a struct flx_stats for @fluxion_count fluxions. */
static inline size_t flx_stats_size(uint32_t fluxion_count)
{
	return sizeof(struct flx_stats) + fluxion_count * sizeof(struct flx_fluxion_stats);
}

/* Counts one message of fluxion @stats that was dropped under errno @error (positive). */
static inline void flx_stats_fail(struct flx_fluxion_stats *stats, uint32_t error)
{
	stats->failed++;
	stats->errors[error < FLX_ERRORS ? error : 0]++;
}

/*
 * flx_stats_sum - add the snapshot of a worker into @ledger
 * @pending: messages in each fluxion's vector at the snapshot, by number
 * flx_stats_balance - then work out in_flight, dropped and unexplained. Context: control thread.
 */
void flx_stats_sum(struct flx_ledger *ledger, const struct flx_stats *snapshot,
		   const uint32_t *pending);
void flx_stats_balance(struct flx_ledger *ledger);
