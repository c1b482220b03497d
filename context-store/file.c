/* SPDX-License-Identifier: BSD-3-Clause */
#include "context-store/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "context-store/siphash.h"

#define MAGIC	 "FLXSTORE"
#define USED_END (FLX_FILE_STATE_OFFSET + sizeof(struct flx_file_state))

static_assert(sizeof(struct flx_file_header) <= FLX_FILE_STATE_OFFSET, "words follow the header");
static_assert(sizeof(struct flx_file_type) == 64, "the format");
static_assert(offsetof(struct flx_file_header, type) == 88, "the format");
static_assert(USED_END <= FLX_ARENA_PAGE, "all before the first record");

static const char dump_and_restore[] = "restore a dump into another --store";

static int refuse(const struct flx_file_dir *dir, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static int refuse(const struct flx_file_dir *dir, const char *name, const char *format, ...)
{
	char cause[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(cause, sizeof(cause), format, arguments);
	va_end(arguments);
	flx_error("%s/%s: %s", dir->path, name, cause);
	return -EINVAL;
}

static int failed(const struct flx_file_dir *dir, const char *name, int error, const char *remedy)
{
	refuse(dir, name, "%s; %s", strerror(error), remedy);
	return -error;
}

/* Not against malice: whoever can write the file can compute it as well. */
static uint64_t hash_of(const void *data, size_t size)
{
	static const uint64_t seed[2] = {0x666c782073746f72, 0x6520666f726d6174};

	return flx_siphash(2, 4, seed, data, (uint32_t)size);
}

static uint64_t checksum_of(const struct flx_file_header *header)
{
	const uint8_t *rest = (const uint8_t *)&header->checksum + sizeof(header->checksum);
	uint64_t parts[2] = {
		hash_of(header, offsetof(struct flx_file_header, checksum)),
		hash_of(rest, sizeof(*header) - (size_t)(rest - (const uint8_t *)header)),
	};

	return hash_of(parts, sizeof(parts));
}

/* What the caller's records depend on, and what this format does. */
static uint64_t layout_of(const struct flx_file_dir *dir)
{
	const uint64_t parts[] = {
		dir->layout,
		sizeof(struct flx_file_header),
		sizeof(struct flx_file_type),
		sizeof(struct flx_file_state),
		FLX_FILE_STATE_OFFSET,
		FLX_FILE_TYPE_WORDS,
		FLX_FILE_CLOCKS,
		FLX_FILE_NODES_MAX,
	};

	return hash_of(parts, sizeof(parts));
}

/* The finalizer of MurmurHash3: one to one, so that no other value has the same check. */
static uint32_t check_of(uint32_t value, uint32_t index)
{
	uint32_t check = value ^ (index + 1) * 0x9e3779b9;

	check = (check ^ check >> 16) * 0x85ebca6b;
	check = (check ^ check >> 13) * 0xc2b2ae35;
	return check ^ check >> 16;
}

static bool get(const _Atomic uint64_t *word, uint32_t index, uint32_t *value)
{
	uint64_t found = atomic_load_explicit(word, memory_order_acquire);

	*value = (uint32_t)found;
	return found >> 32 == check_of(*value, index);
}

static void set(_Atomic uint64_t *word, uint32_t index, uint32_t value)
{
	atomic_store_explicit(word, (uint64_t)check_of(value, index) << 32 | value,
			      memory_order_release);
}

static uint32_t index_of(uint32_t type, enum flx_file_word which)
{
	return FLX_FILE_CLOCKS + type * FLX_FILE_TYPE_WORDS + which;
}

bool flx_file_get(const struct flx_file *file, uint32_t type, enum flx_file_word which,
		  uint32_t *value)
{
	return get(&file->state->type[type].word[which], index_of(type, which), value);
}

void flx_file_set(struct flx_file *file, uint32_t type, enum flx_file_word which, uint32_t value)
{
	set(&file->state->type[type].word[which], index_of(type, which), value);
}

bool flx_file_clock_get(const struct flx_file *file, enum flx_file_clock which, uint32_t *value)
{
	return get(&file->state->clock[which], which, value);
}

void flx_file_clock_set(struct flx_file *file, enum flx_file_clock which, uint32_t value)
{
	set(&file->state->clock[which], which, value);
}

struct flx_file_part flx_file_part(const struct flx_file *file, uint32_t type, uint32_t from,
				   uint32_t to)
{
	const struct flx_file_type *found = &file->header->type[type];
	uint64_t mask = file->header->page_bytes - 1;
	uint64_t begin = ((uint64_t)from * found->stride_bytes + mask) & ~mask;
	uint64_t end = ((uint64_t)to * found->stride_bytes + mask) & ~mask;

	FLX_ASSERT(from <= to && to <= found->limit);
	return (struct flx_file_part){
		.arena_offset = (uint64_t)found->first * found->stride_bytes + begin,
		.file_offset = found->offset + begin,
		.size_bytes = end - begin,
	};
}

/* What is told apart before the checksum, so that the cause is the true one. */
static int check_identity(const struct flx_file_dir *dir, const char *name,
			  const struct flx_file_header *header)
{
	if (memcmp(header->magic, MAGIC, sizeof(header->magic)) != 0)
		return refuse(dir, name,
			      "not a file of a store (no " MAGIC " at its start); give "
			      "another --store, or move it away");
	if (header->format != FLX_FILE_FORMAT)
		return refuse(dir, name,
			      "format %u, %s than format %u of this flx; run the flx "
			      "that made it, or %s",
			      header->format, header->format > FLX_FILE_FORMAT ? "newer" : "older",
			      FLX_FILE_FORMAT, dump_and_restore);
	if (header->checksum != checksum_of(header))
		return refuse(dir, name, "the header is damaged (checksum); %s", dump_and_restore);
	if (header->layout != layout_of(dir))
		return refuse(dir, name,
			      "its layout (%016llx) is not that of this flx (%016llx); "
			      "run the flx that made it, or %s",
			      (unsigned long long)header->layout,
			      (unsigned long long)layout_of(dir), dump_and_restore);
	return 0;
}

static int check_sizes(const struct flx_file_dir *dir, const char *name,
		       const struct flx_file_header *header, uint64_t size_bytes)
{
	if (header->page_bytes != dir->page_bytes)
		return refuse(dir, name,
			      "made on pages of %llu bytes, found on pages of %llu; "
			      "mount the filesystem as it was, or %s",
			      (unsigned long long)header->page_bytes,
			      (unsigned long long)dir->page_bytes, dump_and_restore);
	if (header->size_bytes != size_bytes)
		return refuse(dir, name, "%s: %llu bytes, made with %llu; %s",
			      size_bytes < header->size_bytes ? "truncated" : "extended",
			      (unsigned long long)size_bytes,
			      (unsigned long long)header->size_bytes, dump_and_restore);
	return 0;
}

/* In order, aligned, inside. Of numbers: @end_bytes of the type before cannot overflow. */
static bool extent_fits(const struct flx_file_header *header, uint32_t index, uint64_t end_bytes)
{
	const struct flx_file_type *type = &header->type[index];
	uint64_t align = flx_file_align(header->page_bytes);

	return memchr(type->name, '\0', sizeof(type->name)) && type->stride_bytes != 0 &&
	       type->stride_bytes % FLX_CACHE_LINE == 0 &&
	       (uint64_t)type->first + type->limit < UINT32_MAX &&
	       (uint64_t)type->first * type->stride_bytes % align == 0 &&
	       type->offset % align == 0 && type->offset >= end_bytes &&
	       type->offset <= header->size_bytes &&
	       (uint64_t)type->limit * type->stride_bytes <= header->size_bytes - type->offset;
}

static int check_extents(const struct flx_file_dir *dir, const char *name,
			 const struct flx_file_header *header)
{
	uint64_t end_bytes = flx_file_align(header->page_bytes);

	if (header->node_count == 0 || header->node_count > FLX_FILE_NODES_MAX ||
	    header->node >= header->node_count || header->type_count > FLX_FILE_TYPES_MAX ||
	    header->size_bytes % header->page_bytes != 0)
		return refuse(dir, name, "node %u of %u with %u types and %llu bytes cannot be; %s",
			      header->node, header->node_count, header->type_count,
			      (unsigned long long)header->size_bytes, dump_and_restore);
	for (uint32_t i = 0; i < header->type_count; i++) {
		const struct flx_file_type *type = &header->type[i];

		if (!extent_fits(header, i, end_bytes))
			return refuse(dir, name,
				      "the extent of type %u (%.*s) is not aligned, not "
				      "in the file, or in another one; %s",
				      i, FLX_FILE_NAME_SIZE, type->name, dump_and_restore);
		end_bytes = type->offset + (uint64_t)type->limit * type->stride_bytes;
	}
	return 0;
}

/* Those by which records are found. Of the others the damage is told by who reads them. */
static int check_words(const struct flx_file_dir *dir, const char *name,
		       const struct flx_file *file)
{
	for (uint32_t i = 0; i < file->header->type_count; i++) {
		const struct flx_file_type *type = &file->header->type[i];
		uint32_t bump, ready;

		/* bump before ready, as they may be moving. */
		if (!flx_file_get(file, i, FLX_FILE_BUMP, &bump))
			return refuse(dir, name, "the word bump of type %s is damaged; %s",
				      type->name, dump_and_restore);
		if (!flx_file_get(file, i, FLX_FILE_READY, &ready))
			return refuse(dir, name, "the word ready of type %s is damaged; %s",
				      type->name, dump_and_restore);
		if (ready > type->limit)
			return refuse(dir, name,
				      "the word ready of type %s is %u, its limit %u; "
				      "%s",
				      type->name, ready, type->limit, dump_and_restore);
		if (bump > ready)
			return refuse(dir, name, "the word bump of type %s is %u, ready %u; %s",
				      type->name, bump, ready, dump_and_restore);
	}
	return 0;
}

/*
 * Header and words. Populated, because a page that is not there (a hole in a copied file, on a
 * full filesystem) shall be an error here and not a SIGBUS later.
 */
static int map_state(struct flx_file *file, const struct flx_file_dir *dir)
{
	uint64_t size_bytes = (USED_END + dir->page_bytes - 1) & ~(dir->page_bytes - 1);
	int protection = dir->read_only ? PROT_READ : PROT_READ | PROT_WRITE;
	uint8_t *base = mmap(NULL, size_bytes, protection, MAP_SHARED, file->fd, 0);

	if (base == MAP_FAILED)
		return errno;
	if (madvise(base, size_bytes, MADV_POPULATE_READ) < 0 && errno != EINVAL) {
		int error = errno == EFAULT ? EIO : errno;

		munmap(base, size_bytes);
		return error;
	}
	file->state = (struct flx_file_state *)(base + FLX_FILE_STATE_OFFSET);
	file->mapped_bytes = size_bytes;
	return 0;
}

/* By read(2), which fails cleanly whatever the file is. */
static int load_header(const struct flx_file *file, const struct flx_file_dir *dir,
		       const char *name)
{
	struct flx_file_header *header = file->header;
	struct stat facts;
	int error;

	if (fstat(file->fd, &facts) < 0)
		return failed(dir, name, errno, "check the filesystem");
	if (!S_ISREG(facts.st_mode))
		return refuse(dir, name,
			      "not a regular file; give another --store, or move it "
			      "away");
	if ((uint64_t)facts.st_size < USED_END)
		return refuse(dir, name, "truncated: %llu bytes, the header alone has %llu; %s",
			      (unsigned long long)facts.st_size, (unsigned long long)USED_END,
			      dump_and_restore);
	errno = 0;
	if (pread(file->fd, header, sizeof(*header), 0) != (ssize_t)sizeof(*header))
		return failed(dir, name, errno ? errno : EIO, "check the filesystem");
	error = check_identity(dir, name, header);
	if (!error)
		error = check_sizes(dir, name, header, (uint64_t)facts.st_size);
	return error ? error : check_extents(dir, name, header);
}

static int load(struct flx_file *file, const struct flx_file_dir *dir, const char *name)
{
	int error = load_header(file, dir, name);

	if (error)
		return error;
	error = map_state(file, dir);
	if (error)
		return failed(dir, name, error, "give the filesystem or the machine more memory");
	return check_words(dir, name, file);
}

static int open_named(const struct flx_file_dir *dir, const char *name)
{
	/* Not through a link to elsewhere; not waiting for the other end of a pipe. */
	return openat(dir->fd, name,
		      (dir->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

int flx_file_open(struct flx_file *file, const struct flx_file_dir *dir, const char *name)
{
	int error;

	*file = (struct flx_file){.fd = open_named(dir, name)};
	if (file->fd < 0)
		return errno == ENOENT
			       ? -ENOENT
			       : failed(dir, name, errno, "let this user read and write it");
	file->header = malloc(sizeof(*file->header));
	error = file->header ? load(file, dir, name)
			     : failed(dir, name, ENOMEM, "give the machine more memory");
	if (error)
		flx_file_close(file);
	return error;
}

bool flx_file_peek(const struct flx_file_dir *dir, const char *name, struct flx_file_header *header)
{
	int fd = open_named(dir, name);
	bool whole = fd >= 0 && pread(fd, header, sizeof(*header), 0) == (ssize_t)sizeof(*header) &&
		     memcmp(header->magic, MAGIC, sizeof(header->magic)) == 0 &&
		     header->checksum == checksum_of(header);

	if (fd >= 0)
		close(fd);
	return whole;
}

static int fill(struct flx_file *file, const struct flx_file_dir *dir,
		const struct flx_file_header *header)
{
	int error;

	if (ftruncate(file->fd, (off_t)header->size_bytes) < 0)
		return errno;
	do {
		error = posix_fallocate(
			file->fd, 0,
			(off_t)((USED_END + dir->page_bytes - 1) & ~(dir->page_bytes - 1)));
	} while (error == EINTR);
	if (!error)
		error = map_state(file, dir);
	if (error)
		return error;
	for (uint32_t i = 0; i < FLX_FILE_CLOCKS; i++)
		flx_file_clock_set(file, i, 0);
	for (uint32_t i = 0; i < header->type_count; i++)
		for (uint32_t k = 0; k < FLX_FILE_TYPE_WORDS; k++)
			flx_file_set(file, i, k, 0);
	*file->header = *header;
	memcpy(file->header->magic, MAGIC, sizeof(file->header->magic));
	file->header->format = FLX_FILE_FORMAT;
	file->header->layout = layout_of(dir);
	file->header->page_bytes = dir->page_bytes;
	file->header->checksum = checksum_of(file->header);
	memcpy((uint8_t *)file->state - FLX_FILE_STATE_OFFSET, file->header, sizeof(*header));
	return 0;
}

int flx_file_make(struct flx_file *file, const struct flx_file_dir *dir, const char *name,
		  const struct flx_file_header *header)
{
	int error;

	*file = (struct flx_file){
		.fd = openat(dir->fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
	if (file->fd < 0)
		return failed(dir, name, errno, "let this user write the directory");
	file->header = malloc(sizeof(*file->header));
	error = file->header ? fill(file, dir, header) : ENOMEM;
	if (!error)
		return 0;
	flx_file_close(file);
	unlinkat(dir->fd, name, 0);
	return failed(dir, name, error,
		      error == EFBIG ? "lower the limits of its types, or take another filesystem"
				     : "give the filesystem more room (hugetlbfs: hugepages)");
}

void flx_file_close(struct flx_file *file)
{
	if (file->state)
		munmap((uint8_t *)file->state - FLX_FILE_STATE_OFFSET, file->mapped_bytes);
	free(file->header);
	if (file->fd >= 0)
		close(file->fd);
	*file = (struct flx_file){.fd = -1};
}
