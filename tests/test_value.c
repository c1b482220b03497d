/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "apps/value.h"
#include "tests/test.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Both NULL, or the same text. */
static bool same(const char *why, const char *expected)
{
	bool equal = why && expected ? strcmp(why, expected) == 0 : why == expected;

	if (!equal)
		printf("\n    got \"%s\", expected \"%s\"", why ? why : "ok",
		       expected ? expected : "ok");
	return equal;
}

static void test_number_takes_all_of_the_text_or_nothing(void)
{
	static const struct {
		const char *text;
		uint64_t min, max;
		const char *why;
		uint64_t number;
	} rows[] = {
		{"1", 1, 64, NULL, 1},
		{"64", 1, 64, NULL, 64},
		{"007", 1, 64, NULL, 7},
		{"0", 1, 64, "out of range", 0},
		{"65", 1, 64, "out of range", 0},
		{"18446744073709551616", 1, 64, "out of range", 0},
		{"18446744073709551617", 1, 64, "out of range", 0},
		{"99999999999999999999999999999999", 1, 64, "out of range", 0},
		{"", 1, 64, "not a number", 0},
		{"-1", 1, 64, "not a number", 0},
		{"+1", 1, 64, "not a number", 0},
		{" 1", 1, 64, "not a number", 0},
		{"1 ", 1, 64, "not a number", 0},
		{"0x", 1, 64, "not a number", 0},
		{"0x10", 1, 64, "not a number", 0},
		{"1e1", 1, 64, "not a number", 0},
		{"1.0", 1, 64, "not a number", 0},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		uint64_t number = 0;

		CU_ASSERT_TRUE(
			same(flx_value_number(rows[i].text, rows[i].min, rows[i].max, &number),
			     rows[i].why));
		CU_ASSERT_TRUE(rows[i].why || number == rows[i].number);
	}
}

static void test_switch_knows_eight_words(void)
{
	static const struct {
		const char *text;
		const char *why;
		bool on;
	} rows[] = {
		{"on", NULL, true},
		{"yes", NULL, true},
		{"true", NULL, true},
		{"1", NULL, true},
		{"off", NULL, false},
		{"no", NULL, false},
		{"false", NULL, false},
		{"0", NULL, false},
		{"", "neither on nor off", false},
		{"On", "neither on nor off", false},
		{"onn", "neither on nor off", false},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		bool on = !rows[i].on;

		CU_ASSERT_TRUE(same(flx_value_switch(rows[i].text, &on), rows[i].why));
		CU_ASSERT_TRUE(rows[i].why || on == rows[i].on);
	}
}

static void test_cpus_are_listed_in_the_order_written(void)
{
	static const struct {
		const char *text;
		const char *why;
		uint32_t count;
		uint32_t cpus[4];
	} rows[] = {
		{"3", NULL, 1, {3}},
		{"7,0", NULL, 2, {7, 0}},
		{"2,4-6", NULL, 4, {2, 4, 5, 6}},
		{"4-4", NULL, 1, {4}},
		{"65535", NULL, 1, {65535}},
		{"0-3,9", "too many CPUs", 0, {0}},
		{"0-4", "too many CPUs", 0, {0}},
		{"0-65535", "too many CPUs", 0, {0}},
		{"65536", "no machine has such a CPU", 0, {0}},
		{"0-18446744073709551616", "no machine has such a CPU", 0, {0}},
		{"5-2", "a range runs backwards", 0, {0}},
		{"", "not a list of numbers", 0, {0}},
		{"1,", "not a list of numbers", 0, {0}},
		{",1", "not a list of numbers", 0, {0}},
		{"1-", "not a list of numbers", 0, {0}},
		{"-1", "not a list of numbers", 0, {0}},
		{"1-2-3", "not a list of numbers", 0, {0}},
		{"1 2", "not a list of numbers", 0, {0}},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		uint32_t cpus[4] = {0}, count = 0;

		CU_ASSERT_TRUE(same(flx_value_cpus(rows[i].text, cpus, 4, &count), rows[i].why));
		if (rows[i].why)
			continue;
		CU_ASSERT_EQUAL(count, rows[i].count);
		CU_ASSERT_EQUAL(memcmp(cpus, rows[i].cpus, count * sizeof(cpus[0])), 0);
	}
}

