/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * step_store - looks at a store after every instruction of a process that uses it.
 *
 *	step_store SEED OPERATIONS
 *
 * A process commits, deletes, leaves, grows and reclaims, one instruction at a time (ptrace). After
 * each one that has changed the file, a copy of it is opened as after a kill: everything that was
 * told is there, nothing is mixed, nothing damaged. What kill_store meets by chance, within
 * nanoseconds, is met here for certain; threads are not. Exit status 77: ptrace is not allowed.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "context-store/store.h"
#include "tests/random.h"

#define KEYS	    24 /* more than there is room for */
#define CAPACITY    6
#define LIMIT	    18
#define WORDS	    5	 /* of a context */
#define SINGLE	    KEYS /* the number of the context that has no key */
#define DELETES	    1u	 /* of an operation's number, from 1, times 2 */
#define SKIPPED	    77
#define STATE_BYTES ((size_t)3 * FLX_CACHE_LINE) /* clocks, and the words of two types */

enum { KEYED, ALONE, TYPES };

/* Of each key: what was begun last, and told last. The traced process writes it. */
struct key {
	_Atomic uint64_t begun;
	_Atomic uint64_t told;
};

/* A file of the store, and where in it all that changes is. */
struct mapped {
	char directory[48];
	uint8_t *bytes;
	size_t size_bytes;
};

static struct key *keys;
static struct mapped used, copied;
static struct flx_record_copy copy;
static struct flx_scan scan;
static uint64_t steps, states;
static FILE *report;

static void __attribute__((noreturn)) __attribute__((format(printf, 1, 2)))
fail(const char *format, ...)
{
	va_list list;

	fprintf(report, "step_store: step %" PRIu64 ": ", steps);
	va_start(list, format);
	vfprintf(report, format, list);
	va_end(list);
	fprintf(report, "; the files are in %s and %s\n", used.directory, copied.directory);
	fflush(report);
	_exit(EXIT_FAILURE);
}

static uint16_t slice_of(const void *argument, const uint8_t *key)
{
	(void)argument;
	return key[0] % 2;
}

static struct flx_store *open_store(const char *path)
{
	static const struct flx_context_type_conf types[TYPES] = {
		{.name = "keyed",
		 .key_size = 8,
		 .context_size = WORDS * sizeof(uint64_t),
		 .capacity = CAPACITY,
		 .limit = LIMIT,
		 .slice = slice_of},
		{.name = "alone", .context_size = WORDS * sizeof(uint64_t), .slice = slice_of},
	};
	const struct flx_store_conf conf = {
		.path = path,
		.tsc_hz = 1000000000,
		.start_tsc = 1,
		.worker_count = 1,
		.type_count = TYPES,
		.type = types,
	};
	struct flx_store_found found;
	struct flx_store *store;

	if (flx_store_open(&store, &conf) || flx_store_attach(store, &found))
		fail("%s does not open", path);
	if (found.damaged)
		fail("%" PRIu64 " damaged", found.damaged);
	return store;
}

/* ------------------------------------------------------------------------------ the traced process */

static void operate(struct flx_store *store, struct flx_random *random)
{
	uint32_t number = flx_random_below(random, KEYS + 1);
	struct flx_context_type *type = store->type[number == SINGLE ? ALONE : KEYED];
	uint64_t key = number, begun = atomic_load(&keys[number].told) / 2 * 2 + 2;
	uint16_t slice = number == SINGLE ? 0 : slice_of(NULL, (const uint8_t *)&key);
	bool deletes = flx_random_chance(random, 30), leaves = flx_random_chance(random, 20);
	struct flx_record *record;
	uint64_t *context;

	flx_context_bind(type, 0, &slice, (const uint8_t *)&key, 1, &record);
	if (record && deletes && flx_record_live(record)) {
		atomic_store(&keys[number].begun, begun | DELETES);
		flx_context_delete(type, 0, slice, record);
		atomic_store(&keys[number].told, begun | DELETES);
	} else if (record) {
		context = flx_context_open(type, 0, slice, record);
		if (!leaves)
			atomic_store(&keys[number].begun, begun);
		for (uint32_t i = 0; i < WORDS; i++)
			context[i] = (begun / 2) << 32 | i << 16 | number;
		if (!leaves) {
			flx_context_commit(type, 0, record);
			atomic_store(&keys[number].told, begun);
		}
	}
	flx_context_settle(type, 0);
}

static void __attribute__((noreturn)) use_store(uint64_t seed, uint64_t operations)
{
	struct flx_random random = {seed};
	struct flx_store *store;

	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		_exit(SKIPPED);
	store = open_store(used.directory);
	raise(SIGSTOP);
	for (uint64_t i = 0; i < operations; i++) {
		flx_store_turn(store, 0, i * 10000000);
		operate(store, &random);
		if (i % 8 == 0)
			flx_store_keep(store);
	}
	_exit(EXIT_SUCCESS);
}

/* --------------------------------------------------------------------------------- the one that looks */

