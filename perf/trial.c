/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/trial.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_lcore.h>

#include "fabric/fabric.h"
#include "perf/alone.h"
#include "perf/figure.h"
#include "perf/gen.h"
#include "pmd-config/pair.h"

#define FABRIC_IP   0xc6120001u /* 198.18.0.1 */
#define FABRIC_CIDR "198.18.0.1/24"
#define KEYS	    1024
/* What leaves room for a count of 32 bits and a space. */
#define COUNTED_SIZE_MAX (FLX_QUERY_SIZE_MAX - 11)
/* A thread has begun by then. */
#define LEAD_US 2000
/* How often the control thread looks up; a tenth of that is late for no second. */
#define LOOK_US 10000
/* What is under way takes some milliseconds to come to its end. */
#define DRAIN_MS 1000

static_assert(FLX_TRIAL_GRACE_MS == FLX_GEN_GRACE_MS, "as the generator waits");

struct flx_trial_bed {
	struct flx_trial_conf conf;
	struct flx_fabric *fabric; /* FLX_TRIAL_PROGRAM */
	struct flx_port far;	   /* likewise */
	struct flx_alone alone;	   /* the others */
	struct flx_gen gen;
	int cpu; /* of the generator; -1: any */
	uint64_t lost;
	struct flx_ledger before, after;
};

/* ---------------------------------------------------------------------------------------- a thread */

/* The last CPU that no worker has; -1: there is none. */
static int choose_cpu(const struct flx_plan *plan)
{
	const char *last = plan->housekeeping + strlen(plan->housekeeping);

	if (plan->floating) {
		flx_warn("generator: no CPU is left for it beside the workers'; what it shares "
			 "with one "
			 "is taken from both. Give fewer --workers");
		return -1;
	}
	while (last > plan->housekeeping && last[-1] >= '0' && last[-1] <= '9')
		last--;
	return atoi(last);
}

/* Who tells a bed what to do may run wherever there is time: EAL has given it the generator's CPU. */
static void float_control(const cpu_set_t *allowed)
{
	(void)pthread_setaffinity_np(pthread_self(), sizeof(*allowed), allowed);
}

static void *be_generator(void *argument)
{
	struct flx_trial_bed *bed = argument;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)bed->cpu, &set);
	if (bed->cpu >= 0 && pthread_setaffinity_np(pthread_self(), sizeof(set), &set))
		flx_warn("generator: cannot be pinned to CPU %d; its pace will suffer", bed->cpu);
	/* An lcore's number is what makes the pool's cache its own. */
	if (rte_thread_register())
		flx_warn("generator: EAL has no lcore left for it; buffers cost more");
	flx_gen_run(&bed->gen);
	rte_thread_unregister();
	return NULL;
}

/* ---------------------------------------------------------------------------------------- opening */

/* Every client of the generator has room for its context. */
static void make_room(struct flx_program *program, uint32_t keys)
{
	for (uint32_t f = 0; f < program->fluxion_count; f++) {
		struct flx_fluxion *fluxion = &program->fluxions[f];
		uint32_t wanted = keys + keys / 8 + 1024;

		if (fluxion->context.size && fluxion->context.capacity < wanted)
			fluxion->context.capacity = wanted;
	}
}

/* As many clients as @keys, with as many source ports as the flows take. */
static int set_flows(struct flx_gen_conf *gen, const struct flx_perf *perf, uint32_t keys)
{
	uint32_t ports = perf->flows > keys ? (perf->flows + keys - 1) / keys : 1;

	if (ports > FLX_QUERY_PORTS_MAX) {
		flx_error("--flows %u: %u keys have at most %u source ports each; give more --keys",
			  perf->flows, keys, FLX_QUERY_PORTS_MAX);
		return -EINVAL;
	}
	gen->query.clients = keys;
	gen->query.ports = ports;
	return 0;
}

