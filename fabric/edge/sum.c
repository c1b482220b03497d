/* SPDX-License-Identifier: BSD-3-Clause */
#include "fabric/edge/sum.h"

/* Four chains, since each add and adc waits for the one before, two cycles. */
uint64_t flx_sum_blocks(const uint8_t *data, uint64_t size)
{
	uint64_t a = 0, b = 0, c = 0, d = 0;

	for (; size >= 32; size -= 32, data += 32) {
		a = flx_sum_add(a, flx_load64(data));
		b = flx_sum_add(b, flx_load64(data + 8));
		c = flx_sum_add(c, flx_load64(data + 16));
		d = flx_sum_add(d, flx_load64(data + 24));
	}
	return flx_sum_add(flx_sum_add(a, b), flx_sum_add(c, d));
}
