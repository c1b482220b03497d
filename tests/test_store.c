/* SPDX-License-Identifier: BSD-3-Clause */
/* Stores that grow, that come back damaged, whose clocks went on, and that are refused. */
#include <errno.h>
#include <time.h>

#include "context-store/dump.h"
#include "context-store/view.h"
#include "tests/capture.h"
#include "tests/store_dir.h"

static struct flx_context_type_conf conf;

static struct flx_store *reopen(struct flx_store *store, struct flx_store_found *found)
{
	if (store)
		flx_store_close(store);
	store = test_dir_open(&conf, 1, 1, 1, found);
	CU_ASSERT_PTR_NOT_NULL_FATAL(store);
	return store;
}

static struct flx_record *record_of(struct flx_store *store, uint64_t key)
{
	uint16_t slice = (uint16_t)(key % FLX_INDEX_SLICES);
	struct flx_record *record;

	flx_context_find(store->type[0], &slice, (uint8_t *)&key, 1, &record);
	CU_ASSERT_PTR_NOT_NULL_FATAL(record);
	return record;
}

/* All keys of [@from, @to), in order, until one is refused; how many were not. */
static uint64_t make(struct flx_store *store, uint64_t from, uint64_t to)
{
	uint64_t key = from;

	while (key < to && test_one(store->type[0], 0, key, TEST_COMMIT) != TEST_NONE)
		key++;
	return key - from;
}

static uint32_t word_of(const struct flx_store *store, uint32_t node, enum flx_file_word which)
{
	uint32_t value = UINT32_MAX;

	CU_ASSERT_TRUE(flx_file_get(&store->files.now.node[node], 0, which, &value));
	return value;
}

#define CAPACITY 30000
#define LIMIT	 150000

/* By a step at a time, ahead of need, to the limit and not beyond; and so again after a start. */
static void test_store_grows_to_its_limit(void)
{
	for (uint32_t nodes = 0; nodes <= 3; nodes++) {
		uint32_t share = nodes > 1 ? flx_type_share(LIMIT, nodes) : LIMIT;
		uint64_t total = nodes > 1 ? (uint64_t)share * nodes : LIMIT, made = 0;
		struct flx_store_found found;
		struct flx_store *store;

		conf = test_type(CAPACITY);
		conf.limit = LIMIT;
		test_dir_clear();
		store = nodes ? test_dir_open(&conf, 1, 1, nodes, &found) : test_open(&conf, 1);
		CU_ASSERT_PTR_NOT_NULL_FATAL(store);
		CU_ASSERT_FALSE(flx_store_keep(store));
		/* Without a keeper, what was there at first. */
		made = make(store, 0, 2 * LIMIT);
		CU_ASSERT_TRUE(made >= CAPACITY && made < CAPACITY + FLX_NODES_MAX);
		while (flx_store_keep(store) && made < total) {
			uint64_t more = make(store, made, 2 * LIMIT);

			CU_ASSERT_TRUE(more > 0 && more <= CAPACITY + FLX_NODES_MAX);
			made += more;
		}
		CU_ASSERT_EQUAL(made, total);
		CU_ASSERT_EQUAL(flx_context_count(store->type[0]), total);
		for (uint32_t n = 0; n < nodes; n++) {
			CU_ASSERT_EQUAL(word_of(store, n, FLX_FILE_READY), share);
			CU_ASSERT_EQUAL(word_of(store, n, FLX_FILE_BUMP), share);
		}
		if (nodes) {
			flx_store_close(store);
			store = test_dir_open(&conf, 1, 1, nodes, &found);
			CU_ASSERT_PTR_NOT_NULL_FATAL(store);
			CU_ASSERT_EQUAL(found.contexts, total);
			CU_ASSERT_EQUAL(make(store, 2 * LIMIT, 2 * LIMIT + 1), 0);
		}
		flx_store_close(store);
	}
}

