/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port - brings a port up with what is wanted and supported, and takes it down.
 *
 * The sequence: flx_port_spec_parse (touches nothing), flx_port_spec_check (looks), EAL start with
 * the specs' arguments, flx_port_start, the workers run, flx_port_stop. What is wanted and not
 * supported is dropped with one warning, and the fabric still runs.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_mempool.h>

#include "fabric/base.h"
#include "pmd-config/port_spec.h"
#include "pmd-config/profile.h"
#include "pmd-config/rss.h"

struct flx_port_conf {
	uint16_t queues; /* RX and TX queues wanted: one per worker */
	uint16_t spread; /* of these, how many the indirection table leads to at first; 0: all */
	struct rte_mempool *pool; /* RX buffers */
	bool flow_hash;		  /* some listener is keyed by flow: RSS hash wanted */
	const uint8_t *rss_key;	  /* FLX_RSS_KEY_SIZE bytes; NULL: random */
	uint32_t link_wait_ms;	  /* 0: do not wait */
	/* Asked while it waits, which true ends; NULL: nobody is. */
	bool (*told_to_stop)(void);
};

struct flx_port {
	struct flx_port_spec spec;
	const struct flx_profile *profile;
	uint16_t id;
	uint16_t rx_queues; /* 1..wanted; queue q is polled by worker q */
	uint16_t tx_queues; /* as many; a worker without one sends through lanes */
	uint16_t rx_descs;
	uint16_t tx_descs;
	uint16_t mtu;	    /* bytes of IP packet; the kernel interface's where there is one */
	uint16_t reta_size; /* 0: none */
	int32_t numa;	    /* -1: unknown */
	/* By RX queue: readable while a frame waits there; -1: nothing tells of them. rx_event.h */
	int rx_event[FLX_WORKERS_MAX];
	bool rx_checksums; /* as struct flx_edge_port */
	bool tx_ip_checksum;
	bool tx_udp_checksum;
	bool port_flow_hash; /* hash.rss of an IPv4/UDP frame is flx_rss_flow of it */
	struct rte_ether_addr mac;
	struct flx_rss rss;
};

/*
 * flx_port_start - find, configure and start the port of @spec
 *
 * On failure nothing stays configured, and one flx_error says what and what to do. Errors: -ENODEV
 * not there; -EINVAL refused by the driver; -ENOMEM; -EMSGSIZE frames of the interface's MTU do not
 * fit the pool's buffers. A port that failed or was stopped is closed: it starts again only with
 * EAL. Context: setup, after EAL.
 */
int flx_port_start(struct flx_port *port, const struct flx_port_spec *spec,
		   const struct flx_port_conf *conf);

/*
 * flx_port_stop - drain, stop and close the port; the driver gives its buffers back
 * Returns the number of buffers that this driver is known to keep for ever: 0, but 2,048 per queue
 * with net_af_xdp of 22.11. They are lost to the pool, and to no message. Context: setup, no worker
 * polls.
 */
uint32_t flx_port_stop(struct flx_port *port);

/*
 * flx_port_steer - lead buckets of the indirection table to a queue
 * @buckets: @count of them, below port->reta_size; @queue: below port->rx_queues
 * 0; -errno of the driver, and then the table may be anything between. May take milliseconds, and
 * restart flows (mlx5). Context: any one thread at a time.
 */
int flx_port_steer(const struct flx_port *port, const uint16_t *buckets, uint32_t count,
		   uint16_t queue);

/* Queues whose packets ethdev counts one by one. */
#define FLX_PORT_QUEUE_COUNTERS RTE_ETHDEV_QUEUE_STAT_CNTRS

/*
 * What the port itself counts, since start. Not every driver counts all: net_af_packet does not
 * know what the kernel dropped for want of room, net_ring counts no bytes.
 */
struct flx_port_counters {
	uint64_t rx_packets;
	uint64_t rx_bytes;
	uint64_t tx_packets;
	uint64_t tx_bytes;
	uint64_t rx_missed; /* no descriptor: load refused at the edge */
	uint64_t rx_nombuf; /* no buffer */
	uint64_t rx_errors;
	uint64_t tx_errors;
	uint32_t queues; /* of the arrays: at most FLX_PORT_QUEUE_COUNTERS */
	uint64_t queue_rx_packets[FLX_PORT_QUEUE_COUNTERS];
	uint64_t queue_tx_packets[FLX_PORT_QUEUE_COUNTERS];
};

/* 0, or -errno of the driver. Context: control thread. */
int flx_port_counters(const struct flx_port *port, struct flx_port_counters *counters);
