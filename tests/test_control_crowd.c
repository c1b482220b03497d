/* SPDX-License-Identifier: BSD-3-Clause */
/* Many clients of a control socket at a time. Faults: number 32. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/control_bed.h"

#define CROWD 1000

static uint32_t count_open(const int *fds, uint32_t count)
{
	uint32_t open = 0;
	char byte;

	for (uint32_t i = 0; i < count; i++)
		open += recv(fds[i], &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN;
	return open;
}

static void close_all(const int *fds, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		close(fds[i]);
}

static void test_control_lets_idle_clients_keep_nobody_out(void)
{
	int idle[FLX_CONTROL_CLIENTS], fd;

	bed_start();
	for (uint32_t i = 0; i < FLX_CONTROL_CLIENTS; i++) {
		idle[i] = bed_client();
		bed_serve();
	}
	/* While nobody else comes they have their two seconds. */
	bed_pass(1 * BED_SECOND);
	CU_ASSERT_EQUAL(count_open(idle, FLX_CONTROL_CLIENTS), FLX_CONTROL_CLIENTS);
	CU_ASSERT_STRING_EQUAL(bed_ask("show\n"), "ok\nshow\nend\n");
	/* The one that came first has gone for it. */
	CU_ASSERT_EQUAL(count_open(idle, FLX_CONTROL_CLIENTS), FLX_CONTROL_CLIENTS - 1);
	CU_ASSERT_STRING_EQUAL(
		bed_answer_to(idle[0]),
		"error EBUSY request: others wait, and it is not there; send it at once\n");
	idle[0] = bed_client();
	close_all(idle, FLX_CONTROL_CLIENTS);
	bed_serve();
	/* A moment they have in any case. */
	for (uint32_t i = 0; i < FLX_CONTROL_CLIENTS; i++)
		idle[i] = bed_client();
	bed_serve();
	fd = bed_client_with("show\n");
	bed_pass(20 * BED_MS - 1);
	CU_ASSERT_EQUAL(count_open(idle, FLX_CONTROL_CLIENTS), FLX_CONTROL_CLIENTS);
	CU_ASSERT_STRING_EQUAL(bed_answer_to(fd), "open");
	bed_pass(1);
	CU_ASSERT_STRING_EQUAL(bed_answer_to(fd), "ok\nshow\nend\n");
	close_all(idle, FLX_CONTROL_CLIENTS);
	CU_ASSERT_PTR_NOT_NULL(strstr(bed_stop(), "others wait, and it is not there"));
}

static void test_control_lets_readers_finish(void)
{
	int readers[FLX_CONTROL_CLIENTS], fd;

	bed_start();
	for (uint32_t i = 0; i < FLX_CONTROL_CLIENTS; i++) {
		readers[i] = bed_client_with("big 1 1\n");
		bed_serve();
	}
	fd = bed_client_with("show\n");
	bed_pass(10 * BED_SECOND);
	CU_ASSERT_STRING_EQUAL(bed_answer_to(fd), "open");
	CU_ASSERT_EQUAL(bed.runs, FLX_CONTROL_CLIENTS);
	close(readers[3]);
	bed_serve();
	CU_ASSERT_STRING_EQUAL(bed_answer_to(fd), "ok\nshow\nend\n");
	close_all(readers, 3);
	close_all(readers + 4, FLX_CONTROL_CLIENTS - 4);
	CU_ASSERT_PTR_NOT_NULL(bed_stop());
}

static uint32_t count_fds(void)
{
	uint32_t count = 0;

	for (int fd = 0; fd < 4096; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* A thousand that say nothing, and one that does, behind them all. */
static void test_control_survives_a_thousand_connections(void)
{
	static int crowd[CROWD];
	uint32_t before, count = 0;
	uint64_t begun_us;
	int fd = -1;

	bed_start();
	before = count_fds();
	begun_us = bed.now_us;
	while (fd < 0) {
		int next = bed_try_connect();

		if (next >= 0 && count < CROWD)
			crowd[count++] = next;
		else
			fd = next;
		/* Its own descriptors stay few, whatever comes. */
		CU_ASSERT_FATAL(count_fds() - before <= count + (fd >= 0) + FLX_CONTROL_CLIENTS);
		if (next < 0)
			bed_pass(1 * BED_MS);
	}
	CU_ASSERT_EQUAL(send(fd, "show\n", 5, MSG_NOSIGNAL), 5);
	while (strcmp(bed_answer_to(fd), "open") == 0)
		bed_pass(1 * BED_MS);
	CU_ASSERT(bed.now_us - begun_us < 4 * BED_SECOND); /* 20 ms for each eight */
	bed_pass(3 * BED_SECOND);
	CU_ASSERT_EQUAL(count_open(crowd, CROWD), 0);
	close_all(crowd, CROWD);
	CU_ASSERT_EQUAL(bed.runs, 1);
	CU_ASSERT_EQUAL(flx_control_due_us(bed.control), UINT64_MAX);
	CU_ASSERT_PTR_NOT_NULL(bed_stop());
}

/* Where there is no descriptor left, it tries again each second, and sleeps meanwhile. */
static void test_control_lacks_descriptors_and_goes_on(void)
{
	struct rlimit limit, none;
	int fd;

	bed_start();
	fd = bed_client_with("show\n");
	CU_ASSERT_EQUAL(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){.rlim_cur = 3, .rlim_max = limit.rlim_max};
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &none), 0);
	bed_serve();
	bed_pass(3 * BED_SECOND);
	CU_ASSERT_FALSE(bed_has_work());
	CU_ASSERT(flx_control_due_us(bed.control) > bed.now_us);
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &limit), 0);
	bed_pass(1 * BED_SECOND);
	CU_ASSERT_STRING_EQUAL(bed_answer_to(fd), "ok\nshow\nend\n");
	CU_ASSERT_PTR_NOT_NULL(strstr(bed_stop(), "cannot accept: Too many open files"));
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_control_lets_idle_clients_keep_nobody_out),
		FLX_TEST(test_control_lets_readers_finish),
		FLX_TEST(test_control_survives_a_thousand_connections),
		FLX_TEST(test_control_lacks_descriptors_and_goes_on),
		{0},
	};

	return bed_main("control crowd", tests);
}
