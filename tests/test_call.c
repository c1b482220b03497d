/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a handler may call, through a worker that has no thread: each test sets what the handler of
 * "in" does, lets one message in, and looks at what came of it.
 */
#include <urcu-qsbr.h>

#include "tests/eal.h"
#include "tests/test.h"
#include "tests/world.h"

#define BUFFERS 256
#define CREDITS 256
#define DATA	100 /* bytes of the message that comes in */

/* Streams of "in". */
enum { TO_OUT, TO_THREE, TO_ALL, TO_SINGLE, TO_READER, UNUSED };

static struct flx_world world;
static struct flx_worker *worker;
static struct flx_ledger ledger;
static flx_handler_fn act;	 /* what "in" does */
static uint32_t out_count;	 /* messages that any "outNN" got */
static uint32_t out_size[128];	 /* bytes of each */
static uint8_t out_first[128];	 /* first byte of each */
static uint64_t single_seen[32]; /* the count that "single" found */
static uint32_t single_count;

static int in(struct flx_call *call, struct flx_msg *msg, void *context)
{
	return act(call, msg, context);
}

static int out(struct flx_call *call, struct flx_msg *msg, void *context)
{
	const uint8_t *first = flx_at(msg, 0, 1);

	(void)call;
	(void)context;
	out_first[out_count] = first ? *first : 0;
	out_size[out_count++] = flx_size(msg);
	return 0;
}

/* Counts in its context, then fails when the message says so; by FAIL_DELETING it deletes first. */
#define FAIL	      0xff
#define FAIL_DELETING 0xfe
static int single(struct flx_call *call, struct flx_msg *msg, void *context)
{
	const uint8_t *first = flx_at(msg, 0, 1);
	uint64_t *count = context;

	single_seen[single_count++] = *count;
	++*count;
	if (first && *first == FAIL_DELETING)
		CU_ASSERT_EQUAL(flx_delete(call), 0);
	return first && *first >= FAIL_DELETING ? -EPROTO : 0;
}

/* Has a context that it must not delete; the batch of "single" before it could. */
static int reader(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)msg;
	CU_ASSERT_PTR_NOT_NULL(context);
	CU_ASSERT_EQUAL(flx_delete(call), -EINVAL);
	return 0;
}

static void world_up(uint32_t buffers)
{
	static struct flx_fluxion fluxions[3 + FLX_DESTINATIONS_MAX];
	static char ids[FLX_DESTINATIONS_MAX][8];
	static const struct flx_program program = {.name = "call", FLX_FLUXIONS(fluxions)};
	static const struct flx_world_conf conf = {
		.workers = 1, .lane_size = 64, .credits = CREDITS, .buffer_data = 256};
	struct flx_world_conf with_buffers = conf;
	struct flx_stream *streams = fluxions[0].streams;

	memset(fluxions, 0, sizeof(fluxions));
	fluxions[0] = (struct flx_fluxion){.id = "in", .listen = {.udp = 7}, .handler = in};
	fluxions[1] = (struct flx_fluxion){
		.id = "single", .context = {.size = sizeof(uint64_t)}, .handler = single};
	for (uint32_t f = 0; f < FLX_DESTINATIONS_MAX; f++) {
		snprintf(ids[f], sizeof(ids[f]), "out%u", f);
		fluxions[2 + f] = (struct flx_fluxion){.id = ids[f], .handler = out};
		streams[TO_ALL].to[f] = ids[f];
	}
	fluxions[2 + FLX_DESTINATIONS_MAX] =
		(struct flx_fluxion){.id = "reader",
				     .context = {.size = sizeof(uint64_t), .readonly = true},
				     .handler = reader};
	streams[TO_ALL].type = FLX_STREAM_POST;
	streams[TO_OUT] = (struct flx_stream){FLX_STREAM_START, {"out0"}};
	streams[TO_THREE] = (struct flx_stream){FLX_STREAM_POST, {"out1", "out2", "out3"}};
	streams[TO_SINGLE] = (struct flx_stream){FLX_STREAM_POST, {"single"}};
	streams[TO_READER] = (struct flx_stream){FLX_STREAM_POST, {"reader"}};
	with_buffers.buffers = buffers;
	CU_ASSERT_EQUAL_FATAL(flx_world_init(&world, &program, &with_buffers), 0);
	worker = world.shared.workers[0];
	/* As a port of 1,500 bytes MTU would be, for flx_reply and flx_send_to. */
	world.shared.edge[0].mtu = 150;
	out_count = single_count = 0;
}

