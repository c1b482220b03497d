/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sim - workers without threads, turned in an order that a seed decides, and an oracle that knows
 * what each turn must have done.
 *
 * One seed is one run: a random program (program.c) on a random machine (lanes of 1 to 64 elements,
 * few credits, fewer buffers), fed and turned at random, some workers pausing for long (run.c).
 * Handlers (handler.c) forward, copy, make, keep, misuse and fail at random, and tell the oracle
 * (oracle.c) what they did. The oracle holds the fabric to its promises: none lost, none twice,
 * order kept, contexts exact, credits and buffers conserved, the ledger exact between any two
 * turns.
 *
 * Nothing depends on time, addresses or threads, so a seed that fails does so again. The store has
 * a clock that the run turns, and a hash of the run's seed.
 */
#pragma once

#include "tests/random.h"
#include "tests/sim/oracle.h"
#include "tests/world.h"

#define SIM_WORKERS_MAX 5
#define SIM_STREAMS_MAX 4    /* declared; of FLX_STREAMS_MAX */
#define SIM_CAPACITY	8192 /* of each type: many more than keys, for what waits */
#define SIM_TSC_HZ	(1000 * FLX_TICKS_PER_SECOND)

/* What a run is like; all drawn from the seed. */
struct sim_shape {
	uint32_t workers;
	uint32_t lane_size;
	uint32_t credits;
	uint32_t buffers;
	uint32_t fluxions;
	uint32_t keys;
	uint32_t steps; /* until injection stops */
	uint32_t hops_max;
	uint32_t inject_pct; /* of the steps */
	uint32_t pause_pct;  /* of the turns: the worker then rests for long */
	uint32_t fail_pct;   /* of the handler calls; and so on */
	uint32_t misuse_pct;
	uint32_t consume_pct;
	uint32_t make_pct;
	uint32_t copy_pct;
	uint32_t keyless_pct; /* of the messages sent: have no key */
	uint32_t rekey_pct;   /* of the messages sent: get another key */
	uint32_t delete_pct;  /* of the calls with a context: end it */
	uint32_t keep_pct;    /* of the steps: a turn of the store's keeper */
	uint32_t tick_pct;    /* of the steps: time goes on, by up to 32 ticks */
	uint32_t move_pct;    /* of the steps: a move is asked for */
	uint32_t undo_pct;    /* of the steps: one that is under way shall be undone */
	uint32_t reap_pct;    /* of the steps: the control thread looks for moves that have ended */
	bool queues;	      /* all comes in by flow, through a port with an indirection table */
	uint32_t late_pct; /* of the steps: what was written to the table holds, bucket by bucket */
	uint32_t sleep_pct; /* of the pauses of a worker without work: it sleeps until woken */
	bool moved;	    /* slices belong to workers at random, not by the static spread */
	bool abandoned;	    /* stopped at once, not drained */
};

/* The random program, and what the simulation must know of it. Fluxions by index, from 0. */
struct sim_program {
	struct flx_fluxion fluxions[SIM_FLUXIONS_MAX];
	struct flx_program program;
	char ids[SIM_FLUXIONS_MAX][16];
	uint32_t stream_count[SIM_FLUXIONS_MAX];
	uint32_t stream_mask[SIM_FLUXIONS_MAX][SIM_STREAMS_MAX]; /* bit: leads to that fluxion */
};

/* What a NIC does: an RX queue of descriptors, and which bucket leads there. */
#define SIM_BUCKETS 16
#define SIM_DESCS   128
/* From the write on, what was on its way has its descriptor after so long. */
#define SIM_SETTLE_TSC (SIM_TSC_HZ / FLX_TICKS_PER_SECOND / 8)

struct sim_queue {
	struct flx_elem elem[SIM_DESCS];
	uint32_t head;
	uint32_t count;
};

struct sim_nic {
	struct sim_queue queue[SIM_WORKERS_MAX];
	uint8_t table[SIM_BUCKETS];	   /* as it is */
	uint8_t wanted[SIM_BUCKETS];	   /* as it was written */
	uint8_t moving[SIM_BUCKETS];	   /* under way, in that move and 1 */
	uint64_t settled_tsc[SIM_BUCKETS]; /* by then it is as it was written */
	uint32_t queued;		   /* messages, in all queues */
	uint64_t moved;			   /* buckets */
};

struct sim {
	uint64_t seed;
	bool verbose;
	struct flx_random random;
	struct flx_random extra; /* of what came later: seeds of before play as they did */
	struct flx_random moves; /* of what came after that: moves */
	struct sim_shape shape;
	struct sim_program program;
	struct flx_world world;
	struct sim_oracle oracle;
	struct flx_ledger ledger;
	struct sim_nic nic;
	uint32_t pause[SIM_WORKERS_MAX];  /* steps to rest still */
	uint32_t chunks[SIM_WORKERS_MAX]; /* free at the start */
	uint64_t injected;
	uint64_t turns;
	uint64_t moved; /* slices, and of them those that were taken back */
	uint64_t moved_back;
	uint64_t parked; /* messages */
	uint64_t held;	 /* turns that ended while nobody might admit any */
	uint8_t moving[SIM_FLUXIONS_MAX][FLX_SLICES]; /* by group: under way, in that move and 1 */
	uint64_t tsc;				      /* the time: cycles since the start */
};

/* The run that handlers and key functions belong to: they get no argument of ours. */
extern struct sim *sim_now;

/* Draws the shape, then the program, from the seed. */
void sim_shape_draw(struct sim_shape *shape, struct flx_random *random, struct flx_random *extra,
		    struct flx_random *moves);
void sim_program_draw(struct sim *sim);

/* The handler of every fluxion. */
int sim_handler(struct flx_call *call, struct flx_msg *msg, void *context);

/* A message that begins a chain at worker @w, and what is in it; NULL: no buffer. */
struct flx_msg *sim_receive(struct sim *sim, struct sim_token *token, uint32_t w);

/*
 * queues.c: the port of a run that has one. A step of the NIC, which receives; a poll by worker @w,
 * which must not be refused; the control thread's part of a move of buckets; what was moved.
 */
void sim_queues_init(struct sim *sim);
void sim_queues_step(struct sim *sim, bool receives);
void sim_queues_poll(struct sim *sim, uint32_t w);
void sim_queues_ask(struct sim *sim);
void sim_queues_write(struct sim *sim);
void sim_queues_moved(struct sim *sim, const struct flx_move_request *request);
void sim_queues_drop(struct sim *sim);

/* moves.c: what the control thread does in a step; and all of it until no move is under way. */
void sim_moves_step(struct sim *sim);
void sim_moves_reap(struct sim *sim);
/* At any time: no slice may be handled by two workers. At rest: by the one that it is routed to. */
void sim_moves_check(struct sim *sim, bool at_rest);
/* Messages that worker @w may handle in its next turn because they were parked. */
uint64_t sim_moves_due(const struct sim *sim, uint32_t w);

/* One run; false when a promise was broken, and sim->oracle.failure says which. */
bool sim_run(struct sim *sim, uint64_t seed);
