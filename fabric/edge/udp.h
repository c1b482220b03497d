/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * udp - datagrams to messages and back (RFC 768).
 *
 * A checksum of 0 means "none" in a received datagram. One is always sent, and where it computes to
 * 0 it is sent as 0xffff.
 */
#pragma once

#include <stdint.h>

#include <rte_mbuf.h>
#include <rte_udp.h>

#include "fabric/edge/edge.h"
#include "fabric/edge/eth.h"
#include "fabric/edge/ip.h"
#include "fabric/edge/sum.h"
#include "fabric/edge/verdict.h"
#include "pmd-config/rss.h"

/* flx_key_client, for where the call would weigh more than the work: dispatch asks twice a message. */
static inline bool flx_udp_client(const struct flx_msg *msg, void *key)
{
	struct flx_heads heads = flx_heads(msg);
	const uint8_t *data = rte_pktmbuf_mtod(&msg->mbuf, const uint8_t *);

	if (unlikely(heads.origin != FLX_ORIGIN_UDP4))
		return false;
	memcpy(key, data - heads.l4_size - heads.l3_size + FLX_IP_SOURCE, FLX_KEY_CLIENT_SIZE);
	return true;
}

#define FLX_UDP_SIZE 8
/* Room in front of a message that flx_udp_put needs: an untagged frame's headers. */
#define FLX_UDP_HEADS_SIZE (FLX_ETH_SIZE + FLX_IP_SIZE + FLX_UDP_SIZE)

/* Offsets into the header. */
#define FLX_UDP_SOURCE	    0
#define FLX_UDP_DESTINATION 2
#define FLX_UDP_LENGTH	    4
#define FLX_UDP_CHECKSUM    6

/* Sum of the pseudo-header but for the addresses: protocol and UDP length. */
static inline uint64_t flx_udp_sum_pseudo(rte_be16_t length)
{
	return (uint64_t)RTE_BE16(IPPROTO_UDP) + length;
}

/*
 * Whether the checksum of the @size bytes at @udp is right. What the port says, @checksum, counts
 * only for a datagram that has one: some ports report a missing one as bad.
 */
static inline bool flx_udp_is_intact(const uint8_t *ip, const uint8_t *udp, uint32_t size,
				     uint64_t checksum)
{
	uint64_t sum;

	if (likely(checksum == RTE_MBUF_F_RX_L4_CKSUM_GOOD ||
		   checksum == RTE_MBUF_F_RX_L4_CKSUM_NONE) ||
	    flx_load16(udp + FLX_UDP_CHECKSUM) == 0)
		return true;
	if (checksum == RTE_MBUF_F_RX_L4_CKSUM_BAD)
		return false;
	sum = flx_sum_add(flx_load64(ip + FLX_IP_SOURCE),
			  flx_udp_sum_pseudo(rte_cpu_to_be_16((uint16_t)size)));
	return flx_sum_is_right(flx_sum_bytes(sum, udp, size));
}

/* Sets hash.rss to the hash of the flow, unless the port has. */
static inline void flx_udp_hash(const struct flx_edge_port *port, struct rte_mbuf *mbuf,
				const uint8_t *ip, const uint8_t *udp)
{
	uint8_t flow[FLX_KEY_FLOW_SIZE];

	/* A hash of 0 from a port is more likely one that it did not compute. */
	if (port->port_flow_hash && mbuf->ol_flags & RTE_MBUF_F_RX_RSS_HASH && mbuf->hash.rss != 0)
		return;
	memcpy(flow, ip + FLX_IP_SOURCE, 8);
	memcpy(flow + 8, udp + FLX_UDP_SOURCE, 4);
	mbuf->hash.rss = flx_rss_flow(port->rss, flow);
}

/* Makes the payload of a datagram of @size bytes the data of @msg, and sets the heads. */
static inline void flx_udp_take(struct flx_msg *msg, uint32_t l2_size, uint32_t l3_size,
				uint32_t size)
{
	struct rte_mbuf *mbuf = &msg->mbuf;

	mbuf->data_off = (uint16_t)(mbuf->data_off + l2_size + l3_size + FLX_UDP_SIZE);
	mbuf->data_len = (uint16_t)(size - FLX_UDP_SIZE);
	mbuf->pkt_len = size - FLX_UDP_SIZE;
	flx_set_heads(msg, (struct flx_heads){
				   .l2_size = (uint8_t)l2_size,
				   .l3_size = (uint8_t)l3_size,
				   .l4_size = FLX_UDP_SIZE,
				   .origin = FLX_ORIGIN_UDP4,
			   });
}

/*
 * flx_udp_recv - make a message of the datagram in @msg
 * @l2_size: bytes in front of it
 * @ip: its sizes
 * @checksum: what the port says, RTE_MBUF_F_RX_L4_CKSUM_*
 *
 * Taken: the data is the payload and the heads are set. Refused: unchanged.
 */
