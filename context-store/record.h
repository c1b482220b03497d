/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * record - a context's memory: commit word, hash, key, and two images.
 *
 *	0	 8	12	   image_offset		 + image_size
 *	| word	 | hash | key ...  | image 0 ...	 | image 1 ...	| stride
 *
 * The word counts commits: 0 is a record that was never committed, else image (word & 1) is the
 * committed one and the other is spare. The handler writes the spare image; a commit is one store
 * of word + 1. So a process killed at any instruction leaves each record at its last commit.
 *
 * Written by: the owner of the slice alone. Read by: the owner; any thread through flx_record_read.
 *
 * A record is a whole number of cache lines, so that no two owners write one line: one line for a
 * context of up to 16 bytes under a key of up to 16, three for 64 bytes under 8 (152 of 192).
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "fabric/base.h"

struct flx_record {
	_Atomic uint64_t word;
	uint32_t hash; /* low half of the key's hash: the index grows by it without hashing again */
	uint8_t key[];
};

#define FLX_RECORD_KEY_OFFSET 12

static_assert(offsetof(struct flx_record, key) == FLX_RECORD_KEY_OFFSET, "the picture above");

/* Sizes of all records of a type. Read-only after init. */
struct flx_record_layout {
	uint32_t key_size;
	uint32_t context_size;
	uint32_t image_offset;
	uint32_t image_size; /* context_size, rounded up to 8 */
	uint32_t stride_bytes;
	void (*init)(void *context); /* NULL: zeroes */
};

void flx_record_layout_init(struct flx_record_layout *layout, uint32_t key_size,
			    uint32_t context_size, void (*init)(void *context));

static inline uint8_t *flx_record_image(const struct flx_record_layout *layout,
					const struct flx_record *record, uint64_t word)
{
	return (uint8_t *)(uintptr_t)record + layout->image_offset +
	       (word & 1) * layout->image_size;
}

/* Fills @image for a record that was never committed. Out of line: once per record. */
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
	uint8_t *spare = flx_record_image(layout, record, word + 1);

	/*
	 * The image that we are about to write was the committed one until the last commit. That
	 * commit must be seen before these writes: by a process that maps the file after a kill (so
	 * the compiler must not move them up), and by flx_record_read, whose acquire fence this
	 * release fence pairs with. No instruction on x86.
	 */
	atomic_thread_fence(memory_order_release);
	if (likely(word != 0))
		flx_record_copy(spare, flx_record_image(layout, record, word), layout->image_size);
	else
		flx_record_fill(layout, spare);
	return spare;
}

/* flx_record_commit - make the opened image the committed one. Context: owner of the slice. */
static inline void flx_record_commit(struct flx_record *record)
{
	uint64_t word = atomic_load_explicit(&record->word, memory_order_relaxed);

	/* Release: the image is seen before the word; pairs with the acquire in flx_record_read. */
	atomic_store_explicit(&record->word, word + 1, memory_order_release);
}

static inline bool flx_record_committed(const struct flx_record *record)
{
	return atomic_load_explicit(&record->word, memory_order_relaxed) != 0;
}

/*
 * flx_record_read - copy the last committed context of @record to @context
 *
 * Its word, by which the caller knows when to look again; 0, and @context is undefined: never
 * committed. Repeats while the owner commits faster than it copies.
 * Context: any thread, for as long as the record stays bound to its key.
 */
uint64_t flx_record_read(const struct flx_record_layout *layout, const struct flx_record *record,
			 void *context);