/* Lets one message in, of @size bytes, all of them @byte. */
static void inject(uint32_t size, uint8_t byte)
{
	struct flx_msg *msg = (struct flx_msg *)rte_pktmbuf_alloc(world.shared.pool);

	CU_ASSERT_PTR_NOT_NULL_FATAL(msg);
	CU_ASSERT_TRUE_FATAL(flx_purse_has(&worker->purse, 1));
	flx_set_heads(msg, (struct flx_heads){0});
	msg->mbuf.port = 0;
	memset(flx_append(msg, size), byte, size);
	flx_world_inject(&world, 0, FLX_FLUXION_FIRST, &msg, 1);
}

/* Turns until all is still; nothing may be lost on the way. */
static const struct flx_fluxion_ledger *settle(void)
{
	for (uint32_t turn = 0; turn < 4; turn++) {
		flx_worker_turn(worker);
		flx_world_ledger(&world, &ledger);
		CU_ASSERT_EQUAL(ledger.unexplained, 0);
	}
	CU_ASSERT_EQUAL(ledger.in_flight, 0);
	CU_ASSERT_EQUAL(flx_world_credits(&world), CREDITS);
	CU_ASSERT_EQUAL(flx_world_buffers(&world), world.conf.buffers);
	return &ledger.fluxion[FLX_FLUXION_FIRST];
}

/* One message through @handler; the row of "in". */
static const struct flx_fluxion_ledger *call(flx_handler_fn handler)
{
	act = handler;
	inject(DATA, 0x55);
	return settle();
}

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

/* ---------------------------------------------------------------------------------- the context */

static int forward_to_single(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)context;
	return flx_send(call, TO_SINGLE, msg);
}

static void test_call_failure_leaves_the_context(void)
{
	/* The count that each one finds does not rise by a failure, nor begin again. */
	static const uint8_t bytes[] = {FAIL, 0, 0, FAIL, FAIL_DELETING, 0, FAIL_DELETING, 0};
	static const uint64_t found[] = {0, 0, 1, 2, 2, 2, 3, 3};

	world_up(BUFFERS);
	act = forward_to_single;
	for (size_t i = 0; i < sizeof(bytes); i++)
		inject(1, bytes[i]); /* one batch */
	settle();
	CU_ASSERT_EQUAL_FATAL(single_count, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++)
		CU_ASSERT_EQUAL(single_seen[i], found[i]);
	CU_ASSERT_EQUAL(ledger.fluxion[FLX_FLUXION_FIRST + 1].failed, 4);
	CU_ASSERT_EQUAL(ledger.fluxion[FLX_FLUXION_FIRST + 1].errors[EPROTO], 4);
	flx_world_fini(&world);
}

static int forward_to_reader(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)context;
	return flx_send(call, TO_READER, msg);
}

static void test_call_refuses_a_reader_to_delete(void)
{
	const struct flx_fluxion_ledger *row;

	world_up(BUFFERS);
	call(forward_to_single);
	call(forward_to_reader);
	row = &ledger.fluxion[flx_world_number(&world, "reader")];
	CU_ASSERT(row->failed == 1 && row->errors[EINVAL] == 1);
	flx_world_fini(&world);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_call_settles_each_verdict),
		FLX_TEST(test_call_sends_in_order),
		FLX_TEST(test_call_alloc_fails_without_credits),
		FLX_TEST(test_call_fan_out_without_buffers_is_undone),
		FLX_TEST(test_call_failure_leaves_the_context),
		FLX_TEST(test_call_refuses_a_reader_to_delete),
		{0},
	};

	if (flx_test_eal())
		return EXIT_FAILURE;
	urcu_qsbr_register_thread();
	return flx_test_main("call", tests);
}
