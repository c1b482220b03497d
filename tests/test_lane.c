/* SPDX-License-Identifier: BSD-3-Clause */
#include <pthread.h>
#include <sched.h>

#include "fabric/lane.h"
#include "tests/eal.h"
#include "tests/random.h"
#include "tests/test.h"

#define STAGED_MAX 1024

/* Both ends of a lane, and what the next element must be. */
struct bench {
	struct flx_lane lane;
	struct flx_chunk_pool pool;
	uint64_t put;
	uint64_t taken;
};

static void bench_init(struct bench *bench, uint32_t size)
{
	memset(bench, 0, sizeof(*bench));
	CU_ASSERT_EQUAL_FATAL(flx_chunk_pool_init(&bench->pool, STAGED_MAX, 1, -1), 0);
	CU_ASSERT_EQUAL_FATAL(flx_lane_init(&bench->lane, "test_lane", size, -1, &bench->pool), 0);
}

static void bench_fini(struct bench *bench)
{
	CU_ASSERT_TRUE(flx_lane_empty(&bench->lane));
	CU_ASSERT_EQUAL(bench->lane.staging.count, 0);
	CU_ASSERT_EQUAL(bench->lane.put, bench->lane.taken);
	flx_lane_fini(&bench->lane);
	flx_chunk_pool_fini(&bench->pool);
}

/* The number travels in every field, so that a torn element shows. */
static struct flx_elem elem_of(uint64_t number)
{
	return (struct flx_elem){.msg = (struct flx_msg *)(uintptr_t)(number * 64),
				 .fluxion = (uint16_t)(number * 3),
				 .slice = (uint16_t)(number * 5),
				 .flags = (uint32_t)number};
}

static void put(struct bench *bench, uint32_t count)
{
	struct flx_elem elems[STAGED_MAX];

	for (uint32_t i = 0; i < count; i++)
		elems[i] = elem_of(bench->put++);
	flx_lane_put(&bench->lane, &bench->pool, elems, count);
	CU_ASSERT_EQUAL_FATAL(bench->lane.put, bench->put);
}

static uint32_t take(struct bench *bench, uint32_t count)
{
	struct flx_elem elems[STAGED_MAX];
	uint32_t got = flx_lane_recv(&bench->lane, elems, count);

	for (uint32_t i = 0; i < got; i++) {
		struct flx_elem expected = elem_of(bench->taken++);

		CU_ASSERT_EQUAL_FATAL(memcmp(&elems[i], &expected, sizeof(expected)), 0);
	}
	CU_ASSERT_EQUAL_FATAL(bench->lane.taken, bench->taken);
	return got;
}

static void test_lane_holds_its_size_and_stages_the_rest(void)
{
	struct bench bench;

	for (uint32_t size = 1; size <= 64; size *= 2) {
		bench_init(&bench, size);
		put(&bench, 500);
		CU_ASSERT_TRUE(flx_lane_empty(&bench.lane)); /* nothing before the flush */
		CU_ASSERT_EQUAL(flx_lane_flush(&bench.lane, &bench.pool), size);
		CU_ASSERT_EQUAL(bench.lane.staging.count, 500 - size);
		CU_ASSERT_EQUAL(flx_lane_flush(&bench.lane, &bench.pool), 0);
		while (bench.taken < 500) {
			uint64_t expected = RTE_MIN(size, 500 - bench.taken);

			CU_ASSERT_EQUAL_FATAL(take(&bench, 100), expected);
			flx_lane_flush(&bench.lane, &bench.pool);
		}
		CU_ASSERT_EQUAL(take(&bench, 100), 0);
		bench_fini(&bench);
	}
}

static void test_lane_keeps_order_under_random_use(void)
{
	struct bench bench;

	for (uint32_t size = 1; size <= 64; size *= 2) {
		struct flx_random random = {.state = size};

		bench_init(&bench, size);
		for (uint32_t step = 0; step < 20000; step++) {
			uint32_t count = flx_random_between(&random, 1, 100);
			uint64_t held = bench.put - bench.taken;

			switch (flx_random_below(&random, 3)) {
			case 0:
				if (count <= STAGED_MAX - held)
					put(&bench, count);
				break;
			case 1:
				flx_lane_flush(&bench.lane, &bench.pool);
				break;
			default:
				take(&bench, count);
			}
		}
		while (bench.taken < bench.put) {
			flx_lane_flush(&bench.lane, &bench.pool);
			take(&bench, FLX_BATCH);
		}
		bench_fini(&bench);
	}
}

