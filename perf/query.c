/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/query.h"

#include <string.h>

#include <rte_ip.h>
#include <rte_memcpy.h>
#include <rte_udp.h>

#include "fabric/base.h"
#include "fabric/edge/sum.h"
#include "fabric/edge/udp.h"
#include "perf/scenarios.h"

#define FIRST_PORT 40000
/* From 198.19.0.0 up, never the fabric's 198.18.0.1. */
#define FIRST_IP 0xc6130000u
/* A frame's check sum, which no buffer holds. */
#define FCS_SIZE   4
#define STAMP_SIZE sizeof(uint64_t)

struct headers {
	struct rte_ether_hdr eth;
	struct rte_ipv4_hdr ip;
	struct rte_udp_hdr udp;
};

static_assert(sizeof(struct headers) == 42, "no padding: as on the wire");

/* What most frames have: copied and compared by as many instructions as it takes, without a loop. */
#define SMALL_FRAME   64 /* and some bytes that nobody sends */
#define SMALL_PAYLOAD (FLX_QUERY_SIZE_MIN - FCS_SIZE - sizeof(struct headers))

rte_be32_t flx_query_ip(uint32_t client)
{
	return rte_cpu_to_be_32(FIRST_IP + client);
}

static rte_be32_t ip_of(const struct flx_query *query, uint32_t client)
{
	return rte_cpu_to_be_32(query->conf.first_ip + client);
}

static void make_form(struct flx_query_form *form, const struct flx_query_conf *conf, uint32_t size)
{
	struct headers *headers = (struct headers *)form->frame;
	uint8_t *payload = form->frame + sizeof(*headers);
	uint32_t data_size = size - (uint32_t)sizeof(*headers);

	form->size = size;
	memset(headers, 0, sizeof(*headers));
	/* Each byte differs from its neighbours, so that one too many shows. */
	for (uint32_t i = 0; i < data_size; i++)
		payload[i] = (uint8_t)('a' + i % 23);
	if (conf->stamped)
		memset(payload, 0, STAMP_SIZE);
	headers->eth.dst_addr = conf->to;
	headers->eth.src_addr = conf->from;
	headers->eth.ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	headers->ip.version_ihl = RTE_IPV4_VHL_DEF;
	headers->ip.total_length = rte_cpu_to_be_16((uint16_t)(size - sizeof(headers->eth)));
	headers->ip.time_to_live = 64;
	headers->ip.next_proto_id = IPPROTO_UDP;
	headers->ip.dst_addr = conf->ip;
	headers->udp.dst_port = rte_cpu_to_be_16(conf->udp_port);
	headers->udp.dgram_len = rte_cpu_to_be_16((uint16_t)(sizeof(headers->udp) + data_size));
	form->ip_sum = flx_sum_20((const uint8_t *)&headers->ip);
	form->udp_sum = flx_sum_add(conf->ip, flx_udp_sum_pseudo(headers->udp.dgram_len));
	form->udp_sum = flx_sum_bytes(form->udp_sum, (const uint8_t *)&headers->udp,
				      sizeof(headers->udp) + data_size);
}

void flx_query_make(struct flx_query *query, const struct flx_query_conf *conf)
{
	static const uint32_t mix[FLX_QUERY_SIZES] = {64, 594, 1518};
	static const uint8_t turn[FLX_QUERY_TURNS] = {0, 1, 0, 0, 1, 0, 0, 1, 0, 2, 1, 0};

	memset(query, 0, sizeof(*query));
	query->conf = *conf;
	if (!query->conf.first_ip)
		query->conf.first_ip = FIRST_IP;
	if (!query->conf.ports)
		query->conf.ports = 1;
	if (conf->size != FLX_SIZE_IMIX) {
		make_form(&query->form[0], conf, conf->size - FCS_SIZE);
		return;
	}
	for (uint32_t i = 0; i < FLX_QUERY_SIZES; i++)
		make_form(&query->form[i], conf, mix[i] - FCS_SIZE);
	memcpy(query->turn, turn, sizeof(turn));
}

void flx_query_write(const struct flx_query *query, struct rte_mbuf *mbuf,
		     struct flx_query_flow flow, uint32_t turn, uint64_t stamp)
{
	const struct flx_query_form *form = &query->form[query->turn[turn]];
	rte_be16_t port = rte_cpu_to_be_16((uint16_t)(FIRST_PORT + flow.port));
	rte_be32_t ip = ip_of(query, flow.client);
	uint64_t sum = flx_sum_add(form->udp_sum, (uint64_t)ip + port);
	struct headers *headers;

	mbuf->data_off = RTE_PKTMBUF_HEADROOM;
	mbuf->data_len = (uint16_t)form->size;
	mbuf->pkt_len = form->size;
	mbuf->ol_flags = 0;
	headers = rte_pktmbuf_mtod(mbuf, struct headers *);
	if (likely(form->size <= SMALL_FRAME))
		memcpy(headers, form->frame, SMALL_FRAME);
	else
		rte_memcpy(headers, form->frame, form->size);
	if (query->conf.stamped) {
		flx_store64((uint8_t *)(headers + 1), stamp);
		sum = flx_sum_add(sum, stamp);
	}
	headers->ip.src_addr = ip;
	headers->ip.hdr_checksum = flx_sum_finish(flx_sum_add(form->ip_sum, ip));
	headers->udp.src_port = port;
	headers->udp.dgram_cksum = flx_sum_finish_not_0(sum);
}

