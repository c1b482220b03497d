/* SPDX-License-Identifier: BSD-3-Clause */
/* Ticks and ages at their edges; and what a clock with damaged words is taken to be. */
#include <errno.h>
#include <time.h>

#include "context-store/clock.h"
#include "context-store/view.h"
#include "tests/capture.h"
#include "tests/random.h"
#include "tests/store_dir.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))
#define TTL_TICKS  (FLX_CLOCK_TTL_MAX_S * FLX_TICKS_PER_SECOND)
#define AWAY_TICKS (FLX_CLOCK_AWAY_MAX_S * FLX_TICKS_PER_SECOND)
#define TTL_MAX_MS (FLX_CLOCK_TTL_MAX_S * 1000ull)

static struct flx_capture capture;
static struct flx_view view;

static void test_clock_rounds_time_up_to_ticks(void)
{
	static const struct {
		uint64_t ms;
		uint32_t ticks;
	} rows[] = {
		{0, 0},
		{1, 1},
		{15, 1},
		{16, 2},
		{999, 64},
		{1000, 64},
		{1001, 65},
		{60000, 3840},
		{UINT32_MAX, 274877907},
		{TTL_MAX_MS - 1, TTL_TICKS},
		{TTL_MAX_MS, TTL_TICKS},
		{TTL_MAX_MS + 1, TTL_TICKS},
		{UINT64_MAX, TTL_TICKS},
	};

	for (size_t i = 0; i < ROWS(rows); i++)
		CU_ASSERT_EQUAL(flx_clock_ticks(rows[i].ms), rows[i].ticks);
}

static void test_clock_ages_are_right_for_388_days(void)
{
	static const uint32_t ages[] = {
		0, 1, TTL_TICKS, TTL_TICKS + 1, AWAY_TICKS, INT32_MAX, TTL_TICKS + AWAY_TICKS};
	static const uint32_t nows[] = {0, 1, 1000, INT32_MAX, 1u << 31, UINT32_MAX};

	for (size_t a = 0; a < ROWS(ages); a++)
		for (size_t n = 0; n < ROWS(nows); n++) {
			CU_ASSERT_EQUAL(flx_clock_age(nows[n] - ages[a], nows[n]), ages[a]);
			/* As far ahead: young. */
			CU_ASSERT_EQUAL(flx_clock_age(nows[n] + ages[a], nows[n]), 0);
		}
	CU_ASSERT_EQUAL(flx_clock_age(0, 1u << 31), 0);
}

/* What a worker knows of time is of the begin of its turn, or not a quarter of a tick older. */
static void test_clock_of_a_turn_is_no_quarter_of_a_tick_late(void)
{
	static const uint64_t pauses[] = {1, 249, 250, 251, 999, 1000, 1001, 1000000, 1u << 31};
	struct flx_context_type_conf type = test_type(10);
	struct flx_store_conf conf = test_conf(&type, 1, 2);
	struct flx_random random = {.state = 3};
	struct flx_store_found found;
	struct flx_store *store;
	uint64_t tsc = 5000;

	conf.tsc_hz = 1000 * FLX_TICKS_PER_SECOND;
	conf.start_tsc = tsc;
	CU_ASSERT_EQUAL_FATAL(flx_store_open(&store, &conf), 0);
	CU_ASSERT_EQUAL_FATAL(flx_store_attach(store, &found), 0);
	for (uint32_t i = 0; i < 10000; i++) {
		uint64_t pause = pauses[flx_random_below(&random, ROWS(pauses))];
		struct flx_context_turn *turn = &store->turn[1];

		tsc += pause;
		turn->growth_left = 0;
		flx_store_turn(store, 1, tsc);
		CU_ASSERT_EQUAL(turn->growth_left, FLX_INDEX_BUDGET);
		CU_ASSERT_TRUE(turn->now == flx_store_tick(store, tsc) ||
			       (pause < 250 && turn->now == flx_store_tick(store, tsc - 249)));
	}
	CU_ASSERT_EQUAL(store->turn[0].now, 0); /* the other worker's own */
	flx_store_close(store);
}

/* ------------------------------------------------------------------------------- of a store's files */

static const struct flx_context_type_conf *types_of(uint64_t ttl_ms)
{
	static struct flx_context_type_conf types[2];

	types[0] = test_type(100);
	types[0].ttl_ms = ttl_ms;
	types[1] = (struct flx_context_type_conf){.name = "single", .context_size = 8};
	return types;
}

