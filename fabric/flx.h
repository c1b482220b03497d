/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * flx - the one header that an app includes. It is the manual.
 *
 * An app is a *program*: a graph of *fluxions*, declared as data. A fluxion is a named function
 *that receives a *message*, works on a *context* that the fabric binds to it, and sends messages
 *on.
 *
 *	static int count(struct flx_call *call, struct flx_msg *msg, void *context)
 *	{
 *		uint64_t *seen = context;
 *
 *		++*seen;
 *		return flx_reply(call, msg);
 *	}
 *
 *	static struct flx_fluxion fluxions[] = {{
 *		.id = "count",
 *		.listen = {.udp = 7000},
 *		.key = {.extract = flx_key_client, .size = FLX_KEY_CLIENT_SIZE},
 *		.context = {.size = sizeof(uint64_t)},
 *		.handler = count,
 *	}};
 *
 *	struct flx_program flx_program = {.name = "count", FLX_FLUXIONS(fluxions)};
 *
 * Built as a shared object that exports flx_program, it runs with `flx run ./count.so`.
 *
 * What holds for every handler:
 *
 *  - It runs to completion on one worker, and never at the same time as another handler of its
 *group with the same key. It never waits, allocates from the heap, logs, or keeps state of its own.
 *  - It returns 0: its context changes and its sends happen. It returns a negative errno: neither
 *    happens, and the message is dropped and counted under that error. A call below that fails
 *makes the whole handler fail in the same way, even if the handler returns 0, so `return
 *flx_send(...)` and ignoring the result are both right.
 *  - It owns the message that it was given, and those that flx_alloc and flx_copy gave it, until it
 *    sends them. What it has not sent when it returns 0, it has consumed. After a send the message
 *    belongs to the fabric: no byte of it may be touched.
 *  - Messages from one slice of a fluxion to one slice of a fluxion are handled in the order sent.
 *
 * Context of every function here, unless it says otherwise: inside a handler, with that handler's
 * @call.
 */
#pragma once

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_byteorder.h>
#include <rte_mbuf.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bounds of a program. All are checked at start; none grows at run time (promise 7). */
#define FLX_ID_MAX	     31	 /* bytes of an id or a tag */
#define FLX_FLUXIONS_MAX     256 /* fluxions of one program */
#define FLX_TAGS_MAX	     4	 /* tags of one fluxion */
#define FLX_STREAMS_MAX	     8	 /* streams of one fluxion */
#define FLX_DESTINATIONS_MAX 64	 /* fluxions that one stream leads to */
#define FLX_MADE_MAX	     64 /* messages that one handler call may make, and send beside its own */
#define FLX_KEY_MAX	     40	  /* bytes of a key */
#define FLX_CONTEXT_MAX	     4096 /* bytes of a context */
#define FLX_TTL_MAX_MS	     (180ull * 24 * 3600 * 1000)

/* Slices of a group: unit of ownership and movement, a multiple of NIC indirection tables. */
#define FLX_SLICES 512

/* ------------------------------------------------------------------------------------- messages */

/*
 * A message: an mbuf of one segment. Its data is what the edge's protocol carried (the UDP
 * payload); the headers that it came with stay in front of the data, so that a reply can be made of
 * them in place. The fields below are the fabric's: an app uses the functions.
 */
struct flx_msg {
	struct rte_mbuf mbuf;
	/* Third cache line: cold. Destination of flx_send_to, read once by the edge. */
	struct {
		rte_be32_t to_ip;
		rte_be16_t to_port;
		rte_be16_t from_port;
	} cold;
} __rte_cache_aligned;

/* What stands in front of the data. Lives in the mbuf's first line (hash.fdir.hi), 4 bytes. */
struct flx_heads {
	uint8_t l2_size; /* bytes */
	uint8_t l3_size;
	uint8_t l4_size;
	uint8_t origin; /* enum flx_origin */
};

enum flx_origin {
	FLX_ORIGIN_NONE = 0, /* made by a handler: nobody to reply to */
	FLX_ORIGIN_UDP4 = 1, /* came as UDP over IPv4 over Ethernet */
	FLX_ORIGIN_ARP = 2,  /* an ARP packet, on its way to its fluxion: no handler sees one */
};

static_assert(sizeof(struct flx_heads) == sizeof(uint32_t), "shares hash.fdir.hi");

