/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port_spec - what an operator writes to name a port, and what EAL is told of it.
 *
 * Parsing is pure; flx_port_spec_check is what looks at the machine. No character of a spec reaches
 * EAL's own parser unless it can mean nothing there but itself (vdev: is passed on as it is).
 */
#pragma once

#include <stdint.h>

enum flx_port_kind {
	FLX_PORT_PCI,	    /* pci:0000:81:00.0 */
	FLX_PORT_AF_XDP,    /* af_xdp:IFACE */
	FLX_PORT_AF_PACKET, /* af_packet:IFACE */
	FLX_PORT_TAP,	    /* tap:NAME */
	FLX_PORT_PCAP,	    /* pcap:IN,OUT */
	FLX_PORT_RING,	    /* ring: loops to itself */
	FLX_PORT_PAIR, /* pair: its far end is net_ring_pairN_far in this process, N its index */
	FLX_PORT_NULL, /* null */
	FLX_PORT_VDEV, /* vdev:RAW, as EAL's --vdev takes it */
};

struct flx_port_spec {
	enum flx_port_kind kind;
	uint32_t index;	    /* of the port */
	uint32_t queues;    /* that its device is made with, when it must be told */
	char text[256];	    /* as the operator wrote it */
	char device[64];    /* name of the ethdev: PCI address or vdev name */
	char interface[16]; /* kernel interface it stands on, or makes (tap); "": none */
	char eal[512];	    /* its EAL argument: "--allow=..." or "--vdev=..."; "": none */
};

/*
 * flx_port_spec_parse - read @text into @spec
 * @index: number of the port, makes vdev names unique
 * @queues: queues wanted, one per worker; some vdevs must be told when they are made
 * 0, or -EINVAL with one flx_error that lists the forms. Context: any; touches nothing.
 */
int flx_port_spec_parse(struct flx_port_spec *spec, const char *text, uint32_t index,
			uint32_t queues);

/*
 * flx_port_spec_check - see whether this machine has what @spec names, before EAL starts
 *
 * An af_xdp spec loses the queues that its interface does not have, with one warning.
 * 0, or with one flx_error: -ENODEV not there, down, or bound to another driver; -EPERM this user
 * may not. Context: setup; looks, changes nothing but @spec.
 */
int flx_port_spec_check(struct flx_port_spec *spec);

/*
 * flx_port_buffers - mbufs that a port of @spec may hold per queue pair: for sizing the pool
 * PCI: of the driver that takes most, since the driver is not known before EAL has started.
 */
uint32_t flx_port_buffers(const struct flx_port_spec *spec);
