/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file - the file that holds one NUMA node's share of a store's records.
 *
 *	0		  FLX_FILE_STATE_OFFSET	    align	 type[0].offset   type[1].offset
 *	| header, checked | state words | unused    | records of type 0 | records of type 1 ...
 *
 * align is 2 MiB, or the filesystem's page where that is larger. The length is fixed when the file
 * is made: all records up to the limits of their types. Blocks are there only for what is ready,
 * where the filesystem has sparse files.
 *
 * The header never changes. A state word does, while the store runs: its low half is the value, its
 * high half a check of the value and of which word it is, so that it changes with one store and a
 * flipped byte in it is noticed. Record number n of a type is on the node for which
 * first <= n < first + limit, at offset + (n - first) * stride. Numbers of nodes after the first
 * begin where number * stride is a multiple of align, so that all nodes' records of a type can be
 * mapped side by side at base + number * stride.
 *
 * Refuses at open, with one flx_error and without writing: what is no file of this format, layout,
 * page size and length, or has a damaged header, or a damaged word by which records are found. (The
 * clock and the time limits are not worth a refusal: see clock.h.) Looks at no byte of a record.
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "context-store/arena.h"
#include "fabric/base.h"

#define FLX_FILE_FORMAT	      1
#define FLX_FILE_TYPES_MAX    256
#define FLX_FILE_NODES_MAX    8
#define FLX_FILE_NAME_SIZE    32 /* of a type, with its zero */
#define FLX_FILE_STATE_OFFSET 32768

/* A type's part of the file, as it stands there. */
struct flx_file_type {
	char name[FLX_FILE_NAME_SIZE];
	uint32_t version;
	uint32_t key_size;
	uint32_t context_size;
	uint32_t stride_bytes;
	uint32_t first; /* number of the first record here */
	uint32_t limit; /* records here at most */
	uint64_t offset;
};

/* As it stands in the file. */
struct flx_file_header {
	char magic[8];
	uint32_t format;
	uint32_t type_count;
	uint64_t checksum; /* of the whole header but this */
	uint64_t layout;   /* of what is in the records; and of this struct */
	uint64_t page_bytes;
	uint64_t size_bytes;
	uint64_t seed[2];
	uint64_t id;	     /* of the store: random, the same in all its files */
	uint64_t generation; /* 1, and one more for each upgrade */
	uint32_t node;
	uint32_t node_count;
	struct flx_file_type type[FLX_FILE_TYPES_MAX];
};

/* State words of a type. ready is set before bump: at any moment bump <= ready <= limit. */
enum flx_file_word {
	FLX_FILE_BUMP,	/* records (of this node) from here on were never used */
	FLX_FILE_READY, /* records from here on have no memory yet */
	FLX_FILE_TTL,	/* the store's own */
	FLX_FILE_TYPE_WORDS,
};

/* State words of the store; those of node 0 count. */
enum flx_file_clock {
	FLX_FILE_TICK, /* store ticks */
	FLX_FILE_WALL, /* seconds since 1970 */
	FLX_FILE_CLOCKS,
};

/* A line per type: different types' words are set by different threads. */
struct flx_file_state {
	alignas(FLX_CACHE_LINE) _Atomic uint64_t clock[FLX_FILE_CLOCKS];
	struct {
		alignas(FLX_CACHE_LINE) _Atomic uint64_t word[FLX_FILE_TYPE_WORDS];
	} type[FLX_FILE_TYPES_MAX];
};

/* The directory that files are in. */
struct flx_file_dir {
	char path[256]; /* for reports */
	int fd;
	bool read_only;
	uint64_t page_bytes; /* of the filesystem */
	uint64_t layout;     /* of what is in the records, as the running program has it */
};

/* An open file. */
struct flx_file {
	int fd;
	struct flx_file_header *header; /* a copy, checked; NULL: not open */
	struct flx_file_state *state;	/* the file's own, mapped */
	uint64_t mapped_bytes;		/* before and including it */
};

/* Where a range of records goes: what flx_arena_back wants, in the arena of the type. */
struct flx_file_part {
	uint64_t arena_offset;
	uint64_t file_offset;
	uint64_t size_bytes; /* 0: there already, with the records before */
};

/*
 * flx_file_make - make a file named @name, which must not exist
 * @header: all but magic, format, checksum, layout and page_bytes; sizes and offsets fit
 * Its words are 0, its memory (for header and words only) reserved. 0; -errno, after one flx_error,
 * and then there is no such file. Context: setup or control thread.
 */
int flx_file_make(struct flx_file *file, const struct flx_file_dir *dir, const char *name,
		  const struct flx_file_header *header);

/*
 * flx_file_open - open and check the file named @name
 * 0; -ENOENT: no such file, and no report; else -errno after one flx_error. Context: setup.
 */
int flx_file_open(struct flx_file *file, const struct flx_file_dir *dir, const char *name);
void flx_file_close(struct flx_file *file);

/* flx_file_peek - read a header; false, without a report: no such file, or not a whole header */
bool flx_file_peek(const struct flx_file_dir *dir, const char *name,
		   struct flx_file_header *header);

/* Bytes to which parts of a file are aligned. */
static inline uint64_t flx_file_align(uint64_t page_bytes)
{
	return page_bytes > FLX_ARENA_PAGE ? page_bytes : FLX_ARENA_PAGE;
}

/* The least number from @next on whose record, of @stride_bytes, begins at a multiple of @align. */
static inline uint64_t flx_file_first(uint64_t next, uint32_t stride_bytes, uint64_t align)
{
	uint64_t lowest_bit = stride_bytes & -stride_bytes;
	uint64_t step = align / (lowest_bit < align ? lowest_bit : align);

	return (next + step - 1) / step * step;
}

/*
 * flx_file_part - the pages of records [@from, @to) of this node (not numbers: less first)
 * Those that the records before @from do not share. Ranges are backed in ascending order.
 */
struct flx_file_part flx_file_part(const struct flx_file *file, uint32_t type, uint32_t from,
				   uint32_t to);

/*
 * The words, by type and by clock. A get is false when the word is damaged. A set is one store, a
 * release, as a get is an acquire: bump that is read before ready is never above it.
 * Context: set, the word's owner; get, any thread.
 */
bool flx_file_get(const struct flx_file *file, uint32_t type, enum flx_file_word which,
		  uint32_t *value);
void flx_file_set(struct flx_file *file, uint32_t type, enum flx_file_word which, uint32_t value);
bool flx_file_clock_get(const struct flx_file *file, enum flx_file_clock which, uint32_t *value);
void flx_file_clock_set(struct flx_file *file, enum flx_file_clock which, uint32_t value);
