/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/socket.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fabric/base.h"

#define SOCKET_SUFFIX ".sock"
#define LOCK_SUFFIX   ".lock"
/* That wait to be accepted: what a burst of commands from a shell needs. */
#define BACKLOG 16
/* Who removes what is stale holds a lock for microseconds; whoever holds it longer runs. */
#define LOCK_TRIES	  20
#define LOCK_WAIT_NS	  1000000
#define CONNECT_TIMEOUT_S 10

static int fail(struct flx_socket *made, int error, const char *path, const char *cause,
		const char *remedy)
{
	snprintf(made->why, sizeof(made->why), "%s: %s; %s", path, cause ? cause : strerror(error),
		 remedy);
	return -error;
}

/* ---------------------------------------------------------------------------------- the directory */

int flx_socket_dir(char *dir)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	struct stat facts;
	int size;

	if (geteuid() == 0)
		size = snprintf(dir, FLX_SOCKET_PATH_SIZE, "/run/flx");
	else if (runtime && runtime[0] == '/' && stat(runtime, &facts) == 0 &&
		 S_ISDIR(facts.st_mode) && facts.st_uid == geteuid())
		size = snprintf(dir, FLX_SOCKET_PATH_SIZE, "%s/flx", runtime);
	else
		size = snprintf(dir, FLX_SOCKET_PATH_SIZE, "/tmp/flx-%u", (unsigned int)geteuid());
	return (size_t)size < FLX_SOCKET_PATH_SIZE ? 0 : -ENAMETOOLONG;
}

/* 0 when @dir is ours alone; else the reason in @made. */
static int check_dir(struct flx_socket *made, const char *dir)
{
	/* Of a symbolic link, nothing is opened. */
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat facts;
	char cause[64];

	if (fd < 0)
		return fail(made, errno, dir, NULL, "give --control PATH");
	if (fstat(fd, &facts) < 0)
		facts = (struct stat){.st_uid = (uid_t)-1};
	close(fd);
	if (facts.st_uid != geteuid()) {
		snprintf(cause, sizeof(cause), "belongs to uid %u", (unsigned int)facts.st_uid);
		return fail(made, EPERM, dir, cause, "remove it, or give --control PATH");
	}
	if ((facts.st_mode & 0777) != 0700) {
		snprintf(cause, sizeof(cause), "others may enter it (mode %o)",
			 facts.st_mode & 0777);
		return fail(made, EPERM, dir, cause, "chmod 700 it, or give --control PATH");
	}
	return 0;
}

/* ---------------------------------------------------------------------------------------- locks */

static int lock_path(char *lock, size_t size, const char *path)
{
	return (size_t)snprintf(lock, size, "%s" LOCK_SUFFIX, path) < size ? 0 : -ENAMETOOLONG;
}

/* One try: the lock of @path; -EAGAIN: another process holds it, or has just removed it. */
static int try_lock(const char *path)
{
	struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char lock[FLX_SOCKET_PATH_SIZE + sizeof(LOCK_SUFFIX)];
	struct stat facts;
	int fd, error;

	if (lock_path(lock, sizeof(lock), path))
		return -ENAMETOOLONG;
	fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0)
		return -errno;
	if (fcntl(fd, F_OFD_SETLK, &all) < 0)
		error = errno == EACCES ? EAGAIN : errno;
	else
		error = fstat(fd, &facts) < 0 || facts.st_nlink == 0 ? EAGAIN : 0;
	if (error == 0)
		return fd;
	close(fd);
	return -error;
}

/* The lock of @path; -EBUSY: another process holds it. */
static int take_lock(const char *path)
{
	int fd = try_lock(path);

	for (uint32_t i = 0; fd == -EAGAIN && i < LOCK_TRIES; i++) {
		nanosleep(&(struct timespec){.tv_nsec = LOCK_WAIT_NS}, NULL);
		fd = try_lock(path);
	}
	return fd == -EAGAIN ? -EBUSY : fd;
}

