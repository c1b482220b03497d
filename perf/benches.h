/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * benches - the command line of a program of benches, each of which runs in a process of its own.
 *
 * So each begins with memory as the system gives it, and one that dies does not take the others along.
 * What all programs take: names of benches, --runs N, --check, --help; and options of their own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct flx_bench {
	const char *name;
	const char *what; /* one line */
	/*
	 * Prints its rows and says how many of their bounds were missed; -ENOTSUP: it cannot run on this
	 * machine, and has said why; another -errno: it failed, after one flx_error.
	 */
	int (*run)(const void *argument);
	const void *argument;
};

/* An option of a program. One of number, text and flag is not NULL, and is where it goes. */
struct flx_benches_option {
	const char *name;  /* without its dashes; NULL: the end of the table */
	const char *value; /* what it is called: "N"; "": a flag has none */
	const char *help;
	double least, most; /* of a number */
	double *number;
	const char **text;
	bool *flag;
};

struct flx_benches {
	const char *program;
	const struct flx_bench *bench;
	uint32_t count;
	const struct flx_benches_option *options;
};

/* Runs of each figure, in turn with what it is compared with. */
extern uint32_t flx_benches_runs;

/*
 * flx_benches_main - run the benches that @argv names, or all
 * @begin: prints what is to be known of all of them
 * Exit status: 0; 1 a bench failed (or, with --check, a bound was missed); 2 bad arguments.
 */
int flx_benches_main(const struct flx_benches *benches, void (*begin)(void), int argc, char **argv);
