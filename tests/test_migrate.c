/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Single moves, step by step. What they promise when messages are under way is for tests/sim,
 * tests/stress_move.c and tests/model.
 */
#include <errno.h>

#include <urcu-qsbr.h>

#include "scheduler/migrate.h"
#include "tests/eal.h"
#include "tests/test.h"
#include "tests/world.h"

#define WORKERS 3
#define BUCKETS 16

static struct flx_world world;
static struct flx_migrate *migrate;
static uint64_t now_tsc;

enum { KEYED, LOCAL };

static int consume(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)call;
	(void)msg;
	(void)context;
	return 0;
}

static int key_by_bytes(const struct flx_msg *msg, void *key)
{
	const void *bytes = flx_at(msg, 0, sizeof(uint32_t));

	memcpy(key, bytes, sizeof(uint32_t));
	return 0;
}

static struct flx_fluxion fluxions[] = {
	{
		.id = "keyed",
		.listen = {.udp = 1},
		.handler = consume,
		.key = {.extract = key_by_bytes, .size = sizeof(uint32_t)},
	},
	{.id = "local", .listen = {.udp = 2}, .handler = consume},
};

static const struct flx_program program = {.name = "migrate", FLX_FLUXIONS(fluxions)};

static void begin_of(uint32_t lane_size, uint32_t credits)
{
	const struct flx_world_conf conf = {
		.workers = WORKERS,
		.lane_size = lane_size,
		.credits = credits,
		.buffers = credits,
		.buffer_data = 64,
		.reta_size = BUCKETS,
		.rx_descs = 64,
	};

	CU_ASSERT_EQUAL_FATAL(flx_world_init(&world, &program, &conf), 0);
	migrate = &world.shared.migrate;
	now_tsc = 1000;
}

static void begin(void)
{
	begin_of(4, 1024);
}

static void end(void)
{
	CU_ASSERT_EQUAL(flx_migrate_under_way(migrate), 0);
	CU_ASSERT_EQUAL(flx_world_credits(&world), world.conf.credits);
	CU_ASSERT_EQUAL(flx_world_buffers(&world), world.conf.buffers);
	flx_world_fini(&world);
}

static void turn(uint32_t w)
{
	world.shared.workers[w]->now_tsc = ++now_tsc;
	flx_worker_turn(world.shared.workers[w]);
}

static void turn_all(uint32_t times)
{
	for (uint32_t i = 0; i < times; i++)
		for (uint32_t w = 0; w < WORKERS; w++)
			turn(w);
}

/* Slice 3 of KEYED, which is worker 0's, to worker 1. */
static const struct flx_move_request there = {
	.of = KEYED, .from = 0, .to = 1, .count = 1, .number = {3}};

static uint32_t owner(void)
{
	return flx_route_owner(&world.shared.routes->route[KEYED], 3);
}

static uint32_t flag(uint32_t w)
{
	return flx_flag(&world.shared.workers[w]->mover.flags[KEYED], 3);
}

static enum flx_move_state reap(struct flx_move_times *times)
{
	struct flx_move_request request;

	return flx_migrate_reap(migrate, &request, times);
}

/* Messages for @slice of KEYED, which come in at worker @w. */
static void inject_slice(uint32_t slice, uint32_t w, uint32_t count)
{
	uint32_t key = 0;

	while (flx_slice_of_key((const uint8_t *)&key, sizeof(key)) != slice)
		key++;
	for (uint32_t i = 0; i < count; i++) {
		struct flx_msg *msg = (struct flx_msg *)rte_pktmbuf_alloc(world.shared.pool);

		CU_ASSERT_PTR_NOT_NULL_FATAL(msg);
		CU_ASSERT_TRUE_FATAL(flx_purse_has(&world.shared.workers[w]->purse, 1));
		flx_set_heads(msg, (struct flx_heads){0});
		memcpy(flx_append(msg, sizeof(key)), &key, sizeof(key));
		flx_world_inject(&world, w, FLX_FLUXION_FIRST + KEYED, &msg, 1);
	}
}

static void inject(uint32_t w, uint32_t count)
{
	inject_slice(3, w, count);
}

