/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arp_packet - ARP for IPv4 over Ethernet (RFC 826): read, checked and made; no state.
 *
 * What can be refused without the table is refused on the worker that polled it, so a storm of
 * broadcasts does not cross to the one that runs the ARP fluxion.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_arp.h>
#include <rte_mbuf.h>

#include "fabric/edge/edge.h"
#include "fabric/edge/verdict.h"

/*
 * flx_arp_packet_recv - check the ARP packet behind @l2_size bytes of @msg
 *
 * Taken, for FLX_FLUXION_ARP: a request for our address or a reply to it, by an honest sender; the
 * data is the packet, the heads are set, the origin is FLX_ORIGIN_ARP. Refused: unchanged.
 */
struct flx_verdict flx_arp_packet_recv(const struct flx_edge_port *port, struct flx_msg *msg,
				       uint32_t l2_size);

/* The packet that is the data of @msg; it was checked. */
struct rte_arp_hdr flx_arp_packet(const struct flx_msg *msg);

/* Makes of the request in @msg, which was checked, the answer: a finished frame. */
void flx_arp_packet_answer(const struct flx_edge_port *port, struct flx_msg *msg);

/*
 * flx_arp_packet_ask - make a request for @ip in @msg, a fresh buffer: a finished frame
 * @mac: whom to ask (the neighbour as known, RFC 1122 2.3.2.1); NULL: everybody
 */
void flx_arp_packet_ask(const struct flx_edge_port *port, struct flx_msg *msg, rte_be32_t ip,
			const struct rte_ether_addr *mac);
