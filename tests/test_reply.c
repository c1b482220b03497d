/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/edge/arp.h"
#include "fabric/edge/edge.h"
#include "tests/eal.h"
#include "tests/frame.h"
#include "tests/test.h"

#define POOL_SIZE 1023
#define PORTS	  4 /* ours is the last */

static struct rte_mempool *pool;
static struct flx_arp *arp;
static struct flx_edge_port ports[PORTS];
static struct flx_edge_port *const port = &ports[PORTS - 1];

static void begin(void)
{
	*port = frame_port(arp);
}

static void end(void)
{
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), POOL_SIZE);
}

/* -------------------------------------------------------------------------------------- replies */

/* What must hold of a frame from us to them; @l2_size bytes in front of the IPv4 header. */
static void check_frame(const struct rte_mbuf *mbuf, uint32_t l2_size, uint8_t protocol,
			uint32_t size)
{
	const uint8_t *bytes = rte_pktmbuf_mtod(mbuf, const uint8_t *), *ip = bytes + l2_size;

	CU_ASSERT_EQUAL(mbuf->data_len, l2_size + 20 + size);
	CU_ASSERT_EQUAL(mbuf->pkt_len, mbuf->data_len);
	CU_ASSERT_EQUAL(mbuf->ol_flags & ~RTE_MBUF_F_EXTERNAL, 0);
	CU_ASSERT_EQUAL(memcmp(bytes, &frame_their_mac, 6), 0);
	CU_ASSERT_EQUAL(memcmp(bytes + 6, &frame_our_mac, 6), 0);
	CU_ASSERT_EQUAL(frame_get(bytes + l2_size - 2, 2), RTE_ETHER_TYPE_IPV4);
	CU_ASSERT_EQUAL(ip[0], 0x45);
	CU_ASSERT_EQUAL(frame_get(ip + 2, 2), 20 + size);
	CU_ASSERT_EQUAL(frame_get(ip + 4, 4), 0x4000); /* identification 0, do not fragment */
	CU_ASSERT_EQUAL(ip[8], 64);
	CU_ASSERT_EQUAL(ip[9], protocol);
	CU_ASSERT_EQUAL(frame_get(ip + 12, 4), FRAME_OUR_IP);
	CU_ASSERT_EQUAL(frame_get(ip + 16, 4), FRAME_THEIR_IP);
	CU_ASSERT_EQUAL(frame_sum(ip, 20, 0), 0xffff);
	CU_ASSERT_EQUAL(frame_l4_sum(ip), 0xffff);
}

static const uint8_t router_alert[] = {148, 4, 0, 0};

/* Fault 7's good side: UDP of many sizes, tags and options there and back. */
static void test_send_turns_a_message_around(void)
{
	begin();
	for (uint32_t size = 0; size <= 1472; size = size < 80 ? size + 1 : size + 97) {
		for (uint32_t form = 0; form < 12; form++) {
			uint32_t tags = form % 3, options = form / 3 % 2 ? 4 : 0;
			bool change = form / 6, wrong = false;
			struct frame frame;
			struct flx_elem elem;
			const uint8_t *bytes;
			uint32_t l2_size = 14 + 4 * tags;

			frame_udp(&frame, tags, router_alert, options, size);
			CU_ASSERT_EQUAL_FATAL(
				frame_recv(port, frame_to_mbuf(pool, frame.bytes, frame.size),
					   &elem),
				TAKEN);
			elem.msg->mbuf.ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_VLAN;
			CU_ASSERT_EQUAL(flx_size(elem.msg), size);
			for (uint32_t i = 0; change && i < size; i++)
				*(uint8_t *)flx_at(elem.msg, i, 1) = (uint8_t)~i;
			flx_edge_send(ports, &elem, 1);
			CU_ASSERT_EQUAL(elem.fluxion, FLX_FLUXION_TX);
			check_frame(&elem.msg->mbuf, l2_size, IPPROTO_UDP, 8 + size);
			bytes = rte_pktmbuf_mtod(&elem.msg->mbuf, const uint8_t *);
			CU_ASSERT_EQUAL(memcmp(bytes + 12, frame.bytes + 12, 4 * tags), 0);
			CU_ASSERT_EQUAL(bytes[l2_size + 1], 0xb8); /* DSCP kept, ECN cleared */
			bytes += l2_size + 20;
			CU_ASSERT_EQUAL(frame_get(bytes, 2), FRAME_LISTENER);
			CU_ASSERT_EQUAL(frame_get(bytes + 2, 2), 5555);
			CU_ASSERT_EQUAL(frame_get(bytes + 4, 2), 8 + size);
			for (uint32_t i = 0; i < size; i++)
				wrong |= bytes[8 + i] != (uint8_t)(change ? ~i : i * 7 + 1);
			CU_ASSERT_FALSE(wrong);
			rte_pktmbuf_free(&elem.msg->mbuf);
		}
	}
	end();
}

