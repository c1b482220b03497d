/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/watch.h"

#include <rte_common.h>

#define PERIOD_US (FLX_WATCH_PERIOD_MS * 1000ull)
/* A look comes a little before its time, or after; the fourth one still is the one at 1 s. */
#define TOLERANCE_US 50000
/* Counted at most for the time between two looks: what is beyond, the watch did not run itself. */
#define PASSED_MAX_US (2 * PERIOD_US)
/* A stall is told when it has lasted this long, then each time that it has doubled. */
#define FIRST_US 1000000
/* But at least this often. */
#define STEP_MAX_US (64ull * 1000000)

static struct flx_watch_worker moving(uint64_t turns, uint64_t clock_us)
{
	return (struct flx_watch_worker){turns, clock_us, FIRST_US};
}

void flx_watch_init(struct flx_watch *watch, uint64_t now_us)
{
	*watch = (struct flx_watch){.last_us = now_us};
	for (uint32_t w = 0; w < FLX_WORKERS_MAX; w++)
		watch->worker[w] = moving(0, 0);
}

bool flx_watch_begin(struct flx_watch *watch, uint64_t now_us)
{
	uint64_t passed_us = now_us - watch->last_us;

	if (passed_us < PERIOD_US - TOLERANCE_US)
		return false;
	watch->clock_us += RTE_MIN(passed_us, PASSED_MAX_US);
	watch->last_us = now_us;
	return true;
}

enum flx_watch_event flx_watch_look(struct flx_watch *watch, uint32_t index, uint64_t turns,
				    bool rests, uint64_t *lasted_us)
{
	struct flx_watch_worker *worker = &watch->worker[index];

	*lasted_us = watch->clock_us - worker->since_us;
	if (rests || turns != worker->turns) {
		bool stalled = flx_watch_stalls(watch, index);

		*worker = moving(turns, watch->clock_us);
		return stalled ? FLX_WATCH_GOES_ON : FLX_WATCH_NOTHING;
	}
	if (*lasted_us + TOLERANCE_US < worker->next_us)
		return FLX_WATCH_NOTHING;
	while (worker->next_us <= *lasted_us + TOLERANCE_US)
		worker->next_us += RTE_MIN(worker->next_us, STEP_MAX_US);
	return FLX_WATCH_STALLS;
}

bool flx_watch_stalls(const struct flx_watch *watch, uint32_t index)
{
	return watch->worker[index].next_us > FIRST_US;
}
