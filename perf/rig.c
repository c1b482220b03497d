/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/rig.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "perf/figure.h"

#define FABRIC_IP 0xc6120001u /* 198.18.0.1 */
/* What is under way takes some milliseconds to come to its end. */
#define DRAIN_MS 1000
/* 512 slices, eight at a time, of workers that nobody has taken a CPU from. */
#define PLACE_MS 1000

/* The worker that owns client @index's slice of group @group, keyed by the client's address. */
static uint32_t find_owner(const struct flx_rig *rig, uint32_t group, uint32_t index)
{
	rte_be32_t ip = flx_query_ip(index);
	uint16_t slice = flx_slice_of_key((const uint8_t *)&ip, sizeof(ip));

	return flx_route_owner(&rig->sched->migrate->routes->route[group], slice);
}

/* NULL: no memory. */
static struct flx_pick *make_pick(const struct flx_rig *rig, uint32_t group, const double *shares)
{
	uint32_t clients = rig->client.conf.clients, count[FLX_WORKERS_MAX] = {0};
	double *weights = malloc(clients * sizeof(*weights));
	struct flx_pick *pick = NULL;

	for (uint32_t c = 0; c < clients; c++)
		count[find_owner(rig, group, c)]++;
	for (uint32_t c = 0; weights && c < clients; c++) {
		uint32_t owner = find_owner(rig, group, c);

		weights[c] = shares[owner] / count[owner];
	}
	if (weights)
		pick = flx_pick_make(weights, clients);
	free(weights);
	return pick;
}

/* So from the first request on: what is under way would gather at the slowest worker else. */
static int draw_own(struct flx_rig *rig)
{
	for (uint32_t q = 0; q < rig->client.conf.queues; q++) {
		double shares[FLX_WORKERS_MAX] = {0};
		struct flx_pick *pick;

		shares[q] = 1;
		pick = make_pick(rig, 0, shares);
		if (!pick)
			return -ENOMEM;
		flx_client_draw(&rig->client, q, pick);
	}
	return 0;
}

int flx_rig_start(struct flx_rig *rig, const struct flx_rig_conf *conf)
{
	struct flx_options options = {
		.port = {"ring"},
		.port_count = 1,
		.ip = {"198.18.0.1/24"},
		.ip_count = 1,
		.workers = conf->workers,
		.sched = conf->sched,
		.oversubscribe = conf->oversubscribe,
		.dev = conf->dev,
	};
	int error = flx_fabric_start(&rig->fabric, conf->program, &options, NULL);

	if (error)
		return error;
	rig->sched = flx_fabric_sched(rig->fabric);
	error = flx_client_start(&rig->client, flx_fabric_port(rig->fabric, 0),
				 rte_cpu_to_be_32(FABRIC_IP), rte_mempool_lookup("flx_messages"),
				 &conf->client);
	if (!error && conf->own)
		error = draw_own(rig);
	if (!error)
		flx_client_go(&rig->client);
	return error;
}

/* Whether all came to its end as it must; 0, or -errno after one flx_error. */
static int check(const struct flx_ledger *ledger, int error, uint32_t missing, uint32_t endless)
{
	if (error == -ETIMEDOUT || ledger->dropped > endless) {
		flx_error("rig: %" PRIu64 " messages dropped, %" PRIu64 " of them for want of TX "
			  "(has something else taken a worker's CPU for 0.1 s?)",
			  ledger->dropped, ledger->drops.count[FLX_DROP_tx_stalled]);
		return -EBADMSG;
	}
	if (!error && (missing || ledger->unexplained)) {
		flx_error("rig: %" PRIu32 " buffers did not come back, %" PRId64
			  " messages unexplained: a bug of flx",
			  missing, ledger->unexplained);
		return -EBADMSG;
	}
	return error;
}

int flx_rig_stop(struct flx_rig *rig, uint32_t endless)
{
	struct flx_ledger *ledger = malloc(sizeof(*ledger));
	int error = endless ? 0 : flx_client_stop(&rig->client);
	uint32_t missing;

	if (!ledger)
		return -ENOMEM;
	if (!error && !endless)
		error = flx_fabric_drain(rig->fabric, DRAIN_MS, NULL);
	missing = flx_fabric_stop(rig->fabric, ledger);
	flx_account_add(ledger);
	error = check(ledger, error, missing, endless);
	free(ledger);
	return error;
}

int flx_rig_draw(struct flx_rig *rig, uint32_t group, const double *shares)
{
	struct flx_pick *pick = make_pick(rig, group, shares);

	for (uint32_t q = 0; pick && q < rig->client.conf.queues; q++)
		flx_client_draw(&rig->client, q, pick);
	return pick ? 0 : -ENOMEM;
}

int flx_rig_place(struct flx_rig *rig, uint32_t group, uint32_t worker)
{
	struct flx_sched *sched = rig->sched;
	bool all[FLX_SLICES], under_way = true;
	uint32_t left = FLX_SLICES;
	int error;

	memset(all, true, sizeof(all));
	flx_sched_lock(sched);
	error = flx_sched_order(sched, group, all, worker, rte_rdtsc());
	flx_sched_unlock(sched);
	for (uint32_t ms = 0; !error && under_way && ms < PLACE_MS; ms++) {
		rte_delay_us_sleep(1000);
		flx_sched_lock(sched);
		under_way = sched->order.under_way;
		left = sched->order.left;
		flx_sched_unlock(sched);
	}
	return error ? error : left ? -ETIMEDOUT : 0;
}
