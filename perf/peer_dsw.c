/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/peer_dsw.h"

#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_eventdev.h>
#include <rte_launch.h>

#include "fabric/base.h"
#include "tests/random.h"

#define PORTS 2
#define FLOWS 1024
#define HOT   64
/* dsw considers a migration about once per millisecond: long enough for some of them. */
#define SHIFT_US 5000
/* Main lcore, beside the workers 0 and 1. */
#define MAIN_LCORE "2"

struct flow {
	alignas(FLX_CACHE_LINE) uint64_t seen; /* by the lcore that has it: the queue is atomic */
	_Atomic uint8_t port;		       /* that it was at last */
};

static struct {
	uint8_t device;
	_Atomic bool stop;
	_Atomic uint16_t hot[HOT];
	struct flow flow[FLOWS];
	struct {
		alignas(FLX_CACHE_LINE) _Atomic uint64_t handled;
	} port[PORTS];
} dsw;

/* ----------------------------------------------------------------------------------------- workers */

static void handle(struct rte_event *event, uint8_t port, struct flx_random *random)
{
	struct flow *flow = &dsw.flow[event->flow_id];

	flow->seen++;
	atomic_store_explicit(&flow->port, port, memory_order_relaxed);
	event->op = RTE_EVENT_OP_FORWARD;
	event->flow_id =
		atomic_load_explicit(&dsw.hot[flx_random_below(random, HOT)], memory_order_relaxed);
}

static void send(uint8_t port, const struct rte_event *events, uint16_t count)
{
	uint16_t sent = 0;

	while (sent < count && !atomic_load_explicit(&dsw.stop, memory_order_relaxed))
		sent = (uint16_t)(sent + rte_event_enqueue_burst(dsw.device, port, events + sent,
								 (uint16_t)(count - sent)));
}

static int work(void *argument)
{
	uint8_t port = (uint8_t)(uintptr_t)argument;
	struct rte_event events[FLX_BATCH];
	struct flx_random random = {port};
	uint64_t handled = 0;

	while (!atomic_load_explicit(&dsw.stop, memory_order_relaxed)) {
		uint16_t count = rte_event_dequeue_burst(dsw.device, port, events, FLX_BATCH, 0);

		for (uint16_t i = 0; i < count; i++)
			handle(&events[i], port, &random);
		send(port, events, count);
		handled += count;
		atomic_store_explicit(&dsw.port[port].handled, handled, memory_order_relaxed);
	}
	return 0;
}

/* ------------------------------------------------------------------------------------------ set-up */

static int start_eal(const struct flx_dsw_conf *conf)
{
	char prefix[32], lcores[96];
	char *arguments[] = {"dsw",
			     "--no-huge",
			     "-m",
			     "128",
			     "--no-pci",
			     "--no-shconf",
			     "--no-telemetry",
			     "--vdev=event_dsw0",
			     "--main-lcore=" MAIN_LCORE,
			     "--log-level=*:error",
			     lcores,
			     prefix};

	snprintf(prefix, sizeof(prefix), "--file-prefix=dsw%d", (int)getpid());
	/* Main sleeps nearly always, so it may be where a worker is. */
	snprintf(lcores, sizeof(lcores), "--lcores=0@%u,1@%u," MAIN_LCORE "@(%u,%u)", conf->cpu[0],
		 conf->cpu[1], conf->cpu[0], conf->cpu[1]);
	if (rte_eal_init(sizeof(arguments) / sizeof(arguments[0]), arguments) >= 0)
		return 0;
	flx_error("peer_dsw: EAL does not start; what it says above names the cause");
	return -EIO;
}

