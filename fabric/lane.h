/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lane - the ring from one worker to another, with a staging queue in front.
 *
 * Single producer, single consumer. All streams that cross this pair of cores share it, in the order
 * sent. A send goes to staging and never fails; a flush at the end of the producer's turn moves what
 * fits onto the ring and leaves the rest, in order, for the next turn.
 *
 * A lane counts *put* when an element is routed to it, staged or not, and *taken* when the consumer
 * has moved it off the ring: put - taken are on the way. While a slice moves, its source looks at
 * both ends of lanes: put is seen after a grace period (pulse.h), taken as below.
 *
 *			written by	read by
 *	staging		producer	producer
 *	put		producer	producer, source of a move
 *	taken		consumer	consumer, source of a move
 *	ring		both		both
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>

#include <rte_ring_elem.h>
#include <rte_ring_peek_zc.h>

#include "fabric/fifo.h"

/*
 * Elements from which a put goes past staging. Fewer, and an enqueue's shared lines weigh more than
 * the copy that it saves.
 */
#define FLX_LANE_DIRECT 32

struct flx_lane {
	struct rte_ring *ring; /* 16-byte elements */
	alignas(FLX_CACHE_LINE) struct flx_fifo staging;
	_Atomic uint64_t put;
	alignas(FLX_CACHE_LINE) _Atomic uint64_t taken;
};

/*
 * flx_lane_init - a lane of @size elements (a power of two; the ring holds all of them)
 * @name: for who looks at the ring
 * @staging_pool: of the producing worker; staging's chunks come from it
 * 0, or -errno. Context: setup.
 */
int flx_lane_init(struct flx_lane *lane, const char *name, uint32_t size, int numa,
		  struct flx_chunk_pool *staging_pool);
void flx_lane_fini(struct flx_lane *lane);

/*
 * flx_lane_put_count, flx_lane_taken_count - elements ever routed to the lane, and taken off it
 * Who sees a count of taken knows that its elements lie with the consumer, in a queue or handled:
 * acquire, pairs with the release in flx_lane_take. Context: any thread.
 */
static inline uint64_t flx_lane_put_count(const struct flx_lane *lane)
{
	return atomic_load_explicit(&lane->put, memory_order_relaxed);
}

static inline uint64_t flx_lane_taken_count(const struct flx_lane *lane)
{
	return atomic_load_explicit(&lane->taken, memory_order_acquire);
}

/*
 * flx_lane_put - route @count elements to the lane. Never fails. Context: producer.
 *
 * What is not behind staged elements goes straight onto the ring, as far as it fits, if it is enough
 * to be worth the two shared lines that an enqueue touches; the rest is staged.
 * The ring's store-release of its tail publishes the elements and the messages behind them; the
 * consumer's load-acquire in flx_lane_peek is its counterpart.
 */
static inline void flx_lane_put(struct flx_lane *lane, struct flx_chunk_pool *pool,
				const struct flx_elem *elems, uint32_t count)
{
	atomic_store_explicit(&lane->put, flx_lane_put_count(lane) + count, memory_order_relaxed);
	if (count >= FLX_LANE_DIRECT && !lane->staging.count) {
		uint32_t took = rte_ring_sp_enqueue_burst_elem(lane->ring, elems, sizeof(*elems),
							       count, NULL);

		elems += took;
		count -= took;
	}
	flx_fifo_push(&lane->staging, pool, elems, count);
}

/*
 * flx_lane_flush - move what fits from staging onto the ring
 * Publishes as flx_lane_put does. Context: producer.
 */
static inline void flx_lane_flush(struct flx_lane *lane, struct flx_chunk_pool *pool)
{
	while (lane->staging.count) {
		struct flx_elem *elems;
		uint32_t row = flx_fifo_peek(&lane->staging, &elems);
		uint32_t took = rte_ring_sp_enqueue_burst_elem(lane->ring, elems, sizeof(*elems),
							       row, NULL);

		flx_fifo_pop(&lane->staging, pool, took);
		if (took < row)
			break;
	}
}

/*
 * flx_lane_peek - look at the elements at the head of the ring, in place
 * @parts: they lie in one or two rows; the second has 0 elements when there is but one
 * Returns how many, at most @count. Until flx_lane_take they stay the ring's, and readable.
 * Context: consumer.
 */
struct flx_lane_part {
	struct flx_elem *elems;
	uint32_t count;
};

static inline uint32_t flx_lane_peek(struct flx_lane *lane, struct flx_lane_part parts[2],
				     uint32_t count)
{
	struct rte_ring_zc_data zc = {0};
	uint32_t got = rte_ring_dequeue_zc_burst_elem_start(lane->ring, sizeof(struct flx_elem),
							    count, &zc, NULL);

	parts[0] = (struct flx_lane_part){.elems = zc.ptr1, .count = zc.n1};
	parts[1] = (struct flx_lane_part){.elems = zc.ptr2, .count = got - zc.n1};
	return got;
}

/* flx_lane_take - take off the ring what flx_lane_peek returned: @count. Context: consumer. */
static inline void flx_lane_take(struct flx_lane *lane, uint32_t count)
{
	rte_ring_dequeue_zc_elem_finish(lane->ring, count);
	atomic_store_explicit(&lane->taken,
			      atomic_load_explicit(&lane->taken, memory_order_relaxed) + count,
			      memory_order_release);
}

/* Elements on the ring; more may be coming. Context: consumer. */
static inline uint32_t flx_lane_count(const struct flx_lane *lane)
{
	const struct rte_ring *ring = lane->ring;

	/* As rte_ring_count, but with a load that says that the producer may be writing. */
	return __atomic_load_n(&ring->prod.tail, __ATOMIC_RELAXED) - ring->cons.tail;
}