/* ------------------------------------------------------------------------------------- two threads */

struct stream {
	struct flx_lane lane;
	struct flx_chunk_pool pool;
	uint64_t wanted;	 /* elements to carry */
	uint64_t messages[4096]; /* what elements point at: published by the lane alone */
};

static struct stream stream;

static void *produce(void *unused)
{
	struct flx_random random = {.state = 7};
	uint64_t number = 0;
	cpu_set_t all;

	/* EAL bound the main thread to one CPU, and this one inherited that. */
	memset(&all, 0xff, sizeof(all));
	sched_setaffinity(0, sizeof(all), &all);
	while (number < stream.wanted || stream.lane.staging.count) {
		struct flx_elem elems[FLX_BATCH];
		uint32_t count = 0;

		/* Never more under way than messages: staging and ring together hold under 1,024. */
		if (stream.lane.staging.count < 512)
			count = flx_random_between(&random, 1, FLX_BATCH);
		count = (uint32_t)RTE_MIN((uint64_t)count, stream.wanted - number);
		for (uint32_t i = 0; i < count; i++, number++) {
			uint64_t *message = &stream.messages[number % 4096];

			*message = number;
			elems[i] = (struct flx_elem){.msg = (struct flx_msg *)(void *)message,
						     .flags = (uint32_t)number};
		}
		flx_lane_put(&stream.lane, &stream.pool, elems, count);
		if (!flx_lane_flush(&stream.lane, &stream.pool))
			sched_yield();
	}
	return unused;
}

/* In order, whole, and what the element points at is there when the element is. */
static void test_lane_carries_in_order_between_threads(void)
{
	/* A ring of one moves one element per exchange between the cores: fewer of them. */
	static const struct {
		uint32_t size;
		uint64_t wanted;
	} rows[] = {{1, 100000}, {8, 500000}, {64, 2000000}};
	pthread_t producer;
	uint64_t wrong = 0;

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		uint64_t number = 0;

		memset(&stream, 0, sizeof(stream));
		stream.wanted = rows[r].wanted;
		CU_ASSERT_EQUAL_FATAL(flx_chunk_pool_init(&stream.pool, STAGED_MAX, 1, -1), 0);
		CU_ASSERT_EQUAL_FATAL(flx_lane_init(&stream.lane, "test_lane", rows[r].size, -1,
						    &stream.pool),
				      0);
		CU_ASSERT_EQUAL_FATAL(pthread_create(&producer, NULL, produce, NULL), 0);
		while (number < stream.wanted) {
			struct flx_elem elems[FLX_BATCH];
			uint32_t got = flx_lane_recv(&stream.lane, elems, FLX_BATCH);

			for (uint32_t i = 0; i < got; i++, number++)
				wrong += elems[i].flags != (uint32_t)number ||
					 *(uint64_t *)(void *)elems[i].msg != number;
			if (!got)
				sched_yield();
		}
		pthread_join(producer, NULL);
		CU_ASSERT_EQUAL(wrong, 0);
		CU_ASSERT_EQUAL(stream.lane.put, stream.wanted);
		CU_ASSERT_EQUAL(stream.lane.taken, stream.wanted);
		CU_ASSERT_TRUE(flx_lane_empty(&stream.lane));
		flx_lane_fini(&stream.lane);
		flx_chunk_pool_fini(&stream.pool);
	}
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_lane_holds_its_size_and_stages_the_rest),
		FLX_TEST(test_lane_keeps_order_under_random_use),
		FLX_TEST(test_lane_carries_in_order_between_threads),
		{0},
	};

	return flx_test_eal() ? EXIT_FAILURE : flx_test_main("lane", tests);
}
