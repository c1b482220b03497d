/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer_dsw - DPDK's distributed software scheduler under a load that makes it migrate flows.
 *
 * Two lcores, one atomic queue, events that go round for ever with a flow that is drawn anew each time,
 * out of 64 hot ones of 1,024. Every few milliseconds the hot ones are others, that are all at one
 * lcore: dsw then brings some to the other, since it wants no load of one that is above 70 % and far
 * above another's.
 */
#pragma once

#include <stdint.h>

struct flx_dsw_conf {
	uint32_t cpu[2];
	uint32_t in_flight; /* events */
	uint32_t run_ms;
};

struct flx_dsw_found {
	double migration_us; /* from pause to end, of a flow, on average; by dsw's own account */
	double per_sec;	     /* events handled */
	uint64_t migrations; /* flows */
};

/* For flx_child_run: EAL starts once. 0; -ENOTSUP no such driver here; -errno, after one flx_error. */
int flx_peer_dsw(const void *conf, void *found);
