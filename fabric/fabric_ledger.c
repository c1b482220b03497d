/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fabric_ledger - reads the accounts of a running fabric: a snapshot of every worker, summed up.
 */
#include <rte_cycles.h>

#include "fabric/fabric_state.h"

/* A worker that stalls may have gone on since the watch last looked: it gets this long to answer. */
#define STALLED_WAIT_US 1000

/* Waits for worker @w to take snapshot @number; false when it stalls. */
static bool await_snapshot(struct flx_fabric *fabric, uint32_t w, uint32_t number)
{
	struct flx_worker *worker = fabric->shared.workers[w];

	if (atomic_load_explicit(&fabric->shared.state, memory_order_relaxed) == FLX_STOP) {
		flx_worker_snapshot(worker, number);
		return true;
	}
	for (uint32_t waited_us = 0;; waited_us += 50) {
		/* Pairs with the release in flx_worker_snapshot. */
		if (atomic_load_explicit(&worker->snapshot_done, memory_order_acquire) == number)
			return true;
		flx_fabric_watch(fabric);
		if (waited_us >= STALLED_WAIT_US && flx_watch_stalls(&fabric->watch, w))
			return false;
		flx_idle_wake(&worker->idle);
		rte_delay_us_sleep(50);
	}
}

static void add_ports(struct flx_fabric *fabric, struct flx_ledger *ledger)
{
	ledger->port_count = fabric->shared.port_count;
	for (uint32_t p = 0; p < ledger->port_count; p++) {
		struct flx_port_ledger *row = &ledger->port[p];
		struct flx_port_counters counters;

		snprintf(row->name, sizeof(row->name), "%.63s", fabric->port[p].spec.text);
		row->queue_count = fabric->port[p].rx_queues;
		if (flx_port_counters(&fabric->port[p], &counters))
			continue;
		row->refused = counters.rx_missed;
		row->rx_nombuf = counters.rx_nombuf;
		row->rx_errors = counters.rx_errors;
		row->tx_errors = counters.tx_errors;
	}
}

/* The earliest of all workers counts. */
static void add_first_answer(const struct flx_fabric *fabric, struct flx_ledger *ledger,
			     uint64_t first_tsc)
{
	uint64_t us = (first_tsc - fabric->begun_tsc) * 1000000 / fabric->shared.tsc_hz;

	if (first_tsc && (!ledger->first_answer_us || us < ledger->first_answer_us))
		ledger->first_answer_us = us;
}

static void add_queues(const struct flx_stats *snapshot, struct flx_ledger *ledger, uint32_t w)
{
	for (uint32_t p = 0; p < ledger->port_count; p++) {
		ledger->port[p].queue_received[w] = snapshot->port[p].received;
		ledger->port[p].queue_steered[w] = snapshot->port[p].steered;
	}
}

static void add_worker(struct flx_fabric *fabric, struct flx_ledger *ledger, uint32_t w)
{
	const struct flx_worker *worker = fabric->shared.workers[w];
	const struct flx_stats *snapshot = worker->snapshot;

	flx_stats_sum(ledger, snapshot, worker->snapshot_pending);
	add_queues(snapshot, ledger, w);
	add_first_answer(fabric, ledger, snapshot->first_answer_tsc);
	for (uint32_t f = FLX_FLUXION_FIRST; f < snapshot->fluxion_count; f++)
		ledger->worker_handled[w] +=
			snapshot->fluxion[f].handled + snapshot->fluxion[f].failed;
	ledger->worker_busy_tsc[w] = snapshot->busy_tsc;
	ledger->worker_total_tsc[w] = snapshot->total_tsc;
}

static void add_contexts(const struct flx_shared *shared, struct flx_ledger *ledger)
{
	for (uint32_t t = 0; shared->store && t < shared->store->type_count; t++) {
		struct flx_context_type *type = shared->store->type[t];
		struct flx_context_ledger *row =
			&ledger->context_type[ledger->context_type_count++];

		snprintf(row->name, sizeof(row->name), "%s", type->name);
		row->contexts = flx_context_count(type);
		for (uint32_t w = 0; w < type->worker_count; w++) {
			const struct flx_context_counts *counts = &type->worker[w].counts;

			row->deleted +=
				atomic_load_explicit(&counts->deleted, memory_order_relaxed);
			row->expired +=
				atomic_load_explicit(&counts->expired, memory_order_relaxed);
			row->evicted +=
				atomic_load_explicit(&counts->evicted, memory_order_relaxed);
			row->refused +=
				atomic_load_explicit(&counts->refused, memory_order_relaxed);
		}
		row->damaged = atomic_load_explicit(&type->damaged, memory_order_relaxed);
		row->deferred_bytes = flx_store_deferred_bytes(type);
		ledger->contexts += row->contexts;
	}
}

void flx_fabric_ledger(struct flx_fabric *fabric, struct flx_ledger *ledger)
{
	struct flx_shared *shared = &fabric->shared;
	uint32_t number = atomic_load_explicit(&shared->snapshot_wanted, memory_order_relaxed) + 1;

	memset(ledger, 0, sizeof(*ledger));
	add_ports(fabric, ledger);
	ledger->fluxion_count = fabric->registry.fluxion_count;
	for (uint32_t f = 0; f < ledger->fluxion_count; f++)
		snprintf(ledger->fluxion[f].id, sizeof(ledger->fluxion[f].id), "%s",
			 fabric->registry.fluxion[f].id);
	ledger->worker_count = shared->worker_count;
	/* Release: what was read of the last one was read before the next is written. */
	atomic_store_explicit(&shared->snapshot_wanted, number, memory_order_release);
	for (uint32_t w = 0; w < shared->worker_count; w++)
		if (await_snapshot(fabric, w, number))
			add_worker(fabric, ledger, w);
		else
			ledger->stalled_workers++;
	flx_stats_balance(ledger);
	add_contexts(shared, ledger);
	ledger->pool_size = fabric->buffers;
	ledger->pool_free = rte_mempool_avail_count(shared->pool);
}
