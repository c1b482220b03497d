/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ticks of the scheduler, made by hand, over workers that are turned by hand; what the workers
 * publish of their load is written by the test.
 */
#include <rte_cycles.h>
#include <urcu-qsbr.h>

#include "scheduler/sched.h"
#include "tests/eal.h"
#include "tests/test.h"
#include "tests/world.h"

#define WORKERS 3
#define HZ	1000000000ull
#define US	(HZ / 1000000)
#define BUCKETS 16

static struct flx_world world;
static struct flx_sched sched;
static uint64_t now_tsc;
static uint32_t busy_pct[WORKERS]; /* what each publishes */

enum { PAIR, SINGLE, LOCAL, FLOW, GROUPS };

static int consume(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)call;
	(void)msg;
	(void)context;
	return 0;
}

static struct flx_fluxion fluxions[] = {
	{
		.id = "pair",
		.listen = {.udp = 1},
		.handler = consume,
		.key = {.extract = flx_key_client, .size = FLX_KEY_CLIENT_SIZE},
		.context = {.size = 8},
	},
	{.id = "single", .listen = {.udp = 2}, .handler = consume, .context = {.size = 8}},
	{.id = "local", .listen = {.udp = 3}, .handler = consume},
	{
		.id = "flow",
		.listen = {.udp = 4},
		.handler = consume,
		.key = {.extract = flx_key_flow, .size = FLX_KEY_FLOW_SIZE},
		.context = {.size = 8},
	},
};

static const struct flx_program program = {.name = "sched", FLX_FLUXIONS(fluxions)};

static uint32_t written_count;
static uint16_t written[BUCKETS];
static int write_result;

static int write_table(void *argument, uint32_t port, const uint16_t *buckets, uint32_t count,
		       uint16_t queue)
{
	CU_ASSERT_PTR_EQUAL(argument, &world);
	CU_ASSERT_EQUAL(port, 0);
	written_count++;
	for (uint32_t i = 0; i < count && !write_result; i++)
		written[buckets[i]] = queue;
	return write_result;
}

static void begin(uint32_t workers_min, enum flx_sched_mode mode)
{
	const struct flx_world_conf conf = {
		.workers = WORKERS,
		.lane_size = 64,
		.credits = 4096,
		.buffers = 64,
		.buffer_data = 64,
		.tsc_hz = HZ,
		.reta_size = BUCKETS,
		.rx_descs = 64,
		.spread = workers_min,
	};
	const struct flx_reta_conf reta = {
		.port_count = 1,
		.port = {{.buckets = BUCKETS, .queues = WORKERS, .spread = (uint16_t)workers_min}},
		.write = write_table,
		.argument = &world,
	};
	struct flx_sched_worker_conf workers[WORKERS];
	struct flx_sched_conf sched_conf = {
		.registry = &world.registry,
		.migrate = &world.shared.migrate,
		.worker_count = WORKERS,
		.worker = workers,
		.workers_min = workers_min,
		.mode = mode,
		.tsc_hz = HZ,
		.reta = &reta,
	};

	CU_ASSERT_EQUAL_FATAL(flx_world_init(&world, &program, &conf), 0);
	now_tsc = sched_conf.now_tsc = world.shared.start_tsc;
	for (uint32_t w = 0; w < WORKERS; w++)
		workers[w] = (struct flx_sched_worker_conf){
			.load = &world.shared.workers[w]->load,
			.pulse = &world.shared.workers[w]->pulse,
			.numa = -1,
		};
	CU_ASSERT_EQUAL_FATAL(flx_sched_init(&sched, &sched_conf), 0);
	memset(busy_pct, 0, sizeof(busy_pct));
	written_count = 0;
	write_result = 0;
	for (uint32_t b = 0; b < BUCKETS; b++)
		written[b] = (uint16_t)(b % workers_min);
}

static void end(void)
{
	CU_ASSERT_EQUAL(flx_migrate_under_way(&world.shared.migrate), 0);
	flx_sched_fini(&sched);
	flx_world_fini(&world);
}

