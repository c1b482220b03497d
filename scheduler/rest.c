/* SPDX-License-Identifier: BSD-3-Clause */
#include "scheduler/rest.h"

#include <rte_common.h>

const struct flx_rest_rule flx_rest_slice = {
	/*
	 * Two ticks of the scheduler. Shorter, and a slice is judged by loads from before its move;
	 * longer, and a move that was wrong is mended late.
	 */
	.first_us = 4000,
	/*
	 * Shorter, and 512 slices that never come to rest still move hundreds of times a second;
	 * longer, and a slice that was unlucky for a while keeps a worker full for that long.
	 */
	.longest_us = 4000 << 8,
	/*
	 * Longer than the longest rest by a few times, or slices that alternate forever would be
	 * forgiven. Much longer, and a slice pays in the evening for the morning.
	 */
	.calm_us = 8000000,
};

const struct flx_rest_rule flx_rest_worker = {
	/*
	 * Shorter, and the gap between two bursts empties a worker that the next one needs; longer,
	 * and one burst keeps a core polling for that much longer.
	 */
	.first_us = 100000,
	/* Shorter flaps where loads swing by the second; longer wastes a core when they have ended. */
	.longest_us = 100000 << 7,
	/* As above: a few times the longest rest. */
	.calm_us = 60000000,
};

/* Whether it has been calm for so long that what was before does not matter any more. */
static bool forgotten(const struct flx_rest *rest, const struct flx_rest_rule *rule,
		      uint64_t now_us)
{
	return now_us >= rest->moved_us + rest->span_us + rule->calm_us;
}

void flx_rest_moved(struct flx_rest *rest, const struct flx_rest_rule *rule, uint64_t now_us,
		    uint32_t from, uint32_t to)
{
	FLX_ASSERT(from < 64 && to < 64);
	if (!rest->span_us || forgotten(rest, rule, now_us))
		*rest = (struct flx_rest){.span_us = rule->first_us};
	else if (rest->been >> to & 1)
		rest->span_us = RTE_MIN(rest->span_us * 2, rule->longest_us);
	rest->been |= UINT64_C(1) << from;
	rest->moved_us = now_us;
}
