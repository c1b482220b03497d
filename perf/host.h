/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * host - the addresses that a load generator has on a wire: finds its server's, and says its own.
 *
 * ARP only, by what the fabric's edge parses and builds. A generator has as many addresses as clients, one
 * after the other from its own on, and answers for all of them: so none of them may be another's, as far as
 * its network's size and its server's address say.
 */
#pragma once

#include <stdint.h>

#include <rte_ether.h>
#include <rte_mempool.h>

#include "fabric/edge/edge.h"

struct flx_host {
	struct flx_edge_port edge; /* MAC, first address, mask */
	uint32_t addresses;
	uint16_t port;		  /* ethdev */
	struct rte_mempool *pool; /* of buffers with a message's private area */
};

/*
 * flx_host_room - how many addresses from @edge's own on there are on its network before @server's
 * Neither the network's own nor its broadcast address is one, but where there are only two (RFC 3021).
 * 0: its own is none. Pure.
 */
uint32_t flx_host_room(const struct flx_edge_port *edge, rte_be32_t server);

/*
 * flx_host_resolve - ask for the MAC of @ip, which is on the host's network
 * 0; -EHOSTUNREACH after one flx_error: nobody has answered within 3 s. Context: nobody else polls.
 */
int flx_host_resolve(struct flx_host *host, rte_be32_t ip, struct rte_ether_addr *mac);

/*
 * flx_host_sift - keep of @frames those that may be answers, in their order; @count of them came to @queue
 * ARP requests are answered; what else is not UDP to one of our addresses is freed. How many are left.
 */
uint32_t flx_host_sift(struct flx_host *host, uint16_t queue, struct rte_mbuf *frames[],
		       uint32_t count);
