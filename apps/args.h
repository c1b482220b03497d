/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * args - what `flx run` and `flx check` are told, by command line and configuration file.
 *
 * One table holds every option: its name, how its value is read and where that goes. The command
 * line takes `--name value` and `--name=value`, the file `name = value`. What the command line
 * gives wins: the file's lines of that name are passed over. Unknown names, values that are not
 * understood in full, and what is given twice are refused, each with one flx_error.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "apps/config.h"
#include "apps/load.h"
#include "fabric/options.h"

#define FLX_ARGS_SETTINGS_MAX 32

/* Large (the file's text is part of it): not for the stack. */
struct flx_args {
	const char *app; /* as given */
	bool help;	 /* asked for; then nothing else was checked */
	struct flx_options options;
	uint64_t duration_us; /* 0: until a signal */
	uint32_t setting_count;
	struct flx_given setting[FLX_ARGS_SETTINGS_MAX];
	const char *config_path; /* NULL: none */
	const char *control;	 /* path of the control socket, or "off"; NULL: of its own */

	struct flx_config config;
	uint64_t given; /* a bit per row of the table: given on the command line */
};

/*
 * flx_args_parse - read @argv, and the configuration file that it names, into @args
 * @argv: what follows the sub-command, ends at NULL; @args keeps pointers into it
 * 0, or -EINVAL after one flx_error (or another -errno: the file cannot be read). Context: setup.
 */
int flx_args_parse(struct flx_args *args, char *const *argv);

/* Prints the options, a line each. */
void flx_args_help(FILE *out);
