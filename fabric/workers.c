/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/workers.h"

#include <stdlib.h>

#include "fabric/memory.h"

static int32_t numa_of(const struct flx_workers_conf *conf, uint32_t w)
{
	return conf->numa ? conf->numa[w] : -1;
}

static uint32_t spread_of(const struct flx_shared *shared, const struct flx_workers_conf *conf)
{
	return conf->spread ? conf->spread : shared->worker_count;
}

static int make_workers(struct flx_shared *shared, const struct flx_workers_conf *conf)
{
	uint32_t count = shared->worker_count;
	/* Half the credits at most lie unused in purses, so that none starves beside a full one. */
	uint32_t keep = RTE_MIN(4u * FLX_CREDIT_BLOCK, conf->credits / (2 * count));

	for (uint32_t w = 0; w < count; w++) {
		const struct flx_worker_conf worker = {
			.index = w,
			.spread = spread_of(shared, conf),
			.numa = numa_of(conf, w),
			.elems = conf->credits + conf->edge_buffers,
			.keep = keep,
		};

		shared->workers[w] = flx_worker_alloc(shared, &worker);
		if (!shared->workers[w])
			return -ENOMEM;
	}
	return 0;
}

static int make_lanes(struct flx_shared *shared, const struct flx_workers_conf *conf)
{
	uint32_t count = shared->worker_count;

	for (uint32_t from = 0; from < count; from++) {
		for (uint32_t to = 0; to < count; to++) {
			char name[32];
			int error;

			if (from == to)
				continue;
			snprintf(name, sizeof(name), "%s_%u_%u", conf->name, from, to);
			error = flx_lane_init(&shared->lanes[from * count + to], name,
					      conf->lane_size, numa_of(conf, to),
					      &shared->workers[from]->chunks);
			if (error)
				return error;
		}
	}
	return 0;
}

static int make_moves(struct flx_shared *shared)
{
	struct flx_migrate *migrate = &shared->migrate;

	migrate->registry = shared->registry;
	migrate->routes = shared->routes;
	migrate->lanes = shared->lanes;
	static_assert(FLX_RUN == 0, "what moves take for the end");
	migrate->epoch = &shared->epoch;
	migrate->hurry_until_tsc = &shared->hurry_until_tsc;
	migrate->hurry_tsc = shared->tsc_hz / 1000000 * FLX_MIGRATE_HURRY_US;
	migrate->ends = &shared->state;
	migrate->worker_count = shared->worker_count;
	migrate->port_count = shared->port_count;
	migrate->port = shared->queues;
	for (uint32_t w = 0; w < shared->worker_count; w++) {
		struct flx_worker *worker = shared->workers[w];

		migrate->worker[w] = (struct flx_migrate_worker){
			.mover = &worker->mover,
			.pulse = &worker->pulse,
			.idle = &worker->idle,
			.vectors = worker->vectors,
			.chunks = &worker->chunks,
			.stats = worker->stats,
		};
		for (uint32_t p = 0; p < FLX_PORTS_MAX; p++) {
			migrate->worker[w].frames[p] = &worker->tx[p].frames;
			migrate->worker[w].rx[p] =
				w < shared->queues[p].rx_queues ? &worker->rx[p].counts : NULL;
		}
	}
	return flx_migrate_init(migrate);
}

int flx_workers_alloc(struct flx_shared *shared, const struct flx_workers_conf *conf)
{
	uint32_t count = shared->worker_count;
	int error;

	flx_credit_pool_init(&shared->credits, conf->credits);
	shared->credit_count = conf->credits;
	shared->workers = calloc(count, sizeof(*shared->workers));
	shared->lanes =
		flx_memory_alloc("lanes", (size_t)count * count * sizeof(*shared->lanes), -1);
	shared->routes = flx_routes_alloc(shared->registry->group_count, spread_of(shared, conf));
	if (!shared->workers || !shared->lanes || !shared->routes)
		return -ENOMEM;
	error = make_workers(shared, conf);
	if (!error)
		error = make_lanes(shared, conf);
	return error ? error : make_moves(shared);
}

void flx_workers_free(struct flx_shared *shared)
{
	uint32_t count = shared->worker_count;

	flx_migrate_fini(&shared->migrate);
	for (uint32_t i = 0; shared->lanes && i < count * count; i++)
		if (shared->lanes[i].ring)
			flx_lane_fini(&shared->lanes[i]);
	for (uint32_t w = 0; shared->workers && w < count; w++)
		flx_worker_free(shared->workers[w]);
	free(shared->workers);
	flx_memory_free(shared->lanes);
	flx_routes_free(shared->routes);
	shared->workers = NULL;
	shared->lanes = NULL;
	shared->routes = NULL;
}
