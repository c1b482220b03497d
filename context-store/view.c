/* SPDX-License-Identifier: BSD-3-Clause */
#include "context-store/view.h"

#include <errno.h>
#include <time.h>

#include "context-store/store.h"

/* The records of @t that may have been used, on all nodes. */
static int map_type(struct flx_view *view, uint32_t t)
{
	struct flx_view_type *type = &view->type[t];
	struct flx_scan_source *source = &view->source[t];
	uint32_t nodes = view->set->node_count, last = nodes - 1;
	const struct flx_file_type *share = &view->set->node[last].header->type[t];
	uint64_t end = (uint64_t)share->first + share->limit;
	uint64_t align = flx_file_align(view->set->node[0].header->page_bytes);
	int error = flx_arena_reserve(&type->records, (end + 1) * type->layout.stride_bytes, align);

	for (uint32_t n = 0; n < nodes && !error; n++) {
		const struct flx_file *file = &view->set->node[n];
		struct flx_backing backing = {.fd = file->fd, .read_only = true, .numa = -1};
		struct flx_file_part part;
		uint32_t bump;

		if (!flx_file_get(file, t, FLX_FILE_BUMP, &bump) ||
		    bump > file->header->type[t].limit)
			return -EINVAL;
		part = flx_file_part(file, t, 0, bump);
		backing.file_offset = part.file_offset;
		source->node[n].first = file->header->type[t].first;
		source->node[n].end = source->node[n].first + bump;
		type->limit += file->header->type[t].limit;
		if (part.size_bytes)
			error = flx_arena_back(&type->records, part.arena_offset, part.size_bytes,
					       &backing);
	}
	return error;
}

static int take_type(struct flx_view *view, uint32_t t)
{
	const struct flx_file_header *header = view->set->node[0].header;
	const struct flx_file_type *found = &header->type[t];
	struct flx_view_type *type = &view->type[t];
	uint32_t ttl;
	int error;

	if (!flx_file_get(&view->set->node[0], t, FLX_FILE_TTL, &ttl) || ttl > INT32_MAX ||
	    found->key_size > FLX_RECORD_KEY_MAX || found->context_size == 0 ||
	    found->context_size > FLX_RECORD_CONTEXT_MAX)
		return -EINVAL;
	type->name = found->name;
	type->version = found->version;
	flx_record_layout_init(&type->layout, found->key_size, found->context_size, 0, NULL);
	type->layout.ttl_ticks = ttl;
	error = type->layout.stride_bytes == found->stride_bytes ? map_type(view, t) : -EINVAL;
	view->source[t].name = type->name;
	view->source[t].version = type->version;
	view->source[t].layout = &type->layout;
	view->source[t].base = type->records.base;
	view->source[t].seed[0] = header->seed[0];
	view->source[t].seed[1] = header->seed[1];
	view->source[t].limit = type->limit;
	view->source[t].node_count = view->set->node_count;
	return error;
}

int flx_view_map(struct flx_view *view, struct flx_file_set *set)
{
	uint32_t tick = 0, wall = 0;
	int64_t away;

	view->set = set;
	if (flx_file_clock_get(&set->node[0], FLX_FILE_TICK, &tick) &&
	    flx_file_clock_get(&set->node[0], FLX_FILE_WALL, &wall) && wall) {
		away = (int64_t)time(NULL) - (int64_t)wall - 1; /* as the store, see there */
		if (away > FLX_STORE_AWAY_MAX_S)
			away = FLX_STORE_AWAY_MAX_S;
		tick += away > 0 ? (uint32_t)away * FLX_TICKS_PER_SECOND : 0;
	}
	view->now = tick;
	for (uint32_t t = 0; t < set->node[0].header->type_count; t++) {
		int error = take_type(view, t);

		view->type_count = t + 1;
		if (error) {
			flx_error("contexts of '%s' in the store: %s; restore a dump of it",
				  set->node[0].header->type[t].name, strerror(-error));
			flx_view_close(view);
			return error;
		}
	}
	return 0;
}

int flx_view_open(struct flx_view *view, const char *path)
{
	int error;

	*view = (struct flx_view){.files.lock = -1};
	error = flx_files_view(&view->files, path, flx_store_layout());
	if (error)
		return error;
	error = flx_view_map(view, &view->files.now);
	if (error)
		flx_files_close(&view->files);
	return error;
}

void flx_view_close(struct flx_view *view)
{
	for (uint32_t t = 0; t < view->type_count; t++)
		flx_arena_fini(&view->type[t].records);
	view->type_count = 0;
	if (view->set == &view->files.now)
		flx_files_close(&view->files);
	view->set = NULL;
}
