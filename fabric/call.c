/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * call - what handlers call, beyond the inline fast path of flx.h.
 *
 * A call's sends stand at the end of the worker's array and go nowhere until the handler has
 * succeeded. Messages that it made are listed in call->making, so that a failure can undo them.
 * Their number bounds that of the sends: each of them once, and the message given.
 */
#include "fabric/send.h"

/* The first failure is the one that is counted. */
static int fail(struct flx_call *call, int error)
{
	if (!call->error)
		call->error = error;
	call->unusual = 1;
	return error;
}

/*
 * Takes @msg out of the handler's hands: it is the one given, or one made in this call, and not
 * sent yet. 0 or -errno.
 */
static int take(struct flx_call *call, struct flx_msg *msg)
{
	if (msg == call->given.msg) {
		call->given.msg = FLX_MSG_SENT;
		return 0;
	}
	for (uint32_t i = 0; i < call->made; i++) {
		if (call->making[i] != msg)
			continue;
		if (call->made_sent & (1ull << i))
			break;
		call->made_sent |= 1ull << i;
		return 0;
	}
	return fail(call, -EINVAL);
}

static void put(struct flx_call *call, uint16_t fluxion, struct flx_msg *msg)
{
	*call->sends++ = (struct flx_elem){.msg = msg, .fluxion = fluxion};
}

/* Whatever the message, whatever the stream. */
static __rte_noinline int send_any(struct flx_call *call, uint32_t stream, struct flx_msg *msg)
{
	const struct flx_target *target = &call->targets[stream];
	const uint16_t *list;
	int error;

	if (stream >= FLX_STREAMS_MAX || !target->count)
		return fail(call, -EINVAL);
	error = take(call, msg);
	if (error)
		return error;
	if (target->count == 1) {
		put(call, (uint16_t)target->to, msg);
		return 0;
	}
	/* The first gets the message itself, after the copies have been made of it. */
	list = &call->worker->shared->registry->destinations[target->to];
	for (uint32_t i = 1; i < target->count; i++) {
		struct flx_msg *copy = flx_copy(call, msg);

		error = copy ? take(call, copy) : call->error;
		if (error)
			return error;
		put(call, list[i], copy);
	}
	put(call, list[0], msg);
	return 0;
}

/* Whether @msg is what the call made last, and has not been sent: as most that are made. */
static inline bool is_newest(const struct flx_call *call, const struct flx_msg *msg)
{
	uint32_t made = call->made;

	return made && call->making[made - 1] == msg && !(call->made_sent >> (made - 1));
}

int flx_send_slow(struct flx_call *call, uint32_t stream, struct flx_msg *msg)
{
	if (unlikely(stream >= FLX_STREAMS_MAX || call->targets[stream].count != 1 ||
		     !is_newest(call, msg)))
		return send_any(call, stream, msg);
	call->made_sent |= 1ull << (call->made - 1);
	put(call, (uint16_t)call->targets[stream].to, msg);
	return 0;
}

/* Bytes of UDP payload that @port carries in one packet. */
static uint32_t payload_max(const struct flx_edge_port *port)
{
	return port->mtu - 20u - 8u;
}

int flx_send_batch(struct flx_call *call, uint32_t stream, const struct flx_elem *batch,
		   uint32_t count)
{
	struct flx_elem *send = call->sends;
	uint16_t to;

	if (stream >= FLX_STREAMS_MAX || call->targets[stream].count != 1 || batch != call->batch ||
	    count > (size_t)(call->batch_end - batch))
		return fail(call, -EINVAL);
	to = (uint16_t)call->targets[stream].to;
	for (uint32_t i = 0; i < count; i++) {
		send[i] = batch[i];
		send[i].fluxion = to;
	}
	call->sends = send + count;
	call->batch = batch + count;
	return 0;
}

int flx_reply(struct flx_call *call, struct flx_msg *msg)
{
	const struct flx_edge_port *ports = call->worker->shared->edge;
	int error;

	if (likely(msg == call->given.msg))
		call->given.msg = FLX_MSG_SENT;
	else if ((error = take(call, msg)) != 0)
		return error;
	if (unlikely(flx_heads(msg).origin == FLX_ORIGIN_NONE))
		return fail(call, -ENOTCONN);
	if (unlikely(flx_size(msg) > payload_max(&ports[msg->mbuf.port])))
		return fail(call, -EMSGSIZE);
	put(call, FLX_FLUXION_UDP, msg);
	return 0;
}

/* Index of the port whose network @ip is on, else of the one with a gateway; -1: none. */
static int port_towards(const struct flx_shared *shared, rte_be32_t ip)
{
	for (uint32_t p = 0; p < shared->port_count; p++)
		if (shared->edge[p].mask &&
		    (ip & shared->edge[p].mask) == (shared->edge[p].ip & shared->edge[p].mask))
			return (int)p;
	for (uint32_t p = 0; p < shared->port_count; p++)
		if (shared->edge[p].gateway)
			return (int)p;
	return -1;
}

