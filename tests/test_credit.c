/* SPDX-License-Identifier: BSD-3-Clause */
#include <pthread.h>

#include "fabric/credit.h"
#include "tests/random.h"
#include "tests/test.h"

#define CREDITS 1024
#define THREADS 4

static int64_t pool_free(struct flx_credit_pool *pool)
{
	return atomic_load(&pool->free);
}

static void test_credit_borrows_in_blocks(void)
{
	static const struct {
		uint32_t pool;
		int64_t had;
		uint32_t wanted;
		bool granted;
		int64_t credits; /* in the purse then */
	} rows[] = {
		{128, 0, 1, true, 64},	  {128, 0, 64, true, 64},  {128, 0, 65, true, 128},
		{128, 0, 129, false, 0},  {63, 0, 1, false, 0},	   {64, 0, 64, true, 64},
		{0, 10, 10, true, 10},	  {64, 10, 64, true, 74},  {64, 10, 75, false, 10},
		{128, -5, 1, true, 59},	  {64, -5, 60, false, -5}, {0, 0, 0, true, 0},
		{128, -64, 64, true, 64},
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		struct flx_credit_pool pool;
		struct flx_purse purse;

		flx_credit_pool_init(&pool, rows[r].pool);
		flx_purse_init(&purse, &pool, 128);
		purse.credits = rows[r].had;
		CU_ASSERT_EQUAL(flx_purse_has(&purse, rows[r].wanted), rows[r].granted);
		CU_ASSERT_EQUAL(purse.credits, rows[r].credits);
		CU_ASSERT_EQUAL(pool_free(&pool) + purse.credits, rows[r].pool + rows[r].had);
	}
}

static void test_credit_returns_what_is_above_keep(void)
{
	static const struct {
		uint32_t keep;
		uint32_t returned;
		int64_t credits; /* in the purse then */
	} rows[] = {
		{128, 128, 128}, {128, 129, 65}, {256, 257, 129}, {256, 1000, 168}, {128, 64, 64}};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		struct flx_credit_pool pool;
		struct flx_purse purse;

		flx_credit_pool_init(&pool, 0);
		flx_purse_init(&purse, &pool, rows[r].keep);
		flx_purse_return(&purse, rows[r].returned);
		CU_ASSERT_EQUAL(purse.credits, rows[r].credits);
		CU_ASSERT_EQUAL(pool_free(&pool) + purse.credits, rows[r].returned);
	}
}

static void test_credit_is_conserved_under_random_use(void)
{
	struct flx_random random = {.state = 3};
	struct flx_credit_pool pool;
	struct flx_purse purse[THREADS];
	uint32_t spent[THREADS] = {0};

	flx_credit_pool_init(&pool, CREDITS);
	for (uint32_t p = 0; p < THREADS; p++)
		flx_purse_init(&purse[p], &pool, 128);
	for (uint32_t step = 0; step < 200000; step++) {
		uint32_t p = flx_random_below(&random, THREADS);
		uint32_t count = flx_random_between(&random, 1, 100);
		int64_t sum = pool_free(&pool);

		if (flx_random_chance(&random, 50)) {
			if (flx_purse_has(&purse[p], count)) {
				flx_purse_spend(&purse[p], count);
				spent[p] += count;
			}
		} else {
			/* A message may end at another worker than it began at. */
			uint32_t other = flx_random_below(&random, THREADS);

			count = count < spent[other] ? count : spent[other];
			flx_purse_return(&purse[p], count);
			spent[other] -= count;
		}
		sum = pool_free(&pool);
		CU_ASSERT_FATAL(sum >= 0);
		for (uint32_t i = 0; i < THREADS; i++) {
			CU_ASSERT_FATAL(purse[i].credits >= 0 && purse[i].credits <= 228);
			sum += purse[i].credits + spent[i];
		}
		CU_ASSERT_EQUAL_FATAL(sum, CREDITS);
	}
}

/* --------------------------------------------------------------------------------- many threads */

static struct flx_credit_pool shared_pool;
static _Atomic int64_t outstanding; /* spent by anyone, not returned */
static _Atomic bool overdrawn;

static void *spend_and_return(void *argument)
{
	struct flx_purse *purse = argument;
	struct flx_random random = {.state = (uintptr_t)purse};
	uint32_t spent = 0;

	for (uint32_t step = 0; step < 200000; step++) {
		uint32_t count = flx_random_between(&random, 1, FLX_CREDIT_BLOCK);

		if (spent < 512 && flx_purse_has(purse, count)) {
			flx_purse_spend(purse, count);
			spent += count;
			if (atomic_fetch_add(&outstanding, count) + count > CREDITS)
				atomic_store(&overdrawn, true);
		} else if (spent) {
			count = count < spent ? count : spent;
			atomic_fetch_sub(&outstanding, count);
			spent -= count;
			flx_purse_return(purse, count);
		}
	}
	atomic_fetch_sub(&outstanding, spent);
	flx_purse_return(purse, spent);
	return NULL;
}

static void test_credit_is_never_granted_twice_by_threads(void)
{
	pthread_t threads[THREADS];
	struct flx_purse purse[THREADS];
	int64_t sum;

	flx_credit_pool_init(&shared_pool, CREDITS);
	for (uint32_t t = 0; t < THREADS; t++) {
		flx_purse_init(&purse[t], &shared_pool, 128);
		CU_ASSERT_EQUAL_FATAL(
			pthread_create(&threads[t], NULL, spend_and_return, &purse[t]), 0);
	}
	for (uint32_t t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
	CU_ASSERT_FALSE(overdrawn);
	sum = pool_free(&shared_pool);
	CU_ASSERT_TRUE(sum >= 0);
	for (uint32_t t = 0; t < THREADS; t++)
		sum += purse[t].credits;
	CU_ASSERT_EQUAL(sum, CREDITS);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_credit_borrows_in_blocks),
		FLX_TEST(test_credit_returns_what_is_above_keep),
		FLX_TEST(test_credit_is_conserved_under_random_use),
		FLX_TEST(test_credit_is_never_granted_twice_by_threads),
		{0},
	};

	return flx_test_main("credit", tests);
}
