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
	CU_ASSERT_TRUE(!flx_lane_count(&bench->lane));
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
	struct flx_lane_part parts[2];
	uint32_t got = flx_lane_peek(&bench->lane, parts, count);

	if (!got)
		return 0;
	CU_ASSERT_FATAL(got <= count && parts[0].count + parts[1].count == got);
	for (uint32_t p = 0; p < 2; p++) {
		for (uint32_t i = 0; i < parts[p].count; i++) {
			struct flx_elem expected = elem_of(bench->taken++);

			CU_ASSERT_EQUAL_FATAL(
				memcmp(&parts[p].elems[i], &expected, sizeof(expected)), 0);
		}
	}
	flx_lane_take(&bench->lane, got);
	CU_ASSERT_EQUAL_FATAL(bench->lane.taken, bench->taken);
	return got;
}

static void test_lane_holds_its_size_and_stages_the_rest(void)
{
	struct bench bench;

	for (uint32_t size = 1; size <= 64; size *= 2) {
		bench_init(&bench, size);
		put(&bench, 500);
		flx_lane_flush(&bench.lane, &bench.pool);
		CU_ASSERT_EQUAL(bench.lane.staging.count, 500 - size);
		flx_lane_flush(&bench.lane, &bench.pool); /* it is full */
		CU_ASSERT_EQUAL(bench.lane.staging.count, 500 - size);
		while (bench.taken < 500) {
			uint64_t expected = RTE_MIN(size, 500 - bench.taken);

			CU_ASSERT_EQUAL_FATAL(take(&bench, 100), expected);
			flx_lane_flush(&bench.lane, &bench.pool);
		}
		CU_ASSERT_EQUAL(take(&bench, 100), 0);
		bench_fini(&bench);
	}
}

/* A small put waits for the flush; a large one is on the ring at once, but never before older ones.
 */
static void test_lane_puts_large_bursts_directly_and_in_order(void)
{
	static const struct {
		uint32_t first, second; /* put before a flush */
		uint32_t on_ring;
	} rows[] = {
		{FLX_LANE_DIRECT - 1, 0, 0},
		{FLX_LANE_DIRECT, 0, FLX_LANE_DIRECT},
		{64, 0, 64},
		{65, 0, 64},
		{65, 64, 64},
		{1, FLX_LANE_DIRECT, 0},
		{FLX_LANE_DIRECT, 1, FLX_LANE_DIRECT},
		{FLX_LANE_DIRECT, FLX_LANE_DIRECT, 2 * FLX_LANE_DIRECT},
	};
	struct bench bench;

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		uint32_t sum = rows[r].first + rows[r].second;

		bench_init(&bench, 64);
		put(&bench, rows[r].first);
		put(&bench, rows[r].second);
		CU_ASSERT_EQUAL(bench.lane.staging.count, sum - rows[r].on_ring);
		CU_ASSERT_EQUAL(take(&bench, STAGED_MAX), rows[r].on_ring);
		while (bench.taken < sum) {
			flx_lane_flush(&bench.lane, &bench.pool);
			take(&bench, STAGED_MAX);
		}
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

/* ---------------------------------------------------------------------------------- two threads */

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

		/* Never more under way than messages: staging and ring together hold under 1,024.
		 */
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
		flx_lane_flush(&stream.lane, &stream.pool);
		if (stream.lane.staging.count)
			sched_yield();
	}
	return unused;
}

/* Takes what is there; returns how many were not what they must be. */
static uint64_t consume(uint64_t *number)
{
	struct flx_lane_part parts[2];
	uint32_t got = flx_lane_peek(&stream.lane, parts, FLX_BATCH);
	uint64_t wrong = 0;

	for (uint32_t p = 0; got && p < 2; p++) {
		for (uint32_t i = 0; i < parts[p].count; i++, ++*number) {
			const struct flx_elem *elem = &parts[p].elems[i];

			wrong += elem->flags != (uint32_t)*number ||
				 *(const uint64_t *)(const void *)elem->msg != *number;
		}
	}
	if (got)
		flx_lane_take(&stream.lane, got);
	else
		sched_yield();
	return wrong;
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
		CU_ASSERT_EQUAL_FATAL(
			flx_lane_init(&stream.lane, "test_lane", rows[r].size, -1, &stream.pool),
			0);
		CU_ASSERT_EQUAL_FATAL(pthread_create(&producer, NULL, produce, NULL), 0);
		while (number < stream.wanted)
			wrong += consume(&number);
		pthread_join(producer, NULL);
		CU_ASSERT_EQUAL(wrong, 0);
		CU_ASSERT_EQUAL(stream.lane.put, stream.wanted);
		CU_ASSERT_EQUAL(stream.lane.taken, stream.wanted);
		CU_ASSERT_TRUE(!flx_lane_count(&stream.lane));
		flx_lane_fini(&stream.lane);
		flx_chunk_pool_fini(&stream.pool);
	}
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_lane_holds_its_size_and_stages_the_rest),
		FLX_TEST(test_lane_puts_large_bursts_directly_and_in_order),
		FLX_TEST(test_lane_keeps_order_under_random_use),
		FLX_TEST(test_lane_carries_in_order_between_threads),
		{0},
	};

	return flx_test_eal() ? EXIT_FAILURE : flx_test_main("lane", tests);
}
