/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/edge/udp.h"

/* Moves the data of @mbuf back so that @room bytes lie in front of it. */
static void make_headroom(struct rte_mbuf *mbuf, uint16_t room)
{
	uint8_t *buffer = mbuf->buf_addr;

	FLX_VERIFY((uint32_t)room + mbuf->data_len <= mbuf->buf_len);
	memmove(buffer + room, buffer + mbuf->data_off, mbuf->data_len);
	mbuf->data_off = room;
}

void flx_udp_send_to(const struct flx_edge_port *port, struct flx_msg *msg,
		     const struct rte_ether_addr *mac)
{
	const struct flx_udp_path path = {
		.ip = {.addresses = flx_ip_addresses(port->ip, msg->cold.to_ip),
		       .protocol = IPPROTO_UDP},
		.ports = flx_udp_ports(msg->cold.from_port, msg->cold.to_port),
	};

	if (unlikely(msg->mbuf.data_off < FLX_UDP_HEADS_SIZE))
		make_headroom(&msg->mbuf, FLX_UDP_HEADS_SIZE);
	flx_eth_put(port, rte_pktmbuf_mtod(&msg->mbuf, uint8_t *) - FLX_UDP_HEADS_SIZE,
		    mac->addr_bytes, RTE_BE16(RTE_ETHER_TYPE_IPV4));
	flx_udp_put(port, msg, &path, FLX_ETH_SIZE);
}

/* The IPv4 header in front of the data of @msg, and the UDP header into @udp; NULL without them. */
static const uint8_t *find_heads(const struct flx_msg *msg, const uint8_t **udp)
{
	struct flx_heads heads = flx_heads(msg);

	if (heads.origin != FLX_ORIGIN_UDP4)
		return NULL;
	*udp = rte_pktmbuf_mtod(&msg->mbuf, const uint8_t *) - FLX_UDP_SIZE;
	return *udp - heads.l3_size;
}

bool flx_sender(const struct flx_msg *msg, struct flx_udp_address *from)
{
	const uint8_t *udp, *ip = find_heads(msg, &udp);

	if (!ip)
		return false;
	from->ip = flx_load32(ip + FLX_IP_SOURCE);
	from->port = flx_load16(udp + FLX_UDP_SOURCE);
	return true;
}

int flx_key_client(const struct flx_msg *msg, void *key)
{
	return flx_udp_client(msg, key) ? 0 : -ENOTCONN;
}

int flx_key_flow(const struct flx_msg *msg, void *key)
{
	const uint8_t *udp, *ip = find_heads(msg, &udp);

	if (!ip)
		return -ENOTCONN;
	memcpy(key, ip + FLX_IP_SOURCE, 8);
	memcpy((uint8_t *)key + 8, udp + FLX_UDP_SOURCE, 4);
	return 0;
}
