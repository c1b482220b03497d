/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd-config/port.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_mbuf.h>

#include "fabric/flx.h"
#include "pmd-config/pair.h"
#include "pmd-config/pool.h"

/* Ethernet and two VLAN tags: the longest head in front of an IP packet that the edge takes. */
#define HEAD_BYTES (RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN)
/* hns3 has the longest table that ethdev knows. */
#define RETA_MAX    2048
#define RSS_KEY_MAX 64

_Static_assert(FLX_SLICES % 64 == 0, "the RETA is written in groups of 64");

/* What was agreed on with the driver, on the way from its wishes to its configuration. */
struct bringup {
	struct flx_port *port;
	const struct flx_port_conf *conf;
	struct rte_eth_dev_info info;
	struct rte_eth_conf eth;
	uint8_t rss_key[RSS_KEY_MAX];
	char missing[256]; /* wanted and not supported */
};

static void note_missing(struct bringup *up, const char *direction, const char *what)
{
	size_t length = strlen(up->missing);

	snprintf(up->missing + length, sizeof(up->missing) - length, "%s%s %s", length ? ", " : "",
		 direction, what);
}

/* @wanted ∩ @supported; each bit of the rest is noted. */
static uint64_t intersect(struct bringup *up, const char *direction, uint64_t wanted,
			  uint64_t supported, const char *(*name)(uint64_t))
{
	for (uint64_t rest = wanted & ~supported; rest; rest &= rest - 1)
		note_missing(up, direction, name(rest & -rest));
	return wanted & supported;
}

static void choose_offloads(struct bringup *up)
{
	const struct flx_profile *profile = up->port->profile;
	uint64_t rx, tx;

	rx = intersect(up, "RX", profile->rx_offloads, up->info.rx_offload_capa,
		       rte_eth_dev_rx_offload_name);
	tx = intersect(up, "TX", profile->tx_offloads, up->info.tx_offload_capa,
		       rte_eth_dev_tx_offload_name);
	up->eth.rxmode.offloads = rx;
	up->eth.txmode.offloads = tx;
	up->port->rx_checksums =
		(rx & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM) && (rx & RTE_ETH_RX_OFFLOAD_UDP_CKSUM);
	up->port->tx_ip_checksum = tx & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
	up->port->tx_udp_checksum = tx & RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
}

static void choose_queues(struct bringup *up)
{
	const struct flx_profile *profile = up->port->profile;
	uint32_t wanted = up->conf->queues > 0 ? up->conf->queues : 1u;
	uint32_t most = up->info.max_rx_queues;
	uint16_t queues;

	most = RTE_MIN(most, up->info.max_tx_queues);
	if (profile->max_queues)
		most = RTE_MIN(most, profile->max_queues);
	queues = (uint16_t)RTE_MIN(most, wanted);
	up->port->rx_queues = queues;
	up->port->tx_queues = queues;
	/* af_xdp's interface was told of already, by flx_port_spec_check. */
	if (queues < up->conf->queues && up->port->spec.queues >= up->conf->queues)
		flx_warn("port %s: %s has %u of %u queues wanted; the other workers get its "
			 "messages "
			 "through lanes",
			 up->port->spec.text, up->info.driver_name, queues, up->conf->queues);
}

/*
 * RSS with our key, so that flx_rss_flow finds what the port found. Keys longer than ours (52 bytes
 * with Intel's E800) are continued with its beginning: IPv4 and UDP use 16 bytes of it at most.
 */
