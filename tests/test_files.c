/* SPDX-License-Identifier: BSD-3-Clause */
#include "context-store/files.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/capture.h"
#include "tests/scratch.h"
#include "tests/test.h"

#define LAYOUT	   42
#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

static struct flx_scratch scratch;
static char path[160];

static void set_up(void)
{
	flx_scratch_init(&scratch);
	snprintf(path, sizeof(path), "%s/store", scratch.path);
}

static void shell(const char *command)
{
	CU_ASSERT_EQUAL(flx_scratch_run(&scratch, command), 0);
}

/* Says nothing on the terminal. */
static int run_quietly(struct flx_files *files, struct flx_capture *capture)
{
	int error;

	flx_capture_start(capture);
	error = flx_files_run(files, path, LAYOUT);
	flx_capture_stop(capture);
	return error;
}

/* Next generation on @node_count nodes; every file's tick tells which it is. */
static int make(struct flx_files *files, uint32_t node_count)
{
	struct flx_schema_type types[2] = {{.name = "flow", 1, 8, 64, 192, {1000, 20000, 3}, false},
					   {.name = "user", 1, 4, 8, 64, {5, 0, 0}, false}};
	struct flx_schema schema = {node_count, 2, types};
	struct flx_file_set next;
	int error = flx_files_make(files, &schema, &next);

	for (uint32_t i = 0; !error && i < node_count; i++)
		flx_file_clock_set(&next.node[i], FLX_FILE_TICK,
				   (uint32_t)next.node[i].header->generation);
	return error ? error : flx_files_commit(files, &next);
}

/* Generation of the open store, all of one; 0: none. */
static uint64_t generation_of(const struct flx_files *files, uint32_t *node_count)
{
	uint64_t generation = 0;

	*node_count = files->now.node_count;
	for (uint32_t i = 0; i < files->now.node_count; i++) {
		uint32_t tick;

		generation = files->now.node[i].header->generation;
		CU_ASSERT_EQUAL(generation, files->now.node[0].header->generation);
		CU_ASSERT_TRUE(flx_file_clock_get(&files->now.node[i], FLX_FILE_TICK, &tick));
		CU_ASSERT_EQUAL(tick, generation);
	}
	return generation;
}

static void make_store(uint32_t node_count, uint32_t generations)
{
	struct flx_capture capture;
	struct flx_files files;

	CU_ASSERT_EQUAL_FATAL(run_quietly(&files, &capture), 0);
	for (uint32_t i = 0; i < generations; i++)
		CU_ASSERT_EQUAL_FATAL(make(&files, node_count), 0);
	flx_files_close(&files);
}

static void test_files_come_back_as_they_were_made(void)
{
	static const uint32_t counts[] = {1, 3};

	for (size_t i = 0; i < ROWS(counts); i++) {
		struct flx_schema_type types[FLX_FILE_TYPES_MAX];
		struct flx_schema schema;
		struct flx_capture capture;
		struct flx_files files;
		uint32_t count;

		set_up();
		make_store(counts[i], 1);
		CU_ASSERT_EQUAL_FATAL(run_quietly(&files, &capture), 0);
		CU_ASSERT_EQUAL(generation_of(&files, &count), 1);
		CU_ASSERT_EQUAL(count, counts[i]);
		schema = flx_files_schema(&files, types);
		CU_ASSERT_EQUAL(schema.node_count, counts[i]);
		CU_ASSERT_EQUAL(schema.type_count, 2);
		CU_ASSERT_EQUAL(types[0].limit[0], 1000);
		CU_ASSERT_EQUAL(types[0].limit[1], counts[i] > 1 ? 20000 : 0);
		CU_ASSERT_EQUAL(types[1].key_size, 4);
		CU_ASSERT_EQUAL(flx_files_type(&files.now, "user"), 1);
		CU_ASSERT_EQUAL(flx_files_type(&files.now, "use"), -1);
		flx_files_close(&files);
		shell("test $(stat -c %a store) = 700");
		shell("test \"$(stat -c %a store/* | sort -u)\" = 600");
		flx_scratch_fini(&scratch);
	}
}