/* Whether a process listens at @path, by its lock. */
static bool is_held(const char *path)
{
	struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char lock[FLX_SOCKET_PATH_SIZE + sizeof(LOCK_SUFFIX)];
	bool held;
	int fd;

	if (lock_path(lock, sizeof(lock), path))
		return false;
	fd = open(lock, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	held = fd >= 0 && fcntl(fd, F_OFD_GETLK, &all) == 0 && all.l_type != F_UNLCK;
	if (fd >= 0)
		close(fd);
	return held;
}

/* Removes the lock of @path, which is held as @lock; its socket is to be gone by then. */
static void remove_lock(const char *path, int lock)
{
	char name[FLX_SOCKET_PATH_SIZE + sizeof(LOCK_SUFFIX)];

	if (lock_path(name, sizeof(name), path) == 0)
		unlink(name);
	close(lock);
}

/* ------------------------------------------------------------------------------- what is in @dir */

static bool cut_suffix(char *name, const char *suffix)
{
	size_t size = strlen(name), cut = strlen(suffix);

	if (size <= cut || strcmp(name + size - cut, suffix) != 0)
		return false;
	name[size - cut] = '\0';
	return true;
}

/*
 * The next socket in @listed, or one whose lock alone is there, as a path; false: that was all
 * @only_sockets: not the latter
 */
static bool next_socket(DIR *listed, const char *dir, bool only_sockets, char *path)
{
	struct dirent *entry;

	while ((entry = readdir(listed)) != NULL) {
		char name[sizeof(entry->d_name)];
		size_t size = strlen(entry->d_name);

		memcpy(name, entry->d_name, size + 1);
		if (cut_suffix(name, LOCK_SUFFIX) && only_sockets)
			continue;
		if (!cut_suffix(name, SOCKET_SUFFIX))
			continue;
		if ((size_t)snprintf(path, FLX_SOCKET_PATH_SIZE, "%s/%s" SOCKET_SUFFIX, dir, name) <
		    FLX_SOCKET_PATH_SIZE)
			return true;
	}
	return false;
}

static void remove_stale(const char *dir)
{
	DIR *listed = opendir(dir);
	char path[FLX_SOCKET_PATH_SIZE];

	while (listed && next_socket(listed, dir, false, path)) {
		int lock = try_lock(path);

		if (lock < 0)
			continue;
		unlink(path);
		remove_lock(path, lock);
	}
	if (listed)
		closedir(listed);
}

/* ------------------------------------------------------------------------------------- listening */

static int address_of(struct sockaddr_un *address, const char *path)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	memcpy(address->sun_path, path, strlen(path));
	return 0;
}

