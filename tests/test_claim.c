/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Claims hold of the medians that were found, and whatever is not one is refused with what is wrong.
 */
#include "perf/claim.h"

#include <string.h>

#include "perf/figure.h"
#include "tests/test.h"

/* Medians: 4, 25 and 1.5. */
static const struct flx_figures figures = {
	.count = 4,
	.found = {{.name = "ring.spsc", .samples = {.count = 3, .value = {9, 3, 4}}},
		  {.name = "hop.same_core", .samples = {.count = 2, .value = {20, 30}}},
		  {.name = "sched.skew_ms.1.8", .samples = {.count = 1, .value = {1.5}}},
		  {.name = "skipped", .skipped = "no CPU"}},
};

static const struct {
	const char *text;
	enum flx_claim_result result;
	const char *says; /* part of it */
} cases[] = {
	{"ring.spsc <= 4", FLX_CLAIM_HOLDS, "4 against 4"},
	{"ring.spsc < 4", FLX_CLAIM_FAILS, "4 against 4"},
	{"ring.spsc >= 4", FLX_CLAIM_HOLDS, ""},
	{"ring.spsc > 4", FLX_CLAIM_FAILS, ""},
	{"ring.spsc > 3.99", FLX_CLAIM_HOLDS, ""},
	{"  hop.same_core<=6.25*ring.spsc ", FLX_CLAIM_HOLDS, "25 against 25"},
	{"hop.same_core <= 6.24 * ring.spsc", FLX_CLAIM_FAILS, "25 against 24.96"},
	{"hop.same_core / ring.spsc < 6.3", FLX_CLAIM_HOLDS, "6.25"},
	{"0.1 <= ring.spsc", FLX_CLAIM_HOLDS, ""},
	{"sched.skew_ms.1.8 <= 2", FLX_CLAIM_HOLDS, "1.5 against 2"},
	{"ring.spsc.least >= 3", FLX_CLAIM_HOLDS, "3 against 3"},
	{"ring.spsc.most <= 8", FLX_CLAIM_FAILS, "9 against 8"},
	{"nothing <= 4", FLX_CLAIM_UNKNOWN, "'nothing'"},
	{"skipped <= 4", FLX_CLAIM_UNKNOWN, "'skipped'"},
	{"ring <= 4", FLX_CLAIM_UNKNOWN, "'ring'"},
	{"4 >= 2 * nothing", FLX_CLAIM_UNKNOWN, "'nothing'"},
	{"nothing <= ", FLX_CLAIM_BAD, "wanted at ''"},
	{"", FLX_CLAIM_BAD, "wanted at ''"},
	{"ring.spsc", FLX_CLAIM_BAD, "<="},
	{"ring.spsc = 4", FLX_CLAIM_BAD, "'= 4'"},
	{"ring.spsc <= ", FLX_CLAIM_BAD, "wanted at ''"},
	{"ring.spsc <= 4 5", FLX_CLAIM_BAD, "'5'"},
	{"ring.spsc <= 4 * 2 * 3", FLX_CLAIM_BAD, "'* 3'"},
	{"ring.spsc <= 4x", FLX_CLAIM_BAD, "'4x'"},
	{"ring.spsc <= 1..2", FLX_CLAIM_BAD, "'1..2'"},
	{"ring.spsc <= *", FLX_CLAIM_BAD, "'*'"},
	{"(ring.spsc) <= 4", FLX_CLAIM_BAD, "'(ring"},
};

static void test_claim_is_held_against_medians(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char fault[160] = "";
		enum flx_claim_result result =
			flx_claim_test(&figures, cases[i].text, fault, sizeof(fault));

		CU_ASSERT_EQUAL(result, cases[i].result);
		CU_ASSERT_PTR_NOT_NULL(strstr(fault, cases[i].says));
		if (result != cases[i].result || !strstr(fault, cases[i].says))
			printf("\n    '%s': %d, '%s'", cases[i].text, (int)result, fault);
	}
}

/* Nothing is divided by zero into a claim that holds. */
static void test_claim_of_a_quotient_by_zero_fails(void)
{
	static const struct flx_figures zero = {
		.count = 1, .found = {{.name = "none", .samples = {.count = 1, .value = {0}}}}};
	char fault[160];

	CU_ASSERT_EQUAL(flx_claim_test(&zero, "none / none <= 1", fault, sizeof(fault)),
			FLX_CLAIM_FAILS);
	CU_ASSERT_EQUAL(flx_claim_test(&zero, "1 / none <= 1", fault, sizeof(fault)),
			FLX_CLAIM_FAILS);
	CU_ASSERT_EQUAL(flx_claim_test(&zero, "1 / none >= 1", fault, sizeof(fault)),
			FLX_CLAIM_FAILS);
	CU_ASSERT_EQUAL(flx_claim_test(&zero, "none > -inf", fault, sizeof(fault)), FLX_CLAIM_BAD);
	CU_ASSERT_EQUAL(flx_claim_test(&zero, "none < 1e999", fault, sizeof(fault)), FLX_CLAIM_BAD);
}

static void test_claim_limit_is_its_right_side(void)
{
	double value = 0;

	CU_ASSERT(flx_claim_limit(&figures, "<= 1.5 * ring.spsc", &value));
	CU_ASSERT_DOUBLE_EQUAL(value, 6, 1e-9);
	CU_ASSERT(flx_claim_limit(&figures, ">= 0.9", &value));
	CU_ASSERT_DOUBLE_EQUAL(value, 0.9, 1e-9);
	CU_ASSERT_FALSE(flx_claim_limit(&figures, "<= 2 * nothing", &value));
	CU_ASSERT_FALSE(flx_claim_limit(&figures, "1.5", &value));
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_claim_is_held_against_medians),
		FLX_TEST(test_claim_of_a_quotient_by_zero_fails),
		FLX_TEST(test_claim_limit_is_its_right_side),
		{0},
	};

	return flx_test_main("claim", tests);
}
