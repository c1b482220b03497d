/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/load.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>

#include "fabric/base.h"

/* The build makes the list, FLX_BUILTINS, from the one that it makes the apps from. */
#define X(app) extern struct flx_program flx_program_##app;
FLX_BUILTINS(X)
#undef X

static struct flx_program *const builtins[] = {
#define X(app) &flx_program_##app,
	FLX_BUILTINS(X)
#undef X
};

#define X(app) " " #app
static const char builtin_names[] = FLX_BUILTINS(X);
#undef X

static bool is_path(const char *name)
{
	size_t size = strlen(name);

	return strchr(name, '/') || (size > 3 && strcmp(name + size - 3, ".so") == 0);
}

static int load_object(struct flx_app *app, const char *name)
{
	/* Absolute, for dlopen looks for a name without '/' elsewhere. */
	char *path = realpath(name, NULL);

	if (!path) {
		flx_error("%s: %s; give the path of a shared object, or a built-in app:%s", name,
			  strerror(errno), builtin_names);
		return -ENOENT;
	}
	app->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	free(path);
	if (!app->handle) {
		flx_error("%s: not an flx app: %s; build it as a shared object from fabric/flx.h "
			  "of this version (" FLX_VERSION ")",
			  name, dlerror());
		return -EINVAL;
	}
	app->program = dlsym(app->handle, "flx_program");
	if (!app->program) {
		flx_error("%s: not an flx app: it has no symbol flx_program; define it as "
			  "fabric/flx.h shows, and not static",
			  name);
		flx_unload_app(app);
		return -EINVAL;
	}
	if (app->program->abi != FLX_ABI) {
		flx_error(
			"%s: built from another version of fabric/flx.h, or without FLX_FLUXIONS; "
			"build it again from that of this version (" FLX_VERSION ")",
			name);
		flx_unload_app(app);
		return -EINVAL;
	}
	return 0;
}

int flx_load_app(struct flx_app *app, const char *name)
{
	*app = (struct flx_app){0};
	if (is_path(name))
		return load_object(app, name);
	for (size_t i = 0; i < sizeof(builtins) / sizeof(builtins[0]); i++) {
		if (strcmp(builtins[i]->name, name) == 0) {
			app->program = builtins[i];
			return 0;
		}
	}
	flx_error("%s: no such app; give a built-in one (%s) or the path of a shared object", name,
		  builtin_names + 1);
	return -ENOENT;
}

void flx_unload_app(struct flx_app *app)
{
	if (app->handle)
		dlclose(app->handle);
	*app = (struct flx_app){0};
}

static int refuse(const struct flx_given *given, const char *why)
{
	if (given->place.path)
		flx_error("%s:%u: %s = %s: %s", given->place.path, given->place.line, given->name,
			  given->value, why);
	else
		flx_error("--set %s=%s: %s", given->name, given->value, why);
	return -EINVAL;
}

static int refuse_name(const struct flx_program *program, const struct flx_given *given)
{
	const struct flx_setting *setting = program->settings;
	char why[512];
	int used;

	used = snprintf(why, sizeof(why), "%s has no such setting; ", program->name);
	if (!setting || !setting->name)
		snprintf(why + used, sizeof(why) - (size_t)used, "it has none at all");
	else
		snprintf(why + used, sizeof(why) - (size_t)used, "give");
	for (; setting && setting->name; setting++) {
		size_t end = strlen(why);

		snprintf(why + end, sizeof(why) - end, " %s", setting->name);
	}
	return refuse(given, why);
}

int flx_load_set(const struct flx_program *program, const struct flx_given *given)
{
	const struct flx_setting *setting = program->settings;
	char why[512];

	for (; setting && setting->name; setting++) {
		if (strcmp(setting->name, given->name) != 0)
			continue;
		if (setting->apply(given->value) == 0)
			return 0;
		snprintf(why, sizeof(why), "not understood; give %s", setting->help);
		return refuse(given, why);
	}
	return refuse_name(program, given);
}

void flx_load_help(FILE *out)
{
	const struct flx_setting *setting;

	for (size_t i = 0; i < sizeof(builtins) / sizeof(builtins[0]); i++) {
		fprintf(out, "  %-10s %s\n", builtins[i]->name, builtins[i]->about);
		for (setting = builtins[i]->settings; setting && setting->name; setting++)
			fprintf(out, "    --set %s=%s\n", setting->name, setting->help);
	}
}