/* What is at @path, whose lock we have: 0 when nothing is, or nobody listens there. */
static int check_taken(const struct sockaddr_un *address)
{
	struct stat facts;
	int fd, error;

	if (lstat(address->sun_path, &facts) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(facts.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	error = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? errno : 0;
	close(fd);
	return error == ECONNREFUSED ? 0 : -EADDRINUSE;
}

static int listen_at(const struct sockaddr_un *address)
{
	int error, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	/* The kernel gives the socket's file this mode when it makes it: no moment is without. */
	if (fchmod(fd, 0600) == 0 && (unlink(address->sun_path) == 0 || errno == ENOENT) &&
	    bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 &&
	    listen(fd, BACKLOG) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}

static const char *remedy_of(int error)
{
	switch (error) {
	case EBUSY:
		return "a fabric runs there: stop it, or give another --control PATH";
	case EADDRINUSE:
		return "another program listens there; give another --control PATH";
	case EEXIST:
		return "it is no socket; remove it, or give another --control PATH";
	case ENAMETOOLONG:
		return "give --control a path of at most 107 bytes";
	case ENOENT:
	case ENOTDIR:
		return "make its directory, or give another --control PATH";
	default:
		return "give --control a path whose directory this user may write";
	}
}

int flx_socket_bind(struct flx_socket *made, const char *path)
{
	struct sockaddr_un address;
	int error;

	*made = (struct flx_socket){.listener = -1, .lock = -1};
	error = address_of(&address, path);
	if (error)
		return fail(made, -error, path, NULL, remedy_of(-error));
	made->lock = take_lock(path);
	if (made->lock < 0)
		return fail(made, -made->lock, path, NULL, remedy_of(-made->lock));
	error = check_taken(&address);
	if (!error)
		made->listener = listen_at(&address);
	if (!error && made->listener < 0)
		error = made->listener;
	if (error) {
		remove_lock(path, made->lock);
		made->lock = -1;
		return fail(made, -error, path, NULL, remedy_of(-error));
	}
	memcpy(made->path, address.sun_path, sizeof(made->path));
	return 0;
}

int flx_socket_make(struct flx_socket *made, const char *dir, const char *program)
{
	char path[2 * FLX_SOCKET_PATH_SIZE];
	int error = -ENOENT;

	*made = (struct flx_socket){.listener = -1, .lock = -1};
	if ((size_t)snprintf(path, sizeof(path), "%s/%s-%d" SOCKET_SUFFIX, dir, program,
			     (int)getpid()) >= sizeof(path))
		return fail(made, ENAMETOOLONG, dir, NULL, remedy_of(ENAMETOOLONG));
	/* Again: a fabric that ends removes the directory when it is empty. */
	for (uint32_t i = 0; error == -ENOENT && i < LOCK_TRIES; i++) {
		if (mkdir(dir, 0700) < 0 && errno != EEXIST)
			return fail(made, errno, dir, NULL, remedy_of(errno));
		error = check_dir(made, dir);
		if (error)
			continue;
		remove_stale(dir);
		error = flx_socket_bind(made, path);
	}
	if (!error)
		snprintf(made->dir, sizeof(made->dir), "%s", dir);
	return error;
}

void flx_socket_close(struct flx_socket *made)
{
	if (made->listener >= 0) {
		close(made->listener);
		unlink(made->path);
		remove_lock(made->path, made->lock);
	}
	if (made->dir[0])
		rmdir(made->dir);
	made->listener = made->lock = -1;
	made->dir[0] = '\0';
}

/* ---------------------------------------------------------------------------------- for a client */

static int refuse_none(const char *dir)
{
	flx_error("no fabric of this user runs (none in %s); start one with flx run, or give "
		  "--control PATH",
		  dir);
	return -ENOENT;
}

int flx_socket_find(const char *dir, char *path)
{
	char text[1024] = "", next[FLX_SOCKET_PATH_SIZE];
	struct flx_socket checked;
	size_t size = 0;
	uint32_t count = 0;
	DIR *listed;
	int error = check_dir(&checked, dir);

	if (error == -ENOENT)
		return refuse_none(dir);
	if (error) {
		flx_error("%s", checked.why);
		return error;
	}
	listed = opendir(dir);
	while (listed && next_socket(listed, dir, true, next)) {
		if (!is_held(next))
			continue;
		if (count++ == 0)
			memcpy(path, next, sizeof(next));
		if (size < sizeof(text))
			size += (size_t)snprintf(text + size, sizeof(text) - size, " %s", next);
	}
	if (listed)
		closedir(listed);
	if (count == 0)
		return refuse_none(dir);
	if (count == 1)
		return 0;
	flx_error("%u fabrics run; give --control PATH with one of these:%s", count, text);
	return -EEXIST;
}

int flx_socket_connect(const char *path)
{
	const struct timeval patience = {.tv_sec = CONNECT_TIMEOUT_S};
	struct sockaddr_un address;
	int fd = -1, error = -address_of(&address, path);

	if (!error) {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd >= 0)
			setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
		if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
			return fd;
		error = errno;
	}
	if (fd >= 0)
		close(fd);
	flx_error("%s: %s; %s", path,
		  error == EAGAIN ? "has not answered for 10 s" : strerror(error),
		  error == EAGAIN	  ? "its fabric is stopped, or has too many clients"
		  : error == ECONNREFUSED ? "its fabric has ended; start it again"
		  : error == ENAMETOOLONG ? "give a path of at most 107 bytes"
					  : "give the --control of a fabric that runs");
	return -error;
}
