/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * query - the frames of a load generator: what it sends, and what must come back.
 *
 * UDP datagrams from many addresses and ports, of one size or of three by turns. The frame of each size is
 * made once; what differs from one to the next is put in, and the check sums, whose sums over the rest are
 * kept, are finished with it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

/* On the wire, with its check sum. */
#define FLX_QUERY_SIZE_MIN 64
#define FLX_QUERY_SIZE_MAX 1518
#define FLX_QUERY_SIZES	   3
/* After so many the sizes come again. */
#define FLX_QUERY_TURNS 12
/* Source ports of an address: from 40,000 up. */
#define FLX_QUERY_PORTS_MAX 25535

struct flx_query_conf {
	struct rte_ether_addr from, to;
	rte_be32_t ip;	   /* whom it asks */
	uint16_t udp_port; /* there, host byte order */
	uint32_t first_ip; /* of client 0, host byte order; the others' follow; 0: 198.19.0.0 */
	uint32_t size;	   /* bytes on the wire, or FLX_SIZE_IMIX */
	uint32_t clients;  /* addresses */
	uint32_t ports;	   /* of each; 0: 1 */
	bool counted;	   /* answers begin with a decimal count, and a space */
	bool may_count;	   /* they may: of a server that nobody knows */
	bool looped;	   /* requests come back as they went, and are their own answers */
	bool stamped;	   /* the first 8 bytes of the payload are a stamp */
};

/* What all frames of one size have. */
struct flx_query_form {
	uint32_t size;	  /* bytes, without the check sum */
	uint64_t ip_sum;  /* of the IPv4 header without the client's address */
	uint64_t udp_sum; /* of the datagram without the client's address and port, and the stamp */
	uint8_t frame[FLX_QUERY_SIZE_MAX];
};

struct flx_query {
	struct flx_query_conf conf;
	struct flx_query_form form[FLX_QUERY_SIZES];
	uint8_t turn[FLX_QUERY_TURNS]; /* form of each turn */
};

/* Who asks: a 4-tuple, for all go to one place. */
struct flx_query_flow {
	uint32_t client;
	uint16_t port; /* number, below conf.ports */
};

/* What an answer says. */
struct flx_query_answer {
	uint32_t client;
	uint32_t count; /* where it is counted; else 0 */
	uint64_t stamp; /* where it is stamped */
};

/* flx_query_make - requests as @conf says, whose sizes are in range. Context: setup. */
void flx_query_make(struct flx_query *query, const struct flx_query_conf *conf);

/*
 * flx_query_write - the request of @flow into @mbuf, whose own headroom it keeps free
 * @turn: below FLX_QUERY_TURNS: which size it has. @stamp: where it is stamped; 0: this one is not
 */
void flx_query_write(const struct flx_query *query, struct rte_mbuf *mbuf,
		     struct flx_query_flow flow, uint32_t turn, uint64_t stamp);

/*
 * flx_query_read - whether @mbuf answers a request of ours, unchanged but for its count and its stamp
 * The stamp is as it came: whether there is such a one is the caller's to say.
 */
bool flx_query_read(const struct flx_query *query, const struct rte_mbuf *mbuf,
		    struct flx_query_answer *answer);

/*
 * flx_query_is_intact - whether all of the IPv4 header of @mbuf, and its check sums, are as on a wire
 * @mbuf: flx_query_read takes it. A UDP check sum of 0 is none, and right; so is one that the port says was
 * not filled in. Costs a sum of the payload: for some of many.
 */
bool flx_query_is_intact(const struct rte_mbuf *mbuf);

/* flx_query_flow_key - source, destination address, source, destination port of @flow, as on the wire */
void flx_query_flow_key(const struct flx_query *query, struct flx_query_flow flow, uint8_t key[12]);

/* The address of client @client from 198.19.0.0 up, as the fabric's key functions see it. */
rte_be32_t flx_query_ip(uint32_t client);
