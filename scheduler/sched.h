/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched - decides, tick by tick, which slices run where, and has it carried out.
 *
 * A tick looks at what the workers publish (load.h), asks the policy (policy.h), and begins moves
 * (migrate.h), which the workers carry out by themselves. It also ends them, rests what has moved,
 * brings flows to the queues of their slices (reta.h), does what an operator has ordered, names who
 * holds a move up, and remembers it all for a picture (history.h). It never waits.
 *
 * A thread of its own makes the ticks (sched_thread.c), so that no terminal and no socket can hold
 * one up; tests make them by hand. All state is under one lock, which is held for a tick or for what
 * an operator asks, some microseconds.
 *
 * Context of everything, unless it says otherwise: any thread but a worker's.
 */
#pragma once

#include <pthread.h>

#include "scheduler/history.h"
#include "scheduler/load.h"
#include "scheduler/migrate.h"
#include "scheduler/policy.h"
#include "scheduler/rest.h"
#include "scheduler/reta.h"
#include "scheduler/steady.h"

/*
 * Between two ticks while there is something to decide. Shorter, and the ticks take more than they
 * give: each costs some 5 us, of a CPU that may be a worker's; longer, and 20 ms are too few of them to
 * even out a load.
 */
#define FLX_SCHED_TICK_US 2000
/* While no worker is busy, and while all sleep: an idle process should not wake for nothing. */
#define FLX_SCHED_TICK_CALM_US	 10000
#define FLX_SCHED_TICK_ASLEEP_US 50000
/* A step of a move that takes longer is told. Grace periods take as long as the longest turn. */
#define FLX_SCHED_STUCK_US 5000
/*
 * A move that nobody has been sent to yet is taken back when a worker holds it up for longer: its
 * slices go on where they are, instead of waiting for one that may never come back. Shorter, and a
 * handler that takes its time undoes what it delays; longer only keeps the place of a move.
 */
#define FLX_SCHED_UNDO_US 50000
/* What an operator has ordered is tried again until then: a person waits for it. */
#define FLX_SCHED_ORDER_US 1000000

enum flx_sched_mode {
	FLX_SCHED_AUTO = 0,
	FLX_SCHED_OBSERVE, /* decides, and moves nothing */
	FLX_SCHED_OFF,
	FLX_SCHED_MODES,
};

/* "auto", "observe", "off". */
const char *flx_sched_mode_name(enum flx_sched_mode mode);

/* What it has to know of a worker. */
struct flx_sched_worker_conf {
	struct flx_load *load; /* of which `asked` is written */
	const struct flx_pulse *pulse;
	int16_t numa; /* -1: unknown */
};

struct flx_sched_conf {
	const struct flx_registry *registry;
	struct flx_migrate *migrate;
	uint32_t worker_count;
	const struct flx_sched_worker_conf *worker;
	uint32_t workers_min; /* those from here on are parked at first */
	enum flx_sched_mode mode;
	uint64_t tsc_hz;
	uint64_t now_tsc;
	const struct flx_reta_conf *reta; /* NULL: no port has an indirection table */
};

struct flx_sched_worker {
	uint8_t state; /* enum flx_policy_state */
	struct flx_steady steady;
	uint64_t seen_tsc; /* when the load in it was published */
	struct flx_rest rest;
};

/* What an operator has ordered: slices of a group to a worker, one after the other. */
struct flx_sched_order {
	uint16_t group;
	uint8_t to;
	bool under_way;
	bool failed;   /* a worker has held it up for too long */
	uint32_t left; /* slices that are not there yet */
	uint32_t number;
	uint64_t begun_us;
	bool wanted[FLX_SLICES];
};

/* A worker that holds up a step of a move. */
struct flx_sched_stuck {
	uint32_t worker;
	uint32_t fluxion; /* that ran there; FLX_FLUXION_NONE: none */
	enum flx_move_state state;
	uint64_t lasted_us; /* so far */
	uint32_t count;	    /* of such steps since it was last told; 0: none */
};

/* What has been done since the start. */
struct flx_sched_counts {
	uint64_t moves; /* of slices, ended */
	uint64_t undone;
	uint64_t slices;
	uint64_t bucket_moves;
	uint64_t buckets;
	uint64_t parked; /* messages that waited for a move */
	uint64_t ticks;
	uint64_t decisions; /* ticks in which the policy was asked */
};

struct flx_sched {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	bool runs;
	bool stop; /* under the lock; and so is the next */
	bool poked;

	/* Read-only after init. */
	const struct flx_registry *registry;
	struct flx_migrate *migrate;
	uint32_t worker_count;
	uint32_t workers_min;
	uint32_t workers_max;
	uint32_t slice_count; /* of all groups that have any */
	uint64_t tsc_hz;
	uint64_t begun_tsc;
	struct flx_sched_worker_conf worker_conf[FLX_WORKERS_MAX];

