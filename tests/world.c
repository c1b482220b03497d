/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/world.h"

#include <stdlib.h>

#include <rte_cycles.h>

#include "fabric/contexts.h"
#include "fabric/workers.h"

static int make_contexts(struct flx_world *world)
{
	const struct flx_contexts_conf conf = {.seed = world->conf.seed};
	struct flx_store_found found;
	int error = flx_contexts_open(&world->shared, &conf);

	return error ? error : flx_store_attach(world->shared.store, &found);
}

int flx_world_init(struct flx_world *world, const struct flx_program *program,
		   const struct flx_world_conf *conf)
{
	struct flx_shared *shared = &world->shared;
	const struct flx_workers_conf workers = {
		.name = "world",
		.lane_size = conf->lane_size,
		.credits = conf->credits,
		.spread = conf->spread,
	};
	int error;

	*world = (struct flx_world){.conf = *conf};
	error = flx_registry_init(&world->registry, program);
	if (error)
		return error;
	shared->registry = &world->registry;
	shared->worker_count = conf->workers;
	shared->start_tsc = rte_rdtsc();
	shared->tsc_hz = conf->tsc_hz ? conf->tsc_hz : rte_get_tsc_hz();
	if (conf->reta_size) {
		shared->port_count = 1;
		shared->queues[0] = (struct flx_migrate_port){
			.rx_queues = (uint16_t)conf->workers,
			.rx_descs = conf->rx_descs,
			.reta_size = conf->reta_size,
		};
	}
	/* No cache: what is free is in the pool, so that it runs dry when it is meant to. */
	shared->pool = rte_pktmbuf_pool_create(
		"world", conf->buffers, 0, sizeof(struct flx_msg) - sizeof(struct rte_mbuf),
		(uint16_t)(RTE_PKTMBUF_HEADROOM + conf->buffer_data), SOCKET_ID_ANY);
	error = shared->pool ? make_contexts(world) : -ENOMEM;
	if (!error)
		error = flx_workers_alloc(shared, &workers);
	if (error)
		flx_world_fini(world);
	return error;
}

void flx_world_fini(struct flx_world *world)
{
	struct flx_shared *shared = &world->shared;

	flx_workers_free(shared);
	flx_contexts_close(shared);
	rte_mempool_free(shared->pool);
	flx_registry_fini(&world->registry);
}

uint16_t flx_world_number(const struct flx_world *world, const char *id)
{
	for (uint32_t f = FLX_FLUXION_FIRST; f < world->registry.fluxion_count; f++)
		if (strcmp(world->registry.fluxion[f].id, id) == 0)
			return (uint16_t)f;
	fprintf(stderr, "no fluxion %s\n", id);
	abort();
}

void flx_world_place(struct flx_world *world, uint32_t group, uint32_t slice, uint32_t owner)
{
	struct flx_shared *shared = &world->shared;

	flx_route_set(&shared->routes->route[group], slice, owner);
	for (uint32_t w = 0; w < shared->worker_count; w++)
		flx_flag_set(&shared->workers[w]->mover.flags[group], slice,
			     w == owner ? FLX_SLICE_LIVE : FLX_SLICE_DEPARTED);
}

void flx_world_inject(struct flx_world *world, uint32_t index, uint16_t number,
		      struct flx_msg **msgs, uint32_t count)
{
	struct flx_worker *worker = world->shared.workers[index];
	struct flx_elem elems[FLX_BATCH];

	FLX_VERIFY(count <= FLX_BATCH);
	for (uint32_t i = 0; i < count; i++)
		elems[i] = (struct flx_elem){.msg = msgs[i], .fluxion = number};
	worker->stats->port[0].received += count;
	flx_purse_spend(&worker->purse, count);
	flx_worker_route(worker, elems, count);
}

void flx_world_poll(struct flx_world *world, uint32_t index, const struct flx_elem *found,
		    uint32_t count)
{
	struct flx_worker *worker = world->shared.workers[index];
	struct flx_elem elems[FLX_BATCH];

	FLX_VERIFY(count <= FLX_BATCH);
	memcpy(elems, found, count * sizeof(*elems));
	worker->rx[0].counts.received += count;
	worker->rx[0].counts.empties += !count;
	worker->stats->port[0].received += count;
	flx_purse_spend(&worker->purse, count);
	flx_worker_admit(worker, 0, elems, count);
}

void flx_world_ledger(struct flx_world *world, struct flx_ledger *ledger)
{
	memset(ledger, 0, sizeof(*ledger));
	ledger->port_count = 1;
	ledger->fluxion_count = world->registry.fluxion_count;
	for (uint32_t w = 0; w < world->shared.worker_count; w++) {
		struct flx_worker *worker = world->shared.workers[w];

		flx_worker_snapshot(worker, 0);
		flx_stats_sum(ledger, worker->snapshot, worker->snapshot_pending);
	}
	flx_stats_balance(ledger);
}

int64_t flx_world_credits(const struct flx_world *world)
{
	int64_t sum = atomic_load(&world->shared.credits.free);

	for (uint32_t w = 0; w < world->shared.worker_count; w++)
		sum += world->shared.workers[w]->purse.credits;
	return sum;
}

uint32_t flx_world_buffers(const struct flx_world *world)
{
	return rte_mempool_avail_count(world->shared.pool);
}
