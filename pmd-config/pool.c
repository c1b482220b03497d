/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd-config/pool.h"

#include <stdio.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_memzone.h>

#include "fabric/base.h"

static void zone_free(struct rte_mempool_memhdr *chunk, void *zone)
{
	(void)chunk;
	rte_memzone_free(zone);
}

/* Puts all objects into one zone; without IOVA_CONTIG nothing is skipped at a page's end. */
static int populate(struct rte_mempool *pool)
{
	size_t object = pool->header_size + pool->elt_size + pool->trailer_size;
	const struct rte_memzone *zone;
	char name[RTE_MEMZONE_NAMESIZE];
	int count;

	if ((size_t)snprintf(name, sizeof(name), "flx_%s", pool->name) >= sizeof(name))
		return -ENAMETOOLONG;
	zone = rte_memzone_reserve_aligned(name, object * pool->size, pool->socket_id,
					   RTE_MEMZONE_2MB | RTE_MEMZONE_SIZE_HINT_ONLY,
					   (unsigned int)getpagesize());
	if (!zone)
		return -rte_errno;
	count = rte_mempool_populate_iova(pool, zone->addr, zone->iova, zone->len, zone_free,
					  (void *)(uintptr_t)zone);
	if (count <= 0)
		rte_memzone_free(zone);
	return count == (int)pool->size ? 0 : count < 0 ? count : -ENOMEM;
}

static struct rte_mempool *alloc_dense(const char *name, const struct flx_pool_conf *conf,
				       const char *ops)
{
	struct rte_pktmbuf_pool_private sizes = {.mbuf_data_room_size = conf->room_bytes,
						 .mbuf_priv_size = conf->priv_bytes};
	const unsigned int size =
		(unsigned int)sizeof(struct rte_mbuf) + conf->priv_bytes + conf->room_bytes;
	struct rte_mempool *pool;
	int error;

	pool = rte_mempool_create_empty(name, conf->count, size, conf->cache, sizeof(sizes),
					conf->numa, RTE_MEMPOOL_F_NO_IOVA_CONTIG);
	if (!pool)
		return NULL;
	error = rte_mempool_set_ops_byname(pool, ops, NULL);
	if (!error) {
		rte_pktmbuf_pool_init(pool, &sizes);
		error = populate(pool);
	}
	if (error) {
		rte_mempool_free(pool);
		rte_errno = -error;
		return NULL;
	}
	rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
	return pool;
}

struct rte_mempool *flx_pool_alloc(const char *name, const struct flx_pool_conf *conf)
{
	const char *ops = conf->shared_cpus ? "ring_mt_rts" : rte_mbuf_best_mempool_ops();
	struct rte_mempool *pool;

	if (rte_eal_iova_mode() == RTE_IOVA_VA)
		pool = alloc_dense(name, conf, ops);
	else
		pool = rte_pktmbuf_pool_create_by_ops(name, conf->count, conf->cache,
						      conf->priv_bytes, conf->room_bytes,
						      conf->numa, ops);
	if (!pool)
		flx_error("pool '%s': no memory for %u buffers of %u bytes (%s); reserve more "
			  "hugepages with pmd-config/setup.sh hugepages, or ask for fewer credits",
			  name, conf->count, conf->room_bytes, rte_strerror(rte_errno));
	return pool;
}

struct extent {
	uintptr_t end;
};

static void extent_grow(struct rte_mempool *pool, void *opaque, void *object, unsigned int index)
{
	struct extent *extent = opaque;
	uintptr_t end = (uintptr_t)object + pool->elt_size + pool->trailer_size;

	(void)index;
	if (end > extent->end)
		extent->end = end;
}

bool flx_pool_is_dense(struct rte_mempool *pool)
{
	size_t object = pool->header_size + pool->elt_size + pool->trailer_size;
	struct extent extent = {0};
	uintptr_t start;

	if (pool->nb_mem_chunks != 1)
		return false;
	start = (uintptr_t)STAILQ_FIRST(&pool->mem_list)->addr;
	rte_mempool_obj_iter(pool, extent_grow, &extent);
	return extent.end <= start + object * pool->populated_size;
}
