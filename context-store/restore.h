/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * restore - the contexts of a dump (dump.h), into a store that is new.
 *
 * As an upgrade: older versions go through the program's upgrade function, what the store's types
 * do not fit is refused. A store in files is there only when all of the dump is in it. Contexts are
 * as old as they were, and as the dump is; those whose time is over are left out.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "context-store/schema.h"

struct flx_store;
struct flx_store_conf;

/* What flx_store_open is to restore, and what came of it. */
struct flx_restore {
	const char *path;
	bool damaged; /* take what is whole of a dump that is damaged; false: refuse it */
	bool only;    /* refuse a store that has contexts; false: leave the dump alone then */

	bool done; /* out, as all below: the store was new */
	uint64_t contexts;
	uint64_t upgraded; /* of these */
	uint64_t expired;  /* left out */
};

/*
 * flx_restore - all contexts of the dump at @conf->restore into the types of @store, which are
 * mapped and empty
 * @wanted: of @store. 0; -errno after one flx_error: -EBADMSG: no dump, or a damaged one; -EINVAL:
 * of other types; -ENOSPC: more contexts than a limit. Context: setup.
 */
int flx_restore(struct flx_store *store, const struct flx_store_conf *conf,
		const struct flx_schema *wanted);
