/* SPDX-License-Identifier: BSD-3-Clause */
/* Stores whose types changed: copied whole, or left as they were, whenever the process dies. */
#include <errno.h>
#include <time.h>

#include "tests/random.h"
#include "tests/store_dir.h"

#define KEYS 700

/* Version 2 of the context: the value, and its negative. */
struct wide {
	uint64_t value;
	uint64_t negative;
};

static uint32_t upgrade_calls, fail_at, die_at; /* by call; 0: never */
static uint32_t renames, die_at_rename;

static int upgrade(uint32_t version, const void *old, uint32_t old_size, void *context)
{
	struct wide *wide = context;

	upgrade_calls++;
	if (upgrade_calls == die_at)
		kill(getpid(), SIGKILL);
	if (upgrade_calls == fail_at)
		return -ENOTSUP;
	if (version != 1 || old_size != sizeof(uint64_t) || wide->value || wide->negative)
		return -EINVAL;
	memcpy(&wide->value, old, sizeof(wide->value));
	wide->negative = -wide->value;
	return 0;
}

/* Instead of the library's: dies before and after the files change their names. */
int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	char from_path[256], to_path[256];
	int rc;

	(void)from_dir;
	(void)to_dir;
	snprintf(from_path, sizeof(from_path), "%s/%s", test_dir, from);
	snprintf(to_path, sizeof(to_path), "%s/%s", test_dir, to);
	if (++renames == die_at_rename)
		kill(getpid(), SIGKILL);
	rc = rename(from_path, to_path);
	if (++renames == die_at_rename)
		kill(getpid(), SIGKILL);
	return rc;
}

/* A keyed type and a single one, of @version 1 or 2. */
static const struct flx_context_type_conf *types_of(uint32_t version, uint32_t limit)
{
	static struct flx_context_type_conf types[2];

	types[0] = test_type(300);
	types[0].limit = limit;
	types[0].ttl_ms = 3600 * 1000;
	types[1] = (struct flx_context_type_conf){.name = "single", .context_size = 8};
	for (uint32_t t = 0; t < 2; t++) {
		types[t].version = version;
		types[t].context_size = version == 2 ? sizeof(struct wide) : sizeof(uint64_t);
		types[t].upgrade = version == 2 ? upgrade : NULL;
	}
	return types;
}

/* A store of version 1: key k was committed k % 3 + 1 times, the single one 5 times. */
static void make_old(uint32_t nodes)
{
	static const enum test_step commit = TEST_COMMIT;
	struct flx_store_found found;
	struct flx_store *store;
	uint64_t none = 0, value;

	test_dir_clear();
	store = test_dir_open(types_of(1, 1000), 2, 1, nodes, &found);
	CU_ASSERT_PTR_NOT_NULL_FATAL(store);
	flx_store_turn(store, 0, 1000);
	for (uint64_t key = 0; key < KEYS; key++) {
		for (uint64_t i = 0; i <= key % 3; i++)
			CU_ASSERT_EQUAL(test_one(store->type[0], 0, key, TEST_COMMIT), i);
		flx_store_keep(store);
	}
	for (uint64_t i = 0; i < 5; i++)
		test_batch(store->type[1], 0, 1, &none, &commit, 1, &value);
	flx_file_clock_set(&store->files.now.node[0], FLX_FILE_TICK, 5000);
	flx_file_clock_set(&store->files.now.node[0], FLX_FILE_WALL, (uint32_t)time(NULL));
	flx_store_close(store);
}

