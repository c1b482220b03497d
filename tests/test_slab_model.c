/* SPDX-License-Identifier: BSD-3-Clause */
/* Random calls of the slab against a model of where each number is; and threads at once. */
#include <pthread.h>
#include <sched.h>

#include "context-store/slab.h"
#include "tests/random.h"
#include "tests/test.h"

#define STRIDE	   64
#define NUMBERS	   4000
#define WORKERS	   4
#define OPERATIONS 300000
/* A thread holds no more: all of them want more than there is, and none can keep all from another. */
#define MOST (NUMBERS / WORKERS + 200)

enum place { FREE, HELD, RETIRED, COLLECTED };

struct model {
	struct flx_slab slab;
	struct flx_random random;
	uint32_t nodes;
	uint32_t ready;		     /* numbers of each node */
	uint32_t held[NUMBERS];	     /* numbers that are held */
	uint8_t place[NUMBERS];	     /* of each number */
	uint8_t retired_by[NUMBERS]; /* worker */
	uint32_t count[4];	     /* of each place */
	uint64_t wrong;
};

static uint32_t share_of(const struct model *model)
{
	return NUMBERS / model->nodes;
}

static void init_slab(struct model *model, uint32_t ready)
{
	static const uint32_t worker_node[WORKERS] = {0, 1, 2, 0}, zero[WORKERS];
	struct flx_slab_conf conf = {
		.base = aligned_alloc(FLX_CACHE_LINE, NUMBERS * STRIDE),
		.stride_bytes = STRIDE,
		.capacity = ready * model->nodes,
		.worker_count = WORKERS,
		.worker_node = model->nodes == 3 ? worker_node : zero,
		.node_count = model->nodes,
	};

	CU_ASSERT_PTR_NOT_NULL_FATAL(conf.base);
	memset(conf.base, 0xee, NUMBERS * STRIDE);
	for (uint32_t n = 0; n < model->nodes; n++) {
		conf.node[n].first = conf.node[n].bump = n * share_of(model);
		conf.node[n].end = (n + 1) * share_of(model);
		conf.node[n].ready = conf.node[n].first + ready;
	}
	flx_slab_init(&model->slab, &conf);
	model->ready = ready;
	model->count[FREE] = ready * model->nodes;
}

static void move(struct model *model, uint32_t number, enum place from, enum place to)
{
	model->wrong += number >= NUMBERS || model->place[number] != from;
	if (number >= NUMBERS)
		return;
	model->place[number] = (uint8_t)to;
	model->count[from]--;
	model->count[to]++;
}

static void take(struct model *model, uint32_t worker)
{
	uint32_t number = flx_slab_take(&model->slab, worker);

	if (number == FLX_SLAB_NONE) {
		/* The caches of the others hold what is free. */
		model->wrong += model->count[FREE] > (WORKERS - 1) * 2 * model->slab.block;
		return;
	}
	model->wrong += number % share_of(model) >= model->ready;
	model->held[model->count[HELD]] = number;
	move(model, number, FREE, HELD);
	memset((uint8_t *)flx_slab_at(&model->slab, number) + 8, 0xff, STRIDE - 8);
}

static uint32_t pick_held(struct model *model)
{
	uint32_t at = flx_random_below(&model->random, model->count[HELD]);
	uint32_t number = model->held[at];

	model->held[at] = model->held[model->count[HELD] - 1];
	return number;
}

/* All that was retired and is in the pools; what caches hold stays out. */
static void collect(struct model *model)
{
	uint32_t before = model->count[RETIRED], deferred = flx_slab_deferred(&model->slab);

	if (model->count[COLLECTED]) {
		for (uint32_t number = 0; number < NUMBERS; number++)
			if (model->place[number] == COLLECTED)
				move(model, number, COLLECTED, FREE);
		flx_slab_release(&model->slab);
		return;
	}
	for (uint32_t w = 0; w < WORKERS; w++) /* so that we know what is in the pools */
		flx_slab_relieve(&model->slab, w);
	model->wrong += deferred > before || flx_slab_deferred(&model->slab) != before;
	model->wrong += flx_slab_collect(&model->slab) != (before > 0);
	for (uint32_t number = 0; number < NUMBERS; number++)
		if (model->place[number] == RETIRED)
			move(model, number, RETIRED, COLLECTED);
}

static void extend(struct model *model)
{
	if (model->ready == share_of(model))
		return;
	model->ready++;
	for (uint32_t n = 0; n < model->nodes; n++)
		flx_slab_extend(&model->slab, n, n * share_of(model) + model->ready);
	model->count[FREE] += model->nodes;
}

static void operate(struct model *model, uint32_t take_pct)
{
	uint32_t worker = flx_random_below(&model->random, WORKERS);
	uint32_t number;

	if (flx_random_chance(&model->random, take_pct)) {
		take(model, worker);
	} else if (flx_random_below(&model->random, 500) == 0) {
		collect(model);
	} else if (flx_random_below(&model->random, 500) == 0) {
		extend(model);
	} else if (flx_random_below(&model->random, 200) == 0) {
		flx_slab_relieve(&model->slab, worker);
	} else if (model->count[HELD] && flx_random_chance(&model->random, 50)) {
		number = pick_held(model);
		move(model, number, HELD, FREE);
		flx_slab_give(&model->slab, worker, number);
	} else if (model->count[HELD]) {
		number = pick_held(model);
		move(model, number, HELD, RETIRED);
		flx_slab_retire(&model->slab, worker, number);
	}
}

