/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The picture of a history: it is well-formed XML, and shows all that there is, where it belongs.
 */
#include "apps/timeline.h"

#include <ctype.h>
#include <stdlib.h>

#include "tests/random.h"
#include "tests/test.h"

static struct flx_history history;
static char *text; /* of the picture */
static size_t text_size;

static void draw(const struct flx_timeline_conf *conf)
{
	FILE *out = open_memstream(&text, &text_size);

	CU_ASSERT_PTR_NOT_NULL_FATAL(out);
	flx_timeline_print(&history, conf, out);
	fclose(out);
}

static void drop(void)
{
	free(text);
	flx_history_fini(&history);
}

/* A sample every 2 ms: worker w is busy to 100 * (w + 1) permille. */
static void sample(uint32_t workers, uint32_t samples)
{
	CU_ASSERT_EQUAL_FATAL(flx_history_init(&history, workers), 0);
	for (uint32_t i = 0; i < samples; i++) {
		struct flx_history_sample *row = flx_history_add(&history, 1000 + i * 2000);

		for (uint32_t w = 0; w < workers; w++)
			row->busy_permille[w] = (uint16_t)(100 * (w % 10 + 1));
	}
}

static void note(uint64_t begun_us, uint8_t from, uint8_t to, uint16_t count, uint32_t pause_us)
{
	const struct flx_history_move move = {
		.begun_us = begun_us,
		.ended_us = begun_us + 100,
		.from = from,
		.to = to,
		.count = count,
		.parked = pause_us ? 1 : 0,
		.pause_us = pause_us,
	};

	flx_history_note(&history, &move);
}

static uint32_t count_of(const char *what)
{
	uint32_t count = 0;

	for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
		count++;
	return count;
}

/* Every tag that is opened is closed, in order, and every attribute is quoted: by a look at each '<'. */
static void expect_well_formed(void)
{
	char open[16][16];
	uint32_t depth = 0;

	for (const char *at = text; (at = strchr(at, '<')) != NULL; at++) {
		const char *end = strchr(at, '>'), *name = at + 1 + (at[1] == '/');
		size_t size = 0, quotes = 0;

		CU_ASSERT_PTR_NOT_NULL_FATAL(end);
		while (isalpha((unsigned char)name[size]))
			size++;
		CU_ASSERT_FATAL(size > 0 && size < sizeof(open[0]));
		for (const char *c = at; c < end; c++) {
			CU_ASSERT_FATAL(c == at || *c != '<');
			quotes += *c == '"';
		}
		CU_ASSERT_FATAL(quotes % 2 == 0);
		if (at[1] == '/') {
			CU_ASSERT_FATAL(depth > 0);
			depth--;
			CU_ASSERT_FATAL(strncmp(open[depth], name, size) == 0 &&
					open[depth][size] == '\0');
		} else if (end[-1] != '/') {
			CU_ASSERT_FATAL(depth < 16);
			memcpy(open[depth], name, size);
			open[depth++][size] = '\0';
		}
	}
	CU_ASSERT_EQUAL(depth, 0);
	CU_ASSERT_EQUAL(strncmp(text, "<svg ", 5), 0);
	CU_ASSERT_EQUAL(count_of("nan"), 0);
	CU_ASSERT_EQUAL(count_of("inf"), 0);
}

static void test_timeline_draws_a_line_per_worker(void)
{
	sample(3, 100);
	draw(&(struct flx_timeline_conf){.title = "three"});
	expect_well_formed();
	CU_ASSERT_EQUAL(count_of("<polyline"), 3);
	CU_ASSERT_EQUAL(count_of("worker 2</text>"), 1);
	CU_ASSERT_EQUAL(count_of(">three</text>"), 1);
	/* The first sample lies at the left, the last at the right; 20 % of 200 below the top at 88. */
	CU_ASSERT_EQUAL(count_of("points=\"64.0,248.0 "), 1);
	CU_ASSERT_EQUAL(count_of(" 884.0,248.0 \""), 1);
	drop();
}

static void test_timeline_draws_moves_and_pauses(void)
{
	sample(2, 100);
	note(50000, 0, 1, 8, 40);
	note(150000, 1, 0, 4, 0);
	draw(&(struct flx_timeline_conf){.title = "moves"});
	expect_well_formed();
	CU_ASSERT_EQUAL(count_of("class=\"move\""), 2);
	CU_ASSERT_EQUAL(count_of("8 slices from worker 0 to 1"), 1);
	CU_ASSERT_EQUAL(count_of("4 slices from worker 1 to 0"), 1);
	/* Nobody waited for the second. */
	CU_ASSERT_EQUAL(count_of("<circle"), 1);
	CU_ASSERT_EQUAL(count_of("2 moves, 12 slices; messages waited in 1, 40 us at most"), 1);
	drop();
}

