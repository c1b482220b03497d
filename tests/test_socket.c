/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "apps/socket.h"
#include "tests/capture.h"
#include "tests/scratch.h"
#include "tests/test.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define OTHER_UID    65534

static struct flx_scratch scratch;
static struct flx_capture capture;
static struct flx_socket first, second;

/* @name in the scratch directory; good until the eighth after it. */
static const char *path_of(const char *name)
{
	static char paths[8][256];
	static uint32_t next;
	char *path = paths[next++ % COUNT(paths)];

	snprintf(path, sizeof(paths[0]), "%s/%s", scratch.path, name);
	return path;
}

static int mode_of(const char *path)
{
	struct stat facts;

	return lstat(path, &facts) == 0 ? (int)(facts.st_mode & 0777) : -1;
}

/* What flx_socket_find says of @dir; its path or its error text. */
static const char *find(const char *dir, int *rc)
{
	static char path[FLX_SOCKET_PATH_SIZE];
	const char *said;

	flx_capture_start(&capture);
	*rc = flx_socket_find(dir, path);
	said = flx_capture_stop(&capture);
	return *rc ? said : path;
}

static bool can_connect(const char *path)
{
	int fd, taken;

	flx_capture_start(&capture);
	fd = flx_socket_connect(path);
	flx_capture_stop(&capture);
	if (fd < 0)
		return false;
	taken = accept(first.listener, NULL, NULL);
	close(taken);
	close(fd);
	return taken >= 0;
}

/*
 * A child that makes a socket in @dir, or binds it at @path, as process of its own; it stays until
 * it is killed. Returns when that is there.
 */
static pid_t start_child(const char *dir, const char *path)
{
	int ready[2];
	pid_t child;
	char byte = 1;

	CU_ASSERT_EQUAL_FATAL(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		if (path ? flx_socket_bind(&second, path) : flx_socket_make(&second, dir, "child"))
			byte = 0;
		if (write(ready[1], &byte, 1) == 1)
			pause();
		_exit(0);
	}
	CU_ASSERT_EQUAL(read(ready[0], &byte, 1), 1);
	CU_ASSERT_EQUAL(byte, 1);
	close(ready[0]);
	close(ready[1]);
	return child;
}

static void kill_child(pid_t child)
{
	kill(child, SIGKILL);
	CU_ASSERT_EQUAL(waitpid(child, NULL, 0), child);
}

static void test_socket_is_private_found_and_gone_at_the_end(void)
{
	mode_t mask = umask(0);
	char expected[FLX_SOCKET_PATH_SIZE];
	int rc;

	CU_ASSERT_EQUAL_FATAL(flx_socket_make(&first, path_of("dir"), "app"), 0);
	umask(mask);
	snprintf(expected, sizeof(expected), "%s/app-%d.sock", path_of("dir"), (int)getpid());
	CU_ASSERT_STRING_EQUAL(first.path, expected);
	CU_ASSERT_EQUAL(mode_of(path_of("dir")), 0700);
	CU_ASSERT_EQUAL(mode_of(first.path), 0600);
	CU_ASSERT_STRING_EQUAL(find(path_of("dir"), &rc), expected);
	CU_ASSERT_TRUE(can_connect(expected));
	flx_socket_close(&first);
	CU_ASSERT_EQUAL(mode_of(path_of("dir")), -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(find(path_of("dir"), &rc), "no fabric of this user runs"));
	CU_ASSERT_EQUAL(rc, -ENOENT);
}

static void test_socket_of_several_is_for_the_user_to_choose(void)
{
	const char *said;
	pid_t child;
	int rc;

	CU_ASSERT_EQUAL_FATAL(flx_socket_make(&first, path_of("dir"), "app"), 0);
	child = start_child(path_of("dir"), NULL);
	said = find(path_of("dir"), &rc);
	CU_ASSERT_EQUAL(rc, -EEXIST);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "2 fabrics run"));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, first.path));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "/child-"));
	/* One that was killed does not count, though its socket is there. */
	kill_child(child);
	CU_ASSERT_STRING_EQUAL(find(path_of("dir"), &rc), first.path);
	flx_socket_close(&first);
	CU_ASSERT_EQUAL(mode_of(path_of("dir")), 0700); /* the dead one's is in it */
	flx_scratch_run(&scratch, "rm -r dir");
}

