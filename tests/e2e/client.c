/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * client - an ordinary UDP client in the kernel, for tests and for measurements.
 *
 * Keeps a window of requests in flight on each of its sockets and never sends one twice, so a lost
 * request stays lost, and is reported. Its last line is for programs:
 *
 *	requests=1000000 answers=1000000 lost=0 wrong=0 seconds=4.125 answers_per_s=242424
 *
 * With `--mode counter` every answer must be "<count> <request>", and:
 *  - on each socket requests are answered once, in order, unchanged, with rising counts;
 *  - a request that was sent after count n had been seen gets a count above n;
 *  - together the counts are 1, 2, 3 ... without a gap: for each source address with `--key
 *client`, over all sockets with `--key all`. With `--mode echo` any datagram that comes back is an
 *answer, lost ones are only counted.
 *
 * Exit status: 0 as expected; 1 lost or wrong answers (echo: no answer at all); 2 could not run.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define SOCKETS_MAX   1024
#define ADDRESSES_MAX 64
#define WINDOW_MAX    4096
#define BURST	      32
/* Socket and sequence number: what tells one request from all others. */
#define HEADER_SIZE 8
/* Ethernet's payload less IP and UDP headers and the count of an answer: 1,500 - 28 - 21. */
#define SIZE_MAX_BYTES 1451
/* How many wrong answers are shown; the first says most. */
#define SHOWN_MAX 5
#define NS_PER_S  UINT64_C(1000000000)
/* Much longer than any answer takes, a worker woken from its sleep included. */
#define LOST_NS NS_PER_S
/* Short enough to go on with a measurement: an answer that comes later still counts. */
#define LOST_ECHO_NS (NS_PER_S / 10)

/* The answers that share one count. */
struct count {
	uint64_t answers;
	uint64_t highest;
	uint64_t *seen; /* a bit per count */
};

struct client_socket {
	int fd;
	struct count *count;
	uint32_t number;
	uint32_t wanted; /* requests to send; UINT32_MAX: until the time is up */
	uint32_t sent;
	uint32_t settled; /* answered or lost: the next answer's sequence number */
	uint64_t last_count;
	uint64_t *floor; /* highest count seen when the request was sent, by sequence % window */
};

static struct {
	struct sockaddr_in to;
	struct in_addr from[ADDRESSES_MAX];
	uint32_t from_count;
	uint32_t sockets;
	uint32_t window; /* per socket; 0: no limit */
	uint32_t requests;
	double duration_s;
	uint64_t rate; /* requests per second offered; 0: as the window allows */
	uint32_t size;
	int cpu;
	bool verify;
	bool key_all;
} options = {.sockets = 16, .window = 32, .size = 32, .cpu = -1, .verify = true};

static struct client_socket sockets[SOCKETS_MAX];
static struct pollfd polled[SOCKETS_MAX];
static struct count counts[ADDRESSES_MAX];
static uint64_t counts_max; /* bits of struct count's seen */
static uint64_t sent, answers, lost, wrong;

static uint8_t send_bytes[BURST][SIZE_MAX_BYTES];
static uint8_t recv_bytes[BURST][SIZE_MAX_BYTES + 64];
static struct iovec send_iov[BURST], recv_iov[BURST];
static struct mmsghdr send_msgs[BURST], recv_msgs[BURST];

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "client: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* --------------------------------------------------------------------------------- verification */

static void __attribute__((format(printf, 2, 3)))
complain(const struct client_socket *socket, const char *format, ...)
{
	va_list list;

	if (wrong++ >= SHOWN_MAX)
		return;
	fprintf(stderr, "client: socket %" PRIu32 ": ", socket->number);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
}

/* Every byte of a request follows from its number, so that a mixed-up answer shows. */
static void make_request(uint8_t *bytes, uint32_t number, uint32_t sequence)
{
	memcpy(bytes, &number, sizeof(number));
	memcpy(bytes + sizeof(number), &sequence, sizeof(sequence));
	for (uint32_t i = HEADER_SIZE; i < options.size; i++)
		bytes[i] = (uint8_t)(number * 7 + sequence + i);
}

/* Reads "<count> " as flx writes it, without sign and leading zeros; its size, or 0. */
static uint32_t read_count(const uint8_t *bytes, uint32_t size, uint64_t *count)
{
	uint32_t i = 0;

	*count = 0;
	for (; i < size && i < 20 && bytes[i] >= '0' && bytes[i] <= '9'; i++)
		*count = *count * 10 + (uint64_t)(bytes[i] - '0');
	return i > 0 && bytes[0] != '0' && i < size && bytes[i] == ' ' ? i + 1 : 0;
}

