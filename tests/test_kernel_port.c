/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports that stand on kernel interfaces, with frames that really pass through the kernel. Runs as
 * root in a network namespace of its own, which the kernel removes with the process; says why and
 * exits with 77 (skipped) where it may not. Argument: "huge" to take hugepages.
 */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_packet.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "pmd-config/eal.h"
#include "pmd-config/pool.h"
#include "pmd-config/port.h"
#include "tests/test.h"

#define ETHERTYPE    0x88b5 /* IEEE 802: for local experiments */
#define FRAMES	     3000
#define TOLD	     64	 /* frames that come one by one */
#define STARVED	     100 /* frames that come while there is no buffer */
#define POOL_SIZE    16383
#define CONTROL_SIZE 1023

enum { XDP, PACKET, LARGE, TAP, PORTS };
static const char *const texts[PORTS] = {"af_xdp:flxx0", "af_packet:flxp0", "af_packet:flxl0",
					 "tap:flxt0"};
static struct flx_port_spec specs[PORTS];
static struct rte_mempool *data_pool, *control_pool;
static bool huge;

/* net_af_xdp of 22.11 never deletes its umem: eth_dev_close compares a count of 0 with 1. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:xsk_umem__create\n";
}

static void make_interfaces(void)
{
	static const char script[] =
		"set -e; echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6;"
		"for n in x p l; do ip link add flx${n}0 numrxqueues 1 numtxqueues 1 type veth"
		" peer name flx${n}1 numrxqueues 1 numtxqueues 1; ip link set flx${n}0 up; ip link "
		"set flx${n}1 up; done;"
		"ip link set flxl0 mtu 1970; ip link set flxl1 mtu 1970";

	CU_ASSERT_EQUAL_FATAL(system(script), 0);
}

static void test_checks_pass_and_one_queue_of_a_veth_is_found(void)
{
	struct flx_port_spec down;

	make_interfaces();
	for (uint32_t i = 0; i < PORTS; i++) {
		CU_ASSERT_EQUAL_FATAL(flx_port_spec_parse(&specs[i], texts[i], i, 2), 0);
		CU_ASSERT_EQUAL_FATAL(flx_port_spec_check(&specs[i]), 0);
	}
	CU_ASSERT_EQUAL(specs[XDP].queues, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(specs[XDP].eal, ",queue_count=1,"));
	CU_ASSERT_EQUAL(specs[PACKET].queues, 2);
	CU_ASSERT_EQUAL(flx_port_spec_parse(&down, "af_xdp:lo", 9, 1), 0);
	CU_ASSERT_EQUAL(flx_port_spec_check(&down), -ENODEV);
}

static struct rte_mempool *alloc_pool(const char *name, uint32_t count)
{
	const struct flx_pool_conf conf = {.count = count,
					   .priv_bytes = 64,
					   .room_bytes = RTE_MBUF_DEFAULT_BUF_SIZE,
					   .numa = -1};

	return flx_pool_alloc(name, &conf);
}

static void test_eal_starts_with_the_ports(void)
{
	static struct flx_eal_arguments arguments;
	static struct flx_plan plan = {.worker_count = 1, .housekeeping = "0"};
	struct flx_eal_conf conf = {
		.plan = &plan,
		.ports = specs,
		.port_count = PORTS,
		.huge = huge,
		.memory_mib = 128,
	};

	plan.worker[0].cpu = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN) - 1;
	CU_ASSERT_EQUAL(flx_eal_arguments_make(&arguments, &conf), 0);
	CU_ASSERT_EQUAL_FATAL(flx_eal_start(&arguments), 0);
	data_pool = alloc_pool("data", POOL_SIZE);
	control_pool = alloc_pool("control", CONTROL_SIZE);
	CU_ASSERT_PTR_NOT_NULL_FATAL(data_pool);
	CU_ASSERT_PTR_NOT_NULL_FATAL(control_pool);
}

/* A raw socket on the far side of the port's interface. */
static int peer_open(const char *interface)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET,
				      .sll_protocol = rte_cpu_to_be_16(ETHERTYPE),
				      .sll_ifindex = (int)if_nametoindex(interface)};
	int size = 8 << 20, descriptor;

	descriptor = socket(AF_PACKET, SOCK_RAW, address.sll_protocol);
	CU_ASSERT_FATAL(descriptor >= 0);
	setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	CU_ASSERT_FATAL(bind(descriptor, (struct sockaddr *)&address, sizeof(address)) == 0);
	return descriptor;
}

