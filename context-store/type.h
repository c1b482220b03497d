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
 * As many as the files say are ready, or at first. 0; -errno, without a report.
 */
int flx_type_map(struct flx_context_type *type, const struct flx_type_shape *shape,
		 struct flx_file_set *files, uint32_t file_type);

/*
 * flx_type_grow - more records on @node, when few are left and the limit is not reached
 * 1: there are more; 0: no need; -errno: no memory. Context: keeper.
 */
int flx_type_grow(struct flx_context_type *type, const struct flx_type_shape *shape, uint32_t node);
