/* SPDX-License-Identifier: BSD-3-Clause */
/* The client against servers that say whatever they like: it in a process of its own, they here. */
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "apps/ask.h"
#include "apps/request.h"
#include "apps/socket.h"
#include "tests/scratch.h"
#include "tests/test.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define CUT                                                                                        \
	"flx: error: PATH: the answer was cut: the fabric has ended, or it was read too slowly "   \
	"(write a long one to a file)\n"

static struct flx_scratch scratch;
static struct flx_socket place;
static char path[256];	  /* of the socket */
static char asked[2048];  /* by the client */
static char said[400000]; /* by the client, to both streams in order */

/* The client's process, with its output in @out; NULL @words: as a command line. */
static pid_t start_client(int out, const char *const *words, char *const *line)
{
	pid_t child = fork();
	int status;

	if (child != 0)
		return child;
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	status = words ? flx_ask(path, words) : flx_ask_line(line);
	fflush(stdout);
	_exit(status);
}

/* Answers with @answer; what the client has asked for is in asked. */
static void serve(const char *answer, size_t size)
{
	struct pollfd wait = {.fd = place.listener, .events = POLLIN};
	ssize_t got;
	int fd;

	CU_ASSERT_EQUAL(poll(&wait, 1, 10000), 1);
	fd = accept(place.listener, NULL, NULL);
	CU_ASSERT_FATAL(fd >= 0);
	got = recv(fd, asked, sizeof(asked) - 1, 0);
	asked[got > 0 ? got : 0] = '\0';
	while (size) {
		ssize_t sent = send(fd, answer, size, MSG_NOSIGNAL);

		if (sent <= 0)
			break;
		answer += sent;
		size -= (size_t)sent;
	}
	close(fd);
}