/* A store whose key k was committed at tick @first + k * @step, and the single one before all. */
static struct flx_store *make(uint64_t ttl_ms, uint32_t first, uint32_t step, uint64_t keys)
{
	static const enum test_step commit = TEST_COMMIT;
	uint64_t none = 0, value;
	struct flx_store_found found;
	struct flx_store *store;

	test_dir_clear();
	flx_capture_start(&capture);
	store = test_dir_open(types_of(ttl_ms), 2, 1, 1, &found);
	flx_capture_stop(&capture);
	CU_ASSERT_PTR_NOT_NULL_FATAL(store);
	store->turn[0].now = first - 1;
	test_batch(store->type[1], 0, 1, &none, &commit, 1, &value);
	for (uint64_t key = 0; key < keys; key++) {
		store->turn[0].now = first + (uint32_t)key * step;
		CU_ASSERT_EQUAL(test_one(store->type[0], 0, key, TEST_COMMIT), 0);
	}
	return store;
}

static void set_clock(struct flx_store *store, uint32_t tick, int64_t away_s)
{
	flx_file_clock_set(&store->files.now.node[0], FLX_FILE_TICK, tick);
	flx_file_clock_set(&store->files.now.node[0], FLX_FILE_WALL,
			   (uint32_t)(time(NULL) - away_s));
}

/* Opens the store again; what it had to say is in capture. */
static struct flx_store *reopen(uint64_t ttl_ms, struct flx_store_found *found)
{
	struct flx_store *store;

	flx_capture_start(&capture);
	store = test_dir_open(types_of(ttl_ms), 2, 1, 1, found);
	flx_capture_stop(&capture);
	CU_ASSERT_PTR_NOT_NULL_FATAL(store);
	return store;
}

static int look(void)
{
	int error;

	flx_capture_start(&capture);
	error = flx_view_open(&view, test_dir);
	flx_capture_stop(&capture);
	return error;
}

static uint32_t count_viewed(void)
{
	uint32_t count = 0;
	struct flx_scan scan;

	for (uint32_t t = 0; t < view.type_count; t++) {
		flx_scan_init(&scan, &view.source[t], view.now);
		while (flx_scan_next(&scan))
			count++;
	}
	return count;
}

/* The longest limit, just not over when the store goes away, for longer than counts. */
static void test_clock_no_age_wraps_while_the_store_is_away(void)
{
	static const struct {
		uint32_t age; /* of the context when the store goes away */
		int64_t away_s;
		bool there;
	} rows[] = {
		{TTL_TICKS, 0, true},
		{TTL_TICKS - 640, 5, true},
		{TTL_TICKS - 64, 5, false},
		{TTL_TICKS, FLX_CLOCK_AWAY_MAX_S, false},
		{TTL_TICKS, 10ll * FLX_CLOCK_AWAY_MAX_S, false},
		{0, FLX_CLOCK_TTL_MAX_S - 10, true},
		{0, FLX_CLOCK_TTL_MAX_S + 10, false},
		{0, 10ll * FLX_CLOCK_AWAY_MAX_S, false},
	};

	for (uint32_t first = 0; first < 3; first++)
		for (size_t i = 0; i < ROWS(rows); i++) {
			uint32_t stamp = first * 0x7fffff00u + 1;
			struct flx_store *store = make(TTL_MAX_MS, stamp, 0, 1);
			struct flx_store_found found;

			set_clock(store, stamp + rows[i].age, rows[i].away_s);
			flx_store_close(store);
			CU_ASSERT_EQUAL_FATAL(look(), 0);
			CU_ASSERT_EQUAL(count_viewed(), 1u + rows[i].there);
			flx_view_close(&view);
			store = reopen(TTL_MAX_MS, &found);
			CU_ASSERT_EQUAL(test_view(store->type[0], 0, 0), rows[i].there);
			flx_store_close(store);
		}
}

