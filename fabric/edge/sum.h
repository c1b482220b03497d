/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sum - the Internet checksum (RFC 1071), in few cycles.
 *
 * A *sum* is 64 bits that are congruent, modulo 0xffff, to the 16-bit words of the data as they lie
 * in memory, so no byte is ever swapped: the sum is the same in either byte order. It folds to 16
 * bits at the end. Words are loaded eight bytes at a time at any alignment.
 *
 * Sums of a header are made of its fields, in registers, and not of the header just written: an
 * eight-byte load of two younger four-byte stores waits for them to retire.
 */
#pragma once

#include <stdint.h>
#include <string.h>

#include <rte_byteorder.h>

#include "fabric/base.h"

static_assert(RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN, "the tail of a sum is cut by shifting down");

static inline uint16_t flx_load16(const uint8_t *from)
{
	uint16_t value;

	memcpy(&value, from, sizeof(value));
	return value;
}

static inline uint32_t flx_load32(const uint8_t *from)
{
	uint32_t value;

	memcpy(&value, from, sizeof(value));
	return value;
}

static inline uint64_t flx_load64(const uint8_t *from)
{
	uint64_t value;

	memcpy(&value, from, sizeof(value));
	return value;
}

static inline uint64_t flx_sum_add(uint64_t sum, uint64_t word)
{
	sum += word;
	return sum + (sum < word); /* end-around carry: add, adc */
}

/* The sum in 16 bits. 0xffff for data whose checksum is right; 0 only if every word was 0. */
static inline uint16_t flx_sum_fold(uint64_t sum)
{
	uint32_t half;

	/* The upper half of x + (x rotated by half) is both halves, with the carry between them. */
	sum += sum << 32 | sum >> 32;
	half = (uint32_t)(sum >> 32);
	half += half << 16 | half >> 16;
	return (uint16_t)(half >> 16);
}

/* The checksum that makes the data of @sum right, as it is stored in a header. */
static inline uint16_t flx_sum_finish(uint64_t sum)
{
	return (uint16_t)~flx_sum_fold(sum);
}

/* Sum of an IPv4 header without options. */
static inline uint64_t flx_sum_20(const uint8_t *data)
{
	uint64_t sum = flx_sum_add(flx_load64(data), flx_load64(data + 8));

	return flx_sum_add(sum, flx_load32(data + 16));
}

/*
 * flx_sum_bytes - sum of the @size bytes at @data
 *
 * The last words are taken by one load that ends where the data ends, so the 8 bytes in front of
 * that end must be readable: they are a header, in every use. Reads nothing beyond the end. About 4
 * cycles and 1 for every 8 bytes (four chains of add and adc, two cycles each).
 */
static inline uint64_t flx_sum_bytes(const uint8_t *data, uint32_t size)
{
	uint64_t a = 0, b = 0, c = 0, d = 0;
	/* In two shifts, since all 64 bits go when nothing is left over. */
	uint64_t tail = flx_load64(data + size - 8) >> 8 >> (56 - 8 * (size & 7));

	for (; size >= 32; size -= 32, data += 32) {
		a = flx_sum_add(a, flx_load64(data));
		b = flx_sum_add(b, flx_load64(data + 8));
		c = flx_sum_add(c, flx_load64(data + 16));
		d = flx_sum_add(d, flx_load64(data + 24));
	}
	for (; size >= 8; size -= 8, data += 8)
		a = flx_sum_add(a, flx_load64(data));
	a = flx_sum_add(flx_sum_add(a, b), flx_sum_add(c, d));
	return flx_sum_add(a, tail);
}
