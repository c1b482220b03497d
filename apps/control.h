/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * control - serves the socket that a running fabric is asked through, as part of a loop that has
 * other things to do.
 *
 * A client connects, sends one request (request.h), reads the answer (answer.h), and is hung up on.
 * Whoever connects is trusted with nothing:
 *
 *  - Only root and the user of this process are served, by what the kernel says of the peer.
 *  - FLX_CONTROL_CLIENTS at a time. Others wait to be accepted. For them, a client that has not sent
 *    its request 20 ms after it came has to go, so that idle ones keep nobody out.
 *  - A request must be there within 2 s; it is acted on only while its sender is there.
 *  - An answer is made as it is read; who takes nothing for 2 s is hung up on.
 *
 * What was refused is told to the operator, at most one line per kind and 10 s.
 *
 * Nothing here blocks. A call of flx_control_serve reads at most once per client, runs its request,
 * and makes and sends at most one part of its answer. No worker takes part in it.
 *
 * Context of all: the control thread. Times are in us, of any clock that does not go back.
 */
#pragma once

#include <stdint.h>

#include "apps/answer.h"
#include "apps/request.h"

/* More would only let idle ones hold more memory: a request takes microseconds. */
#define FLX_CONTROL_CLIENTS 8

struct flx_control;

struct flx_control_conf {
	int listener; /* that does not block; stays the caller's */
	/* Runs a request: 0 or -errno; see answer.h. */
	int (*run)(void *argument, const struct flx_request *request, struct flx_answer *answer);
	void *argument;
};

/* flx_control_start - begin to serve. 0; -errno after one flx_error. */
int flx_control_start(struct flx_control **control, const struct flx_control_conf *conf);

/* Hangs up on all. */
void flx_control_stop(struct flx_control *control);

/* A descriptor that poll finds readable when flx_control_serve has something to do. */
int flx_control_fd(const struct flx_control *control);

/* When to call flx_control_serve even though it is not; UINT64_MAX: never. */
uint64_t flx_control_due_us(const struct flx_control *control);

void flx_control_serve(struct flx_control *control, uint64_t now_us);
