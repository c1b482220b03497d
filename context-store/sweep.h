/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sweep - the owner takes out what is over, and makes room, a few records per turn.
 *
 * Time: a context whose time is over is gone for whoever asks (flx_context_open). The sweep frees
 * its memory: it walks the buckets of the worker's slices, so fast that a pass takes half a TTL (a
 * quarter of a second to a minute), and withdraws what is over.
 *
 * Room: while a type that evicts has fewer free records than its reserve (a 16th), each step takes
 * the longest idle of a bucket, one of about eight. So eviction is by sample, and ahead of need,
 * for what it frees waits for a grace period.
 */
#pragma once

#include <stdint.h>

struct flx_context_type;

/* Where a worker is in a type. */
struct flx_sweep {
	uint32_t slice; /* the bucket that is next */
	uint32_t leaf;
	uint32_t bucket;
	uint32_t pass_steps; /* buckets in the last pass, at least */
	uint32_t steps;	     /* in this one */
	uint64_t next_tsc;
};

/*
 * flx_sweep_turn - what is due of @type
 * @flag: of each slice, FLX_INDEX_SLICES of them; 0: it is the worker's, and nobody else's
 * @tsc, @tsc_hz: now; at most some 20 us of work. Two loads when nothing is due.
 * Context: @worker, with nothing bound.
 */
void flx_sweep_turn(struct flx_context_type *type, uint32_t worker, const _Atomic uint8_t *flag,
		    uint64_t tsc, uint64_t tsc_hz);
