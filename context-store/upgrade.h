/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * upgrade - the contexts of a store's files, copied into new ones of another schema.
 *
 * Contexts of an older version go through the program's upgrade function. The old files are only
 * read, so a failure or a kill leaves the store as it was.
 */
#pragma once

#include "context-store/store.h"

/*
 * flx_upgrade - all contexts in @store->files into the types of @store, which are mapped and empty
 * 0, @store->upgraded raised; -errno after one flx_error: -ENOSPC: more contexts than a limit; what
 * the upgrade function said. Context: setup.
 */
int flx_upgrade(struct flx_store *store, const struct flx_store_conf *conf);

/*
 * flx_upgrade_context - one context of @version, in the version of @conf
 * @old: @old_size bytes; @context: out, context_size of @conf; both aligned to 8
 * 0; -errno after one flx_error: what the upgrade function said. Context: setup.
 */
int flx_upgrade_context(const struct flx_context_type_conf *conf, uint32_t version, const void *old,
			uint32_t old_size, void *context);
