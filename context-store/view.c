/* SPDX-License-Identifier: BSD-3-Clause */
#include "context-store/view.h"

#include <errno.h>
#include <stdlib.h>

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
	int error;

	if (found->key_size > FLX_RECORD_KEY_MAX || found->context_size == 0 ||
	    found->context_size > FLX_RECORD_CONTEXT_MAX)
		return -EINVAL;
	type->name = found->name;
	type->version = found->version;
	flx_record_layout_init(&type->layout, found->key_size, found->context_size, 0, NULL);
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

/* The stamp of the latest commit that is there; 0: there is none. */
static uint32_t find_latest(const struct flx_view *view)
{
	uint32_t latest = 0;
	struct flx_scan scan;
	bool any = false;

	for (uint32_t t = 0; t < view->type_count; t++) {
		flx_scan_init(&scan, &view->source[t], 0);
		while (flx_scan_next(&scan)) {
			if (!any || flx_clock_age(latest, scan.copy.stamp))
				latest = scan.copy.stamp;
			any = true;
		}
	}
	return latest;
}

/* Now, and then the time limits, by which a scan leaves out what is over. */
static void take_time(struct flx_view *view)
{
	flx_clock_read(&view->clock, view->set);
	view->now = view->clock.tick;
	if (view->clock.tick_damaged)
		view->now += find_latest(view);
	for (uint32_t t = 0; t < view->type_count; t++) {
		uint32_t ttl;

		if (flx_file_get(&view->set->node[0], t, FLX_FILE_TTL, &ttl) && ttl <= INT32_MAX)
			view->type[t].layout.ttl_ticks = ttl;
		else
			view->ttl_damaged = true;
	}
}

static void warn_time(const char *path, const struct flx_clock *clock, bool ttl_damaged)
{
	if (clock->tick_damaged || clock->wall_damaged || ttl_damaged)
		flx_warn("%s: its time is damaged (words%s%s%s): ages may be too small, by the "
			 "latest commit that is there, and contexts be there whose time is over; "
			 "none is missing; check the machine's memory and disk",
			 path, clock->tick_damaged ? " tick" : "",
			 clock->wall_damaged ? " wall" : "", ttl_damaged ? " ttl" : "");
}

int flx_view_map(struct flx_view *view, struct flx_file_set *set)
{
	view->set = set;
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
	take_time(view);
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
	else
		warn_time(path, &view->clock, view->ttl_damaged);
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

int flx_view_now(struct flx_file_set *set, const char *path, uint32_t *now)
{
	struct flx_clock clock;
	struct flx_view *view;
	int error;

	flx_clock_read(&clock, set);
	*now = clock.tick;
	warn_time(path, &clock, false);
	if (!clock.tick_damaged)
		return 0;
	view = calloc(1, sizeof(*view));
	if (!view) {
		flx_error("%s: no memory to find its latest commit; give the machine more of it",
			  path);
		return -ENOMEM;
	}
	error = flx_view_map(view, set);
	*now = view->now;
	if (!error)
		flx_view_close(view);
	free(view);
	return error;
}
