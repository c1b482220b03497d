/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>

#include <rte_common.h>

#include "perf/search.h"
#include "tests/random.h"
#include "tests/test.h"

#define MIN_RATE 1e4
#define MAX_RATE 1e7
#define WIDTH	 0.005
#define SEEDS	 10

/* ------------------------------------------------------------------------- systems that are searched */

/* A system under test. */
struct sut {
	const char *name;
	double knee; /* what it answers at most, 0: no limit */
	double soft; /* loses this part more for each time the knee that is asked beyond it */
	double band_from, band_to; /* in between it loses a tenth, for no good reason */
	uint32_t pauses_per_min, pause_ms;
	bool always; /* it loses, and all */
};

struct world {
	const struct sut *sut;
	struct flx_random random;
	uint32_t trials;
	uint64_t ms;
};

static double uniform(struct flx_random *random)
{
	return (double)(flx_random_next(random) >> 11) * 0x1p-53;
}

static double loss_of(struct world *world, double rate)
{
	const struct sut *sut = world->sut;

	if (sut->always)
		return 1;
	if (rate >= sut->band_from && rate < sut->band_to)
		return 0.1;
	if (!sut->knee || rate <= sut->knee)
		return 0;
	if (sut->soft > 0) /* by chance, half to one and a half times what it is on average */
		return (rate / sut->knee - 1) * sut->soft * (0.5 + uniform(&world->random));
	return 1 - sut->knee / rate;
}

static void run_trial(struct world *world, const struct flx_search_trial *trial,
		      struct flx_search_result *result)
{
	const struct sut *sut = world->sut;
	double planned = trial->rate * trial->duration_ms / 1e3;
	double lost = planned * loss_of(world, trial->rate);
	double per_ms = (double)sut->pauses_per_min / 60e3;

	if (per_ms > 0) {
		/* Exponential from one to the next; the queue holds a thousand. */
		double ms = -log1p(-uniform(&world->random)) / per_ms;

		for (; ms < trial->duration_ms; ms -= log1p(-uniform(&world->random)) / per_ms)
			lost += RTE_MAX(0.0, trial->rate * sut->pause_ms / 1e3 - 1000);
	}
	result->planned = (uint64_t)planned;
	result->lost = (uint64_t)RTE_MIN(planned, lost);
	world->trials++;
	world->ms += trial->duration_ms;
}

/* ------------------------------------------------------------------------------------- searches */

static struct flx_search search;

enum { NDR, PDR, GOALS };

static struct flx_search_conf make_conf(uint32_t trial_ms, double exceed)
{
	struct flx_search_conf conf = {.goal_count = GOALS,
				       .min = MIN_RATE,
				       .max = MAX_RATE,
				       .trials_max = FLX_SEARCH_TRIALS};

	for (uint32_t i = 0; i < GOALS; i++)
		conf.goal[i] = (struct flx_search_goal){
			.loss = i == PDR ? 0.005 : 0,
			.exceed = exceed,
			.width = WIDTH,
			.first_ms = 250,
			.trial_ms = trial_ms,
			.sum_ms = 60000,
			.phases = 2,
		};
	return conf;
}

static enum flx_search_state run_search(const struct flx_search_conf *conf, struct world *world,
					struct flx_search_found found[GOALS])
{
	enum flx_search_state state;
	struct flx_search_trial trial, again;
	struct flx_search_result result;

	flx_search_init(&search, conf);
	while ((state = flx_search_next(&search, &trial)) == FLX_SEARCH_MORE) {
		/* To ask twice changes nothing. */
		CU_ASSERT_EQUAL(flx_search_next(&search, &again), FLX_SEARCH_MORE);
		CU_ASSERT_EQUAL(trial.at, again.at);
		CU_ASSERT_TRUE(trial.rate >= conf->min && trial.rate <= conf->max);
		run_trial(world, &trial, &result);
		flx_search_note(&search, &trial, &result);
	}
	for (uint32_t i = 0; i < conf->goal_count; i++)
		flx_search_found(&search, i, &found[i]);
	return state;
}

