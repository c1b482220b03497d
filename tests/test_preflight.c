/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/preflight.h"

#include <stdarg.h>
#include <string.h>

#include "perf/preflight_json.h"
#include "perf/scenarios.h"
#include "tests/scratch.h"
#include "tests/test.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define CPU	     "sys/devices/system/cpu/"
#define PAGES	     "sys/kernel/mm/hugepages/hugepages-2048kB/"
#define CLOCK	     "sys/devices/system/clocksource/clocksource0/current_clocksource"
#define FLAGS	     "fpu constant_tsc nonstop_tsc"

struct fact {
	const char *path, *text; /* NULL: the file is not there */
};

/* A machine of four cores with two threads each on two nodes, about which there is nothing to say. */
static const struct fact quiet[] = {
	{"proc/cpuinfo",
	 "processor\t: 0\nmodel name\t: Xeon \xc2\xae 9000  \nflags\t\t: " FLAGS "\n"},
	{"proc/sys/kernel/osrelease", "6.1.0-44-amd64\n"},
	{"proc/self/status", "Name:\tflxperf\nCpus_allowed:\tff\nCpus_allowed_list:\t0-7\n"},
	/* What ran until now, and is over, spoils nothing. */
	{"proc/loadavg", "3.12 0.50 0.90 1/200 4711\n"},
	{"proc/stat", "cpu  9 9 9 9 9 9 9 9 9 9\ncpu1 100 0 0 800 0 0 0 10 0 0\n"
		      "cpu2 100 0 0 800 0 0 0 10 0 0\ncpu10 7 7 7 7 7 7 7 7 0 0\n"},
	{CPU "online", "0-7\n"},
	{CPU "isolated", "1-3\n"},
	{CPU "nohz_full", " (null)\n"},
	{CPU "cpu1/cpufreq/scaling_governor", "performance\n"},
	{CPU "cpu2/cpufreq/scaling_governor", "performance\n"},
	{CPU "cpu1/topology/thread_siblings_list", "1\n"},
	{CPU "cpu2/topology/thread_siblings_list", "2\n"},
	{"sys/devices/system/node/online", "0-1\n"},
	{"sys/devices/system/node/node0/cpulist", "0-3\n"},
	{"sys/devices/system/node/node1/cpulist", "4-7\n"},
	{CLOCK, "tsc\n"},
	{PAGES "nr_hugepages", "512\n"},
	{PAGES "free_hugepages", "500\n"},
};

static struct flx_scratch scratch;
static struct flx_preflight preflight;

static void put(const struct fact *fact)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", scratch.path, fact->path);
	if (!fact->text) {
		CU_ASSERT_EQUAL_FATAL(unlink(path), 0);
		return;
	}
	for (char *at = path + strlen(scratch.path) + 1; (at = strchr(at, '/')); *at++ = '/') {
		*at = '\0';
		mkdir(path, 0755);
	}
	file = fopen(path, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs(fact->text, file);
	fclose(file);
}

/* The quiet machine, with @facts of another one. */
static void make_machine(const struct fact *facts, size_t count)
{
	flx_scratch_init(&scratch);
	for (size_t i = 0; i < COUNT(quiet); i++)
		put(&quiet[i]);
	for (size_t i = 0; i < count && facts[i].path; i++)
		put(&facts[i]);
}

static void test_preflight_reads_a_machine(void)
{
	make_machine(NULL, 0);
	flx_preflight_read(&preflight, scratch.path, "1-2");
	CU_ASSERT_STRING_EQUAL(preflight.cpu, "Xeon ?? 9000");
	CU_ASSERT_STRING_EQUAL(preflight.kernel, "6.1.0-44-amd64");
	CU_ASSERT_STRING_EQUAL(preflight.hypervisor, "");
	CU_ASSERT_STRING_EQUAL(preflight.governor, "performance");
	CU_ASSERT_STRING_EQUAL(preflight.clock, "tsc");
	CU_ASSERT_TRUE(preflight.tsc_invariant);
	CU_ASSERT_EQUAL(preflight.online, 8);
	CU_ASSERT_STRING_EQUAL(preflight.allowed, "0-7");
	CU_ASSERT_STRING_EQUAL(preflight.used, "1-2");
	CU_ASSERT_STRING_EQUAL(preflight.siblings, "");
	CU_ASSERT_STRING_EQUAL(preflight.isolated, "1-3");
	CU_ASSERT_STRING_EQUAL(preflight.nohz_full, "");
	CU_ASSERT_EQUAL(preflight.nodes, 2);
	CU_ASSERT_EQUAL(preflight.used_nodes, 1);
	CU_ASSERT_DOUBLE_EQUAL(preflight.load, 3.12, 1e-9);
	CU_ASSERT_EQUAL(preflight.running, 0);
	CU_ASSERT_EQUAL(preflight.pages_count, 1);
	CU_ASSERT_EQUAL(preflight.pages[0].size_kib, 2048);
	CU_ASSERT_EQUAL(preflight.pages[0].total, 512);
	CU_ASSERT_EQUAL(preflight.pages[0].free, 500);
	CU_ASSERT_TRUE(preflight.steal_per_mille < 0);
	flx_preflight_judge(&preflight);
	CU_ASSERT_EQUAL(preflight.warning_count, 0);
	flx_scratch_fini(&scratch);
}

