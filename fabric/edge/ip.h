/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ip - IPv4 as a host takes and makes it (RFC 791, 1122).
 *
 * Taken: whole datagrams to our address, from an address that a host may have, with options that
 * are well formed and do not route. Made: 20-byte headers, TTL 64, do not fragment and
 * identification 0 (atomic datagrams, RFC 6864). A reply keeps the DSCP of its request and clears
 * the congestion bits, which are the transport's to set.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <netinet/in.h>

#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include "fabric/edge/edge.h"
#include "fabric/edge/sum.h"
#include "fabric/edge/verdict.h"

#define FLX_IP_SIZE 20
#define FLX_IP_TTL  64

/* Offsets into the header. */
#define FLX_IP_TOS	   1
#define FLX_IP_LENGTH	   2
#define FLX_IP_FRAGMENT	   6
#define FLX_IP_PROTOCOL	   9
#define FLX_IP_SOURCE	   12
#define FLX_IP_DESTINATION 16

/* Sizes of a datagram that passed flx_ip_check; all at most 65,535. */
struct flx_ip {
	uint32_t header_size;
	uint32_t size; /* with the header */
};

/* Whether the options between @ip + FLX_IP_SIZE and @header_size are well formed and route nothing.
 */
bool flx_ip_options_valid(const uint8_t *ip, uint32_t header_size);

/* Directed broadcast address of the port's network; 255.255.255.255 where none is (RFC 3021). */
static inline rte_be32_t flx_ip_broadcast(const struct flx_edge_port *port)
{
	return rte_be_to_cpu_32(~port->mask) > 1 ? port->ip | ~port->mask : RTE_BE32(UINT32_MAX);
}

/* Whether no host may send from @source: this network, loopback, groups, broadcast, and us. */
static inline bool flx_ip_is_martian(const struct flx_edge_port *port, rte_be32_t source)
{
	uint32_t first = source & 0xff; /* its first byte, see sum.h */

	return first == 0 || first == 127 || (first & 0xf0) == 0xe0 ||
	       source == RTE_BE32(UINT32_MAX) || source == port->ip ||
	       source == flx_ip_broadcast(port);
}

/*
 * flx_ip_check - what is wrong with the datagram at @data, @size bytes with any padding behind it
 * @checksum: what the port says of the header's checksum, RTE_MBUF_F_RX_IP_CKSUM_*
 *
 * FLX_DROP_COUNT, and its sizes in @ip: nothing, and it is for us.
 */
static inline enum flx_drop flx_ip_check(const struct flx_edge_port *port, const uint8_t *data,
					 uint32_t size, uint64_t checksum, struct flx_ip *ip)
{
	if (unlikely(size < FLX_IP_SIZE || data[0] >> 4 != 4))
		return FLX_DROP_ip_hdr;
	ip->header_size = (uint32_t)(data[0] & 0xf) * 4;
	if (unlikely(ip->header_size < FLX_IP_SIZE || ip->header_size > size))
		return FLX_DROP_ip_hdr;
	ip->size = rte_be_to_cpu_16(flx_load16(data + FLX_IP_LENGTH));
	if (unlikely(ip->size < ip->header_size || ip->size > size))
		return FLX_DROP_ip_len;
	if (checksum == RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN) {
		uint64_t sum = likely(ip->header_size == FLX_IP_SIZE)
				       ? flx_sum_20(data)
				       : flx_sum_bytes(data, ip->header_size);

		if (unlikely(flx_sum_fold(sum) != 0xffff))
			return FLX_DROP_ip_checksum;
	} else if (unlikely(checksum == RTE_MBUF_F_RX_IP_CKSUM_BAD)) {
		return FLX_DROP_ip_checksum;
	}
	if (unlikely(ip->header_size != FLX_IP_SIZE) &&
	    !flx_ip_options_valid(data, ip->header_size))
		return FLX_DROP_ip_opt;
	if (unlikely(flx_ip_is_martian(port, flx_load32(data + FLX_IP_SOURCE))))
		return FLX_DROP_ip_martian;
	if (unlikely(flx_load32(data + FLX_IP_DESTINATION) != port->ip))
		return FLX_DROP_ip_destination;
	/* The reserved bit means nothing to us, and do-not-fragment is done. */
	if (unlikely(flx_load16(data + FLX_IP_FRAGMENT) &
		     RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)))
		return FLX_DROP_ip_frag;
	return FLX_DROP_COUNT;
}

/* What a datagram's header is made of. */
struct flx_ip_path {
	rte_be32_t source;
	rte_be32_t destination;
	uint8_t tos;
	uint8_t protocol;
};

/* The path back to whoever sent the datagram at @data. */
static inline struct flx_ip_path flx_ip_turn(const uint8_t *data)
{
	return (struct flx_ip_path){
		.source = flx_load32(data + FLX_IP_DESTINATION),
		.destination = flx_load32(data + FLX_IP_SOURCE),
		.tos = data[FLX_IP_TOS] & 0xfc,
		.protocol = data[FLX_IP_PROTOCOL],
	};
}

/*
 * flx_ip_put - write the header of a datagram of @size bytes at @to
 *
 * Made anew and not by patching the request's: that one may have had options, and its checksum may
 * not have been right (RTE_MBUF_F_RX_IP_CKSUM_NONE). Returns the RTE_MBUF_F_TX_* flags it needs.
 */
static inline uint64_t flx_ip_put(const struct flx_edge_port *port, uint8_t *to,
				  const struct flx_ip_path *path, uint32_t size)
{
	struct rte_ipv4_hdr *header = (struct rte_ipv4_hdr *)to;
	rte_be16_t length = rte_cpu_to_be_16((uint16_t)size);
	uint64_t sum = (uint64_t)RTE_BE16(RTE_IPV4_VHL_DEF << 8) + ((uint64_t)path->tos << 8) +
		       length + RTE_BE16(RTE_IPV4_HDR_DF_FLAG) + FLX_IP_TTL +
		       ((uint64_t)path->protocol << 8) + path->source + path->destination;

	header->version_ihl = RTE_IPV4_VHL_DEF;
	header->type_of_service = path->tos;
	header->total_length = length;
	header->packet_id = 0;
	header->fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG);
	header->time_to_live = FLX_IP_TTL;
	header->next_proto_id = path->protocol;
	header->hdr_checksum = port->tx_ip_checksum ? 0 : flx_sum_finish(sum);
	header->src_addr = path->source;
	header->dst_addr = path->destination;
	return port->tx_ip_checksum ? RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM : 0;
}

/*
 * flx_ip_group_mac - the address of a frame to @destination, a broadcast or a group
 *
 * Into @mac (RFC 1112 6.4); false when it is a single host's, which ARP must tell.
 */
bool flx_ip_group_mac(const struct flx_edge_port *port, rte_be32_t destination,
		      struct rte_ether_addr *mac);

/* Whom to hand a datagram to @destination on the port's network; 0: nobody. */
rte_be32_t flx_ip_next_hop(const struct flx_edge_port *port, rte_be32_t destination);
