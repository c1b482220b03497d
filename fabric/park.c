/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * park - messages of slices that are not live here: parked while the slice is on its way to this
 * worker, sent on when it has left; and those parked, handled once it has come. See move.h.
 */
#include <rte_cycles.h>

#include "fabric/send.h"

/*
 * Messages parked by one worker above which nobody admits anything new, and below which all do
 * again, as shares of its share of all credits. A healthy move parks a few hundred at most, so this is
 * for one that is stuck. All workers together park a fourth of all credits then: more, and what a
 * move needs to go on might find no credit.
 */
#define HOLD_SHARE    4
#define RELEASE_SHARE 8

/* Once per turn in which something is parked, or was. */
static void update_hold(struct flx_worker *worker)
{
	struct flx_shared *shared = worker->shared;
	uint64_t own = 1ull << worker->index;
	bool holds = atomic_load_explicit(&shared->hold, memory_order_relaxed) & own;
	uint32_t share =
		shared->credit_count / shared->worker_count / (holds ? RELEASE_SHARE : HOLD_SHARE);

	if (likely(holds == (worker->mover.parked_count > share)))
		return;
	if (holds)
		atomic_fetch_and_explicit(&shared->hold, ~own, memory_order_relaxed);
	else
		atomic_fetch_or_explicit(&shared->hold, own, memory_order_relaxed);
}

static void park(struct flx_worker *worker, const struct flx_elem *elem, uint32_t number)
{
	struct flx_parking *parking = &worker->mover.parking[number];

	if (!parking->since_tsc)
		parking->since_tsc = rte_rdtsc();
	parking->count++;
	parking->turn++;
	flx_fifo_push(&parking->queue, &worker->chunks, elem, 1);
	worker->mover.parked_count++;
	worker->stats->parked++;
}

/* It arrived here, but is not handled here: the worker that it goes to counts it. */
static void forward(struct flx_worker *worker, const struct flx_fluxion_entry *fluxion,
		    const struct flx_elem *elem)
{
	const struct flx_route *route = &worker->shared->routes->route[fluxion->group];
	uint32_t owner = flx_route_owner(route, elem->slice);

	worker->stats->fluxion[elem->fluxion].arrived--;
	worker->stats->forwarded++;
	flx_send_push(worker, owner, elem->fluxion, elem, 1);
}

uint32_t flx_worker_sift(struct flx_worker *worker, const struct flx_fluxion_entry *fluxion,
			 const struct flx_elem **elems, uint32_t count)
{
	const struct flx_flags *flags = &worker->mover.flags[fluxion->group];
	uint32_t kept = 0;

	for (uint32_t i = 0; i < count; i++) {
		const struct flx_elem *elem = &(*elems)[i];
		uint32_t flag = flx_flag(flags, elem->slice);

		if (flag == FLX_SLICE_LIVE)
			worker->batch_elems[kept++] = *elem;
		else if (flag == FLX_SLICE_DEPARTED)
			forward(worker, fluxion, elem);
		else
			park(worker, elem, flag - FLX_SLICE_ARRIVING);
	}
	*elems = worker->batch_elems;
	return kept;
}

/* The move that @elem's bucket arrives by; 0: none, or it came by no flow. */
static uint32_t bucket_flag(const struct flx_worker *worker, uint32_t port,
			    const struct flx_elem *elem)
{
	uint32_t size = worker->shared->queues[port].reta_size;
	const _Atomic uint8_t *buckets = worker->mover.buckets[port];

	if (size == 0 || flx_heads(elem->msg).origin != FLX_ORIGIN_UDP4)
		return 0;
	return atomic_load_explicit(&buckets[elem->msg->mbuf.hash.rss & (size - 1)],
				    memory_order_relaxed);
}

uint32_t flx_worker_sift_buckets(struct flx_worker *worker, uint32_t port, struct flx_elem *elems,
				 uint32_t count)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t flag = bucket_flag(worker, port, &elems[i]);

		if (flag)
			park(worker, &elems[i], flag - FLX_SLICE_ARRIVING);
		else
			elems[kept++] = elems[i];
	}
	return kept;
}

static bool is_of_buckets(const struct flx_worker *worker, uint32_t number)
{
	return worker->shared->migrate.move[number].request.kind == FLX_MOVE_BUCKETS;
}