/* Words say what was used, so that a start looks at no more; and growth goes on from there. */
static void test_store_words_follow_what_is_used(void)
{
	const uint64_t most = CAPACITY / 10 * 9;
	struct flx_store_found found;
	struct flx_store *store;

	conf = test_type(CAPACITY);
	conf.limit = LIMIT;
	test_dir_clear();
	store = reopen(NULL, &found);
	CU_ASSERT_TRUE(store->is_new);
	CU_ASSERT_EQUAL(word_of(store, 0, FLX_FILE_READY), CAPACITY);
	CU_ASSERT_EQUAL(word_of(store, 0, FLX_FILE_BUMP), 0);
	CU_ASSERT_EQUAL(make(store, 0, most), most);
	CU_ASSERT_TRUE(word_of(store, 0, FLX_FILE_BUMP) >= most);
	CU_ASSERT_TRUE(word_of(store, 0, FLX_FILE_BUMP) <= most + FLX_SLAB_BLOCK);
	CU_ASSERT_TRUE(flx_store_keep(store));
	CU_ASSERT_EQUAL(word_of(store, 0, FLX_FILE_READY), 2 * CAPACITY);
	CU_ASSERT_EQUAL(make(store, most, 2 * most), most);
	store = reopen(store, &found);
	CU_ASSERT_FALSE(store->is_new);
	CU_ASSERT_EQUAL(found.contexts, 2 * most);
	CU_ASSERT_EQUAL(word_of(store, 0, FLX_FILE_READY), 2 * CAPACITY);
	CU_ASSERT_EQUAL(make(store, 2 * most, 2 * LIMIT), 2 * (CAPACITY - most));
	flx_store_close(store);
}

/* One byte wrong in each of some records: not found, not used, counted, and the others are fine. */
static void test_store_damaged_are_in_quarantine(void)
{
	static const uint32_t offsets[] = {0, 3, 5, 8, 11, 20, 27}; /* and stamp, image */
	struct flx_store_found found;
	struct flx_store *store;
	uint32_t damaged = 0;
	uint64_t wrong = 0;

	conf = test_type(1000);
	test_dir_clear();
	store = reopen(NULL, &found);
	CU_ASSERT_EQUAL(make(store, 0, 500), 500);
	for (uint64_t key = 100; key < 150; key++)
		CU_ASSERT_EQUAL(test_one(store->type[0], 0, key, TEST_DELETE), 1);
	for (uint64_t key = 0; key < 90; key += 10, damaged++) {
		struct flx_record *record = record_of(store, key);
		uint32_t image = (uint32_t)atomic_load(&record->word) & 1;
		uint32_t offset = damaged < 7	 ? offsets[damaged]
				  : damaged == 7 ? 12 + 4 * image
						 : 32 + 8 * image;

		((uint8_t *)record)[offset] ^= 0x40;
	}
	for (uint32_t again = 0; again < 2; again++) {
		store = reopen(store, &found);
		CU_ASSERT_EQUAL(found.damaged, damaged);
		CU_ASSERT_EQUAL(found.contexts, 450 - damaged);
		for (uint64_t key = 0; key < 500; key++)
			wrong += test_view(store->type[0], 0, key) !=
				 !((key >= 100 && key < 150) || (key < 90 && key % 10 == 0));
	}
	CU_ASSERT_EQUAL(wrong, 0);
	/* The damaged keys begin anew, elsewhere; the type holds so many fewer. */
	CU_ASSERT_EQUAL(make(store, 1000, 9000), 1000 - 450);
	CU_ASSERT_EQUAL(flx_context_count(store->type[0]), 1000 - damaged);
	store = reopen(store, &found);
	CU_ASSERT_EQUAL(found.damaged, damaged);
	CU_ASSERT_EQUAL(found.contexts, 1000 - damaged);
	flx_store_close(store);
}

/* Two records of one key: the one that was committed later is it. */
static void test_store_of_twins_the_younger_stays(void)
{
	for (uint32_t first_is_younger = 0; first_is_younger < 2; first_is_younger++) {
		struct flx_store_found found;
		struct flx_record *a, *b;
		struct flx_store *store;

		conf = test_type(100);
		test_dir_clear();
		store = reopen(NULL, &found);
		make(store, 0, 10);
		a = record_of(store, first_is_younger ? 2 : 5);
		b = record_of(store, first_is_younger ? 5 : 2);
		memcpy((void *)b, (void *)a, store->type[0]->layout.stride_bytes);
		flx_store_turn(store, 0, 100);
		test_one(store->type[0], 0, first_is_younger ? 2 : 5, TEST_COMMIT);
		for (uint32_t again = 0; again < 2; again++) {
			store = reopen(store, &found);
			CU_ASSERT_EQUAL(found.contexts, 9);
			CU_ASSERT_EQUAL(found.twins, !again);
			CU_ASSERT_EQUAL(found.damaged, 0);
			CU_ASSERT_EQUAL(test_view(store->type[0], 0, first_is_younger ? 2 : 5), 2);
			CU_ASSERT_EQUAL(test_view(store->type[0], 0, first_is_younger ? 5 : 2), 0);
		}
		CU_ASSERT_EQUAL(make(store, 100, 1000), 91);
		flx_store_close(store);
	}
}

