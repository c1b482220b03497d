/* SPDX-License-Identifier: BSD-3-Clause */
#include <pthread.h>
#include <string.h>

#include "fabric/edge/neighbour.h"
#include "tests/test.h"

/* Any version of the address of @ip, and of nobody else. */
static struct rte_ether_addr mac_of(rte_be32_t ip, uint8_t version)
{
	struct rte_ether_addr mac = {{0, 0, 0, 0, version, version}};

	memcpy(&mac, &ip, sizeof(ip));
	return mac;
}

static bool is_mac_of(const struct rte_ether_addr *mac, rte_be32_t ip)
{
	return !memcmp(mac, &ip, sizeof(ip)) && mac->addr_bytes[4] == mac->addr_bytes[5];
}

static void test_entries_are_found_until_removed(void)
{
	enum { COUNT = 1000 };
	struct flx_neighbours table;

	CU_ASSERT_EQUAL_FATAL(flx_neighbours_init(&table, COUNT), 0);
	for (uint32_t round = 0; round < 3; round++) {
		for (rte_be32_t ip = 1; ip <= COUNT; ip++) {
			struct rte_ether_addr mac = mac_of(ip, (uint8_t)round), found;
			struct flx_neighbour *neighbour = flx_neighbours_insert(&table, ip);

			CU_ASSERT_PTR_NOT_NULL_FATAL(neighbour);
			CU_ASSERT_FALSE(flx_neighbours_find(&table, ip, &found));
			CU_ASSERT_PTR_EQUAL(flx_neighbours_lookup(&table, ip), neighbour);
			flx_neighbour_set(neighbour, &mac);
			CU_ASSERT_TRUE(flx_neighbours_find(&table, ip, &found));
			CU_ASSERT_TRUE(rte_is_same_ether_addr(&mac, &found));
		}
		CU_ASSERT_PTR_NULL(flx_neighbours_insert(&table, COUNT + 1));
		for (rte_be32_t ip = COUNT; ip > 0; ip--) {
			struct flx_neighbour *neighbour = flx_neighbours_lookup(&table, ip);
			struct rte_ether_addr found;

			CU_ASSERT_PTR_NOT_NULL_FATAL(neighbour);
			flx_neighbours_remove(&table, neighbour);
			CU_ASSERT_FALSE(flx_neighbours_find(&table, ip, &found));
			CU_ASSERT_EQUAL(table.taken, ip - 1);
		}
	}
	flx_neighbours_fini(&table);
}

/* The writer stopped in the middle: nobody waits for it, and nobody takes what it left. */
static void test_entry_being_written_is_not_known(void)
{
	struct rte_ether_addr mac = mac_of(7, 1), found;
	struct flx_neighbours table;
	struct flx_neighbour *neighbour;

	CU_ASSERT_EQUAL_FATAL(flx_neighbours_init(&table, 1), 0);
	neighbour = flx_neighbours_insert(&table, 7);
	flx_neighbour_set(neighbour, &mac);
	CU_ASSERT_TRUE(flx_neighbours_find(&table, 7, &found));
	atomic_fetch_add(&neighbour->sequence, 1);
	CU_ASSERT_FALSE(flx_neighbours_find(&table, 7, &found));
	atomic_fetch_add(&neighbour->sequence, 1);
	CU_ASSERT_TRUE(flx_neighbours_find(&table, 7, &found));
	flx_neighbours_fini(&table);
}

/* More addresses than entries, and so few entries that each is soon another's. */
#define SHARED 4

static _Atomic bool writer_done;

static void *read_until_done(void *table)
{
	uint64_t wrong = 0, found = 0;

	while (!atomic_load_explicit(&writer_done, memory_order_relaxed)) {
		for (rte_be32_t ip = 1; ip <= SHARED; ip++) {
			struct rte_ether_addr mac;

			if (!flx_neighbours_find(table, ip, &mac))
				continue;
			found++;
			wrong += !is_mac_of(&mac, ip);
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

	CU_ASSERT_EQUAL_FATAL(flx_neighbours_init(&table, SHARED / 2), 0);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&reader, NULL, read_until_done, &table), 0);
	for (uint32_t i = 0; i < 5000000; i++) {
		rte_be32_t ip = i % SHARED + 1, old = (i + SHARED / 2) % SHARED + 1;
		struct rte_ether_addr mac = mac_of(ip, (uint8_t)(i >> 8));
		struct flx_neighbour *neighbour = flx_neighbours_lookup(&table, old);

		if (neighbour)
			flx_neighbours_remove(&table, neighbour);
		flx_neighbour_set(flx_neighbours_insert(&table, ip), &mac);
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
		FLX_TEST(test_entries_are_found_until_removed),
		FLX_TEST(test_entry_being_written_is_not_known),
		FLX_TEST(test_readers_never_see_half_an_entry),
		{0},
	};

	return flx_test_main("neighbour", tests);
}
