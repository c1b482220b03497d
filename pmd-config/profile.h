/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * profile - what flx wants of each NIC driver: one row a driver.
 *
 * A row is a wish; pmd-config/port asks the driver what it supports and takes what is both. A
 * driver without a row gets the last one, which wants what a NIC of today has.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "pmd-config/rx_event.h"

struct flx_profile {
	const char *driver; /* as rte_eth_dev_info names it: "net_ice" */
	uint16_t rx_descs;
	uint16_t tx_descs;
	uint16_t max_queues; /* 0: as many as workers */
	uint64_t rx_offloads;
	uint64_t tx_offloads;
	uint64_t rss_types;
	uint32_t buffers;   /* mbufs that a queue pair may hold at once */
	uint32_t kept;	    /* mbufs of a queue pair that the driver never gives back, see quirks */
	uint16_t room_min;  /* least room of an mbuf that the driver accepts */
	uint16_t room_lost; /* bytes of it that no frame can use */
	uint16_t frame_max; /* longest frame that comes whole; 0: as long as the room */
	bool kernel; /* frames come from a kernel interface: MTU and offloads are the kernel's */
	enum flx_rx_event rx_event; /* what tells of frames, where that is known to work */
	bool dense_pool;    /* takes the pool for one array of buffers, see flx_pool_alloc */
	const char *quirks; /* one line for the operator; NULL: none */
};

/* The row of @driver; never NULL. */
const struct flx_profile *flx_profile_find(const char *driver);
