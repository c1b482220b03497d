/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd-config/profile.h"

#include <string.h>

#include <rte_ethdev.h>

/*
 * MBUF_FAST_FREE is wanted nowhere: it promises that all mbufs of a TX queue come from one pool and
 * have one reference, and flx sends from two pools (data and control, so that replies go out when
 * RX has taken all of the first).
 */
#define RX_CHECKSUMS (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM)
#define TX_CHECKSUMS (RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM)
/* The rest of IPv4 is spread as well, so that what flx will drop does not all fall on worker 0. */
#define RSS_TYPES                                                                                  \
	(RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_IPV4 |          \
	 RTE_ETH_RSS_FRAG_IPV4)

/* 1,024 descriptors bridge 70 us at 14.88 Mpps: a few turns of the loop. More leave the cache. */
#define NIC(name, descs, quirk)                                                                    \
	{                                                                                          \
		.driver = (name), .rx_descs = (descs), .tx_descs = (descs),                        \
		.rx_offloads = RX_CHECKSUMS | RTE_ETH_RX_OFFLOAD_RSS_HASH,                         \
		.tx_offloads = TX_CHECKSUMS, .rss_types = RSS_TYPES, .buffers = 2 * (descs),       \
		.quirks = (quirk)                                                                  \
	}

static const struct flx_profile profiles[] = {
	NIC("net_ice", 1024, NULL),
	NIC("net_i40e", 1024, NULL),
	NIC("net_ixgbe", 1024, "cannot hash UDP fragments apart from whole datagrams"),
	NIC("net_iavf", 1024, NULL),
	NIC("net_igc", 1024, NULL),
	NIC("net_e1000_igb", 1024, NULL),
	NIC("mlx5_pci", 1024,
	    "stays with its kernel driver; a new indirection table restarts flows"),
	NIC("net_bnxt", 1024, NULL),
	NIC("net_ena", 1024,
	    "hashes with a key of its own unless the instance type lets it be set"),
	NIC("net_virtio", 256, "the host chooses the ring size"),
	NIC("net_vmxnet3", 1024, NULL),
	{
		/*
		 * The ring sizes are the driver's own. Its fill ring takes 2,048 mbufs per queue
		 * and does not give them back on close; TX may hold 2,048 more. XDP keeps 256 bytes
		 * in front of each frame.
		 */
		.driver = "net_af_xdp",
		.rx_descs = 2048,
		.tx_descs = 2048,
		.buffers = 2048 + 2048,
		.kept = 2048,
		.room_lost = 256,
		.kernel = true,
		.rx_event = FLX_RX_XDP_SOCKET,
		.dense_pool = true,
		.quirks = "takes only the queues that ethtool -l calls combined; a veth has one",
	},
	{
		/*
		 * Frames are copied to and from rings shared with the kernel, made with
		 * framesz=2048: 66 of these bytes are the kernel's header, and 32 are what the
		 * driver takes off before it compares with the mbuf.
		 */
		.driver = "net_af_packet",
		.rx_descs = 1024,
		.tx_descs = 1024,
		.room_min = 2016,
		.frame_max = 2048 - 66,
		.kernel = true,
		.rx_event = FLX_RX_PACKET_SOCKET,
		.quirks = "the kernel's drops are not in its counters; its sender's segmentation "
			  "offloads must be off",
	},
	{
		/*
		 * One read, one frame: descriptors are only the segments of a scattered frame. One
		 * queue: with more, the kernel moves a flow to the queue that last sent to it
		 * (tun_flow_update), so that frames on the way in the old queue are overtaken.
		 */
		.driver = "net_tap",
		.max_queues = 1,
		.rx_descs = 16,
		.tx_descs = 16,
		.buffers = 16,
		.kernel = true,
		.rx_event = FLX_RX_INTERRUPT,
		.quirks = "complains of multiq, flow rules and a secondary: flx needs none of them",
	},
	{
		.driver = "net_pcap",
		.rx_descs = 256,
		.tx_descs = 256,
		.max_queues = 1,
		.quirks = "counts frames it was too busy to take as errors",
	},
	{
		/* Its rings hold 1,024 frames each. */
		.driver = "net_ring",
		.rx_descs = 1024,
		.tx_descs = 1024,
		.buffers = 1024,
	},
	{
		.driver = "net_null",
		.rx_descs = 256,
		.tx_descs = 256,
		.rss_types = RSS_TYPES,
		.quirks = "every poll brings a burst of empty frames",
	},
	NIC("", 1024, NULL),
};

const struct flx_profile *flx_profile_find(const char *driver)
{
	const struct flx_profile *row = profiles;

	while (row->driver[0] != '\0' && strcmp(row->driver, driver) != 0)
		row++;
	return row;
}