static void test_migrate_refuses_what_cannot_be_moved(void)
{
	const struct flx_move_request rows[] = {
		{.of = KEYED, .from = 0, .to = 0, .count = 1, .number = {3}}, /* to itself */
		{.of = KEYED, .from = 1, .to = 2, .count = 1, .number = {3}}, /* not its owner */
		{.of = KEYED, .from = 0, .to = 1, .count = 2, .number = {3, 4}},
		{.of = KEYED, .from = 0, .to = WORKERS, .count = 1, .number = {3}},
		{.of = KEYED, .from = WORKERS, .to = 0, .count = 1, .number = {3}},
		{.of = KEYED, .from = 0, .to = 1, .count = 0},
		{.of = KEYED, .from = 0, .to = 1, .count = FLX_MOVE_MAX + 1},
		{.of = KEYED, .from = 0, .to = 1, .count = 1, .number = {FLX_SLICES}},
		{.of = LOCAL, .from = 0, .to = 1, .count = 1, .number = {3}},
		{.of = 2, .from = 0, .to = 1, .count = 1, .number = {3}},
		{.kind = FLX_MOVE_BUCKETS, .of = 0, .to = 1, .count = 1, .number = {BUCKETS}},
		{.kind = FLX_MOVE_BUCKETS, .of = 1, .to = 1, .count = 1, .number = {0}},
	};

	begin();
	for (size_t i = 0; i < RTE_DIM(rows); i++)
		CU_ASSERT_EQUAL(flx_migrate_request(migrate, &rows[i], 0), -EINVAL);
	CU_ASSERT_EQUAL(flx_migrate_under_way(migrate), 0);
	end();
}

static void test_migrate_takes_as_many_as_it_has_places_for(void)
{
	struct flx_move_request request = there;
	struct flx_move_times times;

	begin();
	for (uint32_t m = 0; m < FLX_MOVES_MAX; m++) {
		request.number[0] = (uint16_t)(3 + 3 * m);
		CU_ASSERT_EQUAL(flx_migrate_request(migrate, &request, 0), (int)m);
	}
	request.number[0] = 300;
	CU_ASSERT_EQUAL(flx_migrate_request(migrate, &request, 0), -EBUSY);
	turn_all(20);
	for (uint32_t m = 0; m < FLX_MOVES_MAX; m++)
		CU_ASSERT_EQUAL(reap(&times), FLX_MOVE_DONE);
	CU_ASSERT_EQUAL(reap(&times), FLX_MOVE_FREE);
	end();
}

static void test_migrate_refuses_what_is_under_way(void)
{
	/* Slice 3 after another one, which is worker 1's: what it is refused for must be found. */
	const struct flx_move_request back = {
		.of = KEYED, .from = 1, .to = 0, .count = 2, .number = {4, 3}};
	struct flx_move_times times;

	begin();
	CU_ASSERT_EQUAL(flx_migrate_request(migrate, &there, now_tsc), 0);
	CU_ASSERT_EQUAL(flx_migrate_request(migrate, &there, now_tsc), -EBUSY);
	/* When its route leads to the target, it looks as if it could go back. */
	for (uint32_t t = 0; t < 20 && owner() == 0; t++)
		turn(t % WORKERS);
	CU_ASSERT_EQUAL(flx_migrate_state(migrate, 0), FLX_MOVE_ROUTED);
	CU_ASSERT_EQUAL(flx_migrate_request(migrate, &back, now_tsc), -EBUSY);
	CU_ASSERT_EQUAL(flx_migrate_under_way(migrate), 1);
	turn_all(20);
	CU_ASSERT_EQUAL(flx_migrate_request(migrate, &back, now_tsc), -EBUSY);
	CU_ASSERT_EQUAL(reap(&times), FLX_MOVE_DONE);
	CU_ASSERT_EQUAL(flx_migrate_request(migrate, &back, now_tsc), 0);
	turn_all(20);
	CU_ASSERT_EQUAL(reap(&times), FLX_MOVE_DONE);
	CU_ASSERT_EQUAL(flag(0), FLX_SLICE_LIVE);
	CU_ASSERT_EQUAL(owner(), 0);
	end();
}

