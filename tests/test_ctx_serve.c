/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <urcu-qsbr.h>

#include "apps/contents.h"
#include "apps/ctx_dump.h"
#include "apps/ctx_serve.h"
#include "tests/scratch.h"
#include "tests/store.h"

#define PEOPLE 5000u /* contexts of the first type */

static struct flx_scratch scratch;
static struct flx_store *store;
static struct flx_answer answer;
static const char *snapshot;
static char text[8u << 20];

/* Two types by key, with nothing of one, and one of a single context. */
static void open_store(void)
{
	struct flx_context_type_conf types[] = {test_type(2 * PEOPLE), test_type(10), test_type(1)};
	struct flx_store_conf conf = test_conf(types, 3, 1);
	struct flx_store_found found;

	types[0].name = "people";
	types[1].name = "empty";
	types[2].name = "single";
	types[2].key_size = 0;
	conf.tsc_hz = 1u << 30;
	conf.start_tsc = rte_rdtsc();
	CU_ASSERT_EQUAL_FATAL(flx_store_open(&store, &conf), 0);
	CU_ASSERT_EQUAL_FATAL(flx_store_attach(store, &found), 0);
}

/* Key k, with the number k + 1 in its context, for k up to @count. */
static void fill(uint32_t count)
{
	for (uint64_t key = 0; key < count; key++)
		for (uint64_t i = 0; i < key % 3 + 1; i++)
			test_one(store->type[0], 0, key, TEST_COMMIT);
	test_step(store->type[2], 0, 0, store->type[2]->single, TEST_COMMIT, &(uint64_t){0});
}

static void begin(const char *line)
{
	static struct flx_request request;

	CU_ASSERT_PTR_NULL_FATAL(flx_request_parse(&request, line, strlen(line)));
	CU_ASSERT_EQUAL_FATAL(flx_answer_init(&answer), 0);
	flx_answer_begin(&answer, flx_ctx_serve(store, snapshot, &request, &answer));
}

/* The rest of the answer, in which no part is larger than @part_max. */
static const char *finish(size_t part_max)
{
	size_t size = 0, left;
	const char *at;
	int next;

	do {
		left = flx_answer_left(&answer, &at);
		CU_ASSERT_FATAL(left <= part_max && size + left < sizeof(text));
		memcpy(text + size, at, left);
		size += left;
		flx_answer_took(&answer, left);
		next = flx_answer_next(&answer);
		if (next == FLX_ANSWER_WAIT)
			nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	} while (next != FLX_ANSWER_DONE);
	flx_answer_fini(&answer);
	text[size] = '\0';
	return text;
}

static const char *ask(const char *line)
{
	begin(line);
	return finish(1u << 17);
}

static uint32_t count_lines(const char *of)
{
	uint32_t count = 0;

	for (; (of = strchr(of, '\n')) != NULL; of++)
		count++;
	return count;
}

static void test_ctx_count_is_a_table_of_types(void)
{
	open_store();
	fill(PEOPLE);
	CU_ASSERT_STRING_EQUAL(
		ask("ctx count"),
		"ok\n"
		"type                            version  key context   contexts damaged      "
		"limit\n"
		"people                                1    8       8       5000       0      "
		"10000\n"
		"empty                                 1    8       8          0       0         "
		"10\n"
		"single                                1    0       8          1       0          "
		"1\n"
		"end\n");
	flx_store_close(store);
}

static void test_ctx_get_finds_a_context_by_its_key(void)
{
	static const struct {
		const char *request;
		const char *answer;
	} rows[] = {
		{"ctx get people 0100000000000000", "ok\n0200000000000000\nend\n"},
		{"ctx get people 01:00:00:00:00:00:00:00", "ok\n0200000000000000\nend\n"},
		{"ctx get people ffff000000000000",
		 "error ENOENT people ffff000000000000: there is no context of that key\n"},
		{"ctx get people text:%20",
		 "error ENOENT people text: : there is no context of that key\n"},
		{"ctx get empty 0100000000000000",
		 "error ENOENT empty 0100000000000000: there is no context of that key\n"},
		{"ctx get single", "ok\n0100000000000000\nend\n"},
		{"ctx get single 01", "error EINVAL single 01: it has one context, which has no "
				      "key; give none\n"},
		{"ctx get people 01", "error EINVAL people 01: too short; give a key of 8 bytes "
				      "as 16 hexadecimal digits, or text:TEXT\n"},
		{"ctx get people", "error EINVAL people: no key; give a key of 8 bytes as 16 "
				   "hexadecimal digits, or text:TEXT\n"},
		{"ctx get nobody 01",
		 "error EINVAL nobody: no such type; give one that flx ctx count lists\n"},
	};

	open_store();
	fill(10);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT_STRING_EQUAL(ask(rows[i].request), rows[i].answer);
	flx_store_close(store);
}

