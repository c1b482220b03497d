/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/base.h"
#include "fabric/drops.h"
#include "fabric/flx.h"
#include "tests/test.h"

static void test_pow2_ceil_rounds_up(void)
{
	static const struct {
		uint32_t value, expected;
	} rows[] = {{0, 1}, {1, 1}, {2, 2}, {3, 4}, {64, 64}, {65, 128}, {1u << 31, 1u << 31}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT_EQUAL(flx_pow2_ceil(rows[i].value), rows[i].expected);
}

static void test_drops_each_have_a_name_and_a_text(void)
{
	for (enum flx_drop drop = 0; drop < FLX_DROP_COUNT; drop++) {
		CU_ASSERT_TRUE(strlen(flx_drop_name(drop)) > 0);
		CU_ASSERT_TRUE(strlen(flx_drop_text(drop)) > 0);
	}
	CU_ASSERT_STRING_EQUAL(flx_drop_name(FLX_DROP_l2_short), "l2_short");
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_pow2_ceil_rounds_up),
		FLX_TEST(test_drops_each_have_a_name_and_a_text),
		{0},
	};

	return flx_test_main("base", tests);
}