/* The app cuts, prepends and appends: heads move to odd addresses and the reply is still right. */
static void test_send_follows_moved_heads(void)
{
	begin();
	for (uint32_t grow = 0; grow <= 86; grow++) {
		struct frame frame;
		struct flx_elem elem;
		uint8_t *front;

		frame_udp(&frame, grow % 3, router_alert, grow % 2 * 4, 40);
		frame_recv(port, frame_to_mbuf(pool, frame.bytes, frame.size), &elem);
		CU_ASSERT_TRUE(flx_cut_front(elem.msg, grow % 37));
		front = flx_prepend(elem.msg, grow);
		CU_ASSERT_PTR_NOT_NULL_FATAL(front);
		memset(front, 0x5a, grow);
		CU_ASSERT_PTR_NOT_NULL(flx_append(elem.msg, 3));
		flx_edge_send(ports, &elem, 1);
		check_frame(&elem.msg->mbuf, 14 + 4 * (grow % 3), IPPROTO_UDP,
			    8 + 40 - grow % 37 + grow + 3);
		rte_pktmbuf_free(&elem.msg->mbuf);
	}
	end();
}

/* Offloads: flags and lengths for the port, pseudo-header sum in the checksum, 0 in IPv4's. */
static void test_send_prepares_offloads(void)
{
	begin();
	for (uint32_t form = 0; form < 24; form++) {
		uint32_t tags = form % 3;
		struct frame frame;
		struct flx_elem elem;
		const uint8_t *ip;
		uint64_t flags = 0;

		port->tx_ip_checksum = form / 3 % 2;
		port->tx_udp_checksum = form / 6 % 2;
		frame_udp(&frame, tags, router_alert, form / 12 * 4, 33);
		frame_recv(port, frame_to_mbuf(pool, frame.bytes, frame.size), &elem);
		elem.msg->mbuf.tx_offload = UINT64_MAX;
		flx_edge_send(ports, &elem, 1);
		ip = rte_pktmbuf_mtod(&elem.msg->mbuf, const uint8_t *) + 14 + 4 * tags;
		if (port->tx_ip_checksum)
			flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM;
		if (port->tx_udp_checksum)
			flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_UDP_CKSUM;
		CU_ASSERT_EQUAL(elem.msg->mbuf.ol_flags, flags);
		if (flags) {
			CU_ASSERT_EQUAL(elem.msg->mbuf.l2_len, 14 + 4 * tags);
			CU_ASSERT_EQUAL(elem.msg->mbuf.l3_len, 20);
			CU_ASSERT_EQUAL(elem.msg->mbuf.tso_segsz, 0);
			CU_ASSERT_EQUAL(rte_validate_tx_offload(&elem.msg->mbuf), 0);
		}
		if (port->tx_ip_checksum)
			CU_ASSERT_EQUAL(frame_get(ip + 10, 2), 0)
		else
			CU_ASSERT_EQUAL(frame_sum(ip, 20, 0), 0xffff);
		if (port->tx_udp_checksum)
			CU_ASSERT_EQUAL(frame_get(ip + 26, 2),
					frame_sum(ip + 12, 8, IPPROTO_UDP + 8 + 33))
		else
			CU_ASSERT_EQUAL(frame_l4_sum(ip), 0xffff);
		rte_pktmbuf_free(&elem.msg->mbuf);
	}
	end();
}

