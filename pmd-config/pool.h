/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pool - mbufs that lie side by side in one piece of memory.
 *
 * rte_pktmbuf_pool_create leaves a gap where an mbuf would cross a page, and may take several
 * pieces. net_af_xdp of 22.11 reckons with neither: it hands the kernel size x count bytes from the
 * first piece on, so that with 2 MiB pages the last mbufs, and with 4 KiB pages nearly half of
 * them, lie outside; the kernel then refuses each and nobody frees it (upstream: 97039941b217, not
 * in 22.11). Seen on a veth: of 3,000 frames none passed with --no-huge, and with hugepages some
 * that were sent vanished.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_mempool.h>

struct flx_pool_conf {
	uint32_t count;
	uint32_t cache;	     /* mbufs that each lcore keeps back, to RTE_MEMPOOL_CACHE_MAX_SIZE */
	uint16_t priv_bytes; /* of the private area, a multiple of 8 */
	uint16_t room_bytes; /* of data, headroom included */
	int32_t numa;	     /* node; -1: any */
	/*
	 * Lcores share CPUs. In an ordinary ring one that is preempted between its two steps keeps
	 * all others waiting until it runs again; this one's tail is moved by whoever comes last.
	 */
	bool shared_cpus;
};

/*
 * flx_pool_alloc - make a pool of mbufs
 *
 * Where the bus wants physical addresses (--iova-mode=pa, a NIC without IOMMU) it is an ordinary
 * pool. NULL with one flx_error; rte_mempool_free frees it. Context: setup, after EAL.
 */
struct rte_mempool *flx_pool_alloc(const char *name, const struct flx_pool_conf *conf);

/* Whether @pool's mbufs lie side by side from its first page on, as net_af_xdp believes. */
bool flx_pool_is_dense(struct rte_mempool *pool);
