/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * icmp - answers echo requests in place; ignores the rest (RFC 792, 1122 3.2.2.6).
 *
 * Nothing that an ICMP error quotes is believed: no path MTU is lowered, no flow ended.
 */
#pragma once

#include <stdint.h>

#include "fabric/edge/edge.h"
#include "fabric/edge/ip.h"
#include "fabric/edge/verdict.h"

/*
 * flx_icmp_recv - turn the echo request in @msg into its answer
 * @l2_size: bytes in front of the datagram
 * @ip: its sizes
 *
 * Taken: @msg is a finished frame for FLX_FLUXION_TX. Refused: unchanged. Its checksum is always
 * verified here: ports report UDP's and TCP's.
 */
struct flx_verdict flx_icmp_recv(const struct flx_edge_port *port, struct flx_msg *msg,
				 uint32_t l2_size, const struct flx_ip *ip);
