/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * calls - a worker that has no thread, and what the handler of its fluxion "in" does: each test sets
 * that, lets one message in, and looks at what came of it.
 */
#pragma once

#include <urcu-qsbr.h>

#include "tests/eal.h"
#include "tests/test.h"
#include "tests/world.h"

#define BUFFERS 256
#define CREDITS 256
#define DATA	100	/* bytes of the message that comes in */
#define TTL_MS	3600000 /* of the context of "single" */

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

static inline int in(struct flx_call *call, struct flx_msg *msg, void *context)
{
	return act(call, msg, context);
}

static inline int out(struct flx_call *call, struct flx_msg *msg, void *context)
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
static inline int single(struct flx_call *call, struct flx_msg *msg, void *context)
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
static inline int reader(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)msg;
	CU_ASSERT_PTR_NOT_NULL(context);
	CU_ASSERT_EQUAL(flx_delete(call), -EINVAL);
	return 0;
}

static inline void world_up(uint32_t buffers)
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
	fluxions[1] = (struct flx_fluxion){.id = "single",
					   .context = {.size = sizeof(uint64_t), .ttl_ms = TTL_MS},
					   .handler = single};
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
static inline void inject(uint32_t size, uint8_t byte)
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
static inline const struct flx_fluxion_ledger *settle(void)
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
static inline const struct flx_fluxion_ledger *call(flx_handler_fn handler)
{
	act = handler;
	inject(DATA, 0x55);
	return settle();
}

/* The exit status of @tests, with what they need. */
static inline int run_calls(const char *suite, const struct flx_test *tests)
{
	if (flx_test_eal())
		return EXIT_FAILURE;
	urcu_qsbr_register_thread();
	return flx_test_main(suite, tests);
}
