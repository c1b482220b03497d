/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * timeline - a picture of what the scheduler saw and did: an SVG, 900 wide, that any browser shows.
 *
 * Three panels over one axis of time: the load of each worker, the moves as arrows from worker to
 * worker, and how long the messages of moved slices had to wait. Where samples are denser than the
 * picture, each of its points is their mean; moves that fall on one place are one arrow, the thicker the
 * more slices they moved.
 */
#pragma once

#include <stdio.h>

#include "scheduler/history.h"

struct flx_timeline_conf {
	const char *title;
	uint64_t from_us;  /* the part of the history that is shown */
	uint64_t until_us; /* 0: up to its end */
	uint64_t zero_us;  /* where the axis has its zero; else it begins with it */
	const char *
		zero; /* what happened there, in a few words; NULL: nothing, and there is no mark */
};

/*
 * flx_timeline_print - draw @history
 * Texts may hold any UTF-8; what XML would take for its own is escaped. A history without samples gives
 * a picture that says so. Whether @out took it all is the caller's to look at.
 * Context: as of @history, under the scheduler's lock.
 */
void flx_timeline_print(const struct flx_history *history, const struct flx_timeline_conf *conf,
			FILE *out);
