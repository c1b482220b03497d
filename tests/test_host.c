/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The generator's addresses on a wire, which is a pair: who asks for them is answered, whom it asks for is
 * found, and what else comes by goes no further.
 */
#include "perf/host.h"

#include <errno.h>
#include <string.h>

#include <rte_arp.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>

#include "fabric/flx.h"
#include "pmd-config/pair.h"
#include "pmd-config/pool.h"
#include "pmd-config/port.h"
#include "tests/eal.h"
#include "tests/test.h"

#define POOL	  1023
#define OWN	  0xc6120002u /* 198.18.0.2, and 7 more */
#define ADDRESSES 8
#define SERVER	  0xc6120001u

static const struct rte_ether_addr peer = {{2, 0, 0, 0, 0, 9}};
static struct rte_mempool *pool;
static struct flx_port near, far;
static struct flx_host host;

static void bring_up(void)
{
	static const struct flx_pool_conf conf = {.count = POOL,
						  .priv_bytes = sizeof(struct flx_msg) -
								sizeof(struct rte_mbuf),
						  .room_bytes = RTE_PKTMBUF_HEADROOM + 2048,
						  .numa = -1};
	struct flx_port_conf port = {.queues = 1};
	struct flx_port_spec spec;

	if (pool)
		return;
	CU_ASSERT_EQUAL_FATAL(flx_test_eal(), 0);
	pool = flx_pool_alloc("host", &conf);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
	port.pool = pool;
	CU_ASSERT_EQUAL_FATAL(flx_port_spec_parse(&spec, "pair", 0, 1), 0);
	CU_ASSERT_EQUAL_FATAL(flx_port_start(&near, &spec, &port), 0);
	flx_pair_far(&near.spec, &spec);
	CU_ASSERT_EQUAL_FATAL(flx_port_start(&far, &spec, &port), 0);
	host = (struct flx_host){
		.edge = {.ip = rte_cpu_to_be_32(OWN),
			 .mask = RTE_BE32(0xfffe0000),
			 .mac = far.mac,
			 .mtu = 1500},
		.addresses = ADDRESSES,
		.port = far.id,
		.pool = pool,
	};
}

static struct rte_mbuf *make_frame(uint16_t type, size_t size)
{
	struct rte_mbuf *frame = rte_pktmbuf_alloc(pool);
	struct rte_ether_hdr *eth;

	CU_ASSERT_PTR_NOT_NULL_FATAL(frame);
	eth = (struct rte_ether_hdr *)rte_pktmbuf_append(frame, (uint16_t)(sizeof(*eth) + size));
	memset(eth, 0, sizeof(*eth) + size);
	eth->dst_addr = far.mac;
	eth->src_addr = peer;
	eth->ether_type = rte_cpu_to_be_16(type);
	return frame;
}

static struct rte_mbuf *make_arp(uint16_t opcode, uint32_t from, uint32_t to)
{
	struct rte_mbuf *frame = make_frame(RTE_ETHER_TYPE_ARP, sizeof(struct rte_arp_hdr));
	struct rte_arp_hdr *arp =
		rte_pktmbuf_mtod_offset(frame, struct rte_arp_hdr *, sizeof(struct rte_ether_hdr));

	arp->arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER);
	arp->arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	arp->arp_hlen = RTE_ETHER_ADDR_LEN;
	arp->arp_plen = sizeof(rte_be32_t);
	arp->arp_opcode = rte_cpu_to_be_16(opcode);
	arp->arp_data.arp_sha = peer;
	arp->arp_data.arp_sip = rte_cpu_to_be_32(from);
	arp->arp_data.arp_tip = rte_cpu_to_be_32(to);
	return frame;
}

static struct rte_mbuf *make_ip(uint8_t protocol, uint32_t to)
{
	struct rte_mbuf *frame = make_frame(RTE_ETHER_TYPE_IPV4, 46);
	struct rte_ipv4_hdr *ip =
		rte_pktmbuf_mtod_offset(frame, struct rte_ipv4_hdr *, sizeof(struct rte_ether_hdr));

	ip->version_ihl = RTE_IPV4_VHL_DEF;
	ip->next_proto_id = protocol;
	ip->dst_addr = rte_cpu_to_be_32(to);
	return frame;
}

/* The ARP packet that comes out of the wire's other end; false: there is none. */
static bool take_arp(struct rte_arp_hdr *arp)
{
	struct rte_mbuf *frame;

	if (!rte_eth_rx_burst(near.id, 0, &frame, 1))
		return false;
	memcpy(arp, rte_pktmbuf_mtod_offset(frame, void *, sizeof(struct rte_ether_hdr)),
	       sizeof(*arp));
	rte_pktmbuf_free(frame);
	return true;
}

