/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/edge/icmp.h"

#include "fabric/edge/eth.h"

#define ICMP_HEADER_SIZE 8

/* Offsets into the header. */
#define ICMP_TYPE     0
#define ICMP_CHECKSUM 2

enum {
	ICMP_TYPE_ECHO_REPLY = 0,
	ICMP_TYPE_ECHO_REQUEST = 8,
};

/* Changes the type, and the checksum by the difference (RFC 1624 equation 3). */
static void put_type(uint8_t *icmp, uint8_t type)
{
	uint64_t sum = (uint16_t)~flx_load16(icmp + ICMP_CHECKSUM);
	uint16_t checksum;

	sum += (uint16_t)~flx_load16(icmp + ICMP_TYPE);
	icmp[ICMP_TYPE] = type;
	sum += flx_load16(icmp + ICMP_TYPE);
	checksum = flx_sum_finish(sum);
	memcpy(icmp + ICMP_CHECKSUM, &checksum, sizeof(checksum));
}

struct flx_verdict flx_icmp_recv(const struct flx_edge_port *port, struct flx_msg *msg,
				 uint32_t l2_size, const struct flx_ip *ip)
{
	uint8_t *frame = rte_pktmbuf_mtod(&msg->mbuf, uint8_t *);
	uint8_t *icmp = frame + l2_size + ip->header_size;
	uint32_t size = ip->size - ip->header_size;
	struct flx_ip_path path = flx_ip_turn(frame + l2_size);
	uint8_t *answer = icmp - FLX_IP_SIZE - l2_size;
	uint64_t offload;

	if (size < ICMP_HEADER_SIZE || flx_sum_fold(flx_sum_bytes(0, icmp, size)) != 0xffff)
		return flx_refuse(FLX_DROP_icmp_malformed);
	if (icmp[ICMP_TYPE] != ICMP_TYPE_ECHO_REQUEST)
		return flx_refuse(FLX_DROP_icmp_type);
	put_type(icmp, ICMP_TYPE_ECHO_REPLY);
	flx_eth_turn(port, answer, frame, l2_size);
	offload = flx_ip_put(port, icmp - FLX_IP_SIZE, &path, FLX_IP_SIZE + size);
	flx_eth_finish(msg, answer, l2_size + FLX_IP_SIZE + size, offload, l2_size);
	return flx_take(FLX_FLUXION_TX);
}
