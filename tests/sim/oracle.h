/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * oracle - what a run of the simulation must have done, kept apart from the fabric's own books.
 *
 * Every message that is sent gets a number that was never used before and is owed to each fluxion
 * of its stream; handling pays the debt. A stamp that rises at its source shows the order.
 */
#pragma once

#include "context-store/context.h"
#include "fabric/flx.h"
#include "fabric/ledger.h"
#include "fabric/registry.h"

#define SIM_FLUXIONS_MAX 24
#define SIM_KEYS_MAX	 24

/* The data of every message. */
struct sim_token {
	uint64_t id;
	uint64_t stamp;	  /* rises with every send of its source */
	uint32_t source;  /* place that sent it */
	uint32_t key;	  /* 0..keys-1 */
	uint32_t flow;	  /* 1..keys: flow that it came by; 0: made by a handler */
	uint32_t hops;	  /* left */
	uint32_t keyless; /* its key functions refuse */
	/*
	 * What went through fluxions without slices, which run on every worker: the place before
	 * them, the stamp that it gave, a number for the way since (0: it comes straight), and a bit
	 * for each of them. One that it came to twice ends the order: see move.h.
	 */
	uint32_t origin;
	uint32_t way;
	uint32_t been;
	uint32_t circled;
	uint32_t sum; /* of all but itself: the bytes arrived whole */
	uint64_t origin_stamp;
};

/* The key functions of a run: two of its own, and the fabric's. */
enum sim_key {
	SIM_KEY_NONE,
	SIM_KEY_NARROW, /* the key, 4 bytes */
	SIM_KEY_WIDE,	/* a third of the key, 13 bytes: several keys share a context */
	SIM_KEY_CLIENT, /* flx_key_client: of the flow, 4 bytes */
	SIM_KEY_FLOW,	/* flx_key_flow */
	SIM_KEY_COUNT,
};

int sim_key_narrow(const struct flx_msg *msg, void *key);
int sim_key_wide(const struct flx_msg *msg, void *key);
#define SIM_KEY_NARROW_SIZE 4
#define SIM_KEY_WIDE_SIZE   13

/* Start of every context; the rest up to its size is filled with the low byte of commits. */
struct sim_context {
	uint64_t commits;
	uint64_t key;
};

/* Contexts of this size are zero at first, larger ones begin with SIM_CONTEXT_FIRST commits. */
#define SIM_CONTEXT_SMALL 24
#define SIM_CONTEXT_LARGE 200
#define SIM_CONTEXT_FIRST 1000

void sim_context_init(void *context); /* of the large ones */

/* Sends of a call that has not ended yet. */
struct sim_send {
	uint64_t id;
	uint32_t mask; /* fluxions that it is for */
	bool keyless;
	bool flowless;
};

/* Of each fluxion, to compare with the ledger. */
struct sim_row {
	uint64_t handled;
	uint64_t failed;
	uint64_t consumed;
	uint64_t generated;
	uint64_t errors[FLX_ERRORS];
};

/* From an origin by one way to a place. */
struct sim_way {
	uint64_t name;	/* hash of all three; 0: none */
	uint64_t stamp; /* last that arrived */
};

/* Of sim_oracle.next: the slice stays. */
#define SIM_STAYS UINT8_MAX

