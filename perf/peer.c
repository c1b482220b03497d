/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/peer.h"

#include <errno.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_malloc.h>
#include <rte_prefetch.h>
#include <urcu-qsbr.h>
#include <urcu/rculfhash.h>

#include "context-store/arena.h"
#include "fabric/base.h"
#include "perf/bare_eal.h"
#include "pmd-config/eal.h"

#define VALUE_WORDS 8

/* Memory as our arenas have it, all of it present. */
static void *take(struct flx_arena *arena, uint64_t size_bytes, bool huge)
{
	if (flx_arena_init(arena, size_bytes, huge))
		return NULL;
	(void)madvise(arena->base, arena->size_bytes, MADV_POPULATE_WRITE);
	return arena->base;
}

/* -------------------------------------------------------------------------------------- cds_lfht */

struct node {
	alignas(2 * FLX_CACHE_LINE) struct cds_lfht_node link;
	uint64_t key;
	uint64_t value[VALUE_WORDS];
};

struct lfht {
	struct cds_lfht *table;
	struct node *nodes;
	struct flx_arena arena;
};

static unsigned long hash_of(uint64_t key)
{
	return rte_hash_crc_8byte(key, 0);
}

static int match(struct cds_lfht_node *link, const void *key)
{
	const struct node *node = caa_container_of(link, struct node, link);

	return node->key == *(const uint64_t *)key;
}

static void lfht_free(void *table)
{
	struct lfht *lfht = table;

	if (lfht->table) {
		struct cds_lfht_iter iter;
		struct node *node;

		cds_lfht_for_each_entry(lfht->table, &iter, node, link)
			cds_lfht_del(lfht->table, &node->link);
		cds_lfht_destroy(lfht->table, NULL);
	}
	flx_arena_fini(&lfht->arena);
	free(lfht);
}

static void *lfht_alloc(uint32_t keys, bool huge)
{
	struct lfht *lfht = calloc(1, sizeof(*lfht));
	unsigned long buckets = flx_pow2_ceil(keys);

	if (!lfht)
		return NULL;
	lfht->nodes = take(&lfht->arena, (uint64_t)keys * sizeof(struct node), huge);
	lfht->table = cds_lfht_new(buckets, buckets, buckets, 0, NULL);
	if (lfht->nodes && lfht->table)
		return lfht;
	flx_error("flxperf: no memory for cds_lfht; give the machine more");
	lfht_free(lfht);
	return NULL;
}

static void lfht_insert(void *table, const uint64_t *keys, uint32_t first)
{
	struct lfht *lfht = table;

	for (uint32_t i = 0; i < FLX_BATCH; i++) {
		struct node *node = &lfht->nodes[first + i];

		cds_lfht_node_init(&node->link);
		node->key = keys[i];
		memset(node->value, 0, sizeof(node->value));
		node->value[0] = 1;
		FLX_VERIFY(cds_lfht_add_unique(lfht->table, hash_of(keys[i]), match, &keys[i],
					       &node->link) == &node->link);
	}
}

static struct node *find(struct lfht *lfht, const uint64_t *key)
{
	struct cds_lfht_iter iter;
	struct cds_lfht_node *link;

	cds_lfht_lookup(lfht->table, hash_of(*key), match, key, &iter);
	link = cds_lfht_iter_get_node(&iter);
	FLX_VERIFY(link);
	return caa_container_of(link, struct node, link);
}

static void lfht_update(void *table, const uint64_t *keys)
{
	for (uint32_t i = 0; i < FLX_BATCH; i++)
		find(table, &keys[i])->value[0]++;
}

static void lfht_remove(void *table, const uint64_t *keys)
{
	struct lfht *lfht = table;

	for (uint32_t i = 0; i < FLX_BATCH; i++)
		cds_lfht_del(lfht->table, &find(lfht, &keys[i])->link);
}

const struct flx_peer flx_peer_lfht = {
	.name = "cds_lfht",
	.alloc = lfht_alloc,
	.free = lfht_free,
	.insert = lfht_insert,
	.update = lfht_update,
	.remove = lfht_remove,
};

/* -------------------------------------------------------------------------------------- rte_hash */

struct cuckoo {
	struct rte_hash *table;
	uint64_t (*values)[VALUE_WORDS];
	struct flx_arena arena; /* of all of its memory */
};

#define HEAP "bench"

/* Room for a fourth more, so at most two thirds full: it has next to no misses there. */
static uint32_t entries_for(uint32_t keys)
{
	return keys + keys / 4;
}

