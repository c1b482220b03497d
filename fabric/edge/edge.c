/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/edge/edge.h"

#include "fabric/edge/arp.h"
#include "fabric/edge/arp_packet.h"
#include "fabric/edge/eth.h"
#include "fabric/edge/icmp.h"
#include "fabric/edge/ip.h"
#include "fabric/edge/plain.h"
#include "fabric/edge/udp.h"

/*
 * Frames between a prefetch and its use. At 50 cycles a frame 4 cover an L3 hit and most of DDIO's
 * latency; the mbuf's own line goes ahead by as many again, since it tells where the data is.
 */
#define PREFETCH 4

/* Room in front of a frame that came from an edge, as flx_prepend promises to handlers. */
#define HEADROOM_MIN (RTE_PKTMBUF_HEADROOM - FLX_UDP_HEADS_SIZE)

/*
 * Makes one segment of @mbuf's several; false when they do not fit its first buffer. Where only the
 * room behind the first segment is short, that segment moves to the front as far as it must, but
 * leaves HEADROOM_MIN in front of it.
 */
static bool linearise(struct rte_mbuf *mbuf)
{
	uint8_t *buffer = mbuf->buf_addr;

	if (mbuf->pkt_len > mbuf->buf_len)
		return false;
	if (mbuf->data_off + mbuf->pkt_len > mbuf->buf_len) {
		uint16_t front = (uint16_t)(mbuf->buf_len - mbuf->pkt_len);

		if (front < HEADROOM_MIN)
			return false;
		memmove(buffer + front, buffer + mbuf->data_off, mbuf->data_len);
		mbuf->data_off = front;
	}
	return rte_pktmbuf_linearize(mbuf) == 0;
}

/* What the port says of the frame's checksums. One that was not asked to check says nothing. */
static inline uint64_t checksum_flags(const struct flx_edge_port *port, const struct flx_msg *msg)
{
	return port->rx_checksums ? msg->mbuf.ol_flags : 0;
}

static struct flx_verdict recv_ip(const struct flx_edge_port *port, struct flx_msg *msg,
				  uint32_t l2_size)
{
	const uint8_t *datagram = rte_pktmbuf_mtod(&msg->mbuf, const uint8_t *) + l2_size;
	uint64_t flags = checksum_flags(port, msg);
	struct flx_ip ip;
	enum flx_drop drop;

	drop = flx_ip_check(port, datagram, msg->mbuf.data_len - l2_size,
			    flags & RTE_MBUF_F_RX_IP_CKSUM_MASK, &ip);
	if (drop != FLX_DROP_COUNT)
		return flx_refuse(drop);
	switch (datagram[FLX_IP_PROTOCOL]) {
	case IPPROTO_UDP:
		return flx_udp_recv(port, msg, l2_size, &ip, flags & RTE_MBUF_F_RX_L4_CKSUM_MASK);
	case IPPROTO_ICMP:
		return flx_icmp_recv(port, msg, l2_size, &ip);
	default:
		return flx_refuse(FLX_DROP_ip_protocol);
	}
}

/* Any frame, layer by layer. */
static __rte_noinline struct flx_verdict recv_frame(const struct flx_edge_port *port,
						    struct flx_msg *msg)
{
	const uint8_t *frame;
	uint32_t tags_size;
	enum flx_drop drop;
	rte_be16_t type;

	if (msg->mbuf.nb_segs != 1 && !linearise(&msg->mbuf))
		return flx_refuse(FLX_DROP_l2_segments);
	if (msg->mbuf.data_len < FLX_ETH_SIZE)
		return flx_refuse(FLX_DROP_l2_short);
	frame = rte_pktmbuf_mtod(&msg->mbuf, const uint8_t *);
	tags_size = flx_eth_tags_size(frame, msg->mbuf.data_len);
	if (tags_size == UINT32_MAX)
		return flx_refuse(FLX_DROP_l2_vlan);
	type = flx_load16(frame + FLX_ETH_TYPE + tags_size);
	drop = flx_eth_check(port, frame, type);
	if (drop != FLX_DROP_COUNT)
		return flx_refuse(drop);
	if (type == RTE_BE16(RTE_ETHER_TYPE_IPV4))
		return recv_ip(port, msg, FLX_ETH_SIZE + tags_size);
	if (type == RTE_BE16(RTE_ETHER_TYPE_ARP))
		return flx_arp_packet_recv(port, msg, FLX_ETH_SIZE + tags_size);
	return flx_refuse(FLX_DROP_l2_type);
}