/* Those of @elems, which were parked, go on: slices are handled here, buckets not routed yet. */
static void go_on(struct flx_worker *worker, uint32_t number, struct flx_elem *elems,
		  uint32_t count)
{
	struct flx_elem batch[FLX_BATCH];

	if (!is_of_buckets(worker, number)) {
		flx_worker_handle(worker, elems->fluxion, elems, count);
		return;
	}
	memcpy(batch, elems, count * sizeof(*elems));
	flx_worker_route(worker, batch, count);
}

/* From the head of what was parked for move @number, up to @most. */
static uint32_t drain(struct flx_worker *worker, uint32_t number, uint32_t most)
{
	struct flx_fifo *parked = &worker->mover.parking[number].queue;
	struct flx_elem *elems;
	uint32_t done = 0, row;

	while (done < most && (row = flx_fifo_peek(parked, &elems)) != 0) {
		uint32_t run = flx_send_run(elems, RTE_MIN(row, most - done));

		go_on(worker, number, elems, run);
		flx_fifo_pop(parked, &worker->chunks, run);
		done += run;
	}
	worker->mover.parked_count -= done;
	return done;
}

uint32_t flx_worker_unpark(struct flx_worker *worker)
{
	struct flx_migrate *migrate = &worker->shared->migrate;
	uint64_t moves = atomic_load_explicit(&worker->mover.incoming, memory_order_acquire);
	uint32_t work = 0;

	for (; moves; moves &= moves - 1) {
		uint32_t number = (uint32_t)__builtin_ctzll(moves);
		struct flx_parking *parking = &worker->mover.parking[number];
		/* More than came in the last turn, so that there is an end. */
		uint32_t most = FLX_BATCH + parking->turn;

		parking->turn = 0;
		if (!flx_migrate_arrive(migrate, worker->index, number, worker->now_tsc))
			continue;
		work += drain(worker, number, most);
		if (!parking->queue.count)
			flx_migrate_drained(migrate, worker->index, number, rte_rdtsc());
	}
	update_hold(worker);
	return work;
}

uint32_t flx_worker_count_parked(const struct flx_worker *worker, uint32_t *pending)
{
	for (uint32_t m = 0; worker->mover.parked_count && m < FLX_MOVES_MAX; m++)
		if (worker->mover.parking[m].queue.count && !is_of_buckets(worker, m))
			flx_fifo_count(&worker->mover.parking[m].queue, pending);
	return worker->mover.parked_count;
}

/* Drops all of @fifo, as stopped. */
static void abandon(struct flx_worker *worker, struct flx_fifo *fifo)
{
	struct flx_elem *elems;
	uint32_t row;

	while ((row = flx_fifo_peek(fifo, &elems)) != 0) {
		for (uint32_t i = 0; i < row; i++)
			flx_worker_end(worker, elems[i].msg);
		worker->stats->drops.count[FLX_DROP_stopped] += row;
		flx_fifo_pop(fifo, &worker->chunks, row);
	}
}

void flx_worker_abandon_parked(struct flx_worker *worker)
{
	struct flx_migrate *migrate = &worker->shared->migrate;
	uint32_t counts[FLX_FLUXION_FIRST + FLX_FLUXIONS_MAX] = {0};

	for (uint32_t m = 0; m < FLX_MOVES_MAX; m++) {
		struct flx_move *move = &migrate->move[m];

		if (!is_of_buckets(worker, m))
			flx_fifo_count(&worker->mover.parking[m].queue, counts);
		abandon(worker, &worker->mover.parking[m].queue);
		/* Handed over for an undo: by us, and to nobody yet; or with only the chunks left. */
		if (!move->given.head || move->request.to != worker->index)
			continue;
		if (flx_migrate_state(migrate, m) == FLX_MOVE_BACK_GIVEN) {
			worker->stats->put -= move->given.count;
			abandon(worker, &move->given);
		}
		flx_fifo_fini(&move->given, &worker->chunks);
	}
	/* Of those that arrived here, none is pending any more. */
	for (uint32_t f = 0; f < worker->stats->fluxion_count; f++)
		worker->stats->fluxion[f].arrived -= counts[f];
	worker->mover.parked_count = 0;
}