static void test_migrate_goes_step_by_step(void)
{
	struct flx_move_times times;
	uint64_t since_tsc;
	int m;

	begin();
	m = flx_migrate_request(migrate, &there, now_tsc);
	CU_ASSERT_EQUAL_FATAL(m, 0);
	CU_ASSERT_EQUAL(flx_migrate_holder(migrate, 0, &since_tsc), 0);
	CU_ASSERT_TRUE(flx_worker_has_work(world.shared.workers[0]));
	turn(0);
	CU_ASSERT_EQUAL(flx_migrate_state(migrate, 0), FLX_MOVE_ANNOUNCED);
	CU_ASSERT_EQUAL(flag(1), FLX_SLICE_ARRIVING);
	CU_ASSERT_EQUAL(owner(), 0);
	/* The grace period is not over as long as one of the others has not ended a turn. */
	turn(1);
	turn(0);
	turn(0);
	CU_ASSERT_EQUAL(flx_migrate_state(migrate, 0), FLX_MOVE_ANNOUNCED);
	CU_ASSERT_EQUAL(flx_migrate_holder(migrate, 0, &since_tsc), 2);
	/* One that sleeps is not waited for. */
	atomic_store(&world.shared.workers[2]->pulse.away, 1);
	turn(0);
	CU_ASSERT_EQUAL(flx_migrate_state(migrate, 0), FLX_MOVE_ROUTED);
	CU_ASSERT_EQUAL(owner(), 1);
	atomic_store(&world.shared.workers[2]->pulse.away, 0);
	/* What is sent now waits at the target. */
	inject(2, 3);
	turn(2);
	turn(1);
	CU_ASSERT_EQUAL(world.shared.workers[1]->mover.parked_count, 3);
	CU_ASSERT_EQUAL(flag(0), FLX_SLICE_LIVE);
	turn(0);
	CU_ASSERT_EQUAL(flx_migrate_state(migrate, 0), FLX_MOVE_HANDED);
	CU_ASSERT_EQUAL(flag(0), FLX_SLICE_DEPARTED);
	CU_ASSERT_EQUAL(flag(1), FLX_SLICE_ARRIVING);
	CU_ASSERT_TRUE(flx_worker_has_work(world.shared.workers[1]));
	turn(1);
	CU_ASSERT_EQUAL(flx_migrate_state(migrate, 0), FLX_MOVE_DONE);
	CU_ASSERT_EQUAL(flag(1), FLX_SLICE_LIVE);
	CU_ASSERT_EQUAL(world.shared.workers[1]->mover.parked_count, 0);
	CU_ASSERT_EQUAL(reap(&times), FLX_MOVE_DONE);
	CU_ASSERT_EQUAL(times.parked_count, 3);
	CU_ASSERT(times.parked_tsc && times.drained_tsc >= times.parked_tsc);
	end();
}

/* What a turn of worker @w has handled. */
static uint64_t handled_in_turn(uint32_t w)
{
	uint64_t handled = world.shared.workers[w]->handled;

	turn(w);
	return world.shared.workers[w]->handled - handled;
}

static void test_migrate_lets_workers_hurry_while_messages_wait(void)
{
	const struct flx_move_request back = {
		.of = KEYED, .from = 1, .to = 0, .count = 1, .number = {3}};
	const struct flx_lane *lane[2];
	struct flx_move_times times;

	begin_of(512, 1024);
	for (uint32_t w = 0; w < 2; w++) {
		lane[w] = &world.shared.lanes[2 * WORKERS + w];
		inject_slice(3 + w, 2, 400); /* the slices of these workers */
	}
	turn(2);
	for (uint32_t w = 0; w < 2; w++) {
		CU_ASSERT_EQUAL(flx_lane_count(lane[w]), 400);
		CU_ASSERT_EQUAL(handled_in_turn(w), FLX_BATCH);
		CU_ASSERT_EQUAL(flx_lane_count(lane[w]), 400 - FLX_BATCH);
	}
	CU_ASSERT_EQUAL(flx_migrate_request(migrate, &there, now_tsc), 0);
	turn(0);
	CU_ASSERT_EQUAL(flx_migrate_state(migrate, 0), FLX_MOVE_ANNOUNCED);
	/* All take what lies on their lanes, and handle little of it. */
	for (uint32_t w = 0; w < 2; w++)
		CU_ASSERT_EQUAL(handled_in_turn(w), FLX_BATCH_HURRIED);
	for (uint32_t w = 0; w < 2; w++)
		CU_ASSERT_EQUAL(flx_lane_count(lane[w]), 0);
	/* Its route stays while the source gets through what lies there, but not for ever. */
	turn(2);
	turn(0);
	for (uint32_t t = 0; t < 2; t++) {
		/* As many as lie in a row. */
		CU_ASSERT_TRUE(handled_in_turn(0) > FLX_BATCH_HURRIED);
		CU_ASSERT_EQUAL(flx_migrate_state(migrate, 0), FLX_MOVE_PREPARING);
		CU_ASSERT_EQUAL(owner(), 0);
	}
	now_tsc += migrate->hurry_tsc;
	turn(0);
	CU_ASSERT_EQUAL(flx_migrate_state(migrate, 0), FLX_MOVE_ROUTED);
	/* A move that is stuck slows the others down for a while only. */
	CU_ASSERT_EQUAL(handled_in_turn(1), FLX_BATCH_HURRIED);
	now_tsc += migrate->hurry_tsc;
	turn(1);
	CU_ASSERT_EQUAL(handled_in_turn(1), FLX_BATCH);
	turn_all(20);
	CU_ASSERT_EQUAL(reap(&times), FLX_MOVE_DONE);
	CU_ASSERT_EQUAL(world.shared.workers[0]->mover.vectors_waited[KEYED], 0);
	/* The same when it is undone. */
	CU_ASSERT_EQUAL(flx_migrate_request(migrate, &back, now_tsc), 0);
	inject(1, 100);
	for (uint32_t t = 0; t < 3; t++)
		turn((1 + t) % WORKERS);
	inject(1, 300);
	turn(1);
	CU_ASSERT_EQUAL(flx_migrate_state(migrate, 0), FLX_MOVE_PREPARING);
	CU_ASSERT_EQUAL(world.shared.workers[1]->mover.vectors_waited[KEYED], 1);
	flx_migrate_undo(migrate, 0);
	turn(1);
	CU_ASSERT_EQUAL(reap(&times), FLX_MOVE_UNDONE);
	CU_ASSERT_EQUAL(world.shared.workers[1]->mover.vectors_waited[KEYED], 0);
	turn_all(40);
	end();
}