/* The clock goes on while the store is away, and never back. */
static void test_store_time_goes_on(void)
{
	static const struct {
		int64_t away_s;
		uint64_t value; /* of a context with 5 s left of 10 */
		uint32_t now;	/* or up to a second less, or more */
	} rows[] = {
		{0, 1, 1320},	  {3, 1, 1512},
		{7, 0, 1768},	  {86400 * 100, 0, 1320 + 8640000u * 64},
		{-1000, 1, 1320},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct flx_store_found found;
		struct flx_store *store;
		uint32_t now;

		conf = test_type(100);
		conf.ttl_ms = 10000;
		test_dir_clear();
		store = reopen(NULL, &found);
		flx_store_turn(store, 0, 1000);
		make(store, 1, 2);
		flx_file_clock_set(&store->files.now.node[0], FLX_FILE_TICK, 1320);
		flx_file_clock_set(&store->files.now.node[0], FLX_FILE_WALL,
				   (uint32_t)(time(NULL) - rows[i].away_s));
		store = reopen(store, &found);
		now = store->type[0]->turn[0].now;
		CU_ASSERT_TRUE(now + 64 >= rows[i].now && now <= rows[i].now + 64);
		CU_ASSERT_EQUAL(found.contexts, 1);
		CU_ASSERT_EQUAL(test_view(store->type[0], 0, 1), rows[i].value);
		CU_ASSERT_EQUAL(test_one(store->type[0], 0, 1, TEST_COMMIT), rows[i].value);
		flx_store_close(store);
	}
}

static void start_anew(void *context)
{
	*(uint64_t *)context = 7;
}

/* A context without a key is one record, on whichever node. */
static const struct flx_context_type_conf *single_types(void)
{
	static struct flx_context_type_conf types[3];

	types[0] = (struct flx_context_type_conf){
		.name = "a", .version = 1, .context_size = 8, .init = start_anew};
	types[1] = test_type(10);
	types[2] = (struct flx_context_type_conf){
		.name = "b", .version = 1, .context_size = 8, .ttl_ms = 1000};
	return types;
}

static uint64_t commit_single(struct flx_context_type *type, uint32_t worker)
{
	static const enum test_step commit = TEST_COMMIT;
	static const uint64_t none;
	uint64_t value;

	test_batch(type, worker, 1, &none, &commit, 1, &value);
	return value;
}

static void test_store_single_comes_back(void)
{
	for (uint32_t nodes = 1; nodes <= 3; nodes++) {
		struct flx_store_found found;

		test_dir_clear();
		for (uint64_t round = 0; round < 4; round++) {
			struct flx_store *store = test_dir_open(single_types(), 3, nodes,
								round == 3 ? 1 : nodes, &found);

			CU_ASSERT_PTR_NOT_NULL_FATAL(store);
			CU_ASSERT_EQUAL(found.contexts, round ? 2 : 0);
			CU_ASSERT_EQUAL(commit_single(store->type[0], nodes - 1), 7 + round);
			CU_ASSERT_EQUAL(commit_single(store->type[2], 0), round);
			CU_ASSERT_FALSE(flx_store_keep(store));
			flx_store_close(store);
		}
	}
}

/* As a viewer sees it, and copied to @path. */
static void dump_viewed(const char *path, uint64_t contexts, uint64_t damaged)
{
	static struct flx_view view;
	struct flx_dump_result result;
	struct flx_dump_conf dump = {.path = path, .source = view.source};

	CU_ASSERT_EQUAL_FATAL(flx_view_open(&view, test_dir), 0);
	dump.source_count = view.type_count;
	dump.now = view.now;
	CU_ASSERT_EQUAL(flx_dump_write(&dump, &result), 0);
	CU_ASSERT_EQUAL(result.contexts, contexts);
	CU_ASSERT_EQUAL(result.damaged, damaged);
	flx_view_close(&view);
}

