/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "fabric/ledger.h"
#include "tests/test.h"

static struct flx_ledger ledger;
static char *text;

static void print(void)
{
	size_t size;
	FILE *out;

	free(text);
	text = NULL;
	out = open_memstream(&text, &size);
	CU_ASSERT_PTR_NOT_NULL_FATAL(out);
	flx_ledger_print(&ledger, out);
	fclose(out);
}

/* Whether a line of the table begins, blanks aside, with @words, each behind any blanks. */
static bool has_row(const char *words)
{
	const char *line = text;

	for (; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		const char *at = line + strspn(line, " ");
		const char *word = words;

		while (*word && *at == *word) {
			word++;
			at++;
			if (*word == ' ')
				word += strspn(word, " "), at += strspn(at, " ");
		}
		if (!*word)
			return true;
	}
	return false;
}

static bool ends_with(const char *ending)
{
	return strlen(text) >= strlen(ending) &&
	       strcmp(text + strlen(text) - strlen(ending), ending) == 0;
}

static void test_ledger_of_nothing_is_two_lines(void)
{
	ledger = (struct flx_ledger){.port_count = 2, .fluxion_count = 3, .worker_count = 1};
	print();
	CU_ASSERT_STRING_EQUAL(text, "ledger\nunexplained 0\n");
}

static void test_ledger_shows_what_is_not_zero(void)
{
	struct flx_fluxion_ledger *fluxion = &ledger.fluxion[1];

	ledger = (struct flx_ledger){
		.received = UINT32_MAX + 1ull,
		.delivered = 90,
		.dropped = 8,
		.in_flight = 2,
		.port_count = 2,
		.fluxion_count = 2,
		.worker_count = 2,
		.context_type_count = 2,
		.context_type = {{.name = "idle"},
				 {.name = "people", .contexts = 16, .expired = 17}},
		.pool_free = 1000,
		.pool_size = 1024,
	};
	ledger.drops.count[FLX_DROP_udp_port] = 3;
	snprintf(ledger.port[1].name, sizeof(ledger.port[1].name), "af_packet:veth0");
	ledger.port[1].received = 100;
	ledger.port[1].refused = 44;
	snprintf(fluxion->id, sizeof(fluxion->id), "reply");
	fluxion->arrived = 95;
	fluxion->failed = 5;
	fluxion->errors[ENOSPC] = 3;
	fluxion->errors[0] = 2;
	ledger.worker_handled[1] = 200;
	ledger.worker_busy_tsc[1] = 5000;
	print();
	CU_ASSERT_TRUE(has_row("received 4294967296\n"));
	CU_ASSERT_FALSE(has_row("+ generated"));
	CU_ASSERT_TRUE(has_row("= delivered 90\n"));
	CU_ASSERT_FALSE(has_row("+ consumed"));
	CU_ASSERT_TRUE(has_row("+ dropped 8\n"));
	CU_ASSERT_TRUE(has_row("+ in flight 2\n"));
	CU_ASSERT_FALSE(has_row("+ unexplained"));
	CU_ASSERT_FALSE(has_row("port 0"));
	CU_ASSERT_TRUE(has_row("port 1: af_packet:veth0\n"));
	CU_ASSERT_TRUE(has_row("received 100\n"));
	CU_ASSERT_TRUE(has_row("refused 44 dropped by the NIC"));
	CU_ASSERT_FALSE(has_row("rx_nombuf"));
	CU_ASSERT_TRUE(has_row("fluxion reply\n"));
	CU_ASSERT_TRUE(has_row("arrived 95\n"));
	CU_ASSERT_FALSE(has_row("handled"));
	CU_ASSERT_TRUE(has_row("failed 5\n"));
	CU_ASSERT_TRUE(has_row("ENOSPC 3 No space left on device\n"));
	CU_ASSERT_TRUE(has_row("other 2"));
	CU_ASSERT_TRUE(has_row("udp_port 3 no fluxion listens on the port\n"));
	CU_ASSERT_FALSE(has_row("udp_len"));
	CU_ASSERT_FALSE(has_row("worker 0"));
	CU_ASSERT_TRUE(has_row("worker 1 handled 200 25.0 busy cycles each\n"));
	CU_ASSERT_TRUE(has_row("contexts of people\n"));
	CU_ASSERT_TRUE(has_row("now 16\n"));
	CU_ASSERT_TRUE(has_row("expired 17\n"));
	CU_ASSERT_FALSE(has_row("contexts of idle\n"));
	CU_ASSERT_FALSE(has_row("evicted 0\n"));
	CU_ASSERT_TRUE(has_row("buffers free 1000 of 1024\n"));
	CU_ASSERT_TRUE(ends_with("\nunexplained 0\n"));
}

static void test_ledger_shows_what_is_unexplained(void)
{
	ledger = (struct flx_ledger){.received = 1, .delivered = 3, .unexplained = -2};
	print();
	CU_ASSERT_TRUE(has_row("+ unexplained -2\n"));
	CU_ASSERT_TRUE(ends_with("\nunexplained -2\n"));
}

static void test_ledger_names_errors_that_libc_does_not_know(void)
{
	ledger = (struct flx_ledger){.fluxion_count = 1};
	ledger.fluxion[0].errors[134] = 1;
	ledger.fluxion[0].errors[41] = 1; /* EWOULDBLOCK of old: no such errno */
	print();
	CU_ASSERT_TRUE(has_row("error 134 1"));
	CU_ASSERT_TRUE(has_row("error 41 1"));
}

static void test_ledger_shares_are_of_the_time_between_two(void)
{
	static const struct {
		uint64_t busy_before, total_before, busy, total;
		uint32_t pct;
	} rows[] = {
		{0, 0, 50, 100, 50},	   {900, 1000, 950, 1100, 50},
		{0, 100, 99, 200, 99},	   {100, 100, 100, 300, 0},
		{100, 100, 300, 300, 100}, {100, 100, 100, 100, 0}, /* no time */
		{100, 200, 0, 0, 0},				    /* it did not answer */
	};
	static struct flx_ledger before;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		before.worker_busy_tsc[1] = rows[i].busy_before;
		before.worker_total_tsc[1] = rows[i].total_before;
		ledger.worker_busy_tsc[1] = rows[i].busy;
		ledger.worker_total_tsc[1] = rows[i].total;
		CU_ASSERT_EQUAL(flx_ledger_busy_pct(&before, &ledger, 1), rows[i].pct);
	}
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_ledger_of_nothing_is_two_lines),
		FLX_TEST(test_ledger_shows_what_is_not_zero),
		FLX_TEST(test_ledger_shows_what_is_unexplained),
		FLX_TEST(test_ledger_names_errors_that_libc_does_not_know),
		FLX_TEST(test_ledger_shares_are_of_the_time_between_two),
		{0},
	};
	int status = flx_test_main("ledger", tests);

	free(text);
	return status;
}
