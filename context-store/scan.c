/* SPDX-License-Identifier: BSD-3-Clause */
#include "context-store/scan.h"

#include <rte_prefetch.h>

#include "context-store/siphash.h"

/* Records ahead, in memory that is read in order: more than the hardware looks ahead. */
#define PREFETCH_AHEAD 8

void flx_scan_init(struct flx_scan *scan, const struct flx_scan_source *source, uint32_t now)
{
	scan->source = source;
	scan->now = now;
	scan->node = 0;
	scan->number = source->node[0].first;
	scan->damaged = 0;
}

/* The next record that may have been used; NULL: there is none. */
static const struct flx_record *next_record(struct flx_scan *scan)
{
	const struct flx_scan_source *source = scan->source;
	const uint8_t *record;

	while (scan->number >= source->node[scan->node].end) {
		if (scan->node + 1 >= source->node_count)
			return NULL;
		scan->number = source->node[++scan->node].first;
	}
	record = source->base + (uint64_t)scan->number++ * source->layout->stride_bytes;
	rte_prefetch0(record + (size_t)PREFETCH_AHEAD * source->layout->stride_bytes);
	return (const struct flx_record *)(const void *)record;
}

static bool is_sound(const struct flx_scan *scan)
{
	const struct flx_scan_source *source = scan->source;
	uint32_t key_size = source->layout->key_size;

	return flx_record_copy_sound(source->layout, &scan->copy) &&
	       (uint32_t)flx_siphash13(source->seed, scan->copy.key, key_size) == scan->copy.hash;
}

bool flx_scan_next(struct flx_scan *scan)
{
	const struct flx_record_layout *layout = scan->source->layout;
	const struct flx_record *record;

	while ((record = next_record(scan)) != NULL) {
		uint64_t word = atomic_load_explicit(&record->word, memory_order_relaxed);

		if (!(word & FLX_RECORD_LIVE)) {
			/* A word that says that nothing is there may be the damaged part. */
			scan->damaged += !flx_record_dead_sound(word);
			continue;
		}
		if (!flx_record_read(layout, record, &scan->copy))
			continue;
		if (!is_sound(scan)) {
			scan->damaged++;
			continue;
		}
		if (!flx_record_over(layout, scan->copy.stamp, scan->now))
			return true;
	}
	return false;
}

bool flx_scan_find(struct flx_scan *scan, const uint8_t *key)
{
	const struct flx_record_layout *layout = scan->source->layout;
	uint32_t hash = (uint32_t)flx_siphash13(scan->source->seed, key, layout->key_size);
	const struct flx_record *record;

	while ((record = next_record(scan)) != NULL) {
		/* A glance; the copy is what counts. */
		if (*(const volatile uint32_t *)&record->hash != hash ||
		    !flx_record_read(layout, record, &scan->copy) ||
		    memcmp(scan->copy.key, key, layout->key_size) != 0)
			continue;
		if (is_sound(scan))
			return !flx_record_over(layout, scan->copy.stamp, scan->now);
		scan->damaged++;
	}
	return false;
}