/* When all caches are brought home, the pools have exactly what is free. */
static void check_conservation(struct model *model)
{
	uint32_t free_count = 0;

	for (uint32_t w = 0; w < WORKERS; w++)
		flx_slab_relieve(&model->slab, w);
	for (uint32_t n = 0; n < model->nodes; n++)
		free_count += flx_slab_free_count(&model->slab, n);
	CU_ASSERT_EQUAL(free_count, model->count[FREE]);
	CU_ASSERT_EQUAL(flx_slab_deferred(&model->slab),
			model->count[RETIRED] + model->count[COLLECTED]);
	for (uint32_t number = 0; number < NUMBERS; number++)
		model->wrong +=
			*(uint64_t *)flx_slab_at(&model->slab, number) != 0xeeeeeeeeeeeeeeee;
	while (model->count[FREE]) {
		uint32_t before = model->count[FREE];

		take(model, 0);
		if (model->count[FREE] == before)
			break;
	}
	CU_ASSERT_EQUAL(model->count[FREE], 0);
	CU_ASSERT_EQUAL(model->wrong, 0);
}

static void test_slab_agrees_with_a_model(void)
{
	static const struct {
		uint32_t nodes, ready;
	} rows[] = {{1, 4000}, {1, 100}, {1, 1}, {3, 1333}, {3, 50}, {2, 700}};
	static struct model model;

	for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		model = (struct model){.random = {.state = i}, .nodes = rows[i].nodes};
		init_slab(&model, rows[i].ready);
		for (uint32_t n = 0; n < OPERATIONS; n++)
			/* In waves, so that it is full and empty in turns. */
			operate(&model, n / 10000 % 2 ? 30 : 65);
		check_conservation(&model);
		free(model.slab.base);
	}
}

/* A number that a thread holds has its name in it; the keeper's thread collects all the while. */
struct thread {
	struct flx_slab *slab;
	uint32_t worker;
	uint64_t wrong, taken;
};

static atomic_bool done;
static _Atomic uint8_t owner[NUMBERS];

static void *run_worker(void *argument)
{
	struct thread *thread = argument;
	struct flx_random random = {.state = thread->worker};
	uint32_t held[NUMBERS], count = 0;

	for (uint32_t n = 0; n < OPERATIONS; n++) {
		uint32_t at, number;

		if (count < MOST && flx_random_chance(&random, n / 20000 % 2 ? 35 : 60)) {
			number = flx_slab_take(thread->slab, thread->worker);
			if (number == FLX_SLAB_NONE) {
				sched_yield(); /* to who holds them, or the keeper */
				continue;
			}
			thread->taken++;
			thread->wrong +=
				atomic_exchange(&owner[number], (uint8_t)(thread->worker + 1)) != 0;
			held[count++] = number;
			continue;
		}
		if (flx_slab_dry(thread->slab, thread->worker))
			flx_slab_relieve(thread->slab, thread->worker);
		if (count == 0)
			continue;
		at = flx_random_below(&random, count);
		number = held[at];
		held[at] = held[--count];
		thread->wrong += atomic_exchange(&owner[number], 0) != thread->worker + 1;
		if (flx_random_chance(&random, 50))
			flx_slab_give(thread->slab, thread->worker, number);
		else
			flx_slab_retire(thread->slab, thread->worker, number);
	}
	while (count) {
		atomic_store(&owner[held[--count]], 0);
		flx_slab_give(thread->slab, thread->worker, held[count]);
	}
	flx_slab_relieve(thread->slab, thread->worker);
	return NULL;
}

static void *run_keeper(void *argument)
{
	struct flx_slab *slab = argument;

	while (!atomic_load(&done))
		if (flx_slab_collect(slab))
			flx_slab_release(slab);
	return NULL;
}

static void test_slab_threads_share_without_loss(void)
{
	static struct model model;
	struct thread threads[WORKERS];
	pthread_t ids[WORKERS], keeper;
	uint32_t free_count = 0;
	uint64_t taken = 0;

	model = (struct model){.nodes = 3};
	init_slab(&model, NUMBERS / 3);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&keeper, NULL, run_keeper, &model.slab), 0);
	for (uint32_t w = 0; w < WORKERS; w++) {
		threads[w] = (struct thread){.slab = &model.slab, .worker = w};
		CU_ASSERT_EQUAL_FATAL(pthread_create(&ids[w], NULL, run_worker, &threads[w]), 0);
	}
	for (uint32_t w = 0; w < WORKERS; w++) {
		pthread_join(ids[w], NULL);
		CU_ASSERT_EQUAL(threads[w].wrong, 0);
		taken += threads[w].taken;
	}
	CU_ASSERT_TRUE(taken > NUMBERS); /* whose is up to the kernel's scheduler */
	atomic_store(&done, true);
	pthread_join(keeper, NULL);
	if (flx_slab_collect(&model.slab))
		flx_slab_release(&model.slab);
	for (uint32_t n = 0; n < 3; n++)
		free_count += flx_slab_free_count(&model.slab, n);
	CU_ASSERT_EQUAL(free_count, NUMBERS / 3 * 3);
	free(model.slab.base);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_slab_agrees_with_a_model),
		FLX_TEST(test_slab_threads_share_without_loss),
		{0},
	};

	return flx_test_main("slab model", tests);
}
