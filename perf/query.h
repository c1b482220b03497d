/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * query - the frames of a client on a ring port: what it sends, and what must come back.
 *
 * A UDP datagram of 18 bytes, 64 bytes on the wire with its check sum, from one of many addresses. The
 * frame is made once; what differs from one to the next is adjusted, check sums included.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "pmd-config/port.h"

struct flx_query {
	uint8_t frame[64];
	uint32_t clients; /* addresses */
	bool counted;	  /* answers begin with a decimal count, and a space */
};

/* What an answer says. */
struct flx_query_answer {
	uint32_t client;
	uint32_t count; /* where it is counted */
};

/*
 * flx_query_make - requests to UDP port @udp_port at @ip, which @port has
 * Its clients and counted are the caller's to set. Context: setup.
 */
void flx_query_make(struct flx_query *query, const struct flx_port *port, rte_be32_t ip,
		    uint16_t udp_port);

/* flx_query_write - the request of client @client into @mbuf, whose own headroom it keeps free */
void flx_query_write(const struct flx_query *query, struct rte_mbuf *mbuf, uint32_t client);

/* flx_query_read - whether @mbuf answers a request of ours, unchanged but for its count */
bool flx_query_read(const struct flx_query *query, const struct rte_mbuf *mbuf,
		    struct flx_query_answer *answer);

/* The address of client @client, as the fabric's key functions see it. */
rte_be32_t flx_query_ip(uint32_t client);
