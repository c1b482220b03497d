/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/client.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>

/* --------------------------------------------------------------------------------------- the loop */

/* One writer: no read-modify-write is needed. */
static void add(_Atomic uint64_t *count, uint64_t more)
{
	atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + more,
			      memory_order_relaxed);
}

/*
 * Takes what the port has transmitted, as a wire does, before it transmits more. Else answers would wait
 * for requests: a worker that must not admit any does not poll, and what holds it back may be what the
 * full ring does not take.
 */
static uint16_t make_room(uint16_t port, uint16_t index, struct rte_mbuf *sent[], uint16_t count,
			  void *argument)
{
	struct flx_client_queue *queue = argument;
	struct rte_mbuf *frames[FLX_BATCH];
	unsigned int more;

	(void)port;
	(void)index;
	(void)sent;
	while ((more = rte_ring_sc_dequeue_burst(queue->loop, (void **)frames, FLX_BATCH, NULL)))
		flx_asker_recv(&queue->asker, frames, more, rte_rdtsc());
	return count;
}

/* Does what the control thread says. False: nothing goes out, and what comes back is freed. */
static bool obey(struct flx_client_queue *queue, uint64_t now_tsc)
{
	const struct flx_client *client = queue->client;
	/* Acquire: who sees that it runs sees all of what it was given. */
	uint32_t state = atomic_load_explicit(&client->state, memory_order_acquire);
	double per_tsc = atomic_load_explicit(&client->per_tsc, memory_order_relaxed);
	struct flx_asker_plan plan = {
		.in_flight = client->conf.in_flight,
		.per_tick = per_tsc,
		.start_tsc = now_tsc,
		.count = UINT64_MAX,
	};

	if (unlikely(state != FLX_CLIENT_RUNS)) {
		flx_asker_absorb(&queue->asker);
		return false;
	}
	if (unlikely(!queue->begun || queue->asker.plan.per_tick != per_tsc)) {
		flx_asker_refuse(&queue->asker, now_tsc); /* nothing, at first */
		flx_asker_begin(&queue->asker, &plan);
	}
	queue->begun = true;
	return true;
}

static uint16_t turn_around(uint16_t port, uint16_t index, struct rte_mbuf *frames[],
			    uint16_t count, uint16_t room, void *argument)
{
	struct flx_client_queue *queue = argument;
	uint64_t start = rte_rdtsc();

	(void)port;
	(void)index;
	flx_asker_recv(&queue->asker, frames, count, start);
	if (!obey(queue, start))
		return 0;
	count = (uint16_t)flx_asker_make(&queue->asker, frames, room, start);
	add(&queue->cycles, rte_rdtsc() - start);
	return count;
}

/* ----------------------------------------------------------------------------------------- control */

static int start_queue(struct flx_client *client, const struct flx_port *port, uint32_t index)
{
	struct flx_client_queue *queue = &client->queue[index];
	const struct flx_client_conf *conf = &client->conf;
	const struct flx_asker_conf asker = {
		.pool = client->pool,
		.query = &client->query,
		.flow_count = conf->clients,
		/* All that are under way may come to one queue. */
		.spares = conf->in_flight ? conf->in_flight * conf->queues : FLX_CLIENT_BACKLOG,
		.backlog = FLX_CLIENT_BACKLOG,
		.hz = rte_get_tsc_hz(),
		.seed = index,
	};
	char name[sizeof(port->spec.device) + 24];

	if (flx_asker_init(&queue->asker, &asker))
		return -ENOMEM;
	/* As net_ring names it. */
	snprintf(name, sizeof(name), "ETH_RXTX%u_%s", index, port->spec.device);
	queue->loop = rte_ring_lookup(name);
	queue->client = client;
	/* A closed loop has less under way than the ring holds. */
	if (!conf->in_flight &&
	    (!queue->loop || !rte_eth_add_tx_callback(port->id, (uint16_t)index, make_room, queue)))
		return -EIO;
	return rte_eth_add_rx_callback(port->id, (uint16_t)index, turn_around, queue) ? 0 : -EIO;
}

