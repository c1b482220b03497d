/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * plain - the frame that nearly every frame is, from a few wide loads, and its reply, in a few wide
 * stores.
 *
 * Plain is a whole UDP datagram to us that somebody listens for: one segment, untagged, 20 bytes of
 * IPv4 header, nothing behind the UDP datagram but padding, its checksums right, from an address
 * that a host may have. A frame that is not plain may still be good: the parsers (eth, ip, udp)
 * judge it, and they alone say why one is dropped. Nothing is plain that they would refuse; the
 * tests hold every frame against both.
 *
 * The reply is what flx_udp_reply makes, byte for byte, where nothing was in front of the data but
 * those 42 bytes: sizes are constants, and so is all of the headers but the peer, the lengths and
 * the DSCP.
 *
 * Instructions for a 60-byte frame with 18 bytes of payload, answered with about 24, by callgrind:
 * 156 of flx_edge_recv instead of 203, 125 of flx_edge_send instead of 205.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "fabric/edge/edge.h"
#include "fabric/edge/eth.h"
#include "fabric/edge/ip.h"
#include "fabric/edge/udp.h"

/* ------------------------------------------------------------------------------------------- in */

/* A port, as flx_plain_find wants it; made once per burst. */
struct flx_plain_in {
	uint64_t mac;
	uint32_t mac_end; /* its last four bytes */
	rte_be32_t ip;
	rte_be32_t broadcast;
	uint64_t checksum_flags; /* of the mbuf's, those to heed */
	const uint16_t *udp_listeners;
};

static inline struct flx_plain_in flx_plain_in_of(const struct flx_edge_port *port)
{
	uint64_t mac = flx_eth_load(port->mac.addr_bytes);

	return (struct flx_plain_in){
		.mac = mac,
		.mac_end = (uint32_t)(mac >> 16),
		.ip = port->ip,
		.broadcast = flx_ip_broadcast(port),
		.checksum_flags = port->rx_checksums ? RTE_MBUF_F_RX_IP_CKSUM_MASK |
							       RTE_MBUF_F_RX_L4_CKSUM_MASK
						     : 0,
		.udp_listeners = port->udp_listeners,
	};
}

/*
 * Whether the IPv4 header and the UDP datagram of @size bytes behind it, at @ip, are intact; @flags
 * is what the port says of them. The addresses are in both sums: @addresses.
 */
static inline bool flx_plain_is_intact(const uint8_t *ip, uint32_t size, uint64_t addresses,
				       uint64_t flags)
{
	const uint8_t *udp = ip + FLX_IP_SIZE;
	uint64_t sum;

	if (flags == (RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD))
		return true;
	if (unlikely(flags))
		return flx_ip_is_intact(ip, FLX_IP_SIZE, flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) &&
		       flx_udp_is_intact(ip, udp, size, flags & RTE_MBUF_F_RX_L4_CKSUM_MASK);
	sum = flx_sum_add(addresses, flx_load64(ip));
	if (unlikely(!flx_sum_is_right(flx_sum_add(sum, flx_load32(ip + FLX_IP_LIFETIME)))))
		return false;
	sum = flx_sum_add(addresses, flx_udp_sum_pseudo(flx_load16(udp + FLX_UDP_LENGTH)));
	sum = flx_sum_add(sum, flx_load64(udp));
	sum = flx_sum_bytes(sum, udp + FLX_UDP_SIZE, size - FLX_UDP_SIZE);
	return likely(flx_sum_is_right(sum)) || flx_load16(udp + FLX_UDP_CHECKSUM) == 0;
}

/*
 * flx_plain_find - the fluxion that takes the frame of @room bytes at @frame
 * @flags: what the port says of its checksums, RTE_MBUF_F_RX_*; 0: nothing
 *
 * FLX_FLUXION_NONE: it is not plain. Else @size is that of the UDP datagram, with its header.
 */
static inline uint16_t flx_plain_find(const struct flx_plain_in *self, const uint8_t *frame,
				      uint32_t room, uint64_t flags, uint32_t *size)
{
	const uint8_t *ip = frame + FLX_ETH_SIZE, *udp = ip + FLX_IP_SIZE;
	uint64_t addresses;
	uint32_t first, head;
	uint16_t fluxion;

	if (unlikely(room < FLX_UDP_HEADS_SIZE))
		return FLX_FLUXION_NONE;
	/* To us, from no group; from another's, as far as four bytes tell. */
	if (unlikely((flx_load64(frame) ^ self->mac) & UINT64_C(0x0001ffffffffffff) ||
		     flx_load32(frame + FLX_ETH_SOURCE + 2) == self->mac_end))
		return FLX_FLUXION_NONE;
	/* Type, version and header size; no part of a datagram, UDP. */
	if (unlikely((flx_load32(frame + FLX_ETH_TYPE) & RTE_BE32(0xffffff00)) !=
			     RTE_BE32(0x08004500) ||
		     (flx_load32(ip + FLX_IP_FRAGMENT) & RTE_BE32(0x3fff00ff)) !=
			     RTE_BE32(IPPROTO_UDP)))
		return FLX_FLUXION_NONE;
	addresses = flx_load64(ip + FLX_IP_SOURCE);
	first = addresses & 0xff;
	/* Any class D or E is left to the parsers: flx_ip_is_martian. */
	if (unlikely(addresses >> 32 != self->ip || first - 1 >= 0xe0 - 1 || first == 127 ||
		     (uint32_t)addresses == self->ip || (uint32_t)addresses == self->broadcast))
		return FLX_FLUXION_NONE;
	/* The UDP header's destination port and length. */
	head = rte_be_to_cpu_32(flx_load32(udp + FLX_UDP_DESTINATION));
	*size = head & 0xffff;
	if (unlikely(*size < FLX_UDP_SIZE || FLX_ETH_SIZE + FLX_IP_SIZE + *size > room ||
		     rte_be_to_cpu_16(flx_load16(ip + FLX_IP_LENGTH)) != FLX_IP_SIZE + *size))
		return FLX_FLUXION_NONE;
	fluxion = self->udp_listeners[head >> 16];
	if (unlikely(fluxion == FLX_FLUXION_NONE ||
		     !flx_plain_is_intact(ip, *size, addresses, flags)))
		return FLX_FLUXION_NONE;
	return fluxion;
}

