/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * flxperf - measures the fabric against floors and peers of the same run, and says what limited it.
 *
 * A scenario runs in a process of its own and leaves its figures in memory that both share (figure.h); so
 * whatever becomes of it, the summary is printed. Exit status: 0; 1 a run failed, or what was asserted does
 * not hold; 2 bad arguments; 3 the generator was the limit; 130 interrupted.
 */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fabric/base.h"
#include "perf/arguments.h"
#include "perf/bed.h"
#include "perf/compare.h"
#include "perf/figure.h"
#include "perf/preflight.h"
#include "perf/results.h"
#include "perf/sample.h"
#include "pmd-config/eal.h"

/* What a scenario gets to end by itself when it is interrupted. */
#define GRACE_MS 3000

#define PACKETS (FLX_USES_WORKERS | FLX_USES_FRAMES | FLX_USES_KEYS | FLX_USES_DURATION)

const struct flx_perf_scenario flx_perf_scenarios[] = {
	{"hop", "one message from fluxion to fluxion, on a core and between two, beside a ring",
	 flx_perf_hop, FLX_USES_DURATION, 1},
	{"echo", "answers per second of a worker, from a generator on a core of its own",
	 flx_perf_echo, PACKETS, 1},
	{"counter", "a request's way from port to port, with a context", flx_perf_counter, PACKETS,
	 1},
	{"latency",
	 "from when a request was due, at idle and three loads, beside the generator's own",
	 flx_perf_latency, PACKETS | FLX_USES_PORT | FLX_USES_RATE | FLX_USES_HLOG, 2},
	{"gen", "the generator alone, against any server or itself", flx_perf_gen,
	 PACKETS | FLX_USES_PORT | FLX_USES_RATE | FLX_USES_HLOG, 2},
	{"ctx", "the context store alone, beside cds_lfht and rte_hash", flx_perf_ctx,
	 FLX_USES_KEYS, 0},
	{"move", "slices that move under full load, beside DPDK's dsw", flx_perf_move, 0, 0},
	{"sched", "how load is spread: after a shift, under hot keys, under an even load",
	 flx_perf_sched, FLX_USES_DURATION | FLX_DRAWS_ITSELF, 60},
	{"scale", "two workers and more against one", flx_perf_scale, FLX_USES_WORKERS, 0},
	{"search",
	 "the rate that most trials lose nothing at (NDR), half a percent (PDR); --rate: none "
	 "above",
	 flx_perf_search, PACKETS | FLX_USES_PORT | FLX_USES_RATE, 60},
	{"idle", "what an idle fabric takes, and how soon it wakes", flx_perf_idle, 0, 0},
	{"wire", "echo over af_xdp on a veth pair, beside testpmd", flx_perf_wire,
	 FLX_USES_DURATION, 2},
	{"peers", "the same jobs by DPDK's own: dsw's stages, 5tswap; and what its rings cost",
	 flx_perf_peers, FLX_USES_DURATION, 2},
	{"node", "single-threaded Node as the same service, over a veth pair and without a network",
	 flx_perf_node, FLX_USES_DURATION, 2},
	{0},
};

/* ------------------------------------------------------------------------------------------- usage */

static void print_scenario(const struct flx_perf_scenario *row, FILE *out)
{
	static const char *const options[] = {
		"--port --to --ip", "--workers", "--size --flows --zipf --seed", "--keys", "--rate",
		"--duration",	    "--hlog"};

	fprintf(out, "  %-9s %s%s", row->name, row->what,
		row->uses & ~(uint32_t)FLX_DRAWS_ITSELF ? "\n            " : "");
	for (uint32_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (row->uses & 1u << i)
			fprintf(out, "%s ", options[i]);
	if (row->uses & FLX_USES_DURATION)
		fprintf(out, "(%g)", row->duration_s);
	fputc('\n', out);
}

static void usage(FILE *out)
{
	fprintf(out, "usage: flxperf SCENARIO[.PART] [OPTION]...\n"
		     "       flxperf compare A.json B.json\n"
		     "scenarios; a part is the beginning of its figures' names, such as "
		     "hop.cross_core:\n");
	for (const struct flx_perf_scenario *row = flx_perf_scenarios; row->name; row++)
		print_scenario(row, out);
	fprintf(out,
		"options of all:\n"
		"  --repeat N       runs of each figure, in turn with what it is compared with "
		"(5)\n"
		"  --dev            ordinary memory, no hugepages\n"
		"  --json FILE, --csv FILE, --svg FILE  figures, runs, a picture (by gnuplot)\n"
		"  --assert CLAIM   exit 1 where it does not hold: 'hop.cross_core <= 1.5 * "
		"ring.spsc'\n"
		"  --check          the same of every bound that a figure has\n"
		"options of some, as above:\n"
		"  --duration S     seconds of a run\n"
		"  --workers N      at most; of scale: up to so many\n"
		"  --size B|imix    bytes of a frame on the wire (64)\n"
		"  --keys N, --flows N, --zipf S, --seed N\n"
		"                   client addresses, each with a context; their 4-tuples; how "
		"unequal\n"
		"                   they are (0: they take turns); what they are drawn with\n"
		"  --rate R|max     requests per second, such as 1.5M\n"
		"  --port SPEC --to IP:PORT [--ip CIDR]\n"
		"                   ask a server over a port of this machine, from that address\n"
		"  --hlog FILE      latencies as HdrHistogram's logs: FILE.LOAD of each load\n"
		"exit status: 0; 1 a run failed, or an assert; 2 bad arguments; 3 the generator "
		"was the\n"
		"limit; 130 interrupted\n");
}

/* ---------------------------------------------------------------------------------------- scenario */

static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
	(void)number;
	interrupted = 1;
}

