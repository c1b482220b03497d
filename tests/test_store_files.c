/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The files of a store on filesystems of the test's own: a tmpfs that is full, and a hugetlbfs.
 * Runs as root in a mount namespace of its own; says why and exits with 77 (skipped) where it may
 * not. Argument: "huge" for the hugetlbfs, for which it borrows hugepages when there are none.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include "context-store/files.h"
#include "tests/capture.h"
#include "tests/scratch.h"
#include "tests/test.h"

#define LAYOUT	 42
#define POOL	 "/proc/sys/vm/nr_hugepages"
#define BORROWED 8

static struct flx_scratch scratch;
static char path[160];

static int make(struct flx_files *files, uint32_t node_count, struct flx_file_set *next)
{
	struct flx_schema_type type = {
		.name = "flow", 1, 8, 64, 192, {100000, 100000, 100000, 100000}, false};
	struct flx_schema schema = {node_count, 1, &type};

	return flx_files_make(files, &schema, next);
}

/* Backs records [0, @count) of node 0, in an arena that the caller ends. */
static int back(const struct flx_file_set *set, uint32_t count, struct flx_arena *arena)
{
	const struct flx_file *file = &set->node[0];
	struct flx_file_part part = flx_file_part(file, 0, 0, count);
	struct flx_backing backing = {.fd = file->fd, .file_offset = part.file_offset, .numa = -1};

	CU_ASSERT_EQUAL_FATAL(flx_arena_reserve(arena, 64 * FLX_ARENA_PAGE, FLX_ARENA_PAGE), 0);
	return flx_arena_back(arena, part.arena_offset, part.size_bytes, &backing);
}

static void test_full_tmpfs_is_an_error_and_leaves_nothing_half_made(void)
{
	struct flx_capture capture;
	struct flx_file_set next;
	struct flx_files files;
	struct flx_arena arena;
	int error;

	CU_ASSERT_EQUAL_FATAL(mount("none", scratch.path, "tmpfs", 0, "size=256k"), 0);
	flx_capture_start(&capture);
	CU_ASSERT_EQUAL(flx_files_run(&files, path, LAYOUT), 0);
	/* 52 KiB for the header and words of each of 4 nodes: all but one fit beside this. */
	CU_ASSERT_EQUAL(flx_scratch_run(&scratch, "head -c 65536 /dev/zero >fill"), 0);
	error = make(&files, 4, &next);
	flx_capture_stop(&capture);
	CU_ASSERT_EQUAL(error, -ENOSPC);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(capture.text, "No space left on device; give the filesystem"));
	CU_ASSERT_EQUAL(flx_scratch_run(&scratch, "test \"$(ls store)\" = lock"), 0);

	CU_ASSERT_EQUAL_FATAL(make(&files, 1, &next), 0);
	CU_ASSERT_EQUAL(flx_files_commit(&files, &next), 0);
	CU_ASSERT_EQUAL(back(&files.now, 10000, &arena), -ENOSPC);
	CU_ASSERT_EQUAL(atomic_load(&arena.ready_bytes), 0);
	flx_arena_fini(&arena);
	CU_ASSERT_EQUAL(back(&files.now, 100, &arena), 0);
	memset(arena.base, 0xff, 19200);
	flx_arena_fini(&arena);
	flx_files_close(&files);
	CU_ASSERT_EQUAL(umount(scratch.path), 0);
}

static void test_hugetlbfs_store_comes_back(void)
{
	struct flx_capture capture;
	struct flx_file_set next;
	struct flx_files files;
	struct flx_arena arena;

	CU_ASSERT_EQUAL_FATAL(mount("none", scratch.path, "hugetlbfs", 0, NULL), 0);
	for (uint32_t generation = 1; generation <= 2; generation++) {
		flx_capture_start(&capture);
		CU_ASSERT_EQUAL_FATAL(flx_files_run(&files, path, LAYOUT), 0);
		CU_ASSERT_EQUAL(strlen(flx_capture_stop(&capture)), 0); /* no warning */
		CU_ASSERT_EQUAL(files.dir.page_bytes, FLX_ARENA_PAGE);
		CU_ASSERT_EQUAL_FATAL(make(&files, 1, &next), 0);
		CU_ASSERT_EQUAL(back(&next, 20000, &arena), 0);
		CU_ASSERT_EQUAL(atomic_load(&arena.ready_bytes), 2 * FLX_ARENA_PAGE);
		memset(arena.base, (int)generation, 2 * FLX_ARENA_PAGE);
		flx_arena_fini(&arena);
		CU_ASSERT_EQUAL(flx_files_commit(&files, &next), 0);
		flx_files_close(&files);

		CU_ASSERT_EQUAL_FATAL(flx_files_view(&files, path, LAYOUT), 0);
		CU_ASSERT_EQUAL(files.now.node[0].header->generation, generation);
		CU_ASSERT_EQUAL(back(&files.now, 20000, &arena), -EBADF); /* opened to read */
		flx_arena_fini(&arena);
		flx_files_close(&files);
	}
	flx_capture_start(&capture);
	CU_ASSERT_EQUAL_FATAL(flx_files_run(&files, path, LAYOUT), 0);
	flx_capture_stop(&capture);
	CU_ASSERT_EQUAL(back(&files.now, 20000, &arena), 0);
	CU_ASSERT_EQUAL(*(uint8_t *)flx_arena_at(&arena, 2 * FLX_ARENA_PAGE - 1), 2);
	flx_arena_fini(&arena);
	/* More than there are: refused, and what was there is still there. */
	CU_ASSERT(back(&files.now, 100000, &arena) < 0);
	CU_ASSERT_EQUAL(atomic_load(&arena.ready_bytes), 0);
	flx_arena_fini(&arena);
	flx_files_close(&files);
	CU_ASSERT_EQUAL(flx_scratch_run(&scratch, "rm -r store"), 0);
	CU_ASSERT_EQUAL(umount(scratch.path), 0);
}

static int skip(const char *why)
{
	printf("skipped: %s\n", why);
	return 77;
}

static long pool(const char *set)
{
	char text[32] = "-1";
	int fd = open(POOL, set ? O_WRONLY : O_RDONLY);

	if (fd >= 0 && (set ? write(fd, set, strlen(set)) : read(fd, text, sizeof(text) - 1)) < 0)
		strcpy(text, "-1");
	if (fd >= 0)
		close(fd);
	return atol(text);
}

int main(int argc, char **argv)
{
	static const struct flx_test full[] = {
		FLX_TEST(test_full_tmpfs_is_an_error_and_leaves_nothing_half_made),
		{0},
	};
	static const struct flx_test huge[] = {
		FLX_TEST(test_hugetlbfs_store_comes_back),
		{0},
	};
	bool is_huge = argc > 1 && strcmp(argv[1], "huge") == 0;
	int status;

	if (geteuid() != 0)
		return skip("needs root to mount filesystems");
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return skip("this kernel lets us have no mount namespace");
	if (is_huge && pool(NULL) != 0)
		return skip("hugepages are reserved already, perhaps for others");
	if (is_huge) {
		pool("8");
		if (pool(NULL) != BORROWED) {
			pool("0");
			return skip("fewer than 8 hugepages are to be had");
		}
	}
	flx_scratch_init(&scratch);
	snprintf(path, sizeof(path), "%s/store", scratch.path);
	status = is_huge ? flx_test_main("store_files, hugetlbfs", huge)
			 : flx_test_main("store_files, full tmpfs", full);
	flx_scratch_fini(&scratch);
	if (is_huge)
		pool("0");
	return status;
}
