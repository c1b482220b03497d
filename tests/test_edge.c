/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/edge/arp.h"
#include "fabric/edge/edge.h"
#include "tests/eal.h"
#include "tests/frame.h"
#include "tests/test.h"

#define POOL_SIZE 1023
#define PORTS 4 /* ours is the last */

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

/* --------------------------------------------------------------------- the table of bad packets */

enum base { UDP, ICMP, ARP };
enum layer { NONE, L2, L3, L4 };

struct patch {
	enum layer layer;
	uint32_t at, size, value;
};

#define OPTIONS(...) .options = {__VA_ARGS__}, .options_size = sizeof((uint8_t[]){__VA_ARGS__})

struct row {
	const char *name;
	enum base base;
	uint32_t tags;
	uint8_t options[40];
	uint32_t options_size;
	struct patch patches[3];
	bool wrong_sums; /* sums stay as they were before the patches */
	int32_t grow;	 /* bytes more in the frame than its headers say */
	bool cut;	 /* the frame has ... */
	uint32_t size;	 /* ... this many bytes */
	uint16_t fluxion;
	int drop;
	uint32_t left; /* bytes of data in the element */
};

#define BAD(reason) .drop = FLX_DROP_##reason
#define GOOD(number, bytes) .drop = TAKEN, .fluxion = (number), .left = (bytes)
#define GOOD_UDP GOOD(FRAME_FLUXION, 22)
#define SIZE(bytes) .cut = true, .size = (bytes)
#define MAC_FIRST(byte) .patches = {{L2, 6, 1, byte}}
#define SOURCE(ip) .patches = {{L3, 12, 4, ip}}

