/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scratch - a directory of the test's own, in memory where there is a tmpfs; gone with fini.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "context-store/siphash.h"

struct flx_scratch {
	char path[128];
};

static inline void flx_scratch_init(struct flx_scratch *scratch)
{
	const char *directory = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TMPDIR");

	snprintf(scratch->path, sizeof(scratch->path), "%s/flx-test-XXXXXX",
		 directory ? directory : "/tmp");
	if (!mkdtemp(scratch->path))
		abort();
}

static inline int flx_scratch_run(const struct flx_scratch *scratch, const char *command)
{
	char line[512];

	snprintf(line, sizeof(line), "cd '%s' && %s", scratch->path, command);
	return system(line);
}

static inline void flx_scratch_fini(const struct flx_scratch *scratch)
{
	char line[256];

	snprintf(line, sizeof(line), "rm -rf '%s'", scratch->path);
	if (system(line) != 0)
		abort();
}

/* A number that differs when any file below @name, its length or its permissions do. */
static inline uint64_t flx_scratch_sum(const struct flx_scratch *scratch, const char *name)
{
	static const uint64_t seed[2];
	char line[512], text[4096];
	size_t size;
	FILE *pipe;

	snprintf(line, sizeof(line),
		 "cd '%s' && find '%s' | sort | xargs stat -c '%%n %%a %%F' && "
		 "find '%s' -type f | sort | xargs -r cksum",
		 scratch->path, name, name);
	pipe = popen(line, "r");
	if (!pipe)
		abort();
	size = fread(text, 1, sizeof(text), pipe);
	pclose(pipe);
	return flx_siphash13(seed, (const uint8_t *)text, (uint32_t)size);
}
