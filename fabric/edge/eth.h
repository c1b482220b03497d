/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * eth - Ethernet II with up to two VLAN tags (802.1Q, 802.1ad).
 *
 * Tags are carried, not understood: a reply keeps those of the frame that it answers. 802.3 frames
 * with a length instead of a type are refused. Addresses are read by bytes: an app may have moved a
 * frame's heads to an odd address.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include "fabric/edge/edge.h"
#include "fabric/edge/sum.h"
#include "fabric/edge/verdict.h"

#define FLX_ETH_SIZE	 14
#define FLX_ETH_TAG_SIZE 4
#define FLX_ETH_TAGS_MAX 2

/* Offsets into the header. */
#define FLX_ETH_DESTINATION 0
#define FLX_ETH_SOURCE	    6
#define FLX_ETH_TYPE	    12

/* An address in the low 48 bits, as it lies in memory. */
static inline uint64_t flx_eth_load(const uint8_t *mac)
{
	return (uint64_t)flx_load16(mac + 4) << 32 | flx_load32(mac);
}

static inline bool flx_eth_same(const uint8_t *a, const uint8_t *b)
{
	return flx_eth_load(a) == flx_eth_load(b);
}

static inline bool flx_eth_is_group(const uint8_t *mac)
{
	return mac[0] & 1;
}

/*
 * flx_eth_tags_size - bytes of VLAN tags in the frame of @size bytes (at least FLX_ETH_SIZE) at
 * @data
 *
 * UINT32_MAX when a tag is cut short or there are more than two.
 */
uint32_t flx_eth_tags_size(const uint8_t *data, uint32_t size);

/*
 * flx_eth_check - what is wrong with the addresses of the header at @data
 * @type: behind the tags, network order; only ARP may come by broadcast
 *
 * FLX_DROP_COUNT: nothing. The source is looked at first: a frame of our own that came back is told
 * by it.
 */
enum flx_drop flx_eth_check(const struct flx_edge_port *port, const uint8_t *data, rte_be16_t type);

/* Writes @destination (see flx_eth_load) and the port's address at @to, in two stores. */
static inline void flx_eth_put_addresses(const struct flx_edge_port *port, uint8_t *to,
					 uint64_t destination)
{
	uint64_t source = flx_eth_load(port->mac.addr_bytes);
	uint64_t front = destination | source << 48;
	uint32_t rest = (uint32_t)(source >> 16);

	memcpy(to, &front, sizeof(front));
	memcpy(to + sizeof(front), &rest, sizeof(rest));
}

/*
 * flx_eth_turn - make the header at @from, @l2_size bytes with its tags, one back to its sender, at
 * @to
 *
 * @to is @from, or above it and overlapping, when the header behind it shrinks.
 */
static inline void flx_eth_turn(const struct flx_edge_port *port, uint8_t *to, const uint8_t *from,
				uint32_t l2_size)
{
	uint64_t sender = flx_eth_load(from + FLX_ETH_SOURCE);

	if (unlikely(to != from))
		memmove(to, from, l2_size);
	flx_eth_put_addresses(port, to, sender);
}

/* Writes an untagged header at @to. */
static inline void flx_eth_put(const struct flx_edge_port *port, uint8_t *to, const uint8_t *mac,
			       rte_be16_t type)
{
	flx_eth_put_addresses(port, to, flx_eth_load(mac));
	memcpy(to + FLX_ETH_TYPE, &type, sizeof(type));
}

/*
 * flx_eth_set_offload - tell the port what to do with a finished frame, RTE_MBUF_F_TX_*
 *
 * The lengths are written only with something to do, since they lie in the mbuf's second line.
 */
static inline void flx_eth_set_offload(struct rte_mbuf *mbuf, uint64_t offload, uint32_t l2_size)
{
	/* What the buffer is stays; all that RX said of the frame goes. */
	mbuf->ol_flags = (mbuf->ol_flags & (RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT)) | offload;
	if (offload) {
		mbuf->tx_offload = 0;
		mbuf->l2_len = l2_size & 0x7f;
		mbuf->l3_len = sizeof(struct rte_ipv4_hdr);
	}
}

/*
 * flx_eth_finish - set the metadata of a finished frame of @size bytes that begins at @frame
 * @offload: as for flx_eth_set_offload
 *
 * Frames under 60 bytes are not padded: the MAC does that (IEEE 802.3 4.2.3.3), and the virtual
 * drivers carry short ones.
 */
static inline void flx_eth_finish(struct flx_msg *msg, const uint8_t *frame, uint32_t size,
				  uint64_t offload, uint32_t l2_size)
{
	struct rte_mbuf *mbuf = &msg->mbuf;

	mbuf->data_off = (uint16_t)(frame - (const uint8_t *)mbuf->buf_addr);
	mbuf->data_len = (uint16_t)size;
	mbuf->pkt_len = size;
	flx_eth_set_offload(mbuf, offload, l2_size);
}
