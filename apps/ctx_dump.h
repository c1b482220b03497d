/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ctx_dump - a dump of a running fabric's contexts, by a thread: the control thread, which asks for
 * it, must not wait for a disk. One at a time in a process.
 */
#pragma once

#include "apps/answer.h"
#include "context-store/store.h"

/*
 * flx_ctx_dump - dump @store to @path; the answer goes on when that is done
 * @path: absolute, for who asks may be elsewhere
 * @snapshot: path of a dump that another thread writes, and that is refused here; NULL: none
 * As a command's function, see commands.h. Context: control thread.
 */
int flx_ctx_dump(struct flx_store *store, const char *snapshot, const char *path,
		 struct flx_answer *answer);

/* Gives up the dump under way, if any, and waits for its thread. Context: control thread. */
void flx_ctx_dump_stop(void);