/* The same verdict, sooner for the frame that nearly every frame is. */
static inline struct flx_verdict recv_plain(const struct flx_edge_port *port,
					    const struct flx_plain_in *plain, struct flx_msg *msg)
{
	struct rte_mbuf *mbuf = &msg->mbuf;
	const uint8_t *frame = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	uint16_t fluxion = FLX_FLUXION_NONE;
	uint32_t size;

	mbuf->port = port->index;
	if (likely(mbuf->nb_segs == 1))
		fluxion = flx_plain_find(plain, frame, mbuf->data_len,
					 mbuf->ol_flags & plain->checksum_flags, &size);
	if (unlikely(fluxion == FLX_FLUXION_NONE))
		return recv_frame(port, msg);
	if (port->flow_hash)
		flx_udp_hash(port, mbuf, frame + FLX_ETH_SIZE, frame + FLX_ETH_SIZE + FLX_IP_SIZE);
	flx_udp_take(msg, FLX_ETH_SIZE, FLX_IP_SIZE, size);
	return flx_take(fluxion);
}

static __rte_noinline void drop_frame(struct flx_msg *msg, enum flx_drop reason,
				      struct flx_drops *drops)
{
	drops->count[reason]++;
	rte_pktmbuf_free(&msg->mbuf);
}

uint32_t flx_edge_recv(const struct flx_edge_port *port, struct rte_mbuf **frames, uint32_t count,
		       struct flx_elem *out, struct flx_drops *drops)
{
	const struct flx_plain_in plain = flx_plain_in_of(port);
	struct flx_elem *next = out;

	for (uint32_t i = 0; i < count && i < 2 * PREFETCH; i++)
		rte_prefetch0(frames[i]);
	for (uint32_t i = 0; i < count && i < PREFETCH; i++)
		rte_prefetch0(rte_pktmbuf_mtod(frames[i], void *));
	for (uint32_t i = 0; i < count; i++) {
		struct flx_msg *msg = (struct flx_msg *)frames[i];
		struct flx_verdict verdict;

		if (i + 2 * PREFETCH < count)
			rte_prefetch0(frames[i + 2 * PREFETCH]);
		if (i + PREFETCH < count)
			rte_prefetch0(rte_pktmbuf_mtod(frames[i + PREFETCH], void *));
		verdict = recv_plain(port, &plain, msg);
		if (likely(verdict.fluxion != FLX_FLUXION_NONE))
			*next++ = (struct flx_elem){.msg = msg, .fluxion = verdict.fluxion};
		else
			drop_frame(msg, verdict.drop, drops);
	}
	return (uint32_t)(next - out);
}

/* Finishes a message that a handler made; false when its next hop is not known. */
static __rte_noinline bool send_to(const struct flx_edge_port *port, struct flx_msg *msg)
{
	rte_be32_t to = msg->cold.to_ip;
	struct rte_ether_addr mac;

	if (!flx_ip_group_mac(port, to, &mac) &&
	    !flx_arp_find(port->arp, flx_ip_next_hop(port, to), &mac))
		return false;
	flx_udp_send_to(port, msg, &mac);
	return true;
}

/* Finishes any message, layer by layer; false when its next hop is not known. */
static __rte_noinline bool send_any(const struct flx_edge_port *port, struct flx_msg *msg)
{
	struct flx_heads heads = flx_heads(msg);

	if (heads.origin != FLX_ORIGIN_UDP4)
		return send_to(port, msg);
	flx_udp_reply(port, msg, heads);
	return true;
}

void flx_edge_send(const struct flx_edge_port *ports, struct flx_elem *elems, uint32_t count)
{
	uint32_t port = UINT32_MAX; /* of the last message */
	struct flx_plain_out plain;

	for (uint32_t i = 0; i < count; i++) {
		struct flx_msg *msg = elems[i].msg;

		if (i + PREFETCH < count)
			rte_prefetch0(elems[i + PREFETCH].msg);
		if (unlikely(msg->mbuf.port != port)) {
			port = msg->mbuf.port;
			flx_plain_out_init(&plain, &ports[port]);
		}
		elems[i].fluxion = FLX_FLUXION_TX;
		if (likely(flx_plain_has(flx_heads(msg))))
			flx_plain_reply(&plain, msg);
		else if (!send_any(&ports[port], msg))
			elems[i].fluxion = FLX_FLUXION_ARP;
	}
}
