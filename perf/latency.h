/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * latency - times of single requests, as they were, and their order statistics.
 *
 * Every sample is kept as a number of nanoseconds, and they are sorted when the run is over. So a percentile
 * is a sample, not the middle of a bucket, and to take one costs a store: of C libraries that keep
 * histograms Debian 12 has none. Memory is bounded: where there are more requests than room, every k-th is
 * timed, and k is known before the run. A sample of 4.29 s or more is kept as that, and counted.
 *
 * Of requests that were timed and never answered each is a sample as well, the highest that there is, for
 * whoever asked waits still: without them a server would have the better percentiles the more it loses.
 *
 * Context: one thread adds; whoever reads comes after it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct flx_latency {
	uint32_t *sample; /* ns */
	uint64_t room;
	uint64_t count;
	uint64_t saturated;  /* of these, answers that took 4.29 s or more */
	uint64_t unanswered; /* of these, never answered: as samples 4.29 s */
	uint64_t unkept;     /* beyond the room: the run was longer than was said */
	uint32_t every;	     /* k */
	bool sorted;
};

/* Percentiles that are told, in parts per million; 0 ends them. The last is the highest sample. */
struct flx_latency_point {
	uint32_t ppm;
	const char *name; /* "p99.9" */
};

extern const struct flx_latency_point flx_latency_points[];

/* flx_latency_init - room for @room samples, all present in memory. 0 or -ENOMEM. */
int flx_latency_init(struct flx_latency *latency, uint64_t room);
void flx_latency_fini(struct flx_latency *latency);

/* flx_latency_begin - forget all, and choose k for a run of @expected requests */
void flx_latency_begin(struct flx_latency *latency, uint64_t expected);

static inline void flx_latency_add(struct flx_latency *latency, uint64_t ns)
{
	if (latency->count == latency->room) {
		latency->unkept++;
		return;
	}
	latency->saturated += ns >= UINT32_MAX;
	latency->sample[latency->count++] = ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
}

/* flx_latency_add_unanswered - @count timed requests are not answered, and never will be */
void flx_latency_add_unanswered(struct flx_latency *latency, uint64_t count);

/* flx_latency_sort - what flx_latency_at wants. After it begins nothing is added. */
void flx_latency_sort(struct flx_latency *latency);

/*
 * flx_latency_at - the lowest sample that @ppm of 1,000,000 samples do not exceed (nearest rank)
 * @ppm: 1,000,000: the highest. 0 when there are none. Sorted.
 */
uint32_t flx_latency_at(const struct flx_latency *latency, uint32_t ppm);

/*
 * flx_latency_tells - whether flx_latency_at of @ppm says something of more than some single samples
 * With fewer than 10 above it a percentile is what chance has made of the next run. The highest is always
 * told: as that, and not as one that others keep to.
 */
bool flx_latency_tells(const struct flx_latency *latency, uint32_t ppm);

/*
 * flx_latency_save - add the samples to file @path, as little-endian words of 32 bits
 * 0; -errno after one flx_error.
 */
int flx_latency_save(const struct flx_latency *latency, const char *path);
