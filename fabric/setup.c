/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/setup.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "fabric/credit.h"
#include "fabric/worker.h"

/*
 * Credits unless told otherwise. Fewer, and a burst of every port's RX ring does not fit; more, and
 * the messages in flight leave the L2 cache (each has four lines in use).
 */
#define CREDITS_BASE	   4096
#define CREDITS_PER_WORKER 1024
/*
 * Elements of a lane. Fewer, and a worker that is away for 50 us fills it; more, and its lines
 * (16 KiB at 1,024) push messages out of L1.
 */
#define LANE_SIZE_DEFAULT 1024
/* Heap beyond pools, lanes and workers: ports' queues, EAL itself. */
#define MEMORY_BASE_MIB 64

static int parse_ip(const char *text, rte_be32_t *ip)
{
	struct in_addr address;

	if (inet_pton(AF_INET, text, &address) != 1)
		return -EINVAL;
	*ip = address.s_addr;
	return 0;
}

/* A host's address with the size of its network: "198.18.0.1/24". */
static int parse_cidr(const char *text, struct flx_address *address)
{
	char ip[INET_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	char *end = NULL;
	unsigned long bits = slash ? strtoul(slash + 1, &end, 10) : 0;
	uint32_t host, mask;

	if (!slash || slash[1] < '0' || slash[1] > '9' || *end || bits < 1 || bits > 31 ||
	    (size_t)(slash - text) >= sizeof(ip))
		goto err_form;
	memcpy(ip, text, (size_t)(slash - text));
	ip[slash - text] = '\0';
	if (parse_ip(ip, &address->ip))
		goto err_form;
	mask = ~0u << (32 - bits);
	host = rte_be_to_cpu_32(address->ip);
	if (host >> 28 >= 14 || host >> 24 == 127 || host >> 24 == 0 ||
	    (bits < 31 && ((host & ~mask) == 0 || (host & ~mask) == ~mask))) {
		flx_error(
			"--ip %s: no host may have this address; give one inside its network, like "
			"198.18.0.1/24",
			text);
		return -EINVAL;
	}
	address->mask = rte_cpu_to_be_32(mask);
	return 0;
err_form:
	flx_error("--ip %s: not an address with a network size; give ADDRESS/BITS, like "
		  "198.18.0.1/24",
		  text);
	return -EINVAL;
}

static int set_gateway(struct flx_setup *setup, const char *text)
{
	rte_be32_t ip;

	if (parse_ip(text, &ip)) {
		flx_error("--gateway %s: not an IPv4 address; give one like 198.18.0.254", text);
		return -EINVAL;
	}
	for (uint32_t p = 0; p < setup->port_count; p++) {
		struct flx_address *address = &setup->address[p];

		if (ip == address->ip) {
			flx_error(
				"--gateway %s: is the address of port %u itself; give that of the "
				"next router",
				text, p);
			return -EINVAL;
		}
		if ((ip & address->mask) == (address->ip & address->mask)) {
			address->gateway = ip;
			return 0;
		}
	}
	flx_error("--gateway %s: on no port's network; give one inside the network of an --ip",
		  text);
	return -EINVAL;
}

/* Two ports on one device or interface would answer everything twice. */
static int refuse_twice(const struct flx_setup *setup)
{
	for (uint32_t p = 0; p < setup->port_count; p++) {
		for (uint32_t q = 0; q < p; q++) {
			const struct flx_port_spec *a = &setup->spec[q], *b = &setup->spec[p];

			if (strcmp(a->device, b->device) != 0 &&
			    (!a->interface[0] || strcmp(a->interface, b->interface) != 0))
				continue;
			flx_error(
				"--port %s: ports %u and %u are the same device; give each its own",
				b->text, q, p);
			return -EINVAL;
		}
	}
	return 0;
}

static int set_addresses(struct flx_setup *setup, const struct flx_options *options)
{
	if (options->ip_count > setup->port_count) {
		flx_error("%u times --ip for %u ports; give one per --port, in the same order",
			  options->ip_count, setup->port_count);
		return -EINVAL;
	}
	for (uint32_t p = 0; p < setup->port_count; p++) {
		char text[32];
		int error;

		/* 198.18.0.0/15 is set aside for benchmarks (RFC 2544). */
		snprintf(text, sizeof(text), "198.18.%u.1/24", p);
		if (p >= options->ip_count)
			flx_note("port %s: no --ip given, taking %s", setup->spec[p].text, text);
		error = parse_cidr(p < options->ip_count ? options->ip[p] : text,
				   &setup->address[p]);
		if (error)
			return error;
		for (uint32_t q = 0; q < p; q++) {
			/* The smaller of the masks: networks overlap where they agree under it. */
			rte_be32_t mask = setup->address[q].mask & setup->address[p].mask;

			if ((setup->address[q].ip ^ setup->address[p].ip) & mask)
				continue;
			flx_error(
				"--ip: the networks of ports %u and %u overlap, and a neighbour is "
				"known by its address alone; give each port its own network",
				q, p);
			return -EINVAL;
		}
	}
	return options->gateway ? set_gateway(setup, options->gateway) : 0;
}

static int make_plan(struct flx_setup *setup, const struct flx_options *options)
{
	hwloc_topology_t topology;
	int32_t numa[FLX_PORTS_MAX];
	struct flx_plan_request request = {
		.workers = options->workers,
		.cpus = options->cpu_count ? options->cpu : NULL,
		.cpu_count = options->cpu_count,
		.port_numa = numa,
		.port_count = setup->port_count,
		.oversubscribe = options->oversubscribe,
	};
	int error = flx_topology_load(&topology);

	if (error) {
		flx_error("hwloc cannot read this machine's topology: %s", strerror(-error));
		return error;
	}
	for (uint32_t p = 0; p < setup->port_count; p++)
		numa[p] = setup->spec[p].kind == FLX_PORT_PCI
				  ? flx_topology_pci_numa(topology, setup->spec[p].device)
				  : -1;
	error = flx_plan_make(&setup->plan, topology, &request);
	hwloc_topology_destroy(topology);
	return error;
}

static int set_sizes(struct flx_setup *setup, const struct flx_options *options)
{
	uint32_t workers = setup->plan.worker_count;
	uint32_t credits_min = workers * FLX_CREDITS_MIN;

	setup->workers_min =
		options->workers_min ? RTE_MIN(options->workers_min, workers) : workers;
	setup->credits =
		options->credits ? options->credits : CREDITS_BASE + CREDITS_PER_WORKER * workers;
	if (setup->credits < credits_min || setup->credits > FLX_CREDITS_MAX) {
		flx_error("--credits %u: %u workers need %u to %u", setup->credits, workers,
			  credits_min, FLX_CREDITS_MAX);
		return -EINVAL;
	}
	setup->lane_size =
		options->lane_size ? flx_pow2_ceil(options->lane_size) : LANE_SIZE_DEFAULT;
	if (options->lane_size > FLX_LANE_SIZE_MAX) {
		flx_error("--lane-size %u: a lane has 1 to %u elements", options->lane_size,
			  FLX_LANE_SIZE_MAX);
		return -EINVAL;
	}
	if (options->lane_size && setup->lane_size != options->lane_size)
		flx_note("--lane-size %u: rounded up to %u, a power of two", options->lane_size,
			 setup->lane_size);
	return 0;
}

/*
 * Buffers: everything in flight, what ports hold in their rings, what caches keep back (a cache may
 * hold half as much again as its size), and a burst per worker on its way in.
 */
static void set_memory(struct flx_setup *setup)
{
	uint32_t workers = setup->plan.worker_count;
	uint64_t bytes;

	setup->buffers = setup->credits + workers * (FLX_POOL_CACHE * 3 / 2 + FLX_BATCH);
	for (uint32_t p = 0; p < setup->port_count; p++)
		setup->buffers += workers * flx_port_buffers(&setup->spec[p]);
	/* mempool adds a header and aligns: 256 bytes cover it. */
	bytes = (uint64_t)setup->buffers *
		(sizeof(struct flx_msg) + RTE_PKTMBUF_HEADROOM + FLX_BUFFER_DATA + 256);
	bytes += (uint64_t)workers * workers *
		 (setup->lane_size * sizeof(struct flx_elem) + sizeof(struct flx_lane));
	/* Chunks: all credits may be with one worker. */
	bytes += (uint64_t)workers *
		 (sizeof(struct flx_worker) + 2 * setup->credits * sizeof(struct flx_elem) +
		  4096 * sizeof(struct flx_fluxion_stats));
	setup->memory_mib = MEMORY_BASE_MIB + (uint32_t)(bytes >> 20);
}

static void choose_pages(struct flx_setup *setup, const struct flx_options *options)
{
	uint32_t free_mib = options->dev ? 0 : flx_eal_hugepages_mib();

	setup->huge = !options->dev && free_mib >= setup->memory_mib;
	if (!setup->huge && !options->dev)
		flx_warn("hugepages: %u MiB wanted, %u MiB free; using ordinary pages, which is "
			 "slower. "
			 "Reserve some: pmd-config/setup.sh hugepages %u, or say --dev",
			 setup->memory_mib, free_mib, setup->memory_mib + 64);
}

int flx_setup_make(struct flx_setup *setup, const struct flx_options *options, bool ports_present)
{
	struct flx_eal_conf eal;
	int error;

	*setup = (struct flx_setup){.port_count = options->port_count};
	/* Queues are a per-worker matter, and the plan needs the ports: parse again once it is
	 * known. */
	for (uint32_t p = 0; p < setup->port_count; p++) {
		error = flx_port_spec_parse(&setup->spec[p], options->port[p], p, 1);
		if (error)
			return error;
	}
	error = refuse_twice(setup);
	if (!error)
		error = set_addresses(setup, options);
	if (!error)
		error = make_plan(setup, options);
	if (!error)
		error = set_sizes(setup, options);
	for (uint32_t p = 0; !error && p < setup->port_count; p++)
		error = flx_port_spec_parse(&setup->spec[p], options->port[p], p,
					    setup->plan.worker_count);
	for (uint32_t p = 0; !error && ports_present && p < setup->port_count; p++)
		error = flx_port_spec_check(&setup->spec[p]);
	if (error)
		return error;
	set_memory(setup);
	choose_pages(setup, options);
	eal = (struct flx_eal_conf){
		.plan = &setup->plan,
		.ports = setup->spec,
		.port_count = setup->port_count,
		.huge = setup->huge,
		.memory_mib = setup->memory_mib,
		.extra = options->eal,
	};
	return flx_eal_arguments_make(&setup->eal, &eal);
}

static const char *describe_mode(const struct flx_group *group, char *text, size_t size)
{
	switch (group->mode) {
	case FLX_PLACE_LOCAL:
		return "on every worker";
	case FLX_PLACE_SINGLE:
		snprintf(text, size, "one context of %u bytes", group->context_size);
		return text;
	case FLX_PLACE_FLOW:
		snprintf(text, size, "by flow");
		break;
	default:
		snprintf(text, size, "by key of %u bytes", group->key_size);
	}
	if (group->context_size)
		snprintf(text + strlen(text), size - strlen(text),
			 ", up to %u contexts of %u bytes", group->context_limit,
			 group->context_size);
	return text;
}

static void print_groups(const struct flx_setup *setup, const struct flx_registry *registry,
			 FILE *out)
{
	uint32_t workers = setup->workers_min;

	for (uint32_t g = 0; g < registry->group_count; g++) {
		const struct flx_group *group = &registry->group[g];
		char text[96];

		fprintf(out, "group %s: %s", group->name, describe_mode(group, text, sizeof(text)));
		if (group->mode == FLX_PLACE_SINGLE)
			fprintf(out, ", on worker %u", group->slice % workers);
		else if (group->mode != FLX_PLACE_LOCAL)
			fprintf(out, ", %d slices over %u worker%s", FLX_SLICES, workers,
				workers == 1 ? "" : "s");
		fprintf(out, ":");
		for (uint32_t f = FLX_FLUXION_FIRST; f < registry->fluxion_count; f++)
			if (registry->fluxion[f].group == g)
				fprintf(out, " %s", registry->fluxion[f].id);
		fprintf(out, "\n");
	}
}

void flx_setup_print(const struct flx_setup *setup, const struct flx_registry *registry, FILE *out)
{
	char line[4096];

	for (uint32_t w = 0; w < setup->plan.worker_count; w++) {
		const struct flx_placement *placement = &setup->plan.worker[w];

		fprintf(out, "worker %u: CPU %u (%s)\n", w, placement->cpu, placement->why);
	}
	if (setup->workers_min + 1 == setup->plan.worker_count)
		fprintf(out, "worker %u runs slices only when the load asks for it\n",
			setup->workers_min);
	else if (setup->workers_min < setup->plan.worker_count)
		fprintf(out, "workers %u to %u run slices only when the load asks for it\n",
			setup->workers_min, setup->plan.worker_count - 1);
	fprintf(out, "control thread: CPU %s%s\n", setup->plan.housekeeping,
		setup->plan.floating ? " (shared with the workers)" : "");
	print_groups(setup, registry, out);
	fprintf(out, "in flight: at most %u messages, lanes of %u\n", setup->credits,
		setup->lane_size);
	flx_eal_arguments_print(&setup->eal, line, sizeof(line));
	fprintf(out, "EAL: %s\n", line);
	fflush(out);
}
