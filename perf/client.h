/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * client - a load generator on the workers' own cores, at the far end of a looped ring port.
 *
 * It is an RX callback of each of the port's queues: what the fabric transmitted comes back through the
 * ring, is checked as the answer that it must be, and its buffer becomes a next request (asker.h). So the
 * port-to-port path is measured without cache lines travelling to a generator on another core; the
 * client's own cycles are measured apart.
 *
 * Open loop: requests that the worker does not poll for in time are refused and counted, as a NIC does that
 * has no descriptors left.
 *
 *			written by			read by
 *	cycles		the worker of the queue		anybody: single words
 *	per_tsc, state	control thread			the workers
 */
#pragma once

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_mempool.h>
#include <rte_ring.h>

#include "fabric/base.h"
#include "perf/asker.h"
#include "pmd-config/port.h"

/* Requests of an open loop that wait for their poll: as many as a queue has descriptors. */
#define FLX_CLIENT_BACKLOG 1024

struct flx_client_conf {
	uint32_t queues;    /* of the port, from the first on */
	uint32_t in_flight; /* closed loop: requests that each queue begins with; 0: open loop */
	double per_sec;	    /* open loop: requests per second of each queue */
	uint32_t clients;   /* client addresses, power of two */
	uint16_t udp_port;  /* where the requests go, host byte order */
	bool counted;	    /* answers begin with the decimal count of their client's requests */
};

struct flx_client;

struct flx_client_queue {
	struct flx_asker asker;
	alignas(FLX_CACHE_LINE) _Atomic uint64_t cycles; /* of the client itself */
	bool begun;
	struct flx_client *client;
	struct rte_ring *loop; /* what the port transmits to, and is polled from */
};

/* What a client does. */
enum flx_client_state {
	FLX_CLIENT_WAITS = 0, /* some queue has no callback yet, and answers may come to any */
	FLX_CLIENT_RUNS,
	FLX_CLIENT_ENDS, /* no more requests; what comes is freed */
};

struct flx_client {
	struct flx_client_conf conf;
	_Atomic double per_tsc; /* open loop: requests of each queue */
	struct rte_mempool *pool;
	_Atomic uint32_t state; /* enum flx_client_state */
	struct flx_query query;
	struct flx_client_queue *queue;
};

/* Sums over all queues. Context: any thread. */
struct flx_client_counts {
	uint64_t requests, answers, wrong, refused, cycles;
};

/*
 * flx_client_start - make a client of @port (looped to itself), which waits for flx_client_go
 * @ip: of the fabric on that port. @pool: the port's buffers. 0 or -errno.
 * Context: control thread; callbacks run on the workers that poll the queues.
 */
int flx_client_start(struct flx_client *client, const struct flx_port *port, rte_be32_t ip,
		     struct rte_mempool *pool, const struct flx_client_conf *conf);

/* flx_client_go - begin to send. Context: control thread, once. */
void flx_client_go(struct flx_client *client);

/*
 * flx_client_draw - from now on the clients of @queue's requests are drawn from @pick
 * @pick: of conf.clients numbers; outlives the client. Context: control thread.
 */
void flx_client_draw(struct flx_client *client, uint32_t queue, const struct flx_pick *pick);

/* flx_client_pace - from now on an open loop has @per_sec requests of each queue. Control thread. */
void flx_client_pace(struct flx_client *client, double per_sec);

void flx_client_count(const struct flx_client *client, struct flx_client_counts *counts);

/*
 * flx_client_stop - no more requests; take every buffer out of circulation and free it
 * The port must still be polled. 0; -ETIMEDOUT when some did not come back within a second; -EBADMSG
 * when answers were wrong, or there were gaps. Context: control thread.
 */
int flx_client_stop(struct flx_client *client);
