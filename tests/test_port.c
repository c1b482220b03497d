/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "fabric/topology.h"
#include "pmd-config/eal.h"
#include "pmd-config/pair.h"
#include "pmd-config/pool.h"
#include "pmd-config/port.h"
#include "tests/test.h"

#define POOL_SIZE 4095

static void test_spec_parse_knows_every_form(void)
{
	static const struct {
		const char *text, *device, *interface, *eal;
	} rows[] = {
		{"pci:0000:81:00.0", "0000:81:00.0", "", "--allow=0000:81:00.0"},
		{"pci:81:00.1", "0000:81:00.1", "", "--allow=0000:81:00.1"},
		{"pci:0001:0A:1f.7", "0001:0a:1f.7", "", "--allow=0001:0a:1f.7"},
		{"af_xdp:eth0", "net_af_xdp3", "eth0",
		 "--vdev=net_af_xdp3,iface=eth0,start_queue=0,queue_count=2,force_copy=1,"
		 "busy_budget=0"},
		{"af_packet:enp1s0.7", "net_af_packet3", "enp1s0.7",
		 "--vdev=net_af_packet3,iface=enp1s0.7,qpairs=2,blocksz=4096,framesz=2048,"
		 "framecnt=1024,qdisc_bypass=1"},
		{"tap:flx-tap0", "net_tap3", "flx-tap0", "--vdev=net_tap3,iface=flx-tap0"},
		{"pcap:/tmp/in.pcap,out.pcap", "net_pcap3", "",
		 "--vdev=net_pcap3,rx_pcap=/tmp/in.pcap,tx_pcap=out.pcap"},
		{"ring", "net_ring3", "", "--vdev=net_ring3"},
		{"pair", "net_ring_pair3", "", ""},
		{"null", "net_null3", "", "--vdev=net_null3"},
		{"vdev:net_memif0,role=client", "net_memif0", "", "--vdev=net_memif0,role=client"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct flx_port_spec spec;

		CU_ASSERT_EQUAL(flx_port_spec_parse(&spec, rows[i].text, 3, 2), 0);
		CU_ASSERT_STRING_EQUAL(spec.text, rows[i].text);
		CU_ASSERT_STRING_EQUAL(spec.device, rows[i].device);
		CU_ASSERT_STRING_EQUAL(spec.interface, rows[i].interface);
		CU_ASSERT_STRING_EQUAL(spec.eal, rows[i].eal);
		CU_ASSERT_EQUAL(spec.kind, (enum flx_port_kind)(i < 3 ? 0 : i - 2));
	}
}

static void test_spec_parse_refuses_what_eal_could_misread(void)
{
	static const char *const rows[] = {
		"",
		":",
		"eth0",
		"ring:",
		"ring:1",
		"pair:1",
		"pair:",
		"null:x",
		"RING",
		"af_xdp",
		"af_xdp:",
		"af_xdp:a234567890123456",
		"af_xdp:eth0,force_copy=1",
		"af_packet:eth 0",
		"af_packet:eth/0",
		"af_packet:..",
		"af_packet:et[h]",
		"tap:a=b",
		"pci:",
		"pci:81:00",
		"pci:81:00.8",
		"pci:81:20.0",
		"pci:0000:81:00.0,x=1",
		"pci:0000:81:00.0 ",
		"pci:000:81:00.0",
		"pci:0x81:00.0",
		"pci:+081:00:00.0",
		"pcap:in",
		"pcap:,out",
		"pcap:in,",
		"pcap:a,b,c",
		"pcap:a[0],b",
		"vdev:",
		"vdev:,iface=x",
		"vdev:net ring0",
	};
	struct flx_port_spec spec;
	char text[300];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT_EQUAL(flx_port_spec_parse(&spec, rows[i], 0, 1), -EINVAL);
	memset(text, 'a', sizeof(text));
	memcpy(text, "vdev:", 5);
	text[sizeof(text) - 1] = '\0';
	CU_ASSERT_EQUAL(flx_port_spec_parse(&spec, text, 0, 1), -EINVAL);
}

static void test_spec_check_names_what_is_not_there(void)
{
	static const struct {
		const char *text;
		int expected;
	} rows[] = {
		{"ring", 0},
		{"pair", 0},
		{"null", 0},
		{"af_xdp:flx-none0", -ENODEV},
		{"af_packet:flx-none0", -ENODEV},
		{"pci:ffff:ff:1f.7", -ENODEV},
		{"pcap:/nowhere/in.pcap,/tmp/out.pcap", -ENODEV},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct flx_port_spec spec;

		CU_ASSERT_EQUAL(flx_port_spec_parse(&spec, rows[i].text, 0, 1), 0);
		CU_ASSERT_EQUAL(flx_port_spec_check(&spec), rows[i].expected);
	}
}

static void test_buffers_cover_rings_and_descriptors(void)
{
	static const struct {
		const char *text;
		uint32_t least;
	} rows[] = {
		{"pci:0000:81:00.0", 2048},
		{"af_xdp:eth0", 4096},
		{"vdev:net_af_xdp7,iface=eth0", 4096},
		{"ring", 1024},
		{"pair", 12288},
		{"vdev:net_unheard_of", 2048},
		{"null", 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct flx_port_spec spec;

		CU_ASSERT_EQUAL(flx_port_spec_parse(&spec, rows[i].text, 0, 1), 0);
		CU_ASSERT_EQUAL(flx_port_buffers(&spec), rows[i].least);
	}
}

static void test_profile_finds_a_row_for_every_driver(void)
{
	CU_ASSERT_STRING_EQUAL(flx_profile_find("net_ice")->driver, "net_ice");
	CU_ASSERT_TRUE(flx_profile_find("net_af_packet")->kernel);
	CU_ASSERT_STRING_EQUAL(flx_profile_find("net_of_tomorrow")->driver, "");
	CU_ASSERT_EQUAL(flx_profile_find("")->tx_offloads & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE, 0);
}

/* EAL starts once: the ports of all tests below are made here. A port that was stopped is gone. */
enum { LOOP, SMALL, FLOOD, WIDE, PAIR, ABSENT, PORTS };
static struct flx_port_spec specs[PORTS];

static bool eal_is_up(void)
{
	static const char *const texts[PORTS] = {
		"ring", "ring", "vdev:net_null2,no-rx=0", "vdev:net_null3,no-rx=1", "pair", "ring"};
	static struct flx_eal_arguments arguments;
	static int state = 1;
	static struct flx_plan plan = {.worker_count = 1};
	struct flx_eal_conf conf = {.plan = &plan, .ports = specs, .port_count = ABSENT};

	if (state <= 0)
		return state == 0;
	plan.worker[0].cpu = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN) - 1;
	strcpy(plan.housekeeping, "0");
	conf.memory_mib = 64;
	for (uint32_t i = 0; i < PORTS; i++)
		if (flx_port_spec_parse(&specs[i], texts[i], i, 2))
			return false;
	state = flx_eal_arguments_make(&arguments, &conf);
	if (!state)
		state = flx_eal_start(&arguments);
	return state == 0;
}

static struct rte_mempool *pool_of_room(const char *name, uint16_t room)
{
	return flx_pool_alloc(name, &(struct flx_pool_conf){.count = POOL_SIZE,
							    .priv_bytes = 64,
							    .room_bytes = room,
							    .numa = -1});
}

static struct rte_mbuf *frame_alloc(struct rte_mempool *pool)
{
	struct rte_mbuf *frame = rte_pktmbuf_alloc(pool);

	if (frame && !rte_pktmbuf_append(frame, 60)) {
		rte_pktmbuf_free(frame);
		return NULL;
	}
	return frame;
}

static void test_start_refuses_a_pool_with_small_buffers(void)
{
	struct rte_mempool *pool;
	struct flx_port_conf conf = {.queues = 1};
	struct flx_port port;

	CU_ASSERT_TRUE_FATAL(eal_is_up());
	pool = pool_of_room("small", RTE_PKTMBUF_HEADROOM + 1500);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
	conf.pool = pool;
	CU_ASSERT_EQUAL(flx_port_start(&port, &specs[SMALL], &conf), -EMSGSIZE);
	CU_ASSERT_EQUAL(flx_port_start(&port, &specs[ABSENT], &conf), -ENODEV);
	rte_mempool_free(pool);
}

static void test_ring_port_loops_counts_and_gives_all_back(void)
{
	struct flx_port_conf conf = {.queues = 2, .flow_hash = true};
	struct flx_port_counters counters;
	struct rte_mempool *pool;
	struct rte_mbuf *frames[32];
	struct flx_port port;

	CU_ASSERT_TRUE_FATAL(eal_is_up());
	pool = pool_of_room("loop", RTE_MBUF_DEFAULT_BUF_SIZE);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
	conf.pool = pool;
	CU_ASSERT_EQUAL_FATAL(flx_port_start(&port, &specs[LOOP], &conf), 0);
	CU_ASSERT_EQUAL(port.rx_queues, 2);
	CU_ASSERT_EQUAL(port.mtu, 1500);
	CU_ASSERT_FALSE(port.rx_checksums || port.tx_ip_checksum || port.tx_udp_checksum);
	CU_ASSERT_FALSE(port.port_flow_hash);
	CU_ASSERT_EQUAL(port.mac.addr_bytes[0], 0x02);

	for (unsigned int i = 0; i < 32; i++)
		frames[i] = frame_alloc(pool);
	CU_ASSERT_EQUAL(rte_eth_tx_burst(port.id, 0, frames, 12), 12);
	CU_ASSERT_EQUAL(rte_eth_tx_burst(port.id, 1, frames + 12, 20), 20);
	CU_ASSERT_EQUAL(rte_eth_rx_burst(port.id, 1, frames, 8), 8);
	rte_pktmbuf_free_bulk(frames, 8);
	CU_ASSERT_EQUAL(flx_port_counters(&port, &counters), 0);
	CU_ASSERT_EQUAL(counters.tx_packets, 32);
	CU_ASSERT_EQUAL(counters.rx_packets, 8);
	CU_ASSERT_EQUAL(counters.queues, 2);
	CU_ASSERT_EQUAL(counters.queue_tx_packets[0], 12);
	CU_ASSERT_EQUAL(counters.queue_tx_packets[1], 20);
	CU_ASSERT_EQUAL(counters.queue_rx_packets[1], 8);

	/* 24 frames are still in the rings. */
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), POOL_SIZE - 24);
	CU_ASSERT_EQUAL(flx_port_stop(&port), 0);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), POOL_SIZE);
	rte_mempool_free(pool);
}

