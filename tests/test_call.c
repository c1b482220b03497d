/* SPDX-License-Identifier: BSD-3-Clause */
/* What a handler may call, and the verdict of a call. */
#include "tests/calls.h"

/* ------------------------------------------------------------------------------------- verdicts */

static int forward(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)context;
	return flx_send(call, TO_OUT, msg);
}

static int consume(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)call;
	(void)msg;
	(void)context;
	return 0;
}

static int send_twice(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)context;
	CU_ASSERT_EQUAL(flx_send(call, TO_OUT, msg), 0);
	CU_ASSERT_EQUAL(flx_send(call, TO_OUT, msg), -EINVAL);
	return 0; /* fails all the same */
}

static int send_foreign(struct flx_call *call, struct flx_msg *msg, void *context)
{
	static struct flx_msg foreign;

	(void)msg;
	(void)context;
	CU_ASSERT_EQUAL(flx_send(call, TO_OUT, &foreign), -EINVAL);
	return 0;
}

static int send_null(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)context;
	CU_ASSERT_EQUAL(flx_send(call, TO_OUT, msg), 0);
	return flx_send(call, TO_OUT, NULL); /* and the owned one is NULL now, too */
}

static int reply_null(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)context;
	CU_ASSERT_EQUAL(flx_send(call, TO_OUT, msg), 0);
	return flx_reply(call, NULL);
}

static int send_unused_stream(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)context;
	return flx_send(call, UNUSED, msg);
}

static int send_no_stream(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)context;
	return flx_send(call, FLX_STREAMS_MAX, msg);
}

static int send_then_fail(struct flx_call *call, struct flx_msg *msg, void *context)
{
	struct flx_msg *made = flx_alloc(call);

	(void)context;
	CU_ASSERT_PTR_NOT_NULL_FATAL(made);
	CU_ASSERT_PTR_NOT_NULL_FATAL(flx_copy(call, msg));
	CU_ASSERT_EQUAL(flx_send(call, TO_OUT, made), 0);
	CU_ASSERT_EQUAL(flx_send(call, TO_THREE, msg), 0);
	return -EPROTO;
}

static int fail_positive(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)context;
	CU_ASSERT_EQUAL(flx_send(call, TO_OUT, msg), 0);
	return EPROTO;
}

static int fail_beyond_errno(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)call;
	(void)msg;
	(void)context;
	return -4096;
}

/* The first failure counts, whatever is returned. */
static int fail_then_fail_otherwise(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)context;
	CU_ASSERT_EQUAL(flx_reply(call, msg), -ENOTCONN);
	CU_ASSERT_EQUAL(flx_send(call, UNUSED, msg), -EINVAL);
	return -EPROTO;
}

static int alloc_and_keep(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)context;
	CU_ASSERT_PTR_NOT_NULL(flx_alloc(call));
	CU_ASSERT_PTR_NOT_NULL(flx_alloc(call));
	return flx_send(call, TO_OUT, msg);
}

static int alloc_and_send(struct flx_call *call, struct flx_msg *msg, void *context)
{
	struct flx_msg *made = flx_alloc(call);

	(void)context;
	CU_ASSERT_PTR_NOT_NULL_FATAL(made);
	CU_ASSERT_EQUAL(flx_size(made), 0);
	memset(flx_append(made, 3), 1, 3);
	CU_ASSERT_EQUAL(flx_send(call, TO_OUT, made), 0);
	CU_ASSERT_EQUAL(flx_send(call, TO_OUT, msg), 0);
	return 0;
}

static int send_made_twice(struct flx_call *call, struct flx_msg *msg, void *context)
{
	struct flx_msg *made = flx_alloc(call);

	(void)msg;
	(void)context;
	CU_ASSERT_EQUAL(flx_send(call, TO_OUT, made), 0);
	return flx_send(call, TO_OUT, made);
}

