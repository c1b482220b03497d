/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * send - what dispatch.c, which runs handlers, and send.c, which routes what they sent, share.
 */
#pragma once

#include "fabric/edge/udp.h"
#include "fabric/worker.h"

/* Messages whose lines are asked for ahead of the one that is worked on. */
#define FLX_PREFETCH_AHEAD 4

/* Frames: to the TX queue of this worker, or to the worker that has one. */
void flx_send_frames(struct flx_worker *worker, const struct flx_elem *elems, uint32_t count);

/* How many elements from the first on are for the same fluxion. Four at a time: most runs are long.
 */
static inline uint32_t flx_send_run(const struct flx_elem *elems, uint32_t count)
{
	uint32_t number = elems->fluxion, run = 1;

	while (run + 4 <= count &&
	       !((elems[run].fluxion ^ number) | (elems[run + 1].fluxion ^ number) |
		 (elems[run + 2].fluxion ^ number) | (elems[run + 3].fluxion ^ number)))
		run += 4;
	while (run < count && elems[run].fluxion == number)
		run++;
	return run;
}

static inline void flx_send_here(struct flx_worker *worker, uint32_t fluxion,
				 const struct flx_elem *elems, uint32_t count)
{
	flx_fifo_push(&worker->vectors[fluxion], &worker->chunks, elems, count);
	worker->pending[fluxion / 64] |= 1ull << (fluxion % 64);
	worker->stats->fluxion[fluxion].arrived += count;
}

/* To the vector of this worker, or the lane to another. */
static inline void flx_send_push(struct flx_worker *worker, uint32_t to, uint32_t fluxion,
				 const struct flx_elem *elems, uint32_t count)
{
	if (to == worker->index) {
		flx_send_here(worker, fluxion, elems, count);
	} else {
		flx_lane_put(&worker->lanes_out[to], &worker->chunks, elems, count);
		worker->dirty_lanes |= 1ull << to;
		worker->stats->put += count;
	}
}

/* The key of @msg, into @key; 0 or what the key function says. */
static inline int flx_send_key(const struct flx_fluxion_entry *fluxion, const struct flx_msg *msg,
			       uint8_t *key)
{
	if (fluxion->slice_flag == FLX_ELEM_CLIENT_SLICE)
		return flx_udp_client(msg, key) ? 0 : -ENOTCONN;
	return fluxion->key(msg, key);
}
