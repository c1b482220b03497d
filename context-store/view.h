/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * view - the contexts in a store's files, to read them: of one that runs, in another process; of
 * one that does not; of an older version, for an upgrade. Maps what was used when it was opened,
 * read-only.
 *
 * Where the clock is damaged now is the latest commit that is there, and the time away if that is
 * known; where the time limit of a type is, it has none. So ages may be too small, and contexts be
 * there whose time is over, but none is missing.
 */
#pragma once

#include "context-store/clock.h"
#include "context-store/files.h"
#include "context-store/scan.h"

struct flx_view_type {
	const char *name;
	uint32_t version;
	uint32_t limit; /* over all nodes */
	struct flx_record_layout layout;
	struct flx_arena records;
};

struct flx_view {
	struct flx_files files; /* of flx_view_open */
	struct flx_file_set *set;
	uint32_t now; /* tick of the store's clock when it was opened */
	struct flx_clock clock;
	bool ttl_damaged; /* of some type, which has none here */
	uint32_t type_count;
	struct flx_view_type type[FLX_FILE_TYPES_MAX];
	struct flx_scan_source source[FLX_FILE_TYPES_MAX];
};

/*
 * flx_view_open - the store at @path; what of its time is damaged is said in one warning
 * flx_view_map - files that are open; without the warning
 * 0; -errno after one flx_error. Context: setup, any process.
 */
int flx_view_open(struct flx_view *view, const char *path);
int flx_view_map(struct flx_view *view, struct flx_file_set *set);
void flx_view_close(struct flx_view *view);

/*
 * flx_view_now - the tick that it is now in @set, the store at @path, for who runs on it
 * Warns as flx_view_open. 0; -errno after one flx_error. Context: setup.
 */
int flx_view_now(struct flx_file_set *set, const char *path, uint32_t *now);
