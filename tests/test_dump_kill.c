/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dumps whose writers are killed, and what they leave: the dump before is whole, and the next one
 * removes what was left, but not what another process is writing now.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "context-store/dump_reader.h"
#include "tests/dumped.h"
#include "tests/random.h"
#include "tests/test.h"

#define KILLS 60

static const struct flx_dumped before[] = {{"a", 1, 8, 1000, 100}, {"b", 1, 0, 8, 1}};
static const struct flx_dumped after[] = {{"a", 1, 8, 1000, 400}, {"b", 1, 0, 8, 1}};

static struct flx_dump_reader reader;

/* ---------------------------------------------------------------------------------- step by step */

static uint32_t die_at;		      /* steps until this process dies; 0: it does not */
static void (*before_step)(uint32_t); /* of those that are counted; NULL: nothing */
static uint32_t steps;

/* Every call that changes a file or a directory is one. They are instead of libc's, everywhere. */
static void step(void)
{
	if (die_at && --die_at == 0)
		_exit(9);
	if (before_step)
		before_step(++steps);
}

ssize_t write(int fd, const void *data, size_t size)
{
	step();
	return syscall(SYS_write, fd, data, size);
}

int fsync(int fd)
{
	step();
	return (int)syscall(SYS_fsync, fd);
}

int flock(int fd, int operation)
{
	step();
	return (int)syscall(SYS_flock, fd, operation);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	step();
	return (int)syscall(SYS_renameat, from_dir, from, to_dir, to);
}

int unlinkat(int dir, const char *name, int flags)
{
	step();
	return (int)syscall(SYS_unlinkat, dir, name, flags);
}

int openat(int dir, const char *name, int flags, ...)
{
	mode_t mode = 0;
	va_list list;

	va_start(list, flags);
	if (flags & O_CREAT)
		mode = va_arg(list, mode_t);
	va_end(list);
	step();
	return (int)syscall(SYS_openat, dir, name, flags, mode);
}

/* ------------------------------------------------------------------------------------ what is there */

static struct flx_store *open_filled(const struct flx_dumped *set)
{
	struct flx_store *store = flx_dumped_open(set, 2, NULL, NULL);

	CU_ASSERT_PTR_NOT_NULL_FATAL(store);
	flx_dumped_fill(store, set);
	return store;
}

static int write_dump(struct flx_store *store, const char *name)
{
	struct flx_dump_result result;

	return flx_dumped_write(store, flx_dumped_path(name), &result);
}

/* Contexts in the dump @name, all of them right; 0: there is no such file. */
static uint32_t count_dumped(const char *name)
{
	uint32_t count = 0, number;
	char damage[256];

	if (access(flx_dumped_path(name), F_OK) < 0)
		return 0;
	CU_ASSERT_EQUAL_FATAL(flx_dump_open(&reader, flx_dumped_path(name)), 0);
	while (flx_dump_next(&reader) > 0)
		count += flx_dumped_is_right(reader.type, &after[reader.type], reader.key,
					     reader.context, &number);
	CU_ASSERT_TRUE(flx_dump_is_whole(&reader, damage, sizeof(damage)));
	flx_dump_close(&reader);
	return count;
}

/* In a process of its own, which dies before step @at; true: it has not so many. */
static bool killed_at(struct flx_store *store, const char *name, uint32_t at)
{
	int status;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child == 0) {
		die_at = at;
		_exit(write_dump(store, name) ? 1 : 0);
	}
	waitpid(child, &status, 0);
	CU_ASSERT_TRUE(WIFEXITED(status) && (WEXITSTATUS(status) == 9 || WEXITSTATUS(status) == 0));
	return status == 0;
}

static void test_dump_killed_at_every_step_leaves_a_whole_one(void)
{
	struct flx_store *old = open_filled(before), *new = open_filled(after);

	for (uint32_t there = 0; there < 2; there++) {
		uint32_t olds = 0, news = 0, left = 0;
		bool ended = false;

		for (uint32_t at = 1; !ended; at++) {
			uint32_t count;

			unlink(flx_dumped_path("steps"));
			if (there)
				CU_ASSERT_EQUAL(write_dump(old, "steps"), 0);
			ended = killed_at(new, "steps", at);
			left += flx_dumped_left("steps");
			count = count_dumped("steps");
			CU_ASSERT_TRUE(count == (there ? 101 : 0) || count == 401);
			olds += count != 401;
			news += count == 401;
			/* And killed again while it removes what was left. */
			killed_at(new, "steps", at % 8 + 1);
			CU_ASSERT_EQUAL(write_dump(new, "steps"), 0);
			CU_ASSERT_EQUAL(count_dumped("steps"), 401);
			CU_ASSERT_EQUAL(flx_dumped_left("steps"), 0);
		}
		CU_ASSERT_TRUE(olds > 10 && news > 1 && left > 10);
	}
	flx_store_close(old);
	flx_store_close(new);
}