	/* Under the lock. */
	enum flx_sched_mode mode;
	struct flx_sched_worker worker[FLX_WORKERS_MAX];
	struct flx_policy_worker rows[FLX_WORKERS_MAX];
	struct flx_policy_group groups[FLX_FLUXIONS_MAX];
	struct flx_policy_slice *slices; /* groups[g].first + n */
	struct flx_rest *rests;		 /* the same */
	bool *pinned;			 /* the same */
	struct flx_policy_view view;
	struct flx_policy_plan plan; /* the last */
	struct flx_policy_candidate *room;
	int32_t load_ppm[FLX_MOVES_MAX];  /* of the slices of each move under way */
	uint64_t told_tsc[FLX_MOVES_MAX]; /* the step that was told to be stuck, by its begin */
	struct flx_sched_stuck stuck;
	struct flx_sched_order order;
	uint64_t alert_until_us; /* see policy.h */
	struct flx_sched_counts counts;
	struct flx_reta reta;
	struct flx_history history;
};

/*
 * flx_sched_init - a scheduler that makes no ticks yet; @conf may go, but for what it points to
 * 0; -ENOMEM. Context: setup.
 */
int flx_sched_init(struct flx_sched *sched, const struct flx_sched_conf *conf);
void flx_sched_fini(struct flx_sched *sched);

/*
 * flx_sched_start - make ticks, in a thread on the CPUs of the caller
 * With a raised priority where that is allowed: where all CPUs poll it would be late otherwise.
 * flx_sched_stop - no more ticks. 0; -errno after one flx_error. Context: setup.
 */
int flx_sched_start(struct flx_sched *sched);
void flx_sched_stop(struct flx_sched *sched);

/* Of flx_sched_init: lock and wake. */
void flx_sched_thread_init(struct flx_sched *sched);

/* flx_sched_tick - one tick; returns the time until the next, in us. Takes the lock. */
uint32_t flx_sched_tick(struct flx_sched *sched, uint64_t now_tsc);

/* flx_sched_poke - make a tick now */
void flx_sched_poke(struct flx_sched *sched);

/* Between the two: what is read is of one moment. */
void flx_sched_lock(struct flx_sched *sched);
void flx_sched_unlock(struct flx_sched *sched);

/* flx_sched_see - loads of all workers as they are, into sched->rows. Context: as flx_sched_decide. */
void flx_sched_see(struct flx_sched *sched, uint64_t now_tsc);

/*
 * flx_sched_decide - see, and what the policy would do now, into sched->plan, whatever the mode is
 * Context: under the lock.
 */
void flx_sched_decide(struct flx_sched *sched, uint64_t now_tsc);

/*
 * flx_sched_order - move slices of @group to worker @to, all that are there to be moved
 * @wanted: FLX_SLICES of them
 * What a worker holds up is taken back and tried again, for FLX_SCHED_ORDER_US.
 *
 * 0; -EBUSY: an order is under way; -EINVAL: @group has no slices, or none of those, or there is no
 * such worker. It is over when sched->order.under_way is false. Pinned ones are moved too; slices
 * that move by themselves first end that. Context: under the lock.
 */
int flx_sched_order(struct flx_sched *sched, uint32_t group, const bool *wanted, uint32_t to,
		    uint64_t now_tsc);

/*
 * flx_sched_pin - slices of @group that are @wanted are moved by orders only, or (@pin false) again by
 * the policy
 * How many have changed. Context: under the lock.
 */
uint32_t flx_sched_pin(struct flx_sched *sched, uint32_t group, const bool *wanted, bool pin);

/*
 * flx_sched_take_stuck - who has held up a move for too long since the last call; the latest counts
 * False: nobody. Takes the lock.
 */
bool flx_sched_take_stuck(struct flx_sched *sched, struct flx_sched_stuck *stuck);

/* --------------------------------------------- between sched.c, sched_see.c and sched_order.c */

/* Microseconds since it began. */
static inline uint64_t flx_sched_us(const struct flx_sched *sched, uint64_t tsc)
{
	return (tsc - sched->begun_tsc) / (sched->tsc_hz / 1000000);
}

/* Index of slice @number of group @g in sched->slices. */
static inline uint32_t flx_sched_index(const struct flx_sched *sched, uint32_t g, uint32_t number)
{
	return sched->groups[g].first + (sched->groups[g].count == 1 ? 0 : number);
}

static inline bool flx_sched_away(const struct flx_sched *sched, uint32_t w)
{
	return atomic_load_explicit(&sched->worker_conf[w].pulse->away, memory_order_relaxed);
}

/* Begins a move of slices, which take @load_ppm of a worker; false: it has to wait. */
bool flx_sched_begin(struct flx_sched *sched, const struct flx_move_request *request,
		     int32_t load_ppm, uint64_t now_tsc);

/* Begins what can be begun of the order. */
void flx_sched_carry_out(struct flx_sched *sched, uint64_t now_tsc);