static void choose_rss(struct bringup *up)
{
	struct flx_port *port = up->port;
	struct rte_eth_rss_conf *rss = &up->eth.rx_adv_conf.rss_conf;
	uint64_t types = port->profile->rss_types & up->info.flow_type_rss_offloads;
	uint8_t key_size = up->info.hash_key_size ? up->info.hash_key_size : FLX_RSS_KEY_SIZE;

	if (!port->profile->rss_types || (port->rx_queues == 1 && !up->conf->flow_hash))
		return;
	if (types == 0 || key_size < FLX_RSS_KEY_SIZE || key_size > RSS_KEY_MAX) {
		note_missing(up, "RX", "RSS with a key of 40 bytes");
		return;
	}
	if (!(types & RTE_ETH_RSS_NONFRAG_IPV4_UDP))
		note_missing(up, "RX", "RSS of UDP ports");
	for (uint8_t i = 0; i < key_size; i++)
		up->rss_key[i] = port->rss.key[i % FLX_RSS_KEY_SIZE];
	up->eth.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	rss->rss_key = up->rss_key;
	rss->rss_key_len = key_size;
	rss->rss_hf = types;
	port->port_flow_hash = (types & RTE_ETH_RSS_NONFRAG_IPV4_UDP) &&
			       (up->eth.rxmode.offloads & RTE_ETH_RX_OFFLOAD_RSS_HASH);
}

static void choose(struct bringup *up)
{
	choose_queues(up);
	choose_offloads(up);
	choose_rss(up);
	if (up->missing[0])
		flx_warn("port %s: %s does not support %s; it is done in software",
			 up->port->spec.text, up->info.driver_name, up->missing);
}

/* The MTU that decides how long frames are: the kernel's, where frames come from there. */
static uint16_t find_mtu(const struct bringup *up)
{
	struct ifreq request = {0};
	uint16_t mtu = RTE_ETHER_MTU;
	int descriptor;

	rte_eth_dev_get_mtu(up->port->id, &mtu);
	if (!up->port->profile->kernel || !if_indextoname(up->info.if_index, request.ifr_name))
		return mtu;
	descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (descriptor < 0)
		return mtu;
	if (ioctl(descriptor, SIOCGIFMTU, &request) == 0 && request.ifr_mtu > 0)
		mtu = (uint16_t)RTE_MIN(request.ifr_mtu, UINT16_MAX);
	close(descriptor);
	return mtu;
}

/* The driver of 22.11 copies what comes, however little room there is (af_packet): so we look. */
static int check_room(struct bringup *up)
{
	struct flx_port *port = up->port;
	const struct flx_profile *profile = port->profile;
	uint32_t data = rte_pktmbuf_data_room_size(up->conf->pool);
	uint32_t room = data > RTE_PKTMBUF_HEADROOM ? data - RTE_PKTMBUF_HEADROOM : 0;
	uint32_t usable = room > profile->room_lost ? room - profile->room_lost : 0;

	if (profile->frame_max)
		usable = RTE_MIN(usable, profile->frame_max);
	if (room < profile->room_min) {
		flx_error("port %s: %s wants %u bytes of room in a buffer, and the pool's have %u; "
			  "make "
			  "the pool with larger buffers",
			  port->spec.text, up->info.driver_name, profile->room_min, room);
		return -EMSGSIZE;
	}
	if ((uint32_t)port->mtu + HEAD_BYTES > usable) {
		flx_error("port %s: frames of MTU %u are up to %u bytes, and a buffer takes %u; "
			  "lower "
			  "the MTU (ip link set %s mtu %u) or make the pool with larger buffers",
			  port->spec.text, port->mtu, port->mtu + HEAD_BYTES, usable,
			  port->spec.interface[0] ? port->spec.interface : "IFACE",
			  usable > HEAD_BYTES ? usable - HEAD_BYTES : 0);
		return -EMSGSIZE;
	}
	if (profile->dense_pool && !flx_pool_is_dense(up->conf->pool)) {
		flx_error("port %s: %s takes only a pool whose buffers lie side by side: one of "
			  "flx_pool_alloc, with --iova-mode=va and memory in one piece",
			  port->spec.text, up->info.driver_name);
		return -EINVAL;
	}
	return 0;
}

static int configure(struct bringup *up)
{
	struct flx_port *port = up->port;
	int error;

	up->eth.intr_conf.rxq = port->profile->rx_event == FLX_RX_INTERRUPT;
	error = rte_eth_dev_configure(port->id, port->rx_queues, port->tx_queues, &up->eth);
	if (error) {
		flx_error(
			"port %s: %s refused %u queues with RX offloads %#llx, TX %#llx: %s; fewer "
			"workers may help",
			port->spec.text, up->info.driver_name, port->rx_queues,
			(unsigned long long)up->eth.rxmode.offloads,
			(unsigned long long)up->eth.txmode.offloads, strerror(-error));
		return -EINVAL;
	}
	port->rx_descs = port->profile->rx_descs;
	port->tx_descs = port->profile->tx_descs;
	error = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &port->rx_descs, &port->tx_descs);
	if (error)
		flx_warn("port %s: %s does not say how many descriptors it takes: %s",
			 port->spec.text, up->info.driver_name, strerror(-error));
	return 0;
}