/* Of a type: numbers apart, and each node's first record on a page of its own. */
static void test_files_number_records_over_all_nodes(void)
{
	struct flx_capture capture;
	struct flx_files files;

	set_up();
	make_store(3, 1);
	CU_ASSERT_EQUAL_FATAL(run_quietly(&files, &capture), 0);
	for (uint32_t type = 0; type < 2; type++)
		for (uint32_t node = 1; node < 3; node++) {
			const struct flx_file_type *before, *own;

			before = &files.now.node[node - 1].header->type[type];
			own = &files.now.node[node].header->type[type];
			CU_ASSERT_TRUE(own->first >= before->first + before->limit);
			CU_ASSERT_TRUE(own->first < before->first + before->limit + 32768);
			CU_ASSERT_EQUAL((uint64_t)own->first * own->stride_bytes % FLX_ARENA_PAGE,
					0);
		}
	flx_files_close(&files);
	flx_scratch_fini(&scratch);
}

static void test_files_too_many_records_are_refused(void)
{
	struct flx_schema_type type = {.name = "flow", 1, 8, 64, 192, {1u << 31, 1u << 31}, false};
	struct flx_schema schema = {2, 1, &type};
	struct flx_capture capture;
	struct flx_file_set next;
	struct flx_files files;

	set_up();
	CU_ASSERT_EQUAL_FATAL(run_quietly(&files, &capture), 0);
	flx_capture_start(&capture);
	CU_ASSERT_EQUAL(flx_files_make(&files, &schema, &next), -EOVERFLOW);
	CU_ASSERT_PTR_NOT_NULL(strstr(flx_capture_stop(&capture), "lower the capacities"));
	shell("test \"$(ls store)\" = lock");
	flx_files_close(&files);
	flx_scratch_fini(&scratch);
}

static uint32_t count_of(const char *text, const char *what)
{
	uint32_t count = 0;

	for (; (text = strstr(text, what)); text++)
		count++;
	return count;
}

static void test_files_off_hugepages_are_warned_of_once(void)
{
	struct flx_capture capture;
	struct flx_files files;

	set_up();
	make_store(1, 1);
	CU_ASSERT_EQUAL(run_quietly(&files, &capture), 0);
	CU_ASSERT_EQUAL(count_of(capture.text, "warning"), 1);
	CU_ASSERT_EQUAL(count_of(capture.text, "not on hugepages"), 1);
	flx_files_close(&files);
	flx_capture_start(&capture);
	CU_ASSERT_EQUAL(flx_files_view(&files, path, LAYOUT), 0);
	CU_ASSERT_EQUAL(strlen(flx_capture_stop(&capture)), 0);
	flx_files_close(&files);
	flx_scratch_fini(&scratch);
}

/* A child that runs on the store until it is killed. */
static pid_t start_holder(void)
{
	struct flx_capture capture;
	struct flx_files files;
	int ends[2];
	char ready;
	pid_t child;

	CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		ready = run_quietly(&files, &capture) == 0;
		if (write(ends[1], &ready, 1) == 1)
			pause();
		_exit(1);
	}
	CU_ASSERT_EQUAL(read(ends[0], &ready, 1), 1);
	CU_ASSERT_EQUAL(ready, 1);
	close(ends[0]);
	close(ends[1]);
	return child;
}

static void test_files_second_process_is_refused_until_the_first_is_killed(void)
{
	struct flx_capture capture;
	struct flx_files files;
	char text[64];
	pid_t child;

	set_up();
	make_store(1, 1);
	child = start_holder();
	snprintf(text, sizeof(text), "/store: in use by process %d; stop it", child);
	CU_ASSERT_EQUAL(run_quietly(&files, &capture), -EBUSY);
	CU_ASSERT_PTR_NOT_NULL(strstr(capture.text, text));
	CU_ASSERT_EQUAL(flx_files_view(&files, path, LAYOUT), 0);
	flx_files_close(&files);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	CU_ASSERT_EQUAL(run_quietly(&files, &capture), 0);
	flx_files_close(&files);
	flx_scratch_fini(&scratch);
}

