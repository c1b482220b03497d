/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dump_reader - reads a dump (dump.h), however much of it is whole.
 *
 * Trusts no byte of the file before its check: what is damaged is left out and counted. Refuses at
 * open what is no dump, of another format, or has neither of its heads.
 */
#pragma once

#include "context-store/dump.h"

/* What was not as it was written. Complete after the last context. */
struct flx_dump_damage {
	uint64_t frames; /* contexts whose check is wrong */
	uint64_t blocks; /* that are lost with all contexts in them */
	bool head;	 /* the first head; the second served */
	bool end;	 /* the second head; or it is not there: the file was cut */
};

struct flx_dump_reader {
	const char *path;
	int file;
	uint64_t size_bytes;
	uint64_t block_end;	   /* number behind the last block of frames */
	uint64_t sequence;	   /* of the block at hand */
	uint32_t count, index;	   /* its frames, and the next of them */
	struct flx_dump_head head; /* checked: types are valid, and their names differ */
	struct flx_dump_damage damage;

	/* The last context found. */
	uint32_t type;
	uint32_t age_ticks; /* when the dump began */
	const uint8_t *key; /* not aligned, as context; until the next one */
	const uint8_t *context;

	uint8_t block[FLX_DUMP_BLOCK];
};

/*
 * flx_dump_open - open the dump at @path, which must outlive @reader
 * 0; -errno after one flx_error. Context: any thread.
 */
int flx_dump_open(struct flx_dump_reader *reader, const char *path);
void flx_dump_close(struct flx_dump_reader *reader);

/* flx_dump_next - the next context. 1; 0: that was all; -errno after one flx_error. */
int flx_dump_next(struct flx_dump_reader *reader);

/*
 * flx_dump_is_whole - after the last context: whether all are as they were written
 * @text: out, of @size bytes: else, what is not, as a phrase.
 */
bool flx_dump_is_whole(const struct flx_dump_reader *reader, char *text, size_t size);
