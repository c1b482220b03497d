/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * control_client - one client of a control socket: its request read and run, its answer sent.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apps/control_state.h"
#include "fabric/base.h"

/* Longer than a person needs to type a line into nc; and a program sends it at once. */
#define REQUEST_TIMEOUT_US 2000000u
/* Of a reader who takes nothing: a program that does not read would hold its place for ever. */
#define ANSWER_TIMEOUT_US 2000000u
/* Between two looks whether an answer that waits may go on. */
#define LOOK_US 10000u
/* Between two lines of one kind for the operator. */
#define QUIET_US 10000000u

void flx_control_complain(struct flx_control *control, enum flx_control_complaint kind, pid_t pid,
			  const char *what)
{
	char more[64] = "";

	if (control->now_us < control->quiet_us[kind]) {
		control->untold[kind]++;
		return;
	}
	if (control->untold[kind])
		snprintf(more, sizeof(more), " (and %" PRIu64 " like it since the last such line)",
			 control->untold[kind]);
	flx_warn("control socket: process %d: %s%s", (int)pid, what, more);
	control->untold[kind] = 0;
	control->quiet_us[kind] = control->now_us + QUIET_US;
}

static void watch(const struct flx_control *control, const struct flx_control_client *client,
		  uint32_t events)
{
	struct epoll_event event = {.events = events,
				    .data.u32 = (uint32_t)(client - control->client)};

	epoll_ctl(control->epoll, EPOLL_CTL_MOD, client->fd, &event);
}

void flx_control_hang_up(struct flx_control_client *client)
{
	if (client->state == FLX_CONTROL_READING)
		flx_answer_fini(&client->answer);
	close(client->fd);
	client->state = FLX_CONTROL_FREE;
}

/* Nobody is there to read: what was asked for is not done, or no further. */
static void lose(struct flx_control *control, struct flx_control_client *client)
{
	if (client->state == FLX_CONTROL_READING || client->size)
		flx_control_complain(control,
				     client->state == FLX_CONTROL_ASKING ? FLX_CONTROL_BAD_REQUESTS
									 : FLX_CONTROL_LOST_READERS,
				     client->pid, "went away before its answer was read");
	flx_control_hang_up(client);
}

/* Sends what is at hand; false: the client does not take it now, or never will. */
static bool send_part(struct flx_control *control, struct flx_control_client *client)
{
	const char *at;
	size_t left;

	while ((left = flx_answer_left(&client->answer, &at)) > 0) {
		ssize_t sent = send(client->fd, at, left, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
			watch(control, client, EPOLLOUT);
			return false;
		}
		if (sent < 0) {
			lose(control, client);
			return false;
		}
		flx_answer_took(&client->answer, (size_t)sent);
		client->since_us = control->now_us;
	}
	return true;
}

/* An answer goes on: what is at hand, and one part more. */
static void go_on(struct flx_control *control, struct flx_control_client *client)
{
	client->look_us = UINT64_MAX;
	if (!send_part(control, client))
		return;
	client->since_us = control->now_us;
	switch (flx_answer_next(&client->answer)) {
	case FLX_ANSWER_DONE:
		flx_control_hang_up(client);
		break;
	case FLX_ANSWER_WAIT:
		watch(control, client, 0);
		client->look_us = control->now_us + LOOK_US;
		break;
	default:
		/* In a turn of its own: others are served meanwhile. */
		watch(control, client, EPOLLOUT);
	}
}

static void begin_answer(struct flx_control *control, struct flx_control_client *client, int rc)
{
	client->since_us = control->now_us;
	flx_answer_begin(&client->answer, rc);
	go_on(control, client);
}

/* The client gets an answer from here on; false: it had to go, for lack of memory. */
static bool make_answer(struct flx_control_client *client)
{
	if (flx_answer_init(&client->answer)) {
		flx_control_hang_up(client);
		return false;
	}
	client->state = FLX_CONTROL_READING;
	return true;
}

void flx_control_refuse(struct flx_control *control, struct flx_control_client *client,
			enum flx_control_complaint kind, int error, const char *why)
{
	char what[128];

	snprintf(what, sizeof(what), "refused: %s", why);
	flx_control_complain(control, kind, client->pid, what);
	if (make_answer(client))
		begin_answer(control, client,
			     flx_answer_refuse(&client->answer, error, "request: %s", why));
}

/* One that only sends no more still reads. */
static bool is_there(const struct flx_control_client *client)
{
	struct pollfd peer = {.fd = client->fd};

	return poll(&peer, 1, 0) == 0;
}

static void run_request(struct flx_control *control, struct flx_control_client *client, size_t size)
{
	const char *why = flx_request_parse(&control->request, client->line, size);

	if (!is_there(client))
		lose(control, client);
	else if (why)
		flx_control_refuse(control, client, FLX_CONTROL_BAD_REQUESTS, -EINVAL, why);
	else if (size + 1 != client->size)
		flx_control_refuse(control, client, FLX_CONTROL_BAD_REQUESTS, -EINVAL,
				   "more than one line");
	else if (make_answer(client))
		begin_answer(control, client,
			     control->conf.run(control->conf.argument, &control->request,
					       &client->answer));
}

void flx_control_read(struct flx_control *control, struct flx_control_client *client)
{
	char *room = client->line + client->size;
	ssize_t got = recv(client->fd, room, sizeof(client->line) - client->size, MSG_DONTWAIT);
	const char *end;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		if (client->size)
			flx_control_complain(control, FLX_CONTROL_BAD_REQUESTS, client->pid,
					     "left amid its request");
		flx_control_hang_up(client);
		return;
	}
	end = memchr(room, '\n', (size_t)got);
	client->size += (size_t)got;
	if (end)
		run_request(control, client, (size_t)(end - client->line));
	else if (client->size == sizeof(client->line))
		flx_control_refuse(control, client, FLX_CONTROL_BAD_REQUESTS, -EINVAL,
				   "longer than 1,023 bytes");
}

void flx_control_handle(struct flx_control *control, struct flx_control_client *client,
			uint32_t events)
{
	if (events & (EPOLLHUP | EPOLLERR))
		lose(control, client);
	else if (client->state == FLX_CONTROL_ASKING)
		flx_control_read(control, client);
	else
		go_on(control, client);
}

uint64_t flx_control_client_due_us(const struct flx_control_client *client)
{
	const char *at;

	if (client->state == FLX_CONTROL_FREE)
		return UINT64_MAX;
	if (client->state == FLX_CONTROL_ASKING)
		return client->since_us + REQUEST_TIMEOUT_US;
	return flx_answer_left(&client->answer, &at) ? client->since_us + ANSWER_TIMEOUT_US
						     : client->look_us;
}

void flx_control_look_after(struct flx_control *control, struct flx_control_client *client)
{
	const char *at;

	if (control->now_us < flx_control_client_due_us(client))
		return;
	if (client->state == FLX_CONTROL_ASKING) {
		flx_control_refuse(control, client, FLX_CONTROL_BAD_REQUESTS, -ETIMEDOUT,
				   "not there within 2 s");
	} else if (flx_answer_left(&client->answer, &at)) {
		flx_control_complain(control, FLX_CONTROL_LOST_READERS, client->pid,
				     "did not read its answer for 2 s; write a long one to a file");
		flx_control_hang_up(client);
	} else {
		go_on(control, client);
	}
}