/* One dump after the other, killed at any instruction. */
static void test_dump_killed_at_any_instruction_leaves_a_whole_one(void)
{
	_Atomic uint32_t *written =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct flx_store *store = open_filled(after);
	struct flx_random random = {.state = 7};
	uint32_t left = 0;

	CU_ASSERT_FATAL(written != MAP_FAILED);
	for (uint32_t i = 0; i < KILLS; i++) {
		pid_t child;
		int status;

		atomic_store(written, 0);
		fflush(NULL);
		child = fork();
		while (child == 0 && write_dump(store, "any") == 0)
			atomic_fetch_add(written, 1);
		if (child == 0)
			_exit(1);
		while (atomic_load(written) == 0)
			usleep(100);
		usleep(flx_random_below(&random, 3000));
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
		CU_ASSERT_TRUE(WIFSIGNALED(status));
		left += flx_dumped_left("any");
		CU_ASSERT_TRUE(flx_dumped_left("any") <= 1);
		CU_ASSERT_EQUAL(count_dumped("any"), 401);
	}
	CU_ASSERT_TRUE(left > KILLS / 10);
	CU_ASSERT_EQUAL(write_dump(store, "any"), 0);
	CU_ASSERT_EQUAL(flx_dumped_left("any"), 0);
	munmap((void *)(uintptr_t)written, 4096);
	flx_store_close(store);
}

/* ------------------------------------------------------------------------------- whose file it is */

static void make_file(const char *name)
{
	FILE *file = fopen(flx_dumped_path(name), "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fclose(file);
}

static bool is_there(const char *name)
{
	return access(flx_dumped_path(name), F_OK) == 0;
}

/* Not by the number of a process, which may be another one's here, or in another namespace. */
static void test_dump_removes_what_nobody_is_writing(void)
{
	struct flx_store *store = open_filled(before);
	char own[32];
	int locked;

	snprintf(own, sizeof(own), "left.tmp-%d", (int)getpid());
	make_file(own);
	make_file("left.tmp-1");
	make_file("left.tmp-0123456789abcdef");
	make_file("left.tmp-fedcba9876543210");
	make_file("left.tmp-12x");
	make_file("left.tmp-");
	make_file("leftover.tmp-12");
	CU_ASSERT_EQUAL(mkfifo(flx_dumped_path("left.tmp-aa"), 0600), 0);
	CU_ASSERT_EQUAL(symlink(own, flx_dumped_path("left.tmp-bb")), 0);
	locked = open(flx_dumped_path("left.tmp-fedcba9876543210"), O_WRONLY);
	CU_ASSERT_EQUAL(flock(locked, LOCK_EX | LOCK_NB), 0);
	CU_ASSERT_EQUAL(write_dump(store, "left"), 0);
	CU_ASSERT_FALSE(is_there(own));
	CU_ASSERT_FALSE(is_there("left.tmp-1"));
	CU_ASSERT_FALSE(is_there("left.tmp-0123456789abcdef"));
	CU_ASSERT_TRUE(is_there("left.tmp-fedcba9876543210"));
	CU_ASSERT_TRUE(is_there("left.tmp-12x"));
	CU_ASSERT_TRUE(is_there("left.tmp-"));
	CU_ASSERT_TRUE(is_there("leftover.tmp-12"));
	CU_ASSERT_TRUE(is_there("left.tmp-aa"));
	close(locked);
	CU_ASSERT_EQUAL(write_dump(store, "left"), 0);
	CU_ASSERT_FALSE(is_there("left.tmp-fedcba9876543210"));
	flx_store_close(store);
}

static struct flx_store *other_store;
static uint32_t other_at;

/* The whole of another writer's dump, at one step of this one's. */
static void write_another(uint32_t at)
{
	if (at != other_at)
		return;
	before_step = NULL;
	CU_ASSERT_EQUAL(write_dump(other_store, "two"), 0);
}

/* Two that write to one path: neither takes the other's file for left behind. */
static void test_dump_beside_another_writer_is_written(void)
{
	struct flx_store *store = open_filled(after);
	uint32_t count;

	other_store = open_filled(before);
	for (other_at = 1, steps = 1; steps >= other_at - 1; other_at++) {
		steps = 0;
		before_step = write_another;
		CU_ASSERT_EQUAL(write_dump(store, "two"), 0);
		before_step = NULL;
		count = count_dumped("two");
		CU_ASSERT_TRUE(count == 401 || count == 101);
		CU_ASSERT_EQUAL(flx_dumped_left("two"), 0);
	}
	CU_ASSERT_TRUE(other_at > 10);
	flx_store_close(store);
	flx_store_close(other_store);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_dump_killed_at_every_step_leaves_a_whole_one),
		FLX_TEST(test_dump_killed_at_any_instruction_leaves_a_whole_one),
		FLX_TEST(test_dump_removes_what_nobody_is_writing),
		FLX_TEST(test_dump_beside_another_writer_is_written),
		{0},
	};

	return flx_dumped_main("dump kill", tests);
}
