/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/registry.h"

#include <ctype.h>
#include <stdlib.h>

#define CAPACITY_DEFAULT 65536

/* Names of the fabric's own fluxions, in ledgers and messages. */
static const char *const own_ids[FLX_FLUXION_FIRST] = {"", "udp", "arp", "tx"};

/* One check run: the program and the number of faults found so far. */
struct check {
	const struct flx_program *program;
	struct flx_registry *registry;
	uint32_t faults;
	uint16_t parent[FLX_FLUXIONS_MAX]; /* union-find over fluxions that share tags */
	bool reached[FLX_FLUXIONS_MAX];
};

#define FAULT(check, ...)                                                                          \
	do {                                                                                       \
		flx_error(__VA_ARGS__);                                                            \
		(check)->faults++;                                                                 \
	} while (0)

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

/* Index of fluxion @id in the program, or -1. */
static int find(const struct flx_program *program, const char *id)
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
			FAULT(check,
			      "program %s, fluxion %u: id '%.40s' is not a name; give 1 to %d "
			      "letters, digits, '_', '.' or '-'",
			      program->name, i, id ? id : "", FLX_ID_MAX);
			continue;
		}
		for (int own = FLX_FLUXION_UDP; own < FLX_FLUXION_FIRST; own++)
			if (strcmp(id, own_ids[own]) == 0)
				FAULT(check,
				      "fluxion %s: the fabric has one of this name; choose another "
				      "id",
				      id);
		if (find(program, id) != (int)i)
			FAULT(check,
			      "fluxion %s: declared at %d and again at %u; ids are unique, rename "
			      "one",
			      id, find(program, id), i);
		if (!program->fluxions[i].handler == !program->fluxions[i].batch)
			FAULT(check, "fluxion %s: has %s; set .handler or .batch", id,
			      program->fluxions[i].batch ? "both handlers" : "no handler");
	}
}

static void check_stream(struct check *check, const struct flx_fluxion *fluxion, uint32_t index)
{
	const struct flx_stream *stream = &fluxion->streams[index];

	if (stream->type > FLX_STREAM_POST) {
		FAULT(check, "fluxion %s, stream %u: type %d is unknown; give FLX_STREAM_START or "
			     "FLX_STREAM_POST",
		      fluxion->id, index, (int)stream->type);
		return;
	}
	if (stream->type == FLX_STREAM_NONE) {
		if (stream->to[0])
			FAULT(check,
			      "fluxion %s, stream %u: leads to %s but has no type; set .type to "
			      "FLX_STREAM_START or FLX_STREAM_POST",
			      fluxion->id, index, stream->to[0]);
		return;
	}
	if (!stream->to[0])
		FAULT(check, "fluxion %s, stream %u: leads nowhere; list a fluxion in .to",
		      fluxion->id, index);
	if (stream->type == FLX_STREAM_START && !fluxion->listen.udp)
		FAULT(check,
		      "fluxion %s, stream %u: a start stream (>>) needs something to listen to; set "
		      ".listen, or make it a post stream (->)",
		      fluxion->id, index);
	for (uint32_t i = 0; i < FLX_DESTINATIONS_MAX && stream->to[i]; i++) {
		if (find(check->program, stream->to[i]) < 0)
			FAULT(check,
			      "fluxion %s, stream %u: leads to '%.40s', which is not declared; add "
			      "the fluxion or correct the name",
			      fluxion->id, index, stream->to[i]);
		for (uint32_t j = 0; j < i; j++)
			if (strcmp(stream->to[i], stream->to[j]) == 0)
				FAULT(check,
				      "fluxion %s, stream %u: leads to %s twice; list it once",
				      fluxion->id, index, stream->to[i]);
	}
}

static void check_sizes(struct check *check, const struct flx_fluxion *fluxion)
{
	const char *id = fluxion->id;

	if (fluxion->key.extract && (fluxion->key.size == 0 || fluxion->key.size > FLX_KEY_MAX))
		FAULT(check, "fluxion %s: key of %u bytes; set .key.size to 1..%d", id,
		      fluxion->key.size, FLX_KEY_MAX);
	if (!fluxion->key.extract && fluxion->key.size)
		FAULT(check, "fluxion %s: key size without a key function; set .key.extract", id);
	if (fluxion->key.extract == flx_key_flow && fluxion->key.size != FLX_KEY_FLOW_SIZE)
		FAULT(check, "fluxion %s: flx_key_flow writes %d bytes; set .key.size to "
			     "FLX_KEY_FLOW_SIZE",
		      id, FLX_KEY_FLOW_SIZE);
	if (fluxion->key.extract == flx_key_client && fluxion->key.size != FLX_KEY_CLIENT_SIZE)
		FAULT(check, "fluxion %s: flx_key_client writes %d bytes; set .key.size to "
			     "FLX_KEY_CLIENT_SIZE",
		      id, FLX_KEY_CLIENT_SIZE);
	if (fluxion->context.size > FLX_CONTEXT_MAX)
		FAULT(check, "fluxion %s: context of %u bytes; %d is the most, split it", id,
		      fluxion->context.size, FLX_CONTEXT_MAX);
	if (fluxion->batch && fluxion->context.size)
		FAULT(check,
		      "fluxion %s: a batch handler gets no context; set .handler, or declare the "
		      "context elsewhere in its group",
		      id);
	if (!fluxion->context.size && (fluxion->context.init || fluxion->context.capacity))
		FAULT(check, "fluxion %s: context without a size; set .context.size", id);
	for (uint32_t i = 0; i < FLX_TAGS_MAX && fluxion->tags[i]; i++)
		if (!valid_name(fluxion->tags[i]))
			FAULT(check,
			      "fluxion %s: tag '%.40s' is not a name; give 1 to %d letters, digits, "
			      "'_', '.' or '-'",
			      id, fluxion->tags[i], FLX_ID_MAX);
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
				FAULT(check,
				      "fluxions %s and %s: both listen on UDP port %u; give each its "
				      "own",
				      program->fluxions[j].id, program->fluxions[i].id, port);
	}
	if (!listeners)
		FAULT(check,
		      "program %s: no fluxion listens, so nothing can ever arrive; set .listen on a "
		      "start fluxion",
		      program->name);
}