static void *wait_grace_period(void *done)
{
	urcu_qsbr_synchronize_rcu();
	atomic_store((_Atomic bool *)done, true);
	return NULL;
}

/* Who has asked once must not hold up the memory of all workers ever after. */
static void test_ctx_get_leaves_no_reader_behind(void)
{
	_Atomic bool done = false;
	pthread_t thread;

	open_store();
	fill(10);
	ask("ctx get people 0100000000000000");
	ask("ctx get people ffff000000000000");
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, wait_grace_period, &done), 0);
	for (uint32_t i = 0; i < 5000 && !atomic_load(&done); i++)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	CU_ASSERT_TRUE_FATAL(atomic_load(&done));
	pthread_join(thread, NULL);
	flx_store_close(store);
}

/* A reader that is in no hurry, until it is told to end. */
static void *stall(void *argument)
{
	_Atomic uint32_t *state = argument;

	urcu_qsbr_register_thread();
	atomic_store(state, 1);
	while (atomic_load(state) == 1)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	urcu_qsbr_unregister_thread();
	return NULL;
}

/* While memory waits for a worker that stalls, who asks does not. */
static void test_ctx_get_does_not_wait_for_a_grace_period(void)
{
	_Atomic uint32_t state = 0;
	_Atomic bool done = false;
	pthread_t staller, waiter;

	open_store();
	fill(10);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&staller, NULL, stall, &state), 0);
	while (atomic_load(&state) == 0)
		sched_yield();
	CU_ASSERT_EQUAL_FATAL(pthread_create(&waiter, NULL, wait_grace_period, &done), 0);
	for (uint32_t i = 0; i < 20; i++) {
		nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
		CU_ASSERT_STRING_EQUAL(ask("ctx get people 0100000000000000"),
				       "ok\n0200000000000000\nend\n");
	}
	CU_ASSERT_FALSE(atomic_load(&done));
	atomic_store(&state, 2);
	pthread_join(waiter, NULL);
	pthread_join(staller, NULL);
	flx_store_close(store);
}

/* Whether the list in text has each key below @count once, with its context. */
static bool is_whole_list(uint32_t count)
{
	static uint8_t seen[PEOPLE];
	const char *line = text;
	uint64_t key, value;
	double age;

	memset(seen, 0, sizeof(seen));
	for (; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		if (sscanf(line, "people %16" SCNx64 " %lfs %16" SCNx64, &key, &age, &value) != 3)
			continue;
		key = __builtin_bswap64(key);
		value = __builtin_bswap64(value);
		if (key >= count || seen[key]++ || value != key % 3 + 1 || age < 0 || age > 60)
			return false;
	}
	for (uint32_t i = 0; i < count; i++)
		if (!seen[i])
			return false;
	return true;
}

static void test_ctx_list_has_all_in_small_parts(void)
{
	open_store();
	fill(PEOPLE);
	begin("ctx list");
	CU_ASSERT_EQUAL(strncmp(finish(66000), "ok\n", 3), 0);
	CU_ASSERT_EQUAL(count_lines(text), 1 + PEOPLE + 1 + 1);
	CU_ASSERT_TRUE(is_whole_list(PEOPLE));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nsingle - "));
	CU_ASSERT_STRING_EQUAL(text + strlen(text) - 5, "\nend\n");
	CU_ASSERT_EQUAL(count_lines(ask("ctx list people")), 1 + PEOPLE + 1);
	CU_ASSERT_TRUE(is_whole_list(PEOPLE));
	CU_ASSERT_STRING_EQUAL(ask("ctx list empty"), "ok\nend\n");
	CU_ASSERT_EQUAL(count_lines(ask("ctx list single")), 3);
	flx_store_close(store);
}

