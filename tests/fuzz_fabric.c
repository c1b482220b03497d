/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_fabric SEED COUNT - a running fabric under COUNT random and damaged frames on a ring port.
 *
 * An RX callback puts them where the port's frames would be, on the worker's own core, and frees what
 * the fabric sends. The app takes every path that a handler may: replies, forwards, copies, makes
 * messages, consumes, sends elsewhere, fails. Then the ledger must explain every frame, the fabric
 * must still answer, and every buffer must be back.
 */
#include <inttypes.h>
#include <stdatomic.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>

#include "fabric/fabric.h"
#include "tests/fuzz_frame.h"

enum { MAIN_NEXT, MAIN_FAN };

static struct {
	uint64_t state; /* of the random numbers */
	uint64_t left;	/* frames to put in */
	struct rte_mempool *pool;
	struct rte_ether_addr mac;
	_Atomic uint64_t in, back;
	_Atomic bool done;
} fuzz;

/* -------------------------------------------------------------------------------------- the app */

/* What to do is told by the message's size: any frame may come, and the choice can be repeated. */
static int take(struct flx_call *call, struct flx_msg *msg, void *context)
{
	uint64_t *count = context;
	struct flx_msg *other;

	++*count;
	switch (flx_size(msg) % 8) {
	case 0:
		return flx_send(call, MAIN_FAN, msg);
	case 1:
		return 0;
	case 2:
		flx_reply(call, msg);
		return -EPROTO;
	case 3:
		other = flx_copy(call, msg);
		return other ? flx_reply(call, other) : 0;
	case 4:
		other = flx_alloc(call);
		if (other && flx_append(other, 100))
			flx_send_to(call, other, 7000,
				    &(struct flx_udp_address){
					    rte_cpu_to_be_32(FRAME_OUR_IP + 1 + (uint32_t)*count % 300),
					    RTE_BE16(9)});
		return flx_reply(call, msg);
	case 5:
		flx_prepend(msg, (uint32_t)(*count % 100));
		flx_cut_back(msg, 1);
		return flx_reply(call, msg);
	default:
		return flx_send(call, MAIN_NEXT, msg);
	}
}

static int answer(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)context;
	return flx_reply(call, msg);
}

static int swallow(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)call, (void)msg, (void)context;
	return 0;
}

static struct flx_fluxion fluxions[] = {
	{
		.id = "take",
		.listen = {.udp = FRAME_LISTENER},
		.key = {.extract = flx_key_flow, .size = FLX_KEY_FLOW_SIZE},
		.context = {.size = sizeof(uint64_t), .capacity = 1000},
		.streams = {{FLX_STREAM_START, {"answer"}},
			    {FLX_STREAM_POST, {"swallow", "answer"}}},
		.handler = take,
	},
	{.id = "answer", .handler = answer},
	{.id = "swallow", .handler = swallow},
};

/* ----------------------------------------------------------------------------------- the frames */

/* NULL when the pool has too few buffers now; a frame takes up to three. */
static struct rte_mbuf *make_frame(void)
{
	static struct frame frame;

	if (rte_mempool_avail_count(fuzz.pool) < 512)
		return NULL;
	fuzz_frame(&fuzz.state, &frame);
	if (memcmp(frame.bytes, &frame_our_mac, RTE_ETHER_ADDR_LEN) == 0)
		memcpy(frame.bytes, &fuzz.mac, RTE_ETHER_ADDR_LEN);
	switch (fuzz_below(&fuzz.state, 8)) {
	case 0:
		return frame_to_heap(fuzz.pool, frame.bytes, frame.size);
	case 1:
		return frame_to_segments(fuzz.pool, frame.bytes, frame.size,
					 fuzz_below(&fuzz.state, frame.size + 1));
	default:
		return frame_to_mbuf(fuzz.pool, frame.bytes, frame.size);
	}
}

static uint16_t feed(uint16_t port, uint16_t queue, struct rte_mbuf *frames[], uint16_t count,
		     uint16_t room, void *argument)
{
	uint16_t out = 0;

	(void)port, (void)queue, (void)argument;
	rte_pktmbuf_free_bulk(frames, count);
	fuzz.back += count;
	while (out < room && fuzz.left) {
		frames[out] = make_frame();
		if (!frames[out])
			break;
		out++;
		fuzz.left--;
	}
	fuzz.in += out;
	if (!fuzz.left)
		atomic_store_explicit(&fuzz.done, true, memory_order_release);
	return out;
}

/* Waits until all is in and nothing is in flight but what waits for an address that never comes. */
static int finish(struct flx_fabric *fabric)
{
	uint64_t deadline = rte_get_tsc_cycles() + 600 * rte_get_tsc_hz();

	while (!atomic_load_explicit(&fuzz.done, memory_order_acquire)) {
		if (rte_get_tsc_cycles() > deadline)
			return -1;
		rte_delay_us_sleep(10000);
	}
	rte_delay_us_sleep(100000);
	return flx_fabric_drain(fabric, 5000, NULL);
}

static uint32_t check(const struct flx_ledger *ledger, uint32_t missing)
{
	uint32_t faults = 0;
	uint64_t handled = ledger->fluxion[FLX_FLUXION_FIRST].handled;

	faults += ledger->received != fuzz.in;
	faults += ledger->delivered < fuzz.back;
	faults += ledger->in_flight != 0;
	faults += ledger->unexplained != 0;
	faults += missing != 0;
	/* The app ran, succeeded and failed: else the frames were of no use. */
	faults += handled < ledger->received / 100;
	faults += ledger->fluxion[FLX_FLUXION_FIRST].errors[EPROTO] == 0;
	printf("%" PRIu64 " frames in, %" PRIu64 " handled, %" PRIu64 " out, %" PRIu64
	       " dropped, unexplained %" PRId64 ", %u buffers missing\n",
	       ledger->received, handled, ledger->delivered, ledger->dropped, ledger->unexplained,
	       missing);
	return faults;
}

int main(int argc, char **argv)
{
	struct flx_program program = {.name = "fuzz", FLX_FLUXIONS(fluxions)};
	struct flx_options options = {
		.port = {"ring"},
		.port_count = 1,
		.ip = {"10.1.2.3/24"},
		.ip_count = 1,
		.workers = 1,
		.dev = true,
	};
	static struct flx_ledger ledger;
	struct flx_fabric *fabric;
	uint32_t faults, missing;

	if (argc != 3) {
		fprintf(stderr, "usage: fuzz_fabric SEED COUNT\n");
		return EXIT_FAILURE;
	}
	fuzz.state = strtoull(argv[1], NULL, 0);
	fuzz.left = strtoull(argv[2], NULL, 0);
	if (flx_fabric_start(&fabric, &program, &options, NULL))
		return EXIT_FAILURE;
	fuzz.pool = rte_mempool_lookup("flx_messages");
	fuzz.mac = flx_fabric_port(fabric, 0)->mac;
	rte_eth_add_rx_callback(flx_fabric_port(fabric, 0)->id, 0, feed, NULL);
	faults = finish(fabric) != 0;
	missing = flx_fabric_stop(fabric, &ledger);
	faults += check(&ledger, missing);
	return faults ? EXIT_FAILURE : EXIT_SUCCESS;
}
