/* SPDX-License-Identifier: BSD-3-Clause */
#include "context-store/dump_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "context-store/slab.h"
#include "fabric/base.h"

static int failed(const struct flx_dump_reader *reader, int error, const char *remedy)
{
	flx_error("%s: %s; %s", reader->path, strerror(error), remedy);
	return -error;
}

/* Block @sequence; zeroes where the file ends before it does. */
static int read_block(struct flx_dump_reader *reader, uint64_t sequence)
{
	uint64_t at = sequence * FLX_DUMP_BLOCK;
	size_t size = 0;

	while (size < FLX_DUMP_BLOCK) {
		ssize_t done = pread(reader->file, reader->block + size, FLX_DUMP_BLOCK - size,
				     (off_t)(at + size));

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return failed(reader, errno, "check the filesystem, or take another dump");
		if (done == 0)
			break;
		size += (size_t)done;
	}
	memset(reader->block + size, 0, FLX_DUMP_BLOCK - size);
	return 0;
}

/* ------------------------------------------------------------------------------------- the heads */

/* Whether the block at hand is a head that a writer made, of this format, as number @sequence. */
static bool is_head(const struct flx_dump_reader *reader, uint64_t sequence)
{
	const struct flx_dump_head *head = (const void *)reader->block;

	return memcmp(head->magic, FLX_DUMP_MAGIC, sizeof(head->magic)) == 0 &&
	       head->format == FLX_DUMP_FORMAT && head->byte_order == FLX_DUMP_ORDER &&
	       head->check == flx_dump_head_sum(reader->block) && head->sequence == sequence;
}

/* A check says that nothing has changed, not that it was right. */
static bool is_valid(const struct flx_dump_type *type)
{
	return memchr(type->name, '\0', sizeof(type->name)) && type->name[0] &&
	       type->key_size <= FLX_RECORD_KEY_MAX && type->context_size > 0 &&
	       type->context_size <= FLX_RECORD_CONTEXT_MAX && type->limit > 0 &&
	       type->limit < FLX_SLAB_NONE / 2 && type->contexts < FLX_SLAB_NONE / 2 &&
	       type->ttl_ticks <= INT32_MAX;
}

static bool are_types_valid(const struct flx_dump_head *head)
{
	if (head->type_count > FLX_DUMP_TYPES_MAX)
		return false;
	for (uint32_t t = 0; t < head->type_count; t++) {
		if (!is_valid(&head->type[t]))
			return false;
		for (uint32_t before = 0; before < t; before++)
			if (strcmp(head->type[before].name, head->type[t].name) == 0)
				return false;
	}
	return true;
}

/* Why there is neither of the heads; the block at hand is the first. */
static int refuse_head(const struct flx_dump_reader *reader)
{
	const struct flx_dump_head *head = (const void *)reader->block;

	if (memcmp(head->magic, FLX_DUMP_MAGIC, sizeof(head->magic)) != 0)
		flx_error("%s: not a dump (no " FLX_DUMP_MAGIC " at its start); give one that "
			  "`flx ctx dump` or --snapshot has written",
			  reader->path);
	else if (head->format != FLX_DUMP_FORMAT)
		flx_error("%s: a dump of format %u, and this flx reads format %u; restore it with "
			  "the flx that made it",
			  reader->path, head->format, FLX_DUMP_FORMAT);
	else
		flx_error("%s: both heads of the dump are damaged or missing; take another dump",
			  reader->path);
	return -EBADMSG;
}

/*
 * The head, from the last block where that has it, for it has the numbers of contexts as well. All
 * blocks in between are frames, or were.
 */
static int read_heads(struct flx_dump_reader *reader)
{
	uint64_t blocks = reader->size_bytes / FLX_DUMP_BLOCK, id;
	bool rest = reader->size_bytes % FLX_DUMP_BLOCK != 0;
	bool first, last = false;
	int error = read_block(reader, 0);

	if (error)
		return error;
	first = is_head(reader, 0);
	memcpy(&reader->head, reader->block, sizeof(reader->head));
	if (blocks > 1 && !rest) {
		error = read_block(reader, blocks - 1);
		if (error)
			return error;
		last = is_head(reader, blocks - 1);
	}
	if (last) {
		id = reader->head.id;
		memcpy(&reader->head, reader->block, sizeof(reader->head));
		first = first && id == reader->head.id;
	}
	if (!first && !last) {
		error = read_block(reader, 0);
		return error ? error : refuse_head(reader);
	}
	reader->damage.head = !first;
	reader->damage.end = !last;
	reader->block_end = blocks + rest - last;
	if (are_types_valid(&reader->head))
		return 0;
	flx_error("%s: types that cannot be; take another dump", reader->path);
	return -EBADMSG;
}

