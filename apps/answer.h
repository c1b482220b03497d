/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * answer - what a running fabric says to a request: text, bounded, made as it is read.
 *
 *	ok				error NAME TEXT
 *	any lines
 *	end
 *
 * NAME is that of an errno, TEXT may be empty. An answer that ends otherwise was cut. When something
 * fails after the first lines have gone, an error line stands in place of "end".
 *
 * A command prints to the answer and returns 0, or returns what flx_answer_refuse does. An answer
 * that is large, or that has to wait, is made in parts: the command calls flx_answer_continue, and
 * whoever sends the answer asks for a part when the one before has gone. So an answer holds at most
 * one part, of up to FLX_ANSWER_PART_MAX bytes, and a reader who does not read costs no more. A part
 * should take well under a millisecond: nothing else is done meanwhile, the watch included.
 *
 * Context of all: one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Any command's at once: a ledger of all fluxions with an error each has 200 KiB. */
#define FLX_ANSWER_PART_MAX (1u << 20)
#define FLX_ANSWER_WHY_MAX  512

/* How it stands with an answer that is made in parts. */
enum {
	FLX_ANSWER_DONE, /* this was the last one */
	FLX_ANSWER_MORE, /* there is another, printed or not */
	FLX_ANSWER_WAIT, /* nothing yet: ask again in a while */
};

/* For a command: out, the rest is not its own. */
struct flx_answer {
	FILE *out; /* where a command prints its lines */

	char *text; /* the part at hand */
	size_t size, capacity, sent;
	bool held;	/* nothing but the first line is there, and it may still be an error */
	bool ended;	/* the last line is there */
	bool too_large; /* what was printed does not fit */
	char why[FLX_ANSWER_WHY_MAX];
	int (*more)(void *state, struct flx_answer *answer); /* NULL: no further part */
	void (*end)(void *state);			     /* NULL: nothing to give back */
	void *state;
};

/* ---------------------------------------------------------------------------------- for commands */

/*
 * flx_answer_refuse - say why a request fails, one line without its end
 * @error: negative errno: -EINVAL when the request is at fault; what was printed before is dropped.
 * Returns @error, for the command to return. An empty text says nothing but the error's name.
 */
int flx_answer_refuse(struct flx_answer *answer, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * flx_answer_continue - the answer goes on in parts
 * @more: prints the next part and returns FLX_ANSWER_*, or what flx_answer_refuse does
 * @end: called once with @state, when the answer has ended or nobody waits for it any more; NULL:
 * nothing to do. @state is the answer's from here on.
 */
void flx_answer_continue(struct flx_answer *answer,
			 int (*more)(void *state, struct flx_answer *answer),
			 void (*end)(void *state), void *state);

/* ------------------------------------------------------------------------- for who sends answers */

/* 0; -ENOMEM. */
int flx_answer_init(struct flx_answer *answer);
void flx_answer_fini(struct flx_answer *answer);

/* A command has returned @rc: 0 or -errno. */
void flx_answer_begin(struct flx_answer *answer, int rc);

/*
 * flx_answer_next - when nothing is left to send: make the next part
 * FLX_ANSWER_MORE; FLX_ANSWER_WAIT; FLX_ANSWER_DONE: all was sent.
 */
int flx_answer_next(struct flx_answer *answer);

/* Bytes at hand to be sent, from @at. */
size_t flx_answer_left(const struct flx_answer *answer, const char **at);
void flx_answer_took(struct flx_answer *answer, size_t size);
