/* SPDX-License-Identifier: BSD-3-Clause */
/* What ARP does when a table, a pool or a batch is full. */
#include "tests/arp_run.h"

/* ---------------------------------------------------------------------------------- full tables */

/* Fault 20: entries in use, the gateway's and static ones stay; those that failed make room. */
static void test_full_table_evicts_only_the_failed(void)
{
	struct rte_ether_addr mac = mac_of(HOST);

	begin(4, 4);
	CU_ASSERT_EQUAL(flx_arp_add_static(run.arp, rte_cpu_to_be_32(HOST), &mac), 0);
	send_to(0x08080808, 0);
	release();
	poll_after(SECOND_US / 2);
	send_to(HOST + 1, 0);
	release();
	answer(HOST + 1);
	release();
	send_to(HOST + 2, 0);
	release();
	/* Static, gateway asked for, in use, asked for. */
	send_to(HOST + 3, 0);
	CU_ASSERT_EQUAL(run.count, 0);
	CU_ASSERT_EQUAL(run.drops.count[FLX_DROP_arp_unresolved], 1);
	for (uint32_t i = 0; i < 5; i++) { /* until both have failed, the gateway first */
		poll_after(SECOND_US / 2);
		release();
	}
	poll_after(SECOND_US / 2);
	CU_ASSERT_EQUAL(flx_arp_waiting(run.arp), 0);
	send_to(HOST + 3, 0);
	CU_ASSERT_EQUAL(run.count, 1);
	release();
	answer(HOST + 3);
	release();
	CU_ASSERT_TRUE(knows(HOST) && knows(HOST + 1) && knows(HOST + 3));
	send_to(HOST + 4, 0); /* only the gateway, which failed, could make room */
	CU_ASSERT_EQUAL(run.count, 0);
	/* The gateway comes back to a full table. */
	poll_after(2 * SECOND_US);
	send_to(0x08080808, 0);
	CU_ASSERT_EQUAL(run.count, 1);
	release();
	answer(FRAME_GATEWAY);
	CU_ASSERT_EQUAL(run.count, 1);
	release();
	CU_ASSERT_TRUE(knows(FRAME_GATEWAY));
	CU_ASSERT_EQUAL(flx_arp_add_static(run.arp, rte_cpu_to_be_32(HOST + 5), &mac), -ENOSPC);
	end();
}

/* A table over three quarters full does not renew: it makes room, but for the gateway. */
static void test_crowded_table_forgets_the_old(void)
{
	begin(4, 4);
	send_to(0x08080808, 0);
	release();
	answer(FRAME_GATEWAY);
	release();
	for (uint32_t i = 0; i < 3; i++) {
		send_to(HOST + i, 0);
		release();
		answer(HOST + i);
		release();
	}
	send_to(HOST + 3, 0);
	CU_ASSERT_EQUAL(run.drops.count[FLX_DROP_arp_unresolved], 1);
	poll_after(60 * SECOND_US);
	CU_ASSERT_EQUAL(run.count, 3); /* the gateway and, with room again, two more */
	release();
	CU_ASSERT_TRUE(knows(FRAME_GATEWAY));
	CU_ASSERT_FALSE(knows(HOST));
	CU_ASSERT_TRUE(knows(HOST + 1) && knows(HOST + 2));
	send_to(HOST + 3, 0);
	CU_ASSERT_EQUAL(run.count, 1);
	release();
	end();
}

/* ------------------------------------------------------------------------------------- shortage */

/* No buffer for a request: the message waits, the next try asks; what fails is dropped in time. */
static void test_dry_pool_delays_requests(void)
{
	struct rte_mempool *own = frame_pool("own", 1);
	struct rte_mbuf *last = rte_pktmbuf_alloc(own);
	struct flx_arp *arp;

	begin(8, 4);
	arp = flx_arp_alloc(8, 4, own);
	flx_arp_free(run.arp);
	run.arp = arp;
	for (uint32_t i = 0; i < PORTS; i++)
		ports[i].arp = arp;
	send_to(HOST, 0);
	CU_ASSERT_EQUAL(run.count, 0);
	CU_ASSERT_EQUAL(run.made, 0);
	rte_pktmbuf_free(last);
	poll_after(SECOND_US);
	CU_ASSERT_EQUAL(run.count, 1);
	CU_ASSERT_EQUAL(run.made, 1);
	release();
	last = rte_pktmbuf_alloc(own);
	poll_after(SECOND_US);
	CU_ASSERT_EQUAL(run.made, 1);
	poll_after(SECOND_US);
	CU_ASSERT_EQUAL(run.drops.count[FLX_DROP_arp_unresolved], 1);
	rte_pktmbuf_free(last);
	end();
	rte_mempool_free(own);
}

static void test_what_does_not_fit_out_is_counted(void)
{
	struct frame frame;

	begin(8, 8);
	for (uint32_t i = 0; i < 8; i++) {
		send_to(HOST, i);
		release();
	}
	run.out_size = 5;
	answer(HOST);
	CU_ASSERT_EQUAL(run.count, 5);
	CU_ASSERT_EQUAL(run.drops.count[FLX_DROP_arp_full], 3);
	release();
	run.out_size = 0;
	frame_arp(&frame, 0, 1, &frame_their_mac, FRAME_THEIR_IP, FRAME_OUR_IP);
	arrive(port, &frame);
	CU_ASSERT_EQUAL(run.drops.count[FLX_DROP_arp_full], 4);
	/* A poll without room does nothing, and loses nothing. */
	send_to(HOST + 1, 0);
	CU_ASSERT_EQUAL(run.made, 1);
	poll_after(10 * SECOND_US);
	CU_ASSERT_EQUAL(flx_arp_waiting(run.arp), 1);
	run.out_size = OUT_SIZE;
	poll_after(0);
	CU_ASSERT_EQUAL(run.made, 2);
	release();
	end();
}

static void test_flush_drops_what_waits(void)
{
	begin(8, 4);
	for (uint32_t i = 0; i < 6; i++) {
		send_to(HOST + i / 2, i);
		release();
	}
	CU_ASSERT_EQUAL(flx_arp_waiting(run.arp), 6);
	CU_ASSERT_EQUAL(flx_arp_flush(run.arp, &run.drops), 6);
	CU_ASSERT_EQUAL(flx_arp_waiting(run.arp), 0);
	CU_ASSERT_EQUAL(run.drops.count[FLX_DROP_arp_unresolved], 6);
	end();
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_full_table_evicts_only_the_failed),
		FLX_TEST(test_crowded_table_forgets_the_old),
		FLX_TEST(test_dry_pool_delays_requests),
		FLX_TEST(test_what_does_not_fit_out_is_counted),
		FLX_TEST(test_flush_drops_what_waits),
		{0},
	};

	if (flx_test_eal())
		return EXIT_FAILURE;
	pool = frame_pool("frames", POOL_SIZE);
	return pool ? flx_test_main("arp_limits", tests) : EXIT_FAILURE;
}
