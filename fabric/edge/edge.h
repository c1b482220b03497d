/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * edge - turns frames into messages and messages into frames.
 *
 * Trusts no byte of a frame. Knows nothing of workers, rings or lanes: the worker hands it bursts and
 * routes what comes out, so every path of it runs in a unit test without a port.
 *
 * Frames go through flx_edge_recv on the worker that polled them. Messages for the UDP fluxion go
 * through flx_edge_send on the worker whose handler sent them. The ARP fluxion (arp.h) runs on one
 * worker alone; the others read its table.
 */
#pragma once

#include <stdint.h>

#include <rte_ether.h>

#include "fabric/base.h"
#include "fabric/drops.h"
#include "fabric/flx.h"

struct flx_arp;
struct flx_rss;

/* One port as the edge sees it. Set up before the workers start, read-only from then on. */
struct flx_edge_port {
	uint16_t port_id; /* ethdev */
	uint16_t index;	  /* of this port among all: what mbuf.port holds from flx_edge_recv on */
	uint16_t mtu;	  /* bytes of IP packet */
	rte_be32_t ip;
	rte_be32_t mask;    /* of the connected network */
	rte_be32_t gateway; /* 0: none */
	struct rte_ether_addr mac;
	/*
	 * The port reports IP and UDP checksums: GOOD and NONE (not filled in, data intact) are
	 * taken, BAD is not, UNKNOWN is verified here. Without, its flags are ignored and all are
	 * verified.
	 */
	bool rx_checksums;
	bool tx_ip_checksum;  /* the port makes them (offload enabled); else they are made here */
	bool tx_udp_checksum;
	bool flow_hash;	     /* some listener is keyed by flow: set hash.rss */
	bool port_flow_hash; /* hash.rss of the port is the Toeplitz of the flow key: trust it */
	const struct flx_rss *rss; /* key for the software hash */
	const uint16_t *udp_listeners; /* fluxion number by UDP port, host byte order; 65,536 */
	struct flx_arp *arp;	       /* shared by all ports */
};

/*
 * flx_edge_recv - turn a burst of frames into elements
 * @frames: @count of them, at most FLX_BATCH; all are taken
 * @out: room for @count elements
 * @drops: of the calling worker
 *
 * An element is either a message for a listener (data: the payload; heads set), or a frame to send
 * for FLX_FLUXION_TX (an ICMP echo answered in place), or an ARP packet for FLX_FLUXION_ARP (origin
 * FLX_ORIGIN_ARP). mbuf.port is the port's index. Slices are not set. Everything else is freed and
 * counted in @drops. A frame of several segments is made one first, if it fits the first one's
 * buffer with the headroom that flx_prepend promises.
 * Returns the number of elements. Context: the worker that polled them.
 */
uint32_t flx_edge_recv(const struct flx_edge_port *port, struct rte_mbuf **frames, uint32_t count,
		       struct flx_elem *out, struct flx_drops *drops);

/*
 * flx_edge_send - make frames of messages for FLX_FLUXION_UDP
 * @ports: all ports, indexed by the mbuf's port field
 * @elems: @count of them; what each is for now is written back: FLX_FLUXION_TX, the frame
 *	   ready, or FLX_FLUXION_ARP when its next hop must be resolved first (origin NONE, cold set)
 *
 * A message with an origin goes back to it; the headers in front of the data are turned around, and
 * checksums are made. One without goes to its cold.to, by the port that mbuf.port names. Its data
 * must be at most the port's mtu less 28 bytes, as flx_reply and flx_send_to check. Tags of the
 * frame that is answered are kept, IP options are not. The mbuf then holds the frame from its
 * Ethernet header on, ol_flags exactly the offloads that the port makes, with l2_len and l3_len.
 * Context: the worker whose handler sent them.
 */
void flx_edge_send(const struct flx_edge_port *ports, struct flx_elem *elems, uint32_t count);
