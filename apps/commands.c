/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/commands.h"

#include <errno.h>
#include <string.h>

#include "apps/ctx_dump.h"
#include "apps/ctx_serve.h"
#include "apps/rss_serve.h"
#include "apps/sched_serve.h"
#include "apps/show.h"

static int run_ctx(struct flx_fabric *fabric, const struct flx_request *request,
		   struct flx_answer *answer)
{
	return flx_ctx_serve(flx_fabric_store(fabric), flx_fabric_snapshot_path(fabric), request,
			     answer);
}

static int run_help(struct flx_fabric *fabric, const struct flx_request *request,
		    struct flx_answer *answer)
{
	(void)fabric;
	(void)request;
	flx_commands_help(answer->out);
	return 0;
}

static int run_sched(struct flx_fabric *fabric, const struct flx_request *request,
		     struct flx_answer *answer)
{
	return flx_sched_serve(flx_fabric_sched(fabric), request, answer);
}

static int run_move(struct flx_fabric *fabric, const struct flx_request *request,
		    struct flx_answer *answer)
{
	return flx_sched_serve_move(flx_fabric_sched(fabric), request, answer);
}

static int run_pin(struct flx_fabric *fabric, const struct flx_request *request,
		   struct flx_answer *answer)
{
	return flx_sched_serve_pin(flx_fabric_sched(fabric), request, answer);
}

static const struct flx_command commands[] = {
	{"ctx", "ACTION",
	 "look at contexts, or copy them; of a store or a dump as well, see flx ctx --help",
	 run_ctx},
	{"help", "", "print what it can be asked", run_help},
	{"move", "GROUP[:SLICES] WORKER", "move slices to a worker, such as network:3,17-20 1",
	 run_move},
	{"pin", "GROUP[:SLICES]", "let nothing but orders move them", run_pin},
	{"rss", "", "how each port's frames spread over its queues", flx_rss_serve},
	{"sched", "[plan|history [N]|timeline [S]|auto|observe|off]",
	 "how the scheduler stands; what it would do now, and why; its last moves, in words or "
	 "as a picture (SVG); its mode",
	 run_sched},
	{"show", "", "the ledger now, and how busy the workers are", flx_show},
	{"unpin", "GROUP[:SLICES]", "let the scheduler move them again", run_pin},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

const struct flx_command *flx_commands_find(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

int flx_commands_run(void *fabric, const struct flx_request *request, struct flx_answer *answer)
{
	const struct flx_command *command = flx_commands_find(request->word[0]);

	if (!command)
		return flx_answer_refuse(answer, -EINVAL,
					 "%s: no such command; give one that flx help lists",
					 request->word[0]);
	return command->run(fabric, request, answer);
}

void flx_commands_stop(void)
{
	flx_ctx_dump_stop();
}

void flx_commands_help(FILE *out)
{
	char left[64];

	for (size_t i = 0; i < COMMANDS; i++) {
		snprintf(left, sizeof(left), "%s %s", commands[i].name, commands[i].usage);
		fprintf(out, "  %-12s %s\n", left, commands[i].help);
	}
}