static inline struct flx_verdict flx_udp_recv(const struct flx_edge_port *port, struct flx_msg *msg,
					      uint32_t l2_size, const struct flx_ip *ip,
					      uint64_t checksum)
{
	struct rte_mbuf *mbuf = &msg->mbuf;
	const uint8_t *datagram = rte_pktmbuf_mtod(mbuf, const uint8_t *) + l2_size;
	const uint8_t *udp = datagram + ip->header_size;
	uint32_t room = ip->size - ip->header_size, size;
	uint16_t fluxion;

	if (unlikely(room < FLX_UDP_SIZE))
		return flx_refuse(FLX_DROP_udp_len);
	size = rte_be_to_cpu_16(flx_load16(udp + FLX_UDP_LENGTH));
	if (unlikely(size < FLX_UDP_SIZE || size > room))
		return flx_refuse(FLX_DROP_udp_len);
	fluxion = port->udp_listeners[rte_be_to_cpu_16(flx_load16(udp + FLX_UDP_DESTINATION))];
	if (unlikely(fluxion == FLX_FLUXION_NONE))
		return flx_refuse(FLX_DROP_udp_port);
	if (unlikely(!flx_udp_is_intact(datagram, udp, size, checksum)))
		return flx_refuse(FLX_DROP_udp_checksum);
	if (port->flow_hash)
		flx_udp_hash(port, mbuf, datagram, udp);
	flx_udp_take(msg, l2_size, ip->header_size, size);
	return flx_take(fluxion);
}

/* Where a datagram goes. */
struct flx_udp_path {
	struct flx_ip_path ip;
	uint32_t ports; /* as they lie in the header: source, destination */
};

static inline uint32_t flx_udp_ports(rte_be16_t source, rte_be16_t destination)
{
	return (uint32_t)destination << 16 | source;
}

/*
 * flx_udp_put - make a frame of @msg: IPv4 and UDP headers in front of its data
 *
 * The Ethernet header of @l2_size bytes must already stand in front of the place of these 28 bytes.
 */
static inline void flx_udp_put(const struct flx_edge_port *port, struct flx_msg *msg,
			       const struct flx_udp_path *path, uint32_t l2_size)
{
	uint8_t *data = rte_pktmbuf_mtod(&msg->mbuf, uint8_t *);
	uint32_t size = FLX_UDP_SIZE + msg->mbuf.data_len;
	rte_be16_t length = rte_cpu_to_be_16((uint16_t)size), checksum;
	uint64_t sum = flx_sum_add(path->ip.addresses, flx_udp_sum_pseudo(length));
	uint64_t offload, header;

	if (port->tx_udp_checksum) {
		/* The port adds the datagram to the pseudo-header's sum. */
		checksum = flx_sum_fold(sum);
	} else {
		sum = flx_sum_add(sum, (uint64_t)path->ports + length);
		checksum = flx_sum_finish_not_0(flx_sum_bytes(sum, data, msg->mbuf.data_len));
	}
	offload =
		flx_ip_put(port, data - FLX_UDP_SIZE - FLX_IP_SIZE, &path->ip, FLX_IP_SIZE + size);
	if (port->tx_udp_checksum)
		offload |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_UDP_CKSUM;
	header = path->ports | (uint64_t)length << 32 | (uint64_t)checksum << 48;
	memcpy(data - FLX_UDP_SIZE, &header, sizeof(header));
	flx_eth_finish(msg, data - FLX_UDP_SIZE - FLX_IP_SIZE - l2_size,
		       l2_size + FLX_IP_SIZE + size, offload, l2_size);
}

/*
 * flx_udp_reply - make a frame of @msg, back to whoever sent it, of the headers in front of its
 * data
 * @heads: its heads, FLX_ORIGIN_UDP4
 *
 * VLAN tags stay. IP options go, and the Ethernet header moves up to where they ended.
 */
static inline void flx_udp_reply(const struct flx_edge_port *port, struct flx_msg *msg,
				 struct flx_heads heads)
{
	uint8_t *data = rte_pktmbuf_mtod(&msg->mbuf, uint8_t *);
	const uint8_t *udp = data - FLX_UDP_SIZE, *ip = udp - heads.l3_size;
	uint32_t ports = flx_load32(udp);
	struct flx_udp_path path = {.ip = flx_ip_turn(ip), .ports = ports << 16 | ports >> 16};

	FLX_ASSERT(msg->mbuf.data_off >= flx_heads_size(heads));
	flx_eth_turn(port, data - FLX_UDP_SIZE - FLX_IP_SIZE - heads.l2_size, ip - heads.l2_size,
		     heads.l2_size);
	flx_udp_put(port, msg, &path, heads.l2_size);
}

/*
 * flx_udp_send_to - make a frame of @msg, to its cold.to, by way of the neighbour @mac
 *
 * Its data moves where the headers do not fit in front of it: at most the port's MTU less 28 bytes
 * of data, as flx_send_to allows, fits behind them in a buffer that can hold the port's frames.
 */
void flx_udp_send_to(const struct flx_edge_port *port, struct flx_msg *msg,
		     const struct rte_ether_addr *mac);
