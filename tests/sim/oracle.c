/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/oracle.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

#include "fabric/route.h"

void sim_fail(struct sim_oracle *oracle, const char *format, ...)
{
	va_list arguments;

	if (oracle->failure[0])
		return;
	va_start(arguments, format);
	vsnprintf(oracle->failure, sizeof(oracle->failure), format, arguments);
	va_end(arguments);
}

/* ------------------------------------------------------------------------------ keys and places */

static void write_wide(uint32_t key, uint8_t *bytes)
{
	memset(bytes, 0x11, SIM_KEY_WIDE_SIZE);
	bytes[SIM_KEY_WIDE_SIZE - 1] = (uint8_t)(key / 3);
}

static const struct sim_token *token_of(const struct flx_msg *msg)
{
	return flx_at(msg, 0, sizeof(struct sim_token));
}

int sim_key_narrow(const struct flx_msg *msg, void *key)
{
	const struct sim_token *token = token_of(msg);

	if (!token || token->keyless)
		return -ENODATA;
	memcpy(key, &token->key, SIM_KEY_NARROW_SIZE);
	return 0;
}

int sim_key_wide(const struct flx_msg *msg, void *key)
{
	const struct sim_token *token = token_of(msg);

	if (!token || token->keyless)
		return -ENODATA;
	write_wide(token->key, key);
	return 0;
}

void sim_context_init(void *context)
{
	struct sim_context *begin = context;

	memset(context, (uint8_t)SIM_CONTEXT_FIRST, SIM_CONTEXT_LARGE);
	begin->commits = SIM_CONTEXT_FIRST;
	begin->key = 0;
}

static enum sim_key key_of_group(const struct flx_group *group)
{
	if (group->mode == FLX_PLACE_FLOW)
		return SIM_KEY_FLOW;
	if (group->key == flx_key_client)
		return SIM_KEY_CLIENT;
	if (group->key == sim_key_narrow)
		return SIM_KEY_NARROW;
	return group->key == sim_key_wide ? SIM_KEY_WIDE : SIM_KEY_NONE;
}

static const struct flx_group *group_of(const struct sim_oracle *oracle, uint32_t fluxion)
{
	return &oracle->registry
			->group[oracle->registry->fluxion[FLX_FLUXION_FIRST + fluxion].group];
}

/* Which of the keys picks the slice and the context at @group. */
static uint32_t key_at(const struct flx_group *group, const struct sim_token *token)
{
	switch (key_of_group(group)) {
	case SIM_KEY_NARROW:
		return token->key;
	case SIM_KEY_WIDE:
		return token->key / 3;
	case SIM_KEY_CLIENT:
	case SIM_KEY_FLOW:
		return token->flow - 1;
	default:
		return 0;
	}
}

uint32_t sim_place(const struct sim_oracle *oracle, uint32_t fluxion, const struct sim_token *token,
		   uint32_t worker)
{
	const struct flx_group *group;
	uint32_t place;

	if (fluxion == oracle->fluxions)
		return fluxion * oracle->places + worker;
	group = group_of(oracle, fluxion);
	if (group->mode == FLX_PLACE_LOCAL)
		place = worker;
	else if (group->mode == FLX_PLACE_SINGLE)
		place = 0;
	else
		place = oracle->place[key_of_group(group)][key_at(group, token)];
	return fluxion * oracle->places + place;
}

/* The slice of each key, and which keys fall into the same: one order, then. */
static void place_keys(struct sim_oracle *oracle)
{
	for (uint32_t k = 0; k < oracle->keys; k++) {
		uint8_t wide[SIM_KEY_WIDE_SIZE];
		const uint8_t client[FLX_KEY_CLIENT_SIZE] = {0, 0, 0, (uint8_t)(k + 1)};

		write_wide(3 * k, wide);
		oracle->slice[SIM_KEY_NARROW][k] =
			flx_slice_of_key((const uint8_t *)&k, SIM_KEY_NARROW_SIZE);
		oracle->slice[SIM_KEY_WIDE][k] = flx_slice_of_key(wide, SIM_KEY_WIDE_SIZE);
		oracle->slice[SIM_KEY_CLIENT][k] = flx_slice_of_key(client, FLX_KEY_CLIENT_SIZE);
		/* The hash that the run's flows get: some share a slice. */
		oracle->slice[SIM_KEY_FLOW][k] = k * 37 % 16;
	}
	for (uint32_t f = 0; f < SIM_KEY_COUNT; f++) {
		for (uint32_t k = 0; k < oracle->keys; k++) {
			uint32_t same = 0;

			while (oracle->slice[f][same] != oracle->slice[f][k])
				same++;
			oracle->place[f][k] = same;
		}
	}
}

