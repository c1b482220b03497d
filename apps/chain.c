/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chain - empty fluxions in a row, for measuring hops: main >> f1 -> ... -> fn -> reply.
 *
 * With `--set spread=off` no fluxion has a context, so every hop stays on its worker. With
 * `--set spread=on` they belong by turns to two groups of a single context each: where the two are
 * on different workers, every hop between fluxions crosses.
 */
#include <stdio.h>
#include <stdlib.h>

#include "fabric/flx.h"

#define LENGTH_MAX 128

/* The one stream of each. */
enum { NEXT };

static int pass(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)context;
	return flx_send(call, NEXT, msg);
}

static int count_and_pass(struct flx_call *call, struct flx_msg *msg, void *context)
{
	uint64_t *hops = context;

	++*hops;
	return flx_send(call, NEXT, msg);
}

static int reply(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)context;
	return flx_reply(call, msg);
}

static struct {
	uint32_t length;
	bool spread;
	char id[LENGTH_MAX][sizeof("f128")];
} chain = {.length = 1, .id = {"f1"}};

/* main, the links, reply. Stands here for a length of 1; lay_out makes the others. */
static struct flx_fluxion fluxions[LENGTH_MAX + 2] = {
	{
		.id = "main",
		.listen = {.udp = 7001},
		.streams = {[NEXT] = {FLX_STREAM_START, {"f1"}}},
		.handler = pass,
	},
	{
		.id = chain.id[0],
		.streams = {[NEXT] = {FLX_STREAM_POST, {"reply"}}},
		.handler = pass,
	},
	{
		.id = "reply",
		.handler = reply,
	},
};

static void lay_out(void)
{
	for (uint32_t i = 0; i < chain.length; i++) {
		struct flx_fluxion *link = &fluxions[1 + i];

		snprintf(chain.id[i], sizeof(chain.id[i]), "f%u", (i + 1) % 1000);
		*link = (struct flx_fluxion){
			.id = chain.id[i],
			.streams = {[NEXT] = {FLX_STREAM_POST,
					      {i + 1 < chain.length ? chain.id[i + 1] : "reply"}}},
			.handler = pass,
		};
		if (chain.spread) {
			link->tags[0] = i % 2 ? "odd" : "even";
			link->context.size = sizeof(uint64_t);
			link->handler = count_and_pass;
		}
	}
	fluxions[1 + chain.length] = (struct flx_fluxion){.id = "reply", .handler = reply};
	flx_program.fluxion_count = chain.length + 2;
}

static int set_length(const char *value)
{
	char *end;
	unsigned long length;

	if (*value < '0' || *value > '9')
		return -EINVAL;
	errno = 0;
	length = strtoul(value, &end, 10);
	if (errno || *end || length < 1 || length > LENGTH_MAX)
		return -EINVAL;
	chain.length = (uint32_t)length;
	lay_out();
	return 0;
}

static int set_spread(const char *value)
{
	bool on = strcmp(value, "on") == 0;

	if (!on && strcmp(value, "off") != 0)
		return -EINVAL;
	chain.spread = on;
	lay_out();
	return 0;
}

static const struct flx_setting settings[] = {
	{"length", "1..128: the number of empty fluxions (1)", set_length},
	{"spread", "on|off: let every hop between them change the worker (off)", set_spread},
	{0},
};

struct flx_program flx_program = {
	.abi = FLX_ABI,
	.name = "chain",
	.about = "passes every UDP request on port 7001 through empty fluxions and sends it back",
	.fluxions = fluxions,
	.fluxion_count = 3,
	.settings = settings,
};