/* Long trials at @rate, and how much of them, for what is promised of both bounds. */
static uint64_t sum_at(double rate, uint32_t trial_ms)
{
	uint64_t sum_ms = 0;

	for (uint32_t i = 0; i < search.count; i++) {
		double at = MIN_RATE * exp(search.note[i].at * search.step);

		if (fabs(at / rate - 1) < 1e-9 && search.note[i].duration_ms >= trial_ms)
			sum_ms += search.note[i].duration_ms;
	}
	return sum_ms;
}

/* What must be true of every search that ended, whatever was searched. */
static void check_found(const struct flx_search_conf *conf,
			const struct flx_search_found found[GOALS])
{
	for (uint32_t i = 0; i < GOALS; i++) {
		uint32_t trial_ms = conf->goal[i].trial_ms;

		CU_ASSERT_EQUAL(found[i].irregular, !found[i].lower || !found[i].upper);
		if (!found[i].irregular)
			CU_ASSERT_TRUE(found[i].upper - found[i].lower <=
				       found[i].upper * WIDTH * 1.0001);
		if (found[i].lower > 0)
			CU_ASSERT_TRUE(sum_at(found[i].lower, trial_ms) >= 60000);
		if (found[i].upper > 0)
			CU_ASSERT_TRUE(sum_at(found[i].upper, trial_ms) >= 60000);
		CU_ASSERT_TRUE(found[i].throughput <= found[i].lower);
		CU_ASSERT_TRUE(found[i].throughput >= found[i].lower * (1 - conf->goal[i].loss));
	}
	CU_ASSERT_TRUE(found[NDR].lower <= found[PDR].lower);
}

/* ------------------------------------------------------------------------------------ the draft's rules */

static void test_classify_follows_appendix_a(void)
{
	static const struct {
		struct flx_search_sums sums;
		uint32_t sum_ms;
		double exceed;
		enum flx_search_class class;
	} cases[] = {
		/* good long, bad long, good short, bad short */
		{{0, 0, 0, 0}, 60, 0.5, FLX_SEARCH_UNDECIDED},
		{{29, 0, 0, 0}, 60, 0.5, FLX_SEARCH_UNDECIDED},
		{{30, 0, 0, 0}, 60, 0.5, FLX_SEARCH_LOWER},
		{{30, 30, 0, 0}, 60, 0.5, FLX_SEARCH_LOWER}, /* no more than half is bad */
		{{0, 30, 0, 0}, 60, 0.5, FLX_SEARCH_UNDECIDED},
		{{0, 31, 0, 0}, 60, 0.5, FLX_SEARCH_UPPER},
		{{30, 31, 0, 0}, 60, 0.5, FLX_SEARCH_UPPER}, /* beyond the sum, of what there is */
		{{31, 31, 0, 0}, 60, 0.5, FLX_SEARCH_LOWER},
		/* Short good ones do not make a lower bound, but make up for short bad ones. */
		{{0, 0, 100, 0}, 60, 0.5, FLX_SEARCH_UNDECIDED},
		{{30, 0, 0, 30}, 60, 0.5, FLX_SEARCH_LOWER},
		{{30, 0, 0, 31}, 60, 0.5, FLX_SEARCH_UPPER},
		{{30, 0, 1, 31}, 60, 0.5, FLX_SEARCH_LOWER},
		{{0, 0, 0, 31}, 60, 0.5, FLX_SEARCH_UPPER},
		{{0, 0, 1, 31}, 60, 0.5, FLX_SEARCH_UNDECIDED},
		{{0, 31, 100, 0}, 60, 0.5, FLX_SEARCH_UPPER}, /* but not for long ones */
		{{0, 16, 0, 15}, 60, 0.5, FLX_SEARCH_UPPER},
		/* An exceed ratio of a quarter: a good second makes up for a third of a bad one. */
		{{44, 0, 0, 0}, 60, 0.25, FLX_SEARCH_UNDECIDED},
		{{45, 0, 0, 0}, 60, 0.25, FLX_SEARCH_LOWER},
		{{0, 15, 0, 0}, 60, 0.25, FLX_SEARCH_UNDECIDED},
		{{0, 16, 0, 0}, 60, 0.25, FLX_SEARCH_UPPER},
		{{0, 0, 3, 16}, 60, 0.25, FLX_SEARCH_UNDECIDED},
		{{0, 0, 2, 16}, 60, 0.25, FLX_SEARCH_UPPER},
		/* RFC 2544: one trial, and no loss. */
		{{60, 0, 0, 0}, 60, 0, FLX_SEARCH_LOWER},
		{{59, 0, 0, 0}, 60, 0, FLX_SEARCH_UNDECIDED},
		{{0, 60, 0, 0}, 60, 0, FLX_SEARCH_UPPER},
		{{60, 0, 0, 1}, 60, 0, FLX_SEARCH_UPPER},
		{{120, 1, 0, 0}, 60, 0, FLX_SEARCH_UPPER},
	};

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		enum flx_search_class class =
			flx_search_classify(&cases[i].sums, cases[i].sum_ms, cases[i].exceed);

		if (class != cases[i].class)
			printf("\n  case %zu: %d, not %d\n", i, class, cases[i].class);
		CU_ASSERT_EQUAL(class, cases[i].class);
	}
}

