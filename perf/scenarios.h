/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scenarios - what flxperf can run: one function each, in a process of its own that it may leave as it is.
 *
 * A scenario measures its figures as often as it is told, in turn with what they are compared with, and
 * hands each value to flx_figure_add; flxperf prints, writes and judges them. Each returns 0; -ENOTSUP:
 * it cannot run on this machine, and flx_figure_skip has said why; another -errno: it failed, after one
 * flx_error.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Of a generator, where they are not given. */
#define FLX_KEYS_DEFAULT 1024

#define FLX_SIZE_IMIX 0 /* 7 frames of 64 bytes to 4 of 594 to 1 of 1,518 */

/* What the command line says; defaults are filled in. */
struct flx_perf {
	const char *only; /* part of the scenario that is to run, "ctx.bind.1m"; NULL: all */
	const char *port; /* spec of the port that is used; NULL: in the process, a pair of rings */
	const char *to;	  /* gen: "198.18.0.1:7000", whom to ask; NULL: not given */
	const char *ip;	  /* gen: own address, "198.18.0.2/15"; NULL: as gen chooses */
	const char *svg;  /* file for a picture; NULL: none */
	const char *hlog; /* file for latencies in HdrHistogram's log format; NULL: none */
	uint32_t workers; /* 0: as the scenario has it */
	uint32_t size;	  /* bytes of a frame on the wire, FLX_SIZE_IMIX; 64 */
	uint32_t flows;	  /* 4-tuples; 0: as many as keys */
	uint32_t keys;	  /* client addresses, each a context of the counter; 0: of the scenario */
	double zipf;	  /* exponent; 0: keys in turn */
	double rate;	  /* requests per second offered; 0: max */
	double duration_s; /* of a run */
	uint32_t repeat;   /* runs */
	uint64_t seed;
	bool dev; /* ordinary memory, no hugepages */
};

int flx_perf_hop(const struct flx_perf *perf);	   /* hop.*, ring.* */
int flx_perf_echo(const struct flx_perf *perf);	   /* echo.ring */
int flx_perf_counter(const struct flx_perf *perf); /* counter.ring, counter.ring.1m */
int flx_perf_ctx(const struct flx_perf *perf);	   /* ctx.* beside cds_lfht and rte_hash */
int flx_perf_move(const struct flx_perf *perf);	   /* move.*, beside dsw */
int flx_perf_sched(const struct flx_perf *perf);   /* sched.* */
int flx_perf_scale(const struct flx_perf *perf);   /* scale.N, oversubscribed */
int flx_perf_idle(const struct flx_perf *perf);	   /* idle.* */
int flx_perf_wire(const struct flx_perf *perf);	   /* wire.*, beside testpmd */
int flx_perf_gen(const struct flx_perf *perf);	   /* gen.* */
int flx_perf_search(const struct flx_perf *perf);  /* search.* */
int flx_perf_latency(const struct flx_perf *perf); /* latency.* */
int flx_perf_peers(const struct flx_perf *perf);   /* peers.* */
int flx_perf_node(const struct flx_perf *perf);	   /* node.* */
