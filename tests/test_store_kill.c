/* SPDX-License-Identifier: BSD-3-Clause */
/* What a process that was killed had committed is there for the next one, and nothing else is. */
#include <sys/mman.h>

#include "tests/random.h"
#include "tests/store_dir.h"

#define KEYS	   2500
#define OPERATIONS 12000
#define LIMIT	   3000

static const struct flx_context_type_conf *conf_of(void)
{
	static struct flx_context_type_conf conf;

	conf = test_type(1000);
	conf.limit = LIMIT;
	return &conf;
}

/* Slice s is worker s % workers's. */
static uint32_t worker_of(const struct flx_context_type *type, uint64_t key)
{
	return (uint32_t)(key % FLX_INDEX_SLICES % type->worker_count);
}

/* Does @count steps on @store, or only on what it must then hold, or both. */
static uint64_t work(struct flx_random *random, struct flx_store *store, uint64_t *model,
		     uint32_t count)
{
	uint64_t wrong = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint64_t key = flx_random_below(random, KEYS), value = model[key];
		enum test_step step = flx_random_chance(random, 60)
					      ? TEST_COMMIT
					      : (enum test_step)flx_random_below(random, 4);

		if (store) {
			struct flx_context_type *type = store->type[0];

			wrong += test_one(type, worker_of(type, key), key, step) != value;
			if (i % 50 == 0)
				flx_store_keep(store);
		}
		if (step == TEST_COMMIT)
			model[key]++;
		else if (step != TEST_ABORT)
			model[key] = 0;
	}
	return wrong;
}

struct run {
	uint32_t workers, nodes;
	struct flx_random random;
	uint64_t model[KEYS]; /* before the run */
	bool close;
};

/* Works, leaves a context half-written, and dies. */
static void run_and_die(void *argument)
{
	struct run *run = argument;
	struct flx_store_found found;
	struct flx_store *store = test_dir_open(conf_of(), 1, run->workers, run->nodes, &found);
	struct flx_context_type *type;
	struct flx_record *records[4];

	if (!store)
		_exit(1);
	type = store->type[0];
	if (work(&run->random, store, run->model, OPERATIONS))
		_exit(2);
	for (uint64_t i = 0; i < 4; i++) {
		uint64_t key = i * FLX_INDEX_SLICES;
		uint16_t slice = 0;

		flx_context_bind(type, 0, &slice, (uint8_t *)&key, 1, &records[i]);
		if (records[i])
			memset(flx_context_open(type, 0, slice, records[i]), 0x77, 8);
		type->worker[0].made_count = 0; /* as in the middle of a batch */
	}
	if (run->close) {
		flx_store_close(store);
		_exit(0);
	}
	kill(getpid(), SIGKILL);
}

