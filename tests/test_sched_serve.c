/* SPDX-License-Identifier: BSD-3-Clause */
/* What is asked of the scheduler, and what it says; the workers behind it are turned by hand. */
#include <errno.h>

#include <rte_cycles.h>
#include <urcu-qsbr.h>

#include "apps/rss_serve.h"
#include "apps/sched_serve.h"
#include "tests/eal.h"
#include "tests/test.h"
#include "tests/world.h"

static struct flx_world world;
static struct flx_sched sched;
static struct flx_answer answer;
static struct flx_request request;

static int consume(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)call;
	(void)msg;
	(void)context;
	return 0;
}

static struct flx_fluxion fluxions[] = {
	{
		.id = "keyed",
		.listen = {.udp = 1},
		.handler = consume,
		.key = {.extract = flx_key_client, .size = FLX_KEY_CLIENT_SIZE},
	},
	{.id = "single", .listen = {.udp = 2}, .handler = consume, .context = {.size = 8}},
	{.id = "local", .listen = {.udp = 3}, .handler = consume},
};

static const struct flx_program program = {.name = "serve", FLX_FLUXIONS(fluxions)};

static void begin(void)
{
	const struct flx_world_conf conf = {
		.workers = 2, .lane_size = 64, .credits = 1024, .buffers = 64, .buffer_data = 64};
	struct flx_sched_worker_conf workers[2];
	struct flx_sched_conf sched_conf = {
		.registry = &world.registry,
		.migrate = &world.shared.migrate,
		.worker_count = 2,
		.worker = workers,
		.workers_min = 2,
		.mode = FLX_SCHED_AUTO,
	};

	CU_ASSERT_EQUAL_FATAL(flx_world_init(&world, &program, &conf), 0);
	sched_conf.tsc_hz = world.shared.tsc_hz;
	sched_conf.now_tsc = rte_rdtsc();
	for (uint32_t w = 0; w < 2; w++)
		workers[w] = (struct flx_sched_worker_conf){
			.load = &world.shared.workers[w]->load,
			.pulse = &world.shared.workers[w]->pulse,
			.numa = -1,
		};
	CU_ASSERT_EQUAL_FATAL(flx_sched_init(&sched, &sched_conf), 0);
}

static void end(void)
{
	flx_sched_fini(&sched);
	flx_world_fini(&world);
}

/* Whether what is left to be said is all there; else the scheduler and the workers take their time. */
static bool is_over(void)
{
	if (flx_answer_next(&answer) != FLX_ANSWER_WAIT)
		return true;
	flx_sched_tick(&sched, rte_rdtsc());
	for (uint32_t turn = 0; turn < 20; turn++)
		for (uint32_t w = 0; w < 2; w++)
			flx_worker_turn(world.shared.workers[w]);
	return false;
}

/* The answer to @line, which is for @run. */
static const char *ask(const char *line, int (*run)(struct flx_sched *, const struct flx_request *,
						    struct flx_answer *))
{
	static char text[65536];
	size_t used = 0;

	CU_ASSERT_PTR_NULL_FATAL(flx_request_parse(&request, line, strlen(line)));
	CU_ASSERT_EQUAL_FATAL(flx_answer_init(&answer), 0);
	flx_answer_begin(&answer, run(&sched, &request, &answer));
	for (uint32_t round = 0; round < 10000; round++) {
		const char *at;
		size_t size = flx_answer_left(&answer, &at);

		CU_ASSERT_FATAL(used + size < sizeof(text));
		memcpy(text + used, at, size);
		used += size;
		flx_answer_took(&answer, size);
		if (is_over() && flx_answer_left(&answer, &at) == 0)
			break;
	}
	text[used] = '\0';
	flx_answer_fini(&answer);
	return text;
}