/* ------------------------------------------------------------------------------------- contexts */

static uint64_t first_commits(const struct flx_group *group)
{
	return group->context_init ? SIM_CONTEXT_FIRST : 0;
}

/* The next message of the key finds a fresh one. */
static void end_context(struct sim_oracle *oracle, uint32_t g, uint32_t key)
{
	oracle->there[g][key] = false;
	oracle->commits[g][key] = first_commits(&oracle->registry->group[g]);
}

static bool is_over(const struct sim_oracle *oracle, uint32_t g, uint32_t key, uint32_t now)
{
	uint64_t ttl =
		(oracle->registry->group[g].context_ttl_ms * FLX_TICKS_PER_SECOND + 999) / 1000;

	/* Signed: a slice may have moved from a worker whose clock is a little ahead. */
	return ttl && oracle->there[g][key] &&
	       (int32_t)(now - oracle->committed[g][key]) > (int32_t)ttl;
}

/* A slice's owner is the one that binds, looks and sweeps: its time is that of the context. */
static uint32_t owner_of(const struct sim_oracle *oracle, uint32_t g, uint32_t key)
{
	const struct flx_group *group = &oracle->registry->group[g];

	return oracle->owner[g][group->mode == FLX_PLACE_SINGLE
					? group->slice
					: oracle->slice[key_of_group(group)][key]];
}

void sim_oracle_contexts(const struct sim_oracle *oracle, uint32_t g, uint64_t *there,
			 uint64_t *over)
{
	*there = *over = 0;
	for (uint32_t k = 0; k < oracle->keys; k++) {
		*there += oracle->there[g][k];
		*over += is_over(oracle, g, k, oracle->turn[owner_of(oracle, g, k)].now);
	}
}

int sim_oracle_init(struct sim_oracle *oracle, const struct flx_registry *registry,
		    uint32_t workers, uint32_t keys)
{
	uint64_t sources, destinations;

	memset(oracle, 0, sizeof(*oracle));
	oracle->registry = registry;
	oracle->fluxions = registry->fluxion_count - FLX_FLUXION_FIRST;
	oracle->workers = workers;
	oracle->keys = keys;
	oracle->places = keys > workers ? keys : workers;
	place_keys(oracle);
	for (uint32_t g = 0; g < registry->group_count; g++)
		for (uint32_t k = 0; k < keys; k++)
			end_context(oracle, g, k);
	destinations = (uint64_t)oracle->fluxions * oracle->places;
	sources = destinations + oracle->places;
	oracle->owed_size = 1 << 14;
	oracle->owed = calloc(oracle->owed_size, sizeof(*oracle->owed));
	oracle->stamps = calloc(sources, sizeof(*oracle->stamps));
	oracle->seen = calloc(sources * destinations, sizeof(*oracle->seen));
	memset(oracle->next, SIM_STAYS, sizeof(oracle->next));
	oracle->ways_size = 1 << 12;
	oracle->ways = calloc(oracle->ways_size, sizeof(*oracle->ways));
	return oracle->owed && oracle->stamps && oracle->seen && oracle->ways ? 0 : -ENOMEM;
}

void sim_oracle_fini(struct sim_oracle *oracle)
{
	free(oracle->owed);
	free(oracle->stamps);
	free(oracle->seen);
	free(oracle->ways);
}

/* -------------------------------------------------------------------------------------- sending */

static uint32_t sum_of(const struct sim_token *token)
{
	const struct sim_token copy = *token;
	struct sim_token blank = copy;
	const uint8_t *bytes = (const uint8_t *)&blank;
	uint32_t sum = 0x811c9dc5u; /* FNV-1a */

	blank.sum = 0;
	for (size_t i = 0; i < sizeof(blank); i++)
		sum = (sum ^ bytes[i]) * 0x01000193u;
	return sum;
}

