/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <urcu-qsbr.h>

#include "fabric/contexts.h"
#include "fabric/crash.h"
#include "fabric/fabric_state.h"
#include "fabric/workers.h"
#include "pmd-config/pool.h"

/* A worker that is told to stop and has not by then never will: its turns take microseconds. */
#define STOP_WAIT_US 1000000
/* How long to wait for a link at start: autonegotiation takes up to 3 s on copper. */
#define LINK_WAIT_MS 5000
/* Backlog of a TX queue that takes nothing: shorter drops at a hiccup, longer holds credits. */
#define TX_STALL_MS 100
/* Neighbours at most, and messages that wait for one of them (RFC 1122 asks for at least one). */
#define ARP_ENTRIES 1024
#define ARP_WAITING 8

/* ---------------------------------------------------------------------------------------- check */

/* The program's registry, with what the operator says of it. */
static int make_registry(struct flx_registry *registry, const struct flx_program *program,
			 const struct flx_options *options)
{
	int error = flx_registry_init(registry, program);

	for (uint32_t i = 0; i < options->contexts_count && !error; i++)
		error = flx_registry_resize(registry, options->contexts[i].group,
					    options->contexts[i].capacity,
					    options->contexts[i].limit);
	return error;
}

int flx_fabric_check(struct flx_program *program, const struct flx_options *options, FILE *out)
{
	struct flx_registry *registry = malloc(sizeof(*registry));
	struct flx_setup *setup = malloc(sizeof(*setup));
	int error = -ENOMEM;

	if (!registry || !setup)
		goto err_memory;
	error = make_registry(registry, program, options);
	if (!error)
		error = flx_setup_make(setup, options, false);
	if (!error)
		flx_setup_print(setup, registry, out);
	flx_registry_fini(registry);
err_memory:
	free(setup);
	free(registry);
	return error;
}

/* ---------------------------------------------------------------------------------- bringing up */

/* Whether a signal to stop waits: the caller has blocked them, so that no step is interrupted. */
static bool told_to_stop(void)
{
	sigset_t set;

	return sigpending(&set) == 0 &&
	       (sigismember(&set, SIGINT) == 1 || sigismember(&set, SIGTERM) == 1);
}

/* @error of a step of the start, or else whether the next may begin. */
static int unless_stopped(int error)
{
	return error || !told_to_stop() ? error : -ECANCELED;
}

static bool any_share(const struct flx_plan *plan)
{
	for (uint32_t w = 0; w < plan->worker_count; w++)
		if (plan->worker[w].shared)
			return true;
	return false;
}

static struct rte_mempool *start_pool(const struct flx_plan *plan, const char *name,
				      uint32_t buffers, uint32_t cache)
{
	const struct flx_pool_conf conf = {
		.count = buffers,
		.cache = cache,
		.priv_bytes = sizeof(struct flx_msg) - sizeof(struct rte_mbuf),
		.room_bytes = RTE_PKTMBUF_HEADROOM + FLX_BUFFER_DATA,
		.numa = -1,
		.shared_cpus = any_share(plan),
	};

	return flx_pool_alloc(name, &conf);
}

static int start_pools(struct flx_fabric *fabric)
{
	const struct flx_plan *plan = &fabric->setup.plan;

	fabric->buffers = fabric->setup.buffers;
	fabric->shared.pool = start_pool(plan, "flx_messages", fabric->buffers, FLX_POOL_CACHE);
	fabric->arp_pool = start_pool(plan, "flx_arp", FLX_ARP_BUFFERS, 0);
	return fabric->shared.pool && fabric->arp_pool ? 0 : -ENOMEM;
}

static int start_edges(struct flx_fabric *fabric)
{
	struct flx_registry *registry = &fabric->registry;

	fabric->udp_listeners = calloc(UINT16_MAX + 1, sizeof(*fabric->udp_listeners));
	if (!fabric->udp_listeners)
		return -ENOMEM;
	for (uint32_t l = 0; l < registry->listener_count; l++)
		fabric->udp_listeners[registry->listener[l].port] = registry->listener[l].fluxion;
	fabric->shared.arp = flx_arp_alloc(ARP_ENTRIES, ARP_WAITING, fabric->arp_pool);
	return fabric->shared.arp ? 0 : -ENOMEM;
}

static bool wants_flow_hash(const struct flx_registry *registry)
{
	for (uint32_t g = 0; g < registry->group_count; g++)
		if (registry->group[g].mode == FLX_PLACE_FLOW)
			return true;
	return false;
}

