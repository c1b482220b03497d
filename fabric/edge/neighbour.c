/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/edge/neighbour.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * Entries that a reader looks at. Chains are 1 long on average; a longer walk than this has been
 * led astray by an entry that moved to another chain.
 */
#define WALK_MAX 32

static _Atomic uint32_t *chain_of(const struct flx_neighbours *table, rte_be32_t ip)
{
	/* Fibonacci hashing; only addresses that we asked for come in, so nobody can aim. */
	uint32_t hash = rte_be_to_cpu_32(ip) * UINT32_C(0x9e3779b1);

	return &table->chains[(uint64_t)hash * table->count >> 32];
}

static void *zeroed(size_t count, size_t size)
{
	size_t bytes = (count * size + FLX_CACHE_LINE - 1) / FLX_CACHE_LINE * FLX_CACHE_LINE;
	void *memory = aligned_alloc(FLX_CACHE_LINE, bytes);

	return memory ? memset(memory, 0, bytes) : NULL;
}

int flx_neighbours_init(struct flx_neighbours *table, uint32_t count)
{
	table->count = count;
	table->taken = 0;
	TAILQ_INIT(&table->free);
	table->chains = zeroed(count, sizeof(*table->chains));
	if (!table->chains)
		return -ENOMEM;
	table->entries = zeroed(count, sizeof(*table->entries));
	if (!table->entries)
		goto err_entries;
	for (uint32_t i = 0; i < count; i++) {
		atomic_init(&table->chains[i], FLX_NEIGHBOUR_NONE);
		TAILQ_INSERT_TAIL(&table->free, &table->entries[i], queue);
	}
	return 0;

err_entries:
	free(table->chains);
	return -ENOMEM;
}

void flx_neighbours_fini(struct flx_neighbours *table)
{
	free(table->entries);
	free(table->chains);
}

/* Reads one entry; false when it is another's, not known, or being written. */
static bool read_entry(const struct flx_neighbour *neighbour, rte_be32_t ip, uint64_t *mac)
{
	/* Acquire: with the release of an even sequence, so that what it covers is seen. */
	uint32_t before = atomic_load_explicit(&neighbour->sequence, memory_order_acquire);
	rte_be32_t found;

	/*
	 * Acquire, both: with the releases of ip and mac. A reader that took a younger value of
	 * either then sees, below, at least the odd sequence that was stored before it.
	 */
	found = atomic_load_explicit(&neighbour->ip, memory_order_acquire);
	*mac = atomic_load_explicit(&neighbour->mac, memory_order_acquire);
	return found == ip && *mac != 0 && !(before & 1) &&
	       atomic_load_explicit(&neighbour->sequence, memory_order_relaxed) == before;
}

bool flx_neighbours_find(const struct flx_neighbours *table, rte_be32_t ip,
			 struct rte_ether_addr *mac)
{
	/* Acquire, here and below: with the release in insert, so the entry's fields are seen. */
	uint32_t index = atomic_load_explicit(chain_of(table, ip), memory_order_acquire);

	for (uint32_t i = 0; index != FLX_NEIGHBOUR_NONE && i < WALK_MAX; i++) {
		const struct flx_neighbour *neighbour = &table->entries[index];
		uint64_t word;

		if (read_entry(neighbour, ip, &word)) {
			memcpy(mac, &word, sizeof(*mac));
			return true;
		}
		index = atomic_load_explicit(&neighbour->next, memory_order_acquire);
	}
	return false;
}

/* The link that leads to the entry of @ip, or to the end of its chain. */
static _Atomic uint32_t *find_link(struct flx_neighbours *table, rte_be32_t ip)
{
	_Atomic uint32_t *link = chain_of(table, ip);
	uint32_t index;

	while ((index = atomic_load_explicit(link, memory_order_relaxed)) != FLX_NEIGHBOUR_NONE) {
		if (flx_neighbour_ip(&table->entries[index]) == ip)
			break;
		link = &table->entries[index].next;
	}
	return link;
}

struct flx_neighbour *flx_neighbours_lookup(struct flx_neighbours *table, rte_be32_t ip)
{
	uint32_t index = atomic_load_explicit(find_link(table, ip), memory_order_relaxed);

	return index == FLX_NEIGHBOUR_NONE ? NULL : &table->entries[index];
}

/* Writes ip and mac so that a reader sees both or neither. */
static void write_entry(struct flx_neighbour *neighbour, rte_be32_t ip, uint64_t mac)
{
	uint32_t sequence = atomic_load_explicit(&neighbour->sequence, memory_order_relaxed);

	atomic_store_explicit(&neighbour->sequence, sequence + 1, memory_order_relaxed);
	/* Release, both: the odd sequence is seen by whoever sees these; see read_entry. */
	atomic_store_explicit(&neighbour->ip, ip, memory_order_release);
	atomic_store_explicit(&neighbour->mac, mac, memory_order_release);
	/* Release: with the first acquire of read_entry. */
	atomic_store_explicit(&neighbour->sequence, sequence + 2, memory_order_release);
}

struct flx_neighbour *flx_neighbours_insert(struct flx_neighbours *table, rte_be32_t ip)
{
	struct flx_neighbour *neighbour = TAILQ_FIRST(&table->free);
	_Atomic uint32_t *chain = chain_of(table, ip);

	if (!neighbour)
		return NULL;
	TAILQ_REMOVE(&table->free, neighbour, queue);
	table->taken++;
	write_entry(neighbour, ip, 0);
	neighbour->tries = 0;
	neighbour->is_gateway = false;
	atomic_store_explicit(&neighbour->next, atomic_load_explicit(chain, memory_order_relaxed),
			      memory_order_relaxed);
	/* Release: with the acquires of find; the entry is whole before it can be reached. */
	atomic_store_explicit(chain, (uint32_t)(neighbour - table->entries), memory_order_release);
	return neighbour;
}

void flx_neighbours_remove(struct flx_neighbours *table, struct flx_neighbour *neighbour)
{
	_Atomic uint32_t *link = find_link(table, flx_neighbour_ip(neighbour));

	FLX_ASSERT(neighbour->waiting == 0);
	/*
	 * Release: the rest of the chain was published by other links. A reader that is at the
	 * entry now may still take its address, as if it had come earlier; once reused, the entry
	 * is another's.
	 */
	atomic_store_explicit(link, atomic_load_explicit(&neighbour->next, memory_order_relaxed),
			      memory_order_release);
	TAILQ_INSERT_TAIL(&table->free, neighbour, queue);
	table->taken--;
}

void flx_neighbour_set(struct flx_neighbour *neighbour, const struct rte_ether_addr *mac)
{
	uint64_t word = 0;

	if (mac)
		memcpy(&word, mac, sizeof(*mac));
	if (word != atomic_load_explicit(&neighbour->mac, memory_order_relaxed))
		write_entry(neighbour, flx_neighbour_ip(neighbour), word);
}
