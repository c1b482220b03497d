/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/show.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

/* Shorter, and a share is of a few turns; longer, and a person waits. */
#define SPAN_MS 250u

struct show {
	struct flx_fabric *fabric;
	uint64_t end_ms;
	struct flx_ledger before, now;
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void flx_show_print(FILE *out, const struct flx_plan *plan, const struct flx_ledger *before,
		    const struct flx_ledger *now)
{
	fprintf(out, "workers\n");
	for (uint32_t w = 0; w < now->worker_count; w++) {
		fprintf(out, "  %-4" PRIu32 " CPU %-4" PRIu32, w, plan->worker[w].cpu);
		/* Who has not answered counts no cycles. */
		if (now->worker_total_tsc[w])
			fprintf(out, " busy %3" PRIu32 "%%\n", flx_ledger_busy_pct(before, now, w));
		else
			fprintf(out, " stalled\n");
	}
	flx_ledger_print(now, out);
	if (now->stalled_workers)
		fprintf(out, "what stalled workers did and hold is missing above\n");
}

static int finish(void *argument, struct flx_answer *answer)
{
	struct show *show = argument;

	if (now_ms() < show->end_ms)
		return FLX_ANSWER_WAIT;
	flx_fabric_ledger(show->fabric, &show->now);
	flx_show_print(answer->out, flx_fabric_plan(show->fabric), &show->before, &show->now);
	return FLX_ANSWER_DONE;
}

int flx_show(struct flx_fabric *fabric, const struct flx_request *request,
	     struct flx_answer *answer)
{
	struct show *show;

	if (request->count > 1)
		return flx_answer_refuse(answer, -EINVAL, "%s: one too many; give show alone",
					 request->word[1]);
	show = malloc(sizeof(*show));
	if (!show)
		return flx_answer_refuse(answer, -ENOMEM, "no memory for two ledgers");
	show->fabric = fabric;
	show->end_ms = now_ms() + SPAN_MS;
	flx_fabric_ledger(fabric, &show->before);
	flx_answer_continue(answer, finish, free, show);
	return 0;
}