static uint16_t group_root(struct check *check, uint16_t index)
{
	while (check->parent[index] != index)
		index = check->parent[index] = check->parent[check->parent[index]];
	return index;
}

static bool share_tag(const struct flx_fluxion *a, const struct flx_fluxion *b)
{
	for (uint32_t i = 0; i < FLX_TAGS_MAX && a->tags[i]; i++)
		for (uint32_t j = 0; j < FLX_TAGS_MAX && b->tags[j]; j++)
			if (strcmp(a->tags[i], b->tags[j]) == 0)
				return true;
	return false;
}

/* Groups: fluxions joined by shared tags, transitively. A root is the member declared first. */
static void join_groups(struct check *check)
{
	const struct flx_program *program = check->program;

	for (uint32_t i = 0; i < program->fluxion_count; i++)
		check->parent[i] = (uint16_t)i;
	for (uint32_t i = 0; i < program->fluxion_count; i++) {
		for (uint32_t j = 0; j < i; j++) {
			uint16_t a = group_root(check, (uint16_t)i);
			uint16_t b = group_root(check, (uint16_t)j);

			if (a == b || !share_tag(&program->fluxions[i], &program->fluxions[j]))
				continue;
			check->parent[a > b ? a : b] = a > b ? b : a;
		}
	}
}

/* Takes the key and context of @fluxion into its group, or finds that they contradict. */
static void merge_into_group(struct check *check, struct flx_group *group,
			     const struct flx_fluxion *fluxion)
{
	if (fluxion->key.extract) {
		if (group->key && (group->key != fluxion->key.extract ||
				   group->key_size != fluxion->key.size))
			FAULT(check,
			      "fluxion %s: its key differs from that of group %s, which has one key; "
			      "declare the same at all its fluxions, or at one",
			      fluxion->id, group->name);
		group->key = fluxion->key.extract;
		group->key_size = fluxion->key.size;
	}
	if (fluxion->context.size) {
		uint32_t capacity = fluxion->context.capacity ? fluxion->context.capacity
							       : CAPACITY_DEFAULT;

		if (group->context_size && (group->context_size != fluxion->context.size ||
					    group->context_init != fluxion->context.init ||
					    group->context_capacity != capacity))
			FAULT(check,
			      "fluxion %s: its context differs from that of group %s, which shares "
			      "one; declare the same size, init and capacity, or declare it at one",
			      fluxion->id, group->name);
		group->context_size = fluxion->context.size;
		group->context_init = fluxion->context.init;
		group->context_capacity = capacity;
	}
}

static enum flx_placement_mode group_mode(const struct flx_group *group)
{
	if (group->key == flx_key_flow)
		return FLX_PLACE_FLOW;
	if (group->key)
		return FLX_PLACE_KEYED;
	return group->context_size ? FLX_PLACE_SINGLE : FLX_PLACE_LOCAL;
}

static void make_groups(struct check *check)
{
	const struct flx_program *program = check->program;
	struct flx_registry *registry = check->registry;
	uint16_t number[FLX_FLUXIONS_MAX];

	join_groups(check);
	for (uint32_t i = 0; i < program->fluxion_count; i++) {
		const struct flx_fluxion *fluxion = &program->fluxions[i];
		uint16_t root = group_root(check, (uint16_t)i);
		struct flx_group *group;

		if (root == i) {
			number[i] = (uint16_t)registry->group_count++;
			group = &registry->group[number[i]];
			strncpy(group->name, fluxion->tags[0] ? fluxion->tags[0] : fluxion->id,
				FLX_ID_MAX);
		}
		group = &registry->group[number[root]];
		group->member_count++;
		merge_into_group(check, group, fluxion);
		registry->fluxion[FLX_FLUXION_FIRST + i].group = number[root];
	}
	for (uint32_t g = 0; g < registry->group_count; g++) {
		struct flx_group *group = &registry->group[g];

		group->mode = group_mode(group);
		group->slice = (uint16_t)(g % FLX_SLICES);
	}
}

