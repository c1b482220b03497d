/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * context - contexts of one type: found or made a batch at a time, committed by one store each.
 *
 * A context belongs to a *type* (one per group with a context) and to a slice; the slice's owner is
 * the only one that binds, commits, deletes or withdraws it. A record holds the key, a word and two
 * images: the handler writes the spare one, commit flips the word, so the committed image is never
 * half-written. Nothing is allocated per message.
 *
 * The cycle for a batch: flx_context_bind, then for each record flx_context_open, handler,
 * flx_context_commit (or flx_context_delete, or nothing), and flx_context_ask for one that is due
 * soon; then flx_context_settle. For handlers that only read: flx_context_find, flx_context_view.
 *
 * What goes away, goes in two steps. A delete (by a handler, because its time is over, or to make
 * room) is one store of the word: the context is gone. Then the record is withdrawn from the index
 * and retired: it is used again after a grace period, so that a reader that has its number finds
 * nobody else's context there.
 *
 * Cost of the cycle with an increment, per message of a batch of 64: see perf/bind.c.
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_prefetch.h>

#include "context-store/arena.h"
#include "context-store/index.h"
#include "context-store/record.h"
#include "context-store/slab.h"
#include "context-store/sweep.h"
#include "fabric/base.h"

#define FLX_CONTEXT_NAME_MAX 31 /* FLX_ID_MAX of flx.h */

/* Records between the one worked on and the one asked for: 4 are too few, 16 no better. */
#define FLX_CONTEXT_AHEAD 8

struct flx_context_type_conf {
	const char *name;      /* of the group */
	uint32_t version;      /* of what the context's bytes mean */
	uint32_t key_size;     /* bytes, up to 40; 0: one single context in slice 0 of the type */
	uint32_t context_size; /* bytes, 1..4096 */
	uint32_t capacity;     /* records at first, 1 or more; ignored for a single context */
	uint32_t limit;	       /* records at most; 0: capacity. How it grows: type.h */
	uint64_t ttl_ms;       /* a context not committed for so long is gone; 0: never */
	bool evict; /* when full, long idle contexts give way; else new ones are refused */
	void (*init)(void *context); /* NULL: zeroes */
	/* Makes a context of this version from an older one; 0 or -errno. NULL: none is taken. */
	int (*upgrade)(uint32_t version, const void *old, uint32_t old_size, void *context);
	/* The slice of @key, when contexts are found again at start. */
	uint16_t (*slice)(const void *argument, const uint8_t *key);
	const void *slice_argument;
};

/* One count per cause. Written by the worker, read by any thread. */
struct flx_context_counts {
	_Atomic uint64_t live;	  /* contexts made less withdrawn here, modulo 2^64 */
	_Atomic uint64_t deleted; /* by handlers */
	_Atomic uint64_t expired;
	_Atomic uint64_t evicted;
	_Atomic uint64_t refused; /* new keys for which there was no room */
};

/* What a worker knows of time and has left to spend; one for all types. Its worker's alone. */
struct flx_context_turn {
	alignas(FLX_CACHE_LINE) uint32_t now; /* tick of the store's clock */
	uint32_t growth_left;
	uint64_t next_tsc; /* when now is to be worked out again */
};

/* A record that may have to be withdrawn when the batch is settled. */
struct flx_context_doubt {
	uint32_t number;
	uint16_t slice;
};

/* Written and read by: its worker; counts are read by any thread. */
struct flx_context_worker {
	alignas(FLX_CACHE_LINE) uint32_t made_count; /* records made since the last settle */
	uint32_t deleted_count;			     /* records whose context went since then */
	uint32_t wanted;			     /* records asked for since the last sweep */
	struct flx_context_counts counts;
	struct flx_sweep sweep;
	struct flx_context_doubt made[FLX_BATCH];
	struct flx_context_doubt deleted[FLX_BATCH];
};

/* Index, records and free lists of one type. For a caller: layout; the rest is the store's. */
struct flx_context_type {
	/* Read-only after the start. */
	struct flx_record_layout layout;
	struct flx_record *single;     /* of key_size 0; else NULL */
	uint64_t seed[2];	       /* of the hash: random per store, and never shown */
	struct flx_context_turn *turn; /* by worker */
	const uint8_t *blank;	       /* image of a context that is not there */
	uint32_t worker_count;
	bool evict;
	char name[FLX_CONTEXT_NAME_MAX + 1];
	uint32_t version;
	uint32_t capacity;
	uint32_t limit;
	uint16_t (*slice)(const void *argument, const uint8_t *key);
	const void *slice_argument;
	struct flx_file_set *files; /* that the records are in; NULL: memory of the process */
	uint32_t file_type;	    /* number there */
	_Atomic uint64_t twins;	    /* found beside a later context of their key, and deleted */
	_Atomic uint64_t damaged;   /* records in quarantine: neither found nor used again */

	struct flx_arena records;
	struct flx_arena blocks; /* of the index */
	struct flx_index index;
	struct flx_slab slab;
	struct flx_context_worker worker[];
};