static void test_preflight_takes_a_machine_that_tells_nothing(void)
{
	flx_scratch_init(&scratch);
	flx_preflight_read(&preflight, scratch.path, "");
	CU_ASSERT_STRING_EQUAL(preflight.cpu, "");
	CU_ASSERT_STRING_EQUAL(preflight.used, "");
	CU_ASSERT_EQUAL(preflight.online, 0);
	CU_ASSERT_EQUAL(preflight.pages_count, 0);
	flx_preflight_steal(&preflight);
	CU_ASSERT_EQUAL(preflight.steal_per_mille, 0);
	flx_scratch_fini(&scratch);
}

/* What differs from the quiet machine, and the one warning about it: its cause, its remedy. */
static const struct {
	struct fact fact[3];
	const char *used;
	const char *cause, *remedy;
} spoilt[] = {
	{{{CPU "cpu2/cpufreq/scaling_governor", "powersave\n"}},
	 "1-2",
	 "governor powersave",
	 "frequency-set -g performance"},
	{{{CPU "cpu1/cpufreq/scaling_governor", "ondemand\n"}},
	 "1-2",
	 "governor ondemand",
	 "frequency-set"},
	{{{"proc/cpuinfo", "model name : x\nflags : fpu constant_tsc\n"}},
	 "1-2",
	 "not invariant",
	 "another CPU"},
	{{{CLOCK, "hpet\n"}}, "1-2", "clock hpet", "dmesg"},
	{{{"proc/cpuinfo", "flags : " FLAGS " hypervisor lahf_lm\n"}},
	 "1-2",
	 "virtual machine (of an unknown kind)",
	 "bare metal"},
	{{{"proc/cpuinfo", "flags : " FLAGS " hypervisor\n"},
	  {"sys/class/dmi/id/product_name", "KVM\n"}},
	 "1-2",
	 "virtual machine (KVM)",
	 "bare metal"},
	{{{CPU "isolated", "\n"}}, "1-2", "of CPUs 1-2 not all", "isolcpus=1-2"},
	{{{CPU "isolated", "2\n"}}, "1-2", "of CPUs 1-2 not all", "isolcpus=1-2"},
	{{{"proc/self/status", "Cpus_allowed_list:\t1-2\n"}}, "1-2", "all there are", "the machine more"},
	{{{CPU "cpu1/topology/thread_siblings_list", "1,5\n"}},
	 "1-2",
	 "CPUs 5 are SMT siblings",
	 "nosmt"},
	{{{CPU "cpu1/topology/thread_siblings_list", "1-2\n"},
	  {CPU "cpu2/topology/thread_siblings_list", "1-2\n"}},
	 "1-2",
	 "CPUs 1-2 are SMT siblings",
	 "nosmt"},
	{{{CPU "isolated", "3-4\n"}}, "3-4", "CPUs 3-4 lie on 2 NUMA nodes", "taskset"},
	{{{"proc/loadavg", "0.01 0.50 0.90 3/200 4711\n"}}, "1-2", "2 more threads ran", "top"},
	{{{PAGES "free_hugepages", "0\n"}}, "1-2", "no free hugepages", "setup.sh hugepages"},
	{{{PAGES "free_hugepages", NULL}}, "1-2", "no free hugepages", "--dev"},
};

static void test_preflight_warns_of_what_spoils_figures(void)
{
	for (size_t i = 0; i < COUNT(spoilt); i++) {
		make_machine(spoilt[i].fact, COUNT(spoilt[i].fact));
		flx_preflight_read(&preflight, scratch.path, spoilt[i].used);
		flx_preflight_judge(&preflight);
		if (preflight.warning_count != 1)
			printf("row %zu: %u warnings\n", i, preflight.warning_count);
		CU_ASSERT_EQUAL_FATAL(preflight.warning_count, 1);
		CU_ASSERT_PTR_NOT_NULL(strstr(preflight.warning[0], spoilt[i].cause));
		CU_ASSERT_PTR_NOT_NULL(strstr(preflight.warning[0], spoilt[i].remedy));
		flx_scratch_fini(&scratch);
	}
}

static void test_preflight_keeps_silent_where_nothing_is_known(void)
{
	static const struct fact facts[] = {
		{CPU "cpu1/cpufreq/scaling_governor", NULL},
		{CPU "cpu2/cpufreq/scaling_governor", NULL},
		{CPU "cpu1/topology/thread_siblings_list", NULL},
		{"sys/devices/system/node/online", NULL},
		{CLOCK, NULL},
	};

	make_machine(facts, COUNT(facts));
	flx_preflight_read(&preflight, scratch.path, "1-2");
	flx_preflight_judge(&preflight);
	CU_ASSERT_EQUAL(preflight.warning_count, 0);
	flx_scratch_fini(&scratch);
}