/* Payloads are 22 bytes. */
static const struct row rows[] = {
	{"UDP", UDP, GOOD_UDP},
	{"one tag", UDP, .tags = 1, GOOD_UDP},
	{"two tags", UDP, .tags = 2, GOOD_UDP},
	{"fault 1: empty", UDP, SIZE(0), BAD(l2_short)},
	{"fault 1: 1 byte", UDP, SIZE(1), BAD(l2_short)},
	{"fault 1: 13 bytes", UDP, SIZE(13), BAD(l2_short)},
	{"fault 1: 14 bytes, a whole header", UDP, SIZE(14), BAD(ip_hdr)},
	{"fault 2: 0 bytes behind the tag's type", UDP, .tags = 1, SIZE(14), BAD(l2_vlan)},
	{"fault 2: 3 bytes behind the tag's type", UDP, .tags = 1, SIZE(17), BAD(l2_vlan)},
	{"fault 2: 3 bytes behind the second", UDP, .tags = 2, SIZE(21), BAD(l2_vlan)},
	{"fault 2: two whole tags", UDP, .tags = 2, SIZE(22), BAD(ip_hdr)},
	{"fault 2: three tags", UDP, .tags = 3, BAD(l2_vlan)},
	{"fault 2: five tags", UDP, .tags = 5, BAD(l2_vlan)},
	{"length instead of type", UDP, .patches = {{L2, 12, 2, 64}}, BAD(l2_type)},
	{"IPv6", UDP, .patches = {{L2, 12, 2, 0x86dd}}, BAD(l2_type)},
	{"fault 3: version 6", UDP, .patches = {{L3, 0, 1, 0x65}}, BAD(ip_hdr)},
	{"fault 3: version 0", UDP, .patches = {{L3, 0, 1, 0x05}}, BAD(ip_hdr)},
	{"fault 3: IHL 4", UDP, .patches = {{L3, 0, 1, 0x44}}, BAD(ip_hdr)},
	{"fault 3: IHL 0", UDP, .patches = {{L3, 0, 1, 0x40}}, BAD(ip_hdr)},
	{"fault 3: IHL beyond the frame", UDP, .patches = {{L3, 0, 1, 0x4f}}, BAD(ip_hdr)},
	{"fault 3: header cut", UDP, SIZE(33), BAD(ip_hdr)},
	{"fault 3: options cut", UDP, OPTIONS(1, 1, 1, 0), SIZE(37), BAD(ip_hdr)},
	{"fault 4: total length 19", UDP, .patches = {{L3, 2, 2, 19}}, BAD(ip_len)},
	{"fault 4: total length 0", UDP, .patches = {{L3, 2, 2, 0}}, BAD(ip_len)},
	{"fault 4: total length below options", UDP, OPTIONS(1, 1, 1, 0),
	 .patches = {{L3, 2, 2, 23}}, BAD(ip_len)},
	{"fault 4: total length 1 beyond", UDP, .patches = {{L3, 2, 2, 51}}, BAD(ip_len)},
	{"fault 4: total length 65535", UDP, .patches = {{L3, 2, 2, 0xffff}}, BAD(ip_len)},
	{"fault 4: padding is trimmed", UDP, .grow = 18, GOOD_UDP},
	{"fault 4: 1 byte of padding", UDP, .grow = 1, GOOD_UDP},
	{"fault 5: IP checksum", UDP, .patches = {{L3, 8, 1, 18}}, .wrong_sums = true,
	 BAD(ip_checksum)},
	{"fault 5: IP checksum of options", UDP, OPTIONS(1, 1, 1, 0),
	 .patches = {{L3, 22, 1, 0}}, .wrong_sums = true, BAD(ip_checksum)},
	{"options, no operation and end", UDP, OPTIONS(1, 1, 1, 0), GOOD_UDP},
	{"options, router alert", UDP, OPTIONS(148, 4, 0, 0), GOOD_UDP},
	{"options, 40 bytes of no operation", UDP,
	 .options = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
		     1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
	 .options_size = 40, GOOD_UDP},
	{"options, junk behind the end", UDP, OPTIONS(0, 131, 0, 1), GOOD_UDP},
	{"fault 6: option length 0", UDP, OPTIONS(148, 0, 0, 0), BAD(ip_opt)},
	{"fault 6: option length 1", UDP, OPTIONS(148, 1, 0, 0), BAD(ip_opt)},
	{"fault 6: option past the end", UDP, OPTIONS(148, 5, 0, 0), BAD(ip_opt)},
	{"fault 6: option without length", UDP, OPTIONS(1, 1, 1, 148), BAD(ip_opt)},
	{"fault 6: loose source route", UDP, OPTIONS(131, 3, 4, 0), BAD(ip_opt)},
	{"fault 6: strict source route", UDP, OPTIONS(1, 137, 3, 4), BAD(ip_opt)},
	{"fault 6: option length 0, ICMP", ICMP, OPTIONS(148, 0, 0, 0), BAD(ip_opt)},
	{"fault 7: from broadcast", UDP, SOURCE(0xffffffff), BAD(ip_martian)},
	{"fault 7: from our network's broadcast", UDP, SOURCE(0x0a0102ff), BAD(ip_martian)},
	{"fault 7: from another network's .255", UDP, SOURCE(0x0a0103ff), GOOD_UDP},
	{"fault 7: from a group", UDP, SOURCE(0xe0000001), BAD(ip_martian)},
	{"fault 7: from the last group", UDP, SOURCE(0xefffffff), BAD(ip_martian)},
	{"fault 7: from 127/8", UDP, SOURCE(0x7f000001), BAD(ip_martian)},
	{"fault 7: from 0/8", UDP, SOURCE(0x00000001), BAD(ip_martian)},
	{"fault 7: from ourselves (LAND)", UDP, SOURCE(FRAME_OUR_IP), BAD(ip_martian)},
	{"fault 7: ICMP from broadcast", ICMP, SOURCE(0xffffffff), BAD(ip_martian)},
	{"from 126/8, 128/8, 223/8", UDP, SOURCE(0x7effffff), GOOD_UDP},
	{"from 128/8", UDP, SOURCE(0x80000000), GOOD_UDP},
	{"from 223/8", UDP, SOURCE(0xdfffffff), GOOD_UDP},
	{"from 240/8", UDP, SOURCE(0xf0000001), GOOD_UDP},
	{"from 1/8", UDP, SOURCE(0x01000000), GOOD_UDP},
	{"from an address that ends as ours does", UDP,
	 .patches = {{L2, 6, 4, 0x06010000}, {L2, 10, 2, 0xaa01}}, GOOD_UDP},
	{"checksum 0, IP checksum wrong", UDP, .patches = {{L4, 6, 2, 0}, {L3, 8, 1, 18}},
	 .wrong_sums = true, BAD(ip_checksum)},
	{"to another host", UDP, .patches = {{L3, 16, 4, 0x0a010205}}, BAD(ip_destination)},
	{"to broadcast", UDP, .patches = {{L3, 16, 4, 0xffffffff}}, BAD(ip_destination)},
	{"fault 8: first fragment", UDP, .patches = {{L3, 6, 2, 0x2000}}, BAD(ip_frag)},
	{"fault 8: last fragment", UDP, .patches = {{L3, 6, 2, 0x0001}}, BAD(ip_frag)},
	{"fault 8: ping of death", ICMP, .patches = {{L3, 6, 2, 0x1fff}}, BAD(ip_frag)},
	{"fault 8: offset in the high bits", UDP, .patches = {{L3, 6, 2, 0x1000}}, BAD(ip_frag)},
	{"do not fragment", UDP, .patches = {{L3, 6, 2, 0x4000}}, GOOD_UDP},
	{"TTL 0 and TTL 1 have arrived", UDP, .patches = {{L3, 8, 1, 0}}, GOOD_UDP},
	{"TCP", UDP, .patches = {{L3, 9, 1, IPPROTO_TCP}}, BAD(ip_protocol)},
	{"protocol 255", UDP, .patches = {{L3, 9, 1, 255}}, BAD(ip_protocol)},
	{"fault 18: UDP length 7", UDP, .patches = {{L4, 4, 2, 7}}, BAD(udp_len)},
	{"fault 18: UDP length 0", UDP, .patches = {{L4, 4, 2, 0}}, BAD(udp_len)},
	{"fault 18: UDP length 1 beyond", UDP, .patches = {{L4, 4, 2, 31}}, BAD(udp_len)},
	{"fault 18: UDP length in the padding", UDP, .patches = {{L4, 4, 2, 31}}, .grow = 8,
	 BAD(udp_len)},
	{"fault 18: UDP length 65535", UDP, .patches = {{L4, 4, 2, 0xffff}}, BAD(udp_len)},
	{"fault 18: no room for a UDP header", UDP, .patches = {{L3, 2, 2, 27}}, BAD(udp_len)},
	{"fault 18: the frame ends in the UDP header", UDP, .patches = {{L3, 2, 2, 24}}, SIZE(38),
	 BAD(udp_len)},
	{"fault 18: checksum 0", UDP, .patches = {{L4, 6, 2, 0}}, .wrong_sums = true, GOOD_UDP},
	{"fault 18: UDP length below the datagram's", UDP, .patches = {{L4, 4, 2, 10}},
	 GOOD(FRAME_FLUXION, 2)},
	{"fault 18: no payload", UDP, .patches = {{L4, 4, 2, 8}}, GOOD(FRAME_FLUXION, 0)},
	{"UDP checksum, payload", UDP, .patches = {{L4, 29, 1, 0xee}}, .wrong_sums = true,
	 BAD(udp_checksum)},
	{"UDP checksum, source port", UDP, .patches = {{L4, 0, 2, 5556}}, .wrong_sums = true,
	 BAD(udp_checksum)},
	{"UDP port that nobody listens on", UDP, .patches = {{L4, 2, 2, 7001}}, BAD(udp_port)},
	{"fault 19: port unreachable", ICMP, .patches = {{L4, 0, 2, 0x0303}}, BAD(icmp_type)},
	{"fault 19: fragmentation needed, MTU 0", ICMP,
	 .patches = {{L4, 0, 2, 0x0304}, {L4, 4, 4, 0}}, BAD(icmp_type)},
	{"fault 19: fragmentation needed, MTU 68", ICMP,
	 .patches = {{L4, 0, 2, 0x0304}, {L4, 4, 4, 68}}, BAD(icmp_type)},
	{"ICMP echo reply", ICMP, .patches = {{L4, 0, 1, 0}}, BAD(icmp_type)},
	{"ICMP checksum", ICMP, .patches = {{L4, 20, 1, 0xee}}, .wrong_sums = true,
	 BAD(icmp_malformed)},
	{"ICMP of 7 bytes", ICMP, .patches = {{L3, 2, 2, 27}}, BAD(icmp_malformed)},
	{"ICMP of 4 bytes, their sum right", ICMP, .patches = {{L3, 2, 2, 24}, {L4, 2, 2, 0xf7ff}},
	 SIZE(38), BAD(icmp_malformed)},
	{"ICMP echo", ICMP, GOOD(FLX_FLUXION_TX, 64)},
	{"ICMP echo, padded", ICMP, .grow = 9, GOOD(FLX_FLUXION_TX, 64)},
	{"ICMP echo, one tag", ICMP, .tags = 1, GOOD(FLX_FLUXION_TX, 68)},
	{"ICMP echo, options", ICMP, OPTIONS(148, 4, 0, 0), GOOD(FLX_FLUXION_TX, 64)},
	{"ICMP echo to broadcast in a unicast frame", ICMP,
	 .patches = {{L3, 16, 4, 0x0a0102ff}}, BAD(ip_destination)},
	{"ICMP echo in a broadcast frame", ICMP,
	 .patches = {{L2, 0, 4, 0xffffffff}, {L2, 4, 2, 0xffff}, {L3, 16, 4, 0x0a0102ff}},
	 BAD(l2_destination)},
	{"UDP in a broadcast frame", UDP,
	 .patches = {{L2, 0, 4, 0xffffffff}, {L2, 4, 2, 0xffff}}, BAD(l2_destination)},
	{"frame to another host", UDP, .patches = {{L2, 5, 1, 0x77}}, BAD(l2_destination)},
	{"frame to another host, first byte", UDP, .patches = {{L2, 0, 1, 0x06}},
	 BAD(l2_destination)},
	{"fault 21: our address as source", UDP,
	 .patches = {{L2, 6, 4, 0x02000000}, {L2, 10, 2, 0xaa01}}, BAD(l2_source)},
	{"fault 21: our address as source of ARP", ARP,
	 .patches = {{L2, 6, 4, 0x02000000}, {L2, 10, 2, 0xaa01}}, BAD(l2_source)},
	{"fault 21: a group as source", UDP, MAC_FIRST(0x03), BAD(l2_source)},
	{"ARP request", ARP, GOOD(FLX_FLUXION_ARP, 28)},
	{"ARP request, two tags", ARP, .tags = 2, GOOD(FLX_FLUXION_ARP, 28)},
	{"ARP probe, sender 0.0.0.0", ARP, .patches = {{L3, 14, 4, 0}}, GOOD(FLX_FLUXION_ARP, 28)},
	{"ARP cut by 1", ARP, SIZE(41), BAD(arp_malformed)},
	{"ARP unpadded", ARP, SIZE(42), GOOD(FLX_FLUXION_ARP, 28)},
	{"fault 20: hardware type 6", ARP, .patches = {{L3, 0, 2, 6}}, BAD(arp_malformed)},
	{"fault 20: protocol type", ARP, .patches = {{L3, 2, 2, 0x86dd}}, BAD(arp_malformed)},
	{"fault 20: hardware length 8", ARP, .patches = {{L3, 4, 1, 8}}, BAD(arp_malformed)},
	{"fault 20: protocol length 16", ARP, .patches = {{L3, 5, 1, 16}}, BAD(arp_malformed)},
	{"fault 20: RARP", ARP, .patches = {{L3, 6, 2, 3}}, BAD(arp_malformed)},
	{"fault 20: sender is a group", ARP, .patches = {{L3, 8, 1, 1}}, BAD(arp_malformed)},
	{"fault 20: sender is nobody", ARP, .patches = {{L3, 8, 4, 0}, {L3, 12, 2, 0}},
	 BAD(arp_malformed)},
	{"fault 20: sender has our hardware address", ARP,
	 .patches = {{L3, 8, 4, 0x02000000}, {L3, 12, 2, 0xaa01}}, BAD(arp_malformed)},
	{"fault 20: sender has our address", ARP, .patches = {{L3, 14, 4, FRAME_OUR_IP}},
	 BAD(arp_conflict)},
	{"fault 20: sender announces our address", ARP,
	 .patches = {{L3, 14, 4, FRAME_OUR_IP}, {L3, 24, 4, FRAME_OUR_IP}}, BAD(arp_conflict)},
	{"ARP request for another", ARP, .patches = {{L3, 24, 4, 0x0a010205}}, BAD(arp_unasked)},
	{"ARP to another host's address", ARP, .patches = {{L2, 0, 1, 0x02}},
	 BAD(l2_destination)},
};

