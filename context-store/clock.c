/* SPDX-License-Identifier: BSD-3-Clause */
#include "context-store/clock.h"

#include <time.h>

#include "context-store/files.h"

uint32_t flx_clock_ticks(uint64_t ms)
{
	const uint64_t most = (uint64_t)FLX_CLOCK_TTL_MAX_S * FLX_TICKS_PER_SECOND;
	uint64_t ticks =
		ms / 1000 * FLX_TICKS_PER_SECOND + (ms % 1000 * FLX_TICKS_PER_SECOND + 999) / 1000;

	return (uint32_t)(ticks < most ? ticks : most);
}

/* Ticks since second @wall, but for the one that may not have passed. */
static uint32_t ticks_away(uint32_t wall)
{
	int64_t away = (int64_t)time(NULL) - (int64_t)wall - 1;

	if (away > FLX_CLOCK_AWAY_MAX_S)
		away = FLX_CLOCK_AWAY_MAX_S;
	return away > 0 ? (uint32_t)away * FLX_TICKS_PER_SECOND : 0;
}

void flx_clock_read(struct flx_clock *clock, const struct flx_file_set *set)
{
	const struct flx_file *file = &set->node[0];
	uint32_t tick, wall;

	*clock = (struct flx_clock){
		.tick_damaged = !flx_file_clock_get(file, FLX_FILE_TICK, &tick),
		.wall_damaged = !flx_file_clock_get(file, FLX_FILE_WALL, &wall),
	};
	if (!clock->tick_damaged)
		clock->tick = tick;
	/* 0: it was never saved. */
	if (!clock->wall_damaged && wall)
		clock->tick += ticks_away(wall);
}
