/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * drops - every reason for which a message or frame may be dropped, by name.
 *
 * One list: counters, ledger and documentation are made from it. A worker counts into its own
 * struct flx_drops; nobody else writes it.
 */
#pragma once

#include <stdint.h>

/* X(name, what happened) */
#define FLX_DROPS(X)                                                                               \
	X(l2_short, "frame ends inside its Ethernet header")                                       \
	X(l2_vlan, "VLAN tag cut short, or more than two tags")                                    \
	X(l2_source, "source address is ours, or a group address")                                 \
	X(l2_destination, "destination address is neither ours nor broadcast")                     \
	X(l2_type, "EtherType that no edge takes")                                                 \
	X(l2_segments, "several segments that do not fit one")                                     \
	X(ip_hdr, "IPv4 version or header length wrong")                                           \
	X(ip_len, "IPv4 total length below its header or beyond the frame")                        \
	X(ip_checksum, "IPv4 header checksum wrong")                                               \
	X(ip_opt, "IPv4 options malformed, or source route")                                       \
	X(ip_martian, "source address that no host may send from")                                 \
	X(ip_frag, "fragment")                                                                     \
	X(ip_destination, "destination address is not ours")                                       \
	X(ip_protocol, "protocol that no edge takes")                                              \
	X(udp_len, "UDP length below its header or beyond the packet")                             \
	X(udp_checksum, "UDP checksum wrong")                                                      \
	X(udp_port, "no fluxion listens on the port")                                              \
	X(icmp_malformed, "ICMP cut short or checksum wrong")                                      \
	X(icmp_type, "ICMP other than an echo request: ignored")                                   \
	X(arp_malformed, "ARP of another hardware or protocol, or cut short")                      \
	X(arp_unasked, "ARP for somebody else, or a reply that nobody asked for")                  \
	X(arp_conflict, "somebody else claims our address")                                        \
	X(arp_unresolved, "no answer for the next hop, or too many waiting for it")                \
	X(arp_full, "more answers and released messages of ARP at once than one batch holds")      \
	X(tx_stalled, "port takes no frames: link down or queue stuck for too long")               \
	X(stopped, "still in flight when the fabric was told to stop at once")

enum flx_drop {
#define X(name, text) FLX_DROP_##name,
	FLX_DROPS(X)
#undef X
		FLX_DROP_COUNT
};

struct flx_drops {
	uint64_t count[FLX_DROP_COUNT];
};

/* All drops together. */
static inline uint64_t flx_drops_sum(const struct flx_drops *drops)
{
	uint64_t sum = 0;

	for (int drop = 0; drop < FLX_DROP_COUNT; drop++)
		sum += drops->count[drop];
	return sum;
}

/* Name ("l2_short") and explanation of @drop; static strings. */
const char *flx_drop_name(enum flx_drop drop);
const char *flx_drop_text(enum flx_drop drop);
