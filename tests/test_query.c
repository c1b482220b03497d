/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a bench's client sends is a right frame of the client that it names, and only its answer is taken
 * for one.
 */
#include "perf/query.h"

#include <string.h>

#include "perf/scenarios.h"
#include "tests/test.h"
#include "tests/turn.h"

static struct flx_query query;
static struct rte_mbuf mbuf;
static uint8_t buffer[RTE_PKTMBUF_HEADROOM + 2048];
static struct flx_query_conf conf;

static struct flx_test_heads *write_flow(struct flx_query_flow flow, uint32_t turn, uint64_t stamp)
{
	flx_query_make(&query, &conf);
	mbuf = (struct rte_mbuf){.buf_addr = buffer, .buf_len = sizeof(buffer)};
	flx_query_write(&query, &mbuf, flow, turn, stamp);
	return rte_pktmbuf_mtod(&mbuf, struct flx_test_heads *);
}

static struct flx_test_heads *write_query(uint32_t client, bool counted)
{
	conf = (struct flx_query_conf){
		.to = {{2, 0, 0, 0, 0, 1}},
		.ip = RTE_BE32(0xc6120001),
		.udp_port = 7000,
		.size = FLX_QUERY_SIZE_MIN,
		.clients = 1000,
		.counted = counted,
	};
	return write_flow((struct flx_query_flow){.client = client}, 0, 0);
}

/* As a fabric answers: from where it was sent to, with @count before it. */
static void answer(const char *count)
{
	struct flx_test_heads *heads = flx_test_turn(&mbuf);
	size_t size = strlen(count);
	uint8_t *payload = (uint8_t *)(heads + 1);

	memmove(payload + size, payload, mbuf.data_len - sizeof(*heads));
	memcpy(payload, count, size);
	mbuf.data_len = (uint16_t)(mbuf.data_len + size);
	heads->udp.dgram_len =
		rte_cpu_to_be_16((uint16_t)(rte_be_to_cpu_16(heads->udp.dgram_len) + size));
}

static void test_query_has_right_check_sums_for_every_client(void)
{
	static const uint32_t clients[] = {0, 1, 255, 256, 999, 65535, 65536, 1 << 20};

	for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
		struct flx_test_heads *headers = write_query(clients[i], true);

		CU_ASSERT_EQUAL(mbuf.data_len, 60);
		CU_ASSERT_EQUAL(headers->ip.src_addr, flx_query_ip(clients[i]));
		CU_ASSERT_EQUAL(rte_raw_cksum(&headers->ip, sizeof(headers->ip)), 0xffff);
		CU_ASSERT_EQUAL(rte_ipv4_udptcp_cksum_verify(&headers->ip, &headers->udp), 0);
	}
}

static void test_query_knows_its_answers(void)
{
	static const struct {
		const char *text;
		uint32_t count;
	} counts[] = {{"1 ", 1}, {"42 ", 42}, {"4294967295 ", UINT32_MAX}};
	struct flx_query_answer found;

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		write_query(7, true);
		answer(counts[i].text);
		CU_ASSERT_TRUE(flx_query_read(&query, &mbuf, &found));
		CU_ASSERT_EQUAL(found.client, 7);
		CU_ASSERT_EQUAL(found.count, counts[i].count);
	}
	write_query(999, false);
	answer("");
	CU_ASSERT_TRUE(flx_query_read(&query, &mbuf, &found));
	CU_ASSERT_EQUAL(found.client, 999);
}

static void test_query_of_a_server_that_nobody_knows_may_be_counted(void)
{
	static const struct {
		const char *text;
		bool right;
		uint32_t count;
	} rows[] = {
		{"", true, 0}, {"7 ", true, 7}, {"x", false, 0}, {"7", false, 0}, {" ", false, 0}};
	struct flx_query_answer found;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		write_query(7, false);
		query.conf.may_count = true;
		answer(rows[i].text);
		CU_ASSERT_EQUAL(flx_query_read(&query, &mbuf, &found), rows[i].right);
		CU_ASSERT_EQUAL(found.count, rows[i].count);
	}
}

