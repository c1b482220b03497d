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
			routes->route[g].owner[s] = (uint8_t)(s % worker_count);
	return routes;
}

void flx_routes_free(struct flx_routes *routes)
{
	flx_memory_free(routes);
}