/* They come in where they are waited for, and nowhere else. */
static void heed_signals(sigset_t *unblocked)
{
	struct sigaction action = {.sa_handler = interrupt};
	sigset_t ours;

	sigemptyset(&ours);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGTERM);
	sigprocmask(SIG_BLOCK, &ours, unblocked);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/* In a scenario, or a process of its own that it runs in; all calls may be made from here. */
static void leave(int number)
{
	flx_bed_leave();
	flx_eal_remove_dir();
	_exit(128 + number);
}

static _Noreturn void be_scenario(const struct flx_arguments *arguments, const sigset_t *unblocked)
{
	int error;

	signal(SIGINT, leave);
	signal(SIGTERM, leave);
	sigprocmask(SIG_SETMASK, unblocked, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	error = arguments->scenario->run(&arguments->perf);
	if (error == -ENOENT && arguments->perf.only)
		flx_error("flxperf: %s has no part '%s'", arguments->scenario->name,
			  arguments->perf.only);
	fflush(NULL);
	_exit(error && error != -ENOTSUP);
}

/* Lets a scenario that is interrupted end, with all that it has begun. */
static void end(pid_t child)
{
	int status;

	kill(-child, SIGTERM);
	for (uint32_t ms = 0; ms < GRACE_MS; ms += 10) {
		if (waitpid(child, &status, WNOHANG) == child)
			return;
		usleep(10000);
	}
	kill(-child, SIGKILL);
	waitpid(child, &status, 0);
}

/* Waits for @child or a signal; whether it was the first. */
static bool wait_for(pid_t child, const sigset_t *unblocked)
{
	struct pollfd ended = {.fd = pidfd_open(child, 0), .events = POLLIN};
	int ready;

	/* A kernel without them (before 5.3): ctrl-C is then heeded when the scenario is over. */
	if (ended.fd < 0)
		return true;
	do
		ready = ppoll(&ended, 1, NULL, unblocked);
	while (ready < 0 && errno == EINTR && !interrupted);
	close(ended.fd);
	return ready > 0;
}

/* Whether it came to its end as it must. */
static bool run_scenario(const struct flx_arguments *arguments)
{
	sigset_t unblocked;
	int status = 1;
	pid_t child;

	heed_signals(&unblocked);
	fflush(NULL);
	child = fork();
	if (child == 0) {
		/* A group of its own: what is to end with it is known, and ctrl-C is ours to tell. */
		setpgid(0, 0);
		be_scenario(arguments, &unblocked);
	}
	if (child < 0) {
		flx_error("flxperf: no process for %s: %s", arguments->scenario->name,
			  strerror(errno));
		return false;
	}
	setpgid(child, child);
	if (!wait_for(child, &unblocked)) {
		end(child);
		return true;
	}
	waitpid(child, &status, 0);
	/* Who read what it prints has gone, and knows it. */
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGPIPE)
		flx_error("flxperf: %s died of %s; a bug of flx", arguments->scenario->name,
			  strsignal(WTERMSIG(status)));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* -------------------------------------------------------------------------------------------- main */

/* A picture of what is in file @json, by gnuplot. */
static int draw(const char *json, const char *svg)
{
	int status = 1;
	pid_t child = fork();

	if (child == 0) {
		execl("/usr/bin/python3", "python3", FLX_SOURCE_DIR "/perf/report/plot.py", json,
		      svg, NULL);
		_exit(127);
	}
	if (child > 0 && waitpid(child, &status, 0) == child && status == 0)
		return 0;
	flx_error("flxperf: %s was not drawn: what plot.py said is above; it needs the packages "
		  "python3 and gnuplot-nox",
		  svg);
	return -EIO;
}

/* From a file of its own where none is wanted. */
static int write_svg(const struct flx_results *results, const char *json, const char *svg)
{
	char path[] = "/tmp/flxperf-XXXXXX";
	int error, file;

	if (json)
		return draw(json, svg);
	file = mkstemp(path);
	if (file < 0) {
		flx_error("flxperf: no file in /tmp for the picture: %s", strerror(errno));
		return -errno;
	}
	close(file);
	error = flx_results_write_json(results, path);
	if (!error)
		error = draw(path, svg);
	unlink(path);
	return error;
}

static int write_files(const struct flx_arguments *arguments, const struct flx_results *results)
{
	bool draws = !(arguments->scenario->uses & FLX_DRAWS_ITSELF);
	int error = 0;

	if (arguments->json)
		error = flx_results_write_json(results, arguments->json);
	if (arguments->csv && flx_results_write_csv(results, arguments->csv))
		error = -EIO;
	if (arguments->perf.svg && draws && !error)
		error = write_svg(results, arguments->json, arguments->perf.svg);
	return error;
}

/* Whether frames of @port go over hardware: a PCI device, or the kernel's interface of one. */
static bool is_nic(const char *port)
{
	const char *name = port ? strchr(port, ':') : NULL;
	char path[96];

	if (!name || strncmp(port, "af_", strlen("af_")) != 0)
		return name && strncmp(port, "pci:", strlen("pci:")) == 0;
	snprintf(path, sizeof(path), "/sys/class/net/%.32s/device", name + 1);
	return access(path, F_OK) == 0;
}

/* Whether a file at @path could be written: told before minutes are spent on what would go into it. */
static bool can_write(const char *path)
{
	char copy[PATH_MAX];

	if (!path)
		return true;
	snprintf(copy, sizeof(copy), "%s", path);
	if (access(path, W_OK) == 0 || (errno == ENOENT && access(dirname(copy), W_OK) == 0))
		return true;
	flx_error("flxperf: cannot write %s: %s; give a file in a directory that is there", path,
		  strerror(errno));
	return false;
}

static int measure(const struct flx_arguments *arguments, char **argv)
{
	static struct flx_preflight preflight;
	struct flx_results results = {
		.preflight = &preflight,
		.scenario = arguments->scenario->name,
		.command = argv,
		.check = arguments->check,
		.assert_count = arguments->claim_count,
	};
	time_t now = time(NULL);
	double begun = flx_now_s();

	if (!can_write(arguments->json) || !can_write(arguments->csv) ||
	    !can_write(arguments->perf.svg))
		return 2;
	if (flx_figures_open()) {
		flx_error("flxperf: no memory for its figures");
		return 1;
	}
	results.figures = flx_figures();
	if (!is_nic(arguments->perf.port))
		flx_perf_flag(FLX_PERF_DEV_MODE);
	if (arguments->perf.repeat < FLX_REPEAT_LEAST)
		flx_perf_flag(FLX_PERF_SHORT);
	for (uint32_t i = 0; i < arguments->claim_count; i++)
		results.assert_[i].claim = arguments->claim[i];
	strftime(results.started, sizeof(results.started), "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
	flx_preflight_begin(&preflight, &arguments->perf);
	flx_preflight_print(&preflight, stdout);
	results.failed = !run_scenario(arguments);
	results.interrupted = interrupted != 0;
	results.seconds = flx_now_s() - begun;
	flx_preflight_end(&preflight, stdout);
	flx_results_judge(&results);
	flx_results_print(&results, stdout);
	return write_files(arguments, &results) ? 1 : results.status;
}

static int run(int argc, char **argv, char **words)
{
	struct flx_arguments arguments;

	if (flx_arguments_parse(&arguments, argc, argv))
		return 2;
	if (arguments.help) {
		usage(stdout);
		return 0;
	}
	if (arguments.compare[0])
		return flx_perf_compare(arguments.compare[0], arguments.compare[1], stdout) ? 1 : 0;
	/* malloc, with which cds_lfht makes its table, is to use huge pages as well: before main. */
	if (arguments.scenario->run == flx_perf_ctx && !getenv("GLIBC_TUNABLES")) {
		setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1", 1);
		execv("/proc/self/exe", words);
	}
	return measure(&arguments, words);
}

int main(int argc, char **argv)
{
	char **words = calloc((size_t)argc + 1, sizeof(*words)); /* as they were: getopt sorts */
	int status;

	if (!words)
		return 1;
	memcpy(words, argv, (size_t)argc * sizeof(*words));
	status = run(argc, argv, words);
	free(words);
	return status;
}