static void test_migrate_is_undone_before_anything_was_sent_there(void)
{
	struct flx_move_times times;

	begin();
	CU_ASSERT_EQUAL(flx_migrate_request(migrate, &there, now_tsc), 0);
	turn(0);
	flx_migrate_undo(migrate, 0);
	turn(0);
	CU_ASSERT_EQUAL(flx_migrate_state(migrate, 0), FLX_MOVE_UNDONE);
	CU_ASSERT_EQUAL(flag(1), FLX_SLICE_DEPARTED);
	CU_ASSERT_EQUAL(flag(0), FLX_SLICE_LIVE);
	CU_ASSERT_EQUAL(owner(), 0);
	CU_ASSERT_EQUAL(reap(&times), FLX_MOVE_UNDONE);
	end();
}

static void test_migrate_is_undone_after_the_source_has_drained(void)
{
	struct flx_move_times times;

	begin();
	CU_ASSERT_EQUAL(flx_migrate_request(migrate, &there, now_tsc), 0);
	turn(0);
	turn(1);
	turn(2);
	turn(0); /* routed */
	turn(1);
	turn(2);
	/* The lane to worker 2 is not taken: the hand-over has to wait. */
	flx_migrate_undo(migrate, 0);
	world.shared.lanes[0 * WORKERS + 2].put++;
	inject(2, 5);
	turn(2);
	turn(1);
	turn(0);
	CU_ASSERT_EQUAL(flx_migrate_state(migrate, 0), FLX_MOVE_BACK_ROUTED);
	CU_ASSERT_EQUAL(owner(), 0);
	CU_ASSERT_EQUAL(flag(0), FLX_SLICE_ARRIVING);
	inject(2, 2);
	world.shared.lanes[0 * WORKERS + 2].put--;
	turn_all(10);
	CU_ASSERT_EQUAL(flx_migrate_state(migrate, 0), FLX_MOVE_UNDONE);
	CU_ASSERT_EQUAL(flag(0), FLX_SLICE_LIVE);
	CU_ASSERT_EQUAL(flag(1), FLX_SLICE_DEPARTED);
	CU_ASSERT_EQUAL(reap(&times), FLX_MOVE_UNDONE);
	CU_ASSERT_EQUAL(times.parked_count, 7);
	end();
}

static void test_migrate_moves_buckets_when_their_table_is_written(void)
{
	const struct flx_move_request request = {
		.kind = FLX_MOVE_BUCKETS, .from = 0, .to = 1, .count = 2, .number = {0, 5}};
	struct flx_move_times times;
	uint64_t since_tsc;

	begin();
	CU_ASSERT_EQUAL(flx_migrate_request(migrate, &request, now_tsc), 0);
	turn_all(3);
	CU_ASSERT_EQUAL(flx_migrate_state(migrate, 0), FLX_MOVE_READY);
	CU_ASSERT_EQUAL(world.shared.workers[1]->mover.buckets[0][5], FLX_SLICE_ARRIVING);
	CU_ASSERT_EQUAL(world.shared.workers[1]->mover.buckets[0][4], 0);
	flx_migrate_written(migrate, 0, now_tsc, now_tsc + 100);
	CU_ASSERT_EQUAL(flx_migrate_holder(migrate, 0, &since_tsc), -1);
	turn_all(5);
	CU_ASSERT_EQUAL(flx_migrate_state(migrate, 0), FLX_MOVE_SETTLING);
	now_tsc += 100;
	turn_all(5);
	/* Until the source has seen its queue empty. */
	CU_ASSERT_EQUAL(flx_migrate_state(migrate, 0), FLX_MOVE_QUEUE);
	flx_world_poll(&world, 0, NULL, 0);
	turn_all(5);
	CU_ASSERT_EQUAL(reap(&times), FLX_MOVE_DONE);
	CU_ASSERT_EQUAL(world.shared.workers[1]->mover.buckets[0][5], 0);
	end();
}

