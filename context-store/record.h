/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * record - a context's memory: a word, hash, two stamps, key, and two images.
 *
 *	0	 8	12	    20	     image_offset	+ image_size
 *	| word	 | hash | stamp[2]  | key ...| image 0 ...	| image 1 ...	| stride
 *
 * The word is all that decides:
 *
 *	bit 0		the committed image; the other is spare
 *	bit 1		live: there is a committed context
 *	bits 2..31	sequence, one more with each commit or delete, also when the record is reused
 *	bits 32..63	check of what bits 0..31 claim
 *
 * 0 is a record that nobody was ever handed. One that was has a dead word before it is used, so that
 * among those a page that was lost, and reads as zeroes, is noticed. The handler writes the spare
 * image; a commit is one store of the word, and so is a delete. So a process killed at any
 * instruction leaves each record at its last commit, and nothing else: hash and key are written
 * before a record's first commit, and a stamp belongs to an image.
 *
 * The check is a CRC of the committed image, its stamp, the hash and the lower half (record_sum.h). A
 * byte changed anywhere in them is always noticed. The key is covered by the hash, which is half of
 * its SipHash. A sequence is never below 64, so that no one changed byte makes a word 0.
 *
 * Written by: the slice's owner alone. Read by: it; by flx_record_read, any thread and process.
 *
 * A record is a whole number of cache lines, so that no two owners write one line: one line for a
 * context of up to 16 bytes under a key of up to 12, three for 64 bytes under 8 (160 of 192).
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "context-store/clock.h"
#include "context-store/record_sum.h"
#include "fabric/base.h"

#define FLX_RECORD_KEY_MAX     40   /* FLX_KEY_MAX of flx.h, which is for apps */
#define FLX_RECORD_CONTEXT_MAX 4096 /* FLX_CONTEXT_MAX of flx.h */

struct flx_record {
	_Atomic uint64_t word;
	uint32_t hash; /* low half of the key's hash: the index grows by it without hashing again */
	uint32_t stamp[2]; /* tick (clock.h) at which each image was committed */
	uint8_t key[];
};

#define FLX_RECORD_KEY_OFFSET 20

static_assert(offsetof(struct flx_record, key) == FLX_RECORD_KEY_OFFSET, "the picture above");

#define FLX_RECORD_LIVE 2u /* in the lower half of the word */

/* Sizes of all records of a type. Read-only after init. */
struct flx_record_layout {
	uint32_t key_size;
	uint32_t context_size;
	uint32_t image_offset;
	uint32_t image_size; /* context_size, rounded up to 8 */
	uint32_t stride_bytes;
	uint32_t ttl_ticks;	     /* a context not committed for longer is gone; 0: never */
	void (*init)(void *context); /* NULL: zeroes */
};

/* @ttl_ms: rounded up to ticks, at most FLX_CLOCK_TTL_MAX_S; 0: never. */
void flx_record_layout_init(struct flx_record_layout *layout, uint32_t key_size,
			    uint32_t context_size, uint64_t ttl_ms, void (*init)(void *context));

static inline uint8_t *flx_record_image(const struct flx_record_layout *layout,
					const struct flx_record *record, uint64_t word)
{
	/* A mask, where a product would add two cycles to the wait for the word. */
	return (uint8_t *)(uintptr_t)record + layout->image_offset +
	       (-(uint32_t)(word & 1) & layout->image_size);
}

/* Fills @image for a context that is not there yet. Out of line: once per context. */
void flx_record_fill(const struct flx_record_layout *layout, uint8_t *image);

/* A copy whose size is known costs a few moves, one whose size is not costs a call. */
static inline void flx_record_copy(uint8_t *to, const uint8_t *from, uint32_t size)
{
	switch (size) {
	case 8:
		memcpy(to, from, 8);
		break;
	case 16:
		memcpy(to, from, 16);
		break;
	case 32:
		memcpy(to, from, 32);
		break;
	case 64:
		memcpy(to, from, 64);
		break;
	default:
		memcpy(to, from, size);
	}
}

/* The lower half that follows that of @word, neither live nor with an image yet. */
static inline uint32_t flx_record_next(uint64_t word)
{
	uint32_t half = ((uint32_t)word | 3) + 1;

	return unlikely(half < FLX_RECORD_FIRST) ? half + FLX_RECORD_FIRST : half;
}

/* ------------------------------------------------------------------------- the owner of the slice */

static inline bool flx_record_live(const struct flx_record *record)
{
	return atomic_load_explicit(&record->word, memory_order_relaxed) & FLX_RECORD_LIVE;
}

/* Whether a context committed at @stamp is over at @now. A stamp that lies ahead is young. */
static inline bool flx_record_over(const struct flx_record_layout *layout, uint32_t stamp,
				   uint32_t now)
{
	return layout->ttl_ticks && flx_clock_age(stamp, now) > layout->ttl_ticks;
}

