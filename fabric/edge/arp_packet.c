/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/edge/arp_packet.h"

#include "fabric/edge/eth.h"

#define ARP_SIZE sizeof(struct rte_arp_hdr)

static_assert(ARP_SIZE == 28, "as on the wire");

static bool is_well_formed(const struct flx_edge_port *port, const struct rte_arp_hdr *arp)
{
	const uint8_t *sender = arp->arp_data.arp_sha.addr_bytes;

	return arp->arp_hardware == RTE_BE16(RTE_ARP_HRD_ETHER) &&
	       arp->arp_protocol == RTE_BE16(RTE_ETHER_TYPE_IPV4) &&
	       arp->arp_hlen == RTE_ETHER_ADDR_LEN && arp->arp_plen == sizeof(rte_be32_t) &&
	       (arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST) ||
		arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REPLY)) &&
	       /* No neighbour has such an address; frames to our own would come back to us. */
	       rte_is_valid_assigned_ether_addr(&arp->arp_data.arp_sha) &&
	       !flx_eth_same(sender, port->mac.addr_bytes);
}

struct flx_verdict flx_arp_packet_recv(const struct flx_edge_port *port, struct flx_msg *msg,
				       uint32_t l2_size)
{
	struct rte_mbuf *mbuf = &msg->mbuf;
	struct rte_arp_hdr arp;

	if (mbuf->data_len < l2_size + ARP_SIZE)
		return flx_refuse(FLX_DROP_arp_malformed);
	memcpy(&arp, rte_pktmbuf_mtod(mbuf, const uint8_t *) + l2_size, sizeof(arp));
	if (!is_well_formed(port, &arp))
		return flx_refuse(FLX_DROP_arp_malformed);
	if (arp.arp_data.arp_sip == port->ip)
		return flx_refuse(FLX_DROP_arp_conflict);
	if (arp.arp_data.arp_tip != port->ip)
		return flx_refuse(FLX_DROP_arp_unasked);
	mbuf->data_off = (uint16_t)(mbuf->data_off + l2_size);
	mbuf->data_len = ARP_SIZE;
	mbuf->pkt_len = ARP_SIZE;
	flx_set_heads(msg,
		      (struct flx_heads){.l2_size = (uint8_t)l2_size, .origin = FLX_ORIGIN_ARP});
	return flx_take(FLX_FLUXION_ARP);
}

struct rte_arp_hdr flx_arp_packet(const struct flx_msg *msg)
{
	struct rte_arp_hdr arp;

	memcpy(&arp, rte_pktmbuf_mtod(&msg->mbuf, const uint8_t *), sizeof(arp));
	return arp;
}

static void put_packet(uint8_t *to, const struct flx_edge_port *port, uint16_t opcode,
		       const struct rte_ether_addr *target, rte_be32_t target_ip)
{
	struct rte_arp_hdr arp = {
		.arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER),
		.arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4),
		.arp_hlen = RTE_ETHER_ADDR_LEN,
		.arp_plen = sizeof(rte_be32_t),
		.arp_opcode = rte_cpu_to_be_16(opcode),
		.arp_data =
			{
				.arp_sha = port->mac,
				.arp_sip = port->ip,
				.arp_tha = *target,
				.arp_tip = target_ip,
			},
	};

	memcpy(to, &arp, sizeof(arp));
}

void flx_arp_packet_answer(const struct flx_edge_port *port, struct flx_msg *msg)
{
	struct rte_arp_hdr asked = flx_arp_packet(msg);
	uint32_t l2_size = flx_heads(msg).l2_size;
	uint8_t *data = rte_pktmbuf_mtod(&msg->mbuf, uint8_t *);

	flx_eth_turn(port, data - l2_size, data - l2_size, l2_size);
	put_packet(data, port, RTE_ARP_OP_REPLY, &asked.arp_data.arp_sha, asked.arp_data.arp_sip);
	flx_eth_finish(msg, data - l2_size, l2_size + ARP_SIZE, 0, l2_size);
}

void flx_arp_packet_ask(const struct flx_edge_port *port, struct flx_msg *msg, rte_be32_t ip,
			const struct rte_ether_addr *mac)
{
	static const struct rte_ether_addr broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
	static const struct rte_ether_addr unknown;
	uint8_t *frame = rte_pktmbuf_mtod(&msg->mbuf, uint8_t *);

	flx_eth_put(port, frame, mac ? mac->addr_bytes : broadcast.addr_bytes,
		    RTE_BE16(RTE_ETHER_TYPE_ARP));
	put_packet(frame + FLX_ETH_SIZE, port, RTE_ARP_OP_REQUEST, mac ? mac : &unknown, ip);
	flx_set_heads(msg, (struct flx_heads){.origin = FLX_ORIGIN_NONE});
	flx_eth_finish(msg, frame, FLX_ETH_SIZE + ARP_SIZE, 0, FLX_ETH_SIZE);
	msg->mbuf.port = port->index;
}
