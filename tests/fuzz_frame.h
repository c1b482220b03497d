/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_frame - random and damaged frames, the same for the same state of the random numbers.
 */
#pragma once

#include "tests/frame.h"

/* A number below @limit. SplitMix64 (Steele, Lea, Flood 2014). */
static inline uint32_t fuzz_below(uint64_t *state, uint32_t limit)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)((z ^ z >> 31) >> 32) % limit;
}

static inline void fuzz_valid(uint64_t *state, struct frame *frame)
{
	static const uint8_t options[][8] = {{1, 1, 1, 0},
					     {148, 4, 0, 0},
					     {7, 7, 4, 0, 0, 0, 0, 0},
					     {131, 3, 4, 0},
					     {68, 8, 5, 0, 0, 0, 0, 0}};
	const uint8_t *option = options[fuzz_below(state, RTE_DIM(options))];
	uint32_t tags = fuzz_below(state, 8) ? 0 : fuzz_below(state, 4),
		 options_size = fuzz_below(state, 4) ? 0 : 4 + 4 * fuzz_below(state, 2);
	uint32_t size = fuzz_below(state, 16) ? fuzz_below(state, 64) : fuzz_below(state, 1400);

	switch (fuzz_below(state, 8)) {
	case 0:
		frame_icmp(frame, tags, option, options_size, size);
		break;
	case 1:
		frame_arp(frame, tags, (uint16_t)(1 + fuzz_below(state, 2)), &frame_their_mac,
			  FRAME_OUR_IP - 3 + fuzz_below(state, 16), FRAME_OUR_IP);
		break;
	default:
		frame_udp(frame, tags, option, options_size, size);
	}
	if (fuzz_below(state, 4) == 0)
		frame->size += fuzz_below(state, 20);
}

static inline void fuzz_damage(uint64_t *state, struct frame *frame)
{
	static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff,
					 0x45, 0x46, 0x4f, 0x08, 0x11};

	for (uint32_t i = fuzz_below(state, 4); i > 0; i--) {
		/* Mostly where the headers are. */
		uint32_t at = fuzz_below(state, 4) ? fuzz_below(state, 64)
						   : fuzz_below(state, FRAME_ROOM);

		if (fuzz_below(state, 2))
			frame->bytes[at] = values[fuzz_below(state, RTE_DIM(values))];
		else
			frame->bytes[at] ^= (uint8_t)(1u << fuzz_below(state, 8));
	}
	if (frame->l3_size && fuzz_below(state, 2))
		frame_fix_sums(frame);
	if (fuzz_below(state, 8) == 0)
		frame->size = fuzz_below(state, frame->size + 1);
}

/* One frame: mostly valid ones to begin with, then damaged in up to three places. */
static inline void fuzz_frame(uint64_t *state, struct frame *frame)
{
	if (fuzz_below(state, 16) == 0) {
		frame_ethernet(frame, 0, RTE_ETHER_TYPE_IPV4);
		frame->size = fuzz_below(state, 200);
		for (uint32_t i = fuzz_below(state, 2) ? 0 : 14; i < frame->size; i++)
			frame->bytes[i] = (uint8_t)fuzz_below(state, 256);
		return;
	}
	fuzz_valid(state, frame);
	fuzz_damage(state, frame);
}
