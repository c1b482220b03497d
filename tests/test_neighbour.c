/* SPDX-License-Identifier: BSD-3-Clause */
#include <pthread.h>
#include <string.h>

#include "fabric/edge/neighbour.h"
#include "tests/test.h"

#define SHARED 64 /* addresses, more than the table holds */

static _Atomic bool writer_done;

static void *read_until_done(void *table)
{
	uint64_t wrong = 0, found = 0;

	while (!atomic_load_explicit(&writer_done, memory_order_relaxed)) {
		for (uint32_t i = 1; i <= SHARED; i++) {
			struct rte_ether_addr mac;
			rte_be32_t ip = i * 0x01010101;

			if (!flx_neighbours_find(table, ip, &mac))
				continue;
			found++;
			/* Any version of it, but its own: bytes 0..3 the address, 4 and 5 alike. */
			wrong += memcmp(&mac, &ip, 4) || mac.addr_bytes[4] != mac.addr_bytes[5];
		}
	}
	return (void *)(wrong ? UINTPTR_MAX : found);
}

/* Entries come, change and go under a reader, who sees each whole or not at all. */
static void test_readers_never_see_half_an_entry(void)
{
	struct flx_neighbours table;
	pthread_t reader;
	void *result;
	uint32_t seed = 1;

	CU_ASSERT_EQUAL_FATAL(flx_neighbours_init(&table, SHARED / 2), 0);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&reader, NULL, read_until_done, &table), 0);
	for (uint32_t i = 0; i < 2000000; i++) {
		struct flx_neighbour *neighbour;
		struct rte_ether_addr mac;
		rte_be32_t ip;

		seed = seed * 1664525 + 1013904223;
		ip = ((seed >> 16) % SHARED + 1) * 0x01010101;
		neighbour = flx_neighbours_lookup(&table, ip);
		if (neighbour && seed >> 30 == 0) {
			flx_neighbours_remove(&table, neighbour);
			continue;
		}
		if (!neighbour)
			neighbour = flx_neighbours_insert(&table, ip);
		if (!neighbour)
			continue;
		memcpy(&mac, &ip, 4);
		mac.addr_bytes[4] = mac.addr_bytes[5] = (uint8_t)(seed >> 8);
		flx_neighbour_set(neighbour, &mac);
	}
	atomic_store_explicit(&writer_done, true, memory_order_relaxed);
	pthread_join(reader, &result);
	CU_ASSERT_NOT_EQUAL((uintptr_t)result, UINTPTR_MAX);
	CU_ASSERT_TRUE((uintptr_t)result > 0);
	flx_neighbours_fini(&table);
}

int main(void)
{
	static const struct flx_test tests[] = {
		FLX_TEST(test_readers_never_see_half_an_entry),
		{0},
	};

	return flx_test_main("neighbour", tests);
}