int flx_client_start(struct flx_client *client, const struct flx_port *port, rte_be32_t ip,
		     struct rte_mempool *pool, const struct flx_client_conf *conf)
{
	const struct flx_query_conf query = {
		.from = {{0x02, 0, 0, 0, 0xff, 0x01}},
		.to = port->mac,
		.ip = ip,
		.udp_port = conf->udp_port,
		.size = FLX_QUERY_SIZE_MIN,
		.clients = conf->clients,
		.counted = conf->counted,
	};
	int error = 0;

	*client = (struct flx_client){.conf = *conf, .pool = pool};
	client->queue = aligned_alloc(FLX_CACHE_LINE, conf->queues * sizeof(*client->queue));
	if (!client->queue)
		return -ENOMEM;
	memset(client->queue, 0, conf->queues * sizeof(*client->queue));
	flx_client_pace(client, conf->per_sec);
	flx_query_make(&client->query, &query);
	for (uint32_t q = 0; q < conf->queues && !error; q++)
		error = start_queue(client, port, q);
	return error;
}

void flx_client_go(struct flx_client *client)
{
	atomic_store_explicit(&client->state, FLX_CLIENT_RUNS, memory_order_release);
}

void flx_client_draw(struct flx_client *client, uint32_t queue, const struct flx_pick *pick)
{
	/* Release: the table is whole when it is seen. */
	atomic_store_explicit(&client->queue[queue].asker.pick, pick, memory_order_release);
}

void flx_client_pace(struct flx_client *client, double per_sec)
{
	atomic_store_explicit(&client->per_tsc, per_sec / (double)rte_get_tsc_hz(),
			      memory_order_relaxed);
}

void flx_client_count(const struct flx_client *client, struct flx_client_counts *counts)
{
	struct flx_asker_counts asked = {0};

	*counts = (struct flx_client_counts){0};
	for (uint32_t q = 0; q < client->conf.queues; q++) {
		flx_asker_count(&client->queue[q].asker, &asked);
		counts->cycles +=
			atomic_load_explicit(&client->queue[q].cycles, memory_order_relaxed);
	}
	counts->requests = asked.requests;
	counts->answers = asked.answers;
	counts->wrong = asked.wrong;
	counts->refused = asked.refused;
}

static int64_t count_made(const struct flx_client *client)
{
	int64_t made = 0;

	for (uint32_t q = 0; q < client->conf.queues; q++)
		made += atomic_load_explicit(&client->queue[q].asker.made, memory_order_acquire);
	return made;
}

static int check(const struct flx_client *client)
{
	struct flx_asker *askers[FLX_WORKERS_MAX];
	struct flx_client_counts counts;
	bool gaps = false;

	for (uint32_t q = 0; q < client->conf.queues; q++)
		askers[q] = &client->queue[q].asker;
	if (client->conf.counted)
		gaps = flx_askers_missing(askers, client->conf.queues) != 0;
	flx_client_count(client, &counts);
	if (!counts.wrong && !gaps)
		return 0;
	flx_error("client: of %" PRIu64 " answers %" PRIu64 " were wrong, and there are gaps or "
		  "duplicates: %s; a bug of flx",
		  counts.answers, counts.wrong, gaps ? "yes" : "no");
	return -EBADMSG;
}

int flx_client_stop(struct flx_client *client)
{
	int error;

	atomic_store_explicit(&client->state, FLX_CLIENT_ENDS, memory_order_relaxed);
	for (uint32_t waited_ms = 0; count_made(client) != 0; waited_ms++) {
		if (waited_ms == 1000)
			return -ETIMEDOUT;
		rte_delay_us_sleep(1000);
	}
	error = check(client);
	for (uint32_t q = 0; q < client->conf.queues; q++)
		flx_asker_fini(&client->queue[q].asker);
	/* The queues stay: their callbacks are still called. */
	return error;
}
