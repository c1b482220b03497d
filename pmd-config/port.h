/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port - brings a port up with what is wanted and supported, and takes it down.
 *
 * The sequence: flx_port_spec_parse (touches nothing), EAL start with the specs' arguments,
 * flx_port_start, the workers run, flx_port_stop. What is wanted and not supported is dropped with
 * one warning, and the fabric still runs.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_mempool.h>

#include "fabric/base.h"
#include "pmd-config/profile.h"
#include "pmd-config/rss.h"

enum flx_port_kind {
	FLX_PORT_PCI,	    /* pci:0000:81:00.0 */
	FLX_PORT_AF_XDP,    /* af_xdp:IFACE */
	FLX_PORT_AF_PACKET, /* af_packet:IFACE */
	FLX_PORT_TAP,	    /* tap:NAME */
	FLX_PORT_PCAP,	    /* pcap:IN,OUT */
	FLX_PORT_RING,	    /* ring: loops to itself */
	FLX_PORT_NULL,	    /* null */
	FLX_PORT_VDEV,	    /* vdev:RAW, as EAL's --vdev takes it */
};

struct flx_port_spec {
	enum flx_port_kind kind;
	char text[256];	    /* as the operator wrote it */
	char device[64];    /* name of the ethdev: PCI address or vdev name */
	char interface[32]; /* kernel interface it stands on; "": none */
	char eal[320];	    /* its EAL argument: "--allow=..." or "--vdev=..." */
};

/*
 * flx_port_spec_parse - read @text into @spec
 * @index: number of the port, makes vdev names unique
 * @queues: queues wanted; some vdevs must be told when they are made
 * 0, or -EINVAL with one flx_error that lists the forms. Context: any; touches nothing.
 */
int flx_port_spec_parse(struct flx_port_spec *spec, const char *text, uint32_t index,
			uint32_t queues);

struct flx_port_conf {
	uint16_t queues;	 /* RX and TX queues wanted: one per worker */
	struct rte_mempool *pool; /* RX buffers */
	bool flow_hash;		 /* some listener is keyed by flow: RSS hash wanted */
	const uint8_t *rss_key;	 /* FLX_RSS_KEY_SIZE bytes; NULL: random */
	uint32_t link_wait_ms;	 /* 0: do not wait */
};

struct flx_port {
	struct flx_port_spec spec;
	const struct flx_profile *profile;
	uint16_t id;
	uint16_t rx_queues; /* 1..wanted; queue q is polled by worker q */
	uint16_t tx_queues;
	uint16_t rx_descs;
	uint16_t tx_descs;
	uint16_t mtu;
	uint16_t reta_size; /* 0: none */
	int32_t numa;	    /* -1: unknown */
	bool rx_checksums;  /* as struct flx_edge_port */
	bool tx_ip_checksum;
	bool tx_udp_checksum;
	bool port_flow_hash;
	struct rte_ether_addr mac;
	struct flx_rss rss;
};

/*
 * flx_port_start - find, configure and start the port of @spec
 *
 * On failure nothing stays configured, and one flx_error says what and what to do. Errors: -ENODEV not
 * there or not bound to a usable driver; -EINVAL refused by the driver; -EMSGSIZE frames of the
 * interface's MTU do not fit the pool's buffers. Context: setup, after EAL.
 */
int flx_port_start(struct flx_port *port, const struct flx_port_spec *spec,
		   const struct flx_port_conf *conf);

/* Stops and closes the port; the driver gives its buffers back. Context: setup, no worker polls. */
void flx_port_stop(struct flx_port *port);

/* What the port itself counts, since start. Context: control thread. */
struct flx_port_counters {
	uint64_t rx_packets;
	uint64_t rx_bytes;
	uint64_t tx_packets;
	uint64_t tx_bytes;
	uint64_t rx_missed;  /* no descriptor: load refused at the edge */
	uint64_t rx_nombuf;  /* no buffer */
	uint64_t rx_errors;
	uint64_t tx_errors;
};
int flx_port_counters(const struct flx_port *port, struct flx_port_counters *counters);

/* RX and TX descriptors that a port of @spec may take per queue pair: for sizing the pool. */
uint32_t flx_port_buffers(const struct flx_port_spec *spec);
