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

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_branch_prediction.h>
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

static inline void flx_store16(uint8_t *to, uint16_t value)
{
	memcpy(to, &value, sizeof(value));
}

static inline void flx_store64(uint8_t *to, uint64_t value)
{
	memcpy(to, &value, sizeof(value));
}

static inline uint64_t flx_sum_add(uint64_t sum, uint64_t word)
{
	uint64_t carry = __builtin_add_overflow(sum, word, &sum);

	return sum + carry; /* around the end: add, adc */
}

/* The same for a sum in 32 bits: it does for a few words. */
static inline uint32_t flx_sum_add32(uint32_t sum, uint32_t word)
{
	uint32_t carry = __builtin_add_overflow(sum, word, &sum);

	return sum + carry;
}

static inline uint16_t flx_sum_fold32(uint32_t sum)
{
	/* The upper half of x + (x rotated by half) is both halves, with the carry between them. */
	sum += sum << 16 | sum >> 16;
	return (uint16_t)(sum >> 16);
}

/* The sum in 16 bits. 0xffff for data whose checksum is right; 0 only if every word was 0. */
static inline uint16_t flx_sum_fold(uint64_t sum)
{
	sum += sum << 32 | sum >> 32;
	return flx_sum_fold32((uint32_t)(sum >> 32));
}

/*
 * Whether @sum is that of data whose checksum is right, and not all 0: an IPv4 header never is, nor
 * is a pseudo-header. Four instructions, where to fold and to compare takes eight: the compiler
 * makes of a remainder that is only held against 0 one multiplication.
 */
static inline bool flx_sum_is_right(uint64_t sum)
{
	return sum % 0xffff == 0;
}

/* The checksum that makes the data of @sum right, as it is stored in a header. */
static inline uint16_t flx_sum_finish(uint64_t sum)
{
	return (uint16_t)~flx_sum_fold(sum);
}

/*
 * The same, and never 0: 0xffff is as right. To fold the complement, and not to complement what was
 * folded, makes 0xffff of every 0 but that of 64 ones; to add 0xffff, which is 0, makes one of
 * that.
 */
static inline uint16_t flx_sum_finish_not_0(uint64_t sum)
{
	return flx_sum_fold(flx_sum_add(~sum, 0xffff));
}

/* Sum of an IPv4 header without options. */
static inline uint64_t flx_sum_20(const uint8_t *data)
{
	uint64_t sum = flx_sum_add(flx_load64(data), flx_load64(data + 8));

	return flx_sum_add(sum, flx_load32(data + 16));
}

/* Sum of the @size bytes at @data, a multiple of 32. */
uint64_t flx_sum_blocks(const uint8_t *data, uint64_t size);

/*
 * flx_sum_bytes - @sum and that of the @size bytes at @data
 *
 * The last words are taken by one load that ends where the data ends, so the 8 bytes in front of
 * that end must be readable: they are a header, in every use. Reads nothing beyond the end. Under
 * 64 bytes there is no loop: the bits of the size stand for so many words. All sums of
 * flx_edge_recv together, of 20 and 26 bytes, took 67 instructions before and take 38.
 */
static inline uint64_t flx_sum_bytes(uint64_t sum, const uint8_t *data, uint64_t size)
{
	/* In two shifts, since all 64 bits go when nothing is left over: 8, and 56 - 8 * (size %
	 * 8). */
	uint64_t tail = flx_load64(data + size - 8) >> 8 >> (~size * 8 & 63);

	sum = flx_sum_add(sum, tail);
	if (size >= 32) {
		if (unlikely(size >= 64)) {
			sum = flx_sum_add(sum, flx_sum_blocks(data, size & ~31ull));
			data += size & ~31ull;
			size &= 31;
		} else {
			sum = flx_sum_add(sum, flx_load64(data));
			sum = flx_sum_add(sum, flx_load64(data + 8));
			sum = flx_sum_add(sum, flx_load64(data + 16));
			sum = flx_sum_add(sum, flx_load64(data + 24));
			data += 32;
		}
	}
	if (size & 16) {
		sum = flx_sum_add(sum, flx_load64(data));
		sum = flx_sum_add(sum, flx_load64(data + 8));
		data += 16;
	}
	if (size & 8)
		sum = flx_sum_add(sum, flx_load64(data));
	return sum;
}
