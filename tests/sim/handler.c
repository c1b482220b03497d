/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * handler - does at random whatever a handler may do, and what it may not, and tells the oracle.
 */
#include <stdlib.h>

#include "tests/sim/sim.h"

/* One call of the handler. */
struct hand {
	struct sim *sim;
	struct flx_call *call;
	struct flx_msg *msg;	/* NULL when it is sent */
	struct sim_token token; /* that came with it */
	uint32_t fluxion;	/* index */
	uint32_t worker;
	uint32_t made;
	uint32_t made_sent;
	uint32_t error; /* the first one that a call returned; positive */
	bool deletes;	/* its context */
};

/* The first failure is the one that the fabric must count. */
static void note_error(struct hand *hand, int result)
{
	if (result && !hand->error)
		hand->error = (uint32_t)-result;
}

/* What the next message of this chain carries. */
static void write_token(struct hand *hand, struct sim_token *token, uint32_t flow)
{
	struct sim *sim = hand->sim;
	uint32_t source = sim_place(&sim->oracle, hand->fluxion, &hand->token, hand->worker);

	token->key = hand->token.key;
	if (flx_random_chance(&sim->random, sim->shape.rekey_pct))
		token->key = flx_random_below(&sim->random, sim->shape.keys);
	token->flow = flow;
	token->hops = hand->token.hops - 1;
	token->keyless = flx_random_chance(&sim->random, sim->shape.keyless_pct);
	sim_token_lead(&sim->oracle, token, hand->fluxion, &hand->token);
	sim_token_seal(&sim->oracle, token, source);
}

/* Sends @msg on a random stream; @flow is what it came by. */
static void send_on(struct hand *hand, struct flx_msg *msg, uint32_t flow, bool made)
{
	struct sim *sim = hand->sim;
	uint32_t streams = sim->program.stream_count[hand->fluxion];
	uint32_t stream = flx_random_below(&sim->random, streams);
	uint32_t mask = sim->program.stream_mask[hand->fluxion][stream];
	struct sim_token *token = flx_at(msg, 0, sizeof(*token));
	int result;

	write_token(hand, token, flow);
	sim_oracle_send(&sim->oracle, token, mask);
	result = flx_send(hand->call, stream, msg);
	note_error(hand, result);
	if (result)
		return;
	hand->made += (uint32_t)__builtin_popcount(mask) - 1;
	hand->made_sent += (uint32_t)__builtin_popcount(mask) - 1;
	if (made)
		hand->made_sent++;
	else
		hand->msg = NULL;
}

/* Some new messages; not all of them are sent. */
static void make(struct hand *hand)
{
	struct flx_random *random = &hand->sim->random;
	uint32_t count = flx_random_chance(random, 3) ? flx_random_between(random, 10, 66)
						      : flx_random_between(random, 1, 3);
	uint32_t send_pct = flx_random_chance(random, 50) ? 80 : 100;

	for (uint32_t i = 0; i < count && !hand->error; i++) {
		struct flx_msg *msg = flx_alloc(hand->call);

		if (!msg) {
			note_error(hand, hand->call->error);
			return;
		}
		hand->made++;
		if (!flx_append(msg, sizeof(struct sim_token)))
			abort();
		if (flx_random_chance(random, send_pct))
			send_on(hand, msg, 0, true);
	}
}

/* A copy before the message itself, or instead of it. */
static void copy(struct hand *hand)
{
	struct flx_msg *msg = flx_copy(hand->call, hand->msg);

	if (!msg) {
		note_error(hand, hand->call->error);
		return;
	}
	hand->made++;
	if (flx_random_chance(&hand->sim->random, 90))
		send_on(hand, msg, hand->token.flow, true);
}

/* What the header forbids: each fails the call. */
static void misuse(struct hand *hand)
{
	static struct flx_msg foreign;
	struct flx_msg *msg = hand->msg;

	switch (flx_random_below(&hand->sim->random, 5)) {
	case 0:
		send_on(hand, msg, hand->token.flow, false);
		if (!hand->error)
			note_error(hand, flx_send(hand->call, 0, msg)); /* twice */
		break;
	case 1:
		note_error(hand, flx_send(hand->call, 0, &foreign));
		break;
	case 3:
		send_on(hand, msg, hand->token.flow, false);
		if (!hand->error)
			note_error(hand, flx_send(hand->call, 0, NULL));
		break;
	case 2:
		note_error(hand, flx_send(hand->call, SIM_STREAMS_MAX, msg));
		break;
	default:
		note_error(hand, flx_send(hand->call, UINT32_MAX, msg));
	}
	if (!hand->error)
		sim_fail(&hand->sim->oracle, "fluxion %u: a misuse was not refused", hand->fluxion);
}