/* What mostly stands behind a queue that cannot be made. */
static const char *queue_remedy(const struct flx_port *port)
{
	switch (port->spec.kind) {
	case FLX_PORT_AF_XDP:
		return "another XDP program may be on the interface (ip link shows xdp; ip link "
		       "set "
		       "dev IFACE xdp off), a veth's peer may have more TX queues than it has RX "
		       "queues (setup.sh veth makes a fitting pair), the MTU may be too large for "
		       "XDP, locked memory too little (ulimit -l), or the right missing (root)";
	case FLX_PORT_TAP:
		return "another process may hold the interface, or have made it with fewer queues";
	default:
		return "its driver says why above; the pool may be too small";
	}
}

static int setup_rx_queue(struct bringup *up, uint16_t queue, const struct rte_eth_rxconf *rx)
{
	struct flx_port *port = up->port;
	bool by_socket = port->profile->rx_event == FLX_RX_XDP_SOCKET;
	struct flx_rx_sockets before;
	int error;

	if (by_socket)
		flx_rx_event_list(FLX_RX_XDP_SOCKET, 0, &before);
	error = rte_eth_rx_queue_setup(port->id, queue, port->rx_descs,
				       (unsigned int)rte_eth_dev_socket_id(port->id), rx,
				       up->conf->pool);
	if (by_socket && !error)
		port->rx_event[queue] = flx_rx_event_new(&before);
	return error;
}

static int setup_queues(struct bringup *up)
{
	struct flx_port *port = up->port;
	struct rte_eth_rxconf rx = up->info.default_rxconf;
	struct rte_eth_txconf tx = up->info.default_txconf;
	unsigned int node = (unsigned int)rte_eth_dev_socket_id(port->id);
	int error = 0;
	uint16_t queue;

	rx.offloads = up->eth.rxmode.offloads;
	tx.offloads = up->eth.txmode.offloads;
	/* TX first: net_tap opens a queue's descriptor for whichever comes first. */
	for (queue = 0; queue < port->tx_queues && !error; queue++)
		error = rte_eth_tx_queue_setup(port->id, queue, port->tx_descs, node, &tx);
	for (queue = 0; queue < port->rx_queues && !error; queue++)
		error = setup_rx_queue(up, queue, &rx);
	if (!error)
		return 0;
	flx_error("port %s: %s cannot make its %u queue pairs: %s; %s", port->spec.text,
		  up->info.driver_name, port->rx_queues, strerror(-error), queue_remedy(port));
	return error == -ENOMEM ? -ENOMEM : -EINVAL;
}

/*
 * A slice is hash & 511, its first owner slice % workers. Entry i takes the hashes with i in their
 * low bits; (i & 511) % queues is then the owner of all their slices when the table has 512 entries
 * or more, or a multiple of the workers. Otherwise some flows come to another worker and go through
 * a lane.
 */
static void write_reta(struct bringup *up)
{
	struct rte_eth_rss_reta_entry64 groups[RETA_MAX / RTE_ETH_RETA_GROUP_SIZE] = {0};
	struct flx_port *port = up->port;
	uint16_t size = up->info.reta_size;
	uint32_t queues = port->rx_queues;
	uint32_t spread = up->conf->spread ? RTE_MIN(up->conf->spread, queues) : queues;
	int error;

	/* Of another size than a power of two there is none so far; its buckets would be others. */
	if (up->eth.rxmode.mq_mode != RTE_ETH_MQ_RX_RSS || size == 0 || size > RETA_MAX ||
	    (size & (size - 1)))
		return;
	for (uint16_t i = 0; i < size; i++) {
		struct rte_eth_rss_reta_entry64 *group = &groups[i / RTE_ETH_RETA_GROUP_SIZE];

		group->mask |= 1ull << (i % RTE_ETH_RETA_GROUP_SIZE);
		group->reta[i % RTE_ETH_RETA_GROUP_SIZE] =
			(uint16_t)((i & (FLX_SLICES - 1)) % spread);
	}
	error = rte_eth_dev_rss_reta_update(port->id, groups, size);
	if (error)
		flx_warn("port %s: %s keeps its own indirection table (%s); flows go through lanes",
			 port->spec.text, up->info.driver_name, strerror(-error));
	else
		port->reta_size = size;
}

