/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/program.h"

#include <ctype.h>
#include <inttypes.h>

const char *const flx_own_ids[FLX_FLUXION_FIRST] = {"", "udp", "arp", "tx"};

/* A check run: the program and the number of faults found so far. */
struct check {
	const struct flx_program *program;
	uint32_t faults;
};

static bool valid_name(const char *name)
{
	size_t size = strnlen(name, FLX_ID_MAX + 1);

	if (size == 0 || size > FLX_ID_MAX)
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && !strchr("_.-", *name))
			return false;
	return true;
}

int flx_program_find(const struct flx_program *program, const char *id)
{
	for (uint32_t i = 0; i < program->fluxion_count; i++)
		if (program->fluxions[i].id && strcmp(program->fluxions[i].id, id) == 0)
			return (int)i;
	return -1;
}

static void check_ids(struct check *check)
{
	const struct flx_program *program = check->program;

	for (uint32_t i = 0; i < program->fluxion_count; i++) {
		const char *id = program->fluxions[i].id;

		if (!id || !valid_name(id)) {
			FLX_FAULT(check,
				  "program %s, fluxion %u: id '%.40s' is not a name; give 1 to %d "
				  "letters, digits, '_', '.' or '-'",
				  program->name, i, id ? id : "", FLX_ID_MAX);
			continue;
		}
		for (int own = FLX_FLUXION_UDP; own < FLX_FLUXION_FIRST; own++)
			if (strcmp(id, flx_own_ids[own]) == 0)
				FLX_FAULT(check,
					  "fluxion %s: the fabric has one of this name; choose "
					  "another id",
					  id);
		if (flx_program_find(program, id) != (int)i)
			FLX_FAULT(check,
				  "fluxion %s: declared at %d and again at %u; ids are unique, "
				  "rename one",
				  id, flx_program_find(program, id), i);
		if (!program->fluxions[i].handler == !program->fluxions[i].batch)
			FLX_FAULT(check, "fluxion %s: has %s; set .handler or .batch", id,
				  program->fluxions[i].batch ? "both handlers" : "no handler");
	}
}

static void check_stream(struct check *check, const struct flx_fluxion *fluxion, uint32_t index)
{
	const struct flx_stream *stream = &fluxion->streams[index];

	if (stream->type > FLX_STREAM_POST) {
		FLX_FAULT(check,
			  "fluxion %s, stream %u: type %d is unknown; give FLX_STREAM_START or "
			  "FLX_STREAM_POST",
			  fluxion->id, index, (int)stream->type);
		return;
	}
	if (stream->type == FLX_STREAM_NONE) {
		if (stream->to[0])
			FLX_FAULT(
				check,
				"fluxion %s, stream %u: leads to %s but has no type; set .type to "
				"FLX_STREAM_START or FLX_STREAM_POST",
				fluxion->id, index, stream->to[0]);
		return;
	}
	if (!stream->to[0])
		FLX_FAULT(check, "fluxion %s, stream %u: leads nowhere; list a fluxion in .to",
			  fluxion->id, index);
	if (stream->type == FLX_STREAM_START && !fluxion->listen.udp)
		FLX_FAULT(
			check,
			"fluxion %s, stream %u: a start stream (>>) needs something to listen to; "
			"set .listen, or make it a post stream (->)",
			fluxion->id, index);
	for (uint32_t i = 0; i < FLX_DESTINATIONS_MAX && stream->to[i]; i++) {
		if (flx_program_find(check->program, stream->to[i]) < 0)
			FLX_FAULT(check,
				  "fluxion %s, stream %u: leads to '%.40s', which is not "
				  "declared; add the fluxion or correct the name",
				  fluxion->id, index, stream->to[i]);
		for (uint32_t j = 0; j < i; j++)
			if (strcmp(stream->to[i], stream->to[j]) == 0)
				FLX_FAULT(check,
					  "fluxion %s, stream %u: leads to %s twice; list it once",
					  fluxion->id, index, stream->to[i]);
	}
}