/* One rate can be tried in such a search, for the width is that of the range; losses come in this order. */
static void test_throughput_follows_appendix_b(void)
{
	static const struct {
		double loss[4]; /* of trials of a quarter of the sum */
		double exceed, throughput;
	} cases[] = {
		{{0.1, 0.2, 0.3, 0.4}, 0.5, 0.8},  {{0.4, 0.3, 0.2, 0.1}, 0.5, 0.8},
		{{0.4, 0.1, 0.4, 0.1}, 0.25, 0.6}, {{0.1, 0.2, 0.3, 0.4}, 0, 0.6},
		{{0.1, 0.2, 0.3, 0.4}, 0.75, 0.9}, {{0, 0, 0, 0.4}, 0.25, 1},
		{{0.3, 0, 0.3, 0.6}, 0.6, 0.7}, /* of two fifths a quarter is 0 */
	};

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct flx_search_conf conf = make_conf(15000, cases[i].exceed);
		struct flx_search_trial trial;
		struct flx_search_found found;
		uint32_t given = 0;

		conf.goal_count = 1;
		conf.goal[0].loss = 0.5;
		conf.goal[0].phases = 0;
		conf.goal[0].width = 0.1;
		conf.min = 9.5e6;
		flx_search_init(&search, &conf);
		/* Short ones that lose nothing: they do not count. */
		flx_search_next(&search, &trial);
		trial.duration_ms = 14000;
		for (uint32_t j = 0; j < 2; j++)
			flx_search_note(&search, &trial, &(struct flx_search_result){.planned = 1});
		while (flx_search_next(&search, &trial) == FLX_SEARCH_MORE) {
			struct flx_search_result result = {
				.planned = 1000000,
				.lost = (uint64_t)lround(cases[i].loss[given++ % 4] * 1e6)};

			flx_search_note(&search, &trial, &result);
		}
		flx_search_found(&search, 0, &found);
		CU_ASSERT_EQUAL(found.lower, MAX_RATE);
		CU_ASSERT_DOUBLE_EQUAL(found.throughput / MAX_RATE, cases[i].throughput, 1e-9);
	}
}

/* ------------------------------------------------------------------------------------------ results */

