/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reta - brings the flows of a port to the queues of the workers that run their slices.
 *
 * A slice that has moved is reached over a lane, whichever queue its flows come by; its flows take the
 * short way again once their bucket of the NIC's indirection table leads to their new worker's
 * queue. That is worth little per message and costs much where a driver restarts its flows for it, so
 * it is done seldom (FLX_RETA_PERIOD_MS). Correctness never rests on it: a port without a table goes
 * without.
 *
 * Bucket b of R stands for the slices with the same low bits, and for the groups that are keyed by
 * flow alone, for only their slice is the port's hash. Where these have several owners, the bucket
 * goes to the one that runs most of them, and stays where it is when it is one of several such.
 *
 * Context of everything: under the scheduler's lock.
 */
#pragma once

#include "scheduler/migrate.h"

/* The least time between two writes of a table. */
#define FLX_RETA_PERIOD_MS 100
/*
 * From a write on, what the NIC had under way to the old queue has its descriptor: parsing, DMA and a
 * full PCIe queue take some tens of microseconds. Twenty times that costs nothing, for it is not
 * the messages that wait, but those of the new queue, few at the beginning.
 */
#define FLX_RETA_SETTLE_US 1000
/* hns3 has the longest table that ethdev knows. */
#define FLX_RETA_BUCKETS_MAX 2048

struct flx_reta_port {
	uint16_t buckets; /* a power of two; 0: no table */
	uint16_t queues;
	uint16_t spread; /* of these, how many the table leads to at first */
};

struct flx_reta_conf {
	uint32_t port_count;
	struct flx_reta_port port[FLX_PORTS_MAX];
	/* Leads @count of @buckets of port @port to @queue; 0 or -errno. May take milliseconds. */
	int (*write)(void *argument, uint32_t port, const uint16_t *buckets, uint32_t count,
		     uint16_t queue);
	void *argument;
};

struct flx_reta {
	struct flx_reta_conf conf;
	uint64_t next_tsc; /* not before */
	uint32_t refused;  /* writes, per port one bit: the driver does not */
	uint16_t *
		queue[FLX_PORTS_MAX]; /* by bucket: where it leads, or will when its move is over */
	bool *moving[FLX_PORTS_MAX];  /* by bucket */
};

/* flx_reta_init - tables as pmd-config writes them. @conf NULL: no port has one. 0; -ENOMEM. */
int flx_reta_init(struct flx_reta *reta, const struct flx_reta_conf *conf);
void flx_reta_fini(struct flx_reta *reta);

/*
 * flx_reta_step - begin to move buckets that lead elsewhere than they should, when it is time
 * Returns how many moves were begun.
 */
uint32_t flx_reta_step(struct flx_reta *reta, struct flx_migrate *migrate, uint64_t now_tsc,
		       uint64_t tsc_hz);

/*
 * flx_reta_write - write the table for move @number, which is READY
 * It goes on also when the driver refuses: then nothing has changed, and the port is left alone.
 */
void flx_reta_write(struct flx_reta *reta, struct flx_migrate *migrate, uint32_t number,
		    uint64_t tsc_hz);

/* flx_reta_moved - a move of buckets has ended */
void flx_reta_moved(struct flx_reta *reta, const struct flx_move_request *request);

/* The queue that bucket @bucket of @port should lead to, now. */
uint16_t flx_reta_wanted(const struct flx_reta *reta, const struct flx_migrate *migrate,
			 uint32_t port, uint32_t bucket);
