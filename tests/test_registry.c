/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/declare.h"

/* --------------------------------------------------------------------------------------- groups */

static void test_registry_refuses_members_that_disagree(void)
{
	static const struct flx_fault_row rows[] = {
		{{{.id = "a", GOOD, .tags = {"t"}, .key = {key_a, 4}},
		  {.id = "b", .handler = handler, .tags = {"t"}, .key = {key_b, 4}}},
		 2,
		 "fluxion b",
		 "its key differs from that of group t"},
		{{{.id = "a", GOOD, .tags = {"t"}, .key = {key_a, 4}},
		  {.id = "b", .handler = handler, .tags = {"t"}, .key = {key_a, 8}}},
		 2,
		 "fluxion b",
		 "its key differs"},
		{{{.id = "a", GOOD, .tags = {"t"}, .context = {.size = 8}},
		  {.id = "b", .handler = handler, .tags = {"t"}, .context = {.size = 16}}},
		 2,
		 "fluxion b",
		 "its context differs from that of group t"},
		{{{.id = "a", GOOD, .tags = {"t"}, .context = {.size = 8}},
		  {.id = "b", .handler = handler, .tags = {"t"}, .context = {8, init_context, 0}}},
		 2,
		 "fluxion b",
		 "its context differs"},
		{{{.id = "a", GOOD, .tags = {"t"}, .context = {8, NULL, 5}},
		  {.id = "b", .handler = handler, .tags = {"t"}, .context = {8, NULL, 6}}},
		 2,
		 "fluxion b",
		 "its context differs"},
		{{{.id = "a", GOOD, .tags = {"t"}, .key = {key_a, 4}, .context = {.size = 8}},
		  {.id = "b",
		   .handler = handler,
		   .tags = {"t"},
		   .context = {.size = 8, .limit = 70000}}},
		 2,
		 "fluxion b",
		 "its context differs"},
		{{{.id = "a", GOOD, .tags = {"t"}, .key = {key_a, 4}, .context = {.size = 8}},
		  {.id = "b",
		   .handler = handler,
		   .tags = {"t"},
		   .context = {.size = 8, .evict = true}}},
		 2,
		 "fluxion b",
		 "its context differs"},
		{{{.id = "a", GOOD, .tags = {"t"}, .key = {key_a, 4}, .context = {.size = 8}},
		  {.id = "b",
		   .handler = handler,
		   .tags = {"t"},
		   .context = {.size = 8, .version = 1}}},
		 2,
		 "fluxion b",
		 "its context differs"},
		{{{.id = "a", GOOD, .tags = {"t"}, .key = {key_a, 4}, .context = {.size = 8}},
		  {.id = "b",
		   .handler = handler,
		   .tags = {"t"},
		   .context = {.size = 8, .ttl_ms = 1}}},
		 2,
		 "fluxion b",
		 "its context differs"},
		{{{.id = "a", GOOD, .tags = {"t"}, .key = {key_a, 4}, .context = {.size = 8}},
		  {.id = "b",
		   .handler = handler,
		   .tags = {"t"},
		   .context = {.size = 16, .readonly = true}}},
		 2,
		 "fluxion b",
		 "its context differs"},
		{{{.id = "a", GOOD, .tags = {"t"}, .key = {key_a, 4}, .context = {.size = 8}},
		  {.id = "b",
		   .handler = handler,
		   .tags = {"t"},
		   .context = {.size = 8, .readonly = true, .ttl_ms = 1}}},
		 2,
		 "fluxion b",
		 "its context differs"},
		{{{.id = "a", GOOD, .tags = {"t"}, .key = {key_a, 4}, .context = {.size = 8}},
		  {.id = "b",
		   .handler = handler,
		   .tags = {"t"},
		   .context = {.size = 8, .readonly = true, .capacity = 1}}},
		 2,
		 "fluxion b",
		 "its context differs"},
		{{{.id = "a",
		   GOOD,
		   .tags = {"t"},
		   .key = {key_a, 4},
		   .context = {.size = 8, .version = 1}},
		  {.id = "b",
		   .handler = handler,
		   .tags = {"t"},
		   .context = {.size = 8, .version = 1, .upgrade = upgrade}}},
		 2,
		 "fluxion b",
		 "its context differs"},
		{{{.id = "a",
		   GOOD,
		   .tags = {"t"},
		   .key = {key_a, 4},
		   .context = {.size = 8, .readonly = true}},
		  {.id = "b", .handler = handler, .tags = {"t"}, .context = {.size = 16}}},
		 2,
		 "fluxion b",
		 "its context differs"},
		{{{.id = "a",
		   GOOD,
		   .tags = {"t"},
		   .key = {key_a, 4},
		   .context = {.size = 8, .readonly = true, .evict = true}},
		  {.id = "b", .handler = handler, .tags = {"t"}, .context = {.size = 8}}},
		 2,
		 "fluxion b",
		 "its context differs"},
		{{{.id = "a", GOOD, .context = {.size = 8, .evict = true}}},
		 1,
		 "fluxion a",
		 "has no key"},
		{{{.id = "a", GOOD, .context = {.size = 8, .limit = 70000}}},
		 1,
		 "fluxion a",
		 "has no key"},
	};

	CHECK_FAULTS(rows);
}

