/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/peer_dsw.h"

#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_eventdev.h>
#include <rte_hash.h>
#include <rte_launch.h>

#include "fabric/base.h"
#include "perf/bare_eal.h"
#include "tests/random.h"

#define PORTS  2
#define STAGES 3
#define KEYS   1024 /* and flows: one each */
#define HOT    64
/* dsw considers a migration about once per millisecond: long enough for some of them. */
#define SHIFT_MS 5
/* Milliseconds in which flows migrated that are remembered, one by one. */
#define SPANS_MAX 10000
/* Main lcore, beside the workers 0 and 1. */
#define MAIN_LCORE "2"

/* Of a key at a stage; whoever has the flow writes it: the queues are atomic. */
struct context {
	alignas(FLX_CACHE_LINE) uint64_t seen;
	_Atomic uint8_t port; /* that it was at last */
};

static struct {
	uint8_t device;
	_Atomic bool stop;
	_Atomic uint16_t hot[HOT];
	struct rte_hash *keys; /* position: context */
	struct context context[STAGES][KEYS + 1];
	struct {
		alignas(FLX_CACHE_LINE) _Atomic uint64_t handled;
	} port[PORTS];
} dsw;

/* ----------------------------------------------------------------------------------------- workers */

/* As relay.c: the second stage goes by another key. */
static uint32_t flow_of(uint64_t key, uint32_t stage)
{
	return (uint32_t)(stage == 1 ? key * 619 % KEYS : key); /* 619 is odd: each flow once */
}

/* On to the next stage; from the last, with a new key, to the first. */
static void forward(struct rte_event *event, struct flx_random *random)
{
	uint8_t stage = (uint8_t)((event->queue_id + 1) % STAGES);

	if (stage == 0)
		event->u64 = atomic_load_explicit(&dsw.hot[flx_random_below(random, HOT)],
						  memory_order_relaxed);
	event->op = RTE_EVENT_OP_FORWARD;
	event->queue_id = stage;
	event->flow_id = flow_of(event->u64, stage) & (KEYS - 1);
}

static void handle(struct rte_event *events, uint16_t count, uint8_t port,
		   struct flx_random *random)
{
	const void *keys[FLX_BATCH];
	int32_t positions[FLX_BATCH];

	for (uint16_t i = 0; i < count; i++)
		keys[i] = &events[i].u64;
	rte_hash_lookup_bulk(dsw.keys, keys, count, positions);
	for (uint16_t i = 0; i < count; i++) {
		struct context *context = &dsw.context[events[i].queue_id][positions[i]];

		context->seen++;
		atomic_store_explicit(&context->port, port, memory_order_relaxed);
		forward(&events[i], random);
	}
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

		handle(events, count, port, &random);
		send(port, events, count);
		handled += count;
		atomic_store_explicit(&dsw.port[port].handled, handled, memory_order_relaxed);
	}
	return 0;
}

/* ------------------------------------------------------------------------------------------ set-up */

static int make_keys(void)
{
	const struct rte_hash_parameters table = {
		.name = "keys", .entries = 2 * KEYS, .key_len = sizeof(uint64_t)};

	dsw.keys = rte_hash_create(&table);
	for (uint64_t key = 0; dsw.keys && key < KEYS; key++)
		if (rte_hash_add_key(dsw.keys, &key) > KEYS)
			return -EIO;
	return dsw.keys ? 0 : -ENOMEM;
}

/* Any port serves the first two queues, the second one the last. */
static int link_port(uint8_t port)
{
	static const uint8_t queues[STAGES] = {0, 1, 2};
	uint16_t count = port == PORTS - 1 ? STAGES : STAGES - 1;

	return rte_event_port_link(dsw.device, port, queues, NULL, count) == count ? 0 : -EIO;
}

static int start_device(const struct flx_dsw_conf *conf)
{
	const struct rte_event_queue_conf queue = {
		.schedule_type = RTE_SCHED_TYPE_ATOMIC,
		.nb_atomic_flows = KEYS,
		.nb_atomic_order_sequences = KEYS,
	};
	const struct rte_event_port_conf port = {
		.dequeue_depth = FLX_BATCH,
		.enqueue_depth = FLX_BATCH,
		.new_event_threshold = (int32_t)(2 * conf->in_flight),
	};
	const struct rte_event_dev_config device = {
		.nb_events_limit = 4096,
		.nb_event_queues = STAGES,
		.nb_event_ports = PORTS,
		.nb_event_queue_flows = KEYS,
		.nb_event_port_dequeue_depth = FLX_BATCH,
		.nb_event_port_enqueue_depth = FLX_BATCH,
	};
	int error = make_keys();

	if (!error)
		error = rte_event_dev_configure(dsw.device, &device);
	for (uint8_t q = 0; q < STAGES && !error; q++)
		error = rte_event_queue_setup(dsw.device, q, &queue);
	for (uint8_t p = 0; p < PORTS && !error; p++)
		error = rte_event_port_setup(dsw.device, p, &port);
	for (uint8_t p = 0; p < PORTS && !error; p++)
		error = link_port(p);
	if (!error)
		error = rte_event_dev_start(dsw.device);
	if (error)
		flx_error("peer_dsw: event_dsw0 does not start: %s", strerror(-error));
	return error;
}

