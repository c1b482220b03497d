/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/gen_bed.h"

#include <string.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "fabric/flx.h"
#include "pmd-config/pair.h"
#include "pmd-config/pool.h"
#include "tests/eal.h"
#include "tests/test.h"
#include "tests/turn.h"

#define POOL 16383

struct flx_gen_bed flx_gen_bed;
static struct flx_gen_bed *const bed = &flx_gen_bed;

static bool is_up(void)
{
	static int state = 1;
	static const struct flx_pool_conf conf = {.count = POOL,
						  .priv_bytes = sizeof(struct flx_msg) -
								sizeof(struct rte_mbuf),
						  .room_bytes = RTE_PKTMBUF_HEADROOM + 2048,
						  .numa = -1};
	static const uint8_t key[FLX_RSS_KEY_SIZE] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e,
						      0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3};
	struct flx_port_conf port = {.queues = QUEUES, .rss_key = key};
	struct flx_port_spec spec;

	if (state <= 0)
		return state == 0;
	state = flx_test_eal();
	if (state == 0)
		bed->pool = flx_pool_alloc("gen", &conf);
	port.pool = bed->pool;
	if (!bed->pool || flx_port_spec_parse(&spec, "pair", 0, QUEUES) ||
	    flx_port_start(&bed->near, &spec, &port))
		state = -1;
	flx_pair_far(&bed->near.spec, &spec);
	if (state == 0 && flx_port_start(&bed->far, &spec, &port))
		state = -1;
	return state == 0;
}

struct flx_gen_conf flx_gen_bed_conf(uint16_t queues)
{
	CU_ASSERT_TRUE_FATAL(is_up());
	memset(&bed->server, 0, sizeof(bed->server));
	bed->server.last_client = 63;
	bed->now = START;
	return (struct flx_gen_conf){
		.port = bed->far.id,
		.queues = queues,
		.pool = bed->pool,
		.query = {.ip = RTE_BE32(0xc6120001), .udp_port = 7007, .size = 64, .clients = 64},
		.rss = &bed->near.rss,
		.hz = HZ,
	};
}

void flx_gen_bed_open(bool counted)
{
	struct flx_gen_conf conf = flx_gen_bed_conf(1);

	conf.query.counted = counted;
	bed->server.counted = counted;
	CU_ASSERT_EQUAL_FATAL(flx_gen_init(&bed->gen, &conf), 0);
}

/* Nothing of it is left anywhere. */
void flx_gen_bed_close(void)
{
	struct rte_mbuf *frame;

	for (uint16_t q = 0; q < QUEUES; q++)
		while (rte_eth_rx_burst(bed->near.id, q, &frame, 1))
			rte_pktmbuf_free(frame);
	flx_gen_fini(&bed->gen);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(bed->pool), POOL);
}

/* Turns @frame into its answer; false: it has none. */
static bool answer(struct rte_mbuf *frame)
{
	struct flx_test_heads *heads = flx_test_turn(frame);
	uint32_t client = rte_be_to_cpu_32(heads->ip.dst_addr) & 63;

	bed->server.disordered += client != (bed->server.last_client + 1) % 64;
	bed->server.last_client = client;
	bed->server.number++;
	if (bed->server.drop && bed->server.number % bed->server.drop == 0)
		return false;
	if (bed->server.spoil && bed->server.number % bed->server.spoil == 0)
		((uint8_t *)(heads + 1))[17] ^= 1;
	if (bed->server.missums)
		heads->udp.dgram_cksum ^= RTE_BE16(0x0100);
	return true;
}

/* Prepends the count of its client, as the counter does. */
static void count(struct rte_mbuf *frame)
{
	struct flx_test_heads heads = *rte_pktmbuf_mtod(frame, struct flx_test_heads *);
	uint64_t *counted = &bed->server.counts[rte_be_to_cpu_32(heads.ip.dst_addr) & 63];
	char text[24];
	uint16_t size =
		(uint16_t)snprintf(text, sizeof(text), "%llu ", (unsigned long long)++*counted);
	uint8_t *data = (uint8_t *)rte_pktmbuf_prepend(frame, size);

	heads.udp.dgram_len = rte_cpu_to_be_16(
		(uint16_t)(frame->data_len - sizeof(heads.eth) - sizeof(heads.ip)));
	heads.ip.total_length = rte_cpu_to_be_16((uint16_t)(frame->data_len - sizeof(heads.eth)));
	heads.ip.hdr_checksum = 0;
	heads.ip.hdr_checksum = rte_ipv4_cksum(&heads.ip);
	heads.udp.dgram_cksum = 0; /* none */
	memcpy(data, &heads, sizeof(heads));
	memcpy(data + sizeof(heads), text, size);
}

/* What the server does in a turn: a batch of each queue at most, and no more than it has time for. */
void flx_gen_bed_serve(void)
{
	struct rte_mbuf *frame;

	if (bed->now >= bed->server.stalls_from && bed->now < bed->server.stalls_until)
		return;
	for (uint16_t q = 0; q < QUEUES; q++)
		for (uint32_t n = 0; n < FLX_BATCH && bed->now >= bed->server.free_at; n++) {
			if (!rte_eth_rx_burst(bed->near.id, q, &frame, 1))
				break;
			if (!answer(frame)) {
				rte_pktmbuf_free(frame);
				continue;
			}
			if (bed->server.counted)
				count(frame);
			bed->server.free_at = bed->now + bed->server.service;
			CU_ASSERT_EQUAL(rte_eth_tx_burst(bed->near.id, q, &frame, 1), 1);
		}
}

void flx_gen_bed_begin(const struct flx_gen_plan *plan)
{
	CU_ASSERT_EQUAL_FATAL(flx_gen_prepare(&bed->gen), 0);
	flx_gen_begin(&bed->gen, plan, START);
}

/* Runs to the end, with a look every @step ticks. */
struct flx_asker_counts flx_gen_bed_run(uint64_t step)
{
	struct flx_asker_counts counts;

	for (; !flx_gen_is_done(&bed->gen, bed->now); bed->now += step) {
		flx_gen_poll(&bed->gen, bed->now);
		flx_gen_bed_serve();
	}
	flx_gen_count(&bed->gen, &counts);
	if (bed->gen.latency.sample)
		flx_gen_settle(&bed->gen);
	return counts;
}

uint32_t flx_gen_bed_waiting(void)
{
	struct rte_mbuf *frames[64];
	uint32_t count = 0;

	for (uint16_t q = 0; q < QUEUES; q++) {
		uint16_t more = rte_eth_rx_burst(bed->near.id, q, frames, 64);

		rte_pktmbuf_free_bulk(frames, more);
		count += more;
	}
	return count;
}
