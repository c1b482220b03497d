/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/scenario.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>

#include "perf/rig.h"

#define HOP_PORT     7001
#define COUNTER_PORT 7000
/* A program needs two fluxions to have a hop; with more, the loop around them weighs less. */
#define CIRCLE 8

extern struct flx_program flx_program_counter;

/* --------------------------------------------------------------------------- a fabric, measured */

struct measured {
	struct flx_rig rig;
	struct flx_ledger before, after;
	uint64_t answers, client_cycles, tsc;
};

static int start(struct measured *run, struct flx_program *program,
		 const struct flx_scenario_conf *conf, const struct flx_client_conf *client)
{
	const struct flx_rig_conf rig = {
		.program = program,
		.workers = conf->workers,
		.sched = FLX_SCHED_OFF, /* it would bring together what is to cross */
		.dev = conf->dev,
		.client = *client,
	};

	return flx_rig_start(&run->rig, &rig);
}

/* Lets it run warm, then measures between two ledgers. */
static void measure(struct measured *run, const struct flx_scenario_conf *conf)
{
	struct flx_client_counts before, after;
	uint64_t tsc;

	rte_delay_us_sleep(conf->warm_ms * 1000);
	flx_fabric_ledger(run->rig.fabric, &run->before);
	flx_client_count(&run->rig.client, &before);
	tsc = rte_rdtsc();
	rte_delay_us_sleep(conf->run_ms * 1000);
	flx_client_count(&run->rig.client, &after);
	run->answers = after.answers - before.answers;
	run->client_cycles = after.cycles - before.cycles;
	run->tsc = rte_rdtsc() - tsc;
	flx_fabric_ledger(run->rig.fabric, &run->after);
}

/* ----------------------------------------------------------------------------------------- hops */

static int pass_on(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)context;
	return flx_send(call, 0, msg);
}

static int pass_batch_on(struct flx_call *call, const struct flx_elem *batch, uint32_t count)
{
	return flx_send_batch(call, 0, batch, count);
}

/*
 * The circle, and before it `in`, which feeds it. Between two workers it alternates between two groups of
 * one slice each; what makes them so is a context each, held by `in` and `keep`, which are not part of
 * the circle.
 */
static struct flx_fluxion circle[CIRCLE + 2];

static void make_circle(uint32_t workers, bool batch)
{
	static const char *const ids[CIRCLE] = {"h0", "h1", "h2", "h3", "h4", "h5", "h6", "h7"};
	static const char *const groups[2] = {"even", "odd"};
	struct flx_fluxion *in = &circle[CIRCLE], *keep = in + 1;

	for (uint32_t i = 0; i < CIRCLE; i++) {
		circle[i].id = ids[i];
		circle[i].handler = batch ? NULL : pass_on;
		circle[i].batch = batch ? pass_batch_on : NULL;
		circle[i].streams[0] =
			(struct flx_stream){.type = FLX_STREAM_POST, .to = {ids[(i + 1) % CIRCLE]}};
		if (workers > 1)
			circle[i].tags[0] = groups[i % 2];
	}
	*in = (struct flx_fluxion){.id = "in", .listen = {.udp = HOP_PORT}, .handler = pass_on};
	in->streams[0] = (struct flx_stream){.type = FLX_STREAM_START, .to = {ids[0]}};
	in->streams[1] = (struct flx_stream){.type = FLX_STREAM_POST, .to = {"keep"}};
	*keep = (struct flx_fluxion){.id = "keep", .handler = pass_on};
	if (workers > 1) {
		in->tags[0] = groups[0];
		keep->tags[0] = groups[1];
		in->context.size = keep->context.size = sizeof(uint64_t);
	}
}

/* Cycles from one hop to the next, as the workers' clocks have them. */
static void find_hops(const struct measured *run, uint32_t workers, struct flx_sample *sample)
{
	uint64_t hops = 0, tsc = 0;

	for (uint32_t w = 0; w < workers; w++) {
		hops += run->after.worker_handled[w] - run->before.worker_handled[w];
		tsc += run->after.worker_total_tsc[w] - run->before.worker_total_tsc[w];
	}
	sample->cycles = (double)tsc / workers / (double)hops;
}

