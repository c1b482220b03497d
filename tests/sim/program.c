/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * program - random machines and random graphs: chains, rings, stars, and anything in between.
 */
#include "tests/sim/sim.h"

enum graph {
	GRAPH_RANDOM, /* any fluxion to any, itself included */
	GRAPH_CHAIN,  /* each to the next */
	GRAPH_RING,   /* a chain whose end leads to its start */
	GRAPH_STAR,   /* the first to all, all to the first */
	GRAPH_COUNT,
};

static const char *const tags[] = {"red", "green", "blue"};

void sim_shape_draw(struct sim_shape *shape, struct flx_random *random, struct flx_random *extra,
		    struct flx_random *moves)
{
	bool calm = flx_random_chance(random, 30); /* nothing fails: long chains, full lanes */

	*shape = (struct sim_shape){
		.workers = flx_random_between(random, 1, SIM_WORKERS_MAX),
		.lane_size = 1u << flx_random_below(random, 7),
		.fluxions = flx_random_chance(random, 10) ? SIM_FLUXIONS_MAX
							  : flx_random_between(random, 1, 10),
		.keys = flx_random_between(random, 1, SIM_KEYS_MAX),
		.steps = flx_random_between(random, 20, 300),
		.hops_max = flx_random_between(random, 1, 12),
		.inject_pct = flx_random_between(random, 5, 50),
		.pause_pct = flx_random_below(random, 4),
		.fail_pct = calm ? 0 : flx_random_below(random, 20),
		.misuse_pct = calm ? 0 : flx_random_below(random, 5),
		.consume_pct = flx_random_below(random, 20),
		.make_pct = flx_random_below(random, 30),
		.copy_pct = flx_random_below(random, 30),
		.keyless_pct = calm ? 0 : flx_random_below(random, 10),
		.rekey_pct = flx_random_below(random, 60),
		.moved = flx_random_chance(random, 50),
		.abandoned = flx_random_chance(random, 20),
	};
	shape->delete_pct = flx_random_chance(extra, 30) ? 0 : flx_random_below(extra, 30);
	shape->keep_pct = flx_random_between(extra, 1, 30);
	shape->tick_pct = flx_random_below(extra, 30);
	shape->move_pct = flx_random_chance(moves, 15) ? 0 : flx_random_below(moves, 40);
	shape->undo_pct = flx_random_chance(moves, 40) ? 0 : flx_random_below(moves, 10);
	shape->reap_pct = flx_random_between(moves, 1, 60);
	shape->queues = flx_random_chance(moves, 50);
	shape->late_pct = flx_random_between(moves, 1, 50);
	shape->sleep_pct = flx_random_below(moves, 80);
	/* From the least that the fabric starts with to four times that. */
	shape->credits = shape->workers * 4 * FLX_CREDIT_BLOCK * flx_random_between(random, 1, 4);
	/* Enough for all credits, or so few that there are none left where a credit is. */
	shape->buffers = flx_random_chance(random, 50)
				 ? shape->credits
				 : flx_random_between(random, 20, shape->credits);
}

static uint32_t random_mask(struct sim *sim, enum graph graph, uint32_t from)
{
	struct flx_random *random = &sim->random;
	uint32_t count = sim->shape.fluxions, all = (1u << count) - 1;

	switch (graph) {
	case GRAPH_CHAIN:
		return from + 1 < count ? 1u << (from + 1) : 0;
	case GRAPH_RING:
		return 1u << (from + 1) % count;
	case GRAPH_STAR:
		return from ? 1u : count > 1 ? all & ~1u : 1u;
	default:
		if (flx_random_chance(random, 75))
			return 1u << flx_random_below(random, count);
		return (uint32_t)flx_random_next(random) & (uint32_t)flx_random_next(random) & all;
	}
}

static void draw_streams(struct sim *sim, enum graph graph, uint32_t f)
{
	struct sim_program *program = &sim->program;
	uint32_t wanted =
		graph == GRAPH_RANDOM ? flx_random_between(&sim->random, 0, SIM_STREAMS_MAX) : 1;

	for (uint32_t s = 0; s < wanted; s++) {
		uint32_t mask = random_mask(sim, graph, f), count = 0;
		struct flx_stream *stream = &program->fluxions[f].streams[program->stream_count[f]];

		if (!mask)
			continue;
		stream->type =
			flx_random_chance(&sim->random, 50) ? FLX_STREAM_START : FLX_STREAM_POST;
		program->stream_mask[f][program->stream_count[f]++] = mask;
		for (; mask; mask &= mask - 1)
			stream->to[count++] = program->ids[__builtin_ctz(mask)];
	}
}