/*
 * What a command does to a good store of 3 nodes, and what run says. It is of generation 2; old and
 * new are of 1 and 3; other is another one.
 */
static void test_files_that_do_not_belong_together_are_refused(void)
{
	static const struct {
		const char *command, *text;
	} rows[] = {
		{"rm store/node1", "node1: missing, node0 counts 3 nodes"},
		{"rm store/node0", "node1: has no place in this store (there is no node0)"},
		{"cp store/node0 store/node1", "node1: node 0 of 3"},
		{"cp store/node1 store/node2", "node2: node 1 of 3"},
		{"cp store/node1 store/node0", "node0: node 1 of 3"},
		{"cp old/node1 store/node1", "generation 1, is not node 1 of node0's"},
		{"cp other/node2 store/node2", "node2: node 2 of 3 of store"},
		{"cp other/node2 store/node5", "node5: has no place in this store"},
		{"cp new/node2 store/node5", "node5: has no place in this store"},
		{"echo >store/node3", "node3: has no place in this store"},
		{"ln -s /dev/null store/node7", "node7: has no place in this store"},
		{"rm store/node0 && ln -s node1 store/node0", "Too many levels of symbolic links"},
		{"truncate -s -1 store/node2", "node2: truncated"},
		{"truncate -s +1 store/node2", "node2: extended"},
	};

	set_up();
	make_store(3, 1);
	shell("mv store other");
	make_store(3, 1);
	shell("cp -r --sparse=always store old");
	make_store(3, 1);
	shell("cp -r --sparse=always store good");
	make_store(3, 1);
	shell("cp -r --sparse=always store new");
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct flx_capture capture;
		struct flx_files files;
		uint64_t sum;

		shell("rm -r store && cp -r --sparse=always good store");
		shell(rows[i].command);
		sum = flx_scratch_sum(&scratch, "store");
		CU_ASSERT(run_quietly(&files, &capture) < 0);
		CU_ASSERT_PTR_NOT_NULL(strstr(capture.text, rows[i].text));
		CU_ASSERT_EQUAL(count_of(capture.text, "\n"), 1);
		CU_ASSERT_EQUAL(flx_scratch_sum(&scratch, "store"), sum);
		if (!strstr(capture.text, rows[i].text))
			printf("\n  %s: %s", rows[i].command, capture.text);
	}
	flx_scratch_fini(&scratch);
}

/* As a user without rights, whom root's tests have to become. */
static int in_child_run(const char *text)
{
	struct flx_capture capture;
	struct flx_files files;
	int status;
	pid_t child = fork();

	if (child == 0) {
		if (geteuid() == 0 && setuid(65534) < 0)
			_exit(2);
		_exit(run_quietly(&files, &capture) < 0 && strstr(capture.text, text) ? 0 : 1);
	}
	waitpid(child, &status, 0);
	return status;
}

static void test_files_paths_that_cannot_be_are_refused(void)
{
	static const struct {
		const char *command, *path, *text;
		bool view;
	} rows[] = {
		{"touch a-file", "a-file", "a-file: Not a directory; give --store a directory",
		 false},
		{"true", "no/store",
		 "no/store: No such file or directory; give --store a directory "
		 "whose parent exists",
		 false},
		{"true", "none", "none: No such file or directory; ", true},
		{"mkdir empty", "empty", "empty: no store there (no node0); ", true},
	};

	set_up();
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct flx_capture capture;
		struct flx_files files;
		int error;

		shell(rows[i].command);
		snprintf(path, sizeof(path), "%s/%s", scratch.path, rows[i].path);
		flx_capture_start(&capture);
		error = rows[i].view ? flx_files_view(&files, path, LAYOUT)
				     : flx_files_run(&files, path, LAYOUT);
		CU_ASSERT(error < 0);
		CU_ASSERT_PTR_NOT_NULL(strstr(flx_capture_stop(&capture), rows[i].text));
	}
	shell("mkdir locked && chmod 755 . && chmod 555 locked");
	snprintf(path, sizeof(path), "%s/locked", scratch.path);
	CU_ASSERT_EQUAL(in_child_run("/lock: Permission denied; let this user write"), 0);
	snprintf(path, sizeof(path), "%s/locked/store", scratch.path);
	CU_ASSERT_EQUAL(in_child_run("store: Permission denied; give --store a directory"), 0);
	flx_scratch_fini(&scratch);
}