int flx_send_to(struct flx_call *call, struct flx_msg *msg, uint16_t from_port,
		const struct flx_udp_address *to)
{
	const struct flx_shared *shared = call->worker->shared;
	int port = port_towards(shared, to->ip);
	int error = take(call, msg);

	if (error)
		return error;
	if (port < 0)
		return fail(call, -ENETUNREACH);
	if (flx_size(msg) > payload_max(&shared->edge[port]))
		return fail(call, -EMSGSIZE);
	/* It no longer goes back to where it came from. */
	flx_set_heads(msg, (struct flx_heads){0});
	msg->mbuf.port = (uint16_t)port;
	msg->cold.to_ip = to->ip;
	msg->cold.to_port = to->port;
	msg->cold.from_port = rte_cpu_to_be_16(from_port);
	put(call, FLX_FLUXION_UDP, msg);
	return 0;
}

/* Buffers whose lines are asked for ahead of the one that is taken. */
#define ALLOC_AHEAD 6

/*
 * Asks for the lines that a message to come will be written to. Whoever ended it had them last, and most
 * calls that make one make more.
 */
static void ask_ahead(const struct rte_mempool_cache *cache)
{
	if (likely(cache && cache->len >= ALLOC_AHEAD)) {
		struct flx_msg *msg = cache->objs[cache->len - ALLOC_AHEAD];

		rte_prefetch0_write(msg);
		rte_prefetch0_write((uint8_t *)(msg + 1) + RTE_PKTMBUF_HEADROOM);
	}
}

/*
 * As rte_pktmbuf_reset, but for the second line: there `next` is NULL in every buffer of the pool, and
 * tx_offload means nothing without a flag.
 */
static void reset_mbuf(struct rte_mbuf *mbuf)
{
	mbuf->pkt_len = 0;
	mbuf->data_len = 0;
	mbuf->vlan_tci = 0;
	mbuf->port = RTE_MBUF_PORT_INVALID;
	mbuf->ol_flags &= RTE_MBUF_F_EXTERNAL;
	mbuf->packet_type = 0;
	mbuf->data_off = RTE_PKTMBUF_HEADROOM;
}

/* NULL: there is none. */
static struct flx_msg *take_buffer(const struct flx_worker *worker)
{
	void *buffer;

	if (unlikely(rte_mempool_generic_get(worker->shared->pool, &buffer, 1, worker->cache)))
		return NULL;
	ask_ahead(worker->cache);
	reset_mbuf(buffer);
	return buffer;
}

struct flx_msg *flx_alloc(struct flx_call *call)
{
	struct flx_worker *worker = call->worker;
	struct flx_msg *msg;

	if (call->made >= FLX_MADE_MAX) {
		fail(call, -EMSGSIZE);
		return NULL;
	}
	if (!flx_purse_has(&worker->purse, 1)) {
		fail(call, -ENOBUFS);
		return NULL;
	}
	msg = take_buffer(worker);
	if (!msg) {
		fail(call, -ENOBUFS);
		return NULL;
	}
	flx_purse_spend(&worker->purse, 1);
	flx_set_heads(msg, (struct flx_heads){0});
	call->making[call->made++] = msg;
	call->unusual = 1;
	return msg;
}

struct flx_msg *flx_copy(struct flx_call *call, const struct flx_msg *msg)
{
	uint32_t heads = flx_heads_size(flx_heads(msg));
	struct flx_msg *copy = flx_alloc(call);
	const uint8_t *from;

	if (!copy)
		return NULL;
	/* Same place in the buffer, so that the copy has the same room on both sides. */
	if (msg->mbuf.buf_len > copy->mbuf.buf_len &&
	    msg->mbuf.data_off + msg->mbuf.data_len > copy->mbuf.buf_len) {
		fail(call, -EMSGSIZE);
		return NULL;
	}
	copy->mbuf.data_off = msg->mbuf.data_off;
	copy->mbuf.data_len = msg->mbuf.data_len;
	copy->mbuf.pkt_len = msg->mbuf.data_len;
	copy->mbuf.port = msg->mbuf.port;
	copy->mbuf.hash = msg->mbuf.hash;
	copy->cold = msg->cold;
	from = rte_pktmbuf_mtod(&msg->mbuf, const uint8_t *) - heads;
	memcpy(rte_pktmbuf_mtod(&copy->mbuf, uint8_t *) - heads, from, heads + msg->mbuf.data_len);
	return copy;
}

int flx_delete(struct flx_call *call)
{
	if (!call->writable)
		return fail(call, -EINVAL);
	call->deletes = true;
	call->unusual = 1;
	return 0;
}

