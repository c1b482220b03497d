/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/worker.h"

#include <sys/prctl.h>

#include <rte_cycles.h>
#include <urcu-qsbr.h>

#include "fabric/crash.h"
#include "fabric/memory.h"

/* ----------------------------------------------------------------------------------- the stages */

void flx_worker_admit(struct flx_worker *worker, uint32_t port, struct flx_elem *elems,
		      uint32_t count)
{
	struct flx_stats *stats = worker->stats;
	uint64_t put = stats->put;

	if (unlikely(atomic_load_explicit(&worker->mover.incoming_buckets, memory_order_relaxed)))
		count = flx_worker_sift_buckets(worker, port, elems, count);
	flx_worker_route(worker, elems, count);
	stats->port[port].steered += stats->put - put;
}

/* A burst of one RX queue through the edge. Admits only what there are credits for. */
static uint32_t poll_queue(struct flx_worker *worker, uint32_t port)
{
	struct flx_rx *rx = &worker->rx[port];
	struct flx_stats *stats = worker->stats;
	struct rte_mbuf *frames[FLX_BATCH];
	struct flx_elem elems[FLX_BATCH];
	uint32_t count, kept;

	if (unlikely(!flx_purse_has(&worker->purse, FLX_BATCH))) {
		stats->refused_turns++;
		worker->deaf = true;
		return 0;
	}
	count = rte_eth_rx_burst(rx->ethdev, rx->queue, frames, worker->batch);
	rx->counts.received += count;
	rx->counts.empties += !count;
	if (!count)
		return 0;
	kept = flx_edge_recv(&worker->shared->edge[port], frames, count, elems, &stats->drops);
	stats->port[port].received += count;
	flx_purse_spend(&worker->purse, kept);
	flx_worker_admit(worker, port, elems, kept);
	return count;
}

static uint32_t poll_ports(struct flx_worker *worker)
{
	uint32_t work = 0;

	worker->deaf = flx_worker_refuses(worker);
	if (unlikely(worker->deaf)) {
		worker->stats->refused_turns++;
		return 0;
	}
	for (uint32_t port = 0; port < worker->port_count; port++)
		if (worker->rx[port].has_queue)
			work += poll_queue(worker, port);
	return work;
}

/*
 * A burst of one lane. A long run for one fluxion that has nothing older waiting is handled where
 * it lies; everything else is sorted by fluxion into vectors. No message is touched.
 */
static uint32_t poll_lane(struct flx_worker *worker, struct flx_lane *lane)
{
	struct flx_lane_part parts[2];
	uint32_t count = flx_lane_peek(lane, parts, FLX_BATCH);

	if (!count)
		return 0;
	for (uint32_t p = 0; p < 2; p++)
		flx_worker_sort(worker, parts[p].elems, parts[p].count);
	flx_lane_take(lane, count);
	worker->stats->taken += count;
	return count;
}

/* In a hurry: all that lies on the lane, and none of it is handled yet. */
static uint32_t empty_lane(struct flx_worker *worker, struct flx_lane *lane)
{
	struct flx_lane_part parts[2];
	uint32_t count = flx_lane_peek(lane, parts, flx_lane_count(lane));

	for (uint32_t p = 0; p < 2; p++)
		flx_worker_push(worker, parts[p].elems, parts[p].count);
	flx_lane_take(lane, count);
	worker->stats->taken += count;
	return count;
}

static uint32_t poll_lanes(struct flx_worker *worker)
{
	bool hurries = worker->batch < FLX_BATCH;
	uint32_t work = 0;

	for (uint32_t from = 0; from < worker->worker_count; from++) {
		if (from == worker->index)
			continue;
		work += unlikely(hurries) ? empty_lane(worker, flx_worker_lane_from(worker, from))
					  : poll_lane(worker, flx_worker_lane_from(worker, from));
	}
	return work;
}