static uint16_t group_of(uint32_t index)
{
	return registry.fluxion[FLX_FLUXION_FIRST + index].group;
}

static void test_registry_joins_groups_by_any_chain_of_tags(void)
{
	/* a-b share x, b-c share y, d-e share z; f has a tag of its own, g has none; c-a by chain.
	 */
	struct flx_fluxion fluxions[] = {
		{.id = "a", GOOD, .tags = {"x"}},
		{.id = "d", .handler = handler, .tags = {"z", "zz"}},
		{.id = "c", .handler = handler, .tags = {"y"}, .key = {key_a, 4}},
		{.id = "b", .handler = handler, .tags = {"x", "y"}, .context = {.size = 8}},
		{.id = "e", .handler = handler, .tags = {"w", "q", "v", "z"}},
		{.id = "f", .handler = handler, .tags = {"alone"}},
		{.id = "g", .handler = handler},
	};
	const struct flx_group *group;

	CU_ASSERT_EQUAL_FATAL(check(fluxions, 7), 0);
	CU_ASSERT_EQUAL(registry.group_count, 4);
	CU_ASSERT_EQUAL(group_of(0), group_of(2));
	CU_ASSERT_EQUAL(group_of(0), group_of(3));
	CU_ASSERT_EQUAL(group_of(1), group_of(4));
	CU_ASSERT_NOT_EQUAL(group_of(0), group_of(1));
	CU_ASSERT_NOT_EQUAL(group_of(5), group_of(6));
	/* Numbered in the order of first members. */
	CU_ASSERT_EQUAL(group_of(0), 0);
	CU_ASSERT_EQUAL(group_of(1), 1);
	CU_ASSERT_EQUAL(group_of(5), 2);
	CU_ASSERT_EQUAL(group_of(6), 3);
	group = &registry.group[0];
	CU_ASSERT_STRING_EQUAL(group->name, "x");
	CU_ASSERT_EQUAL(group->member_count, 3);
	CU_ASSERT(group->key == key_a && group->key_size == 4);
	CU_ASSERT_EQUAL(group->context_size, 8);
	CU_ASSERT_EQUAL(group->context_capacity, 65536);
	CU_ASSERT_STRING_EQUAL(registry.group[2].name, "alone");
	CU_ASSERT_STRING_EQUAL(registry.group[3].name, "g");
	/* Every member inherits the key; a context is bound where it is declared. */
	CU_ASSERT(registry.fluxion[FLX_FLUXION_FIRST].key == key_a);
	CU_ASSERT_FALSE(registry.fluxion[FLX_FLUXION_FIRST].has_context);
	CU_ASSERT_TRUE(registry.fluxion[FLX_FLUXION_FIRST + 3].has_context);
	CU_ASSERT_FALSE(registry.fluxion[FLX_FLUXION_FIRST + 1].has_context);
	flx_registry_fini(&registry);
}

