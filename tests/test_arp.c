/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/arp_run.h"

/* -------------------------------------------------------------------------------------- answers */

static void test_requests_for_us_are_answered(void)
{
	begin(8, 4);
	for (uint32_t form = 0; form < 6; form++) {
		uint32_t tags = form % 3, sender = form / 3 ? FRAME_THEIR_IP : 0; /* 0: a probe */
		struct frame frame;
		const uint8_t *bytes;

		frame_arp(&frame, tags, 1, &frame_their_mac, sender, FRAME_OUR_IP);
		CU_ASSERT_TRUE_FATAL(arrive(port, &frame));
		CU_ASSERT_EQUAL_FATAL(run.count, 1);
		bytes = rte_pktmbuf_mtod(&run.out[0].msg->mbuf, const uint8_t *);
		CU_ASSERT_EQUAL(run.out[0].msg->mbuf.data_len, 14 + 4 * tags + 28);
		CU_ASSERT_EQUAL(run.out[0].msg->mbuf.port, port->index);
		CU_ASSERT_EQUAL(memcmp(bytes, &frame_their_mac, 6), 0);
		CU_ASSERT_EQUAL(memcmp(bytes + 6, &frame_our_mac, 6), 0);
		CU_ASSERT_EQUAL(memcmp(bytes + 12, frame.bytes + 12, 4 * tags + 2 + 6), 0);
		bytes += 14 + 4 * tags;
		CU_ASSERT_EQUAL(frame_get(bytes + 6, 2), 2);
		CU_ASSERT_EQUAL(memcmp(bytes + 8, &frame_our_mac, 6), 0);
		CU_ASSERT_EQUAL(frame_get(bytes + 14, 4), FRAME_OUR_IP);
		CU_ASSERT_EQUAL(memcmp(bytes + 18, &frame_their_mac, 6), 0);
		CU_ASSERT_EQUAL(frame_get(bytes + 24, 4), sender);
		release();
	}
	end();
}

/* Fault 20: 10^6 distinct askers are answered, and learned by nobody. */
static void test_requests_fill_no_table(void)
{
	begin(2, 4);
	send_to(HOST, 0);
	release();
	answer(HOST);
	release();
	for (uint32_t i = 0; i < 1000000; i++) {
		struct rte_ether_addr mac = mac_of(i);
		struct frame frame;

		frame_arp(&frame, 0, 1, &mac, 0x0b000000 + i, FRAME_OUR_IP);
		if (!arrive(port, &frame) || run.count != 1)
			CU_FAIL("not answered");
		release();
	}
	CU_ASSERT_TRUE(knows(HOST));
	/* The second entry is still free. */
	send_to(HOST + 1, 0);
	CU_ASSERT_EQUAL(run.count, 1);
	release();
	CU_ASSERT_EQUAL(flx_arp_waiting(run.arp), 1);
	end();
}

/* ------------------------------------------------------------------------------------ resolving */

static void test_messages_wait_and_leave_in_order(void)
{
	begin(8, 4);
	for (uint32_t i = 0; i < 4; i++) {
		CU_ASSERT_TRUE(send_to(HOST, i));
		CU_ASSERT_EQUAL(run.count, i == 0); /* one request for all */
		if (i == 0)
			CU_ASSERT_TRUE(asks_for(&run.out[0], HOST, NULL));
		release();
	}
	CU_ASSERT_EQUAL(flx_arp_waiting(run.arp), 4);
	CU_ASSERT_EQUAL(run.made, 1);
	/* No more than four wait for one address. */
	CU_ASSERT_TRUE(send_to(HOST, 4));
	CU_ASSERT_EQUAL(run.drops.count[FLX_DROP_arp_unresolved], 1);
	CU_ASSERT_FALSE(knows(HOST));
	answer(HOST);
	CU_ASSERT_EQUAL(run.consumed, 1);
	CU_ASSERT_EQUAL_FATAL(run.count, 4);
	for (uint32_t i = 0; i < 4; i++) {
		struct rte_ether_addr mac = mac_of(HOST);
		const uint8_t *frame = rte_pktmbuf_mtod(&run.out[i].msg->mbuf, const uint8_t *);
		uint32_t number;

		memcpy(&number, frame + 42, sizeof(number));
		CU_ASSERT_EQUAL(number, i);
		CU_ASSERT_EQUAL(memcmp(frame, &mac, 6), 0);
		CU_ASSERT_EQUAL(frame_get(frame + 30, 4), HOST);
		CU_ASSERT_EQUAL(frame_l4_sum(frame + 14), 0xffff);
	}
	release();
	CU_ASSERT_TRUE(knows(HOST));
	CU_ASSERT_FALSE(send_to(HOST, 5));
	end();
}

