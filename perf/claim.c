/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/claim.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "perf/figure.h"

/* A place in the text, and what was wrong up to there. */
struct reader {
	const struct flx_figures *figures;
	const char *at;
	enum flx_claim_result result; /* HOLDS as long as nothing is wrong */
	char *fault;
	size_t size;
};

static void skip_blanks(struct reader *reader)
{
	while (isspace((unsigned char)*reader->at))
		reader->at++;
}

static void fail(struct reader *reader, enum flx_claim_result result, const char *what,
		 const char *text, size_t length)
{
	/* The first fault is told; but that it is no claim at all before that a figure is missing. */
	if (reader->result == FLX_CLAIM_BAD || reader->result == result)
		return;
	reader->result = result;
	snprintf(reader->fault, reader->size, "%s '%.*s'", what, (int)length, text);
}

static const struct flx_found *find(const struct flx_figures *figures, const char *name,
				    size_t length)
{
	for (uint32_t i = 0; i < figures->count; i++)
		if (strlen(figures->found[i].name) == length &&
		    memcmp(figures->found[i].name, name, length) == 0)
			return &figures->found[i];
	return NULL;
}

static bool ends_in(const char *name, size_t length, const char *end)
{
	size_t size = strlen(end);

	return length > size && memcmp(name + length - size, end, size) == 0;
}

static double value_of(struct reader *reader, const char *name, size_t length)
{
	double (*pick)(const struct flx_samples *samples) = flx_samples_median;
	const struct flx_found *found = find(reader->figures, name, length);

	if (!found && ends_in(name, length, ".least")) {
		pick = flx_samples_min;
		found = find(reader->figures, name, length - strlen(".least"));
	} else if (!found && ends_in(name, length, ".most")) {
		pick = flx_samples_max;
		found = find(reader->figures, name, length - strlen(".most"));
	}
	if (found && found->samples.count)
		return pick(&found->samples);
	fail(reader, FLX_CLAIM_UNKNOWN, "there is no figure", name, length);
	return 0;
}

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '.' || c == '_' || c == '-';
}

static double read_term(struct reader *reader)
{
	const char *start;
	char *end;
	double value;

	skip_blanks(reader);
	start = reader->at;
	while (is_name(*reader->at))
		reader->at++;
	if (reader->at == start) {
		fail(reader, FLX_CLAIM_BAD, "a number or the name of a figure is wanted at", start,
		     strlen(start));
		return 0;
	}
	/* A figure's name begins with a letter; "inf" and "nan" are none of our numbers. */
	if (isalpha((unsigned char)*start))
		return value_of(reader, start, (size_t)(reader->at - start));
	value = strtod(start, &end);
	if (end == reader->at && isfinite(value))
		return value;
	fail(reader, FLX_CLAIM_BAD, "this is no number:", start, (size_t)(reader->at - start));
	return 0;
}

static double read_side(struct reader *reader)
{
	double value = read_term(reader);
	char sign;

	skip_blanks(reader);
	sign = *reader->at;
	if (sign != '*' && sign != '/')
		return value;
	reader->at++;
	return sign == '*' ? value * read_term(reader) : value / read_term(reader);
}

enum order { LESS, LESS_EQUAL, MORE, MORE_EQUAL };

static enum order read_order(struct reader *reader)
{
	bool less, equal;

	skip_blanks(reader);
	less = *reader->at == '<';
	if (!less && *reader->at != '>') {
		fail(reader, FLX_CLAIM_BAD, "<=, >=, < or > is wanted at", reader->at,
		     strlen(reader->at));
		return LESS;
	}
	reader->at++;
	equal = *reader->at == '=';
	reader->at += equal;
	return less ? (equal ? LESS_EQUAL : LESS) : (equal ? MORE_EQUAL : MORE);
}

static bool holds(double left, enum order order, double right)
{
	switch (order) {
	case LESS:
		return left < right;
	case LESS_EQUAL:
		return left <= right;
	case MORE:
		return left > right;
	case MORE_EQUAL:
		return left >= right;
	}
	return false;
}

static void must_end(struct reader *reader)
{
	skip_blanks(reader);
	if (*reader->at)
		fail(reader, FLX_CLAIM_BAD, "nothing is wanted behind it but", reader->at,
		     strlen(reader->at));
}

enum flx_claim_result flx_claim_test(const struct flx_figures *figures, const char *text,
				     char *fault, size_t size)
{
	struct reader reader = {.figures = figures, .at = text, .fault = fault, .size = size};
	enum order order;
	double left, right;

	left = read_side(&reader);
	order = read_order(&reader);
	right = read_side(&reader);
	must_end(&reader);
	if (reader.result != FLX_CLAIM_HOLDS)
		return reader.result;
	snprintf(fault, size, "%.4g against %.4g", left, right);
	/* A quotient by nothing is above any bound, and below any. */
	if (!isfinite(left) || !isfinite(right))
		return FLX_CLAIM_FAILS;
	return holds(left, order, right) ? FLX_CLAIM_HOLDS : FLX_CLAIM_FAILS;
}

bool flx_claim_limit(const struct flx_figures *figures, const char *bound, double *value)
{
	char fault[128];
	struct reader reader = {
		.figures = figures, .at = bound, .fault = fault, .size = sizeof(fault)};

	read_order(&reader);
	*value = read_side(&reader);
	must_end(&reader);
	return reader.result == FLX_CLAIM_HOLDS;
}