static size_t frame_fill(uint8_t *frame, uint32_t number)
{
	size_t size = 60 + number * 37 % (1514 - 60 + 1);

	memset(frame, (int)(number & 0xff), size);
	memset(frame, 0xff, RTE_ETHER_ADDR_LEN);
	memcpy(frame + RTE_ETHER_ADDR_LEN, "\x02\0\0\0\0\x99", RTE_ETHER_ADDR_LEN);
	frame[12] = ETHERTYPE >> 8;
	frame[13] = ETHERTYPE & 0xff;
	memcpy(frame + 14, &number, sizeof(number));
	return size;
}

static bool frame_is(const uint8_t *frame, size_t size, uint32_t number)
{
	uint8_t expected[1514];

	return size == frame_fill(expected, number) && memcmp(frame, expected, size) == 0;
}

/* Polls all queues once; counts what is not @next, @next + step ... in @wrong. */
static uint32_t poll_port(const struct flx_port *port, bool *seen, uint32_t *wrong)
{
	struct rte_mbuf *frames[64];
	uint32_t good = 0;

	for (uint16_t queue = 0; queue < port->rx_queues; queue++) {
		uint16_t count = rte_eth_rx_burst(port->id, queue, frames, 64);

		for (uint16_t i = 0; i < count; i++) {
			const uint8_t *bytes = rte_pktmbuf_mtod(frames[i], const uint8_t *);
			uint32_t number;

			memcpy(&number, bytes + 14, sizeof(number));
			if (frames[i]->data_len > 18 && bytes[12] == ETHERTYPE >> 8 &&
			    bytes[13] == (ETHERTYPE & 0xff)) {
				if (number < FRAMES && !seen[number] && frames[i]->nb_segs == 1 &&
				    frame_is(bytes, frames[i]->data_len, number)) {
					seen[number] = true;
					good++;
				} else {
					(*wrong)++;
				}
			}
			rte_pktmbuf_free(frames[i]);
		}
	}
	return good;
}

static void receive_all(const struct flx_port *port, int peer)
{
	static bool seen[FRAMES];
	uint32_t good = 0, wrong = 0;
	uint64_t end;

	memset(seen, 0, sizeof(seen));
	for (uint32_t number = 0; number < FRAMES; number++) {
		uint8_t frame[1514];
		size_t size = frame_fill(frame, number);

		CU_ASSERT_FATAL(send(peer, frame, size, 0) == (ssize_t)size);
		if (number % 32 == 31)
			good += poll_port(port, seen, &wrong);
	}
	end = rte_get_timer_cycles() + 2 * rte_get_timer_hz();
	while (good < FRAMES && rte_get_timer_cycles() < end)
		good += poll_port(port, seen, &wrong);
	CU_ASSERT_EQUAL(good, FRAMES);
	CU_ASSERT_EQUAL(wrong, 0);
	if (good != FRAMES || wrong)
		printf("\n  %s: %u of %u frames came, %u wrong\n", port->spec.text, good, FRAMES,
		       wrong);
}

static void peer_send(int peer, uint32_t from, uint32_t to)
{
	for (uint32_t number = from; number < to; number++) {
		uint8_t frame[1514];
		size_t size = frame_fill(frame, number);

		CU_ASSERT_FATAL(send(peer, frame, size, 0) == (ssize_t)size);
	}
}

/*
 * Fault 48, as these drivers have it: without a buffer frames wait in the kernel (af_packet, and
 * af_xdp, which counts every poll) or are dropped and counted (tap); then it goes on.
 */
static void starve(const struct flx_port *port, int peer)
{
	static struct rte_mbuf *taken[POOL_SIZE + 1];
	struct flx_port_counters counters;
	uint32_t taken_count = 0, wrong = 0, good = 0;
	bool seen[FRAMES] = {0};

	while ((taken[taken_count] = rte_pktmbuf_alloc(data_pool)) != NULL)
		taken_count++;
	peer_send(peer, 0, STARVED);
	for (uint32_t i = 0; i < 10; i++)
		CU_ASSERT_EQUAL(poll_port(port, seen, &wrong), 0);
	while (taken_count)
		rte_pktmbuf_free(taken[--taken_count]);
	peer_send(peer, STARVED, 2 * STARVED);
	for (uint32_t i = 0; i < 5000 && good < 2 * STARVED; i++) {
		good += poll_port(port, seen, &wrong);
		usleep(10);
	}
	CU_ASSERT_EQUAL(flx_port_counters(port, &counters), 0);
	CU_ASSERT_TRUE(good > STARVED && good + counters.rx_nombuf >= 2 * STARVED);
	CU_ASSERT_EQUAL(wrong, 0);
	if (good + counters.rx_nombuf < 2 * STARVED)
		printf("\n  %s: %u frames came, %u of no buffer\n", port->spec.text, good,
		       (uint32_t)counters.rx_nombuf);
}

