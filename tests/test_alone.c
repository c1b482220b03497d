/* SPDX-License-Identifier: BSD-3-Clause */
/* What names a server and an own address is read as it is meant, or refused; a port alone gives all back. */
#include "perf/alone.h"

#include <errno.h>

#include "tests/test.h"

static void test_alone_refuses_what_names_no_server(void)
{
	static const struct {
		const char *port, *to, *ip;
		uint32_t addresses;
	} rows[] = {
		{"ring", "198.18.0.1", NULL, 0},
		{"ring", "198.18.0.1:", NULL, 0},
		{"ring", "198.18.0.1:0", NULL, 0},
		{"ring", "198.18.0.1:65536", NULL, 0},
		{"ring", "198.18.0.1:7000x", NULL, 0},
		{"ring", "198.18.0.1:-1", NULL, 0},
		{"ring", "198.18.0:7000", NULL, 0},
		{"ring", ":7000", NULL, 0},
		{"ring", "198.180.180.180.180:7000", NULL, 0},
		{"ring", "198.20.0.1:7000", NULL, 0}, /* beyond its network */
		{"ring", "198.18.0.2:7000", NULL, 0}, /* itself */
		{"ring", "198.18.1.1:7000", "198.18.0.2/24", 0},
		{"ring", "198.18.0.1:7000", "198.18.0.2", 0},
		{"ring", "198.18.0.1:7000", "198.18.0.2/0", 0},
		{"ring", "198.18.0.1:7000", "198.18.0.2/32", 0},
		{"rings", NULL, NULL, 0},
		/* Addresses that are another's. */
		{"ring", "198.18.0.1:7000", "198.18.0.0/24", 0},
		{"ring", "198.18.0.1:7000", "198.18.0.255/24", 0},
		{"ring", "198.18.0.1:7000", "198.18.0.2/24", 254},
		{"ring", "198.18.0.20:7000", "198.18.0.10/24", 11},
		{"ring", "198.18.0.1:7000", NULL, 1 << 17},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct flx_alone_conf conf = {.port = rows[i].port,
						    .to = rows[i].to,
						    .ip = rows[i].ip,
						    .addresses = rows[i].addresses,
						    .queues = 1,
						    .dev = true};
		struct flx_alone alone;

		CU_ASSERT_EQUAL(flx_alone_open(&alone, &conf), -EINVAL);
	}
}

static void test_alone_opens_and_gives_all_back(void)
{
	const struct flx_alone_conf conf = {
		.port = "ring", .ip = "198.18.3.4/16", .addresses = 4, .queues = 1, .dev = true};
	struct flx_alone alone;

	CU_ASSERT_EQUAL_FATAL(flx_alone_open(&alone, &conf), 0);
	CU_ASSERT_EQUAL(alone.host.edge.ip, RTE_BE32(0xc6120304));
	CU_ASSERT_EQUAL(alone.host.edge.mask, RTE_BE32(0xffff0000));
	CU_ASSERT_EQUAL(alone.port.rx_queues, 1);
	CU_ASSERT_EQUAL(alone.plan.worker_count, 1);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(alone.pool), alone.buffers);
	CU_ASSERT_EQUAL(flx_alone_close(&alone), 0);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_alone_refuses_what_names_no_server),
		FLX_TEST(test_alone_opens_and_gives_all_back),
		{0},
	};

	return flx_test_main("alone", tests);
}
