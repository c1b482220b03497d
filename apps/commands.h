/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * commands - what a running fabric can be asked: a table. `flx NAME WORD...` sends the words to it;
 * `flx help` prints the table.
 *
 * To add one, add a row. Its function runs on the control thread between two ticks, so it takes well
 * under a millisecond; what needs longer goes on in parts (flx_answer_continue). It gets all words,
 * its name the first; prints its lines to answer->out; and returns 0, or what flx_answer_refuse
 * does: -EINVAL when the words are wrong (exit status 2), another -errno when it fails (1).
 */
#pragma once

#include <stdio.h>

#include "apps/answer.h"
#include "apps/request.h"
#include "fabric/fabric.h"

struct flx_command {
	const char *name;
	const char *usage; /* the words behind the name */
	const char *help;
	int (*run)(struct flx_fabric *fabric, const struct flx_request *request,
		   struct flx_answer *answer);
};

/* The command called @name; NULL: none. */
const struct flx_command *flx_commands_find(const char *name);

/* flx_commands_run - run @request on @fabric; for flx_control_conf. Context: control thread. */
int flx_commands_run(void *fabric, const struct flx_request *request, struct flx_answer *answer);

/* Ends what commands have left under way; no answer is under way any more. Before the fabric ends. */
void flx_commands_stop(void);

/* Prints the table. */
void flx_commands_help(FILE *out);