static void test_pair_carries_both_ways_and_gives_all_back(void)
{
	struct flx_port_conf conf = {.queues = 2};
	struct rte_mbuf *frames[8];
	struct rte_mempool *pool;
	struct flx_port near, far;
	struct flx_port_spec spec;

	CU_ASSERT_TRUE_FATAL(eal_is_up());
	pool = pool_of_room("pair", RTE_MBUF_DEFAULT_BUF_SIZE);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
	conf.pool = pool;
	CU_ASSERT_EQUAL_FATAL(flx_port_start(&near, &specs[PAIR], &conf), 0);
	CU_ASSERT_EQUAL(flx_pair_make(&specs[PAIR]), -EEXIST);
	flx_pair_far(&near.spec, &spec);
	CU_ASSERT_STRING_EQUAL(spec.device, "net_ring_pair4_far");
	CU_ASSERT_EQUAL_FATAL(flx_port_start(&far, &spec, &conf), 0);
	CU_ASSERT_EQUAL(near.rx_queues, 2);
	CU_ASSERT_EQUAL(far.rx_queues, 2);
	CU_ASSERT_FALSE(rte_is_same_ether_addr(&near.mac, &far.mac));
	for (unsigned int i = 0; i < 8; i++)
		frames[i] = frame_alloc(pool);
	CU_ASSERT_EQUAL(rte_eth_tx_burst(near.id, 1, frames, 5), 5);
	CU_ASSERT_EQUAL(rte_eth_tx_burst(far.id, 1, frames + 5, 3), 3);
	CU_ASSERT_EQUAL(rte_eth_rx_burst(far.id, 0, frames, 8), 0);
	CU_ASSERT_EQUAL(rte_eth_rx_burst(far.id, 1, frames, 2), 2);
	rte_pktmbuf_free_bulk(frames, 2);

	/* Three are left for the far end, and three for the near one. */
	CU_ASSERT_EQUAL(flx_port_stop(&far), 0);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), POOL_SIZE - 3);
	CU_ASSERT_EQUAL(flx_port_stop(&near), 0);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), POOL_SIZE);
	rte_mempool_free(pool);
}

