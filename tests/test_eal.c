/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_lcore.h>

#include "pmd-config/eal.h"
#include "tests/test.h"

static const struct flx_plan two_workers = {
	.worker_count = 2,
	.worker = {{.cpu = 2}, {.cpu = 130}},
	.housekeeping = "0-1,3",
};

/* The arguments as one line, with this process's id as "PID". */
static void line_of(const struct flx_eal_arguments *arguments, char *line, size_t size)
{
	char raw[4096], pid[32];
	const char *at;

	flx_eal_arguments_print(arguments, raw, sizeof(raw));
	snprintf(pid, sizeof(pid), "=flx%d ", (int)getpid());
	at = strstr(raw, pid);
	CU_ASSERT_PTR_NOT_NULL_FATAL(at);
	snprintf(line, size, "%.*s=flxPID %s", (int)(at - raw), raw, at + strlen(pid));
}

#define HEAD                                                                                       \
	"flx '--lcores=0@(0-1,3),1@2,2@130' --main-lcore=0 --file-prefix=flxPID --no-telemetry "   \
	"'--log-level=*:warning' --log-level=lib.eal:error "

static void test_arguments_follow_the_configuration(void)
{
	static char *const extra[] = {"--log-level=lib.eal:debug", "-n", "4", NULL};
	static const struct {
		const char *port[2];
		bool huge;
		uint32_t memory_mib;
		char *const *extra;
		const char *line;
	} rows[] = {
		{{0}, false, 64, NULL, HEAD "--no-huge --no-shconf -m 64 --no-pci --iova-mode=va"},
		{{0}, true, 0, NULL, HEAD "--in-memory --no-pci --iova-mode=va"},
		{{"ring", "null"},
		 false,
		 128,
		 NULL,
		 HEAD "--no-huge --no-shconf -m 128 --no-pci --iova-mode=va --vdev=net_ring0 "
		      "--vdev=net_null1"},
		{{"pci:81:00.0", NULL},
		 true,
		 1024,
		 NULL,
		 HEAD "--in-memory -m 1024 --allow=0000:81:00.0"},
		{{"pci:81:00.0", "tap:flxt0"},
		 true,
		 1024,
		 extra,
		 HEAD "--in-memory -m 1024 --allow=0000:81:00.0 --vdev=net_tap1,iface=flxt0 "
		      "--log-level=lib.eal:debug -n 4"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct flx_port_spec specs[2];
		struct flx_eal_conf conf = {.plan = &two_workers,
					    .ports = specs,
					    .huge = rows[i].huge,
					    .memory_mib = rows[i].memory_mib,
					    .extra = rows[i].extra};
		struct flx_eal_arguments arguments;
		char line[4096];

		for (uint32_t port = 0; port < 2 && rows[i].port[port]; port++) {
			CU_ASSERT_EQUAL(
				flx_port_spec_parse(&specs[port], rows[i].port[port], port, 2), 0);
			conf.port_count++;
		}
		CU_ASSERT_EQUAL_FATAL(flx_eal_arguments_make(&arguments, &conf), 0);
		CU_ASSERT_PTR_NULL(arguments.value[arguments.count]);
		line_of(&arguments, line, sizeof(line));
		CU_ASSERT_STRING_EQUAL(line, rows[i].line);
		if (strcmp(line, rows[i].line) != 0)
			printf("\n  %s\n  %s\n", line, rows[i].line);
	}
}

static void test_arguments_of_most_workers_and_ports_fit(void)
{
	struct flx_plan plan = {.worker_count = FLX_WORKERS_MAX};
	struct flx_port_spec specs[FLX_PORTS_MAX];
	struct flx_eal_conf conf = {.plan = &plan, .ports = specs, .port_count = FLX_PORTS_MAX};
	struct flx_eal_arguments arguments;
	char text[256];

	for (uint32_t i = 0; i < FLX_WORKERS_MAX; i++)
		plan.worker[i].cpu = 1000 + i;
	memset(plan.housekeeping, '7', sizeof(plan.housekeeping) - 1);
	memset(text, 'a', sizeof(text));
	memcpy(text, "vdev:net_ring0,", 15);
	text[sizeof(text) - 1] = '\0';
	for (uint32_t i = 0; i < FLX_PORTS_MAX; i++)
		CU_ASSERT_EQUAL(flx_port_spec_parse(&specs[i], text, i, FLX_WORKERS_MAX), 0);
	CU_ASSERT_EQUAL(flx_eal_arguments_make(&arguments, &conf), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(arguments.value[1], ",64@1063"));
}

static void test_arguments_refuse_too_many_and_too_long(void)
{
	static char *many[FLX_EAL_ARGUMENTS_MAX + 1];
	static char big[9000];
	static char *one[] = {big, NULL};
	struct flx_eal_conf conf = {.plan = &two_workers};
	struct flx_eal_arguments arguments;
	static char verbose[] = "-v";

	for (size_t i = 0; i < FLX_EAL_ARGUMENTS_MAX; i++)
		many[i] = verbose;
	memset(big, 'x', sizeof(big) - 1);
	conf.extra = many;
	CU_ASSERT_EQUAL(flx_eal_arguments_make(&arguments, &conf), -E2BIG);
	CU_ASSERT_PTR_NULL(arguments.value[arguments.count]);
	conf.extra = one;
	CU_ASSERT_EQUAL(flx_eal_arguments_make(&arguments, &conf), -E2BIG);
}

static void test_print_quotes_for_a_shell_and_never_overflows(void)
{
	static char *const extra[] = {"a b", "it's", "", NULL};
	struct flx_eal_conf conf = {.plan = &two_workers, .extra = extra};
	struct flx_eal_arguments arguments;
	char line[4096], cut[4096];

	CU_ASSERT_EQUAL(flx_eal_arguments_make(&arguments, &conf), 0);
	flx_eal_arguments_print(&arguments, line, sizeof(line));
	CU_ASSERT_PTR_NOT_NULL(strstr(line, " 'a b' 'it'\\''s' ''"));
	for (uint32_t size = 0; size < strlen(line); size++) {
		memset(cut, 0x55, sizeof(cut));
		flx_eal_arguments_print(&arguments, cut, size);
		CU_ASSERT_EQUAL(cut[size], 0x55);
		CU_ASSERT_TRUE(size == 0 || strlen(cut) < size);
	}
}

static void test_start_binds_lcores_as_planned_and_starts_once(void)
{
	uint32_t last = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN) - 1;
	static struct flx_eal_arguments arguments;
	char directory[256];
	struct flx_plan plan = {.worker_count = 1, .worker = {{.cpu = last}}, .housekeeping = "0"};
	struct flx_eal_conf conf = {.plan = &plan, .memory_mib = 16};

	CU_ASSERT_EQUAL(flx_eal_arguments_make(&arguments, &conf), 0);
	CU_ASSERT_EQUAL_FATAL(flx_eal_start(&arguments), 0);
	CU_ASSERT_EQUAL(rte_lcore_id(), 0);
	CU_ASSERT_EQUAL(rte_lcore_count(), 2);
	CU_ASSERT_TRUE(rte_lcore_is_enabled(1));
	CU_ASSERT_EQUAL(rte_lcore_to_cpu_id(1), (int)last);
	CU_ASSERT_EQUAL(flx_eal_start(&arguments), -EALREADY);
	snprintf(directory, sizeof(directory), "%s", rte_eal_get_runtime_dir());
	CU_ASSERT_EQUAL(access(directory, F_OK), 0);
	flx_eal_stop();
	/* No directory per process id is left behind. */
	CU_ASSERT_NOT_EQUAL(access(directory, F_OK), 0);
}

static void test_hugepages_are_counted_without_taking_any(void)
{
	uint32_t first = flx_eal_hugepages_mib();

	CU_ASSERT_EQUAL(flx_eal_hugepages_mib(), first);
	CU_ASSERT_EQUAL(first % 2, 0);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_arguments_follow_the_configuration),
		FLX_TEST(test_arguments_of_most_workers_and_ports_fit),
		FLX_TEST(test_arguments_refuse_too_many_and_too_long),
		FLX_TEST(test_print_quotes_for_a_shell_and_never_overflows),
		FLX_TEST(test_start_binds_lcores_as_planned_and_starts_once),
		FLX_TEST(test_hugepages_are_counted_without_taking_any),
		{0},
	};

	return flx_test_main("eal", tests);
}
