/* SPDX-License-Identifier: BSD-3-Clause */
#include "context-store/schema.h"

#include <string.h>

#include "tests/test.h"

#define FLOW(version, key, context, stride, limit, upgrades)                                       \
	{                                                                                          \
		"flow", version, key, context, stride, {limit, limit}, upgrades                    \
	}
#define USER                                                                                       \
	{                                                                                          \
		"user", 1, 4, 8, 64, {10, 10}, false                                               \
	}

/* The files have a flow of version 2, key 8, context 64, in 192 bytes, 1,000 on each of 2 nodes. */
static const struct {
	struct flx_schema_type wanted[2];
	uint32_t type_count, node_count;
	enum flx_schema_verdict verdict;
	const char *why;
} rows[] = {
	{{FLOW(2, 8, 64, 192, 1000, true)}, 1, 2, FLX_SCHEMA_SAME, ""},
	{{FLOW(2, 8, 64, 192, 1000, false)}, 1, 2, FLX_SCHEMA_SAME, ""},
	{{FLOW(3, 8, 64, 192, 1000, true)}, 1, 2, FLX_SCHEMA_UPGRADE, "version 2"},
	{{FLOW(3, 8, 99, 256, 2000, true)}, 1, 2, FLX_SCHEMA_UPGRADE, "version 3"},
	{{FLOW(3, 8, 64, 192, 1000, false)}, 1, 2, FLX_SCHEMA_REFUSED, "no function to upgrade"},
	{{FLOW(1, 8, 64, 192, 1000, true)},
	 1,
	 2,
	 FLX_SCHEMA_REFUSED,
	 "of version 2, this program has version 1"},
	{{FLOW(2, 4, 64, 192, 1000, true)}, 1, 2, FLX_SCHEMA_REFUSED, "keys of 8 bytes"},
	{{FLOW(3, 4, 64, 192, 1000, true)}, 1, 2, FLX_SCHEMA_REFUSED, "keys of 8 bytes"},
	{{FLOW(2, 8, 65, 192, 1000, true)}, 1, 2, FLX_SCHEMA_REFUSED, "a new version"},
	{{FLOW(2, 8, 64, 256, 1000, true)}, 1, 2, FLX_SCHEMA_REFUSED, "a new version"},
	{{FLOW(2, 8, 64, 192, 1001, false)}, 1, 2, FLX_SCHEMA_UPGRADE, "another limit"},
	{{FLOW(2, 8, 64, 192, 999, false)}, 1, 2, FLX_SCHEMA_UPGRADE, "another limit"},
	{{FLOW(2, 8, 64, 192, 1000, false)}, 1, 1, FLX_SCHEMA_UPGRADE, "2 NUMA nodes before, 1"},
	{{FLOW(2, 8, 64, 192, 1000, false)}, 1, 3, FLX_SCHEMA_UPGRADE, "2 NUMA nodes before, 3"},
	{{FLOW(1, 8, 64, 192, 1000, false)}, 1, 3, FLX_SCHEMA_REFUSED, "newer program"},
	{{USER, FLOW(2, 8, 64, 192, 1000, false)}, 2, 2, FLX_SCHEMA_UPGRADE, "'user' are new"},
	{{USER}, 1, 2, FLX_SCHEMA_REFUSED, "'flow' are there, and this program has no such type"},
	{{USER}, 0, 2, FLX_SCHEMA_REFUSED, "'flow' are there"},
};

static void test_schema_verdicts(void)
{
	struct flx_schema_type flow = FLOW(2, 8, 64, 192, 1000, false);
	struct flx_schema found = {.node_count = 2, .type_count = 1, .type = &flow};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct flx_schema_type types[2];
		struct flx_schema wanted = {rows[i].node_count, rows[i].type_count, types};
		char why[256] = "not set";

		memcpy(types, rows[i].wanted, sizeof(types));
		CU_ASSERT_EQUAL(flx_schema_compare(&wanted, &found, why, sizeof(why)),
				rows[i].verdict);
		CU_ASSERT_PTR_NOT_NULL(strstr(why, rows[i].why));
		CU_ASSERT_EQUAL(why[0] == '\0', rows[i].verdict == FLX_SCHEMA_SAME);
		if (!strstr(why, rows[i].why))
			printf("\n  row %zu: %s\n", i, why);
	}
}

/* An upgrade of one type does not hide that another is refused, in any order. */
static void test_schema_refusal_outweighs_upgrade(void)
{
	struct flx_schema_type types[2] = {FLOW(2, 8, 64, 192, 1000, false), USER};
	struct flx_schema_type others[2] = {FLOW(3, 8, 64, 192, 1000, true), USER};
	struct flx_schema found = {.node_count = 2, .type_count = 2, .type = types};
	struct flx_schema wanted = {.node_count = 2, .type_count = 2, .type = others};
	struct flx_schema_type swap;
	char why[256];

	others[1].version = 0;
	for (int order = 0; order < 2; order++) {
		CU_ASSERT_EQUAL(flx_schema_compare(&wanted, &found, why, sizeof(why)),
				FLX_SCHEMA_REFUSED);
		CU_ASSERT_PTR_NOT_NULL(strstr(why, "'user' are of version 1"));
		swap = types[0];
		types[0] = types[1];
		types[1] = swap;
	}
	others[1].version = 1;
	others[0].version = 2;
	CU_ASSERT_EQUAL(flx_schema_compare(&wanted, &found, why, sizeof(why)), FLX_SCHEMA_SAME);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_schema_verdicts),
		FLX_TEST(test_schema_refusal_outweighs_upgrade),
		{0},
	};

	return flx_test_main("schema", tests);
}