static inline struct flx_heads flx_heads(const struct flx_msg *msg)
{
	struct flx_heads heads;

	memcpy(&heads, &msg->mbuf.hash.fdir.hi, sizeof(heads));
	return heads;
}

static inline void flx_set_heads(struct flx_msg *msg, struct flx_heads heads)
{
	memcpy(&msg->mbuf.hash.fdir.hi, &heads, sizeof(heads));
}

static inline uint32_t flx_heads_size(struct flx_heads heads)
{
	return (uint32_t)heads.l2_size + heads.l3_size + heads.l4_size;
}

/* Bytes of data in @msg. */
static inline uint32_t flx_size(const struct flx_msg *msg)
{
	return msg->mbuf.data_len;
}

/*
 * flx_at - the @size bytes of @msg from @offset, or NULL when the message does not hold them all
 *
 * The pointer is good until the message is sent, prepended to or cut. A sum that would wrap is out
 * of bounds. May be used in key functions.
 */
static inline void *flx_at(const struct flx_msg *msg, uint32_t offset, uint32_t size)
{
	if (unlikely((uint64_t)offset + size > msg->mbuf.data_len))
		return NULL;
	return (uint8_t *)msg->mbuf.buf_addr + msg->mbuf.data_off + offset;
}

/*
 * flx_prepend - grow @msg by @size bytes in front; NULL, and no change, when there is no room
 *
 * Moves the headers of the origin (42 bytes) out of the way. Room is at least 86 bytes for a
 * message that came from an edge.
 */
static inline void *flx_prepend(struct flx_msg *msg, uint32_t size)
{
	struct rte_mbuf *mbuf = &msg->mbuf;
	uint32_t heads = flx_heads_size(flx_heads(msg));
	uint8_t *data = (uint8_t *)mbuf->buf_addr + mbuf->data_off;

	if (unlikely((uint64_t)size + heads > mbuf->data_off ||
		     (uint64_t)size + mbuf->data_len > UINT16_MAX))
		return NULL;
	if (likely(heads == 42)) {
		/*
		 * Ethernet, IPv4 and UDP without options, in three moves that overlap by 6 bytes. All
		 * loads before all stores: the new place may overlap the old one.
		 */
		uint8_t first[16], second[16], third[16];

		memcpy(first, data - 42, 16);
		memcpy(second, data - 26, 16);
		memcpy(third, data - 16, 16);
		memcpy(data - size - 42, first, 16);
		memcpy(data - size - 26, second, 16);
		memcpy(data - size - 16, third, 16);
	} else {
		memmove(data - size - heads, data - heads, heads);
	}
	mbuf->data_off = (uint16_t)(mbuf->data_off - size);
	mbuf->data_len = (uint16_t)(mbuf->data_len + size);
	mbuf->pkt_len = mbuf->data_len;
	return data - size;
}

/* flx_append - grow @msg by @size bytes at its end; NULL, and no change, when there is no room. */
static inline void *flx_append(struct flx_msg *msg, uint32_t size)
{
	struct rte_mbuf *mbuf = &msg->mbuf;
	uint32_t end = (uint32_t)mbuf->data_off + mbuf->data_len;

	if (unlikely((uint64_t)end + size > mbuf->buf_len))
		return NULL;
	mbuf->data_len = (uint16_t)(mbuf->data_len + size);
	mbuf->pkt_len = mbuf->data_len;
	return (uint8_t *)mbuf->buf_addr + end;
}

/* flx_cut_front - drop the first @size bytes of @msg; false, and no change, when it has fewer. */
static inline bool flx_cut_front(struct flx_msg *msg, uint32_t size)
{
	struct rte_mbuf *mbuf = &msg->mbuf;
	uint32_t heads = flx_heads_size(flx_heads(msg));
	uint8_t *data = (uint8_t *)mbuf->buf_addr + mbuf->data_off;

	if (unlikely(size > mbuf->data_len))
		return false;
	memmove(data + size - heads, data - heads, heads);
	mbuf->data_off = (uint16_t)(mbuf->data_off + size);
	mbuf->data_len = (uint16_t)(mbuf->data_len - size);
	mbuf->pkt_len = mbuf->data_len;
	return true;
}

