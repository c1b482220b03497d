/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stress_move - slices moved at random between workers that are threads, under full load.
 *
 *	stress_move [--workers N] [--moves N] [--messages N] [--keys N] [--window N] [--undo PERCENT]
 *		    [--seed N]
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
#include "tests/random.h"
#include "tests/world.h"

#define PAUSES_MAX  (1u << 20)
#define CREDITS_PER 4096 /* and worker */
/* A move, or the end, that takes longer has got stuck. */
#define STUCK_S 60

struct item {
	uint64_t key;
	uint64_t number;
};

struct state {
	uint64_t next; /* number */
};

struct settings {
	uint32_t workers, keys, window, undo_pct;
	uint64_t moves, messages, seed;
};

static struct settings settings = {.workers = 2,
				   .keys = 1000,
				   .window = 4,
				   .undo_pct = 5,
				   .moves = 1000,
				   .messages = 1000000,
				   .seed = 1};
static struct flx_world world;
static struct flx_ledger ledger;
static _Atomic bool ends;      /* messages end where the chain does */
static _Atomic uint32_t wrong; /* messages that were not the next of their key */
static double pauses_us[PAUSES_MAX];
static uint32_t pause_count;
static uint64_t parked;

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
	if (atomic_fetch_add(&wrong, 1) < 10)
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
	item->number += settings.window;
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

/* Group of each fluxion, by the order above. */
enum { FIRST, BETWEEN, SECOND, THIRD };

/* ---------------------------------------------------------------------------------------- set-up */

static void inject_key(uint64_t key)
{
	uint16_t number = flx_world_number(&world, "first");
	uint32_t w = (uint32_t)(key % settings.workers);

	for (uint64_t n = 0; n < settings.window; n++) {
		struct flx_msg *msg = (struct flx_msg *)rte_pktmbuf_alloc(world.shared.pool);
		const struct item item = {.key = key, .number = n};

		FLX_VERIFY(msg && flx_purse_has(&world.shared.workers[w]->purse, 1));
		flx_set_heads(msg, (struct flx_heads){0});
		memcpy(flx_append(msg, sizeof(item)), &item, sizeof(item));
		flx_world_inject(&world, w, number, &msg, 1);
	}
}

