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
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_ring.h>
#include <rte_udp.h>

#include "tests/random.h"

#define PAYLOAD_SIZE 18u /* a frame of 60 bytes: 64 on the wire with its check sum */
#define FRAME_SIZE   (sizeof(struct headers) + PAYLOAD_SIZE)
#define CLIENT_NET   0xc6120000u /* 198.18.0.0/15 */
#define CLIENT_PORT  40000

struct headers {
	struct rte_ether_hdr eth;
	struct rte_ipv4_hdr ip;
	struct rte_udp_hdr udp;
};

static_assert(sizeof(struct headers) == 42, "no padding: as on the wire");
static_assert(FRAME_SIZE <= 64, "fits struct flx_client's request");

/* Address of client @index: from 198.19.0.0 up, never the fabric's 198.18.0.1. */
static uint32_t client_ip(uint32_t index)
{
	return CLIENT_NET + 0x10000u + index;
}

rte_be32_t flx_client_ip(uint32_t index)
{
	return rte_cpu_to_be_32(client_ip(index));
}

/* --------------------------------------------------------------------------------------- frames */

static void make_request(struct flx_client *client, const struct flx_port *port, rte_be32_t ip)
{
	struct headers *headers = (struct headers *)client->request;

	memset(client->request, 'x', sizeof(client->request));
	memset(headers, 0, sizeof(*headers));
	headers->eth.dst_addr = port->mac;
	headers->eth.src_addr = (struct rte_ether_addr){{0x02, 0, 0, 0, 0xff, 0x01}};
	headers->eth.ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	headers->ip.version_ihl = RTE_IPV4_VHL_DEF;
	headers->ip.total_length = rte_cpu_to_be_16(FRAME_SIZE - sizeof(headers->eth));
	headers->ip.time_to_live = 64;
	headers->ip.next_proto_id = IPPROTO_UDP;
	headers->ip.src_addr = flx_client_ip(0);
	headers->ip.dst_addr = ip;
	headers->udp.src_port = RTE_BE16(CLIENT_PORT);
	headers->udp.dst_port = rte_cpu_to_be_16(client->conf.udp_port);
	headers->udp.dgram_len = rte_cpu_to_be_16(sizeof(headers->udp) + PAYLOAD_SIZE);
	headers->ip.hdr_checksum = rte_ipv4_cksum(&headers->ip);
	headers->udp.dgram_cksum = rte_ipv4_udptcp_cksum(&headers->ip, &headers->udp);
}

/* RFC 1624: the sum that went out with @was is wanted with @is. */
static uint16_t adjust(uint16_t sum, uint32_t was, uint32_t is)
{
	uint32_t wide = (uint16_t)~sum;

	wide += (uint16_t) ~(was >> 16) + (uint16_t) ~(was & 0xffff);
	wide += (is >> 16) + (is & 0xffff);
	wide = (wide & 0xffff) + (wide >> 16);
	wide = (wide & 0xffff) + (wide >> 16);
	return (uint16_t)~wide;
}

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

/* The next request into @frame. */
static void write_request(struct flx_client_queue *queue, struct rte_mbuf *frame)
{
	struct headers *headers;
	rte_be32_t first = flx_client_ip(0), ip = flx_client_ip(next_client(queue));

	frame->data_off = RTE_PKTMBUF_HEADROOM;
	frame->data_len = FRAME_SIZE;
	frame->pkt_len = FRAME_SIZE;
	frame->ol_flags = 0;
	headers = rte_pktmbuf_mtod(frame, struct headers *);
	memcpy(headers, queue->client->request, sizeof(queue->client->request));
	headers->ip.src_addr = ip;
	headers->ip.hdr_checksum = adjust(headers->ip.hdr_checksum, first, ip);
	headers->udp.dgram_cksum = adjust(headers->udp.dgram_cksum, first, ip);
}

/* Whether @frame answers a request of ours, with a higher count of its client than the last here. */
static bool check_answer(struct flx_client_queue *queue, const struct rte_mbuf *frame)
{
	const struct flx_client *client = queue->client;
	const struct headers *headers = rte_pktmbuf_mtod(frame, const struct headers *);
	const uint8_t *payload = (const uint8_t *)(headers + 1);
	uint32_t index = rte_be_to_cpu_32(headers->ip.dst_addr) - client_ip(0);
	uint32_t size = frame->data_len - (uint32_t)sizeof(*headers), at = 0;
	uint64_t count = 0;

	if (frame->data_len < FRAME_SIZE || index >= client->conf.clients ||
	    headers->udp.dst_port != RTE_BE16(CLIENT_PORT) ||
	    headers->udp.dgram_len != rte_cpu_to_be_16((uint16_t)(sizeof(headers->udp) + size)))
		return false;
	if (client->conf.counted) {
		while (at < size && payload[at] >= '0' && payload[at] <= '9')
			count = count * 10 + payload[at++] - '0';
		if (count <= queue->last[index] || count > UINT32_MAX || at >= size ||
		    payload[at++] != ' ')
			return false;
		queue->last[index] = (uint32_t)count;
		queue->sum += count;
	}
	return size - at == PAYLOAD_SIZE &&
	       memcmp(payload + at, client->request + sizeof(*headers), PAYLOAD_SIZE) == 0;
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
	double due = (double)(now_tsc - queue->due_tsc) * queue->client->per_tsc;
	uint64_t waiting = (uint64_t)due - queue->issued;

	if (unlikely(waiting > FLX_CLIENT_BACKLOG)) {
		add(&queue->refused, waiting - FLX_CLIENT_BACKLOG);
		queue->issued += waiting - FLX_CLIENT_BACKLOG;
		waiting = FLX_CLIENT_BACKLOG;
	}
	return waiting;
}

static uint16_t send_requests(struct flx_client_queue *queue, struct rte_mbuf *frames[],
			      uint64_t most)
{
	uint16_t count;

	for (count = 0; count < most; count++) {
		frames[count] = take(queue);
		if (unlikely(!frames[count]))
			break;
		write_request(queue, frames[count]);
	}
	queue->issued += count;
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
		.per_tsc = conf->per_sec / (double)rte_get_tsc_hz(),
	};
	client->queue = aligned_alloc(FLX_CACHE_LINE, conf->queues * sizeof(*client->queue));
	if (!client->queue)
		return -ENOMEM;
	memset(client->queue, 0, conf->queues * sizeof(*client->queue));
	make_request(client, port, ip);
	for (uint32_t q = 0; q < conf->queues && !error; q++)
		error = start_queue(client, port, q);
	for (uint32_t q = 0; q < conf->queues; q++)
		client->queue[q].due_tsc = rte_rdtsc();
	if (!error)
		atomic_store_explicit(&client->state, FLX_CLIENT_RUNS, memory_order_release);
	return error;
}

void flx_client_draw(struct flx_client *client, uint32_t queue, const struct flx_pick *pick)
{
	/* Release: the table is whole when it is seen. */
	atomic_store_explicit(&client->queue[queue].pick, pick, memory_order_release);
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
