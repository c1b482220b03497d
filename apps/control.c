/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apps/control_state.h"
#include "fabric/base.h"

/* After an accept that failed for lack of something; trying again at once would only burn time. */
#define ACCEPT_PAUSE_US 1000000u

#define LISTENER FLX_CONTROL_CLIENTS /* among the numbers of clients */

/* ------------------------------------------------------------------------------------- newcomers */

/* The one to take the next client: free, or of the one that has kept us waiting longest; NULL. */
static struct flx_control_client *find_place(struct flx_control *control)
{
	struct flx_control_client *oldest = NULL;

	for (uint32_t i = 0; i < FLX_CONTROL_CLIENTS; i++) {
		struct flx_control_client *client = &control->client[i];

		if (client->state == FLX_CONTROL_FREE)
			return client;
		if (client->state == FLX_CONTROL_ASKING &&
		    (!oldest || client->since_us < oldest->since_us))
			oldest = client;
	}
	return oldest && control->now_us - oldest->since_us >= FLX_CONTROL_GRACE_US ? oldest : NULL;
}

/* Whether the kernel says that @fd's peer may ask; else it is told, and the operator is. */
static bool check_peer(struct flx_control *control, int fd, pid_t *pid)
{
	static const char text[] = "error EPERM only root and the user of the fabric may ask it\n";
	struct ucred peer = {.uid = (uid_t)-1};
	socklen_t size = sizeof(peer);
	char what[96];

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		peer.uid = (uid_t)-1;
	*pid = peer.pid;
	if (peer.uid == geteuid() || peer.uid == 0)
		return true;
	snprintf(what, sizeof(what), "refused: uid %u; only root and uid %u may ask",
		 (unsigned int)peer.uid, (unsigned int)geteuid());
	flx_control_complain(control, FLX_CONTROL_STRANGERS, peer.pid, what);
	send(fd, text, sizeof(text) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	return false;
}

static void take_client(struct flx_control *control, struct flx_control_client *client, int fd,
			pid_t pid)
{
	struct epoll_event event = {.events = EPOLLIN,
				    .data.u32 = (uint32_t)(client - control->client)};

	if (client->state == FLX_CONTROL_ASKING)
		flx_control_refuse(control, client, FLX_CONTROL_CROWDS, -EBUSY,
				   "others wait, and it is not there; send it at once");
	if (client->state != FLX_CONTROL_FREE)
		flx_control_hang_up(client); /* it did not even read that */
	if (epoll_ctl(control->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
		close(fd);
		return;
	}
	client->state = FLX_CONTROL_ASKING;
	client->fd = fd;
	client->pid = pid;
	client->since_us = control->now_us;
	client->size = 0;
	/* Mostly it is there already. */
	flx_control_read(control, client);
}

/* As many as there are places, so that a turn ends. */
static void take_newcomers(struct flx_control *control)
{
	struct flx_control_client *place;
	char what[128];

	for (uint32_t i = 0; i < FLX_CONTROL_CLIENTS && (place = find_place(control)); i++) {
		int fd = accept4(control->conf.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		pid_t pid;

		if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
			return;
		if (fd < 0) {
			snprintf(what, sizeof(what), "cannot accept: %s; allow more (ulimit -n)",
				 strerror(errno));
			flx_control_complain(control, FLX_CONTROL_NO_ACCEPT, getpid(), what);
			control->accept_us = control->now_us + ACCEPT_PAUSE_US;
			return;
		}
		if (check_peer(control, fd, &pid))
			take_client(control, place, fd, pid);
		else
			close(fd);
	}
}

/* Who cannot be taken now must not wake us. */
static void watch_listener(struct flx_control *control)
{
	bool wanted = control->now_us >= control->accept_us && find_place(control);
	struct epoll_event event = {.events = wanted ? EPOLLIN : 0, .data.u32 = LISTENER};

	if (wanted == control->accepts)
		return;
	control->accepts = wanted;
	epoll_ctl(control->epoll, EPOLL_CTL_MOD, control->conf.listener, &event);
}

/* --------------------------------------------------------------------------------------- serving */

int flx_control_start(struct flx_control **started, const struct flx_control_conf *conf)
{
	struct flx_control *control = calloc(1, sizeof(*control));
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = LISTENER};
	int error = ENOMEM;

	if (!control)
		goto err_memory;
	control->conf = *conf;
	control->accepts = true;
	control->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (control->epoll < 0 ||
	    epoll_ctl(control->epoll, EPOLL_CTL_ADD, conf->listener, &event) < 0)
		goto err_epoll;
	*started = control;
	return 0;

err_epoll:
	error = errno;
	if (control->epoll >= 0)
		close(control->epoll);
	free(control);
err_memory:
	flx_error("the control socket cannot be served: %s; free some memory, or allow more open "
		  "files (ulimit -n)",
		  strerror(error));
	return -error;
}

void flx_control_stop(struct flx_control *control)
{
	for (uint32_t i = 0; i < FLX_CONTROL_CLIENTS; i++)
		if (control->client[i].state != FLX_CONTROL_FREE)
			flx_control_hang_up(&control->client[i]);
	close(control->epoll);
	free(control);
}

int flx_control_fd(const struct flx_control *control)
{
	return control->epoll;
}

/* When newcomers are to be looked at again: now they are not. */
static uint64_t newcomers_due(const struct flx_control *control)
{
	uint64_t place_us = UINT64_MAX;

	for (uint32_t i = 0; i < FLX_CONTROL_CLIENTS; i++) {
		const struct flx_control_client *client = &control->client[i];
		uint64_t us = client->state == FLX_CONTROL_FREE ? 0
			      : client->state == FLX_CONTROL_ASKING
				      ? client->since_us + FLX_CONTROL_GRACE_US
				      : UINT64_MAX;

		place_us = us < place_us ? us : place_us;
	}
	return place_us > control->accept_us ? place_us : control->accept_us;
}

uint64_t flx_control_due_us(const struct flx_control *control)
{
	uint64_t due_us = control->accepts ? UINT64_MAX : newcomers_due(control);

	for (uint32_t i = 0; i < FLX_CONTROL_CLIENTS; i++) {
		uint64_t client_us = flx_control_client_due_us(&control->client[i]);

		due_us = client_us < due_us ? client_us : due_us;
	}
	return due_us;
}

void flx_control_serve(struct flx_control *control, uint64_t now_us)
{
	struct epoll_event events[FLX_CONTROL_CLIENTS + 1];
	bool newcomers = false;
	int count = epoll_wait(control->epoll, events, FLX_CONTROL_CLIENTS + 1, 0);

	control->now_us = now_us;
	for (int i = 0; i < count; i++) {
		uint32_t number = events[i].data.u32;

		if (number == LISTENER)
			newcomers = true;
		else
			flx_control_handle(control, &control->client[number], events[i].events);
	}
	for (uint32_t i = 0; i < FLX_CONTROL_CLIENTS; i++)
		flx_control_look_after(control, &control->client[i]);
	if (newcomers)
		take_newcomers(control);
	watch_listener(control);
}
