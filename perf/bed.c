/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/bed.h"

#include <errno.h>
#include <mntent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <urcu-qsbr.h>

#include "perf/sample.h"

/* Records beyond the keys: what caches and grace periods may hold. */
#define SPARE 65536
/* Keys between two turns of the keeper: what a table grows by until it has to wait for one. */
#define KEEP_EVERY (256 * FLX_BATCH)

/* ----------------------------------------------------------------------------------------- keys */

/* splitmix64 (Vigna, 2015): a bijection. */
static uint64_t mix(uint64_t value)
{
	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
	value = (value ^ value >> 27) * 0x94d049bb133111eb;
	return value ^ value >> 31;
}

static uint16_t slice_of(const void *argument, const uint8_t *key)
{
	uint64_t spread;

	(void)argument;
	memcpy(&spread, key, sizeof(spread));
	return (uint16_t)(spread >> 40 & (FLX_INDEX_SLICES - 1));
}

static void set_key(struct flx_keys *keys, uint32_t i, uint64_t number)
{
	keys->key[i] = mix(number + 1);
	keys->slices[i] = slice_of(NULL, (const uint8_t *)&keys->key[i]);
}

void flx_keys_list(struct flx_keys *keys, uint32_t first)
{
	for (uint32_t i = 0; i < FLX_BATCH; i++)
		set_key(keys, i, first + i);
}

void flx_keys_shuffle(struct flx_keys *keys, uint32_t first, uint32_t count)
{
	/* A prime that divides no count below it or a round one: each number comes once. */
	for (uint32_t i = 0; i < FLX_BATCH; i++)
		set_key(keys, i, (uint64_t)(first + i) * 4294967291u % count);
}

void flx_keys_draw(struct flx_keys *keys, struct flx_draw *draw)
{
	for (uint32_t i = 0; i < FLX_BATCH; i++)
		set_key(keys, i, mix(++draw->state * 0x9e3779b97f4a7c15) % draw->keys);
}

/* ----------------------------------------------------------------------------------------- store */

static void populate(const struct flx_arena *arena)
{
	uint64_t ready = atomic_load_explicit(&arena->ready_bytes, memory_order_relaxed);

	/* Refused: the first run is slower, and the median is not. */
	(void)madvise(arena->base, ready, MADV_POPULATE_WRITE);
}

int flx_bed_open(struct flx_bed *bed, const struct flx_bed_conf *conf)
{
	const struct flx_context_type_conf type = {
		.name = "bench",
		.version = 1,
		.key_size = 8,
		.context_size = FLX_BED_CONTEXT_SIZE,
		.capacity = conf->step ? conf->step : conf->keys + SPARE,
		.limit = conf->keys + SPARE,
		.slice = slice_of,
	};
	const uint64_t seed[2] = {1, 2}; /* what grows when is the same in every run */
	const struct flx_store_conf store = {
		.path = conf->path,
		.huge = conf->huge,
		.tsc_hz = (uint64_t)(flx_tsc_mhz() * 1e6),
		.start_tsc = rte_rdtsc(),
		.seed = conf->path ? NULL : seed,
		.worker_count = conf->workers ? conf->workers : 1,
		.type_count = 1,
		.type = &type,
	};
	int error = flx_store_open(&bed->store, &store);

	if (error)
		return error;
	bed->type = bed->store->type[0];
	if (!conf->huge && !conf->path)
		populate(&bed->type->records);
	if (!conf->huge)
		populate(&bed->type->blocks);
	return 0;
}

void flx_bed_close(struct flx_bed *bed)
{
	if (bed->store)
		flx_store_close(bed->store);
	bed->store = NULL;
}

/* A directory whose files get hugepages of 2 MiB; false: none is mounted, or may be written. */
static bool find_hugetlbfs(char *where, size_t size)
{
	FILE *mounts = setmntent("/proc/mounts", "r");
	struct mntent *entry;
	bool found = false;

	while (mounts && !found && (entry = getmntent(mounts)) != NULL) {
		struct statfs filesystem;

		found = strcmp(entry->mnt_type, "hugetlbfs") == 0 &&
			strlen(entry->mnt_dir) < size && statfs(entry->mnt_dir, &filesystem) == 0 &&
			(uint64_t)filesystem.f_bsize == FLX_ARENA_PAGE &&
			access(entry->mnt_dir, W_OK) == 0;
		if (found)
			strcpy(where, entry->mnt_dir);
	}
	if (mounts)
		endmntent(mounts);
	return found;
}