static void test_timeline_joins_moves_that_fall_on_one_place(void)
{
	sample(3, 100);
	for (uint32_t i = 0; i < 8; i++)
		note(50000 + i, 0, 1, 8, 0);
	note(50020, 0, 2, 1, 0);
	draw(&(struct flx_timeline_conf){.title = "joined"});
	expect_well_formed();
	CU_ASSERT_EQUAL(count_of("class=\"move\""), 2);
	CU_ASSERT_EQUAL(count_of("64 slices from worker 0 to 1"), 1);
	CU_ASSERT_EQUAL(count_of("1 slices from worker 0 to 2"), 1);
	drop();
}

static void test_timeline_leaves_out_what_moved_no_slices(void)
{
	sample(2, 100);
	note(50000, 0, 1, 8, 0);
	history.moves[0].undone = true;
	note(60000, 0, 1, 8, 0);
	history.moves[1].kind = FLX_MOVE_BUCKETS;
	draw(&(struct flx_timeline_conf){.title = "none"});
	expect_well_formed();
	CU_ASSERT_EQUAL(count_of("class=\"move\""), 0);
	CU_ASSERT_EQUAL(count_of("1 moves, 0 slices"), 1);
	drop();
}

static void test_timeline_shows_the_part_that_is_asked_for(void)
{
	sample(2, 100);
	note(10000, 0, 1, 8, 40);
	note(60000, 0, 1, 8, 50);
	note(190000, 0, 1, 8, 60);
	draw(&(struct flx_timeline_conf){.title = "part",
					 .from_us = 50000,
					 .until_us = 100000,
					 .zero_us = 55000,
					 .zero = "here"});
	expect_well_formed();
	CU_ASSERT_EQUAL(count_of("class=\"move\""), 1);
	CU_ASSERT_EQUAL(count_of("<circle"), 1);
	CU_ASSERT_EQUAL(count_of(">here</text>"), 1);
	/* The axis has its zero there: 5 of 50 ms from the left. */
	CU_ASSERT_EQUAL(count_of("x=\"146.0\" y=\"516.0\" class=\"middle\">0</text>"), 1);
	drop();
}

static void test_timeline_has_no_more_points_than_columns(void)
{
	sample(1, FLX_HISTORY_SAMPLES + 100);
	draw(&(struct flx_timeline_conf){.title = "many"});
	expect_well_formed();
	CU_ASSERT(count_of(",268.0 ") <= 821); /* 10 % */
	CU_ASSERT(count_of(",268.0 ") >= 800);
	CU_ASSERT_EQUAL(count_of(">seconds</text>"), 1);
	drop();
}

static void test_timeline_escapes_what_is_not_its_own(void)
{
	sample(1, 10);
	draw(&(struct flx_timeline_conf){
		.title = "a<b & \"c\"\x01>", .zero = "<svg", .zero_us = 5000});
	CU_ASSERT_EQUAL(count_of(">a&lt;b &amp; \"c\"></text>"), 1);
	CU_ASSERT_EQUAL(count_of("<svg"), 1);
	drop();
}

static void test_timeline_of_nothing_says_so(void)
{
	static const uint32_t samples[] = {0, 1, 10};

	for (uint32_t i = 0; i < 3; i++) {
		sample(2, samples[i]);
		/* Of the ten: a part that lies behind them. */
		draw(&(struct flx_timeline_conf){.title = "nothing", .from_us = i * 1000000});
		expect_well_formed();
		CU_ASSERT_EQUAL(count_of("nothing was seen"), 1);
		drop();
	}
}

static void test_timeline_holds_all_that_a_history_may(void)
{
	struct flx_random random = {1};

	sample(FLX_WORKERS_MAX, FLX_HISTORY_SAMPLES);
	for (uint32_t i = 0; i < FLX_HISTORY_MOVES + 10; i++)
		note(flx_random_below(&random, 16000000),
		     (uint8_t)flx_random_below(&random, FLX_WORKERS_MAX),
		     (uint8_t)flx_random_below(&random, FLX_WORKERS_MAX),
		     (uint16_t)flx_random_between(&random, 1, FLX_MOVE_MAX),
		     flx_random_below(&random, UINT32_MAX));
	draw(&(struct flx_timeline_conf){.title = "full"});
	expect_well_formed();
	CU_ASSERT_EQUAL(count_of("<polyline"), FLX_WORKERS_MAX);
	CU_ASSERT(text_size < 4 << 20);
	drop();
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_timeline_draws_a_line_per_worker),
		FLX_TEST(test_timeline_draws_moves_and_pauses),
		FLX_TEST(test_timeline_joins_moves_that_fall_on_one_place),
		FLX_TEST(test_timeline_leaves_out_what_moved_no_slices),
		FLX_TEST(test_timeline_shows_the_part_that_is_asked_for),
		FLX_TEST(test_timeline_has_no_more_points_than_columns),
		FLX_TEST(test_timeline_escapes_what_is_not_its_own),
		FLX_TEST(test_timeline_of_nothing_says_so),
		FLX_TEST(test_timeline_holds_all_that_a_history_may),
		{0},
	};

	return flx_test_main("timeline", tests);
}
