/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * frame - makes the frames that the tests of the edge feed it, and the port that they come by.
 *
 * Checksums are made here by the byte, so that nothing of the code under test checks itself.
 */
#pragma once

#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

#include "fabric/edge/edge.h"
#include "pmd-config/rss.h"

#define FRAME_ROOM   2048
#define FRAME_BUFFER (RTE_PKTMBUF_HEADROOM + FRAME_ROOM)

#define FRAME_LISTENER 7000 /* UDP port with a fluxion */
#define FRAME_FLUXION  (FLX_FLUXION_FIRST + 5)
#define FRAME_OUR_IP   0x0a010203 /* 10.1.2.3/24 */
#define FRAME_THEIR_IP 0x0a010204
#define FRAME_GATEWAY  0x0a0102fe

static const struct rte_ether_addr frame_our_mac = {{0x02, 0, 0, 0, 0xaa, 0x01}};
static const struct rte_ether_addr frame_their_mac = {{0x02, 0, 0, 0, 0xbb, 0x02}};

struct frame {
	uint8_t bytes[FRAME_ROOM];
	uint32_t size;
	uint32_t l2_size;
	uint32_t l3_size; /* IPv4 header; 0: none */
};

static inline void frame_put(struct frame *frame, uint32_t at, uint32_t size, uint64_t value)
{
	for (uint32_t i = 0; i < size; i++)
		frame->bytes[at + i] = (uint8_t)(value >> 8 * (size - 1 - i));
}

static inline uint32_t frame_get(const uint8_t *from, uint32_t size)
{
	uint32_t value = 0;

	for (uint32_t i = 0; i < size; i++)
		value = value << 8 | from[i];
	return value;
}