static void test_echo_is_answered_in_place(void)
{
	begin();
	for (uint32_t size = 0; size <= 1400; size = size < 80 ? size + 1 : size + 97) {
		for (uint32_t form = 0; form < 6; form++) {
			uint32_t tags = form % 3, options = form / 3 ? 4 : 0,
				 l2_size = 14 + 4 * tags;
			struct frame frame;
			struct flx_elem elem;
			struct rte_mbuf *mbuf;
			const uint8_t *bytes;

			frame_icmp(&frame, tags, router_alert, options, size);
			mbuf = frame_to_heap(pool, frame.bytes, frame.size);
			mbuf->ol_flags |= RTE_MBUF_F_RX_RSS_HASH;
			CU_ASSERT_EQUAL_FATAL(frame_recv(port, mbuf, &elem), TAKEN);
			CU_ASSERT_EQUAL(elem.fluxion, FLX_FLUXION_TX);
			CU_ASSERT_EQUAL(elem.msg->mbuf.port, port->index);
			check_frame(&elem.msg->mbuf, l2_size, IPPROTO_ICMP, 8 + size);
			bytes = rte_pktmbuf_mtod(&elem.msg->mbuf, const uint8_t *);
			CU_ASSERT_EQUAL(memcmp(bytes + 12, frame.bytes + 12, 4 * tags), 0);
			CU_ASSERT_EQUAL(frame_get(bytes + l2_size + 20, 2), 0);
			CU_ASSERT_EQUAL(memcmp(bytes + l2_size + 24,
					       frame.bytes + l2_size + 20 + options + 4, 4 + size),
					0);
			rte_pktmbuf_free(&elem.msg->mbuf);
		}
	}
	end();
}

/* Messages of two ports in one burst, in runs of 1 to 3: each leaves from the address of its own.
 */
static void test_send_tells_ports_apart(void)
{
	struct flx_elem elems[12];
	struct frame frame;

	begin();
	ports[1] = frame_port(arp);
	ports[1].index = 1;
	ports[1].mac.addr_bytes[5] = 0x77;
	ports[1].ip = rte_cpu_to_be_32(FRAME_OUR_IP + 8);
	frame_udp(&frame, 0, NULL, 0, 24);
	for (uint32_t i = 0; i < RTE_DIM(elems); i++) {
		struct rte_mbuf *mbuf = frame_to_mbuf(pool, frame.bytes, frame.size);

		CU_ASSERT_EQUAL_FATAL(frame_recv(port, mbuf, &elems[i]), TAKEN);
		if (0xc5a >> i & 1) { /* as if it had come by the other */
			mbuf->port = 1;
			rte_pktmbuf_mtod(mbuf, uint8_t *)[-9] += 8; /* our address */
		}
	}
	flx_edge_send(ports, elems, RTE_DIM(elems));
	for (uint32_t i = 0; i < RTE_DIM(elems); i++) {
		const uint8_t *bytes = rte_pktmbuf_mtod(&elems[i].msg->mbuf, const uint8_t *);
		bool other = 0xc5a >> i & 1;

		CU_ASSERT_EQUAL(elems[i].fluxion, FLX_FLUXION_TX);
		CU_ASSERT_EQUAL(bytes[11], other ? 0x77 : 0x01);
		CU_ASSERT_EQUAL(frame_get(bytes + 26, 4), FRAME_OUR_IP + (other ? 8 : 0));
		CU_ASSERT_EQUAL(frame_sum(bytes + 14, 20, 0), 0xffff);
		CU_ASSERT_EQUAL(frame_l4_sum(bytes + 14), 0xffff);
		rte_pktmbuf_free(&elems[i].msg->mbuf);
	}
	end();
}

/* -------------------------------------------------------------------------------------- send_to */

