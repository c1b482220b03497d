/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/registry.h"
#include "tests/capture.h"
#include "tests/test.h"

static struct flx_registry registry;
static struct flx_capture capture;

static int handler(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)call;
	(void)msg;
	(void)context;
	return 0;
}

static int batch(struct flx_call *call, const struct flx_elem *elems, uint32_t count)
{
	(void)call;
	(void)elems;
	(void)count;
	return 0;
}

static int key_a(const struct flx_msg *msg, void *key)
{
	(void)msg;
	memset(key, 'a', 4);
	return 0;
}

static int key_b(const struct flx_msg *msg, void *key)
{
	(void)msg;
	memset(key, 'b', 4);
	return 0;
}

static void init_context(void *context)
{
	memset(context, 1, 8);
}

/* Checks @fluxions as program "test"; what was said is in capture.text. */
static int check(struct flx_fluxion *fluxions, uint32_t count)
{
	const struct flx_program program = {
		.name = "test", .fluxions = fluxions, .fluxion_count = count};
	int error;

	flx_capture_start(&capture);
	error = flx_registry_init(&registry, &program);
	flx_capture_stop(&capture);
	return error;
}

/* --------------------------------------------------------------------------------------- faults */

#define LONG_ID "a2345678901234567890123456789012" /* 32 bytes: one too many */
#define GOOD	.handler = handler, .listen = {.udp = 7}

/*
 * One row a fault: a program with it, who must be named, and what the message must say. Up to three
 * fluxions; the first without id ends them.
 */
static void test_registry_refuses_each_fault_by_name(void)
{
	static const struct {
		struct flx_fluxion fluxions[3];
		uint32_t count;
		const char *who;
		const char *what;
	} rows[] = {
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
		{{{.id = "a", .listen = {.udp = 7}, .batch = batch, .context = {.size = 8}}},
		 1,
		 "fluxion a",
		 "a batch handler gets no context"},
		{{{.id = "a", .handler = handler}}, 1, "program test", "no fluxion listens"},
		{{{.id = "a", GOOD}, {.id = "b", GOOD}}, 2, "fluxions a and b", "both listen"},
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
		{{{.id = "a", GOOD, .context = {.size = 4097}}},
		 1,
		 "fluxion a",
		 "4096 is the most"},
		{{{.id = "a", GOOD, .context = {.init = init_context}}},
		 1,
		 "fluxion a",
		 "without a size"},
		{{{.id = "a", GOOD, .context = {.capacity = 5}}}, 1, "fluxion a", "without a size"},
		{{{.id = "a", GOOD, .tags = {"not a tag"}}}, 1, "fluxion a", "tag 'not a tag'"},
		{{{.id = "a", GOOD, .tags = {""}}}, 1, "fluxion a", "tag ''"},
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
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		struct flx_fluxion fluxions[3];
		const char *line;
		int error;

		memcpy(fluxions, rows[r].fluxions, sizeof(fluxions));
		error = check(fluxions, rows[r].count);
		line = strchr(capture.text, '\n');
		if (error != -EINVAL || strncmp(capture.text, "flx: error: ", 12) != 0 || !line ||
		    line[1] || !strstr(capture.text, rows[r].who) ||
		    !strstr(capture.text, rows[r].what))
			printf("row %zu: %d, \"%s\"\n", r, error, capture.text);
		CU_ASSERT_EQUAL(error, -EINVAL);
		/* One line, which names the fluxion and the matter. */
		CU_ASSERT_EQUAL(strncmp(capture.text, "flx: error: ", 12), 0);
		CU_ASSERT(line && !line[1]);
		CU_ASSERT_PTR_NOT_NULL(strstr(capture.text, rows[r].who));
		CU_ASSERT_PTR_NOT_NULL(strstr(capture.text, rows[r].what));
	}
}

static void test_registry_reports_every_fault_at_once(void)
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

static void test_registry_refuses_programs_without_shape(void)
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

/* --------------------------------------------------------------------------------------- groups */

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
		FLX_TEST(test_registry_refuses_each_fault_by_name),
		FLX_TEST(test_registry_reports_every_fault_at_once),
		FLX_TEST(test_registry_refuses_programs_without_shape),
		FLX_TEST(test_registry_joins_groups_by_any_chain_of_tags),
		FLX_TEST(test_registry_places_by_key_and_context),
		FLX_TEST(test_registry_spreads_single_groups),
		FLX_TEST(test_registry_resolves_streams_and_listeners),
		FLX_TEST(test_registry_warns_of_what_nothing_reaches),
		FLX_TEST(test_registry_takes_the_largest_program),
		{0},
	};

	return flx_test_main("registry", tests);
}
