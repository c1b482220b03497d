/* SPDX-License-Identifier: BSD-3-Clause */
/* What routing and dispatch refuse, and in which order they handle; at random, see tests/sim. */
#include <urcu-qsbr.h>

#include "tests/eal.h"
#include "tests/test.h"
#include "tests/world.h"

#define CREDITS	 1024
#define CAPACITY 16

/* The data of every message here. */
struct item {
	uint32_t key; /* 0: has none */
	uint32_t number;
};

static struct flx_world world;
static struct flx_ledger ledger;
static uint32_t handled[4096]; /* numbers, in order */
static uint32_t handled_count;

static int extract(const struct flx_msg *msg, void *key)
{
	const struct item *item = flx_at(msg, 0, sizeof(*item));

	if (!item || !item->key)
		return -ENODATA;
	memcpy(key, &item->key, sizeof(item->key));
	return 0;
}

static uint8_t asked[512]; /* by number */

/* Has a key for every third message only the first time that it is asked. */
static int change_mind(const struct flx_msg *msg, void *key)
{
	const struct item *item = flx_at(msg, 0, sizeof(*item));

	if (asked[item->number]++ && item->number % 3 == 0)
		return -ENODATA;
	return extract(msg, key);
}

static int note(struct flx_call *call, struct flx_msg *msg, void *context)
{
	const struct item *item = flx_at(msg, 0, sizeof(*item));

	(void)call;
	(void)context;
	handled[handled_count++] = item->number;
	return 0;
}

static int forward(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)context;
	return flx_send(call, 0, msg);
}

/* Sends a new message, which came from nowhere, and consumes the one given. */
static int make(struct flx_call *call, struct flx_msg *msg, void *context)
{
	struct flx_msg *made = flx_alloc(call);

	(void)msg;
	(void)context;
	memcpy(flx_append(made, sizeof(struct item)), &(struct item){.key = 1},
	       sizeof(struct item));
	/* As if its buffer had been a flow's last. */
	made->mbuf.hash.rss = 3;
	return flx_send(call, 0, made);
}

/* "in" leads to "end"; the fluxions are the caller's. */
static void world_up(struct flx_fluxion *fluxions, uint32_t workers)
{
	static struct flx_program program;
	const struct flx_world_conf conf = {.workers = workers,
					    .lane_size = 64,
					    .credits = CREDITS,
					    .buffers = CREDITS,
					    .buffer_data = 64};

	program =
		(struct flx_program){.name = "dispatch", .fluxions = fluxions, .fluxion_count = 2};
	CU_ASSERT_EQUAL_FATAL(flx_world_init(&world, &program, &conf), 0);
	handled_count = 0;
}

static void inject(uint32_t w, struct item item)
{
	struct flx_msg *msg = (struct flx_msg *)rte_pktmbuf_alloc(world.shared.pool);

	CU_ASSERT_PTR_NOT_NULL_FATAL(msg);
	CU_ASSERT_TRUE_FATAL(flx_purse_has(&world.shared.workers[w]->purse, 1));
	flx_set_heads(msg, (struct flx_heads){0});
	memcpy(flx_append(msg, sizeof(item)), &item, sizeof(item));
	flx_world_inject(&world, w, FLX_FLUXION_FIRST, &msg, 1);
}

/* Turns until all is still; the row of "end". */
static const struct flx_fluxion_ledger *settle(void)
{
	for (uint32_t turn = 0; turn < 100; turn++)
		for (uint32_t w = 0; w < world.conf.workers; w++)
			flx_worker_turn(world.shared.workers[w]);
	flx_world_ledger(&world, &ledger);
	CU_ASSERT_EQUAL(ledger.unexplained, 0);
	CU_ASSERT_EQUAL(ledger.in_flight, 0);
	CU_ASSERT_EQUAL(flx_world_credits(&world), CREDITS);
	CU_ASSERT_EQUAL(flx_world_buffers(&world), CREDITS);
	return &ledger.fluxion[FLX_FLUXION_FIRST + 1];
}

#define IN(handler_)                                                                               \
	{                                                                                          \
		.id = "in", .listen = {.udp = 7}, .handler = (handler_), .streams = {              \
			{FLX_STREAM_POST, {"end"}}                                                 \
		}                                                                                  \
	}

/* A message that no edge brought has no flow: neither a slice nor a key. */
static void test_dispatch_refuses_what_has_no_flow(void)
{
	for (uint32_t with_context = 0; with_context < 2; with_context++) {
		struct flx_fluxion fluxions[] = {
			IN(make),
			{.id = "end",
			 .handler = note,
			 .key = {flx_key_flow, FLX_KEY_FLOW_SIZE},
			 .context = {.size = with_context ? 8 : 0}},
		};
		const struct flx_fluxion_ledger *end;

		world_up(fluxions, 2);
		inject(0, (struct item){.key = 1});
		end = settle();
		CU_ASSERT_EQUAL(end->arrived, 1);
		CU_ASSERT_EQUAL(end->errors[ENOTCONN], 1);
		CU_ASSERT_EQUAL(handled_count, 0);
		flx_world_fini(&world);
	}
}