/* The client's exit status; -1: it was killed. Its output is in said, with PATH for the path. */
static int finish_client(pid_t child, int out)
{
	ssize_t size;
	char *at;
	int status;

	CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
	size = pread(out, said, sizeof(said) - 1, 0);
	said[size > 0 ? size : 0] = '\0';
	close(out);
	at = strstr(said, path);
	if (at) {
		memcpy(at, "PATH", 4);
		memmove(at + 4, at + strlen(path), strlen(at + strlen(path)) + 1);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int ask(const char *const *words, const char *answer, size_t size)
{
	int out = memfd_create("out", MFD_CLOEXEC);
	pid_t child = start_client(out, words, NULL);

	serve(answer, size);
	return finish_client(child, out);
}

static void test_ask_prints_what_a_whole_answer_says(void)
{
	static const char *const words[] = {"show", NULL};
	static const struct {
		const char *answer;
		const char *said;
		int status;
	} rows[] = {
		{"ok\nend\n", "", 0},
		{"ok\na\nb\nend\n", "a\nb\n", 0},
		{"ok\nend\nok\nend\n", "end\nok\n", 0},
		{"ok\n\nend\n", "\n", 0},
		{"error EINVAL a: no such b\n", "flx: error: a: no such b\n", 2},
		{"error EIO as it is\n", "flx: error: as it is\n", 1},
		{"error ENOENT\n", "", 1},
		{"error ENOENT \n", "", 1},
		{"ok\na\nerror EIO too late\n", "a\nflx: error: too late\n", 1},
		/* Cut, or of no fabric at all. */
		{"", CUT, 1},
		{"ok\n", CUT, 1},
		{"ok\na\nb\n", "a\n" CUT, 1},
		{"ok\na\nend", "a\n" CUT, 1},
		{"end\n", CUT, 1},
		{"junk\na\nend\n", CUT, 1},
		{"junk\nerror EIO x\n", CUT, 1},
		/* Nothing that a terminal obeys. */
		{"ok\n\x1b[31m\ta\x7f\r\nend\n", "?[31m\ta??\n", 0},
		{"error EIO \x1b[2J\n", "flx: error: ?[2J\n", 1},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		CU_ASSERT_EQUAL(ask(words, rows[i].answer, strlen(rows[i].answer)), rows[i].status);
		CU_ASSERT_STRING_EQUAL(said, rows[i].said);
		CU_ASSERT_STRING_EQUAL(asked, "show\n");
	}
}

static void test_ask_prints_lines_of_any_length(void)
{
	static const char *const words[] = {"show", NULL};
	static char answer[300000];

	memset(answer, 'x', sizeof(answer));
	memcpy(answer, "ok\n", 3);
	answer[100000] = '\n';
	memcpy(answer + sizeof(answer) - 5, "\nend\n", 5);
	CU_ASSERT_EQUAL(ask(words, answer, sizeof(answer)), 0);
	CU_ASSERT_EQUAL(strlen(said), sizeof(answer) - 3 - 4);
	CU_ASSERT_EQUAL(memcmp(said, answer + 3, strlen(said)), 0);
}

static void test_ask_sends_words_whatever_is_in_them(void)
{
	static const char *const words[] = {"ctx", "dump", "/my files/100%", NULL};
	static const char *const bad[] = {"ctx", "a\nb", NULL};
	int out = memfd_create("out", MFD_CLOEXEC);

	CU_ASSERT_EQUAL(ask(words, "ok\nend\n", 7), 0);
	CU_ASSERT_STRING_EQUAL(asked, "ctx dump /my%20files/100%25\n");
	/* Nothing is sent: nobody is there to serve it. */
	CU_ASSERT_EQUAL(finish_client(start_client(out, bad, NULL), out), 2);
	CU_ASSERT_STRING_EQUAL(said, "flx: error: ctx: its words have a control character, or more "
				     "than 1023 bytes; give other ones\n");
}

/* Status of a command line, whose answer is empty. */
static int ask_line(char *const *line, bool is_served)
{
	int out = memfd_create("out", MFD_CLOEXEC);
	pid_t child = start_client(out, NULL, line);

	asked[0] = '\0';
	if (is_served)
		serve("ok\nend\n", 7);
	return finish_client(child, out);
}

#define LINE(...) ((char *const[]){__VA_ARGS__, NULL})

static void test_ask_takes_its_own_options_out_of_a_line(void)
{
	char option[300];

	snprintf(option, sizeof(option), "--control=%s", path);
	CU_ASSERT_EQUAL(ask_line(LINE("show", "--control", path, "a", "--b"), true), 0);
	CU_ASSERT_STRING_EQUAL(asked, "show a --b\n");
	CU_ASSERT_EQUAL(ask_line(LINE("show", "a", option), true), 0);
	CU_ASSERT_STRING_EQUAL(asked, "show a\n");
	CU_ASSERT_EQUAL(ask_line(LINE("show", "a", "--control"), false), 2);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "--control: no value"));
	CU_ASSERT_EQUAL(ask_line(LINE("show", "--help"), false), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "usage: flx show"));
}

static void test_ask_says_why_it_cannot(void)
{
	char longer[200];
	int fd;

	CU_ASSERT_EQUAL(ask_line(LINE("show", "--control", "/no/where"), false), 1);
	CU_ASSERT_STRING_EQUAL(said, "flx: error: /no/where: No such file or directory; give the "
				     "--control of a fabric that runs\n");
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	CU_ASSERT_EQUAL(ask_line(LINE("show", "--control", longer), false), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "File name too long; give a path of at most 107 "));
	/* A socket that nobody listens at any more. */
	fd = dup(place.listener);
	CU_ASSERT_EQUAL(shutdown(place.listener, SHUT_RDWR), 0);
	CU_ASSERT_EQUAL(ask_line(LINE("show", "--control", path), false), 1);
	CU_ASSERT_STRING_EQUAL(said, "flx: error: PATH: Connection refused; its fabric has ended; "
				     "start it again\n");
	close(fd);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_ask_prints_what_a_whole_answer_says),
		FLX_TEST(test_ask_prints_lines_of_any_length),
		FLX_TEST(test_ask_sends_words_whatever_is_in_them),
		FLX_TEST(test_ask_takes_its_own_options_out_of_a_line),
		FLX_TEST(test_ask_says_why_it_cannot), /* last: it ends the socket */
		{0},
	};
	int status;

	flx_scratch_init(&scratch);
	snprintf(path, sizeof(path), "%s/control", scratch.path);
	if (flx_socket_bind(&place, path))
		return EXIT_FAILURE;
	status = flx_test_main("ask", tests);
	flx_socket_close(&place);
	flx_scratch_fini(&scratch);
	return status;
}
