/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd-config/pair.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "fabric/base.h"

/* What net_ring puts in front of the names that it is given. */
#define PREFIX "net_ring_"

enum direction { IN, OUT, DIRECTIONS }; /* of the near end */

static uint32_t count_queues(const struct flx_port_spec *near)
{
	return RTE_MIN(near->queues, (uint32_t)FLX_PAIR_QUEUES_MAX);
}

static void name_ring(char name[RTE_RING_NAMESIZE], const struct flx_port_spec *near,
		      enum direction direction, uint32_t queue)
{
	snprintf(name, RTE_RING_NAMESIZE, "pair%u_%s%u", near->index,
		 direction == IN ? "in" : "out", queue);
}

static void free_ring(struct rte_ring *ring)
{
	void *frame;

	while (ring && rte_ring_sc_dequeue(ring, &frame) == 0)
		rte_pktmbuf_free(frame);
	rte_ring_free(ring);
}

static void free_rings(const struct flx_port_spec *near)
{
	char name[RTE_RING_NAMESIZE];

	for (uint32_t q = 0; q < count_queues(near); q++)
		for (enum direction d = IN; d < DIRECTIONS; d++) {
			name_ring(name, near, d, q);
			free_ring(rte_ring_lookup(name));
		}
}

static void close_end(const char *device)
{
	uint16_t id;

	if (rte_eth_dev_get_port_by_name(device, &id) == 0)
		rte_eth_dev_close(id);
}

int flx_pair_make(const struct flx_port_spec *near)
{
	struct rte_ring *ring[DIRECTIONS][FLX_PAIR_QUEUES_MAX];
	uint32_t queues = count_queues(near);
	struct flx_port_spec far;
	char name[RTE_RING_NAMESIZE];
	int error = -ENODEV;

	for (uint32_t q = 0; q < queues; q++)
		for (enum direction d = IN; d < DIRECTIONS; d++) {
			name_ring(name, near, d, q);
			ring[d][q] =
				rte_ring_create(name, FLX_PAIR_FRAMES, SOCKET_ID_ANY,
						RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
			if (ring[d][q])
				continue;
			error = -rte_errno;
			if (error != -EEXIST)
				free_rings(near);
			return error;
		}
	flx_pair_far(near, &far);
	if (rte_eth_from_rings(near->device + strlen(PREFIX), ring[IN], queues, ring[OUT], queues,
			       0) >= 0 &&
	    rte_eth_from_rings(far.device + strlen(PREFIX), ring[OUT], queues, ring[IN], queues,
			       0) >= 0)
		return 0;
	close_end(near->device);
	free_rings(near);
	return error;
}

void flx_pair_far(const struct flx_port_spec *near, struct flx_port_spec *far)
{
	*far = *near;
	far->kind = FLX_PORT_RING;
	snprintf(far->text, sizeof(far->text), "the far end of a pair");
	snprintf(far->device, sizeof(far->device), PREFIX "pair%u_far", near->index);
}

void flx_pair_free(const struct flx_port_spec *near)
{
	struct flx_port_spec far;

	flx_pair_far(near, &far);
	close_end(far.device);
	free_rings(near);
}
