/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd-config/rss.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "fabric/base.h"

/* The 32 key bits that start at bit @bit: what Toeplitz adds for a one at that place of the input.
 */
static uint32_t key_window(const uint8_t *key, unsigned int bit)
{
	uint64_t window = 0;

	for (unsigned int i = 0; i < 5; i++)
		window = window << 8 | key[bit / 8 + i];
	return (uint32_t)(window >> (8 - bit % 8));
}

static void fill_table(struct flx_rss *rss)
{
	for (unsigned int place = 0; place < 12; place++) {
		uint32_t *row = rss->table[place];

		/* The hash is linear over XOR: a byte's is that of its lowest one, and of the rest.
		 */
		row[0] = 0;
		for (unsigned int byte = 1; byte < 256; byte++) {
			unsigned int low = (unsigned int)__builtin_ctz(byte);

			row[byte] = row[byte & (byte - 1)] ^
				    key_window(rss->key, place * 8 + (7 - low));
		}
	}
}

void flx_rss_init(struct flx_rss *rss, const uint8_t *key)
{
	if (key) {
		memcpy(rss->key, key, FLX_RSS_KEY_SIZE);
	} else {
		ssize_t got;

		/* Up to 256 bytes come whole or not at all; a signal can come only before boot
		 * ends. */
		do
			got = getrandom(rss->key, FLX_RSS_KEY_SIZE, 0);
		while (got < 0 && errno == EINTR);
		FLX_VERIFY(got == FLX_RSS_KEY_SIZE);
	}
	fill_table(rss);
}