/* As if worker @w had closed a window just now: its share, spread evenly over its slices of PAIR. */
static void publish(uint32_t w)
{
	struct flx_load *load = &world.shared.workers[w]->load;
	const struct flx_route *route = &world.shared.routes->route[PAIR];
	uint32_t owned = 0;

	for (uint32_t s = 0; s < FLX_SLICES; s++)
		owned += flx_route_owner(route, s) == w;
	for (uint32_t s = 0; s < FLX_SLICES; s++)
		load->slices[PAIR].cycles[s] =
			flx_route_owner(route, s) == w
				? (uint32_t)(load->window_tsc * busy_pct[w] / 100 / owned)
				: 0;
	load->busy_ppm = busy_pct[w] * (FLX_LOAD_FULL / 100);
	load->growth_ppm = 0;
	load->measured = busy_pct[w] > 60 ? 10 : 0;
	load->closed_tsc = now_tsc;
}

/* @turns of all workers, but of those in the bit mask @still. */
static void turn(uint32_t turns, uint32_t still)
{
	for (uint32_t t = 0; t < turns; t++)
		for (uint32_t w = 0; w < WORKERS; w++) {
			struct flx_rx_counts *counts = &world.shared.workers[w]->rx[0].counts;

			if (still & 1u << w)
				continue;
			counts->empties++; /* its queue was found empty */
			world.shared.workers[w]->now_tsc = now_tsc;
			flx_worker_turn(world.shared.workers[w]);
		}
}

/* Ticks of 2 ms, with turns between them. */
static void run(uint32_t ticks)
{
	for (uint32_t t = 0; t < ticks; t++) {
		now_tsc += FLX_SCHED_TICK_US * US;
		for (uint32_t w = 0; w < WORKERS; w++)
			publish(w);
		flx_sched_tick(&sched, now_tsc);
		turn(20, 0);
	}
}

/* Until nothing moves, with nothing busy. */
static void settle(void)
{
	memset(busy_pct, 0, sizeof(busy_pct));
	for (uint32_t i = 0; i < 100 && flx_migrate_under_way(&world.shared.migrate); i++) {
		rte_delay_us_block(FLX_RETA_SETTLE_US / 10);
		run(1);
	}
	run(1);
}

static uint32_t owned(uint32_t group, uint32_t w)
{
	uint32_t count = 0;

	for (uint32_t s = 0; s < FLX_SLICES; s++)
		count += flx_route_owner(&world.shared.routes->route[group], s) == w;
	return count;
}

static void test_sched_carries_out_an_order(void)
{
	bool all[FLX_SLICES], some[FLX_SLICES] = {false};

	begin(WORKERS, FLX_SCHED_OFF);
	memset(all, true, sizeof(all));
	some[5] = some[6] = true;
	CU_ASSERT_EQUAL(flx_sched_pin(&sched, PAIR, some, true), 2);
	CU_ASSERT_EQUAL(flx_sched_order(&sched, PAIR, all, 1, now_tsc), 0);
	CU_ASSERT_EQUAL(flx_sched_order(&sched, PAIR, all, 2, now_tsc), -EBUSY);
	run(20);
	CU_ASSERT_FALSE(sched.order.under_way);
	CU_ASSERT_EQUAL(sched.order.left, 0);
	CU_ASSERT_EQUAL(owned(PAIR, 1), FLX_SLICES);
	CU_ASSERT_EQUAL(owned(FLOW, 1), 171); /* as they were */
	CU_ASSERT_EQUAL(sched.counts.slices, FLX_SLICES - 171);
	/* The one slice of a group with one context. */
	CU_ASSERT_EQUAL(flx_sched_order(&sched, SINGLE, all, 2, now_tsc), 0);
	run(3);
	CU_ASSERT_FALSE(sched.order.under_way);
	CU_ASSERT_EQUAL(flx_route_owner(&world.shared.routes->route[SINGLE],
					world.registry.group[SINGLE].slice),
			2);
	CU_ASSERT_EQUAL(flx_sched_order(&sched, LOCAL, all, 2, now_tsc), -EINVAL);
	CU_ASSERT_EQUAL(flx_sched_order(&sched, PAIR, all, WORKERS, now_tsc), -EINVAL);
	CU_ASSERT_EQUAL(flx_sched_order(&sched, GROUPS, all, 1, now_tsc), -EINVAL);
	settle();
	end();
}

