/* SPDX-License-Identifier: BSD-3-Clause */
/* Vectors: Microsoft, "Verifying the RSS Hash Calculation" (Windows driver documentation). */
#include <string.h>

#include <rte_thash.h>

#include "pmd-config/rss.h"
#include "tests/test.h"

static const uint8_t microsoft_key[FLX_RSS_KEY_SIZE] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

struct flow {
	uint8_t source[4], destination[4];
	uint16_t source_port, destination_port;
};

static void flow_bytes(uint8_t bytes[12], const struct flow *flow)
{
	memcpy(bytes, flow->source, 4);
	memcpy(bytes + 4, flow->destination, 4);
	bytes[8] = (uint8_t)(flow->source_port >> 8);
	bytes[9] = (uint8_t)flow->source_port;
	bytes[10] = (uint8_t)(flow->destination_port >> 8);
	bytes[11] = (uint8_t)flow->destination_port;
}

static void test_rss_flow_meets_the_vectors_of_the_specification(void)
{
	static const struct {
		struct flow flow;
		uint32_t hash;
	} rows[] = {
		{{{66, 9, 149, 187}, {161, 142, 100, 80}, 2794, 1766}, 0x51ccc178},
		{{{199, 92, 111, 2}, {65, 69, 140, 83}, 14230, 4739}, 0xc626b0ea},
		{{{24, 19, 198, 95}, {12, 22, 207, 184}, 12898, 38024}, 0x5c2b394a},
		{{{38, 27, 205, 30}, {209, 142, 163, 6}, 48228, 2217}, 0xafc7327f},
		{{{153, 39, 163, 191}, {202, 188, 127, 2}, 44251, 1303}, 0x10e828a2},
	};
	struct flx_rss rss;

	flx_rss_init(&rss, microsoft_key);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t bytes[12];

		flow_bytes(bytes, &rows[i].flow);
		CU_ASSERT_EQUAL(flx_rss_flow(&rss, bytes), rows[i].hash);
	}
}

/* rte_softrss takes the flow as host-order words. */
static uint32_t reference_hash(const uint8_t bytes[12], const uint8_t *key)
{
	uint32_t words[3];

	for (unsigned int i = 0; i < 3; i++)
		words[i] = (uint32_t)bytes[4 * i] << 24 | (uint32_t)bytes[4 * i + 1] << 16 |
			   (uint32_t)bytes[4 * i + 2] << 8 | bytes[4 * i + 3];
	return rte_softrss(words, 3, key);
}

static void test_rss_flow_agrees_with_dpdk_under_random_keys(void)
{
	uint64_t state = 0x9e3779b97f4a7c15u;

	for (unsigned int round = 0; round < 20; round++) {
		struct flx_rss rss;

		flx_rss_init(&rss, NULL);
		for (unsigned int i = 0; i < 100; i++) {
			uint8_t bytes[12];

			for (unsigned int j = 0; j < sizeof(bytes); j++) {
				state = state * 6364136223846793005u + 1442695040888963407u;
				bytes[j] = (uint8_t)(state >> 56);
			}
			CU_ASSERT_EQUAL(flx_rss_flow(&rss, bytes), reference_hash(bytes, rss.key));
		}
	}
}

static void test_rss_init_draws_another_key_each_time(void)
{
	struct flx_rss a, b;

	flx_rss_init(&a, NULL);
	flx_rss_init(&b, NULL);
	CU_ASSERT_NOT_EQUAL(memcmp(a.key, b.key, sizeof(a.key)), 0);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_rss_flow_meets_the_vectors_of_the_specification),
		FLX_TEST(test_rss_flow_agrees_with_dpdk_under_random_keys),
		FLX_TEST(test_rss_init_draws_another_key_each_time),
		{0},
	};

	return flx_test_main("rss", tests);
}
