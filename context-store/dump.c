/* SPDX-License-Identifier: BSD-3-Clause */
#include "context-store/dump.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Files begun before it is given up that others, which begin a dump as well, remove them. */
#define TEMPORARIES 8

/* A dump being written. */
struct writer {
	const struct flx_dump_conf *conf;
	struct flx_dump_result *result;
	int dir; /* that the file is in */
	int file;
	char name[NAME_MAX + 1];      /* in dir */
	char temporary[NAME_MAX + 1]; /* what it is called until it is whole */
	uint64_t sequence;
	struct flx_dump_head head;
	struct flx_scan scan;
	alignas(8) uint8_t block[FLX_DUMP_BLOCK];
};

static const char *remedy_of(int error)
{
	switch (error) {
	case ENOSPC:
	case EDQUOT:
		return "free some room there, or give a path on another filesystem";
	case EFBIG:
		return "allow larger files (ulimit -f), or take another filesystem";
	case EACCES:
	case EPERM:
	case EROFS:
		return "let this user write the directory, or give another path";
	case ENOENT:
	case ENOTDIR:
		return "make the directory, or give another path";
	case ENAMETOOLONG:
		return "give a shorter path";
	case EBUSY:
		return "let no other process write dumps to this path at the same time";
	default:
		return "check the filesystem, or give a path on another one";
	}
}

static int refuse(struct writer *writer, const char *cause, const char *remedy)
{
	snprintf(writer->result->why, sizeof(writer->result->why), "%s: %s; %s", writer->conf->path,
		 cause, remedy);
	return -EINVAL;
}

static int failed(struct writer *writer, int error)
{
	refuse(writer, strerror(error), remedy_of(error));
	return -error;
}

/* ------------------------------------------------------------------------------------- the files */

/* Whether @name is one that open_temporary gives, of a dump of this path. */
static bool is_temporary(const struct writer *writer, const char *name)
{
	size_t size = strlen(writer->name);

	return strncmp(name, writer->name, size) == 0 && strncmp(name + size, ".tmp-", 5) == 0 &&
	       name[size + 5] && name[size + 5 + strspn(name + size + 5, "0123456789abcdef")] == 0;
}

/*
 * Removes @name unless it is being written. Names are not given twice: where the writer has just
 * given the file its own, there is nothing to remove.
 */
static void remove_unless_locked(const struct writer *writer, const char *name)
{
	int fd = openat(writer->dir, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat facts;

	if (fd < 0)
		return;
	if (fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode) && flock(fd, LOCK_EX | LOCK_NB) == 0)
		unlinkat(writer->dir, name, 0);
	close(fd);
}

static void remove_left_behind(const struct writer *writer)
{
	int fd = openat(writer->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)) != NULL)
		if (is_temporary(writer, entry->d_name))
			remove_unless_locked(writer, entry->d_name);
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
}

/*
 * A new file, locked. Before it was, another writer may have taken it for left behind: that one has
 * the lock for a moment, or the file has no name any more. -EAGAIN then, else 0 or -errno, reported.
 */
