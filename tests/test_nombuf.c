/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fault 48: the pool has no buffer left. What a port cannot receive for it is counted as rx_nombuf;
 * what is sent needs none; and it receives again when some are free.
 *
 * The port is a file of numbered frames, so that each of them is accounted for. How the drivers of
 * kernel interfaces behave, see test_kernel_port.c.
 */
#include <string.h>
#include <unistd.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "fabric/topology.h"
#include "pmd-config/eal.h"
#include "pmd-config/pool.h"
#include "pmd-config/port.h"
#include "tests/test.h"

#define FRAMES	     3000
#define FRAME_SIZE   60
#define POOL_SIZE    1023
#define CONTROL_SIZE 63 /* of another pool: messages that the fabric itself makes */
#define BURST	     32

static char folder[] = "/tmp/flx-test-nombuf-XXXXXX";
static struct rte_mempool *pool, *control_pool;
static struct rte_mbuf *taken[POOL_SIZE];
static uint32_t taken_count;
static struct flx_port port;

/* Frame n has n in its bytes 14 to 17. */
static void write_frames(const char *path)
{
	static const uint32_t head[] = {0xa1b2c3d4, 4 << 16 | 2, 0, 0, 65535, 1};
	uint32_t record[] = {0, 0, FRAME_SIZE, FRAME_SIZE};
	uint8_t frame[FRAME_SIZE] = {0};
	FILE *file = fopen(path, "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fwrite(head, sizeof(head), 1, file);
	for (uint32_t n = 0; n < FRAMES; n++) {
		memcpy(frame + 14, &n, sizeof(n));
		fwrite(record, sizeof(record), 1, file);
		fwrite(frame, sizeof(frame), 1, file);
	}
	fclose(file);
}

static struct rte_mempool *alloc_pool(const char *name, uint32_t count)
{
	const struct flx_pool_conf conf = {.count = count,
					   .priv_bytes = 64,
					   .room_bytes = RTE_MBUF_DEFAULT_BUF_SIZE,
					   .numa = -1};

	return flx_pool_alloc(name, &conf);
}

static void port_up(void)
{
	static struct flx_eal_arguments arguments;
	static struct flx_plan plan = {.worker_count = 1, .housekeeping = "0"};
	static struct flx_port_spec spec;
	struct flx_eal_conf conf = {
		.plan = &plan, .ports = &spec, .port_count = 1, .memory_mib = 64};
	struct flx_port_conf port_conf = {.queues = 1};
	char text[128];

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
	snprintf(text, sizeof(text), "%s/in", folder);
	write_frames(text);
	snprintf(text, sizeof(text), "pcap:%s/in,%s/out", folder, folder);
	plan.worker[0].cpu = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN) - 1;
	CU_ASSERT_EQUAL_FATAL(flx_port_spec_parse(&spec, text, 0, 1), 0);
	CU_ASSERT_EQUAL_FATAL(flx_eal_arguments_make(&arguments, &conf), 0);
	CU_ASSERT_EQUAL_FATAL(flx_eal_start(&arguments), 0);
	pool = alloc_pool("data", POOL_SIZE);
	control_pool = alloc_pool("control", CONTROL_SIZE);
	CU_ASSERT_FATAL(pool && control_pool);
	port_conf.pool = pool;
	CU_ASSERT_EQUAL_FATAL(flx_port_start(&port, &spec, &port_conf), 0);
}

static void port_down(void)
{
	char command[64];

	CU_ASSERT_EQUAL(flx_port_stop(&port), 0);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), POOL_SIZE);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(control_pool), CONTROL_SIZE);
	flx_eal_stop();
	snprintf(command, sizeof(command), "rm -r %s", folder);
	CU_ASSERT_EQUAL(system(command), 0);
}

static struct flx_port_counters counters(void)
{
	struct flx_port_counters found;

	CU_ASSERT_EQUAL_FATAL(flx_port_counters(&port, &found), 0);
	return found;
}

/* Frames that came, of ascending numbers: the last of them is @last, then. */
static uint32_t receive(int64_t *last)
{
	struct rte_mbuf *frames[BURST];
	uint32_t count = rte_eth_rx_burst(port.id, 0, frames, BURST);

	for (uint32_t i = 0; i < count; i++) {
		uint32_t number;

		memcpy(&number, rte_pktmbuf_mtod_offset(frames[i], void *, 14), sizeof(number));
		CU_ASSERT_TRUE(number > *last);
		*last = number;
		rte_pktmbuf_free(frames[i]);
	}
	return count;
}

/* Of all but @left buffers. */
static void take_buffers(uint32_t left)
{
	while (rte_mempool_avail_count(pool) > left)
		taken[taken_count++] = rte_pktmbuf_alloc(pool);
}

static void free_buffers(void)
{
	while (taken_count)
		rte_pktmbuf_free(taken[--taken_count]);
}

/* One that the fabric itself has made. */
static void send_one(void)
{
	struct rte_mbuf *frame = rte_pktmbuf_alloc(control_pool);

	CU_ASSERT_PTR_NOT_NULL_FATAL(frame);
	memset(rte_pktmbuf_append(frame, FRAME_SIZE), 0, FRAME_SIZE);
	CU_ASSERT_EQUAL(rte_eth_tx_burst(port.id, 0, &frame, 1), 1);
}

static void test_nombuf_is_counted_and_ends(void)
{
	uint64_t received = 0, nombuf = 0, sent = 0;
	int64_t last = -1;

	port_up();
	for (uint32_t round = 0; round < 20; round++) {
		received += receive(&last);
		CU_ASSERT_EQUAL(counters().rx_nombuf, nombuf);
		/* Fewer than a burst, then none at all. */
		take_buffers(round % 4);
		received += receive(&last);
		take_buffers(0);
		CU_ASSERT_EQUAL(receive(&last), 0);
		CU_ASSERT_TRUE(counters().rx_nombuf > nombuf);
		nombuf = counters().rx_nombuf;
		send_one();
		CU_ASSERT_EQUAL(counters().tx_packets, ++sent);
		free_buffers();
		CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), POOL_SIZE);
	}
	while (last + 1 < FRAMES)
		received += receive(&last);
	/* Each frame came, or is counted. */
	CU_ASSERT_EQUAL(counters().rx_packets, received);
	CU_ASSERT_EQUAL(received + counters().rx_nombuf, FRAMES);
	port_down();
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_nombuf_is_counted_and_ends),
		{0},
	};

	return flx_test_main("nombuf", tests);
}
