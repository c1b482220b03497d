/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "apps/commands.h"
#include "apps/show.h"
#include "tests/test.h"

static struct flx_answer answer;

/* The answer to @line, with no fabric behind it. */
static const char *ask(const char *line)
{
	static struct flx_request request;
	static char text[65536];
	const char *at;
	size_t size;

	CU_ASSERT_PTR_NULL_FATAL(flx_request_parse(&request, line, strlen(line)));
	CU_ASSERT_EQUAL_FATAL(flx_answer_init(&answer), 0);
	flx_answer_begin(&answer, flx_commands_run(NULL, &request, &answer));
	size = flx_answer_left(&answer, &at);
	CU_ASSERT_FATAL(size < sizeof(text));
	memcpy(text, at, size);
	text[size] = '\0';
	flx_answer_fini(&answer);
	return text;
}

static void test_commands_are_found_by_their_whole_name(void)
{
	CU_ASSERT_STRING_EQUAL(flx_commands_find("show")->name, "show");
	CU_ASSERT_STRING_EQUAL(flx_commands_find("ctx")->name, "ctx");
	CU_ASSERT_PTR_NULL(flx_commands_find("sho"));
	CU_ASSERT_PTR_NULL(flx_commands_find("shows"));
	CU_ASSERT_PTR_NULL(flx_commands_find(""));
}

static void test_commands_say_what_they_do_not_know(void)
{
	CU_ASSERT_STRING_EQUAL(
		ask("walk"), "error EINVAL walk: no such command; give one that flx help lists\n");
	CU_ASSERT_STRING_EQUAL(ask("show x"), "error EINVAL x: one too many; give show alone\n");
}

static void test_commands_help_lists_them(void)
{
	const char *text = ask("help");

	CU_ASSERT_EQUAL(strncmp(text, "ok\n  ctx ACTION ", 16), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n  show "));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n  help "));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nend\n"));
}

static void test_show_prints_workers_and_the_ledger(void)
{
	static struct flx_plan plan = {.worker_count = 3,
				       .worker = {{.cpu = 2}, {.cpu = 30}, {.cpu = 4}}};
	static struct flx_ledger before, now;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	before.worker_count = now.worker_count = 3;
	for (uint32_t w = 0; w < 2; w++) {
		before.worker_total_tsc[w] = 1000;
		now.worker_total_tsc[w] = 2000;
		now.worker_busy_tsc[w] = w ? 1000 : 70;
	}
	now.received = now.delivered = 5;
	flx_show_print(out, &plan, &before, &now);
	now.stalled_workers = 1;
	flx_show_print(out, &plan, &before, &now);
	fclose(out);
	CU_ASSERT_STRING_EQUAL(text, "workers\n"
				     "  0    CPU 2    busy   7%\n"
				     "  1    CPU 30   busy 100%\n"
				     "  2    CPU 4    stalled\n"
				     "ledger\n"
				     "    received                                5\n"
				     "  = delivered                               5\n"
				     "unexplained 0\n"
				     "workers\n"
				     "  0    CPU 2    busy   7%\n"
				     "  1    CPU 30   busy 100%\n"
				     "  2    CPU 4    stalled\n"
				     "ledger\n"
				     "    received                                5\n"
				     "  = delivered                               5\n"
				     "unexplained 0\n"
				     "what stalled workers did and hold is missing above\n");
	free(text);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_commands_are_found_by_their_whole_name),
		FLX_TEST(test_commands_say_what_they_do_not_know),
		FLX_TEST(test_commands_help_lists_them),
		FLX_TEST(test_show_prints_workers_and_the_ledger),
		{0},
	};

	return flx_test_main("commands", tests);
}
