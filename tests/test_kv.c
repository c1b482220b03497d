/* SPDX-License-Identifier: BSD-3-Clause */
/* The handlers of kv, alone: the fabric's part, and the store's, is played here. */
#include "apps/kv.c"
#include "tests/test.h"

#define HEADROOM 128

#define KEY_40	 "0123456789012345678901234567890123456789"
#define TEXT_62	 "01234567890123456789012345678901234567890123456789012345678901"
#define TEXT_248 TEXT_62 TEXT_62 TEXT_62 TEXT_62

static struct {
	struct flx_msg msg;
	uint8_t bytes[HEADROOM + 512];
} buffer;
static uint32_t sent, replies;
static bool deleted;

int flx_reply(struct flx_call *call, struct flx_msg *msg)
{
	CU_ASSERT_PTR_EQUAL(call->given.msg, msg);
	call->given.msg = FLX_MSG_SENT;
	replies++;
	return 0;
}

int flx_send_slow(struct flx_call *call, uint32_t stream, struct flx_msg *msg)
{
	CU_ASSERT_PTR_EQUAL(call->given.msg, msg);
	call->given.msg = FLX_MSG_SENT;
	sent = stream;
	return 0;
}

int flx_delete(struct flx_call *call)
{
	(void)call;
	deleted = true;
	return 0;
}

/* A message of the @size bytes at @data, in a buffer that ends @room bytes behind them. */
static struct flx_msg *make_message(const char *data, size_t size, size_t room)
{
	struct rte_mbuf *mbuf = &buffer.msg.mbuf;

	buffer.msg = (struct flx_msg){.mbuf = {
					      .buf_addr = buffer.bytes,
					      .buf_len = (uint16_t)(HEADROOM + size + room),
					      .data_off = HEADROOM,
				      }};
	memset(buffer.bytes, '#', sizeof(buffer.bytes));
	memcpy(buffer.bytes + HEADROOM, data, size);
	mbuf->data_len = (uint16_t)size;
	mbuf->pkt_len = mbuf->data_len;
	sent = replies = 0;
	deleted = false;
	return &buffer.msg;
}

static bool is_answer(const struct flx_msg *msg, const char *expected)
{
	size_t size = strlen(expected);
	bool equal = replies == 1 && flx_size(msg) == size &&
		     memcmp(flx_at(msg, 0, flx_size(msg)), expected, size) == 0;

	if (!equal)
		printf("\n    got \"%.*s\", expected \"%s\"", (int)flx_size(msg),
		       (const char *)flx_at(msg, 0, flx_size(msg)), expected);
	return equal;
}

/* Takes @request through parse and on; its pair is @pair. The answer is in the message returned. */
static const struct flx_msg *ask(const char *request, struct pair *pair)
{
	struct flx_msg *msg = make_message(request, strlen(request), 255);
	const struct flx_target targets[FLX_STREAMS_MAX] = {{0}};
	struct flx_call call = {.given = {.msg = msg}, .targets = targets};

	CU_ASSERT_EQUAL(parse(&call, msg, NULL), 0);
	if (!sent)
		return msg;
	call.given.msg = msg;
	CU_ASSERT_EQUAL(fluxions[sent].handler(&call, msg, pair), 0);
	CU_ASSERT_PTR_EQUAL(call.given.msg, FLX_MSG_SENT);
	if (deleted)
		*pair = (struct pair){0};
	return msg;
}

static void test_kv_answers_each_verb(void)
{
	static const struct {
		const char *request, *answer;
		bool deletes;
	} rows[] = {
		{"get k", "NONE\n", false},
		{"del k", "NONE\n", true},
		{"set k v", "OK\n", false},
		{"get k", "VALUE v\n", false},
		{"get k\n", "VALUE v\n", false},
		{"set k two words \r\n", "OK\n", false},
		{"get k\r\n", "VALUE two words \n", false},
		{"set k ", "OK\n", false}, /* an empty value is one */
		{"get k", "VALUE \n", false},
		{"set k \n\n", "OK\n", false},
		{"get k", "VALUE \n\n", false},
		{"set " KEY_40 " " TEXT_248 "\n", "OK\n", false},
		{"get " KEY_40, "VALUE " TEXT_248 "\n", false},
		{"set k short", "OK\n", false},
		{"get k", "VALUE short\n", false},
		{"del k\n", "OK\n", true},
		{"get k", "NONE\n", false},
	};
	struct pair pair = {0};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct flx_msg *msg = ask(rows[i].request, &pair);

		CU_ASSERT_TRUE(is_answer(msg, rows[i].answer));
		CU_ASSERT_EQUAL(deleted, rows[i].deletes);
	}
}

