/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "apps/status.h"
#include "tests/test.h"

static struct flx_ledger before, now;

static void check_line(uint64_t elapsed_us, uint64_t period_us, const char *expected)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	CU_ASSERT_PTR_NOT_NULL_FATAL(out);
	flx_status_print(out, &before, &now, elapsed_us, period_us);
	fclose(out);
	CU_ASSERT_STRING_EQUAL(text, expected);
	free(text);
}

static void test_status_shows_rates_of_the_period(void)
{
	before = (struct flx_ledger){.received = 1000, .delivered = 500, .dropped = 1};
	now = (struct flx_ledger){.received = 3000, .delivered = 1500, .dropped = 5};
	now.in_flight = 7;
	now.contexts = 16;
	now.worker_count = before.worker_count = 2;
	before.worker_handled[1] = 100;
	now.worker_handled[0] = 50;
	now.worker_handled[1] = 150;
	before.worker_total_tsc[0] = 1000000;
	before.worker_busy_tsc[0] = 900000;
	now.worker_total_tsc[0] = 2000000;
	now.worker_busy_tsc[0] = 1029999;
	now.worker_total_tsc[1] = now.worker_busy_tsc[1] = 5000;
	check_line(
		12345678, 2000000,
		"    12.3 s  rx 1000/s  tx 500/s  handled 50/s  drops 2/s  in flight 7  contexts "
		"16  busy 12% 100%\n");
}

static void test_status_shows_trouble_only_when_there_is(void)
{
	before = now = (struct flx_ledger){.worker_count = 1, .port_count = 2};
	check_line(1000000, 1000000,
		   "     1.0 s  rx 0/s  tx 0/s  handled 0/s  drops 0/s  in flight 0  contexts 0  "
		   "busy 0%\n");
	now.port[1].refused = 10;
	now.unexplained = -3;
	check_line(1000000, 1000000,
		   "     1.0 s  rx 0/s  tx 0/s  handled 0/s  drops 0/s  in flight 0  contexts 0  "
		   "busy 0%  refused by ports 10/s  unexplained -3\n");
}

/* Sums that lack a worker would show as rates that never were. */
static void test_status_shows_no_figures_that_lack_a_worker(void)
{
	before = (struct flx_ledger){.received = 1000, .worker_count = 2};
	now = (struct flx_ledger){
		.received = 10, .unexplained = 5, .worker_count = 2, .stalled_workers = 1};
	check_line(4000000, 1000000,
		   "     4.0 s  1 of 2 workers stalled; no figures without them\n");
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_status_shows_rates_of_the_period),
		FLX_TEST(test_status_shows_trouble_only_when_there_is),
		FLX_TEST(test_status_shows_no_figures_that_lack_a_worker),
		{0},
	};

	return flx_test_main("status", tests);
}
