/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stress_move - slices moved at random between workers that are threads, under full load.
 *
 *	stress_move [--workers N] [--moves N] [--messages N] [--keys N] [--window N] [--undo PERCENT]
 *		    [--seed N] [--sched]
 *
 * Messages go round in a chain: "first" and "second", whose slices move, a fluxion without slices
 * between them, and "third", whose slices stay with the last worker. Each key has a window of
 * messages under way, numbered; "third" sends number n back as n + window. So if every fluxion gets
 * the messages of each slice in the order in which they were sent, each number comes to each
 * context of its key in turn: one that is lost, comes twice or is overtaken shows at once, and so
 * does a context that is not what its last commit left. At the end all contexts must agree, and
 * every message, credit and buffer be accounted for.
 *
 * Runs until both numbers are reached: of moves that ended, and of messages handled. Prints how long
 * messages had to wait for moves; nothing is asserted of that. Exit status: 0; 1 a promise was
 * broken; 2 wrong usage.
 */
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "tests/eal.h"
#include "tests/stress.h"

#define CREDITS_PER 4096 /* and worker */

struct item {
	uint64_t key;
	uint64_t number;
};

struct state {
	uint64_t next; /* number */
};

struct stress_settings stress_settings = {.workers = 2,
					  .keys = 1000,
					  .window = 4,
					  .undo_pct = 5,
					  .moves = 1000,
					  .messages = 1000000,
					  .seed = 1};
struct flx_world stress_world;
struct flx_ledger stress_ledger;
_Atomic uint32_t stress_wrong;
static _Atomic bool ends; /* messages end where the chain does */
static struct stress_moved moved;

/* ------------------------------------------------------------------------------------ the program */

static int key_one(const struct flx_msg *msg, void *key)
{
	const struct item *item = flx_at(msg, 0, sizeof(*item));

	memcpy(key, &item->key, sizeof(item->key));
	return 0;
}

/* Of other slices: a chain that goes on where it is would show nothing. */
static int key_two(const struct flx_msg *msg, void *key)
{
	const struct item *item = flx_at(msg, 0, sizeof(*item));
	uint64_t other = item->key * 0x9e3779b97f4a7c15u + 1;

	memcpy(key, &other, sizeof(other));
	return 0;
}

static bool is_next(const struct flx_msg *msg, struct state *state, const char *where)
{
	const struct item *item = flx_at(msg, 0, sizeof(*item));

	if (item->number == state->next++)
		return true;
	if (atomic_fetch_add(&stress_wrong, 1) < 10)
		fprintf(stderr,
			"stress_move: %s, key %" PRIu64 ": got %" PRIu64 " for %" PRIu64 "\n",
			where, item->key, item->number, state->next - 1);
	return false;
}

static int first(struct flx_call *call, struct flx_msg *msg, void *context)
{
	is_next(msg, context, "first");
	return flx_send(call, 0, msg);
}

static int between(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)context;
	return flx_send(call, 0, msg);
}

static int second(struct flx_call *call, struct flx_msg *msg, void *context)
{
	is_next(msg, context, "second");
	return flx_send(call, 0, msg);
}

static int third(struct flx_call *call, struct flx_msg *msg, void *context)
{
	struct item *item = flx_at(msg, 0, sizeof(*item));

	is_next(msg, context, "third");
	if (atomic_load_explicit(&ends, memory_order_relaxed))
		return 0;
	item->number += stress_settings.window;
	return flx_send(call, 0, msg);
}

#define KEYED(name, key_, to_)                                                                     \
	{                                                                                          \
		.id = #name, .key = {.extract = (key_), .size = sizeof(uint64_t)},                 \
		.context = {.size = sizeof(struct state)}, .handler = name,                        \
		.streams = {{FLX_STREAM_POST, {to_}}}, .listen = {.udp = __LINE__},                \
	}

static struct flx_fluxion fluxions[] = {
	KEYED(first, key_one, "between"),
	{
		.id = "between",
		.handler = between,
		.streams = {{FLX_STREAM_POST, {"second"}}},
	},
	KEYED(second, key_two, "third"),
	KEYED(third, key_one, "first"),
};

static const struct flx_program program = {.name = "stress", FLX_FLUXIONS(fluxions)};

/* ---------------------------------------------------------------------------------------- set-up */

static void inject_key(uint64_t key)
{
	uint16_t number = flx_world_number(&stress_world, "first");
	uint32_t w = (uint32_t)(key % stress_settings.workers);

	for (uint64_t n = 0; n < stress_settings.window; n++) {
		struct flx_msg *msg = (struct flx_msg *)rte_pktmbuf_alloc(stress_world.shared.pool);
		const struct item item = {.key = key, .number = n};

		FLX_VERIFY(msg && flx_purse_has(&stress_world.shared.workers[w]->purse, 1));
		flx_set_heads(msg, (struct flx_heads){0});
		memcpy(flx_append(msg, sizeof(item)), &item, sizeof(item));
		flx_world_inject(&stress_world, w, number, &msg, 1);
	}
}

