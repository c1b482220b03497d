/* SPDX-License-Identifier: BSD-3-Clause */
#include "context-store/files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/*
 * A look at names falls among the renames of a commit, where there is one, and the next one behind
 * them; that it does so again is unlikely, that it does so ten times is a broken store.
 */
#define LOOKS	      10
#define LOOK_PAUSE_US 2000

struct name {
	char text[24];
};

static struct name name_of(uint32_t node)
{
	struct name name;

	snprintf(name.text, sizeof(name.text), "node%u", node);
	return name;
}

static struct name next_of(uint32_t node)
{
	struct name name;

	snprintf(name.text, sizeof(name.text), "node%u.next", node);
	return name;
}

static int failed(const struct flx_files *files, const char *what, int error, const char *remedy)
{
	flx_error("%s%s: %s; %s", files->dir.path, what, strerror(error), remedy);
	return -error;
}

/* Files that do not belong together: a commit may be under way. */
static int refuse(const struct flx_files *files, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static int refuse(const struct flx_files *files, const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (!files->looks_again)
		flx_error("%s/%s", files->dir.path, text);
	return -ESTALE;
}

static void close_set(struct flx_file_set *set)
{
	for (uint32_t i = 0; i < set->node_count; i++)
		flx_file_close(&set->node[i]);
	set->node_count = 0;
}

static int open_dir(struct flx_files *files, const char *path, uint64_t layout, bool read_only)
{
	*files = (struct flx_files){
		.dir = {.fd = -1, .read_only = read_only, .layout = layout},
		.lock = -1,
	};
	if (snprintf(files->dir.path, sizeof(files->dir.path), "%s", path) >=
	    (int)sizeof(files->dir.path))
		return failed(files, "...", ENAMETOOLONG, "give --store a shorter path");
	if (!read_only && mkdir(path, 0700) < 0 && errno != EEXIST)
		return failed(files, "", errno,
			      "give --store a directory whose parent exists and is writable");
	files->dir.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (files->dir.fd < 0)
		return failed(files, "", errno,
			      "give --store a directory of this user on a local filesystem");
	files->dir.page_bytes = flx_arena_page_bytes(files->dir.fd);
	return 0;
}

/* The one who holds the flock also holds the record lock, a moment later. */
static int refuse_second(const struct flx_files *files, int lock)
{
	struct flock holder = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char number[32] = "another process";

	if (fcntl(lock, F_GETLK, &holder) == 0 && holder.l_type != F_UNLCK)
		snprintf(number, sizeof(number), "process %d", (int)holder.l_pid);
	flx_error("%s: in use by %s; stop it or give another --store", files->dir.path, number);
	return -EBUSY;
}

static int take_lock(struct flx_files *files)
{
	struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int error, lock = openat(files->dir.fd, "lock",
				 O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);

	if (lock < 0)
		return failed(files, "/lock", errno, "let this user write the directory");
	if (flock(lock, LOCK_EX | LOCK_NB) < 0) {
		error = errno == EWOULDBLOCK
				? refuse_second(files, lock)
				: failed(files, "/lock", errno, "take a filesystem that has locks");
		close(lock);
		return error;
	}
	/* Only tells who we are: where it fails a second one hears of "another process". */
	fcntl(lock, F_SETLK, &all);
	files->lock = lock;
	return 0;
}

static bool same_generation(const struct flx_file_header *a, const struct flx_file_header *b)
{
	return a->id == b->id && a->generation == b->generation;
}

static bool same_type(const struct flx_file_type *first, const struct flx_file_type *before,
		      const struct flx_file_type *type)
{
	return memcmp(first, type, offsetof(struct flx_file_type, first)) == 0 &&
	       type->first >= before->first + before->limit;
}

/* File @node against those before it. */
static int check_node(const struct flx_files *files, uint32_t node)
{
	const struct flx_file_header *first = files->now.node[0].header;
	const struct flx_file_header *before = files->now.node[node ? node - 1 : 0].header;
	const struct flx_file_header *header = files->now.node[node].header;
	bool same = same_generation(first, header) && header->node == node &&
		    header->node_count == first->node_count &&
		    header->type_count == first->type_count;

	for (uint32_t i = 0; node && same && i < header->type_count; i++)
		same = same_type(&first->type[i], &before->type[i], &header->type[i]);
	if (same)
		return 0;
	return refuse(files,
		      "node%u: node %u of %u of store %016llx, generation %llu, is not node %u of "
		      "node0's (%u of %016llx, generation %llu); put back the files that belong "
		      "together, or restore a dump into another --store",
		      node, header->node, header->node_count, (unsigned long long)header->id,
		      (unsigned long long)header->generation, node, first->node_count,
		      (unsigned long long)first->id, (unsigned long long)first->generation);
}

/* Whether a commit was killed between node0 and @node. */
static bool is_late(const struct flx_files *files, uint32_t node)
{
	const struct flx_file_header *first = files->now.node[0].header;
	struct flx_file_header header;

	if (flx_file_peek(&files->dir, name_of(node).text, &header) &&
	    same_generation(first, &header))
		return false;
	return flx_file_peek(&files->dir, next_of(node).text, &header) &&
	       same_generation(first, &header);
}

/* Files without a place in the store: of a generation with more nodes, or they are not ours. */
static int check_beyond(const struct flx_files *files)
{
	uint32_t count = files->now.node_count;
	const struct flx_file_header *first = count ? files->now.node[0].header : NULL;

	for (uint32_t node = count ? count : 1; node < FLX_FILE_NODES_MAX; node++) {
		struct name name = name_of(node);
		struct flx_file_header header;

		if (faccessat(files->dir.fd, name.text, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (first && flx_file_peek(&files->dir, name.text, &header) &&
		    header.id == first->id && header.generation < first->generation)
			continue;
		return refuse(files,
			      "%s: has no place in this store (%s); put back the files that belong "
			      "together, or move it away",
			      name.text, count ? "node0 counts fewer nodes" : "there is no node0");
	}
	return 0;
}

/* @late: out, a bit for each node whose file is still called .next */
static int open_nodes(struct flx_files *files, uint32_t *late)
{
	struct flx_file_set *set = &files->now;
	uint32_t count = 1;

	*late = 0;
	for (uint32_t node = 0; node < count; node++) {
		bool is_next = node > 0 && is_late(files, node);
		struct name name = is_next ? next_of(node) : name_of(node);
		int error = flx_file_open(&set->node[node], &files->dir, name.text);

		if (error == -ENOENT && node == 0)
			break;
		if (error == -ENOENT)
			return refuse(files,
				      "%s: missing, node0 counts %u nodes; put back the files that "
				      "belong together, or restore a dump into another --store",
				      name.text, count);
		if (error)
			return error;
		*late |= (uint32_t)is_next << node;
		set->node_count++;
		count = set->node[0].header->node_count;
		error = check_node(files, node);
		if (error)
			return error;
	}
	return check_beyond(files);
}

/* After the commit point: the names of the nodes in @late, and what is not of the store goes. */
static int settle(struct flx_files *files, uint32_t late)
{
	const struct flx_file_dir *dir = &files->dir;

	for (uint32_t node = 0; node < files->now.node_count; node++)
		if (late & 1u << node &&
		    renameat(dir->fd, next_of(node).text, dir->fd, name_of(node).text) < 0)
			return failed(files, "/node*.next", errno,
				      "let this user rename them, and start again");
	for (uint32_t node = 0; node < FLX_FILE_NODES_MAX; node++) {
		unlinkat(dir->fd, next_of(node).text, 0);
		if (node >= files->now.node_count)
			unlinkat(dir->fd, name_of(node).text, 0);
	}
	fsync(dir->fd);
	return 0;
}

static void warn_kind(const struct flx_files *files)
{
	struct statfs filesystem;

	if (fstatfs(files->dir.fd, &filesystem) < 0 || filesystem.f_type == HUGETLBFS_MAGIC)
		return;
	if (filesystem.f_type == TMPFS_MAGIC)
		flx_warn("--store %s: on tmpfs, not on hugepages: slower when contexts are many "
			 "(and gone at reboot, as with hugepages); mount a hugetlbfs for it",
			 files->dir.path);
	else
		flx_warn("--store %s: in ordinary files, not on hugepages: slower when contexts "
			 "are many, and what changes is written to disk all the time; mount a "
			 "hugetlbfs for it",
			 files->dir.path);
}

int flx_files_run(struct flx_files *files, const char *path, uint64_t layout)
{
	uint32_t late;
	int error = open_dir(files, path, layout, false);

	if (!error)
		error = take_lock(files);
	if (!error)
		error = open_nodes(files, &late);
	if (!error)
		error = settle(files, late);
	if (error) {
		flx_files_close(files);
		return error;
	}
	warn_kind(files);
	return 0;
}

static int look_at_nodes(struct flx_files *files)
{
	uint32_t late;
	int error;

	for (uint32_t look = 1; look < LOOKS; look++) {
		files->looks_again = true;
		error = open_nodes(files, &late);
		files->looks_again = false;
		if (error != -ESTALE)
			return error;
		close_set(&files->now);
		usleep(LOOK_PAUSE_US);
	}
	return open_nodes(files, &late);
}

int flx_files_view(struct flx_files *files, const char *path, uint64_t layout)
{
	int error = open_dir(files, path, layout, true);

	if (!error)
		error = look_at_nodes(files);
	if (!error && files->now.node_count == 0) {
		flx_error("%s: no store there (no node0); give the --store of a program that runs "
			  "or ran",
			  path);
		error = -ENOENT;
	}
	if (error)
		flx_files_close(files);
	return error;
}

void flx_files_close(struct flx_files *files)
{
	close_set(&files->now);
	if (files->lock >= 0)
		close(files->lock);
	if (files->dir.fd >= 0)
		close(files->dir.fd);
	files->lock = -1;
	files->dir.fd = -1;
}

/* What all nodes' headers share, with node 0 as the first to be planned. */
static int start_header(const struct flx_files *files, const struct flx_schema *schema,
			struct flx_file_header *header)
{
	*header = (struct flx_file_header){
		.type_count = schema->type_count,
		.generation = 1,
		.node_count = schema->node_count,
	};
	for (uint32_t i = 0; i < schema->type_count; i++) {
		const struct flx_schema_type *type = &schema->type[i];

		memcpy(header->type[i].name, type->name, sizeof(type->name));
		header->type[i].version = type->version;
		header->type[i].key_size = type->key_size;
		header->type[i].context_size = type->context_size;
		header->type[i].stride_bytes = type->stride_bytes;
	}
	if (files->now.node_count) {
		const struct flx_file_header *now = files->now.node[0].header;

		memcpy(header->seed, now->seed, sizeof(header->seed));
		header->id = now->id;
		header->generation = now->generation + 1;
	} else if (getrandom(header->seed, sizeof(header->seed), 0) != sizeof(header->seed) ||
		   getrandom(&header->id, sizeof(header->id), 0) != sizeof(header->id)) {
		return -EIO;
	}
	return 0;
}

/*
 * The extents of @node, one behind the other. Before: limit and first of the node before (or 0);
 * first goes on at the next number whose record begins on a page.
 */
static int plan_node(const struct flx_schema *schema, uint32_t node, uint64_t align,
		     struct flx_file_header *header)
{
	uint64_t end = align;

	for (uint32_t i = 0; i < schema->type_count; i++) {
		struct flx_file_type *type = &header->type[i];
		uint64_t first = flx_file_first((uint64_t)type->first + type->limit,
						type->stride_bytes, align);

		if (first + schema->type[i].limit[node] >= UINT32_MAX)
			return -EOVERFLOW;
		type->first = (uint32_t)first;
		type->limit = schema->type[i].limit[node];
		type->offset = end;
		end += ((uint64_t)type->limit * type->stride_bytes + align - 1) & ~(align - 1);
	}
	header->node = node;
	header->size_bytes = end;
	return 0;
}

int flx_files_make(struct flx_files *files, const struct flx_schema *schema,
		   struct flx_file_set *next)
{
	uint64_t align = flx_file_align(files->dir.page_bytes);
	struct flx_file_header header;
	int error = start_header(files, schema, &header);

	FLX_ASSERT(schema->node_count > 0 && schema->node_count <= FLX_FILE_NODES_MAX);
	FLX_ASSERT(schema->type_count <= FLX_FILE_TYPES_MAX);
	next->node_count = 0;
	if (error)
		return failed(files, "", -error, "give this process random numbers");
	for (uint32_t node = 0; node < schema->node_count; node++) {
		error = plan_node(schema, node, align, &header);
		if (error)
			failed(files, "", -error,
			       "lower the capacities: a type numbers at most "
			       "2^32 records over all nodes");
		else
			error = flx_file_make(&next->node[node], &files->dir, next_of(node).text,
					      &header);
		if (error) {
			flx_files_drop(files, next);
			return error;
		}
		next->node_count++;
	}
	return 0;
}

int flx_files_commit(struct flx_files *files, struct flx_file_set *next)
{
	int dir = files->dir.fd, error;

	/* On a disk the files shall be whole before their names are: power fails as well. */
	for (uint32_t node = 0; node < next->node_count; node++)
		if (fsync(next->node[node].fd) < 0)
			goto err_drop;
	if (renameat(dir, next_of(0).text, dir, name_of(0).text) < 0)
		goto err_drop;
	close_set(&files->now);
	files->now = *next;
	next->node_count = 0;
	return settle(files, ~1u);

err_drop:
	error = failed(files, "/node*.next", errno,
		       "let this user write the directory, and start again");
	flx_files_drop(files, next);
	return error;
}

void flx_files_drop(struct flx_files *files, struct flx_file_set *next)
{
	for (uint32_t node = 0; node < next->node_count; node++)
		unlinkat(files->dir.fd, next_of(node).text, 0);
	close_set(next);
}

struct flx_schema flx_files_schema(const struct flx_files *files, struct flx_schema_type *type)
{
	const struct flx_file_header *first = files->now.node[0].header;

	for (uint32_t i = 0; i < first->type_count; i++) {
		const struct flx_file_type *found = &first->type[i];

		type[i] = (struct flx_schema_type){
			.version = found->version,
			.key_size = found->key_size,
			.context_size = found->context_size,
			.stride_bytes = found->stride_bytes,
		};
		memcpy(type[i].name, found->name, sizeof(type[i].name));
		for (uint32_t node = 0; node < files->now.node_count; node++)
			type[i].limit[node] = files->now.node[node].header->type[i].limit;
	}
	return (struct flx_schema){
		.node_count = files->now.node_count,
		.type_count = first->type_count,
		.type = type,
	};
}

int flx_files_type(const struct flx_file_set *set, const char *name)
{
	const struct flx_file_header *header = set->node[0].header;

	for (uint32_t i = 0; i < header->type_count; i++)
		if (strcmp(header->type[i].name, name) == 0)
			return (int)i;
	return -1;
}
