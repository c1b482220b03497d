/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/route.h"

#include "fabric/memory.h"

struct flx_routes *flx_routes_alloc(uint32_t group_count, uint32_t worker_count)
{
	struct flx_routes *routes = flx_memory_alloc(
		"routes", sizeof(*routes) + group_count * sizeof(routes->route[0]), -1);

	if (!routes)
		return NULL;
	routes->group_count = group_count;
	for (uint32_t g = 0; g < group_count; g++)
		for (uint32_t s = 0; s < FLX_SLICES; s++)
			flx_route_set(&routes->route[g], s, s % worker_count);
	return routes;
}

struct flx_flags *flx_flags_alloc(const struct flx_flags_conf *conf)
{
	/* One at least: a program may have no group. */
	struct flx_flags *flags =
		flx_memory_alloc("flags", (conf->group_count + 1) * sizeof(*flags), conf->numa);

	for (uint32_t g = 0; flags && g < conf->group_count; g++)
		for (uint32_t s = 0; s < FLX_SLICES; s++)
			flx_flag_set(&flags[g], s,
				     s % conf->worker_count == conf->index ? FLX_SLICE_LIVE
									   : FLX_SLICE_DEPARTED);
	return flags;
}

void flx_routes_free(struct flx_routes *routes)
{
	flx_memory_free(routes);
}

void flx_flags_free(struct flx_flags *flags)
{
	flx_memory_free(flags);
}
