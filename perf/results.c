/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/results.h"

#include <inttypes.h>
#include <string.h>

#include "fabric/base.h"
#include "perf/figure.h"

#define LATENCY "latency."

static const char *const flags[FLX_PERF_FLAGS] = {
	[FLX_PERF_GENERATOR_LIMITED] = "GENERATOR-LIMITED",
	[FLX_PERF_DEV_MODE] = "DEV MODE",
	[FLX_PERF_SHORT] = "SHORT",
	[FLX_PERF_CAPPED] = "CAPPED",
};

static const char *const flag_texts[FLX_PERF_FLAGS] = {
	[FLX_PERF_GENERATOR_LIMITED] = "the generator was the limit: what it drove may be faster",
	[FLX_PERF_DEV_MODE] = "no NIC carried it: cores and memory are real, the wire is not",
	[FLX_PERF_SHORT] =
		"fewer runs than five, or shorter ones than the rules of its scenario ask for",
	[FLX_PERF_CAPPED] =
		"some figure is the most that was offered or looked for, and may be more",
};

const char *flx_perf_flag_name(enum flx_perf_flag flag)
{
	return flags[flag];
}

/* ------------------------------------------------------------------------------------------ judge */

static bool is_interrupted_or_failed(const struct flx_results *results)
{
	return results->interrupted || results->failed;
}

enum flx_claim_result flx_results_bound(const struct flx_figures *figures,
					const struct flx_found *found, const char *bound)
{
	char claim[sizeof(found->name) + sizeof(found->must) + 1], fault[160];

	snprintf(claim, sizeof(claim), "%s %s", found->name, bound);
	return flx_claim_test(figures, claim, fault, sizeof(fault));
}

/* How many musts came to @result. */
static uint32_t count_musts(const struct flx_figures *figures, enum flx_claim_result result)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < figures->count; i++) {
		const struct flx_found *found = &figures->found[i];

		count += found->must[0] && flx_results_bound(figures, found, found->must) == result;
	}
	return count;
}

void flx_results_judge(struct flx_results *results)
{
	bool failed = is_interrupted_or_failed(results);

	for (uint32_t i = 0; i < results->assert_count; i++) {
		struct flx_assert *one = &results->assert_[i];

		one->result =
			flx_claim_test(results->figures, one->claim, one->says, sizeof(one->says));
		failed |= one->result != FLX_CLAIM_HOLDS;
	}
	failed |= results->check && (count_musts(results->figures, FLX_CLAIM_FAILS) ||
				     count_musts(results->figures, FLX_CLAIM_UNKNOWN));
	failed |= results->figures->account.unexplained != 0 || results->figures->broken;
	results->status = results->interrupted				       ? 130
			  : failed					       ? 1
			  : results->figures->flag[FLX_PERF_GENERATOR_LIMITED] ? 3
									       : 0;
}

/* ------------------------------------------------------------------------------------------ print */

static const char *word_of(enum flx_claim_result result)
{
	return result == FLX_CLAIM_HOLDS   ? "ok"
	       : result == FLX_CLAIM_FAILS ? "MISSED"
					   : "not measured";
}

static void print_bounds(const struct flx_figures *figures, const struct flx_found *found,
			 FILE *out)
{
	if (found->floor[0]) {
		const struct flx_found *floor = flx_figures_find(found->floor);
		double base = floor ? flx_samples_median(&floor->samples) : 0;

		if (base > 0)
			fprintf(out, "  %.2f x %s", flx_samples_median(&found->samples) / base,
				found->floor);
	}
	if (found->must[0])
		fprintf(out, "  must %s: %s", found->must,
			word_of(flx_results_bound(figures, found, found->must)));
	if (found->target[0])
		fprintf(out, "  target %s%s", found->target,
			flx_results_bound(figures, found, found->target) == FLX_CLAIM_HOLDS
				? ": met"
				: "");
	fputc('\n', out);
}

static void print_row(const struct flx_figures *figures, const struct flx_found *found, FILE *out)
{
	double median = flx_samples_median(&found->samples);
	int digits = flx_samples_digits(median);
	char range[48];

	if (!found->samples.count) {
		fprintf(out, "%-28s skipped: %s\n", found->name, found->skipped);
		return;
	}
	snprintf(range, sizeof(range), "[%.*f .. %.*f]", digits, flx_samples_min(&found->samples),
		 digits, flx_samples_max(&found->samples));
	fprintf(out, "%-28s %10.*f %-22s %2u  %-12s", found->name, digits, median, range,
		found->samples.count, found->unit);
	print_bounds(figures, found, out);
}

static bool is_latency(const struct flx_found *found)
{
	return strncmp(found->name, LATENCY, strlen(LATENCY)) == 0;
}

static void print_figures(const struct flx_figures *figures, const char *head, bool latencies,
			  FILE *out)
{
	bool any = false;

	for (uint32_t i = 0; i < figures->count; i++) {
		if (is_latency(&figures->found[i]) != latencies)
			continue;
		if (!any)
			fprintf(out, "\n%s  median [least .. most], runs\n", head);
		any = true;
		print_row(figures, &figures->found[i], out);
	}
}

static void print_ledger(const struct flx_account *account, FILE *out)
{
	if (!account->fabrics)
		return;
	fprintf(out,
		"\nLEDGER  of %" PRIu32 " fabrics: received %" PRIu64 " + generated %" PRIu64
		" = delivered %" PRIu64 " + consumed %" PRIu64 " + dropped %" PRIu64
		" + in flight %" PRIu64 "\nunexplained %" PRIu64 "\n",
		account->fabrics, account->received, account->generated, account->delivered,
		account->consumed, account->dropped, account->in_flight, account->unexplained);
}

static void print_verdict(const struct flx_results *results, FILE *out)
{
	const struct flx_figures *figures = results->figures;
	uint32_t hold = count_musts(figures, FLX_CLAIM_HOLDS);
	uint32_t unknown = count_musts(figures, FLX_CLAIM_UNKNOWN);

	fprintf(out, "\nVERDICT  %s: %u of %u bounds hold", results->scenario, hold,
		hold + count_musts(figures, FLX_CLAIM_FAILS));
	if (unknown)
		fprintf(out, ", %u could not be measured", unknown);
	fputc('\n', out);
	for (uint32_t i = 0; i < results->assert_count; i++) {
		const struct flx_assert *one = &results->assert_[i];

		fprintf(out, "assert %s: %s (%s)\n", one->claim,
			one->result == FLX_CLAIM_HOLDS	   ? "holds"
			: one->result == FLX_CLAIM_FAILS   ? "FAILS"
			: one->result == FLX_CLAIM_UNKNOWN ? "UNKNOWN"
							   : "BAD",
			one->says);
	}
	for (uint32_t f = 0; f < FLX_PERF_FLAGS; f++)
		if (figures->flag[f])
			fprintf(out, "%s: %s\n", flags[f], flag_texts[f]);
	if (results->failed)
		fprintf(out, "FAILED: a run did not come to its end; what it said is above\n");
	if (results->interrupted)
		fprintf(out, "INTERRUPTED: figures are of the runs before\n");
}

void flx_results_print(const struct flx_results *results, FILE *out)
{
	print_figures(results->figures, "RESULT", false, out);
	print_figures(results->figures, "LATENCY", true, out);
	print_ledger(&results->figures->account, out);
	print_verdict(results, out);
}
