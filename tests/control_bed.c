/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/control_bed.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "apps/socket.h"
#include "tests/capture.h"
#include "tests/scratch.h"

static struct flx_scratch scratch;
static struct flx_capture capture;
static struct flx_socket place;

struct bed bed;

/* --------------------------------------------------------------------------------- the commands */

/* Of a large answer. */
struct rest {
	uint32_t parts; /* to come */
	uint32_t wait;	/* when so many are, it waits for bed.go */
};

static int more_parts(void *state, struct flx_answer *answer)
{
	struct rest *rest = state;

	if (rest->parts == rest->wait && !bed.go)
		return FLX_ANSWER_WAIT;
	if (rest->parts == 0)
		return FLX_ANSWER_DONE;
	rest->parts--;
	bed.parts_made++;
	for (uint32_t i = 0; i < BED_PART / 16; i++)
		fprintf(answer->out, "%15u\n", rest->parts);
	return FLX_ANSWER_MORE;
}

static void end_of(void *state)
{
	bed.ends++;
	free(state);
}

static bool is(const struct flx_request *request, const char *name)
{
	return strcmp(request->word[0], name) == 0;
}

static int run(void *argument, const struct flx_request *request, struct flx_answer *answer)
{
	struct rest *rest;

	CU_ASSERT_PTR_EQUAL(argument, &place);
	bed.runs++;
	if (is(request, "fail"))
		return flx_answer_refuse(answer, -EIO, "as asked");
	if (is(request, "big")) {
		rest = malloc(sizeof(*rest));
		rest->parts = (uint32_t)atoi(request->word[1]);
		rest->wait = request->count > 2 ? (uint32_t)atoi(request->word[2]) : UINT32_MAX;
		flx_answer_continue(answer, more_parts, end_of, rest);
	} else if (is(request, "huge")) {
		for (uint32_t i = 0; i < BED_HUGE / 16; i++)
			fprintf(answer->out, "%15u\n", i);
	} else {
		for (uint32_t i = 0; i < request->count; i++)
			fprintf(answer->out, "%s\n", request->word[i]);
	}
	return 0;
}

/* ------------------------------------------------------------------------------ server and clients */

void bed_start(void)
{
	char path[256];
	struct flx_control_conf conf = {.run = run, .argument = &place};

	snprintf(path, sizeof(path), "%s/control", scratch.path);
	CU_ASSERT_EQUAL_FATAL(flx_socket_bind(&place, path), 0);
	conf.listener = place.listener;
	bed.now_us = 5 * BED_SECOND;
	bed.runs = bed.parts_made = bed.ends = 0;
	bed.go = false;
	flx_capture_start(&capture);
	CU_ASSERT_EQUAL_FATAL(flx_control_start(&bed.control, &conf), 0);
}

const char *bed_stop(void)
{
	const char *said;

	flx_control_stop(bed.control);
	flx_socket_close(&place);
	said = flx_capture_stop(&capture);
	return said;
}

bool bed_has_work(void)
{
	struct pollfd wait = {.fd = flx_control_fd(bed.control), .events = POLLIN};

	return poll(&wait, 1, 0) > 0;
}

void bed_serve(void)
{
	uint32_t turns = 0;

	while (bed_has_work() || flx_control_due_us(bed.control) <= bed.now_us) {
		flx_control_serve(bed.control, bed.now_us);
		CU_ASSERT_FATAL(turns++ < 10000); /* it would never sleep */
	}
}

void bed_pass(uint64_t us)
{
	uint64_t end_us = bed.now_us + us, due_us;

	bed_serve();
	while ((due_us = flx_control_due_us(bed.control)) <= end_us) {
		bed.now_us = due_us;
		bed_serve();
	}
	bed.now_us = end_us;
	bed_serve();
}

int bed_try_connect(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	memcpy(address.sun_path, place.path, sizeof(address.sun_path));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

int bed_client(void)
{
	int fd = bed_try_connect();

	CU_ASSERT_FATAL(fd >= 0);
	return fd;
}

int bed_client_with(const char *text)
{
	int fd = bed_client();

	CU_ASSERT_EQUAL(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	return fd;
}

size_t bed_read_some(int fd, char *text, size_t size, bool *over)
{
	ssize_t got = recv(fd, text, size, 0);

	*over = got == 0 || (got < 0 && errno == ECONNRESET);
	return got > 0 ? (size_t)got : 0;
}

const char *bed_answer_to(int fd)
{
	static char text[65536];
	size_t size = 0;
	bool over = false;

	while (!over && size < sizeof(text) - 1) {
		size_t got = bed_read_some(fd, text + size, sizeof(text) - 1 - size, &over);

		if (!over && got == 0)
			return "open";
		size += got;
	}
	text[size] = '\0';
	close(fd);
	return text;
}

const char *bed_ask(const char *request)
{
	int fd = bed_client_with(request);

	bed_serve();
	return bed_answer_to(fd);
}

int bed_main(const char *suite, const struct flx_test *tests)
{
	int status;

	flx_scratch_init(&scratch);
	status = flx_test_main(suite, tests);
	flx_scratch_fini(&scratch);
	return status;
}
