/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/edge/arp.h"

#include <stdlib.h>

#include "fabric/edge/arp_packet.h"
#include "fabric/edge/ip.h"
#include "fabric/edge/neighbour.h"
#include "fabric/edge/udp.h"

#define ENTRIES_MAX 65536

/* Requests before an address is given up (RFC 1122 2.3.2.2 asks for no more than one a second). */
#define TRIES	 3
#define RETRY_US UINT64_C(1000000)

/* How long an answer holds before it is asked for again, in use all the while (RFC 1122 2.3.2.1).
 */
#define LIFETIME_US UINT64_C(60000000)

/*
 * How long nobody is asked for again after the last try. Without it a flow to a host that is off
 * would send three broadcasts after another; much longer would keep out a host that just came up.
 */
#define HOLD_DOWN_US UINT64_C(1000000)

/* Timers that one poll looks at, so that a turn of the loop stays short. */
#define POLL_BATCH 64

enum state {
	STATE_ASKING,	/* address not known, asked for; messages wait */
	STATE_KNOWN,	/* within its lifetime */
	STATE_RENEWING, /* lifetime over, asked for again, in use */
	STATE_FAILED,	/* nobody answered: hold-down */
	STATE_IDLE,	/* a gateway whose hold-down is over; in no queue */
	STATE_STATIC,
};

struct flx_arp {
	struct flx_neighbours table;
	/* By due time, since all in one queue have the same time to go when they enter. */
	struct flx_neighbour_queue asking; /* ASKING, RENEWING */
	struct flx_neighbour_queue known;
	struct flx_neighbour_queue failed;
	uint32_t waiting_max; /* for one address */
	struct rte_mempool *pool;
	/* Written by the ARP worker, read by any: the ledger's. */
	_Atomic uint32_t waiting;
};

/* The arguments of one call, and what has become of them. */
struct run {
	struct flx_arp *arp;
	const struct flx_edge_port *ports;
	uint64_t now_us;
	struct flx_elem *out;
	uint32_t out_size;
	uint32_t out_count;
	struct flx_drops *drops;
	uint64_t *made;
};

struct flx_arp *flx_arp_alloc(uint32_t entries, uint32_t waiting, struct rte_mempool *pool)
{
	struct flx_arp *arp;

	FLX_ASSERT(entries > 0 && entries <= ENTRIES_MAX);
	arp = calloc(1, sizeof(*arp));
	if (!arp)
		return NULL;
	if (flx_neighbours_init(&arp->table, entries))
		goto err_table;
	TAILQ_INIT(&arp->asking);
	TAILQ_INIT(&arp->known);
	TAILQ_INIT(&arp->failed);
	arp->waiting_max = waiting;
	arp->pool = pool;
	return arp;

err_table:
	free(arp);
	return NULL;
}

void flx_arp_free(struct flx_arp *arp)
{
	if (!arp)
		return;
	FLX_ASSERT(flx_arp_waiting(arp) == 0);
	flx_neighbours_fini(&arp->table);
	free(arp);
}

int flx_arp_add_static(struct flx_arp *arp, rte_be32_t ip, const struct rte_ether_addr *mac)
{
	struct flx_neighbour *neighbour = flx_neighbours_lookup(&arp->table, ip);

	if (!neighbour)
		neighbour = flx_neighbours_insert(&arp->table, ip);
	if (!neighbour)
		return -ENOSPC;
	neighbour->state = STATE_STATIC;
	flx_neighbour_set(neighbour, mac);
	return 0;
}

bool flx_arp_find(const struct flx_arp *arp, rte_be32_t ip, struct rte_ether_addr *mac)
{
	return flx_neighbours_find(&arp->table, ip, mac);
}

static void drop(struct flx_drops *drops, enum flx_drop reason, struct flx_msg *msg)
{
	drops->count[reason]++;
	rte_pktmbuf_free(&msg->mbuf);
}

