/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * random - randomness that a seed repeats, for tests, benches and the simulation. Not for keys or
 * secrets.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct flx_random {
	uint64_t state;
};

/* splitmix64, Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014. */
static inline uint64_t flx_random_next(struct flx_random *random)
{
	uint64_t z = random->state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* 0..@bound-1; @bound at least 1. Biased by less than 2^-32, which no test here sees. */
static inline uint32_t flx_random_below(struct flx_random *random, uint32_t bound)
{
	return (uint32_t)(((flx_random_next(random) >> 32) * bound) >> 32);
}

/* @low..@high, both included. */
static inline uint32_t flx_random_between(struct flx_random *random, uint32_t low, uint32_t high)
{
	return low + flx_random_below(random, high - low + 1);
}

/* True in @percent of 100 calls. */
static inline bool flx_random_chance(struct flx_random *random, uint32_t percent)
{
	return flx_random_below(random, 100) < percent;
}