/* ----------------------------------------------------------------------------------------- control */

/* Where @key's flow was at last, at a stage that moves. */
static uint8_t port_of(uint64_t key, uint32_t stage)
{
	int32_t position = rte_hash_lookup(dsw.keys, &key);

	return atomic_load_explicit(&dsw.context[stage][position].port, memory_order_relaxed);
}

/* The next hot keys are at @port at both stages, as far as is known; from a random one on. */
static void shift(uint8_t port, struct flx_random *random)
{
	uint32_t key = flx_random_below(random, KEYS), found = 0;

	for (uint32_t i = 0; i < KEYS && found < HOT; i++, key = (key + 1) % KEYS)
		if (port_of(key, 0) == port && port_of(key, 1) == port)
			atomic_store_explicit(&dsw.hot[found++], (uint16_t)key,
					      memory_order_relaxed);
}

static void inject(uint32_t in_flight)
{
	for (uint32_t i = 0; i < in_flight; i++) {
		const struct rte_event event = {
			.op = RTE_EVENT_OP_NEW,
			.sched_type = RTE_SCHED_TYPE_ATOMIC,
			.flow_id = i % KEYS,
			.u64 = i % KEYS,
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

/* What dsw has counted so far. */
struct account {
	uint64_t migrations;
	double cycles;
};

/* Its account has the mean alone; times their number it is the sum again, but for rounding. */
static struct account read_account(void)
{
	struct account account = {0};

	for (uint8_t p = 0; p < PORTS; p++) {
		uint64_t migrations = xstat(p, "emigrations");

		account.migrations += migrations;
		account.cycles += (double)xstat(p, "migration_latency") * (double)migrations;
	}
	return account;
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static void run(const struct flx_dsw_conf *conf, struct flx_dsw_found *found)
{
	static double span_us[SPANS_MAX];
	const double per_us = (double)rte_get_timer_hz() / 1e6;
	struct flx_random random = {1};
	uint64_t start = rte_rdtsc();
	struct account before = {0}, now = {0};
	uint32_t spans = 0;
	double handled = 0;

	for (uint32_t ms = 1; ms <= conf->run_ms; ms++) {
		rte_delay_us_sleep(1000);
		now = read_account();
		if (now.migrations > before.migrations && spans < SPANS_MAX)
			span_us[spans++] = (now.cycles - before.cycles) /
					   (double)(now.migrations - before.migrations) / per_us;
		before = now;
		if (ms % SHIFT_MS == 0)
			shift(ms / SHIFT_MS % PORTS, &random);
	}
	for (uint8_t p = 0; p < PORTS; p++)
		handled += (double)atomic_load(&dsw.port[p].handled);
	found->per_sec = handled * (double)rte_get_tsc_hz() / (double)(rte_rdtsc() - start);
	found->migrations = now.migrations;
	found->mean_us = now.migrations ? now.cycles / (double)now.migrations / per_us : 0;
	qsort(span_us, spans, sizeof(span_us[0]), compare);
	found->p50_us = spans ? span_us[spans / 2] : 0;
}

int flx_peer_dsw(const void *argument, void *found)
{
	const struct flx_dsw_conf *conf = argument;
	int error = flx_bare_eal_start("dsw", 128, conf->cpu, PORTS);

	if (error)
		return error;
	/* Not by --vdev: EAL would not start where the driver is not installed. */
	if (rte_eal_hotplug_add("vdev", "event_dsw0", "") || rte_event_dev_count() == 0)
		return -ENOTSUP;
	error = start_device(conf);
	if (error)
		return error;
	inject(conf->in_flight);
	for (uint32_t i = 0; i < HOT; i++)
		dsw.hot[i] = (uint16_t)(i * (KEYS / HOT));
	for (uintptr_t p = 0; p < PORTS; p++)
		rte_eal_remote_launch(work, (void *)p, (unsigned int)p);
	run(conf, found);
	atomic_store(&dsw.stop, true);
	rte_eal_mp_wait_lcore();
	return 0;
}