static void test_query_refuses_what_is_no_answer(void)
{
	static const char *const counts[] = {"", "1", "x ", "1  ", "4294967296 ", " 1"};
	struct flx_query_answer found;
	struct flx_test_heads *headers;

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		write_query(7, true);
		answer(counts[i]);
		CU_ASSERT_FALSE(flx_query_read(&query, &mbuf, &found));
	}
	/* Itself, come back as it was sent. */
	write_query(7, false);
	CU_ASSERT_FALSE(flx_query_read(&query, &mbuf, &found));
	/* A client that there is not. */
	write_query(1000, false);
	answer("");
	CU_ASSERT_FALSE(flx_query_read(&query, &mbuf, &found));
	/* A byte of its data changed; a length that is not the frame's; cut short. */
	headers = write_query(7, false);
	answer("");
	((uint8_t *)(headers + 1))[17] ^= 1;
	CU_ASSERT_FALSE(flx_query_read(&query, &mbuf, &found));
	headers = write_query(7, false);
	answer("");
	headers->udp.dgram_len = RTE_BE16(25);
	CU_ASSERT_FALSE(flx_query_read(&query, &mbuf, &found));
	write_query(7, false);
	answer("");
	mbuf.data_len = 59;
	CU_ASSERT_FALSE(flx_query_read(&query, &mbuf, &found));
}

/* Whether both check sums of the frame are right. */
static bool is_summed(const struct flx_test_heads *headers)
{
	return rte_raw_cksum(&headers->ip, sizeof(headers->ip)) == 0xffff &&
	       rte_ipv4_udptcp_cksum_verify(&headers->ip, &headers->udp) == 0;
}

static void test_query_of_every_size_is_right_and_known(void)
{
	static const uint32_t sizes[] = {64, 65, 72, 128, 594, 1517, 1518};
	struct flx_query_answer found;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct flx_test_heads *headers;

		write_query(7, true);
		conf.size = sizes[i];
		headers = write_flow((struct flx_query_flow){.client = 7}, 0, 0);
		CU_ASSERT_EQUAL(mbuf.data_len, sizes[i] - 4);
		CU_ASSERT_EQUAL(mbuf.pkt_len, sizes[i] - 4);
		CU_ASSERT_TRUE(is_summed(headers));
		answer("19 ");
		CU_ASSERT_TRUE(flx_query_read(&query, &mbuf, &found));
		CU_ASSERT_EQUAL(found.count, 19);
		/* The last byte. */
		rte_pktmbuf_mtod(&mbuf, uint8_t *)[mbuf.data_len - 1] ^= 1;
		CU_ASSERT_FALSE(flx_query_read(&query, &mbuf, &found));
	}
}

static void test_query_mixes_sizes_seven_to_four_to_one(void)
{
	uint32_t small = 0, medium = 0, large = 0;
	struct flx_query_answer found;

	write_query(1, false);
	conf.size = FLX_SIZE_IMIX;
	for (uint32_t turn = 0; turn < FLX_QUERY_TURNS; turn++) {
		CU_ASSERT_TRUE(
			is_summed(write_flow((struct flx_query_flow){.client = 1}, turn, 0)));
		small += mbuf.data_len == 60;
		medium += mbuf.data_len == 590;
		large += mbuf.data_len == 1514;
		answer("");
		CU_ASSERT_TRUE(flx_query_read(&query, &mbuf, &found));
	}
	CU_ASSERT_EQUAL(small, 7);
	CU_ASSERT_EQUAL(medium, 4);
	CU_ASSERT_EQUAL(large, 1);
}

static void test_query_carries_its_stamp_and_its_flow(void)
{
	static const uint64_t stamps[] = {0, 1, 0xffff, UINT64_MAX, 0x123456789abcdef0};
	static const uint8_t key[12] = {198, 19, 0, 3, 198, 18, 0, 1, 0x9c, 0x43, 0x1b, 0x58};
	const struct flx_query_flow flow = {.client = 3, .port = 3};
	struct flx_query_answer found;
	uint8_t made[12];

	write_query(0, false);
	conf.stamped = true;
	conf.ports = 4;
	for (size_t i = 0; i < sizeof(stamps) / sizeof(stamps[0]); i++) {
		struct flx_test_heads *headers = write_flow(flow, 0, stamps[i]);

		CU_ASSERT_TRUE(is_summed(headers));
		CU_ASSERT_EQUAL(headers->udp.src_port, RTE_BE16(40003));
		answer("");
		CU_ASSERT_TRUE(flx_query_read(&query, &mbuf, &found));
		CU_ASSERT_EQUAL(found.stamp, stamps[i]);
		CU_ASSERT_EQUAL(found.client, 3);
	}
	flx_query_flow_key(&query, flow, made);
	CU_ASSERT_EQUAL(memcmp(made, key, sizeof(key)), 0);
	/* A port that there is not; another server's. */
	write_flow((struct flx_query_flow){.client = 3, .port = 4}, 0, 1);
	answer("");
	CU_ASSERT_FALSE(flx_query_read(&query, &mbuf, &found));
	write_flow(flow, 0, 1)->ip.dst_addr ^= RTE_BE32(2);
	answer("");
	CU_ASSERT_FALSE(flx_query_read(&query, &mbuf, &found));
	write_flow(flow, 0, 1)->udp.dst_port ^= RTE_BE16(2);
	answer("");
	CU_ASSERT_FALSE(flx_query_read(&query, &mbuf, &found));
}