static bool set_up(void)
{
	const struct flx_world_conf conf = {
		.workers = stress_settings.workers,
		.lane_size = 1024,
		.credits = CREDITS_PER * stress_settings.workers,
		.buffers = CREDITS_PER * stress_settings.workers,
		.buffer_data = 64,
	};

	if ((uint64_t)stress_settings.keys * stress_settings.window > conf.credits / 2) {
		fprintf(stderr,
			"stress_move: %u keys with %u messages each; %u in all are the most\n",
			stress_settings.keys, stress_settings.window, conf.credits / 2);
		return false;
	}
	if (flx_world_init(&stress_world, &program, &conf))
		return false;
	for (uint32_t s = 0; s < FLX_SLICES; s++)
		flx_world_place(&stress_world, STRESS_THIRD, s, stress_settings.workers - 1);
	for (uint64_t key = 0; key < stress_settings.keys; key++)
		inject_key(key);
	return true;
}

static void *run_worker(void *argument)
{
	struct flx_worker *worker = argument;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(worker->index % (uint32_t)sysconf(_SC_NPROCESSORS_ONLN), &set);
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	flx_worker_run(worker);
	return NULL;
}

/* ------------------------------------------------------------------------------ the control thread */

/* A snapshot of all workers at one of their quiescent points each. */
void stress_look(void)
{
	struct flx_shared *shared = &stress_world.shared;
	uint32_t number = atomic_load(&shared->snapshot_wanted) + 1;

	memset(&stress_ledger, 0, sizeof(stress_ledger));
	stress_ledger.port_count = 1;
	stress_ledger.fluxion_count = stress_world.registry.fluxion_count;
	atomic_store(&shared->snapshot_wanted, number);
	for (uint32_t w = 0; w < stress_settings.workers; w++) {
		struct flx_worker *worker = shared->workers[w];

		while (atomic_load_explicit(&worker->snapshot_done, memory_order_acquire) !=
		       number) {
			flx_idle_wake(&worker->idle);
			sched_yield();
		}
		flx_stats_sum(&stress_ledger, worker->snapshot, worker->snapshot_pending);
	}
	flx_stats_balance(&stress_ledger);
}

uint64_t stress_handled(void)
{
	uint64_t sum = 0;

	for (uint32_t f = FLX_FLUXION_FIRST; f < stress_ledger.fluxion_count; f++)
		sum += stress_ledger.fluxion[f].handled;
	return sum;
}

/* Lets the messages end where the chain does; false: they do not. */
static bool end_all(void)
{
	uint64_t until = rte_rdtsc() + STRESS_STUCK_S * rte_get_tsc_hz();

	atomic_store(&ends, true);
	for (uint32_t empty = 0; empty < 2;) {
		stress_look();
		empty = stress_ledger.in_flight ? 0 : empty + 1;
		if (rte_rdtsc() > until || atomic_load(&stress_wrong))
			return false;
		usleep(1000);
	}
	return true;
}

/* ------------------------------------------------------------------------------------- the account */

static uint64_t next_of(uint32_t group, flx_key_fn key_of, uint64_t key)
{
	static struct flx_record_copy copy;
	struct {
		struct flx_msg msg;
		struct item item;
	} holder = {.item = {.key = key}};
	uint8_t bytes[sizeof(uint64_t)];
	struct state state;

	holder.msg.mbuf.buf_addr = &holder.item;
	holder.msg.mbuf.data_len = sizeof(holder.item);
	key_of(&holder.msg, bytes);
	if (!flx_context_get(stress_world.shared.context_types[group], bytes, 0, &copy))
		return 0;
	memcpy(&state, copy.context, sizeof(state));
	return state.next;
}

