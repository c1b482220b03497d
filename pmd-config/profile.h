/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * profile - what flx wants of each NIC driver: one row a driver.
 *
 * A row is a wish; pmd-config/port asks the driver what it supports and takes what is both. A driver
 * without a row gets the last one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct flx_profile {
	const char *driver; /* as rte_eth_dev_info names it: "net_ice" */
	uint16_t rx_descs;
	uint16_t tx_descs;
	uint16_t max_queues; /* 0: as many as workers */
	uint64_t rx_offloads;
	uint64_t tx_offloads;
	bool kernel;	    /* frames come from a kernel interface: MTU and offloads are the kernel's */
	const char *quirks; /* one line for the operator; NULL: none */
};

/* The row of @driver; never NULL. */
const struct flx_profile *flx_profile_find(const char *driver);