/* Its check sums as a server makes them that prepends a count, or changes nothing. */
static struct flx_test_heads *answer_summed(const char *count)
{
	struct flx_test_heads *heads;

	write_query(7, *count);
	answer(count);
	heads = rte_pktmbuf_mtod(&mbuf, struct flx_test_heads *);
	heads->ip.total_length = rte_cpu_to_be_16((uint16_t)(mbuf.data_len - sizeof(heads->eth)));
	heads->ip.hdr_checksum = 0;
	heads->ip.hdr_checksum = rte_ipv4_cksum(&heads->ip);
	heads->udp.dgram_cksum = 0;
	heads->udp.dgram_cksum = rte_ipv4_udptcp_cksum(&heads->ip, &heads->udp);
	return heads;
}

static void test_query_in_full_takes_what_a_wire_takes(void)
{
	static const char *const counts[] = {"", "1 ", "12 ", "123 "};
	struct flx_test_heads *heads;
	struct flx_query_answer found;

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		answer_summed(counts[i]);
		CU_ASSERT_TRUE(flx_query_read(&query, &mbuf, &found));
		CU_ASSERT_TRUE(flx_query_is_intact(&mbuf));
		answer_summed(counts[i])->udp.dgram_cksum = 0;
		CU_ASSERT_TRUE(flx_query_is_intact(&mbuf));
	}
	heads = answer_summed("");
	heads->ip.fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG);
	heads->ip.hdr_checksum = 0;
	heads->ip.hdr_checksum = rte_ipv4_cksum(&heads->ip);
	CU_ASSERT_TRUE(flx_query_is_intact(&mbuf));
	/* Not filled in, and the port says so. */
	answer_summed("")->udp.dgram_cksum ^= 1;
	CU_ASSERT_FALSE(flx_query_is_intact(&mbuf));
	mbuf.ol_flags = RTE_MBUF_F_RX_L4_CKSUM_NONE;
	CU_ASSERT_TRUE(flx_query_is_intact(&mbuf));
}

static void test_query_in_full_refuses_what_no_wire_takes(void)
{
	/* Of the IPv4 header; where its sum does not tell, it is made anew. */
	static const struct {
		uint32_t at;
		uint8_t bits;
		bool summed;
	} rows[] = {
		{0, 0x03, true},		      /* header size */
		{0, 0x20, true},		      /* version */
		{2, 0x01, true},		      /* total length */
		{3, 0x01, true},		      /* the same */
		{6, 0x20, true},		      /* more fragments */
		{7, 0x01, true},		      /* fragment offset */
		{9, 0x17, true},		      /* protocol: 6 */
		{8, 0x01, false},		      /* time to live: only the sum */
		{10, 0x01, false}, {26, 0x01, false}, /* UDP check sum */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct flx_test_heads *heads = answer_summed("19 ");

		((uint8_t *)&heads->ip)[rows[i].at] ^= rows[i].bits;
		if (rows[i].summed) {
			heads->ip.hdr_checksum = 0;
			heads->ip.hdr_checksum =
				(uint16_t)~rte_raw_cksum(&heads->ip, sizeof(heads->ip));
		}
		CU_ASSERT_FALSE(flx_query_is_intact(&mbuf));
	}
}

static void test_query_that_comes_straight_back_is_its_own_answer(void)
{
	struct flx_query_answer found;

	write_query(5, false);
	conf.looped = true;
	write_flow((struct flx_query_flow){.client = 5}, 0, 0);
	CU_ASSERT_TRUE(flx_query_read(&query, &mbuf, &found));
	CU_ASSERT_EQUAL(found.client, 5);
	answer("");
	CU_ASSERT_FALSE(flx_query_read(&query, &mbuf, &found));
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_query_has_right_check_sums_for_every_client),
		FLX_TEST(test_query_knows_its_answers),
		FLX_TEST(test_query_of_a_server_that_nobody_knows_may_be_counted),
		FLX_TEST(test_query_refuses_what_is_no_answer),
		FLX_TEST(test_query_of_every_size_is_right_and_known),
		FLX_TEST(test_query_mixes_sizes_seven_to_four_to_one),
		FLX_TEST(test_query_carries_its_stamp_and_its_flow),
		FLX_TEST(test_query_in_full_takes_what_a_wire_takes),
		FLX_TEST(test_query_in_full_refuses_what_no_wire_takes),
		FLX_TEST(test_query_that_comes_straight_back_is_its_own_answer),
		{0},
	};

	return flx_test_main("query", tests);
}
