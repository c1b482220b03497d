/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/contexts.h"

#include <stdlib.h>

#include "pmd-config/rss.h"

static_assert(FLX_SLICES == FLX_INDEX_SLICES, "the store's tables are the fabric's slices");
static_assert(FLX_KEY_MAX == FLX_RECORD_KEY_MAX && FLX_CONTEXT_MAX == FLX_RECORD_CONTEXT_MAX &&
		      FLX_ID_MAX == FLX_CONTEXT_NAME_MAX,
	      "what a program may declare, the store can hold");

static uint16_t slice_of_key(const void *argument, const uint8_t *key)
{
	const struct flx_group *group = argument;

	return flx_slice_of_key(key, group->key_size);
}

static uint16_t slice_of_flow(const void *argument, const uint8_t *key)
{
	const struct flx_rss *rss = argument;

	/* Without a port no flow comes: any slice is as good. */
	return rss ? (uint16_t)(flx_rss_flow(rss, key) % FLX_SLICES) : 0;
}

static struct flx_context_type_conf describe(const struct flx_group *group,
					     const struct flx_rss *rss)
{
	bool by_flow = group->mode == FLX_PLACE_FLOW;

	return (struct flx_context_type_conf){
		.name = group->name,
		.version = group->context_version,
		.key_size = group->key_size,
		.context_size = group->context_size,
		.capacity = group->context_capacity,
		.limit = group->context_limit,
		.ttl_ms = group->context_ttl_ms,
		.evict = group->context_evict,
		.init = group->context_init,
		.upgrade = group->context_upgrade,
		.slice = by_flow ? slice_of_flow : slice_of_key,
		.slice_argument = by_flow ? (const void *)rss : group,
	};
}

/* The NUMA nodes that workers are on, each once, and which is whose. */
static void find_nodes(const struct flx_shared *shared, const int32_t *worker_numa,
		       struct flx_store_conf *conf, uint32_t *worker_node)
{
	for (uint32_t w = 0; worker_numa && w < shared->worker_count; w++) {
		uint32_t n = 0;

		while (n < conf->node_count && conf->numa[n] != worker_numa[w])
			n++;
		if (n == FLX_NODES_MAX)
			n = 0; /* more nodes than we count: these use the first's */
		else if (n == conf->node_count)
			conf->numa[conf->node_count++] = worker_numa[w];
		worker_node[w] = n;
	}
	conf->worker_node = worker_node;
}

int flx_contexts_open(struct flx_shared *shared, const struct flx_contexts_conf *conf)
{
	const struct flx_registry *registry = shared->registry;
	struct flx_context_type_conf *types = calloc(registry->group_count + 1, sizeof(*types));
	uint16_t *sweep = calloc(registry->group_count + 1, sizeof(*sweep));
	uint32_t worker_node[FLX_WORKERS_MAX] = {0};
	struct flx_store_conf store = {
		.path = conf->path,
		.huge = conf->huge,
		.tsc_hz = shared->tsc_hz,
		.start_tsc = shared->start_tsc,
		.seed = conf->seed,
		.worker_count = shared->worker_count,
		.type = types,
	};
	int error = -ENOMEM;

	shared->sweep_groups = sweep;
	shared->context_types = calloc(registry->group_count + 1, sizeof(*shared->context_types));
	if (!types || !sweep || !shared->context_types)
		goto err_types;
	find_nodes(shared, conf->worker_numa, &store, worker_node);
	for (uint32_t g = 0; g < registry->group_count; g++)
		if (registry->group[g].context_size)
			types[store.type_count++] = describe(&registry->group[g], conf->rss);
	error = flx_store_open(&shared->store, &store);
	if (error)
		goto err_types;
	for (uint32_t g = 0, t = 0; g < registry->group_count; g++) {
		const struct flx_group *group = &registry->group[g];

		if (!group->context_size)
			continue;
		shared->context_types[g] = shared->store->type[t++];
		if (group->key_size && (group->context_ttl_ms || group->context_evict))
			sweep[shared->sweep_count++] = (uint16_t)g;
	}
err_types:
	free(types);
	return error;
}

void flx_contexts_close(struct flx_shared *shared)
{
	if (shared->store)
		flx_store_close(shared->store);
	free(shared->context_types);
	free((void *)(uintptr_t)shared->sweep_groups);
	shared->store = NULL;
	shared->context_types = NULL;
	shared->sweep_groups = NULL;
	shared->sweep_count = 0;
}