/* All that make_old has made is there, in @version. */
static void check_whole(struct flx_store *store, const struct flx_store_found *found,
			uint32_t version)
{
	uint64_t wrong = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(store);
	for (uint64_t key = 0; key <= KEYS; key++) {
		struct wide wide = {0};
		struct flx_record_copy copy;
		bool is_single = key == KEYS;

		if (!flx_context_get(store->type[is_single], (uint8_t *)&key, 1000, &copy))
			wrong++;
		memcpy(&wide, copy.context, version == 2 ? sizeof(wide) : sizeof(uint64_t));
		wrong += wide.value != (is_single ? 5 : key % 3 + 1);
		wrong += wide.negative != (version == 2 ? -wide.value : 0);
		wrong += !is_single && copy.stamp != 1000;
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_EQUAL(found->contexts, KEYS + 1);
	CU_ASSERT_EQUAL(found->damaged, 0);
}

static void check_no_leftovers(void)
{
	char path[128];

	for (uint32_t n = 0; n < 3; n++) {
		snprintf(path, sizeof(path), "%s/node%u.next", test_dir, n);
		CU_ASSERT_NOT_EQUAL(access(path, F_OK), 0);
	}
}

static void test_store_upgrade_converts_all(void)
{
	for (uint32_t nodes = 1; nodes <= 3; nodes++) {
		struct flx_store_found found;
		struct flx_store *store;

		make_old(nodes);
		upgrade_calls = fail_at = die_at = die_at_rename = 0;
		store = test_dir_open(types_of(2, 1000), 2, 2, nodes, &found);
		check_whole(store, &found, 2);
		CU_ASSERT_EQUAL(found.upgraded, KEYS + 1);
		CU_ASSERT_EQUAL(upgrade_calls, KEYS + 1);
		CU_ASSERT_EQUAL(store->files.now.node[0].header->generation, 2);
		CU_ASSERT_EQUAL(memcmp(store->seed, store->type[0]->seed, sizeof(store->seed)), 0);
		/* The time goes on, also when the process ends before its keeper began. */
		CU_ASSERT_TRUE(store->start_tick >= 5000);
		flx_store_close(store);
		check_no_leftovers();
		/* The old program may not, the new one need not again. */
		CU_ASSERT_PTR_NULL(test_dir_open(types_of(1, 1000), 2, 2, nodes, &found));
		store = test_dir_open(types_of(2, 1000), 2, 3, nodes, &found);
		check_whole(store, &found, 2);
		CU_ASSERT_EQUAL(found.upgraded, 0);
		CU_ASSERT_TRUE(store->start_tick >= 5000 && store->start_tick < 5000 + 640);
		flx_store_close(store);
	}
}

/* Same version: another limit, other nodes. A limit that is too small changes nothing. */
static void test_store_upgrade_copies_to_another_limit(void)
{
	static const struct {
		uint32_t limit, nodes;
		bool possible;
	} rows[] = {{3000, 1, true}, {650, 1, false}, {701, 1, true},
		    {KEYS, 1, true}, {800, 3, true},  {600, 3, false}};
	struct flx_store_found found;
	struct flx_store *store;

	make_old(1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		store = test_dir_open(types_of(1, rows[i].limit), 2, 1, rows[i].nodes, &found);
		CU_ASSERT_EQUAL(store != NULL, rows[i].possible);
		check_no_leftovers();
		if (!store)
			continue;
		check_whole(store, &found, 1);
		CU_ASSERT_EQUAL(found.upgraded, 0);
		if (rows[i].limit == KEYS)
			CU_ASSERT_EQUAL(test_one(store->type[0], 0, KEYS, TEST_COMMIT), TEST_NONE);
		flx_store_close(store);
	}
}

static void test_store_upgrade_that_fails_changes_nothing(void)
{
	static const uint32_t calls[] = {1, 2, KEYS / 2, KEYS, KEYS + 1};
	struct flx_store_found found;
	struct flx_store *store;

	make_old(2);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		upgrade_calls = 0;
		fail_at = calls[i];
		CU_ASSERT_PTR_NULL(test_dir_open(types_of(2, 1000), 2, 1, 2, &found));
		CU_ASSERT_EQUAL(upgrade_calls, calls[i]);
		check_no_leftovers();
		store = test_dir_open(types_of(1, 1000), 2, 1, 2, &found);
		check_whole(store, &found, 1);
		flx_store_close(store);
	}
	fail_at = 0;
}

static void upgrade_in_child(void *argument)
{
	struct flx_store_found found;

	(void)argument;
	upgrade_calls = renames = 0;
	_exit(test_dir_open(types_of(2, 1000), 2, 1, 3, &found) ? 0 : 1);
}

