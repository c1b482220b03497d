/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/compare.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "fabric/base.h"
#include "perf/figure.h"
#include "perf/results.h"
#include "perf/spread.h"

struct file {
	const char *path;
	json_t *json;
	json_t *results;
};

enum verdict {
	NOISE,
	HIGHER,
	LOWER,
	UNTOLD, /* too few runs */
	VERDICTS,
};

/* ------------------------------------------------------------------------------------------ reading */

/* Runs of @result into @samples; false: they are not what a file of flxperf has. */
static bool read_runs(const json_t *result, struct flx_samples *samples)
{
	const json_t *runs = json_object_get(result, "runs");

	samples->count = 0;
	if (!json_is_array(runs) || !json_array_size(runs) || json_array_size(runs) > FLX_RUNS_MAX)
		return false;
	for (size_t i = 0; i < json_array_size(runs); i++) {
		const json_t *run = json_array_get(runs, i);

		if (!json_is_number(run))
			return false;
		flx_samples_add(samples, json_number_value(run));
	}
	return true;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static int check_results(const struct file *file)
{
	struct flx_samples samples;

	if (!json_array_size(file->results)) {
		flx_error("%s: no results, so there is nothing to compare; let flxperf run to its "
			  "first figure",
			  file->path);
		return -EINVAL;
	}
	for (size_t i = 0; i < json_array_size(file->results); i++) {
		const json_t *result = json_array_get(file->results, i);

		if (text_of(result, "name")[0] && read_runs(result, &samples))
			continue;
		flx_error("%s: result %zu has no name, or not 1 to %d runs that are numbers: the "
			  "file is damaged; write it again with --json",
			  file->path, i, FLX_RUNS_MAX);
		return -EINVAL;
	}
	return 0;
}

/* A file may be from anywhere, and a terminal takes orders: what cannot be printed becomes '?'. */
static void make_printable(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

/* All texts of @value, where they are. 0 or -ENOMEM. */
static int clean(json_t *value)
{
	int rc = 0;

	if (json_is_string(value)) {
		char *text = strdup(json_string_value(value));

		if (text)
			make_printable(text);
		rc = text && json_string_set(value, text) == 0 ? 0 : -ENOMEM;
		free(text);
	}
	for (size_t i = 0; i < json_array_size(value) && !rc; i++)
		rc = clean(json_array_get(value, i));
	for (void *at = json_object_iter(value); at && !rc; at = json_object_iter_next(value, at))
		rc = clean(json_object_iter_value(at));
	return rc;
}

static int file_load(struct file *file, const char *path)
{
	json_error_t error;
	json_t *version;
	FILE *stream = fopen(path, "re");
	int rc = errno;

	*file = (struct file){.path = path};
	if (!stream) {
		flx_error("%s: cannot be read: %s; give a file that flxperf --json wrote", path,
			  strerror(rc));
		return -rc;
	}
	file->json = json_loadf(stream, 0, &error);
	fclose(stream);
	make_printable(error.text);
	rc = clean(file->json);
	version = json_object_get(file->json, "flxperf");
	file->results = json_object_get(file->json, "results");
	if (!file->json)
		flx_error("%s: not JSON: line %d: %s; give a file that flxperf --json wrote", path,
			  error.line, error.text);
	else if (rc)
		flx_error("%s: too large: %s; give a file that flxperf --json wrote", path,
			  strerror(-rc));
	else if (!json_is_integer(version))
		flx_error("%s: not a file of flxperf: it has no \"flxperf\" with a version; give "
			  "one that flxperf --json wrote",
			  path);
	else if (json_integer_value(version) != FLX_RESULTS_VERSION)
		flx_error("%s: version %" JSON_INTEGER_FORMAT
			  " of flxperf's files, and this reads %d; compare with the flxperf that "
			  "wrote it",
			  path, json_integer_value(version), FLX_RESULTS_VERSION);
	else
		return check_results(file);
	return -EINVAL;
}

static const json_t *find(const struct file *file, const char *name)
{
	for (size_t i = 0; i < json_array_size(file->results); i++) {
		const json_t *result = json_array_get(file->results, i);

		if (strcmp(text_of(result, "name"), name) == 0)
			return result;
	}
	return NULL;
}

/* ------------------------------------------------------------------------------------- environments */

static void warn_of(const char *what, const char *a, const char *b, FILE *out)
{
	if (strcmp(a, b) != 0)
		fprintf(out, "WARN %s differs: %s, then %s\n", what, a[0] ? a : "unknown",
			b[0] ? b : "unknown");
}

/* "DEV MODE, SHORT" */
static void join_flags(const struct file *file, char *text, size_t size)
{
	const json_t *flags = json_object_get(file->json, "flags");
	size_t length = 0;

	text[0] = '\0';
	for (size_t i = 0; i < json_array_size(flags) && length < size; i++) {
		const char *flag = json_string_value(json_array_get(flags, i));

		length += (size_t)snprintf(text + length, size - length, "%s%s", i ? ", " : "",
					   flag ? flag : "?");
	}
	if (!text[0])
		snprintf(text, size, "none");
}

static void print_heads(const struct file *a, const struct file *b, FILE *out)
{
	static const char *const keys[] = {"cpu",      "allowed",  "used",     "hypervisor",
					   "governor", "isolated", "kernel",   "memory",
					   "flx",      "commit",   "compiler", "dpdk"};
	const json_t *before = json_object_get(a->json, "environment");
	const json_t *after = json_object_get(b->json, "environment");
	char flags[2][128];

	fprintf(out, "before  %s: %s of %s\nafter   %s: %s of %s\n", a->path,
		text_of(a->json, "scenario"), text_of(a->json, "started"), b->path,
		text_of(b->json, "scenario"), text_of(b->json, "started"));
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		warn_of(keys[i], text_of(before, keys[i]), text_of(after, keys[i]), out);
	join_flags(a, flags[0], sizeof(flags[0]));
	join_flags(b, flags[1], sizeof(flags[1]));
	warn_of("set of flags", flags[0], flags[1], out);
}

/* ------------------------------------------------------------------------------------------ figures */

static enum verdict judge(const struct flx_spread *spread)
{
	double same = spread->ratio ? 1 : 0;

	if (!spread->known)
		return UNTOLD;
	return spread->low > same ? HIGHER : spread->high < same ? LOWER : NOISE;
}

static enum verdict print_row(const json_t *before, const json_t *after, FILE *out)
{
	static const char *const words[VERDICTS] = {"within noise", "HIGHER", "LOWER", ""};
	struct flx_samples a, b;
	struct flx_spread spread;
	enum verdict verdict;
	double scale, zero;

	read_runs(before, &a);
	read_runs(after, &b);
	spread = flx_spread_of(&a, &b);
	verdict = judge(&spread);
	zero = spread.ratio ? 1 : 0;
	scale = spread.ratio ? 100 : 1;
	fprintf(out, "%-28s %10.4g %10.4g %-12s %+8.2f%s", text_of(before, "name"),
		flx_samples_median(&a), flx_samples_median(&b), text_of(before, "unit"),
		(spread.change - zero) * scale, spread.ratio ? " %" : "  ");
	if (spread.known)
		fprintf(out, " [%+.2f .. %+.2f]  %s%s\n", (spread.low - zero) * scale,
			(spread.high - zero) * scale, words[verdict],
			spread.ratio ? "" : "; a difference, for not all runs are above 0");
	else
		fprintf(out, " no interval: %u and %u runs, %d of each are needed\n", a.count,
			b.count, FLX_SPREAD_RUNS);
	return verdict;
}

/* Names in @file alone. */
static void print_alone(const struct file *file, const struct file *other, FILE *out)
{
	for (size_t i = 0; i < json_array_size(file->results); i++) {
		const char *name = text_of(json_array_get(file->results, i), "name");

		if (!find(other, name))
			fprintf(out, "only in %s: %s\n", file->path, name);
	}
}

/* Both units of a figure must agree, else their values have nothing to do with each other. */
static bool comparable(const json_t *before, const json_t *after, FILE *out)
{
	if (!after)
		return false;
	if (strcmp(text_of(before, "unit"), text_of(after, "unit")) == 0)
		return true;
	fprintf(out, "%-28s is in %s, then in %s: not compared\n", text_of(before, "name"),
		text_of(before, "unit"), text_of(after, "unit"));
	return false;
}

static void print_figures(const struct file *a, const struct file *b, FILE *out)
{
	uint32_t counts[VERDICTS] = {0}, told;

	fprintf(out, "%-28s %10s %10s %-12s %10s [95 %% interval]\n", "figure (medians)", "before",
		"after", "unit", "change");
	for (size_t i = 0; i < json_array_size(a->results); i++) {
		const json_t *result = json_array_get(a->results, i);
		const json_t *after = find(b, text_of(result, "name"));

		if (comparable(result, after, out))
			counts[print_row(result, after, out)]++;
	}
	print_alone(a, b, out);
	print_alone(b, a, out);
	told = counts[NOISE] + counts[HIGHER] + counts[LOWER];
	fprintf(out, "%u higher, %u lower, %u within noise, %u not to be told", counts[HIGHER],
		counts[LOWER], counts[NOISE], counts[UNTOLD]);
	if (told)
		fprintf(out, "; of %u figures that do not change, %.1f are told to by chance", told,
			0.05 * told);
	fprintf(out, "\n");
}

int flx_perf_compare(const char *a, const char *b, FILE *out)
{
	struct file before = {NULL}, after = {NULL};
	int rc = file_load(&before, a);

	if (!rc)
		rc = file_load(&after, b);
	if (!rc) {
		print_heads(&before, &after, out);
		print_figures(&before, &after, out);
	}
	json_decref(before.json);
	json_decref(after.json);
	return rc;
}
