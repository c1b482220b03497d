/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/edge/arp.h"
#include "fabric/edge/edge.h"
#include "fabric/edge/sum.h"
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

/*
 * Every size that has a branch of its own, and the blocks, in a copy that ends where the data ends;
 * begun with a sum, of bytes that make carries.
 */
static void test_sum_bytes_matches_bytewise(void)
{
	for (uint32_t size = 0; size <= 200; size++) {
		for (uint32_t fill = 0; fill <= 3; fill++) {
			uint8_t *bytes = malloc(8 + size); /* 8: must be readable, must not count */
			uint64_t sum;

			memset(bytes, 0x5a, 8);
			for (uint32_t i = 0; i < size; i++)
				bytes[8 + i] =
					(uint8_t)(fill == 3 ? (i * 167 + size) : 0xff - fill);
			sum = flx_sum_bytes(0x123456789abcdef0, bytes + 8, size);
			CU_ASSERT_EQUAL(
				rte_be_to_cpu_16(flx_sum_fold(sum)),
				frame_sum(bytes + 8, size, 0xf0de + 0xbc9a + 0x7856 + 0x3412));
			free(bytes);
		}
	}
}

/* Where a sum is 0 in one of its guises: the checksum is 0xffff, and it is right. */
static void test_sum_ends_at_every_zero(void)
{
	static const struct {
		uint64_t sum;
		bool right;
	} cases[] = {
		{0xffff, true},
		{0xffff0000, true},
		{UINT32_MAX, true},
		{UINT64_MAX, true},
		{UINT64_MAX - 0xffff, true},
		{UINT64_C(0xffff000000000000), true},
		{0xfffe0001, true},
		{1, false},
		{0xfffe, false},
		{0x10000, false},
		{UINT64_MAX - 1, false},
		{UINT64_C(1) << 63, false},
	};

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		uint64_t sum = cases[i].sum;
		uint16_t checksum = flx_sum_finish_not_0(sum);

		CU_ASSERT_EQUAL(flx_sum_is_right(sum), cases[i].right);
		CU_ASSERT_EQUAL(flx_sum_fold(sum) == 0xffff, cases[i].right);
		CU_ASSERT_EQUAL(checksum, cases[i].right ? 0xffff : flx_sum_finish(sum));
		CU_ASSERT_TRUE(flx_sum_is_right(flx_sum_add(sum, checksum)));
	}
}

/* Fault 5: what the port says of checksums. */
static void test_recv_heeds_checksum_flags(void)
{
	static const struct {
		bool reports; /* the port does */
		uint64_t flags;
		bool wrong_ip, wrong_udp;
		bool zero; /* UDP checksum 0 */
		int drop;
	} cases[] = {
		{true, 0, false, false, false, TAKEN},
		{true, 0, true, false, false, FLX_DROP_ip_checksum},
		{true, 0, false, true, false, FLX_DROP_udp_checksum},
		{true, RTE_MBUF_F_RX_IP_CKSUM_GOOD, true, false, false, TAKEN},
		{true, RTE_MBUF_F_RX_IP_CKSUM_GOOD, true, true, false, FLX_DROP_udp_checksum},
		{true, RTE_MBUF_F_RX_IP_CKSUM_NONE, true, false, false, TAKEN},
		{true, RTE_MBUF_F_RX_IP_CKSUM_BAD, false, false, false, FLX_DROP_ip_checksum},
		{true, RTE_MBUF_F_RX_L4_CKSUM_GOOD, false, true, false, TAKEN},
		{true, RTE_MBUF_F_RX_L4_CKSUM_GOOD, true, true, false, FLX_DROP_ip_checksum},
		{true, RTE_MBUF_F_RX_L4_CKSUM_NONE, false, true, false, TAKEN},
		{true, RTE_MBUF_F_RX_L4_CKSUM_BAD, false, false, false, FLX_DROP_udp_checksum},
		{true, RTE_MBUF_F_RX_L4_CKSUM_BAD, false, false, true, TAKEN},
		{true, RTE_MBUF_F_RX_L4_CKSUM_GOOD, false, false, true, TAKEN},
		{true, RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD, true, true, false,
		 TAKEN},
		{false, RTE_MBUF_F_RX_IP_CKSUM_GOOD, true, false, false, FLX_DROP_ip_checksum},
		{false, RTE_MBUF_F_RX_L4_CKSUM_GOOD, false, true, false, FLX_DROP_udp_checksum},
		{false, RTE_MBUF_F_RX_L4_CKSUM_BAD, false, false, false, TAKEN},
		{false, RTE_MBUF_F_RX_IP_CKSUM_BAD, false, false, false, TAKEN},
	};

	begin();
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		for (uint32_t tags = 0; tags <= 1; tags++) { /* plain, and by the parsers */
			struct frame frame;
			struct rte_mbuf *mbuf;
			struct flx_elem elem;
			int drop;

			port->rx_checksums = cases[i].reports;
			frame_udp(&frame, tags, NULL, 0, 22);
			frame.bytes[frame.l2_size + 10] ^= cases[i].wrong_ip;
			frame.bytes[frame.l2_size + 26] ^= cases[i].wrong_udp;
			if (cases[i].zero)
				frame_put(&frame, frame.l2_size + 26, 2, 0);
			mbuf = frame_to_heap(pool, frame.bytes, frame.size);
			mbuf->ol_flags |= cases[i].flags;
			drop = frame_recv(port, mbuf, &elem);
			if (drop != cases[i].drop)
				printf("\n  case %zu, tags %u\n", i, tags);
			CU_ASSERT_EQUAL(drop, cases[i].drop);
			if (drop == TAKEN)
				rte_pktmbuf_free(&elem.msg->mbuf);
		}
	}
	end();
}

