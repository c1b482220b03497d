/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * counter - the model's own example: main >> handler -> reply.
 *
 * main takes requests on UDP port 7000, reply answers each with its number: the decimal count, a
 * space, the request's bytes. main and reply are the group "network": they share the count, one per
 * client address, per flow with `--set key=flow`, or a single one with `--set key=all`.
 */
#include "fabric/flx.h"

/* The order of fluxions[]. */
enum { MAIN, HANDLER, REPLY };

/* The streams of main and handler: each has one. */
enum { NEXT };

#define COUNT_DIGITS_MAX 20 /* of 2^64 - 1 */

static int pass(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)context;
	return flx_send(call, NEXT, msg);
}

/* Writes @value so that it ends before @end; returns its first digit. */
static char *write_decimal(uint64_t value, char *end)
{
	do {
		*--end = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	return end;
}

static int reply(struct flx_call *call, struct flx_msg *msg, void *context)
{
	uint64_t *count = context;
	char text[COUNT_DIGITS_MAX + 1];
	char *end = text + sizeof(text);
	char *first;
	void *front;

	++*count;
	*--end = ' ';
	first = write_decimal(*count, end);
	front = flx_prepend(msg, (uint32_t)(end + 1 - first));
	if (!front)
		return -EMSGSIZE; /* and the count is what it was */
	memcpy(front, first, (size_t)(end + 1 - first));
	return flx_reply(call, msg);
}

static struct flx_fluxion fluxions[] = {
	{
		.id = "main",
		.tags = {"network"},
		.listen = {.udp = 7000},
		.streams = {[NEXT] = {FLX_STREAM_START, {"handler"}}},
		.handler = pass,
	},
	{
		.id = "handler",
		.streams = {[NEXT] = {FLX_STREAM_POST, {"reply"}}},
		.handler = pass,
	},
	{
		.id = "reply",
		.tags = {"network"},
		.key = {.extract = flx_key_client, .size = FLX_KEY_CLIENT_SIZE},
		.context = {.size = sizeof(uint64_t)},
		.handler = reply,
	},
};

static int set_key(const char *value)
{
	static const struct {
		const char *name;
		flx_key_fn extract;
		uint32_t size;
	} keys[] = {
		{"client", flx_key_client, FLX_KEY_CLIENT_SIZE},
		{"flow", flx_key_flow, FLX_KEY_FLOW_SIZE},
		{"all", NULL, 0},
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(value, keys[i].name) != 0)
			continue;
		fluxions[REPLY].key.extract = keys[i].extract;
		fluxions[REPLY].key.size = keys[i].size;
		return 0;
	}
	return -EINVAL;
}

static const struct flx_setting settings[] = {
	{"key", "client|flow|all: a count per client address, per flow, or one for all (client)",
	 set_key},
	{0},
};

struct flx_program flx_program = {
	.name = "counter",
	.about = "answers every UDP request on port 7000 with its number, a space and its bytes",
	FLX_FLUXIONS(fluxions),
	.settings = settings,
};