static void emit(struct run *run, struct flx_msg *msg)
{
	if (run->out_count == run->out_size)
		drop(run->drops, FLX_DROP_arp_full, msg);
	else
		run->out[run->out_count++] =
			(struct flx_elem){.msg = msg, .fluxion = FLX_FLUXION_TX};
}

/* ----------------------------------------------------------------------------------- what waits */

static void add_waiting(struct flx_arp *arp, int32_t count)
{
	uint32_t waiting = atomic_load_explicit(&arp->waiting, memory_order_relaxed);

	/* One writer: no read-modify-write. Relaxed: a count, it orders nothing. */
	atomic_store_explicit(&arp->waiting, waiting + (uint32_t)count, memory_order_relaxed);
}

static void wait_for(struct flx_arp *arp, struct flx_neighbour *neighbour, struct flx_msg *msg)
{
	if (neighbour->waiting++ == 0)
		neighbour->first = msg;
	else
		neighbour->last->mbuf.next = &msg->mbuf;
	neighbour->last = msg;
	add_waiting(arp, 1);
}

/* The message that has waited longest for @neighbour, a whole mbuf again; NULL: none waits. */
static struct flx_msg *take_waiting(struct flx_arp *arp, struct flx_neighbour *neighbour)
{
	struct flx_msg *msg = neighbour->first;

	if (!msg)
		return NULL;
	neighbour->first = (struct flx_msg *)msg->mbuf.next;
	msg->mbuf.next = NULL;
	neighbour->waiting--;
	add_waiting(arp, -1);
	return msg;
}

static void send_waiting(struct run *run, struct flx_neighbour *neighbour,
			 const struct rte_ether_addr *mac)
{
	struct flx_msg *msg;

	while ((msg = take_waiting(run->arp, neighbour))) {
		flx_udp_send_to(&run->ports[msg->mbuf.port], msg, mac);
		emit(run, msg);
	}
}

static uint32_t drop_waiting(struct flx_arp *arp, struct flx_neighbour *neighbour,
			     struct flx_drops *drops)
{
	struct flx_msg *msg;
	uint32_t count = 0;

	for (; (msg = take_waiting(arp, neighbour)); count++)
		drop(drops, FLX_DROP_arp_unresolved, msg);
	return count;
}

/* ------------------------------------------------------------------------------------ one entry */

static struct flx_neighbour_queue *queue_of(struct flx_arp *arp,
					    const struct flx_neighbour *neighbour)
{
	switch ((enum state)neighbour->state) {
	case STATE_ASKING:
	case STATE_RENEWING:
		return &arp->asking;
	case STATE_KNOWN:
		return &arp->known;
	case STATE_FAILED:
		return &arp->failed;
	case STATE_IDLE:
	case STATE_STATIC:
		break;
	}
	return NULL;
}

/* Changes the state, and starts its timer. */
static void enter(struct run *run, struct flx_neighbour *neighbour, enum state state,
		  uint64_t delay_us)
{
	neighbour->state = (uint8_t)state;
	neighbour->due_us = run->now_us + delay_us;
	TAILQ_INSERT_TAIL(queue_of(run->arp, neighbour), neighbour, queue);
}

static void leave(struct run *run, struct flx_neighbour *neighbour)
{
	TAILQ_REMOVE(queue_of(run->arp, neighbour), neighbour, queue);
}

/*
 * Sends the next request and waits for its answer. The first request of a renewal goes to the
 * neighbour alone. A request that cannot be made, for want of a buffer or room, counts as a try:
 * its messages must not wait for ever.
 */
static void ask(struct run *run, struct flx_neighbour *neighbour, enum state state)
{
	struct rte_ether_addr mac;
	bool unicast = flx_neighbour_mac(neighbour, &mac) && neighbour->tries == 0;
	struct flx_msg *msg = NULL;

	neighbour->tries++;
	enter(run, neighbour, state, RETRY_US);
	if (run->out_count < run->out_size)
		msg = (struct flx_msg *)rte_pktmbuf_alloc(run->arp->pool);
	if (!msg)
		return;
	++*run->made;
	flx_arp_packet_ask(&run->ports[neighbour->port], msg, flx_neighbour_ip(neighbour),
			   unicast ? &mac : NULL);
	emit(run, msg);
}

