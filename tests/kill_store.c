/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kill_store - kills a process on a store at a random instant, many times, and looks what is left.
 *
 *	kill_store SEED RUNS [MILLISECONDS]
 *
 * In each run a process opens the store (or makes it, or upgrades it), attaches and loads it with
 * two or three workers and the keeper; it is killed within MILLISECONDS (60) of its load, or in the
 * first few of its start; then another process opens the store and checks it against what the dead
 * one had told. A store lives for up to eight runs. Ends with what it did; status 0: nothing was
 * lost, mixed or there twice. A failure prints seed and run, which repeat all decisions; what the kill
 * interrupts differs each time, so it may take some repetitions.
 */
#include "tests/kill.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "tests/random.h"

#define LIVES_MAX     8
#define LOAD_US	      60000
#define START_US      4000 /* what opening and attaching take */
#define SMALL_SLICES  8
#define DEFAULT_LIMIT 600

struct kill_shared *kill_shared;

/* What the processes of a run have to say; shown when it fails. */
static FILE *log_file;

static struct {
	uint64_t kills[KILL_PHASES];
	uint64_t upgrades; /* of them, those of a process that would upgrade, as it opened */
	uint64_t stores, filled;
} done;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void sleep_us(uint32_t us)
{
	struct timespec pause = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};

	while (nanosleep(&pause, &pause) < 0 && errno == EINTR)
		;
}

static uint64_t find_tsc_hz(void)
{
	uint64_t start = now_ns(), tsc = rte_rdtsc(), ns;

	sleep_us(20000);
	ns = now_ns() - start;
	return (rte_rdtsc() - tsc) * 1000000000 / ns;
}

static void remove_store(const char *path)
{
	static const char *const names[] = {"lock",	  "node0",	"node1",
					    "node0.next", "node1.next", ""};
	char name[96];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(name, sizeof(name), "%s/%s", path, names[i]);
		remove(name);
	}
}

/* Another process, which does @what; its number. */
static pid_t start(void (*what)(uint64_t seed), uint64_t seed)
{
	pid_t child = fork();

	if (child < 0) {
		perror("kill_store: fork");
		exit(EXIT_FAILURE);
	}
	if (child == 0) {
		dup2(fileno(log_file), STDERR_FILENO);
		what(seed);
		fflush(NULL);
		_exit(EXIT_SUCCESS);
	}
	return child;
}

