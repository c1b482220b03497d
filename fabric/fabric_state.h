/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fabric_state - what a running fabric consists of. For fabric.c, which starts and stops it, and
 * fabric_ledger.c and fabric_watch.c, which read it.
 */
#pragma once

#include "fabric/fabric.h"
#include "fabric/setup.h"
#include "fabric/snapshot.h"
#include "fabric/worker.h"

struct flx_fabric {
	struct flx_setup setup; /* what was decided before EAL */
	struct flx_shared shared;
	struct flx_registry registry;
	struct flx_port port[FLX_PORTS_MAX];
	uint32_t ports_started;
	struct rte_mempool *arp_pool;
	uint16_t *udp_listeners; /* by UDP port, host byte order */
	uint32_t buffers;	 /* of the message pool */
	bool eal_started;
	uint64_t begun_tsc; /* when its start was asked for */
	uint32_t workers_launched;
	struct flx_snapshot *snapshot; /* NULL: none */
	struct flx_watch watch;
};

/* Begins to watch; the workers run. Context: setup. */
void flx_fabric_watch_start(struct flx_fabric *fabric);
