/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dumped - stores whose contexts tell by their keys what is in them, for the tests of dumps. They are
 * in a folder of this process's own.
 */
#pragma once

#include "context-store/dump.h"
#include "context-store/store.h"

#define FLX_DUMPED_TYPES 8
#define FLX_DUMPED_NOW	 1000000u /* tick at which dumps are made; stamps are before it */

/* Types of a store, and how many contexts are put into it. */
struct flx_dumped {
	const char *name;
	uint32_t version, key_size, context_size, contexts;
};

/* Makes the folder, runs @tests, removes it; main's exit status. */
struct flx_test;
int flx_dumped_main(const char *suite, const struct flx_test *tests);

/* @name in the folder; good until the next call but one. */
const char *flx_dumped_path(const char *name);

/* Files beside the dump @name there that were not finished. */
uint32_t flx_dumped_left(const char *name);

/* A store of @count types, at @path or in memory; NULL after an error was said. */
struct flx_store *flx_dumped_open(const struct flx_dumped *set, uint32_t count, const char *path,
				  struct flx_restore *restore);

/* Puts what @set says into it. */
void flx_dumped_fill(struct flx_store *store, const struct flx_dumped *set);

int flx_dumped_write(struct flx_store *store, const char *path, struct flx_dump_result *result);

/* A dump of the first @count of @set, at @path. */
void flx_dumped_make(const struct flx_dumped *set, uint32_t count, const char *path);

/* Whether a context of @type is as it was put; @number: out. */
bool flx_dumped_is_right(uint32_t type, const struct flx_dumped *set, const uint8_t *key,
			 const uint8_t *context, uint32_t *number);

/*
 * Contexts in @store that are as they were put, each once, and, in ticks, older by @more_age;
 * UINT32_MAX when one is not.
 */
uint32_t flx_dumped_count(struct flx_store *store, const struct flx_dumped *set, uint32_t more_age);

/* Contexts in @set. */
uint32_t flx_dumped_sum(const struct flx_dumped *set, uint32_t count);
