/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched_serve - what an operator may ask of the scheduler, and order.
 *
 *	sched				how it stands: mode, workers, moves
 *	sched plan			what the policy would do now, and why: before -> after
 *	sched history [N]		the last N moves
 *	sched auto|observe|off		the mode from now on
 *	move GROUP[:SLICES] WORKER	moves slices there, and says what it took
 *	pin GROUP[:SLICES]		keeps them where they are: only orders move them
 *	unpin GROUP[:SLICES]
 *
 * SLICES are numbers and ranges, "3,17-20"; without, all of the group. See commands.h for what these
 * functions are given and return.
 */
#pragma once

#include "apps/answer.h"
#include "apps/request.h"
#include "scheduler/sched.h"

int flx_sched_serve(struct flx_sched *sched, const struct flx_request *request,
		    struct flx_answer *answer);
int flx_sched_serve_move(struct flx_sched *sched, const struct flx_request *request,
			 struct flx_answer *answer);
int flx_sched_serve_pin(struct flx_sched *sched, const struct flx_request *request,
			struct flx_answer *answer);
