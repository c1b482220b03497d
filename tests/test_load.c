/* SPDX-License-Identifier: BSD-3-Clause */
#include <dlfcn.h>
#include <limits.h>
#include <string.h>

#include "apps/load.h"
#include "tests/capture.h"
#include "tests/test.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct flx_capture capture;
static const char *apps; /* the directory of the shared objects */

static const char *load(struct flx_app *app, const char *name, int *rc)
{
	flx_capture_start(&capture);
	*rc = flx_load_app(app, name);
	return flx_capture_stop(&capture);
}

static const char *set(const struct flx_app *app, const struct flx_given *given, int *rc)
{
	flx_capture_start(&capture);
	*rc = flx_load_set(app->program, given);
	return flx_capture_stop(&capture);
}

static int set_value(const struct flx_app *app, const char *name, const char *value)
{
	struct flx_given given = {.value = value};
	int rc;

	snprintf(given.name, sizeof(given.name), "%s", name);
	set(app, &given, &rc);
	return rc;
}

static void test_load_finds_an_app_in_both_forms(void)
{
	static const struct {
		const char *name;
		uint32_t fluxions;
		uint16_t port;
	} rows[] = {{"counter", 3, 7000}, {"chain", 3, 7001}, {"echo", 1, 7007}, {"kv", 4, 7001}};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct flx_app built_in, object;
		char path[PATH_MAX];
		int rc;

		CU_ASSERT_STRING_EQUAL(load(&built_in, rows[i].name, &rc), "");
		CU_ASSERT_EQUAL_FATAL(rc, 0);
		snprintf(path, sizeof(path), "%s/%s.so", apps, rows[i].name);
		CU_ASSERT_STRING_EQUAL(load(&object, path, &rc), "");
		CU_ASSERT_EQUAL_FATAL(rc, 0);
		CU_ASSERT_PTR_NOT_EQUAL(built_in.program, object.program);
		CU_ASSERT_STRING_EQUAL(built_in.program->name, rows[i].name);
		CU_ASSERT_STRING_EQUAL(object.program->name, rows[i].name);
		CU_ASSERT_EQUAL(object.program->fluxion_count, rows[i].fluxions);
		CU_ASSERT_EQUAL(object.program->fluxions[0].listen.udp, rows[i].port);
		flx_unload_app(&object);
		flx_unload_app(&built_in);
		CU_ASSERT_PTR_NULL(object.program);
	}
}

static void test_load_refuses_an_app_of_another_layout(void)
{
	char path[PATH_MAX];
	struct flx_app app;
	int rc;

	snprintf(path, sizeof(path), "%s/../tests/old_app.so", apps);
	CU_ASSERT_PTR_NOT_NULL(strstr(load(&app, path, &rc), "built from another version"));
	CU_ASSERT_EQUAL(rc, -EINVAL);
	CU_ASSERT_PTR_NULL(app.program);
}

static void test_load_finds_a_bare_name_that_ends_in_so(void)
{
	char here[PATH_MAX];
	struct flx_app app;
	int rc;

	CU_ASSERT_PTR_NOT_NULL_FATAL(getcwd(here, sizeof(here)));
	CU_ASSERT_EQUAL_FATAL(chdir(apps), 0);
	CU_ASSERT_STRING_EQUAL(load(&app, "echo.so", &rc), "");
	CU_ASSERT_EQUAL(rc, 0);
	flx_unload_app(&app);
	CU_ASSERT_EQUAL(chdir(here), 0);
}

static void test_load_says_why_not(void)
{
	static const char text_file[] = "/proc/self/cmdline";
	struct flx_app app;
	Dl_info libc;
	int rc;

	CU_ASSERT_STRING_EQUAL(load(&app, "cuonter", &rc),
			       "flx: error: cuonter: no such app; give a built-in one (chain "
			       "counter echo kv) or the path of a shared object\n");
	CU_ASSERT_EQUAL(rc, -ENOENT);
	CU_ASSERT_STRING_EQUAL(load(&app, "./no.so", &rc),
			       "flx: error: ./no.so: No such file or directory; give the path of a "
			       "shared object, or a built-in app: chain counter echo kv\n");
	CU_ASSERT_EQUAL(rc, -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(load(&app, text_file, &rc), "cmdline: not an flx app: /proc/"));
	CU_ASSERT_EQUAL(rc, -EINVAL);
	load(&app, "/", &rc);
	CU_ASSERT_EQUAL(rc, -EINVAL);
	load(&app, "", &rc);
	CU_ASSERT_EQUAL(rc, -ENOENT);
	CU_ASSERT_NOT_EQUAL_FATAL(dladdr(dlsym(RTLD_DEFAULT, "fprintf"), &libc), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(load(&app, libc.dli_fname, &rc),
				      "not an flx app: it has no symbol flx_program; define it"));
	CU_ASSERT_EQUAL(rc, -EINVAL);
	CU_ASSERT_PTR_NULL(app.program);
}