static int open_program(struct flx_trial_bed *bed, struct flx_gen_conf *gen)
{
	const struct flx_perf *perf = bed->conf.perf;
	const struct flx_options options = {
		.port = {"pair"},
		.port_count = 1,
		.ip = {FABRIC_CIDR},
		.ip_count = 1,
		.workers = perf->workers ? perf->workers : 1,
		.dev = perf->dev,
	};
	const struct flx_port *near;
	struct flx_port_conf conf;
	struct flx_port_spec spec;
	int error;

	make_room(bed->conf.program, gen->query.clients);
	error = flx_fabric_start(&bed->fabric, bed->conf.program, &options, NULL);
	if (error)
		return error;
	near = flx_fabric_port(bed->fabric, 0);
	/* Messages need their private area: what a request is made of comes from the fabric's pool. */
	gen->pool = rte_mempool_lookup("flx_messages");
	conf = (struct flx_port_conf){.queues = near->rx_queues, .pool = gen->pool};
	flx_pair_far(&near->spec, &spec);
	error = flx_port_start(&bed->far, &spec, &conf);
	if (error) {
		flx_fabric_stop(bed->fabric, NULL);
		return error;
	}
	gen->port = bed->far.id;
	gen->queues = bed->far.rx_queues;
	gen->rss = &near->rss;
	gen->query.from = bed->far.mac;
	gen->query.to = near->mac;
	gen->query.ip = rte_cpu_to_be_32(FABRIC_IP);
	gen->query.udp_port = bed->conf.udp_port;
	bed->cpu = choose_cpu(flx_fabric_plan(bed->fabric));
	return 0;
}

static int open_alone(struct flx_trial_bed *bed, struct flx_gen_conf *gen)
{
	const struct flx_perf *perf = bed->conf.perf;
	bool looped = bed->conf.whom == FLX_TRIAL_ITSELF;
	const struct flx_alone_conf conf = {
		.port = looped ? "ring" : perf->port,
		.to = looped ? NULL : perf->to,
		.ip = looped ? NULL : perf->ip,
		.addresses = looped ? gen->query.clients : perf->keys,
		.queues = perf->workers ? perf->workers : 1,
		.dev = perf->dev,
	};
	struct flx_alone *alone = &bed->alone;
	int error = flx_alone_open(alone, &conf);

	if (error)
		return error;
	error = looped ? 0 : set_flows(gen, perf, alone->host.addresses);
	if (error) {
		flx_alone_close(alone);
		return error;
	}
	gen->pool = alone->pool;
	gen->port = alone->port.id;
	gen->queues = alone->port.rx_queues;
	gen->host = looped ? NULL : &alone->host;
	gen->query.from = alone->port.mac;
	gen->query.to = looped ? alone->port.mac : alone->server_mac;
	gen->query.ip = looped ? rte_cpu_to_be_32(FABRIC_IP) : alone->server_ip;
	gen->query.udp_port = looped ? bed->conf.udp_port : alone->server_port;
	gen->query.first_ip = looped ? 0 : rte_be_to_cpu_32(alone->host.edge.ip);
	gen->query.looped = looped;
	bed->cpu = choose_cpu(&alone->plan);
	return 0;
}

static int read_perf(const struct flx_trial_conf *conf, struct flx_gen_conf *gen)
{
	const struct flx_perf *perf = conf->perf;

	if (conf->whom == FLX_TRIAL_SERVER && (!perf->port || !perf->to)) {
		flx_error("generator: a server is asked over --port SPEC, and is --to "
			  "ADDRESS:PORT; give "
			  "both");
		return -EINVAL;
	}
	if (conf->counted && conf->whom == FLX_TRIAL_PROGRAM &&
	    (perf->size == FLX_SIZE_IMIX || perf->size > COUNTED_SIZE_MAX)) {
		flx_error("--size: answers of %s begin with a count, and to the longest frames of "
			  "an imix "
			  "there would be none; give at most %u, or let echo answer",
			  conf->program->name, COUNTED_SIZE_MAX);
		return -EINVAL;
	}
	*gen = (struct flx_gen_conf){
		.query =
			{
				.size = perf->size,
				.counted = conf->counted && conf->whom == FLX_TRIAL_PROGRAM,
				.may_count = conf->whom == FLX_TRIAL_SERVER,
			},
		.zipf = perf->zipf,
		.seed = perf->seed,
	};
	/* Of a server's network how many there is room for. */
	return set_flows(gen, perf, perf->keys ? perf->keys : KEYS);
}

