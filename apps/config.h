/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * config - reads a configuration file: INI, the names of `flx run` without their dashes.
 *
 *	[flx]
 *	port = af_packet:veth0	# comments begin with #
 *	workers = 2
 *	[app]
 *	key = all
 *
 * rte_cfgfile parses it. Version 22.11 of that writes past its buffers for some inputs, cuts long
 * names short and passes over lines that it does not know, so nothing reaches it that was not
 * checked here: the size, every byte, every line, the number of entries. It reads a sealed copy in
 * memory, so what was checked is what is parsed. Refused, each with one flx_error that names file,
 * line, cause and remedy: a file that is empty, not a regular one, larger than FLX_CONFIG_SIZE_MAX,
 * not UTF-8, with control characters; a line that is too long or of no known form; a section other
 * than these two, or one that comes twice.
 */
#pragma once

#include <stdint.h>

#include <rte_cfgfile.h>

#define FLX_CONFIG_SIZE_MAX 65536
/* Every option, with its repeats, and as many settings, fit several times. */
#define FLX_CONFIG_ENTRIES_MAX 256

/* Where a value was written. */
struct flx_place {
	const char *path; /* NULL: on the command line */
	uint32_t line;	  /* from 1 */
};

enum flx_config_section {
	FLX_CONFIG_FLX,
	FLX_CONFIG_APP,
	FLX_CONFIG_SECTIONS,
};

struct flx_config_entry {
	enum flx_config_section section;
	struct flx_place place;
	char name[CFG_NAME_LEN];
	char value[CFG_VALUE_LEN];
};

/* Entries stand in the order of the file; their names may repeat. */
struct flx_config {
	uint32_t count;
	struct flx_config_entry entry[FLX_CONFIG_ENTRIES_MAX];
};

/*
 * flx_config_load - read the file at @path into @config
 * @path: kept in the entries' places; must outlive @config
 * 0; -EINVAL: the file is at fault; -ENOENT and the like: it cannot be read; -ENOMEM. On failure
 * @config is undefined. Takes bounded time and memory whatever @path is. Context: setup.
 */
int flx_config_load(struct flx_config *config, const char *path);
