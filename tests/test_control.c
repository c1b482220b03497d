/* SPDX-License-Identifier: BSD-3-Clause */
/* Clients of a control socket, good and bad, one at a time. Faults: number 32. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/control_bed.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_control_answers_and_hangs_up(void)
{
	bed_start();
	CU_ASSERT_FALSE(bed_has_work());
	CU_ASSERT_EQUAL(flx_control_due_us(bed.control), UINT64_MAX);
	CU_ASSERT_STRING_EQUAL(bed_ask("show it\n"), "ok\nshow\nit\nend\n");
	CU_ASSERT_STRING_EQUAL(bed_ask("  a%20b  \n"), "ok\na b\nend\n");
	CU_ASSERT_STRING_EQUAL(bed_ask("fail\n"), "error EIO as asked\n");
	CU_ASSERT_FALSE(bed_has_work());
	CU_ASSERT_EQUAL(flx_control_due_us(bed.control), UINT64_MAX);
	CU_ASSERT_STRING_EQUAL(bed_stop(), "");
}

static void test_control_takes_a_request_in_pieces(void)
{
	static const char line[] = "one two\n";
	int fd;

	bed_start();
	fd = bed_client();
	for (size_t at = 0; at < sizeof(line) - 1; at++) {
		bed_pass(10 * BED_MS);
		CU_ASSERT_EQUAL(bed.runs, 0);
		CU_ASSERT_EQUAL(send(fd, line + at, 1, MSG_NOSIGNAL), 1);
	}
	bed_serve();
	CU_ASSERT_STRING_EQUAL(bed_answer_to(fd), "ok\none\ntwo\nend\n");
	CU_ASSERT_STRING_EQUAL(bed_stop(), "");
}

/* Reads all of an answer in pieces of @size; true when it is @parts long and whole. */
static bool read_parts(int fd, uint32_t parts, size_t size, uint64_t pause_us)
{
	static char text[4 * BED_PART];
	size_t sum = 0;
	char last[4] = "";
	bool over = false;

	while (!over) {
		size_t got = bed_read_some(fd, text, size, &over);

		if (got >= 4)
			memcpy(last, text + got - 4, 4);
		sum += got;
		bed_pass(pause_us);
	}
	close(fd);
	return sum == 3 + (size_t)parts * BED_PART + 4 && memcmp(last, "end\n", 4) == 0;
}

/* A client that sends no more (nc -N) still reads. */
static void test_control_answers_who_has_shut_down_its_sending(void)
{
	int fd;

	bed_start();
	fd = bed_client_with("big 100\n");
	CU_ASSERT_EQUAL(shutdown(fd, SHUT_WR), 0);
	CU_ASSERT_TRUE(read_parts(fd, 100, BED_PART, 1 * BED_MS));
	CU_ASSERT_STRING_EQUAL(bed_stop(), "");
}

static void test_control_makes_a_large_answer_as_it_is_read(void)
{
	int fd;

	bed_start();
	fd = bed_client_with("big 1000\n");
	bed_serve();
	/* What the kernel holds, and a part. */
	CU_ASSERT(bed.parts_made > 0 && bed.parts_made < 100);
	CU_ASSERT_TRUE(read_parts(fd, 1000, BED_PART, 1 * BED_MS));
	CU_ASSERT_EQUAL(bed.parts_made, 1000);
	CU_ASSERT_EQUAL(bed.ends, 1);
	CU_ASSERT_STRING_EQUAL(bed_stop(), "");
}

static void test_control_serves_others_between_the_parts(void)
{
	int fd, other;

	bed_start();
	fd = bed_client_with("big 1000\n");
	flx_control_serve(bed.control, bed.now_us);
	other = bed_client_with("other\n");
	/* One turn to see it, whatever else there is to do. */
	flx_control_serve(bed.control, bed.now_us);
	CU_ASSERT(bed.parts_made <= 3);
	CU_ASSERT_STRING_EQUAL(bed_answer_to(other), "ok\nother\nend\n");
	close(fd);
	bed_stop();
}

static void test_control_waits_for_an_answer_as_long_as_it_takes(void)
{
	int fd;

	bed_start();
	fd = bed_client_with("big 100 100\n");
	bed_pass(60ull * BED_SECOND);
	CU_ASSERT_STRING_EQUAL(bed_answer_to(fd), "open");
	CU_ASSERT(flx_control_due_us(bed.control) > bed.now_us); /* and sleeps meanwhile */
	CU_ASSERT(flx_control_due_us(bed.control) < bed.now_us + 100 * BED_MS);
	CU_ASSERT_STRING_EQUAL(bed_ask("other\n"), "ok\nother\nend\n");
	/* Also when there is more to read, which it does not. */
	CU_ASSERT_EQUAL(send(fd, "x", 1, MSG_NOSIGNAL), 1);
	CU_ASSERT_FALSE(bed_has_work());
	bed.go = true;
	bed_pass(100 * BED_MS);
	/* Time to read begins only now. */
	bed_pass(1900 * BED_MS);
	CU_ASSERT_TRUE(read_parts(fd, 100, BED_PART, 1 * BED_MS));
	CU_ASSERT_EQUAL(bed.ends, 1);
	CU_ASSERT_STRING_EQUAL(bed_stop(), "");
}