static void test_sched_evens_out_when_it_may(void)
{
	static const enum flx_sched_mode modes[] = {FLX_SCHED_AUTO, FLX_SCHED_OBSERVE,
						    FLX_SCHED_OFF};

	for (uint32_t i = 0; i < RTE_DIM(modes); i++) {
		begin(WORKERS, modes[i]);
		busy_pct[0] = 95;
		busy_pct[1] = busy_pct[2] = 5;
		run(4);
		if (modes[i] == FLX_SCHED_AUTO) {
			CU_ASSERT(owned(PAIR, 0) < 150);
			CU_ASSERT(sched.counts.moves > 0);
		} else {
			CU_ASSERT_EQUAL(owned(PAIR, 0), 171);
			CU_ASSERT_EQUAL(sched.counts.moves, 0);
		}
		CU_ASSERT_EQUAL(sched.counts.decisions > 0, modes[i] != FLX_SCHED_OFF);
		/* What it observes it also decides. */
		if (modes[i] == FLX_SCHED_OBSERVE)
			CU_ASSERT(sched.plan.move_count > 0);
		settle();
		end();
	}
}

static void test_sched_leaves_pinned_slices_alone(void)
{
	bool all[FLX_SLICES];

	begin(WORKERS, FLX_SCHED_AUTO);
	memset(all, true, sizeof(all));
	CU_ASSERT_EQUAL(flx_sched_pin(&sched, PAIR, all, true), FLX_SLICES);
	CU_ASSERT_EQUAL(flx_sched_pin(&sched, PAIR, all, true), 0);
	busy_pct[0] = 95;
	run(10);
	CU_ASSERT_EQUAL(owned(PAIR, 0), 171);
	CU_ASSERT_EQUAL(flx_sched_pin(&sched, PAIR, all, false), FLX_SLICES);
	run(10);
	CU_ASSERT(owned(PAIR, 0) < 171);
	settle();
	end();
}

static void test_sched_uses_as_many_workers_as_the_load_asks_for(void)
{
	begin(1, FLX_SCHED_AUTO);
	CU_ASSERT_EQUAL(owned(PAIR, 0), FLX_SLICES);
	CU_ASSERT_EQUAL(sched.worker[1].state, FLX_POLICY_PARKED);
	busy_pct[0] = 60;
	run(20);
	CU_ASSERT_EQUAL(sched.worker[1].state, FLX_POLICY_PARKED);
	busy_pct[0] = 95;
	run(4);
	CU_ASSERT_EQUAL(sched.worker[1].state, FLX_POLICY_ACTIVE);
	CU_ASSERT(owned(PAIR, 1) > 0);
	/* With little to do one is enough again; it is emptied, then parked. */
	busy_pct[0] = 10;
	busy_pct[1] = 5;
	run(400);
	CU_ASSERT_EQUAL(sched.worker[0].state + sched.worker[1].state + sched.worker[2].state,
			FLX_POLICY_ACTIVE + 2 * FLX_POLICY_PARKED);
	for (uint32_t w = 0; w < WORKERS; w++)
		CU_ASSERT_EQUAL(owned(PAIR, w),
				sched.worker[w].state == FLX_POLICY_ACTIVE ? FLX_SLICES : 0);
	settle();
	end();
}

static void test_sched_names_who_holds_a_move_up(void)
{
	struct flx_sched_stuck stuck;
	bool all[FLX_SLICES];

	begin(WORKERS, FLX_SCHED_OFF);
	memset(all, true, sizeof(all));
	CU_ASSERT_EQUAL(flx_sched_order(&sched, PAIR, all, 1, now_tsc), 0);
	now_tsc += FLX_SCHED_TICK_US * US;
	flx_sched_tick(&sched, now_tsc);
	turn(20, 1u << 2); /* worker 2 does not end its turn */
	atomic_store(&world.shared.workers[2]->pulse.fluxion, FLX_FLUXION_FIRST + PAIR);
	now_tsc += 4 * FLX_SCHED_STUCK_US / 5 * US;
	flx_sched_tick(&sched, now_tsc);
	CU_ASSERT_FALSE(flx_sched_take_stuck(&sched, &stuck));
	now_tsc += FLX_SCHED_STUCK_US * US;
	flx_sched_tick(&sched, now_tsc);
	CU_ASSERT_TRUE(flx_sched_take_stuck(&sched, &stuck));
	CU_ASSERT_EQUAL(stuck.worker, 2);
	CU_ASSERT_EQUAL(stuck.fluxion, FLX_FLUXION_FIRST + PAIR);
	/* As the source of one, or because it has not passed the grace period of another. */
	CU_ASSERT(stuck.state == FLX_MOVE_REQUESTED || stuck.state == FLX_MOVE_ANNOUNCED);
	CU_ASSERT(stuck.lasted_us >= FLX_SCHED_STUCK_US);
	/* Once for each step of each move. */
	now_tsc += FLX_SCHED_STUCK_US * US;
	flx_sched_tick(&sched, now_tsc);
	CU_ASSERT_FALSE(flx_sched_take_stuck(&sched, &stuck));
	atomic_store(&world.shared.workers[2]->pulse.fluxion, FLX_FLUXION_NONE);
	for (uint32_t i = 0; i < 30; i++)
		run(1);
	CU_ASSERT_EQUAL(owned(PAIR, 1), FLX_SLICES);
	settle();
	end();
}