static void test_sched_serve_refuses_what_it_does_not_understand(void)
{
	static const struct {
		int (*run)(struct flx_sched *, const struct flx_request *, struct flx_answer *);
		const char *line, *expected;
	} rows[] = {
		{flx_sched_serve, "sched what",
		 "error EINVAL what: not to be asked of the scheduler; give plan, history, "
		 "timeline, auto, observe, off, or nothing\n"},
		{flx_sched_serve, "sched auto now",
		 "error EINVAL now: one too many; see flx help\n"},
		{flx_sched_serve, "sched history x",
		 "error EINVAL x: not a number; give 1..2048 moves\n"},
		{flx_sched_serve, "sched timeline 0",
		 "error EINVAL 0: out of range; give 1..3600 seconds\n"},
		{flx_sched_serve, "sched timeline 1 2",
		 "error EINVAL 2: one too many; see flx help\n"},
		{flx_sched_serve_move, "move keyed",
		 "error EINVAL move: too little; give GROUP[:SLICES] and the number of a worker\n"},
		{flx_sched_serve_move, "move keyed 1 2",
		 "error EINVAL move: one too many; give GROUP[:SLICES] and the number of a "
		 "worker\n"},
		{flx_sched_serve_move, "move keye 1",
		 "error EINVAL keye: no such group; give one that flx check lists\n"},
		{flx_sched_serve_move, "move local 1",
		 "error EINVAL local: runs on every worker; give a group that has a key or a "
		 "context\n"},
		{flx_sched_serve_move, "move keyed:512 1",
		 "error EINVAL keyed:512: out of range; give numbers and ranges of slices below "
		 "512, such as 3,17-20\n"},
		{flx_sched_serve_move, "move keyed:9-7 1",
		 "error EINVAL keyed:9-7: a range runs backwards; give numbers and ranges of "
		 "slices below 512, such as 3,17-20\n"},
		{flx_sched_serve_move, "move keyed: 1",
		 "error EINVAL keyed:: not a list of numbers; give numbers and ranges of slices "
		 "below 512, such as 3,17-20\n"},
		{flx_sched_serve_move, "move single:0 1",
		 "error EINVAL single:0: the group has one slice, and it is another; give numbers "
		 "and ranges of slices below 512, such as 3,17-20\n"},
		{flx_sched_serve_move, "move keyed 2",
		 "error EINVAL 2: out of range; give a worker, 0..1\n"},
		{flx_sched_serve_pin, "pin", "error EINVAL pin: too little; give GROUP[:SLICES]\n"},
		{flx_sched_serve_pin, "pin a b",
		 "error EINVAL pin: one too many; give GROUP[:SLICES]\n"},
	};

	begin();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT_STRING_EQUAL(ask(rows[i].line, rows[i].run), rows[i].expected);
	CU_ASSERT_EQUAL(flx_migrate_under_way(&world.shared.migrate), 0);
	end();
}

static void test_sched_serve_moves_and_says_so(void)
{
	begin();
	CU_ASSERT_STRING_EQUAL(ask("move keyed:0,2-5 1", flx_sched_serve_move),
			       "ok\n5 slices run on worker 1 now\nend\n");
	for (uint32_t s = 0; s < 8; s++)
		CU_ASSERT_EQUAL(flx_route_owner(&world.shared.routes->route[0], s),
				s == 0 || (s >= 2 && s <= 5) ? 1 : s % 2);
	CU_ASSERT_STRING_EQUAL(ask("move keyed 0", flx_sched_serve_move),
			       "ok\n512 slices run on worker 0 now\nend\n");
	/* There already: nothing to wait for. */
	CU_ASSERT_STRING_EQUAL(ask("move keyed 0", flx_sched_serve_move),
			       "ok\n512 slices run on worker 0 now\nend\n");
	CU_ASSERT_PTR_NOT_NULL(strstr(ask("sched", flx_sched_serve), "scheduler auto: 262 slices"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(ask("sched history 1", flx_sched_serve), ", worker 1 -> 0, in "));
	end();
}

/* What is drawn, test_timeline looks at. */
static void test_sched_serve_draws_what_was(void)
{
	const char *text;

	begin();
	ask("move keyed 0", flx_sched_serve_move);
	text = ask("sched timeline", flx_sched_serve);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "ok\n<svg "));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "256 slices"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "</svg>\nend\n"));
	end();
}