/* A copy differs from then on, and goes first when it is sent first. */
static int copy_and_send(struct flx_call *call, struct flx_msg *msg, void *context)
{
	struct flx_msg *copy = flx_copy(call, msg);

	(void)context;
	CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
	CU_ASSERT_EQUAL(flx_size(copy), DATA);
	CU_ASSERT_EQUAL(memcmp(flx_at(copy, 0, DATA), flx_at(msg, 0, DATA), DATA), 0);
	*(uint8_t *)flx_at(copy, 0, 1) = 9;
	CU_ASSERT_EQUAL(flx_send(call, TO_OUT, copy), 0);
	return flx_send(call, TO_OUT, msg);
}

static int fan_out(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)context;
	return flx_send(call, TO_THREE, msg);
}

static int fan_out_to_all(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)context;
	return flx_send(call, TO_ALL, msg);
}

/* Two made and 63 copies are one message too many. */
static int fan_out_beyond_made(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)context;
	CU_ASSERT_EQUAL(flx_send(call, TO_OUT, flx_alloc(call)), 0);
	CU_ASSERT_EQUAL(flx_send(call, TO_OUT, flx_alloc(call)), 0);
	CU_ASSERT_EQUAL(flx_send(call, TO_ALL, msg), -EMSGSIZE);
	return 0;
}

static int alloc_all(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)msg;
	(void)context;
	for (uint32_t i = 0; i < FLX_MADE_MAX; i++) {
		struct flx_msg *made = flx_alloc(call);

		CU_ASSERT_PTR_NOT_NULL_FATAL(made);
		CU_ASSERT_EQUAL(flx_send(call, TO_OUT, made), 0);
	}
	return 0;
}

static int alloc_too_many(struct flx_call *call, struct flx_msg *msg, void *context)
{
	alloc_all(call, msg, context);
	CU_ASSERT_PTR_NULL(flx_alloc(call));
	return 0;
}

/* All that it may make, and its own. */
static int send_all(struct flx_call *call, struct flx_msg *msg, void *context)
{
	alloc_all(call, msg, context);
	flx_send(call, TO_OUT, msg);
	return 0;
}

static int reply_without_origin(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)context;
	CU_ASSERT_EQUAL(flx_reply(call, msg), -ENOTCONN);
	return 0;
}

static int reply_too_large(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)context;
	flx_set_heads(msg, (struct flx_heads){14, 20, 8, FLX_ORIGIN_UDP4});
	CU_ASSERT_PTR_NOT_NULL(flx_append(msg, 150 - 28 - DATA + 1));
	CU_ASSERT_EQUAL(flx_reply(call, msg), -EMSGSIZE);
	return 0;
}

static int send_to_nowhere(struct flx_call *call, struct flx_msg *msg, void *context)
{
	static const struct flx_udp_address to = {.ip = 0x01020304, .port = 1};

	(void)context;
	CU_ASSERT_EQUAL(flx_send_to(call, msg, 7, &to), -ENETUNREACH);
	return 0;
}

static int delete_without_context(struct flx_call *call, struct flx_msg *msg, void *context)
{
	CU_ASSERT_PTR_NULL(context);
	CU_ASSERT_EQUAL(flx_delete(call), -EINVAL);
	return flx_send(call, TO_OUT, msg);
}

