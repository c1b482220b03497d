/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a batch handler may call: each row lets a batch into "in", and looks at what came of it.
 */
#include <urcu-qsbr.h>

#include "tests/eal.h"
#include "tests/test.h"
#include "tests/world.h"

#define BUFFERS 256
#define CREDITS 256
#define BATCH	10

enum { TO_OUT, TO_OTHER, TO_BOTH };

static struct flx_world world;
static struct flx_ledger ledger;
static flx_batch_fn act;
static uint32_t out_count;
static uint8_t out_first[2 * FLX_BATCH]; /* first byte of each that came out, in order */

static int in(struct flx_call *call, const struct flx_elem *batch, uint32_t count)
{
	return act(call, batch, count);
}

static int out(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)call;
	(void)context;
	out_first[out_count++] = *(uint8_t *)flx_at(msg, 0, 1);
	return 0;
}

static struct flx_fluxion fluxions[] = {
	{.id = "in",
	 .listen = {.udp = 7},
	 .batch = in,
	 .streams = {{FLX_STREAM_START, {"out"}},
		     {FLX_STREAM_POST, {"other"}},
		     {FLX_STREAM_POST, {"out", "other"}}}},
	{.id = "out", .handler = out},
	{.id = "other", .handler = out},
};

/* --------------------------------------------------------------------------------- the handlers */

static int send_all(struct flx_call *call, const struct flx_elem *batch, uint32_t count)
{
	CU_ASSERT_EQUAL(count, BATCH);
	return flx_send_batch(call, TO_OUT, batch, count);
}

static int consume_all(struct flx_call *call, const struct flx_elem *batch, uint32_t count)
{
	(void)call, (void)batch, (void)count;
	return 0;
}

static int split(struct flx_call *call, const struct flx_elem *batch, uint32_t count)
{
	CU_ASSERT_EQUAL(flx_send_batch(call, TO_OUT, batch, 4), 0);
	CU_ASSERT_EQUAL(flx_send_batch(call, TO_OTHER, batch + 4, 3), 0);
	return count == BATCH ? 0 : -1; /* three are left */
}

static int send_and_fail(struct flx_call *call, const struct flx_elem *batch, uint32_t count)
{
	CU_ASSERT_EQUAL(flx_send_batch(call, TO_OUT, batch, count), 0);
	return -EPROTO;
}

static int send_with_a_gap(struct flx_call *call, const struct flx_elem *batch, uint32_t count)
{
	CU_ASSERT_EQUAL(flx_send_batch(call, TO_OUT, batch + 1, count - 1), -EINVAL);
	return 0;
}

static int send_twice(struct flx_call *call, const struct flx_elem *batch, uint32_t count)
{
	CU_ASSERT_EQUAL(flx_send_batch(call, TO_OUT, batch, count), 0);
	CU_ASSERT_EQUAL(flx_send_batch(call, TO_OUT, batch, count), -EINVAL);
	return 0;
}

static int send_too_many(struct flx_call *call, const struct flx_elem *batch, uint32_t count)
{
	CU_ASSERT_EQUAL(flx_send_batch(call, TO_OUT, batch, count + 1), -EINVAL);
	return 0;
}

static int send_to_both(struct flx_call *call, const struct flx_elem *batch, uint32_t count)
{
	CU_ASSERT_EQUAL(flx_send_batch(call, TO_BOTH, batch, count), -EINVAL);
	return 0;
}

static int send_on_no_stream(struct flx_call *call, const struct flx_elem *batch, uint32_t count)
{
	CU_ASSERT_EQUAL(flx_send_batch(call, FLX_STREAMS_MAX, batch, count), -EINVAL);
	return 0;
}

static int send_one_by_flx_send(struct flx_call *call, const struct flx_elem *batch, uint32_t count)
{
	(void)count;
	CU_ASSERT_EQUAL(flx_send(call, TO_OUT, batch[0].msg), -EINVAL);
	return 0;
}

static int make(struct flx_call *call, const struct flx_elem *batch, uint32_t count)
{
	struct flx_msg *made = flx_alloc(call);

	*(uint8_t *)flx_append(made, 1) = 99;
	CU_ASSERT_EQUAL(flx_send(call, TO_OUT, made), 0);
	CU_ASSERT_PTR_NOT_NULL(flx_copy(call, batch[0].msg)); /* never sent */
	return flx_send_batch(call, TO_OUT, batch, count);
}

