/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/ctx.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "apps/ask.h"
#include "apps/contents.h"
#include "apps/context_text.h"
#include "apps/run.h"
#include "apps/value.h"
#include "context-store/store.h"

#define OPERANDS_MAX 2
/* Records that a restored store grows by: of 64 bytes, 4 MiB. A run takes its own. */
#define RESTORE_STEP 65536u

struct action;

/* What was given. */
struct words {
	const struct action *action;
	const char *store;
	const char *dump;
	const char *control; /* socket of the fabric to ask; NULL: the only one that runs */
	const char *limit_text;
	uint64_t limit;
	bool damaged;
	bool help;
	const char *operand[OPERANDS_MAX + 1]; /* ends at NULL */
	uint32_t operand_count;
};

struct action {
	const char *name;
	const char *operands;
	const char *about;
	uint32_t operand_min, operand_max;
	bool takes_dump, takes_limit, takes_damaged, needs_store;
	int (*run)(const struct words *words, struct flx_contents *contents);
};

/* ------------------------------------------------------------------------------------ looking at */

static int status_of(int error)
{
	return error ? FLX_EXIT_FAILED : FLX_EXIT_OK;
}

/* Ends a look at all contexts: @found is what the last step said. */
static int end_look(const struct words *words, const struct flx_contents *contents, int found)
{
	char damage[256];

	if (found < 0)
		return FLX_EXIT_FAILED;
	if (!words->dump || found > 0 || flx_dump_is_whole(&contents->dump, damage, sizeof(damage)))
		return FLX_EXIT_OK;
	fflush(stdout);
	flx_error("%s: %s; take another dump, or restore what is whole with `flx ctx restore "
		  "--damaged`",
		  words->dump, damage);
	return FLX_EXIT_FAILED;
}

static int count(const struct words *words, struct flx_contents *contents)
{
	int found;

	while ((found = flx_contents_next(contents)) > 0)
		;
	flx_context_text_heading(stdout);
	for (uint32_t t = 0; t < contents->type_count; t++)
		flx_context_text_type(stdout, &contents->type[t]);
	if (words->dump && contents->dump.head.damaged)
		flx_note("%s: %" PRIu64 " contexts were damaged in the store, and are not in it",
			 words->dump, contents->dump.head.damaged);
	return end_look(words, contents, found);
}

static int refuse_type(const char *name)
{
	flx_error("%s: no such type; give one that flx ctx count lists", name);
	return FLX_EXIT_USAGE;
}

static int list(const struct words *words, struct flx_contents *contents)
{
	uint64_t left = words->limit ? words->limit : UINT64_MAX;
	int found = 1;

	if (words->operand_count && !flx_contents_choose(contents, words->operand[0]))
		return refuse_type(words->operand[0]);
	for (; left && (found = flx_contents_next(contents)) > 0; left--)
		flx_context_text_line(stdout, &contents->type[contents->at], contents->key,
				      contents->age_ticks, contents->context);
	return end_look(words, contents, found);
}

static int get(const struct words *words, struct flx_contents *contents)
{
	const char *name = words->operand[0];
	const struct flx_contents_type *type;
	uint8_t key[FLX_RECORD_KEY_MAX];
	char why[FLX_CONTEXT_TEXT_WHY_MAX];
	int found;

	if (!flx_contents_choose(contents, name))
		return refuse_type(name);
	type = &contents->type[contents->only];
	if (!flx_context_text_key(type, words->operand[1], key, why)) {
		flx_error("%s", why);
		return FLX_EXIT_USAGE;
	}
	found = flx_contents_find(contents, key);
	if (found <= 0) {
		if (end_look(words, contents, found) == FLX_EXIT_OK) {
			flx_context_text_missing(type, words->operand[1], why);
			flx_error("%s", why);
		}
		return FLX_EXIT_FAILED;
	}
	flx_context_text_value(stdout, type, contents->context);
	return FLX_EXIT_OK;
}

/* --------------------------------------------------------------------------------------- copying */

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int dump(const struct words *words, struct flx_contents *contents)
{
	const struct flx_dump_conf conf = {
		.path = words->operand[0],
		.source = contents->view.source,
		.source_count = contents->view.type_count,
		.now = contents->view.now,
	};
	struct flx_dump_result result;
	double start_ms = now_ms();

	if (flx_dump_write(&conf, &result)) {
		flx_error("%s", result.why);
		return FLX_EXIT_FAILED;
	}
	printf("dumped %" PRIu64 " contexts of %s to %s in %.1f ms\n", result.contexts,
	       words->store, conf.path, now_ms() - start_ms);
	if (result.damaged)
		flx_warn("%s: %" PRIu64 " damaged contexts are not in the dump", words->store,
			 result.damaged);
	return FLX_EXIT_OK;
}

