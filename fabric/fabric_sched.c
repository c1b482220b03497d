/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fabric_sched - the scheduler of a running fabric: what it is given, and what it tells the operator.
 */
#include "fabric/fabric_state.h"

static int write_table(void *argument, uint32_t port, const uint16_t *buckets, uint32_t count,
		       uint16_t queue)
{
	const struct flx_fabric *fabric = argument;

	return flx_port_steer(&fabric->port[port], buckets, count, queue);
}

static void describe_tables(struct flx_fabric *fabric, struct flx_reta_conf *reta)
{
	*reta = (struct flx_reta_conf){
		.port_count = fabric->shared.port_count,
		.write = write_table,
		.argument = fabric,
	};
	for (uint32_t p = 0; p < reta->port_count; p++)
		reta->port[p] = (struct flx_reta_port){
			.buckets = fabric->port[p].reta_size,
			.queues = fabric->port[p].rx_queues,
			.spread = (uint16_t)RTE_MIN(fabric->port[p].rx_queues,
						    fabric->setup.workers_min),
		};
}

int flx_fabric_sched_start(struct flx_fabric *fabric, enum flx_sched_mode mode)
{
	struct flx_sched_worker_conf workers[FLX_WORKERS_MAX];
	struct flx_reta_conf reta;
	const struct flx_sched_conf conf = {
		.registry = &fabric->registry,
		.migrate = &fabric->shared.migrate,
		.worker_count = fabric->shared.worker_count,
		.worker = workers,
		.workers_min = fabric->setup.workers_min,
		.mode = mode,
		.tsc_hz = fabric->shared.tsc_hz,
		.now_tsc = rte_rdtsc(),
		.reta = &reta,
	};
	int error;

	for (uint32_t w = 0; w < conf.worker_count; w++)
		workers[w] = (struct flx_sched_worker_conf){
			.load = &fabric->shared.workers[w]->load,
			.pulse = &fabric->shared.workers[w]->pulse,
			.numa = (int16_t)fabric->setup.plan.worker[w].numa,
		};
	describe_tables(fabric, &reta);
	error = flx_sched_init(&fabric->sched, &conf);
	if (error)
		return error;
	fabric->sched_made = true;
	return flx_sched_start(&fabric->sched);
}

void flx_fabric_sched_stop(struct flx_fabric *fabric)
{
	if (fabric->sched_made)
		flx_sched_stop(&fabric->sched);
}

void flx_fabric_sched_free(struct flx_fabric *fabric)
{
	if (fabric->sched_made)
		flx_sched_fini(&fabric->sched);
	fabric->sched_made = false;
}

void flx_fabric_sched_watch(struct flx_fabric *fabric)
{
	struct flx_sched_stuck stuck;
	uint32_t cpu;

	if (!fabric->sched_made || !flx_sched_take_stuck(&fabric->sched, &stuck))
		return;
	cpu = fabric->setup.plan.worker[stuck.worker].cpu;
	if (stuck.fluxion == FLX_FLUXION_NONE)
		flx_warn("moving slices (%s) has waited %.1f ms for worker %u (CPU %u), which runs "
			 "no "
			 "fluxion: another process may have taken its CPU",
			 flx_move_state_name(stuck.state), (double)stuck.lasted_us / 1e3,
			 stuck.worker, cpu);
	else
		flx_warn("moving slices (%s) has waited %.1f ms for worker %u (CPU %u), which runs "
			 "fluxion '%s'",
			 flx_move_state_name(stuck.state), (double)stuck.lasted_us / 1e3,
			 stuck.worker, cpu, fabric->registry.fluxion[stuck.fluxion].id);
}

struct flx_sched *flx_fabric_sched(struct flx_fabric *fabric)
{
	return &fabric->sched;
}
