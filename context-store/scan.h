/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scan - all contexts of a type, one after the other, for a reader.
 *
 * Goes by record number, past the index, so that it serves any thread and any process that has the
 * records mapped, while their owners go on. Each context is copied whole (see flx_record_read). One
 * that is there all the time is seen once; one that is deleted and made anew meanwhile may be seen
 * twice or not at all. A damaged record is skipped and counted.
 */
#pragma once

#include "context-store/record.h"
#include "context-store/slab.h"

/* Where the records are. Filled by flx_store_source or flx_view_source. */
struct flx_scan_source {
	const char *name;
	uint32_t version;
	const struct flx_record_layout *layout;
	const uint8_t *base; /* of number 0 */
	uint64_t seed[2];
	uint32_t limit; /* records at most, for reports */
	uint32_t node_count;
	struct {
		uint32_t first, end; /* numbers that may have been used */
	} node[FLX_NODES_MAX];
};

struct flx_scan {
	const struct flx_scan_source *source;
	uint32_t now; /* tick: what is over by then is skipped */
	uint32_t node;
	uint32_t number; /* next */
	uint64_t damaged;
	struct flx_record_copy copy; /* the last one found */
};

void flx_scan_init(struct flx_scan *scan, const struct flx_scan_source *source, uint32_t now);

/*
 * flx_scan_next - the next context, in @scan->copy; false: that was all
 * Context: any thread or process.
 */
bool flx_scan_next(struct flx_scan *scan);

/*
 * flx_scan_find - the context of @key, in @scan->copy; false: there is none
 * Reads the first line of every record: for those who have no index. Context: as flx_scan_next.
 */
bool flx_scan_find(struct flx_scan *scan, const uint8_t *key);
