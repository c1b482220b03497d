/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fabric/base.h"
#include "perf/figure.h"
#include "perf/preflight_json.h"
#include "perf/results.h"

/* ------------------------------------------------------------------------------------------- JSON */

/* JSON is UTF-8; what is not cannot be told, but that it was there. */
static json_t *text(const char *string)
{
	json_t *value = json_string(string);

	return value ? value : json_string("(not UTF-8)");
}

/* Jansson's own calls take ownership of what they set, and pass a failure on as NULL. */
static json_t *list_strings(char *const *words)
{
	json_t *list = json_array();

	for (; *words; words++)
		json_array_append_new(list, text(*words));
	return list;
}

static json_t *describe_bound(const struct flx_figures *figures, const struct flx_found *found,
			      const char *bound)
{
	enum flx_claim_result result = flx_results_bound(figures, found, bound);
	json_t *object = json_object();
	double limit;

	json_object_set_new(object, "claim", json_string(bound));
	if (flx_claim_limit(figures, bound, &limit))
		json_object_set_new(object, "limit", json_real(limit));
	json_object_set_new(object, "known", json_boolean(result != FLX_CLAIM_UNKNOWN));
	json_object_set_new(object, "holds", json_boolean(result == FLX_CLAIM_HOLDS));
	return object;
}

static void set_floor(json_t *object, const struct flx_found *found)
{
	const struct flx_found *floor = found->floor[0] ? flx_figures_find(found->floor) : NULL;
	double base = floor ? flx_samples_median(&floor->samples) : 0;

	if (base <= 0)
		return;
	json_object_set_new(object, "floor",
			    json_pack("{s:s, s:f}", "name", found->floor, "value", base));
	json_object_set_new(object, "ratio", json_real(flx_samples_median(&found->samples) / base));
}

/* What a figure is to reach, measured or not. */
static void set_meaning(json_t *object, const struct flx_figures *figures,
			const struct flx_found *found)
{
	if (found->must[0])
		json_object_set_new(object, "must", describe_bound(figures, found, found->must));
	if (found->target[0])
		json_object_set_new(object, "target",
				    describe_bound(figures, found, found->target));
	if (found->what[0])
		json_object_set_new(object, "what", json_string(found->what));
}

static json_t *describe_figure(const struct flx_figures *figures, const struct flx_found *found)
{
	json_t *runs = json_array(), *object;

	for (uint32_t i = 0; i < found->samples.count; i++)
		json_array_append_new(runs, json_real(found->samples.value[i]));
	object = json_pack("{s:s, s:s, s:f, s:o, s:f, s:f}", "name", found->name, "unit",
			   found->unit, "value", flx_samples_median(&found->samples), "runs", runs,
			   "least", flx_samples_min(&found->samples), "most",
			   flx_samples_max(&found->samples));
	set_floor(object, found);
	set_meaning(object, figures, found);
	return object;
}

static json_t *list_figures(const struct flx_figures *figures)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < figures->count; i++)
		if (figures->found[i].samples.count)
			json_array_append_new(list, describe_figure(figures, &figures->found[i]));
	return list;
}

static json_t *list_skipped(const struct flx_figures *figures)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < figures->count; i++) {
		const struct flx_found *found = &figures->found[i];
		json_t *object;

		if (!found->skipped[0])
			continue;
		object = json_pack("{s:s, s:s}", "name", found->name, "reason", found->skipped);
		set_meaning(object, figures, found);
		json_array_append_new(list, object);
	}
	return list;
}

/* Lines of one run of one figure follow each other. */
static json_t *list_series(const struct flx_figures *figures)
{
	json_t *list = json_array(), *rows = NULL;

	for (uint32_t i = 0; i < figures->seconds_count; i++) {
		const struct flx_second *second = &figures->second[i];
		const struct flx_second *last = i ? second - 1 : NULL;

		if (!last || second->run != last->run || strcmp(second->name, last->name) != 0) {
			rows = json_array();
			json_array_append_new(list,
					      json_pack("{s:s, s:i, s:o}", "name", second->name,
							"run", (int)second->run, "rows", rows));
		}
		json_array_append_new(rows, json_pack("[f, f, f, f]", second->at_s, second->offered,
						      second->answered, second->dropped));
	}
	return list;
}