static void build(struct frame *frame, const struct row *row, uint32_t tags)
{
	if (row->base == UDP)
		frame_udp(frame, tags, row->options, row->options_size, 22);
	else if (row->base == ICMP)
		frame_icmp(frame, tags, row->options, row->options_size, 22);
	else
		frame_arp(frame, tags, 1, &frame_their_mac, FRAME_THEIR_IP, FRAME_OUR_IP);
	for (uint32_t i = 0; i < RTE_DIM(row->patches) && row->patches[i].layer; i++) {
		const struct patch *patch = &row->patches[i];
		uint32_t base = patch->layer == L2   ? 0
				: patch->layer == L3 ? frame->l2_size
						     : frame->l2_size + frame->l3_size;

		frame_put(frame, base + patch->at, patch->size, patch->value);
	}
	frame->size = row->cut ? row->size : frame->size + (uint32_t)row->grow;
	if (row->base != ARP && !row->wrong_sums)
		frame_fix_sums(frame);
}

/* Runs @mbuf, a form of the row's frame, and checks the verdict. */
static void check(const struct row *row, struct rte_mbuf *mbuf, const char *form, uint32_t at,
		  uint32_t more)
{
	struct flx_elem elem = {0};
	int drop = frame_recv(port, mbuf, &elem);
	bool right = drop == row->drop;

	if (drop == TAKEN) {
		right = right && elem.fluxion == row->fluxion &&
			elem.msg->mbuf.data_len == row->left + more &&
			elem.msg->mbuf.pkt_len == elem.msg->mbuf.data_len &&
			elem.msg->mbuf.nb_segs == 1 && !elem.msg->mbuf.next &&
			elem.msg->mbuf.port == port->index;
		rte_pktmbuf_free(&elem.msg->mbuf);
	}
	if (!right)
		printf("\n  %s: %s %u: got %s\n", row->name, form, at,
		       drop == TAKEN ? "taken" : flx_drop_name(drop));
	CU_ASSERT_TRUE(right);
}

