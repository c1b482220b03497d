/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/sched_parts.h"

#include "perf/part.h"

static const struct flx_part parts[] = {
	{.name = "sched.skew_ms", .run = flx_sched_skew},
	{.name = "sched.zipf", .run = flx_sched_zipf},
	{.name = "sched.calm", .run = flx_sched_calm},
	{.name = "sched.cost", .run = flx_sched_cost},
	{.name = "sched.oversubscribed", .run = flx_sched_oversubscribed},
};

int flx_perf_sched(const struct flx_perf *perf)
{
	return flx_parts_run(perf, parts, sizeof(parts) / sizeof(parts[0]));
}
