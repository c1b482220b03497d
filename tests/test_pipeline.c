/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pipeline that is measured beside dsw: all that is made comes to its end, in order, and no more is
 * under way than is said; and one that is out of turn is told.
 */
#include "perf/pipeline.h"

#include <urcu-qsbr.h>

#include "tests/eal.h"
#include "tests/test.h"
#include "tests/world.h"

#define WORKERS 2
#define CREDITS 4096
#define TICKS	3
/* Every flow some times, the window full and empty. */
#define TURNS 200

static struct flx_world world;
static struct flx_ledger ledger;

static void turn(uint32_t worker)
{
	flx_worker_turn(world.shared.workers[worker]);
}

static struct flx_msg *make_message(const void *data, uint16_t size)
{
	struct flx_msg *msg = (struct flx_msg *)rte_pktmbuf_alloc(world.shared.pool);
	void *place;

	CU_ASSERT_PTR_NOT_NULL_FATAL(msg);
	flx_set_heads(msg, (struct flx_heads){0});
	place = flx_append(msg, size);
	CU_ASSERT_PTR_NOT_NULL_FATAL(place);
	memcpy(place, data, size);
	return msg;
}

static void inject(const char *fluxion, const void *data, uint16_t size)
{
	struct flx_msg *msg = make_message(data, size);

	CU_ASSERT_TRUE_FATAL(flx_purse_has(&world.shared.workers[0]->purse, 1));
	flx_world_inject(&world, 0, flx_world_number(&world, fluxion), &msg, 1);
}

/* The source at worker 0, all stages at worker 1. */
static void start(uint32_t stages, bool batch)
{
	static const struct flx_world_conf conf = {.workers = WORKERS,
						   .lane_size = 2 * FLX_PIPELINE_WINDOW,
						   .credits = CREDITS,
						   .buffers = CREDITS,
						   .buffer_data = 256};
	const struct flx_program *program = flx_pipeline_program(stages, batch);

	CU_ASSERT_EQUAL_FATAL(flx_world_init(&world, program, &conf), 0);
	for (uint32_t s = 0; s < stages; s++)
		for (uint32_t slice = 0; slice < FLX_SLICES; slice++)
			flx_world_place(&world, FLX_PIPELINE_STAGE + s, slice, 1);
	for (uint32_t i = 0; i < TICKS; i++)
		inject("enter", "tick", 4);
}

/* Ends the source, and lets what is under way come to its end. */
static void finish(void)
{
	flx_pipeline_end();
	for (uint32_t i = 0; i < 2 * FLX_PIPELINE_WINDOW / FLX_BATCH; i++)
		for (uint32_t w = 0; w < WORKERS; w++)
			turn(w);
	flx_world_ledger(&world, &ledger);
	CU_ASSERT_EQUAL(ledger.unexplained, 0);
	CU_ASSERT_EQUAL(ledger.dropped, 0);
	CU_ASSERT_EQUAL(ledger.in_flight, 0);
	CU_ASSERT_EQUAL(flx_world_credits(&world), CREDITS);
	CU_ASSERT_EQUAL(flx_world_buffers(&world), CREDITS);
	flx_world_fini(&world);
}

static const struct {
	uint32_t stages;
	bool batch;
} rows[] = {{1, true}, {2, true}, {1, false}, {2, false}};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static void test_pipeline_brings_all_to_the_end_in_order(void)
{
	for (size_t r = 0; r < ROWS; r++) {
		const struct flx_fluxion_ledger *stage =
			&ledger.fluxion[FLX_FLUXION_FIRST + FLX_PIPELINE_STAGE];

		start(rows[r].stages, rows[r].batch);
		for (uint32_t i = 0; i < TURNS; i++)
			turn(0);
		CU_ASSERT_EQUAL(flx_pipeline_made(), 0); /* not told to go */
		flx_pipeline_go();
		for (uint32_t i = 0; i < TURNS; i++) {
			turn(i % 7 ? 0 : 1);
			turn(1);
		}
		finish();
		CU_ASSERT(flx_pipeline_made() > 4 * FLX_PIPELINE_FLOWS);
		CU_ASSERT_EQUAL(flx_pipeline_ended(), flx_pipeline_made());
		CU_ASSERT_EQUAL(flx_pipeline_wrong(), 0);
		for (uint32_t s = 0; s < rows[r].stages; s++)
			CU_ASSERT_EQUAL(stage[s].handled, flx_pipeline_made());
	}
}

static void test_pipeline_has_its_window_under_way_and_no_more(void)
{
	for (size_t r = 0; r < ROWS; r++) {
		start(rows[r].stages, rows[r].batch);
		flx_pipeline_go();
		for (uint32_t i = 0; i < TURNS; i++)
			turn(0);
		CU_ASSERT_EQUAL(flx_pipeline_made(), FLX_PIPELINE_WINDOW);
		for (uint32_t i = 0; i < TURNS; i++)
			turn(1);
		CU_ASSERT_EQUAL(flx_pipeline_ended(), FLX_PIPELINE_WINDOW);
		for (uint32_t i = 0; i < TURNS; i++)
			turn(0);
		CU_ASSERT_EQUAL(flx_pipeline_made(), 2 * FLX_PIPELINE_WINDOW);
		finish();
	}
}

static void test_pipeline_tells_of_a_message_out_of_turn(void)
{
	/* Flow, number: the second never comes, and the third comes twice. */
	static const uint32_t events[][2] = {{5, 0}, {5, 2}, {5, 2}, {6, 0}};

	for (size_t r = 0; r < ROWS; r++) {
		start(rows[r].stages, rows[r].batch);
		for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
			inject("stage0", events[i], sizeof(events[i]));
		for (uint32_t w = 0; w < WORKERS; w++)
			turn(w);
		finish();
		CU_ASSERT_EQUAL(flx_pipeline_ended(), 4);
		CU_ASSERT_EQUAL(flx_pipeline_wrong(), 1);
	}
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_pipeline_brings_all_to_the_end_in_order),
		FLX_TEST(test_pipeline_has_its_window_under_way_and_no_more),
		FLX_TEST(test_pipeline_tells_of_a_message_out_of_turn),
		{0},
	};
	int status;

	if (flx_test_eal())
		return EXIT_FAILURE;
	urcu_qsbr_register_thread();
	status = flx_test_main("pipeline", tests);
	urcu_qsbr_unregister_thread();
	return status;
}