/* Off our network the gateway is asked for, and all wait for it. */
static void test_far_hosts_wait_for_the_gateway(void)
{
	begin(8, 4);
	send_to(0x08080808, 0);
	CU_ASSERT_EQUAL_FATAL(run.count, 1);
	CU_ASSERT_TRUE(asks_for(&run.out[0], FRAME_GATEWAY, NULL));
	release();
	send_to(0x01010101, 1);
	CU_ASSERT_EQUAL(run.count, 0);
	answer(FRAME_GATEWAY);
	CU_ASSERT_EQUAL(run.count, 2);
	release();
	CU_ASSERT_FALSE(send_to(0x09090909, 2));
	end();
}

static void test_nobody_is_asked_who_we_are(void)
{
	begin(8, 4);
	CU_ASSERT_TRUE(send_to(FRAME_OUR_IP, 0));
	port->gateway = 0;
	CU_ASSERT_TRUE(send_to(0x08080808, 0));
	CU_ASSERT_EQUAL(run.made, 0);
	CU_ASSERT_EQUAL(run.drops.count[FLX_DROP_arp_unresolved], 2);
	end();
}

static void test_silence_is_asked_three_times_then_dropped(void)
{
	begin(8, 4);
	send_to(HOST, 0);
	release();
	send_to(HOST, 1);
	for (uint32_t try = 2; try <= 3; try++) {
		poll_after(SECOND_US - 1);
		CU_ASSERT_EQUAL(run.count, 0);
		poll_after(1);
		CU_ASSERT_EQUAL_FATAL(run.count, 1);
		CU_ASSERT_TRUE(asks_for(&run.out[0], HOST, NULL));
		release();
	}
	CU_ASSERT_EQUAL(flx_arp_waiting(run.arp), 2);
	poll_after(SECOND_US);
	CU_ASSERT_EQUAL(run.count, 0);
	CU_ASSERT_EQUAL(run.made, 3);
	CU_ASSERT_EQUAL(run.drops.count[FLX_DROP_arp_unresolved], 2);
	/* Held down: dropped at once, nobody asked; an answer is too late. */
	send_to(HOST, 2);
	CU_ASSERT_EQUAL(run.drops.count[FLX_DROP_arp_unresolved], 3);
	CU_ASSERT_EQUAL(run.made, 3);
	answer(HOST);
	CU_ASSERT_EQUAL(run.drops.count[FLX_DROP_arp_unasked], 1);
	CU_ASSERT_FALSE(knows(HOST));
	/* Hold-down over: asked anew. */
	poll_after(SECOND_US);
	send_to(HOST, 3);
	CU_ASSERT_EQUAL(run.made, 4);
	release();
	answer(HOST);
	CU_ASSERT_EQUAL(run.count, 1);
	release();
	end();
}