static void test_socket_of_a_dead_process_is_removed(void)
{
	kill_child(start_child(path_of("dir"), NULL));
	/* As a kill in the midst of making or removing one leaves it; and what is not ours. */
	CU_ASSERT_EQUAL(flx_scratch_run(&scratch,
					"touch dir/a-1.sock.lock dir/b-2.sock dir/note dir/.lock"),
			0);
	CU_ASSERT_EQUAL(flx_socket_make(&first, path_of("dir"), "app"), 0);
	CU_ASSERT_EQUAL(flx_scratch_run(&scratch, "test $(ls -A dir | wc -l) = 4"), 0);
	CU_ASSERT_EQUAL(mode_of(path_of("dir/a-1.sock.lock")), -1);
	CU_ASSERT_EQUAL(mode_of(path_of("dir/b-2.sock")), -1);
	CU_ASSERT_NOT_EQUAL(mode_of(path_of("dir/note")), -1);
	flx_socket_close(&first);
	CU_ASSERT_EQUAL(flx_scratch_run(&scratch, "test $(ls -A dir | wc -l) = 2"), 0);
	flx_scratch_run(&scratch, "rm -r dir");
}

static void test_socket_at_a_path_is_refused_while_its_process_lives(void)
{
	const char *path = path_of("control");
	pid_t child = start_child(NULL, path);

	CU_ASSERT_EQUAL(flx_socket_bind(&first, path), -EBUSY);
	CU_ASSERT_PTR_NOT_NULL(strstr(first.why, "a fabric runs there"));
	flx_socket_close(&first);
	CU_ASSERT_EQUAL(mode_of(path), 0600);
	kill_child(child);
	CU_ASSERT_EQUAL(mode_of(path), 0600);
	CU_ASSERT_FALSE(can_connect(path));
	CU_ASSERT_EQUAL(flx_socket_bind(&first, path), 0);
	CU_ASSERT_TRUE(can_connect(path));
	flx_socket_close(&first);
	CU_ASSERT_EQUAL(mode_of(path), -1);
}