/* Where the truth is known: within a width of it, in a bounded time. */
static void test_search_finds_the_knee(void)
{
	static const struct {
		struct sut sut;
		double ndr, pdr;      /* 0: every trial fails */
		double within;	      /* of the truth */
		uint32_t trials_most; /* what it took: more is a slower search */
	} cases[] = {
		{{.name = "hard", .knee = 3.3e6}, 3.3e6, 3.3e6 / 0.995, WIDTH, 185},
		{{.name = "hard, low", .knee = 1.7e4}, 1.7e4, 1.7e4 / 0.995, WIDTH, 185},
		{{.name = "hard, near max", .knee = 9.99e6}, 9.99e6, 0, WIDTH, 125},
		{{.name = "soft", .knee = 2e6, .soft = 0.05}, 2e6, 2.2e6, WIDTH, 513},
		{{.name = "very soft", .knee = 1e6, .soft = 0.01}, 1e6, 1.5e6, WIDTH * 4, 484},
	};

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct flx_search_conf conf = make_conf(1000, 0.5);
		struct flx_search_found found[GOALS];
		struct world world = {.sut = &cases[i].sut, .random = {i + 1}};

		CU_ASSERT_EQUAL(run_search(&conf, &world, found), FLX_SEARCH_DONE);
		check_found(&conf, found);
		CU_ASSERT_DOUBLE_EQUAL(found[NDR].lower / cases[i].ndr, 1, cases[i].within);
		if (cases[i].pdr > 0) {
			CU_ASSERT_DOUBLE_EQUAL(found[PDR].lower / cases[i].pdr, 1, cases[i].within);
		} else {
			CU_ASSERT_TRUE(found[PDR].irregular && found[PDR].lower == MAX_RATE);
		}
		CU_ASSERT_TRUE(world.trials <= cases[i].trials_most);
		CU_ASSERT_TRUE(world.ms <= cases[i].trials_most * 1000);
	}
}

static void test_search_without_a_knee_is_irregular(void)
{
	static const struct {
		struct sut sut;
		double lower, upper;
	} cases[] = {
		{{.name = "never loses"}, MAX_RATE, 0},
		{{.name = "always loses", .always = true}, 0, MIN_RATE},
		{{.name = "always loses some", .band_to = INFINITY}, 0, MIN_RATE},
	};

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct flx_search_conf conf = make_conf(1000, 0.5);
		struct flx_search_found found[GOALS];
		struct world world = {.sut = &cases[i].sut, .random = {1}};

		CU_ASSERT_EQUAL(run_search(&conf, &world, found), FLX_SEARCH_DONE);
		check_found(&conf, found);
		for (uint32_t goal = 0; goal < GOALS; goal++) {
			CU_ASSERT_TRUE(found[goal].irregular);
			CU_ASSERT_DOUBLE_EQUAL(found[goal].lower, cases[i].lower, 1e-3);
			CU_ASSERT_DOUBLE_EQUAL(found[goal].upper, cases[i].upper, 1e-3);
			CU_ASSERT_DOUBLE_EQUAL(found[goal].throughput, cases[i].lower, 1e-3);
		}
		CU_ASSERT_TRUE(world.trials <= 70);
	}
}

/* Lossless again above a band that loses: either edge is a knee, and what is between is none. */
static void test_search_of_a_band_ends_at_an_edge(void)
{
	static const struct {
		double from, to;
	} cases[] = {{3e6, 3.5e6}, {1e5, 5.9e6}, {4e6, 4.01e6}, {5e6, 6.1e6}, {2e4, 3e4}};

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct sut sut = {.knee = 6e6, .band_from = cases[i].from, .band_to = cases[i].to};
		struct flx_search_conf conf = make_conf(1000, 0.5);
		struct flx_search_found found[GOALS];
		struct world world = {.sut = &sut, .random = {1}};

		CU_ASSERT_EQUAL(run_search(&conf, &world, found), FLX_SEARCH_DONE);
		check_found(&conf, found);
		for (uint32_t goal = 0; goal < GOALS; goal++) {
			double knee = goal == NDR ? 6e6 : 6e6 / 0.995;

			CU_ASSERT_FALSE(found[goal].irregular);
			CU_ASSERT_TRUE(fabs(found[goal].lower / cases[i].from - 1) <= WIDTH ||
				       fabs(found[goal].lower / knee - 1) <= WIDTH);
		}
		CU_ASSERT_TRUE(world.trials <= 185);
	}
}

