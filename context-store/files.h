/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * files - the directory of a store: PATH/lock, PATH/node<k>, and PATH/node<k>.next for a while.
 *
 * Making a store and upgrading one are the same: all node<k>.next are made and filled, then
 * node0.next is renamed to node0 (the commit point), then the others follow. A process killed
 * before that leaves what was there, and files that the next run removes; one killed after it
 * leaves renames that the next run finishes: node<k>.next is of node0's store and generation, and
 * node<k> is not. Readers take node<k>.next for node<k> then, and write nothing. A reader whose look
 * at the names fell among the renames of a process that lives looks again.
 *
 * The lock is a flock on PATH/lock, gone with the process that holds it. The process is told by a
 * record lock on the same file, since hugetlbfs has no write(2) with which to leave its number.
 */
#pragma once

#include "context-store/file.h"
#include "context-store/schema.h"

/* One generation of files. */
struct flx_file_set {
	uint32_t node_count; /* 0: none */
	struct flx_file node[FLX_FILE_NODES_MAX];
};

struct flx_files {
	struct flx_file_dir dir;
	bool looks_again;	 /* what does not belong together is not reported yet */
	int lock;		 /* -1: only viewing */
	struct flx_file_set now; /* none: the store is to be made */
};

/*
 * flx_files_run - open the store at @path to run on it; what is not there yet is made by
 * flx_files_make
 * @path: a directory, made (0700) when missing; its parent exists
 * @layout: hash of everything that the meaning of a record's bytes depends on
 *
 * Warns once when the filesystem is not hugetlbfs. 0; -errno after one flx_error, and then no file
 * was changed: -EBUSY: another process runs on it. Context: setup.
 */
int flx_files_run(struct flx_files *files, const char *path, uint64_t layout);

/*
 * flx_files_view - open the store at @path to read it, be it running or not
 * 0; -errno after one flx_error: -ENOENT: there is none; -ESTALE: files that do not belong together,
 * after 20 ms. Context: setup, any process.
 */
int flx_files_view(struct flx_files *files, const char *path, uint64_t layout);

/* Closes all and gives the lock back. Parts that are mapped stay so. */
void flx_files_close(struct flx_files *files);

/*
 * flx_files_make - make the next generation of @files, empty
 * @schema: its types; names differ, stride_bytes multiples of 64
 * @next: out; the caller fills it, then commits or drops it
 * Seed and id are those of the store, or new. 0; -errno after one flx_error, nothing is left.
 * Context: setup.
 */
int flx_files_make(struct flx_files *files, const struct flx_schema *schema,
		   struct flx_file_set *next);

/*
 * flx_files_commit - @next becomes the store; the generation before is closed and gone
 * 0, and @next moves into @files; -errno after one flx_error, and @next is dropped where the store
 * is still what it was. Context: setup.
 */
int flx_files_commit(struct flx_files *files, struct flx_file_set *next);
void flx_files_drop(struct flx_files *files, struct flx_file_set *next);

/* The schema of the open store; type: FLX_FILE_TYPES_MAX of the caller, filled in. */
struct flx_schema flx_files_schema(const struct flx_files *files, struct flx_schema_type *type);

/* Index in the file of the type called @name; -1: none. */
int flx_files_type(const struct flx_file_set *set, const char *name);
