/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/latency.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>

#include "fabric/base.h"

#define PPM 1000000

static_assert(RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN, "samples are saved as they lie in memory");

const struct flx_latency_point flx_latency_points[] = {
	{500000, "p50"},   {750000, "p75"},    {900000, "p90"}, {990000, "p99"},
	{999000, "p99.9"}, {999900, "p99.99"}, {PPM, "max"},	{0},
};

int flx_latency_init(struct flx_latency *latency, uint64_t room)
{
	*latency = (struct flx_latency){.room = room, .every = 1};
	latency->sample = malloc(room * sizeof(*latency->sample));
	if (!latency->sample)
		return -ENOMEM;
	/* Else the first run pays for its page faults. */
	memset(latency->sample, 0xff, room * sizeof(*latency->sample));
	return 0;
}

void flx_latency_fini(struct flx_latency *latency)
{
	free(latency->sample);
	*latency = (struct flx_latency){0};
}

void flx_latency_begin(struct flx_latency *latency, uint64_t expected)
{
	uint64_t every = (expected + latency->room - 1) / latency->room;

	latency->count = 0;
	latency->saturated = 0;
	latency->unkept = 0;
	latency->every = every > UINT32_MAX ? UINT32_MAX : every > 1 ? (uint32_t)every : 1;
	latency->sorted = false;
}

static int compare(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

	return (a > b) - (a < b);
}

void flx_latency_sort(struct flx_latency *latency)
{
	qsort(latency->sample, latency->count, sizeof(*latency->sample), compare);
	latency->sorted = true;
}

uint32_t flx_latency_at(const struct flx_latency *latency, uint32_t ppm)
{
	uint64_t rank = (latency->count * ppm + PPM - 1) / PPM;

	FLX_VERIFY(latency->sorted);
	if (!latency->count)
		return 0;
	return latency->sample[rank ? rank - 1 : 0];
}

int flx_latency_save(const struct flx_latency *latency, const char *path)
{
	FILE *file = fopen(path, "ae");
	bool written;

	if (!file) {
		flx_error("cannot write latencies to '%s': %s", path, strerror(errno));
		return -errno;
	}
	written = fwrite(latency->sample, sizeof(*latency->sample), latency->count, file) ==
		  latency->count;
	if (fclose(file) || !written) {
		flx_error("cannot write latencies to '%s': %s; is its file system full?", path,
			  strerror(errno));
		return -EIO;
	}
	return 0;
}
