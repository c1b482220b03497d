/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * control_state - what a control socket's server consists of. For control.c, which takes clients and
 * is the loop's part, and control_client.c, which has to do with one client.
 */
#pragma once

#include <sys/types.h>

#include "apps/control.h"

/* Longer than a program's line takes from connect to send on a busy machine; short, for others wait. */
#define FLX_CONTROL_GRACE_US 20000u

enum flx_control_client_state {
	FLX_CONTROL_FREE,
	FLX_CONTROL_ASKING, /* its request is not there yet */
	FLX_CONTROL_READING /* its answer */
};

struct flx_control_client {
	enum flx_control_client_state state;
	int fd;
	pid_t pid;
	uint64_t since_us; /* came; last took something of its answer, or had to wait for it */
	uint64_t look_us;  /* when to look at an answer that waits; UINT64_MAX: it does not */
	struct flx_answer answer;
	size_t size;
	char line[FLX_REQUEST_MAX + 1]; /* with its line feed */
};

/* What an operator is told of. */
enum flx_control_complaint {
	FLX_CONTROL_STRANGERS,
	FLX_CONTROL_BAD_REQUESTS,
	FLX_CONTROL_LOST_READERS,
	FLX_CONTROL_CROWDS,
	FLX_CONTROL_NO_ACCEPT,
	FLX_CONTROL_COMPLAINTS,
};

struct flx_control {
	int epoll;
	struct flx_control_conf conf;
	uint64_t now_us;
	uint64_t accept_us; /* not before */
	bool accepts;	    /* the listener is watched */
	uint64_t quiet_us[FLX_CONTROL_COMPLAINTS];
	uint64_t untold[FLX_CONTROL_COMPLAINTS];
	struct flx_request request;
	struct flx_control_client client[FLX_CONTROL_CLIENTS];
};

/* One line for the operator about process @pid, unless there was one of its kind a moment ago. */
void flx_control_complain(struct flx_control *control, enum flx_control_complaint kind, pid_t pid,
			  const char *what);

void flx_control_hang_up(struct flx_control_client *client);

/* An error instead of the request's own answer; then, at once if it is taken, the client is free. */
void flx_control_refuse(struct flx_control *control, struct flx_control_client *client,
			enum flx_control_complaint kind, int error, const char *why);

/* What there is of the request; run, when it is whole. */
void flx_control_read(struct flx_control *control, struct flx_control_client *client);

/* @events of epoll. */
void flx_control_handle(struct flx_control *control, struct flx_control_client *client,
			uint32_t events);

/* When something has to be done about @client though it does nothing; and that. */
uint64_t flx_control_client_due_us(const struct flx_control_client *client);
void flx_control_look_after(struct flx_control *control, struct flx_control_client *client);
