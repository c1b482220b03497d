/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rx_event - the descriptor that tells that a frame has come on an RX queue, for who wants to
 * sleep.
 *
 * Each is readable while a frame waits. net_tap hands its own out as an RX interrupt. net_af_packet
 * and net_af_xdp of 22.11 have no RX interrupts, but sockets that can be polled: they are found
 * among the process's descriptors, and taken only when they are exactly as many as the queues. Of
 * all other drivers nothing is known to tell: rings and files have nothing, and of NICs the
 * interrupts were not tried (they have to be armed before each sleep, which nobody does here).
 *
 * The descriptors are the driver's, and closed with the port.
 */
#pragma once

#include <stdint.h>

#include "fabric/base.h"

/* What a driver has; a column of its profile. */
enum flx_rx_event {
	FLX_RX_SILENT = 0,
	FLX_RX_INTERRUPT,     /* struct rte_eth_intr_conf.rxq, and readable for a level */
	FLX_RX_PACKET_SOCKET, /* bound to the interface, one a queue, made with the device */
	FLX_RX_XDP_SOCKET,    /* one made by each rte_eth_rx_queue_setup */
};

/* Descriptors of this process, ascending. */
struct flx_rx_sockets {
	uint32_t count; /* in all; those beyond the array are not in it */
	int descriptor[4 * FLX_WORKERS_MAX];
};

/*
 * flx_rx_event_list - the sockets of kind @event that are open now
 * @interface: index; of packet sockets only those that are bound to it
 * Those of a number too high for the array of @sockets are counted alone. Context: setup.
 */
void flx_rx_event_list(enum flx_rx_event event, uint32_t interface, struct flx_rx_sockets *sockets);

/*
 * flx_rx_event_new - the one socket of kind FLX_RX_XDP_SOCKET that is open now and not in @before
 * -1: there is none, or several. Context: setup.
 */
int flx_rx_event_new(const struct flx_rx_sockets *before);

/*
 * flx_rx_event_find - descriptors of the RX queues of a started port, but for XDP sockets
 * @descriptors: @queues of them; all -1 when they are not found
 * Context: setup.
 */
void flx_rx_event_find(enum flx_rx_event event, uint16_t port_id, uint32_t interface,
		       uint16_t queues, int *descriptors);