/* -------------------------------------------------------------------------------------- bad ones */

static void test_control_refuses_what_is_no_request(void)
{
	static const struct {
		const char *text;
		const char *answer;
	} rows[] = {
		{"\n", "error EINVAL request: empty\n"},
		{"a\nb\n", "error EINVAL request: more than one line\n"},
		{"a\n\n", "error EINVAL request: more than one line\n"},
		{"a\r\n", "error EINVAL request: a byte that is not printable ASCII\n"},
		{"\x1b[31m\n", "error EINVAL request: a byte that is not printable ASCII\n"},
		{"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		 "error EINVAL request: a byte that is not printable ASCII\n"},
	};
	const char *said;

	bed_start();
	for (size_t i = 0; i < COUNT(rows); i++)
		CU_ASSERT_STRING_EQUAL(bed_ask(rows[i].text), rows[i].answer);
	CU_ASSERT_EQUAL(bed.runs, 0);
	said = bed_stop();
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "warning: control socket: process"));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "refused: empty"));
	CU_ASSERT_PTR_NULL(strstr(said, "more than one line")); /* one line per kind and 10 s */
}

static void test_control_refuses_a_line_of_a_megabyte(void)
{
	static char text[1u << 20];
	int fd;
	ssize_t sent = 0, all = 0;

	bed_start();
	memset(text, 'x', sizeof(text));
	fd = bed_client();
	do {
		all += sent;
		sent = send(fd, text + all, sizeof(text) - (size_t)all, MSG_NOSIGNAL);
		bed_serve();
	} while (sent > 0);
	CU_ASSERT(sent < 0 && errno == EPIPE); /* hung up on, long before its end */
	CU_ASSERT(all < 512 * 1024);
	CU_ASSERT_STRING_EQUAL(bed_answer_to(fd),
			       "error EINVAL request: longer than 1,023 bytes\n");
	/* The longest that there may be, and one byte more. */
	memset(text, 'x', 1025);
	text[1023] = '\n';
	text[1024] = '\0';
	CU_ASSERT_EQUAL(strlen(bed_ask(text)), strlen("ok\n") + 1024 + strlen("end\n"));
	text[1023] = 'x';
	text[1024] = '\n';
	text[1025] = '\0';
	CU_ASSERT_STRING_EQUAL(bed_ask(text), "error EINVAL request: longer than 1,023 bytes\n");
	CU_ASSERT_PTR_NOT_NULL(strstr(bed_stop(), "refused: longer than 1,023 bytes"));
}

/* Not a byte that is sent alone, nor one that comes in a flood, gets through or hurts. */
static void test_control_refuses_bytes_of_all_kinds(void)
{
	bed_start();
	for (int byte = 1; byte < 256; byte++) {
		const char text[3] = {(char)byte, '\n', '\0'};
		bool plain = byte > ' ' && byte < 0x7f && byte != '%';

		CU_ASSERT_EQUAL(strncmp(bed_ask(text), "ok\n", 3) == 0, plain);
	}
	CU_ASSERT_EQUAL(bed.runs, '~' - '!'); /* and not '%' */
	bed_stop();
}

static void test_control_waits_two_seconds_for_a_request(void)
{
	int fd;

	bed_start();
	/* A byte per second. */
	fd = bed_client_with("s");
	bed_pass(1 * BED_SECOND);
	CU_ASSERT_EQUAL(send(fd, "h", 1, MSG_NOSIGNAL), 1);
	bed_pass(BED_SECOND - 1);
	CU_ASSERT_STRING_EQUAL(bed_answer_to(fd), "open");
	bed_pass(1);
	CU_ASSERT_STRING_EQUAL(bed_answer_to(fd),
			       "error ETIMEDOUT request: not there within 2 s\n");
	CU_ASSERT_EQUAL(flx_control_due_us(bed.control), UINT64_MAX);
	CU_ASSERT_PTR_NOT_NULL(strstr(bed_stop(), "refused: not there within 2 s"));
}

