/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * contents - the contexts in a store's files, or in a dump of it: one way to look at both. Changes
 * neither, and a program may run on the store meanwhile.
 */
#pragma once

#include "context-store/dump_reader.h"
#include "context-store/view.h"

#define FLX_CONTENTS_ALL UINT32_MAX

struct flx_contents_type {
	const char *name;
	uint32_t version;
	uint32_t key_size;
	uint32_t context_size;
	uint32_t limit;
	uint64_t contexts; /* so far */
	uint64_t damaged;  /* so far, of a store; of a dump, its reader tells */
};

/* Large (a block of a dump is part of it): not for the stack. */
struct flx_contents {
	bool is_dump;
	struct flx_view view;	     /* of a store */
	struct flx_dump_reader dump; /* of a dump */
	struct flx_scan scan;
	uint32_t only; /* type that is wanted; FLX_CONTENTS_ALL: each */
	bool begun;    /* with the type at hand */
	uint32_t type_count;
	struct flx_contents_type type[FLX_DUMP_TYPES_MAX];

	/* The last context found. */
	uint32_t at;	    /* its type */
	uint32_t age_ticks; /* since its last commit; of a dump, as of then */
	const uint8_t *key;
	const uint8_t *context;
};

/*
 * flx_contents_open - open the store at @store or, when that is NULL, the dump at @dump
 * 0; -errno after one flx_error. Context: setup.
 */
int flx_contents_open(struct flx_contents *contents, const char *store, const char *dump);
void flx_contents_close(struct flx_contents *contents);

/* flx_contents_choose - only contexts of the type @name from here on; false: there is none */
bool flx_contents_choose(struct flx_contents *contents, const char *name);

/* flx_contents_next - the next context. 1; 0: that was all; -errno after one flx_error. */
int flx_contents_next(struct flx_contents *contents);

/* flx_contents_find - the context of @key, of the chosen type; results as flx_contents_next */
int flx_contents_find(struct flx_contents *contents, const uint8_t *key);
