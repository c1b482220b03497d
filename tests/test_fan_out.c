/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fault 47: one message goes to 64 fluxions, one of which is slow. It has a context, and so a worker
 * of its own; the other 63 are where the message is.
 *
 * What the design says: what waits for the slow one holds credits, one each, and nothing else is
 * bounded. So the others go on at full rate until all credits wait there, and at the slow one's rate
 * from then on; what is refused is counted, and what needs one credit goes on all the while.
 */
#include <urcu-qsbr.h>

#include "tests/eal.h"
#include "tests/test.h"
#include "tests/world.h"

#define CREDITS 1024
#define LEAVES	(FLX_DESTINATIONS_MAX - 1) /* that are not slow */
#define WORKERS 2

static struct flx_world world;
static struct flx_worker *fast, *slow; /* where it comes in; whose the slow fluxion is */
static struct flx_ledger ledger;
static uint64_t leaf_count, other_count, slow_count, wrong;
static uint32_t slow_last; /* number of the last message there */

static int fan_out(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)context;
	return flx_send(call, 0, msg);
}

static int leaf(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)call;
	(void)msg;
	(void)context;
	leaf_count++;
	return 0;
}

static int other(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)call;
	(void)msg;
	(void)context;
	other_count++;
	return 0;
}

static int take_slowly(struct flx_call *call, struct flx_msg *msg, void *context)
{
	const uint32_t *number = flx_at(msg, 0, sizeof(*number));

	(void)call;
	(void)context;
	slow_count++;
	wrong += *number <= slow_last;
	slow_last = *number;
	return 0;
}

static void world_up(void)
{
	static struct flx_fluxion fluxions[2 + FLX_DESTINATIONS_MAX];
	static char ids[LEAVES][8];
	static const struct flx_program program = {.name = "fan", FLX_FLUXIONS(fluxions)};
	static const struct flx_world_conf conf = {.workers = WORKERS,
						   .lane_size = 64,
						   .credits = CREDITS,
						   .buffers = CREDITS,
						   .buffer_data = 64};
	uint16_t group;
	uint32_t owner;

	fluxions[0] = (struct flx_fluxion){.id = "in", .listen = {.udp = 7}, .handler = fan_out};
	fluxions[1] = (struct flx_fluxion){.id = "other", .listen = {.udp = 8}, .handler = other};
	fluxions[0].streams[0].type = FLX_STREAM_POST;
	for (uint32_t f = 0; f < LEAVES; f++) {
		snprintf(ids[f], sizeof(ids[f]), "leaf%u", f);
		fluxions[2 + f] = (struct flx_fluxion){.id = ids[f], .handler = leaf};
		fluxions[0].streams[0].to[f] = ids[f];
	}
	fluxions[2 + LEAVES] =
		(struct flx_fluxion){.id = "slow", .context = {.size = 8}, .handler = take_slowly};
	fluxions[0].streams[0].to[LEAVES] = "slow";
	CU_ASSERT_EQUAL_FATAL(flx_world_init(&world, &program, &conf), 0);
	group = world.registry.fluxion[flx_world_number(&world, "slow")].group;
	owner = world.shared.routes->route[group].owner[world.registry.group[group].slice];
	slow = world.shared.workers[owner];
	fast = world.shared.workers[!owner];
}

/* Brings message @number in for "in", or "other"; false: there is no credit, so a port would drop. */
static bool inject(uint32_t which, uint32_t number)
{
	struct flx_msg *msg;

	if (!flx_purse_has(&fast->purse, 1))
		return false;
	msg = (struct flx_msg *)rte_pktmbuf_alloc(world.shared.pool);
	CU_ASSERT_PTR_NOT_NULL_FATAL(msg);
	flx_set_heads(msg, (struct flx_heads){0});
	memcpy(flx_append(msg, sizeof(number)), &number, sizeof(number));
	flx_world_inject(&world, fast->index, (uint16_t)(FLX_FLUXION_FIRST + which), &msg, 1);
	return true;
}

/* Between two turns: none is lost, and what waits is bounded, in messages and in buffers. */
static const struct flx_fluxion_ledger *check(void)
{
	flx_world_ledger(&world, &ledger);
	wrong += ledger.unexplained != 0;
	wrong += ledger.in_flight > CREDITS;
	wrong += flx_world_buffers(&world) + ledger.in_flight != CREDITS;
	wrong += flx_world_credits(&world) + (int64_t)ledger.in_flight != CREDITS;
	return &ledger.fluxion[FLX_FLUXION_FIRST];
}

/* @turns of the fast worker, one message for each of the two; the slow one turns once in @every. */
static void run(uint32_t turns, uint32_t every)
{
	static uint32_t number;

	for (uint32_t turn = 1; turn <= turns; turn++) {
		uint64_t before = other_count;

		inject(0, ++number);
		wrong += !inject(1, 0);
		flx_worker_turn(fast);
		wrong += other_count != before + 1;
		if (every && turn % every == 0)
			flx_worker_turn(slow);
		check();
	}
}

/* Until nothing waits any more: on the lane, or in front of it. */
static void drain(void)
{
	for (uint32_t turn = 0; turn < 100; turn++) {
		flx_worker_turn(fast);
		flx_worker_turn(slow);
	}
}

static void test_fan_out_with_a_slow_leaf_is_bounded_and_loses_nothing(void)
{
	const struct flx_fluxion_ledger *in;
	uint64_t handled;

	world_up();
	/* It stands. The others go on until the credits are out; no turn is without "other". */
	run(3 * CREDITS, 0);
	in = check();
	CU_ASSERT_TRUE(in->handled > CREDITS - 2 * FLX_CREDIT_BLOCK && in->handled <= CREDITS);
	CU_ASSERT_EQUAL(in->handled + in->errors[ENOBUFS], 3 * CREDITS);
	CU_ASSERT_EQUAL(leaf_count, LEAVES * in->handled);
	CU_ASSERT_EQUAL(slow_count, 0);
	handled = in->handled;
	/* At a hundredth of the speed the others have that of it, and no more. */
	run(10000, 100);
	in = check();
	/* But for what the slow one keeps of the credits that came to it. */
	CU_ASSERT_TRUE(in->handled - handled + (uint64_t)slow->purse.keep + FLX_CREDIT_BLOCK >=
		       slow_count);
	CU_ASSERT_TRUE(in->handled <= slow_count + CREDITS);
	CU_ASSERT_TRUE(slow_count >= 100 && in->errors[ENOBUFS] > 3 * CREDITS - handled);
	CU_ASSERT_EQUAL(leaf_count, LEAVES * in->handled);
	/* It is as fast as they again: nothing is refused any more. */
	drain();
	handled = check()->handled;
	CU_ASSERT_EQUAL(slow_count, handled);
	run(1000, 1);
	drain();
	in = check();
	CU_ASSERT_EQUAL(in->handled, handled + 1000);
	CU_ASSERT_EQUAL(slow_count, in->handled);
	CU_ASSERT_EQUAL(leaf_count, LEAVES * in->handled);
	CU_ASSERT_EQUAL(ledger.in_flight, 0);
	CU_ASSERT_EQUAL(flx_world_buffers(&world), CREDITS);
	CU_ASSERT_EQUAL(wrong, 0);
	flx_world_fini(&world);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_fan_out_with_a_slow_leaf_is_bounded_and_loses_nothing),
		{0},
	};

	if (flx_test_eal())
		return EXIT_FAILURE;
	urcu_qsbr_register_thread();
	return flx_test_main("fan out", tests);
}
