/* SPDX-License-Identifier: BSD-3-Clause */
/* turn - makes of a request the head of its answer: what a server does that sends it back. */
#pragma once

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>

struct flx_test_heads {
	struct rte_ether_hdr eth;
	struct rte_ipv4_hdr ip;
	struct rte_udp_hdr udp;
};

/* Whoever sent @frame gets it back; no check sum changes. */
static inline struct flx_test_heads *flx_test_turn(struct rte_mbuf *frame)
{
	struct flx_test_heads *heads = rte_pktmbuf_mtod(frame, struct flx_test_heads *);
	rte_be32_t ip = heads->ip.src_addr;
	rte_be16_t port = heads->udp.src_port;

	heads->ip.src_addr = heads->ip.dst_addr;
	heads->ip.dst_addr = ip;
	heads->udp.src_port = heads->udp.dst_port;
	heads->udp.dst_port = port;
	return heads;
}
