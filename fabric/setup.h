/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * setup - everything that is decided before the machine is touched: ports, addresses, the plan,
 * sizes, EAL's arguments. Made from the operator's options; printed by `flx check` and `flx run`.
 */
#pragma once

#include <stdio.h>

#include <rte_byteorder.h>

#include "fabric/options.h"
#include "fabric/registry.h"
#include "fabric/topology.h"
#include "pmd-config/eal.h"
#include "pmd-config/port.h"

/* Buffers that a worker's cache of the message pool may hold back. */
#define FLX_POOL_CACHE 256
/* Buffers for ARP requests; apart, so that they go out when RX holds every other buffer. */
#define FLX_ARP_BUFFERS 255
/* Data that a buffer holds behind its headroom: a frame of 1,500 bytes MTU with two VLAN tags. */
#define FLX_BUFFER_DATA 2048

struct flx_address {
	rte_be32_t ip;
	rte_be32_t mask;
	rte_be32_t gateway; /* 0: none */
};

struct flx_setup {
	uint32_t port_count;
	struct flx_port_spec spec[FLX_PORTS_MAX];
	struct flx_address address[FLX_PORTS_MAX];
	struct flx_plan plan;
	uint32_t workers_min; /* that slices are spread over at first */
	uint32_t credits;
	uint32_t lane_size;
	uint32_t buffers;    /* of the message pool */
	uint32_t memory_mib; /* that EAL shall have */
	bool huge;
	struct flx_eal_arguments eal;
};

/*
 * flx_setup_make - decide everything for @options; looks at the machine, changes nothing
 * @ports_present: refuse ports that this machine does not have
 * 0; -EINVAL and others after one flx_error. Context: setup.
 */
int flx_setup_make(struct flx_setup *setup, const struct flx_options *options, bool ports_present);

/* Prints the placement of workers and groups, and EAL's arguments, for the operator. */
void flx_setup_print(const struct flx_setup *setup, const struct flx_registry *registry, FILE *out);
