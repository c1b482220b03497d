/* SPDX-License-Identifier: BSD-3-Clause */
#include "context-store/restore.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "context-store/dump_reader.h"
#include "context-store/store.h"
#include "context-store/upgrade.h"

/*
 * No context is older, in ticks (194 days): ages are differences modulo 2^32, of which the half is
 * the future, and this leaves as much again until the store's own clock has gone so far.
 */
#define AGE_MAX (1u << 30)

/* What a restore works with; large, hence not on the stack. */
struct restoring {
	struct flx_store *store;
	const struct flx_store_conf *conf;
	struct flx_restore *restore;
	uint64_t away_ticks;		      /* since the dump began */
	uint32_t type_of[FLX_DUMP_TYPES_MAX]; /* in the store */
	struct flx_schema_type found[FLX_DUMP_TYPES_MAX];
	struct flx_dump_reader reader;
	alignas(8) uint8_t old[FLX_RECORD_CONTEXT_MAX];
	alignas(8) uint8_t context[FLX_RECORD_CONTEXT_MAX];
};

static uint64_t ticks_since(uint64_t wall_ms)
{
	struct timespec now;
	uint64_t now_ms;

	clock_gettime(CLOCK_REALTIME, &now);
	now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	/* A clock that was set back tells nothing. */
	return now_ms > wall_ms ? (now_ms - wall_ms) * FLX_TICKS_PER_SECOND / 1000 : 0;
}

/* Compares the types, and finds each of the dump's in the store. */
static int match_types(struct restoring *restoring, const struct flx_schema *wanted)
{
	const struct flx_dump_head *head = &restoring->reader.head;
	struct flx_schema found = {
		.node_count = 1, .type_count = head->type_count, .type = restoring->found};
	char why[256];

	for (uint32_t t = 0; t < head->type_count; t++) {
		const struct flx_dump_type *type = &head->type[t];
		struct flx_record_layout layout;

		flx_record_layout_init(&layout, type->key_size, type->context_size, 0, NULL);
		restoring->found[t] = (struct flx_schema_type){
			.version = type->version,
			.key_size = type->key_size,
			.context_size = type->context_size,
			.stride_bytes = layout.stride_bytes,
			.limit = {type->limit},
		};
		memcpy(restoring->found[t].name, type->name, sizeof(type->name));
	}
	if (flx_schema_compare(wanted, &found, why, sizeof(why)) == FLX_SCHEMA_REFUSED) {
		flx_error("%s: %s", restoring->restore->path, why);
		return -EINVAL;
	}
	for (uint32_t t = 0; t < head->type_count; t++)
		while (strcmp(restoring->store->type[restoring->type_of[t]]->name,
			      head->type[t].name) != 0)
			restoring->type_of[t]++;
	return 0;
}

/* The context that the reader has found. */
static int put_context(struct restoring *restoring)
{
	const struct flx_dump_reader *reader = &restoring->reader;
	const struct flx_dump_type *dumped = &reader->head.type[reader->type];
	uint32_t t = restoring->type_of[reader->type];
	struct flx_context_type *type = restoring->store->type[t];
	uint64_t age = reader->age_ticks + restoring->away_ticks;
	int error;

	if (type->layout.ttl_ticks && age > type->layout.ttl_ticks) {
		restoring->restore->expired++;
		return 0;
	}
	age = age < AGE_MAX ? age : AGE_MAX;
	memcpy(restoring->old, reader->context, dumped->context_size);
	error = flx_upgrade_context(&restoring->conf->type[t], dumped->version, restoring->old,
				    dumped->context_size, restoring->context);
	if (error)
		return error;
	error = flx_store_put(restoring->store, type, reader->key, restoring->context,
			      restoring->store->start_tick - (uint32_t)age);
	if (error == -E2BIG) {
		flx_error("%s: more contexts of '%s' than its limit of %u; nothing was restored; "
			  "raise it with --contexts %s=N:MAX",
			  reader->path, type->name, type->limit, type->name);
		return -ENOSPC;
	}
	if (error) {
		flx_error("%s: no room for all contexts of '%s': %s; nothing was restored; give "
			  "the store's filesystem, or the machine, more memory",
			  reader->path, type->name, strerror(-error));
		return error;
	}
	restoring->restore->contexts++;
	restoring->restore->upgraded += dumped->version != type->version;
	return 0;
}

static int put_contexts(struct restoring *restoring)
{
	struct flx_dump_reader *reader = &restoring->reader;
	char damage[256];
	int found, error = 0;

	while (!error && (found = flx_dump_next(reader)) != 0)
		error = found < 0 ? found : put_context(restoring);
	if (error || flx_dump_is_whole(reader, damage, sizeof(damage)))
		return error;
	if (restoring->restore->damaged) {
		flx_warn("%s: %s; what is whole was restored", reader->path, damage);
		return 0;
	}
	flx_error("%s: %s; nothing was restored; take another dump, or what is whole of this one "
		  "into a store with `flx ctx restore --damaged`",
		  reader->path, damage);
	return -EBADMSG;
}

int flx_restore(struct flx_store *store, const struct flx_store_conf *conf,
		const struct flx_schema *wanted)
{
	struct restoring *restoring = calloc(1, sizeof(*restoring));
	int error;

	if (!restoring) {
		flx_error("%s: no memory to restore it with; nothing was restored; free %zu bytes",
			  conf->restore->path, sizeof(*restoring));
		return -ENOMEM;
	}
	restoring->store = store;
	restoring->conf = conf;
	restoring->restore = conf->restore;
	error = flx_dump_open(&restoring->reader, conf->restore->path);
	if (error)
		goto err_open;
	restoring->away_ticks = ticks_since(restoring->reader.head.wall_ms);
	error = match_types(restoring, wanted);
	if (!error)
		error = put_contexts(restoring);
	conf->restore->done = !error;
	flx_dump_close(&restoring->reader);
err_open:
	free(restoring);
	return error;
}
