/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * load - finds the app that an operator named, and changes its settings.
 *
 * An APP is the name of a built-in, or the path of a shared object (it contains a '/' or ends in
 * .so) that exports flx_program. Loading one runs its constructors: it is trusted like the command
 * itself.
 */
#pragma once

#include <stdio.h>

#include "apps/config.h"
#include "fabric/flx.h"

struct flx_app {
	struct flx_program *program;
	void *handle; /* of the shared object; NULL: built in */
};

/*
 * flx_load_app - find @name and fill @app
 * 0, and @app is the caller's to unload; -ENOENT: no such app or file; -EINVAL: the file is not an
 * app. One flx_error says why. Context: setup.
 */
int flx_load_app(struct flx_app *app, const char *name);

/* Nothing of @app's program may be used any more. */
void flx_unload_app(struct flx_app *app);

/* A setting as it was given; its strings belong to whoever gave it. */
struct flx_given {
	struct flx_place place;
	char name[CFG_NAME_LEN];
	const char *value;
};

/*
 * flx_load_set - apply @given to @program
 * 0; -EINVAL after one flx_error: no such setting, or its value is not understood. Context: setup.
 */
int flx_load_set(const struct flx_program *program, const struct flx_given *given);

/* Prints the built-in apps and their settings. */
void flx_load_help(FILE *out);
