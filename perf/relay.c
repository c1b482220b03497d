/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/relay.h"

#include <stdatomic.h>

/* What a message carries, in place of what the client wrote; a datagram is aligned to nothing. */
struct item {
	rte_be32_t client;
	uint32_t number; /* by "first" */
	uint32_t lap;	 /* by "third"; 0: it has not been round yet */
} __attribute__((packed));

struct state {
	uint32_t number;
	uint32_t lap;
};

static _Atomic bool ends;
static _Atomic uint64_t wrong;

static int key_of(const struct flx_msg *msg, void *key)
{
	const struct item *item = flx_at(msg, 0, sizeof(*item));
	uint64_t client;

	if (!item)
		return -EMSGSIZE;
	client = item->client;
	memcpy(key, &client, sizeof(client));
	return 0;
}

/* Of other slices: a chain that goes on where it is would show nothing. */
static int other_key_of(const struct flx_msg *msg, void *key)
{
	uint64_t other = 0;
	int error = key_of(msg, &other);

	other = other * 0x9e3779b97f4a7c15u + 1;
	memcpy(key, &other, sizeof(other));
	return error;
}

static void expect(uint32_t is, uint32_t wanted)
{
	if (unlikely(is != wanted))
		atomic_fetch_add_explicit(&wrong, 1, memory_order_relaxed);
}

static int enter(struct flx_call *call, struct flx_msg *msg, void *context)
{
	struct item *item = flx_at(msg, 0, sizeof(*item));
	struct flx_udp_address from;

	(void)context;
	if (!item || !flx_sender(msg, &from))
		return -EMSGSIZE;
	*item = (struct item){.client = from.ip};
	return flx_send(call, 0, msg);
}

static int first(struct flx_call *call, struct flx_msg *msg, void *context)
{
	struct item *item = flx_at(msg, 0, sizeof(*item));
	struct state *state = context;

	if (item->lap)
		expect(item->lap, ++state->lap);
	item->number = state->number++;
	return flx_send(call, 0, msg);
}

static int second(struct flx_call *call, struct flx_msg *msg, void *context)
{
	const struct item *item = flx_at(msg, 0, sizeof(*item));
	struct state *state = context;

	expect(item->number, state->number++);
	return flx_send(call, 0, msg);
}

static int third(struct flx_call *call, struct flx_msg *msg, void *context)
{
	struct item *item = flx_at(msg, 0, sizeof(*item));
	struct state *state = context;

	expect(item->number, state->number++);
	if (atomic_load_explicit(&ends, memory_order_relaxed))
		return 0;
	item->lap = ++state->lap;
	return flx_send(call, 0, msg);
}

#define KEYED(name, key_, to_)                                                                     \
	{                                                                                          \
		.id = #name, .key = {.extract = (key_), .size = sizeof(uint64_t)},                 \
		.context = {.size = sizeof(struct state)}, .handler = name,                        \
		.streams = {{FLX_STREAM_POST, {to_}}},                                             \
	}

static struct flx_fluxion fluxions[] = {
	{
		.id = "enter",
		.listen = {.udp = FLX_RELAY_PORT},
		.streams = {{FLX_STREAM_START, {"first"}}},
		.handler = enter,
	},
	KEYED(first, key_of, "second"),
	KEYED(second, other_key_of, "third"),
	KEYED(third, key_of, "first"),
};

struct flx_program flx_relay_program = {.name = "relay", FLX_FLUXIONS(fluxions)};

void flx_relay_end(void)
{
	atomic_store_explicit(&ends, true, memory_order_relaxed);
}

uint64_t flx_relay_wrong(void)
{
	return atomic_load_explicit(&wrong, memory_order_relaxed);
}
