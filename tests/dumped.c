/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/dumped.h"

#include <dirent.h>

#include "tests/random.h"
#include "tests/test.h"

static char folder[] = "/tmp/flx-test-dump-XXXXXX";

int flx_dumped_main(const char *suite, const struct flx_test *tests)
{
	char command[64];
	int status;

	if (!mkdtemp(folder))
		return EXIT_FAILURE;
	status = flx_test_main(suite, tests);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command) ? EXIT_FAILURE : status;
}

const char *flx_dumped_path(const char *name)
{
	static char path[2][256];
	static unsigned int turn;

	turn ^= 1;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", folder, name);
	return path[turn];
}

uint32_t flx_dumped_left(const char *name)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	uint32_t count = 0;

	while (dir && (entry = readdir(dir)) != NULL)
		count += strncmp(entry->d_name, name, strlen(name)) == 0 &&
			 strstr(entry->d_name, ".tmp-") != NULL;
	if (dir)
		closedir(dir);
	return count;
}

static void fill_key(uint8_t *key, uint32_t size, uint32_t number)
{
	for (uint32_t i = 0; i < size; i++)
		key[i] = (uint8_t)(i < 4 ? number >> 8 * i : number * 31 + i);
}

static void fill_context(uint8_t *context, uint32_t size, uint32_t type, uint32_t number)
{
	struct flx_random random = {(uint64_t)type << 32 | number};

	for (uint32_t i = 0; i < size; i++)
		context[i] = (uint8_t)flx_random_next(&random);
}

static uint32_t age_of(uint32_t type, uint32_t number)
{
	return type * 1000 + number * 3;
}

static uint16_t slice_of(const void *argument, const uint8_t *key)
{
	(void)argument;
	return key[0];
}

struct flx_store *flx_dumped_open(const struct flx_dumped *set, uint32_t count, const char *path,
				  struct flx_restore *restore)
{
	struct flx_context_type_conf types[FLX_DUMPED_TYPES] = {0};
	struct flx_store_conf conf = {
		.path = path,
		.worker_count = 1,
		.type_count = count,
		.type = types,
		.restore = restore,
	};
	struct flx_store *store = NULL;

	for (uint32_t t = 0; t < count; t++)
		types[t] = (struct flx_context_type_conf){
			.name = set[t].name,
			.version = set[t].version,
			.key_size = set[t].key_size,
			.context_size = set[t].context_size,
			.capacity = 100,
			.limit = 10000,
			.slice = slice_of,
		};
	return flx_store_open(&store, &conf) ? NULL : store;
}

void flx_dumped_fill(struct flx_store *store, const struct flx_dumped *set)
{
	uint8_t key[FLX_RECORD_KEY_MAX], context[FLX_RECORD_CONTEXT_MAX];

	for (uint32_t t = 0; t < store->type_count; t++)
		for (uint32_t i = 0; i < set[t].contexts; i++) {
			fill_key(key, set[t].key_size, i);
			fill_context(context, set[t].context_size, t, i);
			CU_ASSERT_FALSE_FATAL(flx_store_put(store, store->type[t], key, context,
							    FLX_DUMPED_NOW - age_of(t, i)));
		}
}

int flx_dumped_write(struct flx_store *store, const char *path, struct flx_dump_result *result)
{
	struct flx_scan_source source[FLX_DUMPED_TYPES];
	const struct flx_dump_conf conf = {.path = path,
					   .source = source,
					   .source_count = store->type_count,
					   .now = FLX_DUMPED_NOW};

	for (uint32_t t = 0; t < store->type_count; t++)
		flx_store_source(store->type[t], &source[t]);
	return flx_dump_write(&conf, result);
}

void flx_dumped_make(const struct flx_dumped *set, uint32_t count, const char *path)
{
	struct flx_store *store = flx_dumped_open(set, count, NULL, NULL);
	struct flx_dump_result result;

	CU_ASSERT_PTR_NOT_NULL_FATAL(store);
	flx_dumped_fill(store, set);
	CU_ASSERT_EQUAL_FATAL(flx_dumped_write(store, path, &result), 0);
	flx_store_close(store);
}

/* Whether a context is as flx_dumped_fill has put it; @number: out. */
bool flx_dumped_is_right(uint32_t type, const struct flx_dumped *set, const uint8_t *key,
			 const uint8_t *context, uint32_t *number)
{
	uint8_t bytes[FLX_RECORD_CONTEXT_MAX];
	uint32_t low = 0;

	memcpy(&low, key, set->key_size < 4 ? set->key_size : 4);
	*number = low;
	fill_key(bytes, set->key_size, low);
	if (low >= set->contexts || memcmp(bytes, key, set->key_size) != 0)
		return false;
	fill_context(bytes, set->context_size, type, low);
	return memcmp(bytes, context, set->context_size) == 0;
}

/* Contexts in @store that are as they were put, each once, and of the right age; else UINT32_MAX. */
uint32_t flx_dumped_count(struct flx_store *store, const struct flx_dumped *set, uint32_t more_age)
{
	static uint8_t seen[FLX_DUMPED_TYPES][10000];
	static struct flx_scan scan;
	uint32_t right = 0, number;

	memset(seen, 0, sizeof(seen));
	for (uint32_t t = 0; t < store->type_count; t++) {
		struct flx_scan_source source;

		flx_store_source(store->type[t], &source);
		flx_scan_init(&scan, &source, store->start_tick);
		while (flx_scan_next(&scan)) {
			uint32_t age = store->start_tick - scan.copy.stamp;

			if (!flx_dumped_is_right(t, &set[t], scan.copy.key, scan.copy.context,
						 &number) ||
			    seen[t][number]++)
				return UINT32_MAX;
			/* Up to ten seconds were spent in between. */
			if (age - age_of(t, number) - more_age > 10 * FLX_TICKS_PER_SECOND)
				return UINT32_MAX;
			right++;
		}
		if (scan.damaged)
			return UINT32_MAX;
	}
	return right;
}

uint32_t flx_dumped_sum(const struct flx_dumped *set, uint32_t count)
{
	uint32_t sum = 0;

	for (uint32_t t = 0; t < count; t++)
		sum += set[t].contexts;
	return sum;
}