static void test_send_to_finds_the_next_hop(void)
{
	static const struct rte_ether_addr gateway = {{0x02, 0, 0, 0, 0xcc, 0xfe}};
	static const struct {
		uint32_t to;
		bool known;
		struct rte_ether_addr mac;
	} cases[] = {
		{FRAME_THEIR_IP, true, {{0x02, 0, 0, 0, 0xbb, 0x02}}},
		{0x0a010263, false, {{0}}},
		{0x08080808, true, {{0x02, 0, 0, 0, 0xcc, 0xfe}}},
		{0xffffffff, true, {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}},
		{0x0a0102ff, true, {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}},
		{0xe08000fb, true, {{0x01, 0x00, 0x5e, 0x00, 0x00, 0xfb}}},
		{0xefffffff, true, {{0x01, 0x00, 0x5e, 0x7f, 0xff, 0xff}}},
	};

	begin();
	flx_arp_add_static(arp, rte_cpu_to_be_32(FRAME_THEIR_IP), &frame_their_mac);
	flx_arp_add_static(arp, rte_cpu_to_be_32(FRAME_GATEWAY), &gateway);
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		/* Room in front: what a fresh message has, and none. */
		for (uint32_t headroom = 0; headroom <= 128; headroom += 64) {
			struct rte_mbuf *mbuf = frame_to_mbuf(pool, (const uint8_t *)"message", 7);
			struct flx_elem elem = {.msg = (struct flx_msg *)mbuf};
			const uint8_t *ip;

			mbuf->data_off = (uint16_t)headroom;
			memcpy(rte_pktmbuf_mtod(mbuf, void *), "message", 7);
			mbuf->port = port->index;
			flx_set_heads(elem.msg, (struct flx_heads){.origin = FLX_ORIGIN_NONE});
			elem.msg->cold.to_ip = rte_cpu_to_be_32(cases[i].to);
			elem.msg->cold.to_port = RTE_BE16(53);
			elem.msg->cold.from_port = RTE_BE16(FRAME_LISTENER);
			flx_edge_send(ports, &elem, 1);
			CU_ASSERT_EQUAL(elem.fluxion,
					cases[i].known ? FLX_FLUXION_TX : FLX_FLUXION_ARP);
			ip = rte_pktmbuf_mtod(mbuf, const uint8_t *) + 14;
			if (cases[i].known) {
				CU_ASSERT_EQUAL(mbuf->data_len, 49);
				CU_ASSERT_EQUAL(memcmp(ip - 14, &cases[i].mac, 6), 0);
				CU_ASSERT_EQUAL(memcmp(ip - 8, &frame_our_mac, 6), 0);
				CU_ASSERT_EQUAL(frame_get(ip + 12, 4), FRAME_OUR_IP);
				CU_ASSERT_EQUAL(frame_get(ip + 16, 4), cases[i].to);
				CU_ASSERT_EQUAL(frame_get(ip + 20, 2), FRAME_LISTENER);
				CU_ASSERT_EQUAL(frame_get(ip + 22, 2), 53);
				CU_ASSERT_EQUAL(frame_sum(ip, 20, 0), 0xffff);
				CU_ASSERT_EQUAL(frame_l4_sum(ip), 0xffff);
				CU_ASSERT_EQUAL(memcmp(ip + 28, "message", 7), 0);
			}
			rte_pktmbuf_free(mbuf);
		}
	}
	end();
}

/* ------------------------------------------------------------------------------ keys and hashes */

/* Fault 22: a hash of 0, or none, from a port that promised one is made here. */
static void test_recv_sets_the_flow_hash(void)
{
	static struct flx_rss rss;
	static const struct {
		bool wanted, trusted;
		uint64_t flags;
		uint32_t given;
		bool computed;
	} cases[] = {
		{true, true, RTE_MBUF_F_RX_RSS_HASH, 0x12345678, false},
		{true, true, RTE_MBUF_F_RX_RSS_HASH, 0, true},
		{true, true, 0, 0x12345678, true},
		{true, false, RTE_MBUF_F_RX_RSS_HASH, 0x12345678, true},
		{false, true, RTE_MBUF_F_RX_RSS_HASH, 0, false},
	};

	begin();
	/* Any table will do: a byte's place and value tell its word. */
	for (uint32_t i = 0; i < 12; i++)
		for (uint32_t value = 0; value < 256; value++)
			rss.table[i][value] = (value + 1) * (0x01000193u << i % 5) + i;
	port->rss = &rss;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct frame frame;
		struct rte_mbuf *mbuf;
		struct flx_elem elem;
		uint8_t flow[12];

		port->flow_hash = cases[i].wanted;
		port->port_flow_hash = cases[i].trusted;
		frame_udp(&frame, 0, NULL, 0, 22);
		mbuf = frame_to_mbuf(pool, frame.bytes, frame.size);
		mbuf->hash.rss = cases[i].given;
		mbuf->ol_flags |= cases[i].flags;
		memcpy(flow, frame.bytes + 26, 12);
		CU_ASSERT_EQUAL_FATAL(frame_recv(port, mbuf, &elem), TAKEN);
		CU_ASSERT_EQUAL(elem.msg->mbuf.hash.rss,
				cases[i].computed ? flx_rss_flow(&rss, flow) : cases[i].given);
		CU_ASSERT_EQUAL(flx_heads(elem.msg).origin, FLX_ORIGIN_UDP4);
		rte_pktmbuf_free(&elem.msg->mbuf);
	}
	end();
}

