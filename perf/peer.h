/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer - hash tables that others use for state, with the same keys and 64-byte values.
 *
 * Each is used as its makers mean it to be fast: on pages of 2 MiB, with memory reserved, by one
 * thread without locks, values written in place (so without a commit that survives a kill), hashed
 * by CRC32C, which is cheaper than our keyed hash and which a sender can choose collisions of.
 *
 *	cds_lfht	liburcu's table, QSBR, of fixed size with a bucket per key or more; a node,
 *			its key and value in one block of two lines
 *	rte_hash	DPDK's cuckoo table, at most half full, looked up 64 at a time
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct flx_peer {
	const char *name;
	/* For @keys keys; NULL after one flx_error. EAL runs. Context: registered with RCU. */
	void *(*alloc)(uint32_t keys, bool huge);
	void (*free)(void *table);
	/* FLX_BATCH keys that are new, numbers @first and on. */
	void (*insert)(void *table, const uint64_t *keys, uint32_t first);
	/* Looks up FLX_BATCH keys that are there, and increments the first word of their values. */
	void (*update)(void *table, const uint64_t *keys);
	/* Nothing is reclaimed: they may go after a grace period. */
	void (*remove)(void *table, const uint64_t *keys);
};

extern const struct flx_peer flx_peer_lfht;
extern const struct flx_peer flx_peer_rte_hash;

/* Starts EAL, for rte_hash. 0; -errno after one flx_error. */
int flx_peers_start(void);
