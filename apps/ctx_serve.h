/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ctx_serve - the contexts of a running fabric, for who asks through its control socket: `ctx count`,
 * `ctx list`, `ctx get`, `ctx dump`. No worker takes part: contexts are read as they are committed.
 *
 * A list is made in parts, each of which looks at some thousand records. A dump is written by a
 * thread of its own, on the caller's CPUs; there is one at a time, and it is given up when the
 * client goes away.
 */
#pragma once

#include "apps/answer.h"
#include "apps/request.h"
#include "context-store/store.h"

/*
 * flx_ctx_serve - run @request, whose first word is `ctx`
 * @snapshot: file that the fabric dumps to by itself, which no dump may go to; NULL: none
 * As a command's function, see commands.h. @store outlives flx_ctx_dump_stop.
 * Context: control thread, which is no reader of RCU otherwise: it is one, and online, while it looks
 * up a single context.
 */
int flx_ctx_serve(struct flx_store *store, const char *snapshot, const struct flx_request *request,
		  struct flx_answer *answer);