static inline uint32_t frame_sum(const uint8_t *bytes, uint32_t size, uint32_t sum)
{
	for (uint32_t i = 0; i < size; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* The sum that a UDP datagram's, or an ICMP message's, words must make: 0xffff when right. */
static inline uint32_t frame_l4_sum(const uint8_t *ip)
{
	uint32_t l3_size = (uint32_t)(ip[0] & 0xf) * 4, size = frame_get(ip + 2, 2) - l3_size;

	if (ip[9] == IPPROTO_ICMP)
		return frame_sum(ip + l3_size, size, 0);
	size = frame_get(ip + l3_size + 4, 2);
	return frame_sum(ip + l3_size, size, frame_sum(ip + 12, 8, IPPROTO_UDP + size));
}

/* Makes the checksums right, as far as the lengths in the headers lie inside the frame. */
static inline void frame_fix_sums(struct frame *frame)
{
	uint32_t l3 = frame->l2_size, l4 = l3 + frame->l3_size;
	uint32_t at = l4 + (frame->bytes[l3 + 9] == IPPROTO_ICMP ? 2 : 6);
	uint32_t length = frame_get(frame->bytes + l3 + 2, 2);
	uint32_t udp_length = frame_get(frame->bytes + l4 + 4, 2);

	frame_put(frame, l3 + 10, 2, 0);
	frame_put(frame, l3 + 10, 2, ~frame_sum(frame->bytes + l3, frame->l3_size, 0) & 0xffff);
	if ((frame->bytes[l3] & 0xf) * 4u != frame->l3_size || length > frame->size - l3 ||
	    length < frame->l3_size + 8 ||
	    (frame->bytes[l3 + 9] != IPPROTO_ICMP && udp_length > frame->size - l4))
		return;
	frame_put(frame, at, 2, 0);
	frame_put(frame, at, 2, ~frame_l4_sum(frame->bytes + l3) & 0xffff);
	if (frame->bytes[l3 + 9] == IPPROTO_UDP && frame_get(frame->bytes + at, 2) == 0)
		frame_put(frame, at, 2, 0xffff);
}

static inline void frame_ethernet(struct frame *frame, uint32_t tags, uint16_t type)
{
	memset(frame, 0, sizeof(*frame));
	memcpy(frame->bytes, &frame_our_mac, RTE_ETHER_ADDR_LEN);
	memcpy(frame->bytes + 6, &frame_their_mac, RTE_ETHER_ADDR_LEN);
	for (uint32_t i = 0; i < tags; i++) {
		frame_put(frame, 12 + 4 * i, 2,
			  i + 1 < tags ? RTE_ETHER_TYPE_QINQ : RTE_ETHER_TYPE_VLAN);
		frame_put(frame, 14 + 4 * i, 2, 100 + i);
	}
	frame->l2_size = 14 + 4 * tags;
	frame_put(frame, frame->l2_size - 2, 2, type);
	frame->size = frame->l2_size;
}

/* A datagram from them to us with @size bytes behind the IPv4 header; @options a multiple of 4. */
static inline void frame_ip(struct frame *frame, uint32_t tags, const uint8_t *options,
			    uint32_t options_size, uint8_t protocol, uint32_t size)
{
	uint32_t l3;

	frame_ethernet(frame, tags, RTE_ETHER_TYPE_IPV4);
	l3 = frame->l2_size;
	frame->l3_size = 20 + options_size;
	frame_put(frame, l3, 1, 0x40 | frame->l3_size / 4);
	frame_put(frame, l3 + 1, 1, 0xba); /* DSCP 46, ECN 2 */
	frame_put(frame, l3 + 2, 2, frame->l3_size + size);
	frame_put(frame, l3 + 4, 2, 0x1234);
	frame_put(frame, l3 + 8, 1, 17);
	frame_put(frame, l3 + 9, 1, protocol);
	frame_put(frame, l3 + 12, 4, FRAME_THEIR_IP);
	frame_put(frame, l3 + 16, 4, FRAME_OUR_IP);
	if (options_size)
		memcpy(frame->bytes + l3 + 20, options, options_size);
	frame->size = l3 + frame->l3_size + size;
}

static inline void frame_udp(struct frame *frame, uint32_t tags, const uint8_t *options,
			     uint32_t options_size, uint32_t payload_size)
{
	uint32_t l4;

	frame_ip(frame, tags, options, options_size, IPPROTO_UDP, 8 + payload_size);
	l4 = frame->l2_size + frame->l3_size;
	frame_put(frame, l4, 2, 5555);
	frame_put(frame, l4 + 2, 2, FRAME_LISTENER);
	frame_put(frame, l4 + 4, 2, 8 + payload_size);
	for (uint32_t i = 0; i < payload_size; i++)
		frame->bytes[l4 + 8 + i] = (uint8_t)(i * 7 + 1);
	frame_fix_sums(frame);
}

static inline void frame_icmp(struct frame *frame, uint32_t tags, const uint8_t *options,
			      uint32_t options_size, uint32_t payload_size)
{
	uint32_t l4;

	frame_ip(frame, tags, options, options_size, IPPROTO_ICMP, 8 + payload_size);
	l4 = frame->l2_size + frame->l3_size;
	frame_put(frame, l4, 1, 8);
	frame_put(frame, l4 + 4, 4, 0x77770001);
	for (uint32_t i = 0; i < payload_size; i++)
		frame->bytes[l4 + 8 + i] = (uint8_t)(i * 5 + 3);
	frame_fix_sums(frame);
}

/* Operation 1, a request, is broadcast; 2, a reply, comes to us. Padded as from a wire. */
static inline void frame_arp(struct frame *frame, uint32_t tags, uint16_t operation,
			     const struct rte_ether_addr *sender_mac, uint32_t sender_ip,
			     uint32_t target_ip)
{
	uint32_t l3;

	frame_ethernet(frame, tags, RTE_ETHER_TYPE_ARP);
	l3 = frame->l2_size;
	if (operation == 1)
		memset(frame->bytes, 0xff, RTE_ETHER_ADDR_LEN);
	memcpy(frame->bytes + 6, sender_mac, RTE_ETHER_ADDR_LEN);
	frame_put(frame, l3, 8, UINT64_C(0x0001080006040000) | operation);
	memcpy(frame->bytes + l3 + 8, sender_mac, RTE_ETHER_ADDR_LEN);
	frame_put(frame, l3 + 14, 4, sender_ip);
	if (operation == 2)
		memcpy(frame->bytes + l3 + 18, &frame_our_mac, RTE_ETHER_ADDR_LEN);
	frame_put(frame, l3 + 24, 4, target_ip);
	frame->size = RTE_MAX(l3 + 28, 60u);
}

/* Buffers of flx_msg; without a cache, so that the count is exact. */
static inline struct rte_mempool *frame_pool(const char *name, uint32_t count)
{
	return rte_pktmbuf_pool_create(
		name, count, 0, sizeof(struct flx_msg) - sizeof(struct rte_mbuf), FRAME_BUFFER, 0);
}

static inline struct rte_mbuf *frame_to_mbuf(struct rte_mempool *pool, const uint8_t *bytes,
					     uint32_t size)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);
	char *data = mbuf ? rte_pktmbuf_append(mbuf, (uint16_t)size) : NULL;

	if (!data)
		abort();
	memcpy(data, bytes, size);
	return mbuf;
}

