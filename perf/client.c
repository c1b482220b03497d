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

#include "tests/random.h"

static uint32_t next_client(struct flx_client_queue *queue)
{
	const struct flx_pick *pick = atomic_load_explicit(&queue->pick, memory_order_acquire);
	struct flx_random random = {queue->random};
	uint32_t index;

	if (!pick)
		return queue->next++ & (queue->client->conf.clients - 1);
	index = flx_pick_draw(pick, flx_random_next(&random));
	queue->random = random.state;
	return index;
}

/* Whether @frame answers a request of ours, with a higher count of its client than the last here. */
static bool check_answer(struct flx_client_queue *queue, const struct rte_mbuf *frame)
{
	const struct flx_query *query = &queue->client->query;
	struct flx_query_answer answer;

	if (!flx_query_read(query, frame, &answer))
		return false;
	if (!query->counted)
		return true;
	if (answer.count <= queue->last[answer.client])
		return false;
	queue->last[answer.client] = answer.count;
	queue->sum += answer.count;
	return true;
}

/* ---------------------------------------------------------------------------------------- buffers */

/* One writer: no read-modify-write is needed. */
static void add(_Atomic uint64_t *count, uint64_t more)
{
	atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + more,
			      memory_order_relaxed);
}

static void add_made(struct flx_client_queue *queue, int64_t more)
{
	/* Release: who sees the last one gone sees what became of all. */
	atomic_store_explicit(&queue->made,
			      atomic_load_explicit(&queue->made, memory_order_relaxed) + more,
			      memory_order_release);
}

static void keep(struct flx_client_queue *queue, struct rte_mbuf *frame)
{
	uint32_t at = queue->first + queue->spare_count;

	if (unlikely(queue->spare_count == queue->spare_size)) {
		rte_pktmbuf_free(frame);
		add_made(queue, -1);
		return;
	}
	queue->spare_count++;
	queue->spare[at >= queue->spare_size ? at - queue->spare_size : at] = frame;
}

static struct rte_mbuf *take_spare(struct flx_client_queue *queue)
{
	struct rte_mbuf *frame = queue->spare[queue->first++];

	if (queue->first == queue->spare_size)
		queue->first = 0;
	queue->spare_count--;
	return frame;
}

/*
 * New ones first, until a closed loop has all that it is to have: each poll brings as many answers as it
 * takes requests, so they would never be more than a burst. Then the oldest: all take part, as on a wire.
 * NULL: there is none.
 */
static struct rte_mbuf *take(struct flx_client_queue *queue)
{
	int64_t made = atomic_load_explicit(&queue->made, memory_order_relaxed);
	struct rte_mbuf *frame;

	if (unlikely(!queue->spare_count || made < queue->client->conf.in_flight)) {
		frame = rte_pktmbuf_alloc(queue->client->pool);
		if (frame)
			add_made(queue, 1);
		return frame;
	}
	return take_spare(queue);
}

/* --------------------------------------------------------------------------------------- the loop */

static void recv_answers(struct flx_client_queue *queue, struct rte_mbuf *frames[], uint16_t count)
{
	uint64_t wrong = 0;

	for (uint16_t i = 0; i < count && i < 8; i++)
		rte_prefetch0(rte_pktmbuf_mtod(frames[i], void *));
	for (uint16_t i = 0; i < count; i++) {
		if (i + 8 < count)
			rte_prefetch0(rte_pktmbuf_mtod(frames[i + 8], void *));
		wrong += !check_answer(queue, frames[i]);
		keep(queue, frames[i]);
	}
	add(&queue->answers, count);
	if (unlikely(wrong))
		add(&queue->wrong, wrong);
}