static void test_sched_takes_back_a_move_that_a_worker_holds_up(void)
{
	bool all[FLX_SLICES];

	begin(WORKERS, FLX_SCHED_OFF);
	memset(all, true, sizeof(all));
	CU_ASSERT_EQUAL(flx_sched_order(&sched, PAIR, all, 1, now_tsc), 0);
	flx_sched_tick(&sched, now_tsc);
	turn(20, 1u << 1); /* the target does not end its turn */
	now_tsc += FLX_SCHED_UNDO_US * US;
	flx_sched_tick(&sched, now_tsc);
	turn(20, 1u << 1);
	flx_sched_tick(&sched, now_tsc);
	CU_ASSERT(sched.counts.undone >= 2);
	CU_ASSERT_EQUAL(sched.counts.slices, 0);
	for (uint32_t w = 0; w < WORKERS; w++)
		CU_ASSERT_EQUAL(owned(PAIR, w), w == 2 ? 170 : 171);
	/* It is tried again: the worker goes on. */
	CU_ASSERT_TRUE(sched.order.under_way);
	run(20);
	CU_ASSERT_EQUAL(owned(PAIR, 1), FLX_SLICES);
	CU_ASSERT_FALSE(sched.order.under_way);
	CU_ASSERT_FALSE(sched.order.failed);
	settle();
	end();
}

static void test_sched_gives_an_order_up_that_a_worker_holds_up(void)
{
	bool all[FLX_SLICES];
	uint64_t begun_tsc;

	begin(WORKERS, FLX_SCHED_OFF);
	memset(all, true, sizeof(all));
	begun_tsc = now_tsc;
	CU_ASSERT_EQUAL(flx_sched_order(&sched, PAIR, all, 1, now_tsc), 0);
	while (sched.order.under_way && now_tsc < begun_tsc + 2 * FLX_SCHED_ORDER_US * US) {
		now_tsc += FLX_SCHED_UNDO_US / 2 * US;
		flx_sched_tick(&sched, now_tsc);
		turn(20, 1u << 1);
	}
	CU_ASSERT_TRUE(sched.order.failed);
	CU_ASSERT(now_tsc > begun_tsc + FLX_SCHED_ORDER_US * US);
	for (uint32_t i = 0; i < 3; i++) { /* what was under way */
		now_tsc += FLX_SCHED_UNDO_US * US;
		flx_sched_tick(&sched, now_tsc);
		turn(20, 1u << 1);
	}
	CU_ASSERT_EQUAL(flx_migrate_under_way(&world.shared.migrate), 0);
	CU_ASSERT_EQUAL(sched.counts.slices, 0);
	for (uint32_t w = 0; w < WORKERS; w++)
		CU_ASSERT_EQUAL(owned(PAIR, w), w == 2 ? 170 : 171);
	/* When it goes on, so does the next order. */
	CU_ASSERT_EQUAL(flx_sched_order(&sched, PAIR, all, 1, now_tsc), 0);
	run(20);
	CU_ASSERT_EQUAL(owned(PAIR, 1), FLX_SLICES);
	CU_ASSERT_FALSE(sched.order.failed);
	settle();
	end();
}

/* Where the table should lead when all slices of FLOW run on worker @w. */
static void check_table(uint32_t w)
{
	for (uint32_t b = 0; b < BUCKETS; b++) {
		CU_ASSERT_EQUAL(written[b], w);
		CU_ASSERT_EQUAL(sched.reta.queue[0][b], w);
	}
}