static void test_call_settles_each_verdict(void)
{
	static const struct {
		flx_handler_fn handler;
		uint32_t error; /* that it fails under; 0: it succeeds */
		uint64_t consumed;
		uint64_t generated;
		uint32_t out; /* messages that come out */
	} rows[] = {
		{forward, 0, 0, 0, 1},
		{consume, 0, 1, 0, 0},
		{send_twice, EINVAL, 0, 0, 0},
		{send_foreign, EINVAL, 0, 0, 0},
		{send_null, EINVAL, 0, 0, 0},
		{reply_null, EINVAL, 0, 0, 0},
		{send_unused_stream, EINVAL, 0, 0, 0},
		{send_no_stream, EINVAL, 0, 0, 0},
		{send_then_fail, EPROTO, 0, 0, 0},
		{fail_positive, EPROTO, 0, 0, 0},
		{fail_beyond_errno, 0x10000, 0, 0, 0},
		{fail_then_fail_otherwise, ENOTCONN, 0, 0, 0},
		{alloc_and_keep, 0, 2, 2, 1},
		{alloc_and_send, 0, 0, 1, 2},
		{send_made_twice, EINVAL, 0, 0, 0},
		{copy_and_send, 0, 0, 1, 2},
		{fan_out, 0, 0, 2, 3},
		{fan_out_to_all, 0, 0, 63, 64},
		{fan_out_beyond_made, EMSGSIZE, 0, 0, 0},
		{alloc_all, 0, 1, 64, 64},
		{alloc_too_many, EMSGSIZE, 0, 0, 0},
		{send_all, 0, 0, 64, 65},
		{reply_without_origin, ENOTCONN, 0, 0, 0},
		{reply_too_large, EMSGSIZE, 0, 0, 0},
		{send_to_nowhere, ENETUNREACH, 0, 0, 0},
		{delete_without_context, EINVAL, 0, 0, 0},
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		uint32_t error = rows[r].error < FLX_ERRORS ? rows[r].error : 0;
		const struct flx_fluxion_ledger *row;

		world_up(BUFFERS);
		row = call(rows[r].handler);
		if (row->failed != (rows[r].error != 0) || out_count != rows[r].out)
			printf("row %zu: failed %d, %u out\n", r, (int)row->failed, out_count);
		CU_ASSERT_EQUAL(row->handled, rows[r].error == 0);
		CU_ASSERT_EQUAL(row->failed, rows[r].error != 0);
		CU_ASSERT_EQUAL(row->errors[error], rows[r].error != 0);
		CU_ASSERT_EQUAL(row->consumed, rows[r].consumed);
		CU_ASSERT_EQUAL(row->generated, rows[r].generated);
		CU_ASSERT_EQUAL(out_count, rows[r].out);
		/* The call after it is none the worse for it. */
		out_count = 0;
		CU_ASSERT_EQUAL(call(forward)->handled, 1 + (rows[r].error == 0));
		CU_ASSERT_EQUAL(out_count, 1);
		flx_world_fini(&world);
	}
}

static void test_call_sends_in_order(void)
{
	world_up(BUFFERS);
	call(copy_and_send);
	CU_ASSERT(out_first[0] == 9 && out_first[1] == 0x55);
	CU_ASSERT(out_size[0] == DATA && out_size[1] == DATA);
	out_count = 0;
	call(alloc_and_send);
	CU_ASSERT(out_size[0] == 3 && out_size[1] == DATA);
	flx_world_fini(&world);
}

/* --------------------------------------------------------------------------------- nothing left */

static int alloc_without_means(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)context;
	CU_ASSERT_PTR_NULL(flx_alloc(call));
	CU_ASSERT_PTR_NULL(flx_copy(call, msg));
	return 0;
}

static void test_call_alloc_fails_without_credits(void)
{
	int64_t taken;
	const struct flx_fluxion_ledger *row;

	world_up(BUFFERS);
	act = alloc_without_means;
	inject(DATA, 0);
	/* Another worker holds the rest. */
	taken = worker->purse.credits + atomic_exchange(&world.shared.credits.free, 0);
	worker->purse.credits = 0;
	flx_worker_turn(worker);
	worker->purse.credits += taken;
	row = settle();
	CU_ASSERT_EQUAL(row->errors[ENOBUFS], 1);
	CU_ASSERT_EQUAL(row->generated, 0);
	flx_world_fini(&world);
}

/* Wherever the buffers run out in the middle of a fan-out: all of it is undone. */
static void test_call_fan_out_without_buffers_is_undone(void)
{
	for (uint32_t buffers = 1; buffers <= 64; buffers++) {
		const struct flx_fluxion_ledger *row;

		world_up(buffers);
		row = call(fan_out_to_all);
		CU_ASSERT_EQUAL(row->errors[ENOBUFS], buffers < 64);
		CU_ASSERT_EQUAL(row->handled, buffers == 64);
		CU_ASSERT_EQUAL(out_count, buffers < 64 ? 0 : 64);
		flx_world_fini(&world);
	}
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_call_settles_each_verdict),
		FLX_TEST(test_call_sends_in_order),
		FLX_TEST(test_call_alloc_fails_without_credits),
		FLX_TEST(test_call_fan_out_without_buffers_is_undone),
		{0},
	};

	return run_calls("call", tests);
}
