/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/status.h"

#include <inttypes.h>

static uint64_t per_second(uint64_t before, uint64_t now, uint64_t period_us)
{
	return (uint64_t)((double)(now - before) * 1e6 / (double)period_us + 0.5);
}

static uint64_t sum_handled(const struct flx_ledger *ledger)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < ledger->worker_count; i++)
		sum += ledger->worker_handled[i];
	return sum;
}

static uint64_t sum_refused(const struct flx_ledger *ledger)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < ledger->port_count; i++)
		sum += ledger->port[i].refused;
	return sum;
}

void flx_status_print(FILE *out, const struct flx_ledger *before, const struct flx_ledger *now,
		      uint64_t elapsed_us, uint64_t period_us)
{
	uint64_t refused = per_second(sum_refused(before), sum_refused(now), period_us);

	if (now->stalled_workers) {
		fprintf(out,
			"%8.1f s  %" PRIu32 " of %" PRIu32
			" workers stalled; no figures without them\n",
			(double)elapsed_us / 1e6, now->stalled_workers, now->worker_count);
		fflush(out);
		return;
	}
	fprintf(out,
		"%8.1f s  rx %" PRIu64 "/s  tx %" PRIu64 "/s  handled %" PRIu64 "/s  drops %" PRIu64
		"/s  in flight %" PRId64 "  contexts %" PRIu64 "  busy",
		(double)elapsed_us / 1e6, per_second(before->received, now->received, period_us),
		per_second(before->delivered, now->delivered, period_us),
		per_second(sum_handled(before), sum_handled(now), period_us),
		per_second(before->dropped, now->dropped, period_us), now->in_flight,
		now->contexts);
	for (uint32_t i = 0; i < now->worker_count; i++)
		fprintf(out, " %" PRIu32 "%%", flx_ledger_busy_pct(before, now, i));
	if (refused)
		fprintf(out, "  refused by ports %" PRIu64 "/s", refused);
	if (now->unexplained)
		fprintf(out, "  unexplained %" PRId64, now->unexplained);
	fputc('\n', out);
	fflush(out);
}