static int wait_for(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

/* How the store is run from here on. Versions and limits only rise, nodes come and go. */
static void plan_run(struct kill_plan *plan, struct flx_random *random, bool is_new)
{
	plan->workers = flx_random_between(random, 2, KILL_WORKERS);
	plan->check_workers = flx_random_between(random, 1, KILL_WORKERS);
	plan->slices = flx_random_chance(random, 50) ? FLX_INDEX_SLICES : SMALL_SLICES;
	plan->deletes_pct = flx_random_chance(random, 50) ? 10 : 40;
	plan->fill = false;
	if (is_new) {
		plan->nodes = flx_random_between(random, 1, 2);
		for (uint32_t t = 0; t < KILL_TYPES; t++) {
			plan->version[t] = 1;
			plan->limit[t] = DEFAULT_LIMIT;
		}
		/* These grow once more under load, for what is used eats into what is kept ahead. */
		plan->limit[KILL_PLAIN] = FLX_TYPE_AHEAD + 1000;
		plan->limit[KILL_SMALL] = 2 * FLX_TYPE_AHEAD + 1400;
		plan->limit[KILL_BIG] = 256;
		plan->limit[KILL_EVICT] = 300;
		return;
	}
	if (flx_random_chance(random, 25))
		plan->version[flx_random_below(random, KILL_TYPES)]++;
	if (flx_random_chance(random, 10))
		plan->limit[flx_random_below(random, KILL_SINGLE)] += 100;
	if (flx_random_chance(random, 10))
		plan->nodes = 3 - plan->nodes;
}

static void check(uint64_t seed)
{
	(void)seed;
	kill_check();
}

/* Whether the process that was killed would have upgraded the store. */
static bool upgrades(const struct kill_plan *before, const struct kill_plan *plan, bool is_new)
{
	return !is_new && (before->nodes != plan->nodes ||
			   memcmp(before->version, plan->version, sizeof(plan->version)) != 0 ||
			   memcmp(before->limit, plan->limit, sizeof(plan->limit)) != 0);
}

/* One process, its kill, and the check. */
static void run(struct flx_random *random, bool upgrading, uint32_t load_us)
{
	/* Half of the kills come as it starts; more of them where that is an upgrade. */
	bool early = flx_random_chance(random, upgrading ? 75 : 30);
	uint32_t delay_us = flx_random_below(random, early ? START_US : load_us);
	uint32_t phase;
	pid_t child;
	int status;

	rewind(log_file);
	if (ftruncate(fileno(log_file), 0) < 0)
		kill_fail("log: %s", strerror(errno));
	atomic_store(&kill_shared->phase, KILL_OPENS);
	child = start(kill_load, flx_random_next(random));
	while (!early && atomic_load(&kill_shared->phase) != KILL_LOADS &&
	       !atomic_load(&kill_shared->failed))
		sleep_us(100);
	sleep_us(delay_us);
	kill(child, SIGKILL);
	status = wait_for(child);
	phase = atomic_load(&kill_shared->phase);
	done.kills[phase]++;
	done.upgrades += upgrading && phase == KILL_OPENS;
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		kill_fail("ended with status 0x%x before it was killed", (unsigned int)status);
	if (atomic_load(&kill_shared->failed))
		return;
	status = wait_for(start(check, 0));
	if (status)
		kill_fail("the check ended with status 0x%x", (unsigned int)status);
}

static void tell_failure(uint64_t seed, uint64_t i)
{
	const struct kill_plan *plan = &kill_shared->plan;
	char line[512];

	rewind(log_file);
	while (fgets(line, sizeof(line), log_file))
		fputs(line, stderr);
	fprintf(stderr,
		"kill_store: run %" PRIu64 " of seed %" PRIu64 ": %s\n"
		"  %u workers, %u check, %u nodes, %u slices, %u %% deletes; the store is left in "
		"%s\n",
		i, seed, kill_shared->failure, plan->workers, plan->check_workers, plan->nodes,
		plan->slices, plan->deletes_pct, plan->path);
}

static bool run_all(uint64_t seed, uint64_t runs, uint32_t load_us)
{
	struct kill_plan *plan = &kill_shared->plan, before;
	uint32_t lives = 0;

	for (uint64_t i = 0; i < runs; i++) {
		struct flx_random random = {seed + i};
		bool is_new = lives == 0;

		if (is_new) {
			remove_store(plan->path);
			memset(kill_shared->key, 0, sizeof(kill_shared->key));
			lives = flx_random_between(&random, 1, LIVES_MAX);
			done.stores++;
		}
		before = *plan;
		plan_run(plan, &random, is_new);
		plan->fill = --lives == 0 && flx_random_chance(&random, 50);
		done.filled += plan->fill;
		run(&random, upgrades(&before, plan, is_new), load_us);
		if (!atomic_load(&kill_shared->failed))
			continue;
		tell_failure(seed, i);
		return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	uint64_t runs = argc > 2 ? strtoull(argv[2], NULL, 10) : 100;
	uint32_t load_us = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) * 1000 : LOAD_US;
	bool sound;

	kill_shared = mmap(NULL, sizeof(*kill_shared), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	log_file = tmpfile();
	if (kill_shared == MAP_FAILED || !log_file)
		return EXIT_FAILURE;
	snprintf(kill_shared->plan.path, sizeof(kill_shared->plan.path), "/dev/shm/flx-kill-%d",
		 (int)getpid());
	kill_shared->tsc_hz = find_tsc_hz();
	sound = run_all(seed, runs, load_us);
	if (sound)
		remove_store(kill_shared->plan.path);
	printf("%" PRIu64 " kills: %" PRIu64 " as it opened (%" PRIu64 " of an upgrade), %" PRIu64
	       " as it attached, %" PRIu64 " under load; %" PRIu64 " stores, %" PRIu64
	       " filled; %" PRIu64 " operations, types grown %" PRIu64 " times, %" PRIu64
	       " contexts at last\n",
	       done.kills[0] + done.kills[1] + done.kills[2], done.kills[KILL_OPENS], done.upgrades,
	       done.kills[KILL_ATTACHES], done.kills[KILL_LOADS], done.stores, done.filled,
	       atomic_load(&kill_shared->operations), atomic_load(&kill_shared->grown),
	       atomic_load(&kill_shared->found));
	return sound ? EXIT_SUCCESS : EXIT_FAILURE;
}
