/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/fifo.h"
#include "tests/eal.h"
#include "tests/random.h"
#include "tests/test.h"

#define QUEUES_MAX 8

/* Queues over one pool, and a reference of each: the values that it holds are first..next-1. */
struct bench {
	struct flx_chunk_pool pool;
	struct flx_fifo fifo[QUEUES_MAX];
	uint64_t first[QUEUES_MAX];
	uint64_t next[QUEUES_MAX];
	uint32_t queues;
	uint32_t bound; /* elements, together */
	uint32_t held;
	uint32_t chunks; /* of the pool, when all is at rest */
};

static uint32_t free_chunks(const struct flx_chunk_pool *pool)
{
	uint32_t count = 0;

	for (const struct flx_chunk *chunk = pool->free; chunk; chunk = chunk->next)
		count++;
	return count;
}

static void bench_init(struct bench *bench, uint32_t bound, uint32_t queues)
{
	*bench = (struct bench){.bound = bound, .queues = queues};
	CU_ASSERT_EQUAL_FATAL(flx_chunk_pool_init(&bench->pool, bound, queues, -1), 0);
	bench->chunks = free_chunks(&bench->pool);
	for (uint32_t q = 0; q < queues; q++)
		flx_fifo_init(&bench->fifo[q], &bench->pool);
}

static struct flx_elem elem_of(uint32_t queue, uint64_t value)
{
	return (struct flx_elem){.fluxion = (uint16_t)queue, .flags = (uint32_t)value};
}

static void push(struct bench *bench, uint32_t q, uint32_t count)
{
	struct flx_elem elems[512];

	for (uint32_t i = 0; i < count; i++)
		elems[i] = elem_of(q, bench->next[q]++);
	flx_fifo_push(&bench->fifo[q], &bench->pool, elems, count);
	bench->held += count;
}

/* Takes up to @count of what peek shows; returns how many. */
static uint32_t pop(struct bench *bench, uint32_t q, uint32_t count)
{
	struct flx_elem *elems;
	uint32_t row = flx_fifo_peek(&bench->fifo[q], &elems);

	CU_ASSERT_FATAL(row <= FLX_BATCH && row <= bench->fifo[q].count);
	CU_ASSERT_FATAL((row == 0) == (bench->next[q] == bench->first[q]));
	if (count > row)
		count = row;
	for (uint32_t i = 0; i < row; i++) {
		CU_ASSERT_EQUAL_FATAL(elems[i].fluxion, q);
		CU_ASSERT_EQUAL_FATAL(elems[i].flags, (uint32_t)(bench->first[q] + i));
	}
	flx_fifo_pop(&bench->fifo[q], &bench->pool, count);
	bench->first[q] += count;
	bench->held -= count;
	CU_ASSERT_EQUAL_FATAL(bench->fifo[q].count, bench->next[q] - bench->first[q]);
	return count;
}

/* Empties all, and checks that every chunk but one per queue is back. */
static void bench_fini(struct bench *bench)
{
	for (uint32_t q = 0; q < bench->queues; q++)
		while (pop(bench, q, FLX_BATCH))
			;
	CU_ASSERT_EQUAL(bench->held, 0);
	CU_ASSERT_EQUAL(free_chunks(&bench->pool), bench->chunks - bench->queues);
	for (uint32_t q = 0; q < bench->queues; q++) {
		CU_ASSERT_PTR_EQUAL(bench->fifo[q].head, bench->fifo[q].tail);
		flx_chunk_put(&bench->pool, bench->fifo[q].head);
	}
	CU_ASSERT_EQUAL(free_chunks(&bench->pool), bench->chunks);
	flx_chunk_pool_fini(&bench->pool);
}

static void test_fifo_keeps_order_under_random_use(void)
{
	static const struct {
		uint32_t bound, queues, push_max;
	} rows[] = {{64, 1, 64}, {100, 2, 70}, {512, 8, 200}, {2000, 3, 500}, {130, 8, 3}};
	struct bench bench;

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		struct flx_random random = {.state = r + 1};

		bench_init(&bench, rows[r].bound, rows[r].queues);
		for (uint32_t step = 0; step < 20000; step++) {
			uint32_t q = flx_random_below(&random, bench.queues);
			uint32_t count = flx_random_between(&random, 0, rows[r].push_max);

			if (flx_random_chance(&random, 50))
				pop(&bench, q, count);
			else
				push(&bench, q, RTE_MIN(count, bench.bound - bench.held));
		}
		bench_fini(&bench);
	}
}

/* Each queue wastes as much as it can at both ends, and the rest fills one: still enough chunks. */
static void test_fifo_fits_however_elements_are_spread(void)
{
	static const uint32_t bounds[] = {66 + 2 * QUEUES_MAX, 128, 129, 191, 192, 500, 512};
	struct bench bench;

	for (size_t r = 0; r < sizeof(bounds) / sizeof(bounds[0]); r++) {
		bench_init(&bench, bounds[r], QUEUES_MAX);
		for (uint32_t q = 0; q < QUEUES_MAX; q++) {
			push(&bench, q, FLX_BATCH + 1);
			/* One is left at the end of the first chunk, one at the start of the next.
			 */
			pop(&bench, q, FLX_BATCH - 1);
			CU_ASSERT_PTR_NOT_EQUAL(bench.fifo[q].head, bench.fifo[q].tail);
		}
		while (bench.held < bench.bound)
			push(&bench, 0, 1); /* would abort without a chunk */
		bench_fini(&bench);
	}
}

/* Emptied in every turn, a queue stays in the chunk that is in the cache. */
static void test_fifo_emptied_begins_at_the_start_of_its_chunk(void)
{
	struct bench bench;
	struct flx_chunk *chunk;

	bench_init(&bench, 256, 1);
	chunk = bench.fifo[0].head;
	for (uint32_t turn = 0; turn < 10; turn++) {
		push(&bench, 0, FLX_BATCH);
		CU_ASSERT_EQUAL(pop(&bench, 0, FLX_BATCH), FLX_BATCH);
		CU_ASSERT_PTR_EQUAL(bench.fifo[0].tail, chunk);
		CU_ASSERT_EQUAL(bench.fifo[0].end, 0);
	}
	bench_fini(&bench);
}

/* What dispatch does: the row in hand stays valid while the same queue grows behind it. */
static void test_fifo_row_survives_pushes_behind_it(void)
{
	struct bench bench;
	struct flx_elem *elems;

	bench_init(&bench, 512, 1);
	push(&bench, 0, 10);
	CU_ASSERT_EQUAL_FATAL(flx_fifo_peek(&bench.fifo[0], &elems), 10);
	push(&bench, 0, 300);
	for (uint32_t i = 0; i < 10; i++)
		CU_ASSERT_EQUAL(elems[i].flags, i);
	flx_fifo_pop(&bench.fifo[0], &bench.pool, 10);
	bench.first[0] += 10;
	bench.held -= 10;
	bench_fini(&bench);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_fifo_keeps_order_under_random_use),
		FLX_TEST(test_fifo_fits_however_elements_are_spread),
		FLX_TEST(test_fifo_emptied_begins_at_the_start_of_its_chunk),
		FLX_TEST(test_fifo_row_survives_pushes_behind_it),
		{0},
	};

	return flx_test_eal() ? EXIT_FAILURE : flx_test_main("fifo", tests);
}