static void test_sched_serve_pins(void)
{
	begin();
	CU_ASSERT_STRING_EQUAL(ask("pin keyed:7,9", flx_sched_serve_pin),
			       "ok\n2 slices pinned, 0 were already\nend\n");
	CU_ASSERT_STRING_EQUAL(ask("pin keyed:9-10", flx_sched_serve_pin),
			       "ok\n1 slices pinned, 1 were already\nend\n");
	CU_ASSERT_EQUAL(sched.slices[7].hold, FLX_POLICY_PINNED);
	CU_ASSERT_STRING_EQUAL(ask("unpin keyed", flx_sched_serve_pin),
			       "ok\n3 slices unpinned, 509 were already\nend\n");
	CU_ASSERT_STRING_EQUAL(ask("pin single", flx_sched_serve_pin),
			       "ok\n1 slices pinned, 0 were already\nend\n");
	end();
}

static void test_sched_serve_sets_the_mode_and_tells_the_plan(void)
{
	const char *text;

	begin();
	CU_ASSERT_STRING_EQUAL(ask("sched observe", flx_sched_serve),
			       "ok\nscheduler observe\nend\n");
	CU_ASSERT_EQUAL(sched.mode, FLX_SCHED_OBSERVE);
	text = ask("sched plan", flx_sched_serve);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "nothing to do"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "worker 1"));
	CU_ASSERT_STRING_EQUAL(ask("sched off", flx_sched_serve), "ok\nscheduler off\nend\n");
	CU_ASSERT_PTR_NOT_NULL(strstr(ask("sched", flx_sched_serve), "scheduler off:"));
	end();
}

static void test_rss_prints_queues_and_their_shares(void)
{
	static struct flx_ledger ledger;
	uint16_t queue[4] = {0, 1, 1, 1};
	const struct flx_reta reta = {
		.conf = {.port_count = 1, .port = {{.buckets = 4, .queues = 2}}},
		.queue = {queue},
	};
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	flx_rss_print(out, &ledger, &reta);
	ledger.port_count = 2;
	snprintf(ledger.port[0].name, sizeof(ledger.port[0].name), "pci:x");
	ledger.port[0].queue_count = 2;
	ledger.port[0].received = 1000;
	ledger.port[0].queue_received[0] = 250;
	ledger.port[0].queue_received[1] = 750;
	ledger.port[0].queue_steered[1] = 75;
	snprintf(ledger.port[1].name, sizeof(ledger.port[1].name), "tap:y");
	ledger.port[1].queue_count = 1;
	flx_rss_print(out, &ledger, &reta);
	fclose(out);
	CU_ASSERT_STRING_EQUAL(
		text,
		"no port\n"
		"port 0, pci:x: indirection table of 4 buckets\n"
		"  queue 0            250 received  25.0%             0 to other workers   0.0%"
		"     1 buckets\n"
		"  queue 1            750 received  75.0%            75 to other workers  10.0%"
		"     3 buckets\n"
		"port 1, tap:y: no indirection table\n"
		"  queue 0              0 received   0.0%             0 to other workers   "
		"0.0%\n");
	free(text);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_sched_serve_refuses_what_it_does_not_understand),
		FLX_TEST(test_sched_serve_moves_and_says_so),
		FLX_TEST(test_sched_serve_draws_what_was),
		FLX_TEST(test_sched_serve_pins),
		FLX_TEST(test_sched_serve_sets_the_mode_and_tells_the_plan),
		FLX_TEST(test_rss_prints_queues_and_their_shares),
		{0},
	};
	int status;

	if (flx_test_eal())
		return EXIT_FAILURE;
	urcu_qsbr_register_thread();
	status = flx_test_main("sched_serve", tests);
	urcu_qsbr_unregister_thread();
	return status;
}
