/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fabric_state - what a running fabric consists of. For fabric.c, which starts and stops it, and
 * fabric_ledger.c, fabric_sched.c and fabric_watch.c.
 */
#pragma once

#include "fabric/fabric.h"
#include "fabric/setup.h"
#include "fabric/snapshot.h"
#include "fabric/worker.h"
#include "scheduler/sched.h"

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
	struct flx_sched sched;
	bool sched_made;
};

/* Begins to watch; the workers run. Context: setup. */
void flx_fabric_watch_start(struct flx_fabric *fabric);

/*
 * fabric_sched.c: begins to schedule, the workers run; ends it, while they still do; frees it, when
 * they do not; and warns of workers that hold up a move. 0; -errno after one flx_error, but for -ENOMEM.
 * Context: setup; of watch, the control thread.
 */
int flx_fabric_sched_start(struct flx_fabric *fabric, enum flx_sched_mode mode);
void flx_fabric_sched_stop(struct flx_fabric *fabric);
void flx_fabric_sched_free(struct flx_fabric *fabric);
void flx_fabric_sched_watch(struct flx_fabric *fabric);