/* The changed context; committed or not, it is there to be seen. */
static void change_context(const struct hand *hand, void *context)
{
	const struct flx_registry *registry = &hand->sim->world.registry;
	uint32_t g = registry->fluxion[FLX_FLUXION_FIRST + hand->fluxion].group;
	const struct flx_group *group = &registry->group[g];
	struct sim_context begin;

	memcpy(&begin, context, sizeof(begin));
	begin.commits++;
	begin.key = hand->token.key;
	if (group->key == sim_key_wide)
		begin.key /= 3;
	else if (group->key == flx_key_flow || group->key == flx_key_client)
		begin.key = hand->token.flow - 1;
	else if (!group->key)
		begin.key = 0;
	memset(context, (uint8_t)begin.commits, group->context_size);
	memcpy(context, &begin, sizeof(begin));
}

/* Changes what it may change, and sometimes ends it, before or after. */
static void use_context(struct hand *hand, void *context)
{
	struct sim *sim = hand->sim;

	if (sim->world.registry.fluxion[FLX_FLUXION_FIRST + hand->fluxion].readonly)
		return;
	hand->deletes = flx_random_chance(&sim->extra, sim->shape.delete_pct);
	if (hand->deletes)
		note_error(hand, flx_delete(hand->call));
	change_context(hand, context);
}

/* Sends and the like, at random. */
static void act(struct hand *hand)
{
	const struct sim_shape *shape = &hand->sim->shape;
	struct flx_random *random = &hand->sim->random;

	if (!hand->token.hops || !hand->sim->program.stream_count[hand->fluxion])
		return; /* consumed */
	if (flx_random_chance(random, shape->make_pct))
		make(hand);
	if (!hand->error && flx_random_chance(random, shape->copy_pct))
		copy(hand);
	if (!hand->error && flx_random_chance(random, shape->misuse_pct))
		misuse(hand);
	/* Going on after a failure is allowed, and changes nothing. */
	if (hand->error && flx_random_chance(random, 50))
		return;
	if (hand->msg && !flx_random_chance(random, shape->consume_pct))
		send_on(hand, hand->msg, hand->token.flow, false);
}

/* What the handler returns; any errno, and sometimes a positive one. */
static int choose_result(struct hand *hand)
{
	struct flx_random *random = &hand->sim->random;
	uint32_t error;

	if (!flx_random_chance(random, hand->sim->shape.fail_pct))
		return 0;
	error = flx_random_between(random, 1, FLX_ERRORS + 5);
	if (!hand->error)
		hand->error = error;
	return flx_random_chance(random, 10) ? (int)error : -(int)error;
}

/* Index of the fluxion that @call runs: its targets lie in its entry. */
static uint32_t fluxion_of(const struct sim *sim, const struct flx_call *call)
{
	const struct flx_fluxion_entry *entry =
		container_of((void *)(uintptr_t)call->targets, struct flx_fluxion_entry, targets);

	return (uint32_t)(entry - sim->world.registry.fluxion) - FLX_FLUXION_FIRST;
}

int sim_handler(struct flx_call *call, struct flx_msg *msg, void *context)
{
	struct sim *sim = sim_now;
	struct hand hand = {.sim = sim, .call = call, .msg = msg, .worker = call->worker->index};
	const struct sim_token *token = flx_at(msg, 0, sizeof(*token));
	struct sim_row *row;
	int result;

	hand.fluxion = fluxion_of(sim, call);
	if (!token || hand.fluxion >= sim->oracle.fluxions) {
		sim_fail(&sim->oracle, "fluxion %u got a message without its bytes", hand.fluxion);
		return 0;
	}
	hand.token = *token;
	sim_oracle_arrive(&sim->oracle, hand.fluxion, hand.worker, token, context);
	if (sim->oracle.failure[0])
		return 0;
	if (context)
		use_context(&hand, context);
	act(&hand);
	result = choose_result(&hand);
	row = &sim->oracle.rows[hand.fluxion];
	if (hand.error) {
		sim_oracle_undo(&sim->oracle);
	} else {
		sim_oracle_commit(&sim->oracle);
		row->generated += hand.made;
		row->consumed += (hand.msg != NULL) + hand.made - hand.made_sent;
	}
	sim_oracle_end(&sim->oracle, hand.fluxion, hand.worker, &hand.token, hand.error,
		       hand.deletes);
	return result;
}
