/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/send.h"

/* A message that has no key: dropped at the fluxion that it was for. */
static void drop_keyless(struct flx_worker *worker, const struct flx_elem *elem, int error)
{
	struct flx_fluxion_stats *stats = &worker->stats->fluxion[elem->fluxion];

	stats->arrived++;
	flx_stats_fail(stats, 0u - (uint32_t)error);
	flx_worker_end(worker, elem->msg);
}

/* The slice of @elem from its key; false: it had none, and is gone. */
static inline bool find_slice(struct flx_worker *worker, const struct flx_fluxion_entry *fluxion,
			      struct flx_elem *elem)
{
	uint8_t key[FLX_KEY_MAX];
	int error;

	if (fluxion->mode == FLX_PLACE_FLOW) {
		/* One that no edge brought has no flow, and its hash is what its buffer's last had.
		 */
		if (unlikely(flx_heads(elem->msg).origin == FLX_ORIGIN_NONE)) {
			drop_keyless(worker, elem, -ENOTCONN);
			return false;
		}
		/* The edge has set it: the port's own, or the same made in software. */
		elem->slice = (uint16_t)(elem->msg->mbuf.hash.rss % FLX_SLICES);
	} else {
		error = flx_send_key(fluxion, elem->msg, key);
		if (unlikely(error)) {
			drop_keyless(worker, elem, error);
			return false;
		}
		elem->slice = flx_slice_of_key(key, fluxion->key_size);
	}
	elem->flags = fluxion->slice_flag;
	return true;
}

/* Slices of @elems; those without a key are dropped. Returns how many are left, moved together. */
static uint32_t find_slices(struct flx_worker *worker, const struct flx_fluxion_entry *fluxion,
			    struct flx_elem *elems, uint32_t count)
{
	uint32_t flag = fluxion->slice_flag, kept = 0;

	/* Known from an earlier fluxion of the chain with the same key: not touched. */
	while (flag && kept < count && elems[kept].flags == flag)
		kept++;
	for (uint32_t i = kept; i < count; i++) {
		if (i + FLX_PREFETCH_AHEAD < count)
			rte_prefetch0(elems[i + FLX_PREFETCH_AHEAD].msg);
		if (unlikely(!(flag && elems[i].flags == flag) &&
			     !find_slice(worker, fluxion, &elems[i])))
			continue;
		/* To itself it would wait for the narrow stores of find_slice: 18 cycles a message. */
		if (unlikely(kept != i))
			elems[kept] = elems[i];
		kept++;
	}
	return kept;
}

static void route_keyed(struct flx_worker *worker, struct flx_elem *elems, uint32_t count)
{
	uint32_t number = elems->fluxion;
	const struct flx_fluxion_entry *fluxion = &worker->fluxions[number];
	const struct flx_route *route = &worker->shared->routes->route[fluxion->group];

	count = find_slices(worker, fluxion, elems, count);
	while (count) {
		uint32_t owner = flx_route_owner(route, elems->slice), run = 1;

		while (run < count && flx_route_owner(route, elems[run].slice) == owner)
			run++;
		flx_send_push(worker, owner, number, elems, run);
		elems += run;
		count -= run;
	}
}

static void route_single(struct flx_worker *worker, struct flx_elem *elems, uint32_t count)
{
	uint32_t number = elems->fluxion;
	uint16_t group = worker->fluxions[number].group;
	uint16_t slice = worker->shared->registry->group[group].slice;

	for (uint32_t i = 0; i < count; i++) {
		elems[i].slice = slice;
		elems[i].flags = 0;
	}
	flx_send_push(worker, flx_route_owner(&worker->shared->routes->route[group], slice), number,
		      elems, count);
}

void flx_send_frames(struct flx_worker *worker, const struct flx_elem *elems, uint32_t count)
{
	while (count) {
		uint32_t port = elems->msg->mbuf.port, run = 1;
		struct flx_tx *tx = &worker->tx[port];

		while (run < count && elems[run].msg->mbuf.port == port)
			run++;
		if (likely(tx->has_queue))
			flx_fifo_push(&tx->frames, &worker->chunks, elems, run);
		else
			flx_send_push(worker, tx->owner, FLX_FLUXION_TX, elems, run);
		elems += run;
		count -= run;
	}
}

static void route_run(struct flx_worker *worker, struct flx_elem *elems, uint32_t count)
{
	uint32_t number = elems->fluxion;

	switch (number) {
	case FLX_FLUXION_UDP:
		flx_edge_send(worker->shared->edge, elems, count);
		if (unlikely(!worker->stats->first_answer_tsc))
			worker->stats->first_answer_tsc = rte_rdtsc();
		flx_worker_route(worker, elems, count); /* each is for TX or ARP now */
		return;
	case FLX_FLUXION_TX:
		flx_send_frames(worker, elems, count);
		return;
	case FLX_FLUXION_ARP:
		flx_send_push(worker, 0, FLX_FLUXION_ARP, elems, count); /* worker 0 runs it */
		return;
	}
	switch (worker->fluxions[number].mode) {
	case FLX_PLACE_LOCAL:
		flx_send_here(worker, number, elems, count);
		return;
	case FLX_PLACE_SINGLE:
		route_single(worker, elems, count);
		return;
	default:
		route_keyed(worker, elems, count);
	}
}

void flx_worker_route(struct flx_worker *worker, struct flx_elem *elems, uint32_t count)
{
	while (count) {
		uint32_t run = flx_send_run(elems, count);

		route_run(worker, elems, run);
		elems += run;
		count -= run;
	}
}