static void forget(struct run *run, struct flx_neighbour *neighbour)
{
	leave(run, neighbour);
	flx_neighbours_remove(&run->arp->table, neighbour);
}

/* An entry for @hop; takes the place of the one that failed longest ago when none is free. */
static struct flx_neighbour *add_neighbour(struct run *run, const struct flx_edge_port *port,
					   rte_be32_t hop)
{
	struct flx_neighbour *neighbour, *victim;

	neighbour = flx_neighbours_insert(&run->arp->table, hop);
	if (!neighbour) {
		TAILQ_FOREACH(victim, &run->arp->failed, queue)
		if (!victim->is_gateway)
			break;
		if (!victim)
			return NULL;
		forget(run, victim);
		neighbour = flx_neighbours_insert(&run->arp->table, hop);
	}
	neighbour->port = port->index;
	neighbour->is_gateway = hop == port->gateway;
	return neighbour;
}

/* ------------------------------------------------------------------------------------- handling */

/* A message whose next hop was not known to the worker that sent it. */
static void handle_message(struct run *run, struct flx_msg *msg)
{
	const struct flx_edge_port *port = &run->ports[msg->mbuf.port];
	rte_be32_t hop = flx_ip_next_hop(port, msg->cold.to_ip);
	struct flx_neighbour *neighbour = flx_neighbours_lookup(&run->arp->table, hop);
	struct rte_ether_addr mac;

	if (neighbour && flx_neighbour_mac(neighbour, &mac)) {
		flx_udp_send_to(port, msg, &mac);
		emit(run, msg);
		return;
	}
	/* Nobody leads there; or we would ask the network who we are. */
	if (hop == 0 || hop == port->ip)
		goto unresolved;
	if (!neighbour) {
		neighbour = add_neighbour(run, port, hop);
		if (!neighbour)
			goto unresolved;
		ask(run, neighbour, STATE_ASKING);
	} else if (neighbour->state == STATE_FAILED) {
		goto unresolved;
	} else if (neighbour->state == STATE_IDLE) {
		neighbour->tries = 0;
		ask(run, neighbour, STATE_ASKING);
	}
	if (neighbour->waiting == run->arp->waiting_max)
		goto unresolved;
	wait_for(run->arp, neighbour, msg);
	return;

unresolved:
	drop(run->drops, FLX_DROP_arp_unresolved, msg);
}

/* Whether the reply answers a question of ours: where it was asked, and not yet answered. */
static bool is_answer(const struct flx_neighbour *neighbour, const struct flx_msg *msg)
{
	return neighbour &&
	       (neighbour->state == STATE_ASKING || neighbour->state == STATE_RENEWING) &&
	       neighbour->port == msg->mbuf.port &&
	       /* We ask without a tag: another VLAN's host is no neighbour. */
	       flx_heads(msg).l2_size == FLX_ETH_SIZE;
}

static void learn(struct run *run, struct flx_neighbour *neighbour,
		  const struct rte_ether_addr *mac)
{
	leave(run, neighbour);
	enter(run, neighbour, STATE_KNOWN, LIFETIME_US);
	flx_neighbour_set(neighbour, mac);
	send_waiting(run, neighbour, mac);
}

/* An ARP packet, checked by flx_arp_packet_recv. Returns how many ended here: 0 or 1. */
static uint64_t handle_packet(struct run *run, struct flx_msg *msg)
{
	struct rte_arp_hdr packet = flx_arp_packet(msg);
	struct flx_neighbour *neighbour;

	if (packet.arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST)) {
		flx_arp_packet_answer(&run->ports[msg->mbuf.port], msg);
		emit(run, msg);
		return 0;
	}
	neighbour = flx_neighbours_lookup(&run->arp->table, packet.arp_data.arp_sip);
	if (!is_answer(neighbour, msg)) {
		drop(run->drops, FLX_DROP_arp_unasked, msg);
		return 0;
	}
	learn(run, neighbour, &packet.arp_data.arp_sha);
	rte_pktmbuf_free(&msg->mbuf);
	return 1;
}