/* Requests that are due now. */
static uint64_t count_due(struct flx_client_queue *queue, uint64_t now_tsc)
{
	double per_tsc = atomic_load_explicit(&queue->client->per_tsc, memory_order_relaxed);

	queue->due += (double)(now_tsc - queue->due_tsc) * per_tsc;
	queue->due_tsc = now_tsc;
	if (unlikely(queue->due > FLX_CLIENT_BACKLOG + 1)) {
		uint64_t refused = (uint64_t)queue->due - FLX_CLIENT_BACKLOG;

		add(&queue->refused, refused);
		queue->due -= (double)refused;
	}
	return (uint64_t)queue->due;
}

static uint16_t send_requests(struct flx_client_queue *queue, struct rte_mbuf *frames[],
			      uint64_t most)
{
	uint16_t count;

	for (count = 0; count < most; count++) {
		frames[count] = take(queue);
		if (unlikely(!frames[count]))
			break;
		flx_query_write(&queue->client->query, frames[count], next_client(queue));
	}
	queue->due -= count; /* of an open loop; a closed one never looks */
	add(&queue->requests, count);
	return count;
}

/* Closed loop: one for each answer, and at first as many as are to be under way. */
static uint64_t count_wanted(const struct flx_client_queue *queue)
{
	int64_t made = atomic_load_explicit(&queue->made, memory_order_relaxed);

	return queue->spare_count + (uint64_t)(queue->client->conf.in_flight - made);
}

/* The end: nothing goes out any more, and what comes back is freed. */
static void absorb(struct flx_client_queue *queue)
{
	int64_t gone = queue->spare_count;

	while (queue->spare_count)
		rte_pktmbuf_free(take_spare(queue));
	add_made(queue, -gone);
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
		recv_answers(queue, frames, (uint16_t)more);
	return count;
}

static uint16_t turn_around(uint16_t port, uint16_t index, struct rte_mbuf *frames[],
			    uint16_t count, uint16_t room, void *argument)
{
	struct flx_client_queue *queue = argument;
	const struct flx_client *client = queue->client;
	/* Acquire: who sees that it runs sees all of what it was given. */
	uint32_t state = atomic_load_explicit(&client->state, memory_order_acquire);
	uint64_t start = rte_rdtsc(), most;

	(void)port;
	(void)index;
	recv_answers(queue, frames, count);
	if (unlikely(state != FLX_CLIENT_RUNS)) {
		absorb(queue);
		return 0;
	}
	most = client->conf.in_flight ? count_wanted(queue) : count_due(queue, start);
	count = send_requests(queue, frames, RTE_MIN(most, (uint64_t)room));
	add(&queue->cycles, rte_rdtsc() - start);
	return count;
}

/* ----------------------------------------------------------------------------------------- control */

static int start_queue(struct flx_client *client, const struct flx_port *port, uint32_t index)
{
	struct flx_client_queue *queue = &client->queue[index];
	const struct flx_client_conf *conf = &client->conf;
	char name[sizeof(port->spec.device) + 24];

	/* All that are under way may come to one queue. */
	queue->spare_size = conf->in_flight ? conf->in_flight * conf->queues : FLX_CLIENT_BACKLOG;
	/* As net_ring names it. */
	snprintf(name, sizeof(name), "ETH_RXTX%u_%s", index, port->spec.device);
	queue->loop = rte_ring_lookup(name);
	queue->spare = calloc(queue->spare_size, sizeof(*queue->spare));
	queue->last = calloc(conf->clients, sizeof(*queue->last));
	if (!queue->spare || !queue->last)
		return -ENOMEM;
	queue->client = client;
	queue->random = index;
	/* A closed loop has less under way than the ring holds. */
	if (!conf->in_flight &&
	    (!queue->loop || !rte_eth_add_tx_callback(port->id, (uint16_t)index, make_room, queue)))
		return -EIO;
	return rte_eth_add_rx_callback(port->id, (uint16_t)index, turn_around, queue) ? 0 : -EIO;
}

int flx_client_start(struct flx_client *client, const struct flx_port *port, rte_be32_t ip,
		     struct rte_mempool *pool, const struct flx_client_conf *conf)
{
	int error = 0;