/* Every length of payload, at every alignment, with each byte in turn changed by one. */
static void test_recv_verifies_every_byte(void)
{
	begin();
	for (uint32_t size = 0; size <= 70; size++) {
		for (uint32_t changed = 0; changed <= size; changed++) { /* the last: none */
			struct frame frame;
			struct rte_mbuf *mbuf;
			struct flx_elem elem;
			int drop;

			frame_udp(&frame, 0, NULL, 0, size);
			frame.bytes[42 + changed] ^= 1;
			mbuf = rte_pktmbuf_alloc(pool);
			mbuf->data_off = (uint16_t)(128 + changed % 8);
			memcpy(rte_pktmbuf_append(mbuf, (uint16_t)frame.size), frame.bytes,
			       frame.size);
			drop = frame_recv(port, mbuf, &elem);
			CU_ASSERT_EQUAL(drop, changed < size ? FLX_DROP_udp_checksum : TAKEN);
			if (drop == TAKEN)
				rte_pktmbuf_free(&elem.msg->mbuf);
		}
	}
	end();
}

/* A checksum that computes to 0 means "none" on the wire, so 0xffff is sent: every sum is tried. */
static void test_send_never_sends_checksum_zero(void)
{
	struct frame frame;
	uint32_t ones = 0;

	begin();
	frame_udp(&frame, 0, NULL, 0, 2);
	for (uint32_t value = 0; value <= UINT16_MAX; value++) {
		struct flx_elem elem;
		const uint8_t *udp;

		frame_recv(port, frame_to_mbuf(pool, frame.bytes, frame.size), &elem);
		*(uint8_t *)flx_at(elem.msg, 0, 1) = (uint8_t)(value >> 8);
		*(uint8_t *)flx_at(elem.msg, 1, 1) = (uint8_t)value;
		flx_edge_send(ports, &elem, 1);
		udp = rte_pktmbuf_mtod(&elem.msg->mbuf, const uint8_t *) + 34;
		if (frame_get(udp + 6, 2) == 0 || frame_l4_sum(udp - 20) != 0xffff)
			CU_FAIL("checksum 0 or wrong");
		ones += frame_get(udp + 6, 2) == 0xffff;
		rte_pktmbuf_free(&elem.msg->mbuf);
	}
	CU_ASSERT_EQUAL(ones, 1);
	end();
}

/* The checksum is changed by the difference alone: tried for every checksum. */
static void test_echo_checksum_is_right_for_every_sum(void)
{
	struct frame frame;

	begin();
	frame_icmp(&frame, 0, NULL, 0, 2);
	for (uint32_t value = 0; value <= UINT16_MAX; value++) {
		struct flx_elem elem;

		frame_put(&frame, 42, 2, value);
		frame_fix_sums(&frame);
		if (frame_recv(port, frame_to_mbuf(pool, frame.bytes, frame.size), &elem) !=
		    TAKEN) {
			CU_FAIL("echo dropped");
			continue;
		}
		if (frame_l4_sum(rte_pktmbuf_mtod(&elem.msg->mbuf, const uint8_t *) + 14) != 0xffff)
			CU_FAIL("checksum wrong");
		rte_pktmbuf_free(&elem.msg->mbuf);
	}
	end();
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_sum_bytes_matches_bytewise),
		FLX_TEST(test_sum_ends_at_every_zero),
		FLX_TEST(test_recv_heeds_checksum_flags),
		FLX_TEST(test_recv_verifies_every_byte),
		FLX_TEST(test_send_never_sends_checksum_zero),
		FLX_TEST(test_echo_checksum_is_right_for_every_sum),
		{0},
	};

	if (flx_test_eal())
		return EXIT_FAILURE;
	pool = frame_pool("frames", POOL_SIZE);
	arp = flx_arp_alloc(16, 4, pool);
	if (!pool || !arp)
		return EXIT_FAILURE;
	return flx_test_main("sum", tests);
}
