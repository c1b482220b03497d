/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dispatch - runs handlers in batches.
 */
#include <rte_cycles.h>

#include "fabric/send.h"

/*
 * Messages in a run from a lane that are a batch of their own. Fewer, and the batch's fixed costs
 * weigh more than the copy into a vector that it saves.
 */
#define DIRECT 16

/* Routes the batch's sends so far. */
static void commit_sends(struct flx_worker *worker)
{
	struct flx_call *call = &worker->call;

	flx_worker_route(worker, worker->sends, (uint32_t)(call->sends - worker->sends));
	call->sends = worker->sends;
}

/* The context that a handler works on. Its type is NULL where there is none to commit. */
struct binding {
	struct flx_context_type *type;
	struct flx_record *record;
	uint16_t slice;
};

/*
 * What is left to do after a call that failed, made messages, kept its own, or deletes its context.
 * Then its context is committed as in the common case, and so are the sends when they become many.
 * 0, or the errno.
 */
static uint32_t settle(struct flx_worker *worker, struct flx_elem *first, struct flx_msg *msg,
		       int result, const struct binding *bound, struct flx_fluxion_stats *stats)
{
	bool deletes;
	uint32_t error = flx_call_settle(&worker->call, first, msg, result, stats, &deletes);

	if (error) {
		flx_stats_fail(stats, error);
		return error;
	}
	if (bound->type && deletes)
		flx_context_delete(bound->type, worker->index, bound->slice, bound->record);
	else if (bound->type)
		flx_context_commit(bound->type, worker->index, bound->record);
	if (worker->call.sends >= &worker->sends[FLX_BATCH])
		commit_sends(worker);
	return 0;
}

/*
 * Runs the handler for one message; 0, or the errno that it failed under. After a failure nothing
 * of it is left; after success its context is committed, before its sends can go.
 */
static inline __attribute__((always_inline)) uint32_t handle(struct flx_worker *worker,
							     flx_handler_fn handler,
							     const struct flx_elem *elem,
							     struct binding bound, void *context,
							     struct flx_fluxion_stats *stats)
{
	struct flx_call *call = &worker->call;
	struct flx_elem *first = call->sends;
	int result;

	call->given = *elem;
	result = handler(call, elem->msg, context);
	/* The common case: sent its message, made none, failed nowhere. */
	if (unlikely(result || call->unusual || call->given.msg != FLX_MSG_SENT))
		return settle(worker, first, elem->msg, result, &bound, stats);
	if (bound.type)
		flx_context_commit(bound.type, worker->index, bound.record);
	return 0;
}

static uint32_t run_plain(struct flx_worker *worker, const struct flx_fluxion_entry *fluxion,
			  const struct flx_elem *elems, uint32_t count,
			  struct flx_fluxion_stats *stats)
{
	flx_handler_fn handler = fluxion->handler;
	uint32_t bad = 0;

	for (uint32_t i = 0; i < count; i++)
		if (unlikely(handle(worker, handler, &elems[i], (struct binding){0}, NULL, stats)))
			bad++;
	return count - bad;
}

/* A batch handler's whole batch in one call; how many succeeded: all or none. */
static uint32_t run_whole(struct flx_worker *worker, const struct flx_fluxion_entry *fluxion,
			  const struct flx_elem *elems, uint32_t count,
			  struct flx_fluxion_stats *stats)
{
	struct flx_call *call = &worker->call;
	struct flx_elem *first = call->sends;
	uint32_t error;
	int result;

	call->given.msg = FLX_MSG_SENT; /* none that flx_send takes */
	call->batch = elems;
	call->batch_end = elems + count;
	result = fluxion->batch(call, elems, count);
	if (likely(!result && !call->unusual && call->batch == call->batch_end))
		return count;
	error = flx_call_settle_batch(call, first, elems, result, stats);
	if (!error)
		return count;
	for (uint32_t i = 0; i < count; i++)
		flx_stats_fail(stats, error);
	return 0;
}

/* Moves what is left of a batch together, in batch_elems, for @elems may lie on a lane. */
static uint32_t close_up(struct flx_worker *worker, const struct flx_elem **elems, uint32_t count,
			 uint32_t key_size, uint64_t gone)
{
	uint8_t *keys = worker->batch_keys;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < count; i++) {
		if (gone & 1ull << i)
			continue;
		worker->batch_elems[kept] = (*elems)[i];
		worker->batch_slices[kept] = worker->batch_slices[i];
		memmove(keys + kept * key_size, keys + i * key_size, key_size);
		kept++;
	}
	*elems = worker->batch_elems;
	return kept;
}

/*
 * Keys of a batch, one after the other, and each message's lines on their way into the cache. A
 * message whose key function fails, though it did not when the message was routed, is dropped.
 * Returns how many are left; if not all, @elems become these.
 */
static uint32_t gather_keys(struct flx_worker *worker, const struct flx_fluxion_entry *fluxion,
			    const struct flx_elem **elems, uint32_t count,
			    struct flx_fluxion_stats *stats)
{
	const struct flx_elem *elem = *elems;
	uint32_t size = fluxion->key_size;
	uint64_t gone = 0;

