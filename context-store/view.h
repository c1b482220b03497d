/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * view - the contexts in a store's files, to read them: of one that runs, in another process; of
 * one that does not; of an older version, for an upgrade. Maps what was used when it was opened,
 * read-only.
 */
#pragma once

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
	uint32_t type_count;
	struct flx_view_type type[FLX_FILE_TYPES_MAX];
	struct flx_scan_source source[FLX_FILE_TYPES_MAX];
};

/*
 * flx_view_open - the store at @path; flx_view_map - files that are open
 * 0; -errno after one flx_error. Context: setup, any process.
 */
int flx_view_open(struct flx_view *view, const char *path);
int flx_view_map(struct flx_view *view, struct flx_file_set *set);
void flx_view_close(struct flx_view *view);