static void flush_lanes(struct flx_worker *worker)
{
	uint64_t lanes = worker->dirty_lanes;

	worker->congested = false;
	while (lanes) {
		uint32_t to = (uint32_t)__builtin_ctzll(lanes);
		struct flx_lane *lane = &worker->lanes_out[to];

		lanes &= lanes - 1;
		flx_lane_flush(lane, &worker->chunks);
		flx_idle_wake(&worker->shared->workers[to]->idle);
		if (lane->staging.count)
			worker->congested = true;
		else
			worker->dirty_lanes &= ~(1ull << to);
	}
}

/* Drops all that waits in @fifo, under @drop. */
static void drop_fifo(struct flx_worker *worker, struct flx_fifo *fifo, enum flx_drop drop)
{
	struct flx_elem *elems;
	uint32_t row;

	while ((row = flx_fifo_peek(fifo, &elems)) != 0) {
		for (uint32_t i = 0; i < row; i++)
			flx_worker_end(worker, elems[i].msg);
		worker->stats->drops.count[drop] += row;
		flx_fifo_pop(fifo, &worker->chunks, row);
	}
}

/* A port that takes nothing for too long: what waits is dropped, so that credits come back. */
static void drop_stalled(struct flx_worker *worker, struct flx_tx *tx)
{
	drop_fifo(worker, &tx->frames, FLX_DROP_tx_stalled);
	tx->stuck_since_tsc = 0;
}

static uint32_t flush_port(struct flx_worker *worker, uint32_t port)
{
	struct flx_tx *tx = &worker->tx[port];
	struct rte_mbuf *frames[FLX_BATCH];
	struct flx_elem *elems;
	uint32_t sent = 0, row;

	while ((row = flx_fifo_peek(&tx->frames, &elems)) != 0) {
		uint16_t took;

		for (uint32_t i = 0; i < row; i++)
			frames[i] = &elems[i].msg->mbuf;
		took = rte_eth_tx_burst(tx->ethdev, tx->queue, frames, (uint16_t)row);
		flx_fifo_pop(&tx->frames, &worker->chunks, took);
		sent += took;
		if (took < row)
			break;
	}
	if (sent || !tx->frames.count)
		tx->stuck_since_tsc = 0;
	else if (!tx->stuck_since_tsc)
		tx->stuck_since_tsc = worker->now_tsc;
	else if (worker->now_tsc - tx->stuck_since_tsc > worker->shared->stall_tsc)
		drop_stalled(worker, tx);
	worker->stats->port[port].delivered += sent;
	flx_purse_return(&worker->purse, sent);
	return sent;
}

static uint32_t flush_ports(struct flx_worker *worker)
{
	uint32_t work = 0;

	for (uint32_t port = 0; port < worker->port_count; port++)
		if (worker->tx[port].frames.count)
			work += flush_port(worker, port);
	return work;
}

/* The clock of the ARP fluxion. */
static void poll_arp(struct flx_worker *worker)
{
	struct flx_shared *shared = worker->shared;
	struct flx_stats *stats = worker->stats;
	struct flx_elem out[FLX_ARP_OUT_MAX];
	uint64_t made = 0, dropped = flx_drops_sum(&stats->drops);
	uint32_t frames;

	if (likely(worker->now_tsc < worker->arp_next_tsc))
		return;
	worker->arp_next_tsc = worker->now_tsc + shared->tsc_hz / 1000000 * FLX_ARP_PERIOD_US;
	if (unlikely(atomic_load_explicit(&shared->state, memory_order_relaxed) != FLX_RUN))
		flx_arp_flush(shared->arp, &stats->drops);
	frames =
		flx_arp_poll(shared->arp, shared->edge, shared->port_count,
			     flx_now_us(&worker->call), out, FLX_ARP_OUT_MAX, &stats->drops, &made);
	stats->edge_generated += made;
	flx_purse_spend(&worker->purse, made);
	flx_purse_return(&worker->purse, flx_drops_sum(&stats->drops) - dropped);
	flx_worker_route(worker, out, frames);
}

