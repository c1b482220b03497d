/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/benches.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fabric/base.h"
#include "perf/sample.h"

#define RUNS_DEFAULT 5
#define OPTIONS_MAX  16
#define BENCHES_MAX  32
/* Exit statuses of a bench's process, beyond the number of bounds that it missed. */
#define STATUS_FAILED  255
#define STATUS_SKIPPED 254

uint32_t flx_benches_runs = RUNS_DEFAULT;

/* The bench in a process of its own: bounds missed; -errno. */
static int run(const struct flx_benches *benches, const struct flx_bench *bench)
{
	int status;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child == 0) {
		int missed = bench->run(bench->argument);

		fflush(NULL);
		_exit(missed == -ENOTSUP ? STATUS_SKIPPED : missed < 0 ? STATUS_FAILED : missed);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFEXITED(status) ||
	    WEXITSTATUS(status) == STATUS_FAILED) {
		flx_error("%s: %s failed", benches->program, bench->name);
		return -EIO;
	}
	return WEXITSTATUS(status) == STATUS_SKIPPED ? 0 : WEXITSTATUS(status);
}

/* --------------------------------------------------------------------------------- command line */

static void usage(const struct flx_benches *benches, FILE *out)
{
	const struct flx_benches_option *option;

	fprintf(out, "usage: %s [OPTION]... [BENCH]...\n", benches->program);
	fprintf(out,
		"  --runs N           runs of each figure, in turn with what it is compared with "
		"(default %d, at most %d)\n"
		"  --check            exit 1 when a bound is missed\n",
		RUNS_DEFAULT, FLX_RUNS_MAX);
	for (option = benches->options; option->name; option++) {
		char name[32];

		snprintf(name, sizeof(name), "--%s %s", option->name, option->value);
		fprintf(out, "  %-18s %s\n", name, option->help);
	}
	fprintf(out, "benches (default: all):\n");
	for (uint32_t i = 0; i < benches->count; i++)
		fprintf(out, "  %-18s %s\n", benches->bench[i].name, benches->bench[i].what);
}

/* 0; -EINVAL after one flx_error. */
static int set(const struct flx_benches *benches, const struct flx_benches_option *option,
	       const char *value)
{
	char *end;
	double number;

	if (option->flag) {
		*option->flag = true;
		return 0;
	}
	if (option->text) {
		*option->text = value;
		return 0;
	}
	number = strtod(value, &end);
	if (*value && !*end && number >= option->least && number <= option->most) {
		*option->number = number;
		return 0;
	}
	flx_error("%s: --%s %s: wants a number from %g to %g", benches->program, option->name,
		  value, option->least, option->most);
	return -EINVAL;
}

static int parse(const struct flx_benches *benches, bool *check, int argc, char **argv)
{
	static double runs = RUNS_DEFAULT;
	static const struct flx_benches_option of_runs = {
		.name = "runs", .least = 1, .most = FLX_RUNS_MAX, .number = &runs};
	struct option options[OPTIONS_MAX] = {
		{"check", no_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},
		{"runs", required_argument, NULL, 'r'},
	};
	int option, index, error = 0;

	for (uint32_t i = 0; benches->options[i].name; i++)
		options[3 + i] = (struct option){
			benches->options[i].name,
			benches->options[i].flag ? no_argument : required_argument, NULL, 'o'};
	while (!error && (option = getopt_long(argc, argv, "h", options, &index)) != -1) {
		switch (option) {
		case 'c':
			*check = true;
			break;
		case 'h':
			usage(benches, stdout);
			exit(0);
		case 'r':
			error = set(benches, &of_runs, optarg);
			break;
		case 'o':
			error = set(benches, &benches->options[index - 3], optarg);
			break;
		default:
			error = -EINVAL;
		}
	}
	flx_benches_runs = (uint32_t)runs;
	return error;
}

/* Marks the benches named in @names; all when there are none. */
static int choose(const struct flx_benches *benches, bool *chosen, char **names)
{
	if (!*names)
		memset(chosen, true, benches->count);
	for (; *names; names++) {
		uint32_t i = 0;

		while (i < benches->count && strcmp(benches->bench[i].name, *names) != 0)
			i++;
		if (i == benches->count) {
			flx_error("%s: no bench '%s'; --help lists them", benches->program, *names);
			return -EINVAL;
		}
		chosen[i] = true;
	}
	return 0;
}

int flx_benches_main(const struct flx_benches *benches, void (*begin)(void), int argc, char **argv)
{
	bool chosen[BENCHES_MAX] = {false}, check = false;
	int failed = 0, missed = 0;

	FLX_VERIFY(benches->count <= BENCHES_MAX);
	if (parse(benches, &check, argc, argv) || choose(benches, chosen, argv + optind)) {
		usage(benches, stderr);
		return 2;
	}
	begin();
	for (uint32_t i = 0; i < benches->count; i++) {
		int rc = chosen[i] ? run(benches, &benches->bench[i]) : 0;

		failed += rc < 0;
		missed += rc > 0 ? rc : 0;
	}
	return failed || (check && missed);
}