/* ------------------------------------------------------------------------------------------ out */

/* A port, as flx_plain_reply wants it; made when the port of a message is not that of the last. */
struct flx_plain_out {
	uint64_t ethernet;   /* the frame's first 8 bytes, less the receiver */
	uint64_t type;	     /* the next 8, up to the TOS, which is 0 */
	uint64_t length;     /* the next 8, up to the protocol; the length is 0 */
	uint32_t header_sum; /* of the IPv4 header, less what is 0 above and the receiver */
	bool tx_ip_checksum;
	bool tx_udp_checksum;
	uint64_t offload; /* ol_flags of a reply */
};

/* Out of line, so that the compiler leaves what it made in memory: no register is free for it. */
void flx_plain_out_init(struct flx_plain_out *self, const struct flx_edge_port *port);

/* Whether the headers in front of the data are those of a plain frame. */
static inline bool flx_plain_has(struct flx_heads heads)
{
	static const struct flx_heads plain = {
		.l2_size = FLX_ETH_SIZE,
		.l3_size = FLX_IP_SIZE,
		.l4_size = FLX_UDP_SIZE,
		.origin = FLX_ORIGIN_UDP4,
	};

	return memcmp(&heads, &plain, sizeof(heads)) == 0;
}

/* flx_plain_reply - flx_udp_reply, of a message with the heads of a plain frame */
static inline void flx_plain_reply(const struct flx_plain_out *self, struct flx_msg *msg)
{
	struct rte_mbuf *mbuf = &msg->mbuf;
	uint8_t *data = rte_pktmbuf_mtod(mbuf, uint8_t *);
	uint8_t *udp = data - FLX_UDP_SIZE, *ip = udp - FLX_IP_SIZE, *frame = ip - FLX_ETH_SIZE;
	uint32_t data_size = mbuf->data_len;
	uint32_t length = rte_cpu_to_be_32(FLX_UDP_SIZE + data_size) >> 16;
	uint32_t ip_length = rte_cpu_to_be_32(FLX_IP_SIZE + FLX_UDP_SIZE + data_size) >> 16;
	uint64_t receiver = flx_load64(frame + FLX_ETH_SOURCE - 2) >> 16;
	uint64_t addresses = flx_load64(ip + FLX_IP_SOURCE), sum;
	uint32_t tos = ip[FLX_IP_TOS] & 0xfc, ports = flx_load32(udp);
	uint32_t header_sum = self->header_sum + (tos << 8) + ip_length;
	uint16_t checksum = 0;

	FLX_ASSERT(mbuf->data_off >= FLX_UDP_HEADS_SIZE);
	flx_store64(frame, receiver | self->ethernet);
	flx_store64(frame + 8, self->type | (uint64_t)tos << 56);
	flx_store64(ip + FLX_IP_LENGTH, self->length | ip_length);
	if (likely(!self->tx_ip_checksum))
		checksum =
			(uint16_t)~flx_sum_fold32(flx_sum_add32(header_sum, (uint32_t)addresses));
	flx_store16(ip + FLX_IP_CHECKSUM, checksum);
	flx_store64(ip + FLX_IP_SOURCE, addresses << 32 | addresses >> 32);
	/* The pseudo-header's addresses: the same for both directions. */
	sum = flx_sum_add(addresses, flx_udp_sum_pseudo((rte_be16_t)length));
	if (unlikely(self->tx_udp_checksum)) {
		checksum = flx_sum_fold(sum);
	} else {
		sum = flx_sum_add(sum, (uint64_t)ports + length);
		checksum = flx_sum_finish_not_0(flx_sum_bytes(sum, data, data_size));
	}
	flx_store64(udp, (ports << 16 | ports >> 16) | (uint64_t)length << 32 |
				 (uint64_t)checksum << 48);
	mbuf->data_off = (uint16_t)(mbuf->data_off - FLX_UDP_HEADS_SIZE);
	mbuf->data_len = (uint16_t)(data_size + FLX_UDP_HEADS_SIZE);
	mbuf->pkt_len = data_size + FLX_UDP_HEADS_SIZE;
	flx_eth_set_offload(mbuf, self->offload, FLX_ETH_SIZE);
}