/* As DPDK's own tests set it up: all flows of one atomic queue may go to either port. */
static int start_device(const struct flx_dsw_conf *conf)
{
	const struct rte_event_queue_conf queue = {
		.schedule_type = RTE_SCHED_TYPE_ATOMIC,
		.nb_atomic_flows = FLOWS,
		.nb_atomic_order_sequences = FLOWS,
	};
	const struct rte_event_port_conf port = {
		.dequeue_depth = FLX_BATCH,
		.enqueue_depth = FLX_BATCH,
		.new_event_threshold = (int32_t)(2 * conf->in_flight),
	};
	const struct rte_event_dev_config device = {
		.nb_events_limit = 4096,
		.nb_event_queues = 1,
		.nb_event_ports = PORTS,
		.nb_event_queue_flows = FLOWS,
		.nb_event_port_dequeue_depth = FLX_BATCH,
		.nb_event_port_enqueue_depth = FLX_BATCH,
	};
	int error = rte_event_dev_configure(dsw.device, &device);

	if (!error)
		error = rte_event_queue_setup(dsw.device, 0, &queue);
	for (uint8_t p = 0; p < PORTS && !error; p++)
		error = rte_event_port_setup(dsw.device, p, &port);
	for (uint8_t p = 0; p < PORTS && !error; p++)
		error = rte_event_port_link(dsw.device, p, NULL, NULL, 0) == 1 ? 0 : -EIO;
	if (!error)
		error = rte_event_dev_start(dsw.device);
	if (error)
		flx_error("peer_dsw: event_dsw0 does not start: %s", strerror(-error));
	return error;
}

/* ----------------------------------------------------------------------------------------- control */

/* The next hot flows are all at @port, as far as is known, in an order that no flow has from before. */
static void shift(uint8_t port, struct flx_random *random)
{
	uint32_t at = flx_random_below(random, FLOWS), found = 0;

	for (uint32_t i = 0; i < FLOWS && found < HOT; i++, at = (at + 1) % FLOWS)
		if (atomic_load_explicit(&dsw.flow[at].port, memory_order_relaxed) == port)
			atomic_store_explicit(&dsw.hot[found++], (uint16_t)at,
					      memory_order_relaxed);
}

/* All flows come first, so that it is known where each is. */
static void inject(uint32_t in_flight)
{
	for (uint32_t i = 0; i < in_flight; i++) {
		const struct rte_event event = {
			.op = RTE_EVENT_OP_NEW,
			.sched_type = RTE_SCHED_TYPE_ATOMIC,
			.flow_id = i % FLOWS,
		};

		while (rte_event_enqueue_burst(dsw.device, 0, &event, 1) != 1)
			;
	}
}

static uint64_t xstat(uint8_t port, const char *what)
{
	char name[RTE_EVENT_DEV_XSTATS_NAME_SIZE];

	snprintf(name, sizeof(name), "port_%u_%s", port, what);
	return rte_event_dev_xstats_by_name_get(dsw.device, name, NULL);
}

static void sum_up(struct flx_dsw_found *found, uint64_t tsc)
{
	double cycles = 0, handled = 0;

	for (uint8_t p = 0; p < PORTS; p++) {
		uint64_t migrations = xstat(p, "emigrations");

		cycles += (double)xstat(p, "migration_latency") * (double)migrations;
		found->migrations += migrations;
		handled += (double)atomic_load(&dsw.port[p].handled);
	}
	if (found->migrations)
		found->migration_us =
			cycles / (double)found->migrations * 1e6 / (double)rte_get_timer_hz();
	found->per_sec = handled * (double)rte_get_tsc_hz() / (double)tsc;
}

int flx_peer_dsw(const void *argument, void *result)
{
	const struct flx_dsw_conf *conf = argument;
	struct flx_random random = {1};
	uint64_t start;
	int error = start_eal(conf);

	if (error)
		return error;
	if (rte_event_dev_count() == 0)
		return -ENOTSUP;
	error = start_device(conf);
	if (error)
		return error;
	inject(conf->in_flight);
	for (uint32_t i = 0; i < HOT; i++)
		dsw.hot[i] = (uint16_t)(i * (FLOWS / HOT));
	for (uintptr_t p = 0; p < PORTS; p++)
		rte_eal_remote_launch(work, (void *)p, (unsigned int)p);
	start = rte_rdtsc();
	for (uint32_t us = 0; us < conf->run_ms * 1000; us += SHIFT_US) {
		rte_delay_us_sleep(SHIFT_US);
		shift(us / SHIFT_US % PORTS, &random);
	}
	sum_up(result, rte_rdtsc() - start);
	atomic_store(&dsw.stop, true);
	rte_eal_mp_wait_lcore();
	return 0;
}
