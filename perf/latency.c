/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/latency.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>

#include "fabric/base.h"

#define PPM 1000000
/* Samples above a percentile that is told. */
#define ABOVE_LEAST 10

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
	latency->unanswered = 0;
	latency->unkept = 0;
	latency->every = every > UINT32_MAX ? UINT32_MAX : every > 1 ? (uint32_t)every : 1;
	latency->sorted = false;
}

void flx_latency_add_unanswered(struct flx_latency *latency, uint64_t count)
{
	uint64_t kept = latency->room - latency->count;

	if (kept > count)
		kept = count;
	/* All ones in each byte, as in the sample. */
	memset(latency->sample + latency->count, 0xff, kept * sizeof(*latency->sample));
	latency->count += kept;
	latency->unanswered += kept;
	latency->unkept += count - kept;
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

/* Of the sample that @ppm of all do not exceed, from 1. */
static uint64_t rank_of(const struct flx_latency *latency, uint32_t ppm)
{
	return (latency->count * ppm + PPM - 1) / PPM;
}

bool flx_latency_tells(const struct flx_latency *latency, uint32_t ppm)
{
	return ppm == PPM || latency->count - rank_of(latency, ppm) >= ABOVE_LEAST;
}

uint32_t flx_latency_at(const struct flx_latency *latency, uint32_t ppm)
{
	uint64_t rank = rank_of(latency, ppm);

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