struct flx_sample flx_scenario_hop(const void *argument)
{
	const struct flx_scenario_conf *conf = argument;
	struct flx_program program = {.name = "hop", FLX_FLUXIONS(circle)};
	struct flx_client_conf client = {
		.queues = 1, .in_flight = conf->in_flight, .clients = 1, .udp_port = HOP_PORT};
	struct measured *run = calloc(1, sizeof(*run));
	struct flx_sample sample = {0};

	make_circle(conf->workers, conf->batch);
	sample.status = start(run, &program, conf, &client);
	if (sample.status)
		return sample;
	measure(run, conf);
	find_hops(run, conf->workers, &sample);
	sample.status = -flx_rig_stop(&run->rig, conf->in_flight);
	return sample;
}

/* ------------------------------------------------------------------------------------- keyed hops */

struct visits {
	uint64_t count;
	uint8_t last[56]; /* a line with it */
};

/* Reads a line of the message, and writes one of the context. */
static int visit(struct flx_call *call, struct flx_msg *msg, void *context)
{
	struct visits *visits = context;
	const uint8_t *payload = flx_at(msg, 0, sizeof(uint64_t));

	if (!payload)
		return -EMSGSIZE;
	visits->count++;
	memcpy(visits->last, payload, sizeof(uint64_t));
	return flx_send(call, 0, msg);
}

#define VISIT(id_, next)                                                                           \
	{                                                                                          \
		.id = (id_), .handler = visit,                                                     \
		.key = {.extract = flx_key_client, .size = FLX_KEY_CLIENT_SIZE},                   \
		.context = {.size = sizeof(struct visits)},                                        \
		.streams = {{.type = FLX_STREAM_POST, .to = {next}}},                              \
	}

/* Two keyed groups, all of one at the first worker and all of the other at the second. */
static struct flx_fluxion visited[] = {
	{.id = "in",
	 .listen = {.udp = HOP_PORT},
	 .handler = pass_on,
	 .streams = {{.type = FLX_STREAM_START, .to = {"here"}}}},
	VISIT("here", "there"),
	VISIT("there", "here"),
};
enum { GROUP_HERE = 1, GROUP_THERE };

struct flx_sample flx_scenario_keyed(const void *argument)
{
	const struct flx_scenario_conf *conf = argument;
	struct flx_program program = {.name = "keyed", FLX_FLUXIONS(visited)};
	struct flx_client_conf client = {.queues = 1,
					 .in_flight = conf->in_flight,
					 .clients = conf->clients,
					 .udp_port = HOP_PORT};
	struct measured *run = calloc(1, sizeof(*run));
	struct flx_sample sample = {0};
	int error = start(run, &program, conf, &client), ended;

	if (error) {
		sample.status = error;
		return sample;
	}
	error = flx_rig_place(&run->rig, GROUP_HERE, 0);
	if (!error)
		error = flx_rig_place(&run->rig, GROUP_THERE, 1);
	if (!error)
		measure(run, conf);
	if (!error)
		find_hops(run, conf->workers, &sample);
	ended = flx_rig_stop(&run->rig, conf->in_flight);
	sample.status = -(error ? error : ended);
	return sample;
}

/* -------------------------------------------------------------------------------------- counter */

struct flx_sample flx_scenario_counter(const void *argument)
{
	const struct flx_scenario_conf *conf = argument;
	struct flx_client_conf client = {.queues = 1,
					 .in_flight = conf->in_flight,
					 .clients = conf->clients,
					 .udp_port = COUNTER_PORT,
					 .counted = true};
	struct measured *run = calloc(1, sizeof(*run));
	struct flx_sample sample = {0};

	for (uint32_t f = 0; f < flx_program_counter.fluxion_count; f++)
		if (flx_program_counter.fluxions[f].context.size)
			flx_program_counter.fluxions[f].context.capacity =
				conf->clients + conf->clients / 8 + 1024;
	sample.status = start(run, &flx_program_counter, conf, &client);
	if (sample.status)
		return sample;
	measure(run, conf);
	sample.client = (double)run->client_cycles / (double)run->answers;
	sample.cycles = (double)run->tsc / (double)run->answers - sample.client;
	sample.status = -flx_rig_stop(&run->rig, 0);
	return sample;
}