/* Which words are damaged, and what becomes of a clock that stood at 1000 a minute ago. */
static void test_clock_that_is_damaged_goes_on(void)
{
	enum { TICK = 1, WALL = 2, TTL = 4 };
	static const struct {
		uint32_t words;
		const char *said;
		uint32_t now; /* or up to two seconds less */
	} rows[] = {
		{0, NULL, 1000 + 60 * 64},
		{TICK, "(words tick)", 900 + 60 * 64},
		{WALL, "(words wall)", 1000},
		{TICK | WALL, "(words tick wall)", 900},
		{TTL, "(words ttl)", 1000 + 60 * 64},
		{TICK | WALL | TTL, "(words tick wall ttl)", 900},
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		/* The last of ten is of tick 900. */
		struct flx_store *store = make(3600 * 1000, 0, 100, 10);
		struct flx_file_state *state = store->files.now.node[0].state;
		struct flx_store_found found;

		set_clock(store, 1000, 60);
		if (rows[i].words & TICK)
			state->clock[FLX_FILE_TICK] ^= 1u << 20;
		if (rows[i].words & WALL)
			state->clock[FLX_FILE_WALL] ^= 1ull << 63;
		if (rows[i].words & TTL)
			state->type[0].word[FLX_FILE_TTL] ^= 1;
		flx_store_close(store);
		for (uint32_t again = 0; again < 2; again++) {
			CU_ASSERT_EQUAL_FATAL(look(), 0);
			CU_ASSERT_TRUE(view.now <= rows[i].now && view.now + 128 >= rows[i].now);
			CU_ASSERT_EQUAL(count_viewed(), 11);
			CU_ASSERT_EQUAL(view.type[0].layout.ttl_ticks,
					rows[i].words & TTL ? 0 : 3600 * 64);
			if (rows[i].said)
				CU_ASSERT_PTR_NOT_NULL(strstr(capture.text, rows[i].said));
			CU_ASSERT_EQUAL(strstr(capture.text, "damaged") != NULL,
					rows[i].said != NULL);
			flx_view_close(&view);
		}
		store = reopen(3600 * 1000, &found);
		CU_ASSERT_EQUAL(strstr(capture.text, "damaged") != NULL, rows[i].said != NULL);
		CU_ASSERT_EQUAL(found.contexts, 11);
		CU_ASSERT_EQUAL(found.damaged, 0);
		CU_ASSERT_TRUE(store->start_tick <= rows[i].now &&
			       store->start_tick + 128 >= rows[i].now);
		/* A run sets them right. */
		CU_ASSERT_EQUAL_FATAL(flx_store_start(store), 0);
		flx_store_close(store);
		CU_ASSERT_EQUAL_FATAL(look(), 0);
		CU_ASSERT_PTR_NULL(strstr(capture.text, "damaged"));
		flx_view_close(&view);
	}
}

/* The latest is told across the wrap of the stamps; of nothing, time begins anew. */
static void test_clock_that_is_damaged_follows_the_latest_commit(void)
{
	static const struct {
		uint32_t first, step;
		uint64_t keys;
		uint32_t now;
	} rows[] = {
		{0xfffffff0, 4, 10, 20},
		{0xfffffff0, 1, 3, 0xfffffff2},
		{5, 0x01000000, 100, 5 + 99 * 0x01000000u},
		{0x80000005, 0, 1, 0x80000005},
		{1, 0, 0, 0}, /* but for the single one */
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct flx_store *store = make(0, rows[i].first, rows[i].step, rows[i].keys);
		struct flx_store_found found;

		/* As the store's own clock, which it may be only the words of. */
		store->files.now.node[0].state->clock[FLX_FILE_TICK] ^= 1;
		store->files.now.node[0].state->clock[FLX_FILE_WALL] ^= 1;
		flx_store_close(store);
		CU_ASSERT_EQUAL_FATAL(look(), 0);
		CU_ASSERT_EQUAL(view.now, rows[i].now);
		flx_view_close(&view);
		store = reopen(0, &found);
		CU_ASSERT_EQUAL(store->start_tick, rows[i].now);
		flx_store_close(store);
	}
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_clock_rounds_time_up_to_ticks),
		FLX_TEST(test_clock_ages_are_right_for_388_days),
		FLX_TEST(test_clock_of_a_turn_is_no_quarter_of_a_tick_late),
		FLX_TEST(test_clock_no_age_wraps_while_the_store_is_away),
		FLX_TEST(test_clock_that_is_damaged_goes_on),
		FLX_TEST(test_clock_that_is_damaged_follows_the_latest_commit),
		{0},
	};
	int status;

	test_dir_init();
	status = flx_test_main("clock", tests);
	test_dir_clear();
	return status;
}