static void test_keys_are_the_senders(void)
{
	struct flx_udp_address from;
	struct frame frame;
	struct flx_elem elem;
	uint8_t key[FLX_KEY_FLOW_SIZE];

	begin();
	frame_udp(&frame, 1, router_alert, 4, 22);
	CU_ASSERT_EQUAL_FATAL(frame_recv(port, frame_to_mbuf(pool, frame.bytes, frame.size), &elem),
			      TAKEN);
	CU_ASSERT_TRUE(flx_sender(elem.msg, &from));
	CU_ASSERT_EQUAL(from.ip, rte_cpu_to_be_32(FRAME_THEIR_IP));
	CU_ASSERT_EQUAL(from.port, RTE_BE16(5555));
	CU_ASSERT_EQUAL(flx_key_client(elem.msg, key), 0);
	CU_ASSERT_EQUAL(memcmp(key, frame.bytes + 18 + 12, 4), 0);
	CU_ASSERT_EQUAL(flx_key_flow(elem.msg, key), 0);
	CU_ASSERT_EQUAL(memcmp(key, frame.bytes + 18 + 12, 8), 0);
	CU_ASSERT_EQUAL(memcmp(key + 8, frame.bytes + 18 + 24, 4), 0);
	flx_set_heads(elem.msg, (struct flx_heads){.origin = FLX_ORIGIN_NONE});
	CU_ASSERT_FALSE(flx_sender(elem.msg, &from));
	CU_ASSERT_EQUAL(flx_key_client(elem.msg, key), -ENOTCONN);
	CU_ASSERT_EQUAL(flx_key_flow(elem.msg, key), -ENOTCONN);
	rte_pktmbuf_free(&elem.msg->mbuf);
	end();
}

/* Fault 11: an offset whose sum with the size wraps. */
static void test_at_rejects_sums_that_wrap(void)
{
	struct frame frame;
	struct flx_elem elem;

	begin();
	frame_udp(&frame, 0, NULL, 0, 22);
	frame_recv(port, frame_to_mbuf(pool, frame.bytes, frame.size), &elem);
	CU_ASSERT_PTR_NOT_NULL(flx_at(elem.msg, 0, 22));
	CU_ASSERT_PTR_NOT_NULL(flx_at(elem.msg, 22, 0));
	CU_ASSERT_PTR_NULL(flx_at(elem.msg, 1, 22));
	CU_ASSERT_PTR_NULL(flx_at(elem.msg, UINT32_MAX, 2));
	CU_ASSERT_PTR_NULL(flx_at(elem.msg, 2, UINT32_MAX));
	CU_ASSERT_PTR_NULL(flx_at(elem.msg, UINT32_MAX, UINT32_MAX));
	rte_pktmbuf_free(&elem.msg->mbuf);
	end();
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_send_turns_a_message_around),
		FLX_TEST(test_send_follows_moved_heads),
		FLX_TEST(test_send_prepares_offloads),
		FLX_TEST(test_send_tells_ports_apart),
		FLX_TEST(test_echo_is_answered_in_place),
		FLX_TEST(test_send_to_finds_the_next_hop),
		FLX_TEST(test_recv_sets_the_flow_hash),
		FLX_TEST(test_keys_are_the_senders),
		FLX_TEST(test_at_rejects_sums_that_wrap),
		{0},
	};

	if (flx_test_eal())
		return EXIT_FAILURE;
	pool = frame_pool("frames", POOL_SIZE);
	arp = flx_arp_alloc(16, 4, pool);
	if (!pool || !arp)
		return EXIT_FAILURE;
	return flx_test_main("reply", tests);
}
