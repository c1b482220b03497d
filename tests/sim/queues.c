/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * queues - a NIC with an indirection table: flows to buckets, buckets to queues of descriptors, one
 * queue per worker. What is written to the table holds some time later, bucket by bucket.
 */
#include "tests/sim/sim.h"

void sim_queues_init(struct sim *sim)
{
	memset(&sim->nic, 0, sizeof(sim->nic));
	for (uint32_t b = 0; b < SIM_BUCKETS; b++)
		sim->nic.table[b] = sim->nic.wanted[b] = (uint8_t)(b % sim->shape.workers);
}

/* Some of what was written comes to hold; all of it when its time is over. */
static void settle(struct sim *sim)
{
	struct sim_nic *nic = &sim->nic;

	for (uint32_t b = 0; b < SIM_BUCKETS; b++)
		if (nic->table[b] != nic->wanted[b] &&
		    (sim->tsc >= nic->settled_tsc[b] ||
		     flx_random_chance(&sim->moves, sim->shape.late_pct)))
			nic->table[b] = nic->wanted[b];
}

void sim_queues_step(struct sim *sim, bool receives)
{
	uint32_t wanted = receives ? flx_random_between(&sim->random, 1, FLX_BATCH) : 0;

	settle(sim);
	for (uint32_t i = 0; i < wanted; i++) {
		uint32_t f = flx_random_below(&sim->random, sim->shape.fluxions);
		struct sim_token token;
		struct flx_msg *msg = sim_receive(sim, &token, 0);
		struct sim_queue *queue;

		if (!msg)
			return; /* rx_nombuf */
		queue = &sim->nic.queue[sim->nic.table[msg->mbuf.hash.rss & (SIM_BUCKETS - 1)]];
		if (queue->count == SIM_DESCS) {
			rte_pktmbuf_free(&msg->mbuf);
			continue; /* rx_missed */
		}
		queue->elem[(queue->head + queue->count++) % SIM_DESCS] =
			(struct flx_elem){.msg = msg, .fluxion = (uint16_t)(FLX_FLUXION_FIRST + f)};
		sim->nic.queued++;
	}
}

/* A descriptor off the queue: from here on the fabric owes it. */
static struct flx_elem take(struct sim *sim, struct sim_queue *queue)
{
	struct flx_elem elem = queue->elem[queue->head];

	queue->head = (queue->head + 1) % SIM_DESCS;
	queue->count--;
	sim->nic.queued--;
	return elem;
}

void sim_queues_poll(struct sim *sim, uint32_t w)
{
	struct flx_worker *worker = sim->world.shared.workers[w];
	struct sim_queue *queue = &sim->nic.queue[w];
	struct flx_elem elems[FLX_BATCH];
	uint32_t count = 0;

	if (flx_worker_refuses(worker) || !flx_purse_has(&worker->purse, FLX_BATCH))
		return;
	while (queue->count && count < FLX_BATCH) {
		struct sim_token token;

		elems[count] = take(sim, queue);
		memcpy(&token, flx_at(elems[count].msg, 0, sizeof(token)), sizeof(token));
		sim_oracle_send(&sim->oracle, &token,
				1u << (elems[count].fluxion - FLX_FLUXION_FIRST));
		sim_oracle_commit(&sim->oracle);
		count++;
	}
	sim->injected += count;
	flx_world_poll(&sim->world, w, elems, count);
}

void sim_queues_ask(struct sim *sim)
{
	struct sim_nic *nic = &sim->nic;
	struct flx_move_request request = {
		.kind = FLX_MOVE_BUCKETS,
		.from = (uint8_t)flx_random_below(&sim->moves, sim->shape.workers),
		.to = (uint8_t)flx_random_below(&sim->moves, sim->shape.workers),
	};
	int number;

	for (uint32_t b = 0; b < SIM_BUCKETS; b++)
		if (!nic->moving[b] && nic->wanted[b] == request.from &&
		    flx_random_chance(&sim->moves, 50))
			request.number[request.count++] = (uint16_t)b;
	number = flx_migrate_request(&sim->world.shared.migrate, &request, sim->tsc);
	for (uint32_t i = 0; number >= 0 && i < request.count; i++)
		nic->moving[request.number[i]] = (uint8_t)(number + 1);
}

void sim_queues_write(struct sim *sim)
{
	struct flx_migrate *migrate = &sim->world.shared.migrate;

	for (uint32_t m = 0; m < FLX_MOVES_MAX; m++) {
		const struct flx_move_request *request = &migrate->move[m].request;
		/* A driver that refuses leaves the table as it is. */
		bool refused = flx_random_chance(&sim->moves, 10);

		if (flx_migrate_state(migrate, m) != FLX_MOVE_READY)
			continue;
		for (uint32_t i = 0; i < request->count && !refused; i++) {
			sim->nic.wanted[request->number[i]] = request->to;
			sim->nic.settled_tsc[request->number[i]] = sim->tsc + SIM_SETTLE_TSC;
		}
		flx_migrate_written(migrate, m, sim->tsc,
				    sim->world.shared.start_tsc + sim->tsc + SIM_SETTLE_TSC);
	}
}

void sim_queues_moved(struct sim *sim, const struct flx_move_request *request)
{
	for (uint32_t i = 0; i < request->count; i++)
		sim->nic.moving[request->number[i]] = 0;
	sim->nic.moved += request->count;
}

void sim_queues_drop(struct sim *sim)
{
	for (uint32_t w = 0; w < sim->shape.workers; w++)
		while (sim->nic.queue[w].count)
			rte_pktmbuf_free(&take(sim, &sim->nic.queue[w]).msg->mbuf);
}
