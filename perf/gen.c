/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/gen.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>

#include "fabric/route.h"
#include "perf/host.h"

/* A burst of a port of ours; a worker's batch. */
#define BURST FLX_BATCH
/* Buffers that wait to be made requests, of a queue: as many as it may have on its way. */
#define SPARES 4096
/* Samples kept: 16 MiB of each kind. */
#define SAMPLES (1u << 22)
/* Answers per second that a request under way in a closed loop has at most: none comes within a us. */
#define CLOSED_RATE_EACH 1e6

/* ------------------------------------------------------------------------------------- the clockwork */

/* Sends what is left of the last time. False: the port still does not take it all. */
static bool send_unsent(struct flx_gen *gen, uint16_t q, uint32_t *moved)
{
	struct flx_gen_queue *queue = &gen->queue[q];
	uint16_t sent;

	if (likely(!queue->unsent_count))
		return true;
	sent = rte_eth_tx_burst(gen->conf.port, q, queue->unsent + queue->unsent_first,
				(uint16_t)queue->unsent_count);
	queue->unsent_first += sent;
	queue->unsent_count -= sent;
	*moved += sent;
	gen->blocked |= queue->unsent_count > 0;
	return queue->unsent_count == 0;
}

static uint32_t send_due(struct flx_gen *gen, uint16_t q, uint64_t now_tsc)
{
	struct flx_gen_queue *queue = &gen->queue[q];
	uint32_t moved = 0;

	if (!send_unsent(gen, q, &moved))
		return moved;
	queue->unsent_first = 0;
	queue->unsent_count = flx_asker_make(&queue->asker, queue->unsent, BURST, now_tsc);
	send_unsent(gen, q, &moved);
	return moved;
}

/* How many came; adds to @noise what else did, which says nothing of whom it asks. */
static uint32_t recv_answers(struct flx_gen *gen, uint16_t q, uint64_t now_tsc, uint32_t *noise)
{
	struct rte_mbuf *frames[BURST];
	uint32_t came = rte_eth_rx_burst(gen->conf.port, q, frames, BURST), count = came;

	if (unlikely(gen->conf.host))
		count = flx_host_sift(gen->conf.host, q, frames, came);
	if (count)
		flx_asker_recv(&gen->queue[q].asker, frames, count, now_tsc);
	*noise += came - count;
	return count;
}

/* What was not sent by now never is. */
static void end(struct flx_gen *gen)
{
	struct flx_asker_counts counts;

	flx_gen_count(gen, &counts);
	gen->right = counts.answers - counts.wrong;
	for (uint16_t q = 0; q < gen->conf.queues; q++) {
		struct flx_gen_queue *queue = &gen->queue[q];

		flx_asker_unmake(&queue->asker, queue->unsent + queue->unsent_first,
				 queue->unsent_count);
		queue->unsent_count = 0;
		if (!gen->closed)
			flx_asker_refuse(&queue->asker, gen->end_tsc);
	}
	gen->ended = true;
}

static int64_t count_under_way(const struct flx_gen *gen)
{
	int64_t under_way = 0;

	for (uint16_t q = 0; q < gen->conf.queues; q++)
		under_way += flx_asker_under_way(&gen->queue[q].asker);
	return under_way;
}

/* Everything that is under way is lost; in a closed loop others take its place. */
static void give_up(struct flx_gen *gen)
{
	for (uint16_t q = 0; q < gen->conf.queues; q++)
		flx_asker_give_up(&gen->queue[q].asker);
}

uint32_t flx_gen_poll(struct flx_gen *gen, uint64_t now_tsc)
{
	uint64_t grace = gen->conf.hz / 1000 * FLX_GEN_GRACE_MS;
	bool sends = now_tsc >= gen->start_tsc && now_tsc < gen->close_tsc;
	uint32_t moved = 0, noise = 0;

	for (uint16_t q = 0; q < gen->conf.queues; q++) {
		moved += recv_answers(gen, q, now_tsc, &noise);
		if (likely(sends))
			moved += send_due(gen, q, now_tsc);
	}
	if (unlikely(now_tsc >= gen->close_tsc && !gen->ended))
		end(gen);
	/* Who was away for so long cannot say that nothing came meanwhile. */
	gen->quiet = !moved && now_tsc - gen->polled_tsc < grace / 2;
	gen->polled_tsc = now_tsc;
	if (moved)
		gen->moved_tsc = now_tsc;
	else if (unlikely(gen->closed && sends && gen->quiet && now_tsc - gen->moved_tsc > grace))
		give_up(gen);
	return moved + noise;
}

bool flx_gen_is_done(const struct flx_gen *gen, uint64_t now_tsc)
{
	uint64_t grace = gen->conf.hz / 1000 * FLX_GEN_GRACE_MS;

	return gen->ended &&
	       (count_under_way(gen) <= 0 || (gen->quiet && now_tsc >= gen->close_tsc + grace));
}

