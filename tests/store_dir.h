/* SPDX-License-Identifier: BSD-3-Clause */
/* store_dir - a directory on tmpfs for a store, and processes that work on it and are killed. */
#pragma once

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/store.h"

static char test_dir[64]; /* of this process; not made yet */

static inline void test_dir_clear(void)
{
	DIR *dir = opendir(test_dir);
	struct dirent *entry;
	char path[512];

	while (dir && (entry = readdir(dir)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", test_dir, entry->d_name);
		unlink(path);
	}
	if (dir)
		closedir(dir);
	rmdir(test_dir);
}

static inline void test_dir_init(void)
{
	snprintf(test_dir, sizeof(test_dir), "/dev/shm/flx-test-%d", (int)getpid());
	test_dir_clear();
}

/* Opens the store of @types there and finds what it holds. */
static inline struct flx_store *test_dir_open(const struct flx_context_type_conf *types,
					      uint32_t type_count, uint32_t workers, uint32_t nodes,
					      struct flx_store_found *found)
{
	struct flx_store_conf conf = test_conf(types, type_count, workers);
	uint32_t worker_node[FLX_WORKERS_MAX];
	struct flx_store *store;

	conf.path = test_dir;
	conf.node_count = nodes;
	conf.worker_node = worker_node;
	for (uint32_t n = 0; n < nodes; n++)
		conf.numa[n] = -1;
	for (uint32_t w = 0; w < workers; w++)
		worker_node[w] = w % nodes;
	if (flx_store_open(&store, &conf))
		return NULL;
	if (flx_store_attach(store, found)) {
		flx_store_close(store);
		return NULL;
	}
	return store;
}

/* Runs @work in a process of its own; returns the signal that ended it, or minus its status. */
static inline int test_in_child(void (*work)(void *argument), void *argument)
{
	int status = 0;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child == 0) {
		work(argument);
		_exit(0);
	}
	CU_ASSERT_FATAL(child > 0 && waitpid(child, &status, 0) == child);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}