static void check_count(struct client_socket *socket, uint32_t sequence, uint64_t number)
{
	struct count *count = socket->count;
	uint64_t floor = options.window ? socket->floor[sequence % options.window] : 0;
	uint64_t bit = UINT64_C(1) << number % 64;

	if (number <= socket->last_count || number <= floor)
		complain(socket,
			 "request %" PRIu32 " was counted as %" PRIu64 " after %" PRIu64
			 " (%" PRIu64 " on this socket)",
			 sequence, number, floor, socket->last_count);
	socket->last_count = number;
	if (number >= counts_max) {
		complain(socket, "count %" PRIu64 " was never reached", number);
		return;
	}
	if (count->seen[number / 64] & bit)
		complain(socket, "count %" PRIu64 " was given twice", number);
	count->seen[number / 64] |= bit;
	count->answers++;
	if (number > count->highest)
		count->highest = number;
}

static void check_answer(struct client_socket *socket, const uint8_t *bytes, uint32_t size)
{
	uint8_t request[SIZE_MAX_BYTES];
	uint32_t sequence, used;
	uint64_t number;

	used = read_count(bytes, size, &number);
	if (used == 0 || size - used != options.size) {
		complain(socket, "answer of %" PRIu32 " bytes: %.*s", size, (int)size,
			 (const char *)bytes);
		return;
	}
	memcpy(&sequence, bytes + used + sizeof(sequence), sizeof(sequence));
	make_request(request, socket->number, sequence);
	if (memcmp(bytes + used, request, options.size) != 0 || sequence >= socket->sent) {
		complain(socket, "answer %" PRIu64 " is not of a request of this socket", number);
		return;
	}
	if (sequence < socket->settled) {
		complain(socket, "request %" PRIu32 " answered again, or late", sequence);
		return;
	}
	/* What was jumped over is lost; if it comes after all, it is late. */
	lost += sequence - socket->settled;
	socket->settled = sequence + 1;
	answers++;
	check_count(socket, sequence, number);
}

/* Together without a gap: all are different, so the highest is how many there are. */
static void check_totals(void)
{
	for (uint32_t i = 0; i < ADDRESSES_MAX; i++) {
		if (counts[i].highest - counts[i].answers <= lost)
			continue;
		fprintf(stderr,
			"client: address %" PRIu32 ": %" PRIu64
			" answers, but the count is %" PRIu64 "\n",
			i, counts[i].answers, counts[i].highest);
		wrong++;
	}
}

/* -------------------------------------------------------------------------------------- traffic */

/* Sends up to @limit requests; how many the kernel took. */
static uint32_t send_some(struct client_socket *socket, uint32_t limit)
{
	uint32_t count = socket->wanted - socket->sent;
	int rc;

	if (options.window && count > options.window - (socket->sent - socket->settled))
		count = options.window - (socket->sent - socket->settled);
	if (count > limit)
		count = limit;
	if (count > BURST)
		count = BURST;
	if (count == 0)
		return 0;
	for (uint32_t i = 0; i < count; i++) {
		make_request(send_bytes[i], socket->number, socket->sent + i);
		if (options.window)
			socket->floor[(socket->sent + i) % options.window] = socket->count->highest;
	}
	rc = sendmmsg(socket->fd, send_msgs, count, 0);
	if (rc < 0 && (errno == EAGAIN || errno == ENOBUFS))
		return 0;
	if (rc < 0)
		die("send");
	socket->sent += (uint32_t)rc;
	sent += (uint32_t)rc;
	return (uint32_t)rc;
}

static uint32_t recv_some(struct client_socket *socket)
{
	int rc = recvmmsg(socket->fd, recv_msgs, BURST, MSG_DONTWAIT, NULL);

	if (rc < 0 && (errno == EAGAIN || errno == ENOBUFS))
		return 0;
	if (rc < 0)
		die("receive");
	for (int i = 0; i < rc; i++) {
		if (options.verify) {
			check_answer(socket, recv_bytes[i], recv_msgs[i].msg_len);
		} else {
			answers++;
			if (socket->settled < socket->sent)
				socket->settled++;
		}
	}
	return (uint32_t)rc;
}

static uint64_t in_flight(void)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < options.sockets; i++)
		sum += sockets[i].sent - sockets[i].settled;
	return sum;
}