static int open_temporary(struct writer *writer)
{
	struct stat facts;
	uint64_t number;

	if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
		return failed(writer, EIO);
	if ((size_t)snprintf(writer->temporary, sizeof(writer->temporary), "%s.tmp-%016" PRIx64,
			     writer->name, number) >= sizeof(writer->temporary))
		return failed(writer, ENAMETOOLONG);
	writer->file = openat(writer->dir, writer->temporary,
			      O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (writer->file < 0)
		return failed(writer, errno);
	/* Any other failure: there are no locks here. */
	if ((flock(writer->file, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) &&
	    (fstat(writer->file, &facts) < 0 || facts.st_nlink > 0))
		return 0;
	close(writer->file);
	writer->file = -1;
	return -EAGAIN;
}

/* Takes the path apart, and makes the temporary file. */
static int open_files(struct writer *writer)
{
	char for_dir[PATH_MAX], for_name[PATH_MAX];
	struct stat facts;
	int error = -EAGAIN;

	if ((size_t)snprintf(for_dir, sizeof(for_dir), "%s", writer->conf->path) >= PATH_MAX)
		return failed(writer, ENAMETOOLONG);
	memcpy(for_name, for_dir, sizeof(for_name));
	writer->dir = open(dirname(for_dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (writer->dir < 0)
		return failed(writer, errno);
	snprintf(writer->name, sizeof(writer->name), "%s", basename(for_name));
	/* A rename over /dev/null would work. */
	if (writer->name[0] == '/' ||
	    (fstatat(writer->dir, writer->name, &facts, AT_SYMLINK_NOFOLLOW) == 0 &&
	     !S_ISREG(facts.st_mode)))
		return refuse(writer, "not a regular file", "give the path of one, or a new one");
	remove_left_behind(writer);
	for (uint32_t i = 0; i < TEMPORARIES && error == -EAGAIN; i++)
		error = open_temporary(writer);
	return error == -EAGAIN ? failed(writer, EBUSY) : error;
}

/* On the disk before it has its name; and its name before the lock ends. */
static int give_name(struct writer *writer)
{
	if (fsync(writer->file) < 0 ||
	    renameat(writer->dir, writer->temporary, writer->dir, writer->name) < 0)
		return failed(writer, errno);
	/* It is there, whether or not its name outlives a loss of power. */
	fsync(writer->dir);
	return 0;
}

/* ------------------------------------------------------------------------------------ the blocks */

static int put_block(struct writer *writer)
{
	const uint8_t *at = writer->block;
	size_t left = sizeof(writer->block);

	if (writer->conf->cancel &&
	    atomic_load_explicit(writer->conf->cancel, memory_order_relaxed))
		return -ECANCELED;
	while (left) {
		ssize_t done = write(writer->file, at, left);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return failed(writer, done < 0 ? errno : EIO);
		at += done;
		left -= (size_t)done;
	}
	writer->sequence++;
	writer->result->size_bytes += sizeof(writer->block);
	memset(writer->block, 0, sizeof(writer->block));
	return 0;
}

static int start_head(struct writer *writer)
{
	const struct flx_dump_conf *conf = writer->conf;
	struct flx_dump_head *head = &writer->head;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	memcpy(head->magic, FLX_DUMP_MAGIC, sizeof(head->magic));
	head->format = FLX_DUMP_FORMAT;
	head->byte_order = FLX_DUMP_ORDER;
	head->type_count = conf->source_count;
	head->wall_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	if (getrandom(&head->id, sizeof(head->id), 0) != (ssize_t)sizeof(head->id))
		return failed(writer, EIO);
	for (uint32_t t = 0; t < conf->source_count; t++) {
		const struct flx_scan_source *source = &conf->source[t];

		snprintf(head->type[t].name, sizeof(head->type[t].name), "%s", source->name);
		head->type[t].version = source->version;
		head->type[t].key_size = source->layout->key_size;
		head->type[t].context_size = source->layout->context_size;
		head->type[t].limit = source->limit;
		head->type[t].ttl_ticks = source->layout->ttl_ticks;
	}
	return 0;
}

static int put_head(struct writer *writer)
{
	struct flx_dump_head *head = (struct flx_dump_head *)(void *)writer->block;

	*head = writer->head;
	head->sequence = writer->sequence;
	head->check = flx_dump_head_sum(writer->block);
	return put_block(writer);
}

/* Ends the block of frames that was begun, if any. */
static int put_frames(struct writer *writer, uint32_t type, uint32_t *count)
{
	struct flx_dump_block *block = (struct flx_dump_block *)(void *)writer->block;

	if (*count == 0)
		return 0;
	block->type = type;
	block->count = *count;
	block->id = writer->head.id;
	block->sequence = writer->sequence;
	block->check = flx_dump_block_sum(block);
	*count = 0;
	return put_block(writer);
}

static void add_frame(struct writer *writer, uint32_t type, uint32_t at, uint32_t frame_size)
{
	const struct flx_record_layout *layout = writer->conf->source[type].layout;
	const struct flx_record_copy *copy = &writer->scan.copy;
	struct flx_dump_frame *frame;

	frame = (struct flx_dump_frame *)(writer->block + at);
	/* 0: committed since the dump began. */
	frame->age_ticks = flx_clock_age(copy->stamp, writer->conf->now);
	memcpy(frame->bytes, copy->key, layout->key_size);
	memcpy(frame->bytes + layout->key_size, copy->context, layout->context_size);
	frame->check = flx_dump_frame_sum(frame, type, frame_size);
}

static int put_type(struct writer *writer, uint32_t type)
{
	const struct flx_scan_source *source = &writer->conf->source[type];
	uint32_t frame_size =
		flx_dump_frame_size(source->layout->key_size, source->layout->context_size);
	uint32_t first = sizeof(struct flx_dump_block), count = 0;
	int error = 0;

	flx_scan_init(&writer->scan, source, writer->conf->now);
	while (!error && flx_scan_next(&writer->scan)) {
		add_frame(writer, type, first + count * frame_size, frame_size);
		writer->head.type[type].contexts++;
		count++;
		if (first + (count + 1) * frame_size > FLX_DUMP_BLOCK)
			error = put_frames(writer, type, &count);
	}
	if (!error)
		error = put_frames(writer, type, &count);
	writer->head.damaged += writer->scan.damaged;
	writer->result->contexts += writer->head.type[type].contexts;
	return error;
}

static int put_all(struct writer *writer)
{
	int error = start_head(writer);

	if (!error)
		error = put_head(writer);
	for (uint32_t t = 0; t < writer->conf->source_count && !error; t++)
		error = put_type(writer, t);
	writer->result->damaged = writer->head.damaged;
	return error ? error : put_head(writer);
}

int flx_dump_write(const struct flx_dump_conf *conf, struct flx_dump_result *result)
{
	struct writer *writer = calloc(1, sizeof(*writer));
	int error;

	FLX_ASSERT(conf->source_count <= FLX_DUMP_TYPES_MAX);
	*result = (struct flx_dump_result){0};
	if (!writer) {
		snprintf(result->why, sizeof(result->why),
			 "%s: no memory to write it with; free %zu bytes", conf->path,
			 sizeof(*writer));
		return -ENOMEM;
	}
	writer->conf = conf;
	writer->result = result;
	writer->file = writer->dir = -1;
	error = open_files(writer);
	if (!error)
		error = put_all(writer);
	if (!error)
		error = give_name(writer);
	if (writer->file >= 0)
		close(writer->file);
	if (error && writer->dir >= 0)
		unlinkat(writer->dir, writer->temporary, 0);
	if (writer->dir >= 0)
		close(writer->dir);
	free(writer);
	return error;
}
