/* SPDX-License-Identifier: BSD-3-Clause */
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "context-store/store.h"
#include "context-store/view.h"
#include "tests/test.h"

static char path[64];
static struct flx_view view;

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Until the machine's clock is @fraction of a second past a full one. */
static void wait_for_fraction(double fraction)
{
	double now = now_s(), wait = fraction - (now - (double)(int64_t)now);

	usleep((useconds_t)((wait < 0 ? wait + 1 : wait) * 1e6));
}

static struct flx_store *open_store(void)
{
	const struct flx_context_type_conf type = {.name = "alone", .context_size = 8};
	const struct flx_store_conf conf = {
		.path = path,
		.tsc_hz = 1000000000,
		.start_tsc = rte_rdtsc(),
		.worker_count = 1,
		.type_count = 1,
		.type = &type,
	};
	struct flx_store *store;
	struct flx_store_found found;

	CU_ASSERT_EQUAL_FATAL(flx_store_open(&store, &conf), 0);
	CU_ASSERT_EQUAL_FATAL(flx_store_attach(store, &found), 0);
	return store;
}

static void save_clock(void)
{
	struct flx_store *store = open_store();

	CU_ASSERT_EQUAL_FATAL(flx_store_start(store), 0);
	flx_store_stop(store);
	flx_store_close(store);
}

static void remove_store(void)
{
	static const char *const names[] = {"lock", "node0", ""};
	char name[96];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(name, sizeof(name), "%s/%s", path, names[i]);
		remove(name);
	}
}

/* Whatever the fraction of a second at which it ended and began again: nothing is over too soon. */
static void test_store_clock_runs_on_and_never_ahead(void)
{
	static const struct {
		double end, begin; /* the last one: nearly a second */
	} rows[] = {{0.9, 0.05}, {0.1, 0.3}, {0.5, 0.45}};

	snprintf(path, sizeof(path), "/dev/shm/flx-clock-%d", (int)getpid());
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct flx_store *store;
		double end, away;

		wait_for_fraction(rows[i].end);
		end = now_s();
		save_clock();
		wait_for_fraction(rows[i].begin);
		CU_ASSERT_EQUAL_FATAL(flx_view_open(&view, path), 0);
		store = open_store();
		away = (now_s() - end) * FLX_TICKS_PER_SECOND;
		CU_ASSERT_TRUE(store->start_tick <= away + 1);
		CU_ASSERT_TRUE(store->start_tick + 2 * FLX_TICKS_PER_SECOND >= away);
		CU_ASSERT_TRUE(view.now <= away + 1);
		flx_view_close(&view);
		flx_store_close(store);
		remove_store();
	}
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_store_clock_runs_on_and_never_ahead),
		{0},
	};

	return flx_test_main("store_clock", tests);
}