/* Each declaration leaves the same group, whichever of its members comes first. */
static void test_registry_merges_contexts(void)
{
	const struct flx_fluxion full = {.id = "full",
					 .tags = {"t"},
					 .handler = handler,
					 .listen = {.udp = 7},
					 .key = {key_a, 4},
					 .context = {.size = 8,
						     .init = init_context,
						     .capacity = 10,
						     .limit = 20,
						     .evict = true,
						     .version = 3,
						     .upgrade = upgrade,
						     .ttl_ms = FLX_TTL_MAX_MS}};
	struct flx_fluxion reader = {.id = "reader",
				     .tags = {"t"},
				     .handler = handler,
				     .context = {.size = 8, .readonly = true}};

	for (uint32_t first = 0; first < 4; first++) {
		struct flx_fluxion fluxions[2];
		const struct flx_group *group = &registry.group[0];
		uint32_t at = first % 2;

		/* The last two times the reader declares all that the other one does. */
		if (first == 2) {
			reader.context = full.context;
			reader.context.readonly = true;
		}
		fluxions[at] = full;
		fluxions[!at] = reader;
		CU_ASSERT_EQUAL_FATAL(check(fluxions, 2), 0);
		CU_ASSERT_EQUAL(registry.group_count, 1);
		CU_ASSERT(group->context_size == 8 && group->context_init == init_context);
		CU_ASSERT(group->context_capacity == 10 && group->context_limit == 20);
		CU_ASSERT(group->context_evict && group->context_ttl_ms == FLX_TTL_MAX_MS);
		CU_ASSERT(group->context_version == 3 && group->context_upgrade == upgrade);
		CU_ASSERT_FALSE(registry.fluxion[FLX_FLUXION_FIRST + at].readonly);
		CU_ASSERT_TRUE(registry.fluxion[FLX_FLUXION_FIRST + !at].readonly);
		CU_ASSERT_TRUE(registry.fluxion[FLX_FLUXION_FIRST + !at].has_context);
		flx_registry_fini(&registry);
	}
}

static void test_registry_takes_a_group_of_readers(void)
{
	struct flx_fluxion fluxions[] = {
		{.id = "a", GOOD, .key = {key_a, 4}, .context = {.size = 8, .readonly = true}},
		{.id = "b", .handler = handler, .context = {.size = 8, .ttl_ms = 5}},
	};

	CU_ASSERT_EQUAL_FATAL(check(fluxions, 2), 0);
	CU_ASSERT(registry.group[0].context_capacity == 65536 &&
		  registry.group[0].context_limit == 65536);
	/* A single context may end by itself. */
	CU_ASSERT(registry.group[1].mode == FLX_PLACE_SINGLE &&
		  registry.group[1].context_ttl_ms == 5);
	flx_registry_fini(&registry);
}

static void test_registry_resizes_a_group_with_contexts(void)
{
	static const struct {
		const char *name;
		uint32_t capacity, limit;
		const char *error; /* NULL: none */
		uint32_t then;	   /* limit of the group */
	} rows[] = {
		{"t", 5, 0, NULL, 5},
		{"t", 5, 9, NULL, 9},
		{"t", 1000000000, 0, NULL, 1000000000},
		{"a", 5, 0, "--contexts a: no such group; give", 1000000000},
		{"T", 5, 0, "--contexts T: no such group; give", 1000000000},
		{"plain", 5, 0, "--contexts plain: not a group of contexts by key", 1000000000},
		{"single", 5, 0, "--contexts single: not a group of contexts by key", 1000000000},
	};
	struct flx_fluxion fluxions[] = {
		{.id = "a", GOOD, .tags = {"t"}, .key = {key_a, 4}, .context = {.size = 8}},
		{.id = "plain", .handler = handler, .key = {key_a, 4}},
		{.id = "single", .handler = handler, .context = {.size = 8}},
	};

	CU_ASSERT_EQUAL_FATAL(check(fluxions, 3), 0);
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		int error;

		flx_capture_start(&capture);
		error = flx_registry_resize(&registry, rows[r].name, rows[r].capacity,
					    rows[r].limit);
		flx_capture_stop(&capture);
		CU_ASSERT_EQUAL(error, rows[r].error ? -EINVAL : 0);
		CU_ASSERT_PTR_NOT_NULL(strstr(capture.text, rows[r].error ? rows[r].error : ""));
		CU_ASSERT_EQUAL(registry.group[0].context_limit, rows[r].then);
		CU_ASSERT(rows[r].error || registry.group[0].context_capacity == rows[r].capacity);
	}
	flx_registry_fini(&registry);
}

