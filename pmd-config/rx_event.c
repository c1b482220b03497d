/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd-config/rx_event.h"

#include <dirent.h>
#include <linux/if_packet.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <rte_ethdev.h>

static bool is_of(int descriptor, enum flx_rx_event event, uint32_t interface)
{
	struct sockaddr_ll address = {0};
	socklen_t size = sizeof(int);
	int domain;

	if (getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &size))
		return false;
	if (event == FLX_RX_XDP_SOCKET)
		return domain == AF_XDP;
	size = sizeof(address);
	return domain == AF_PACKET && interface &&
	       getsockname(descriptor, (struct sockaddr *)&address, &size) == 0 &&
	       address.sll_ifindex == (int)interface;
}

static int compare(const void *left, const void *right)
{
	return *(const int *)left - *(const int *)right;
}

void flx_rx_event_list(enum flx_rx_event event, uint32_t interface, struct flx_rx_sockets *sockets)
{
	const uint32_t room = sizeof(sockets->descriptor) / sizeof(sockets->descriptor[0]);
	const struct dirent *entry;
	DIR *directory = opendir("/proc/self/fd");

	sockets->count = 0;
	if (!directory)
		return;
	while ((entry = readdir(directory)) != NULL) {
		int descriptor = atoi(entry->d_name);

		if (entry->d_name[0] == '.' || !is_of(descriptor, event, interface))
			continue;
		if (sockets->count < room)
			sockets->descriptor[sockets->count] = descriptor;
		sockets->count++;
	}
	closedir(directory);
	qsort(sockets->descriptor, RTE_MIN(sockets->count, room), sizeof(int), compare);
}

int flx_rx_event_new(const struct flx_rx_sockets *before)
{
	struct flx_rx_sockets now;
	uint32_t old = 0;

	flx_rx_event_list(FLX_RX_XDP_SOCKET, 0, &now);
	if (now.count != before->count + 1 || now.count > RTE_DIM(now.descriptor))
		return -1;
	while (old < before->count && before->descriptor[old] == now.descriptor[old])
		old++;
	/* The others must be those of before, or one was closed and this is its number. */
	for (uint32_t i = old; i < before->count; i++)
		if (before->descriptor[i] != now.descriptor[i + 1])
			return -1;
	return now.descriptor[old];
}

/*
 * In the order of the queues: the driver opens one after the other and closes nothing meanwhile,
 * and the kernel gives out the lowest number that is free.
 */
static void find_packet_sockets(uint32_t interface, uint16_t queues, int *descriptors)
{
	struct flx_rx_sockets now;

	flx_rx_event_list(FLX_RX_PACKET_SOCKET, interface, &now);
	if (now.count == queues && queues <= RTE_DIM(now.descriptor))
		memcpy(descriptors, now.descriptor, queues * sizeof(int));
}

static void find_interrupts(uint16_t port_id, uint16_t queues, int *descriptors)
{
	for (uint16_t q = 0; q < queues; q++)
		descriptors[q] = rte_eth_dev_rx_intr_ctl_q_get_fd(port_id, q);
}

void flx_rx_event_find(enum flx_rx_event event, uint16_t port_id, uint32_t interface,
		       uint16_t queues, int *descriptors)
{
	for (uint16_t q = 0; q < queues; q++)
		descriptors[q] = -1;
	if (event == FLX_RX_PACKET_SOCKET)
		find_packet_sockets(interface, queues, descriptors);
	else if (event == FLX_RX_INTERRUPT)
		find_interrupts(port_id, queues, descriptors);
}