static void test_flooding_port_stops_and_gives_all_back(void)
{
	struct flx_port_conf conf = {.queues = 1};
	struct rte_mempool *pool;
	struct flx_port port;

	CU_ASSERT_TRUE_FATAL(eal_is_up());
	pool = pool_of_room("flood", RTE_MBUF_DEFAULT_BUF_SIZE);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
	conf.pool = pool;
	CU_ASSERT_EQUAL_FATAL(flx_port_start(&port, &specs[FLOOD], &conf), 0);
	CU_ASSERT_FALSE(rte_is_zero_ether_addr(&port.mac));
	CU_ASSERT_EQUAL(flx_port_stop(&port), 0);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), POOL_SIZE);
	rte_mempool_free(pool);
}

/* net_null hashes nothing, but keeps a table as a NIC does: what we write can be read. */
static void test_rss_port_gets_a_table_that_follows_slices(void)
{
	static const uint8_t key[FLX_RSS_KEY_SIZE] = {1, 2, 3};
	static const uint16_t steered[] = {1, 64, 100};
	struct flx_port_conf conf = {.queues = 3, .spread = 2, .flow_hash = true, .rss_key = key};
	struct rte_eth_rss_reta_entry64 table[8];
	struct rte_mempool *pool;
	struct flx_port port;

	CU_ASSERT_TRUE_FATAL(eal_is_up());
	pool = pool_of_room("wide", RTE_MBUF_DEFAULT_BUF_SIZE);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
	conf.pool = pool;
	CU_ASSERT_EQUAL_FATAL(flx_port_start(&port, &specs[WIDE], &conf), 0);
	CU_ASSERT_EQUAL(port.rx_queues, 3);
	CU_ASSERT_FATAL(port.reta_size > 0 && port.reta_size <= 512);
	memset(table, 0xff, sizeof(table));
	CU_ASSERT_EQUAL(rte_eth_dev_rss_reta_query(port.id, table, port.reta_size), 0);
	for (uint16_t i = 0; i < port.reta_size; i++)
		CU_ASSERT_EQUAL(table[i / 64].reta[i % 64], i % 2);
	CU_ASSERT_FATAL(port.reta_size > 100);
	CU_ASSERT_EQUAL(flx_port_steer(&port, steered, 3, 2), 0);
	CU_ASSERT_EQUAL(rte_eth_dev_rss_reta_query(port.id, table, port.reta_size), 0);
	for (uint16_t i = 0; i < port.reta_size; i++)
		CU_ASSERT_EQUAL(table[i / 64].reta[i % 64],
				i == 1 || i == 64 || i == 100 ? 2 : i % 2);
	CU_ASSERT_EQUAL(memcmp(port.rss.key, key, sizeof(key)), 0);
	/* It reports no hash, so the edge makes it. */
	CU_ASSERT_FALSE(port.port_flow_hash);
	CU_ASSERT_EQUAL(flx_port_stop(&port), 0);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), POOL_SIZE);
	rte_mempool_free(pool);
}