static void test_recv_tells_good_from_bad(void)
{
	begin();
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		struct frame frame;

		build(&frame, &rows[i], rows[i].tags);
		check(&rows[i], frame_to_mbuf(pool, frame.bytes, frame.size), "linear", 0, 0);
		check(&rows[i], frame_to_heap(pool, frame.bytes, frame.size), "heap", 0, 0);
	}
	end();
}

/* A tagged frame is never plain: every row is judged by the parsers too. */
static void test_recv_judges_tagged_frames_alike(void)
{
	begin();
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		const struct row *row = &rows[i];

		if (row->tags || row->cut ||
		    (row->patches[0].layer == L2 && row->patches[0].at == 12))
			continue;
		for (uint32_t tags = 1; tags <= 2; tags++) {
			struct frame frame;
			uint32_t more = row->fluxion == FLX_FLUXION_TX ? 4 * tags : 0;

			build(&frame, row, tags);
			check(row, frame_to_heap(pool, frame.bytes, frame.size), "tags", tags,
			      more);
		}
	}
	end();
}

/* Fault 10: the header split at every offset, an empty segment in between. */
static void test_recv_judges_segments_alike(void)
{
	begin();
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		struct frame frame;

		build(&frame, &rows[i], rows[i].tags);
		for (uint32_t at = 0; at <= frame.size; at++)
			check(&rows[i], frame_to_segments(pool, frame.bytes, frame.size, at),
			      "split", at, 0);
	}
	end();
}

