/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * main - runs the simulation over many seeds, or replays one.
 *
 *	sim [--seed N] [--runs M] [--verbose]
 *
 * Without --seed: the seeds that once failed, then 1 to M. Exit status 1 when a run fails; its seed
 * is printed.
 */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <urcu-qsbr.h>

#include "tests/eal.h"
#include "tests/sim/seeds.h"
#include "tests/sim/sim.h"

#define RUNS_DEFAULT 1000
/*
 * Of CPU time, so that a busy machine is no hang. A run takes milliseconds, and a hundred times that
 * under a sanitizer.
 */
#define RUN_SECONDS_MAX 30

static struct sim sim;
/* What a signal handler may print when FLX_VERIFY or the sanitizer ends the process. */
static char last_words[128];

static void say_last_words(int signal_number)
{
	if (write(STDERR_FILENO, last_words, strlen(last_words)) < 0)
		_exit(2);
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

/* @seconds: 0: none. */
static void limit(time_t seconds)
{
	const struct itimerval timer = {.it_value.tv_sec = seconds};

	setitimer(ITIMER_PROF, &timer, NULL);
}

static void print_shape(void)
{
	const struct sim_shape *shape = &sim.shape;

	printf("seed %" PRIu64 ": %u workers, lanes of %u, %u credits, %u buffers, %u fluxions, %u "
	       "keys, %u steps%s%s%s; %" PRIu64 " turns, %" PRIu64 " injected, %" PRIu64 " sends, "
	       "%" PRIu64 " slices moved, %" PRIu64 " back, %" PRIu64 " parked, %" PRIu64
	       " turns held, %" PRIu64 " buckets moved\n",
	       sim.seed, shape->workers, shape->lane_size, shape->credits, shape->buffers,
	       shape->fluxions, shape->keys, shape->steps, shape->moved ? ", moved" : "",
	       shape->queues ? ", queues" : "", shape->abandoned ? ", abandoned" : "", sim.turns,
	       sim.injected, sim.oracle.next_id, sim.moved, sim.moved_back, sim.parked, sim.held,
	       sim.nic.moved);
}

static bool run(uint64_t seed, bool verbose)
{
	bool good;

	snprintf(last_words, sizeof(last_words),
		 "sim: seed %" PRIu64 " crashed or hangs; replay: sim --seed %" PRIu64
		 " --verbose\n",
		 seed, seed);
	limit(RUN_SECONDS_MAX);
	good = sim_run(&sim, seed);
	limit(0);
	if (verbose || !good)
		print_shape();
	if (!good)
		printf("sim: seed %" PRIu64 " failed: %s\nreplay: sim --seed %" PRIu64
		       " --verbose\n",
		       seed, sim.oracle.failure, seed);
	return good;
}

static uint64_t parse_number(const char *text)
{
	char *end;
	uint64_t number = strtoull(text, &end, 0);

	if (*text && !*end)
		return number;
	fprintf(stderr, "sim: '%s' is not a number\n", text);
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"seed", required_argument, NULL, 's'},
						{"runs", required_argument, NULL, 'r'},
						{"verbose", no_argument, NULL, 'v'},
						{0}};
	uint64_t first = 0, runs = 0, done = 0, sends = 0, moved = 0, back = 0, parked = 0,
		 held = 0, buckets = 0;
	bool verbose = false, good = true;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 's')
			first = parse_number(optarg);
		else if (option == 'r')
			runs = parse_number(optarg);
		else if (option == 'v')
			verbose = true;
		else
			return 2;
	}
	if (!runs)
		runs = first ? 1 : RUNS_DEFAULT;
	if (flx_test_eal())
		return EXIT_FAILURE;
	signal(SIGABRT, say_last_words);
	signal(SIGSEGV, say_last_words);
	signal(SIGPROF, say_last_words);
	urcu_qsbr_register_thread();
	for (size_t i = 0; !first && good && i < RTE_DIM(sim_seeds); i++)
		good = run(sim_seeds[i], verbose);
	if (!first)
		first = 1;
	for (; done < runs && good; done++) {
		good = run(first + done, verbose);
		sends += sim.oracle.next_id;
		moved += sim.moved;
		back += sim.moved_back;
		parked += sim.parked;
		held += sim.held;
		buckets += sim.nic.moved;
	}
	urcu_qsbr_unregister_thread();
	printf("sim: %" PRIu64 " runs, %" PRIu64 " sends, %" PRIu64 " slices moved, %" PRIu64
	       " of them back, %" PRIu64 " messages parked, %" PRIu64 " turns held, %" PRIu64
	       " buckets moved, %s\n",
	       done, sends, moved, back, parked, held, buckets,
	       good ? "all promises kept" : "a promise broken");
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