static void describe_edge(struct flx_fabric *fabric, uint32_t index)
{
	const struct flx_port *port = &fabric->port[index];
	const struct flx_address *address = &fabric->setup.address[index];

	fabric->shared.edge[index] = (struct flx_edge_port){
		.index = (uint16_t)index,
		.port_id = port->id,
		.mtu = port->mtu,
		.ip = address->ip,
		.mask = address->mask,
		.gateway = address->gateway,
		.mac = port->mac,
		.rx_checksums = port->rx_checksums,
		.tx_ip_checksum = port->tx_ip_checksum,
		.tx_udp_checksum = port->tx_udp_checksum,
		.flow_hash = wants_flow_hash(&fabric->registry),
		.port_flow_hash = port->port_flow_hash,
		.rss = &port->rss,
		.udp_listeners = fabric->udp_listeners,
		.arp = fabric->shared.arp,
	};
	fabric->shared.queues[index] = (struct flx_migrate_port){
		.rx_queues = port->rx_queues,
		.rx_descs = port->rx_descs,
		.reta_size = port->reta_size,
	};
}

static int start_ports(struct flx_fabric *fabric, const struct flx_options *options, FILE *out)
{
	struct flx_setup *setup = &fabric->setup;
	struct flx_port_conf conf = {
		.queues = (uint16_t)setup->plan.worker_count,
		.spread = (uint16_t)setup->workers_min,
		.pool = fabric->shared.pool,
		.flow_hash = wants_flow_hash(&fabric->registry),
		.rss_key = options->rss_key_given ? options->rss_key : NULL,
		.link_wait_ms = LINK_WAIT_MS,
		.told_to_stop = told_to_stop,
	};

	for (uint32_t p = 0; p < setup->port_count; p++) {
		struct flx_port *port = &fabric->port[p];
		int error = flx_port_start(port, &setup->spec[p], &conf);
		char mac[RTE_ETHER_ADDR_FMT_SIZE], ip[INET_ADDRSTRLEN];

		if (error)
			return error;
		fabric->ports_started++;
		if (told_to_stop())
			return -ECANCELED;
		/* One key for all ports: a flow's contexts are found again whichever it came by. */
		conf.rss_key = fabric->port[0].rss.key;
		describe_edge(fabric, p);
		rte_ether_format_addr(mac, sizeof(mac), &port->mac);
		inet_ntop(AF_INET, &setup->address[p].ip, ip, sizeof(ip));
		if (out)
			fprintf(out,
				"port %u: %s, driver %s, %u RX and %u TX queues, MAC %s, IP %s\n",
				p, port->spec.text, port->profile->driver, port->rx_queues,
				port->tx_queues, mac, ip);
	}
	fabric->shared.port_count = setup->port_count;
	return 0;
}

/* Opens the store, and finds what an earlier process has left there. */
static int start_contexts(struct flx_fabric *fabric, const struct flx_options *options, FILE *out)
{
	struct flx_shared *shared = &fabric->shared;
	int32_t numa[FLX_WORKERS_MAX];
	const struct flx_contexts_conf conf = {
		.path = options->store,
		.huge = fabric->setup.huge,
		.worker_numa = numa,
		.rss = shared->port_count ? &fabric->port[0].rss : NULL,
		.restore = options->restore,
		.snapshot = options->snapshot,
		.out = out,
	};
	uint64_t since_tsc = rte_rdtsc();
	int error;

	for (uint32_t w = 0; w < shared->worker_count; w++)
		numa[w] = fabric->setup.plan.worker[w].numa;
	error = flx_contexts_open(shared, &conf);
	if (!error)
		error = flx_contexts_find(shared, options->store, since_tsc, out);
	return error ? error : flx_store_start(shared->store);
}

static int start_snapshot(struct flx_fabric *fabric, const struct flx_options *options, FILE *out)
{
	uint32_t every_s = options->snapshot_every_s;

	return flx_snapshot_start(&fabric->snapshot, fabric->shared.store, options->snapshot,
				  every_s ? every_s : FLX_SNAPSHOT_EVERY_S, out);
}

/* Queue q of a port is worker q's. A worker without one sends by the worker that shares its place.
 */
