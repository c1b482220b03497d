/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * flx - the command: a table of sub-commands.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_version.h>

#include "apps/args.h"
#include "apps/ask.h"
#include "apps/commands.h"
#include "apps/ctx.h"
#include "apps/load.h"
#include "apps/run.h"
#include "fabric/base.h"

struct command {
	const char *name;
	const char *about;
	int (*run)(const struct command *command, char *const *argv);
	int (*act)(const struct flx_args *args); /* of those that take an app */
};

static int run_with_args(const struct command *command, char *const *argv);
static int run_ctx(const struct command *command, char *const *argv);
static int run_help(const struct command *command, char *const *argv);
static int run_version(const struct command *command, char *const *argv);

static const struct command commands[] = {
	{"run", "run an app until SIGINT or SIGTERM", run_with_args, flx_run},
	{"check", "check an app and print where it would run; touches nothing", run_with_args,
	 flx_check},
	{"ctx", NULL, run_ctx, NULL}, /* what is without text here has some in commands.c */
	{"help", NULL, run_help, NULL},
	{"--help", "print this", run_help, NULL},
	{"-h", NULL, run_help, NULL},
	{"--version", "print the version", run_version, NULL},
};

static int refuse(const char *of)
{
	fprintf(stderr, "usage: flx%s%s APP [OPTION]... [-- EAL ARGUMENT...]; see flx%s%s --help\n",
		*of ? " " : "", *of ? of : " COMMAND", *of ? " " : "", of);
	return FLX_EXIT_USAGE;
}

static void print_help(const struct command *command)
{
	printf("usage: flx %s APP [OPTION]... [-- EAL ARGUMENT...]\n\n%s\n\nOPTION:\n",
	       command->name, command->about);
	flx_args_help(stdout);
	printf("\nAPP: the path of a shared object, or built in:\n");
	flx_load_help(stdout);
	printf("\nFILE of --config: the options in a section [flx], without their dashes, settings "
	       "in [app];\nwhat the command line gives wins:\n"
	       "  [flx]\n  port = af_packet:veth0\n  ip = 198.18.0.1/24\n  dev = on\n"
	       "  [app]\n  key = all   # a comment\n");
}

static int run_with_args(const struct command *command, char *const *argv)
{
	struct flx_args *args = malloc(sizeof(*args));
	int status = FLX_EXIT_OK;

	if (!args) {
		flx_error("no memory for the arguments; free %zu bytes", sizeof(*args));
		return FLX_EXIT_FAILED;
	}
	if (flx_args_parse(args, argv))
		status = refuse(command->name);
	else if (args->help)
		print_help(command);
	else
		status = command->act(args);
	free(args);
	return status;
}

static int run_ctx(const struct command *command, char *const *argv)
{
	(void)command;
	return flx_ctx(argv);
}

static int run_help(const struct command *command, char *const *argv)
{
	(void)command;
	(void)argv;
	printf("flx %s: a kernel-bypass message fabric\n\nusage: flx COMMAND ...\n\n", FLX_VERSION);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (commands[i].about)
			printf("  %-12s %s\n", commands[i].name, commands[i].about);
	printf("\nof a fabric that runs:\n");
	flx_commands_help(stdout);
	printf("\nflx run --help lists the options and the built-in apps, flx ctx --help "
	       "what it does.\n");
	return FLX_EXIT_OK;
}

static int run_version(const struct command *command, char *const *argv)
{
	(void)command;
	(void)argv;
	printf("flx %s (%s)\n", FLX_VERSION, rte_version());
	return FLX_EXIT_OK;
}

/* Started with a standard stream closed, we would print into the next file that is opened. */
static void fill_standard_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= 2);
	if (fd > 2)
		close(fd);
}

int main(int argc, char **argv)
{
	fill_standard_streams();
	if (argc < 2) {
		flx_error("no command; give one that flx help lists");
		return refuse("");
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, argv[1]) == 0)
			return commands[i].run(&commands[i], argv + 2);
	if (flx_commands_find(argv[1]))
		return flx_ask_line(argv + 1);
	flx_error("%s: no such command; give one that flx help lists", argv[1]);
	return refuse("");
}