void sim_token_lead(const struct sim_oracle *oracle, struct sim_token *token, uint32_t fluxion,
		    const struct sim_token *came)
{
	token->way = token->been = token->circled = 0;
	if (group_of(oracle, fluxion)->mode != FLX_PLACE_LOCAL)
		return;
	token->origin = came->way ? came->origin : came->source;
	token->origin_stamp = came->way ? came->origin_stamp : came->stamp;
	token->been = (came->way ? came->been : 0) | 1u << fluxion;
	token->circled = came->way && (came->circled || came->been & 1u << fluxion);
	/* A number to the base of one more than there are: the same for no other way of 6 steps. */
	token->way = came->way * (SIM_FLUXIONS_MAX + 1) + fluxion + 1;
}

void sim_token_seal(struct sim_oracle *oracle, struct sim_token *token, uint32_t source)
{
	if (oracle->next_id == oracle->owed_size) {
		uint32_t *more = realloc(oracle->owed, 2 * oracle->owed_size * sizeof(*more));

		if (!more)
			abort();
		memset(more + oracle->owed_size, 0, oracle->owed_size * sizeof(*more));
		oracle->owed = more;
		oracle->owed_size *= 2;
	}
	token->id = oracle->next_id++;
	token->source = source;
	token->stamp = ++oracle->stamps[source];
	token->sum = sum_of(token);
}

void sim_oracle_send(struct sim_oracle *oracle, const struct sim_token *token, uint32_t mask)
{
	if (oracle->send_count == sizeof(oracle->sends) / sizeof(oracle->sends[0])) {
		sim_fail(oracle, "a call made more than %d sends", FLX_MADE_MAX + 1);
		return;
	}
	oracle->sends[oracle->send_count++] = (struct sim_send){.id = token->id,
								.mask = mask,
								.keyless = token->keyless != 0,
								.flowless = token->flow == 0};
}

/* The errno under which @group refuses the message; 0: it has what picks the slice. */
static uint32_t refusal(const struct flx_group *group, const struct sim_send *send)
{
	enum sim_key key = key_of_group(group);

	if (key == SIM_KEY_FLOW || key == SIM_KEY_CLIENT)
		return send->flowless ? ENOTCONN : 0;
	return group->mode == FLX_PLACE_KEYED && send->keyless ? ENODATA : 0;
}

void sim_oracle_commit(struct sim_oracle *oracle)
{
	for (uint32_t i = 0; i < oracle->send_count; i++) {
		const struct sim_send *send = &oracle->sends[i];

		for (uint32_t mask = send->mask; mask; mask &= mask - 1) {
			uint32_t fluxion = (uint32_t)__builtin_ctz(mask);
			uint32_t error = refusal(group_of(oracle, fluxion), send);

			if (error) {
				oracle->rows[fluxion].failed++;
				oracle->rows[fluxion].errors[error]++;
				continue;
			}
			oracle->owed[send->id] |= 1u << fluxion;
			oracle->outstanding++;
		}
	}
	oracle->send_count = 0;
}

void sim_oracle_undo(struct sim_oracle *oracle)
{
	oracle->send_count = 0;
}

/* ------------------------------------------------------------------------------------- handling */

/*
 * Whether the context is over for @worker, which has it now; or, when what it @found is a fresh one, was for
 * one that had it before and is a tick ahead.
 */
static bool has_ended(const struct sim_oracle *oracle, uint32_t g, uint32_t key, uint32_t worker,
		      uint64_t found)
{
	if (is_over(oracle, g, key, oracle->turn[worker].now))
		return true;
	for (uint32_t w = 0; w < oracle->workers; w++)
		if (found == first_commits(&oracle->registry->group[g]) &&
		    is_over(oracle, g, key, oracle->turn[w].now))
			return true;
	return false;
}

static void check_context(struct sim_oracle *oracle, uint32_t fluxion, uint32_t worker,
			  const struct sim_token *token, const void *context)
{
	const struct flx_fluxion_entry *entry =
		&oracle->registry->fluxion[FLX_FLUXION_FIRST + fluxion];
	const struct flx_group *group = group_of(oracle, fluxion);
	const uint8_t *bytes = context;
	uint32_t key = key_at(group, token), g = (uint32_t)(group - oracle->registry->group);
	struct sim_context begin;
	uint32_t wrong = 0;
	uint64_t commits;

	if (!context == entry->has_context) {
		sim_fail(oracle, "fluxion %u got %s context", fluxion, context ? "a" : "no");
		return;
	}
	if (!context)
		return;
	memcpy(&begin, context, sizeof(begin));
	commits = oracle->commits[g][key];
	if (has_ended(oracle, g, key, worker, begin.commits)) {
		commits = first_commits(group);
		/* Who only reads sees none, and does not end it. */
		if (!entry->readonly)
			end_context(oracle, g, key);
	}
	for (uint32_t i = sizeof(begin); i < group->context_size; i++)
		wrong += bytes[i] != (uint8_t)commits;
	if (begin.commits != commits || wrong || (commits % SIM_CONTEXT_FIRST && begin.key != key))
		sim_fail(oracle,
			 "fluxion %u, group %s, key %u: context has %" PRIu64
			 " commits, of key %" PRIu64 ", %u bytes wrong; %" PRIu64
			 " commits were made",
			 fluxion, group->name, key, begin.commits, begin.key, wrong, commits);
}