/* Whether it goes from whom is asked to a client, or the other way where requests come back. */
static bool read_flow(const struct flx_query *query, const struct headers *headers,
		      uint32_t *client)
{
	bool looped = query->conf.looped;
	rte_be32_t server = looped ? headers->ip.dst_addr : headers->ip.src_addr;
	rte_be32_t own = looped ? headers->ip.src_addr : headers->ip.dst_addr;
	rte_be16_t server_port = looped ? headers->udp.dst_port : headers->udp.src_port;
	rte_be16_t own_port = looped ? headers->udp.src_port : headers->udp.dst_port;

	*client = rte_be_to_cpu_32(own) - query->conf.first_ip;
	return *client < query->conf.clients && server == query->conf.ip &&
	       server_port == rte_cpu_to_be_16(query->conf.udp_port) &&
	       (uint32_t)rte_be_to_cpu_16(own_port) - FIRST_PORT < query->conf.ports;
}

/* Reads "42 " at @text, of @size bytes; bytes read, 0: it is none. */
static uint32_t read_count(const uint8_t *text, uint32_t size, uint32_t *count)
{
	uint64_t value = 0;
	uint32_t at = 0;

	while (at < size && text[at] >= '0' && text[at] <= '9' && value <= UINT32_MAX)
		value = value * 10 + text[at++] - '0';
	if (value > UINT32_MAX || at == 0 || at >= size || text[at] != ' ')
		return 0;
	*count = (uint32_t)value;
	return at + 1;
}

/* The form whose payload has @size bytes; NULL: no request of ours has. */
static const struct flx_query_form *find_form(const struct flx_query *query, uint32_t size)
{
	for (uint32_t i = 0; i < FLX_QUERY_SIZES; i++)
		if (query->form[i].size == size + sizeof(struct headers))
			return &query->form[i];
	return NULL;
}

/* Whether @payload is what was sent, but for its stamp. */
static bool is_unchanged(const struct flx_query *query, const uint8_t *payload, uint32_t size)
{
	const struct flx_query_form *form = find_form(query, size);
	uint32_t skip = query->conf.stamped ? STAMP_SIZE : 0;
	const uint8_t *sent;

	if (!form)
		return false;
	sent = form->frame + sizeof(struct headers);
	if (likely(size == SMALL_PAYLOAD))
		return (skip || flx_load64(payload) == flx_load64(sent)) &&
		       flx_load64(payload + 8) == flx_load64(sent + 8) &&
		       flx_load16(payload + 16) == flx_load16(sent + 16);
	return memcmp(payload + skip, sent + skip, size - skip) == 0;
}

static_assert(SMALL_PAYLOAD == 18, "as is_unchanged compares it");

bool flx_query_read(const struct flx_query *query, const struct rte_mbuf *mbuf,
		    struct flx_query_answer *answer)
{
	const uint8_t *payload = rte_pktmbuf_mtod(mbuf, const uint8_t *) + sizeof(struct headers);
	uint32_t size = mbuf->data_len - (uint32_t)sizeof(struct headers), digits = 0;
	struct headers headers; /* a copy: counts of any length leave it unaligned */

	*answer = (struct flx_query_answer){0};
	if (mbuf->data_len < sizeof(headers) + SMALL_PAYLOAD)
		return false;
	memcpy(&headers, rte_pktmbuf_mtod(mbuf, const uint8_t *), sizeof(headers));
	if (!read_flow(query, &headers, &answer->client) ||
	    headers.udp.dgram_len != rte_cpu_to_be_16((uint16_t)(sizeof(headers.udp) + size)))
		return false;
	if (query->conf.counted ||
	    (unlikely(query->conf.may_count) && !is_unchanged(query, payload, size))) {
		digits = read_count(payload, size, &answer->count);
		if (!digits)
			return false;
	}
	if (!is_unchanged(query, payload + digits, size - digits))
		return false;
	if (query->conf.stamped)
		answer->stamp = flx_load64(payload + digits);
	return true;
}

static bool is_udp_intact(const struct rte_mbuf *mbuf, const struct headers *headers)
{
	const uint8_t *udp =
		rte_pktmbuf_mtod_offset(mbuf, const uint8_t *, offsetof(struct headers, udp));
	uint64_t sum = flx_udp_sum_pseudo(headers->udp.dgram_len);

	if (!headers->udp.dgram_cksum ||
	    (mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_NONE)
		return true;
	sum = flx_sum_add(sum, (uint64_t)headers->ip.src_addr + headers->ip.dst_addr);
	return flx_sum_is_right(flx_sum_bytes(sum, udp, rte_be_to_cpu_16(headers->udp.dgram_len)));
}

bool flx_query_is_intact(const struct rte_mbuf *mbuf)
{
	const uint8_t *data = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	uint16_t ip_size = (uint16_t)(mbuf->data_len - sizeof(struct rte_ether_hdr));
	struct headers headers;

	memcpy(&headers, data, sizeof(headers));
	return headers.ip.version_ihl == RTE_IPV4_VHL_DEF &&
	       headers.ip.next_proto_id == IPPROTO_UDP &&
	       headers.ip.total_length == rte_cpu_to_be_16(ip_size) &&
	       !(headers.ip.fragment_offset & ~RTE_BE16(RTE_IPV4_HDR_DF_FLAG)) &&
	       flx_sum_is_right(flx_sum_20(data + offsetof(struct headers, ip))) &&
	       is_udp_intact(mbuf, &headers);
}

void flx_query_flow_key(const struct flx_query *query, struct flx_query_flow flow, uint8_t key[12])
{
	rte_be32_t ip = ip_of(query, flow.client);
	rte_be16_t from = rte_cpu_to_be_16((uint16_t)(FIRST_PORT + flow.port));
	rte_be16_t to = rte_cpu_to_be_16(query->conf.udp_port);

	memcpy(key, &ip, sizeof(ip));
	memcpy(key + 4, &query->conf.ip, sizeof(query->conf.ip));
	memcpy(key + 8, &from, sizeof(from));
	memcpy(key + 10, &to, sizeof(to));
}