int flx_port_steer(const struct flx_port *port, const uint16_t *buckets, uint32_t count,
		   uint16_t queue)
{
	struct rte_eth_rss_reta_entry64 groups[RETA_MAX / RTE_ETH_RETA_GROUP_SIZE] = {0};

	for (uint32_t i = 0; i < count; i++) {
		struct rte_eth_rss_reta_entry64 *group =
			&groups[buckets[i] / RTE_ETH_RETA_GROUP_SIZE];

		group->mask |= 1ull << (buckets[i] % RTE_ETH_RETA_GROUP_SIZE);
		group->reta[buckets[i] % RTE_ETH_RETA_GROUP_SIZE] = queue;
	}
	return rte_eth_dev_rss_reta_update(port->id, groups, port->reta_size);
}

/* Ring ports have no address; a tap has its kernel side's, which must not be ours as well. */
static void choose_mac(struct flx_port *port)
{
	struct rte_ether_addr *mac = &port->mac;

	rte_eth_macaddr_get(port->id, mac);
	if (strcmp(port->profile->driver, "net_tap") == 0) {
		mac->addr_bytes[0] = (uint8_t)((mac->addr_bytes[0] | RTE_ETHER_LOCAL_ADMIN_ADDR) &
					       ~RTE_ETHER_GROUP_ADDR);
		mac->addr_bytes[RTE_ETHER_ADDR_LEN - 1] ^= 1;
	} else if (rte_is_zero_ether_addr(mac)) {
		mac->addr_bytes[0] = RTE_ETHER_LOCAL_ADMIN_ADDR;
		mac->addr_bytes[RTE_ETHER_ADDR_LEN - 1] = (uint8_t)(port->id + 1);
		/* Most drivers without an address have no way to set one, and do not ask for it. */
		(void)rte_eth_dev_default_mac_addr_set(port->id, mac);
	}
}

static void wait_for_link(const struct flx_port *port, const struct flx_port_conf *conf)
{
	struct rte_eth_link link = {0};

	for (uint32_t waited_ms = 0;; waited_ms += 10) {
		if (rte_eth_link_get_nowait(port->id, &link) || link.link_status)
			return;
		if (conf->told_to_stop && conf->told_to_stop())
			return;
		if (waited_ms >= conf->link_wait_ms)
			break;
		rte_delay_us_sleep(10000);
	}
	if (conf->link_wait_ms > 0)
		flx_warn("port %s: no link after %u ms; going on, frames flow when it comes up",
			 port->spec.text, conf->link_wait_ms);
}

static int start(struct bringup *up)
{
	struct flx_port *port = up->port;
	int error;

	/* The edge parses for itself. */
	(void)rte_eth_dev_set_ptypes(port->id, RTE_PTYPE_UNKNOWN, NULL, 0);
	error = rte_eth_dev_start(port->id);
	if (error) {
		flx_error("port %s: %s does not start: %s; its driver says why above",
			  port->spec.text, up->info.driver_name, strerror(-error));
		return -EINVAL;
	}
	if (port->profile->rx_event != FLX_RX_XDP_SOCKET)
		flx_rx_event_find(port->profile->rx_event, port->id, up->info.if_index,
				  port->rx_queues, port->rx_event);
	write_reta(up);
	(void)rte_eth_promiscuous_disable(port->id);
	choose_mac(port);
	port->numa = rte_eth_dev_socket_id(port->id);
	wait_for_link(port, up->conf);
	(void)rte_eth_stats_reset(port->id);
	return 0;
}