void *flx_gen_run(void *argument)
{
	struct flx_gen *gen = argument;
	uint64_t now = rte_rdtsc(), busy = 0;

	while (!flx_gen_is_done(gen, now)) {
		bool counts = now >= gen->start_tsc && !gen->ended;
		uint32_t moved = flx_gen_poll(gen, now);
		uint64_t after = rte_rdtsc();

		if (likely(counts)) {
			busy += moved ? after - now : 0;
			gen->total = after - gen->start_tsc;
		}
		now = after;
	}
	gen->busy = busy;
	return NULL;
}

/* ------------------------------------------------------------------------------------------- setup */

/* The queue that RSS brings a flow to where slices lie as they do at first: slice modulo workers. */
static uint32_t queue_of(const struct flx_gen *gen, struct flx_query_flow flow)
{
	uint8_t key[12];

	if (gen->conf.queues == 1)
		return 0;
	if (!gen->conf.rss)
		return flow.client % gen->conf.queues;
	flx_query_flow_key(&gen->query, flow, key);
	return (flx_rss_flow(gen->conf.rss, key) & (FLX_SLICES - 1)) % gen->conf.queues;
}

/* Each flow into the list of its queue: one client after the other, and then their next ports. */
static int deal_flows(struct flx_gen *gen)
{
	const struct flx_query_conf *query = &gen->query.conf;
	struct flx_query_flow flow;

	for (flow.port = 0; flow.port < query->ports; flow.port++)
		for (flow.client = 0; flow.client < query->clients; flow.client++)
			gen->queue[queue_of(gen, flow)].flow_count++;
	for (uint32_t q = 0; q < gen->conf.queues; q++) {
		struct flx_gen_queue *queue = &gen->queue[q];

		queue->flows = calloc(RTE_MAX(queue->flow_count, 1u), sizeof(*queue->flows));
		if (!queue->flows)
			return -ENOMEM;
		queue->flow_count = 0;
	}
	for (flow.port = 0; flow.port < query->ports; flow.port++)
		for (flow.client = 0; flow.client < query->clients; flow.client++) {
			struct flx_gen_queue *queue = &gen->queue[queue_of(gen, flow)];

			queue->flows[queue->flow_count++] = flow;
		}
	return 0;
}

/* A queue's part of the load, and its table where some clients ask more often than others. */
static int weigh_queue(struct flx_gen *gen, struct flx_gen_queue *queue,
		       const double *client_weight)
{
	uint64_t flows = (uint64_t)gen->query.conf.clients * gen->query.conf.ports;
	double *weight;

	queue->share = (double)queue->flow_count / (double)flows;
	if (!client_weight || !queue->flow_count)
		return 0;
	weight = calloc(queue->flow_count, sizeof(*weight));
	if (!weight)
		return -ENOMEM;
	queue->share = 0;
	for (uint32_t f = 0; f < queue->flow_count; f++) {
		weight[f] = client_weight[queue->flows[f].client] / gen->query.conf.ports;
		queue->share += weight[f];
	}
	queue->pick = flx_pick_make(weight, queue->flow_count);
	free(weight);
	return queue->pick ? 0 : -ENOMEM;
}

/* How often each client asks, of 1 in all; NULL: all alike, or no memory. */
static double *weigh_clients(const struct flx_gen *gen)
{
	uint32_t clients = gen->query.conf.clients;
	double *weight = calloc(clients, sizeof(*weight)), sum = 0;

	if (!weight)
		return NULL;
	flx_weights_zipf(weight, clients, gen->conf.zipf, gen->conf.seed);
	for (uint32_t c = 0; c < clients; c++)
		sum += weight[c];
	for (uint32_t c = 0; c < clients; c++)
		weight[c] /= sum;
	return weight;
}

static int start_queue(struct flx_gen *gen, uint32_t q, const double *client_weight)
{
	struct flx_gen_queue *queue = &gen->queue[q];
	const struct flx_asker_conf asker = {
		.pool = gen->conf.pool,
		.query = &gen->query,
		.flows = queue->flows,
		.flow_count = queue->flow_count,
		.spares = SPARES,
		.backlog = UINT64_MAX,
		.hz = gen->conf.hz,
		.seed = gen->conf.seed + q,
	};
	int error = weigh_queue(gen, queue, client_weight);

	if (!error)
		error = flx_asker_init(&queue->asker, &asker);
	/* Before the thread that draws. */
	atomic_store_explicit(&queue->asker.pick, queue->pick, memory_order_relaxed);
	return error;
}

int flx_gen_init(struct flx_gen *gen, const struct flx_gen_conf *conf)
{
	size_t size = conf->queues * sizeof(*gen->queue);
	double *client_weight = NULL;
	int error = -ENOMEM;

	*gen = (struct flx_gen){.conf = *conf};
	gen->conf.query.stamped = true;
	flx_query_make(&gen->query, &gen->conf.query);
	gen->queue = aligned_alloc(FLX_CACHE_LINE, size);
	if (!gen->queue)
		goto err_memory;
	memset(gen->queue, 0, size);
	if (deal_flows(gen))
		goto err_memory;
	if (conf->zipf > 0 && !(client_weight = weigh_clients(gen)))
		goto err_memory;
	error = 0;
	for (uint32_t q = 0; q < conf->queues && !error; q++)
		error = start_queue(gen, q, client_weight);
	free(client_weight);
	if (!error)
		return 0;
err_memory:
	flx_error("generator: not enough memory for %" PRIu32 " clients with %" PRIu32
		  " ports; ask for fewer --keys or --flows",
		  gen->query.conf.clients, gen->query.conf.ports);
	flx_gen_fini(gen);
	return error;
}

