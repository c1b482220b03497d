/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pipeline - the job of dpdk-test-eventdev's perf_queue as a program: one worker makes messages, another
 * passes them from stage to stage and ends them.
 *
 * What is the same: 1,024 flows in turn, of which each is handled by one worker at a time and in order
 * (an atomic flow there, a keyed slice here); one producer, one worker, on the same two CPUs; a message
 * is taken from a pool by the producer, goes through every stage's queue, also where the next stage is
 * the same worker's, and is given back to the pool at the end; producer and stages by bursts, what is
 * made is bounded by what has ended.
 *
 * What is not: an event of dsw is 16 bytes that carry their flow, and a pointer to an element that its
 * producer stamps and its worker never looks at. A message is a buffer with data: its flow and a number
 * are written to it, the flow is read from it for each stage, the number is checked at the last one (none
 * is lost or overtaken), and its header is set where it is made and read where it ends. So two cache lines
 * of a message travel, there and back, and none of an event. dsw lets 16,384 be under way, here it is
 * FLX_PIPELINE_WINDOW. dsw's test has a third thread, which waits: peers.sh keeps it off the producer.
 *
 * A source has no edge that would refuse load for it, so it looks at how many have ended. One per process.
 *
 *			written by			read by
 *	ended, wrong	worker of the last stage	source, control
 *	expected	owner of the flow's slice	the same
 *	go, end		control thread			source
 *	the rest	the source's worker		control, when it has stopped
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "fabric/flx.h"

#define FLX_PIPELINE_PORT	7004
#define FLX_PIPELINE_FLOWS	1024
#define FLX_PIPELINE_STAGES_MAX 2
/* Messages under way: more leave the L2 cache, fewer do not fill a lane and two bursts at its ends. */
#define FLX_PIPELINE_WINDOW 2048

/* Groups of the program, one for each fluxion. */
enum flx_pipeline_group {
	FLX_PIPELINE_ENTER, /* where the ticks come in that the source goes by */
	FLX_PIPELINE_SOURCE,
	FLX_PIPELINE_STAGE, /* the first; the others follow */
};

/*
 * flx_pipeline_program - the program of @stages stages (1..FLX_PIPELINE_STAGES_MAX)
 * @batch: stages have batch handlers, as one would write them for speed; else one call per message
 * Each datagram to FLX_PIPELINE_PORT becomes a tick: the source makes a batch of messages per tick and turn
 * of the worker that it came to, and none before flx_pipeline_go. All counts are 0 again; no other
 * program of this runs. Context: setup.
 */
struct flx_program *flx_pipeline_program(uint32_t stages, bool batch);

void flx_pipeline_go(void);

/* flx_pipeline_end - make no more, and end the ticks */
void flx_pipeline_end(void);

/* Messages that were made; once the source has ended. */
uint64_t flx_pipeline_made(void);

/* Messages that came to the end of the last stage. */
uint64_t flx_pipeline_ended(void);

/* Of these, that were not the next of their flow. */
uint64_t flx_pipeline_wrong(void);
