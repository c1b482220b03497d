/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * client - a load generator on the worker's own core, at the far end of a looped ring port.
 *
 * It is an RX callback of the port: what the fabric transmitted comes back through the ring, is
 * checked as the answer that it must be, and is turned into the next request. So the port-to-port
 * path is measured on one core, without cache lines travelling to a generator on another; the
 * client's own cycles are measured apart.
 *
 * Closed loop: a fixed number of messages is in flight, each of one client address in turn.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_mempool.h>

#include "pmd-config/port.h"

struct flx_client_conf {
	uint32_t in_flight;
	uint32_t clients;  /* client addresses, power of two */
	uint16_t udp_port; /* where the requests go, host byte order */
	bool counted; /* answers begin with a decimal count that must be strictly 1, 2, 3 ... */
};

struct flx_client {
	/* Read by the measuring thread while the worker writes: single words. */
	_Atomic uint64_t answers;
	_Atomic uint64_t wrong; /* answers that were not right */
	_Atomic uint64_t cycles;
	_Atomic uint32_t made; /* buffers in circulation */
	_Atomic bool stopping;
	struct flx_client_conf conf;
	struct rte_mempool *pool;
	uint32_t next;	/* client of the next request */
	uint32_t first; /* of the queue below: oldest */
	uint32_t queued;
	struct rte_mbuf **queue; /* waiting to be sent, conf.in_flight of room */
	uint32_t *expected;	 /* next count, by client */
	uint8_t request[64];	 /* a frame, as it goes out */
};

/*
 * flx_client_start - begin to drive @port (looped to itself), queue 0
 * @ip: of the fabric on that port. @pool: the port's buffers. 0 or -errno.
 * Context: control thread; the callback runs on the worker that polls the queue.
 */
int flx_client_start(struct flx_client *client, const struct flx_port *port, rte_be32_t ip,
		     struct rte_mempool *pool, const struct flx_client_conf *conf);

/*
 * flx_client_stop - take every buffer out of circulation and free it; the port must still be polled
 * 0, or -ETIMEDOUT when some did not come back within a second. Context: control thread.
 */
int flx_client_stop(struct flx_client *client);