/* Of the CPUs used alone, by number and not by how it begins; never below 0. */
static const struct {
	const char *stat;
	double per_mille;
} later[] = {
	{"cpu1 150 0 0 840 0 0 0 20 0 0\ncpu2 190 0 0 800 0 0 0 20 0 0\n", 100},
	{"cpu10 9999 0 0 0 0 0 0 9999 0 0\ncpu1 150 0 0 850 0 0 0 10 0 0\n"
	 "cpu2 100 0 0 900 0 0 0 10 0 0\n",
	 0},
	{"cpu1 150 0 0 850 0 0 0 5 0 0\ncpu2 100 0 0 900 0 0 0 5 0 0\n", 0},
	{"cpu1 100 0 0 800 0 0 0 10 0 0\ncpu2 100 0 0 800 0 0 0 10 0 0\n", 0},
	{"", 0},
};

static void test_preflight_tells_what_was_stolen_of_the_cpus_used(void)
{
	for (size_t i = 0; i < COUNT(later); i++) {
		make_machine(NULL, 0);
		flx_preflight_read(&preflight, scratch.path, "1-2");
		put(&(struct fact){"proc/stat", later[i].stat});
		flx_preflight_steal(&preflight);
		CU_ASSERT_DOUBLE_EQUAL(preflight.steal_per_mille, later[i].per_mille, 1e-9);
		flx_scratch_fini(&scratch);
	}
}

static void test_preflight_end_warns_of_steal(void)
{
	char text[256] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");

	make_machine(NULL, 0);
	flx_preflight_read(&preflight, scratch.path, "1-2");
	put(&(struct fact){"proc/stat", later[0].stat});
	flx_preflight_end(&preflight, out);
	fclose(out);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "100 per mille of CPUs 1-2"));
	CU_ASSERT_EQUAL(preflight.warning_count, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(preflight.warning[0], "steal 100 per mille"));
	flx_scratch_fini(&scratch);
}

static void test_preflight_begin_knows_this_program(void)
{
	struct flx_perf perf = {.workers = 1, .dev = true};
	char text[4096] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");
	bool said = false;

	flx_preflight_begin(&preflight, &perf);
	CU_ASSERT_STRING_EQUAL(preflight.version, FLX_VERSION);
	CU_ASSERT_PTR_NOT_NULL(strstr(preflight.dpdk, "DPDK"));
	CU_ASSERT_TRUE(preflight.tsc_mhz > 100);
	CU_ASSERT_STRING_NOT_EQUAL(preflight.used, "");
	CU_ASSERT_PTR_NULL(strchr(preflight.used, ',')); /* one worker, one CPU */
	for (uint32_t i = 0; i < preflight.warning_count; i++)
		said |= strstr(preflight.warning[i], "ordinary memory (--dev)") != NULL;
	CU_ASSERT_TRUE(said);
	flx_preflight_print(&preflight, out);
	fclose(out);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, preflight.compiler));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "WARN ordinary memory"));
}

static void test_preflight_json_has_what_was_read(void)
{
	json_t *json, *pages;

	make_machine(&(struct fact){CLOCK, "hpet\n"}, 1);
	flx_preflight_read(&preflight, scratch.path, "1-2");
	flx_preflight_judge(&preflight);
	json = flx_preflight_json(&preflight);
	CU_ASSERT_PTR_NOT_NULL_FATAL(json);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json, "cpu")), "Xeon ?? 9000");
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(json, "online")), 8);
	CU_ASSERT_TRUE(json_is_null(json_object_get(json, "steal_per_mille")));
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json, "memory")), "hugepages");
	pages = json_array_get(json_object_get(json, "hugepages"), 0);
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(pages, "free")), 500);
	CU_ASSERT_EQUAL(json_array_size(json_object_get(json, "warnings")), 1);
	json_decref(json);
	preflight.steal_per_mille = 2.5;
	preflight.ordinary = true;
	json = flx_preflight_json(&preflight);
	CU_ASSERT_DOUBLE_EQUAL(json_real_value(json_object_get(json, "steal_per_mille")), 2.5,
			       1e-9);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json, "memory")), "ordinary");
	json_decref(json);
	flx_scratch_fini(&scratch);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_preflight_reads_a_machine),
		FLX_TEST(test_preflight_takes_a_machine_that_tells_nothing),
		FLX_TEST(test_preflight_warns_of_what_spoils_figures),
		FLX_TEST(test_preflight_keeps_silent_where_nothing_is_known),
		FLX_TEST(test_preflight_tells_what_was_stolen_of_the_cpus_used),
		FLX_TEST(test_preflight_end_warns_of_steal),
		FLX_TEST(test_preflight_begin_knows_this_program),
		FLX_TEST(test_preflight_json_has_what_was_read),
		{NULL, NULL},
	};

	return flx_test_main("preflight", tests);
}