static void test_sched_brings_flows_to_their_slices(void)
{
	bool all[FLX_SLICES];

	begin(WORKERS, FLX_SCHED_AUTO);
	memset(all, true, sizeof(all));
	CU_ASSERT_EQUAL(flx_sched_order(&sched, FLOW, all, 1, now_tsc), 0);
	run(20);
	CU_ASSERT_EQUAL(owned(FLOW, 1), FLX_SLICES);
	for (uint32_t i = 0; i < 400; i++) {
		rte_delay_us_block(FLX_RETA_SETTLE_US / 10);
		run(1);
	}
	check_table(1);
	/* From two queues, one after the other. */
	CU_ASSERT_EQUAL(written_count, 2);
	CU_ASSERT_EQUAL(sched.counts.bucket_moves, 2);
	settle();
	end();
}

static void test_sched_goes_without_a_table_that_cannot_be_written(void)
{
	bool all[FLX_SLICES];

	begin(WORKERS, FLX_SCHED_AUTO);
	memset(all, true, sizeof(all));
	write_result = -ENOTSUP;
	CU_ASSERT_EQUAL(flx_sched_order(&sched, FLOW, all, 1, now_tsc), 0);
	for (uint32_t i = 0; i < 400; i++) {
		rte_delay_us_block(FLX_RETA_SETTLE_US / 10);
		run(1);
	}
	CU_ASSERT_EQUAL(owned(FLOW, 1), FLX_SLICES);
	CU_ASSERT_EQUAL(written_count, 1);
	for (uint32_t b = 0; b < BUCKETS; b++)
		CU_ASSERT_EQUAL(sched.reta.queue[0][b], b % WORKERS);
	settle();
	end();
}

/* A worker whose turns are longer than a tick is as busy as any; whose turns never end, is not asked. */
static void test_sched_relieves_workers_of_long_turns(void)
{
	static const uint32_t turns_us[] = {250, 3000, 6000, 12000, 40000};

	for (uint32_t i = 0; i < RTE_DIM(turns_us); i++) {
		uint64_t next_tsc, until_tsc;
		uint32_t pause_us = FLX_SCHED_TICK_US;

		begin(WORKERS, FLX_SCHED_AUTO);
		busy_pct[0] = 100;
		busy_pct[1] = busy_pct[2] = 5;
		next_tsc = now_tsc;
		until_tsc = now_tsc + 2 * HZ;
		while (now_tsc < until_tsc) {
			uint64_t tick_tsc = now_tsc + pause_us * US;

			for (; next_tsc <= tick_tsc; next_tsc += turns_us[i] * US) {
				now_tsc = next_tsc;
				publish(0);
			}
			now_tsc = tick_tsc;
			publish(1);
			publish(2);
			pause_us = flx_sched_tick(&sched, now_tsc);
			turn(20, 0);
		}
		CU_ASSERT_TRUE(sched.worker[0].steady.mean_ppm > 990000);
		CU_ASSERT_TRUE(sched.counts.slices > FLX_SLICES / WORKERS / 4);
		settle();
		end();
	}
}

/* Who asks in between does not make two loads of one. */
static void test_sched_does_not_count_what_it_saw_before(void)
{
	begin(WORKERS, FLX_SCHED_AUTO);
	for (uint32_t n = 0; n < 50; n++) {
		busy_pct[0] = busy_pct[1] = busy_pct[2] = 20;
		run(8);
		busy_pct[0] = 95;
		run(1);
		now_tsc += 10 * US;
		flx_sched_tick(&sched, now_tsc);
		turn(20, 0);
	}
	CU_ASSERT_EQUAL(sched.counts.moves, 0);
	settle();
	end();
}