static uint32_t peer_recv(int peer, uint32_t *next)
{
	uint8_t frame[2048];
	uint32_t good = 0;
	ssize_t size;

	while ((size = recv(peer, frame, sizeof(frame), MSG_DONTWAIT)) > 0)
		if (frame_is(frame, (size_t)size, *next)) {
			(*next)++;
			good++;
		}
	return good;
}

/* Whether the descriptor of any queue of @port says so within @ms. */
static bool told(const struct flx_port *port, int ms)
{
	struct pollfd watched[2];

	CU_ASSERT_FATAL(port->rx_queues <= 2);
	for (uint16_t queue = 0; queue < port->rx_queues; queue++)
		watched[queue] = (struct pollfd){.fd = port->rx_event[queue], .events = POLLIN};
	return poll(watched, port->rx_queues, ms) > 0;
}

/* A datagram of flow @number: the kernel spreads flows over the queues. */
static void peer_send_flow(int peer, uint32_t number)
{
	uint8_t frame[60] = {[12] = 0x08, [14] = 0x45, [17] = 46, [22] = 64, [23] = IPPROTO_UDP};
	uint8_t *ip = frame + 14;

	memset(frame, 0xff, RTE_ETHER_ADDR_LEN);
	memcpy(frame + RTE_ETHER_ADDR_LEN, "\x02\0\0\0\0\x99", RTE_ETHER_ADDR_LEN);
	memcpy(ip + 12, "\xc6\x12\0\x02\xc6\x12\0\x01", 8);
	ip[20] = 0x40;
	ip[21] = (uint8_t)number;
	ip[23] = 7;
	ip[25] = 26;
	CU_ASSERT_FATAL(send(peer, frame, sizeof(frame), 0) == sizeof(frame));
}

/* A frame is told of on the descriptor of its own queue, until it was taken. */
static void tell(const struct flx_port *port, int peer)
{
	struct rte_mbuf *frames[64];
	uint32_t told_by[2] = {0};

	for (uint16_t queue = 0; queue < port->rx_queues; queue++) {
		CU_ASSERT_TRUE(port->rx_event[queue] > STDERR_FILENO);
		CU_ASSERT(queue == 0 || port->rx_event[queue] != port->rx_event[0]);
	}
	CU_ASSERT_FALSE(told(port, 0));
	for (uint32_t number = 0; number < TOLD; number++) {
		bool found = false;

		peer_send_flow(peer, number);
		CU_ASSERT_TRUE(told(port, 1000));
		for (uint16_t queue = 0; queue < port->rx_queues; queue++) {
			struct pollfd own = {.fd = port->rx_event[queue], .events = POLLIN};
			uint16_t count = 0;

			if (poll(&own, 1, 0) != 1)
				continue;
			/* net_tap looks only once its signal has come. */
			for (uint32_t i = 0; i < 1000 && !count; i++) {
				count = rte_eth_rx_burst(port->id, queue, frames, 64);
				if (!count)
					usleep(100);
			}
			CU_ASSERT_TRUE(count > 0);
			rte_pktmbuf_free_bulk(frames, count);
			told_by[queue]++;
			found = true;
		}
		CU_ASSERT_TRUE(found);
		CU_ASSERT_FALSE(told(port, 0));
	}
	for (uint16_t queue = 0; queue < port->rx_queues; queue++)
		CU_ASSERT_TRUE(told_by[queue] > 0);
}