static json_t *describe_ledger(const struct flx_account *account)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "fabrics",
			 (json_int_t)account->fabrics, "received", (json_int_t)account->received,
			 "generated", (json_int_t)account->generated, "delivered",
			 (json_int_t)account->delivered, "consumed", (json_int_t)account->consumed,
			 "dropped", (json_int_t)account->dropped, "in_flight",
			 (json_int_t)account->in_flight, "unexplained",
			 (json_int_t)account->unexplained);
}

static json_t *list_flags(const struct flx_figures *figures)
{
	json_t *list = json_array();

	for (uint32_t f = 0; f < FLX_PERF_FLAGS; f++)
		if (figures->flag[f])
			json_array_append_new(list, json_string(flx_perf_flag_name(f)));
	return list;
}

static json_t *list_asserts(const struct flx_results *results)
{
	static const char *const words[] = {
		[FLX_CLAIM_HOLDS] = "holds",
		[FLX_CLAIM_FAILS] = "fails",
		[FLX_CLAIM_UNKNOWN] = "unknown",
		[FLX_CLAIM_BAD] = "bad",
	};
	json_t *list = json_array();

	for (uint32_t i = 0; i < results->assert_count; i++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "claim",
						      results->assert_[i].claim, "result",
						      words[results->assert_[i].result], "says",
						      results->assert_[i].says));
	return list;
}

static json_t *describe(const struct flx_results *results)
{
	const struct flx_figures *figures = results->figures;

	return json_pack(
		"{s:i, s:s, s:o, s:s, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:i}",
		"flxperf", FLX_RESULTS_VERSION, "scenario", results->scenario, "command",
		list_strings(results->command), "started", results->started, "seconds",
		results->seconds, "environment", flx_preflight_json(results->preflight), "results",
		list_figures(figures), "skipped", list_skipped(figures), "series",
		list_series(figures), "ledger", describe_ledger(&figures->account), "flags",
		list_flags(figures), "asserts", list_asserts(results), "failed", results->failed,
		"interrupted", results->interrupted, "exit", results->status);
}

/* ------------------------------------------------------------------------------------------ files */

static int write_json(const struct flx_results *results, FILE *file)
{
	json_t *object = describe(results);
	int error = object ? json_dumpf(object, file, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : -1;

	json_decref(object);
	return error ? -ENOMEM : fputc('\n', file) == EOF ? -errno : 0;
}

static int write_csv(const struct flx_results *results, FILE *file)
{
	fprintf(file, "name,unit,run,value\n");
	for (uint32_t i = 0; i < results->figures->count; i++) {
		const struct flx_found *found = &results->figures->found[i];

		for (uint32_t run = 0; run < found->samples.count; run++)
			fprintf(file, "%s,\"%s\",%u,%.9g\n", found->name, found->unit, run,
				found->samples.value[run]);
	}
	return ferror(file) ? -EIO : 0;
}

typedef int write_fn(const struct flx_results *results, FILE *file);

/* Opens @path by @mode, writes, and closes: 0 or -errno. */
static int write_into(const struct flx_results *results, const char *path, const char *mode,
		      write_fn *write_to)
{
	FILE *file = fopen(path, mode);
	int error = file ? write_to(results, file) : -errno;

	if (file && fclose(file) && !error)
		error = -errno;
	return error;
}

/* Under another name first: who reads it never sees half of it. */
static int replace(const struct flx_results *results, const char *path, write_fn *write_to)
{
	char part[PATH_MAX];
	int error;

	if (snprintf(part, sizeof(part), "%s.%d.part", path, (int)getpid()) >= (int)sizeof(part))
		return -ENAMETOOLONG;
	error = write_into(results, part, "wx", write_to);
	if (!error && rename(part, path))
		error = -errno;
	if (error && error != -EEXIST)
		unlink(part);
	return error;
}

/* What is no file, such as a pipe or /dev/stdout, is written to, and stays what it is. */
static int write_whole(const struct flx_results *results, const char *path, write_fn *write_to)
{
	char real[PATH_MAX];
	struct stat status;
	int error;

	if (stat(path, &status) == 0 && !S_ISREG(status.st_mode))
		error = write_into(results, path, "w", write_to);
	else
		error = replace(results, realpath(path, real) ? real : path, write_to);
	if (error)
		flx_error("flxperf: cannot write %s: %s; give a file in a directory that is there",
			  path, strerror(-error));
	return error;
}

int flx_results_write_json(const struct flx_results *results, const char *path)
{
	return write_whole(results, path, write_json);
}

int flx_results_write_csv(const struct flx_results *results, const char *path)
{
	return write_whole(results, path, write_csv);
}
