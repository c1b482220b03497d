/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/rss_serve.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

static double share(uint64_t part, uint64_t all)
{
	return all ? 100.0 * (double)part / (double)all : 0.0;
}

static uint32_t count_buckets(const struct flx_reta *reta, uint32_t port, uint32_t queue)
{
	uint32_t count = 0;

	for (uint32_t b = 0; b < reta->conf.port[port].buckets; b++)
		count += reta->queue[port][b] == queue;
	return count;
}

static void print_port(FILE *out, const struct flx_ledger *ledger, const struct flx_reta *reta,
		       uint32_t p)
{
	const struct flx_port_ledger *port = &ledger->port[p];
	uint32_t buckets = p < reta->conf.port_count ? reta->conf.port[p].buckets : 0;

	fprintf(out, "port %" PRIu32 ", %s: ", p, port->name);
	if (buckets)
		fprintf(out, "indirection table of %" PRIu32 " buckets\n", buckets);
	else
		fprintf(out, "no indirection table\n");
	for (uint32_t q = 0; q < port->queue_count; q++) {
		uint64_t received = port->queue_received[q], steered = port->queue_steered[q];

		fprintf(out,
			"  queue %-3" PRIu32 " %12" PRIu64 " received %5.1f%%  %12" PRIu64
			" to other workers %5.1f%%",
			q, received, share(received, port->received), steered,
			share(steered, received));
		if (buckets)
			fprintf(out, "  %4" PRIu32 " buckets", count_buckets(reta, p, q));
		fputc('\n', out);
	}
}

void flx_rss_print(FILE *out, const struct flx_ledger *ledger, const struct flx_reta *reta)
{
	for (uint32_t p = 0; p < ledger->port_count; p++)
		print_port(out, ledger, reta, p);
	if (!ledger->port_count)
		fprintf(out, "no port\n");
}

int flx_rss_serve(struct flx_fabric *fabric, const struct flx_request *request,
		  struct flx_answer *answer)
{
	struct flx_sched *sched = flx_fabric_sched(fabric);
	struct flx_ledger *ledger;

	if (request->count > 1)
		return flx_answer_refuse(answer, -EINVAL, "%s: one too many; give rss alone",
					 request->word[1]);
	ledger = malloc(sizeof(*ledger));
	if (!ledger)
		return flx_answer_refuse(answer, -ENOMEM, "no memory for a ledger");
	flx_fabric_ledger(fabric, ledger);
	flx_sched_lock(sched);
	flx_rss_print(answer->out, ledger, &sched->reta);
	flx_sched_unlock(sched);
	free(ledger);
	return 0;
}