static void test_registry_places_by_key_and_context(void)
{
	static const struct {
		struct flx_fluxion fluxion;
		enum flx_placement_mode mode;
	} rows[] = {
		{{.id = "a", GOOD}, FLX_PLACE_LOCAL},
		{{.id = "a", GOOD, .context = {.size = 8}}, FLX_PLACE_SINGLE},
		{{.id = "a", GOOD, .key = {key_a, 4}}, FLX_PLACE_KEYED},
		{{.id = "a", GOOD, .key = {key_a, 4}, .context = {.size = 8}}, FLX_PLACE_KEYED},
		{{.id = "a", GOOD, .key = {flx_key_client, 4}}, FLX_PLACE_KEYED},
		{{.id = "a", GOOD, .key = {flx_key_flow, 12}}, FLX_PLACE_FLOW},
		{{.id = "a", GOOD, .key = {flx_key_flow, 12}, .context = {.size = 4096}},
		 FLX_PLACE_FLOW},
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		struct flx_fluxion fluxion = rows[r].fluxion;
		const struct flx_fluxion_entry *entry = &registry.fluxion[FLX_FLUXION_FIRST];

		CU_ASSERT_EQUAL_FATAL(check(&fluxion, 1), 0);
		CU_ASSERT_STRING_EQUAL(capture.text, "");
		CU_ASSERT_EQUAL(registry.group[0].mode, rows[r].mode);
		CU_ASSERT_EQUAL(entry->mode, (uint8_t)rows[r].mode);
		CU_ASSERT_EQUAL(entry->has_context, rows[r].fluxion.context.size > 0);
		CU_ASSERT_EQUAL(entry->key_size, rows[r].fluxion.key.size);
		CU_ASSERT(registry.group[0].slice < FLX_SLICES);
		flx_registry_fini(&registry);
	}
}

static void test_registry_spreads_single_groups(void)
{
	struct flx_fluxion fluxions[] = {
		{.id = "a", GOOD, .context = {.size = 8}},
		{.id = "b", .handler = handler, .listen = {.udp = 8}, .context = {.size = 8}},
	};

	CU_ASSERT_EQUAL_FATAL(check(fluxions, 2), 0);
	CU_ASSERT_NOT_EQUAL(registry.group[0].slice, registry.group[1].slice);
	flx_registry_fini(&registry);
}

/* -------------------------------------------------------------------------------------- streams */

static void test_registry_resolves_streams_and_listeners(void)
{
	struct flx_fluxion fluxions[] = {
		{.id = "a",
		 GOOD,
		 .streams = {{FLX_STREAM_START, {"b"}}, {0}, {FLX_STREAM_POST, {"c", "a", "b"}}}},
		{.id = "b", .handler = handler, .streams = {{FLX_STREAM_POST, {"a", "c"}}}},
		{.id = "c", .handler = handler, .listen = {.udp = 65535}},
	};
	const struct flx_target *a, *b;

	CU_ASSERT_EQUAL_FATAL(check(fluxions, 3), 0);
	CU_ASSERT_STRING_EQUAL(capture.text, "");
	CU_ASSERT_EQUAL(registry.fluxion_count, FLX_FLUXION_FIRST + 3);
	a = registry.fluxion[FLX_FLUXION_FIRST].targets;
	b = registry.fluxion[FLX_FLUXION_FIRST + 1].targets;
	CU_ASSERT(a[0].count == 1 && a[0].to == FLX_FLUXION_FIRST + 1);
	CU_ASSERT_EQUAL(a[1].count, 0);
	CU_ASSERT_EQUAL_FATAL(a[2].count, 3);
	CU_ASSERT_EQUAL(registry.destinations[a[2].to], FLX_FLUXION_FIRST + 2);
	CU_ASSERT_EQUAL(registry.destinations[a[2].to + 1], FLX_FLUXION_FIRST);
	CU_ASSERT_EQUAL(registry.destinations[a[2].to + 2], FLX_FLUXION_FIRST + 1);
	CU_ASSERT_EQUAL_FATAL(b[0].count, 2);
	CU_ASSERT_EQUAL(registry.destinations[b[0].to], FLX_FLUXION_FIRST);
	CU_ASSERT_EQUAL(registry.destinations[b[0].to + 1], FLX_FLUXION_FIRST + 2);
	for (uint32_t s = 3; s < FLX_STREAMS_MAX; s++)
		CU_ASSERT_EQUAL(a[s].count, 0);
	CU_ASSERT_EQUAL_FATAL(registry.listener_count, 2);
	CU_ASSERT_EQUAL(registry.listener[0].port, 7);
	CU_ASSERT_EQUAL(registry.listener[0].fluxion, FLX_FLUXION_FIRST);
	CU_ASSERT_EQUAL(registry.listener[1].port, 65535);
	CU_ASSERT_EQUAL(registry.listener[1].fluxion, FLX_FLUXION_FIRST + 2);
	CU_ASSERT_STRING_EQUAL(registry.fluxion[FLX_FLUXION_UDP].id, "udp");
	CU_ASSERT_STRING_EQUAL(registry.fluxion[FLX_FLUXION_FIRST + 2].id, "c");
	flx_registry_fini(&registry);
}

