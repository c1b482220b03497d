/* SPDX-License-Identifier: BSD-3-Clause */
#include "context-store/slab.h"
#include "tests/test.h"

#define CAPACITY 10000
#define STRIDE	 64
#define NODES	 3
#define GAP	 100 /* numbers between two nodes that no node has */

static struct flx_slab slab;
static uint8_t taken[CAPACITY + NODES * GAP];
static uint32_t bumped[NODES]; /* as last told */
static uint32_t bump_errors;

/* Called before numbers are handed out, in ascending order. */
static void note_bump(void *argument, uint32_t node, uint32_t bump)
{
	const struct flx_slab *of = argument;

	bump_errors += bump <= bumped[node] || bump > of->pool[node].ready ||
		       of->pool[node].bump != bumped[node];
	bumped[node] = bump;
}

/* @capacity over @nodes, of which @ready percent are backed; worker w is on node w % nodes. */
static void set_up(uint32_t capacity, uint32_t worker_count, uint32_t nodes, uint32_t ready)
{
	static uint32_t worker_node[FLX_WORKERS_MAX];
	uint32_t share = capacity / nodes, first = 0;
	struct flx_slab_conf conf = {
		.stride_bytes = STRIDE,
		.capacity = capacity,
		.worker_count = worker_count,
		.worker_node = nodes > 1 ? worker_node : NULL,
		.node_count = nodes,
		.bumped = note_bump,
		.bumped_argument = &slab,
	};

	for (uint32_t w = 0; w < worker_count; w++)
		worker_node[w] = w % nodes;
	for (uint32_t n = 0; n < nodes; n++, first += share + GAP) {
		conf.node[n].first = conf.node[n].bump = bumped[n] = first;
		conf.node[n].end = first + share;
		conf.node[n].ready = first + share * ready / 100;
	}
	conf.base = aligned_alloc(FLX_CACHE_LINE, (size_t)first * STRIDE);
	CU_ASSERT_PTR_NOT_NULL_FATAL(conf.base);
	memset(conf.base, 0xee, (size_t)first * STRIDE);
	flx_slab_init(&slab, &conf);
	memset(taken, 0, sizeof(taken));
	bump_errors = 0;
}

static void tear_down(void)
{
	CU_ASSERT_EQUAL(bump_errors, 0);
	free(slab.base);
}

/* A number that is nobody's and of a node; the word of its record is as it was. */
static void check_taken(uint32_t number)
{
	bool is_within = false;

	for (uint32_t n = 0; n < slab.node_count; n++)
		is_within |= number >= slab.pool[n].first && number < bumped[n];
	CU_ASSERT_TRUE_FATAL(is_within);
	CU_ASSERT_EQUAL_FATAL(taken[number], 0);
	CU_ASSERT_EQUAL(*(uint64_t *)flx_slab_at(&slab, number), 0xeeeeeeeeeeeeeeee);
	taken[number] = 1;
	memset((uint8_t *)flx_slab_at(&slab, number) + 8, 0xff, STRIDE - 8);
}

/* Takes until refused, and checks that no number is out of bounds or out twice. */
static uint32_t take_all(uint32_t worker, uint32_t *numbers)
{
	uint32_t count = 0;

	for (;; count++) {
		uint32_t number = flx_slab_take(&slab, worker);

		if (number == FLX_SLAB_NONE) {
			CU_ASSERT_EQUAL(slab.cache[worker].chain_count, 0);
			return count;
		}
		check_taken(number);
		numbers[count] = number;
	}
}

static void give(uint32_t worker, uint32_t number)
{
	taken[number] = 0;
	flx_slab_give(&slab, worker, number);
}

static void test_slab_hands_out_exactly_its_capacity(void)
{
	static const uint32_t capacities[] = {1, 2, 31, 32, 33, 63, 64, 65, 4096, CAPACITY};
	static uint32_t numbers[CAPACITY];

	for (size_t i = 0; i < sizeof(capacities) / sizeof(capacities[0]); i++) {
		set_up(capacities[i], 1, 1, 100);
		for (int again = 0; again < 3; again++) {
			CU_ASSERT_EQUAL(take_all(0, numbers), capacities[i]);
			CU_ASSERT_EQUAL(flx_slab_free_count(&slab, 0), 0);
			for (uint32_t n = 0; n < capacities[i]; n++)
				give(0, numbers[n]);
		}
		CU_ASSERT_EQUAL(flx_slab_bump(&slab, 0), capacities[i]);
		tear_down();
	}
}

