/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kv - keys and values: parse >> get, set or del, each of which answers.
 *
 * parse takes a request on UDP port 7001, a line whose end may be missing:
 *
 *	get KEY		VALUE and the value, or NONE
 *	set KEY VALUE	OK; the value is the rest of the line, 248 bytes at most
 *	del KEY		OK, or NONE when there was nothing
 *
 * Other requests are answered with ERROR and the reason. A key has 1 to 40 bytes above the blank.
 * get, set and del are the group "pairs", with a context per key; get only reads it. Each of them
 * finds key and value in the request anew, for nothing but the message goes from one to the next.
 */
#include <stdlib.h>

#include "fabric/flx.h"

#define VERB_SIZE 4 /* with its blank */
#define VALUE_MAX 248

/* The order of fluxions[]; GET to DEL are parse's streams to them, too. */
enum { PARSE, GET, SET, DEL, FLUXIONS };

struct pair {
	uint32_t there; /* 0: new, as zeroes are */
	uint32_t size;	/* bytes */
	uint8_t value[VALUE_MAX];
};

struct request {
	uint32_t verb;	    /* GET, SET, DEL; 0: none of them */
	uint32_t key_size;  /* FLX_KEY_MAX + 1 when it is longer */
	uint32_t rest_size; /* behind the key, without the line's end */
};

static struct request read_request(const struct flx_msg *msg)
{
	static const char verbs[FLUXIONS][VERB_SIZE + 1] = {"", "get ", "set ", "del "};
	uint32_t size = flx_size(msg), at = VERB_SIZE, verb = DEL;
	const uint8_t *text = flx_at(msg, 0, size);

	if (size && text[size - 1] == '\n')
		size -= size > 1 && text[size - 2] == '\r' ? 2 : 1;
	if (size <= VERB_SIZE)
		return (struct request){0};
	while (verb && memcmp(text, verbs[verb], VERB_SIZE) != 0)
		verb--;
	while (at < size && at <= VERB_SIZE + FLX_KEY_MAX && text[at] > ' ')
		at++;
	return (struct request){verb, at - VERB_SIZE, size - at};
}

/* Filled up with zeroes, which no key holds. */
static int find_key(const struct flx_msg *msg, void *key)
{
	uint32_t size = read_request(msg).key_size;

	if (size == 0 || size > FLX_KEY_MAX)
		return -EINVAL;
	memset(key, 0, FLX_KEY_MAX);
	memcpy(key, flx_at(msg, VERB_SIZE, size), size);
	return 0;
}

/* Answers with @word, the @size bytes at @text and the end of a line, in place of the request. */
static int answer(struct flx_call *call, struct flx_msg *msg, const char *word, const void *text,
		  uint32_t size)
{
	uint32_t word_size = (uint32_t)strlen(word);
	uint8_t *to;

	flx_cut_back(msg, flx_size(msg));
	to = flx_append(msg, word_size + size + 1);
	if (!to)
		return -EMSGSIZE;
	memcpy(to, word, word_size);
	memcpy(to + word_size, text, size);
	to[word_size + size] = '\n';
	return flx_reply(call, msg);
}

static int parse(struct flx_call *call, struct flx_msg *msg, void *context)
{
	struct request request = read_request(msg);

	(void)context;
	if (!request.verb || !request.key_size)
		return answer(call, msg, "ERROR give get KEY, set KEY VALUE or del KEY", "", 0);
	if (request.key_size > FLX_KEY_MAX)
		return answer(call, msg, "ERROR key too long", "", 0);
	if ((request.verb == SET) != (request.rest_size > 0))
		return answer(call, msg, "ERROR give a value to set, and only to set", "", 0);
	if (request.rest_size > 1 + VALUE_MAX)
		return answer(call, msg, "ERROR value too long", "", 0);
	return flx_send(call, request.verb, msg);
}

static int get(struct flx_call *call, struct flx_msg *msg, void *context)
{
	const struct pair *pair = context;

	if (!pair->there)
		return answer(call, msg, "NONE", "", 0);
	return answer(call, msg, "VALUE ", pair->value, pair->size);
}

static int set(struct flx_call *call, struct flx_msg *msg, void *context)
{
	struct request request = read_request(msg);
	uint32_t at = VERB_SIZE + request.key_size + 1;
	struct pair *pair = context;

	pair->there = 1;
	pair->size = request.rest_size - 1;
	memcpy(pair->value, flx_at(msg, at, pair->size), pair->size);
	return answer(call, msg, "OK", "", 0);
}

static int del(struct flx_call *call, struct flx_msg *msg, void *context)
{
	const struct pair *pair = context;
	bool there = pair->there;

	flx_delete(call); /* one that was not there, too: it is made by now */
	return answer(call, msg, there ? "OK" : "NONE", "", 0);
}

static struct flx_fluxion fluxions[FLUXIONS] = {
	{
		.id = "parse",
		.listen = {.udp = 7001},
		.streams = {[GET] = {FLX_STREAM_START, {"get"}},
			    [SET] = {FLX_STREAM_START, {"set"}},
			    [DEL] = {FLX_STREAM_START, {"del"}}},
		.handler = parse,
	},
	{
		.id = "get",
		.tags = {"pairs"},
		.context = {.size = sizeof(struct pair), .readonly = true},
		.handler = get,
	},
	{
		.id = "set",
		.tags = {"pairs"},
		.key = {.extract = find_key, .size = FLX_KEY_MAX},
		.context = {.size = sizeof(struct pair)},
		.handler = set,
	},
	{
		.id = "del",
		.tags = {"pairs"},
		.context = {.size = sizeof(struct pair)},
		.handler = del,
	},
};

static int set_ttl(const char *value)
{
	char *end;
	unsigned long long ttl_ms;

	if (*value < '0' || *value > '9')
		return -EINVAL;
	ttl_ms = strtoull(value, &end, 10);
	if (*end || ttl_ms > FLX_TTL_MAX_MS)
		return -EINVAL;
	fluxions[SET].context.ttl_ms = fluxions[DEL].context.ttl_ms = ttl_ms;
	return 0;
}

static int set_evict(const char *value)
{
	bool on = strcmp(value, "on") == 0;

	if (!on && strcmp(value, "off") != 0)
		return -EINVAL;
	fluxions[SET].context.evict = fluxions[DEL].context.evict = on;
	return 0;
}

static const struct flx_setting settings[] = {
	{"ttl", "0..15552000000: ms that a pair lives after it was set, 0: for ever (0)", set_ttl},
	{"evict", "on|off: when full, forget the pair that was idle longest (off)", set_evict},
	{0},
};

struct flx_program flx_program = {
	.name = "kv",
	.about = "keeps values by key: get KEY, set KEY VALUE, del KEY on UDP port 7001",
	FLX_FLUXIONS(fluxions),
	.settings = settings,
};
