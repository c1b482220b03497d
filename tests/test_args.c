/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "apps/args.h"
#include "scheduler/sched.h"
#include "tests/capture.h"
#include "tests/test.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ARGS_MAX     40

#define CONTEXTS                                                                                   \
	"; give a group, and 1..1000000000 contexts and a limit, each group once, 32 at most"
#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021222324252627"

static struct flx_args args;
static struct flx_capture capture;
static char path[] = "/tmp/flx-test-args-XXXXXX";

/* Parses @argv; what was said, without "flx: error: ". */
static const char *parse(const char *const *argv, int *rc)
{
	static const char prefix[] = "flx: error: ";
	static const char *kept[ARGS_MAX]; /* args points into it */
	const char *text;
	size_t count = 0;

	do
		kept[count] = argv[count];
	while (argv[count++] && count < ARGS_MAX);

	flx_capture_start(&capture);
	*rc = flx_args_parse(&args, (char *const *)(uintptr_t)kept);
	text = flx_capture_stop(&capture);
	return strncmp(text, prefix, strlen(prefix)) == 0 ? text + strlen(prefix) : text;
}

#define PARSE(rc, ...) parse((const char *const[]){__VA_ARGS__, NULL}, rc)

static void write_file(const char *text)
{
	FILE *file = fopen(path, "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs(text, file);
	fclose(file);
}

static void test_args_fill_every_option(void)
{
	int rc;

	CU_ASSERT_STRING_EQUAL(PARSE(&rc, "--port", "null", "counter", "--port=vdev:net_x,a=b",
				     "--ip", "10.0.0.1/8", "--gateway=10.0.0.2", "--workers", "3",
				     "--cpus", "5,1-2", "--set", "key=all", "--set=text=a=b",
				     "--dev", "--oversubscribe", "--credits=512", "--lane-size",
				     "4096", "--store", "/s", "--restore", "r", "--snapshot=d",
				     "--snapshot-every", "5", "--contexts", "a=10", "--contexts",
				     "b=1:1000000000", "--rss-key", KEY, "--control", "/c",
				     "--duration", "0.25", "--", "-v", "--port"),
			       "");
	CU_ASSERT_EQUAL_FATAL(rc, 0);
	CU_ASSERT_STRING_EQUAL(args.app, "counter");
	CU_ASSERT_EQUAL(args.options.port_count, 2);
	CU_ASSERT_STRING_EQUAL(args.options.port[0], "null");
	CU_ASSERT_STRING_EQUAL(args.options.port[1], "vdev:net_x,a=b");
	CU_ASSERT_EQUAL(args.options.ip_count, 1);
	CU_ASSERT_STRING_EQUAL(args.options.ip[0], "10.0.0.1/8");
	CU_ASSERT_STRING_EQUAL(args.options.gateway, "10.0.0.2");
	CU_ASSERT_EQUAL(args.options.workers, 3);
	CU_ASSERT_EQUAL(args.options.cpu_count, 3);
	CU_ASSERT_EQUAL(args.options.cpu[0], 5);
	CU_ASSERT_EQUAL(args.options.cpu[2], 2);
	CU_ASSERT_EQUAL(args.setting_count, 2);
	CU_ASSERT_STRING_EQUAL(args.setting[0].name, "key");
	CU_ASSERT_STRING_EQUAL(args.setting[0].value, "all");
	CU_ASSERT_STRING_EQUAL(args.setting[1].name, "text");
	CU_ASSERT_STRING_EQUAL(args.setting[1].value, "a=b");
	CU_ASSERT_TRUE(args.options.dev && args.options.oversubscribe);
	CU_ASSERT_EQUAL(args.options.credits, 512);
	CU_ASSERT_EQUAL(args.options.lane_size, 4096);
	CU_ASSERT_STRING_EQUAL(args.options.store, "/s");
	CU_ASSERT_STRING_EQUAL(args.options.restore, "r");
	CU_ASSERT_STRING_EQUAL(args.options.snapshot, "d");
	CU_ASSERT_EQUAL(args.options.snapshot_every_s, 5);
	CU_ASSERT_EQUAL_FATAL(args.options.contexts_count, 2);
	CU_ASSERT_STRING_EQUAL(args.options.contexts[0].group, "a");
	CU_ASSERT_EQUAL(args.options.contexts[0].capacity, 10);
	CU_ASSERT_EQUAL(args.options.contexts[0].limit, 0);
	CU_ASSERT_STRING_EQUAL(args.options.contexts[1].group, "b");
	CU_ASSERT_EQUAL(args.options.contexts[1].capacity, 1);
	CU_ASSERT_EQUAL(args.options.contexts[1].limit, 1000000000);
	CU_ASSERT_TRUE(args.options.rss_key_given);
	CU_ASSERT_EQUAL(args.options.rss_key[39], 0x27);
	CU_ASSERT_EQUAL(args.duration_us, 250000);
	CU_ASSERT_STRING_EQUAL(args.control, "/c");
	CU_ASSERT_STRING_EQUAL(args.options.eal[0], "-v");
	CU_ASSERT_STRING_EQUAL(args.options.eal[1], "--port");
	CU_ASSERT_PTR_NULL(args.options.eal[2]);
}

static void test_args_are_zero_unless_given(void)
{
	static const struct flx_options defaults;
	int rc;

	PARSE(&rc, "echo", "--dev=off");
	CU_ASSERT_EQUAL(rc, 0);
	CU_ASSERT_EQUAL(memcmp(&args.options, &defaults, sizeof(defaults)), 0);
	CU_ASSERT_EQUAL(args.duration_us, 0);
	CU_ASSERT_FALSE(args.help);
	CU_ASSERT_PTR_NULL(args.control);
}

static void test_args_say_what_is_wrong_and_what_is_right(void)
{
	static const struct {
		const char *argv[ARGS_MAX];
		const char *error;
	} rows[] = {
		{{NULL}, "no app; give the name of a built-in one or the path of a shared object"},
		{{"a", "b"}, "b: a second app beside a; give one"},
		{{"a", "--wrokers", "2"}, "--wrokers: no such option; give one that --help lists"},
		{{"a", "--wrokers=2"}, "--wrokers: no such option; give one that --help lists"},
		{{"a", "--worker", "2"}, "--worker: no such option; give one that --help lists"},
		{{"a", "-w", "2"}, "-w: no such option; give one that --help lists"},
		{{"a", "-"}, "-: no such option; give one that --help lists"},
		{{"a", "--="}, "--: no such option; give one that --help lists"},
		{{"a", "--workers"},
		 "--workers: no value; give 1..64, or two such numbers as in 1-8"},
		{{"a", "--workers", "--dev"},
		 "--workers: no value; give 1..64, or two such numbers as in 1-8"},
		{{"a", "--workers", "0x"},
		 "--workers 0x: not a number; give 1..64, or two such numbers as in 1-8"},
		{{"a", "--workers="},
		 "--workers : not a number; give 1..64, or two such numbers as in 1-8"},
		{{"a", "--workers", "-1"},
		 "--workers -1: not a number; give 1..64, or two such numbers as in 1-8"},
		{{"a", "--workers", "0"},
		 "--workers 0: out of range; give 1..64, or two such numbers as in 1-8"},
		{{"a", "--workers", "65"},
		 "--workers 65: out of range; give 1..64, or two such numbers as in 1-8"},
		{{"a", "--workers", "4294967297"},
		 "--workers 4294967297: out of range; give 1..64, or two such numbers as in 1-8"},
		{{"a", "--workers", "4-2"},
		 "--workers 4-2: the most is below the least; give 1..64, or two such numbers as "
		 "in 1-8"},
		{{"a", "--workers", "1-65"},
		 "--workers 1-65: out of range; give 1..64, or two such numbers as in 1-8"},
		{{"a", "--workers", "1-"},
		 "--workers 1-: not a number; give 1..64, or two such numbers as in 1-8"},
		{{"a", "--workers", "123456789-1"},
		 "--workers 123456789-1: not two numbers; give 1..64, or two such numbers as in "
		 "1-8"},
		{{"a", "--sched", "on"}, "--sched on: no such mode; give auto, observe or off"},
		{{"a", "--workers", "1", "--workers", "1"}, "--workers: given twice; give it once"},
		{{"a", "--dev", "--dev"}, "--dev: given twice; give it once"},
		{{"a", "--cpus", "1;2"},
		 "--cpus 1;2: not a list of numbers; give CPU numbers and ranges such as 2,4-7, 64 "
		 "in "
		 "all at most"},
		{{"a", "--cpus", "0-1", "--workers", "3"},
		 "--workers 3: --cpus lists 2; give one CPU for each, or only --cpus"},
		{{"a", "--ip", "10.0.0.1/8"},
		 "--ip 10.0.0.1/8: 1 networks for 0 ports; give a --port for each"},
		{{"a", "--gateway="}, "--gateway : empty; give an IPv4 address"},
		{{"a", "--port="}, "--port : empty; give each once, 8 at most"},
		{{"a", "--port=1", "--port=2", "--port=3", "--port=4", "--port=5", "--port=6",
		  "--port=7", "--port=8", "--port=9"},
		 "--port 9: one too many; give each once, 8 at most"},
		{{"a", "--set", "key"},
		 "--set key: not a setting; give NAME=VALUE, each name once, 32 at most"},
		{{"a", "--set", "=all"},
		 "--set =all: not a setting; give NAME=VALUE, each name once, 32 at most"},
		{{"a", "--set", "k=1", "--set", "k=2"},
		 "--set k=2: given twice; give NAME=VALUE, each name once, 32 at most"},
		{{"a", "--dev=maybe"}, "--dev maybe: neither on nor off; give on or off"},
		{{"a", "--credits", "63"}, "--credits 63: out of range; give 256..1048576"},
		/* faults.md 27 */
		{{"a", "--lane-size", "0"},
		 "--lane-size 0: out of range; give 2..65536, a power of two"},
		{{"a", "--lane-size", "4294967296"},
		 "--lane-size 4294967296: out of range; give 2..65536, a power of two"},
		{{"a", "--rss-key", "00"},
		 "--rss-key 00: too short; give 40 bytes as 80 hexadecimal digits"},
		{{"a", "--duration", "0"},
		 "--duration 0: out of range; give seconds such as 1.5, more than 0, at most "
		 "1000000000"},
		{{"a", "--store="}, "--store : empty; give the path of a directory"},
		{{"a", "--control="}, "--control : empty; give the path of a socket, or off"},
		{{"a", "--snapshot-every", "60"},
		 "--snapshot-every 60: no snapshot is asked for; give --snapshot FILE too"},
		{{"a", "--snapshot", "f", "--snapshot-every", "0"},
		 "--snapshot-every 0: out of range; give 1..86400"},
		{{"a", "--contexts", "g"}, "--contexts g: not a group and a number" CONTEXTS},
		{{"a", "--contexts", "=5"}, "--contexts =5: not a group and a number" CONTEXTS},
		{{"a", "--contexts", "g="}, "--contexts g=: not a number of contexts" CONTEXTS},
		{{"a", "--contexts", "g=0"}, "--contexts g=0: out of range" CONTEXTS},
		{{"a", "--contexts", "g=5:4"},
		 "--contexts g=5:4: limit below the capacity" CONTEXTS},
		{{"a", "--contexts", "a2345678901234567890123456789012=5"},
		 "--contexts a2345678901234567890123456789012=5: name too long" CONTEXTS},
		{{"a", "--contexts", "g=5", "--contexts", "g=6"},
		 "--contexts g=6: given twice" CONTEXTS},
		{{"a", "--config", "/nowhere/flx.ini"},
		 "/nowhere/flx.ini: No such file or directory; give a configuration file that can "
		 "be read"},
	};
	int rc;

	for (size_t i = 0; i < COUNT(rows); i++) {
		char expected[256];

		snprintf(expected, sizeof(expected), "%s\n", rows[i].error);
		CU_ASSERT_STRING_EQUAL(parse(rows[i].argv, &rc), expected);
		CU_ASSERT_NOT_EQUAL(rc, 0);
	}
}

static void test_args_bound_the_groups(void)
{
	char text[FLX_CONTEXTS_MAX + 1][32];
	const char *argv[ARGS_MAX] = {"a"};
	int rc;

	for (uint32_t i = 0; i <= FLX_CONTEXTS_MAX; i++) {
		snprintf(text[i], sizeof(text[i]), "--contexts=g%u=1", i);
		CU_ASSERT_STRING_EQUAL(parse(argv, &rc), "");
		CU_ASSERT(rc == 0 && args.options.contexts_count == i);
		argv[1 + i] = text[i];
	}
	CU_ASSERT_STRING_EQUAL(parse(argv, &rc), "--contexts g32=1: one too many" CONTEXTS "\n");
	CU_ASSERT_EQUAL(rc, -EINVAL);
}

static void test_args_round_a_lane_up_and_say_so(void)
{
	int rc;

	CU_ASSERT_STRING_EQUAL(PARSE(&rc, "a", "--lane-size", "1000"),
			       "flx: lane-size 1000: rounded up to 1024, a power of two\n");
	CU_ASSERT_EQUAL(rc, 0);
	CU_ASSERT_EQUAL(args.options.lane_size, 1024);
	CU_ASSERT_STRING_EQUAL(PARSE(&rc, "a", "--lane-size", "65536"), "");
	CU_ASSERT_EQUAL(args.options.lane_size, 65536);
}

static void test_args_take_a_range_of_workers(void)
{
	int rc;

	CU_ASSERT_STRING_EQUAL(PARSE(&rc, "a", "--workers", "1-8", "--sched", "observe"), "");
	CU_ASSERT_EQUAL(rc, 0);
	CU_ASSERT_EQUAL(args.options.workers, 8);
	CU_ASSERT_EQUAL(args.options.workers_min, 1);
	CU_ASSERT_EQUAL(args.options.sched, FLX_SCHED_OBSERVE);
	CU_ASSERT_STRING_EQUAL(PARSE(&rc, "a", "--workers", "3"), "");
	CU_ASSERT_EQUAL(args.options.workers, 3);
	CU_ASSERT_EQUAL(args.options.workers_min, 3);
	CU_ASSERT_EQUAL(args.options.sched, FLX_SCHED_AUTO);
}

static void test_args_take_the_file_where_the_line_is_silent(void)
{
	int rc;

	write_file("[flx]\nport = null\nport = ring\nworkers = 2\ndev = on\ncredits = 4096\n"
		   "duration = 1.5\nstore = /s\ncontexts = a=10:20\ncontexts = b=5\n"
		   "[app]\nkey = all\nport = 7\n");
	CU_ASSERT_STRING_EQUAL(PARSE(&rc, "echo", "--config", path, "--workers", "5", "--port",
				     "tap:x", "--dev=off", "--set", "port=9"),
			       "");
	CU_ASSERT_EQUAL_FATAL(rc, 0);
	CU_ASSERT_EQUAL(args.options.workers, 5);
	CU_ASSERT_EQUAL(args.options.port_count, 1);
	CU_ASSERT_STRING_EQUAL(args.options.port[0], "tap:x");
	CU_ASSERT_FALSE(args.options.dev);
	CU_ASSERT_EQUAL(args.options.credits, 4096);
	CU_ASSERT_EQUAL(args.duration_us, 1500000);
	CU_ASSERT_EQUAL(args.setting_count, 2);
	CU_ASSERT_STRING_EQUAL(args.setting[0].name, "port");
	CU_ASSERT_STRING_EQUAL(args.setting[0].value, "9");
	CU_ASSERT_STRING_EQUAL(args.setting[1].name, "key");
	CU_ASSERT_EQUAL(args.setting[1].place.line, 12);
	CU_ASSERT_STRING_EQUAL(args.options.store, "/s");
	CU_ASSERT_EQUAL(args.options.contexts_count, 2);
	CU_ASSERT_EQUAL(args.options.contexts[0].limit, 20);

	CU_ASSERT_STRING_EQUAL(PARSE(&rc, "echo", "--config", path), "");
	CU_ASSERT_EQUAL(args.options.port_count, 2);
	CU_ASSERT_EQUAL(args.options.workers, 2);
	CU_ASSERT_TRUE(args.options.dev);
}

static void test_args_name_the_line_of_a_bad_entry(void)
{
	static const struct {
		const char *text;
		const char *error;
	} rows[] = {
		{"[flx]\n\nworkers = 0x\n",
		 ":3: workers = 0x: not a number; give 1..64, or two such numbers as in 1-8\n"},
		{"[flx]\nwrokers = 2\n",
		 ":2: wrokers = 2: no such option; give one that flx run --help lists\n"},
		{"[flx]\nworkers = 2\nworkers = 3\n",
		 ":3: workers = 3: given twice; give it once\n"},
		{"[flx]\ncontexts = a=1\ncontexts = a=2\n",
		 ":3: contexts = a=2: given twice" CONTEXTS "\n"},
		{"[flx]\nconfig = x\n", ":2: config = x: not in a file; give it on the command "
					"line, settings in [app]\n"},
		{"[app]\nkey = all\nkey = all\n",
		 ":3: key = all: given twice; give each name once, 32 at most\n"},
		{"", ": empty; give [flx] and options, or leave --config out\n"},
	};
	int rc;

	for (size_t i = 0; i < COUNT(rows); i++) {
		char expected[256];

		write_file(rows[i].text);
		snprintf(expected, sizeof(expected), "%s%s", path, rows[i].error);
		CU_ASSERT_STRING_EQUAL(PARSE(&rc, "echo", "--config", path), expected);
		CU_ASSERT_NOT_EQUAL(rc, 0);
	}
}

static void test_args_help_lists_every_option(void)
{
	static const char *const names[] = {"--port SPEC",
					    "--lane-size N",
					    "--contexts GROUP=N[:MAX] ",
					    "--snapshot-every SECONDS ",
					    "--help",
					    "-- ARG"};
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int rc;

	flx_args_help(out);
	fclose(out);
	for (size_t i = 0; i < COUNT(names); i++)
		CU_ASSERT_PTR_NOT_NULL(strstr(text, names[i]));
	free(text);
	CU_ASSERT_STRING_EQUAL(PARSE(&rc, "--help"), "");
	CU_ASSERT_TRUE(rc == 0 && args.help);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_args_fill_every_option),
		FLX_TEST(test_args_are_zero_unless_given),
		FLX_TEST(test_args_say_what_is_wrong_and_what_is_right),
		FLX_TEST(test_args_bound_the_groups),
		FLX_TEST(test_args_round_a_lane_up_and_say_so),
		FLX_TEST(test_args_take_a_range_of_workers),
		FLX_TEST(test_args_take_the_file_where_the_line_is_silent),
		FLX_TEST(test_args_name_the_line_of_a_bad_entry),
		FLX_TEST(test_args_help_lists_every_option),
		{0},
	};
	int fd = mkstemp(path);
	int status;

	if (fd < 0)
		return EXIT_FAILURE;
	close(fd);
	status = flx_test_main("args", tests);
	unlink(path);
	return status;
}