/* Whether the live context of @record is over at tick @now. Context: owner of the slice. */
static inline bool flx_record_expired(const struct flx_record_layout *layout,
				      const struct flx_record *record, uint32_t now)
{
	uint64_t word = atomic_load_explicit(&record->word, memory_order_relaxed);

	return word & FLX_RECORD_LIVE && flx_record_over(layout, record->stamp[word & 1], now);
}

/*
 * flx_record_open - the image to work on: a copy of the committed one, or a fresh one
 *
 * Aligned to 8; good until the commit or the next open. Open without commit is abort: nothing to
 * undo. Context: owner of the slice.
 */
static inline void *flx_record_open(const struct flx_record_layout *layout,
				    struct flx_record *record)
{
	/* Relaxed: only the owner writes it, and owners hand over through a lane. */
	uint64_t word = atomic_load_explicit(&record->word, memory_order_relaxed);
	uint8_t *spare = flx_record_image(layout, record, ~word);

	/*
	 * The image that we are about to write was the committed one until the last commit. That
	 * commit must be seen before these writes: by a process that maps the file after a kill (so
	 * the compiler must not move them up), and by flx_record_read, whose acquire fence this
	 * release fence pairs with. No instruction on x86.
	 */
	atomic_thread_fence(memory_order_release);
	if (likely(word & FLX_RECORD_LIVE))
		flx_record_copy(spare, flx_record_image(layout, record, word), layout->image_size);
	else
		flx_record_fill(layout, spare);
	return spare;
}

/* flx_record_commit - make the opened image the committed one, at tick @now. Context: owner. */
static inline void flx_record_commit(const struct flx_record_layout *layout,
				     struct flx_record *record, uint32_t now)
{
	uint64_t word = atomic_load_explicit(&record->word, memory_order_relaxed);
	uint32_t half = flx_record_next(word) | FLX_RECORD_LIVE | (~(uint32_t)word & 1);
	uint64_t sum = flx_record_sum(flx_record_image(layout, record, half), layout->image_size,
				      record->hash, now, half);

	record->stamp[half & 1] = now;
	/* Release: image and stamp are seen before the word; pairs with flx_record_read. */
	atomic_store_explicit(&record->word, sum << 32 | half, memory_order_release);
}

/* flx_record_delete - the context is gone; the record stays its key's. Context: owner. */
static inline void flx_record_delete(struct flx_record *record)
{
	uint64_t word = atomic_load_explicit(&record->word, memory_order_relaxed);
	uint32_t half = flx_record_next(word) | ((uint32_t)word & 1);

	atomic_store_explicit(&record->word, flx_record_dead_word(half), memory_order_release);
	/* As in flx_record_open, for what the slab writes into a record that is withdrawn. */
	atomic_thread_fence(memory_order_release);
}

/*
 * flx_record_begin - @record, whatever is there, is free: it is about to be handed out for the
 * first time. Context: who hands it out.
 */
static inline void flx_record_begin(struct flx_record *record)
{
	atomic_store_explicit(&record->word, flx_record_dead_word(FLX_RECORD_FIRST),
			      memory_order_relaxed);
}

/*
 * flx_record_assign - a free record becomes that of @key, with no context yet
 * Context: owner of the slice.
 */
static inline void flx_record_assign(const struct flx_record_layout *layout,
				     struct flx_record *record, uint32_t hash, const uint8_t *key)
{
	/* Pairs with the acquire fence of flx_record_read: new key seen, dead word seen. */
	atomic_thread_fence(memory_order_release);
	record->hash = hash;
	memcpy(record->key, key, layout->key_size);
}

/* ------------------------------------------------------------------------------------ any thread */

enum flx_record_state {
	FLX_RECORD_FREE = 0, /* not used yet, or deleted */
	FLX_RECORD_HELD,     /* a context; its key is still to be compared with the hash */
	FLX_RECORD_DAMAGED,  /* the check is wrong: not what a commit or delete has left */
};

/*
 * flx_record_verify - what @record, which was handed out once, is by its check
 * Context: nobody writes it.
 */
enum flx_record_state flx_record_verify(const struct flx_record_layout *layout,
					const struct flx_record *record);

/* What a reader gets. Image last, and aligned, so that it may be checked as it is. */
struct flx_record_copy {
	uint64_t word; /* by which the caller knows when to look again */
	uint32_t hash;
	uint32_t stamp;
	uint8_t key[FLX_RECORD_KEY_MAX];
	uint8_t context[FLX_RECORD_CONTEXT_MAX];
};

/*
 * flx_record_read - copy key and last committed context of @record
 *
 * False: there is no context (and @copy is undefined). Repeats while the owner commits faster than
 * it copies. What was copied belongs together, whatever became of the record meanwhile; whether it
 * is of the key that was asked for is for the caller to compare. Not checked: a damaged record is
 * copied as it is (flx_record_copy_sound).
 * Context: any thread or process that has the record mapped.
 */
bool flx_record_read(const struct flx_record_layout *layout, const struct flx_record *record,
		     struct flx_record_copy *copy);

/* Whether the check of what was copied is right; its key is still to be compared with the hash. */
bool flx_record_copy_sound(const struct flx_record_layout *layout,
			   const struct flx_record_copy *copy);
