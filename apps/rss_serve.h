/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rss_serve - how the frames of each port spread over its queues, and how many of their messages had to
 * go on to another worker: the command `rss`. See commands.h.
 */
#pragma once

#include <stdio.h>

#include "apps/answer.h"
#include "apps/request.h"
#include "fabric/fabric.h"
#include "scheduler/sched.h"

int flx_rss_serve(struct flx_fabric *fabric, const struct flx_request *request,
		  struct flx_answer *answer);

/* Prints the table of @ledger; @reta: whose buckets lead where. For tests. */
void flx_rss_print(FILE *out, const struct flx_ledger *ledger, const struct flx_reta *reta);