/* Only those without a key go; the others keep their order around them. */
static void test_dispatch_refuses_what_has_no_key(void)
{
	struct flx_fluxion fluxions[] = {
		IN(forward),
		{.id = "end", .handler = note, .key = {extract, 4}},
	};
	const struct flx_fluxion_ledger *end;

	world_up(fluxions, 3);
	for (uint32_t i = 0; i < 300; i++)
		inject(0, (struct item){.key = i % 3 ? 77 : 0, .number = i});
	end = settle();
	CU_ASSERT_EQUAL(end->errors[ENODATA], 100);
	CU_ASSERT_EQUAL(end->handled, 200);
	for (uint32_t i = 1; i < handled_count; i++)
		CU_ASSERT(handled[i] > handled[i - 1]);
	flx_world_fini(&world);
}

/* A key that is there when a message is routed, and gone when its context is bound. */
static void test_dispatch_drops_what_has_its_key_no_more(void)
{
	struct flx_fluxion fluxions[] = {
		IN(forward),
		{.id = "end", .handler = note, .key = {change_mind, 4}, .context = {.size = 8}},
	};
	const struct flx_fluxion_ledger *end;

	world_up(fluxions, 2);
	memset(asked, 0, sizeof(asked));
	for (uint32_t i = 0; i < 300; i++)
		inject(0, (struct item){.key = 77, .number = i});
	/* A batch of nothing else. */
	for (uint32_t i = 300; i < 330; i += 3)
		inject(1, (struct item){.key = 77, .number = i});
	end = settle();
	CU_ASSERT_EQUAL(end->errors[ENODATA], 110);
	CU_ASSERT_EQUAL(end->handled, 200);
	CU_ASSERT_EQUAL(handled_count, 200);
	for (uint32_t i = 0; i < handled_count; i++)
		CU_ASSERT_EQUAL(handled[i], i / 2 * 3 + 1 + i % 2);
	flx_world_fini(&world);
}

/* More keys than contexts: the type fills up, and what is over is dropped under ENOSPC. */
static void test_dispatch_refuses_keys_beyond_capacity(void)
{
	struct flx_fluxion fluxions[] = {
		IN(forward),
		{.id = "end",
		 .handler = note,
		 .key = {extract, 4},
		 .context = {.size = 8, .capacity = CAPACITY}},
	};
	const struct flx_fluxion_ledger *end;
	uint64_t contexts;

	world_up(fluxions, 2);
	for (uint32_t i = 1; i <= 100; i++)
		inject(i % 2, (struct item){.key = i});
	end = settle();
	contexts = flx_context_count(world.shared.context_types[1]);
	CU_ASSERT(contexts > 0 && contexts <= CAPACITY);
	CU_ASSERT_EQUAL(end->handled, contexts);
	CU_ASSERT_EQUAL(end->errors[ENOSPC], 100 - contexts);
	/* And every context that there is goes on being found. */
	for (uint32_t i = 1; i <= 100; i++)
		inject(i % 2, (struct item){.key = i});
	CU_ASSERT_EQUAL(settle()->handled, 2 * contexts);
	flx_world_fini(&world);
}

/* Long runs are handled off the lane, short ones by way of a vector: in order all the same. */
static void test_dispatch_keeps_order_of_long_and_short_runs(void)
{
	static const uint32_t runs[] = {1, 15, 16, 17, 40, 3, 64, 2, 33, 200, 5, 31, 32};
	struct flx_fluxion fluxions[] = {
		IN(forward),
		{.id = "end", .handler = note, .key = {extract, 4}, .context = {.size = 8}},
	};
	uint32_t number = 0, key = 1;
	uint8_t bytes[4];

	world_up(fluxions, 2);
	/* A key that the other worker owns. */
	do {
		key++;
		memcpy(bytes, &key, sizeof(bytes));
	} while (flx_route_owner(&world.shared.routes->route[1], flx_slice_of_key(bytes, 4)) != 1);
	for (uint32_t turns = 0; turns < 3; turns++) {
		for (size_t r = 0; r < RTE_DIM(runs); r++) {
			for (uint32_t i = 0; i < runs[r] && number < 900; i++)
				inject(0, (struct item){.key = key, .number = number++});
			flx_worker_turn(world.shared.workers[0]);
			for (uint32_t t = 0; t < turns; t++)
				flx_worker_turn(world.shared.workers[1]);
		}
	}
	CU_ASSERT_EQUAL(settle()->handled, number);
	CU_ASSERT_EQUAL_FATAL(handled_count, number);
	for (uint32_t i = 0; i < number; i++)
		CU_ASSERT_EQUAL(handled[i], i);
	flx_world_fini(&world);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_dispatch_refuses_what_has_no_flow),
		FLX_TEST(test_dispatch_refuses_what_has_no_key),
		FLX_TEST(test_dispatch_drops_what_has_its_key_no_more),
		FLX_TEST(test_dispatch_refuses_keys_beyond_capacity),
		FLX_TEST(test_dispatch_keeps_order_of_long_and_short_runs),
		{0},
	};

	if (flx_test_eal())
		return EXIT_FAILURE;
	urcu_qsbr_register_thread();
	return flx_test_main("dispatch", tests);
}