static inline void frame_heap_free(void *buffer, void *info)
{
	free(buffer);
	free(info);
}

/* The frame in heap memory that ends where it ends, for AddressSanitizer to see what is beyond. */
static inline struct rte_mbuf *frame_to_heap(struct rte_mempool *pool, const uint8_t *bytes,
					     uint32_t size)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);
	struct rte_mbuf_ext_shared_info *info = malloc(sizeof(*info));
	uint8_t *buffer = malloc(size ? size : 1);

	if (!mbuf || !info || !buffer)
		abort();
	memcpy(buffer, bytes, size);
	info->free_cb = frame_heap_free;
	info->fcb_opaque = info;
	rte_mbuf_ext_refcnt_set(info, 1);
	rte_pktmbuf_attach_extbuf(mbuf, buffer, RTE_BAD_IOVA, (uint16_t)size, info);
	mbuf->data_off = 0;
	mbuf->data_len = (uint16_t)size;
	mbuf->pkt_len = size;
	return mbuf;
}

/* The frame in three segments: up to @at, nothing, the rest. */
static inline struct rte_mbuf *frame_to_segments(struct rte_mempool *pool, const uint8_t *bytes,
						 uint32_t size, uint32_t at)
{
	struct rte_mbuf *mbuf = frame_to_mbuf(pool, bytes, at);

	if (rte_pktmbuf_chain(mbuf, frame_to_mbuf(pool, bytes, 0)) ||
	    rte_pktmbuf_chain(mbuf, frame_to_mbuf(pool, bytes + at, size - at)))
		abort();
	return mbuf;
}

static uint16_t frame_listeners[UINT16_MAX + 1];

/* A port without any offload. */
static inline struct flx_edge_port frame_port(struct flx_arp *arp)
{
	frame_listeners[FRAME_LISTENER] = FRAME_FLUXION;
	return (struct flx_edge_port){
		.index = 3,
		.mtu = 1500,
		.ip = rte_cpu_to_be_32(FRAME_OUR_IP),
		.mask = RTE_BE32(0xffffff00),
		.gateway = rte_cpu_to_be_32(FRAME_GATEWAY),
		.mac = frame_our_mac,
		.udp_listeners = frame_listeners,
		.arp = arp,
	};
}

#define TAKEN FLX_DROP_COUNT

/*
 * One frame through the edge by @port: TAKEN, and the element in @elem, or why it was dropped. -1
 * when it is not exactly one of the two.
 */
static inline int frame_recv(const struct flx_edge_port *port, struct rte_mbuf *mbuf,
			     struct flx_elem *elem)
{
	struct flx_drops drops = {0};
	uint64_t dropped = 0;
	int verdict = TAKEN;
	uint32_t count = flx_edge_recv(port, &mbuf, 1, elem, &drops);

	for (int drop = 0; drop < FLX_DROP_COUNT; drop++) {
		dropped += drops.count[drop];
		if (drops.count[drop])
			verdict = drop;
	}
	return count + dropped == 1 ? verdict : -1;
}