static void test_migrate_waits_for_no_queue_that_is_not_polled_any_more(void)
{
	const struct flx_move_request request = {
		.kind = FLX_MOVE_BUCKETS, .from = 0, .to = 1, .count = 1, .number = {0}};
	struct flx_move_times times;

	begin();
	CU_ASSERT_EQUAL(flx_migrate_request(migrate, &request, now_tsc), 0);
	turn_all(3);
	flx_migrate_written(migrate, 0, now_tsc, now_tsc);
	turn_all(3);
	CU_ASSERT_EQUAL(flx_migrate_state(migrate, 0), FLX_MOVE_QUEUE);
	atomic_store(&world.shared.state, FLX_DRAIN);
	turn_all(5);
	CU_ASSERT_EQUAL(reap(&times), FLX_MOVE_DONE);
	end();
}

static uint32_t yields;

/* In place of the C library's. */
int sched_yield(void)
{
	yields++;
	return 0;
}

static void test_migrate_lets_others_run_while_it_waits_for_them(void)
{
	struct flx_worker *worker;
	struct flx_move_times times;

	begin();
	worker = world.shared.workers[0];
	flx_idle_share(&worker->idle);
	CU_ASSERT_EQUAL(flx_migrate_request(migrate, &there, now_tsc), 0);
	turn(0);
	yields = 0;
	for (uint32_t i = 0; i < 3000; i++)
		flx_worker_rest(worker);
	CU_ASSERT_EQUAL(yields, 3000);
	turn_all(20);
	CU_ASSERT_EQUAL(reap(&times), FLX_MOVE_DONE);
	end();
}

/* The chunks of a worker are enough for what is in flight, and that is not there twice. */
static void test_migrate_is_undone_with_all_credits_parked_at_the_source(void)
{
	_Atomic uint64_t *put;
	struct flx_move_times times;

	begin_of(4, 32768);
	put = &world.shared.lanes[0 * WORKERS + 2].put;
	CU_ASSERT_EQUAL(flx_migrate_request(migrate, &there, now_tsc), 0);
	turn_all(2);
	flx_migrate_undo(migrate, 0);
	/* As if a lane were not taken, so that the move is still there to be undone. */
	atomic_fetch_add(put, 1);
	for (uint32_t t = 0; t < 9 && flx_migrate_state(migrate, 0) != FLX_MOVE_BACK_ROUTED; t++)
		turn(WORKERS - 1 - t % WORKERS);
	CU_ASSERT_EQUAL_FATAL(flx_migrate_state(migrate, 0), FLX_MOVE_BACK_ROUTED);
	atomic_fetch_sub(put, 1);
	for (uint32_t i = 0; i < 500; i++) {
		inject(0, 64);
		turn(0);
	}
	now_tsc += migrate->hurry_tsc;
	for (uint32_t i = 0; i < 600; i++)
		turn(0);
	CU_ASSERT_EQUAL(world.shared.workers[0]->mover.parked_count, 32000);
	turn_all(1000);
	CU_ASSERT_EQUAL(reap(&times), FLX_MOVE_UNDONE);
	CU_ASSERT_EQUAL(world.shared.workers[0]->handled, 32000);
	end();
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_migrate_refuses_what_cannot_be_moved),
		FLX_TEST(test_migrate_takes_as_many_as_it_has_places_for),
		FLX_TEST(test_migrate_refuses_what_is_under_way),
		FLX_TEST(test_migrate_goes_step_by_step),
		FLX_TEST(test_migrate_lets_workers_hurry_while_messages_wait),
		FLX_TEST(test_migrate_is_undone_before_anything_was_sent_there),
		FLX_TEST(test_migrate_is_undone_after_the_source_has_drained),
		FLX_TEST(test_migrate_lets_others_run_while_it_waits_for_them),
		FLX_TEST(test_migrate_is_undone_with_all_credits_parked_at_the_source),
		FLX_TEST(test_migrate_moves_buckets_when_their_table_is_written),
		FLX_TEST(test_migrate_waits_for_no_queue_that_is_not_polled_any_more),
		{0},
	};
	int status;

	if (flx_test_eal())
		return EXIT_FAILURE;
	urcu_qsbr_register_thread();
	status = flx_test_main("migrate", tests);
	urcu_qsbr_unregister_thread();
	return status;
}
