/* SPDX-License-Identifier: BSD-3-Clause */
/* Readers of a store whose files are exchanged for the next generation's meanwhile. */
#include "context-store/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/capture.h"
#include "tests/scratch.h"
#include "tests/test.h"

#define LAYOUT	   42
#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))
#define CHANGES	   100 /* seen in the race */

static struct flx_scratch scratch;
static struct flx_capture capture;
static char path[160];

/* The next generation, on @node_count nodes. */
static void commit(uint32_t node_count)
{
	struct flx_schema_type type = {.name = "flow", 1, 8, 64, 192, {1000, 20, 3}, false};
	struct flx_schema schema = {node_count, 1, &type};
	struct flx_file_set next;
	struct flx_files files;

	if (flx_files_run(&files, path, LAYOUT) || flx_files_make(&files, &schema, &next) ||
	    flx_files_commit(&files, &next))
		abort();
	flx_files_close(&files);
}

static void make_store(uint32_t node_count)
{
	flx_scratch_init(&scratch);
	snprintf(path, sizeof(path), "%s/store", scratch.path);
	commit(node_count);
}

/* ---------------------------------------------------------------- between two names that it opens */

static uint32_t opens, commit_at; /* the commit comes before this one; 0: never */
static uint32_t commit_nodes;

/* Instead of libc's, in the whole program. */
int openat(int dir, const char *name, int flags, ...)
{
	mode_t mode = 0;
	va_list list;

	va_start(list, flags);
	if (flags & O_CREAT)
		mode = va_arg(list, mode_t);
	va_end(list);
	if (commit_at && ++opens == commit_at) {
		commit_at = 0;
		commit(commit_nodes);
	}
	return (int)syscall(SYS_openat, dir, name, flags, mode);
}

/* One generation, all of it; which. */
static uint64_t generation_viewed(void)
{
	struct flx_files files;
	uint64_t generation;
	int error = flx_files_view(&files, path, LAYOUT);

	commit_at = 0;
	CU_ASSERT_EQUAL_FATAL(error, 0);
	generation = files.now.node[0].header->generation;
	CU_ASSERT_EQUAL(files.now.node_count, files.now.node[0].header->node_count);
	for (uint32_t i = 0; i < files.now.node_count; i++)
		CU_ASSERT_EQUAL(files.now.node[i].header->generation, generation);
	flx_files_close(&files);
	return generation;
}

static void test_files_view_meets_a_commit_before_any_name(void)
{
	static const struct {
		uint32_t from, to;
	} rows[] = {{1, 1}, {3, 3}, {3, 1}, {1, 3}, {2, 3}};

	flx_capture_start(&capture);
	for (size_t i = 0; i < ROWS(rows); i++) {
		uint32_t olds = 0, news = 0;
		bool met = true;

		for (uint32_t at = 1; met; at++) {
			make_store(rows[i].from);
			opens = 0;
			commit_nodes = rows[i].to;
			commit_at = at;
			if (generation_viewed() == 1)
				olds++;
			else
				news++;
			met = opens >= at;
			flx_scratch_fini(&scratch);
		}
		/* Before all names, and after what tells: both have been. */
		CU_ASSERT_TRUE(news > 0 && olds > 0 && news + olds > rows[i].from);
	}
	CU_ASSERT_PTR_NULL(strstr(flx_capture_stop(&capture), "error"));
}

/* ---------------------------------------------------------------------------------- as they fall */

static void test_files_view_beside_commits_is_not_refused(void)
{
	uint64_t last = 0, changes = 0;
	pid_t child;

	flx_capture_start(&capture);
	make_store(3);
	child = fork();
	for (uint32_t i = 0; child == 0; i++) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		commit(1 + i % 3);
		/* Far more often than stores are upgraded, but not without a moment between two. */
		usleep(3000);
	}
	while (changes < CHANGES) {
		uint64_t generation = generation_viewed();

		CU_ASSERT_TRUE(generation >= last);
		changes += generation != last;
		last = generation;
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	CU_ASSERT_TRUE(generation_viewed() >= last);
	flx_scratch_fini(&scratch);
	CU_ASSERT_PTR_NULL(strstr(flx_capture_stop(&capture), "error"));
}

/* What no commit explains is refused all the same, and said once. */
static void test_files_view_of_a_broken_store_is_refused(void)
{
	static const char *const commands[] = {"rm store/node1", "cp store/node0 store/node1",
					       "cp store/node1 store/node0", "echo >store/node5",
					       "truncate -s 5 store/node2"};

	for (size_t i = 0; i < ROWS(commands); i++) {
		struct flx_files files;
		const char *line;

		flx_capture_start(&capture);
		make_store(3);
		flx_capture_stop(&capture);
		CU_ASSERT_EQUAL(flx_scratch_run(&scratch, commands[i]), 0);
		flx_capture_start(&capture);
		CU_ASSERT_TRUE(flx_files_view(&files, path, LAYOUT) < 0);
		line = strchr(flx_capture_stop(&capture), '\n');
		CU_ASSERT_EQUAL(strncmp(capture.text, "flx: error: ", 12), 0);
		CU_ASSERT_TRUE(line && !line[1]);
		flx_scratch_fini(&scratch);
	}
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_files_view_meets_a_commit_before_any_name),
		FLX_TEST(test_files_view_beside_commits_is_not_refused),
		FLX_TEST(test_files_view_of_a_broken_store_is_refused),
		{0},
	};

	return flx_test_main("files view", tests);
}
