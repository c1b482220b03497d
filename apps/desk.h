/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * desk - where a running fabric is asked: its socket, made where the operator wants it, and served in
 * the pauses of the control thread's loop.
 *
 * The socket is there before the fabric is, so that a place that cannot be had is known before
 * anything starts; who connects early waits. Where the control thread shares its CPU with workers, a
 * hundredth of its time is spent here at most, whatever is asked.
 *
 * Context of all: the control thread. Times are in us, of CLOCK_MONOTONIC.
 */
#pragma once

#include <stdint.h>

#include "apps/control.h"
#include "apps/socket.h"

/* All zero, but for a listener of -1, is a desk that is closed. */
struct flx_desk {
	struct flx_socket socket;
	struct flx_control *control; /* NULL: nobody is served */
	bool shares_cpu;	     /* with workers */
	uint64_t serve_us;	     /* not before */
};

/*
 * flx_desk_open - make the socket of a fabric of @program
 * @where: path of the socket; "off": none; NULL: in this user's directory, and when that cannot be,
 * there is a warning, and no socket
 * 0; -errno after one flx_error: -EINVAL, no socket can have this path. Context: setup.
 */
int flx_desk_open(struct flx_desk *desk, const char *where, const char *program);

/* flx_desk_start - begin to serve, see flx_control_conf; says it when that cannot be. */
void flx_desk_start(struct flx_desk *desk, const struct flx_control_conf *conf, bool shares_cpu);

/* Hangs up on all, and removes the socket; also of a desk that is closed. */
void flx_desk_close(struct flx_desk *desk);

/* What poll finds readable when flx_desk_serve has something to do; -1: it has not at @now_us. */
int flx_desk_fd(const struct flx_desk *desk, uint64_t now_us);

/* When to look again though it is not; UINT64_MAX: never. */
uint64_t flx_desk_due_us(const struct flx_desk *desk, uint64_t now_us);

/* flx_desk_serve - serve who is there; does nothing when nobody is, or when it is too early */
void flx_desk_serve(struct flx_desk *desk);