static void test_pool_lies_side_by_side_where_dpdks_does_not(void)
{
	const struct flx_pool_conf large = {
		.count = 1u << 24, .priv_bytes = 64, .room_bytes = 4096, .numa = -1};
	struct rte_mempool *ours, *theirs;

	CU_ASSERT_TRUE_FATAL(eal_is_up());
	ours = pool_of_room("ours", RTE_MBUF_DEFAULT_BUF_SIZE);
	theirs = rte_pktmbuf_pool_create("theirs", POOL_SIZE, 0, 64, RTE_MBUF_DEFAULT_BUF_SIZE, -1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(ours);
	CU_ASSERT_PTR_NOT_NULL_FATAL(theirs);
	CU_ASSERT_TRUE(flx_pool_is_dense(ours));
	CU_ASSERT_FALSE(flx_pool_is_dense(theirs));
	CU_ASSERT_EQUAL(rte_pktmbuf_priv_size(ours), 64);
	CU_ASSERT_EQUAL(rte_pktmbuf_data_room_size(ours), RTE_MBUF_DEFAULT_BUF_SIZE);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(ours), POOL_SIZE);
	CU_ASSERT_PTR_NULL(flx_pool_alloc("huge", &large));
	rte_mempool_free(ours);
	rte_mempool_free(theirs);
}

static void test_pool_of_shared_cpus_waits_for_no_preempted_thread(void)
{
	const struct flx_pool_conf conf = {.count = POOL_SIZE,
					   .priv_bytes = 64,
					   .room_bytes = RTE_MBUF_DEFAULT_BUF_SIZE,
					   .numa = -1,
					   .shared_cpus = true};
	struct rte_mempool *pool;

	CU_ASSERT_TRUE_FATAL(eal_is_up());
	pool = flx_pool_alloc("shared", &conf);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
	CU_ASSERT_STRING_EQUAL(rte_mempool_get_ops(pool->ops_index)->name, "ring_mt_rts");
	CU_ASSERT_TRUE(flx_pool_is_dense(pool));
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), POOL_SIZE);
	rte_mempool_free(pool);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_spec_parse_knows_every_form),
		FLX_TEST(test_spec_parse_refuses_what_eal_could_misread),
		FLX_TEST(test_spec_check_names_what_is_not_there),
		FLX_TEST(test_buffers_cover_rings_and_descriptors),
		FLX_TEST(test_profile_finds_a_row_for_every_driver),
		FLX_TEST(test_start_refuses_a_pool_with_small_buffers),
		FLX_TEST(test_ring_port_loops_counts_and_gives_all_back),
		FLX_TEST(test_pair_carries_both_ways_and_gives_all_back),
		FLX_TEST(test_flooding_port_stops_and_gives_all_back),
		FLX_TEST(test_rss_port_gets_a_table_that_follows_slices),
		FLX_TEST(test_pool_lies_side_by_side_where_dpdks_does_not),
		FLX_TEST(test_pool_of_shared_cpus_waits_for_no_preempted_thread),
		{0},
	};
	int status = flx_test_main("port", tests);

	if (eal_is_up())
		flx_eal_stop();
	return status;
}
