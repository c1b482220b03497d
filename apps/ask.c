/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/ask.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apps/commands.h"
#include "apps/request.h"
#include "apps/run.h"
#include "apps/socket.h"
#include "fabric/base.h"

/* Until it says that there is no answer yet; a dump takes as long as it takes. */
#define PATIENCE_MS 5000

/* What a terminal might take for a command is not passed on: whoever listens there wrote it. */
static void print_line(const char *line, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		unsigned char byte = (unsigned char)line[i];

		putchar((byte < ' ' && byte != '\n' && byte != '\t') || byte == 0x7f ? '?' : byte);
	}
}

/* Exit status of an "error NAME TEXT" line, which is told; -1: it is none. */
static int tell_error(char *line)
{
	char *name, *text, *at;

	if (strncmp(line, "error ", 6) != 0)
		return -1;
	name = line + 6;
	name[strcspn(name, "\n")] = '\0';
	text = name + strcspn(name, " ");
	if (*text)
		*text++ = '\0';
	for (at = text; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = '?';
	fflush(stdout);
	if (*text)
		flx_error("%s", text);
	return strcmp(name, "EINVAL") == 0 ? FLX_EXIT_USAGE : FLX_EXIT_FAILED;
}

static int tell_cut(const char *path)
{
	fflush(stdout);
	flx_error(
		"%s: the answer was cut: the fabric has ended, or it was read too slowly (write a "
		"long one to a file)",
		path);
	return FLX_EXIT_FAILED;
}

/* Prints the answer that comes from @from; the exit status. */
static int print_answer(const char *path, FILE *from)
{
	char *line[2] = {NULL, NULL};
	size_t room[2] = {0, 0};
	ssize_t size, last_size = 0;
	uint32_t count = 0;
	bool is_ok = false, ends;
	int status = -1;

	/* Each is printed when the next is there: only the end tells which line ends the answer. */
	while ((size = getline(&line[count % 2], &room[count % 2], from)) >= 0) {
		if (count == 0)
			is_ok = strcmp(line[0], "ok\n") == 0;
		if (count > 1 && is_ok)
			print_line(line[(count - 1) % 2], (size_t)last_size);
		last_size = size;
		count++;
	}
	ends = count > 1 && is_ok && strcmp(line[(count - 1) % 2], "end\n") == 0;
	if (ends)
		status = FLX_EXIT_OK;
	else if (count == 1 || is_ok)
		status = tell_error(line[(count - 1) % 2]);
	if (status < 0)
		status = tell_cut(path);
	free(line[0]);
	free(line[1]);
	return status;
}

/* Sends the line and prints what comes back. */
static int ask_at(const char *path, const char *line, size_t size)
{
	int fd = flx_socket_connect(path), status;
	struct pollfd answer = {.fd = fd, .events = POLLIN};
	FILE *from;

	if (fd < 0)
		return FLX_EXIT_FAILED;
	/* It may have been hung up on already: what it was told is there to be read. */
	if (send(fd, line, size, MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET)
		flx_warn("%s: %s", path, strerror(errno));
	if (poll(&answer, 1, PATIENCE_MS) == 0)
		flx_note("%s: no answer yet; waiting for it", path);
	from = fdopen(fd, "r");
	if (!from) {
		flx_error("%s: %s; free some memory", path, strerror(errno));
		close(fd);
		return FLX_EXIT_FAILED;
	}
	status = print_answer(path, from);
	fclose(from);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		flx_error("standard output: %s; give it somewhere to go", strerror(errno));
		status = FLX_EXIT_FAILED;
	}
	return status;
}

int flx_ask(const char *control, const char *const *words)
{
	char line[FLX_REQUEST_MAX + 1], dir[FLX_SOCKET_PATH_SIZE], path[FLX_SOCKET_PATH_SIZE];
	size_t size = flx_request_write(words, line);

	if (size == 0) {
		flx_error("%s: its words have a control character, or more than %d bytes; give "
			  "other ones",
			  words[0], FLX_REQUEST_MAX);
		return FLX_EXIT_USAGE;
	}
	if (control)
		return ask_at(control, line, size);
	if (flx_socket_dir(dir)) {
		flx_error("%s...: too long for a socket; set XDG_RUNTIME_DIR to a shorter path, or "
			  "give --control PATH",
			  dir);
		return FLX_EXIT_FAILED;
	}
	if (flx_socket_find(dir, path))
		return FLX_EXIT_FAILED;
	return ask_at(path, line, size);
}

static int print_help(const struct flx_command *command)
{
	printf("usage: flx %s [--control PATH]%s%s\n\n%s\n\nPATH: socket of the fabric, see flx "
	       "run --help; without, the only one of this user that runs\n",
	       command->name, *command->usage ? " " : "", command->usage, command->help);
	return FLX_EXIT_OK;
}

int flx_ask_line(char *const *argv)
{
	static const char option[] = "--control";
	const char *words[FLX_REQUEST_WORDS_MAX + 2] = {NULL}, *control = NULL;
	uint32_t count = 0;

	for (; *argv; argv++) {
		if (strcmp(*argv, "--help") == 0)
			return print_help(flx_commands_find(words[0]));
		if (strncmp(*argv, option, sizeof(option) - 1) == 0 &&
		    (*argv)[sizeof(option) - 1] == '=') {
			control = *argv + sizeof(option);
		} else if (strcmp(*argv, option) == 0) {
			if (!argv[1]) {
				flx_error("--control: no value; give the path of a socket");
				return FLX_EXIT_USAGE;
			}
			control = *++argv;
		} else if (count <= FLX_REQUEST_WORDS_MAX) {
			words[count++] = *argv;
		}
	}
	return flx_ask(control, words);
}
