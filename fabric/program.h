/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * program - what an app declares, checked before anything is made of it.
 *
 * Every fault of names, streams, keys, contexts and listeners that shows at one fluxion, or between
 * two of one name or port: one flx_error each, which names the fluxion and the remedy. What only
 * shows in a group, registry.c finds.
 */
#pragma once

#include "fabric/base.h"
#include "fabric/flx.h"

#define FLX_CAPACITY_DEFAULT 65536 /* contexts */

/* Names of the fabric's own fluxions, in ledgers and messages. */
extern const char *const flx_own_ids[FLX_FLUXION_FIRST];

/* Index of fluxion @id in @program, or -1. */
int flx_program_find(const struct flx_program *program, const char *id);

/* Contexts at first, and at most, of the group of @fluxion, which declares its context. */
static inline uint32_t flx_fluxion_capacity(const struct flx_fluxion *fluxion)
{
	return fluxion->context.capacity ? fluxion->context.capacity : FLX_CAPACITY_DEFAULT;
}

static inline uint32_t flx_fluxion_limit(const struct flx_fluxion *fluxion)
{
	return fluxion->context.limit ? fluxion->context.limit : flx_fluxion_capacity(fluxion);
}

/* Whether @fluxion says more of a context than its size, and that it only reads it. */
static inline bool flx_fluxion_declares(const struct flx_fluxion *fluxion)
{
	return fluxion->context.init || fluxion->context.capacity || fluxion->context.limit ||
	       fluxion->context.evict || fluxion->context.version || fluxion->context.upgrade ||
	       fluxion->context.ttl_ms || (fluxion->context.size && !fluxion->context.readonly);
}

/* One more fault of @check (a struct with .faults), and what there is to say of it. */
#define FLX_FAULT(check, ...)                                                                      \
	do {                                                                                       \
		flx_error(__VA_ARGS__);                                                            \
		(check)->faults++;                                                                 \
	} while (0)

/*
 * flx_program_check_names - check what all else relies on: the program's shape, its name and ids
 * Returns the number of faults. Context: setup.
 */
uint32_t flx_program_check_names(const struct flx_program *program);

/* flx_program_check_fluxions - check the rest; returns the number of faults. Context: setup. */
uint32_t flx_program_check_fluxions(const struct flx_program *program);
