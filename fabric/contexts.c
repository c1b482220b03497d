/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/contexts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_launch.h>

#include "pmd-config/rss.h"

static_assert(FLX_SLICES == FLX_INDEX_SLICES, "the store's tables are the fabric's slices");
static_assert(FLX_KEY_MAX == FLX_RECORD_KEY_MAX && FLX_CONTEXT_MAX == FLX_RECORD_CONTEXT_MAX &&
		      FLX_ID_MAX == FLX_CONTEXT_NAME_MAX &&
		      FLX_TTL_MAX_MS == FLX_CLOCK_TTL_MAX_S * 1000ull,
	      "what a program may declare, the store can hold");

static uint16_t slice_of_key(const void *argument, const uint8_t *key)
{
	const struct flx_group *group = argument;

	return flx_slice_of_key(key, group->key_size);
}

static uint16_t slice_of_flow(const void *argument, const uint8_t *key)
{
	const struct flx_rss *rss = argument;

	/* Without a port no flow comes: any slice is as good. */
	return rss ? (uint16_t)(flx_rss_flow(rss, key) % FLX_SLICES) : 0;
}

static struct flx_context_type_conf describe(const struct flx_group *group,
					     const struct flx_rss *rss)
{
	bool by_flow = group->mode == FLX_PLACE_FLOW;

	return (struct flx_context_type_conf){
		.name = group->name,
		.version = group->context_version,
		.key_size = group->key_size,
		.context_size = group->context_size,
		.capacity = group->context_capacity,
		.limit = group->context_limit,
		.ttl_ms = group->context_ttl_ms,
		.evict = group->context_evict,
		.init = group->context_init,
		.upgrade = group->context_upgrade,
		.slice = by_flow ? slice_of_flow : slice_of_key,
		.slice_argument = by_flow ? (const void *)rss : group,
	};
}

/* The NUMA nodes that workers are on, each once, and which is whose. */
static void find_nodes(const struct flx_shared *shared, const int32_t *worker_numa,
		       struct flx_store_conf *conf, uint32_t *worker_node)
{
	for (uint32_t w = 0; worker_numa && w < shared->worker_count; w++) {
		uint32_t n = 0;

		while (n < conf->node_count && conf->numa[n] != worker_numa[w])
			n++;
		if (n == FLX_NODES_MAX)
			n = 0; /* more nodes than we count: these use the first's */
		else if (n == conf->node_count)
			conf->numa[conf->node_count++] = worker_numa[w];
		worker_node[w] = n;
	}
	conf->worker_node = worker_node;
}

/* The dump to fill a new store from; NULL: none. One that this run writes may not be there yet. */
static const char *choose_restore(const struct flx_contexts_conf *conf)
{
	if (!conf->restore || !conf->snapshot || strcmp(conf->restore, conf->snapshot) != 0 ||
	    access(conf->restore, F_OK) == 0 || errno != ENOENT)
		return conf->restore;
	flx_note("--restore %s: no snapshot was written there yet; beginning without contexts",
		 conf->restore);
	return NULL;
}

static void report_restore(const struct flx_contexts_conf *conf, const struct flx_shared *shared,
			   const struct flx_restore *restore, uint64_t spent_tsc)
{
	if (restore->done && conf->out) {
		fprintf(conf->out, "restored %" PRIu64 " contexts of %s in %.1f ms",
			restore->contexts, restore->path,
			(double)spent_tsc * 1e3 / (double)shared->tsc_hz);
		if (restore->upgraded)
			fprintf(conf->out, ", %" PRIu64 " of them upgraded", restore->upgraded);
		if (restore->expired)
			fprintf(conf->out, "; the time of %" PRIu64 " more is over",
				restore->expired);
		fputc('\n', conf->out);
	} else if (restore->path && !restore->done) {
		flx_note("--restore %s: not read, for the store has its own contexts",
			 restore->path);
	}
	if (conf->snapshot && !conf->restore && shared->store->is_new &&
	    access(conf->snapshot, F_OK) == 0)
		flx_warn("--snapshot %s: is there, and will be written over with the contexts of "
			 "this run, which begins without any; to go on from it give --restore too",
			 conf->snapshot);
}

