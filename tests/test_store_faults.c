/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every call with which the store asks for memory, files or a thread fails once: the start then
 * fails with one error, nothing is leaked (AddressSanitizer), and what was there is still there.
 */
#include "tests/failing.h"
#include "tests/store_dir.h"

#define KEYS 200

static int upgrade(uint32_t version, const void *old, uint32_t old_size, void *context)
{
	(void)version;
	memcpy(context, old, old_size);
	return 0;
}

static const struct flx_context_type_conf *types_of(uint32_t version)
{
	static struct flx_context_type_conf types[2];

	types[0] = test_type(KEYS);
	types[1] = (struct flx_context_type_conf){.name = "single", .context_size = 8};
	types[0].limit = 100000; /* of more than a page of huge size */
	for (uint32_t t = 0; t < 2; t++) {
		types[t].version = version;
		types[t].context_size *= version;
		types[t].upgrade = upgrade;
	}
	return types;
}

static struct flx_store_conf conf_of(const char *path, uint32_t version)
{
	static const uint32_t worker_node[] = {0, 1};
	struct flx_store_conf conf = test_conf(types_of(version), 2, 2);

	conf.path = path;
	conf.node_count = 2;
	conf.numa[0] = conf.numa[1] = -1;
	conf.worker_node = worker_node;
	return conf;
}

/* The whole start, in which one call fails; 0, or what the first step that failed said. */
static int start(const char *path, uint32_t version, struct flx_store **out)
{
	struct flx_store_conf conf = conf_of(path, version);
	struct flx_store_found found;
	struct flx_store *store = NULL;
	int error;

	*out = NULL;
	errors = 0;
	error = flx_store_open(&store, &conf);
	CU_ASSERT_EQUAL(errors, error ? 1 : 0);
	if (error)
		return error;
	error = flx_store_attach(store, &found);
	CU_ASSERT_EQUAL(errors, 0);
	if (!error) {
		error = flx_store_start(store);
		CU_ASSERT_EQUAL(errors, error ? 1 : 0);
	}
	if (error)
		flx_store_close(store);
	else
		*out = store;
	return error;
}

static bool is_errno_of_a_start(int error)
{
	return error == -ENOMEM || error == -ENOSPC || error == -EFBIG || error == -EIO ||
	       error == -EMFILE || error == -EAGAIN || error == -EACCES;
}

static void fill(const char *path)
{
	struct flx_store *store;

	fail_at = 0;
	CU_ASSERT_EQUAL_FATAL(start(path, 1, &store), 0);
	flx_store_stop(store);
	for (uint64_t key = 0; key < KEYS; key++)
		CU_ASSERT_EQUAL(test_one(store->type[0], 0, key, TEST_COMMIT), 0);
	flx_store_close(store);
}

/* All of fill is there, in the version that opens; 2 opens both. */
static void check_filled(const char *path)
{
	struct flx_store *store;
	uint64_t wrong = 0;

	fail_at = 0;
	CU_ASSERT_EQUAL_FATAL(start(path, 2, &store), 0);
	CU_ASSERT_EQUAL(flx_context_count(store->type[0]), KEYS);
	for (uint64_t key = 0; key < KEYS; key++)
		wrong += test_view(store->type[0], 0, key) != 1;
	CU_ASSERT_EQUAL(wrong, 0);
	flx_store_close(store);
}

enum there { NOTHING, SAME, OLDER };

/* A start over @there, with the first call failing, then the second, until none is left. */
static void fail_each(const char *path, enum there there)
{
	for (uint32_t n = 1;; n++) {
		struct flx_store *store;
		int error;

		if (path)
			test_dir_clear();
		if (there != NOTHING)
			fill(path);
		failed_call = NULL;
		calls = 0;
		fail_at = n;
		error = start(path, there == OLDER ? 2 : 1, &store);
		fail_at = 0;
		if (error && !is_errno_of_a_start(error)) {
			printf("call %u, %s: %s ", n, failed_call, strerror(-error));
			CU_FAIL("not what a start that fails says");
		}
		CU_ASSERT_TRUE(!error || failed_call);
		if (store)
			flx_store_close(store);
		if (there != NOTHING)
			check_filled(path);
		if (!failed_call) {
			CU_ASSERT_EQUAL(error, 0);
			CU_ASSERT_TRUE(n > 10);
			return;
		}
	}
}

static void test_store_start_in_memory_fails_cleanly(void)
{
	fail_each(NULL, NOTHING);
}

static void test_store_start_anew_fails_cleanly(void)
{
	fail_each(test_dir, NOTHING);
}

static void test_store_start_again_fails_cleanly(void)
{
	fail_each(test_dir, SAME);
}

static void test_store_start_with_upgrade_fails_cleanly(void)
{
	fail_each(test_dir, OLDER);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_store_start_in_memory_fails_cleanly),
		FLX_TEST(test_store_start_anew_fails_cleanly),
		FLX_TEST(test_store_start_again_fails_cleanly),
		FLX_TEST(test_store_start_with_upgrade_fails_cleanly),
		{0},
	};
	int status;

	test_dir_init();
	status = flx_test_main("store faults", tests);
	test_dir_clear();
	return status;
}