/* Gives up on what is in flight. */
static void settle_all(void)
{
	for (uint32_t i = 0; i < options.sockets; i++) {
		lost += sockets[i].sent - sockets[i].settled;
		sockets[i].settled = sockets[i].sent;
	}
}

/* What may be sent now, over all sockets. */
static uint64_t allowance(uint64_t since_ns)
{
	double due = (double)options.rate * (double)since_ns / (double)NS_PER_S;

	if (options.rate == 0)
		return UINT64_MAX;
	return due > (double)sent ? (uint64_t)(due - (double)sent) : 0;
}

/* One look at every socket; how many datagrams moved. */
static uint64_t turn(uint64_t allowed, bool sending, uint64_t *received)
{
	uint64_t moved = 0;

	for (uint32_t i = 0; i < options.sockets; i++) {
		uint32_t took = recv_some(&sockets[i]);

		*received += took;
		moved += took;
		if (!sending || allowed == 0)
			continue;
		took = send_some(&sockets[i], allowed > BURST ? BURST : (uint32_t)allowed);
		allowed -= took;
		moved += took;
	}
	return moved;
}

static bool is_over(bool time_is_up)
{
	if (!time_is_up && (options.requests == 0 || sent < options.requests))
		return false;
	return in_flight() == 0;
}

/* Runs until all is sent and settled; returns nanoseconds from the start to the last answer. */
static uint64_t run(void)
{
	uint64_t start = now_ns(), end = start + (uint64_t)(options.duration_s * (double)NS_PER_S);
	uint64_t now = start, last = start, alive = start, received = 0;
	bool time_is_up = false;

	while (!is_over(time_is_up)) {
		uint64_t before = received;
		uint64_t moved = turn(allowance(now - start), !time_is_up, &received);

		now = now_ns();
		time_is_up = options.duration_s > 0 && now >= end;
		if (received != before)
			last = alive = now;
		else if (moved == 0 && options.rate == 0)
			poll(polled, options.sockets, 1);
		if (now - alive < (options.verify ? LOST_NS : LOST_ECHO_NS))
			continue;
		if (received == 0 && options.requests)
			time_is_up = true; /* nobody there */
		settle_all();
		alive = now;
	}
	return last - start;
}

/* ---------------------------------------------------------------------------------------- setup */

static void open_socket(uint32_t index)
{
	struct client_socket *made = &sockets[index];
	uint32_t address = options.from_count ? index % options.from_count : 0;
	struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = options.from[address]};
	int bytes = 4 << 20;

	made->number = index;
	made->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (made->fd < 0)
		die("socket");
	/* Forced where we may; where not, the system's limit has to do. */
	if (setsockopt(made->fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
		setsockopt(made->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (bind(made->fd, (struct sockaddr *)&from, sizeof(from)))
		die("bind");
	if (connect(made->fd, (struct sockaddr *)&options.to, sizeof(options.to)))
		die("connect");
	made->count = &counts[options.key_all ? 0 : address];
	made->wanted =
		options.requests / options.sockets + (index < options.requests % options.sockets);
	if (options.requests == 0)
		made->wanted = UINT32_MAX;
	made->floor = calloc(options.window ? options.window : 1, sizeof(*made->floor));
	if (!made->floor)
		die("memory");
	polled[index] = (struct pollfd){.fd = made->fd, .events = POLLIN};
}

static void prepare(void)
{
	cpu_set_t cpus;

	counts_max = options.requests ? (uint64_t)options.requests + 1 : UINT64_C(1) << 28;
	for (uint32_t i = 0; i < ADDRESSES_MAX && options.verify; i++) {
		counts[i].seen = calloc(counts_max / 64 + 1, sizeof(uint64_t));
		if (!counts[i].seen)
			die("memory");
	}
	for (uint32_t i = 0; i < options.sockets; i++)
		open_socket(i);
	for (uint32_t i = 0; i < BURST; i++) {
		send_iov[i] = (struct iovec){send_bytes[i], options.size};
		recv_iov[i] = (struct iovec){recv_bytes[i], sizeof(recv_bytes[i])};
		send_msgs[i].msg_hdr = (struct msghdr){.msg_iov = &send_iov[i], .msg_iovlen = 1};
		recv_msgs[i].msg_hdr = (struct msghdr){.msg_iov = &recv_iov[i], .msg_iovlen = 1};
	}
	CPU_ZERO(&cpus);
	CPU_SET((size_t)(options.cpu < 0 ? 0 : options.cpu), &cpus);
	if (options.cpu >= 0 && sched_setaffinity(0, sizeof(cpus), &cpus))
		die("--cpu");
}

static const struct option names[] = {
	{"to", required_argument, NULL, 't'},	    {"from", required_argument, NULL, 'f'},
	{"sockets", required_argument, NULL, 'n'},  {"window", required_argument, NULL, 'w'},
	{"requests", required_argument, NULL, 'r'}, {"duration", required_argument, NULL, 'd'},
	{"rate", required_argument, NULL, 'o'},	    {"size", required_argument, NULL, 's'},
	{"cpu", required_argument, NULL, 'c'},	    {"mode", required_argument, NULL, 'm'},
	{"key", required_argument, NULL, 'k'},	    {0},
};

static void __attribute__((noreturn)) usage(void)
{
	fprintf(stderr,
		"usage: client --to IP:PORT (--requests N | --duration SECONDS) [OPTION]...\n"
		"  --from IP,...  source addresses, sockets take turns (any; %d at most)\n"
		"  --sockets N    each with a port of its own (16; %d at most)\n"
		"  --window N     requests in flight per socket (32; 0: no limit, with --rate)\n"
		"  --rate N       requests per second offered (as the window allows)\n"
		"  --size N       bytes of a request, %d to %d (32)\n"
		"  --cpu N        run on this CPU only\n"
		"  --mode counter|echo, --key client|all (counter, client)\n",
		ADDRESSES_MAX, SOCKETS_MAX, HEADER_SIZE, SIZE_MAX_BYTES);
	exit(2);
}

static uint32_t number(const char *text, uint64_t min, uint64_t max)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || value < min || value > max)
		usage();
	return (uint32_t)value;
}