	for (uint32_t i = 0; i < count; i++) {
		int error;

		if (i + FLX_PREFETCH_AHEAD < count)
			rte_prefetch0(elem[i + FLX_PREFETCH_AHEAD].msg);
		worker->batch_slices[i] = elem[i].slice;
		if (!size)
			continue;
		error = flx_send_key(fluxion, elem[i].msg, worker->batch_keys + i * size);
		if (unlikely(error)) {
			flx_stats_fail(stats, 0u - (uint32_t)error);
			flx_worker_end(worker, elem[i].msg);
			gone |= 1ull << i;
		}
	}
	return likely(!gone) ? count : close_up(worker, elems, count, size, gone);
}

static_assert(FLX_BATCH <= 64, "gone is one word");

/* Contexts of a fluxion that only reads: no copy, and none is made. */
static uint32_t run_readonly(struct flx_worker *worker, const struct flx_fluxion_entry *fluxion,
			     const struct flx_elem *elems, uint32_t count,
			     struct flx_fluxion_stats *stats)
{
	const struct flx_context_type *type = worker->shared->context_types[fluxion->group];
	struct flx_record **records = worker->batch_records;
	uint32_t bad = 0;

	count = gather_keys(worker, fluxion, &elems, count, stats);
	flx_context_find(type, worker->batch_slices, worker->batch_keys, count, records);
	for (uint32_t i = 0; i < count; i++) {
		const void *context;

		if (i + FLX_CONTEXT_AHEAD < count)
			flx_context_ask(type, records[i + FLX_CONTEXT_AHEAD]);
		context = flx_context_view(type, worker->index, records[i]);

		/* A handler's context is not const: most write it. */
		if (unlikely(handle(worker, fluxion->handler, &elems[i], (struct binding){0},
				    (void *)(uintptr_t)context, stats)))
			bad++;
	}
	return count - bad;
}

static uint32_t run_context(struct flx_worker *worker, const struct flx_fluxion_entry *fluxion,
			    const struct flx_elem *elems, uint32_t count,
			    struct flx_fluxion_stats *stats)
{
	struct flx_context_type *type = worker->shared->context_types[fluxion->group];
	struct flx_record **records = worker->batch_records;
	uint16_t *slices = worker->batch_slices;
	uint8_t *keys = worker->batch_keys;
	uint32_t good = 0;

	count = gather_keys(worker, fluxion, &elems, count, stats);
	flx_context_bind(type, worker->index, slices, keys, count, records);
	for (uint32_t i = 0; i < count; i++) {
		struct binding bound = {type, records[i], slices[i]};
		void *context;

		if (i + FLX_CONTEXT_AHEAD < count)
			flx_context_ask(type, records[i + FLX_CONTEXT_AHEAD]);
		if (unlikely(!records[i])) {
			flx_stats_fail(stats, ENOSPC);
			flx_worker_end(worker, elems[i].msg);
			continue;
		}
		context = flx_context_open(type, worker->index, slices[i], records[i]);
		if (likely(!handle(worker, fluxion->handler, &elems[i], bound, context, stats)))
			good++;
	}
	flx_context_settle(type, worker->index);
	return good;
}

/* ARP packets, and messages that wait for an address; frames come out. */
static uint32_t run_arp(struct flx_worker *worker, const struct flx_elem *elems, uint32_t count)
{
	struct flx_shared *shared = worker->shared;
	struct flx_stats *stats = worker->stats;
	struct flx_elem out[FLX_ARP_OUT_MAX];
	uint64_t now_us = flx_now_us(&worker->call), made = 0, consumed = 0;
	uint64_t dropped = flx_drops_sum(&stats->drops);
	uint32_t frames;

	frames = flx_arp_handle(shared->arp, shared->edge, elems, count, now_us, out,
				FLX_ARP_OUT_MAX, &stats->drops, &made, &consumed);
	stats->edge_generated += made;
	stats->edge_consumed += consumed;
	flx_purse_spend(&worker->purse, made);
	flx_purse_return(&worker->purse, consumed + flx_drops_sum(&stats->drops) - dropped);
	flx_worker_route(worker, out, frames);
	return count;
}

void flx_worker_handle(struct flx_worker *worker, uint32_t number, const struct flx_elem *elems,
		       uint32_t count)
{
	const struct flx_fluxion_entry *fluxion = &worker->fluxions[number];
	struct flx_fluxion_stats *stats = &worker->stats->fluxion[number];
	uint32_t good;

	atomic_store_explicit(&worker->pulse.fluxion, number, memory_order_relaxed);
	worker->call.targets = fluxion->targets;
	worker->call.writable = fluxion->has_context && !fluxion->readonly;
	if (unlikely(number == FLX_FLUXION_ARP)) {
		good = run_arp(worker, elems, count);
	} else if (unlikely(number == FLX_FLUXION_TX)) {
		flx_send_frames(worker, elems, count);
		good = count;
	} else if (fluxion->has_context && fluxion->readonly) {
		good = run_readonly(worker, fluxion, elems, count, stats);
	} else if (fluxion->has_context) {
		good = run_context(worker, fluxion, elems, count, stats);
	} else if (fluxion->batch) {
		good = run_whole(worker, fluxion, elems, count, stats);
	} else {
		good = run_plain(worker, fluxion, elems, count, stats);
	}
	stats->handled += good;
	worker->handled += count;
	commit_sends(worker);
	atomic_store_explicit(&worker->pulse.fluxion, FLX_FLUXION_NONE, memory_order_relaxed);
}

