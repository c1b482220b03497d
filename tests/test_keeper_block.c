/* SPDX-License-Identifier: BSD-3-Clause */
/* As test_keeper_slab.c, for the blocks of an index. */
#include "context-store/block.h"
#include "tests/step.h"
#include "tests/test.h"

#define ROUNDS	2
#define STEPS	30000 /* of a round */
#define CLASSES 3
#define BLOCKS	20 /* of each class: all that there is memory for */

static struct flx_arena arena;
static struct flx_block_pool pool;

static struct {
	uint32_t line[CLASSES][BLOCKS], count[CLASSES]; /* held */
	uint32_t retired[CLASSES];
	uint32_t collects, releases;
} blocks;

static uint64_t wrong;

/* A held or retired block has its own number in all words. */
static void mark(uint32_t class, uint32_t line)
{
	uint32_t *words = flx_block_at(&pool, line);

	for (uint32_t i = 0; i < FLX_CACHE_LINE / sizeof(*words) << class; i++)
		words[i] = line;
}

static void check_mark(uint32_t class, uint32_t line)
{
	const uint32_t *words = flx_block_at(&pool, line);

	for (uint32_t i = 0; i < FLX_CACHE_LINE / sizeof(*words) << class; i++)
		wrong += words[i] != line;
}

static bool alloc_block(uint32_t class)
{
	uint32_t line = flx_block_alloc(&pool, class);

	if (line == 0)
		return false;
	for (uint32_t i = 0; i < blocks.count[class]; i++)
		wrong += blocks.line[class][i] == line;
	if (blocks.count[class] == BLOCKS) {
		wrong++;
		return false;
	}
	blocks.line[class][blocks.count[class]++] = line;
	mark(class, line);
	return true;
}

static void put_block(uint32_t class)
{
	uint32_t line = blocks.line[class][--blocks.count[class]];

	check_mark(class, line);
	if (flx_random_chance(&test_randoms, 30)) {
		flx_block_free(&pool, class, line);
		return;
	}
	flx_block_retire(&pool, class, line);
	blocks.retired[class]++;
}

static void work_blocks(void)
{
	uint32_t class = flx_random_below(&test_randoms, CLASSES);

	if (flx_random_chance(&test_randoms, 50))
		alloc_block(class);
	else if (blocks.count[class])
		put_block(class);
}

static void keep_blocks(void)
{
	if (blocks.releases < blocks.collects) {
		blocks.releases++;
		flx_block_release(&pool);
	} else {
		blocks.collects += flx_block_collect(&pool);
	}
}

/* Nobody stands now: what is not held or waits is to be had. */
static void check_blocks(void)
{
	for (uint32_t class = 0; class < CLASSES; class ++) {
		while (alloc_block(class))
			;
		wrong += blocks.count[class] + flx_block_waiting(&pool, class) != BLOCKS;
		while (blocks.count[class] > BLOCKS / 2)
			put_block(class);
	}
}

static void init_blocks(void)
{
	uint32_t lines = BLOCKS * ((1 << CLASSES) - 1);

	memset(&blocks, 0, sizeof(blocks));
	CU_ASSERT_EQUAL_FATAL(
		flx_arena_init(&arena, flx_block_reserve() + lines * FLX_CACHE_LINE, false), 0);
	CU_ASSERT_EQUAL_FATAL(flx_block_pool_init(&pool, &arena), 0);
	for (uint32_t class = 0; class < CLASSES; class ++)
		for (uint32_t i = 0; i < BLOCKS; i++)
			CU_ASSERT_TRUE_FATAL(alloc_block(class));
	/* From here on nothing comes from the arena. */
	arena.ready_bytes = arena.used_bytes;
}

/* The ring is about to begin again. */
static void use_ring(void)
{
	for (uint32_t i = 0; i < FLX_BLOCK_LIMBO - 10; i++) {
		flx_block_retire(&pool, 0, blocks.line[0][--blocks.count[0]]);
		flx_block_collect(&pool);
		flx_block_release(&pool);
		CU_ASSERT_TRUE_FATAL(alloc_block(0));
	}
}

static void run_blocks(void (*stands)(void), void (*goes_on)(void))
{
	for (uint32_t round = 0; round < ROUNDS; round++) {
		uint32_t retired = 0;

		wrong = 0;
		test_step_begin(round);
		init_blocks();
		use_ring();
		for (uint32_t turn = 0; test_steps < STEPS; turn++) {
			test_step_random(stands, goes_on);
			work_blocks();
			if (turn % 8 == 0)
				check_blocks();
		}
		for (uint32_t class = 0; class < CLASSES; class ++)
			retired += blocks.retired[class];
		CU_ASSERT_EQUAL(wrong, 0);
		CU_ASSERT_TRUE(test_intruded > STEPS / 30 && blocks.releases > 3);
		CU_ASSERT_TRUE(retired > 20);
		flx_arena_fini(&arena);
	}
}

static void test_keeper_blocks_workers_go_on_wherever_it_stands(void)
{
	run_blocks(keep_blocks, work_blocks);
}

static void test_keeper_blocks_it_goes_on_wherever_a_worker_stands(void)
{
	run_blocks(work_blocks, keep_blocks);
}

static void retire_three(void)
{
	for (uint32_t i = 0; i < 3; i++)
		flx_block_retire(&pool, 0, blocks.line[0][--blocks.count[0]]);
	flx_block_collect(&pool);
}

static void alloc_one(void)
{
	alloc_block(0);
}

static void release_blocks(void)
{
	flx_block_release(&pool);
}

/* Three have come back and nobody has fetched them, three more are about to. */
static void init_three_and_three(void)
{
	init_blocks();
	retire_three();
	flx_block_release(&pool);
	retire_three();
}

static void test_keeper_blocks_that_come_back_are_all_there(void)
{
	void (*const order[2][2])(void) = {{alloc_one, release_blocks},
					   {release_blocks, alloc_one}};

	for (uint32_t i = 0; i < 2; i++) {
		bool reached = true;
		uint64_t steps, stride;

		wrong = 0;
		test_step_begin(i);
		init_three_and_three();
		test_step_once(order[i][0], order[i][1], UINT64_MAX);
		flx_arena_fini(&arena);
		stride = test_step_stride(test_steps);
		for (steps = 0; reached; steps += stride) {
			init_three_and_three();
			reached = test_step_once(order[i][0], order[i][1], steps);
			if (!reached)
				order[i][1]();
			while (alloc_block(0))
				;
			wrong += blocks.count[0] != BLOCKS;
			flx_arena_fini(&arena);
		}
		CU_ASSERT_EQUAL(wrong, 0);
		CU_ASSERT_TRUE(steps > 30 * stride);
	}
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_keeper_blocks_workers_go_on_wherever_it_stands),
		FLX_TEST(test_keeper_blocks_it_goes_on_wherever_a_worker_stands),
		FLX_TEST(test_keeper_blocks_that_come_back_are_all_there),
		{0},
	};

	return test_step_main("keeper block", tests);
}