static void check_owner(struct sim_oracle *oracle, uint32_t fluxion, uint32_t worker,
			const struct sim_token *token)
{
	const struct flx_group *group = group_of(oracle, fluxion);
	uint32_t slice = group->slice, owner, g;

	if (group->mode == FLX_PLACE_LOCAL)
		return;
	if (group->mode != FLX_PLACE_SINGLE)
		slice = oracle->slice[key_of_group(group)][key_at(group, token)];
	g = (uint32_t)(group - oracle->registry->group);
	/* From the first that its new owner handles, the old one handles none. */
	if (worker == oracle->next[g][slice]) {
		oracle->owner[g][slice] = (uint8_t)worker;
		oracle->next[g][slice] = SIM_STAYS;
	}
	owner = oracle->owner[g][slice];
	if (worker != owner)
		sim_fail(oracle, "fluxion %u, slice %u ran on worker %u; its owner is %u", fluxion,
			 slice, worker, owner);
}

void sim_oracle_move(struct sim_oracle *oracle, uint32_t g, uint32_t slice, uint32_t to)
{
	oracle->next[g][slice] = (uint8_t)to;
}

void sim_oracle_moved(struct sim_oracle *oracle, uint32_t g, uint32_t slice, bool undone)
{
	uint32_t to = oracle->next[g][slice];

	/* Else its new owner has it already; then it cannot be undone. */
	if (to == SIM_STAYS && undone)
		sim_fail(oracle, "group %u, slice %u ran on its new owner, and was moved back", g,
			 slice);
	if (to != SIM_STAYS && !undone)
		oracle->owner[g][slice] = (uint8_t)to;
	oracle->next[g][slice] = SIM_STAYS;
}

/* The entry of @name in a table of @size. */
static struct sim_way *way_at(struct sim_way *ways, uint64_t size, uint64_t name)
{
	uint64_t at = name & (size - 1);

	while (ways[at].name && ways[at].name != name)
		at = (at + 1) & (size - 1);
	return &ways[at];
}

static struct sim_way *find_way(struct sim_oracle *oracle, uint64_t name)
{
	uint64_t size = oracle->ways_size;

	if (oracle->ways_used * 2 > size) {
		struct sim_way *more = calloc(2 * size, sizeof(*more));

		if (!more)
			abort();
		for (uint64_t i = 0; i < size; i++)
			if (oracle->ways[i].name)
				*way_at(more, 2 * size, oracle->ways[i].name) = oracle->ways[i];
		free(oracle->ways);
		oracle->ways = more;
		oracle->ways_size = 2 * size;
	}
	return way_at(oracle->ways, oracle->ways_size, name);
}

/*
 * The order of what went through fluxions without slices, from one slice to one slice by one way.
 * Copies that were made on the way have the stamp of the original.
 */
static void check_way(struct sim_oracle *oracle, const struct sim_token *token, uint32_t place)
{
	/* splitmix64's finalizer, so that two ways share a name once in 10^19. */
	uint64_t name = ((uint64_t)token->origin << 32 | token->way) ^ (uint64_t)place << 20;
	struct sim_way *way;

	name = (name ^ name >> 30) * 0xbf58476d1ce4e5b9u;
	name = (name ^ name >> 27) * 0x94d049bb133111ebu;
	name = (name ^ name >> 31) | 1;
	way = find_way(oracle, name);
	oracle->ways_used += way->name == 0;
	way->name = name;
	if (token->origin_stamp < way->stamp)
		sim_fail(oracle,
			 "message %" PRIu64 " came from place %u through fluxions without slices "
			 "to place %u out of order: stamp %" PRIu64 " after %" PRIu64,
			 token->id, token->origin, place, token->origin_stamp, way->stamp);
	way->stamp = token->origin_stamp;
}