static bool check(void)
{
	uint64_t sum = 0, forwarded = 0;
	bool good = atomic_load(&stress_wrong) == 0;

	for (uint64_t key = 0; key < stress_settings.keys; key++) {
		uint64_t next = next_of(STRESS_FIRST, key_one, key);

		if (next != next_of(STRESS_SECOND, key_two, key) ||
		    next != next_of(STRESS_THIRD, key_one, key)) {
			fprintf(stderr, "stress_move: key %" PRIu64 ": contexts differ\n", key);
			good = false;
		}
		sum += next;
	}
	flx_world_ledger(&stress_world, &stress_ledger);
	for (uint32_t w = 0; w < stress_settings.workers; w++)
		forwarded += stress_world.shared.workers[w]->stats->forwarded;
	if (stress_handled() != 4 * sum || stress_ledger.unexplained || stress_ledger.in_flight ||
	    forwarded || flx_world_credits(&stress_world) != stress_world.conf.credits ||
	    flx_world_buffers(&stress_world) != stress_world.conf.buffers) {
		fprintf(stderr,
			"stress_move: %" PRIu64 " handled of %" PRIu64 ", unexplained %" PRId64
			", in flight %" PRId64 ", forwarded %" PRIu64 ", %" PRId64
			" of %u credits, %u buffers\n",
			stress_handled(), 4 * sum, stress_ledger.unexplained,
			stress_ledger.in_flight, forwarded, flx_world_credits(&stress_world),
			stress_world.conf.credits, flx_world_buffers(&stress_world));
		good = false;
	}
	return good;
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static void report(double seconds)
{
	qsort(moved.pauses_us, moved.pause_count, sizeof(moved.pauses_us[0]), compare);
	printf("stress_move: %" PRIu64 " moves (%" PRIu64 " undone), %" PRIu64
	       " messages handled in %.1f s (%.2f M/s), %" PRIu64 " parked\n",
	       moved.moves, moved.undone, stress_handled(), seconds,
	       (double)stress_handled() / seconds / 1e6, moved.parked);
	if (moved.pause_count)
		printf("pause of the slices of a move: p50 %.1f us, p99 %.1f, most %.1f (of %u "
		       "that "
		       "parked)\n",
		       moved.pauses_us[moved.pause_count / 2],
		       moved.pauses_us[(uint64_t)moved.pause_count * 99 / 100],
		       moved.pauses_us[moved.pause_count - 1], moved.pause_count);
}

static bool run(void)
{
	pthread_t thread[FLX_WORKERS_MAX];
	uint64_t start = rte_rdtsc();
	bool good;

	for (uint32_t w = 0; w < stress_settings.workers; w++)
		FLX_VERIFY(pthread_create(&thread[w], NULL, run_worker,
					  stress_world.shared.workers[w]) == 0);
	good = stress_move_all(&moved);
	if (good)
		good = end_all();
	if (!good && !atomic_load(&stress_wrong)) {
		stress_look();
		fprintf(stderr, "stress_move: stuck, %" PRId64 " in flight, moves %" PRIx64 "\n",
			stress_ledger.in_flight,
			flx_migrate_under_way(&stress_world.shared.migrate));
		return false; /* the threads may never end */
	}
	atomic_store(&stress_world.shared.state, FLX_STOP);
	for (uint32_t w = 0; w < stress_settings.workers; w++) {
		flx_idle_wake(&stress_world.shared.workers[w]->idle);
		pthread_join(thread[w], NULL);
	}
	good = good && check();
	report((double)(rte_rdtsc() - start) / (double)rte_get_tsc_hz());
	return good;
}

/* ----------------------------------------------------------------------------------- command line */

static uint64_t parse(const char *text, uint64_t most)
{
	char *end;
	uint64_t number = strtoull(text, &end, 0);

	if (*text && !*end && number <= most)
		return number;
	fprintf(stderr, "stress_move: '%s' is not a number up to %" PRIu64 "\n", text, most);
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"workers", required_argument, NULL, 'w'},
						{"moves", required_argument, NULL, 'm'},
						{"messages", required_argument, NULL, 'n'},
						{"keys", required_argument, NULL, 'k'},
						{"window", required_argument, NULL, 'i'},
						{"undo", required_argument, NULL, 'u'},
						{"seed", required_argument, NULL, 's'},
						{"sched", no_argument, NULL, 'o'},
						{0}};
	bool good;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'w':
			stress_settings.workers = (uint32_t)parse(optarg, FLX_WORKERS_MAX);
			break;
		case 'm':
			stress_settings.moves = parse(optarg, UINT64_MAX);
			break;
		case 'n':
			stress_settings.messages = parse(optarg, UINT64_MAX);
			break;
		case 'k':
			stress_settings.keys = (uint32_t)parse(optarg, UINT32_MAX);
			break;
		case 'i':
			stress_settings.window = (uint32_t)parse(optarg, UINT32_MAX);
			break;
		case 'u':
			stress_settings.undo_pct = (uint32_t)parse(optarg, 100);
			break;
		case 'o':
			stress_settings.sched = true;
			break;
		case 's':
			stress_settings.seed = parse(optarg, UINT64_MAX);
			break;
		default:
			return 2;
		}
	}
	if (stress_settings.workers < 2) {
		fprintf(stderr, "stress_move: two workers or more\n");
		return 2;
	}
	if (flx_test_eal() || !set_up())
		return EXIT_FAILURE;
	good = run();
	printf("stress_move: %s\n", good ? "all promises kept" : "a promise broken");
	fflush(stdout);
	_exit(good ? EXIT_SUCCESS : EXIT_FAILURE);
}
