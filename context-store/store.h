/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * store - contexts: found or made a batch at a time, committed by one store each.
 *
 * A context belongs to a *type* (one per group with a context) and to a slice; the slice's owner is
 * the only one that binds, commits or withdraws it. A record holds the key, a commit word and two
 * images: the handler writes the spare one, commit flips the word, so the committed image is never
 * half-written. Nothing is allocated per message.
 *
 * The cycle for a batch: flx_store_bind, then for each record flx_record_open, handler,
 * flx_record_commit (or nothing), then flx_store_settle.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdatomic.h>
#include <string.h>

#include "fabric/base.h"

struct flx_context_type_conf {
	const char *name;      /* of the group; for reports */
	uint32_t key_size;     /* bytes; 0: one single context in slice 0 of the type */
	uint32_t context_size; /* bytes, 1..4096 */
	uint32_t capacity;     /* records at most */
	uint32_t worker_count; /* who may own slices */
	bool huge;	       /* hugepages wanted; false: ordinary pages, and no warning */
	void (*init)(void *context); /* NULL: zeroes */
};

struct flx_context_type; /* index, records and free lists of one type */
struct flx_record;	 /* see record.h */

/*
 * flx_context_type_alloc - make an empty type; NULL (and one flx_error) when memory is short
 * Memory is reserved in full here, on hugepages when there are any. Context: setup.
 */
struct flx_context_type *flx_context_type_alloc(const struct flx_context_type_conf *conf);
void flx_context_type_free(struct flx_context_type *type);

/*
 * flx_store_bind - find or make the records of a batch
 * @worker: index of the calling worker
 * @slices: of each key
 * @keys: @count keys of key_size bytes, one after the other
 * @records: out; NULL where the type is full (drop under ENOSPC)
 *
 * A new record is in the index at once but not committed: later keys of the batch find it. Every bind
 * is followed by one flx_store_settle with the same arguments. Context: owner of the slices.
 */
void flx_store_bind(struct flx_context_type *type, uint32_t worker, const uint16_t *slices,
		    const uint8_t *keys, uint32_t count, struct flx_record **records);

/* Takes back the records of the batch that nobody committed. Context: as flx_store_bind. */
void flx_store_settle(struct flx_context_type *type, uint32_t worker, const uint16_t *slices,
		      const uint8_t *keys, uint32_t count, struct flx_record *const *records);

/* Committed contexts now, over all workers; approximate while they run. Context: any thread. */
uint64_t flx_context_type_count(const struct flx_context_type *type);
