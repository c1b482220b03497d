/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/ledger.h"

#include <inttypes.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

uint32_t flx_ledger_busy_pct(const struct flx_ledger *before, const struct flx_ledger *now,
			     uint32_t worker)
{
	uint64_t busy = now->worker_busy_tsc[worker] - before->worker_busy_tsc[worker];
	uint64_t total = now->worker_total_tsc[worker] - before->worker_total_tsc[worker];

	if (now->worker_total_tsc[worker] <= before->worker_total_tsc[worker])
		return 0;
	return (uint32_t)(busy * 100 / total);
}

static void print_totals(const struct flx_ledger *ledger, FILE *out)
{
	const struct {
		const char *sign;
		const char *name;
		int64_t count;
	} rows[] = {
		{" ", "received", (int64_t)ledger->received},
		{"+", "generated", (int64_t)ledger->generated},
		{"=", "delivered", (int64_t)ledger->delivered},
		{"+", "consumed", (int64_t)ledger->consumed},
		{"+", "dropped", (int64_t)ledger->dropped},
		{"+", "in flight", ledger->in_flight},
		{"+", "unexplained", ledger->unexplained},
	};

	fprintf(out, "ledger\n");
	for (size_t i = 0; i < COUNT(rows); i++)
		if (rows[i].count)
			fprintf(out, "  %s %-24s %16" PRId64 "\n", rows[i].sign, rows[i].name,
				rows[i].count);
}

static void print_ports(const struct flx_ledger *ledger, FILE *out)
{
	for (uint32_t i = 0; i < ledger->port_count; i++) {
		const struct flx_port_ledger *port = &ledger->port[i];
		const struct {
			const char *name;
			uint64_t count;
			const char *text;
		} rows[] = {
			{"received", port->received, ""},
			{"delivered", port->delivered, ""},
			{"refused", port->refused, "dropped by the NIC: we did not poll"},
			{"rx_nombuf", port->rx_nombuf, "dropped by the NIC: no buffer"},
			{"rx_errors", port->rx_errors, "dropped by the NIC: broken frame"},
			{"tx_errors", port->tx_errors, "not sent by the NIC"},
		};
		bool headed = false;

		for (size_t j = 0; j < COUNT(rows); j++) {
			if (!rows[j].count)
				continue;
			if (!headed)
				fprintf(out, "port %" PRIu32 ": %.63s\n", i, port->name);
			headed = true;
			fprintf(out, "    %-24s %16" PRIu64 "%s%s\n", rows[j].name, rows[j].count,
				*rows[j].text ? "  " : "", rows[j].text);
		}
	}
}

static void print_errors(const struct flx_fluxion_ledger *fluxion, FILE *out)
{
	for (size_t i = 0; i < COUNT(fluxion->errors); i++) {
		const char *name = i ? strerrorname_np((int)i) : "other";
		char number[24];

		if (!fluxion->errors[i])
			continue;
		snprintf(number, sizeof(number), "error %zu", i);
		fprintf(out, "      %-22s %16" PRIu64 "  %s\n", name ? name : number,
			fluxion->errors[i],
			i ? strerrordesc_np((int)i) ? strerrordesc_np((int)i) : "" : "no errno");
	}
}

static void print_fluxions(const struct flx_ledger *ledger, FILE *out)
{
	for (uint32_t i = 0; i < ledger->fluxion_count; i++) {
		const struct flx_fluxion_ledger *fluxion = &ledger->fluxion[i];
		const struct {
			const char *name;
			uint64_t count;
		} rows[] = {
			{"arrived", fluxion->arrived},	 {"handled", fluxion->handled},
			{"failed", fluxion->failed},	 {"pending", fluxion->pending},
			{"consumed", fluxion->consumed}, {"generated", fluxion->generated},
		};
		bool headed = false;

		for (size_t j = 0; j < COUNT(rows); j++) {
			if (!rows[j].count)
				continue;
			if (!headed)
				fprintf(out, "fluxion %.*s\n", FLX_ID_MAX, fluxion->id);
			headed = true;
			fprintf(out, "    %-24s %16" PRIu64 "\n", rows[j].name, rows[j].count);
		}
		print_errors(fluxion, out);
	}
}

static void print_drops(const struct flx_ledger *ledger, FILE *out)
{
	bool headed = false;

	for (enum flx_drop drop = 0; drop < FLX_DROP_COUNT; drop++) {
		if (!ledger->drops.count[drop])
			continue;
		if (!headed)
			fprintf(out, "drops\n");
		headed = true;
		fprintf(out, "    %-24s %16" PRIu64 "  %s\n", flx_drop_name(drop),
			ledger->drops.count[drop], flx_drop_text(drop));
	}
}

static void print_workers(const struct flx_ledger *ledger, FILE *out)
{
	for (uint32_t i = 0; i < ledger->worker_count; i++)
		if (ledger->worker_handled[i])
			fprintf(out,
				"worker %-2" PRIu32 " handled              %16" PRIu64
				"  %.1f busy cycles each\n",
				i, ledger->worker_handled[i],
				(double)ledger->worker_busy_tsc[i] /
					(double)ledger->worker_handled[i]);
}

static void print_contexts(const struct flx_ledger *ledger, FILE *out)
{
	for (uint32_t t = 0; t < ledger->context_type_count; t++) {
		const struct flx_context_ledger *type = &ledger->context_type[t];
		const struct {
			const char *name;
			uint64_t count;
		} rows[] = {
			{"now", type->contexts},
			{"deleted", type->deleted},
			{"expired", type->expired},
			{"evicted", type->evicted},
			{"refused", type->refused},
			{"damaged", type->damaged},
			{"deferred bytes", type->deferred_bytes},
		};
		bool headed = false;

		for (size_t i = 0; i < COUNT(rows); i++) {
			if (!rows[i].count)
				continue;
			if (!headed)
				fprintf(out, "contexts of %s\n", type->name);
			headed = true;
			fprintf(out, "    %-24s %16" PRIu64 "\n", rows[i].name, rows[i].count);
		}
	}
}

void flx_ledger_print(const struct flx_ledger *ledger, FILE *out)
{
	print_totals(ledger, out);
	print_ports(ledger, out);
	print_fluxions(ledger, out);
	print_drops(ledger, out);
	print_workers(ledger, out);
	print_contexts(ledger, out);
	if (ledger->pool_size)
		fprintf(out, "buffers free                  %17" PRIu64 "  of %" PRIu64 "\n",
			ledger->pool_free, ledger->pool_size);
	if (ledger->pool_kept)
		fprintf(out, "buffers kept by a port's driver %15" PRIu64 "\n", ledger->pool_kept);
	fprintf(out, "unexplained %" PRId64 "\n", ledger->unexplained);
}