static void test_set_names_place_cause_and_remedy(void)
{
	struct flx_given given = {.name = "port", .value = "0"};
	struct flx_app app;
	int rc;

	load(&app, "echo", &rc);
	CU_ASSERT_EQUAL_FATAL(rc, 0);
	CU_ASSERT_STRING_EQUAL(set(&app, &given, &rc),
			       "flx: error: --set port=0: not understood; give 1..65535: the UDP "
			       "port to listen on (7007)\n");
	CU_ASSERT_EQUAL(rc, -EINVAL);
	given = (struct flx_given){{"flx.ini", 3}, "prot", "1"};
	CU_ASSERT_STRING_EQUAL(set(&app, &given, &rc),
			       "flx: error: flx.ini:3: prot = 1: echo has no such setting; give "
			       "port\n");
	CU_ASSERT_EQUAL(rc, -EINVAL);
}

static void test_set_changes_the_port_of_echo(void)
{
	static const char *const bad[] = {"0", "65536", "-1", "+7", " 7", "7x", "", "1e9"};
	struct flx_app app;
	int rc;

	load(&app, "echo", &rc);
	CU_ASSERT_EQUAL_FATAL(rc, 0);
	CU_ASSERT_EQUAL(set_value(&app, "port", "65535"), 0);
	for (size_t i = 0; i < COUNT(bad); i++)
		CU_ASSERT_EQUAL(set_value(&app, "port", bad[i]), -EINVAL);
	CU_ASSERT_EQUAL(app.program->fluxions[0].listen.udp, 65535);
}

/* Follows the chain from main; returns the number of fluxions up to reply. */
static uint32_t walk(const struct flx_program *program, bool spread)
{
	const struct flx_fluxion *at = &program->fluxions[0];

	for (uint32_t i = 1; i < program->fluxion_count; i++) {
		const struct flx_fluxion *next = &program->fluxions[i];
		bool last = i + 1 == program->fluxion_count;

		if (!at->streams[0].to[0] || strcmp(at->streams[0].to[0], next->id) != 0 ||
		    at->streams[0].to[1])
			return 0;
		if (!last && (next->context.size == sizeof(uint64_t)) != spread)
			return 0;
		if (!last && spread && strcmp(next->tags[0], i % 2 ? "even" : "odd") != 0)
			return 0;
		at = next;
	}
	return strcmp(at->id, "reply") == 0 ? program->fluxion_count : 0;
}

static void test_set_lays_the_chain_out(void)
{
	static const char *const bad[] = {"0", "129", "-1", "", "8x"};
	struct flx_app app;
	int rc;

	load(&app, "chain", &rc);
	CU_ASSERT_EQUAL_FATAL(rc, 0);
	CU_ASSERT_EQUAL(walk(app.program, false), 3);
	CU_ASSERT_EQUAL(set_value(&app, "length", "128"), 0);
	CU_ASSERT_EQUAL(walk(app.program, false), 130);
	CU_ASSERT_STRING_EQUAL(app.program->fluxions[128].id, "f128");
	CU_ASSERT_EQUAL(set_value(&app, "spread", "on"), 0);
	CU_ASSERT_EQUAL(walk(app.program, true), 130);
	CU_ASSERT_EQUAL(set_value(&app, "length", "5"), 0);
	CU_ASSERT_EQUAL(walk(app.program, true), 7);
	CU_ASSERT_EQUAL(set_value(&app, "spread", "off"), 0);
	CU_ASSERT_EQUAL(walk(app.program, false), 7);
	for (size_t i = 0; i < COUNT(bad); i++)
		CU_ASSERT_EQUAL(set_value(&app, "length", bad[i]), -EINVAL);
	CU_ASSERT_EQUAL(set_value(&app, "spread", "maybe"), -EINVAL);
	CU_ASSERT_EQUAL(walk(app.program, false), 7);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_load_finds_an_app_in_both_forms),
		FLX_TEST(test_load_refuses_an_app_of_another_layout),
		FLX_TEST(test_load_finds_a_bare_name_that_ends_in_so),
		FLX_TEST(test_load_says_why_not),
		FLX_TEST(test_set_names_place_cause_and_remedy),
		FLX_TEST(test_set_changes_the_port_of_echo),
		FLX_TEST(test_set_lays_the_chain_out),
		{0},
	};

	apps = getenv("FLX_TEST_APPS");
	if (!apps) {
		fprintf(stderr, "FLX_TEST_APPS is not set; give the directory of echo.so\n");
		return EXIT_FAILURE;
	}
	return flx_test_main("load", tests);
}