/* The directory that is there now; "": none. */
static char made[64];

int flx_bed_path(char path[64], uint32_t keys)
{
	/* Records of three lines, and what is beside them. */
	uint64_t needs = ((uint64_t)keys + SPARE) * 192 + 4 * FLX_ARENA_PAGE;
	char where[32] = "/dev/shm";

	if (flx_bed_huge_bytes() < needs || !find_hugetlbfs(where, sizeof(where)))
		strcpy(where, "/dev/shm");
	snprintf(path, 64, "%s/flx-bench-XXXXXX", where);
	if (mkdtemp(path)) {
		memcpy(made, path, sizeof(made));
		return 0;
	}
	flx_error("flxperf: cannot make %s: %s; mount a tmpfs there", path, strerror(errno));
	return -errno;
}

void flx_bed_unlink(const char *path)
{
	const char *files[] = {"node0", "node0.next", "lock"};
	char name[96];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(name, sizeof(name), "%s/%s", path, files[i]);
		unlink(name);
	}
	rmdir(path);
	made[0] = '\0';
}

void flx_bed_leave(void)
{
	if (made[0])
		flx_bed_unlink(made);
}

/* --------------------------------------------------------------------------------------- batches */

uint32_t flx_bed_update(struct flx_bed *bed, struct flx_keys *keys)
{
	struct flx_context_type *type = bed->type;
	uint32_t refused = 0;

	flx_store_turn(bed->store, 0, rte_rdtsc());
	flx_context_bind(type, 0, keys->slices, (const uint8_t *)keys->key, FLX_BATCH,
			 keys->records);
	for (uint32_t i = 0; i < FLX_BATCH; i++) {
		uint64_t *counter;

		if (i + FLX_CONTEXT_AHEAD < FLX_BATCH)
			flx_context_ask(type, keys->records[i + FLX_CONTEXT_AHEAD]);
		if (unlikely(!keys->records[i])) {
			refused++;
			continue;
		}
		counter = flx_context_open(type, 0, keys->slices[i], keys->records[i]);
		++*counter;
		flx_context_commit(type, 0, keys->records[i]);
	}
	flx_context_settle(type, 0);
	return refused;
}

void flx_bed_delete(struct flx_bed *bed, struct flx_keys *keys)
{
	struct flx_context_type *type = bed->type;

	flx_store_turn(bed->store, 0, rte_rdtsc());
	flx_context_bind(type, 0, keys->slices, (const uint8_t *)keys->key, FLX_BATCH,
			 keys->records);
	for (uint32_t i = 0; i < FLX_BATCH; i++) {
		if (i + FLX_CONTEXT_AHEAD < FLX_BATCH)
			flx_context_ask(type, keys->records[i + FLX_CONTEXT_AHEAD]);
		FLX_VERIFY(keys->records[i]);
		flx_context_open(type, 0, keys->slices[i], keys->records[i]);
		flx_context_delete(type, 0, keys->slices[i], keys->records[i]);
	}
	flx_context_settle(type, 0);
}

void flx_bed_fill(struct flx_bed *bed, uint32_t count,
		  uint32_t (*write)(struct flx_bed *bed, struct flx_keys *keys))
{
	static struct flx_keys keys;

	for (uint32_t next = 0; next < count; next += FLX_BATCH) {
		flx_keys_list(&keys, next);
		FLX_VERIFY(write(bed, &keys) == 0);
		if (next % KEEP_EVERY)
			continue;
		/* It may wait for all who are online. */
		rcu_thread_offline();
		flx_store_keep(bed->store);
		rcu_thread_online();
	}
}

/* --------------------------------------------------------------------------------------- machine */

unsigned int flx_bed_worker_cpu(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 1 : 0;
}

unsigned int flx_bed_other_cpu(void)
{
	return 0;
}

void flx_bed_pin(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	/* Refused in some containers: then the figures scatter more. */
	(void)sched_setaffinity(0, sizeof(set), &set);
}

uint64_t flx_bed_huge_bytes(void)
{
	FILE *file = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "r");
	unsigned long pages = 0;

	if (file && fscanf(file, "%lu", &pages) != 1)
		pages = 0;
	if (file)
		fclose(file);
	return pages * FLX_ARENA_PAGE;
}