uint64_t flx_now_us(const struct flx_call *call)
{
	const struct flx_shared *shared = call->worker->shared;
	/* Seconds apart: cycles times a million would wrap after two hours. */
	uint64_t ran = call->worker->now_tsc - shared->start_tsc;

	return ran / shared->tsc_hz * 1000000 + ran % shared->tsc_hz * 1000000 / shared->tsc_hz;
}

/*
 * Whether @mbuf can go back to its pool as it is: nobody else has it, and it is one segment with its own
 * data, as every message is whose maker did nothing unusual. All of that is in its first line.
 */
static inline bool is_plain(const struct rte_mbuf *mbuf)
{
	bool plain = rte_mbuf_refcnt_read(mbuf) == 1 && RTE_MBUF_DIRECT(mbuf) && mbuf->nb_segs == 1;

	/* A driver that left it in a frame of one segment would hand it on to whoever has the buffer next. */
	FLX_ASSERT(!plain || !mbuf->next);
	return plain;
}

/* Gives @count buffers of @pool back. */
static void put_buffers(const struct flx_worker *worker, struct rte_mempool *pool,
			void *const *buffers, uint32_t count)
{
	if (likely(pool == worker->shared->pool))
		rte_mempool_generic_put(pool, buffers, count, worker->cache);
	else
		rte_mempool_put_bulk(pool, buffers, count);
}

void flx_worker_end(struct flx_worker *worker, struct flx_msg *msg)
{
	void *buffer = msg;

	if (likely(is_plain(&msg->mbuf)))
		put_buffers(worker, msg->mbuf.pool, &buffer, 1);
	else
		rte_pktmbuf_free(&msg->mbuf);
	flx_purse_return(&worker->purse, 1);
}

/* The same for all of a batch. */
static void end_batch(struct flx_worker *worker, const struct flx_elem *batch, uint32_t count)
{
	struct rte_mempool *pool = NULL;
	void *buffers[FLX_BATCH];
	uint32_t held = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct rte_mbuf *mbuf = &batch[i].msg->mbuf;

		if (i + FLX_PREFETCH_AHEAD < count)
			rte_prefetch0(batch[i + FLX_PREFETCH_AHEAD].msg);
		if (unlikely(!is_plain(mbuf))) {
			rte_pktmbuf_free(mbuf);
			continue;
		}
		if (unlikely(held && mbuf->pool != pool)) {
			put_buffers(worker, pool, buffers, held);
			held = 0;
		}
		pool = mbuf->pool;
		buffers[held++] = mbuf;
	}
	if (held)
		put_buffers(worker, pool, buffers, held);
	flx_purse_return(&worker->purse, count);
}

/* Ends the messages made in this call; only those not sent, when @unsent_only. Returns how many. */
static uint32_t end_made(struct flx_call *call, bool unsent_only)
{
	uint32_t ended = 0;

	for (uint32_t i = 0; i < call->made; i++) {
		if (unsent_only && (call->made_sent & (1ull << i)))
			continue;
		flx_worker_end(call->worker, call->making[i]);
		ended++;
	}
	return ended;
}

/* The call is over: nothing of it is left for the next. */
static uint32_t reset(struct flx_call *call, int error)
{
	call->unusual = 0;
	call->error = 0;
	call->made = 0;
	call->made_sent = 0;
	call->deletes = false;
	/* A positive result is a handler's mistake, and counts as failing under that errno. */
	return error < 0 ? 0u - (uint32_t)error : (uint32_t)error;
}

uint32_t flx_call_settle(struct flx_call *call, struct flx_elem *first, struct flx_msg *msg,
			 int result, struct flx_fluxion_stats *stats, bool *deletes)
{
	int error = call->error ? call->error : result;

	*deletes = call->deletes && !error;
	if (error) {
		call->sends = first;
		flx_worker_end(call->worker, msg);
		end_made(call, false);
	} else {
		if (call->given.msg != FLX_MSG_SENT) {
			flx_worker_end(call->worker, msg);
			stats->consumed++;
		}
		stats->generated += call->made;
		stats->consumed += end_made(call, true);
	}
	return reset(call, error);
}

uint32_t flx_call_settle_batch(struct flx_call *call, struct flx_elem *first,
			       const struct flx_elem *batch, int result,
			       struct flx_fluxion_stats *stats)
{
	int error = call->error ? call->error : result;
	/* On failure all of it ends here, sent or not; else what was not sent is consumed. */
	const struct flx_elem *rest = error ? batch : call->batch;

	end_batch(call->worker, rest, (uint32_t)(call->batch_end - rest));
	if (error) {
		call->sends = first;
		end_made(call, false);
	} else {
		stats->consumed += (uint64_t)(call->batch_end - rest);
		stats->generated += call->made;
		stats->consumed += end_made(call, true);
	}
	return reset(call, error);
}