static void assign_queues(struct flx_fabric *fabric, struct flx_worker *worker)
{
	for (uint32_t p = 0; p < fabric->shared.port_count; p++) {
		const struct flx_port *port = &fabric->port[p];
		struct flx_tx *tx = &worker->tx[p];

		tx->ethdev = port->id;
		tx->queue = (uint16_t)(worker->index % port->tx_queues);
		tx->has_queue = worker->index < port->tx_queues;
		tx->owner = (uint8_t)tx->queue;
		worker->rx[p] = (struct flx_rx){
			.ethdev = port->id,
			.queue = (uint16_t)worker->index,
			.has_queue = worker->index < port->rx_queues,
		};
		if (worker->rx[p].has_queue)
			flx_idle_watch(&worker->idle, port->rx_event[worker->index]);
	}
	if (fabric->setup.plan.worker[worker->index].shared)
		flx_idle_share(&worker->idle);
	worker->runs_arp = worker->index == 0 && fabric->shared.port_count > 0;
}

static int start_workers(struct flx_fabric *fabric)
{
	struct flx_shared *shared = &fabric->shared;
	int32_t numa[FLX_WORKERS_MAX];
	const struct flx_workers_conf conf = {
		.name = "flx_lane",
		.numa = numa,
		.spread = fabric->setup.workers_min,
		.lane_size = fabric->setup.lane_size,
		.credits = fabric->setup.credits,
		.edge_buffers = FLX_ARP_BUFFERS,
	};
	int error;

	for (uint32_t w = 0; w < shared->worker_count; w++)
		numa[w] = fabric->setup.plan.worker[w].numa;
	error = flx_workers_alloc(shared, &conf);
	for (uint32_t w = 0; !error && w < shared->worker_count; w++)
		assign_queues(fabric, shared->workers[w]);
	flx_crash_start();
	for (uint32_t w = 0; !error && w < shared->worker_count; w++) {
		error = rte_eal_remote_launch(flx_worker_run, shared->workers[w], w + 1);
		if (!error)
			fabric->workers_launched++;
	}
	flx_fabric_watch_start(fabric);
	return error;
}

int flx_fabric_start(struct flx_fabric **out_fabric, struct flx_program *program,
		     const struct flx_options *options, FILE *out)
{
	struct flx_fabric *fabric = aligned_alloc(FLX_CACHE_LINE, sizeof(*fabric));
	int error = -ENOMEM;

	if (!fabric)
		return error;
	memset(fabric, 0, sizeof(*fabric));
	fabric->begun_tsc = rte_rdtsc();
	error = make_registry(&fabric->registry, program, options);
	if (!error)
		error = unless_stopped(flx_setup_make(&fabric->setup, options, true));
	if (error)
		goto err_stop;
	if (out)
		flx_setup_print(&fabric->setup, &fabric->registry, out);
	fabric->shared.worker_count = fabric->setup.plan.worker_count;
	error = flx_eal_start(&fabric->setup.eal);
	if (error)
		goto err_stop;
	fabric->eal_started = true;
	fabric->shared.registry = &fabric->registry;
	fabric->shared.start_tsc = rte_rdtsc();
	fabric->shared.tsc_hz = rte_get_tsc_hz();
	fabric->shared.stall_tsc = fabric->shared.tsc_hz / 1000 * TX_STALL_MS;
	error = unless_stopped(start_pools(fabric));
	if (!error)
		error = start_edges(fabric);
	if (!error)
		error = start_ports(fabric, options, out);
	if (!error)
		error = unless_stopped(start_contexts(fabric, options, out));
	if (!error)
		error = start_workers(fabric);
	if (!error)
		error = flx_fabric_sched_start(fabric, (enum flx_sched_mode)options->sched);
	/* Last: when the start fails, the snapshot of before is all there is. */
	if (!error && options->snapshot)
		error = start_snapshot(fabric, options, out);
	if (error)
		goto err_stop;
	if (out)
		fflush(out);
	*out_fabric = fabric;
	return 0;
err_stop:
	if (error == -ENOMEM)
		flx_error("not enough memory to start; lower --credits or --workers, or free some");
	flx_fabric_stop(fabric, NULL);
	return error;
}

const struct flx_port *flx_fabric_port(const struct flx_fabric *fabric, uint32_t index)
{
	return &fabric->port[index];
}

const struct flx_plan *flx_fabric_plan(const struct flx_fabric *fabric)
{
	return &fabric->setup.plan;
}

struct flx_store *flx_fabric_store(const struct flx_fabric *fabric)
{
	return fabric->shared.store;
}

const char *flx_fabric_snapshot_path(const struct flx_fabric *fabric)
{
	return fabric->snapshot ? flx_snapshot_path(fabric->snapshot) : NULL;
}