/* ------------------------------------------------------------------------------------- segments */

/* Fault 10: the first buffer has room, but not behind the first segment. */
static void test_recv_moves_segments_to_the_front(void)
{
	static const struct {
		uint32_t payload, headroom;
		int drop;
		uint32_t left; /* headroom of the frame, after */
	} cases[] = {
		{1400, 128, TAKEN, 128},
		{1400, 2000, TAKEN, FRAME_BUFFER - 1442},
		{FRAME_BUFFER - 86 - 42, 128, TAKEN, 86},
		{FRAME_BUFFER - 86 - 42 + 1, 128, FLX_DROP_l2_segments, 0},
		/* Fits where it is: left as it came. */
		{FRAME_BUFFER - 86 - 42 + 1, 85, TAKEN, 85},
	};

	begin();
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		static struct {
			struct frame frame;
			uint8_t more[FRAME_ROOM];
		} big;
		struct rte_mbuf *first = rte_pktmbuf_alloc(pool), *second = rte_pktmbuf_alloc(pool);
		struct flx_elem elem;
		uint32_t size = 42 + cases[i].payload;

		memset(&big, 0, sizeof(big));
		frame_udp(&big.frame, 0, NULL, 0, RTE_MIN(cases[i].payload, FRAME_ROOM - 42u));
		frame_put(&big.frame, 16, 2, 28 + cases[i].payload);
		frame_put(&big.frame, 38, 2, 8 + cases[i].payload);
		frame_fix_sums(&big.frame);
		frame_put(&big.frame, 40, 2, 0); /* its payload may be longer than a frame's room */
		first->data_off = (uint16_t)cases[i].headroom;
		memcpy(rte_pktmbuf_append(first, 40), big.frame.bytes, 40);
		second->data_off = 0;
		size -= 40;
		memset(rte_pktmbuf_append(second, (uint16_t)size), 0, size);
		memcpy(rte_pktmbuf_mtod(second, void *), big.frame.bytes + 40,
		       RTE_MIN(size, FRAME_ROOM - 40u));
		rte_pktmbuf_chain(first, second);
		CU_ASSERT_EQUAL(frame_recv(port, first, &elem), cases[i].drop);
		if (cases[i].drop == TAKEN) {
			CU_ASSERT_EQUAL(elem.msg->mbuf.data_off - 42u, cases[i].left);
			CU_ASSERT_EQUAL(memcmp(flx_at(elem.msg, 0, cases[i].payload),
					       big.frame.bytes + 42,
					       RTE_MIN(cases[i].payload, FRAME_ROOM - 42u)),
					0);
			rte_pktmbuf_free(&elem.msg->mbuf);
		}
	}
	end();
}