/* flx_cut_back - drop the last @size bytes of @msg; false, and no change, when it has fewer. */
static inline bool flx_cut_back(struct flx_msg *msg, uint32_t size)
{
	struct rte_mbuf *mbuf = &msg->mbuf;

	if (unlikely(size > mbuf->data_len))
		return false;
	mbuf->data_len = (uint16_t)(mbuf->data_len - size);
	mbuf->pkt_len = mbuf->data_len;
	return true;
}

/* An address of the UDP edge; both in network byte order. */
struct flx_udp_address {
	rte_be32_t ip;
	rte_be16_t port;
};

/* flx_sender - who sent @msg, into @from; false when it came from no edge. */
bool flx_sender(const struct flx_msg *msg, struct flx_udp_address *from);

/* ---------------------------------------------------------------------------------- the program */

enum flx_stream_type {
	FLX_STREAM_NONE = 0,
	FLX_STREAM_START, /* >> a listener: fires many times, each begins a chain */
	FLX_STREAM_POST,  /* -> a continuation: carries one result of one chain */
};

/*
 * A stream leads to every fluxion in its list; with more than one, each gets a copy of its own. The
 * handler names it by its index in the declaration.
 */
struct flx_stream {
	enum flx_stream_type type;
	const char *to[FLX_DESTINATIONS_MAX]; /* ids; ends at the first NULL */
};

/*
 * flx_key_fn - write the key of @msg, exactly the declared size, to @key
 *
 * Returns 0, or a negative errno when the message has no key: it is then dropped and counted under
 * that error at the fluxion it was for. Pure: the same message always has the same key, or none.
 * Must not change the message. Context: any worker, twice per message.
 */
typedef int (*flx_key_fn)(const struct flx_msg *msg, void *key);

/* Key of the sender's IPv4 address. */
#define FLX_KEY_CLIENT_SIZE 4
int flx_key_client(const struct flx_msg *msg, void *key);

/*
 * Key of the flow: source and destination address, source and destination port. Placed by the
 * port's RSS hash, so the message is already where its context is: the chain makes no hop between
 * cores.
 */
#define FLX_KEY_FLOW_SIZE 12
int flx_key_flow(const struct flx_msg *msg, void *key);

/*
 * flx_handler_fn - handle @msg
 *
 * @call: this call; good until the handler returns
 * @msg: owned by the handler until it sends it
 * @context: the bound context, declared size, aligned to 8; NULL for a fluxion without one
 *
 * Returns 0, or a negative errno (see the top of this file).
 */
struct flx_call;
typedef int (*flx_handler_fn)(struct flx_call *call, struct flx_msg *msg, void *context);

/*
 * flx_batch_fn - handle @count messages in one call, in place of a flx_handler_fn
 *
 * @batch: 1..64 elements in the order they came; their messages are owned by the handler until it
 * sends them with flx_send_batch
 *
 * For a fluxion without a context that does little per message: the call then weighs more than the
 * work. All or nothing holds for the batch: 0, and all of it happens; a negative errno, and nothing
 * of it does: every message is dropped and counted under that error.
 */
struct flx_elem;
typedef int (*flx_batch_fn)(struct flx_call *call, const struct flx_elem *batch, uint32_t count);

struct flx_fluxion {
	const char *id; /* unique; [A-Za-z0-9_.-], at most FLX_ID_MAX bytes */

	/*
	 * Fluxions that share a tag are one *group*, and so are those that are joined by a chain of
	 * shared tags. A group has one key, which its fluxions inherit from any that declares it,
	 * and one set of contexts, which is bound where it is declared: everywhere the same, but a
	 * readonly one may give no more than its size. A fluxion without tags is its own group.
	 */
	const char *tags[FLX_TAGS_MAX];

	struct flx_stream streams[FLX_STREAMS_MAX];

	/* What makes this a start fluxion: the edge feeds it. Only such a one may own start
	 * streams. */
	struct {
		uint16_t udp; /* port, host byte order; 0: does not listen */
	} listen;

	/*
	 * With a key, there is one context per key. Without, the group has a single context, if
	 * any. A group with neither runs on every worker, and a message to it makes no hop.
	 */
	struct {
		flx_key_fn extract;
		uint32_t size; /* bytes, 1..FLX_KEY_MAX */
	} key;

