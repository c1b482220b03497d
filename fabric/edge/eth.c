/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/edge/eth.h"

static bool is_tag(const uint8_t *type)
{
	return flx_load16(type) == RTE_BE16(RTE_ETHER_TYPE_VLAN) ||
	       flx_load16(type) == RTE_BE16(RTE_ETHER_TYPE_QINQ);
}

uint32_t flx_eth_tags_size(const uint8_t *data, uint32_t size)
{
	uint32_t tags = 0;

	while (is_tag(data + FLX_ETH_TYPE + tags)) {
		if (tags == FLX_ETH_TAGS_MAX * FLX_ETH_TAG_SIZE)
			return UINT32_MAX;
		tags += FLX_ETH_TAG_SIZE;
		if (size < FLX_ETH_SIZE + tags)
			return UINT32_MAX;
	}
	return tags;
}

enum flx_drop flx_eth_check(const struct flx_edge_port *port, const uint8_t *data, rte_be16_t type)
{
	static const uint8_t broadcast[RTE_ETHER_ADDR_LEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	const uint8_t *destination = data + FLX_ETH_DESTINATION, *source = data + FLX_ETH_SOURCE;

	if (flx_eth_is_group(source) || flx_eth_same(source, port->mac.addr_bytes))
		return FLX_DROP_l2_source;
	if (!flx_eth_same(destination, port->mac.addr_bytes) &&
	    (type != RTE_BE16(RTE_ETHER_TYPE_ARP) || !flx_eth_same(destination, broadcast)))
		return FLX_DROP_l2_destination;
	return FLX_DROP_COUNT;
}
