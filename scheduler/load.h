/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * load - how busy a worker is, what waits for it, and which slices that comes from.
 *
 * The worker closes a window every 250 us and publishes, all of the same window and smoothed in the
 * same way, so that no figure is ahead of another:
 * - the share of time in turns that found work, and what came beyond what was handled;
 * - the work that waits, as the time that it will take: messages in its vectors, its parking queues
 *   and on its lanes, times the cycles that a message took;
 * - how long the oldest of them has waited, to a window, up to 16 ms: the time since as many had
 *   arrived as are handled by now. (Exact for one queue; the worker's queues are several.)
 * - while it is busy, the share of each slice: the cycles of a batch, spread evenly over its
 *   messages. Two clock reads a batch, and a sum for each message, are too dear for always: below that
 *   share nobody asks, and once slices are known one window in four is measured.
 *
 *			written by	read by
 *	published	the worker	scheduler
 *	the rest	the worker	the worker
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "fabric/base.h"
#include "fabric/flx.h"

/*
 * Longer, and a load that has changed is seen late: 20 ms are to be enough to even it out. Shorter,
 * and a turn under load (10 us and more) is no small part of it.
 */
#define FLX_LOAD_WINDOW_US 250
/*
 * A new window counts half: what has changed is seen to three fourths after half a millisecond. More,
 * and one long turn moves slices; less, and what a move has changed is not seen by the next tick, which
 * then moves too much.
 */
#define FLX_LOAD_SMOOTH 2
/* All of a worker's time. */
#define FLX_LOAD_FULL 1000000
/* Slices are measured from here on, and no more below the second. */
#define FLX_LOAD_MEASURE      (FLX_LOAD_FULL / 100 * 60)
#define FLX_LOAD_MEASURE_LESS (FLX_LOAD_FULL / 100 * 55)
/*
 * Windows that are measured one after the other before any is left out: three half-lives of what is
 * smoothed. Then one in so many: each tick of the scheduler, which is of eight windows, still sees two.
 */
#define FLX_LOAD_LEARN 6
#define FLX_LOAD_EVERY 4
/* Windows of which the arrivals are remembered: 16 ms. */
#define FLX_LOAD_HISTORY 64

/* Cycles per window of each slice of a group. */
struct flx_load_slices {
	_Atomic uint32_t cycles[FLX_SLICES];
};

struct flx_load {
	/* Published. */
	alignas(FLX_CACHE_LINE) _Atomic uint32_t busy_ppm; /* parts per million of its time */
	_Atomic int32_t
		growth_ppm; /* what came less what was handled, as work: its backlog grows */
	_Atomic uint32_t waiting_us;
	_Atomic uint32_t oldest_us;
	_Atomic uint32_t measured;   /* windows of which slices were, since they are; 0: none */
	_Atomic uint64_t closed_tsc; /* when the last window was */
	_Atomic bool
		asked; /* written by the control thread: measure slices, always, however little there is */
	struct flx_load_slices *slices; /* by group; published with the window, if measured */

	/* The worker's. */
	alignas(FLX_CACHE_LINE) uint64_t window_tsc; /* cycles of a window */
	uint64_t end_tsc;			     /* of the window */
	uint64_t begin_tsc;
	uint64_t busy_tsc; /* of the worker, when the window began */
	uint64_t handled;  /* by the worker, when the window began */
	uint32_t waiting;  /* messages, then */
	uint64_t message_cycles;
	bool watches;	 /* slices are measured, if not in every window */
	bool measures;	 /* in this one */
	uint32_t passed; /* windows since slices were learnt */
	uint32_t chosen; /* that is measured, of each FLX_LOAD_EVERY of them */
	uint32_t group_count;
	uint32_t *cycles; /* in this window, by group and slice */
	uint8_t *touched; /* by group: 1, some in this window; 2, published is not all zero */
	uint32_t history_at;
	struct {
		uint64_t closed_tsc;
		uint64_t arrived; /* by then */
	} history[FLX_LOAD_HISTORY];
};

/* What a worker has done and has to do when it closes a window. */
struct flx_load_sample {
	uint64_t now_tsc;
	uint64_t busy_tsc; /* cycles in turns that found work, ever */
	uint64_t handled;  /* messages, ever */
	uint32_t waiting;  /* messages */
};

/* flx_load_init - a worker that has done nothing yet. 0; -ENOMEM. Context: setup. */
int flx_load_init(struct flx_load *load, uint32_t group_count, uint64_t tsc_hz, uint64_t now_tsc,
		  int numa);
void flx_load_fini(struct flx_load *load);

/* Whether a window is over. Context: the worker, every turn. */
static inline bool flx_load_due(const struct flx_load *load, uint64_t now_tsc)
{
	return now_tsc >= load->end_tsc;
}

/* flx_load_close - close the window and publish. Context: the worker, when flx_load_due. */
void flx_load_close(struct flx_load *load, const struct flx_load_sample *sample);

/*
 * flx_load_count - a batch of group @group took @cycles
 * Context: the worker, while load->measures.
 */
void flx_load_count(struct flx_load *load, uint32_t group, const struct flx_elem *batch,
		    uint32_t count, uint64_t cycles);
