/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * type - the memory of a context type: made, grown, given back.
 *
 * Records and index each have an arena, reserved for the limit and backed for what is ready. The
 * records of NUMA node n have numbers of their own, so that they are backed by memory, or by the
 * file, of that node.
 */
#pragma once

#include "context-store/context.h"
#include "context-store/files.h"

/*
 * Growth runs ahead of need, for between two turns of the keeper, a ms and what growing itself takes,
 * only what is there already serves new keys. It begins when no more is free than an eighth of what
 * is there, a quarter of the capacity, or FLX_TYPE_AHEAD, whichever is most, and adds at least as
 * much: so a flood of so many new keys a turn is never refused below the limit. (The time that
 * growing takes does not count by then: 0.12 s a GiB is 8 to 60 ns a record up to 500 bytes.) The
 * price is up to a quarter more memory than contexts need.
 *
 * FLX_TYPE_AHEAD is 4 M new keys a second, which one worker hardly makes; several at once wait for a
 * few turns. It is 256 KiB of the smallest records, 34 MiB of the largest.
 */
#define FLX_TYPE_AHEAD 4096u

/* What all types of a store share. */
struct flx_type_shape {
	bool huge;
	uint32_t worker_count;
	const uint32_t *worker_node;
	uint32_t node_count;
	const int *numa;
	const uint64_t *seed;
	struct flx_context_turn *turn;
};

/* Records of each of @node_count nodes, at first and at most. */
uint32_t flx_type_share(uint32_t records, uint32_t node_count);

/*
 * flx_type_alloc - an empty type, without records yet
 * 0; -EINVAL: @conf or @shape is wrong; -ENOMEM. Without a report.
 * Context of all here: setup, unless it says otherwise.
 */
int flx_type_alloc(struct flx_context_type **type, const struct flx_context_type_conf *conf,
		   const struct flx_type_shape *shape);
void flx_type_free(struct flx_context_type *type);

/*
 * flx_type_map - give @type its records, on @files (type number @file_type there) or, when NULL,
 * on memory of the process
 * As many as the files say are ready, or at first. Writes nothing there. 0; -errno, without a report:
 * -EBADMSG: the type's one context is damaged.
 */
int flx_type_map(struct flx_context_type *type, const struct flx_type_shape *shape,
		 struct flx_file_set *files, uint32_t file_type);

/* flx_type_begin - the files of all types are found to be good: their words are of this run now */
void flx_type_begin(struct flx_context_type *type);

/* flx_type_refuse_single - an flx_error that says so of type @name of the store at @path; -EBADMSG */
int flx_type_refuse_single(const char *path, const char *name);

/*
 * flx_type_step - by how many records a node's share grows; 0: it need not, or has its limit
 * @capacity, @limit: of the share; @ready: there now; @free_count: of these, not in use
 */
uint32_t flx_type_step(uint32_t capacity, uint32_t limit, uint32_t ready, uint32_t free_count);

/*
 * flx_type_grow - more records on @node, when there is need: see flx_type_step
 * Where there is no memory for a large step, a small one is made. 1: there are more; 0: no need;
 * -errno: no memory. Context: keeper.
 */
int flx_type_grow(struct flx_context_type *type, const struct flx_type_shape *shape, uint32_t node);