/*
 * Kills: every call that changes a directory or a file is a step, and dies before step @die_at.
 * These take the place of libc's, in the whole program.
 */
static uint32_t die_at;

static void step(void)
{
	if (die_at && --die_at == 0)
		_exit(9);
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

int ftruncate(int fd, off_t size)
{
	step();
	return (int)syscall(SYS_ftruncate, fd, size);
}

int posix_fallocate(int fd, off_t offset, off_t size)
{
	step();
	return syscall(SYS_fallocate, fd, 0, offset, size) < 0 ? errno : 0;
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

/* @from_count 0: no store before. True: not killed, for there is no step @at. */
static bool killed_at(uint32_t at, uint32_t to_count)
{
	struct flx_capture capture;
	struct flx_files files;
	int status;
	pid_t child = fork();

	if (child == 0) {
		die_at = at;
		if (run_quietly(&files, &capture) || make(&files, to_count))
			_exit(1);
		_exit(0);
	}
	waitpid(child, &status, 0);
	CU_ASSERT_TRUE(WIFEXITED(status) && (WEXITSTATUS(status) == 9 || WEXITSTATUS(status) == 0));
	return status == 0;
}

/* The store is the one before or the one after, for a viewer and for the next run alike. */
static uint64_t check_survivor(uint32_t from_count, uint32_t to_count)
{
	uint64_t before = from_count ? 1 : 0, generation = 0, viewed = 0;
	struct flx_capture capture;
	struct flx_files files;
	char command[96];
	uint32_t count;

	flx_capture_start(&capture);
	if (flx_files_view(&files, path, LAYOUT) == 0) {
		viewed = generation_of(&files, &count);
		flx_files_close(&files);
	}
	flx_capture_stop(&capture);
	CU_ASSERT_EQUAL_FATAL(run_quietly(&files, &capture), 0);
	generation = generation_of(&files, &count);
	CU_ASSERT_EQUAL(generation, viewed);
	CU_ASSERT_TRUE(generation == before || generation == before + 1);
	CU_ASSERT_EQUAL(count, generation == before ? from_count : to_count);
	snprintf(command, sizeof(command), "test $(ls store | wc -l) = %u", count + 1);
	shell(command);
	CU_ASSERT_EQUAL(make(&files, to_count), 0);
	flx_files_close(&files);
	return generation;
}

static void test_files_survive_a_kill_at_every_step(void)
{
	static const struct {
		uint32_t from_count, to_count;
	} rows[] = {{0, 1}, {0, 3}, {1, 1}, {3, 3}, {3, 1}, {1, 3}};

	for (size_t i = 0; i < ROWS(rows); i++) {
		uint32_t olds = 0, news = 0;
		bool ended = false;

		for (uint32_t at = 1; !ended; at++) {
			set_up();
			if (rows[i].from_count)
				make_store(rows[i].from_count, 1);
			ended = killed_at(at, rows[i].to_count);
			if (check_survivor(rows[i].from_count, rows[i].to_count) ==
			    (rows[i].from_count ? 1 : 0))
				olds++;
			else
				news++;
			flx_scratch_fini(&scratch);
		}
		/* The steps were real: there is an end to them, on both sides of the commit. */
		CU_ASSERT_TRUE(olds > 10 && news > 10);
	}
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_files_come_back_as_they_were_made),
		FLX_TEST(test_files_number_records_over_all_nodes),
		FLX_TEST(test_files_too_many_records_are_refused),
		FLX_TEST(test_files_off_hugepages_are_warned_of_once),
		FLX_TEST(test_files_second_process_is_refused_until_the_first_is_killed),
		FLX_TEST(test_files_that_do_not_belong_together_are_refused),
		FLX_TEST(test_files_paths_that_cannot_be_are_refused),
		FLX_TEST(test_files_survive_a_kill_at_every_step),
		{0},
	};

	return flx_test_main("files", tests);
}
