/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "apps/desk.h"
#include "tests/capture.h"
#include "tests/scratch.h"
#include "tests/test.h"

/* A command takes so long. */
#define WORK_US 3000u

static struct flx_scratch scratch;
static struct flx_capture capture;
static struct flx_desk desk;
static char path[256];

static uint64_t clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static int work(void *argument, const struct flx_request *request, struct flx_answer *answer)
{
	uint64_t end_us = clock_us() + WORK_US;

	while (clock_us() < end_us)
		;
	(void)argument;
	(void)request;
	(void)answer;
	return 0;
}

static void start(bool shares_cpu)
{
	const struct flx_control_conf conf = {.run = work};

	CU_ASSERT_EQUAL_FATAL(flx_desk_open(&desk, path, "app"), 0);
	flx_desk_start(&desk, &conf, shares_cpu);
	CU_ASSERT_PTR_NOT_NULL_FATAL(desk.control);
}

static int client(void)
{
	int fd = flx_socket_connect(path);

	CU_ASSERT_EQUAL(send(fd, "work\n", 5, MSG_NOSIGNAL), 5);
	return fd;
}

static bool is_answered(int fd)
{
	char text[8];

	return recv(fd, text, sizeof(text), MSG_DONTWAIT) == 7;
}

static void test_desk_serves_at_once_where_it_has_a_cpu(void)
{
	int first, second;

	start(false);
	first = client();
	flx_desk_serve(&desk);
	CU_ASSERT_TRUE(is_answered(first));
	second = client();
	CU_ASSERT(flx_desk_fd(&desk, clock_us()) >= 0);
	flx_desk_serve(&desk);
	CU_ASSERT_TRUE(is_answered(second));
	CU_ASSERT_EQUAL(flx_desk_due_us(&desk, clock_us()), UINT64_MAX);
	close(first);
	close(second);
	flx_desk_close(&desk);
}

/* 1 % of the time at most, whoever asks however often. */
static void test_desk_pauses_where_workers_want_the_cpu(void)
{
	int first, second;
	uint64_t begin_us, end_us;

	start(true);
	first = client();
	begin_us = clock_us();
	flx_desk_serve(&desk);
	end_us = clock_us();
	CU_ASSERT_TRUE(is_answered(first));
	CU_ASSERT(desk.serve_us >= begin_us + 100 * WORK_US);
	CU_ASSERT(desk.serve_us <= end_us + 100 * (end_us - begin_us + 1));
	second = client();
	flx_desk_serve(&desk);
	CU_ASSERT_FALSE(is_answered(second));
	/* Meanwhile who waits does not wake it, and then does. */
	CU_ASSERT_EQUAL(flx_desk_fd(&desk, desk.serve_us - 1), -1);
	CU_ASSERT_EQUAL(flx_desk_due_us(&desk, desk.serve_us - 1), desk.serve_us);
	CU_ASSERT(flx_desk_fd(&desk, desk.serve_us) >= 0);
	desk.serve_us = clock_us();
	flx_desk_serve(&desk);
	CU_ASSERT_TRUE(is_answered(second));
	/* And when nobody waits, nothing does. */
	desk.serve_us = clock_us();
	flx_desk_serve(&desk);
	CU_ASSERT_EQUAL(flx_desk_due_us(&desk, clock_us()), UINT64_MAX);
	close(first);
	close(second);
	flx_desk_close(&desk);
}

static void test_desk_is_where_the_operator_wants_it(void)
{
	struct flx_desk other;
	char longer[FLX_SOCKET_PATH_SIZE + 1];
	const char *said;

	start(false);
	flx_capture_start(&capture);
	CU_ASSERT_EQUAL(flx_desk_open(&other, path, "app"), -EBUSY);
	said = flx_capture_stop(&capture);
	CU_ASSERT_EQUAL(strncmp(said, "flx: error: --control ", 22), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "a fabric runs there"));
	flx_desk_close(&other);
	CU_ASSERT_EQUAL(access(path, F_OK), 0);
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	flx_capture_start(&capture);
	CU_ASSERT_EQUAL(flx_desk_open(&other, longer, "app"), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(flx_capture_stop(&capture), "at most 107 bytes"));
	flx_desk_close(&desk);
	CU_ASSERT_EQUAL(access(path, F_OK), -1);
}

static void test_desk_that_is_off_serves_nobody(void)
{
	const struct flx_control_conf conf = {.run = work};

	CU_ASSERT_EQUAL(flx_desk_open(&desk, "off", "app"), 0);
	flx_desk_start(&desk, &conf, true);
	CU_ASSERT_EQUAL(flx_desk_fd(&desk, 0), -1);
	CU_ASSERT_EQUAL(flx_desk_due_us(&desk, 0), UINT64_MAX);
	flx_desk_serve(&desk);
	flx_desk_close(&desk);
	CU_ASSERT_EQUAL(access("off", F_OK), -1);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_desk_serves_at_once_where_it_has_a_cpu),
		FLX_TEST(test_desk_pauses_where_workers_want_the_cpu),
		FLX_TEST(test_desk_is_where_the_operator_wants_it),
		FLX_TEST(test_desk_that_is_off_serves_nobody),
		{0},
	};
	int status;

	flx_scratch_init(&scratch);
	snprintf(path, sizeof(path), "%s/control", scratch.path);
	status = flx_test_main("desk", tests);
	flx_scratch_fini(&scratch);
	return status;
}
