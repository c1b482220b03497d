/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_edge SEED COUNT - feeds the edge COUNT random and damaged frames, the same for the same
 * SEED.
 *
 * Every verdict is held against a parser of its own, written from the RFCs without regard to speed,
 * and against the ledger. What is taken goes on, back out or through ARP, and every frame that
 * leaves is checked. At the end every buffer must be back in the pool. Exit status 1 names the
 * frame that failed.
 */
#include <inttypes.h>

#include <rte_ip.h>

#include "fabric/edge/arp.h"
#include "tests/eal.h"
#include "tests/frame.h"
#include "tests/fuzz_frame.h"

#define POOL_SIZE   4095
#define ARP_OUT	    1024
#define ARP_ENTRIES 64
#define PORTS	    4 /* ours is the last */

static struct {
	uint64_t state; /* of the random numbers */
	uint64_t frame; /* number of the current one */
	struct rte_mempool *pool;
	struct flx_edge_port ports[PORTS];
	struct flx_drops drops;
	uint64_t in, made, out, consumed, taken;
	uint64_t now_us;
} fuzz;

static struct flx_edge_port *const port = &fuzz.ports[PORTS - 1];

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr,                                                            \
				"fuzz_edge: frame %" PRIu64 ": %s does not hold, line %d\n",       \
				fuzz.frame, #condition, __LINE__);                                 \
			exit(EXIT_FAILURE);                                                        \
		}                                                                                  \
	} while (0)

/* A number below @limit. */
static uint32_t below(uint32_t limit)
{
	return fuzz_below(&fuzz.state, limit);
}

/* ------------------------------------------------------------------------------------ frames in */

static struct rte_mbuf *to_mbuf(const struct frame *frame)
{
	switch (below(4)) {
	case 0:
		return frame_to_heap(fuzz.pool, frame->bytes, frame->size);
	case 1:
		return frame_to_segments(fuzz.pool, frame->bytes, frame->size,
					 below(frame->size + 1));
	default:
		return frame_to_mbuf(fuzz.pool, frame->bytes, frame->size);
	}
}

/* ----------------------------------------------------------------------------- the other parser */

static bool is_good_option_list(const uint8_t *option, uint32_t size)
{
	while (size && *option) {
		uint32_t length = *option == 1 ? 1 : size > 1 ? option[1] : 0;

		if (*option == 131 || *option == 137 || length > size ||
		    (*option != 1 && length < 2))
			return false;
		option += length;
		size -= length;
	}
	return true;
}

/* The fluxion that takes the datagram of @size bytes, and its data's size; 0: none. */
static uint32_t judge_ip(const uint8_t *ip, uint32_t size, uint32_t *left)
{
	uint32_t header, length, source, l4;

	if (size < 20 || ip[0] >> 4 != 4)
		return 0;
	header = (ip[0] & 0xf) * 4u;
	length = frame_get(ip + 2, 2);
	source = frame_get(ip + 12, 4);
	if (header < 20 || header > length || length > size || frame_sum(ip, header, 0) != 0xffff ||
	    !is_good_option_list(ip + 20, header - 20))
		return 0;
	if (source >> 24 == 0 || source >> 24 == 127 || source >> 28 == 0xe ||
	    source == 0xffffffff || source == 0x0a0102ff || source == FRAME_OUR_IP ||
	    frame_get(ip + 16, 4) != FRAME_OUR_IP || frame_get(ip + 6, 2) & 0x3fff)
		return 0;
	l4 = length - header;
	*left = 20 + l4;
	if (l4 < 8)
		return 0;
	if (ip[9] == IPPROTO_ICMP)
		return ip[header] == 8 && frame_l4_sum(ip) == 0xffff ? FLX_FLUXION_TX : 0;
	if (ip[9] != IPPROTO_UDP)
		return 0;
	*left = frame_get(ip + header + 4, 2) - 8;
	if (*left > l4 - 8 || frame_get(ip + header + 2, 2) != FRAME_LISTENER)
		return 0;
	return frame_get(ip + header + 6, 2) == 0 || frame_l4_sum(ip) == 0xffff ? FRAME_FLUXION : 0;
}

static uint32_t judge_arp(const uint8_t *arp, uint32_t size)
{
	static const uint8_t nobody[6];

	return size >= 28 && frame_get(arp, 4) == 0x00010800 && frame_get(arp + 4, 2) == 0x0604 &&
			       (frame_get(arp + 6, 2) == 1 || frame_get(arp + 6, 2) == 2) &&
			       !(arp[8] & 1) && memcmp(arp + 8, nobody, 6) &&
			       memcmp(arp + 8, &frame_our_mac, 6) &&
			       frame_get(arp + 14, 4) != FRAME_OUR_IP &&
			       frame_get(arp + 24, 4) == FRAME_OUR_IP
		       ? FLX_FLUXION_ARP
		       : 0;
}

