/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/desk.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fabric/base.h"

/* Time that workers have for each us that is taken from them here: 1 in 100 no load shows. */
#define PAUSES_PER_US 99u

static uint64_t clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

/* In this user's directory; 0, or -errno with the reason in @socket. */
static int make_socket(struct flx_socket *socket, const char *program)
{
	char dir[FLX_SOCKET_PATH_SIZE];

	if (flx_socket_dir(dir) == 0)
		return flx_socket_make(socket, dir, program);
	snprintf(socket->why, sizeof(socket->why),
		 "%s...: too long; set XDG_RUNTIME_DIR to a shorter path, or give --control PATH",
		 dir);
	return -ENAMETOOLONG;
}

int flx_desk_open(struct flx_desk *desk, const char *where, const char *program)
{
	int error;

	*desk = (struct flx_desk){.socket.listener = -1};
	if (where && strcmp(where, "off") == 0)
		return 0;
	if (where) {
		error = flx_socket_bind(&desk->socket, where);
		if (error)
			flx_error("--control %s", desk->socket.why);
		return error == -ENAMETOOLONG ? -EINVAL : error;
	}
	if (make_socket(&desk->socket, program))
		flx_warn("flx show and the like cannot ask this fabric: %s", desk->socket.why);
	return 0;
}

void flx_desk_start(struct flx_desk *desk, const struct flx_control_conf *conf, bool shares_cpu)
{
	struct flx_control_conf served = *conf;

	served.listener = desk->socket.listener;
	desk->shares_cpu = shares_cpu;
	/* When it cannot serve it has said why; the fabric is there for others than us. */
	if (served.listener >= 0 && flx_control_start(&desk->control, &served))
		flx_socket_close(&desk->socket);
}

void flx_desk_close(struct flx_desk *desk)
{
	if (desk->control)
		flx_control_stop(desk->control);
	desk->control = NULL;
	flx_socket_close(&desk->socket);
}

int flx_desk_fd(const struct flx_desk *desk, uint64_t now_us)
{
	return desk->control && now_us >= desk->serve_us ? flx_control_fd(desk->control) : -1;
}

uint64_t flx_desk_due_us(const struct flx_desk *desk, uint64_t now_us)
{
	if (!desk->control)
		return UINT64_MAX;
	/* In a pause nobody looks at the descriptor: at its end, somebody must. */
	return now_us < desk->serve_us ? desk->serve_us : flx_control_due_us(desk->control);
}

/* To look in vain would be a reason to pause, and the end of the pause one to look again. */
static bool has_work(const struct flx_desk *desk, uint64_t now_us)
{
	struct pollfd wait = {.fd = flx_desk_fd(desk, now_us), .events = POLLIN};

	if (wait.fd < 0)
		return false;
	return flx_control_due_us(desk->control) <= now_us || poll(&wait, 1, 0) > 0;
}

void flx_desk_serve(struct flx_desk *desk)
{
	uint64_t begin_us = clock_us(), end_us;

	if (!has_work(desk, begin_us))
		return;
	flx_control_serve(desk->control, begin_us);
	if (!desk->shares_cpu)
		return;
	end_us = clock_us();
	desk->serve_us = end_us + (end_us - begin_us + 1) * PAUSES_PER_US;
}
