/* SPDX-License-Identifier: BSD-3-Clause */
#include "context-store/upgrade.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "context-store/view.h"

/* What an upgrade works with; large, hence not on the stack. */
struct copying {
	struct flx_view view;
	struct flx_scan scan;
	alignas(8) uint8_t context[FLX_RECORD_CONTEXT_MAX];
};

int flx_upgrade_context(const struct flx_context_type_conf *conf, uint32_t version, const void *old,
			uint32_t old_size, void *context)
{
	int error;

	if (version == conf->version) {
		memcpy(context, old, old_size);
		return 0;
	}
	memset(context, 0, conf->context_size);
	error = conf->upgrade(version, old, old_size, context);
	if (error)
		flx_error("contexts of '%s': the program does not upgrade one of version %u to %u "
			  "(%s); nothing was changed; run the older program, or mend the upgrade",
			  conf->name, version, conf->version, strerror(error < 0 ? -error : error));
	return error < 0 ? error : -error;
}

static int copy_type(struct flx_store *store, struct copying *copying, uint32_t t, uint32_t old,
		     const struct flx_context_type_conf *conf)
{
	struct flx_scan *scan = &copying->scan;
	struct flx_context_type *type = store->type[t];

	flx_scan_init(scan, &copying->view.source[old], copying->view.now);
	while (flx_scan_next(scan)) {
		int error =
			flx_upgrade_context(conf, scan->source->version, scan->copy.context,
					    scan->source->layout->context_size, copying->context);

		if (error)
			return error;
		error = flx_store_put(store, type, scan->copy.key, copying->context,
				      scan->copy.stamp);
		if (error == -E2BIG) {
			flx_error("contexts of '%s': the store has more than the limit of %u; "
				  "nothing was changed; raise the limit",
				  conf->name, type->limit);
			return -ENOSPC;
		}
		if (error) {
			flx_error("contexts of '%s': no room for all in the new files: %s; nothing "
				  "was changed; give the store's filesystem more",
				  conf->name, strerror(-error));
			return error;
		}
		store->upgraded += scan->source->version != conf->version;
	}
	if (scan->damaged && conf->key_size == 0)
		return flx_type_refuse_single(store->files.dir.path, conf->name);
	if (scan->damaged)
		flx_warn("contexts of '%s': %" PRIu64 " damaged ones were not copied", conf->name,
			 scan->damaged);
	return 0;
}

int flx_upgrade(struct flx_store *store, const struct flx_store_conf *conf)
{
	struct copying *copying = aligned_alloc(FLX_CACHE_LINE, (sizeof(*copying) + 63) & ~63ul);
	int error;

	if (!copying) {
		flx_error("the context store: no memory to upgrade it with; nothing was changed; "
			  "give the machine more of it");
		return -ENOMEM;
	}
	memset(copying, 0, sizeof(*copying));
	error = flx_view_map(&copying->view, &store->files.now);
	copying->view.now = store->start_tick;
	for (uint32_t t = 0; t < store->type_count && !error; t++) {
		int old = flx_files_type(&store->files.now, store->type[t]->name);

		if (old >= 0)
			error = copy_type(store, copying, t, (uint32_t)old, &conf->type[t]);
	}
	flx_view_close(&copying->view);
	free(copying);
	return error;
}