/* The types of the dump, as a program that has just them. */
static int restore_types(const struct words *words, const struct flx_dump_head *head,
			 struct flx_context_type_conf *types)
{
	struct flx_restore restore = {
		.path = words->operand[0], .damaged = words->damaged, .only = true};
	const struct flx_store_conf conf = {
		.path = words->store,
		.worker_count = 1,
		.type_count = head->type_count,
		.type = types,
		.restore = &restore,
	};
	double start_ms = now_ms();
	struct flx_store *store;

	for (uint32_t t = 0; t < head->type_count; t++) {
		const struct flx_dump_type *type = &head->type[t];
		/* Of several nodes' shares, there may be some more. */
		uint32_t limit = (uint32_t)type->contexts;

		limit = limit > type->limit ? limit : type->limit;
		types[t] = (struct flx_context_type_conf){
			.name = type->name,
			.version = type->version,
			.key_size = type->key_size,
			.context_size = type->context_size,
			.capacity = limit < RESTORE_STEP ? limit : RESTORE_STEP,
			.limit = limit,
			.ttl_ms = (uint64_t)type->ttl_ticks * 1000 / FLX_TICKS_PER_SECOND,
		};
	}
	if (flx_store_open(&store, &conf))
		return FLX_EXIT_FAILED;
	flx_store_close(store);
	printf("restored %" PRIu64 " contexts of %s to %s in %.1f ms", restore.contexts,
	       restore.path, words->store, now_ms() - start_ms);
	if (restore.expired)
		printf("; the time of %" PRIu64 " more is over", restore.expired);
	putchar('\n');
	return FLX_EXIT_OK;
}

static int restore(const struct words *words, struct flx_contents *contents)
{
	const struct flx_dump_head *head = &contents->dump.head;
	struct flx_context_type_conf *types = calloc(FLX_DUMP_TYPES_MAX, sizeof(*types));
	int status;

	if (!types) {
		flx_error("no memory for the types of a dump; free %zu bytes",
			  FLX_DUMP_TYPES_MAX * sizeof(*types));
		return FLX_EXIT_FAILED;
	}
	status = restore_types(words, head, types);
	free(types);
	return status;
}

/* ------------------------------------------------------------------------------------- arguments */

static const struct action actions[] = {
	{"count", "", "how many there are, by type", 0, 0, true, false, false, false, count},
	{"list", "[TYPE]", "type, key, age and context, a line each", 0, 1, true, true, false,
	 false, list},
	{"get", "TYPE [KEY]", "the context of KEY; exit status 1: there is none", 1, 2, true, false,
	 false, false, get},
	{"dump", "FILE", "copy all of them to a dump", 1, 1, false, false, false, false, dump},
	{"restore", "FILE", "make a store from a dump", 1, 1, false, false, true, true, restore},
};

#define ACTIONS (sizeof(actions) / sizeof(actions[0]))

static int print_help(void)
{
	char left[32];

	printf("usage: flx ctx ACTION [OPERAND]... [OPTION]...\n\n"
	       "look at the contexts of a fabric that runs, of a store or of a dump, or copy "
	       "them\n\n"
	       "ACTION:\n");
	for (size_t i = 0; i < ACTIONS; i++) {
		snprintf(left, sizeof(left), "%s %s", actions[i].name, actions[i].operands);
		printf("  %-26s %s\n", left, actions[i].about);
	}
	printf("\nOPTION:\n"
	       "  --control PATH             ask the fabric with this socket; without, and "
	       "without --store\n"
	       "                             and --dump, the only one of this user that runs\n"
	       "  --store DIR                look at the files of flx run --store DIR, whether "
	       "or not it runs\n"
	       "  --dump FILE                look at a dump, with count, list and get\n"
	       "  --limit N                  list N at most\n"
	       "  --damaged                  restore what is whole of a damaged dump\n"
	       "\nKEY: all its bytes as hexadecimal digits; text:TEXT, filled up with zeroes; of "
	       "four bytes,\nan IPv4 address as well. A type of one single context has none.\n");
	return FLX_EXIT_OK;
}

static int refuse(const char *what, const char *why, const char *give)
{
	flx_error("%s: %s; give %s", what, why, give);
	return -EINVAL;
}