/* RFC 3021: a /31 has no broadcast, both addresses are hosts; nor has a /32. */
static void test_point_to_point_has_no_broadcast(void)
{
	static const struct {
		uint32_t mask, source;
		int drop;
	} cases[] = {
		{0xfffffffe, FRAME_OUR_IP - 1, TAKEN},
		{0xffffffff, FRAME_THEIR_IP, TAKEN},
		{0xfffffffc, FRAME_OUR_IP & ~3u, TAKEN},
		{0xfffffff0, FRAME_OUR_IP | 15, FLX_DROP_ip_martian},
	};

	begin();
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct frame frame;
		struct flx_elem elem;
		int drop;

		port->mask = rte_cpu_to_be_32(cases[i].mask);
		frame_udp(&frame, 0, NULL, 0, 22);
		frame_put(&frame, 26, 4, cases[i].source);
		frame_fix_sums(&frame);
		drop = frame_recv(port, frame_to_mbuf(pool, frame.bytes, frame.size), &elem);
		CU_ASSERT_EQUAL(drop, cases[i].drop);
		if (drop == TAKEN)
			rte_pktmbuf_free(&elem.msg->mbuf);
	}
	/* Our own /31's other end, at the odd address. */
	port->ip = rte_cpu_to_be_32(FRAME_OUR_IP - 1);
	port->mask = RTE_BE32(0xfffffffe);
	{
		struct frame frame;
		struct flx_elem elem;

		frame_udp(&frame, 0, NULL, 0, 22);
		frame_put(&frame, 26, 4, FRAME_OUR_IP);
		frame_put(&frame, 30, 4, FRAME_OUR_IP - 1);
		frame_fix_sums(&frame);
		CU_ASSERT_EQUAL_FATAL(frame_recv(port,
						 frame_to_mbuf(pool, frame.bytes, frame.size),
						 &elem),
				      TAKEN);
		rte_pktmbuf_free(&elem.msg->mbuf);
	}
	end();
}

