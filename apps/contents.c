/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/contents.h"

static int open_dump(struct flx_contents *contents, const char *path)
{
	int error = flx_dump_open(&contents->dump, path);

	if (error)
		return error;
	contents->is_dump = true;
	contents->type_count = contents->dump.head.type_count;
	for (uint32_t t = 0; t < contents->type_count; t++) {
		const struct flx_dump_type *type = &contents->dump.head.type[t];

		contents->type[t] = (struct flx_contents_type){
			.name = type->name,
			.version = type->version,
			.key_size = type->key_size,
			.context_size = type->context_size,
			.limit = type->limit,
		};
	}
	return 0;
}

static int open_store(struct flx_contents *contents, const char *path)
{
	int error = flx_view_open(&contents->view, path);

	if (error)
		return error;
	contents->type_count = contents->view.type_count;
	for (uint32_t t = 0; t < contents->type_count; t++) {
		const struct flx_view_type *type = &contents->view.type[t];

		contents->type[t] = (struct flx_contents_type){
			.name = type->name,
			.version = type->version,
			.key_size = type->layout.key_size,
			.context_size = type->layout.context_size,
			.limit = type->limit,
		};
	}
	return 0;
}

int flx_contents_open(struct flx_contents *contents, const char *store, const char *dump)
{
	contents->is_dump = contents->begun = false;
	contents->only = FLX_CONTENTS_ALL;
	contents->at = 0;
	return store ? open_store(contents, store) : open_dump(contents, dump);
}

void flx_contents_close(struct flx_contents *contents)
{
	if (contents->is_dump)
		flx_dump_close(&contents->dump);
	else
		flx_view_close(&contents->view);
}

bool flx_contents_choose(struct flx_contents *contents, const char *name)
{
	for (uint32_t t = 0; t < contents->type_count; t++) {
		if (strcmp(contents->type[t].name, name) == 0) {
			contents->only = contents->at = t;
			return true;
		}
	}
	return false;
}

static int next_of_dump(struct flx_contents *contents)
{
	int found;

	do
		found = flx_dump_next(&contents->dump);
	while (found > 0 && contents->only != FLX_CONTENTS_ALL &&
	       contents->dump.type != contents->only);
	contents->at = contents->dump.type;
	contents->age_ticks = contents->dump.age_ticks;
	contents->key = contents->dump.key;
	contents->context = contents->dump.context;
	return found;
}

static void take_scanned(struct flx_contents *contents)
{
	contents->age_ticks = flx_clock_age(contents->scan.copy.stamp, contents->scan.now);
	contents->key = contents->scan.copy.key;
	contents->context = contents->scan.copy.context;
}

static int next_of_store(struct flx_contents *contents)
{
	uint32_t end =
		contents->only == FLX_CONTENTS_ALL ? contents->type_count : contents->only + 1;

	for (; contents->at < end; contents->at++) {
		if (!contents->begun)
			flx_scan_init(&contents->scan, &contents->view.source[contents->at],
				      contents->view.now);
		contents->begun = flx_scan_next(&contents->scan);
		contents->type[contents->at].damaged = contents->scan.damaged;
		if (contents->begun) {
			take_scanned(contents);
			return 1;
		}
	}
	return 0;
}

int flx_contents_next(struct flx_contents *contents)
{
	int found = contents->is_dump ? next_of_dump(contents) : next_of_store(contents);

	if (found > 0)
		contents->type[contents->at].contexts++;
	return found;
}

int flx_contents_find(struct flx_contents *contents, const uint8_t *key)
{
	int found;

	FLX_ASSERT(contents->only != FLX_CONTENTS_ALL);
	if (!contents->is_dump) {
		flx_scan_init(&contents->scan, &contents->view.source[contents->only],
			      contents->view.now);
		if (!flx_scan_find(&contents->scan, key))
			return 0;
		take_scanned(contents);
		return 1;
	}
	do
		found = next_of_dump(contents);
	while (found > 0 &&
	       memcmp(contents->key, key, contents->type[contents->only].key_size) != 0);
	return found;
}
