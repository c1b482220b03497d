/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * siphash - a keyed hash of a short key, so that a sender who chooses keys cannot choose chains.
 *
 * SipHash (Aumasson and Bernstein, 2012, https://131002.net/siphash/) with c compression rounds and
 * d finalisation rounds. The index uses 1-3: the attacker never sees a hash, only whether we get
 * slow, and for that use Rust, Ruby and CPython hold 1-3 to be enough. 2-4 costs half as much again
 * (8 bytes, many under way: 23 cycles against 16); it is here because the published vectors are for
 * it.
 *
 * Inlined, so that a caller with a constant size pays for its words alone. Context: any thread.
 */
#pragma once

#include <stdint.h>
#include <string.h>

#include <rte_byteorder.h>

struct flx_siphash {
	uint64_t a, b, c, d;
};

static inline uint64_t flx_rotate(uint64_t value, unsigned int bits)
{
	return value << bits | value >> (64 - bits);
}

static inline void flx_siphash_rounds(struct flx_siphash *state, unsigned int rounds)
{
	for (; rounds; rounds--) {
		state->a += state->b;
		state->c += state->d;
		state->b = flx_rotate(state->b, 13) ^ state->a;
		state->d = flx_rotate(state->d, 16) ^ state->c;
		state->a = flx_rotate(state->a, 32);
		state->c += state->b;
		state->a += state->d;
		state->b = flx_rotate(state->b, 17) ^ state->c;
		state->d = flx_rotate(state->d, 21) ^ state->a;
		state->c = flx_rotate(state->c, 32);
	}
}

static inline void flx_siphash_absorb(struct flx_siphash *state, uint64_t word, unsigned int rounds)
{
	state->d ^= word;
	flx_siphash_rounds(state, rounds);
	state->a ^= word;
}

/* The last 0..7 bytes of a message of @size, with its size in the top byte. */
static inline uint64_t flx_siphash_tail(const uint8_t *tail, uint32_t size)
{
	uint64_t word = (uint64_t)(size & 0xff) << 56;
	uint32_t half;

	if ((size & 7) == 4) { /* the common odd end, of keys of 4 and 12 bytes */
		memcpy(&half, tail, sizeof(half));
		return word | rte_le_to_cpu_32(half);
	}
	for (uint32_t i = 0; i < (size & 7); i++)
		word |= (uint64_t)tail[i] << (8 * i);
	return word;
}

/* SipHash-@c-@d of @size bytes under @seed, two words read as little-endian. */
static inline uint64_t flx_siphash(unsigned int c, unsigned int d, const uint64_t seed[2],
				   const uint8_t *data, uint32_t size)
{
	struct flx_siphash state = {
		.a = seed[0] ^ 0x736f6d6570736575, /* "somepseudorandomlygeneratedbytes" */
		.b = seed[1] ^ 0x646f72616e646f6d,
		.c = seed[0] ^ 0x6c7967656e657261,
		.d = seed[1] ^ 0x7465646279746573,
	};
	uint32_t at = 0;
	uint64_t word;

	for (; at + sizeof(word) <= size; at += (uint32_t)sizeof(word)) {
		memcpy(&word, data + at, sizeof(word));
		flx_siphash_absorb(&state, rte_le_to_cpu_64(word), c);
	}
	flx_siphash_absorb(&state, flx_siphash_tail(data + at, size), c);
	state.c ^= 0xff;
	flx_siphash_rounds(&state, d);
	return state.a ^ state.b ^ state.c ^ state.d;
}

/* The hash of the index. */
static inline __attribute__((always_inline)) uint64_t flx_siphash13(const uint64_t seed[2],
								    const uint8_t *data,
								    uint32_t size)
{
	return flx_siphash(1, 3, seed, data, size);
}
