/* SPDX-License-Identifier: BSD-3-Clause */
/* All workers find what is there at the same time, as they do at the start of a program. */
#include <pthread.h>

#include "tests/store_dir.h"

#define KEYS	 30000
#define CAPACITY 40000
#define WORKERS	 4

struct finder {
	struct flx_store *store;
	pthread_barrier_t *scanned;
	uint32_t worker;
	int error;
};

static struct flx_store *open_store(uint32_t workers, uint32_t nodes)
{
	static const uint32_t worker_node[] = {0, 1, 0, 1};
	struct flx_context_type_conf types[2] = {test_type(CAPACITY)};
	struct flx_store_conf conf = test_conf(types, 2, workers);
	struct flx_store *store;

	types[1] = (struct flx_context_type_conf){.name = "single", .context_size = 8};
	conf.path = test_dir;
	conf.node_count = nodes;
	conf.numa[0] = conf.numa[1] = -1;
	conf.worker_node = nodes > 1 ? worker_node : NULL;
	CU_ASSERT_EQUAL_FATAL(flx_store_open(&store, &conf), 0);
	return store;
}

static void *find(void *argument)
{
	struct finder *finder = argument;

	finder->error = flx_store_scan(finder->store, finder->worker);
	pthread_barrier_wait(finder->scanned);
	if (!finder->error)
		finder->error = flx_store_enter(finder->store, finder->worker);
	return NULL;
}

static void find_at_once(struct flx_store *store, struct flx_store_found *found)
{
	struct finder finders[WORKERS];
	pthread_t threads[WORKERS];
	pthread_barrier_t scanned;

	pthread_barrier_init(&scanned, NULL, WORKERS);
	CU_ASSERT_EQUAL_FATAL(flx_store_prepare(store), 0);
	for (uint32_t w = 0; w < WORKERS; w++) {
		finders[w] = (struct finder){store, &scanned, w, -1};
		CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[w], NULL, find, &finders[w]), 0);
	}
	for (uint32_t w = 0; w < WORKERS; w++) {
		pthread_join(threads[w], NULL);
		CU_ASSERT_EQUAL(finders[w].error, 0);
	}
	pthread_barrier_destroy(&scanned);
	flx_store_finish(store, found);
}

/* Keys that are a multiple of 3 were deleted; when crowded, half lie in one slice. */
static uint64_t key_of(uint64_t number, bool crowded)
{
	return crowded && number % 2 ? (number << 32) * FLX_INDEX_SLICES : number;
}

static void fill(uint32_t nodes, bool crowded)
{
	struct flx_store *store;
	struct flx_store_found found;

	test_dir_clear();
	store = open_store(1, nodes);
	CU_ASSERT_EQUAL_FATAL(flx_store_attach(store, &found), 0);
	for (uint64_t n = 0; n < KEYS; n++) {
		CU_ASSERT_EQUAL(test_one(store->type[0], 0, key_of(n, crowded), TEST_COMMIT), 0);
		if (n % 100 == 0)
			flx_store_keep(store);
	}
	for (uint64_t n = 0; n < KEYS; n += 3)
		test_one(store->type[0], 0, key_of(n, crowded), TEST_DELETE);
	flx_store_close(store);
}

static void test_store_is_found_by_all_workers_at_once(void)
{
	for (uint32_t row = 0; row < 4; row++) {
		uint32_t nodes = 1 + row / 2;
		bool crowded = row % 2;
		uint64_t wrong = 0, made = 0;
		struct flx_store_found found;
		struct flx_context_type *type;
		struct flx_store *store;

		fill(nodes, crowded);
		store = open_store(WORKERS, nodes);
		find_at_once(store, &found);
		type = store->type[0];
		CU_ASSERT_EQUAL(found.contexts, KEYS / 3 * 2);
		CU_ASSERT_EQUAL(found.damaged, 0);
		for (uint64_t n = 0; n < KEYS; n++)
			wrong += test_view(type, 0, key_of(n, crowded)) != (n % 3 != 0);
		CU_ASSERT_EQUAL(wrong, 0);
		/* What is free is to be had, by whoever needs it. */
		for (uint64_t n = 0; n < 2 * CAPACITY; n++) {
			made += test_one(type, 0, KEYS + n, TEST_COMMIT) == 0;
			for (uint32_t w = 1; w < WORKERS; w++)
				flx_context_settle(type, w);
			if (n % 64 == 0)
				flx_store_keep(store);
		}
		CU_ASSERT_EQUAL(made, CAPACITY - KEYS / 3 * 2);
		CU_ASSERT_EQUAL(flx_context_count(type), CAPACITY);
		flx_store_close(store);
	}
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_store_is_found_by_all_workers_at_once),
		{0},
	};
	int status;

	test_dir_init();
	status = flx_test_main("store attach", tests);
	test_dir_clear();
	return status;
}
