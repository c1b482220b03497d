/* SPDX-License-Identifier: BSD-3-Clause */
#include "scheduler/reta.h"

#include <errno.h>
#include <stdlib.h>

#include <rte_cycles.h>

int flx_reta_init(struct flx_reta *reta, const struct flx_reta_conf *conf)
{
	*reta = (struct flx_reta){0};
	if (!conf)
		return 0;
	reta->conf = *conf;
	for (uint32_t p = 0; p < conf->port_count; p++) {
		const struct flx_reta_port *port = &conf->port[p];

		if (!port->buckets)
			continue;
		reta->queue[p] = calloc(port->buckets, sizeof(*reta->queue[p]));
		reta->moving[p] = calloc(port->buckets, sizeof(*reta->moving[p]));
		if (!reta->queue[p] || !reta->moving[p]) {
			flx_reta_fini(reta);
			return -ENOMEM;
		}
		/* As flx_port_start has written it. */
		for (uint32_t b = 0; b < port->buckets; b++)
			reta->queue[p][b] = (uint16_t)(b % FLX_SLICES % port->spread);
	}
	return 0;
}

void flx_reta_fini(struct flx_reta *reta)
{
	for (uint32_t p = 0; p < FLX_PORTS_MAX; p++) {
		free(reta->queue[p]);
		free(reta->moving[p]);
		reta->queue[p] = NULL;
		reta->moving[p] = NULL;
	}
}

/* Adds to @votes, by worker, the slices of the bucket: those with the same low bits. */
static void count_owners(const struct flx_route *route, uint32_t bucket, uint32_t buckets,
			 uint32_t *votes)
{
	uint32_t step = buckets < FLX_SLICES ? buckets : FLX_SLICES;

	for (uint32_t s = bucket % step; s < FLX_SLICES; s += step)
		votes[flx_route_owner(route, s)]++;
}

uint16_t flx_reta_wanted(const struct flx_reta *reta, const struct flx_migrate *migrate,
			 uint32_t port, uint32_t bucket)
{
	const struct flx_reta_port *conf = &reta->conf.port[port];
	uint32_t votes[FLX_WORKERS_MAX] = {0};
	uint16_t best = reta->queue[port][bucket];

	for (uint32_t g = 0; g < migrate->registry->group_count; g++)
		if (migrate->registry->group[g].mode == FLX_PLACE_FLOW)
			count_owners(&migrate->routes->route[g], bucket, conf->buckets, votes);
	for (uint16_t q = 0; q < conf->queues; q++)
		if (votes[q] > votes[best])
			best = q;
	return best;
}

/* Begins to move all buckets of @port that lead to @from and should lead to @to. */
static bool begin(struct flx_reta *reta, struct flx_migrate *migrate, uint32_t port, uint16_t from,
		  uint16_t to, uint64_t now_tsc)
{
	struct flx_move_request request = {
		.kind = FLX_MOVE_BUCKETS,
		.of = (uint16_t)port,
		.from = (uint8_t)from,
		.to = (uint8_t)to,
	};

	for (uint32_t b = 0; b < reta->conf.port[port].buckets && request.count < FLX_MOVE_MAX; b++)
		if (!reta->moving[port][b] && reta->queue[port][b] == from &&
		    flx_reta_wanted(reta, migrate, port, b) == to)
			request.number[request.count++] = (uint16_t)b;
	if (!request.count || flx_migrate_request(migrate, &request, now_tsc) < 0)
		return false;
	for (uint32_t i = 0; i < request.count; i++)
		reta->moving[port][request.number[i]] = true;
	return true;
}

/* One pair of queues at a time, so that moves of slices find a place beside them. */
static uint32_t step_port(struct flx_reta *reta, struct flx_migrate *migrate, uint32_t port,
			  uint64_t now_tsc)
{
	const struct flx_reta_port *conf = &reta->conf.port[port];

	for (uint32_t b = 0; b < conf->buckets; b++) {
		uint16_t to = flx_reta_wanted(reta, migrate, port, b);

		if (!reta->moving[port][b] && to != reta->queue[port][b])
			return begin(reta, migrate, port, reta->queue[port][b], to, now_tsc);
	}
	return 0;
}

uint32_t flx_reta_step(struct flx_reta *reta, struct flx_migrate *migrate, uint64_t now_tsc,
		       uint64_t tsc_hz)
{
	uint32_t begun = 0;

	if (now_tsc < reta->next_tsc)
		return 0;
	for (uint32_t p = 0; p < reta->conf.port_count; p++)
		if (reta->conf.port[p].buckets && !(reta->refused >> p & 1))
			begun += step_port(reta, migrate, p, now_tsc);
	reta->next_tsc = now_tsc + tsc_hz / 1000 * FLX_RETA_PERIOD_MS;
	return begun;
}

void flx_reta_write(struct flx_reta *reta, struct flx_migrate *migrate, uint32_t number,
		    uint64_t tsc_hz)
{
	const struct flx_move_request *request = &migrate->move[number].request;
	uint32_t port = request->of;
	uint64_t written_tsc;

	if (reta->conf.write(reta->conf.argument, port, request->number, request->count,
			     request->to)) {
		reta->refused |= 1u << port;
	} else {
		for (uint32_t i = 0; i < request->count; i++)
			reta->queue[port][request->number[i]] = request->to;
	}
	written_tsc = rte_rdtsc();
	flx_migrate_written(migrate, number, written_tsc,
			    written_tsc + tsc_hz / 1000000 * FLX_RETA_SETTLE_US);
}

void flx_reta_moved(struct flx_reta *reta, const struct flx_move_request *request)
{
	for (uint32_t i = 0; i < request->count; i++)
		reta->moving[request->of][request->number[i]] = false;
}
