/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A keeper that stands still at any of its instructions while workers take and give records; and a
 * worker that does, while the keeper goes on. Nobody waits for the one who stands (or the alarm ends
 * the test), none is lost, none is handed out twice or before its time, and nobody stays dry beside
 * free ones.
 */
#include "context-store/slab.h"
#include "tests/step.h"
#include "tests/test.h"

#define ROUNDS	2
#define STEPS	30000 /* of a round */
#define WORKERS 2
#define NUMBERS 120
#define READY	24 /* at first */

enum place { FREE, HELD, RETIRED };

static struct {
	struct flx_slab slab;
	uint8_t place[NUMBERS];
	uint32_t retired_at[NUMBERS]; /* collects that had ended */
	uint32_t held[NUMBERS], held_count;
	uint32_t collects, releases; /* ended; begun */
	uint32_t ready;
	bool stuck;
} model;

static uint64_t wrong;

static void init_slab(void)
{
	/* Blocks of three, so that chains have links. */
	struct flx_slab_conf conf = {
		.base = aligned_alloc(FLX_CACHE_LINE, NUMBERS * FLX_CACHE_LINE),
		.stride_bytes = FLX_CACHE_LINE,
		.capacity = 3 * 32 * WORKERS,
		.worker_count = WORKERS,
		.node_count = 1,
		.node = {{.end = NUMBERS, .ready = READY}},
	};

	CU_ASSERT_PTR_NOT_NULL_FATAL(conf.base);
	memset(conf.base, 0xee, NUMBERS * FLX_CACHE_LINE);
	memset(&model, 0, sizeof(model));
	model.ready = READY;
	flx_slab_init(&model.slab, &conf);
	CU_ASSERT_EQUAL(model.slab.block, 3);
}

static bool take(uint32_t worker)
{
	uint32_t number = flx_slab_take(&model.slab, worker);

	if (number == FLX_SLAB_NONE)
		return false;
	wrong += number >= model.ready || model.place[number] == HELD ||
		 (model.place[number] == RETIRED && model.retired_at[number] >= model.releases);
	if (number >= NUMBERS)
		return false;
	model.place[number] = HELD;
	model.held[model.held_count++] = number;
	return true;
}

static void put(uint32_t worker)
{
	uint32_t at = flx_random_below(&test_randoms, model.held_count), number = model.held[at];

	model.held[at] = model.held[--model.held_count];
	if (flx_random_chance(&test_randoms, 50)) {
		model.place[number] = FREE;
		flx_slab_give(&model.slab, worker, number);
	} else {
		model.place[number] = RETIRED;
		model.retired_at[number] = model.collects;
		flx_slab_retire(&model.slab, worker, number);
	}
}

static void work_slab(void)
{
	uint32_t worker = flx_random_below(&test_randoms, WORKERS);
	uint32_t what = flx_random_below(&test_randoms, 10);

	if (what < 5)
		take(worker);
	else if (what < 9 && model.held_count)
		put(worker);
	else if (flx_slab_dry(&model.slab, worker))
		flx_slab_relieve(&model.slab, worker);
}

static void keep_slab(void)
{
	if (model.releases == model.collects) {
		if (flx_slab_collect(&model.slab))
			model.collects++;
	} else {
		model.releases++;
		flx_slab_release(&model.slab);
	}
	if (flx_random_chance(&test_randoms, 90) || model.ready == NUMBERS)
		return;
	model.stuck = flx_random_chance(&test_randoms, 50);
	if (model.stuck)
		flx_slab_stick(&model.slab, 0);
	else
		flx_slab_extend(&model.slab, 0, ++model.ready);
}

/* Nobody stands now: what the pool has is to be had, and it is low when it should be. */
static void check_slab(void)
{
	uint32_t free_count = flx_slab_free_count(&model.slab, 0), more = 0;
	uint32_t room = free_count + flx_slab_deferred(&model.slab);
	bool grows = model.ready < NUMBERS && !model.stuck;

	wrong += flx_slab_low(&model.slab) != (!grows && room < model.slab.reserve);
	while (take(flx_random_below(&test_randoms, WORKERS)))
		more++;
	/* Either worker was refused; the other's cache may hold the rest. */
	while (take(0))
		more++;
	while (take(1))
		more++;
	wrong += flx_slab_free_count(&model.slab, 0) != 0 || more < free_count;
}

