/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * snapshot - a thread that dumps a running store to a file again and again, and once at the end.
 *
 * It reads contexts as they are committed and holds nobody up. A snapshot that fails leaves the one
 * before as it was, and the fabric goes on: there is one warning when that begins, and a note when
 * it is over.
 */
#pragma once

#include <stdio.h>

#include "context-store/store.h"

struct flx_snapshot;

/*
 * flx_snapshot_start - dump @store to @path every @every_s seconds
 * Both outlive the snapshot. The thread runs on the caller's CPUs. @out: where the last one is told
 * of; NULL: nowhere. 0; -errno after one flx_error. Context: control thread.
 */
int flx_snapshot_start(struct flx_snapshot **snapshot, struct flx_store *store, const char *path,
		       uint32_t every_s, FILE *out);

/* Where it dumps to. Context: any thread. */
const char *flx_snapshot_path(const struct flx_snapshot *snapshot);

/*
 * flx_snapshot_stop - end the thread, and dump a last time
 * A dump under way is given up. False after one flx_error: the last one failed.
 * Context: control thread; the last one has all when no worker runs any more.
 */
bool flx_snapshot_stop(struct flx_snapshot *snapshot);
