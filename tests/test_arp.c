/* SPDX-License-Identifier: BSD-3-Clause */
#include <pthread.h>

#include "fabric/edge/arp.h"
#include "fabric/edge/neighbour.h"
#include "tests/eal.h"
#include "tests/frame.h"
#include "tests/test.h"

#define POOL_SIZE 511
#define OUT_SIZE 64
#define PORTS 4 /* ours is the last */
#define SECOND_US UINT64_C(1000000)

static struct rte_mempool *pool;
static struct flx_edge_port ports[PORTS];
static struct flx_edge_port *const port = &ports[PORTS - 1];

/* One table in one test, with its clock and all that it has counted. */
static struct {
	struct flx_arp *arp;
	uint64_t now_us;
	struct flx_elem out[OUT_SIZE];
	uint32_t out_size;
	uint32_t count; /* elements in out after the last call */
	struct flx_drops drops;
	uint64_t in, came_out, made, consumed;
} run;

static void begin(uint32_t entries, uint32_t waiting)
{
	memset(&run, 0, sizeof(run));
	run.arp = flx_arp_alloc(entries, waiting, pool);
	run.out_size = OUT_SIZE;
	run.now_us = 5 * SECOND_US;
	*port = frame_port(run.arp);
	for (uint16_t i = 0; i < PORTS; i++) {
		ports[i] = *port;
		ports[i].index = i;
	}
}

static uint64_t dropped(void)
{
	uint64_t sum = 0;

	for (enum flx_drop drop = 0; drop < FLX_DROP_COUNT; drop++)
		sum += run.drops.count[drop];
	return sum;
}

/* The ledger, after every call. */
static void check_ledger(void)
{
	run.came_out += run.count;
	CU_ASSERT_EQUAL(run.in + run.made, run.came_out + run.consumed + dropped() +
						   flx_arp_waiting(run.arp));
}

static void end(void)
{
	flx_arp_flush(run.arp, &run.drops);
	run.count = 0;
	check_ledger();
	flx_arp_free(run.arp);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), POOL_SIZE);
}

static void handle(struct flx_elem elem)
{
	run.in++;
	run.count = flx_arp_handle(run.arp, ports, &elem, 1, run.now_us, run.out, run.out_size,
				   &run.drops, &run.made, &run.consumed);
	check_ledger();
}

static void poll_after(uint64_t delay_us)
{
	run.now_us += delay_us;
	run.count = flx_arp_poll(run.arp, ports, PORTS, run.now_us, run.out, run.out_size, &run.drops,
				 &run.made);
	check_ledger();
}

static void release(void)
{
	for (uint32_t i = 0; i < run.count; i++) {
		CU_ASSERT_EQUAL(run.out[i].fluxion, FLX_FLUXION_TX);
		CU_ASSERT_EQUAL(run.out[i].msg->mbuf.nb_segs, 1);
		CU_ASSERT_PTR_NULL(run.out[i].msg->mbuf.next);
		rte_pktmbuf_free(&run.out[i].msg->mbuf);
	}
	run.count = 0;
}

/* An ARP frame by @by: through the edge, and on if that takes it. False: the edge dropped it. */
static bool arrive(const struct flx_edge_port *by, const struct frame *frame)
{
	struct rte_mbuf *mbuf = frame_to_mbuf(pool, frame->bytes, frame->size);
	struct flx_elem elem;

	run.count = 0;
	if (flx_edge_recv(by, &mbuf, 1, &elem, &run.drops) == 0) {
		run.in++;
		return false;
	}
	CU_ASSERT_EQUAL(elem.fluxion, FLX_FLUXION_ARP);
	handle(elem);
	return true;
}

static struct rte_ether_addr mac_of(uint32_t ip)
{
	return (struct rte_ether_addr){{0x02, 0x10, (uint8_t)(ip >> 24), (uint8_t)(ip >> 16),
					(uint8_t)(ip >> 8), (uint8_t)ip}};
}

static void answer_as(uint32_t ip, struct rte_ether_addr mac)
{
	struct frame frame;

	frame_arp(&frame, 0, 2, &mac, ip, FRAME_OUR_IP);
	arrive(port, &frame);
}

static void answer(uint32_t ip)
{
	answer_as(ip, mac_of(ip));
}

/* A message to @ip with @number as its data. False: the edge knew the next hop, and sent it. */
static bool send_to(uint32_t ip, uint32_t number)
{
	struct rte_mbuf *mbuf = frame_to_mbuf(pool, (const uint8_t *)&number, sizeof(number));
	struct flx_elem elem = {.msg = (struct flx_msg *)mbuf};

	mbuf->port = port->index;
	flx_set_heads(elem.msg, (struct flx_heads){.origin = FLX_ORIGIN_NONE});
	elem.msg->cold.to_ip = rte_cpu_to_be_32(ip);
	elem.msg->cold.to_port = RTE_BE16(9);
	elem.msg->cold.from_port = RTE_BE16(FRAME_LISTENER);
	run.count = 0;
	flx_edge_send(ports, &elem, 1);
	if (elem.fluxion == FLX_FLUXION_TX) {
		rte_pktmbuf_free(mbuf);
		return false;
	}
	handle(elem);
	return true;
}

