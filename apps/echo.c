/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * echo - the least app: sends every request back as it came.
 *
 * It has no context, so it runs on every worker, and a message makes no hop. The port is 7007 and
 * not the 7 of RFC 862, so that a client in the kernel may use the same number without privileges.
 */
#include <stdlib.h>

#include "fabric/flx.h"

static int echo(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)context;
	return flx_reply(call, msg);
}

static struct flx_fluxion fluxions[] = {{
	.id = "echo",
	.listen = {.udp = 7007},
	.handler = echo,
}};

static int set_port(const char *value)
{
	char *end;
	unsigned long port;

	if (*value < '0' || *value > '9')
		return -EINVAL;
	errno = 0;
	port = strtoul(value, &end, 10);
	if (errno || *end || port < 1 || port > UINT16_MAX)
		return -EINVAL;
	fluxions[0].listen.udp = (uint16_t)port;
	return 0;
}

static const struct flx_setting settings[] = {
	{"port", "1..65535: the UDP port to listen on (7007)", set_port},
	{0},
};

struct flx_program flx_program = {
	.name = "echo",
	.about = "sends every UDP request back as it came",
	FLX_FLUXIONS(fluxions),
	.settings = settings,
};
