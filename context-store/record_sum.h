/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * record_sum - the checks in a record's word (record.h): by them damage is told from what a commit or
 * a delete has left.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <nmmintrin.h>

#define FLX_RECORD_FIRST 256u /* least lower half of a word: sequence 64 */

static inline uint32_t flx_record_rotate(uint64_t sum, unsigned int bits)
{
	return (uint32_t)sum << bits | (uint32_t)sum >> (32 - bits);
}

/* 8 bytes at a time: a wider load of what a handler has just stored waits for the store to end. */
static inline uint64_t flx_record_load(const uint8_t *image)
{
	uint64_t word;

	memcpy(&word, image, sizeof(word));
	return word;
}

/*
 * flx_record_sum - the check of a live word with lower half @half
 *
 * CRC32C in four lanes, since one lane alone waits three cycles for each word. The lanes begin with
 * what is checked beside the image, and are put together so that a change within one lane always
 * shows: a CRC finds all bursts of up to 32 bits.
 */
static inline uint32_t flx_record_sum(const uint8_t *image, uint32_t image_size, uint32_t hash,
				      uint32_t stamp, uint32_t half)
{
	uint64_t a = hash, b = stamp, c = half, d = UINT32_MAX;

	for (; image_size >= 32; image_size -= 32, image += 32) {
		a = _mm_crc32_u64(a, flx_record_load(image));
		b = _mm_crc32_u64(b, flx_record_load(image + 8));
		c = _mm_crc32_u64(c, flx_record_load(image + 16));
		d = _mm_crc32_u64(d, flx_record_load(image + 24));
	}
	for (; image_size; image_size -= 8, image += 8)
		d = _mm_crc32_u64(d, flx_record_load(image));
	return (uint32_t)a ^ flx_record_rotate(b, 8) ^ flx_record_rotate(c, 16) ^
	       flx_record_rotate(d, 24);
}

/* The check of a dead word: of the lower half alone, for all else may change. */
static inline uint32_t flx_record_dead_sum(uint32_t half)
{
	return _mm_crc32_u32(UINT32_MAX, half);
}

static inline uint64_t flx_record_dead_word(uint32_t half)
{
	return (uint64_t)flx_record_dead_sum(half) << 32 | half;
}

/* Whether @word, which is not live, is what a delete has left, or flx_record_begin. */
static inline bool flx_record_dead_sound(uint64_t word)
{
	uint32_t half = (uint32_t)word;

	return half >= FLX_RECORD_FIRST && word == flx_record_dead_word(half);
}