/* A pause in every few trials: the median does not see them, and seeds agree. */
static void test_search_agrees_with_itself_under_pauses(void)
{
	static const struct {
		struct sut sut;
		double ndr, pdr;
	} cases[] = {
		{{.knee = 3e6, .pauses_per_min = 6, .pause_ms = 20}, 3e6, 3e6 / 0.995},
		{{.knee = 3e6, .pauses_per_min = 20, .pause_ms = 4}, 3e6, 3e6 / 0.995},
		{{.knee = 1e6, .soft = 0.05, .pauses_per_min = 15, .pause_ms = 20}, 1e6, 1.1e6},
	};

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		double least[GOALS] = {INFINITY, INFINITY}, most[GOALS] = {0};
		uint32_t trials_most = 0;

		for (uint64_t seed = 1; seed <= SEEDS; seed++) {
			struct flx_search_conf conf = make_conf(1000, 0.5);
			struct flx_search_found found[GOALS];
			struct world world = {.sut = &cases[i].sut, .random = {seed}};

			CU_ASSERT_EQUAL(run_search(&conf, &world, found), FLX_SEARCH_DONE);
			check_found(&conf, found);
			for (uint32_t goal = 0; goal < GOALS; goal++) {
				least[goal] = RTE_MIN(least[goal], found[goal].lower);
				most[goal] = RTE_MAX(most[goal], found[goal].lower);
			}
			trials_most = RTE_MAX(trials_most, world.trials);
		}
		for (uint32_t goal = 0; goal < GOALS; goal++) {
			double truth = goal == NDR ? cases[i].ndr : cases[i].pdr;

			CU_ASSERT_TRUE(most[goal] / least[goal] <= 1.05);
			CU_ASSERT_TRUE(least[goal] >= truth * 0.97 && most[goal] <= truth * 1.03);
		}
		CU_ASSERT_TRUE(trials_most <= 462);
	}
}

/*
 * RFC 2544, one trial of a minute: without pauses it finds the same knee; with them each trial meets one. By
 * the median of seconds that machine has its knee still.
 */
static void test_exceed_ratio_decides_what_a_pause_does(void)
{
	struct sut pauses = {.knee = 3e6, .pauses_per_min = 10, .pause_ms = 20},
		   calm = {.knee = 3e6};
	struct flx_search_conf strict = make_conf(60000, 0), median = make_conf(1000, 0.5);
	struct flx_search_found found[GOALS];
	struct world world = {.sut = &calm, .random = {7}};

	CU_ASSERT_EQUAL(run_search(&strict, &world, found), FLX_SEARCH_DONE);
	check_found(&strict, found);
	CU_ASSERT_DOUBLE_EQUAL(found[NDR].lower / 3e6, 1, WIDTH);
	CU_ASSERT_DOUBLE_EQUAL(found[PDR].lower / (3e6 / 0.995), 1, WIDTH);
	CU_ASSERT_TRUE(world.ms <= 8 * 60000);
	world.sut = &pauses;
	CU_ASSERT_EQUAL(run_search(&median, &world, found), FLX_SEARCH_DONE);
	CU_ASSERT_DOUBLE_EQUAL(found[NDR].lower / 3e6, 1, WIDTH);
	/* What the queue of a thousand bridges in 20 ms is 50,000 requests per second. */
	CU_ASSERT_EQUAL(run_search(&strict, &world, found), FLX_SEARCH_DONE);
	CU_ASSERT_DOUBLE_EQUAL(found[NDR].lower / 50e3, 1, WIDTH);
	CU_ASSERT_TRUE(found[PDR].lower > found[NDR].lower);
}

