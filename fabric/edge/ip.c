/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/edge/ip.h"

/* RFC 791 3.1; the two that choose a route are refused as RFC 7126 3.3, 3.4 advise. */
enum {
	OPTION_END = 0,
	OPTION_NOP = 1,
	OPTION_LSRR = 131,
	OPTION_SSRR = 137,
};

/* Whether the options up to @header_size are well formed and route nothing. */
static bool are_options_valid(const uint8_t *ip, uint32_t header_size)
{
	uint32_t at = FLX_IP_SIZE;

	while (at < header_size && ip[at] != OPTION_END) {
		uint32_t size = 1;

		if (ip[at] == OPTION_LSRR || ip[at] == OPTION_SSRR)
			return false;
		if (ip[at] != OPTION_NOP) {
			/* Type, length, and what the length counts, itself and the type included.
			 */
			if (header_size - at < 2)
				return false;
			size = ip[at + 1];
			if (size < 2 || size > header_size - at)
				return false;
		}
		at += size;
	}
	return true;
}

enum flx_drop flx_ip_check(const struct flx_edge_port *port, const uint8_t *data, uint32_t size,
			   uint64_t checksum, struct flx_ip *ip)
{
	if (size < FLX_IP_SIZE || data[0] >> 4 != 4)
		return FLX_DROP_ip_hdr;
	ip->header_size = (uint32_t)(data[0] & 0xf) * 4;
	if (ip->header_size < FLX_IP_SIZE || ip->header_size > size)
		return FLX_DROP_ip_hdr;
	ip->size = rte_be_to_cpu_16(flx_load16(data + FLX_IP_LENGTH));
	if (ip->size < ip->header_size || ip->size > size)
		return FLX_DROP_ip_len;
	if (!flx_ip_is_intact(data, ip->header_size, checksum))
		return FLX_DROP_ip_checksum;
	if (!are_options_valid(data, ip->header_size))
		return FLX_DROP_ip_opt;
	if (flx_ip_is_martian(flx_load32(data + FLX_IP_SOURCE), port->ip, flx_ip_broadcast(port)))
		return FLX_DROP_ip_martian;
	if (flx_load32(data + FLX_IP_DESTINATION) != port->ip)
		return FLX_DROP_ip_destination;
	/* Not the reserved bit, which means nothing to us, nor do-not-fragment. */
	if (flx_load16(data + FLX_IP_FRAGMENT) &
	    RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK))
		return FLX_DROP_ip_frag;
	return FLX_DROP_COUNT;
}

bool flx_ip_group_mac(const struct flx_edge_port *port, rte_be32_t destination,
		      struct rte_ether_addr *mac)
{
	uint32_t group = rte_be_to_cpu_32(destination);

	if (destination == RTE_BE32(UINT32_MAX) || destination == flx_ip_broadcast(port)) {
		memset(mac, 0xff, sizeof(*mac));
		return true;
	}
	if (group >> 28 != 0xe)
		return false;
	*mac = (struct rte_ether_addr){{0x01, 0x00, 0x5e, (uint8_t)(group >> 16 & 0x7f),
					(uint8_t)(group >> 8), (uint8_t)group}};
	return true;
}

rte_be32_t flx_ip_next_hop(const struct flx_edge_port *port, rte_be32_t destination)
{
	if (((destination ^ port->ip) & port->mask) == 0)
		return destination;
	return port->gateway;
}
