/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/arguments.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "fabric/base.h"

#define SIZE_MIN       64
#define SIZE_MAX_BYTES 1518
/* Addresses of 198.19.0.0 and up that a client has; also the largest table of last counts. */
#define KEYS_MAX (1u << 24)

enum option_id {
	OF_PORT = 256,
	OF_TO,
	OF_IP,
	OF_WORKERS,
	OF_SIZE,
	OF_FLOWS,
	OF_KEYS,
	OF_ZIPF,
	OF_RATE,
	OF_DURATION,
	OF_REPEAT,
	OF_SEED,
	OF_JSON,
	OF_CSV,
	OF_SVG,
	OF_HLOG,
	OF_ASSERT,
	OF_CHECK,
	OF_DEV,
	OF_HELP,
};

static const struct option options[] = {
	{"port", required_argument, NULL, OF_PORT},
	{"to", required_argument, NULL, OF_TO},
	{"ip", required_argument, NULL, OF_IP},
	{"workers", required_argument, NULL, OF_WORKERS},
	{"size", required_argument, NULL, OF_SIZE},
	{"flows", required_argument, NULL, OF_FLOWS},
	{"keys", required_argument, NULL, OF_KEYS},
	{"zipf", required_argument, NULL, OF_ZIPF},
	{"rate", required_argument, NULL, OF_RATE},
	{"duration", required_argument, NULL, OF_DURATION},
	{"repeat", required_argument, NULL, OF_REPEAT},
	{"seed", required_argument, NULL, OF_SEED},
	{"json", required_argument, NULL, OF_JSON},
	{"csv", required_argument, NULL, OF_CSV},
	{"svg", required_argument, NULL, OF_SVG},
	{"hlog", required_argument, NULL, OF_HLOG},
	{"assert", required_argument, NULL, OF_ASSERT},
	{"check", no_argument, NULL, OF_CHECK},
	{"dev", no_argument, NULL, OF_DEV},
	{"help", no_argument, NULL, OF_HELP},
	{NULL, 0, NULL, 0},
};

/* What a scenario must heed for the option to mean something; 0: all do. */
static uint32_t use_of(int option)
{
	switch (option) {
	case OF_PORT:
	case OF_TO:
	case OF_IP:
		return FLX_USES_PORT;
	case OF_WORKERS:
		return FLX_USES_WORKERS;
	case OF_SIZE:
	case OF_FLOWS:
	case OF_ZIPF:
	case OF_SEED:
		return FLX_USES_FRAMES;
	case OF_KEYS:
		return FLX_USES_KEYS;
	case OF_RATE:
		return FLX_USES_RATE;
	case OF_DURATION:
		return FLX_USES_DURATION;
	case OF_HLOG:
		return FLX_USES_HLOG;
	default:
		return 0;
	}
}

static const char *name_of(int option)
{
	const struct option *row = options;

	while (row->val != option)
		row++;
	return row->name;
}

/* A number from @least to @most, with k or M behind it for thousands and millions. */
static int read_number(int option, const char *text, double least, double most, double *value)
{
	char *end;

	*value = strtod(text, &end);
	if (end != text && *end == 'k') {
		*value *= 1e3;
		end++;
	} else if (end != text && *end == 'M') {
		*value *= 1e6;
		end++;
	}
	if (end != text && *end == '\0' && *value >= least && *value <= most)
		return 0;
	flx_error("flxperf: --%s %s: wants a number from %.10g to %.10g", name_of(option), text,
		  least, most);
	return -EINVAL;
}

static int read_count(int option, const char *text, uint32_t least, uint32_t most, uint32_t *count)
{
	double value;
	int error = read_number(option, text, least, most, &value);

	if (error)
		return error;
	*count = (uint32_t)value;
	if (*count == value)
		return 0;
	flx_error("flxperf: --%s %s: wants a whole number", name_of(option), text);
	return -EINVAL;
}

static int read_keys(const char *text, uint32_t *keys)
{
	int error = read_count(OF_KEYS, text, 1, KEYS_MAX, keys);

	if (error || !(*keys & (*keys - 1)))
		return error;
	flx_error("flxperf: --keys %s: wants a power of two, so that each is drawn as often", text);
	return -EINVAL;
}

static int add_claim(struct flx_arguments *arguments, const char *text)
{
	static const struct flx_figures none;
	char fault[160];

	if (flx_claim_test(&none, text, fault, sizeof(fault)) == FLX_CLAIM_BAD) {
		flx_error("flxperf: --assert '%s': %s; like 'hop.cross_core <= 1.5 * ring.spsc'",
			  text, fault);
		return -EINVAL;
	}
	if (arguments->claim_count == FLX_ASSERTS_MAX) {
		flx_error("flxperf: --assert: at most %d", FLX_ASSERTS_MAX);
		return -EINVAL;
	}
	arguments->claim[arguments->claim_count++] = text;
	return 0;
}

static int take_load(struct flx_perf *perf, int option, const char *value)
{
	double seed;
	int error;

	switch (option) {
	case OF_SIZE:
		if (strcmp(value, "imix") == 0) {
			perf->size = FLX_SIZE_IMIX;
			return 0;
		}
		return read_count(option, value, SIZE_MIN, SIZE_MAX_BYTES, &perf->size);
	case OF_FLOWS:
		return read_count(option, value, 1, KEYS_MAX, &perf->flows);
	case OF_KEYS:
		return read_keys(value, &perf->keys);
	case OF_ZIPF:
		return read_number(option, value, 0, 10, &perf->zipf);
	case OF_RATE:
		if (strcmp(value, "max") == 0) {
			perf->rate = 0;
			return 0;
		}
		return read_number(option, value, 1, 1e9, &perf->rate);
	case OF_SEED:
		error = read_number(option, value, 0, 9007199254740992.0, &seed);
		perf->seed = (uint64_t)seed;
		return error;
	default:
		return -EINVAL;
	}
}