/* A worker takes of its own node first, and then of all. */
static void test_slab_takes_of_its_own_node_first(void)
{
	static uint32_t numbers[CAPACITY];
	uint32_t share = 3000 / NODES;

	for (uint32_t worker = 0; worker < NODES; worker++) {
		set_up(3000, NODES, NODES, 100);
		CU_ASSERT_EQUAL(take_all(worker, numbers), 3000);
		for (uint32_t i = 0; i < 3000; i++)
			CU_ASSERT_EQUAL(numbers[i] / (share + GAP), (worker + i / share) % NODES);
		tear_down();
	}
}

static void test_slab_caches_hold_back_a_sixteenth_at_most(void)
{
	static const uint32_t worker_counts[] = {2, 8, 64};
	static uint32_t numbers[CAPACITY];

	for (size_t i = 0; i < sizeof(worker_counts) / sizeof(worker_counts[0]); i++) {
		set_up(CAPACITY, worker_counts[i], 1, 100);
		/* Each of the others holds a block of fresh records and one given back. */
		for (uint32_t worker = 1; worker < worker_counts[i]; worker++) {
			uint32_t mine[2 * FLX_SLAB_BLOCK];

			for (uint32_t n = 0; n < slab.block; n++)
				mine[n] = flx_slab_take(&slab, worker);
			flx_slab_give(&slab, worker, flx_slab_take(&slab, worker));
			for (uint32_t n = 1; n < slab.block; n++)
				flx_slab_give(&slab, worker, mine[n]);
			flx_slab_give(&slab, worker, mine[0]);
		}
		CU_ASSERT_TRUE(take_all(0, numbers) >= CAPACITY - CAPACITY / 16);
		/* Asked to, they bring it. */
		for (uint32_t worker = 1; worker < worker_counts[i]; worker++)
			if (flx_slab_dry(&slab, worker))
				flx_slab_relieve(&slab, worker);
		CU_ASSERT_FALSE(flx_slab_dry(&slab, 0));
		tear_down();
	}
}

static void test_slab_block_shrinks_with_the_capacity(void)
{
	static const struct {
		uint32_t capacity, workers, block;
	} rows[] = {
		{1, 1, 1},	{63, 1, 1},	{64, 1, 2},    {2047, 1, 63}, {2048, 1, 64},
		{10000, 1, 64}, {10000, 64, 4}, {2047, 64, 1}, {4096, 64, 2},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		set_up(rows[i].capacity, rows[i].workers, 1, 100);
		CU_ASSERT_EQUAL(slab.block, rows[i].block);
		tear_down();
	}
}

static void test_slab_dry_brings_every_record_to_who_needs_it(void)
{
	static uint32_t numbers[CAPACITY];
	uint32_t count = 0;

	set_up(1000, 4, 1, 100);
	for (uint32_t worker = 1; worker < 4; worker++)
		flx_slab_give(&slab, worker, flx_slab_take(&slab, worker));
	for (uint32_t turn = 0; turn < 8; turn++) {
		count += take_all(0, numbers + count);
		CU_ASSERT_TRUE(flx_slab_dry(&slab, 0));
		if (turn < 3)
			flx_slab_relieve(&slab, turn + 1);
	}
	CU_ASSERT_EQUAL(count, 1000);
	/* Recovery: one comes back through another worker, and is found. */
	give(2, numbers[500]);
	flx_slab_relieve(&slab, 2);
	CU_ASSERT_FALSE(flx_slab_dry(&slab, 0));
	CU_ASSERT_EQUAL(take_all(0, numbers), 1);
	tear_down();
}