struct sim_oracle {
	char failure[512]; /* the first promise found broken; empty: none */
	const struct flx_registry *registry;
	uint32_t fluxions;
	uint32_t workers;
	uint32_t keys;
	uint32_t places;			     /* of a fluxion: slices in use, or workers */
	uint32_t slice[SIM_KEY_COUNT][SIM_KEYS_MAX]; /* of each key, as routed */
	uint32_t place[SIM_KEY_COUNT][SIM_KEYS_MAX]; /* of each key: its slice, numbered densely */
	uint8_t owner[SIM_FLUXIONS_MAX][FLX_SLICES]; /* by group: the worker that must run it */
	uint8_t next[SIM_FLUXIONS_MAX][FLX_SLICES];  /* and the one that may begin to, moving it */
	uint32_t *owed;				     /* by id: fluxions that have yet to get it */
	uint64_t owed_size;
	uint64_t next_id;
	uint64_t outstanding; /* debts */
	uint64_t arrivals;    /* paid */
	uint64_t *stamps;     /* by place: last stamp it gave */
	uint64_t *seen;	      /* by source and destination place: last stamp that arrived */
	struct sim_way *ways; /* the same for ways through fluxions without slices: a hash table */
	uint64_t ways_size;   /* a power of two */
	uint64_t ways_used;
	uint64_t commits[SIM_FLUXIONS_MAX][SIM_KEYS_MAX];   /* by group and key */
	bool there[SIM_FLUXIONS_MAX][SIM_KEYS_MAX];	    /* there is a context */
	uint32_t committed[SIM_FLUXIONS_MAX][SIM_KEYS_MAX]; /* tick of the last commit */
	uint64_t deleted[SIM_FLUXIONS_MAX];		    /* by group */
	const struct flx_context_turn *turn;		    /* by worker: its time */
	struct sim_row rows[SIM_FLUXIONS_MAX];
	struct sim_send sends[FLX_MADE_MAX + 1]; /* of the call that runs now */
	uint32_t send_count;
};

/* 0, or -ENOMEM. @registry is of the run's program; @owner is filled by the caller. */
int sim_oracle_init(struct sim_oracle *oracle, const struct flx_registry *registry,
		    uint32_t workers, uint32_t keys);
void sim_oracle_fini(struct sim_oracle *oracle);

/* Notes that a promise was broken; the first counts. */
void sim_fail(struct sim_oracle *oracle, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The place of @fluxion that handles a token on @worker; what injects is fluxion `fluxions`. */
uint32_t sim_place(const struct sim_oracle *oracle, uint32_t fluxion, const struct sim_token *token,
		   uint32_t worker);

/* Number, stamp and sum of a token that @source sends. */
void sim_token_seal(struct sim_oracle *oracle, struct sim_token *token, uint32_t source);

/*
 * What a token that @fluxion sends has of the way behind it, before it is sealed: when @fluxion has
 * no slices, that of @came, the one that it got, and one step more.
 */
void sim_token_lead(const struct sim_oracle *oracle, struct sim_token *token, uint32_t fluxion,
		    const struct sim_token *came);

/* A sealed token was sent to the fluxions of @mask; it counts when sim_oracle_commit does. */
void sim_oracle_send(struct sim_oracle *oracle, const struct sim_token *token, uint32_t mask);

/* @fluxion's handler got @token and @context on @worker. */
void sim_oracle_arrive(struct sim_oracle *oracle, uint32_t fluxion, uint32_t worker,
		       const struct sim_token *token, const void *context);

/* The call's sends happen, or do not. */
void sim_oracle_commit(struct sim_oracle *oracle);
void sim_oracle_undo(struct sim_oracle *oracle);

/*
 * The call ended on @worker: under @error (positive), or well (0), having changed @token's context
 * or, with @deletes, ended it.
 */
void sim_oracle_end(struct sim_oracle *oracle, uint32_t fluxion, uint32_t worker,
		    const struct sim_token *token, uint32_t error, bool deletes);

/* Slice @slice of group @g begins to move to @to; and has done so, or (@undone) stays. */
void sim_oracle_move(struct sim_oracle *oracle, uint32_t g, uint32_t slice, uint32_t to);
void sim_oracle_moved(struct sim_oracle *oracle, uint32_t g, uint32_t slice, bool undone);

/* Contexts that group @g has, and those of them whose time is over at @now. */
void sim_oracle_contexts(const struct sim_oracle *oracle, uint32_t g, uint64_t *there,
			 uint64_t *over);

/* Compares with the fabric's books; between two turns. */
void sim_oracle_compare(struct sim_oracle *oracle, const struct flx_ledger *ledger);