static void test_ctx_list_ends_at_its_limit(void)
{
	open_store();
	fill(PEOPLE);
	CU_ASSERT_EQUAL(count_lines(ask("ctx list people --limit 3")), 1 + 3 + 1);
	CU_ASSERT_EQUAL(count_lines(ask("ctx list --limit 5000 people")), 1 + PEOPLE + 1);
	CU_ASSERT_EQUAL(count_lines(ask("ctx list --limit 5001")), 1 + PEOPLE + 1 + 1);
	CU_ASSERT_STRING_EQUAL(ask("ctx list --limit"),
			       "error EINVAL --limit: no value; give 1 or more\n");
	CU_ASSERT_STRING_EQUAL(ask("ctx list --limit 0"),
			       "error EINVAL --limit: out of range; give 1 or more\n");
	CU_ASSERT_PTR_NOT_NULL(strstr(ask("ctx list nobody"), "nobody: no such type"));
	flx_store_close(store);
}

/* Largest contexts: a part is bounded by its text; and deleted ones: by the records looked at. */
static void test_ctx_list_is_bounded_whatever_the_contexts(void)
{
	struct flx_context_type_conf type = test_type(3000);
	uint32_t parts = 0;

	type.context_size = FLX_RECORD_CONTEXT_MAX;
	store = test_open(&type, 1);
	store->tick_tsc = 1u << 24;
	for (uint64_t key = 0; key < 200; key++)
		test_one(store->type[0], 0, key, TEST_COMMIT);
	begin("ctx list");
	CU_ASSERT_EQUAL(count_lines(finish(80000)), 202);
	for (uint64_t key = 200; key < 3000; key++)
		test_one(store->type[0], 0, key, TEST_COMMIT);
	for (uint64_t key = 0; key < 3000; key++)
		test_one(store->type[0], 0, key, TEST_DELETE);
	begin("ctx list");
	while (flx_answer_next(&answer) == FLX_ANSWER_MORE && !answer.ended)
		parts++;
	CU_ASSERT(parts >= 2);
	CU_ASSERT_STRING_EQUAL(finish(100), "ok\nend\n");
	flx_store_close(store);
}

static const char *dump_request(const char *name)
{
	static char line[256];

	snprintf(line, sizeof(line), "ctx dump %s/%s", scratch.path, name);
	return line;
}

static void test_ctx_dump_is_a_dump_of_all(void)
{
	static struct flx_contents contents;
	char path[256];
	uint64_t sum = 0;
	int found;

	open_store();
	fill(PEOPLE);
	CU_ASSERT_EQUAL(strncmp(ask(dump_request("all")), "ok\ndumped 5001 contexts to /", 28), 0);
	snprintf(path, sizeof(path), "%s/all", scratch.path);
	CU_ASSERT_EQUAL_FATAL(flx_contents_open(&contents, NULL, path), 0);
	while ((found = flx_contents_next(&contents)) > 0)
		sum++;
	CU_ASSERT(found == 0 && sum == PEOPLE + 1);
	CU_ASSERT_TRUE(flx_dump_is_whole(&contents.dump, path, sizeof(path)));
	flx_contents_close(&contents);
	flx_ctx_dump_stop();
	flx_store_close(store);
}

static void test_ctx_dump_says_why_it_fails(void)
{
	char line[256], path[256];

	open_store();
	CU_ASSERT_STRING_EQUAL(ask("ctx dump here"),
			       "error EINVAL here: not an absolute path; give one\n");
	CU_ASSERT_PTR_NOT_NULL(
		strstr(ask(dump_request("no/where")), "No such file or directory; make the"));
	CU_ASSERT_EQUAL(strncmp(text, "error ENOENT ", 13), 0);
	/* However it is written. */
	snprintf(path, sizeof(path), "%s/snapshot", scratch.path);
	snapshot = path;
	snprintf(line, sizeof(line), "ctx dump %s/../%s/snapshot", scratch.path,
		 strrchr(scratch.path, '/') + 1);
	CU_ASSERT_EQUAL(strncmp(ask(line), "error EBUSY ", 12), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "the fabric writes its snapshots there"));
	CU_ASSERT_EQUAL(strncmp(ask(dump_request("other")), "ok\n", 3), 0);
	snapshot = NULL;
	flx_ctx_dump_stop();
	flx_store_close(store);
}

