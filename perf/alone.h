/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * alone - a port for a load generator in a process without a fabric: EAL, buffers, the port, and its
 * addresses on a wire.
 *
 * Over any port spec; "ring" brings back what is sent. Context of everything: the control thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_mempool.h>

#include "fabric/topology.h"
#include "perf/host.h"
#include "pmd-config/port.h"

struct flx_alone_conf {
	const char *port;   /* spec */
	const char *to;	    /* "198.18.0.1:7000"; NULL: nobody is looked for */
	const char *ip;	    /* own address, "198.18.0.2/15"; NULL: that one */
	uint32_t addresses; /* from its own up; 0: a power of two, as many as there is room for */
	uint32_t queues;
	bool dev; /* ordinary memory */
};

struct flx_alone {
	struct flx_plan plan; /* as of a fabric with as many workers as queues */
	struct flx_port port;
	struct rte_mempool *pool;
	uint32_t buffers;
	struct flx_host host;
	rte_be32_t server_ip; /* 0: none */
	uint16_t server_port; /* host byte order */
	struct rte_ether_addr server_mac;
};

/* 0; -errno after one flx_error: -EINVAL of what the conf says. Nothing stays then. */
int flx_alone_open(struct flx_alone *alone, const struct flx_alone_conf *conf);

/* flx_alone_close - take it all down. Buffers that did not come back: 0, or a bug. */
uint32_t flx_alone_close(struct flx_alone *alone);