int flx_contexts_open(struct flx_shared *shared, const struct flx_contexts_conf *conf)
{
	const struct flx_registry *registry = shared->registry;
	struct flx_context_type_conf *types = calloc(registry->group_count + 1, sizeof(*types));
	uint16_t *sweep = calloc(registry->group_count + 1, sizeof(*sweep));
	uint32_t worker_node[FLX_WORKERS_MAX] = {0};
	struct flx_restore restore = {.path = choose_restore(conf)};
	uint64_t begun_tsc = rte_rdtsc();
	struct flx_store_conf store = {
		.path = conf->path,
		.huge = conf->huge,
		.tsc_hz = shared->tsc_hz,
		.start_tsc = shared->start_tsc,
		.seed = conf->seed,
		.worker_count = shared->worker_count,
		.type = types,
		.restore = restore.path ? &restore : NULL,
	};
	int error = -ENOMEM;

	shared->sweep_groups = sweep;
	shared->context_types = calloc(registry->group_count + 1, sizeof(*shared->context_types));
	if (!types || !sweep || !shared->context_types)
		goto err_types;
	find_nodes(shared, conf->worker_numa, &store, worker_node);
	for (uint32_t g = 0; g < registry->group_count; g++)
		if (registry->group[g].context_size)
			types[store.type_count++] = describe(&registry->group[g], conf->rss);
	error = flx_store_open(&shared->store, &store);
	if (error)
		goto err_types;
	report_restore(conf, shared, &restore, rte_rdtsc() - begun_tsc);
	for (uint32_t g = 0, t = 0; g < registry->group_count; g++) {
		const struct flx_group *group = &registry->group[g];

		if (!group->context_size)
			continue;
		shared->context_types[g] = shared->store->type[t++];
		if (group->key_size && (group->context_ttl_ms || group->context_evict))
			sweep[shared->sweep_count++] = (uint16_t)g;
	}
err_types:
	free(types);
	return error;
}

/* What a worker's lcore is told. */
struct job {
	struct flx_store *store;
	uint32_t worker;
};

static int scan_job(void *argument)
{
	const struct job *job = argument;

	return flx_store_scan(job->store, job->worker);
}

static int enter_job(void *argument)
{
	const struct job *job = argument;

	return flx_store_enter(job->store, job->worker);
}

/* One step, made by all workers at once on CPUs of their own. */
static int run_on_workers(struct flx_shared *shared, int (*step)(void *job))
{
	struct job job[FLX_WORKERS_MAX];
	uint32_t launched = 0;
	int error = 0;

	for (uint32_t w = 0; w < shared->worker_count && !error; w++) {
		job[w] = (struct job){shared->store, w};
		error = rte_eal_remote_launch(step, &job[w], w + 1);
		launched += !error;
	}
	for (uint32_t w = 0; w < launched; w++) {
		int result = rte_eal_wait_lcore(w + 1);

		error = error ? error : result;
	}
	return error;
}

static void report(const char *path, const struct flx_store_found *found, uint64_t spent_us,
		   FILE *out)
{
	if (path && out)
		fprintf(out, "store %s: %" PRIu64 " contexts found in %.1f ms", path,
			found->contexts, (double)spent_us / 1e3);
	if (path && out && found->upgraded)
		fprintf(out, ", %" PRIu64 " of them upgraded", found->upgraded);
	if (path && out)
		fputc('\n', out);
	if (found->twins)
		flx_note("%" PRIu64 " contexts were there twice; of each the one committed last "
			 "stays",
			 found->twins);
	if (found->damaged)
		flx_warn("store %s: %" PRIu64 " damaged contexts are left out and their memory is "
			 "not used; `flx ctx dump` copies the sound ones",
			 path ? path : "in memory", found->damaged);
}

int flx_contexts_find(struct flx_shared *shared, const char *path, uint64_t since_tsc, FILE *out)
{
	struct flx_store_found found;
	int error = flx_store_prepare(shared->store);

	if (!error)
		error = run_on_workers(shared, scan_job);
	if (!error)
		error = run_on_workers(shared, enter_job);
	if (error) {
		flx_error("contexts: %s while they are found; give the machine more memory",
			  strerror(-error));
		return error;
	}
	flx_store_finish(shared->store, &found);
	report(path, &found, (rte_rdtsc() - since_tsc) * 1000000 / shared->tsc_hz, out);
	return 0;
}

void flx_contexts_close(struct flx_shared *shared)
{
	if (shared->store)
		flx_store_close(shared->store);
	free(shared->context_types);
	free((void *)(uintptr_t)shared->sweep_groups);
	shared->store = NULL;
	shared->context_types = NULL;
	shared->sweep_groups = NULL;
	shared->sweep_count = 0;
}
