/* SPDX-License-Identifier: BSD-3-Clause */
/* The whole turn of a store's keeper, which stands still at any instruction while a worker goes on. */
#include "tests/step.h"
#include "tests/store.h"

#define STEPS 60000
#define KEYS  1500

static struct flx_store *store;
static uint64_t values[KEYS];
static uint64_t refused, wrong;

static void work_store(void)
{
	uint64_t key = flx_random_below(&test_randoms, KEYS), value;
	enum test_step step = flx_random_chance(&test_randoms, 70) ? TEST_COMMIT : TEST_DELETE;

	value = test_one(store->type[0], 0, key, step);
	if (value == TEST_NONE) {
		refused++;
		wrong += values[key] != 0;
		return;
	}
	wrong += value != values[key];
	values[key] = step == TEST_COMMIT ? value + 1 : 0;
}

static void keep_store(void)
{
	flx_store_keep(store);
}

/* All of its turn: growth, collecting, a grace period, releasing. */
static void test_keeper_store_a_worker_goes_on_wherever_it_stands(void)
{
	struct flx_context_type_conf conf = test_type(50);

	conf.limit = KEYS;
	test_step_begin(1);
	store = test_open(&conf, 1);
	while (test_steps < STEPS)
		test_step_random(keep_store, work_store);
	for (uint64_t key = 0; key < KEYS; key++)
		wrong += test_view(store->type[0], 0, key) != values[key];
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_TRUE(test_intruded - refused > STEPS / 100);
	flx_store_close(store);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_keeper_store_a_worker_goes_on_wherever_it_stands),
		{0},
	};

	return test_step_main("keeper store", tests);
}
