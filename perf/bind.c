/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bind - the store beside its peers, in turn within one process, with the same keys in the same
 * order: the cycle of a batch with keys that are there, with new ones, and the end of all.
 *
 * Drawing keys is not timed, and neither are quiescent states; the clock reads are, which is less
 * than a cycle per message.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <urcu-qsbr.h>

#include "perf/bed.h"
#include "perf/ctx.h"
#include "perf/figure.h"
#include "perf/peer.h"

#define MESSAGES_PER_RUN (1u << 20)
/* Must: cycles per message; target. With more keys than these the caches hold less of the index. */
#define MANY_KEYS	 2000000
#define MUST_UPDATE	 "<= 150"
#define TARGET_UPDATE	 "<= 120"
#define MUST_UPDATE_MANY "<= 330"
#define TARGET_MANY	 "<= 270"
#define MUST_CHANGE	 "<= 600"
#define MUST_RIVAL	 ">= 2 * ctx.bind%s" /* of rte_hash, whose table we replace */

struct contender {
	const struct flx_peer *peer; /* NULL: our store */
	bool on_files;
	void *table;
	struct flx_bed bed;
	char path[64];
};

static int open_one(struct contender *one, const struct flx_ctx_conf *conf)
{
	struct flx_bed_conf bed = {.keys = conf->keys, .huge = conf->huge};
	int error;

	if (one->peer) {
		one->table = one->peer->alloc(conf->keys, conf->huge);
		return one->table ? 0 : -ENOMEM;
	}
	if (one->on_files) {
		error = flx_bed_path(one->path, conf->keys);
		if (error)
			return error;
		bed.path = one->path;
	}
	return flx_bed_open(&one->bed, &bed);
}

static void close_one(struct contender *one)
{
	if (one->peer && one->table)
		one->peer->free(one->table);
	one->table = NULL;
	flx_bed_close(&one->bed);
	if (one->path[0])
		flx_bed_unlink(one->path);
	one->path[0] = 0;
}

/* Cycles per key of a pass over all of them. */
static double insert(struct contender *one, uint32_t count)
{
	static struct flx_keys keys;
	uint64_t spent = 0, start;

	for (uint32_t next = 0; next < count; next += FLX_BATCH) {
		flx_keys_list(&keys, next);
		start = rte_rdtsc();
		if (one->peer)
			one->peer->insert(one->table, keys.key, next);
		else
			FLX_VERIFY(flx_bed_update(&one->bed, &keys) == 0);
		spent += rte_rdtsc() - start;
		rcu_quiescent_state();
	}
	return (double)spent / count;
}

static double update(struct contender *one, struct flx_draw draw)
{
	static struct flx_keys keys;
	uint64_t spent = 0, start;

	for (uint32_t done = 0; done < MESSAGES_PER_RUN; done += FLX_BATCH) {
		flx_keys_draw(&keys, &draw);
		start = rte_rdtsc();
		if (one->peer)
			one->peer->update(one->table, keys.key);
		else
			FLX_VERIFY(flx_bed_update(&one->bed, &keys) == 0);
		spent += rte_rdtsc() - start;
		rcu_quiescent_state();
	}
	return (double)spent / MESSAGES_PER_RUN;
}

static double remove_all(struct contender *one, uint32_t count)
{
	static struct flx_keys keys;
	uint64_t spent = 0, start;

	for (uint32_t next = 0; next < count; next += FLX_BATCH) {
		flx_keys_shuffle(&keys, next, count);
		start = rte_rdtsc();
		if (one->peer)
			one->peer->remove(one->table, keys.key);
		else
			flx_bed_delete(&one->bed, &keys);
		spent += rte_rdtsc() - start;
		rcu_quiescent_state();
	}
	return (double)spent / count;
}

/* What @one takes for each @verb, once. */
static void add(const struct contender *one, const char *verb, const struct flx_ctx_conf *conf,
		double cycles)
{
	bool many = conf->keys > MANY_KEYS, binds = strcmp(verb, "bind") == 0;
	char name[48], rival[48];
	struct flx_figure figure = {.name = name, .unit = "cycles/msg"};

	snprintf(name, sizeof(name), "%s.%s%s%s", one->peer ? one->peer->name : "ctx", verb,
		 conf->suffix, one->on_files ? ".store" : "");
	snprintf(rival, sizeof(rival), MUST_RIVAL, conf->suffix);
	if (one->peer == &flx_peer_rte_hash && binds)
		figure.must = rival;
	else if (!one->peer)
		figure.must = binds ? many ? MUST_UPDATE_MANY : MUST_UPDATE : MUST_CHANGE;
	if (!one->peer && binds)
		figure.target = many ? TARGET_MANY : TARGET_UPDATE;
	if (!conf->bounded)
		figure.must = figure.target = NULL;
	flx_figure_add(&figure, cycles);
}

static int start(void)
{
	int error = flx_peers_start();

	flx_bed_pin(flx_bed_worker_cpu());
	rcu_register_thread();
	return error;
}

int flx_ctx_bind(const struct flx_ctx_conf *conf)
{
	static struct contender all[] = {
		{0}, {.peer = &flx_peer_lfht}, {.peer = &flx_peer_rte_hash}, {.on_files = true}};
	/* Files have the same records; with many it would be a gigabyte or two for the same figure. */
	const size_t count = sizeof(all) / sizeof(all[0]) - (conf->keys > MANY_KEYS);
	int error = start();

	for (size_t i = 0; i < count && !error; i++) {
		error = open_one(&all[i], conf);
		if (!error && all[i].peer)
			insert(&all[i], conf->keys);
		else if (!error)
			flx_bed_fill(&all[i].bed, conf->keys, flx_bed_update);
	}
	for (uint32_t run = 0; run < conf->runs && !error; run++)
		for (size_t i = 0; i < count; i++)
			add(&all[i], "bind", conf,
			    update(&all[i], (struct flx_draw){
						    .state = run * MESSAGES_PER_RUN,
						    .keys = conf->keys,
					    }));
	for (size_t i = 0; i < count; i++)
		close_one(&all[i]);
	return error;
}

/* A life from empty to empty. The keeper, on the other CPU, reclaims meanwhile. */
static int live(struct contender *one, const struct flx_ctx_conf *conf)
{
	int error = open_one(one, conf);

	if (!error && !one->peer) {
		flx_bed_pin(flx_bed_other_cpu());
		error = flx_store_start(one->bed.store);
		flx_bed_pin(flx_bed_worker_cpu());
	}
	if (!error) {
		add(one, "insert", conf, insert(one, conf->keys));
		add(one, "delete", conf, remove_all(one, conf->keys));
	}
	/* Closing waits for the keeper, who may be waiting for us. */
	rcu_thread_offline();
	if (one->bed.store)
		flx_store_stop(one->bed.store);
	rcu_thread_online();
	close_one(one);
	return error;
}

int flx_ctx_change(const struct flx_ctx_conf *conf)
{
	static struct contender all[] = {
		{0}, {.peer = &flx_peer_lfht}, {.peer = &flx_peer_rte_hash}};
	const size_t count = sizeof(all) / sizeof(all[0]);
	int error = start();

	for (uint32_t run = 0; run < conf->runs && !error; run++)
		for (size_t i = 0; i < count && !error; i++)
			error = live(&all[i], conf);
	return error;
}