	struct {
		uint32_t size; /* bytes, up to FLX_CONTEXT_MAX; 0: none */
		/* Fills a new context; zeroes when NULL. Must be pure. */
		void (*init)(void *context);
		/*
		 * Contexts of the group at first; 0: 65,536. With a limit, their memory grows ahead
		 * of need up to that, by as many at a time or, when they are more, by an eighth of
		 * what there is (and by 4,096 at least); without (0), it never grows. Then new keys
		 * are refused under ENOSPC; or, with evict, the context that was idle longest gives
		 * way, or one nearly as long. Both need a key. `--contexts` overrides the numbers.
		 */
		uint32_t capacity;
		uint32_t limit;
		bool evict;
		/*
		 * This fluxion only reads, whatever the others of its group do. Its handler gets
		 * the committed context itself, not a copy, and must not write to it. For a key
		 * without a context it gets one as init leaves it, and none is made.
		 */
		bool readonly;
		/*
		 * What a store file holds was written by a program of this version, or by another.
		 * upgrade makes a @context of this version of an @old one, of @old_size bytes, of
		 * the lower @version; 0, or -errno, which refuses the start. Must be pure. NULL:
		 * contexts of another version are refused.
		 */
		uint32_t version;
		int (*upgrade)(uint32_t version, const void *old, uint32_t old_size, void *context);
		/*
		 * A context that was not committed for so long is gone: the next message of its key
		 * finds a new one. In steps of 1/64 s, up to FLX_TTL_MAX_MS (180 days, or ages
		 * would wrap: context-store/clock.h); 0: never.
		 */
		uint64_t ttl_ms;
	} context;

	flx_handler_fn handler; /* one of the two */
	flx_batch_fn batch;	/* not with a context */
};

/* A setting that `--set name=value` changes. */
struct flx_setting {
	const char *name;
	const char *help; /* one line: values, meaning, default */
	/* Applies @value to the program before it is checked. 0, or -EINVAL: value is not
	 * understood. */
	int (*apply)(const char *value);
};

struct flx_program {
	uint64_t abi; /* FLX_ABI of the app's build; FLX_FLUXIONS sets it */
	const char *name;
	const char *about; /* one line */
	struct flx_fluxion *fluxions;
	uint32_t fluxion_count;
	const struct flx_setting *settings; /* ends at a NULL name; NULL: none */
};

#define FLX_FLUXIONS(array)                                                                        \
	.abi = FLX_ABI, .fluxions = (array), .fluxion_count = sizeof(array) / sizeof((array)[0])

/*
 * What an app's inline calls take for granted. A shared object that was built with another is
 * refused when it is loaded.
 */
#define FLX_ABI                                                                                    \
	((uint64_t)sizeof(struct flx_call) << 48 | (uint64_t)sizeof(struct flx_fluxion) << 24 |    \
	 (uint64_t)sizeof(struct flx_program) << 12 | sizeof(struct flx_msg))

/* The symbol that a shared-object app exports. */
extern struct flx_program flx_program;

/* ------------------------------------------------------------------------ the call of a handler */

/* Fluxion numbers of the fabric's own; an app's begin at FLX_FLUXION_FIRST. */
enum {
	FLX_FLUXION_NONE = 0,
	FLX_FLUXION_UDP, /* builds UDP/IPv4/Ethernet around a message */
	FLX_FLUXION_ARP, /* learns, resolves, holds what waits for an address */
	FLX_FLUXION_TX,	 /* a finished frame, for the port in mbuf.port */
	FLX_FLUXION_FIRST,
};

/* A message under way to a fluxion: the element of lanes and vectors. */
struct flx_elem {
	struct flx_msg *msg;
	uint16_t fluxion; /* number */
	uint16_t slice;	  /* of the fluxion's group */
	uint32_t flags;	  /* enum flx_elem_flag */
};

/* The slice is that of this key, which no handler can change: who comes next need not ask again. */
enum flx_elem_flag {
	FLX_ELEM_CLIENT_SLICE = 1, /* flx_key_client */
	FLX_ELEM_FLOW_SLICE = 2,   /* flx_key_flow */
};

static_assert(sizeof(struct flx_elem) == 16, "a lane moves it as one 128-bit word");

/* Where a stream leads, resolved. count 1: to is the number; else it indexes the program's list. */
struct flx_target {
	uint32_t to;
	uint32_t count; /* 0: no such stream */
};

/* In the place of the message given, once it is sent. Not NULL, which a handler might send. */
#define FLX_MSG_SENT ((struct flx_msg *)1)

