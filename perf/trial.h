/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * trial - a bed of a load generator and of whom it asks, and trials on it.
 *
 * Whom it asks: a program in this process, behind a pair of rings, its workers on CPUs of their own; or a
 * server somewhere, by its address, over a port; or nobody: what the generator sends comes straight back to
 * it, and that is its own limit. A bed is opened once per process, for EAL starts once, and takes any
 * number of trials, one after the other; each begins when nothing of the last is under way any more.
 *
 * Context of everything: the control thread, which opened the bed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "perf/scenarios.h"

struct flx_latency;
struct flx_program;
struct flx_trial_bed;

/* Whom the generator asks. */
enum flx_trial_whom {
	FLX_TRIAL_PROGRAM, /* of this process, at the near end of a pair; conf.program */
	FLX_TRIAL_SERVER,  /* perf->to, over perf->port, from perf->ip */
	FLX_TRIAL_ITSELF,  /* looped straight back: the generator alone */
};

struct flx_trial_conf {
	const struct flx_perf
		*perf; /* size, flows, keys, zipf, workers, seed, dev; outlives the bed */
	enum flx_trial_whom whom;
	struct flx_program *program; /* outlives the bed; its groups get room for all keys */
	uint16_t udp_port;	     /* that the program listens on; of a server perf->to says */
	bool counted; /* the program's answers count the requests of their client, as counter's do */
};

/* What is tried. */
struct flx_trial {
	double rate;	    /* requests per second in all: open loop; 0: closed */
	uint32_t in_flight; /* closed loop: requests under way in all */
	double warm_s;	    /* before it counts */
	double duration_s;  /* that counts */
	bool timed;	    /* latencies and pacing errors are taken */
	const char *second; /* figure that its seconds are told of; NULL: they are not */
	uint32_t run;	    /* number of the run, beside it */
};

/* How far from the plan the generator sent, in nanoseconds. */
struct flx_trial_pacing {
	uint32_t p50_ns, p99_ns, max_ns;
};

/*
 * What came of it. Planned = sent + refused; sent = answered + lost. Answers to requests of an earlier trial
 * are none. Of a server that does not count, an answer that comes twice is not known and hides one that is
 * lost; only where there are more than requests are those wrong.
 */
struct flx_trial_found {
	uint64_t
		planned; /* requests that were due in the time that counts; closed: that were sent */
	uint64_t sent;	 /* of these, however late */
	uint64_t answered; /* of these, right or wrong, 100 ms after the last one at the latest */
	uint64_t lost;
	uint64_t wrong;	  /* answers that no right server gives to these requests */
	uint64_t refused; /* never sent: the port, or the generator, was too far behind its plan */
	double seconds;	  /* that counted, as they were */
	double answers_per_sec;	   /* right ones; closed: that came in that time */
	double generator_busy_pct; /* share of its time in polls that moved something */
	double worker_busy_pct;	   /* of the busiest worker; 0: not of this process */
	bool limited; /* the generator was the limit, and nothing that is said of the server holds */
	struct flx_trial_pacing pacing;	   /* open loop, timed */
	const struct flx_latency *latency; /* timed: until the next trial; else NULL */
};

/* What is not answered so long after the last request is lost. */
#define FLX_TRIAL_GRACE_MS 100

/*
 * flx_trial_open - make a bed
 * 0; -ENOTSUP where the machine lacks something, -EINVAL of what perf says, another -errno; after one
 * flx_error. On failure nothing stays.
 */
int flx_trial_open(struct flx_trial_bed **bed, const struct flx_trial_conf *conf);

/*
 * flx_trial_run - try @trial
 * Lasts warm_s, duration_s and up to the grace. 0, however bad what was @found is; -errno after one
 * flx_error: no memory, or the bed is broken.
 */
int flx_trial_run(struct flx_trial_bed *bed, const struct flx_trial *trial,
		  struct flx_trial_found *found);

/*
 * flx_trial_close - end it, and hand the ledger to flx_account_add
 * 0; -EBADMSG after one flx_error: buffers did not come back, messages are unexplained, or counts have
 * gaps that no loss explains.
 */
int flx_trial_close(struct flx_trial_bed *bed);
