/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * schema - the types of a store, as a program wants them and as files have them, compared.
 *
 * Only decides: the caller does the upgrade, which copies everything into new files.
 */
#pragma once

#include "context-store/file.h"

struct flx_schema_type {
	char name[FLX_FILE_NAME_SIZE];
	uint32_t version;
	uint32_t key_size;
	uint32_t context_size;
	uint32_t stride_bytes;
	uint32_t limit[FLX_FILE_NODES_MAX]; /* records per node */
	bool upgrades; /* of a program: it can turn older versions into this one */
};

struct flx_schema {
	uint32_t node_count;
	uint32_t type_count;
	struct flx_schema_type *type;
};

enum flx_schema_verdict { FLX_SCHEMA_SAME, FLX_SCHEMA_UPGRADE, FLX_SCHEMA_REFUSED };

/*
 * flx_schema_compare - can a program that wants @wanted run on files that have @found
 * @why: out, @why_size bytes: the first reason for another verdict than same; for a refusal with
 * its remedy
 *
 * Same in any order of types (flx_files_type tells the file's index of a name). Upgrade: an older
 * version that the program upgrades, another limit or number of nodes, a new type. Refused: a
 * newer version, an older one that the program does not upgrade, another key size, another size of
 * the context or record at the same version, a type that the program does not have.
 */
enum flx_schema_verdict flx_schema_compare(const struct flx_schema *wanted,
					   const struct flx_schema *found, char *why,
					   size_t why_size);
