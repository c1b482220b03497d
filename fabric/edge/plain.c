/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/edge/plain.h"

void flx_plain_out_init(struct flx_plain_out *self, const struct flx_edge_port *port)
{
	uint64_t mac = flx_eth_load(port->mac.addr_bytes);
	uint64_t length = (uint64_t)RTE_BE16(RTE_IPV4_HDR_DF_FLAG) << 32 |
			  (uint64_t)FLX_IP_TTL << 48 | (uint64_t)IPPROTO_UDP << 56;
	uint64_t offload = 0;

	if (port->tx_ip_checksum)
		offload |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM;
	if (port->tx_udp_checksum)
		offload |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_UDP_CKSUM;
	*self = (struct flx_plain_out){
		.ethernet = mac << 48,
		.type = mac >> 16 | (uint64_t)RTE_BE16(RTE_ETHER_TYPE_IPV4) << 32 |
			(uint64_t)RTE_IPV4_VHL_DEF << 48,
		.length = length,
		.header_sum =
			flx_sum_fold(flx_sum_add(length, (uint64_t)RTE_IPV4_VHL_DEF + port->ip)),
		.tx_ip_checksum = port->tx_ip_checksum,
		.tx_udp_checksum = port->tx_udp_checksum,
		.offload = offload,
	};
}
