/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer_dsw - DPDK's distributed software scheduler at the job of relay.h, under a load that it migrates for.
 *
 * Two lcores, three atomic queues, the last of which only the second lcore serves; as many events go round
 * as messages there, each stage with a context of the event's key, in rte_hash, that it updates. dsw moves
 * flows only from a lcore that is above 70 % to one that is far below: so each event draws a new key
 * whenever it has been round, out of 64 hot ones of 1,024, which every few milliseconds are others, all at
 * one lcore.
 */
#pragma once

#include <stdint.h>

struct flx_dsw_conf {
	uint32_t cpu[2];
	uint32_t in_flight; /* events */
	uint32_t run_ms;
};

struct flx_dsw_found {
	double p50_us; /* from pause to end, of a flow; by dsw's own account, per millisecond */
	double mean_us;
	double per_sec;	     /* events handled, each stage counts */
	uint64_t migrations; /* flows */
};

/* For flx_child_run: EAL starts once. 0; -ENOTSUP no such driver here; -errno, after one flx_error. */
int flx_peer_dsw(const void *conf, void *found);