/* What open_program or open_alone has opened: buffers that did not come back. */
static uint32_t close_far(struct flx_trial_bed *bed, struct flx_ledger *ledger)
{
	if (bed->conf.whom != FLX_TRIAL_PROGRAM)
		return flx_alone_close(&bed->alone);
	flx_port_stop(&bed->far);
	return flx_fabric_stop(bed->fabric, ledger);
}

int flx_trial_open(struct flx_trial_bed **out, const struct flx_trial_conf *conf)
{
	struct flx_trial_bed *bed = calloc(1, sizeof(*bed));
	struct flx_gen_conf gen;
	cpu_set_t allowed;
	int error = bed ? read_perf(conf, &gen) : -ENOMEM;

	if (error)
		goto err_free;
	bed->conf = *conf;
	CPU_ZERO(&allowed);
	(void)sched_getaffinity(0, sizeof(allowed), &allowed);
	error = conf->whom == FLX_TRIAL_PROGRAM ? open_program(bed, &gen) : open_alone(bed, &gen);
	if (error)
		goto err_free;
	float_control(&allowed);
	gen.hz = rte_get_tsc_hz();
	error = flx_gen_init(&bed->gen, &gen);
	if (!error) {
		*out = bed;
		return 0;
	}
	close_far(bed, NULL);
err_free:
	free(bed);
	return error;
}

/* ---------------------------------------------------------------------------------------- a trial */

/* What one second of the run was like, beside the counts at its beginning. */
static void tell_second(const struct flx_trial_bed *bed, const struct flx_trial *trial,
			struct flx_asker_counts *last, double at_s, double seconds)
{
	struct flx_second second = {.run = trial->run, .at_s = at_s};
	struct flx_asker_counts now;
	uint64_t asked, answered;

	flx_gen_count(&bed->gen, &now);
	asked = now.requests + now.refused - last->requests - last->refused;
	answered = now.answers - now.wrong - (last->answers - last->wrong);
	second.offered = (double)asked / seconds;
	second.answered = (double)answered / seconds;
	second.dropped = (double)(now.refused - last->refused + now.lost - last->lost) / seconds;
	snprintf(second.name, sizeof(second.name), "%s", trial->second);
	flx_second_add(&second);
	*last = now;
}

/* Waits until the run's time is over, and tells of its seconds. */
static void attend(struct flx_trial_bed *bed, const struct flx_trial *trial)
{
	double hz = (double)bed->gen.conf.hz, told_s = 0;
	struct flx_asker_counts last;
	uint64_t now;

	flx_gen_count(&bed->gen, &last);
	while ((now = rte_rdtsc()) < bed->gen.end_tsc) {
		uint64_t left_us = (uint64_t)((double)(bed->gen.end_tsc - now) / hz * 1e6);
		double at_s = ((double)now - (double)bed->gen.start_tsc) / hz;

		if (trial->second && at_s - told_s >= 1) {
			tell_second(bed, trial, &last, at_s, at_s - told_s);
			told_s = at_s;
		}
		if (bed->fabric)
			flx_fabric_watch(bed->fabric);
		rte_delay_us_sleep(left_us < LOOK_US ? (unsigned int)left_us + 1 : LOOK_US);
	}
	if (trial->second && trial->duration_s - told_s > 0.5)
		tell_second(bed, trial, &last, trial->duration_s, trial->duration_s - told_s);
}

static double find_worker_busy(const struct flx_trial_bed *bed)
{
	uint32_t most = 0;

	for (uint32_t w = 0; w < bed->after.worker_count; w++)
		most = RTE_MAX(most, flx_ledger_busy_pct(&bed->before, &bed->after, w));
	return most;
}

static void find_times(struct flx_gen *gen, struct flx_trial_found *found)
{
	flx_gen_settle(gen);
	found->latency = &gen->latency;
	if (gen->closed)
		return;
	found->pacing.p50_ns = flx_latency_at(&gen->pacing, 500000);
	found->pacing.p99_ns = flx_latency_at(&gen->pacing, 990000);
	found->pacing.max_ns = flx_latency_at(&gen->pacing, 1000000);
}

static void sum_up(struct flx_trial_bed *bed, const struct flx_asker_counts *before,
		   struct flx_trial_found *found)
{
	struct flx_gen *gen = &bed->gen;
	struct flx_asker_counts after;
	uint64_t in_time; /* right ones */