/* What becomes of contexts by themselves. With records enough for all that wait for the keeper. */
static void draw_life(struct sim *sim, struct flx_fluxion *fluxion)
{
	fluxion->context.capacity = SIM_CAPACITY;
	if (flx_random_chance(&sim->extra, 40))
		fluxion->context.ttl_ms = flx_random_between(&sim->extra, 1, 2000);
	/* Never full: of its being so the oracle knows nothing. */
	fluxion->context.evict = fluxion->key.extract && flx_random_chance(&sim->extra, 20);
}

/* Declares key and context of a group, at the fluxion given. */
static void draw_state(struct sim *sim, struct flx_fluxion *fluxion)
{
	struct flx_random *random = &sim->random;

	switch (flx_random_below(random, 5)) {
	case 0:
		fluxion->key.extract = sim_key_narrow;
		fluxion->key.size = SIM_KEY_NARROW_SIZE;
		break;
	case 1:
		fluxion->key.extract = sim_key_wide;
		fluxion->key.size = SIM_KEY_WIDE_SIZE;
		break;
	case 2:
		fluxion->key.extract = flx_key_flow;
		fluxion->key.size = FLX_KEY_FLOW_SIZE;
		break;
	case 3:
		fluxion->key.extract = flx_key_client;
		fluxion->key.size = FLX_KEY_CLIENT_SIZE;
		break;
	default:
		break; /* one context, or none: on every worker */
	}
	if (flx_random_chance(random, 70)) {
		bool large = flx_random_chance(random, 50);

		fluxion->context.size = large ? SIM_CONTEXT_LARGE : SIM_CONTEXT_SMALL;
		fluxion->context.init = large ? sim_context_init : NULL;
		if (fluxion->key.extract)
			draw_life(sim, fluxion);
	}
}

/* The fluxion before @f that is first in its group, which @wear tells; @f when it is itself. */
static uint32_t first_of_group(const uint32_t *wear, uint32_t f)
{
	for (uint32_t first = 0; wear[f] && first < f; first++)
		if (wear[first] & wear[f])
			return first;
	return f;
}

/* Some only read. */
static void share_context(struct sim *sim, struct flx_fluxion *fluxion,
			  const struct flx_fluxion *first)
{
	fluxion->context = first->context;
	if (first->context.size && flx_random_chance(&sim->extra, 30))
		fluxion->context.readonly = true;
}

/* Tags at random; whoever is first in its group declares for it, and most others share its context.
 */
static void draw_groups(struct sim *sim)
{
	struct sim_program *program = &sim->program;
	uint32_t tag_pct = flx_random_below(&sim->random, 60);
	uint32_t wear[SIM_FLUXIONS_MAX] = {0};
	bool joined = true;

	for (uint32_t f = 0; f < sim->shape.fluxions; f++)
		for (uint32_t t = 0, n = 0; t < RTE_DIM(tags); t++)
			if (flx_random_chance(&sim->random, tag_pct / 2)) {
				program->fluxions[f].tags[n++] = tags[t];
				wear[f] |= 1u << t;
			}
	/* Tags that one fluxion joins are one from then on. */
	while (joined) {
		joined = false;
		for (uint32_t f = 0; f < sim->shape.fluxions; f++)
			for (uint32_t g = 0; g < sim->shape.fluxions; g++)
				if ((wear[f] & wear[g]) && wear[f] != (wear[f] | wear[g])) {
					wear[f] |= wear[g];
					joined = true;
				}
	}
	for (uint32_t f = 0; f < sim->shape.fluxions; f++) {
		uint32_t first = first_of_group(wear, f);

		if (first == f)
			draw_state(sim, &program->fluxions[f]);
		else if (flx_random_chance(&sim->random, 70))
			share_context(sim, &program->fluxions[f], &program->fluxions[first]);
	}
}

void sim_program_draw(struct sim *sim)
{
	struct sim_program *program = &sim->program;
	enum graph graph = flx_random_chance(&sim->random, 60)
				   ? GRAPH_RANDOM
				   : (enum graph)flx_random_below(&sim->random, GRAPH_COUNT);

	memset(program, 0, sizeof(*program));
	program->program = (struct flx_program){
		.name = "sim", .fluxions = program->fluxions, .fluxion_count = sim->shape.fluxions};
	for (uint32_t f = 0; f < sim->shape.fluxions; f++) {
		snprintf(program->ids[f], sizeof(program->ids[f]), "f%u", f);
		program->fluxions[f].id = program->ids[f];
		program->fluxions[f].handler = sim_handler;
		/* All listen: none is out of reach, and any may be fed. */
		program->fluxions[f].listen.udp = (uint16_t)(1000 + f);
	}
	for (uint32_t f = 0; f < sim->shape.fluxions; f++)
		draw_streams(sim, graph, f);
	draw_groups(sim);
}