	*client = (struct flx_client){
		.conf = *conf,
		.pool = pool,
		.query = {.clients = conf->clients, .counted = conf->counted},
	};
	client->queue = aligned_alloc(FLX_CACHE_LINE, conf->queues * sizeof(*client->queue));
	if (!client->queue)
		return -ENOMEM;
	memset(client->queue, 0, conf->queues * sizeof(*client->queue));
	flx_client_pace(client, conf->per_sec);
	flx_query_make(&client->query, port, ip, conf->udp_port);
	for (uint32_t q = 0; q < conf->queues && !error; q++)
		error = start_queue(client, port, q);
	for (uint32_t q = 0; q < conf->queues; q++)
		client->queue[q].due_tsc = rte_rdtsc();
	return error;
}

void flx_client_go(struct flx_client *client)
{
	atomic_store_explicit(&client->state, FLX_CLIENT_RUNS, memory_order_release);
}

void flx_client_draw(struct flx_client *client, uint32_t queue, const struct flx_pick *pick)
{
	/* Release: the table is whole when it is seen. */
	atomic_store_explicit(&client->queue[queue].pick, pick, memory_order_release);
}

void flx_client_pace(struct flx_client *client, double per_sec)
{
	atomic_store_explicit(&client->per_tsc, per_sec / (double)rte_get_tsc_hz(),
			      memory_order_relaxed);
}

void flx_client_count(const struct flx_client *client, struct flx_client_counts *counts)
{
	*counts = (struct flx_client_counts){0};
	for (uint32_t q = 0; q < client->conf.queues; q++) {
		struct flx_client_queue *queue = &client->queue[q];

		counts->requests += atomic_load_explicit(&queue->requests, memory_order_relaxed);
		counts->answers += atomic_load_explicit(&queue->answers, memory_order_relaxed);
		counts->wrong += atomic_load_explicit(&queue->wrong, memory_order_relaxed);
		counts->refused += atomic_load_explicit(&queue->refused, memory_order_relaxed);
		counts->cycles += atomic_load_explicit(&queue->cycles, memory_order_relaxed);
	}
}

static int64_t count_made(const struct flx_client *client)
{
	int64_t made = 0;

	for (uint32_t q = 0; q < client->conf.queues; q++)
		made += atomic_load_explicit(&client->queue[q].made, memory_order_acquire);
	return made;
}

/*
 * Counts rise on each queue, so they differ there; the highest of a client says how many answers it must
 * have had, and their sum shows where one came to two queues in place of another.
 */
static bool has_gaps(const struct flx_client *client)
{
	uint64_t answers = 0, sum = 0;
	struct flx_client_counts counts;

	for (uint32_t c = 0; c < client->conf.clients; c++) {
		uint64_t highest = 0;

		for (uint32_t q = 0; q < client->conf.queues; q++)
			highest = RTE_MAX(highest, client->queue[q].last[c]);
		answers += highest;
		sum += highest * (highest + 1) / 2;
	}
	for (uint32_t q = 0; q < client->conf.queues; q++)
		sum -= client->queue[q].sum;
	flx_client_count(client, &counts);
	return answers != counts.answers || sum != 0;
}

static int check(const struct flx_client *client)
{
	struct flx_client_counts counts;

	flx_client_count(client, &counts);
	if (!counts.wrong && !(client->conf.counted && has_gaps(client)))
		return 0;
	flx_error("client: of %" PRIu64 " answers %" PRIu64 " were wrong, and there are gaps or "
		  "duplicates: %s; a bug of flx",
		  counts.answers, counts.wrong,
		  client->conf.counted && has_gaps(client) ? "yes" : "no");
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
	for (uint32_t q = 0; q < client->conf.queues; q++) {
		free(client->queue[q].spare);
		free(client->queue[q].last);
	}
	/* The queues stay: their callbacks are still called. */
	return error;
}