/* A handler's call. The fabric's: an app uses the functions. One per worker, reused. */
struct flx_call {
	struct flx_elem given;	/* the message given, FLX_MSG_SENT once sent, and how it came */
	struct flx_elem *sends; /* next free place; committed when the handler succeeds */
	const struct flx_target *targets; /* FLX_STREAMS_MAX of them */
	uint32_t unusual;		  /* not 0: there is an error, or a message made */
	int error;			  /* first failure of a call below; 0: none */
	uint32_t made;			  /* messages allocated in this call */
	bool writable;			  /* there is a context, and the handler may change it */
	bool deletes;			  /* which ends when the handler succeeds */
	struct flx_worker *worker;
	const struct flx_elem *batch;	  /* of a flx_batch_fn: the first that is not sent */
	const struct flx_elem *batch_end; /* behind the last; neither is used in other calls */
	uint64_t made_sent;		  /* bit i: making[i] was sent */
	struct flx_msg *making[FLX_MADE_MAX];
};

/* Out of line: fan-out, allocated messages, and every misuse. */
int flx_send_slow(struct flx_call *call, uint32_t stream, struct flx_msg *msg);

/*
 * flx_send - send @msg on the stream declared at index @stream
 *
 * 0, and the message is the fabric's; it is delivered when the handler returns 0. To a single
 * destination, the message that the handler was given can always be sent. -EINVAL: no such stream,
 * or
 * @msg is not this handler's to send (sent before, perhaps); -ENOBUFS: no message or credit for the
 * copies of a fan-out; -EMSGSIZE: they would be more than FLX_MADE_MAX. A few cycles; touches no
 * byte of the message.
 */
static inline int flx_send(struct flx_call *call, uint32_t stream, struct flx_msg *msg)
{
	struct flx_elem *send = call->sends;

	if (unlikely(msg != call->given.msg || stream >= FLX_STREAMS_MAX ||
		     call->targets[stream].count != 1))
		return flx_send_slow(call, stream, msg);
	*send = call->given;
	send->fluxion = (uint16_t)call->targets[stream].to;
	call->given.msg = FLX_MSG_SENT;
	call->sends = send + 1;
	return 0;
}

/*
 * flx_send_batch - send @count messages of a flx_batch_fn's batch on the stream at index @stream
 * @batch: the first that is not sent yet; a batch is sent from its first message on, without gaps,
 *and what is left when the handler returns 0 is consumed
 *
 * As flx_send for each of them, in order. 0; -EINVAL: out of turn or beyond the batch, or the
 *stream has not just one destination. Context: inside a flx_batch_fn.
 */
int flx_send_batch(struct flx_call *call, uint32_t stream, const struct flx_elem *batch,
		   uint32_t count);

/*
 * flx_reply - send @msg back to whoever sent it (for a copy: whoever sent the original)
 *
 * 0, and the message is the fabric's. -EINVAL: not this handler's to send; -ENOTCONN: it came from
 * no edge; -EMSGSIZE: larger than the port's MTU carries.
 */
int flx_reply(struct flx_call *call, struct flx_msg *msg);

/*
 * flx_send_to - send @msg as a UDP datagram from our port @from_port (host byte order) to @to
 *
 * The edge resolves the next hop; a message that cannot be resolved is dropped as arp_unresolved.
 * 0; -EINVAL; -ENETUNREACH: on no port's network and no gateway; -EMSGSIZE.
 */
int flx_send_to(struct flx_call *call, struct flx_msg *msg, uint16_t from_port,
		const struct flx_udp_address *to);

/*
 * flx_alloc - a new message without data; NULL when there is no buffer or credit
 *
 * It begins a chain. Owned by the handler until sent; one not sent when the handler returns is
 * freed. NULL makes the handler fail under ENOBUFS.
 */
struct flx_msg *flx_alloc(struct flx_call *call);

/* flx_copy - a new message with the data and the origin of @msg; NULL as for flx_alloc. */
struct flx_msg *flx_copy(struct flx_call *call, const struct flx_msg *msg);

/*
 * flx_delete - end the bound context when the handler succeeds
 *
 * The next message of its key, or of a group without keys, finds a new one. What the handler writes
 * to it, before or after, is lost. 0; -EINVAL: the fluxion has no context, or only reads it.
 */
int flx_delete(struct flx_call *call);

/* flx_now_us - microseconds since the fabric started, read once per turn of the loop. */
uint64_t flx_now_us(const struct flx_call *call);

#ifdef __cplusplus
}
#endif