static void test_lifetime_is_renewed_while_in_use(void)
{
	struct rte_ether_addr mac = mac_of(HOST);

	begin(8, 4);
	send_to(HOST, 0);
	release();
	answer(HOST);
	release();
	poll_after(60 * SECOND_US - 1);
	CU_ASSERT_EQUAL(run.count, 0);
	poll_after(1);
	CU_ASSERT_EQUAL_FATAL(run.count, 1);
	CU_ASSERT_TRUE(asks_for(&run.out[0], HOST, &mac)); /* it alone, first */
	release();
	CU_ASSERT_TRUE(knows(HOST));
	poll_after(SECOND_US);
	CU_ASSERT_EQUAL_FATAL(run.count, 1);
	CU_ASSERT_TRUE(asks_for(&run.out[0], HOST, NULL));
	release();
	CU_ASSERT_FALSE(send_to(HOST, 1));
	/* It has got a new card. */
	answer_as(HOST, mac_of(HOST + 7));
	CU_ASSERT_TRUE(flx_arp_find(run.arp, rte_cpu_to_be_32(HOST), &mac));
	CU_ASSERT_EQUAL(mac.addr_bytes[5], (uint8_t)(HOST + 7));
	poll_after(60 * SECOND_US);
	release();
	answer(HOST);
	CU_ASSERT_TRUE(knows(HOST));
	/* And is gone. */
	poll_after(60 * SECOND_US);
	release();
	for (uint32_t try = 2; try <= 3; try++) {
		poll_after(SECOND_US);
		release();
		CU_ASSERT_TRUE(knows(HOST));
	}
	poll_after(SECOND_US);
	CU_ASSERT_FALSE(knows(HOST));
	end();
}

/* ---------------------------------------------------------------------------------------- trust */

/* Fault 20: answers that nobody asked for, by wrong ways, for static entries. */
static void test_only_answers_are_learned(void)
{
	struct rte_ether_addr mac = mac_of(HOST), other = mac_of(HOST + 9);
	struct frame frame;

	begin(8, 4);
	flx_arp_add_static(
		run.arp, rte_cpu_to_be_32(HOST + 1),
		&(struct rte_ether_addr){.addr_bytes = {0x02, 0x10, 0x0a, 0x01, 0x02, 0x43}});
	answer(HOST); /* nobody asked */
	CU_ASSERT_FALSE(knows(HOST));
	answer_as(HOST + 1, other); /* static */
	CU_ASSERT_TRUE(knows(HOST + 1));
	CU_ASSERT_EQUAL(run.drops.count[FLX_DROP_arp_unasked], 2);
	send_to(HOST, 0);
	release();
	frame_arp(&frame, 1, 2, &mac, HOST, FRAME_OUR_IP); /* of a VLAN */
	arrive(port, &frame);
	frame_arp(&frame, 0, 2, &mac, HOST, FRAME_OUR_IP); /* by another port */
	arrive(&ports[0], &frame);
	frame_arp(&frame, 0, 2, &mac, HOST, HOST); /* announced to all, no answer to us */
	arrive(port, &frame);
	frame_arp(&frame, 0, 1, &mac, HOST, FRAME_OUR_IP); /* a request, which is answered */
	arrive(port, &frame);
	release();
	CU_ASSERT_EQUAL(run.drops.count[FLX_DROP_arp_unasked], 5);
	CU_ASSERT_FALSE(knows(HOST));
	answer(HOST);
	release();
	CU_ASSERT_TRUE(knows(HOST));
	answer_as(HOST, other); /* a second answer */
	CU_ASSERT_TRUE(knows(HOST));
	CU_ASSERT_EQUAL(run.drops.count[FLX_DROP_arp_unasked], 6);
	/* Fault 20: somebody else has our address. */
	frame_arp(&frame, 0, 2, &other, FRAME_OUR_IP, FRAME_OUR_IP);
	CU_ASSERT_FALSE(arrive(port, &frame));
	CU_ASSERT_EQUAL(run.drops.count[FLX_DROP_arp_conflict], 1);
	CU_ASSERT_EQUAL(run.consumed, 1);
	end();
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_requests_for_us_are_answered),
		FLX_TEST(test_requests_fill_no_table),
		FLX_TEST(test_messages_wait_and_leave_in_order),
		FLX_TEST(test_far_hosts_wait_for_the_gateway),
		FLX_TEST(test_nobody_is_asked_who_we_are),
		FLX_TEST(test_silence_is_asked_three_times_then_dropped),
		FLX_TEST(test_lifetime_is_renewed_while_in_use),
		FLX_TEST(test_only_answers_are_learned),
		{0},
	};

	if (flx_test_eal())
		return EXIT_FAILURE;
	pool = frame_pool("frames", POOL_SIZE);
	return pool ? flx_test_main("arp", tests) : EXIT_FAILURE;
}
