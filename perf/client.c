/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/client.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

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
	headers->ip.src_addr = rte_cpu_to_be_32(client_ip(0));
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

/* The next request, of the next client, into @frame. */
static void write_request(struct flx_client *client, struct rte_mbuf *frame)
{
	struct headers *headers;
	rte_be32_t first = rte_cpu_to_be_32(client_ip(0)), ip;

	frame->data_off = RTE_PKTMBUF_HEADROOM;
	frame->data_len = FRAME_SIZE;
	frame->pkt_len = FRAME_SIZE;
	frame->ol_flags = 0;
	headers = rte_pktmbuf_mtod(frame, struct headers *);
	memcpy(headers, client->request, sizeof(client->request));
	ip = rte_cpu_to_be_32(client_ip(client->next++ & (client->conf.clients - 1)));
	headers->ip.src_addr = ip;
	headers->ip.hdr_checksum = adjust(headers->ip.hdr_checksum, first, ip);
	headers->udp.dgram_cksum = adjust(headers->udp.dgram_cksum, first, ip);
}

/* Whether @frame answers a request of ours, with the next count of its client. */
static bool check_answer(struct flx_client *client, const struct rte_mbuf *frame)
{
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
		if (count != client->expected[index]++ || at >= size || payload[at++] != ' ')
			return false;
	}
	return size - at == PAYLOAD_SIZE &&
	       memcmp(payload + at, client->request + sizeof(*headers), PAYLOAD_SIZE) == 0;
}

static void enqueue(struct flx_client *client, struct rte_mbuf *frame)
{
	uint32_t at = client->first + client->queued++;

	client->queue[at >= client->conf.in_flight ? at - client->conf.in_flight : at] = frame;
}

static struct rte_mbuf *dequeue(struct flx_client *client)
{
	struct rte_mbuf *frame = client->queue[client->first++];

	if (client->first == client->conf.in_flight)
		client->first = 0;
	client->queued--;
	return frame;
}

/* The end: nothing goes out any more, and what comes back is freed. */
static void absorb(struct flx_client *client, struct rte_mbuf *frames[], uint16_t count)
{
	uint32_t gone = count + client->queued;

	rte_pktmbuf_free_bulk(frames, count);
	while (client->queued)
		rte_pktmbuf_free(dequeue(client));
	atomic_store_explicit(&client->made, client->made - gone, memory_order_relaxed);
}

static uint16_t turn_around(uint16_t port, uint16_t queue, struct rte_mbuf *frames[],
			    uint16_t count, uint16_t room, void *argument)
{
	struct flx_client *client = argument;
	uint64_t start = rte_rdtsc(), wrong = 0;
	uint16_t out;

	(void)port;
	(void)queue;
	if (atomic_load_explicit(&client->stopping, memory_order_relaxed)) {
		absorb(client, frames, count);
		return 0;
	}
	for (uint16_t i = 0; i < count && i < 8; i++)
		rte_prefetch0(rte_pktmbuf_mtod(frames[i], void *));
	for (uint16_t i = 0; i < count; i++) {
		if (i + 8 < count)
			rte_prefetch0(rte_pktmbuf_mtod(frames[i + 8], void *));
		wrong += !check_answer(client, frames[i]);
		enqueue(client, frames[i]);
	}
	while (client->made < client->conf.in_flight && client->queued < room) {
		struct rte_mbuf *frame = rte_pktmbuf_alloc(client->pool);

		if (!frame)
			break;
		atomic_store_explicit(&client->made, client->made + 1, memory_order_relaxed);
		enqueue(client, frame);
	}
	for (out = 0; out < room && client->queued; out++) {
		frames[out] = dequeue(client);
		write_request(client, frames[out]);
	}
	/* One writer: no read-modify-write is needed. */
	atomic_store_explicit(&client->answers, client->answers + count, memory_order_relaxed);
	atomic_store_explicit(&client->wrong, client->wrong + wrong, memory_order_relaxed);
	atomic_store_explicit(&client->cycles, client->cycles + rte_rdtsc() - start,
			      memory_order_relaxed);
	return out;
}

int flx_client_start(struct flx_client *client, const struct flx_port *port, rte_be32_t ip,
		     struct rte_mempool *pool, const struct flx_client_conf *conf)
{
	*client = (struct flx_client){.conf = *conf, .pool = pool};
	client->queue = calloc(conf->in_flight, sizeof(*client->queue));
	client->expected = calloc(conf->clients, sizeof(*client->expected));
	if (!client->queue || !client->expected)
		return -ENOMEM;
	for (uint32_t c = 0; c < conf->clients; c++)
		client->expected[c] = 1;
	make_request(client, port, ip);
	if (!rte_eth_add_rx_callback(port->id, 0, turn_around, client))
		return -EIO;
	return 0;
}

int flx_client_stop(struct flx_client *client)
{
	atomic_store_explicit(&client->stopping, true, memory_order_relaxed);
	for (uint32_t waited_ms = 0; waited_ms < 1000; waited_ms++) {
		if (atomic_load_explicit(&client->made, memory_order_relaxed) == 0) {
			free(client->queue);
			free(client->expected);
			return 0;
		}
		rte_delay_us_sleep(1000);
	}
	return -ETIMEDOUT;
}
