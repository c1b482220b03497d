/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * socket - the unix socket that a running fabric is asked through: made, found, connected to.
 *
 * Unless an operator says otherwise it is <program>-<pid>.sock in a directory of the user's own:
 * root's is /run/flx, others' $XDG_RUNTIME_DIR/flx, or /tmp/flx-<uid> where that variable names no
 * directory of theirs. The directory is made (0700); one that is another user's, that others may
 * enter, or a symbolic link, is refused. The socket itself is for its user only (0600).
 *
 * Beside each socket PATH is PATH.lock, which the process that listens holds a lock on. The kernel
 * gives it back however that process ends, so who can have it knows that the socket is stale, and
 * removes both; process ids, which are used again, prove nothing. (An open file description's lock,
 * unlike flock, can be looked at without being taken.)
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/un.h>

/* Bytes that the kernel has for a path, with its NUL. */
#define FLX_SOCKET_PATH_SIZE sizeof(((struct sockaddr_un *)NULL)->sun_path)
#define FLX_SOCKET_WHY_MAX   512

struct flx_socket {
	int listener; /* does not block; -1: none */
	int lock;
	char path[FLX_SOCKET_PATH_SIZE];
	char dir[FLX_SOCKET_PATH_SIZE]; /* to be removed when it is empty; "": none */
	char why[FLX_SOCKET_WHY_MAX];	/* of a failure: thing, cause and remedy */
};

/*
 * flx_socket_dir - this user's directory, see above; it need not be there
 * @dir: out, FLX_SOCKET_PATH_SIZE bytes. 0; -ENAMETOOLONG, and then @dir is cut.
 */
int flx_socket_dir(char *dir);

/*
 * flx_socket_make - listen in directory @dir, which is made when missing, for a fabric of @program
 * Removes there what dead processes have left. 0; -errno, with the reason in @socket.
 * Context: setup.
 */
int flx_socket_make(struct flx_socket *socket, const char *dir, const char *program);

/*
 * flx_socket_bind - listen at @path
 * What a dead process left there is replaced; anything else is refused: -EBUSY, a fabric that runs;
 * -EADDRINUSE, another program; -EEXIST, no socket. 0; -errno, with the reason in @socket.
 * Context: setup.
 */
int flx_socket_bind(struct flx_socket *socket, const char *path);

/* Stops listening, and removes what was made; also after a failure. */
void flx_socket_close(struct flx_socket *socket);

/*
 * flx_socket_find - the path of the only fabric that listens in @dir
 * @path: out, FLX_SOCKET_PATH_SIZE bytes. 0; -ENOENT, -EEXIST (several) and others after one
 * flx_error. Context: any process.
 */
int flx_socket_find(const char *dir, char *path);

/* flx_socket_connect - a connection to @path; -errno after one flx_error. May wait for seconds. */
int flx_socket_connect(const char *path);
