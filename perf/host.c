/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/host.h"

#include <arpa/inet.h>
#include <errno.h>

#include <rte_arp.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_ip.h>

#include "fabric/edge/arp_packet.h"
#include "fabric/edge/eth.h"
#include "fabric/edge/ip.h"

/* An interface that has just come up may lose the first frames. */
#define TRIES  6
#define TRY_MS 500

uint32_t flx_host_room(const struct flx_edge_port *edge, rte_be32_t server)
{
	uint32_t mask = rte_be_to_cpu_32(edge->mask), own = rte_be_to_cpu_32(edge->ip);
	uint32_t other = rte_be_to_cpu_32(server);
	uint32_t first = own & mask, last = own | ~mask;

	if (last - first > 1) {
		first++;
		last--;
	}
	if (own < first || own > last || own == other)
		return 0;
	return other > own && other <= last ? other - own : last - own + 1;
}

static bool is_ours(const struct flx_host *host, rte_be32_t ip)
{
	return rte_be_to_cpu_32(ip) - rte_be_to_cpu_32(host->edge.ip) < host->addresses;
}

static void send_or_free(const struct flx_host *host, uint16_t queue, struct rte_mbuf *frame)
{
	if (!rte_eth_tx_burst(host->port, queue, &frame, 1))
		rte_pktmbuf_free(frame);
}

/* The ARP packet in @frame, as the edge takes it by whichever of our addresses it is for. False: freed. */
static bool take_arp(const struct flx_host *host, struct rte_mbuf *frame, struct rte_arp_hdr *arp,
		     struct flx_edge_port *edge)
{
	struct flx_msg *msg = (struct flx_msg *)frame;

	*edge = host->edge;
	if (frame->data_len >= FLX_ETH_SIZE + sizeof(*arp)) {
		memcpy(arp, rte_pktmbuf_mtod(frame, const uint8_t *) + FLX_ETH_SIZE, sizeof(*arp));
		if (is_ours(host, arp->arp_data.arp_tip))
			edge->ip = arp->arp_data.arp_tip;
	}
	if (flx_arp_packet_recv(edge, msg, FLX_ETH_SIZE).fluxion == FLX_FLUXION_ARP)
		return true;
	rte_pktmbuf_free(frame);
	return false;
}

static rte_be16_t type_of(const struct rte_mbuf *frame)
{
	return frame->data_len < FLX_ETH_SIZE
		       ? 0
		       : flx_load16(rte_pktmbuf_mtod(frame, const uint8_t *) + FLX_ETH_TYPE);
}

static bool may_be_answer(const struct flx_host *host, const struct rte_mbuf *frame)
{
	const uint8_t *ip = rte_pktmbuf_mtod(frame, const uint8_t *) + FLX_ETH_SIZE;

	return type_of(frame) == RTE_BE16(RTE_ETHER_TYPE_IPV4) &&
	       frame->data_len >= FLX_ETH_SIZE + sizeof(struct rte_ipv4_hdr) &&
	       ip[FLX_IP_PROTOCOL] == IPPROTO_UDP &&
	       is_ours(host, flx_load32(ip + FLX_IP_DESTINATION));
}

uint32_t flx_host_sift(struct flx_host *host, uint16_t queue, struct rte_mbuf *frames[],
		       uint32_t count)
{
	struct flx_edge_port edge;
	struct rte_arp_hdr arp;
	uint32_t left = 0;

	for (uint32_t i = 0; i < count; i++) {
		if (likely(may_be_answer(host, frames[i]))) {
			frames[left++] = frames[i];
		} else if (type_of(frames[i]) != RTE_BE16(RTE_ETHER_TYPE_ARP)) {
			rte_pktmbuf_free(frames[i]);
		} else if (take_arp(host, frames[i], &arp, &edge)) {
			if (arp.arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST)) {
				flx_arp_packet_answer(&edge, (struct flx_msg *)frames[i]);
				send_or_free(host, queue, frames[i]);
			} else {
				rte_pktmbuf_free(frames[i]);
			}
		}
	}
	return left;
}

static void ask(const struct flx_host *host, rte_be32_t ip)
{
	struct rte_mbuf *frame = rte_pktmbuf_alloc(host->pool);

	if (!frame)
		return;
	flx_arp_packet_ask(&host->edge, (struct flx_msg *)frame, ip, NULL);
	send_or_free(host, 0, frame);
}

/* Looks at what came to @queue for the answer of @ip. */
static bool look(struct flx_host *host, uint16_t queue, rte_be32_t ip, struct rte_ether_addr *mac)
{
	struct rte_mbuf *frames[FLX_BATCH];
	uint16_t count = rte_eth_rx_burst(host->port, queue, frames, FLX_BATCH);
	bool found = false;

	for (uint16_t i = 0; i < count; i++) {
		const struct rte_ether_addr *sender;
		struct rte_arp_hdr arp;

		if (type_of(frames[i]) == RTE_BE16(RTE_ETHER_TYPE_ARP) &&
		    frames[i]->data_len >= FLX_ETH_SIZE + sizeof(arp)) {
			memcpy(&arp, rte_pktmbuf_mtod(frames[i], const uint8_t *) + FLX_ETH_SIZE,
			       sizeof(arp));
			sender = &arp.arp_data.arp_sha;
			if (arp.arp_opcode == RTE_BE16(RTE_ARP_OP_REPLY) &&
			    arp.arp_data.arp_sip == ip &&
			    rte_is_valid_assigned_ether_addr(sender)) {
				*mac = *sender;
				found = true;
			}
		}
		/* It may ask for us before it answers. */
		if (flx_host_sift(host, queue, &frames[i], 1))
			rte_pktmbuf_free(frames[i]);
	}
	return found;
}

int flx_host_resolve(struct flx_host *host, rte_be32_t ip, struct rte_ether_addr *mac)
{
	struct rte_eth_dev_info info;
	char text[INET_ADDRSTRLEN];

	rte_eth_dev_info_get(host->port, &info);
	for (uint32_t waited_ms = 0; waited_ms < TRIES * TRY_MS; waited_ms++) {
		if (waited_ms % TRY_MS == 0)
			ask(host, ip);
		for (uint16_t q = 0; q < info.nb_rx_queues; q++)
			if (look(host, q, ip, mac))
				return 0;
		rte_delay_us_sleep(1000);
	}
	inet_ntop(AF_INET, &ip, text, sizeof(text));
	flx_error("generator: nobody answers for %s; see whether --to is right, whether the server "
		  "is up, "
		  "and whether --ip is on its network",
		  text);
	return -EHOSTUNREACH;
}