static void test_ctx_dump_is_one_at_a_time_and_given_up_with_its_client(void)
{
	open_store();
	fill(PEOPLE);
	for (uint32_t i = 0; i < 20; i++) {
		begin(dump_request("first"));
		/* Its client goes away, whenever that is. */
		nanosleep(&(struct timespec){.tv_nsec = 50000 * i}, NULL);
		flx_answer_fini(&answer);
		ask(dump_request("second"));
		CU_ASSERT(strncmp(text, "ok\ndumped 5001", 14) == 0 ||
			  strcmp(text, "error EBUSY a dump is under way; wait for its end\n") == 0);
	}
	flx_ctx_dump_stop();
	CU_ASSERT_EQUAL(strncmp(ask(dump_request("third")), "ok\ndumped 5001", 14), 0);
	flx_ctx_dump_stop();
	CU_ASSERT_EQUAL(flx_scratch_run(&scratch, "! ls -A | grep tmp"), 0);
	flx_store_close(store);
}

static void test_ctx_refuses_what_it_does_not_know(void)
{
	static const char *const lines[] = {
		"ctx",		 "ctx walk", "ctx count people", "ctx get",
		"ctx get a b c", "ctx dump", "ctx dump /a /b",	 "ctx list a --limit 3 b",
	};

	open_store();
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		CU_ASSERT_EQUAL(strncmp(ask(lines[i]), "error EINVAL ", 13), 0);
		CU_ASSERT_PTR_NOT_NULL(strstr(text, "give count, list [TYPE] [--limit N], get "));
	}
	flx_store_close(store);
}

/* A dump that is over is not another client's to free before its own has been told. */
static void test_ctx_dump_waits_until_the_last_was_told_of_its_own(void)
{
	struct flx_request request[2];
	struct flx_answer both[2];
	char line[2][256];
	const char *told;

	open_store();
	fill(PEOPLE);
	for (uint32_t i = 0; i < 2; i++) {
		snprintf(line[i], sizeof(line[i]), "%s", dump_request(i ? "two" : "one"));
		CU_ASSERT_EQUAL(flx_request_parse(&request[i], line[i], strlen(line[i])), 0);
		CU_ASSERT_EQUAL(flx_answer_init(&both[i]), 0);
		flx_answer_begin(&both[i], flx_ctx_serve(store, NULL, &request[i], &both[i]));
		/* By then the first is written, but nobody has looked. */
		usleep(200000);
	}
	while (flx_answer_next(&both[0]) == FLX_ANSWER_WAIT)
		;
	CU_ASSERT_TRUE(flx_answer_left(&both[0], &told) > 0 && strstr(told, "/one in "));
	flx_answer_fini(&both[0]);
	CU_ASSERT_TRUE(flx_answer_left(&both[1], &told) > 0 &&
		       strncmp(told, "error EBUSY", 11) == 0);
	flx_answer_fini(&both[1]);
	CU_ASSERT_EQUAL(strncmp(ask(dump_request("two")), "ok\n", 3), 0);
	flx_ctx_dump_stop();
	flx_store_close(store);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_ctx_dump_waits_until_the_last_was_told_of_its_own),
		FLX_TEST(test_ctx_count_is_a_table_of_types),
		FLX_TEST(test_ctx_get_finds_a_context_by_its_key),
		FLX_TEST(test_ctx_get_leaves_no_reader_behind),
		FLX_TEST(test_ctx_get_does_not_wait_for_a_grace_period),
		FLX_TEST(test_ctx_list_has_all_in_small_parts),
		FLX_TEST(test_ctx_list_ends_at_its_limit),
		FLX_TEST(test_ctx_list_is_bounded_whatever_the_contexts),
		FLX_TEST(test_ctx_dump_is_a_dump_of_all),
		FLX_TEST(test_ctx_dump_says_why_it_fails),
		FLX_TEST(test_ctx_dump_is_one_at_a_time_and_given_up_with_its_client),
		FLX_TEST(test_ctx_refuses_what_it_does_not_know),
		{0},
	};
	int status;

	flx_scratch_init(&scratch);
	status = flx_test_main("ctx serve", tests);
	flx_scratch_fini(&scratch);
	return status;
}
