/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * options - what an operator may choose, as a value. Command line, configuration file and tests fill
 * it; flx_fabric_start reads it. Zero means the default everywhere.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "fabric/base.h"
#include "fabric/flx.h"

/*
 * Credits of one worker at least: fewer, and it could not hold a burst while another holds its blocks.
 * At most 1 Mi messages: 2.4 GiB of buffers.
 */
#define FLX_CREDITS_MIN 256
#define FLX_CREDITS_MAX (1u << 20)
/* 1 MiB of elements. More waits longer than any client, and 4,032 lanes of it fill a machine. */
#define FLX_LANE_SIZE_MAX (1u << 16)
/* Contexts of a group: 256 GiB of the smallest. */
#define FLX_CAPACITY_MAX 1000000000u
/* Groups whose capacity is given. */
#define FLX_CONTEXTS_MAX 32
/* Seconds of work that a lost machine may cost. */
#define FLX_SNAPSHOT_EVERY_S 60

/* How many contexts group @group has, whatever its program says. */
struct flx_contexts_option {
	char group[FLX_ID_MAX + 1];
	uint32_t capacity; /* at first */
	uint32_t limit;	   /* at most; 0: capacity */
};

struct flx_options {
	const char *port[FLX_PORTS_MAX]; /* specs, see pmd-config/port.h */
	uint32_t port_count;
	const char *ip[FLX_PORTS_MAX]; /* CIDR of each port, "198.18.0.1/24"; NULL: none */
	uint32_t ip_count;
	const char *gateway;  /* IPv4, for flx_send_to beyond the ports' networks; NULL: none */
	uint32_t workers;     /* at most; 0: as the topology suggests */
	uint32_t workers_min; /* that run slices whatever the load; 0: all */
	uint32_t sched;	      /* enum flx_sched_mode */
	uint32_t cpu[FLX_WORKERS_MAX]; /* CPU of each worker; cpu_count 0: choose */
	uint32_t cpu_count;
	bool oversubscribe;   /* more workers than CPUs are wanted */
	bool dev;	      /* no root, no hugepages, no PCI: ordinary memory */
	uint32_t credits;     /* messages in flight at most; 0: 4,096 + 1,024 per worker */
	uint32_t lane_size;   /* elements of a lane's ring, power of two; 0: 1,024 */
	const char *store;    /* directory that the contexts outlive the process in; NULL: none */
	const char *restore;  /* dump that fills the contexts, where no store has any; NULL: none */
	const char *snapshot; /* dump that is written every so often, and at the end; NULL: none */
	uint32_t snapshot_every_s; /* 0: FLX_SNAPSHOT_EVERY_S */
	struct flx_contexts_option contexts[FLX_CONTEXTS_MAX];
	uint32_t contexts_count;
	uint8_t rss_key[40];
	bool rss_key_given;
	char *const *eal; /* the operator's own EAL arguments; ends at NULL; NULL: none */
};
