/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * control_bed - a control socket in a scratch directory, its clients in the same thread, and a clock
 * that stands still unless it is told to pass.
 *
 * Commands: `big N` answers in N parts, `big N AT` waits for bed.go when AT are left, `huge` in one
 * of BED_HUGE bytes, `fail` fails; all others say their words, a line each.
 */
#pragma once

#include "apps/control.h"
#include "tests/test.h"

#define BED_MS	   1000u /* in us */
#define BED_SECOND 1000000u
#define BED_PART   16384u /* bytes of a part of `big` */
#define BED_HUGE   (60 * BED_PART)

struct bed {
	struct flx_control *control;
	uint64_t now_us;
	uint32_t runs;	     /* requests that were run */
	uint32_t parts_made; /* of large answers */
	uint32_t ends;	     /* of large answers */
	bool go;	     /* what `big` waits for */
};

extern struct bed bed;

/* Runs @tests; main's exit status. */
int bed_main(const char *suite, const struct flx_test *tests);

/* A server begins, and ends; what the operator was told meanwhile. */
void bed_start(void);
const char *bed_stop(void);

/* Whether the server's descriptor is readable. */
bool bed_has_work(void);

/* What its loop does: it serves until nothing happens any more at this time. */
void bed_serve(void);

/* Time passes; the loop wakes when it wants to. */
void bed_pass(uint64_t us);

/* A descriptor that does not block; -1: it would have to wait to be accepted. */
int bed_try_connect(void);
int bed_client(void);

/* One that has sent @text, whether or not it is a line. */
int bed_client_with(const char *text);

/* What there is to read; *@over: and that was all. */
size_t bed_read_some(int fd, char *text, size_t size, bool *over);

/* The whole of a short answer, and @fd is closed; "open": the server has not hung up, @fd stays. */
const char *bed_answer_to(int fd);

/* The answer to @text, which is served at once. */
const char *bed_ask(const char *text);