/*
 * flx_context_bind - find or make the records of a batch
 * @worker: index of the calling worker
 * @slices: of each key, below FLX_INDEX_SLICES
 * @keys: @count keys of key_size bytes, one after the other
 * @count: at most FLX_BATCH
 * @records: out; NULL where the type is full (drop under ENOSPC)
 *
 * A new record is in the index at once but not committed: later keys of the batch find it. Every
 * bind is followed by one flx_context_settle of the same worker, before its next bind of the type
 * and before it hands over a slice. Context: owner of the slices.
 */
void flx_context_bind(struct flx_context_type *type, uint32_t worker, const uint16_t *slices,
		      const uint8_t *keys, uint32_t count, struct flx_record **records);

/*
 * flx_context_find - as flx_context_bind, but makes none: NULL where the key has no record
 * No settle follows. Context: owner of the slices.
 */
void flx_context_find(const struct flx_context_type *type, const uint16_t *slices,
		      const uint8_t *keys, uint32_t count, struct flx_record **records);

/*
 * flx_context_ask - ask the cache for the images of @record (NULL: nothing), to be worked on later
 * Bind and find have asked for those of the first FLX_CONTEXT_AHEAD; who goes through the rest asks
 * for one so far ahead with each. Context: owner of the slice.
 */
static inline void flx_context_ask(const struct flx_context_type *type,
				   const struct flx_record *record)
{
	/* Its first line, with word and key, is there; images beyond 64 bytes stream in. */
	for (uint32_t at = FLX_CACHE_LINE;
	     record && at < type->layout.stride_bytes && at < 4 * FLX_CACHE_LINE;
	     at += FLX_CACHE_LINE)
		rte_prefetch0((const uint8_t *)record + at);
}

/* Out of line: the time of @record is over; it is as if deleted. */
void flx_context_expire(struct flx_context_type *type, uint32_t worker, uint16_t slice,
			struct flx_record *record);

/*
 * flx_context_open - the image of @record to work on; see flx_record_open
 * A context whose time is over is gone, and a fresh one takes its place. Context: owner of @slice.
 */
static inline void *flx_context_open(struct flx_context_type *type, uint32_t worker, uint16_t slice,
				     struct flx_record *record)
{
	if (type->layout.ttl_ticks &&
	    unlikely(flx_record_expired(&type->layout, record, type->turn[worker].now)))
		flx_context_expire(type, worker, slice, record);
	return flx_record_open(&type->layout, record);
}

static inline void flx_context_commit(struct flx_context_type *type, uint32_t worker,
				      struct flx_record *record)
{
	flx_record_commit(&type->layout, record, type->turn[worker].now);
}

/*
 * flx_context_view - the committed context of @record itself, or a fresh one that nobody keeps
 * @record: NULL: there is none. Not to be written; good until the owner's next bind.
 * Context: owner of the slice.
 */
static inline const void *flx_context_view(const struct flx_context_type *type, uint32_t worker,
					   const struct flx_record *record)
{
	uint64_t word;

	if (!record)
		return type->blank;
	word = atomic_load_explicit(&record->word, memory_order_relaxed);
	if (!(word & FLX_RECORD_LIVE) ||
	    flx_record_expired(&type->layout, record, type->turn[worker].now))
		return type->blank;
	return flx_record_image(&type->layout, record, word);
}

/*
 * flx_context_delete - the context of @record, bound in this batch, is gone
 * Instead of a commit. The next message of the key finds a fresh one. Context: owner of @slice.
 */
void flx_context_delete(struct flx_context_type *type, uint32_t worker, uint16_t slice,
			struct flx_record *record);

/*
 * flx_context_withdraw - delete the context of record @number, outside of a batch
 * @count: which counter of the worker's it raises. Context: owner of @slice, nothing bound.
 */
void flx_context_withdraw(struct flx_context_type *type, uint32_t worker, uint16_t slice,
			  uint32_t number, _Atomic uint64_t *count);

/* Out of line: a record was made or deleted, or the type is full. */
void flx_context_settle_slow(struct flx_context_type *type, uint32_t worker);

/*
 * flx_context_settle - withdraw the records of the last bind that have no context now
 * They leave nothing behind. Three loads when there are none. Context: as flx_context_bind.
 */
static inline void flx_context_settle(struct flx_context_type *type, uint32_t worker)
{
	const struct flx_context_worker *own = &type->worker[worker];

	if (unlikely(own->made_count | own->deleted_count || flx_slab_dry(&type->slab, worker)))
		flx_context_settle_slow(type, worker);
}

/*
 * flx_context_get - copy the context of @key for a reader
 * False: there is none, or its time is over at tick @now. Never torn; see flx_record_read.
 * Context: any thread, online in RCU (QSBR) and without a quiescent state meanwhile.
 */
bool flx_context_get(const struct flx_context_type *type, const uint8_t *key, uint32_t now,
		     struct flx_record_copy *copy);

/*
 * flx_context_count - contexts now, over all workers
 * Exact when no worker is between bind and settle, else off by what they have made since.
 * Context: any thread.
 */
uint64_t flx_context_count(const struct flx_context_type *type);

/* Adds @value to a counter that only its worker writes. */
static inline void flx_context_add(_Atomic uint64_t *counter, uint64_t value)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + value,
			      memory_order_relaxed);
}
