/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ctx - `flx ctx`: looks at the contexts of a fabric that runs, of a store, running or not, or of a
 * dump; copies them to a dump, and a dump to a store.
 */
#pragma once

/*
 * flx_ctx - do what @argv says: what follows `ctx`, ends at NULL
 * Returns the exit status, after one flx_error where that is not 0; 1 without one: `get` found no
 * context. Context: main thread.
 */
int flx_ctx(char *const *argv);
