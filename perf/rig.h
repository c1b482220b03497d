/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rig - a fabric on a looped ring port with a client at its far end: what most benches start from.
 *
 * One per process, for EAL starts once. Context of everything: the control thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "fabric/fabric.h"
#include "perf/client.h"
#include "scheduler/sched.h"

struct flx_rig_conf {
	struct flx_program *program;
	uint32_t workers;
	enum flx_sched_mode sched;
	bool dev;	    /* ordinary memory */
	bool oversubscribe; /* more workers than CPUs are meant */
	bool own;	    /* each worker's queue brings what is its own of group 0, and no more */
	struct flx_client_conf client;
};

struct flx_rig {
	struct flx_fabric *fabric;
	struct flx_sched *sched;
	struct flx_client client;
};

/* 0; -errno after one flx_error. */
int flx_rig_start(struct flx_rig *rig, const struct flx_rig_conf *conf);

/*
 * flx_rig_stop - end it all, and look whether every message is accounted for
 * @endless: messages that never come back, at most so many, are under way; 0: none
 * 0; -errno after one flx_error: wrong answers, losses, an account that does not balance, buffers that
 * did not come back.
 */
int flx_rig_stop(struct flx_rig *rig, uint32_t endless);

/*
 * flx_rig_draw - from now on worker w's part of all requests is as @shares[w], by slices as they are
 * now; all of a worker's clients alike
 * 0; -ENOMEM. What was drawn from before stays in memory: somebody may still draw.
 */
int flx_rig_draw(struct flx_rig *rig, uint32_t group, const double *shares);

/*
 * flx_rig_place - all slices of group @group go to worker @worker, some of which are elsewhere
 * 0; -ETIMEDOUT some have not come there in a second; -errno as flx_sched_order.
 */
int flx_rig_place(struct flx_rig *rig, uint32_t group, uint32_t worker);
