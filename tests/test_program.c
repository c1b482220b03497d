/* SPDX-License-Identifier: BSD-3-Clause */
/* What is wrong with a program, one fault a row. */
#include "tests/declare.h"

#define LONG_ID "a2345678901234567890123456789012" /* 32 bytes: one too many */

static void test_program_refuses_bad_names_and_listeners(void)
{
	static const struct flx_fault_row rows[] = {
		{{{.id = NULL, GOOD}}, 1, "fluxion 0", "is not a name"},
		{{{.id = "", GOOD}}, 1, "fluxion 0", "is not a name"},
		{{{.id = "a b", GOOD}}, 1, "a b", "is not a name"},
		{{{.id = "a/b", GOOD}}, 1, "a/b", "is not a name"},
		{{{.id = LONG_ID, GOOD}}, 1, LONG_ID, "is not a name"},
		{{{.id = "udp", GOOD}}, 1, "udp", "choose another id"},
		{{{.id = "arp", GOOD}}, 1, "arp", "choose another id"},
		{{{.id = "tx", GOOD}}, 1, "tx", "choose another id"},
		{{{.id = "a", GOOD}, {.id = "a", .handler = handler}}, 2, "fluxion a", "rename"},
		{{{.id = "a", .listen = {.udp = 7}}}, 1, "fluxion a", "no handler"},
		{{{.id = "a", GOOD, .batch = batch}}, 1, "fluxion a", "both handlers"},
		{{{.id = "a", .handler = handler}}, 1, "program test", "no fluxion listens"},
		{{{.id = "a", GOOD}, {.id = "b", GOOD}}, 2, "fluxions a and b", "both listen"},
		{{{.id = "a", GOOD, .tags = {"not a tag"}}}, 1, "fluxion a", "tag 'not a tag'"},
		{{{.id = "a", GOOD, .tags = {""}}}, 1, "fluxion a", "tag ''"},
	};

	CHECK_FAULTS(rows);
}

static void test_program_refuses_bad_streams(void)
{
	static const struct flx_fault_row rows[] = {
		{{{.id = "a", GOOD, .streams = {{(enum flx_stream_type)3, {"a"}}}}},
		 1,
		 "fluxion a, stream 0",
		 "type 3 is unknown"},
		{{{.id = "a", GOOD, .streams = {{FLX_STREAM_NONE, {"a"}}}}},
		 1,
		 "fluxion a, stream 0",
		 "has no type"},
		{{{.id = "a", GOOD, .streams = {{FLX_STREAM_POST, {NULL}}}}},
		 1,
		 "fluxion a, stream 0",
		 "leads nowhere"},
		{{{.id = "a", GOOD, .streams = {{FLX_STREAM_POST, {"b"}}}}},
		 1,
		 "fluxion a, stream 0",
		 "'b', which is not declared"},
		{{{.id = "a", GOOD, .streams = {{FLX_STREAM_POST, {"tx"}}}}},
		 1,
		 "fluxion a, stream 0",
		 "'tx', which is not declared"},
		{{{.id = "a", GOOD, .streams = {{FLX_STREAM_POST, {"a", "a"}}}}},
		 1,
		 "fluxion a, stream 0",
		 "twice"},
		{{{.id = "a", GOOD},
		  {.id = "b", .handler = handler, .streams = {{0}, {FLX_STREAM_START, {"a"}}}}},
		 2,
		 "fluxion b, stream 1",
		 "needs something to listen to"},
	};

	CHECK_FAULTS(rows);
}

static void test_program_refuses_bad_keys(void)
{
	static const struct flx_fault_row rows[] = {
		{{{.id = "a", GOOD, .key = {key_a, 0}}}, 1, "fluxion a", "key of 0 bytes"},
		{{{.id = "a", GOOD, .key = {key_a, 41}}}, 1, "fluxion a", "key of 41 bytes"},
		{{{.id = "a", GOOD, .key = {NULL, 4}}}, 1, "fluxion a", "without a key function"},
		{{{.id = "a", GOOD, .key = {flx_key_flow, 4}}},
		 1,
		 "fluxion a",
		 "FLX_KEY_FLOW_SIZE"},
		{{{.id = "a", GOOD, .key = {flx_key_client, 5}}},
		 1,
		 "fluxion a",
		 "FLX_KEY_CLIENT_SIZE"},
	};

	CHECK_FAULTS(rows);
}

