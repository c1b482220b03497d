/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * part - parts of a scenario, each of which runs in a process of its own.
 *
 * So each begins with memory as the system gives it, and EAL, which starts once per process; one that dies
 * does not take the others along.
 */
#pragma once

#include "perf/scenarios.h"

struct flx_part {
	const char *name; /* "ctx.bind.1m"; its figures begin with it */
	int (*run)(const struct flx_perf *perf, const void *argument); /* as a scenario */
	const void *argument;
};

/* Whether @name was asked for: all of a scenario, or what begins with the name given, or a floor of it. */
bool flx_part_wanted(const struct flx_perf *perf, const char *name);

/*
 * flx_parts_run - run those of @count @parts that were asked for, one after the other
 * 0, also when some cannot run here; -ENOENT none was asked for; another -errno: of the first that
 * failed, after one flx_error; the others have run all the same.
 */
int flx_parts_run(const struct flx_perf *perf, const struct flx_part *parts, uint32_t count);