static void check_all(struct flx_store *store, const struct flx_store_found *found,
		      const uint64_t *model)
{
	const struct flx_context_type *type = store->type[0];
	uint64_t wrong = 0, live = 0;

	for (uint64_t key = 0; key < KEYS; key++) {
		live += model[key] != 0;
		wrong += test_view(type, worker_of(type, key), key) != model[key];
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_EQUAL(found->contexts, live);
	CU_ASSERT_EQUAL(flx_context_count(type), live);
	CU_ASSERT_EQUAL(found->damaged, 0);
}

/* New keys until none is taken any more: as many as there are records, none handed out twice. */
static void check_fills_up(struct flx_store *store, const uint64_t *model, uint64_t total)
{
	struct flx_context_type *type = store->type[0];
	uint32_t refused = 0;
	uint64_t wrong = 0, made = 0, next = KEYS;

	while (refused < 20) {
		if (test_one(type, worker_of(type, next), next, TEST_COMMIT) == 0) {
			made++;
			next++;
			continue;
		}
		refused++;
		for (uint32_t w = 0; w < type->worker_count; w++)
			flx_context_settle(type, w);
		flx_store_keep(store);
	}
	CU_ASSERT_EQUAL(flx_context_count(type), total);
	for (uint64_t key = 0; key < next; key++)
		wrong +=
			test_view(type, worker_of(type, key), key) != (key < KEYS ? model[key] : 1);
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_TRUE(made > 0);
}

static void test_store_killed_is_found_again(void)
{
	static const struct {
		uint32_t workers, nodes, then_workers, then_nodes;
	} rows[] = {
		{1, 1, 1, 1}, {1, 1, 5, 1}, {5, 1, 1, 1}, {2, 1, 3, 1}, {3, 3, 3, 3},
		{3, 2, 2, 2}, {5, 3, 2, 3}, {2, 2, 3, 1}, {3, 1, 3, 3}, {5, 3, 5, 2},
	};
	static struct run run;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct flx_store_found found;
		struct flx_store *store;
		uint32_t nodes = rows[i].then_nodes;

		test_dir_clear();
		run = (struct run){rows[i].workers, rows[i].nodes, .random = {.state = i}};
		/* Killed, killed again, ended well. */
		for (uint32_t round = 0; round < 3; round++) {
			struct flx_random same = run.random;

			run.close = round == 2;
			CU_ASSERT_EQUAL(test_in_child(run_and_die, &run), run.close ? 0 : SIGKILL);
			work(&same, NULL, run.model, OPERATIONS);
			run.random = same;
			store = test_dir_open(conf_of(), 1, rows[i].then_workers, nodes, &found);
			CU_ASSERT_PTR_NOT_NULL_FATAL(store);
			check_all(store, &found, run.model);
			if (round == 2)
				check_fills_up(store, run.model,
					       (uint64_t)flx_type_share(LIMIT, nodes) * nodes);
			flx_store_close(store);
		}
	}
	test_dir_clear();
}

/* As run_and_die, but without an end: done operations are counted where the parent sees them. */
static void run_for_ever(void *argument)
{
	_Atomic uint64_t *done = argument;
	struct flx_random random = {.state = 99};
	static uint64_t model[KEYS];
	struct flx_store_found found;
	struct flx_store *store = test_dir_open(conf_of(), 1, 2, 1, &found);

	while (store && work(&random, store, model, 1) == 0)
		atomic_fetch_add(done, 1);
	_exit(1);
}

static int kill_after_a_while(uint32_t pause_us, _Atomic uint64_t *done)
{
	int status = 0;
	pid_t child;

	atomic_store(done, 0);
	fflush(NULL);
	child = fork();
	if (child == 0)
		run_for_ever(done);
	while (child > 0 && atomic_load(done) == 0 && waitpid(child, &status, WNOHANG) == 0)
		usleep(100);
	usleep(pause_us);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

/* At any instruction: all operations that were done, and of the next one all or nothing. */
static void test_store_killed_at_any_instruction(void)
{
	_Atomic uint64_t *done =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct flx_random pauses = {.state = 4};

	CU_ASSERT_FATAL(done != MAP_FAILED);
	for (uint32_t round = 0; round < 40; round++) {
		static uint64_t model[KEYS], after[KEYS];
		struct flx_random random = {.state = 99};
		struct flx_store_found found;
		struct flx_store *store;
		uint64_t wrong = 0;

		test_dir_clear();
		memset(model, 0, sizeof(model));
		CU_ASSERT_EQUAL(kill_after_a_while(flx_random_below(&pauses, 5000), done), SIGKILL);
		for (uint64_t i = 0; i < atomic_load(done); i++)
			work(&random, NULL, model, 1);
		memcpy(after, model, sizeof(after));
		work(&random, NULL, after, 1);
		store = test_dir_open(conf_of(), 1, 3, 1, &found);
		CU_ASSERT_PTR_NOT_NULL_FATAL(store);
		for (uint64_t key = 0; key < KEYS; key++) {
			uint64_t value = test_view(store->type[0], 0, key);

			/* A commit followed by a delete may have been cut in between. */
			wrong += value != model[key] && value != after[key] &&
				 !(after[key] == 0 && value == model[key] + 1);
		}
		CU_ASSERT_EQUAL(wrong, 0);
		CU_ASSERT_EQUAL(found.damaged, 0);
		flx_store_close(store);
	}
	munmap((void *)(uintptr_t)done, 4096);
	test_dir_clear();
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_store_killed_is_found_again),
		FLX_TEST(test_store_killed_at_any_instruction),
		{0},
	};

	test_dir_init();
	return flx_test_main("store kill", tests);
}
