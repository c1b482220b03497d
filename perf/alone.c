/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/alone.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "fabric/setup.h"
#include "pmd-config/eal.h"
#include "pmd-config/pair.h"
#include "pmd-config/pool.h"

#define OWN_IP "198.18.0.2/15"
/* EAL and the port's queues. */
#define MEMORY_BASE_MIB 64
#define LINK_WAIT_MS	5000
/* Addresses where nobody says how many. */
#define ADDRESSES_MOST 1024

/* ------------------------------------------------------------------------------------------ reading */

/* Reads "ADDRESS" and, behind @mark, a number of @least to @most. */
static bool read_address(const char *text, char mark, uint32_t least, uint32_t most, rte_be32_t *ip,
			 uint32_t *number)
{
	char address[INET_ADDRSTRLEN];
	const char *at = strchr(text, mark);
	struct in_addr value;
	unsigned long read;
	char *end;

	if (!at || (size_t)(at - text) >= sizeof(address) || at[1] < '0' || at[1] > '9')
		return false;
	memcpy(address, text, (size_t)(at - text));
	address[at - text] = '\0';
	errno = 0;
	read = strtoul(at + 1, &end, 10);
	if (inet_pton(AF_INET, address, &value) != 1 || errno || *end || read < least ||
	    read > most)
		return false;
	*ip = value.s_addr;
	*number = (uint32_t)read;
	return true;
}

/* How many addresses it has: on a real network those beyond its room are somebody else's. */
static int choose_addresses(struct flx_alone *alone, const struct flx_alone_conf *conf)
{
	uint32_t room = flx_host_room(&alone->host.edge, alone->server_ip);
	uint32_t addresses = conf->addresses;

	if (!addresses)
		addresses = rte_align32prevpow2(RTE_MIN(room, (uint32_t)ADDRESSES_MOST));
	if (addresses && addresses <= room) {
		alone->host.addresses = addresses;
		return 0;
	}
	flx_error(
		"--ip %s: from there up are %" PRIu32 " addresses of its network that are neither "
		"the server's nor for broadcast, and %" PRIu32 " are wanted; give a lower --ip, a "
		"larger network, or fewer --keys",
		conf->ip ? conf->ip : OWN_IP, room, RTE_MAX(addresses, 1u));
	return -EINVAL;
}

static int read_addresses(struct flx_alone *alone, const struct flx_alone_conf *conf)
{
	const char *own = conf->ip ? conf->ip : OWN_IP;
	struct flx_edge_port *edge = &alone->host.edge;
	uint32_t bits, port = 0;

	if (!read_address(own, '/', 1, 31, &edge->ip, &bits)) {
		flx_error("--ip %s: not an address with a network size; give ADDRESS/BITS, "
			  "like " OWN_IP,
			  own);
		return -EINVAL;
	}
	edge->mask = rte_cpu_to_be_32(~0u << (32 - bits));
	if (!conf->to)
		return 0;
	if (!read_address(conf->to, ':', 1, UINT16_MAX, &alone->server_ip, &port)) {
		flx_error("--to %s: not an address with a port; give ADDRESS:PORT, like "
			  "198.18.0.1:7000",
			  conf->to);
		return -EINVAL;
	}
	alone->server_port = (uint16_t)port;
	if ((alone->server_ip ^ edge->ip) & edge->mask || alone->server_ip == edge->ip) {
		flx_error("--to %s: not another host on the network of --ip %s; give --ip an "
			  "address of "
			  "its network",
			  conf->to, own);
		return -EINVAL;
	}
	return choose_addresses(alone, conf);
}

/* ----------------------------------------------------------------------------------------- opening */

static int make_plan(struct flx_alone *alone, const struct flx_alone_conf *conf)
{
	const struct flx_plan_request request = {.workers = conf->queues};
	hwloc_topology_t topology;
	int error = flx_topology_load(&topology);

	if (error) {
		flx_error("hwloc cannot read this machine's topology: %s", strerror(-error));
		return error;
	}
	error = flx_plan_make(&alone->plan, topology, &request);
	hwloc_topology_destroy(topology);
	return error;
}

