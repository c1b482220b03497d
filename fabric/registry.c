/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/registry.h"

#include <stdlib.h>

#include "fabric/program.h"

/* One check run: the program and the number of faults found so far. */
struct check {
	const struct flx_program *program;
	struct flx_registry *registry;
	uint32_t faults;
	uint16_t parent[FLX_FLUXIONS_MAX]; /* union-find over fluxions that share tags */
	const struct flx_fluxion *declares[FLX_FLUXIONS_MAX]; /* this group's context; NULL: none */
	bool reached[FLX_FLUXIONS_MAX];
};

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

/* Takes the key of @fluxion into its group, or finds that they contradict. */
static void merge_key(struct check *check, struct flx_group *group,
		      const struct flx_fluxion *fluxion)
{
	if (!fluxion->key.extract)
		return;
	if (group->key &&
	    (group->key != fluxion->key.extract || group->key_size != fluxion->key.size))
		FLX_FAULT(check,
			  "fluxion %s: its key differs from that of group %s, which has one key; "
			  "declare the same at all its fluxions, or at one",
			  fluxion->id, group->name);
	group->key = fluxion->key.extract;
	group->key_size = fluxion->key.size;
}

static bool same_context(const struct flx_fluxion *a, const struct flx_fluxion *b)
{
	return a->context.init == b->context.init &&
	       flx_fluxion_capacity(a) == flx_fluxion_capacity(b) &&
	       flx_fluxion_limit(a) == flx_fluxion_limit(b) &&
	       a->context.evict == b->context.evict && a->context.version == b->context.version &&
	       a->context.upgrade == b->context.upgrade && a->context.ttl_ms == b->context.ttl_ms;
}

/* The same for its context. A reader that gives only the size agrees with whoever gives the rest. */
static void merge_context(struct check *check, uint16_t number, const struct flx_fluxion *fluxion)
{
	struct flx_group *group = &check->registry->group[number];
	const struct flx_fluxion **declares = &check->declares[number];
	bool differs = group->context_size && group->context_size != fluxion->context.size;

	if (!fluxion->context.size)
		return;
	group->context_size = fluxion->context.size;
	if (flx_fluxion_declares(fluxion)) {
		differs |= *declares && !same_context(*declares, fluxion);
		*declares = fluxion;
	}
	if (differs)
		FLX_FAULT(check,
			  "fluxion %s: its context differs from that of group %s, which shares "
			  "one; declare the same at all its fluxions, or at one (readonly ones "
			  "may give .size alone)",
			  fluxion->id, group->name);
}

/* All members are merged: what they declare becomes the group's. */
static void finish_context(struct check *check, uint32_t number)
{
	static const struct flx_fluxion reader; /* of a group that nobody writes */
	const struct flx_fluxion *fluxion = check->declares[number];
	struct flx_group *group = &check->registry->group[number];

	if (!group->context_size)
		return;
	if (!fluxion)
		fluxion = &reader;
	group->context_init = fluxion->context.init;
	group->context_capacity = flx_fluxion_capacity(fluxion);
	group->context_limit = flx_fluxion_limit(fluxion);
	group->context_evict = fluxion->context.evict;
	group->context_version = fluxion->context.version;
	group->context_upgrade = fluxion->context.upgrade;
	group->context_ttl_ms = fluxion->context.ttl_ms;
	if (!group->key && (fluxion->context.evict || fluxion->context.limit))
		FLX_FAULT(check,
			  "fluxion %s: group %s has no key, so its one context neither grows nor "
			  "gives way; declare a key, or take .context.limit and .evict out",
			  fluxion->id, group->name);
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
		merge_key(check, group, fluxion);
		merge_context(check, number[root], fluxion);
		registry->fluxion[FLX_FLUXION_FIRST + i].group = number[root];
	}
	for (uint32_t g = 0; g < registry->group_count; g++) {
		struct flx_group *group = &registry->group[g];

		group->mode = group_mode(group);
		group->slice = (uint16_t)(g % FLX_SLICES);
		finish_context(check, g);
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
			reach(check, (uint32_t)flx_program_find(check->program,
								fluxion->streams[s].to[d]));
}

static void warn_unreachable(struct check *check)
{
	const struct flx_program *program = check->program;

	for (uint32_t i = 0; i < program->fluxion_count; i++)
		if (program->fluxions[i].listen.udp)
			reach(check, i);
	for (uint32_t i = 0; i < program->fluxion_count; i++)
		if (!check->reached[i])
			flx_warn("fluxion %s: no listener leads to it, so it never runs; lead a "
				 "stream to it or remove it",
				 program->fluxions[i].id);
}

static void resolve_stream(struct flx_registry *registry, const struct flx_program *program,
			   const struct flx_stream *stream, struct flx_target *target)
{
	for (; target->count < FLX_DESTINATIONS_MAX && stream->to[target->count]; target->count++)
		registry->destinations[registry->destination_count + target->count] =
			(uint16_t)(FLX_FLUXION_FIRST +
				   flx_program_find(program, stream->to[target->count]));
	if (target->count == 1) {
		target->to = registry->destinations[registry->destination_count];
	} else {
		target->to = registry->destination_count;
		registry->destination_count += target->count;
	}
}

static uint16_t slice_flag(flx_key_fn key)
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
		entry->readonly = fluxion->context.readonly;
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

