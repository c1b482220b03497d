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
#define FLX_IP_LIFETIME	   8
#define FLX_IP_PROTOCOL	   9
#define FLX_IP_CHECKSUM	   10
#define FLX_IP_SOURCE	   12
#define FLX_IP_DESTINATION 16

/* Sizes of a datagram that passed flx_ip_check; all at most 65,535. */
struct flx_ip {
	uint32_t header_size;
	uint32_t size; /* with the header */
};

/* Directed broadcast address of the port's network; 255.255.255.255 where none is (RFC 3021). */
static inline rte_be32_t flx_ip_broadcast(const struct flx_edge_port *port)
{
	return rte_be_to_cpu_32(~port->mask) > 1 ? port->ip | ~port->mask : RTE_BE32(UINT32_MAX);
}

/*
 * Whether no host may send from @source: this network, loopback, groups, broadcasts, and us, who
 * are
 * @own on a network whose broadcast is @broadcast.
 */
static inline bool flx_ip_is_martian(rte_be32_t source, rte_be32_t own, rte_be32_t broadcast)
{
	uint32_t first = source & 0xff; /* its first byte, see sum.h */

	return first == 0 || first == 127 || (first & 0xf0) == 0xe0 ||
	       source == RTE_BE32(UINT32_MAX) || source == own || source == broadcast;
}

/* Whether the header's checksum is right; @checksum is what the port says of it. */
static inline bool flx_ip_is_intact(const uint8_t *data, uint32_t header_size, uint64_t checksum)
{
	uint64_t sum;

	if (checksum != RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN)
		return checksum != RTE_MBUF_F_RX_IP_CKSUM_BAD;
	sum = header_size == FLX_IP_SIZE ? flx_sum_20(data) : flx_sum_bytes(0, data, header_size);
	return flx_sum_is_right(sum);
}

/*
 * flx_ip_check - what is wrong with the datagram at @data, @size bytes with any padding behind it
 * @checksum: what the port says of the header's checksum, RTE_MBUF_F_RX_IP_CKSUM_*
 *
 * FLX_DROP_COUNT, and its sizes in @ip: nothing, and it is for us.
 */
enum flx_drop flx_ip_check(const struct flx_edge_port *port, const uint8_t *data, uint32_t size,
			   uint64_t checksum, struct flx_ip *ip);

/* What a datagram's header is made of. */
struct flx_ip_path {
	uint64_t addresses; /* as they lie in the header: source, destination */
	uint8_t tos;
	uint8_t protocol;
};

static inline uint64_t flx_ip_addresses(rte_be32_t source, rte_be32_t destination)
{
	return (uint64_t)destination << 32 | source;
}

/* The path back to whoever sent the datagram at @data. */
static inline struct flx_ip_path flx_ip_turn(const uint8_t *data)
{
	uint64_t addresses = flx_load64(data + FLX_IP_SOURCE);

	return (struct flx_ip_path){
		.addresses = addresses << 32 | addresses >> 32,
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
	/* Version, header size and TOS; length; identification 0; do not fragment. */
	uint64_t front = (uint64_t)RTE_IPV4_VHL_DEF | (uint64_t)path->tos << 8 |
			 (uint64_t)rte_cpu_to_be_16((uint16_t)size) << 16 |
			 (uint64_t)RTE_BE16(RTE_IPV4_HDR_DF_FLAG) << 48;
	/* TTL, protocol, checksum. */
	uint32_t middle = FLX_IP_TTL | (uint32_t)path->protocol << 8;

	if (!port->tx_ip_checksum) {
		uint64_t sum = flx_sum_add(flx_sum_add(front, path->addresses), middle);

		middle |= (uint32_t)flx_sum_finish(sum) << 16;
	}
	memcpy(to, &front, sizeof(front));
	memcpy(to + sizeof(front), &middle, sizeof(middle));
	memcpy(to + FLX_IP_SOURCE, &path->addresses, sizeof(path->addresses));
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