static int start_eal(const struct flx_alone *alone, const struct flx_alone_conf *conf,
		     const struct flx_port_spec *spec)
{
	struct flx_eal_arguments *arguments = malloc(sizeof(*arguments));
	struct flx_plan plan = alone->plan;
	struct flx_eal_conf eal = {
		.plan = &plan,
		.ports = spec,
		.port_count = 1,
		.memory_mib = MEMORY_BASE_MIB + (uint32_t)((uint64_t)alone->buffers * 3072 >> 20),
	};
	int error;

	if (!arguments)
		return -ENOMEM;
	eal.huge = !conf->dev && flx_eal_hugepages_mib() >= eal.memory_mib;
	plan.worker_count = 0; /* nobody's CPU: the generator's thread is its own */
	error = flx_eal_arguments_make(arguments, &eal);
	if (!error)
		error = flx_eal_start(arguments);
	free(arguments);
	return error;
}

static int start_port(struct flx_alone *alone, const struct flx_alone_conf *conf,
		      const struct flx_port_spec *spec)
{
	const struct flx_pool_conf pool = {
		.count = alone->buffers,
		.cache = FLX_POOL_CACHE,
		.priv_bytes = sizeof(struct flx_msg) - sizeof(struct rte_mbuf),
		.room_bytes = RTE_PKTMBUF_HEADROOM + FLX_BUFFER_DATA,
		.numa = -1,
	};
	struct flx_port_conf port = {
		.queues = (uint16_t)conf->queues,
		.link_wait_ms = LINK_WAIT_MS,
	};
	int error = -ENOMEM;

	alone->pool = flx_pool_alloc("flx_messages", &pool);
	port.pool = alone->pool;
	if (alone->pool)
		error = flx_port_start(&alone->port, spec, &port);
	if (error)
		rte_mempool_free(alone->pool);
	return error;
}

static int find_server(struct flx_alone *alone, const struct flx_alone_conf *conf)
{
	struct flx_host *host = &alone->host;

	host->edge.mac = alone->port.mac;
	host->edge.mtu = alone->port.mtu;
	host->port = alone->port.id;
	host->pool = alone->pool;
	if (!conf->to)
		return 0;
	return flx_host_resolve(host, alone->server_ip, &alone->server_mac);
}

int flx_alone_open(struct flx_alone *alone, const struct flx_alone_conf *conf)
{
	struct flx_port_spec spec;
	int error;

	*alone = (struct flx_alone){0};
	error = read_addresses(alone, conf);
	if (!error)
		error = flx_port_spec_parse(&spec, conf->port, 0, conf->queues);
	if (!error)
		error = flx_port_spec_check(&spec);
	if (!error)
		error = make_plan(alone, conf);
	if (error)
		return error;
	/* What the port holds, what waits to be sent, and what a cache keeps back. */
	alone->buffers = conf->queues * (flx_port_buffers(&spec) + FLX_PAIR_FRAMES) +
			 FLX_POOL_CACHE * 2 + FLX_PAIR_FRAMES;
	error = start_eal(alone, conf, &spec);
	if (error)
		return error;
	error = start_port(alone, conf, &spec);
	if (error)
		goto err_port;
	error = find_server(alone, conf);
	if (!error)
		return 0;
	flx_port_stop(&alone->port);
	rte_mempool_free(alone->pool);
err_port:
	flx_eal_stop();
	return error;
}

uint32_t flx_alone_close(struct flx_alone *alone)
{
	uint32_t kept = flx_port_stop(&alone->port), missing;

	missing = alone->buffers - rte_mempool_avail_count(alone->pool);
	missing -= RTE_MIN(kept, missing);
	rte_mempool_free(alone->pool);
	flx_eal_stop();
	return missing;
}