/* A burst keeps its order, and what is dropped from it leaves no hole. */
static void test_recv_keeps_order_in_a_burst(void)
{
	struct rte_mbuf *frames[FLX_BATCH];
	struct flx_elem out[FLX_BATCH];
	struct flx_drops drops = {0};
	uint32_t count, expected = 0;

	begin();
	for (uint32_t i = 0; i < FLX_BATCH; i++) {
		struct frame frame;

		frame_udp(&frame, i % 3, NULL, 0, 22);
		frame_put(&frame, frame.l2_size + 28, 4, i);
		frame_fix_sums(&frame);
		frames[i] = frame_to_mbuf(pool, frame.bytes, i % 5 ? frame.size : 13);
	}
	count = flx_edge_recv(port, frames, FLX_BATCH, out, &drops);
	CU_ASSERT_EQUAL(drops.count[FLX_DROP_l2_short], 13);
	CU_ASSERT_EQUAL(count, FLX_BATCH - 13);
	for (uint32_t i = 0; i < count; i++, expected++) {
		if (expected % 5 == 0)
			expected++;
		CU_ASSERT_EQUAL(frame_get(flx_at(out[i].msg, 0, 4), 4), expected);
	}
	flx_edge_send(ports, out, count);
	for (uint32_t i = 0; i < count; i++)
		rte_pktmbuf_free(&out[i].msg->mbuf);
	end();
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_recv_tells_good_from_bad),
		FLX_TEST(test_recv_judges_tagged_frames_alike),
		FLX_TEST(test_recv_judges_segments_alike),
		FLX_TEST(test_recv_moves_segments_to_the_front),
		FLX_TEST(test_point_to_point_has_no_broadcast),
		FLX_TEST(test_recv_keeps_order_in_a_burst),
		{0},
	};

	if (flx_test_eal())
		return EXIT_FAILURE;
	pool = frame_pool("frames", POOL_SIZE);
	arp = flx_arp_alloc(16, 4, pool);
	if (!pool || !arp)
		return EXIT_FAILURE;
	return flx_test_main("edge", tests);
}
