/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * world - a program on workers without threads, ports or clocks: the caller turns them.
 *
 * Everything of the fabric between the edge and the ports, as flx_fabric_start wires it. EAL runs.
 */
#pragma once

#include "fabric/flx.h"
#include "fabric/worker.h"

struct flx_world_conf {
	uint32_t workers;
	uint32_t lane_size; /* power of two */
	uint32_t credits;
	uint32_t buffers;     /* of the message pool */
	uint16_t buffer_data; /* bytes behind the headroom */
	const uint64_t *seed; /* of the store's hash, two words; NULL: random */
	uint64_t tsc_hz;      /* of the clock that the caller turns; 0: the machine's */
	uint16_t reta_size;   /* buckets of port 0, where each worker has a queue; 0: none */
	uint16_t rx_descs;    /* of each queue */
	uint32_t spread;      /* workers that slices are spread over; 0: all */
};

struct flx_world {
	struct flx_shared shared;
	struct flx_registry registry;
	struct flx_world_conf conf;
};

/* 0, or -errno when the program is wrong or memory short. @program outlives the world. */
int flx_world_init(struct flx_world *world, const struct flx_program *program,
		   const struct flx_world_conf *conf);
void flx_world_fini(struct flx_world *world);

/* Number of fluxion @id; stops the process when the program has none. */
uint16_t flx_world_number(const struct flx_world *world, const char *id);

/* Slice @slice of group @group is worker @owner's, before any message was sent. */
void flx_world_place(struct flx_world *world, uint32_t group, uint32_t slice, uint32_t owner);

/*
 * flx_world_inject - bring @count messages for fluxion @number in at worker @index, as RX would
 * The caller has made sure of the credits (flx_purse_has). They count as received by port 0.
 */
void flx_world_inject(struct flx_world *world, uint32_t index, uint16_t number,
		      struct flx_msg **msgs, uint32_t count);

/* flx_world_poll - what a poll of the queue of port 0 found: the same, each for a fluxion of its own */
void flx_world_poll(struct flx_world *world, uint32_t index, const struct flx_elem *found,
		    uint32_t count);

/* The ledger between two turns, of fresh snapshots of all workers. */
void flx_world_ledger(struct flx_world *world, struct flx_ledger *ledger);

/* Credits in the pool and in all purses. */
int64_t flx_world_credits(const struct flx_world *world);

/* Buffers that are in the pool. */
uint32_t flx_world_buffers(const struct flx_world *world);
