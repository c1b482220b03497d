/* SPDX-License-Identifier: BSD-3-Clause */
/* The counter's handlers, alone: the fabric's part is played here. */
#include "apps/counter.c"
#include "tests/test.h"

#define HEADROOM 128

static struct {
	struct flx_msg msg;
	uint8_t bytes[HEADROOM + 64];
} buffer;
static uint32_t replies;

int flx_reply(struct flx_call *call, struct flx_msg *msg)
{
	CU_ASSERT_PTR_EQUAL(call->given.msg, msg);
	call->given.msg = FLX_MSG_SENT;
	replies++;
	return 0;
}

int flx_send_slow(struct flx_call *call, uint32_t stream, struct flx_msg *msg)
{
	(void)call;
	(void)stream;
	(void)msg;
	return -EINVAL;
}

int flx_key_client(const struct flx_msg *msg, void *key)
{
	(void)msg;
	(void)key;
	return 0;
}

int flx_key_flow(const struct flx_msg *msg, void *key)
{
	return flx_key_client(msg, key);
}

static struct flx_msg *make_message(const char *data, uint16_t headroom)
{
	struct rte_mbuf *mbuf = &buffer.msg.mbuf;

	buffer.msg = (struct flx_msg){.mbuf = {
					      .buf_addr = buffer.bytes,
					      .buf_len = sizeof(buffer.bytes),
					      .data_off = headroom,
				      }};
	memset(buffer.bytes, '#', sizeof(buffer.bytes));
	memcpy(buffer.bytes + headroom, data, strlen(data));
	mbuf->data_len = (uint16_t)strlen(data);
	mbuf->pkt_len = mbuf->data_len;
	return &buffer.msg;
}

static void test_counter_answers_count_space_bytes(void)
{
	static const struct {
		uint64_t count; /* before */
		const char *request, *answer;
	} rows[] = {
		{0, "hello", "1 hello"},	  {8, "hello", "9 hello"},
		{9, "hello", "10 hello"},	  {99, "", "100 "},
		{999999999, "x", "1000000000 x"}, {UINT64_MAX - 1, "x", "18446744073709551615 x"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct flx_msg *msg = make_message(rows[i].request, HEADROOM);
		struct flx_call call = {.given = {.msg = msg}};
		uint64_t count = rows[i].count;

		replies = 0;
		CU_ASSERT_EQUAL(reply(&call, msg, &count), 0);
		CU_ASSERT_EQUAL(count, rows[i].count + 1);
		CU_ASSERT_EQUAL(replies, 1);
		CU_ASSERT_EQUAL_FATAL(flx_size(msg), strlen(rows[i].answer));
		CU_ASSERT_EQUAL(
			memcmp(flx_at(msg, 0, flx_size(msg)), rows[i].answer, flx_size(msg)), 0);
	}
}

static void test_counter_without_room_fails_as_a_whole(void)
{
	struct flx_msg *msg = make_message("hello", 1);
	struct flx_call call = {.given = {.msg = msg}};
	uint64_t count = 0;

	replies = 0;
	CU_ASSERT_EQUAL(reply(&call, msg, &count), -EMSGSIZE);
	CU_ASSERT_EQUAL(replies, 0);
	CU_ASSERT_PTR_EQUAL(call.given.msg, msg);
	CU_ASSERT_EQUAL(memcmp(flx_at(msg, 0, 5), "hello", 5), 0);
}

static void test_counter_key_is_client_flow_or_all(void)
{
	static const struct {
		const char *value;
		int rc;
		uint32_t size;
	} rows[] = {
		{"all", 0, 0},	  {"client", 0, FLX_KEY_CLIENT_SIZE},
		{"all", 0, 0},	  {"flow", 0, FLX_KEY_FLOW_SIZE},
		{"all", 0, 0},	  {"ALL", -EINVAL, 0},
		{"", -EINVAL, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CU_ASSERT_EQUAL(settings[0].apply(rows[i].value), rows[i].rc);
		CU_ASSERT_EQUAL(fluxions[REPLY].key.size, rows[i].size);
		CU_ASSERT_EQUAL(fluxions[REPLY].key.extract != NULL, rows[i].size != 0);
	}
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_counter_answers_count_space_bytes),
		FLX_TEST(test_counter_without_room_fails_as_a_whole),
		FLX_TEST(test_counter_key_is_client_flow_or_all),
		{0},
	};

	return flx_test_main("counter", tests);
}