/* Old and whole; or else new and whole. True: new. */
static bool check_either(void)
{
	struct flx_store_found found;
	struct flx_store *store = test_dir_open(types_of(1, 1000), 2, 1, 3, &found);
	uint32_t version = store ? 1 : 2;

	if (!store)
		store = test_dir_open(types_of(2, 1000), 2, 1, 3, &found);
	check_whole(store, &found, version);
	flx_store_close(store);
	check_no_leftovers();
	return version == 2;
}

static void test_store_upgrade_killed_is_all_or_nothing(void)
{
	static const uint32_t calls[] = {1, 350, KEYS, KEYS + 1};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		make_old(3);
		die_at = calls[i];
		CU_ASSERT_EQUAL(test_in_child(upgrade_in_child, NULL), SIGKILL);
		CU_ASSERT_FALSE(check_either());
	}
	die_at = 0;
	/* Odd: before a rename; even: after it. The first one decides. */
	for (die_at_rename = 1; die_at_rename <= 6; die_at_rename++) {
		uint32_t when = die_at_rename;

		make_old(3);
		CU_ASSERT_EQUAL(test_in_child(upgrade_in_child, NULL), SIGKILL);
		die_at_rename = 0;
		CU_ASSERT_EQUAL(check_either(), when > 1);
		die_at_rename = when;
	}
	die_at_rename = 0;
}

/* At any moment between the first look and the last rename, and after. */
static void test_store_upgrade_killed_at_any_instruction(void)
{
	struct flx_random random = {.state = 8};
	uint32_t news = 0;

	for (uint32_t round = 0; round < 60; round++) {
		int status;
		pid_t child;

		make_old(3);
		fflush(NULL);
		child = fork();
		if (child == 0)
			upgrade_in_child(NULL);
		usleep(flx_random_below(&random, 3000));
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
		news += check_either();
	}
	printf("%u of 60 were upgraded ", news);
}

/* What is not sound is left behind, and said so; the rest goes on. */
static void test_store_upgrade_leaves_the_damaged(void)
{
	struct flx_store_found found;
	struct flx_store *store;
	uint64_t wrong = 0;

	make_old(1);
	store = test_dir_open(types_of(1, 1000), 2, 1, 1, &found);
	CU_ASSERT_PTR_NOT_NULL_FATAL(store);
	for (uint32_t number = 0; number < 10; number++)
		((uint8_t *)flx_slab_at(&store->type[0]->slab, number))[number] ^= 0x20;
	flx_store_close(store);
	store = test_dir_open(types_of(2, 1000), 2, 1, 1, &found);
	CU_ASSERT_PTR_NOT_NULL_FATAL(store);
	CU_ASSERT_EQUAL(found.contexts, KEYS + 1 - 10);
	CU_ASSERT_EQUAL(found.damaged, 0);
	for (uint64_t key = 0; key < KEYS; key++)
		wrong += test_view(store->type[0], 0, key) != (key < 10 ? 0 : key % 3 + 1);
	CU_ASSERT_EQUAL(wrong, 0);
	flx_store_close(store);
}

/* But not the one context of a type without keys. */
static void test_store_upgrade_refuses_without_the_single(void)
{
	struct flx_store_found found;
	struct flx_store *store;

	make_old(1);
	store = test_dir_open(types_of(1, 1000), 2, 1, 1, &found);
	CU_ASSERT_PTR_NOT_NULL_FATAL(store);
	((uint8_t *)store->type[1]->single)[0] ^= 1;
	flx_store_close(store);
	CU_ASSERT_PTR_NULL(test_dir_open(types_of(2, 1000), 2, 1, 1, &found));
	check_no_leftovers();
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_store_upgrade_converts_all),
		FLX_TEST(test_store_upgrade_copies_to_another_limit),
		FLX_TEST(test_store_upgrade_that_fails_changes_nothing),
		FLX_TEST(test_store_upgrade_killed_is_all_or_nothing),
		FLX_TEST(test_store_upgrade_killed_at_any_instruction),
		FLX_TEST(test_store_upgrade_leaves_the_damaged),
		FLX_TEST(test_store_upgrade_refuses_without_the_single),
		{0},
	};
	int status;

	test_dir_init();
	status = flx_test_main("store upgrade", tests);
	test_dir_clear();
	return status;
}