static void test_program_refuses_bad_contexts(void)
{
	static const struct flx_fault_row rows[] = {
		{{{.id = "a", .listen = {.udp = 7}, .batch = batch, .context = {.size = 8}}},
		 1,
		 "fluxion a",
		 "a batch handler gets no context"},
		{{{.id = "a", GOOD, .context = {.size = 4097}}},
		 1,
		 "fluxion a",
		 "4096 is the most"},
		{{{.id = "a", GOOD, .context = {.init = init_context}}},
		 1,
		 "fluxion a",
		 "without a size"},
		{{{.id = "a", GOOD, .context = {.capacity = 5}}}, 1, "fluxion a", "without a size"},
		{{{.id = "a", GOOD, .context = {.limit = 100000}}},
		 1,
		 "fluxion a",
		 "without a size"},
		{{{.id = "a", GOOD, .context = {.evict = true}}}, 1, "fluxion a", "without a size"},
		{{{.id = "a", GOOD, .context = {.readonly = true}}},
		 1,
		 "fluxion a",
		 "without a size"},
		{{{.id = "a", GOOD, .context = {.version = 1}}}, 1, "fluxion a", "without a size"},
		{{{.id = "a", GOOD, .context = {.version = 1, .upgrade = upgrade}}},
		 1,
		 "fluxion a",
		 "without a size"},
		{{{.id = "a", GOOD, .context = {.ttl_ms = 1}}}, 1, "fluxion a", "without a size"},
		{{{.id = "a", .listen = {.udp = 7}, .batch = batch, .context = {.readonly = true}}},
		 1,
		 "fluxion a",
		 "a batch handler gets no context"},
		{{{.id = "a",
		   GOOD,
		   .key = {key_a, 4},
		   .context = {.size = 8, .capacity = 100, .limit = 99}}},
		 1,
		 "fluxion a",
		 "limit of 99 contexts, below the capacity of 100"},
		{{{.id = "a", GOOD, .key = {key_a, 4}, .context = {.size = 8, .limit = 65535}}},
		 1,
		 "fluxion a",
		 "limit of 65535 contexts, below the capacity of 65536"},
		{{{.id = "a",
		   GOOD,
		   .key = {key_a, 4},
		   .context = {.size = 8, .ttl_ms = FLX_TTL_MAX_MS + 1}}},
		 1,
		 "fluxion a",
		 "contexts live 15552000001 ms; set .context.ttl_ms to 180 days (15552000000)"},
		{{{.id = "a", GOOD, .key = {key_a, 4}, .context = {.size = 8, .upgrade = upgrade}}},
		 1,
		 "fluxion a",
		 "upgrades its context to version 0"},
	};

	CHECK_FAULTS(rows);
}

static void test_program_reports_every_fault_at_once(void)
{
	struct flx_fluxion fluxions[] = {
		{.id = "a", GOOD, .streams = {{FLX_STREAM_POST, {"nobody"}}}},
		{.id = "b", .handler = handler, .context = {.size = 5000}},
		{.id = "c", .handler = handler, .key = {key_a, 99}},
	};
	uint32_t lines = 0;

	CU_ASSERT_EQUAL(check(fluxions, 3), -EINVAL);
	for (const char *c = capture.text; *c; c++)
		lines += *c == '\n';
	CU_ASSERT_EQUAL(lines, 3);
	CU_ASSERT_PTR_NOT_NULL(strstr(capture.text, "fluxion a"));
	CU_ASSERT_PTR_NOT_NULL(strstr(capture.text, "fluxion b"));
	CU_ASSERT_PTR_NOT_NULL(strstr(capture.text, "fluxion c"));
}

static void test_program_refuses_ones_without_shape(void)
{
	struct flx_fluxion one = {.id = "a", GOOD};
	const struct flx_program rows[] = {
		{.name = NULL, .fluxions = &one, .fluxion_count = 1},
		{.name = "not a name", .fluxions = &one, .fluxion_count = 1},
		{.name = "test", .fluxions = NULL, .fluxion_count = 1},
		{.name = "test", .fluxions = &one, .fluxion_count = 0},
		{.name = "test", .fluxions = &one, .fluxion_count = FLX_FLUXIONS_MAX + 1},
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		flx_capture_start(&capture);
		CU_ASSERT_EQUAL(flx_registry_init(&registry, &rows[r]), -EINVAL);
		CU_ASSERT_PTR_NOT_NULL(strstr(flx_capture_stop(&capture), "flx: error: program"));
	}
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_program_refuses_bad_names_and_listeners),
		FLX_TEST(test_program_refuses_bad_streams),
		FLX_TEST(test_program_refuses_bad_keys),
		FLX_TEST(test_program_refuses_bad_contexts),
		FLX_TEST(test_program_reports_every_fault_at_once),
		FLX_TEST(test_program_refuses_ones_without_shape),
		{0},
	};

	return flx_test_main("program", tests);
}