static void test_hex_is_of_the_exact_size(void)
{
	static const struct {
		const char *text;
		const char *why;
	} rows[] = {
		{"6d5aBE", NULL},
		{"6d:5a:be", NULL},
		{"6d5a:be", NULL},
		{"6d5abe:", "too long"},
		{"6d5abe0", "too long"},
		{"6d5a", "too short"},
		{"", "too short"},
		{"6d5ab", "not hexadecimal"},
		{"6d5axx", "not hexadecimal"},
		{"0x6d5a", "not hexadecimal"},
	};
	static const uint8_t expected[] = {0x6d, 0x5a, 0xbe};

	for (size_t i = 0; i < COUNT(rows); i++) {
		uint8_t bytes[3];

		CU_ASSERT_TRUE(same(flx_value_hex(rows[i].text, bytes, 3), rows[i].why));
		CU_ASSERT_TRUE(rows[i].why || memcmp(bytes, expected, 3) == 0);
	}
}

static void test_seconds_may_have_a_fraction(void)
{
	static const struct {
		const char *text;
		const char *why;
		uint64_t us;
	} rows[] = {
		{"1", NULL, 1000000},
		{"1.5", NULL, 1500000},
		{"0.000001", NULL, 1},
		{"0.1", NULL, 100000},
		{"1000000000", NULL, 1000000000000000},
		{"1000000001", "out of range", 0},
		{"18446744073709551617", "out of range", 0},
		{"0", "out of range", 0},
		{"0.0", "out of range", 0},
		{"0.0000001", "finer than a microsecond", 0},
		{"1.", "not a number", 0},
		{".5", "not a number", 0},
		{"-1", "not a number", 0},
		{"1s", "not a number", 0},
		{"1.5s", "not a number", 0},
		{"nan", "not a number", 0},
		{"inf", "not a number", 0},
		{"1e3", "not a number", 0},
		{"", "not a number", 0},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		uint64_t us = 0;

		CU_ASSERT_TRUE(same(flx_value_seconds(rows[i].text, &us), rows[i].why));
		CU_ASSERT_TRUE(rows[i].why || us == rows[i].us);
	}
}

static void test_capacity_is_a_number_and_perhaps_a_limit(void)
{
	static const struct {
		const char *text;
		const char *why;
		uint32_t capacity, limit;
	} rows[] = {
		{"1", NULL, 1, 0},
		{"1000", NULL, 1000, 0},
		{"1:1", NULL, 1, 1},
		{"10:1000", NULL, 10, 1000},
		{"1001", "out of range", 0, 0},
		{"10:1001", "out of range", 0, 0},
		{"0", "out of range", 0, 0},
		{"0:10", "out of range", 0, 0},
		{"10:9", "limit below the capacity", 0, 0},
		{"10:0", "limit below the capacity", 0, 0},
		{"4294967297", "out of range", 0, 0},
		{"1:18446744073709551617", "out of range", 0, 0},
		{"", "not a number of contexts", 0, 0},
		{":", "not a number of contexts", 0, 0},
		{":5", "not a number of contexts", 0, 0},
		{"5:", "not a number of contexts", 0, 0},
		{"5:6:7", "not a number of contexts", 0, 0},
		{"-5", "not a number of contexts", 0, 0},
		{"5 ", "not a number of contexts", 0, 0},
		{"5:x", "not a number of contexts", 0, 0},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		uint32_t capacity = 0, limit = 0;

		CU_ASSERT_TRUE(same(flx_value_capacity(rows[i].text, 1000, &capacity, &limit),
				    rows[i].why));
		CU_ASSERT(rows[i].why || (capacity == rows[i].capacity && limit == rows[i].limit));
	}
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_number_takes_all_of_the_text_or_nothing),
		FLX_TEST(test_switch_knows_eight_words),
		FLX_TEST(test_cpus_are_listed_in_the_order_written),
		FLX_TEST(test_hex_is_of_the_exact_size),
		FLX_TEST(test_seconds_may_have_a_fraction),
		FLX_TEST(test_capacity_is_a_number_and_perhaps_a_limit),
		{0},
	};

	return flx_test_main("value", tests);
}
