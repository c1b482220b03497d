/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arp_run - one ARP table in one test: its clock, what comes out of it, and its ledger, which every
 * call checks. What a call emits stays in run.out until release.
 */
#pragma once

#include "fabric/edge/arp.h"
#include "tests/eal.h"
#include "tests/frame.h"
#include "tests/test.h"

#define POOL_SIZE 511
#define OUT_SIZE  64
#define PORTS	  4 /* ours is the last */
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

static inline void begin(uint32_t entries, uint32_t waiting)
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

static inline uint64_t dropped(void)
{
	uint64_t sum = 0;

	for (enum flx_drop drop = 0; drop < FLX_DROP_COUNT; drop++)
		sum += run.drops.count[drop];
	return sum;
}

/* The ledger, after every call. */
static inline void check_ledger(void)
{
	run.came_out += run.count;
	CU_ASSERT_EQUAL(run.in + run.made,
			run.came_out + run.consumed + dropped() + flx_arp_waiting(run.arp));
}

static inline void end(void)
{
	flx_arp_flush(run.arp, &run.drops);
	run.count = 0;
	check_ledger();
	flx_arp_free(run.arp);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), POOL_SIZE);
}

static inline void handle(struct flx_elem elem)
{
	run.in++;
	run.count = flx_arp_handle(run.arp, ports, &elem, 1, run.now_us, run.out, run.out_size,
				   &run.drops, &run.made, &run.consumed);
	check_ledger();
}

static inline void poll_after(uint64_t delay_us)
{
	run.now_us += delay_us;
	run.count = flx_arp_poll(run.arp, ports, PORTS, run.now_us, run.out, run.out_size,
				 &run.drops, &run.made);
	check_ledger();
}

static inline void release(void)
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
static inline bool arrive(const struct flx_edge_port *by, const struct frame *frame)
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

static inline struct rte_ether_addr mac_of(uint32_t ip)
{
	return (struct rte_ether_addr){{0x02, 0x10, (uint8_t)(ip >> 24), (uint8_t)(ip >> 16),
					(uint8_t)(ip >> 8), (uint8_t)ip}};
}

static inline void answer_as(uint32_t ip, struct rte_ether_addr mac)
{
	struct frame frame;

	frame_arp(&frame, 0, 2, &mac, ip, FRAME_OUR_IP);
	arrive(port, &frame);
}

static inline void answer(uint32_t ip)
{
	answer_as(ip, mac_of(ip));
}

/* A message to @ip with @number as its data. False: the edge knew the next hop, and sent it. */
static inline bool send_to(uint32_t ip, uint32_t number)
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

static inline bool knows(uint32_t ip)
{
	struct rte_ether_addr mac, expected = mac_of(ip);

	return flx_arp_find(run.arp, rte_cpu_to_be_32(ip), &mac) &&
	       rte_is_same_ether_addr(&mac, &expected);
}

/* Whether @elem asks for @ip: everybody, or @target alone. */
static inline bool asks_for(const struct flx_elem *elem, uint32_t ip,
			    const struct rte_ether_addr *target)
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