/* Marks what a message can reach from fluxion @index; recursion is as deep as the program is long. */
static void reach(struct check *check, uint32_t index)
{
	const struct flx_fluxion *fluxion = &check->program->fluxions[index];

	if (check->reached[index])
		return;
	check->reached[index] = true;
	for (uint32_t s = 0; s < FLX_STREAMS_MAX; s++)
		for (uint32_t d = 0; d < FLX_DESTINATIONS_MAX && fluxion->streams[s].to[d]; d++)
			reach(check, (uint32_t)find(check->program, fluxion->streams[s].to[d]));
}

static void warn_unreachable(struct check *check)
{
	const struct flx_program *program = check->program;

	for (uint32_t i = 0; i < program->fluxion_count; i++)
		if (program->fluxions[i].listen.udp)
			reach(check, i);
	for (uint32_t i = 0; i < program->fluxion_count; i++)
		if (!check->reached[i])
			flx_warn("fluxion %s: no listener leads to it, so it never runs; lead a stream "
				 "to it or remove it",
				 program->fluxions[i].id);
}

static void check_program(struct check *check)
{
	const struct flx_program *program = check->program;

	check_ids(check);
	if (check->faults)
		return; /* what follows names fluxions by their ids */
	for (uint32_t i = 0; i < program->fluxion_count; i++) {
		check_sizes(check, &program->fluxions[i]);
		for (uint32_t s = 0; s < FLX_STREAMS_MAX; s++)
			check_stream(check, &program->fluxions[i], s);
	}
	check_listeners(check);
	make_groups(check);
	if (!check->faults)
		warn_unreachable(check);
}

static void resolve_stream(struct flx_registry *registry, const struct flx_program *program,
			   const struct flx_stream *stream, struct flx_target *target)
{
	for (; target->count < FLX_DESTINATIONS_MAX && stream->to[target->count]; target->count++)
		registry->destinations[registry->destination_count + target->count] =
			(uint16_t)(FLX_FLUXION_FIRST + find(program, stream->to[target->count]));
	if (target->count == 1) {
		target->to = registry->destinations[registry->destination_count];
	} else {
		target->to = registry->destination_count;
		registry->destination_count += target->count;
	}
}

static uint32_t slice_flag(flx_key_fn key)
{
	if (key == flx_key_client)
		return FLX_ELEM_CLIENT_SLICE;
	return key == flx_key_flow ? FLX_ELEM_FLOW_SLICE : 0;
}

static void resolve(struct flx_registry *registry, const struct flx_program *program)
{
	for (uint32_t i = 0; i < program->fluxion_count; i++) {
		const struct flx_fluxion *fluxion = &program->fluxions[i];
		struct flx_fluxion_entry *entry = &registry->fluxion[FLX_FLUXION_FIRST + i];
		const struct flx_group *group = &registry->group[entry->group];

		strncpy(entry->id, fluxion->id, FLX_ID_MAX);
		entry->handler = fluxion->handler;
		entry->batch = fluxion->batch;
		entry->key = group->key;
		entry->key_size = group->key_size;
		entry->mode = (uint8_t)group->mode;
		entry->has_context = fluxion->context.size > 0;
		entry->slice_flag = slice_flag(group->key);
		for (uint32_t s = 0; s < FLX_STREAMS_MAX; s++)
			resolve_stream(registry, program, &fluxion->streams[s], &entry->targets[s]);
		if (fluxion->listen.udp) {
			registry->listener[registry->listener_count].port = fluxion->listen.udp;
			registry->listener[registry->listener_count++].fluxion =
				(uint16_t)(FLX_FLUXION_FIRST + i);
		}
	}
}

int flx_registry_init(struct flx_registry *registry, const struct flx_program *program)
{
	struct check check = {.program = program, .registry = registry};

	*registry = (struct flx_registry){0};
	if (!program->name || !valid_name(program->name)) {
		flx_error("program: name '%.40s' is not a name; set .name", 
			  program->name ? program->name : "");
		return -EINVAL;
	}
	if (!program->fluxions || !program->fluxion_count ||
	    program->fluxion_count > FLX_FLUXIONS_MAX) {
		flx_error("program %s: has %u fluxions; declare 1 to %d", program->name,
			  program->fluxions ? program->fluxion_count : 0, FLX_FLUXIONS_MAX);
		return -EINVAL;
	}
	check_program(&check);
	if (check.faults)
		return -EINVAL;
	/* As long as every stream of every fluxion could ask for. */
	registry->destinations =
		calloc((size_t)program->fluxion_count * FLX_STREAMS_MAX * FLX_DESTINATIONS_MAX,
		       sizeof(*registry->destinations));
	if (!registry->destinations)
		return -ENOMEM;
	registry->fluxion_count = FLX_FLUXION_FIRST + program->fluxion_count;
	for (int own = 0; own < FLX_FLUXION_FIRST; own++)
		strncpy(registry->fluxion[own].id, own_ids[own], FLX_ID_MAX);
	resolve(registry, program);
	return 0;
}

void flx_registry_fini(struct flx_registry *registry)
{
	free(registry->destinations);
	registry->destinations = NULL;
}