static void test_kv_says_what_is_wrong(void)
{
#define USAGE	"ERROR give get KEY, set KEY VALUE or del KEY\n"
#define NO_REST "ERROR give a value to set, and only to set\n"
	static const struct {
		const char *request, *answer;
	} rows[] = {
		{"", USAGE},
		{"\n", USAGE},
		{"\r\n", USAGE},
		{"get", USAGE},
		{"get ", USAGE},
		{"get \n", USAGE},
		{"get \r\n", USAGE},
		{"get  k", USAGE},
		{"get\nk", USAGE},
		{"GET k", USAGE},
		{"put k v", USAGE},
		{" get k", USAGE},
		{"set  v", USAGE},
		{"get " KEY_40 "x", "ERROR key too long\n"},
		{"get " KEY_40 "x y", "ERROR key too long\n"},
		{"del " KEY_40 KEY_40 "\n", "ERROR key too long\n"},
		{"set " KEY_40 "x v", "ERROR key too long\n"},
		{"get k v", NO_REST},
		{"get k ", NO_REST},
		{"get k\r", NO_REST},
		{"del k\x01", NO_REST},
		{"set k", NO_REST},
		{"set k\n", NO_REST},
		{"set k " TEXT_248 "x", "ERROR value too long\n"},
	};
	struct pair pair = {.there = 1};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CU_ASSERT_TRUE(is_answer(ask(rows[i].request, &pair), rows[i].answer));
		CU_ASSERT_EQUAL(sent, 0);
	}
}

static void test_kv_without_room_fails_as_a_whole(void)
{
	static const struct pair pair = {.there = 1, .size = VALUE_MAX};
	struct pair context = pair;
	struct flx_msg *msg = make_message("get k", 5, VALUE_MAX + 1);
	struct flx_call call = {.given = {.msg = msg}};

	CU_ASSERT_EQUAL(get(&call, msg, &context), -EMSGSIZE);
	CU_ASSERT_EQUAL(replies, 0);
	CU_ASSERT_EQUAL(memcmp(&context, &pair, sizeof(pair)), 0);
}

/* The same for every request of a word, and for no other. */
static void test_kv_finds_the_key_in_every_request(void)
{
	static const struct {
		const char *request;
		const char *key; /* NULL: none */
	} rows[] = {
		{"get k", "k"},	      {"del k\n", "k"},	 {"set k v", "k"},
		{"set k\r\n", "k"},   {"get kk", "kk"},	 {"get " KEY_40, KEY_40},
		{"get \xff", "\xff"}, {"set k\nx", "k"}, {"get " KEY_40 "x", NULL},
		{"get ", NULL},	      {"", NULL},	 {"get", NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct flx_msg *msg =
			make_message(rows[i].request, strlen(rows[i].request), 0);
		char key[FLX_KEY_MAX], expected[FLX_KEY_MAX] = {0};

		memset(key, '#', sizeof(key));
		if (!rows[i].key) {
			CU_ASSERT_EQUAL(find_key(msg, key), -EINVAL);
			continue;
		}
		memcpy(expected, rows[i].key, strlen(rows[i].key));
		CU_ASSERT_EQUAL(find_key(msg, key), 0);
		CU_ASSERT_EQUAL(memcmp(key, expected, sizeof(key)), 0);
	}
}

static void test_kv_takes_settings(void)
{
	static const struct {
		uint32_t setting;
		const char *value;
		int rc;
		uint64_t ttl_ms; /* then */
		bool evict;
	} rows[] = {
		{0, "1500", 0, 1500, false},
		{0, "15552000000", 0, FLX_TTL_MAX_MS, false},
		{0, "15552000001", -EINVAL, FLX_TTL_MAX_MS, false},
		{0, "99999999999999999999", -EINVAL, FLX_TTL_MAX_MS, false},
		{0, "-1", -EINVAL, FLX_TTL_MAX_MS, false},
		{0, "1s", -EINVAL, FLX_TTL_MAX_MS, false},
		{0, "", -EINVAL, FLX_TTL_MAX_MS, false},
		{0, "0", 0, 0, false},
		{1, "on", 0, 0, true},
		{1, "maybe", -EINVAL, 0, true},
		{1, "off", 0, 0, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CU_ASSERT_EQUAL(settings[rows[i].setting].apply(rows[i].value), rows[i].rc);
		for (uint32_t f = SET; f <= DEL; f++) {
			CU_ASSERT_EQUAL(fluxions[f].context.ttl_ms, rows[i].ttl_ms);
			CU_ASSERT_EQUAL(fluxions[f].context.evict, rows[i].evict);
		}
		/* A reader says no more than the size. */
		CU_ASSERT(fluxions[GET].context.ttl_ms == 0 && !fluxions[GET].context.evict);
	}
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_kv_answers_each_verb),
		FLX_TEST(test_kv_says_what_is_wrong),
		FLX_TEST(test_kv_without_room_fails_as_a_whole),
		FLX_TEST(test_kv_finds_the_key_in_every_request),
		FLX_TEST(test_kv_takes_settings),
		{0},
	};

	return flx_test_main("kv", tests);
}
