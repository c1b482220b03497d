/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/stats.h"

static void sum_fluxion(struct flx_fluxion_ledger *row, const struct flx_fluxion_stats *stats,
			uint32_t pending)
{
	row->arrived += stats->arrived;
	row->handled += stats->handled;
	row->failed += stats->failed;
	row->pending += pending;
	row->consumed += stats->consumed;
	row->generated += stats->generated;
	for (uint32_t e = 0; e < FLX_ERRORS; e++)
		row->errors[e] += stats->errors[e];
}

void flx_stats_sum(struct flx_ledger *ledger, const struct flx_stats *snapshot,
		   const uint32_t *pending)
{
	ledger->generated += snapshot->edge_generated;
	ledger->consumed += snapshot->edge_consumed;
	/* Signed: a lane's two ends are read at different times, and may seem to hold less than none. */
	ledger->in_flight += (int64_t)(snapshot->held + snapshot->put - snapshot->taken);
	for (uint32_t d = 0; d < FLX_DROP_COUNT; d++) {
		ledger->drops.count[d] += snapshot->drops.count[d];
		ledger->dropped += snapshot->drops.count[d];
	}
	for (uint32_t p = 0; p < ledger->port_count; p++) {
		ledger->port[p].received += snapshot->port[p].received;
		ledger->port[p].delivered += snapshot->port[p].delivered;
		ledger->received += snapshot->port[p].received;
		ledger->delivered += snapshot->port[p].delivered;
	}
	for (uint32_t f = 0; f < snapshot->fluxion_count; f++) {
		sum_fluxion(&ledger->fluxion[f], &snapshot->fluxion[f], pending[f]);
		ledger->generated += snapshot->fluxion[f].generated;
		ledger->consumed += snapshot->fluxion[f].consumed;
		ledger->dropped += snapshot->fluxion[f].failed;
	}
}

void flx_stats_balance(struct flx_ledger *ledger)
{
	ledger->unexplained = (int64_t)(ledger->received + ledger->generated - ledger->delivered -
					ledger->consumed - ledger->dropped) -
			      ledger->in_flight;
	/*
	 * Each fluxion has an equation of its own. One that does not hold is added in full, so that two
	 * faults cannot cancel out.
	 */
	for (uint32_t f = 0; f < ledger->fluxion_count; f++) {
		const struct flx_fluxion_ledger *row = &ledger->fluxion[f];
		int64_t rest = (int64_t)(row->arrived - row->handled - row->failed - row->pending);

		if (rest && (ledger->unexplained < 0) == (rest < 0))
			ledger->unexplained += rest;
		else
			ledger->unexplained -= rest;
	}
}
