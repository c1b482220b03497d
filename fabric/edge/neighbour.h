/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * neighbour - the table behind arp: a fixed number of entries, found by IPv4 address.
 *
 * One writer, the worker that runs the ARP fluxion; any number of readers. Entries hang in chains
 *by hash. A reader takes an entry only if its sequence did not change meanwhile and its address is
 *the one sought, so it never sees half an entry or another's. It may miss one, when the writer
 *moves entries under it: then its message goes to the ARP fluxion, which looks for itself. So a
 *reader never waits and never loops.
 *
 *	line	written by	read by
 *	0	ARP worker	all workers	rarely: a neighbour is learned, changes or goes
 *	1..	ARP worker	ARP worker	state, timer, what waits
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <rte_byteorder.h>
#include <rte_ether.h>

#include "fabric/base.h"

struct flx_msg;

#define FLX_NEIGHBOUR_NONE UINT32_MAX

struct flx_neighbour {
	/* Odd while ip and mac are written. */
	alignas(FLX_CACHE_LINE) _Atomic uint32_t sequence;
	_Atomic rte_be32_t ip;
	_Atomic uint64_t mac; /* the six bytes as they lie in memory, then two of 0; 0: not known */
	_Atomic uint32_t next; /* index, FLX_NEIGHBOUR_NONE: last of its chain */

	alignas(FLX_CACHE_LINE) TAILQ_ENTRY(flx_neighbour) queue; /* of those with the same timer */
	uint64_t due_us;
	struct flx_msg *first; /* what waits for the address, linked by mbuf.next */
	struct flx_msg *last;
	uint32_t waiting; /* messages */
	uint16_t port;	  /* index; where it was asked for */
	uint8_t state;	  /* arp's */
	uint8_t tries;	  /* requests sent since it was last known */
	bool is_gateway;
};

static_assert(offsetof(struct flx_neighbour, queue) == FLX_CACHE_LINE,
	      "readers share line 0 alone");

TAILQ_HEAD(flx_neighbour_queue, flx_neighbour);

struct flx_neighbours {
	_Atomic uint32_t *chains; /* first entry of each; as many as entries */
	struct flx_neighbour *entries;
	uint32_t count;
	struct flx_neighbour_queue free; /* the writer's */
	uint32_t taken;
};

/* 0, or -ENOMEM. @count: 1..65,536. Context of both: setup. */
int flx_neighbours_init(struct flx_neighbours *table, uint32_t count);
void flx_neighbours_fini(struct flx_neighbours *table);

/* The address of @ip into @mac; false when it is not known. Context: any; writes nothing shared. */
bool flx_neighbours_find(const struct flx_neighbours *table, rte_be32_t ip,
			 struct rte_ether_addr *mac);

/* The entry of @ip, known or not; NULL: none. Context of these four: the writer. */
struct flx_neighbour *flx_neighbours_lookup(struct flx_neighbours *table, rte_be32_t ip);
/* A new entry for @ip, which has none; its address is not known. NULL: none is free. */
struct flx_neighbour *flx_neighbours_insert(struct flx_neighbours *table, rte_be32_t ip);
/* Takes the entry out of its chain; it must be in no queue, and nothing may wait for it. */
void flx_neighbours_remove(struct flx_neighbours *table, struct flx_neighbour *neighbour);
/* Publishes the address; NULL: not known any more. */
void flx_neighbour_set(struct flx_neighbour *neighbour, const struct rte_ether_addr *mac);

static inline rte_be32_t flx_neighbour_ip(const struct flx_neighbour *neighbour)
{
	return atomic_load_explicit(&neighbour->ip, memory_order_relaxed);
}

/* The address into @mac; false when it is not known. Context: the writer. */
static inline bool flx_neighbour_mac(const struct flx_neighbour *neighbour,
				     struct rte_ether_addr *mac)
{
	uint64_t word = atomic_load_explicit(&neighbour->mac, memory_order_relaxed);

	memcpy(mac, &word, sizeof(*mac));
	return word != 0;
}
