/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/pipeline.h"

#include <stdalign.h>
#include <stdatomic.h>

#include "fabric/worker.h"

enum { TO_NEXT, TO_ITSELF };

/* Messages whose lines are asked for ahead of the one that is looked at. */
#define AHEAD 4

/* What a message carries. */
struct event {
	uint32_t flow;
	uint32_t number; /* of its flow, from 0 */
};

static struct source {
	uint32_t number[FLX_PIPELINE_FLOWS]; /* that comes next, by flow */
	uint32_t flow;			     /* likewise */
	uint64_t made;
	uint64_t seen_ended;
} source;

/* By worker; each has one writer: no read-modify-write is needed. */
static struct last {
	alignas(FLX_CACHE_LINE) _Atomic uint64_t ended;
	_Atomic uint64_t wrong;
} last[FLX_WORKERS_MAX];

/* That the last stage expects, by flow; whoever owns its slice writes it. */
static uint32_t expected[FLX_PIPELINE_FLOWS];

static _Atomic bool goes, ends;

static int flow_of(const struct flx_msg *msg, void *key)
{
	const struct event *event = flx_at(msg, 0, sizeof(*event));

	if (!event)
		return -EMSGSIZE;
	memcpy(key, &event->flow, sizeof(event->flow));
	return 0;
}

/* ------------------------------------------------------------------------------------------ source */

static int enter(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)context;
	return flx_send(call, TO_NEXT, msg);
}

static uint64_t count_ended(uint32_t workers)
{
	uint64_t ended = 0;

	for (uint32_t w = 0; w < workers; w++)
		ended += atomic_load_explicit(&last[w].ended, memory_order_acquire);
	return ended;
}

/* How many may be made now. */
static uint64_t count_room(uint32_t workers)
{
	if (!atomic_load_explicit(&goes, memory_order_relaxed))
		return 0;
	/* Few looks: each brings a line over that the stages write. */
	if (source.made - source.seen_ended > FLX_PIPELINE_WINDOW - FLX_MADE_MAX)
		source.seen_ended = count_ended(workers);
	return RTE_MIN((uint64_t)FLX_MADE_MAX,
		       FLX_PIPELINE_WINDOW - (source.made - source.seen_ended));
}

static int make(struct flx_call *call, struct flx_msg *tick, void *context)
{
	uint64_t room = count_room(call->worker->worker_count);

	(void)context;
	if (unlikely(atomic_load_explicit(&ends, memory_order_relaxed)))
		return 0;
	for (uint64_t i = 0; i < room; i++) {
		struct flx_msg *msg = flx_alloc(call);
		struct event *event = msg ? flx_append(msg, sizeof(*event)) : NULL;

		if (unlikely(!event))
			return -ENOBUFS;
		*event = (struct event){source.flow, source.number[source.flow]++};
		source.flow = (source.flow + 1) % FLX_PIPELINE_FLOWS;
		flx_send(call, TO_NEXT, msg);
	}
	source.made += room;
	return flx_send(call, TO_ITSELF, tick);
}

/* ------------------------------------------------------------------------------------------ stages */

static int pass_on(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)context;
	return flx_send(call, TO_NEXT, msg);
}

static int pass_batch_on(struct flx_call *call, const struct flx_elem *batch, uint32_t count)
{
	return flx_send_batch(call, TO_NEXT, batch, count);
}

static bool is_next(const struct flx_msg *msg)
{
	const struct event *event = flx_at(msg, 0, sizeof(*event));

	return event->number == expected[event->flow]++;
}

static void count(const struct flx_call *call, uint32_t ended, uint32_t wrong)
{
	uint32_t worker = call->worker->index;

	/* Release: who sees that they ended sees which of them were wrong. */
	if (unlikely(wrong))
		atomic_fetch_add_explicit(&last[worker].wrong, wrong, memory_order_relaxed);
	atomic_store_explicit(&last[worker].ended,
			      atomic_load_explicit(&last[worker].ended, memory_order_relaxed) +
				      ended,
			      memory_order_release);
}

static int end(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)context;
	count(call, 1, !is_next(msg));
	return 0;
}

static int end_batch(struct flx_call *call, const struct flx_elem *batch, uint32_t size)
{
	uint32_t wrong = 0;

	for (uint32_t i = 0; i < size; i++) {
		/* Its header says where its data is: one after the other. */
		if (i + 2 * AHEAD < size)
			rte_prefetch0(batch[i + 2 * AHEAD].msg);
		if (i + AHEAD < size)
			rte_prefetch0(flx_at(batch[i + AHEAD].msg, 0, 0));
		wrong += !is_next(batch[i].msg);
	}
	count(call, size, wrong);
	return 0;
}

/* ----------------------------------------------------------------------------------------- program */

static struct flx_fluxion fluxions[FLX_PIPELINE_STAGE + FLX_PIPELINE_STAGES_MAX] = {
	{
		.id = "enter",
		.listen = {.udp = FLX_PIPELINE_PORT},
		.handler = enter,
		.streams = {{FLX_STREAM_START, {"source"}}},
	},
	{
		.id = "source",
		.handler = make,
		.streams = {{FLX_STREAM_POST, {"stage0"}}, {FLX_STREAM_POST, {"source"}}},
	},
};

static struct flx_program program = {.name = "pipeline", FLX_FLUXIONS(fluxions)};

struct flx_program *flx_pipeline_program(uint32_t stages, bool batch)
{
	static const char *const ids[FLX_PIPELINE_STAGES_MAX] = {"stage0", "stage1"};

	for (uint32_t s = 0; s < stages; s++) {
		bool is_last = s + 1 == stages;
		struct flx_fluxion *stage = &fluxions[FLX_PIPELINE_STAGE + s];

		*stage = (struct flx_fluxion){
			.id = ids[s], .key = {.extract = flow_of, .size = sizeof(uint32_t)}};
		if (batch)
			stage->batch = is_last ? end_batch : pass_batch_on;
		else
			stage->handler = is_last ? end : pass_on;
		if (!is_last)
			stage->streams[TO_NEXT] =
				(struct flx_stream){FLX_STREAM_POST, {ids[s + 1]}};
	}
	program.fluxion_count = FLX_PIPELINE_STAGE + stages;
	source = (struct source){0};
	memset(last, 0, sizeof(last));
	memset(expected, 0, sizeof(expected));
	atomic_store_explicit(&goes, false, memory_order_relaxed);
	atomic_store_explicit(&ends, false, memory_order_relaxed);
	return &program;
}

void flx_pipeline_go(void)
{
	atomic_store_explicit(&goes, true, memory_order_relaxed);
}

void flx_pipeline_end(void)
{
	atomic_store_explicit(&ends, true, memory_order_relaxed);
}

uint64_t flx_pipeline_made(void)
{
	return source.made;
}

uint64_t flx_pipeline_ended(void)
{
	return count_ended(FLX_WORKERS_MAX);
}

uint64_t flx_pipeline_wrong(void)
{
	uint64_t wrong = 0;

	for (uint32_t w = 0; w < FLX_WORKERS_MAX; w++)
		wrong += atomic_load_explicit(&last[w].wrong, memory_order_relaxed);
	return wrong;
}
