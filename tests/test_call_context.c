/* SPDX-License-Identifier: BSD-3-Clause */
/* What becomes of a context by the handlers that it is given to. */
#include <rte_cycles.h>

#include "tests/calls.h"

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

/* A worker that has slept finds over what is over, in the first turn that follows. */
static void test_call_context_is_of_the_time_when_the_turn_begins(void)
{
	static const struct {
		uint64_t slept_ms, found;
	} rows[] = {{0, 0}, {TTL_MS / 2, 1}, {TTL_MS - 1000, 2}, {TTL_MS + 1000, 0}, {0, 1}};
	uint64_t slept_tsc = 0;

	world_up(BUFFERS);
	act = forward_to_single;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		slept_tsc += rows[i].slept_ms * world.shared.tsc_hz / 1000;
		inject(1, 0);
		worker->now_tsc = rte_rdtsc() + slept_tsc;
		settle();
		CU_ASSERT_EQUAL(single_count, i + 1);
		CU_ASSERT_EQUAL(single_seen[i], rows[i].found);
	}
	flx_world_fini(&world);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_call_failure_leaves_the_context),
		FLX_TEST(test_call_refuses_a_reader_to_delete),
		FLX_TEST(test_call_context_is_of_the_time_when_the_turn_begins),
		{0},
	};

	return run_calls("call context", tests);
}