static void test_registry_warns_of_what_nothing_reaches(void)
{
	struct flx_fluxion fluxions[] = {
		{.id = "a", GOOD, .streams = {{FLX_STREAM_POST, {"b"}}}},
		{.id = "b", .handler = handler, .streams = {{FLX_STREAM_POST, {"a"}}}},
		{.id = "island", .handler = handler, .streams = {{FLX_STREAM_POST, {"island"}}}},
	};

	CU_ASSERT_EQUAL_FATAL(check(fluxions, 3), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(capture.text, "flx: warning: fluxion island"));
	CU_ASSERT_PTR_NULL(strstr(capture.text, "fluxion a"));
	CU_ASSERT_PTR_NULL(strstr(capture.text, "fluxion b"));
	flx_registry_fini(&registry);
}

/* As large as a program may be: 256 fluxions with 8 streams to 64 destinations, all checked. */
static void test_registry_takes_the_largest_program(void)
{
	static struct flx_fluxion fluxions[FLX_FLUXIONS_MAX];
	static char ids[FLX_FLUXIONS_MAX][FLX_ID_MAX + 1];
	const struct flx_target *last;

	for (uint32_t f = 0; f < FLX_FLUXIONS_MAX; f++) {
		snprintf(ids[f], sizeof(ids[f]), "fluxion_with_an_id_of_31_byte%02x", f);
		CU_ASSERT_EQUAL_FATAL(strlen(ids[f]), FLX_ID_MAX);
		fluxions[f] = (struct flx_fluxion){
			.id = ids[f], .handler = handler, .listen = {.udp = (uint16_t)(f + 1)}};
		for (uint32_t s = 0; s < FLX_STREAMS_MAX; s++) {
			fluxions[f].streams[s].type = FLX_STREAM_POST;
			for (uint32_t d = 0; d < FLX_DESTINATIONS_MAX; d++)
				fluxions[f].streams[s].to[d] = ids[(f + s + d) % FLX_FLUXIONS_MAX];
		}
	}
	CU_ASSERT_EQUAL_FATAL(check(fluxions, FLX_FLUXIONS_MAX), 0);
	CU_ASSERT_STRING_EQUAL(capture.text, "");
	CU_ASSERT_EQUAL(registry.fluxion_count, FLX_FLUXION_FIRST + FLX_FLUXIONS_MAX);
	CU_ASSERT_EQUAL(registry.group_count, FLX_FLUXIONS_MAX);
	CU_ASSERT_EQUAL(registry.listener_count, FLX_FLUXIONS_MAX);
	last = &registry.fluxion[FLX_FLUXION_FIRST + FLX_FLUXIONS_MAX - 1]
			.targets[FLX_STREAMS_MAX - 1];
	CU_ASSERT_EQUAL_FATAL(last->count, FLX_DESTINATIONS_MAX);
	CU_ASSERT_EQUAL(registry.destinations[last->to + 63],
			FLX_FLUXION_FIRST + (255 + 7 + 63) % FLX_FLUXIONS_MAX);
	flx_registry_fini(&registry);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_registry_refuses_members_that_disagree),
		FLX_TEST(test_registry_joins_groups_by_any_chain_of_tags),
		FLX_TEST(test_registry_merges_contexts),
		FLX_TEST(test_registry_takes_a_group_of_readers),
		FLX_TEST(test_registry_resizes_a_group_with_contexts),
		FLX_TEST(test_registry_places_by_key_and_context),
		FLX_TEST(test_registry_spreads_single_groups),
		FLX_TEST(test_registry_resolves_streams_and_listeners),
		FLX_TEST(test_registry_warns_of_what_nothing_reaches),
		FLX_TEST(test_registry_takes_the_largest_program),
		{0},
	};

	return flx_test_main("registry", tests);
}