void flx_gen_fini(struct flx_gen *gen)
{
	for (uint32_t q = 0; gen->queue && q < gen->conf.queues; q++) {
		flx_asker_absorb(&gen->queue[q].asker);
		flx_asker_fini(&gen->queue[q].asker);
		free(gen->queue[q].flows);
		free(gen->queue[q].pick);
	}
	free(gen->queue);
	gen->queue = NULL;
	flx_latency_fini(&gen->latency);
	flx_latency_fini(&gen->pacing);
}

/* ------------------------------------------------------------------------------------------- a run */

int flx_gen_prepare(struct flx_gen *gen)
{
	int error = 0;

	if (!gen->latency.sample)
		error = flx_latency_init(&gen->latency, SAMPLES);
	if (!error && !gen->pacing.sample)
		error = flx_latency_init(&gen->pacing, SAMPLES);
	if (error) {
		flx_error("generator: not enough memory to keep %u latencies", SAMPLES);
	}
	return error;
}

static void begin_timing(struct flx_gen *gen, const struct flx_gen_plan *plan)
{
	double rate = plan->rate > 0 ? plan->rate : plan->in_flight * CLOSED_RATE_EACH;
	uint64_t expected = (uint64_t)(rate * plan->duration_s) + gen->conf.queues;

	flx_latency_begin(&gen->latency, expected);
	flx_latency_begin(&gen->pacing, expected);
}

void flx_gen_begin(struct flx_gen *gen, const struct flx_gen_plan *plan, uint64_t start_tsc)
{
	double hz = (double)gen->conf.hz;

	if (plan->timed)
		begin_timing(gen, plan);
	gen->closed = plan->rate <= 0;
	gen->ended = gen->blocked = false;
	gen->start_tsc = start_tsc;
	gen->end_tsc = start_tsc + (uint64_t)(plan->duration_s * hz);
	gen->close_tsc = gen->end_tsc;
	if (!gen->closed)
		gen->close_tsc += gen->conf.hz / 1000000 * FLX_GEN_LATE_US;
	gen->moved_tsc = gen->polled_tsc = start_tsc;
	gen->busy = gen->total = 0;
	for (uint32_t q = 0; q < gen->conf.queues; q++) {
		struct flx_gen_queue *queue = &gen->queue[q];
		double in_flight = plan->in_flight * queue->share;
		struct flx_asker_plan asked = {
			.start_tsc = start_tsc,
			.latency = plan->timed ? &gen->latency : NULL,
			.pacing = &gen->pacing,
		};

		if (gen->closed && queue->flow_count)
			asked.in_flight = in_flight > 1 ? (uint32_t)in_flight : 1;
		if (!gen->closed) {
			asked.per_tick = plan->rate * queue->share / hz;
			asked.count = (uint64_t)(plan->rate * queue->share * plan->duration_s);
		}
		flx_asker_give_up(&queue->asker);
		flx_asker_begin(&queue->asker, &asked);
	}
}

void flx_gen_settle(struct flx_gen *gen)
{
	uint64_t answered = gen->latency.count + gen->latency.unkept, timed = 0;

	for (uint16_t q = 0; q < gen->conf.queues; q++)
		timed += flx_asker_timed(&gen->queue[q].asker);
	/* More came than were asked for: twice, and trial.c tells. */
	if (timed > answered)
		flx_latency_add_unanswered(&gen->latency, timed - answered);
	flx_latency_sort(&gen->latency);
	flx_latency_sort(&gen->pacing);
}

double flx_gen_busy_pct(const struct flx_gen *gen)
{
	return gen->total ? (double)gen->busy * 100 / (double)gen->total : 0;
}

bool flx_gen_was_limit(const struct flx_gen *gen, uint64_t refused)
{
	return flx_gen_busy_pct(gen) >= FLX_GEN_BUSY_PCT || (refused && !gen->blocked);
}

void flx_gen_count(const struct flx_gen *gen, struct flx_asker_counts *counts)
{
	*counts = (struct flx_asker_counts){0};
	for (uint32_t q = 0; q < gen->conf.queues; q++)
		flx_asker_count(&gen->queue[q].asker, counts);
}

int64_t flx_gen_missing(const struct flx_gen *gen)
{
	struct flx_asker *askers[FLX_WORKERS_MAX];

	for (uint32_t q = 0; q < gen->conf.queues; q++)
		askers[q] = &gen->queue[q].asker;
	return flx_askers_missing(askers, gen->conf.queues);
}
