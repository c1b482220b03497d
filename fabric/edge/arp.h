/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arp - addresses of neighbours: answers for ours, resolves what is asked for.
 *
 * A table of fixed size with one writer (the worker that runs the ARP fluxion) and any number of
 * readers (the other workers' edges), who see an entry whole or not at all. Only an answer to a
 * question of ours is learned; a static entry is never overwritten; an entry in use (resolved within
 * its lifetime) and the gateway's are never evicted for a new one. Messages that wait for an address
 * are bounded per address, and dropped as arp_unresolved after the last try.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_mempool.h>

#include "fabric/drops.h"
#include "fabric/edge/edge.h"

struct flx_arp;

/*
 * Room that the callers of flx_arp_handle and flx_arp_poll give: a batch of answers, each of which
 * releases what waited for it. 512 elements are 8 KiB of stack.
 */
#define FLX_ARP_OUT_MAX 512

/*
 * flx_arp_alloc - an empty table
 * @entries: neighbours at most, 1..65,536
 * @waiting: messages at most that wait for one address
 * @pool: requests are made from it; not owned. Its own, so that requests go out when RX has taken
 *	  every other buffer.
 * NULL when memory is short. Context: setup.
 */
struct flx_arp *flx_arp_alloc(uint32_t entries, uint32_t waiting, struct rte_mempool *pool);
void flx_arp_free(struct flx_arp *arp);

/* Adds an entry that stays. 0, or -ENOSPC. Context: setup. */
int flx_arp_add_static(struct flx_arp *arp, rte_be32_t ip, const struct rte_ether_addr *mac);

/*
 * The address of @ip into @mac; false when it is not known now. Never waits: while the writer is at
 * the entry, it is not known. Context: any worker; no shared write.
 */
bool flx_arp_find(const struct flx_arp *arp, rte_be32_t ip, struct rte_ether_addr *mac);

/*
 * flx_arp_handle - run the ARP fluxion on a batch
 * @elems: ARP packets (from flx_edge_recv), and messages whose next hop is not known (from
 *	   flx_edge_send)
 * @out: frames for FLX_FLUXION_TX: answers, requests, released messages. Room for @out_size; what
 *	 does not fit is dropped as arp_full (a reply releases up to @waiting of flx_arp_alloc)
 * @now_us: time, monotonic
 * @made: rises by the requests made; @consumed: by the packets that ended here (answers learned)
 *
 * flx_arp_poll is its clock: call it every few milliseconds; retries, expiry, drops.
 * Both return the number of elements in @out. Context: the one worker that runs it.
 */
uint32_t flx_arp_handle(struct flx_arp *arp, const struct flx_edge_port *ports,
			const struct flx_elem *elems, uint32_t count, uint64_t now_us,
			struct flx_elem *out, uint32_t out_size, struct flx_drops *drops,
			uint64_t *made, uint64_t *consumed);
uint32_t flx_arp_poll(struct flx_arp *arp, const struct flx_edge_port *ports, uint32_t port_count,
		      uint64_t now_us, struct flx_elem *out, uint32_t out_size,
		      struct flx_drops *drops, uint64_t *made);

/* Messages that wait in the table now (part of the ledger's in flight). */
uint32_t flx_arp_waiting(const struct flx_arp *arp);

/* Drops everything that waits, as arp_unresolved: the fabric is ending. Returns how many. */
uint32_t flx_arp_flush(struct flx_arp *arp, struct flx_drops *drops);
