/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every call with which the store asks for memory, files or a thread fails once: the start then
 * fails with one error, nothing is leaked (AddressSanitizer), and what was there is still there.
 *
 * The linker puts the functions here in place of the library's (--wrap, tests/meson.build).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>

#include "tests/store_dir.h"

#define KEYS	 200
#define CAPACITY 2000 /* of what grows: for each node more than a page of huge size */

static uint32_t calls, fail_at; /* the call that fails; 0: none */
static bool fail_on;		/* and all that follow */
static const char *failed;	/* its name */
static uint32_t errors, warnings;

static bool fails(const char *name)
{
	if (++calls != fail_at && !(fail_on && fail_at && calls > fail_at))
		return false;
	failed = name;
	return true;
}

#define WRAP(type, name, parameters, arguments, result, error)                                     \
	type __real_##name parameters;                                                             \
	type __wrap_##name parameters;                                                             \
	type __wrap_##name parameters                                                              \
	{                                                                                          \
		if (!fails(#name))                                                                 \
			return __real_##name arguments;                                            \
		errno = error;                                                                     \
		return result;                                                                     \
	}

WRAP(void *, malloc, (size_t size), (size), NULL, ENOMEM)
WRAP(void *, calloc, (size_t count, size_t size), (count, size), NULL, ENOMEM)
WRAP(void *, aligned_alloc, (size_t align, size_t size), (align, size), NULL, ENOMEM)
WRAP(void *, mmap64, (void *at, size_t size, int prot, int flags, int fd, off64_t offset),
     (at, size, prot, flags, fd, offset), MAP_FAILED, ENOMEM)
WRAP(void *, mremap, (void *old, size_t old_size, size_t size, int flags, void *at),
     (old, old_size, size, flags, at), MAP_FAILED, ENOMEM)
WRAP(int, posix_fallocate64, (int fd, off64_t offset, off64_t size), (fd, offset, size), ENOSPC, 0)
WRAP(int, ftruncate64, (int fd, off64_t size), (fd, size), -1, EFBIG)
WRAP(ssize_t, getrandom, (void *to, size_t size, unsigned int flags), (to, size, flags), -1, EIO)
WRAP(int, openat64, (int dir, const char *path, int flags, mode_t mode), (dir, path, flags, mode),
     -1, EMFILE)
WRAP(int, open64, (const char *path, int flags, mode_t mode), (path, flags, mode), -1, EMFILE)
WRAP(int, fsync, (int fd), (fd), -1, EIO)
WRAP(int, renameat, (int from_dir, const char *from, int to_dir, const char *to),
     (from_dir, from, to_dir, to), -1, EACCES)
WRAP(ssize_t, pread64, (int fd, void *to, size_t size, off64_t offset), (fd, to, size, offset), -1,
     EIO)
WRAP(int, pthread_create,
     (pthread_t * thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument),
     (thread, attributes, run, argument), EAGAIN, 0)

void __wrap_flx_error(const char *format, ...);
void __wrap_flx_warn(const char *format, ...);
void __wrap_flx_note(const char *format, ...);

void __wrap_flx_error(const char *format, ...)
{
	(void)format;
	errors++;
}

void __wrap_flx_warn(const char *format, ...)
{
	(void)format;
	warnings++;
}

void __wrap_flx_note(const char *format, ...)
{
	(void)format;
}

static int upgrade(uint32_t version, const void *old, uint32_t old_size, void *context)
{
	(void)version;
	memcpy(context, old, old_size);
	return 0;
}

static const struct flx_context_type_conf *types_of(uint32_t version)
{
	static struct flx_context_type_conf types[2];

	types[0] = test_type(KEYS);
	types[1] = (struct flx_context_type_conf){.name = "single", .context_size = 8};
	types[0].limit = 100000; /* of more than a page of huge size */
	for (uint32_t t = 0; t < 2; t++) {
		types[t].version = version;
		types[t].context_size *= version;
		types[t].upgrade = upgrade;
	}
	return types;
}

static struct flx_store_conf conf_of(const char *path, uint32_t version)
{
	static const uint32_t worker_node[] = {0, 1};
	struct flx_store_conf conf = test_conf(types_of(version), 2, 2);

	conf.path = path;
	conf.node_count = 2;
	conf.numa[0] = conf.numa[1] = -1;
	conf.worker_node = worker_node;
	return conf;
}

/* The whole start, in which one call fails; 0, or what the first step that failed said. */
static int start(const char *path, uint32_t version, struct flx_store **out)
{
	struct flx_store_conf conf = conf_of(path, version);
	struct flx_store_found found;
	struct flx_store *store = NULL;
	int error;

	*out = NULL;
	errors = 0;
	error = flx_store_open(&store, &conf);
	CU_ASSERT_EQUAL(errors, error ? 1 : 0);
	if (error)
		return error;
	error = flx_store_attach(store, &found);
	CU_ASSERT_EQUAL(errors, 0);
	if (!error) {
		error = flx_store_start(store);
		CU_ASSERT_EQUAL(errors, error ? 1 : 0);
	}
	if (error)
		flx_store_close(store);
	else
		*out = store;
	return error;
}

static bool is_errno_of_a_start(int error)
{
	return error == -ENOMEM || error == -ENOSPC || error == -EFBIG || error == -EIO ||
	       error == -EMFILE || error == -EAGAIN || error == -EACCES;
}

static void fill(const char *path)
{
	struct flx_store *store;

	fail_at = 0;
	CU_ASSERT_EQUAL_FATAL(start(path, 1, &store), 0);
	flx_store_stop(store);
	for (uint64_t key = 0; key < KEYS; key++)
		CU_ASSERT_EQUAL(test_one(store->type[0], 0, key, TEST_COMMIT), 0);
	flx_store_close(store);
}

/* All of fill is there, in the version that opens; 2 opens both. */
static void check_filled(const char *path)
{
	struct flx_store *store;
	uint64_t wrong = 0;

	fail_at = 0;
	CU_ASSERT_EQUAL_FATAL(start(path, 2, &store), 0);
	CU_ASSERT_EQUAL(flx_context_count(store->type[0]), KEYS);
	for (uint64_t key = 0; key < KEYS; key++)
		wrong += test_view(store->type[0], 0, key) != 1;
	CU_ASSERT_EQUAL(wrong, 0);
	flx_store_close(store);
}

enum there { NOTHING, SAME, OLDER };

/* A start over @there, with the first call failing, then the second, until none is left. */
static void fail_each(const char *path, enum there there)
{
	for (uint32_t n = 1;; n++) {
		struct flx_store *store;
		int error;

		if (path)
			test_dir_clear();
		if (there != NOTHING)
			fill(path);
		failed = NULL;
		calls = 0;
		fail_at = n;
		error = start(path, there == OLDER ? 2 : 1, &store);
		fail_at = 0;
		if (error && !is_errno_of_a_start(error)) {
			printf("call %u, %s: %s ", n, failed, strerror(-error));
			CU_FAIL("not what a start that fails says");
		}
		CU_ASSERT_TRUE(!error || failed);
		if (store)
			flx_store_close(store);
		if (there != NOTHING)
			check_filled(path);
		if (!failed) {
			CU_ASSERT_EQUAL(error, 0);
			CU_ASSERT_TRUE(n > 10);
			return;
		}
	}
}

static void test_store_start_in_memory_fails_cleanly(void)
{
	fail_each(NULL, NOTHING);
}

static void test_store_start_anew_fails_cleanly(void)
{
	fail_each(test_dir, NOTHING);
}

static void test_store_start_again_fails_cleanly(void)
{
	fail_each(test_dir, SAME);
}

static void test_store_start_with_upgrade_fails_cleanly(void)
{
	fail_each(test_dir, OLDER);
}

/* A store of two nodes, each step of which takes memory that was not there; its clock stands. */
static struct flx_store *open_growing(const char *path)
{
	struct flx_context_type_conf type = test_type(CAPACITY);
	struct flx_store_conf conf = conf_of(path, 1);
	struct flx_store_found found;
	struct flx_store *store;

	type.context_size = 1024;
	type.limit = 10 * FLX_TYPE_AHEAD;
	conf.type = &type;
	conf.type_count = 1;
	conf.tsc_hz = UINT64_MAX;
	fail_at = 0;
	CU_ASSERT_EQUAL_FATAL(flx_store_open(&store, &conf), 0);
	CU_ASSERT_EQUAL_FATAL(flx_store_attach(store, &found), 0);
	CU_ASSERT_EQUAL_FATAL(flx_store_start(store), 0);
	flx_store_stop(store);
	return store;
}

/* One that is full, and without a keeper. */
static struct flx_store *open_full(bool in_files, uint64_t *made)
{
	struct flx_store *store;

	test_dir_clear();
	store = open_growing(in_files ? test_dir : NULL);
	*made = 0;
	while (test_one(store->type[0], 0, *made, TEST_COMMIT) == 0)
		++*made;
	/* Ahead of need on both nodes, from the start. */
	CU_ASSERT_EQUAL(*made, CAPACITY + 2 * FLX_TYPE_AHEAD);
	return store;
}

/* The keeper's turn, with every call failing from the one of number @from on; 0: none does. */
static uint32_t keep_failing(struct flx_store *store, uint32_t from)
{
	calls = 0;
	fail_at = from;
	fail_on = true;
	flx_store_keep(store);
	fail_on = false;
	fail_at = 0;
	return calls;
}

static uint64_t make_more(struct flx_store *store, uint64_t from)
{
	uint64_t key = from;

	while (test_one(store->type[0], 0, key, TEST_COMMIT) == 0)
		key++;
	return key - from;
}

/* What cannot grow says so once, goes on with what it has, and is tried again after a second. */
static void test_store_growth_that_failed_is_tried_again(void)
{
	for (uint32_t row = 0; row < 4; row++) {
		struct flx_store *store;
		uint32_t from = 1 + row / 2;
		uint64_t made, wrong = 0;

		store = open_full(row % 2, &made);
		warnings = 0;
		CU_ASSERT_TRUE(keep_failing(store, from) >= from);
		CU_ASSERT_EQUAL(warnings, 1);
		for (uint64_t key = 0; key < made; key++)
			wrong += test_one(store->type[0], 0, key, TEST_COMMIT) != 1;
		CU_ASSERT_EQUAL(wrong, 0);
		/* Not before the second is over, and then in vain: nothing more is said. */
		store->start_tick += FLX_TICKS_PER_SECOND - 1;
		CU_ASSERT_EQUAL(keep_failing(store, 0), 0);
		store->start_tick++;
		CU_ASSERT_TRUE(keep_failing(store, 1) > 0);
		CU_ASSERT_EQUAL(warnings, 1);
		/* Then there is memory. */
		CU_ASSERT_EQUAL(keep_failing(store, 0), 0);
		store->start_tick += FLX_TICKS_PER_SECOND;
		CU_ASSERT_TRUE(keep_failing(store, 0) > 0);
		CU_ASSERT_EQUAL(make_more(store, made), 2 * FLX_TYPE_AHEAD);
		/* And what fails from here on is news. */
		keep_failing(store, 1);
		CU_ASSERT_EQUAL(warnings, 2);
		flx_store_close(store);
	}
}

/* Where there is no memory for a large step, there may be for one of the capacity. */
static void test_store_growth_tries_a_small_step(void)
{
	for (uint32_t in_files = 0; in_files < 2; in_files++) {
		struct flx_store *store;
		uint64_t made;

		store = open_full(in_files, &made);
		warnings = calls = 0;
		fail_at = 1;
		CU_ASSERT_TRUE(flx_store_keep(store));
		fail_at = 0;
		CU_ASSERT_EQUAL(warnings, 0);
		CU_ASSERT_EQUAL(make_more(store, made), CAPACITY / 2 + FLX_TYPE_AHEAD);
		flx_store_close(store);
	}
}

/* A clock past half of its range is no reason to wait. */
static void test_store_growth_is_tried_again_whatever_the_clock(void)
{
	struct flx_store *store;
	uint64_t made;

	store = open_full(true, &made);
	flx_file_clock_set(&store->files.now.node[0], FLX_FILE_TICK, 0x90000000);
	flx_store_close(store);
	store = open_growing(test_dir);
	CU_ASSERT_TRUE(store->start_tick >= 0x90000000);
	CU_ASSERT_TRUE(make_more(store, made) > 0);
	keep_failing(store, 1);
	store->start_tick += FLX_TICKS_PER_SECOND;
	CU_ASSERT_TRUE(keep_failing(store, 0) > 0);
	flx_store_close(store);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_store_start_in_memory_fails_cleanly),
		FLX_TEST(test_store_start_anew_fails_cleanly),
		FLX_TEST(test_store_start_again_fails_cleanly),
		FLX_TEST(test_store_start_with_upgrade_fails_cleanly),
		FLX_TEST(test_store_growth_that_failed_is_tried_again),
		FLX_TEST(test_store_growth_tries_a_small_step),
		FLX_TEST(test_store_growth_is_tried_again_whatever_the_clock),
		{0},
	};
	int status;

	test_dir_init();
	status = flx_test_main("store faults", tests);
	test_dir_clear();
	return status;
}