/* --------------------------------------------------------------------------------- the accounts */

/* Messages in this worker's own queues, by looking at them; staging counts as put on its lane. */
static uint64_t count_held(struct flx_worker *worker, uint32_t *pending)
{
	uint64_t held = worker->runs_arp ? flx_arp_waiting(worker->shared->arp) : 0;

	for (uint32_t f = 0; f < worker->stats->fluxion_count; f++) {
		pending[f] = worker->vectors[f].count;
		held += pending[f];
	}
	held += flx_worker_count_parked(worker, pending);
	for (uint32_t p = 0; p < worker->port_count; p++)
		held += worker->tx[p].frames.count;
	return held;
}

void flx_worker_snapshot(struct flx_worker *worker, uint32_t number)
{
	worker->stats->held = count_held(worker, worker->snapshot_pending);
	memcpy(worker->snapshot, worker->stats, flx_stats_size(worker->stats->fluxion_count));
	/* Pairs with the acquire in flx_fabric_ledger: the copy is whole when the number is seen.
	 */
	atomic_store_explicit(&worker->snapshot_done, number, memory_order_release);
}

/* Contexts whose time is over, a few per turn. Nothing is bound here. */
static void sweep_contexts(struct flx_worker *worker)
{
	struct flx_shared *shared = worker->shared;

	for (uint32_t i = 0; i < shared->sweep_count; i++) {
		uint16_t group = shared->sweep_groups[i];

		flx_sweep_turn(shared->context_types[group], worker->index,
			       worker->mover.flags[group].flag, worker->now_tsc, shared->tsc_hz);
	}
}

/* Messages that wait to be handled here. */
static uint32_t count_waiting(const struct flx_worker *worker)
{
	uint32_t waiting = worker->mover.parked_count;

	for (uint32_t w = 0; w < sizeof(worker->pending) / sizeof(worker->pending[0]); w++)
		for (uint64_t left = worker->pending[w]; left; left &= left - 1)
			waiting += worker->vectors[w * 64 + (uint32_t)__builtin_ctzll(left)].count;
	for (uint32_t from = 0; from < worker->worker_count; from++)
		if (from != worker->index)
			waiting += flx_lane_count(flx_worker_lane_from(worker, from));
	return waiting;
}

static void close_window(struct flx_worker *worker)
{
	const struct flx_load_sample sample = {
		.now_tsc = worker->now_tsc,
		.busy_tsc = worker->stats->busy_tsc,
		.handled = worker->handled,
		.waiting = count_waiting(worker),
	};

	flx_load_close(&worker->load, &sample);
}

/* End of a turn: quiescent for RCU, one clock read, snapshot if one is wanted. */
static void account(struct flx_worker *worker, uint32_t work)
{
	struct flx_stats *stats = worker->stats;
	uint64_t now = rte_rdtsc();
	uint32_t wanted;

	stats->turns++;
	stats->total_tsc += now - worker->now_tsc;
	if (work)
		stats->busy_tsc += now - worker->now_tsc;
	worker->now_tsc = now;
	if (unlikely(flx_load_due(&worker->load, now)))
		close_window(worker);
	urcu_qsbr_quiescent_state();
	/* Pairs with the acquire of whoever waits for the turn to end: see struct flx_pulse. */
	atomic_store_explicit(&worker->pulse.turns, stats->turns, memory_order_release);
	flx_pulse_look(&worker->pulse, &worker->shared->epoch);
	/* Acquire: pairs with the release of who asks, and has read the one before. */
	wanted = atomic_load_explicit(&worker->shared->snapshot_wanted, memory_order_acquire);
	if (unlikely(wanted != atomic_load_explicit(&worker->snapshot_done, memory_order_relaxed)))
		flx_worker_snapshot(worker, wanted);
}

static void set_pace(struct flx_worker *worker)
{
	const _Atomic uint64_t *until = &worker->shared->hurry_until_tsc;
	bool hurries = worker->now_tsc < atomic_load_explicit(until, memory_order_relaxed);

	worker->batch = unlikely(hurries) ? FLX_BATCH_HURRIED : FLX_BATCH;
}

