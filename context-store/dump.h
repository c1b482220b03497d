/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dump - all contexts of a store in one file that outlives machines and versions of flx.
 *
 *	block 0	 | head: types, time	     |
 *	block 1	 | frames of one type	     |	each block FLX_DUMP_BLOCK bytes, rest zeroes
 *	...	 | frames of one type	     |
 *	block n	 | head again, and how many  |
 *
 * All numbers are little-endian, all checks CRC32C. A frame is a check, an age, key and context, one
 * behind the other without padding. A block says of which dump it is and which number it has, so
 * that no block of another file, and none in another place, is taken for it.
 *
 * What damage costs: a frame, where its check is wrong; a block's frames, where the block's header
 * is; nothing, where one of the two heads is. A file that was cut has no second head. The reader
 * (dump_reader.h) tells all of these.
 *
 * A new dump is written beside the old one (FILE.tmp-RANDOM), synced, and renamed over it: at any
 * moment FILE is a whole dump, or what it was before. Its writer holds a lock on it (flock), which
 * ends with the process, in whatever namespace that has its number: one without is of a writer that
 * was killed. Where the filesystem has no locks, none is taken for left behind.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <nmmintrin.h>

#include "context-store/file.h"
#include "context-store/scan.h"

#define FLX_DUMP_MAGIC	   "FLXDUMP"
#define FLX_DUMP_FORMAT	   1
#define FLX_DUMP_ORDER	   0x01020304u
#define FLX_DUMP_BLOCK	   65536u
#define FLX_DUMP_TYPES_MAX FLX_FILE_TYPES_MAX

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers go to the file as they are");

/* As it stands in the file, as all structs here do. */
struct flx_dump_type {
	char name[FLX_FILE_NAME_SIZE];
	uint32_t version;
	uint32_t key_size;
	uint32_t context_size;
	uint32_t limit;	    /* contexts at most */
	uint32_t ttl_ticks; /* 0: never */
	uint32_t unused;
	uint64_t contexts; /* in this dump; only the second head knows */
};

/* The first and the last block. */
struct flx_dump_head {
	char magic[8];
	uint32_t format;
	uint32_t check;	     /* of the whole block but this */
	uint32_t byte_order; /* FLX_DUMP_ORDER */
	uint32_t type_count;
	uint64_t id;	   /* random */
	uint64_t wall_ms;  /* since 1970, when the dump began: ages are as of then */
	uint64_t sequence; /* number of this block */
	uint64_t damaged;  /* records that were damaged, and not dumped; only in the second */
	struct flx_dump_type type[FLX_DUMP_TYPES_MAX];
};

/* In front of the frames of a block in between. */
struct flx_dump_block {
	uint32_t check; /* of the rest of this struct */
	uint32_t type;	/* index in the head */
	uint32_t count; /* frames */
	uint32_t unused;
	uint64_t id;
	uint64_t sequence;
};

/* Packed: it is where the one before ended. */
struct __attribute__((packed)) flx_dump_frame {
	uint32_t check;	    /* of the rest, key and context; begins with the block's type */
	uint32_t age_ticks; /* since the last commit */
	uint8_t bytes[];
};

static_assert(sizeof(struct flx_dump_type) == 64, "the format");
static_assert(offsetof(struct flx_dump_head, type) == 56, "the format");
static_assert(sizeof(struct flx_dump_head) <= FLX_DUMP_BLOCK, "the format");
static_assert(sizeof(struct flx_dump_block) == 32, "the format");
static_assert(sizeof(struct flx_dump_frame) == 8, "the format");

/* CRC32C of @size bytes, going on from @sum. */
static inline uint32_t flx_dump_sum(uint32_t sum, const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint64_t word;

	for (; size >= sizeof(word); size -= sizeof(word), bytes += sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		sum = (uint32_t)_mm_crc32_u64(sum, word);
	}
	for (; size; size--)
		sum = _mm_crc32_u8(sum, *bytes++);
	return sum;
}

/* The check of a head that fills its block. */
static inline uint32_t flx_dump_head_sum(const uint8_t *block)
{
	size_t end = offsetof(struct flx_dump_head, byte_order);
	uint32_t sum = flx_dump_sum(UINT32_MAX, block, offsetof(struct flx_dump_head, check));

	return flx_dump_sum(sum, block + end, FLX_DUMP_BLOCK - end);
}

static inline uint32_t flx_dump_block_sum(const struct flx_dump_block *block)
{
	return flx_dump_sum(UINT32_MAX, &block->type,
			    sizeof(*block) - offsetof(struct flx_dump_block, type));
}

static inline uint32_t flx_dump_frame_size(uint32_t key_size, uint32_t context_size)
{
	return (uint32_t)sizeof(struct flx_dump_frame) + key_size + context_size;
}

static inline uint32_t flx_dump_frame_sum(const struct flx_dump_frame *frame, uint32_t type,
					  uint32_t frame_size)
{
	size_t begin = offsetof(struct flx_dump_frame, age_ticks);

	return flx_dump_sum(~type, (const uint8_t *)frame + begin, frame_size - begin);
}

struct flx_dump_conf {
	const char *path;
	const struct flx_scan_source *source; /* of each type */
	uint32_t source_count;		      /* up to FLX_DUMP_TYPES_MAX */
	uint32_t now;			      /* tick of the store's clock */
	const _Atomic bool *cancel;	      /* becomes true: give up; NULL: never */
};

struct flx_dump_result {
	uint64_t contexts;
	uint64_t damaged; /* records that were, and are not in it */
	uint64_t size_bytes;
	char why[512]; /* of a failure: file, cause and remedy */
};

/*
 * flx_dump_write - dump the contexts of @conf's sources; who uses them may go on meanwhile
 * 0; -errno, with the reason in @result, and then the file is what it was; -ECANCELED.
 * What earlier processes that were killed have left beside it is removed.
 * Context: any thread; one at a time for a path.
 */
int flx_dump_write(const struct flx_dump_conf *conf, struct flx_dump_result *result);