/* @value: of the option, NULL when there is none. */
static int take_option(struct words *words, const char *name, const char *value)
{
	const struct action *action = words->action;
	const char *why;

	if (strcmp(name, "--damaged") == 0 && action->takes_damaged) {
		words->damaged = true;
		return 0;
	}
	if (!value)
		return refuse(name, "no value, or no such option", "one of flx ctx --help");
	if (strcmp(name, "--store") == 0) {
		words->store = value;
	} else if (strcmp(name, "--control") == 0 && !action->needs_store) {
		words->control = value;
	} else if (strcmp(name, "--dump") == 0 && action->takes_dump) {
		words->dump = value;
	} else if (strcmp(name, "--limit") == 0 && action->takes_limit) {
		words->limit_text = value;
		why = flx_value_number(value, 1, UINT64_MAX - 1, &words->limit);
		return why ? refuse(name, why, "1 or more") : 0;
	} else {
		return refuse(name, "no such option of this action", "one of flx ctx --help");
	}
	return 0;
}

static int check_together(const struct words *words)
{
	const struct action *action = words->action;

	if (words->operand_count < action->operand_min)
		return refuse(action->name, "too little", action->operands);
	if (action->needs_store && !words->store)
		return refuse(action->name, "no store", "--store DIR");
	if (!!words->store + !!words->dump + !!words->control > 1)
		return refuse(action->name, "more than one of --store, --dump and --control",
			      "one of them");
	return 0;
}

static int take_words(struct words *words, char *const *argv)
{
	int error = 0;

	if (!*argv)
		return refuse("ctx", "no action", "count, list, get, dump or restore");
	for (size_t i = 0; i < ACTIONS; i++)
		if (strcmp(actions[i].name, *argv) == 0)
			words->action = &actions[i];
	if (strcmp(*argv, "--help") == 0)
		words->help = true;
	else if (!words->action)
		return refuse(*argv, "no such action", "count, list, get, dump or restore");
	while (!error && !words->help && *++argv) {
		if (strcmp(*argv, "--help") == 0) {
			words->help = true;
		} else if (strncmp(*argv, "--", 2) == 0) {
			bool is_switch = strcmp(*argv, "--damaged") == 0;

			error = take_option(words, argv[0], is_switch ? NULL : argv[1]);
			argv += !is_switch && argv[1];
		} else if (words->operand_count == words->action->operand_max) {
			error = refuse(*argv, "one too many",
				       *words->action->operands ? words->action->operands
								: "options only");
		} else {
			words->operand[words->operand_count++] = *argv;
		}
	}
	return error || words->help ? error : check_together(words);
}

/* What the action works on: all but restore look at a store, or a dump. */
static int act(const struct words *words)
{
	struct flx_contents *contents = calloc(1, sizeof(*contents));
	bool is_restore = words->action->run == restore;
	int status;

	if (!contents) {
		flx_error("no memory to look at contexts with; free %zu bytes", sizeof(*contents));
		return FLX_EXIT_FAILED;
	}
	status = status_of(flx_contents_open(contents, is_restore ? NULL : words->store,
					     is_restore ? words->operand[0] : words->dump));
	if (status == FLX_EXIT_OK) {
		status = words->action->run(words, contents);
		flx_contents_close(contents);
	}
	free(contents);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		flx_error("standard output: %s; give it somewhere to go", strerror(errno));
		status = FLX_EXIT_FAILED;
	}
	return status;
}

/* @name from the root, in @path of PATH_MAX bytes: who is asked may be elsewhere. */
static bool make_absolute(const char *name, char *path)
{
	char here[PATH_MAX] = "";
	bool relative = name[0] != '/';

	return (!relative || getcwd(here, sizeof(here))) &&
	       (size_t)snprintf(path, PATH_MAX, "%s%s%s", here, relative ? "/" : "", name) <
		       PATH_MAX;
}

/* The fabric that runs does it. */
static int ask(const struct words *words)
{
	const char *request[OPERANDS_MAX + 5] = {"ctx", words->action->name};
	char path[PATH_MAX];
	uint32_t count = 2;

	for (uint32_t i = 0; i < words->operand_count; i++)
		request[count++] = words->operand[i];
	if (words->limit_text) {
		request[count++] = "--limit";
		request[count++] = words->limit_text;
	}
	if (words->action->run == dump) {
		if (!make_absolute(words->operand[0], path)) {
			flx_error("%s: too long, or this directory is gone; give an absolute path",
				  words->operand[0]);
			return FLX_EXIT_FAILED;
		}
		request[2] = path;
	}
	return flx_ask(words->control, request);
}

int flx_ctx(char *const *argv)
{
	struct words words = {0};

	if (take_words(&words, argv))
		return FLX_EXIT_USAGE;
	if (words.help)
		return print_help();
	return words.store || words.dump ? act(&words) : ask(&words);
}