static void test_host_has_room_where_nobody_else_is(void)
{
	static const struct {
		uint32_t own, bits, server, room;
	} rows[] = {
		{0xc6120002, 24, 0xc6120001, 253}, /* to 198.18.0.254 */
		{0xc6120002, 15, 0xc6120001, 131069},
		{0xc6120001, 24, 0xc6120014, 19}, /* to the one before the server */
		{0xc6120013, 24, 0xc6120014, 1},
		{0xc61200fe, 24, 0xc6120001, 1},
		{0xc6120014, 24, 0xc6120014, 0}, /* the server */
		{0xc6120000, 24, 0xc6120001, 0}, /* the network */
		{0xc61200ff, 24, 0xc6120001, 0}, /* all of it */
		{0xc6120001, 30, 0xc6120002, 1},
		{0xc6120000, 31, 0xc6120001, 1}, /* two, and neither is for broadcast */
		{0xc6120001, 31, 0xc6120000, 1},
		{0xfffffffe, 1, 0x80000001, 1},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct flx_edge_port edge = {
			.ip = rte_cpu_to_be_32(rows[i].own),
			.mask = rte_cpu_to_be_32(~0u << (32 - rows[i].bits))};

		CU_ASSERT_EQUAL(flx_host_room(&edge, rte_cpu_to_be_32(rows[i].server)),
				rows[i].room);
	}
}

static void test_host_answers_for_all_its_addresses(void)
{
	static const struct {
		uint32_t asked;
		bool ours;
	} rows[] = {{OWN - 1, false}, {OWN, true}, {OWN + 7, true}, {OWN + 8, false}};

	bring_up();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rte_mbuf *frame = make_arp(RTE_ARP_OP_REQUEST, SERVER + 100, rows[i].asked);
		struct rte_arp_hdr arp;

		CU_ASSERT_EQUAL(flx_host_sift(&host, 0, &frame, 1), 0);
		CU_ASSERT_EQUAL(take_arp(&arp), rows[i].ours);
		if (!rows[i].ours)
			continue;
		CU_ASSERT_EQUAL(arp.arp_opcode, RTE_BE16(RTE_ARP_OP_REPLY));
		CU_ASSERT_EQUAL(arp.arp_data.arp_sip, rte_cpu_to_be_32(rows[i].asked));
		CU_ASSERT_TRUE(rte_is_same_ether_addr(&arp.arp_data.arp_sha, &far.mac));
		CU_ASSERT_EQUAL(arp.arp_data.arp_tip, rte_cpu_to_be_32(SERVER + 100));
	}
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), POOL);
}

static void test_host_keeps_what_may_be_answers_in_order(void)
{
	struct rte_mbuf *frames[] = {
		make_ip(IPPROTO_UDP, OWN),	    make_frame(RTE_ETHER_TYPE_IPV6, 46),
		make_ip(IPPROTO_UDP, OWN + 7),	    make_ip(IPPROTO_TCP, OWN),
		make_ip(IPPROTO_UDP, OWN + 8),	    make_frame(RTE_ETHER_TYPE_ARP, 4),
		make_frame(RTE_ETHER_TYPE_IPV4, 4), make_ip(IPPROTO_UDP, OWN + 1),
	};
	struct rte_mbuf *kept[] = {frames[0], frames[2], frames[7]};
	struct rte_arp_hdr arp;

	CU_ASSERT_EQUAL_FATAL(flx_host_sift(&host, 0, frames, 8), 3);
	CU_ASSERT_EQUAL(memcmp(frames, kept, sizeof(kept)), 0);
	CU_ASSERT_FALSE(take_arp(&arp));
	rte_pktmbuf_free_bulk(frames, 3);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), POOL);
}

static void test_host_finds_its_server(void)
{
	struct rte_mbuf *frames[] = {
		make_ip(IPPROTO_UDP, OWN),
		make_arp(RTE_ARP_OP_REPLY, SERVER + 1, OWN),
		make_arp(RTE_ARP_OP_REPLY, SERVER, OWN),
	};
	struct rte_ether_addr mac = {0};
	struct rte_arp_hdr arp;

	CU_ASSERT_EQUAL(rte_eth_tx_burst(near.id, 0, frames, 3), 3);
	CU_ASSERT_EQUAL(flx_host_resolve(&host, rte_cpu_to_be_32(SERVER), &mac), 0);
	CU_ASSERT_TRUE(rte_is_same_ether_addr(&mac, &peer));
	CU_ASSERT_TRUE(take_arp(&arp));
	CU_ASSERT_EQUAL(arp.arp_opcode, RTE_BE16(RTE_ARP_OP_REQUEST));
	CU_ASSERT_EQUAL(arp.arp_data.arp_tip, rte_cpu_to_be_32(SERVER));
	CU_ASSERT_EQUAL(arp.arp_data.arp_sip, rte_cpu_to_be_32(OWN));
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), POOL);
}

static void test_host_gives_up_on_a_server_that_is_not_there(void)
{
	struct rte_ether_addr mac;
	struct rte_arp_hdr arp;
	uint32_t asked = 0;

	CU_ASSERT_EQUAL(flx_host_resolve(&host, rte_cpu_to_be_32(SERVER), &mac), -EHOSTUNREACH);
	while (take_arp(&arp))
		asked++;
	CU_ASSERT_EQUAL(asked, 6);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), POOL);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_host_has_room_where_nobody_else_is),
		FLX_TEST(test_host_answers_for_all_its_addresses),
		FLX_TEST(test_host_keeps_what_may_be_answers_in_order),
		FLX_TEST(test_host_finds_its_server),
		FLX_TEST(test_host_gives_up_on_a_server_that_is_not_there),
		{0},
	};

	return flx_test_main("host", tests);
}
