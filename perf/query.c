/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/query.h"

#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "fabric/base.h"

#define PAYLOAD_SIZE 18u /* a frame of 60 bytes */
#define FRAME_SIZE   (sizeof(struct headers) + PAYLOAD_SIZE)
#define CLIENT_NET   0xc6120000u /* 198.18.0.0/15 */
#define CLIENT_PORT  40000

struct headers {
	struct rte_ether_hdr eth;
	struct rte_ipv4_hdr ip;
	struct rte_udp_hdr udp;
};

static_assert(sizeof(struct headers) == 42, "no padding: as on the wire");
static_assert(FRAME_SIZE <= sizeof(((struct flx_query *)NULL)->frame), "it fits");

/* From 198.19.0.0 up, never the fabric's 198.18.0.1. */
static uint32_t ip_of(uint32_t client)
{
	return CLIENT_NET + 0x10000u + client;
}

rte_be32_t flx_query_ip(uint32_t client)
{
	return rte_cpu_to_be_32(ip_of(client));
}

void flx_query_make(struct flx_query *query, const struct flx_port *port, rte_be32_t ip,
		    uint16_t udp_port)
{
	struct headers *headers = (struct headers *)query->frame;

	memset(query->frame, 'x', sizeof(query->frame));
	memset(headers, 0, sizeof(*headers));
	headers->eth.dst_addr = port->mac;
	headers->eth.src_addr = (struct rte_ether_addr){{0x02, 0, 0, 0, 0xff, 0x01}};
	headers->eth.ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	headers->ip.version_ihl = RTE_IPV4_VHL_DEF;
	headers->ip.total_length = rte_cpu_to_be_16(FRAME_SIZE - sizeof(headers->eth));
	headers->ip.time_to_live = 64;
	headers->ip.next_proto_id = IPPROTO_UDP;
	headers->ip.src_addr = flx_query_ip(0);
	headers->ip.dst_addr = ip;
	headers->udp.src_port = RTE_BE16(CLIENT_PORT);
	headers->udp.dst_port = rte_cpu_to_be_16(udp_port);
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

void flx_query_write(const struct flx_query *query, struct rte_mbuf *mbuf, uint32_t client)
{
	rte_be32_t first = flx_query_ip(0), ip = flx_query_ip(client);
	struct headers *headers;

	mbuf->data_off = RTE_PKTMBUF_HEADROOM;
	mbuf->data_len = FRAME_SIZE;
	mbuf->pkt_len = FRAME_SIZE;
	mbuf->ol_flags = 0;
	headers = rte_pktmbuf_mtod(mbuf, struct headers *);
	memcpy(headers, query->frame, sizeof(query->frame));
	headers->ip.src_addr = ip;
	headers->ip.hdr_checksum = adjust(headers->ip.hdr_checksum, first, ip);
	headers->udp.dgram_cksum = adjust(headers->udp.dgram_cksum, first, ip);
}

bool flx_query_read(const struct flx_query *query, const struct rte_mbuf *mbuf,
		    struct flx_query_answer *answer)
{
	const uint8_t *data = rte_pktmbuf_mtod(mbuf, const uint8_t *), *payload;
	uint32_t size = mbuf->data_len - (uint32_t)sizeof(struct headers), at = 0;
	struct headers headers; /* a copy: counts of any length leave it unaligned */
	uint64_t count = 0;

	memcpy(&headers, data, sizeof(headers));
	payload = data + sizeof(headers);
	answer->client = rte_be_to_cpu_32(headers.ip.dst_addr) - ip_of(0);
	if (mbuf->data_len < FRAME_SIZE || answer->client >= query->clients ||
	    headers.udp.dst_port != RTE_BE16(CLIENT_PORT) ||
	    headers.udp.dgram_len != rte_cpu_to_be_16((uint16_t)(sizeof(headers.udp) + size)))
		return false;
	if (query->counted) {
		while (at < size && payload[at] >= '0' && payload[at] <= '9')
			count = count * 10 + payload[at++] - '0';
		if (count > UINT32_MAX || at >= size || payload[at++] != ' ')
			return false;
	}
	answer->count = (uint32_t)count;
	return size - at == PAYLOAD_SIZE &&
	       memcmp(payload + at, query->frame + sizeof(headers), PAYLOAD_SIZE) == 0;
}