/* One of two words; true for the second. */
static bool choice(const char *text, const char *first, const char *second)
{
	if (strcmp(text, first) != 0 && strcmp(text, second) != 0)
		usage();
	return strcmp(text, second) == 0;
}

static void take_to(char *text)
{
	char *colon = strchr(text, ':');

	if (!colon)
		usage();
	*colon = '\0';
	options.to.sin_family = AF_INET;
	options.to.sin_port = htons((uint16_t)number(colon + 1, 1, UINT16_MAX));
	if (inet_pton(AF_INET, text, &options.to.sin_addr) != 1)
		usage();
}

static void take_from(char *text)
{
	for (char *ip = strtok(text, ","); ip; ip = strtok(NULL, ","))
		if (options.from_count == ADDRESSES_MAX ||
		    inet_pton(AF_INET, ip, &options.from[options.from_count++]) != 1)
			usage();
}

static void take(int name, char *value)
{
	switch (name) {
	case 't':
		take_to(value);
		break;
	case 'f':
		take_from(value);
		break;
	case 'n':
		options.sockets = number(value, 1, SOCKETS_MAX);
		break;
	case 'w':
		options.window = number(value, 0, WINDOW_MAX);
		break;
	case 'r':
		options.requests = number(value, 1, UINT32_MAX - 1);
		break;
	case 'd':
		options.duration_s = atof(value);
		break;
	case 'o':
		options.rate = number(value, 1, UINT32_MAX);
		break;
	case 's':
		options.size = number(value, HEADER_SIZE, SIZE_MAX_BYTES);
		break;
	case 'c':
		options.cpu = (int)number(value, 0, CPU_SETSIZE - 1);
		break;
	case 'm':
		options.verify = !choice(value, "counter", "echo");
		break;
	case 'k':
		options.key_all = choice(value, "client", "all");
		break;
	default:
		usage();
	}
}

int main(int argc, char **argv)
{
	uint64_t ns;
	double seconds;
	int name;

	while ((name = getopt_long(argc, argv, "", names, NULL)) != -1)
		take(name, optarg);
	if (optind != argc || options.to.sin_family == 0 ||
	    (options.requests == 0 && !(options.duration_s > 0)) ||
	    (options.window == 0 && options.rate == 0))
		usage();
	prepare();
	ns = run();
	if (options.verify)
		check_totals();
	seconds = (double)(ns ? ns : 1) / (double)NS_PER_S;
	printf("requests=%" PRIu64 " answers=%" PRIu64 " lost=%" PRIu64 " wrong=%" PRIu64
	       " seconds=%.3f answers_per_s=%.0f\n",
	       sent, answers, lost, wrong, seconds, (double)answers / seconds);
	if (options.verify)
		return lost || wrong ? 1 : 0;
	return answers ? 0 : 1;
}