static bool knows(uint32_t ip)
{
	struct rte_ether_addr mac, expected = mac_of(ip);

	return flx_arp_find(run.arp, rte_cpu_to_be_32(ip), &mac) &&
	       rte_is_same_ether_addr(&mac, &expected);
}

/* Whether @elem asks for @ip: everybody, or @target alone. */
static bool asks_for(const struct flx_elem *elem, uint32_t ip, const struct rte_ether_addr *target)
{
	static const struct rte_ether_addr everybody = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
	const uint8_t *frame = rte_pktmbuf_mtod(&elem->msg->mbuf, const uint8_t *);

	return elem->msg->mbuf.data_len == 42 && elem->msg->mbuf.pkt_len == 42 &&
	       elem->msg->mbuf.port == port->index && elem->msg->mbuf.ol_flags == 0 &&
	       !memcmp(frame, target ? target : &everybody, 6) &&
	       !memcmp(frame + 6, &frame_our_mac, 6) && frame_get(frame + 12, 4) == 0x08060001 &&
	       frame_get(frame + 16, 4) == 0x08000604 && frame_get(frame + 20, 2) == 1 &&
	       !memcmp(frame + 22, &frame_our_mac, 6) && frame_get(frame + 28, 4) == FRAME_OUR_IP &&
	       frame_get(frame + 38, 4) == ip;
}

#define HOST 0x0a010242 /* 10.1.2.66 */

/* -------------------------------------------------------------------------------- answers */

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

/* -------------------------------------------------------------------------------- resolving */

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

/* --------------------------------------------------------------------------- trust */

/* Fault 20: answers that nobody asked for, by wrong ways, for static entries. */
static void test_only_answers_are_learned(void)
{
	struct rte_ether_addr mac = mac_of(HOST), other = mac_of(HOST + 9);
	struct frame frame;

	begin(8, 4);
	flx_arp_add_static(run.arp, rte_cpu_to_be_32(HOST + 1), &(struct rte_ether_addr){
		.addr_bytes = {0x02, 0x10, 0x0a, 0x01, 0x02, 0x43}});
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

/* ---------------------------------------------------------------------------- full tables */

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

/* ------------------------------------------------------------------------------- shortage */

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

/* ------------------------------------------------------------------------------- readers */

#define SHARED 64 /* addresses, more than the table holds */

static _Atomic bool writer_done;

static void *read_until_done(void *table)
{
	uint64_t wrong = 0, found = 0;

	while (!atomic_load_explicit(&writer_done, memory_order_relaxed)) {
		for (uint32_t i = 1; i <= SHARED; i++) {
			struct rte_ether_addr mac;
			rte_be32_t ip = i * 0x01010101;

			if (!flx_neighbours_find(table, ip, &mac))
				continue;
			found++;
			/* Any version of it, but its own: bytes 0..3 the address, 4 and 5 alike. */
			wrong += memcmp(&mac, &ip, 4) || mac.addr_bytes[4] != mac.addr_bytes[5];
		}
	}
	return (void *)(wrong ? UINTPTR_MAX : found);
}

/* Entries come, change and go under a reader, who sees each whole or not at all. */
static void test_readers_never_see_half_an_entry(void)
{
	struct flx_neighbours table;
	pthread_t reader;
	void *result;
	uint32_t seed = 1;

	CU_ASSERT_EQUAL_FATAL(flx_neighbours_init(&table, SHARED / 2), 0);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&reader, NULL, read_until_done, &table), 0);
	for (uint32_t i = 0; i < 2000000; i++) {
		struct flx_neighbour *neighbour;
		struct rte_ether_addr mac;
		rte_be32_t ip;

		seed = seed * 1664525 + 1013904223;
		ip = ((seed >> 16) % SHARED + 1) * 0x01010101;
		neighbour = flx_neighbours_lookup(&table, ip);
		if (neighbour && seed >> 30 == 0) {
			flx_neighbours_remove(&table, neighbour);
			continue;
		}
		if (!neighbour)
			neighbour = flx_neighbours_insert(&table, ip);
		if (!neighbour)
			continue;
		memcpy(&mac, &ip, 4);
		mac.addr_bytes[4] = mac.addr_bytes[5] = (uint8_t)(seed >> 8);
		flx_neighbour_set(neighbour, &mac);
	}
	atomic_store_explicit(&writer_done, true, memory_order_relaxed);
	pthread_join(reader, &result);
	CU_ASSERT_NOT_EQUAL((uintptr_t)result, UINTPTR_MAX);
	CU_ASSERT_TRUE((uintptr_t)result > 0);
	flx_neighbours_fini(&table);
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
		FLX_TEST(test_full_table_evicts_only_the_failed),
		FLX_TEST(test_crowded_table_forgets_the_old),
		FLX_TEST(test_dry_pool_delays_requests),
		FLX_TEST(test_what_does_not_fit_out_is_counted),
		FLX_TEST(test_flush_drops_what_waits),
		FLX_TEST(test_readers_never_see_half_an_entry),
		{0},
	};

	if (flx_test_eal())
		return EXIT_FAILURE;
	pool = frame_pool("frames", POOL_SIZE);
	return pool ? flx_test_main("arp", tests) : EXIT_FAILURE;
}
