/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * flip - a store whose files flip_store damages, with what is known of its contexts (flip_look.c).
 */
#pragma once

#include <stdint.h>

#include "context-store/store.h"
#include "tests/random.h"

#define FLIP_TYPES  6
#define FLIP_SINGLE 4 /* the type without keys */

/* All that is random here: a seed repeats it, but for the hash's own seed. */
extern struct flx_random flip_random;

/* What was done to the files, for reports. */
extern char flip_what[160];

/* Ends this process. */
void __attribute__((noreturn)) __attribute__((format(printf, 1, 2)))
flip_fail(const char *format, ...);

/* A store at @path on @nodes nodes with contexts of all ages; closed again. */
void flip_make(const char *path, uint32_t nodes);

enum flip_outcome { FLIP_REFUSED, FLIP_QUARANTINED, FLIP_HARMLESS, FLIP_OUTCOMES };

/*
 * Opens the store that flip_make made, attaches, reads and uses it. Fails where a context is changed,
 * or gone and not counted.
 */
enum flip_outcome flip_look(void);

/* As a reader beside: how many damaged contexts it counts; -1: it is refused. */
int64_t flip_view(void);