uint32_t flx_arp_handle(struct flx_arp *arp, const struct flx_edge_port *ports,
			const struct flx_elem *elems, uint32_t count, uint64_t now_us,
			struct flx_elem *out, uint32_t out_size, struct flx_drops *drops,
			uint64_t *made, uint64_t *consumed)
{
	struct run run = {arp, ports, now_us, out, out_size, 0, drops, made};

	for (uint32_t i = 0; i < count; i++) {
		if (flx_heads(elems[i].msg).origin == FLX_ORIGIN_ARP)
			*consumed += handle_packet(&run, elems[i].msg);
		else
			handle_message(&run, elems[i].msg);
	}
	return run.out_count;
}

/* --------------------------------------------------------------------------------------- timers */

/* No answer in time: the next try, or the end of it. */
static void on_silence(struct run *run, struct flx_neighbour *neighbour)
{
	leave(run, neighbour);
	if (neighbour->tries < TRIES) {
		ask(run, neighbour, neighbour->state);
		return;
	}
	flx_neighbour_set(neighbour, NULL);
	enter(run, neighbour, STATE_FAILED, HOLD_DOWN_US);
	drop_waiting(run->arp, neighbour, run->drops);
}

/*
 * Lifetime over. Whether anyone still sends to it is not known, since readers write nothing. So it
 * is asked again, except in a table that gets full: there it goes, and whoever needs it asks anew.
 */
static void on_expiry(struct run *run, struct flx_neighbour *neighbour)
{
	const struct flx_neighbours *table = &run->arp->table;

	if (table->taken * 4 > table->count * 3 && !neighbour->is_gateway) {
		forget(run, neighbour);
		return;
	}
	leave(run, neighbour);
	neighbour->tries = 0;
	ask(run, neighbour, STATE_RENEWING);
}

/* Hold-down over. A gateway keeps its entry, so that it can come back to a full table. */
static void on_release(struct run *run, struct flx_neighbour *neighbour)
{
	if (neighbour->is_gateway) {
		leave(run, neighbour);
		neighbour->state = STATE_IDLE;
	} else {
		forget(run, neighbour);
	}
}

static void poll_queue(struct run *run, struct flx_neighbour_queue *queue,
		       void (*on_due)(struct run *, struct flx_neighbour *))
{
	struct flx_neighbour *neighbour;

	for (uint32_t i = 0; i < POLL_BATCH && run->out_count < run->out_size; i++) {
		neighbour = TAILQ_FIRST(queue);
		if (!neighbour || neighbour->due_us > run->now_us)
			return;
		on_due(run, neighbour);
	}
}

uint32_t flx_arp_poll(struct flx_arp *arp, const struct flx_edge_port *ports, uint32_t port_count,
		      uint64_t now_us, struct flx_elem *out, uint32_t out_size,
		      struct flx_drops *drops, uint64_t *made)
{
	struct run run = {arp, ports, now_us, out, out_size, 0, drops, made};

	FLX_ASSERT(port_count > 0);
	(void)port_count;
	poll_queue(&run, &arp->asking, on_silence);
	poll_queue(&run, &arp->known, on_expiry);
	poll_queue(&run, &arp->failed, on_release);
	return run.out_count;
}

uint32_t flx_arp_waiting(const struct flx_arp *arp)
{
	return atomic_load_explicit(&arp->waiting, memory_order_relaxed);
}

uint32_t flx_arp_flush(struct flx_arp *arp, struct flx_drops *drops)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < arp->table.count; i++)
		count += drop_waiting(arp, &arp->table.entries[i], drops);
	return count;
}