int flx_port_start(struct flx_port *port, const struct flx_port_spec *spec,
		   const struct flx_port_conf *conf)
{
	struct bringup up = {.port = port, .conf = conf};
	int error;

	memset(port, 0, sizeof(*port));
	port->spec = *spec;
	flx_rss_init(&port->rss, conf->rss_key);
	if (spec->kind == FLX_PORT_PAIR && (error = flx_pair_make(spec))) {
		flx_error("port %s: cannot make its rings: %s; lower --workers, or see whether "
			  "librte-net-ring is installed",
			  spec->text, strerror(-error));
		return error;
	}
	if (rte_eth_dev_get_port_by_name(spec->device, &port->id) ||
	    rte_eth_dev_info_get(port->id, &up.info)) {
		flx_error("port %s: EAL made no device '%s'; its driver says why above, or is not "
			  "installed (librte-net-*)",
			  spec->text, spec->device);
		return -ENODEV;
	}
	port->profile = flx_profile_find(up.info.driver_name);
	port->mtu = find_mtu(&up);
	choose(&up);
	error = check_room(&up);
	if (!error)
		error = configure(&up);
	if (!error)
		error = setup_queues(&up);
	if (!error)
		error = start(&up);
	if (!error)
		return 0;
	rte_eth_dev_close(port->id);
	if (spec->kind == FLX_PORT_PAIR)
		flx_pair_free(spec);
	return error;
}

/*
 * What waits in the port's queues goes back to its pools: net_ring frees its rings with the frames
 * in them. Bounded, since net_null never runs dry and a kernel interface may not.
 */
static void drain(const struct flx_port *port)
{
	struct rte_mbuf *frames[FLX_BATCH];

	for (uint16_t queue = 0; queue < port->rx_queues; queue++)
		for (uint32_t left = 2u * port->rx_descs; left > 0;) {
			uint16_t count = rte_eth_rx_burst(port->id, queue, frames, FLX_BATCH);

			if (count == 0)
				break;
			rte_pktmbuf_free_bulk(frames, count);
			left -= RTE_MIN(left, count);
		}
	/* A burst of nothing makes net_af_xdp take back what the kernel has sent. */
	for (uint16_t queue = 0; queue < port->tx_queues; queue++) {
		(void)rte_eth_tx_burst(port->id, queue, frames, 0);
		(void)rte_eth_tx_done_cleanup(port->id, queue, 0);
	}
}

uint32_t flx_port_stop(struct flx_port *port)
{
	int error;

	drain(port);
	error = rte_eth_dev_stop(port->id);
	if (error)
		flx_warn("port %s: does not stop: %s; closing it nevertheless", port->spec.text,
			 strerror(-error));
	error = rte_eth_dev_close(port->id);
	if (error)
		flx_warn("port %s: does not close: %s; the process may go on without it",
			 port->spec.text, strerror(-error));
	if (port->spec.kind == FLX_PORT_PAIR)
		flx_pair_free(&port->spec);
	return port->profile->kept * port->rx_queues;
}

int flx_port_counters(const struct flx_port *port, struct flx_port_counters *counters)
{
	struct rte_eth_stats stats;
	int error = rte_eth_stats_get(port->id, &stats);

	memset(counters, 0, sizeof(*counters));
	if (error)
		return error;
	counters->rx_packets = stats.ipackets;
	counters->rx_bytes = stats.ibytes;
	counters->tx_packets = stats.opackets;
	counters->tx_bytes = stats.obytes;
	counters->rx_missed = stats.imissed;
	counters->rx_nombuf = stats.rx_nombuf;
	counters->rx_errors = stats.ierrors;
	counters->tx_errors = stats.oerrors;
	counters->queues = RTE_MIN(port->rx_queues, (uint32_t)FLX_PORT_QUEUE_COUNTERS);
	for (uint32_t queue = 0; queue < counters->queues; queue++) {
		counters->queue_rx_packets[queue] = stats.q_ipackets[queue];
		counters->queue_tx_packets[queue] = stats.q_opackets[queue];
	}
	return 0;
}