/* Each phase is longer and narrower than the one before, and the first trial is the shortest. */
static void test_phases_go_from_short_to_long(void)
{
	struct flx_search_conf conf = make_conf(1000, 0.5);
	struct flx_search_trial trial;
	const struct flx_search_phase *phase;

	for (uint32_t phases = 0; phases <= FLX_SEARCH_PHASES; phases++) {
		conf.goal[NDR].phases = conf.goal[PDR].phases = phases;
		flx_search_init(&search, &conf);
		phase = search.goal[0].phase;
		CU_ASSERT_EQUAL(phase[0].sum_ms, phases ? 250 : 60000);
		CU_ASSERT_EQUAL(phase[phases].sum_ms, 60000);
		CU_ASSERT_EQUAL(phase[phases].trial_ms, 1000);
		for (uint32_t i = 0; i < phases; i++) {
			CU_ASSERT_EQUAL(phase[i].width, 2 * phase[i + 1].width);
			CU_ASSERT_TRUE(phase[i].sum_ms < phase[i + 1].sum_ms);
			CU_ASSERT_TRUE(phase[i].trial_ms <= phase[i].sum_ms);
		}
		CU_ASSERT_EQUAL(flx_search_next(&search, &trial), FLX_SEARCH_MORE);
		CU_ASSERT_EQUAL(trial.duration_ms, phases ? 250 : 1000);
		CU_ASSERT_EQUAL(trial.rate, MAX_RATE);
	}
}

/* Two goals cost less than both alone, for each is judged by the trials of the other. */
static void test_goals_share_trials(void)
{
	struct sut sut = {.knee = 3e6, .soft = 0.2};
	struct flx_search_conf conf = make_conf(1000, 0.5), alone = conf;
	struct flx_search_found found[GOALS], one[GOALS];
	struct world both = {.sut = &sut, .random = {1}}, apart = both;

	run_search(&conf, &both, found);
	alone.goal_count = 1;
	run_search(&alone, &apart, one);
	CU_ASSERT_DOUBLE_EQUAL(one[0].lower / found[NDR].lower, 1, WIDTH);
	alone.goal[0] = alone.goal[PDR];
	run_search(&alone, &apart, one);
	CU_ASSERT_DOUBLE_EQUAL(one[0].lower / found[PDR].lower, 1, WIDTH);
	CU_ASSERT_TRUE(both.trials < apart.trials);
}

static void test_search_ends_when_trials_are_used_up(void)
{
	struct flx_search_conf conf = make_conf(1000, 0.5);
	struct sut sut = {.knee = 3e6};

	for (uint32_t most = 0; most < 180; most += 7) {
		struct flx_search_found found[GOALS];
		struct world world = {.sut = &sut, .random = {1}};

		conf.trials_max = most;
		CU_ASSERT_EQUAL(run_search(&conf, &world, found), FLX_SEARCH_IMPOSSIBLE);
		CU_ASSERT_EQUAL(world.trials, most);
	}
}

/* Nothing was planned, so nothing was shown. */
static void test_empty_trial_is_bad(void)
{
	struct flx_search_conf conf = make_conf(1000, 0.5);
	struct flx_search_result nothing = {0};
	struct flx_search_found found;
	struct flx_search_trial trial;

	flx_search_init(&search, &conf);
	while (flx_search_next(&search, &trial) == FLX_SEARCH_MORE)
		flx_search_note(&search, &trial, &nothing);
	flx_search_found(&search, NDR, &found);
	CU_ASSERT_EQUAL(found.lower, 0);
	CU_ASSERT_EQUAL(found.upper, MIN_RATE);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_classify_follows_appendix_a),
		FLX_TEST(test_throughput_follows_appendix_b),
		FLX_TEST(test_search_finds_the_knee),
		FLX_TEST(test_search_without_a_knee_is_irregular),
		FLX_TEST(test_search_of_a_band_ends_at_an_edge),
		FLX_TEST(test_search_agrees_with_itself_under_pauses),
		FLX_TEST(test_exceed_ratio_decides_what_a_pause_does),
		FLX_TEST(test_phases_go_from_short_to_long),
		FLX_TEST(test_goals_share_trials),
		FLX_TEST(test_search_ends_when_trials_are_used_up),
		FLX_TEST(test_empty_trial_is_bad),
		{0},
	};

	return flx_test_main("search", tests);
}