static bool set_up(void)
{
	const struct flx_world_conf conf = {
		.workers = settings.workers,
		.lane_size = 1024,
		.credits = CREDITS_PER * settings.workers,
		.buffers = CREDITS_PER * settings.workers,
		.buffer_data = 64,
	};

	if ((uint64_t)settings.keys * settings.window > conf.credits / 2) {
		fprintf(stderr,
			"stress_move: %u keys with %u messages each; %u in all are the most\n",
			settings.keys, settings.window, conf.credits / 2);
		return false;
	}
	if (flx_world_init(&world, &program, &conf))
		return false;
	for (uint32_t s = 0; s < FLX_SLICES; s++)
		flx_world_place(&world, THIRD, s, settings.workers - 1);
	for (uint64_t key = 0; key < settings.keys; key++)
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
static void look(void)
{
	struct flx_shared *shared = &world.shared;
	uint32_t number = atomic_load(&shared->snapshot_wanted) + 1;

	memset(&ledger, 0, sizeof(ledger));
	ledger.port_count = 1;
	ledger.fluxion_count = world.registry.fluxion_count;
	atomic_store(&shared->snapshot_wanted, number);
	for (uint32_t w = 0; w < settings.workers; w++) {
		struct flx_worker *worker = shared->workers[w];

		while (atomic_load_explicit(&worker->snapshot_done, memory_order_acquire) !=
		       number) {
			flx_idle_wake(&worker->idle);
			sched_yield();
		}
		flx_stats_sum(&ledger, worker->snapshot, worker->snapshot_pending);
	}
	flx_stats_balance(&ledger);
}

static uint64_t handled(void)
{
	uint64_t sum = 0;

	for (uint32_t f = FLX_FLUXION_FIRST; f < ledger.fluxion_count; f++)
		sum += ledger.fluxion[f].handled;
	return sum;
}

/* Asks for a move of 1 to 16 slices of one owner, that are not under way. */
static void ask(struct flx_random *random, bool moving[][FLX_SLICES])
{
	struct flx_move_request request = {
		.of = flx_random_chance(random, 50) ? FIRST : SECOND,
		.from = (uint8_t)flx_random_below(random, settings.workers),
		.to = (uint8_t)flx_random_below(random, settings.workers),
	};
	const struct flx_route *route = &world.shared.routes->route[request.of];
	uint32_t wanted = flx_random_between(random, 1, 16), slice;
	int number;

	slice = flx_random_below(random, FLX_SLICES);
	for (uint32_t i = 0; i < FLX_SLICES && request.count < wanted;
	     i++, slice = (slice + 1) % FLX_SLICES)
		if (!moving[request.of][slice] && flx_route_owner(route, slice) == request.from)
			request.number[request.count++] = (uint16_t)slice;
	if (!request.count || request.from == request.to)
		return;
	number = flx_migrate_request(&world.shared.migrate, &request, rte_rdtsc());
	if (number < 0)
		return;
	for (uint32_t i = 0; i < request.count; i++)
		moving[request.of][request.number[i]] = true;
}

/* One that is under way shall be undone, wherever it is by now. */
static void undo(struct flx_random *random)
{
	uint64_t moves = flx_migrate_under_way(&world.shared.migrate);
	uint32_t number = flx_random_below(random, FLX_MOVES_MAX);

	if (moves & 1ull << number)
		flx_migrate_undo(&world.shared.migrate, number);
}

/* Frees moves that have ended; how many. */
static uint64_t reap(bool moving[][FLX_SLICES], uint64_t *undone)
{
	struct flx_move_request request;
	struct flx_move_times times;
	enum flx_move_state state;
	uint64_t count = 0;

	while ((state = flx_migrate_reap(&world.shared.migrate, &request, &times)) !=
	       FLX_MOVE_FREE) {
		for (uint32_t i = 0; i < request.count; i++)
			moving[request.of][request.number[i]] = false;
		*undone += state == FLX_MOVE_UNDONE;
		parked += times.parked_count;
		if (times.parked_tsc && pause_count < PAUSES_MAX)
			pauses_us[pause_count++] = (double)(times.drained_tsc - times.parked_tsc) *
						   1e6 / (double)rte_get_tsc_hz();
		count++;
	}
	return count;
}

/* Moves slices until both numbers are reached; false: something got stuck. */
static bool move_all(uint64_t *moves, uint64_t *undone)
{
	static bool moving[THIRD + 1][FLX_SLICES];
	struct flx_random random = {settings.seed};
	uint64_t hz = rte_get_tsc_hz(), next_look = 0, last = rte_rdtsc(), count = 0;

	while (*moves < settings.moves || handled() < settings.messages ||
	       flx_migrate_under_way(&world.shared.migrate)) {
		uint64_t ended = reap(moving, undone), now = rte_rdtsc();
		bool enough = *moves + ended >= settings.moves && handled() >= settings.messages;

		*moves += ended;
		if (ended)
			last = now;
		if (now - last > STUCK_S * hz || atomic_load(&wrong))
			return false;
		if (!enough && flx_random_chance(&random, 30))
			ask(&random, moving);
		if (flx_random_chance(&random, settings.undo_pct))
			undo(&random);
		if (now > next_look) {
			look();
			if (handled() > count && !flx_migrate_under_way(&world.shared.migrate))
				last = now;
			count = handled();
			next_look = now + hz / 100;
		}
		usleep(flx_random_below(&random, 50));
	}
	return true;
}

/* Lets the messages end where the chain does; false: they do not. */
static bool end_all(void)
{
	uint64_t until = rte_rdtsc() + STUCK_S * rte_get_tsc_hz();

	atomic_store(&ends, true);
	for (uint32_t empty = 0; empty < 2;) {
		look();
		empty = ledger.in_flight ? 0 : empty + 1;
		if (rte_rdtsc() > until || atomic_load(&wrong))
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
	if (!flx_context_get(world.shared.context_types[group], bytes, 0, &copy))
		return 0;
	memcpy(&state, copy.context, sizeof(state));
	return state.next;
}

static bool check(void)
{
	uint64_t sum = 0, forwarded = 0;
	bool good = atomic_load(&wrong) == 0;

	for (uint64_t key = 0; key < settings.keys; key++) {
		uint64_t next = next_of(FIRST, key_one, key);

		if (next != next_of(SECOND, key_two, key) || next != next_of(THIRD, key_one, key)) {
			fprintf(stderr, "stress_move: key %" PRIu64 ": contexts differ\n", key);
			good = false;
		}
		sum += next;
	}
	flx_world_ledger(&world, &ledger);
	for (uint32_t w = 0; w < settings.workers; w++)
		forwarded += world.shared.workers[w]->stats->forwarded;
	if (handled() != 4 * sum || ledger.unexplained || ledger.in_flight || forwarded ||
	    flx_world_credits(&world) != world.conf.credits ||
	    flx_world_buffers(&world) != world.conf.buffers) {
		fprintf(stderr,
			"stress_move: %" PRIu64 " handled of %" PRIu64 ", unexplained %" PRId64
			", in flight %" PRId64 ", forwarded %" PRIu64 ", %" PRId64
			" of %u credits, %u buffers\n",
			handled(), 4 * sum, ledger.unexplained, ledger.in_flight, forwarded,
			flx_world_credits(&world), world.conf.credits, flx_world_buffers(&world));
		good = false;
	}
	return good;
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static void report(uint64_t moves, uint64_t undone, double seconds)
{
	qsort(pauses_us, pause_count, sizeof(pauses_us[0]), compare);
	printf("stress_move: %" PRIu64 " moves (%" PRIu64 " undone), %" PRIu64
	       " messages handled in %.1f s (%.2f M/s), %" PRIu64 " parked\n",
	       moves, undone, handled(), seconds, (double)handled() / seconds / 1e6, parked);
	if (pause_count)
		printf("pause of the slices of a move: p50 %.1f us, p99 %.1f, most %.1f (of %u "
		       "that "
		       "parked)\n",
		       pauses_us[pause_count / 2], pauses_us[(uint64_t)pause_count * 99 / 100],
		       pauses_us[pause_count - 1], pause_count);
}

static bool run(void)
{
	pthread_t thread[FLX_WORKERS_MAX];
	uint64_t moves = 0, undone = 0, start = rte_rdtsc();
	bool good;

	for (uint32_t w = 0; w < settings.workers; w++)
		FLX_VERIFY(pthread_create(&thread[w], NULL, run_worker, world.shared.workers[w]) ==
			   0);
	good = move_all(&moves, &undone);
	if (good)
		good = end_all();
	if (!good && !atomic_load(&wrong)) {
		look();
		fprintf(stderr, "stress_move: stuck, %" PRId64 " in flight, moves %" PRIx64 "\n",
			ledger.in_flight, flx_migrate_under_way(&world.shared.migrate));
		return false; /* the threads may never end */
	}
	atomic_store(&world.shared.state, FLX_STOP);
	for (uint32_t w = 0; w < settings.workers; w++) {
		flx_idle_wake(&world.shared.workers[w]->idle);
		pthread_join(thread[w], NULL);
	}
	good = good && check();
	report(moves, undone, (double)(rte_rdtsc() - start) / (double)rte_get_tsc_hz());
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
	static const struct option options[] = {
		{"workers", required_argument, NULL, 'w'},  {"moves", required_argument, NULL, 'm'},
		{"messages", required_argument, NULL, 'n'}, {"keys", required_argument, NULL, 'k'},
		{"window", required_argument, NULL, 'i'},   {"undo", required_argument, NULL, 'u'},
		{"seed", required_argument, NULL, 's'},	    {0}};
	bool good;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'w':
			settings.workers = (uint32_t)parse(optarg, FLX_WORKERS_MAX);
			break;
		case 'm':
			settings.moves = parse(optarg, UINT64_MAX);
			break;
		case 'n':
			settings.messages = parse(optarg, UINT64_MAX);
			break;
		case 'k':
			settings.keys = (uint32_t)parse(optarg, UINT32_MAX);
			break;
		case 'i':
			settings.window = (uint32_t)parse(optarg, UINT32_MAX);
			break;
		case 'u':
			settings.undo_pct = (uint32_t)parse(optarg, 100);
			break;
		case 's':
			settings.seed = parse(optarg, UINT64_MAX);
			break;
		default:
			return 2;
		}
	}
	if (settings.workers < 2) {
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