/* The moves that this worker has a part in. Begin: what has come; end: what is to go. */
static uint32_t begin_moves(struct flx_worker *worker)
{
	if (likely(!atomic_load_explicit(&worker->mover.incoming, memory_order_relaxed)))
		return 0;
	return flx_worker_unpark(worker);
}

static void end_moves(struct flx_worker *worker)
{
	if (unlikely(atomic_load_explicit(&worker->mover.outgoing, memory_order_relaxed)))
		flx_migrate_advance(&worker->shared->migrate, worker->index, worker->now_tsc);
}

/* ------------------------------------------------------------------------------------- the loop */

uint32_t flx_worker_turn(struct flx_worker *worker)
{
	uint32_t work = 0;

	/* First: after a sleep, what comes in is of now. */
	flx_store_turn(worker->shared->store, worker->index, worker->now_tsc);
	set_pace(worker);
	work += begin_moves(worker);
	if (likely(atomic_load_explicit(&worker->shared->state, memory_order_relaxed) == FLX_RUN))
		work += poll_ports(worker);
	else
		worker->deaf = true;
	work += poll_lanes(worker);
	work += flx_worker_dispatch(worker);
	if (worker->runs_arp)
		poll_arp(worker);
	flush_lanes(worker);
	work += flush_ports(worker);
	sweep_contexts(worker);
	end_moves(worker);
	account(worker, work);
	return work;
}

int flx_worker_run(void *argument)
{
	struct flx_worker *worker = argument;
	const struct flx_crash_scene scene = {
		.worker = worker->index,
		.pulse = &worker->pulse,
		.fluxion_count = worker->stats->fluxion_count,
		.fluxions = worker->fluxions,
		.stats = worker->stats,
	};

	flx_crash_enter(&scene);
	/* The kernel adds up to 50 us to a sleep unless told not to. */
	prctl(PR_SET_TIMERSLACK, 1);
	urcu_qsbr_register_thread();
	worker->cache = rte_mempool_default_cache(worker->shared->pool, rte_lcore_id());
	worker->now_tsc = rte_rdtsc();
	while (atomic_load_explicit(&worker->shared->state, memory_order_relaxed) != FLX_STOP) {
		if (flx_worker_turn(worker))
			flx_idle_busy(&worker->idle);
		else
			flx_worker_rest(worker);
	}
	worker->cache = NULL; /* from here on, whoever ends its messages is on another lcore */
	urcu_qsbr_unregister_thread();
	flx_crash_leave();
	return 0;
}

/* --------------------------------------------------------------------------------------- set-up */

/* What of a worker is allocated apart from it. */
static int alloc_parts(struct flx_worker *worker, const struct flx_worker_conf *conf)
{
	struct flx_shared *shared = worker->shared;
	uint32_t fluxions = shared->registry->fluxion_count;
	/* Twice the moves, since each may be undone, which takes a second queue for a while. */
	uint32_t fifos = fluxions + FLX_PORTS_MAX + shared->worker_count + 2 * FLX_MOVES_MAX;
	const struct flx_flags_conf flags = {
		.group_count = shared->registry->group_count,
		.worker_count = conf->spread,
		.index = conf->index,
		.numa = conf->numa,
	};
	int error;

	worker->vectors =
		flx_memory_alloc("vectors", fluxions * sizeof(*worker->vectors), conf->numa);
	worker->stats = flx_memory_alloc("stats", flx_stats_size(fluxions), conf->numa);
	worker->snapshot = flx_memory_alloc("snapshot", flx_stats_size(fluxions), conf->numa);
	worker->snapshot_pending = flx_memory_alloc(
		"pending", fluxions * sizeof(*worker->snapshot_pending), conf->numa);
	if (!worker->vectors || !worker->stats || !worker->snapshot || !worker->snapshot_pending)
		return -ENOMEM;
	error = flx_chunk_pool_init(&worker->chunks, conf->elems, fifos, conf->numa);
	if (!error)
		error = flx_mover_init(&worker->mover, &flags, shared->queues, shared->port_count,
				       &worker->chunks);
	if (!error)
		error = flx_load_init(&worker->load, shared->registry->group_count, shared->tsc_hz,
				      shared->start_tsc, conf->numa);
	return error;
}