static void test_sched_lets_an_order_wake_a_worker_for_a_while(void)
{
	bool some[FLX_SLICES] = {false};

	memset(some, true, 64);
	begin(1, FLX_SCHED_AUTO);
	busy_pct[0] = 10;
	run(50);
	CU_ASSERT_EQUAL(sched.worker[2].state, FLX_POLICY_PARKED);
	CU_ASSERT_EQUAL(flx_sched_order(&sched, PAIR, some, 2, now_tsc), 0);
	run(20);
	CU_ASSERT_EQUAL(owned(PAIR, 2), 64);
	CU_ASSERT_EQUAL(sched.worker[2].state, FLX_POLICY_ACTIVE);
	run(200);
	CU_ASSERT_EQUAL(sched.worker[2].state, FLX_POLICY_PARKED);
	CU_ASSERT_EQUAL(owned(PAIR, 2), 0);
	/* What is pinned stays, and so does its worker; whenever it was pinned. */
	CU_ASSERT_EQUAL(flx_sched_order(&sched, PAIR, some, 2, now_tsc), 0);
	run(20);
	sched.worker[2].state = FLX_POLICY_LEAVING;
	flx_sched_pin(&sched, PAIR, some, true);
	run(500);
	CU_ASSERT_TRUE(owned(PAIR, 2) >= 64);
	CU_ASSERT_EQUAL(sched.worker[2].state, FLX_POLICY_ACTIVE);
	settle();
	end();
}

static void test_sched_sees_loads_in_every_mode(void)
{
	begin(WORKERS, FLX_SCHED_OFF);
	busy_pct[0] = busy_pct[1] = busy_pct[2] = 80;
	run(10);
	CU_ASSERT_EQUAL(sched.rows[1].load_ppm, 800000);
	now_tsc += 10 * HZ;
	for (uint32_t w = 0; w < WORKERS; w++)
		atomic_store(&world.shared.workers[w]->pulse.away, 1);
	CU_ASSERT_EQUAL(flx_sched_tick(&sched, now_tsc), FLX_SCHED_TICK_ASLEEP_US);
	CU_ASSERT_EQUAL(sched.rows[1].load_ppm, 0);
	for (uint32_t w = 0; w < WORKERS; w++)
		atomic_store(&world.shared.workers[w]->pulse.away, 0);
	settle();
	end();
}

/* What began far above 70 % is finished below, where slices are not measured else. */
static void test_sched_asks_for_slices_while_alert(void)
{
	uint64_t slices;

	begin(WORKERS, FLX_SCHED_AUTO);
	busy_pct[0] = busy_pct[1] = busy_pct[2] = 30;
	run(50);
	CU_ASSERT_FALSE(atomic_load(&world.shared.workers[0]->load.asked));
	busy_pct[0] = 95;
	run(3);
	CU_ASSERT_TRUE(sched.counts.slices > 0);
	CU_ASSERT_TRUE(atomic_load(&world.shared.workers[0]->load.asked));
	busy_pct[0] = 50;
	slices = sched.counts.slices;
	run(15);
	CU_ASSERT_TRUE(sched.counts.slices > slices);
	/* Whatever the mode is by then, it ends. */
	sched.mode = FLX_SCHED_OFF;
	run(50);
	CU_ASSERT_EQUAL(flx_sched_tick(&sched, now_tsc), FLX_SCHED_TICK_CALM_US);
	CU_ASSERT_FALSE(atomic_load(&world.shared.workers[0]->load.asked));
	settle();
	end();
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_sched_carries_out_an_order),
		FLX_TEST(test_sched_relieves_workers_of_long_turns),
		FLX_TEST(test_sched_does_not_count_what_it_saw_before),
		FLX_TEST(test_sched_lets_an_order_wake_a_worker_for_a_while),
		FLX_TEST(test_sched_sees_loads_in_every_mode),
		FLX_TEST(test_sched_asks_for_slices_while_alert),
		FLX_TEST(test_sched_evens_out_when_it_may),
		FLX_TEST(test_sched_leaves_pinned_slices_alone),
		FLX_TEST(test_sched_uses_as_many_workers_as_the_load_asks_for),
		FLX_TEST(test_sched_names_who_holds_a_move_up),
		FLX_TEST(test_sched_takes_back_a_move_that_a_worker_holds_up),
		FLX_TEST(test_sched_gives_an_order_up_that_a_worker_holds_up),
		FLX_TEST(test_sched_brings_flows_to_their_slices),
		FLX_TEST(test_sched_goes_without_a_table_that_cannot_be_written),
		{0},
	};
	int status;

	if (flx_test_eal())
		return EXIT_FAILURE;
	urcu_qsbr_register_thread();
	status = flx_test_main("sched", tests);
	urcu_qsbr_unregister_thread();
	return status;
}
