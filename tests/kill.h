/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kill - what the processes of kill_store share: a store that is killed, and what is known of it.
 *
 * The one that is killed (kill_load.c) notes in memory that outlives it, per key, which operation
 * it begins, and which it has told the world of. The one that looks afterwards (kill_check.c) holds
 * the store against that. Of a key one operation is under way at most, so it knows of each whether
 * it must be there, must not, or may be.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "context-store/store.h"

#define KILL_TYPES   6
#define KILL_KEYS    1024 /* per type: more than some types have room for */
#define KILL_WORKERS 3

/* What becomes of contexts of a type without a handler's doing. */
enum kill_type { KILL_PLAIN, KILL_SMALL, KILL_BIG, KILL_TTL, KILL_EVICT, KILL_SINGLE };

/* How a store is run; a new one for each process, by the seed. */
struct kill_plan {
	char path[64];
	uint32_t workers; /* of the process that is killed */
	uint32_t check_workers;
	uint32_t nodes;
	uint32_t slices; /* that keys are spread over: few make large tables */
	uint32_t deletes_pct;
	uint32_t version[KILL_TYPES];
	uint32_t limit[KILL_TYPES];
	bool fill; /* at last: to the limits */
};

/* Operation on a key: its number, from 1, and whether it deletes. */
#define KILL_DELETES 1u
#define KILL_VERSION 2u

struct kill_key {
	_Atomic uint64_t begun;
	_Atomic uint64_t told;
};

enum kill_phase { KILL_OPENS, KILL_ATTACHES, KILL_LOADS, KILL_PHASES };

/* Made before the processes; all of them see it. */
struct kill_shared {
	struct kill_plan plan;
	uint64_t tsc_hz;
	_Atomic uint32_t phase;
	_Atomic uint64_t operations;
	_Atomic uint64_t grown;
	_Atomic uint64_t found; /* contexts, by the last check */
	_Atomic bool failed;
	char failure[256]; /* the first */
	struct kill_key key[KILL_TYPES][KILL_KEYS];
};

extern struct kill_shared *kill_shared;

/* Notes a failure; the first one stays. Any process. */
void kill_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The store as planned, for @workers; types: room for KILL_TYPES. */
struct flx_store_conf kill_conf(uint32_t workers, struct flx_context_type_conf *types,
				uint32_t *worker_node);

void kill_make_key(uint32_t type, uint32_t number, uint8_t *key);
uint32_t kill_key_number(const uint8_t *key);
uint16_t kill_slice(uint32_t number);

/* The context of operation @version on key @number: every byte follows from these. */
void kill_make_image(uint32_t type, uint32_t number, uint64_t version, uint8_t *image,
		     uint32_t size);
/* Its version; 0: fresh; UINT64_MAX: mixed, or another's. */
uint64_t kill_image_version(uint32_t type, uint32_t number, const uint8_t *image, uint32_t size);

/* In a process of their own; load never ends, check returns with kill_shared->failed or not. */
void kill_load(uint64_t seed);
void kill_check(void);