/* Every third frame from the control pool: net_af_xdp copies those. */
static void send_all(const struct flx_port *port, int peer)
{
	uint32_t next = 0, refused = 0;
	uint64_t end = rte_get_timer_cycles() + 2 * rte_get_timer_hz();

	for (uint32_t number = 0; number < FRAMES && rte_get_timer_cycles() < end;) {
		struct rte_mbuf *frame = rte_pktmbuf_alloc(number % 3 ? data_pool : control_pool);
		uint8_t bytes[1514];
		size_t size = frame_fill(bytes, number);

		CU_ASSERT_PTR_NOT_NULL_FATAL(frame);
		memcpy(rte_pktmbuf_append(frame, (uint16_t)size), bytes, size);
		if (rte_eth_tx_burst(port->id, 0, &frame, 1) == 1) {
			number++;
		} else {
			rte_pktmbuf_free(frame);
			refused++;
		}
		peer_recv(peer, &next);
	}
	while (next < FRAMES && rte_get_timer_cycles() < end)
		peer_recv(peer, &next);
	CU_ASSERT_EQUAL(next, FRAMES);
	if (next != FRAMES)
		printf("\n  %s: %u of %u frames arrived in order, %u refused\n", port->spec.text,
		       next, FRAMES, refused);
}

static void run_port(uint32_t index, const char *far_side)
{
	struct flx_port_conf conf = {.queues = 2, .pool = data_pool, .link_wait_ms = 500};
	struct flx_port_counters counters;
	struct flx_port port;
	uint32_t kept;
	int peer;

	CU_ASSERT_PTR_NOT_NULL_FATAL(data_pool);
	CU_ASSERT_EQUAL_FATAL(flx_port_start(&port, &specs[index], &conf), 0);
	CU_ASSERT_EQUAL(port.mtu, 1500);
	peer = peer_open(far_side);
	receive_all(&port, peer);
	tell(&port, peer);
	starve(&port, peer);
	send_all(&port, peer);
	CU_ASSERT_EQUAL(flx_port_counters(&port, &counters), 0);
	CU_ASSERT_TRUE(counters.rx_packets >= FRAMES);
	CU_ASSERT_TRUE(counters.tx_packets >= FRAMES);
	CU_ASSERT_EQUAL(counters.queue_tx_packets[0], counters.tx_packets);
	close(peer);
	kept = flx_port_stop(&port);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(data_pool) + kept, POOL_SIZE);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(control_pool), CONTROL_SIZE);
	if (rte_mempool_avail_count(data_pool) + kept != POOL_SIZE)
		printf("\n  %s: %u of %u buffers are back, %u kept\n", port.spec.text,
		       rte_mempool_avail_count(data_pool), POOL_SIZE, kept);
}

static void test_af_packet_passes_frames_and_gives_buffers_back(void)
{
	run_port(PACKET, "flxp1");
}

static void test_tap_passes_frames_and_gives_buffers_back(void)
{
	run_port(TAP, "flxt0");
}

/* Last: it keeps buffers. */
static void test_af_xdp_passes_frames_and_keeps_what_it_says(void)
{
	run_port(XDP, "flxx1");
}

/* 1,970 + 22 fits the buffer (2,048) and not the frame that the kernel may fill (1,982). */
static void test_af_packet_refuses_an_mtu_above_its_frames(void)
{
	struct flx_port_conf conf = {.queues = 2, .pool = data_pool};
	struct flx_port port;

	CU_ASSERT_PTR_NOT_NULL_FATAL(data_pool);
	CU_ASSERT_EQUAL(flx_port_start(&port, &specs[LARGE], &conf), -EMSGSIZE);
}

static int skip(const char *why)
{
	printf("skipped: %s\n", why);
	return 77;
}

int main(int argc, char **argv)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_checks_pass_and_one_queue_of_a_veth_is_found),
		FLX_TEST(test_eal_starts_with_the_ports),
		FLX_TEST(test_af_packet_passes_frames_and_gives_buffers_back),
		FLX_TEST(test_af_packet_refuses_an_mtu_above_its_frames),
		FLX_TEST(test_tap_passes_frames_and_gives_buffers_back),
		FLX_TEST(test_af_xdp_passes_frames_and_keeps_what_it_says),
		{0},
	};
	int status;

	huge = argc > 1 && strcmp(argv[1], "huge") == 0;
	if (geteuid() != 0)
		return skip("needs root for interfaces and raw sockets");
	if (unshare(CLONE_NEWNET))
		return skip("this kernel lets us have no network namespace");
	if (huge && flx_eal_hugepages_mib() < 192)
		return skip("fewer than 192 MiB of hugepages are free");
	status = flx_test_main(huge ? "kernel_port, hugepages" : "kernel_port", tests);
	if (data_pool)
		flx_eal_stop();
	return status;
}