static void test_slab_retired_are_handed_out_after_release_only(void)
{
	static uint32_t numbers[CAPACITY];

	set_up(1000, 1, 1, 100);
	CU_ASSERT_EQUAL(take_all(0, numbers), 1000);
	CU_ASSERT_FALSE(flx_slab_collect(&slab));
	for (uint32_t i = 0; i < 100; i++) {
		taken[numbers[i]] = 0;
		flx_slab_retire(&slab, 0, numbers[i]);
	}
	CU_ASSERT_EQUAL(take_all(0, numbers + 100), 0);
	flx_slab_relieve(&slab, 0);
	CU_ASSERT_EQUAL(flx_slab_deferred(&slab), 100);
	CU_ASSERT_EQUAL(take_all(0, numbers + 100), 0);
	CU_ASSERT_TRUE(flx_slab_collect(&slab));
	CU_ASSERT_EQUAL(flx_slab_deferred(&slab), 100);
	CU_ASSERT_EQUAL(take_all(0, numbers + 100), 0);
	/* What is retired now is not of that grace period. */
	taken[numbers[100]] = 0;
	flx_slab_retire(&slab, 0, numbers[100]);
	flx_slab_relieve(&slab, 0);
	flx_slab_release(&slab);
	CU_ASSERT_EQUAL(flx_slab_deferred(&slab), 1);
	CU_ASSERT_EQUAL(flx_slab_free_count(&slab, 0), 100);
	CU_ASSERT_EQUAL(take_all(0, numbers), 100);
	CU_ASSERT_TRUE(flx_slab_collect(&slab));
	flx_slab_release(&slab);
	CU_ASSERT_EQUAL(take_all(0, numbers), 1);
	CU_ASSERT_FALSE(flx_slab_collect(&slab));
	tear_down();
}

/* Low: free and deferred are below a sixteenth; it ends with a delete, not with its release. */
static void test_slab_low_counts_what_is_on_its_way(void)
{
	static uint32_t numbers[CAPACITY];
	uint32_t count = 0;

	set_up(1600, 1, 1, 100);
	CU_ASSERT_FALSE(flx_slab_low(&slab));
	while (!flx_slab_low(&slab)) {
		numbers[count] = flx_slab_take(&slab, 0);
		CU_ASSERT_TRUE_FATAL(numbers[count++] != FLX_SLAB_NONE);
	}
	CU_ASSERT_TRUE(flx_slab_free_count(&slab, 0) < 1600 / 16 + 1);
	CU_ASSERT_TRUE(flx_slab_free_count(&slab, 0) + slab.block >= 1600 / 16);
	while (flx_slab_low(&slab)) {
		CU_ASSERT_TRUE_FATAL(count > 0);
		flx_slab_retire(&slab, 0, numbers[--count]);
	}
	CU_ASSERT_TRUE(flx_slab_free_count(&slab, 0) + flx_slab_deferred(&slab) >= 1600 / 16);
	CU_ASSERT_TRUE(flx_slab_collect(&slab));
	CU_ASSERT_FALSE(flx_slab_low(&slab));
	flx_slab_release(&slab);
	CU_ASSERT_FALSE(flx_slab_low(&slab));
	tear_down();
}

static void test_slab_extend_and_append(void)
{
	static uint32_t numbers[CAPACITY];

	set_up(3000, 2, NODES, 10);
	for (uint32_t i = 0; i < 300; i++)
		check_taken(flx_slab_append(&slab));
	CU_ASSERT_EQUAL(flx_slab_append(&slab), FLX_SLAB_NONE);
	CU_ASSERT_EQUAL(take_all(0, numbers), 0);
	CU_ASSERT_TRUE(flx_slab_dry(&slab, 0) && flx_slab_dry(&slab, 1));
	flx_slab_extend(&slab, 1, slab.pool[1].first + 250);
	CU_ASSERT_FALSE(flx_slab_dry(&slab, 1));
	check_taken(flx_slab_append(&slab));
	CU_ASSERT_EQUAL(take_all(0, numbers), 149);
	for (uint32_t n = 0; n < NODES; n++)
		flx_slab_extend(&slab, n, slab.pool[n].end);
	CU_ASSERT_EQUAL(take_all(1, numbers), 3000 - 450);
	tear_down();
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_slab_hands_out_exactly_its_capacity),
		FLX_TEST(test_slab_takes_of_its_own_node_first),
		FLX_TEST(test_slab_caches_hold_back_a_sixteenth_at_most),
		FLX_TEST(test_slab_block_shrinks_with_the_capacity),
		FLX_TEST(test_slab_dry_brings_every_record_to_who_needs_it),
		FLX_TEST(test_slab_retired_are_handed_out_after_release_only),
		FLX_TEST(test_slab_low_counts_what_is_on_its_way),
		FLX_TEST(test_slab_extend_and_append),
		{0},
	};

	return flx_test_main("slab", tests);
}