	flx_gen_count(gen, &after);
	*found = (struct flx_trial_found){
		.sent = after.requests - before->requests,
		.answered = after.answers - before->answers,
		.wrong = after.wrong - before->wrong,
		.refused = after.refused - before->refused,
		.seconds = (double)(gen->end_tsc - gen->start_tsc) / (double)gen->conf.hz,
	};
	found->planned = found->sent + found->refused;
	/* More answers than requests: some came twice, and of others nobody knows. */
	if (found->answered > found->sent)
		found->wrong += found->answered - found->sent;
	else
		found->lost = found->sent - found->answered;
	bed->lost += found->lost;
	in_time = gen->closed ? gen->right - (before->answers - before->wrong)
			      : found->answered - found->wrong;
	found->answers_per_sec = (double)in_time / found->seconds;
	found->generator_busy_pct = flx_gen_busy_pct(gen);
	found->worker_busy_pct = find_worker_busy(bed);
	found->limited = flx_gen_was_limit(gen, found->refused);
}

static int run_once(struct flx_trial_bed *bed, const struct flx_trial *trial,
		    struct flx_trial_found *found)
{
	const struct flx_gen_plan plan = {
		.rate = trial->rate,
		.in_flight = trial->in_flight,
		.duration_s = trial->duration_s,
		.timed = trial->timed,
	};
	struct flx_gen *gen = &bed->gen;
	struct flx_asker_counts before;
	pthread_t thread;
	int error = trial->timed ? flx_gen_prepare(gen) : 0;

	if (error)
		return error;
	/* What the last trial did not wait for is none of this one's. */
	while (flx_gen_poll(gen, rte_rdtsc()))
		;
	flx_gen_count(gen, &before);
	flx_gen_begin(gen, &plan, rte_rdtsc() + gen->conf.hz / 1000000 * LEAD_US);
	if (bed->fabric)
		flx_fabric_ledger(bed->fabric, &bed->before);
	error = -pthread_create(&thread, NULL, be_generator, bed);
	if (error) {
		flx_error("generator: no thread: %s", strerror(-error));
		return error;
	}
	attend(bed, trial);
	if (bed->fabric)
		flx_fabric_ledger(bed->fabric, &bed->after);
	pthread_join(thread, NULL);
	sum_up(bed, &before, found);
	if (trial->timed)
		find_times(gen, found);
	return 0;
}

int flx_trial_run(struct flx_trial_bed *bed, const struct flx_trial *trial,
		  struct flx_trial_found *found)
{
	struct flx_trial warm = *trial;
	int error = 0;

	warm.duration_s = trial->warm_s;
	warm.timed = false;
	warm.second = NULL;
	if (trial->warm_s > 0)
		error = run_once(bed, &warm, found);
	return error ? error : run_once(bed, trial, found);
}

/* ---------------------------------------------------------------------------------------- closing */

/* Whether every count came, but for those that answers were lost with. */
static int check_counts(const struct flx_trial_bed *bed)
{
	int64_t missing;

	/* Of a server nobody knows where its counts began. */
	if (!bed->gen.conf.query.counted)
		return 0;
	missing = flx_gen_missing(&bed->gen);
	if (missing >= 0 && (uint64_t)missing <= bed->lost)
		return 0;
	flx_error("generator: counts of answers have gaps or duplicates that %" PRIu64
		  " lost requests do not explain (%" PRId64 " missing): a bug of flx",
		  bed->lost, missing);
	return -EBADMSG;
}

int flx_trial_close(struct flx_trial_bed *bed)
{
	struct flx_ledger *ledger = &bed->after;
	int error = check_counts(bed);
	uint32_t missing;

	memset(ledger, 0, sizeof(*ledger));
	flx_gen_fini(&bed->gen);
	if (bed->fabric)
		(void)flx_fabric_drain(bed->fabric, DRAIN_MS, NULL);
	missing = close_far(bed, ledger);
	if (bed->conf.whom == FLX_TRIAL_PROGRAM)
		flx_account_add(ledger);
	if (missing || ledger->unexplained) {
		flx_error("generator: %" PRIu32 " buffers did not come back, %" PRId64
			  " messages unexplained: a bug of flx",
			  missing, ledger->unexplained);
		error = -EBADMSG;
	}
	free(bed);
	return error;
}
