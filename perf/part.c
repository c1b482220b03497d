/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/part.h"

#include <errno.h>
#include <string.h>

#include "fabric/base.h"
#include "perf/sample.h"

struct job {
	const struct flx_perf *perf;
	const struct flx_part *part;
};

static int run(const void *argument, void *found)
{
	const struct job *job = argument;

	(void)found; /* figures are in memory that all share */
	return job->part->run(job->perf, job->part->argument);
}

/* Whether name @part is all of @name, or what stands before one of its dots. */
static bool leads(const char *part, const char *name)
{
	size_t size = strlen(part);

	return strncmp(part, name, size) == 0 && (name[size] == '.' || name[size] == '\0');
}

bool flx_part_wanted(const struct flx_perf *perf, const char *name)
{
	return !perf->only || leads(perf->only, name) || leads(name, perf->only);
}

int flx_parts_run(const struct flx_perf *perf, const struct flx_part *parts, uint32_t count)
{
	int first = 0;
	bool any = false;

	for (uint32_t i = 0; i < count; i++) {
		const struct job job = {perf, &parts[i]};
		char nothing;
		int error;

		if (!flx_part_wanted(perf, parts[i].name))
			continue;
		any = true;
		error = flx_child_run(run, &job, &nothing, sizeof(nothing));
		if (!error || error == -ENOTSUP)
			continue;
		flx_error("flxperf: %s failed: %s", parts[i].name, strerror(-error));
		first = first ? first : error;
	}
	return any ? first : -ENOENT;
}