/* Steps from @entry on through fluxions without slices, as far as @depth knows of those after it. */
static uint32_t depth_after(const struct flx_registry *registry,
			    const struct flx_fluxion_entry *entry, const uint32_t *depth)
{
	uint32_t most = 0;

	for (uint32_t s = 0; s < FLX_STREAMS_MAX; s++) {
		const struct flx_target *target = &entry->targets[s];

		for (uint32_t d = 0; d < target->count; d++) {
			uint32_t to = target->count == 1 ? target->to
							 : registry->destinations[target->to + d];

			most = depth[to] > most ? depth[to] : most;
		}
	}
	return most;
}

/*
 * The longest chain of fluxions without slices, and one step for the fabric's own, which end it.
 * Those in a circle count as a chain of all.
 */
static uint32_t find_locals_depth(const struct flx_registry *registry)
{
	uint32_t depth[FLX_FLUXION_FIRST + FLX_FLUXIONS_MAX] = {0}, locals = 0, most = 0;
	bool changed = true;

	for (uint32_t f = FLX_FLUXION_FIRST; f < registry->fluxion_count; f++)
		locals += registry->fluxion[f].mode == FLX_PLACE_LOCAL;
	while (changed) {
		changed = false;
		for (uint32_t f = FLX_FLUXION_FIRST; f < registry->fluxion_count; f++) {
			const struct flx_fluxion_entry *entry = &registry->fluxion[f];
			uint32_t found;

			if (entry->mode != FLX_PLACE_LOCAL)
				continue;
			found = 1 + depth_after(registry, entry, depth);
			found = found < locals ? found : locals;
			changed |= found != depth[f];
			depth[f] = found;
			most = found > most ? found : most;
		}
	}
	return most + 1;
}

/* Whether the same key picks slices of one number of both. */
static bool slices_alike(const struct flx_group *a, const struct flx_group *b)
{
	if (a->mode != b->mode || a->mode == FLX_PLACE_LOCAL || a->mode == FLX_PLACE_SINGLE)
		return false;
	return a->mode == FLX_PLACE_FLOW || (a->key == b->key && a->key_size == b->key_size);
}

/* Joins the mates of two groups, under the lower number. */
static void join_mates(struct flx_registry *registry, uint16_t a, uint16_t b)
{
	uint16_t from = registry->group[a].mates, to = registry->group[b].mates;

	if (from == to || !slices_alike(&registry->group[a], &registry->group[b]))
		return;
	for (uint32_t g = 0; g < registry->group_count; g++)
		if (registry->group[g].mates == from || registry->group[g].mates == to)
			registry->group[g].mates = from < to ? from : to;
}

static void find_mates(struct flx_registry *registry)
{
	for (uint16_t g = 0; g < registry->group_count; g++)
		registry->group[g].mates = g;
	for (uint32_t f = FLX_FLUXION_FIRST; f < registry->fluxion_count; f++) {
		const struct flx_fluxion_entry *entry = &registry->fluxion[f];

		for (uint32_t s = 0; s < FLX_STREAMS_MAX; s++) {
			const struct flx_target *target = &entry->targets[s];

			for (uint32_t d = 0; d < target->count; d++) {
				uint32_t to = target->count == 1
						      ? target->to
						      : registry->destinations[target->to + d];

				join_mates(registry, entry->group, registry->fluxion[to].group);
			}
		}
	}
}

int flx_registry_init(struct flx_registry *registry, const struct flx_program *program)
{
	struct check check = {.program = program, .registry = registry};

	*registry = (struct flx_registry){0};
	if (flx_program_check_names(program))
		return -EINVAL; /* what follows names fluxions by their ids */
	check.faults = flx_program_check_fluxions(program);
	make_groups(&check);
	if (check.faults)
		return -EINVAL;
	warn_unreachable(&check);
	/* As long as every stream of every fluxion could ask for. */
	registry->destinations =
		calloc((size_t)program->fluxion_count * FLX_STREAMS_MAX * FLX_DESTINATIONS_MAX,
		       sizeof(*registry->destinations));
	if (!registry->destinations)
		return -ENOMEM;
	registry->fluxion_count = FLX_FLUXION_FIRST + program->fluxion_count;
	for (int own = 0; own < FLX_FLUXION_FIRST; own++)
		strncpy(registry->fluxion[own].id, flx_own_ids[own], FLX_ID_MAX);
	resolve(registry, program);
	find_mates(registry);
	registry->locals_depth = find_locals_depth(registry);
	return 0;
}

void flx_registry_fini(struct flx_registry *registry)
{
	free(registry->destinations);
	registry->destinations = NULL;
}

int flx_registry_resize(struct flx_registry *registry, const char *name, uint32_t capacity,
			uint32_t limit)
{
	struct flx_group *group = registry->group, *end = group + registry->group_count;

	while (group < end && strcmp(group->name, name) != 0)
		group++;
	if (group == end || !group->context_size || !group->key) {
		flx_error("--contexts %s: %s; give a group that flx check lists with a key and "
			  "contexts",
			  name, group == end ? "no such group" : "not a group of contexts by key");
		return -EINVAL;
	}
	group->context_capacity = capacity;
	group->context_limit = limit ? limit : capacity;
	return 0;
}