/* Buckets of 64 bytes for 8, keys of 32, their numbers in a ring; values; a spare. */
static uint64_t memory_for(uint32_t keys)
{
	uint64_t entries = flx_pow2_ceil(entries_for(keys));

	return (uint64_t)keys * sizeof(uint64_t[VALUE_WORDS]) + entries * (8 + 32 + 8) +
	       8 * FLX_ARENA_PAGE;
}

static void cuckoo_free(void *table)
{
	struct cuckoo *cuckoo = table;

	rte_hash_free(cuckoo->table);
	rte_free(cuckoo->values);
	if (cuckoo->arena.base) {
		rte_malloc_heap_memory_remove(HEAP, cuckoo->arena.base, cuckoo->arena.size_bytes);
		rte_malloc_heap_destroy(HEAP);
	}
	flx_arena_fini(&cuckoo->arena);
	free(cuckoo);
}

/* EAL's own memory would be of other pages than everyone else's here. Socket of the heap; -1. */
static int make_heap(struct cuckoo *cuckoo, uint32_t keys, bool huge)
{
	if (!take(&cuckoo->arena, memory_for(keys), huge) || rte_malloc_heap_create(HEAP) ||
	    rte_malloc_heap_memory_add(HEAP, cuckoo->arena.base, cuckoo->arena.size_bytes, NULL, 0,
				       FLX_ARENA_PAGE))
		return -1;
	return rte_malloc_heap_get_socket(HEAP);
}

static void *cuckoo_alloc(uint32_t keys, bool huge)
{
	struct rte_hash_parameters parameters = {
		.name = "bench",
		.entries = entries_for(keys),
		.key_len = sizeof(uint64_t),
		.hash_func = rte_hash_crc,
	};
	struct cuckoo *cuckoo = calloc(1, sizeof(*cuckoo));

	if (!cuckoo)
		return NULL;
	parameters.socket_id = make_heap(cuckoo, keys, huge);
	if (parameters.socket_id >= 0) {
		cuckoo->table = rte_hash_create(&parameters);
		cuckoo->values = rte_zmalloc_socket(NULL, (size_t)keys * sizeof(*cuckoo->values),
						    FLX_CACHE_LINE, parameters.socket_id);
	}
	if (cuckoo->table && cuckoo->values)
		return cuckoo;
	flx_error("flxperf: no memory for rte_hash; give the machine more");
	cuckoo_free(cuckoo);
	return NULL;
}

static void cuckoo_insert(void *table, const uint64_t *keys, uint32_t first)
{
	struct cuckoo *cuckoo = table;

	for (uint32_t i = 0; i < FLX_BATCH; i++) {
		uint64_t *value = cuckoo->values[first + i];

		memset(value, 0, sizeof(cuckoo->values[0]));
		value[0] = 1;
		FLX_VERIFY(rte_hash_add_key_data(cuckoo->table, &keys[i], value) == 0);
	}
}

static void cuckoo_update(void *table, const uint64_t *keys)
{
	const struct cuckoo *cuckoo = table;
	const void *pointers[FLX_BATCH];
	void *values[FLX_BATCH];
	uint64_t hits;

	for (uint32_t i = 0; i < FLX_BATCH; i++)
		pointers[i] = &keys[i];
	FLX_VERIFY(rte_hash_lookup_bulk_data(cuckoo->table, pointers, FLX_BATCH, &hits, values) ==
		   FLX_BATCH);
	for (uint32_t i = 0; i < FLX_BATCH; i++)
		rte_prefetch0(values[i]);
	for (uint32_t i = 0; i < FLX_BATCH; i++)
		++*(uint64_t *)values[i];
}

static void cuckoo_remove(void *table, const uint64_t *keys)
{
	const struct cuckoo *cuckoo = table;

	for (uint32_t i = 0; i < FLX_BATCH; i++)
		FLX_VERIFY(rte_hash_del_key(cuckoo->table, &keys[i]) >= 0);
}

const struct flx_peer flx_peer_rte_hash = {
	.name = "rte_hash",
	.alloc = cuckoo_alloc,
	.free = cuckoo_free,
	.insert = cuckoo_insert,
	.update = cuckoo_update,
	.remove = cuckoo_remove,
};

/* ------------------------------------------------------------------------------------------- EAL */

int flx_peers_start(void)
{
	return flx_bare_eal_start("ctx", 64, NULL, 0);
}
