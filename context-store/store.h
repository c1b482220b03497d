/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * store - contexts: found or made a batch at a time, committed by one store each.
 *
 * A context belongs to a *type* (one per group with a context) and to a slice; the slice's owner is
 * the only one that binds, commits or withdraws it. A record holds the key, a commit word and two
 * images: the handler writes the spare one, commit flips the word, so the committed image is never
 * half-written. Nothing is allocated per message.
 *
 * The cycle for a batch: flx_store_bind, then for each record flx_record_open(&type->layout,
 * record), handler, flx_record_commit (or nothing), then flx_store_settle.
 *
 * Cost of the cycle with an increment, per message of a batch of 64: see perf/bench_ctx.c.
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "context-store/arena.h"
#include "context-store/index.h"
#include "context-store/record.h"
#include "context-store/slab.h"
#include "fabric/base.h"

struct flx_context_type_conf {
	const char *name;      /* of the group; for reports */
	uint32_t key_size;     /* bytes, up to 40; 0: one single context in slice 0 of the type */
	uint32_t context_size; /* bytes, 1..4096 */
	uint32_t capacity;     /* records at most, 1 or more; ignored for a single context */
	uint32_t worker_count; /* who may own slices, 1..FLX_WORKERS_MAX */
	bool huge;	       /* hugepages, all memory present at start; false: dev mode */
	void (*init)(void *context); /* NULL: zeroes */
};

/* Written and read by: its worker; live is read by any thread. */
struct flx_store_worker {
	alignas(FLX_CACHE_LINE) uint32_t made_count; /* records made since the last settle */
	_Atomic uint64_t live;	    /* records made less withdrawn here, modulo 2^64 */
	uint32_t made[FLX_BATCH];   /* their numbers */
	uint16_t slices[FLX_BATCH]; /* and slices */
};

/* Index, records and free lists of one type. For a caller: layout; the rest is the store's. */
struct flx_context_type {
	/* Read-only after alloc. */
	struct flx_record_layout layout;
	struct flx_record *single; /* of key_size 0; else NULL */
	uint64_t seed[2];	   /* of the hash: random per type, and never shown */
	uint32_t worker_count;
	struct flx_arena arena; /* records and index */

	struct flx_index index;
	struct flx_slab slab;
	struct flx_store_worker worker[];
};

/*
 * flx_context_type_alloc - make an empty type; NULL (and one flx_error) when memory is short
 * Memory is reserved in full here, on hugepages when there are any. Context: setup.
 */
struct flx_context_type *flx_context_type_alloc(const struct flx_context_type_conf *conf);
void flx_context_type_free(struct flx_context_type *type);

/*
 * flx_store_bind - find or make the records of a batch
 * @worker: index of the calling worker
 * @slices: of each key, below FLX_INDEX_SLICES
 * @keys: @count keys of key_size bytes, one after the other
 * @count: at most FLX_BATCH
 * @records: out; NULL where the type is full (drop under ENOSPC)
 *
 * A new record is in the index at once but not committed: later keys of the batch find it. Every
 * bind is followed by one flx_store_settle of the same worker, before its next bind of the type and
 * before it hands over a slice. Context: owner of the slices.
 */
void flx_store_bind(struct flx_context_type *type, uint32_t worker, const uint16_t *slices,
		    const uint8_t *keys, uint32_t count, struct flx_record **records);

/* Out of line: a record was made, or the type is full. */
void flx_store_settle_slow(struct flx_context_type *type, uint32_t worker);

/*
 * flx_store_settle - take back the records that the last bind made and nobody committed
 * They leave nothing behind. Two loads when the bind made none. Context: as flx_store_bind.
 */
static inline void flx_store_settle(struct flx_context_type *type, uint32_t worker)
{
	if (unlikely(type->worker[worker].made_count || flx_slab_dry(&type->slab)))
		flx_store_settle_slow(type, worker);
}

/*
 * flx_context_type_count - contexts now, over all workers
 * Exact when no worker is between bind and settle, else off by what they have made since.
 * Context: any thread.
 */
uint64_t flx_context_type_count(const struct flx_context_type *type);