static void test_control_does_nothing_for_who_has_gone(void)
{
	int fd;
	const char *said;

	bed_start();
	close(bed_client());
	bed_serve();
	close(bed_client_with("half a requ"));
	bed_serve();
	close(bed_client_with("whole\n"));
	bed_serve();
	CU_ASSERT_EQUAL(bed.runs, 0);
	/* Amid an answer. */
	fd = bed_client_with("big 1000\n");
	bed_serve();
	close(fd);
	bed_serve();
	CU_ASSERT_EQUAL(bed.ends, 1);
	/* While it waits for one. */
	fd = bed_client_with("big 1 1\n");
	bed_serve();
	close(fd);
	bed_serve();
	CU_ASSERT_EQUAL(bed.ends, 2);
	/* In the middle of its request. */
	fd = bed_client_with("half a requ");
	bed_serve();
	close(fd);
	bed_serve();
	CU_ASSERT_EQUAL(flx_control_due_us(bed.control), UINT64_MAX);
	said = bed_stop();
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "went away before its answer was read"));
}

static void test_control_hangs_up_on_who_does_not_read(void)
{
	int fd;

	bed_start();
	fd = bed_client_with("big 1000\n");
	bed_pass(2 * BED_SECOND - 1);
	CU_ASSERT_EQUAL(bed.ends, 0);
	bed_pass(1);
	CU_ASSERT_EQUAL(bed.ends, 1);
	CU_ASSERT_FALSE(
		read_parts(fd, 1000, BED_PART, 0)); /* and it can tell that it is not whole */
	CU_ASSERT_PTR_NOT_NULL(strstr(bed_stop(), "did not read its answer for 2 s"));
}

/* Byte by byte is no better; a slow line is. */
static void test_control_has_patience_with_a_slow_line_only(void)
{
	char byte;
	int fd;

	bed_start();
	fd = bed_client_with("big 1000\n");
	bed_serve();
	for (uint32_t i = 0; i < 30 && bed.ends == 0; i++) {
		CU_ASSERT_EQUAL(recv(fd, &byte, 1, 0), 1);
		bed_pass(100 * BED_MS);
	}
	CU_ASSERT_EQUAL(bed.ends, 1);
	close(fd);
	fd = bed_client_with("big 200\n");
	CU_ASSERT_TRUE(read_parts(fd, 200, BED_PART, 500 * BED_MS));
	fd = bed_client_with("huge\n");
	CU_ASSERT_TRUE(read_parts(fd, BED_HUGE / BED_PART, 4 * BED_PART, 500 * BED_MS));
	bed_stop();
}

/* Who had not read all when the answer had to wait has its two seconds all the same. */
static void test_control_counts_no_time_in_which_the_answer_waited(void)
{
	char request[32];
	int fd;

	bed_start();
	fd = bed_client_with("big 1000\n");
	bed_serve();
	close(fd);
	bed_serve();
	/* One part more than the kernel takes from us was made: to wait before it. */
	snprintf(request, sizeof(request), "big 1000 %u\n", 1001 - bed.parts_made);
	fd = bed_client_with(request);
	bed_pass(60ull * BED_SECOND);
	CU_ASSERT_EQUAL(bed.ends, 1);
	bed.go = true;
	bed_pass(1 * BED_SECOND);
	CU_ASSERT_EQUAL(bed.ends, 1);
	bed_pass(2 * BED_SECOND);
	CU_ASSERT_EQUAL(bed.ends, 2);
	close(fd);
	bed_stop();
}

static void test_control_tells_of_a_kind_once_in_ten_seconds(void)
{
	const char *said, *second;

	bed_start();
	for (uint32_t i = 0; i < 100; i++)
		bed_ask("\r\n");
	bed_pass(10 * BED_SECOND);
	bed_ask("\n");
	said = bed_stop();
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "not printable ASCII\n"));
	second = strchr(said, '\n') + 1;
	CU_ASSERT_PTR_NOT_NULL(
		strstr(second, "refused: empty (and 99 like it since the last such line)\n"));
	CU_ASSERT_STRING_EQUAL(strchr(second, '\n'), "\n");
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_control_answers_and_hangs_up),
		FLX_TEST(test_control_takes_a_request_in_pieces),
		FLX_TEST(test_control_answers_who_has_shut_down_its_sending),
		FLX_TEST(test_control_makes_a_large_answer_as_it_is_read),
		FLX_TEST(test_control_serves_others_between_the_parts),
		FLX_TEST(test_control_waits_for_an_answer_as_long_as_it_takes),
		FLX_TEST(test_control_refuses_what_is_no_request),
		FLX_TEST(test_control_refuses_a_line_of_a_megabyte),
		FLX_TEST(test_control_refuses_bytes_of_all_kinds),
		FLX_TEST(test_control_waits_two_seconds_for_a_request),
		FLX_TEST(test_control_does_nothing_for_who_has_gone),
		FLX_TEST(test_control_hangs_up_on_who_does_not_read),
		FLX_TEST(test_control_has_patience_with_a_slow_line_only),
		FLX_TEST(test_control_counts_no_time_in_which_the_answer_waited),
		FLX_TEST(test_control_tells_of_a_kind_once_in_ten_seconds),
		{0},
	};

	return bed_main("control", tests);
}
