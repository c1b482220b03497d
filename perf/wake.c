/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wake - how long the first message after a pause takes: a client in the kernel, and an echo server.
 *
 *	wake --to IP:PORT [--count N] [--pause MS]
 *	wake --serve IP:PORT
 *
 * The client sends a datagram, waits for the answer, pauses, and so on; it prints microseconds from one
 * to the other for programs to read: p50=47.1 p99=121.0 most=140.2 lost=0. The server sends back what
 * comes, asleep in the kernel meanwhile, until it is killed: the floor.
 * Exit status: 0; 1 no answer came; 2 wrong usage, or the machine refused.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define COUNT_MAX 100000
/* After which an answer is lost; much longer than any wake-up takes. */
#define LOST_MS 500
/* Answers before those that count: addresses are resolved, and memory is touched. */
#define WARM 3

static struct {
	struct sockaddr_in address;
	bool serves;
	uint32_t count;
	uint32_t pause_ms;
} options = {.count = 1000, .pause_ms = 100};

static double took_us[COUNT_MAX];

static _Noreturn void usage(void)
{
	fprintf(stderr, "usage: wake --to IP:PORT [--count N (1000)] [--pause MS (100)]\n"
			"       wake --serve IP:PORT\n");
	exit(2);
}

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "wake: %s: %s\n", what, strerror(errno));
	exit(2);
}

static double now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void serve(int fd)
{
	struct sockaddr_in from;
	uint8_t bytes[2048];

	if (bind(fd, (struct sockaddr *)&options.address, sizeof(options.address)))
		die("bind");
	for (;;) {
		socklen_t size = sizeof(from);
		ssize_t count =
			recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &size);

		if (count < 0)
			die("receive");
		if (sendto(fd, bytes, (size_t)count, 0, (struct sockaddr *)&from, size) != count)
			die("send");
	}
}

/* Microseconds from a datagram to its answer; below 0: there was none. */
static double ask(int fd, uint32_t number)
{
	char request[32], answer[64];
	double start = now_us();
	ssize_t size;

	snprintf(request, sizeof(request), "wake %u", number);
	if (send(fd, request, strlen(request), 0) < 0)
		die("send");
	do {
		size = recv(fd, answer, sizeof(answer) - 1, 0);
		if (size < 0)
			return -1;
		answer[size] = '\0';
	} while (!strstr(answer, request)); /* one that came late */
	return now_us() - start;
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static int measure(int fd)
{
	struct timeval limit = {.tv_usec = LOST_MS * 1000};
	struct timespec pause = {.tv_sec = options.pause_ms / 1000,
				 .tv_nsec = options.pause_ms % 1000 * 1000000L};
	uint32_t answers = 0, lost = 0;

	if (connect(fd, (struct sockaddr *)&options.address, sizeof(options.address)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)))
		die("connect");
	for (uint32_t i = 0; i < options.count + WARM; i++) {
		double us = ask(fd, i);

		if (i >= WARM && us >= 0)
			took_us[answers++] = us;
		lost += i >= WARM && us < 0;
		nanosleep(&pause, NULL);
	}
	if (!answers)
		return 1;
	qsort(took_us, answers, sizeof(took_us[0]), compare);
	printf("p50=%.1f p99=%.1f most=%.1f lost=%u\n", took_us[answers / 2],
	       took_us[(uint64_t)answers * 99 / 100], took_us[answers - 1], lost);
	return 0;
}

/* ----------------------------------------------------------------------------------- command line */

static uint32_t number(const char *text, uint32_t least, uint32_t most)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || value < least || value > most)
		usage();
	return (uint32_t)value;
}

static void take_address(char *text)
{
	char *colon = strchr(text, ':');

	if (!colon)
		usage();
	*colon = '\0';
	options.address.sin_family = AF_INET;
	options.address.sin_port = htons((uint16_t)number(colon + 1, 1, UINT16_MAX));
	if (inet_pton(AF_INET, text, &options.address.sin_addr) != 1)
		usage();
}

int main(int argc, char **argv)
{
	static const struct option names[] = {{"to", required_argument, NULL, 't'},
					      {"serve", required_argument, NULL, 's'},
					      {"count", required_argument, NULL, 'n'},
					      {"pause", required_argument, NULL, 'p'},
					      {0}};
	int fd, name;

	while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (name == 't' || name == 's')
			take_address(optarg);
		else if (name == 'n')
			options.count = number(optarg, 1, COUNT_MAX);
		else if (name == 'p')
			options.pause_ms = number(optarg, 0, 60000);
		else
			usage();
		options.serves |= name == 's';
	}
	if (optind != argc || !options.address.sin_family)
		usage();
	/* The kernel adds up to 50 us to a sleep unless told not to. */
	prctl(PR_SET_TIMERSLACK, 1);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket");
	if (options.serves)
		serve(fd);
	return measure(fd);
}