static void check_sizes(struct check *check, const struct flx_fluxion *fluxion)
{
	const char *id = fluxion->id;

	if (fluxion->key.extract && (fluxion->key.size == 0 || fluxion->key.size > FLX_KEY_MAX))
		FLX_FAULT(check, "fluxion %s: key of %u bytes; set .key.size to 1..%d", id,
			  fluxion->key.size, FLX_KEY_MAX);
	if (!fluxion->key.extract && fluxion->key.size)
		FLX_FAULT(check, "fluxion %s: key size without a key function; set .key.extract",
			  id);
	if (fluxion->key.extract == flx_key_flow && fluxion->key.size != FLX_KEY_FLOW_SIZE)
		FLX_FAULT(check,
			  "fluxion %s: flx_key_flow writes %d bytes; set .key.size to "
			  "FLX_KEY_FLOW_SIZE",
			  id, FLX_KEY_FLOW_SIZE);
	if (fluxion->key.extract == flx_key_client && fluxion->key.size != FLX_KEY_CLIENT_SIZE)
		FLX_FAULT(check,
			  "fluxion %s: flx_key_client writes %d bytes; set .key.size to "
			  "FLX_KEY_CLIENT_SIZE",
			  id, FLX_KEY_CLIENT_SIZE);
	for (uint32_t i = 0; i < FLX_TAGS_MAX && fluxion->tags[i]; i++)
		if (!valid_name(fluxion->tags[i]))
			FLX_FAULT(check,
				  "fluxion %s: tag '%.40s' is not a name; give 1 to %d letters, "
				  "digits, '_', '.' or '-'",
				  id, fluxion->tags[i], FLX_ID_MAX);
}

static void check_context(struct check *check, const struct flx_fluxion *fluxion)
{
	bool declares = flx_fluxion_declares(fluxion) || fluxion->context.readonly;
	const char *id = fluxion->id;

	if (fluxion->context.size > FLX_CONTEXT_MAX)
		FLX_FAULT(check, "fluxion %s: context of %u bytes; %d is the most, split it", id,
			  fluxion->context.size, FLX_CONTEXT_MAX);
	if (fluxion->batch && declares)
		FLX_FAULT(check,
			  "fluxion %s: a batch handler gets no context; set .handler, or declare "
			  "the context elsewhere in its group",
			  id);
	else if (!fluxion->context.size && declares)
		FLX_FAULT(check, "fluxion %s: context without a size; set .context.size", id);
	if (flx_fluxion_limit(fluxion) < flx_fluxion_capacity(fluxion))
		FLX_FAULT(check,
			  "fluxion %s: limit of %u contexts, below the capacity of %u; set "
			  ".context.limit to 0 for what does not grow, or to the most that there "
			  "may be",
			  id, fluxion->context.limit, flx_fluxion_capacity(fluxion));
	if (fluxion->context.ttl_ms > FLX_TTL_MAX_MS)
		FLX_FAULT(check,
			  "fluxion %s: contexts live %" PRIu64
			  " ms; set .context.ttl_ms to 180 days "
			  "(%llu) at most, or to 0 for ever",
			  id, fluxion->context.ttl_ms, FLX_TTL_MAX_MS);
	if (fluxion->context.upgrade && !fluxion->context.version)
		FLX_FAULT(check,
			  "fluxion %s: upgrades its context to version 0, and none is older; set "
			  ".context.version",
			  id);
}

static void check_listeners(struct check *check)
{
	const struct flx_program *program = check->program;
	uint32_t listeners = 0;

	for (uint32_t i = 0; i < program->fluxion_count; i++) {
		uint16_t port = program->fluxions[i].listen.udp;

		if (!port)
			continue;
		listeners++;
		for (uint32_t j = 0; j < i; j++)
			if (program->fluxions[j].listen.udp == port)
				FLX_FAULT(check,
					  "fluxions %s and %s: both listen on UDP port %u; give "
					  "each its own",
					  program->fluxions[j].id, program->fluxions[i].id, port);
	}
	if (!listeners)
		FLX_FAULT(check,
			  "program %s: no fluxion listens, so nothing can ever arrive; set "
			  ".listen on a start fluxion",
			  program->name);
}

uint32_t flx_program_check_names(const struct flx_program *program)
{
	struct check check = {.program = program};

	if (!program->name || !valid_name(program->name)) {
		flx_error("program: name '%.40s' is not a name; set .name",
			  program->name ? program->name : "");
		return 1;
	}
	if (!program->fluxions || !program->fluxion_count ||
	    program->fluxion_count > FLX_FLUXIONS_MAX) {
		flx_error("program %s: has %u fluxions; declare 1 to %d", program->name,
			  program->fluxions ? program->fluxion_count : 0, FLX_FLUXIONS_MAX);
		return 1;
	}
	check_ids(&check);
	return check.faults;
}

uint32_t flx_program_check_fluxions(const struct flx_program *program)
{
	struct check check = {.program = program};

	for (uint32_t i = 0; i < program->fluxion_count; i++) {
		check_sizes(&check, &program->fluxions[i]);
		check_context(&check, &program->fluxions[i]);
		for (uint32_t s = 0; s < FLX_STREAMS_MAX; s++)
			check_stream(&check, &program->fluxions[i], s);
	}
	check_listeners(&check);
	return check.faults;
}