static void map_file(struct mapped *file)
{
	char path[64];
	struct stat facts;
	int fd;

	snprintf(path, sizeof(path), "%s/node0", file->directory);
	fd = open(path, O_RDWR);
	if (fd < 0 || fstat(fd, &facts) < 0)
		fail("%s: %s", path, strerror(errno));
	file->size_bytes = (size_t)facts.st_size;
	file->bytes = mmap(NULL, file->size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (file->bytes == MAP_FAILED)
		fail("%s: %s", path, strerror(errno));
	close(fd);
}

/* The parts that change, into @to; true when they were not the same. */
static bool take_over(uint8_t *to)
{
	const struct flx_file_header *header = (const void *)used.bytes;
	size_t at[TYPES + 1] = {FLX_FILE_STATE_OFFSET}, size[TYPES + 1] = {STATE_BYTES};
	bool changed = false;

	for (uint32_t t = 0; t < TYPES; t++) {
		at[t + 1] = header->type[t].offset;
		size[t + 1] = (size_t)header->type[t].limit * header->type[t].stride_bytes;
	}
	for (uint32_t i = 0; i <= TYPES; i++) {
		if (memcmp(to + at[i], used.bytes + at[i], size[i]) == 0)
			continue;
		memcpy(to + at[i], used.bytes + at[i], size[i]);
		changed = true;
	}
	return changed;
}

static void check_key(struct flx_store *store, uint32_t number)
{
	struct flx_context_type *type = store->type[number == SINGLE ? ALONE : KEYED];
	uint64_t told = atomic_load(&keys[number].told), begun = atomic_load(&keys[number].begun);
	uint64_t key = number, found = 0, words[WORDS];
	bool there = flx_context_get(type, (const uint8_t *)&key, 0, &copy);

	if (there) {
		memcpy(words, copy.context, sizeof(words));
		found = words[0] >> 32 << 1;
		for (uint32_t i = 0; i < WORDS; i++)
			if (words[i] != (found >> 1 << 32 | i << 16 | number))
				fail("key %u: mixed", number);
		if (found == told || found == begun)
			return;
	} else if (told == 0 || told & DELETES || begun & DELETES) {
		return;
	}
	fail("key %u: found %" PRIu64 ", told %" PRIu64 ", begun %" PRIu64, number, found, told,
	     begun);
}

static void check_state(void)
{
	struct flx_store *store = open_store(copied.directory);
	struct flx_scan_source source;
	uint32_t count = 0;

	for (uint32_t number = 0; number <= KEYS; number++)
		check_key(store, number);
	flx_store_source(store->type[KEYED], &source);
	flx_scan_init(&scan, &source, 0);
	while (flx_scan_next(&scan))
		count++;
	if (count != flx_context_count(store->type[KEYED]) || scan.damaged)
		fail("%u contexts by scan, %" PRIu64 " by index, %" PRIu64 " damaged", count,
		     flx_context_count(store->type[KEYED]), scan.damaged);
	flx_store_close(store);
}

/* Steps through @child to its end. */
static void follow(pid_t child, uint8_t *last)
{
	int status;

	for (;;) {
		if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) < 0 ||
		    waitpid(child, &status, 0) < 0)
			fail("%s", strerror(errno));
		if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS)
			return;
		if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
			fail("the process ended with status 0x%x", (unsigned int)status);
		steps++;
		if (!take_over(last))
			continue;
		take_over(copied.bytes);
		check_state();
		states++;
	}
}

static void remove_store(const struct mapped *file)
{
	static const char *const names[] = {"lock", "node0", ""};
	char path[64];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", file->directory, names[i]);
		remove(path);
	}
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	uint64_t operations = argc > 2 ? strtoull(argv[2], NULL, 10) : 200;
	int status, silent = open("/dev/null", O_WRONLY);
	uint8_t *last;
	pid_t child;

	report = fdopen(dup(STDERR_FILENO), "w");
	keys = mmap(NULL, (KEYS + 1) * sizeof(*keys), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!report || keys == MAP_FAILED || silent < 0)
		return EXIT_FAILURE;
	/* What the store has to say at each of thousands of starts. */
	dup2(silent, STDERR_FILENO);
	snprintf(used.directory, sizeof(used.directory), "/dev/shm/flx-step-%d", (int)getpid());
	snprintf(copied.directory, sizeof(copied.directory), "/dev/shm/flx-copy-%d", (int)getpid());
	child = fork();
	if (child == 0)
		use_store(seed, operations);
	if (child < 0 || waitpid(child, &status, 0) < 0)
		return EXIT_FAILURE;
	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED) {
		printf("skipped: ptrace is not allowed here\n");
		return SKIPPED;
	}
	if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGSTOP)
		fail("the process ended with status 0x%x", (unsigned int)status);
	flx_store_close(open_store(copied.directory));
	map_file(&used);
	map_file(&copied);
	last = calloc(1, used.size_bytes);
	if (!last)
		return EXIT_FAILURE;
	/* Its header, and so its hash's seed, is the other's from here on. */
	memcpy(copied.bytes, used.bytes, sizeof(struct flx_file_header));
	follow(child, last);
	remove_store(&used);
	remove_store(&copied);
	free(last);
	printf("%" PRIu64 " operations in %" PRIu64 " steps, %" PRIu64 " states\n", operations,
	       steps, states);
	return EXIT_SUCCESS;
}