/* Another program's, whose lock nobody holds. */
static int listen_plainly(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	CU_ASSERT_EQUAL(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	CU_ASSERT_EQUAL(listen(fd, 1), 0);
	return fd;
}

static void test_socket_leaves_alone_what_is_not_its_own(void)
{
	char text[FLX_SOCKET_PATH_SIZE + 1];
	const struct {
		const char *path;
		int error;
		const char *why;
	} rows[] = {
		{path_of("file"), -EEXIST, "it is no socket"},
		{path_of("other"), -EADDRINUSE, "another program listens there"},
		{path_of("no/where"), -ENOENT, "make its directory"},
		{path_of("file/x"), -ENOTDIR, "make its directory"},
		{text, -ENAMETOOLONG, "a path of at most 107 bytes"},
	};
	int other = listen_plainly(path_of("other"));
	uint64_t sum;

	CU_ASSERT_EQUAL(flx_scratch_run(&scratch, "echo text >file"), 0);
	memset(text, 'x', sizeof(text));
	memcpy(text, scratch.path, strlen(scratch.path));
	text[strlen(scratch.path)] = '/';
	text[FLX_SOCKET_PATH_SIZE] = '\0';
	sum = flx_scratch_sum(&scratch, ".");
	for (uint32_t i = 0; i < COUNT(rows); i++) {
		CU_ASSERT_EQUAL(flx_socket_bind(&first, rows[i].path), rows[i].error);
		CU_ASSERT_PTR_NOT_NULL(strstr(first.why, rows[i].why));
		CU_ASSERT_EQUAL(strncmp(first.why, rows[i].path, strlen(rows[i].path)), 0);
		flx_socket_close(&first);
	}
	CU_ASSERT_EQUAL(flx_scratch_sum(&scratch, "."), sum);
	close(other);
	/* One byte less is the longest that can be. */
	text[FLX_SOCKET_PATH_SIZE - 1] = '\0';
	CU_ASSERT_EQUAL(flx_socket_bind(&first, text), 0);
	CU_ASSERT_TRUE(can_connect(text));
	flx_socket_close(&first);
	flx_scratch_run(&scratch, "rm -f file other");
}

static void test_socket_directory_that_is_not_ours_alone_is_refused(void)
{
	static const struct {
		const char *make;
		const char *why;
	} rows[] = {
		{"mkdir -m 755 dir", "others may enter it (mode 755); chmod 700 it"},
		{"mkdir -m 770 dir", "others may enter it (mode 770); chmod 700 it"},
		{"mkdir -m 700 real && ln -s real dir", "Not a directory"},
		{"touch dir", "Not a directory"},
	};
	int rc;

	for (uint32_t i = 0; i < COUNT(rows); i++) {
		CU_ASSERT_EQUAL(flx_scratch_run(&scratch, rows[i].make), 0);
		CU_ASSERT_NOT_EQUAL(flx_socket_make(&first, path_of("dir"), "app"), 0);
		CU_ASSERT_PTR_NOT_NULL(strstr(first.why, rows[i].why));
		flx_socket_close(&first);
		CU_ASSERT_PTR_NOT_NULL(strstr(find(path_of("dir"), &rc), rows[i].why));
		CU_ASSERT_EQUAL(flx_scratch_run(&scratch, "rm -rf dir real"), 0);
	}
}

static void test_socket_directory_of_another_user_is_refused(void)
{
	const char *dir = path_of("dir");
	struct stat facts;
	char expected[64];

	CU_ASSERT_EQUAL(mkdir(dir, 0700), 0);
	/* Who is not root may give nothing away, and has no lack of directories of others. */
	if (geteuid() != 0)
		dir = "/usr";
	else
		CU_ASSERT_EQUAL(chown(dir, OTHER_UID, (gid_t)-1), 0);
	CU_ASSERT_EQUAL(stat(dir, &facts), 0);
	snprintf(expected, sizeof(expected), "belongs to uid %u", (unsigned int)facts.st_uid);
	CU_ASSERT_EQUAL(flx_socket_make(&first, dir, "app"), -EPERM);
	CU_ASSERT_PTR_NOT_NULL(strstr(first.why, expected));
	flx_socket_close(&first);
	flx_scratch_run(&scratch, "rm -rf dir");
}

/* Nobody's directory, in a child of that user; the child's exit status tells. */
static int check_dirs_of(uid_t uid)
{
	char dir[FLX_SOCKET_PATH_SIZE], expected[FLX_SOCKET_PATH_SIZE];

	if (geteuid() != uid && (flx_socket_dir(dir) || strcmp(dir, "/run/flx") || setuid(uid)))
		return 1;
	snprintf(expected, sizeof(expected), "/tmp/flx-%u", (unsigned int)uid);
	unsetenv("XDG_RUNTIME_DIR");
	if (flx_socket_dir(dir) || strcmp(dir, expected))
		return 2;
	setenv("XDG_RUNTIME_DIR", "no/path", 1);
	if (flx_socket_dir(dir) || strcmp(dir, expected))
		return 3;
	setenv("XDG_RUNTIME_DIR", "/usr", 1); /* is there, and another's */
	if (flx_socket_dir(dir) || strcmp(dir, expected))
		return 4;
	setenv("XDG_RUNTIME_DIR", path_of("own"), 1);
	return flx_socket_dir(dir) || strcmp(dir, path_of("own/flx")) ? 5 : 0;
}

static void test_socket_directory_is_the_users_own(void)
{
	uid_t uid = geteuid() == 0 ? OTHER_UID : geteuid();
	int status;
	pid_t child;

	CU_ASSERT_EQUAL(mkdir(path_of("own"), 0700), 0);
	CU_ASSERT_EQUAL(chown(path_of("own"), uid, (gid_t)-1), 0);
	CU_ASSERT_EQUAL(chmod(scratch.path, 0755), 0);
	child = fork();
	if (child == 0)
		_exit(check_dirs_of(uid));
	CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
	CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	flx_scratch_run(&scratch, "rm -r own");
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_socket_is_private_found_and_gone_at_the_end),
		FLX_TEST(test_socket_of_several_is_for_the_user_to_choose),
		FLX_TEST(test_socket_of_a_dead_process_is_removed),
		FLX_TEST(test_socket_at_a_path_is_refused_while_its_process_lives),
		FLX_TEST(test_socket_leaves_alone_what_is_not_its_own),
		FLX_TEST(test_socket_directory_that_is_not_ours_alone_is_refused),
		FLX_TEST(test_socket_directory_of_another_user_is_refused),
		FLX_TEST(test_socket_directory_is_the_users_own),
		{0},
	};
	int status;

	flx_scratch_init(&scratch);
	status = flx_test_main("socket", tests);
	flx_scratch_fini(&scratch);
	return status;
}