static int take(struct flx_arguments *arguments, int option, const char *value)
{
	struct flx_perf *perf = &arguments->perf;

	switch (option) {
	case OF_PORT:
		perf->port = value;
		return 0;
	case OF_TO:
		perf->to = value;
		return 0;
	case OF_IP:
		perf->ip = value;
		return 0;
	case OF_WORKERS:
		return read_count(option, value, 1, FLX_WORKERS_MAX, &perf->workers);
	case OF_DURATION:
		return read_number(option, value, 0.05, 3600, &perf->duration_s);
	case OF_REPEAT:
		return read_count(option, value, 1, FLX_RUNS_MAX, &perf->repeat);
	case OF_JSON:
		arguments->json = value;
		return 0;
	case OF_CSV:
		arguments->csv = value;
		return 0;
	case OF_SVG:
		perf->svg = value;
		return 0;
	case OF_HLOG:
		perf->hlog = value;
		return 0;
	case OF_ASSERT:
		return add_claim(arguments, value);
	case OF_CHECK:
		arguments->check = true;
		return 0;
	case OF_DEV:
		perf->dev = true;
		return 0;
	case OF_HELP:
		arguments->help = true;
		return 0;
	default:
		return take_load(perf, option, value);
	}
}

/* The scenario that @word names, or begins with: "ctx.bind.1m" is a part of "ctx". */
static int choose(struct flx_arguments *arguments, const char *word)
{
	size_t size = strcspn(word, ".");

	for (const struct flx_perf_scenario *row = flx_perf_scenarios; row->name; row++)
		if (strlen(row->name) == size && memcmp(row->name, word, size) == 0) {
			arguments->scenario = row;
			arguments->perf.only = word[size] ? word : NULL;
			return 0;
		}
	flx_error("flxperf: no scenario '%s'; --help lists them", word);
	return -EINVAL;
}

static int take_words(struct flx_arguments *arguments, char **words)
{
	if (!words[0]) {
		flx_error("flxperf: which scenario? --help lists them");
		return -EINVAL;
	}
	if (strcmp(words[0], "compare") == 0) {
		if (words[1] && words[2] && !words[3]) {
			arguments->compare[0] = words[1];
			arguments->compare[1] = words[2];
			return 0;
		}
		flx_error("flxperf: compare wants two files that --json has written");
		return -EINVAL;
	}
	if (words[1]) {
		flx_error("flxperf: '%s': one scenario at a time", words[1]);
		return -EINVAL;
	}
	return choose(arguments, words[0]);
}

/* An option that its scenario would not heed says more than is true of the figures. */
static int check_uses(const struct flx_arguments *arguments, const bool *given)
{
	for (const struct option *row = options; row->name; row++) {
		uint32_t use = use_of(row->val);

		if (!given[row->val - OF_PORT])
			continue;
		if (arguments->scenario && (!use || (arguments->scenario->uses & use)))
			continue;
		flx_error("flxperf: --%s means nothing to %s; leave it out", row->name,
			  arguments->scenario ? arguments->scenario->name : "compare");
		return -EINVAL;
	}
	return 0;
}

/* Options that mean something only together. */
static int check_pairs(const struct flx_perf *perf)
{
	uint32_t keys = perf->keys ? perf->keys : FLX_KEYS_DEFAULT;

	if (!perf->port != !perf->to) {
		flx_error("flxperf: --port and --to: a server is asked over a port; give both, or "
			  "neither");
		return -EINVAL;
	}
	if (perf->ip && !perf->port) {
		flx_error("flxperf: --ip %s: an address of --port, which is not given", perf->ip);
		return -EINVAL;
	}
	if (perf->flows % keys) {
		flx_error("flxperf: --flows %u: wants a multiple of the %u keys", perf->flows,
			  keys);
		return -EINVAL;
	}
	return 0;
}

int flx_arguments_parse(struct flx_arguments *arguments, int argc, char **argv)
{
	bool given[OF_HELP - OF_PORT + 1] = {false};
	int option, error = 0;

	*arguments = (struct flx_arguments){
		.perf = {.size = SIZE_MIN, .repeat = FLX_REPEAT_LEAST, .seed = 1}};
	opterr = 0;
	optind = 1;
	while (!error && (option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (option == '?' || option == ':') {
			flx_error("flxperf: '%s': %s; --help lists the options", argv[optind - 1],
				  option == '?' ? "no such option" : "wants a value");
			return -EINVAL;
		}
		given[option - OF_PORT] = true;
		error = take(arguments, option, optarg);
	}
	if (error || arguments->help)
		return error;
	error = take_words(arguments, argv + optind);
	if (!error)
		error = check_uses(arguments, given);
	if (!error)
		error = check_pairs(&arguments->perf);
	if (!error && arguments->scenario && !given[OF_DURATION - OF_PORT])
		arguments->perf.duration_s = arguments->scenario->duration_s;
	return error;
}
