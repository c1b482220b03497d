/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rss - the Toeplitz hash of a flow, in software, bit for bit what a NIC with the same key makes.
 *
 * Verified against the vectors of Microsoft's RSS specification ("Verifying the RSS Hash
 * Calculation"). The key may be given, so that a cluster hashes alike, and is random otherwise, so
 * that nobody outside can aim at one queue.
 */
#pragma once

#include <stdint.h>

#define FLX_RSS_KEY_SIZE 40

struct flx_rss {
	uint8_t key[FLX_RSS_KEY_SIZE];
	/* Hash of each byte value at each place of a 12-byte flow key: 12 look-ups instead of 96
	 * steps. */
	uint32_t table[12][256];
};

/* Sets @rss up with @key (FLX_RSS_KEY_SIZE bytes), or with a random one when NULL. */
void flx_rss_init(struct flx_rss *rss, const uint8_t *key);

/* The hash of a flow key: source, destination address, source, destination port, network order. */
static inline uint32_t flx_rss_flow(const struct flx_rss *rss, const uint8_t flow[12])
{
	uint32_t hash = 0;

	for (unsigned int i = 0; i < 12; i++)
		hash ^= rss->table[i][flow[i]];
	return hash;
}