void sim_oracle_arrive(struct sim_oracle *oracle, uint32_t fluxion, uint32_t worker,
		       const struct sim_token *token, const void *context)
{
	uint64_t *seen;
	uint32_t place;

	if (sum_of(token) != token->sum || token->id >= oracle->next_id) {
		sim_fail(oracle, "fluxion %u got a message whose bytes changed", fluxion);
		return;
	}
	if (!(oracle->owed[token->id] & (1u << fluxion))) {
		sim_fail(oracle,
			 "message %" PRIu64 " came to fluxion %u twice, or was never sent there",
			 token->id, fluxion);
		return;
	}
	oracle->owed[token->id] &= ~(1u << fluxion);
	oracle->outstanding--;
	oracle->arrivals++;
	place = sim_place(oracle, fluxion, token, worker);
	seen = &oracle->seen[(uint64_t)token->source * oracle->fluxions * oracle->places + place];
	if (token->stamp <= *seen)
		sim_fail(oracle,
			 "message %" PRIu64
			 " of place %u came to place %u of fluxion %u out of order: "
			 "stamp %" PRIu64 " after %" PRIu64,
			 token->id, token->source, place, fluxion, token->stamp, *seen);
	*seen = token->stamp;
	if (token->way && !token->circled && group_of(oracle, fluxion)->mode != FLX_PLACE_LOCAL)
		check_way(oracle, token, place);
	check_owner(oracle, fluxion, worker, token);
	check_context(oracle, fluxion, worker, token, context);
}

void sim_oracle_end(struct sim_oracle *oracle, uint32_t fluxion, uint32_t worker,
		    const struct sim_token *token, uint32_t error, bool deletes)
{
	const struct flx_fluxion_entry *entry =
		&oracle->registry->fluxion[FLX_FLUXION_FIRST + fluxion];
	struct sim_row *row = &oracle->rows[fluxion];
	uint32_t g = entry->group, key = key_at(group_of(oracle, fluxion), token);

	if (error) {
		row->failed++;
		row->errors[error < FLX_ERRORS ? error : 0]++;
		return;
	}
	row->handled++;
	if (!entry->has_context || entry->readonly)
		return;
	if (deletes) {
		oracle->deleted[g] += oracle->there[g][key];
		end_context(oracle, g, key);
		return;
	}
	oracle->commits[g][key]++;
	oracle->there[g][key] = true;
	oracle->committed[g][key] = oracle->turn[worker].now;
}

/* ------------------------------------------------------------------------------------ comparing */

static void compare_row(struct sim_oracle *oracle, uint32_t fluxion,
			const struct flx_fluxion_ledger *ledger)
{
	const struct sim_row *row = &oracle->rows[fluxion];

	if (row->handled != ledger->handled || row->failed != ledger->failed ||
	    row->consumed != ledger->consumed || row->generated != ledger->generated)
		sim_fail(oracle,
			 "fluxion %u: ledger has handled %" PRIu64 ", failed %" PRIu64
			 ", consumed %" PRIu64 ", generated %" PRIu64 "; true are %" PRIu64
			 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64,
			 fluxion, ledger->handled, ledger->failed, ledger->consumed,
			 ledger->generated, row->handled, row->failed, row->consumed,
			 row->generated);
	for (uint32_t e = 0; e < FLX_ERRORS; e++)
		if (row->errors[e] != ledger->errors[e])
			sim_fail(oracle,
				 "fluxion %u: ledger has %" PRIu64
				 " failures under errno %u; true are "
				 "%" PRIu64,
				 fluxion, ledger->errors[e], e, row->errors[e]);
}

void sim_oracle_compare(struct sim_oracle *oracle, const struct flx_ledger *ledger)
{
	for (uint32_t f = 0; f < oracle->fluxions; f++)
		compare_row(oracle, f, &ledger->fluxion[FLX_FLUXION_FIRST + f]);
	if (ledger->in_flight != (int64_t)oracle->outstanding)
		sim_fail(oracle, "ledger has %" PRId64 " in flight; true are %" PRIu64,
			 ledger->in_flight, oracle->outstanding);
	if (ledger->unexplained)
		sim_fail(oracle, "ledger leaves %" PRId64 " unexplained", ledger->unexplained);
}