/* Refused, for it is all that its type has; viewers count it, and there is a way to do without it. */
static void test_store_single_that_is_damaged_refuses_the_start(void)
{
	/* Word, hash, second stamp, second image. */
	static const uint32_t offsets[] = {0, 3, 7, 8, 11, 16, 19, 32, 39};
	char path[96];
	struct flx_restore restore = {.path = path};
	struct flx_store_conf anew = test_conf(single_types(), 3, 1);
	struct flx_store_found found;
	struct flx_store *store;

	snprintf(path, sizeof(path), "%s.dump", test_dir);
	anew.restore = &restore;
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		struct flx_capture capture;

		test_dir_clear();
		store = test_dir_open(single_types(), 3, 1, 1, &found);
		CU_ASSERT_PTR_NOT_NULL_FATAL(store);
		commit_single(store->type[0], 0);
		commit_single(store->type[2], 0);
		CU_ASSERT_EQUAL(test_one(store->type[1], 0, 5, TEST_COMMIT), 0);
		((uint8_t *)store->type[0]->single)[offsets[i]] ^= 1;
		flx_store_close(store);
		flx_capture_start(&capture);
		store = test_dir_open(single_types(), 3, 1, 1, &found);
		flx_capture_stop(&capture);
		CU_ASSERT_PTR_NULL(store);
		CU_ASSERT_PTR_NOT_NULL(strstr(capture.text, "the one context of 'a' is damaged; "
							    "restore a dump into another --store"));
		dump_viewed(path, 2, 1);
		CU_ASSERT_EQUAL_FATAL(flx_store_open(&store, &anew), 0);
		CU_ASSERT_EQUAL(flx_store_attach(store, &found), 0);
		CU_ASSERT_EQUAL(found.contexts, 2);
		CU_ASSERT_EQUAL(commit_single(store->type[0], 0), 7);
		CU_ASSERT_EQUAL(commit_single(store->type[2], 0), 1);
		CU_ASSERT_EQUAL(test_view(store->type[1], 0, 5), 1);
		flx_store_close(store);
	}
	unlink(path);
}

/* What a dump brings is there as if it had been found; a full type says so. */
static void test_store_put(void)
{
	struct flx_store_conf store_conf;
	struct flx_store_found found;
	struct flx_store *store;
	uint64_t key, value;

	conf = test_type(100);
	conf.limit = 250;
	store_conf = test_conf(&conf, 1, 2);
	CU_ASSERT_EQUAL_FATAL(flx_store_open(&store, &store_conf), 0);
	for (key = 0; key < 250; key++) {
		value = key + 1;
		CU_ASSERT_FALSE(flx_store_put(store, store->type[0], (uint8_t *)&key,
					      (uint8_t *)&value, 5));
	}
	CU_ASSERT_EQUAL(flx_store_put(store, store->type[0], (uint8_t *)&key, (uint8_t *)&value, 5),
			-E2BIG);
	CU_ASSERT_EQUAL_FATAL(flx_store_attach(store, &found), 0);
	CU_ASSERT_EQUAL(found.contexts, 250);
	for (key = 0; key < 250; key++)
		CU_ASSERT_EQUAL(test_view(store->type[0], 0, key), key + 1);
	flx_store_close(store);
}

/* The keeper frees and grows by itself; it may end and begin again. */
static void test_store_keeper_runs(void)
{
	struct flx_store *store;

	conf = test_type(100);
	conf.limit = 1000;
	store = test_open(&conf, 1);
	for (uint32_t round = 0; round < 2; round++) {
		uint64_t base = round * 500;

		CU_ASSERT_EQUAL_FATAL(flx_store_start(store), 0);
		for (uint32_t wait = 0; wait < 2000 && make(store, base, base + 500) < 500; wait++)
			usleep(1000);
		CU_ASSERT_EQUAL(flx_context_count(store->type[0]), base + 500);
		flx_store_stop(store);
		flx_store_stop(store);
	}
	CU_ASSERT_EQUAL_FATAL(flx_store_start(store), 0);
	for (uint64_t key = 0; key < 1000; key++)
		test_one(store->type[0], 0, key, TEST_DELETE);
	flx_slab_relieve(&store->type[0]->slab, 0);
	for (uint32_t wait = 0; wait < 2000 && flx_store_deferred_bytes(store->type[0]); wait++)
		usleep(1000);
	CU_ASSERT_EQUAL(flx_store_deferred_bytes(store->type[0]), 0);
	CU_ASSERT_EQUAL(flx_slab_free_count(&store->type[0]->slab, 0), 1000);
	flx_store_close(store);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_store_grows_to_its_limit),
		FLX_TEST(test_store_words_follow_what_is_used),
		FLX_TEST(test_store_damaged_are_in_quarantine),
		FLX_TEST(test_store_of_twins_the_younger_stays),
		FLX_TEST(test_store_time_goes_on),
		FLX_TEST(test_store_single_comes_back),
		FLX_TEST(test_store_single_that_is_damaged_refuses_the_start),
		FLX_TEST(test_store_put),
		FLX_TEST(test_store_keeper_runs),
		{0},
	};
	int status;

	test_dir_init();
	status = flx_test_main("store", tests);
	test_dir_clear();
	return status;
}