struct flx_worker *flx_worker_alloc(struct flx_shared *shared, const struct flx_worker_conf *conf)
{
	struct flx_worker *worker = flx_memory_alloc("worker", sizeof(*worker), conf->numa);

	if (!worker)
		return NULL;
	worker->shared = shared;
	worker->fluxions = shared->registry->fluxion;
	worker->lanes_out = &shared->lanes[conf->index * shared->worker_count];
	worker->index = conf->index;
	worker->worker_count = shared->worker_count;
	worker->port_count = shared->port_count;
	if (flx_idle_init(&worker->idle) || alloc_parts(worker, conf)) {
		flx_worker_free(worker);
		return NULL;
	}
	worker->stats->fluxion_count = shared->registry->fluxion_count;
	worker->call.worker = worker;
	worker->call.sends = worker->sends;
	for (uint32_t f = 0; f < worker->stats->fluxion_count; f++)
		flx_fifo_init(&worker->vectors[f], &worker->chunks);
	for (uint32_t p = 0; p < FLX_PORTS_MAX; p++)
		flx_fifo_init(&worker->tx[p].frames, &worker->chunks);
	flx_purse_init(&worker->purse, &shared->credits, conf->keep);
	return worker;
}

/* Drops all that lies on @lane, as stopped. */
static void drop_lane(struct flx_worker *worker, struct flx_lane *lane)
{
	struct flx_lane_part parts[2];
	uint32_t count;

	while ((count = flx_lane_peek(lane, parts, FLX_BATCH)) != 0) {
		for (uint32_t p = 0; p < 2; p++)
			for (uint32_t i = 0; i < parts[p].count; i++)
				flx_worker_end(worker, parts[p].elems[i].msg);
		flx_lane_take(lane, count);
		worker->stats->taken += count;
		worker->stats->drops.count[FLX_DROP_stopped] += count;
	}
}

void flx_worker_abandon(struct flx_worker *worker)
{
	struct flx_stats *stats = worker->stats;

	for (uint32_t from = 0; from < worker->worker_count; from++)
		if (from != worker->index)
			drop_lane(worker, flx_worker_lane_from(worker, from));
	for (uint32_t f = 0; f < stats->fluxion_count; f++) {
		/* Of those that arrived here, none is pending any more. */
		stats->fluxion[f].arrived -= worker->vectors[f].count;
		drop_fifo(worker, &worker->vectors[f], FLX_DROP_stopped);
	}
	flx_worker_abandon_parked(worker);
	for (uint32_t to = 0; to < worker->worker_count; to++) {
		if (to == worker->index)
			continue;
		stats->put -= worker->lanes_out[to].staging.count;
		drop_fifo(worker, &worker->lanes_out[to].staging, FLX_DROP_stopped);
	}
	for (uint32_t p = 0; p < worker->port_count; p++)
		drop_fifo(worker, &worker->tx[p].frames, FLX_DROP_stopped);
	if (worker->runs_arp)
		flx_arp_flush(worker->shared->arp, &stats->drops);
}

void flx_worker_free(struct flx_worker *worker)
{
	if (!worker)
		return;
	flx_idle_fini(&worker->idle);
	flx_load_fini(&worker->load);
	flx_mover_fini(&worker->mover);
	flx_chunk_pool_fini(&worker->chunks);
	flx_memory_free(worker->snapshot_pending);
	flx_memory_free(worker->snapshot);
	flx_memory_free(worker->stats);
	flx_memory_free(worker->vectors);
	flx_memory_free(worker);
}