static int make_and_fail(struct flx_call *call, const struct flx_elem *batch, uint32_t count)
{
	make(call, batch, count);
	return -EPROTO;
}

/* ------------------------------------------------------------------------------------ the tests */

static void inject(void)
{
	struct flx_msg *msgs[BATCH];

	for (uint32_t i = 0; i < BATCH; i++) {
		msgs[i] = (struct flx_msg *)rte_pktmbuf_alloc(world.shared.pool);
		flx_set_heads(msgs[i], (struct flx_heads){0});
		*(uint8_t *)flx_append(msgs[i], 1) = (uint8_t)i;
	}
	CU_ASSERT_TRUE_FATAL(flx_purse_has(&world.shared.workers[0]->purse, BATCH));
	flx_world_inject(&world, 0, FLX_FLUXION_FIRST, msgs, BATCH);
	for (uint32_t turn = 0; turn < 3; turn++) {
		flx_worker_turn(world.shared.workers[0]);
		flx_world_ledger(&world, &ledger);
		CU_ASSERT_EQUAL(ledger.unexplained, 0);
	}
	CU_ASSERT_EQUAL(ledger.in_flight, 0);
	CU_ASSERT_EQUAL(flx_world_credits(&world), CREDITS);
	CU_ASSERT_EQUAL(flx_world_buffers(&world), BUFFERS);
}

static void test_batch_is_settled_as_a_whole(void)
{
	static const struct flx_program program = {.name = "batch", FLX_FLUXIONS(fluxions)};
	static const struct flx_world_conf conf = {.workers = 1,
						   .lane_size = 64,
						   .credits = CREDITS,
						   .buffers = BUFFERS,
						   .buffer_data = 256};
	static const struct {
		flx_batch_fn batch;
		uint32_t error; /* that all fail under; 0: none does */
		uint64_t consumed, generated;
		uint32_t out;
		int first; /* byte of the first that comes out */
	} rows[] = {
		{send_all, 0, 0, 0, BATCH, 0},
		{consume_all, 0, BATCH, 0, 0, 0},
		{split, 0, 3, 0, 7, 0},
		{send_and_fail, EPROTO, 0, 0, 0, 0},
		{send_with_a_gap, EINVAL, 0, 0, 0, 0},
		{send_twice, EINVAL, 0, 0, 0, 0},
		{send_too_many, EINVAL, 0, 0, 0, 0},
		{send_to_both, EINVAL, 0, 0, 0, 0},
		{send_on_no_stream, EINVAL, 0, 0, 0, 0},
		{send_one_by_flx_send, EINVAL, 0, 0, 0, 0},
		{make, 0, 1, 2, BATCH + 1, 99},
		{make_and_fail, EPROTO, 0, 0, 0, 0},
	};

	CU_ASSERT_EQUAL_FATAL(flx_world_init(&world, &program, &conf), 0);
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		struct flx_fluxion_ledger before = ledger.fluxion[FLX_FLUXION_FIRST];
		const struct flx_fluxion_ledger *row = &ledger.fluxion[FLX_FLUXION_FIRST];
		uint32_t error = rows[r].error;

		out_count = 0;
		act = rows[r].batch;
		inject();
		CU_ASSERT_EQUAL(row->handled - before.handled, error ? 0 : BATCH);
		CU_ASSERT_EQUAL(row->failed - before.failed, error ? BATCH : 0);
		CU_ASSERT_EQUAL(row->errors[error] - before.errors[error], error ? BATCH : 0);
		CU_ASSERT_EQUAL(row->consumed - before.consumed, rows[r].consumed);
		CU_ASSERT_EQUAL(row->generated - before.generated, rows[r].generated);
		CU_ASSERT_EQUAL(out_count, rows[r].out);
		CU_ASSERT_EQUAL(rows[r].out ? out_first[0] : 0, rows[r].first);
		/* Those of the batch that came out did so in order. */
		for (uint32_t i = rows[r].first == 99; i < out_count; i++)
			CU_ASSERT_EQUAL(out_first[i], i - (rows[r].first == 99));
	}
	flx_world_fini(&world);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_batch_is_settled_as_a_whole),
		{0},
	};
	int status;

	if (flx_test_eal())
		return EXIT_FAILURE;
	urcu_qsbr_register_thread();
	status = flx_test_main("batch", tests);
	urcu_qsbr_unregister_thread();
	return status;
}