/* ---------------------------------------------------------------------------------- taking down */

int flx_fabric_drain(struct flx_fabric *fabric, uint32_t timeout_ms,
		     const volatile int *interrupted)
{
	struct flx_ledger *ledger = malloc(sizeof(*ledger));
	uint64_t deadline = rte_rdtsc() + rte_get_tsc_hz() / 1000 * timeout_ms;
	uint32_t empty = 0;
	int error = -ETIMEDOUT;

	if (!ledger)
		return -ENOMEM;
	atomic_store_explicit(&fabric->shared.state, FLX_DRAIN, memory_order_relaxed);
	while (rte_rdtsc() < deadline) {
		flx_fabric_watch(fabric);
		flx_fabric_ledger(fabric, ledger);
		/*
		 * Twice: the workers are looked at one after the other, and a message may slip from
		 * one that was not looked at yet to one that was. What a stalled worker holds is
		 * not known.
		 */
		empty = ledger->in_flight || ledger->stalled_workers ? 0 : empty + 1;
		if (empty == 2) {
			error = 0;
			break;
		}
		if (interrupted && *interrupted) {
			error = -EINTR;
			break;
		}
		rte_delay_us_sleep(10000);
	}
	free(ledger);
	return error;
}

/* Waits for worker @w to leave its loop; false when it does not: a handler never returns. */
static bool stop_worker(struct flx_fabric *fabric, uint32_t w)
{
	flx_idle_wake(&fabric->shared.workers[w]->idle);
	for (uint32_t waited_us = 0; waited_us < STOP_WAIT_US; waited_us += 100) {
		if (rte_eal_get_lcore_state(w + 1) != RUNNING) {
			rte_eal_wait_lcore(w + 1);
			return true;
		}
		rte_delay_us_sleep(100);
	}
	flx_error("worker %u does not stop: a handler does not return; leaving it and all that it "
		  "may "
		  "use behind",
		  w);
	return false;
}

static bool stop_workers(struct flx_fabric *fabric)
{
	bool stopped = true;

	atomic_store_explicit(&fabric->shared.state, FLX_STOP, memory_order_relaxed);
	for (uint32_t w = 0; w < fabric->workers_launched; w++)
		stopped &= stop_worker(fabric, w);
	if (!stopped)
		return false;
	flx_crash_stop();
	for (uint32_t w = 0; w < fabric->workers_launched; w++)
		flx_worker_abandon(fabric->shared.workers[w]);
	return true;
}

/* Buffers of @pool that are not back in it; frees it. */
static uint32_t free_pool(struct rte_mempool *pool, uint32_t size)
{
	uint32_t missing = pool ? size - rte_mempool_avail_count(pool) : 0;

	rte_mempool_free(pool);
	return missing;
}

uint32_t flx_fabric_stop(struct flx_fabric *fabric, struct flx_ledger *ledger)
{
	struct flx_shared *shared = &fabric->shared;
	bool stopped;
	bool dumped;
	uint32_t missing, kept = 0;

	/* First: it looks at the workers. */
	flx_fabric_sched_stop(fabric);
	stopped = stop_workers(fabric);
	/* A worker that is stuck takes its contexts along, so they are dumped before. */
	dumped = !fabric->snapshot || flx_snapshot_stop(fabric->snapshot);
	if (!stopped) {
		if (ledger)
			memset(ledger, 0, sizeof(*ledger));
		return FLX_FABRIC_STUCK;
	}
	if (ledger)
		flx_fabric_ledger(fabric, ledger);
	for (uint32_t p = 0; p < fabric->ports_started; p++)
		kept += flx_port_stop(&fabric->port[p]);
	flx_fabric_sched_free(fabric);
	flx_workers_free(shared);
	flx_contexts_close(shared);
	if (shared->arp)
		flx_arp_free(shared->arp);
	free(fabric->udp_listeners);
	missing = free_pool(shared->pool, fabric->buffers);
	/* A driver keeps what it is known to keep, or less. */
	kept = RTE_MIN(kept, missing);
	missing -= kept;
	if (ledger) {
		ledger->snapshot_failed = !dumped;
		ledger->pool_kept = kept;
		ledger->pool_free = fabric->buffers - kept - missing;
	}
	missing += free_pool(fabric->arp_pool, FLX_ARP_BUFFERS);
	if (fabric->eal_started)
		flx_eal_stop();
	flx_registry_fini(&fabric->registry);
	free(fabric);
	return missing;
}