int flx_dump_open(struct flx_dump_reader *reader, const char *path)
{
	struct stat facts;
	int error;

	reader->path = path;
	reader->sequence = 0;
	reader->count = reader->index = 0;
	reader->damage = (struct flx_dump_damage){0};
	/* Not waiting for the other end of a pipe. */
	reader->file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (reader->file < 0)
		return failed(reader, errno, "give the path of a dump that this user may read");
	if (fstat(reader->file, &facts) < 0)
		error = failed(reader, errno, "check the filesystem");
	else if (!S_ISREG(facts.st_mode))
		error = failed(reader, S_ISDIR(facts.st_mode) ? EISDIR : ESPIPE,
			       "give the path of a dump");
	else {
		reader->size_bytes = (uint64_t)facts.st_size;
		error = read_heads(reader);
	}
	if (error)
		flx_dump_close(reader);
	return error;
}

void flx_dump_close(struct flx_dump_reader *reader)
{
	if (reader->file >= 0)
		close(reader->file);
	reader->file = -1;
}

/* ------------------------------------------------------------------------------------ the frames */

static uint32_t frame_size_of(const struct flx_dump_reader *reader, uint32_t type)
{
	return flx_dump_frame_size(reader->head.type[type].key_size,
				   reader->head.type[type].context_size);
}

static bool is_block(const struct flx_dump_reader *reader)
{
	const struct flx_dump_block *block = (const void *)reader->block;

	return block->check == flx_dump_block_sum(block) && block->id == reader->head.id &&
	       block->sequence == reader->sequence && block->type < reader->head.type_count &&
	       block->count <=
		       (FLX_DUMP_BLOCK - sizeof(*block)) / frame_size_of(reader, block->type);
}

/* The next block of frames. 1; 0: there is none; -errno. */
static int next_block(struct flx_dump_reader *reader)
{
	const struct flx_dump_block *block = (const void *)reader->block;

	while (++reader->sequence < reader->block_end) {
		int error = read_block(reader, reader->sequence);

		if (error)
			return error;
		if (is_block(reader)) {
			reader->type = block->type;
			reader->count = block->count;
			reader->index = 0;
			return 1;
		}
		reader->damage.blocks++;
	}
	reader->sequence = reader->block_end;
	reader->count = reader->index = 0;
	return 0;
}

int flx_dump_next(struct flx_dump_reader *reader)
{
	for (;;) {
		const struct flx_dump_frame *frame;
		uint32_t frame_size;

		if (reader->index == reader->count) {
			int found = next_block(reader);

			if (found <= 0)
				return found;
			continue;
		}
		frame_size = frame_size_of(reader, reader->type);
		frame = (const void *)(reader->block + sizeof(struct flx_dump_block) +
				       (size_t)reader->index++ * frame_size);
		if (frame->check != flx_dump_frame_sum(frame, reader->type, frame_size)) {
			reader->damage.frames++;
			continue;
		}
		reader->age_ticks = frame->age_ticks;
		reader->key = frame->bytes;
		reader->context = frame->bytes + reader->head.type[reader->type].key_size;
		return 1;
	}
}

bool flx_dump_is_whole(const struct flx_dump_reader *reader, char *text, size_t size)
{
	const struct flx_dump_damage *damage = &reader->damage;

	snprintf(text, size, "%" PRIu64 " damaged contexts, %" PRIu64 " damaged blocks%s%s",
		 damage->frames, damage->blocks, damage->head ? ", its first block is damaged" : "",
		 damage->end ? ", its end is missing" : "");
	return !damage->frames && !damage->blocks && !damage->head && !damage->end;
}