static void check_slab_conservation(void)
{
	for (uint32_t w = 0; w < WORKERS; w++)
		flx_slab_relieve(&model.slab, w);
	CU_ASSERT_EQUAL(flx_slab_free_count(&model.slab, 0) + flx_slab_deferred(&model.slab) +
				model.held_count,
			model.ready);
	for (uint32_t number = 0; number < NUMBERS; number++)
		wrong += *(uint64_t *)flx_slab_at(&model.slab, number) != 0xeeeeeeeeeeeeeeee;
}

static void run_slab(void (*stands)(void), void (*goes_on)(void))
{
	for (uint32_t round = 0; round < ROUNDS; round++) {
		wrong = 0;
		test_step_begin(round);
		init_slab();
		for (uint32_t turn = 0; test_steps < STEPS; turn++) {
			test_step_random(stands, goes_on);
			wrong += flx_slab_dry(&model.slab, 0) &&
				 flx_slab_free_count(&model.slab, 0) > 0;
			for (uint32_t i = 0; i < 4; i++)
				work_slab();
			if (turn % 8 == 0)
				check_slab();
			/* Or all would soon be held. */
			while (turn % 16 == 0 && model.held_count > model.ready / 4)
				put(flx_random_below(&test_randoms, WORKERS));
		}
		check_slab_conservation();
		CU_ASSERT_EQUAL(wrong, 0);
		CU_ASSERT_TRUE(test_intruded > STEPS / 30);
		CU_ASSERT_TRUE(model.releases > 20 && model.ready > READY);
		free(model.slab.base);
	}
}

static void test_keeper_slab_workers_go_on_wherever_it_stands(void)
{
	run_slab(keep_slab, work_slab);
}

static void test_keeper_slab_it_goes_on_wherever_a_worker_stands(void)
{
	run_slab(work_slab, keep_slab);
}

static void take_one(void)
{
	take(0);
}

static void release_all(void)
{
	model.releases++;
	flx_slab_release(&model.slab);
}

static void extend_by_one(void)
{
	flx_slab_extend(&model.slab, 0, ++model.ready);
}

/* The pool is empty, and a block is about to come: who finds none does not say so for good. */
static void test_keeper_slab_is_not_left_dry_beside_what_it_brings(void)
{
	void (*const brings[])(void) = {release_all, extend_by_one};

	for (uint32_t what = 0; what < 2; what++) {
		bool reached = true;
		uint64_t step = 0;

		wrong = 0;
		test_step_begin(what);
		for (; reached; step++) {
			init_slab();
			for (uint32_t i = 0; i < READY; i++)
				CU_ASSERT_TRUE_FATAL(take(0));
			for (uint32_t i = 0; what == 0 && i < model.slab.block; i++) {
				model.place[model.held[--model.held_count]] = RETIRED;
				flx_slab_retire(&model.slab, 0, model.held[model.held_count]);
			}
			CU_ASSERT_EQUAL(flx_slab_collect(&model.slab), what == 0);
			reached = test_step_once(take_one, brings[what], step);
			if (!reached)
				brings[what]();
			wrong += flx_slab_dry(&model.slab, 0) &&
				 flx_slab_free_count(&model.slab, 0) > 0;
			free(model.slab.base);
		}
		CU_ASSERT_EQUAL(wrong, 0);
		CU_ASSERT_TRUE(step > 30);
	}
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_keeper_slab_workers_go_on_wherever_it_stands),
		FLX_TEST(test_keeper_slab_it_goes_on_wherever_a_worker_stands),
		FLX_TEST(test_keeper_slab_is_not_left_dry_beside_what_it_brings),
		{0},
	};

	return test_step_main("keeper slab", tests);
}
