/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pair - two ring ports back to back: what one end sends the other receives, in one process.
 *
 * A fabric takes the near end, as port "pair"; whoever else is in the process takes the far one, with
 * flx_port_start of what flx_pair_far says, and one thread per queue and direction. The rings are single
 * producer, single consumer: queue q of an end belongs to one thread.
 */
#pragma once

#include "pmd-config/port_spec.h"

/*
 * Frames that each queue of each direction holds. Fewer, and a worker that is away for 300 us at 10 M/s
 * refuses some; more, and what waits leaves the L2 cache.
 */
#define FLX_PAIR_FRAMES 4096

/* What net_ring is built for (RTE_PMD_RING_MAX_RX_RINGS). */
#define FLX_PAIR_QUEUES_MAX 16

/*
 * flx_pair_make - make both ends of the pair @near
 * 0, or -errno: -EEXIST there is one of that index, -ENOMEM, -ENODEV no driver net_ring. Nothing stays then.
 * Context: setup, after EAL.
 */
int flx_pair_make(const struct flx_port_spec *near);

/* The other end, which flx_port_start takes once the near one has started. */
void flx_pair_far(const struct flx_port_spec *near, struct flx_port_spec *far);

/* Closes the far end if it is open, and frees what is in the rings, and these. The near end is closed. */
void flx_pair_free(const struct flx_port_spec *near);