static uint32_t judge(const struct frame *frame, uint32_t *left)
{
	static const uint8_t broadcast[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	const uint8_t *bytes = frame->bytes;
	uint32_t at = 12, type, fluxion;

	for (;; at += 4) {
		if (frame->size < at + 2 || at > 20)
			return 0;
		type = frame_get(bytes + at, 2);
		if (type != 0x8100 && type != 0x88a8)
			break;
	}
	at += 2;
	if (bytes[6] & 1 || !memcmp(bytes + 6, &frame_our_mac, 6) ||
	    (memcmp(bytes, &frame_our_mac, 6) && (type != 0x0806 || memcmp(bytes, broadcast, 6))))
		return 0;
	*left = 28;
	if (type == 0x0806)
		return judge_arp(bytes + at, frame->size - at);
	if (type != 0x0800)
		return 0;
	fluxion = judge_ip(bytes + at, frame->size - at, left);
	if (fluxion == FLX_FLUXION_TX)
		*left += at;
	return fluxion;
}

/* ------------------------------------------------------------------------------- what comes out */

static void check_mbuf(const struct rte_mbuf *mbuf)
{
	CHECK(mbuf->nb_segs == 1 && !mbuf->next && mbuf->port == port->index);
	CHECK(mbuf->pkt_len == mbuf->data_len);
	CHECK((uint32_t)mbuf->data_off + mbuf->data_len <= mbuf->buf_len);
}

/* A frame that leaves: from us, whole, its checksums right. */
static void finish(struct flx_elem *elem)
{
	struct rte_mbuf *mbuf = &elem->msg->mbuf;
	const uint8_t *bytes = rte_pktmbuf_mtod(mbuf, const uint8_t *), *ip;
	uint32_t l2_size = 14;

	CHECK(elem->fluxion == FLX_FLUXION_TX);
	check_mbuf(mbuf);
	CHECK((mbuf->ol_flags & ~RTE_MBUF_F_EXTERNAL) == 0);
	while (frame_get(bytes + l2_size - 2, 2) == 0x8100 ||
	       frame_get(bytes + l2_size - 2, 2) == 0x88a8)
		l2_size += 4;
	ip = bytes + l2_size;
	CHECK(mbuf->data_len >= l2_size + 28u && l2_size <= 22);
	CHECK(!memcmp(bytes + 6, &frame_our_mac, 6));
	if (frame_get(ip - 2, 2) == RTE_ETHER_TYPE_ARP) {
		CHECK(mbuf->data_len == l2_size + 28 && !memcmp(ip + 8, &frame_our_mac, 6));
	} else {
		CHECK(frame_get(ip - 2, 2) == RTE_ETHER_TYPE_IPV4 && ip[0] == 0x45);
		CHECK(frame_get(ip + 2, 2) == mbuf->data_len - l2_size);
		CHECK(frame_sum(ip, 20, 0) == 0xffff && frame_l4_sum(ip) == 0xffff);
		CHECK(ip[9] != IPPROTO_UDP || frame_get(ip + 26, 2) != 0);
	}
	fuzz.out++;
	rte_pktmbuf_free(mbuf);
}

static void run_arp(struct flx_elem *elem)
{
	static struct flx_elem out[ARP_OUT];
	uint32_t count;

	count = flx_arp_handle(port->arp, fuzz.ports, elem, 1, fuzz.now_us, out,
			       below(8) ? ARP_OUT : 2, &fuzz.drops, &fuzz.made, &fuzz.consumed);
	for (uint32_t i = 0; i < count; i++)
		finish(&out[i]);
	fuzz.now_us += below(300000);
	count = flx_arp_poll(port->arp, fuzz.ports, PORTS, fuzz.now_us, out, ARP_OUT, &fuzz.drops,
			     &fuzz.made);
	for (uint32_t i = 0; i < count; i++)
		finish(&out[i]);
}

/* As a handler would: changes the data, and the heads with it. */
static void handle(struct flx_msg *msg)
{
	uint8_t *bytes;

	if (below(4) == 0)
		flx_cut_front(msg, below(flx_size(msg) + 1));
	if (below(4) == 0) {
		uint32_t size = below(87);

		bytes = flx_prepend(msg, size);
		if (bytes)
			memset(bytes, 0xa5, size);
	}
	if (below(4) == 0)
		flx_cut_back(msg, below(flx_size(msg) + 1));
	if (flx_size(msg) && below(2)) {
		bytes = flx_at(msg, below(flx_size(msg)), 1);
		*bytes ^= (uint8_t)below(256);
	}
}

/* Makes of some messages ones to anybody, as flx_send_to does. */
static void redirect(struct flx_msg *msg)
{
	flx_set_heads(msg, (struct flx_heads){.origin = FLX_ORIGIN_NONE});
	msg->cold.to_ip =
		rte_cpu_to_be_32(below(4) ? FRAME_OUR_IP - 3 + below(16) : below(UINT32_MAX));
	msg->cold.to_port = RTE_BE16(9);
	msg->cold.from_port = RTE_BE16(FRAME_LISTENER);
}

static void follow(struct flx_elem *elem)
{
	struct flx_heads heads = flx_heads(elem->msg);

	if (elem->fluxion == FRAME_FLUXION) {
		check_mbuf(&elem->msg->mbuf);
		CHECK(heads.origin == FLX_ORIGIN_UDP4 && heads.l4_size == 8);
		CHECK(heads.l2_size >= 14 && heads.l2_size <= 22 && heads.l3_size >= 20);
		CHECK(flx_heads_size(heads) <= elem->msg->mbuf.data_off);
		handle(elem->msg);
		/* In an exact copy a larger header would not fit behind a shorter one's place. */
		if (below(8) == 0 && RTE_MBUF_DIRECT(&elem->msg->mbuf))
			redirect(elem->msg);
		flx_edge_send(fuzz.ports, elem, 1);
	}
	if (elem->fluxion == FLX_FLUXION_ARP)
		run_arp(elem);
	else
		finish(elem);
}

static void run_burst(uint32_t count)
{
	struct rte_mbuf *mbufs[FLX_BATCH];
	uint32_t fluxions[FLX_BATCH], lefts[FLX_BATCH], expected = 0, taken;
	struct flx_elem out[FLX_BATCH];

	for (uint32_t i = 0; i < count; i++) {
		static struct frame frame;
		uint32_t left = 0, fluxion;

		fuzz_frame(&fuzz.state, &frame);
		mbufs[i] = to_mbuf(&frame);
		fluxion = judge(&frame, &left);
		if (fluxion) {
			fluxions[expected] = fluxion;
			lefts[expected++] = left;
		}
	}
	taken = flx_edge_recv(port, mbufs, count, out, &fuzz.drops);
	CHECK(taken == expected);
	for (uint32_t i = 0; i < taken; i++) {
		CHECK(out[i].fluxion == fluxions[i]);
		CHECK(out[i].msg->mbuf.data_len == lefts[i]);
		follow(&out[i]);
	}
	fuzz.in += count;
	fuzz.taken += taken;
}

static uint64_t dropped(void)
{
	uint64_t sum = 0;

	for (enum flx_drop drop = 0; drop < FLX_DROP_COUNT; drop++)
		sum += fuzz.drops.count[drop];
	return sum;
}

int main(int argc, char **argv)
{
	uint64_t count;

	if (argc != 3 || flx_test_eal()) {
		fprintf(stderr, "usage: fuzz_edge SEED COUNT\n");
		return EXIT_FAILURE;
	}
	fuzz.state = strtoull(argv[1], NULL, 0);
	count = strtoull(argv[2], NULL, 0);
	fuzz.pool = frame_pool("frames", POOL_SIZE);
	*port = frame_port(flx_arp_alloc(ARP_ENTRIES, 8, fuzz.pool));
	if (!fuzz.pool || !port->arp)
		return EXIT_FAILURE;
	for (; fuzz.frame < count; fuzz.frame += FLX_BATCH) {
		run_burst((uint32_t)RTE_MIN(count - fuzz.frame, (uint64_t)FLX_BATCH));
		CHECK(fuzz.in + fuzz.made ==
		      fuzz.out + fuzz.consumed + dropped() + flx_arp_waiting(port->arp));
		CHECK(rte_mempool_in_use_count(fuzz.pool) == flx_arp_waiting(port->arp));
	}
	flx_arp_flush(port->arp, &fuzz.drops);
	flx_arp_free(port->arp);
	CHECK(rte_mempool_avail_count(fuzz.pool) == POOL_SIZE);
	printf("%" PRIu64 " frames, %" PRIu64 " taken, %" PRIu64 " dropped, %" PRIu64 " out\n",
	       fuzz.in, fuzz.taken, dropped(), fuzz.out);
	for (enum flx_drop drop = 0; drop < FLX_DROP_COUNT; drop++)
		printf("%s %" PRIu64 "\n", flx_drop_name(drop), fuzz.drops.count[drop]);
	return EXIT_SUCCESS;
}
