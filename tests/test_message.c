/* SPDX-License-Identifier: BSD-3-Clause */
/* The bytes of a message, and the headers in front of them. */
#include "fabric/flx.h"
#include "tests/eal.h"
#include "tests/random.h"
#include "tests/test.h"

#define HEADS 42
#define DATA  256
#define ROOM  (RTE_PKTMBUF_HEADROOM + DATA)

static struct rte_mempool *pool;

/* An empty message with headers 0, 1, 2 ... in front, as a UDP datagram has. */
static struct flx_msg *message(void)
{
	struct flx_msg *msg = (struct flx_msg *)rte_pktmbuf_alloc(pool);
	uint8_t *heads;

	CU_ASSERT_PTR_NOT_NULL_FATAL(msg);
	flx_set_heads(msg, (struct flx_heads){14, 20, 8, FLX_ORIGIN_UDP4});
	heads = rte_pktmbuf_mtod(&msg->mbuf, uint8_t *) - HEADS;
	for (uint32_t i = 0; i < HEADS; i++)
		heads[i] = (uint8_t)i;
	return msg;
}

static bool heads_are_whole(const struct flx_msg *msg)
{
	const uint8_t *heads = rte_pktmbuf_mtod(&msg->mbuf, const uint8_t *) - HEADS;

	for (uint32_t i = 0; i < HEADS; i++)
		if (heads[i] != i)
			return false;
	return msg->mbuf.data_off >= HEADS;
}

static void test_message_at_gives_what_is_inside(void)
{
	static const struct {
		uint32_t offset, size;
		bool inside;
	} rows[] = {
		{0, 0, true},
		{0, 100, true},
		{99, 1, true},
		{100, 0, true},
		{0, 101, false},
		{100, 1, false},
		{101, 0, false},
		{50, 51, false},
		{1, UINT32_MAX, false},
		{UINT32_MAX, 1, false},
		{UINT32_MAX, UINT32_MAX, false},
	};
	struct flx_msg *msg = message();
	uint8_t *data = flx_append(msg, 100);

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++)
		CU_ASSERT_PTR_EQUAL(flx_at(msg, rows[r].offset, rows[r].size),
				    rows[r].inside ? data + rows[r].offset : NULL);
	rte_pktmbuf_free(&msg->mbuf);
}

static void test_message_grows_and_shrinks_within_its_buffer(void)
{
	struct flx_msg *msg = message();

	CU_ASSERT_PTR_NULL(flx_append(msg, DATA + 1));
	CU_ASSERT_PTR_NULL(flx_append(msg, UINT32_MAX));
	CU_ASSERT_PTR_NOT_NULL(flx_append(msg, DATA));
	CU_ASSERT_PTR_NULL(flx_append(msg, 1));
	CU_ASSERT_FALSE(flx_cut_back(msg, DATA + 1));
	CU_ASSERT_FALSE(flx_cut_front(msg, DATA + 1));
	CU_ASSERT_TRUE(flx_cut_back(msg, 56));
	CU_ASSERT_TRUE(flx_cut_front(msg, 100));
	CU_ASSERT_EQUAL(flx_size(msg), 100);
	/* In front there is what was cut, and the headroom but for the headers: at least 86. */
	CU_ASSERT_EQUAL(RTE_PKTMBUF_HEADROOM - HEADS, 86);
	CU_ASSERT_PTR_NULL(flx_prepend(msg, 100 + 86 + 1));
	CU_ASSERT_PTR_NULL(flx_prepend(msg, UINT32_MAX));
	CU_ASSERT_PTR_NOT_NULL(flx_prepend(msg, 100 + 86));
	CU_ASSERT_PTR_NULL(flx_prepend(msg, 1));
	CU_ASSERT_TRUE(heads_are_whole(msg));
	CU_ASSERT_PTR_NOT_NULL(flx_append(msg, ROOM - HEADS - 286));
	CU_ASSERT_PTR_NULL(flx_append(msg, 1));
	CU_ASSERT_TRUE(flx_cut_front(msg, ROOM - HEADS));
	CU_ASSERT_TRUE(heads_are_whole(msg));
	CU_ASSERT_EQUAL(flx_size(msg), 0);
	CU_ASSERT_FALSE(flx_cut_front(msg, 1));
	CU_ASSERT_FALSE(flx_cut_back(msg, 1));
	rte_pktmbuf_free(&msg->mbuf);
}

/* Against a plain array: whatever is refused changes nothing, and headers always go along. */
static void test_message_keeps_its_bytes_under_random_use(void)
{
	struct flx_random random = {.state = 11};
	uint8_t bytes[ROOM];
	uint32_t size = 0;
	struct flx_msg *msg = message();

	for (uint32_t step = 0; step < 100000; step++) {
		uint32_t by = flx_random_below(&random, 80);
		uint8_t *room;

		switch (flx_random_below(&random, 4)) {
		case 0:
			room = flx_append(msg, by);
			if (room) {
				memset(room, (int)step, by);
				memset(bytes + size, (int)step, by);
				size += by;
			}
			break;
		case 1:
			room = flx_prepend(msg, by);
			if (room) {
				memset(room, (int)step, by);
				memmove(bytes + by, bytes, size);
				memset(bytes, (int)step, by);
				size += by;
			}
			break;
		case 2:
			CU_ASSERT_EQUAL_FATAL(flx_cut_back(msg, by), by <= size);
			size -= by <= size ? by : 0;
			break;
		default:
			CU_ASSERT_EQUAL_FATAL(flx_cut_front(msg, by), by <= size);
			if (by <= size) {
				size -= by;
				memmove(bytes, bytes + by, size);
			}
		}
		CU_ASSERT_FATAL(flx_size(msg) == size && msg->mbuf.pkt_len == size);
		CU_ASSERT_FATAL(msg->mbuf.data_off + size <= msg->mbuf.buf_len);
		CU_ASSERT_FATAL(heads_are_whole(msg));
		CU_ASSERT_FATAL(memcmp(flx_at(msg, 0, size), bytes, size) == 0);
	}
	rte_pktmbuf_free(&msg->mbuf);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_message_at_gives_what_is_inside),
		FLX_TEST(test_message_grows_and_shrinks_within_its_buffer),
		FLX_TEST(test_message_keeps_its_bytes_under_random_use),
		{0},
	};

	if (flx_test_eal())
		return EXIT_FAILURE;
	pool = rte_pktmbuf_pool_create("messages", 3, 0,
				       sizeof(struct flx_msg) - sizeof(struct rte_mbuf), ROOM,
				       SOCKET_ID_ANY);
	return pool ? flx_test_main("message", tests) : EXIT_FAILURE;
}