/*
 * Whether all slices of @elems are this worker's to handle, as nearly always. Looked at for every
 * message, also while nothing moves: one that is handled by two workers would be torn in silence. Four
 * at a time, which are three instructions each.
 */
static bool all_live(const struct flx_worker *worker, const struct flx_fluxion_entry *fluxion,
		     const struct flx_elem *elems, uint32_t count)
{
	const struct flx_flags *flags = &worker->mover.flags[fluxion->group];
	uint32_t found = FLX_SLICE_LIVE, i = 0;

	for (; i + 4 <= count; i += 4)
		found |= flx_flag(flags, elems[i].slice) | flx_flag(flags, elems[i + 1].slice) |
			 flx_flag(flags, elems[i + 2].slice) | flx_flag(flags, elems[i + 3].slice);
	for (; i < count; i++)
		found |= flx_flag(flags, elems[i].slice);
	return found == FLX_SLICE_LIVE;
}

/* The same, and its cycles go to the account of its slices. */
static void handle_measured(struct flx_worker *worker, uint32_t number,
			    const struct flx_elem *elems, uint32_t count)
{
	uint64_t begin_tsc = rte_rdtsc();

	flx_worker_handle(worker, number, elems, count);
	flx_load_count(&worker->load, worker->fluxions[number].group, elems, count,
		       rte_rdtsc() - begin_tsc);
}

/* Handles what is this worker's to handle of a batch. */
static void run_batch(struct flx_worker *worker, uint32_t number, const struct flx_elem *elems,
		      uint32_t count)
{
	const struct flx_fluxion_entry *fluxion = &worker->fluxions[number];

	if (fluxion->mode == FLX_PLACE_LOCAL) {
		flx_worker_handle(worker, number, elems, count);
		return;
	}
	if (unlikely(!all_live(worker, fluxion, elems, count)))
		count = flx_worker_sift(worker, fluxion, &elems, count);
	if (unlikely(!count))
		return;
	if (worker->load.measures)
		handle_measured(worker, number, elems, count);
	else
		flx_worker_handle(worker, number, elems, count);
}

/* Whether a move of ours waits for that vector. */
static bool is_waited(const struct flx_worker *worker, uint32_t number)
{
	const struct flx_fluxion_entry *fluxion = &worker->fluxions[number];

	return fluxion->mode != FLX_PLACE_LOCAL && worker->mover.vectors_waited[fluxion->group];
}

/* A batch off the head of a fluxion's vector. */
static uint32_t run_vector(struct flx_worker *worker, uint32_t number)
{
	struct flx_fifo *vector = &worker->vectors[number];
	struct flx_elem *elems;
	uint32_t count = flx_fifo_peek(vector, &elems);

	if (unlikely(count > worker->batch) && !is_waited(worker, number))
		count = worker->batch;
	run_batch(worker, number, elems, count);
	flx_fifo_pop(vector, &worker->chunks, count);
	if (!vector->count)
		worker->pending[number / 64] &= ~(1ull << (number % 64));
	return count;
}

void flx_worker_sort(struct flx_worker *worker, const struct flx_elem *elems, uint32_t count)
{
	for (uint32_t run; count; elems += run, count -= run) {
		uint32_t number = elems->fluxion;

		run = flx_send_run(elems, count);
		if (run >= DIRECT && !worker->vectors[number].count) {
			worker->stats->fluxion[number].arrived += run;
			run_batch(worker, number, elems, run);
		} else {
			flx_send_here(worker, number, elems, run);
		}
	}
}

void flx_worker_push(struct flx_worker *worker, const struct flx_elem *elems, uint32_t count)
{
	for (uint32_t run; count; elems += run, count -= run) {
		run = flx_send_run(elems, count);
		flx_send_here(worker, elems->fluxion, elems, run);
	}
}

uint32_t flx_worker_dispatch(struct flx_worker *worker)
{
	const uint32_t words = sizeof(worker->pending) / sizeof(worker->pending[0]);
	uint32_t handled = 0;

	/*
	 * In the order of numbers, and each word is read again after each batch: a chain declared
	 * in order runs from end to end in one turn. A fluxion runs at most once per turn, so that
	 * none starves.
	 */
	for (uint32_t w = 0; w < words; w++) {
		uint64_t not_yet = ~0ull;

		while (worker->pending[w] & not_yet) {
			uint32_t bit = (uint32_t)__builtin_ctzll(worker->pending[w] & not_yet);

			handled += run_vector(worker, w * 64 + bit);
			not_yet &= bit == 63 ? 0 : ~0ull << (bit + 1);
		}
	}
	return handled;
}
