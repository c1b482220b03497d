/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/args.h"

#include <errno.h>
#include <string.h>

#include "apps/value.h"
#include "fabric/base.h"
#include "scheduler/sched.h"

enum {
	SWITCH = 1 << 0,   /* needs no value: alone, it means on */
	REPEATS = 1 << 1,  /* may be given more than once */
	NOT_FILE = 1 << 2, /* on the command line only */
};

struct row {
	const char *name;
	const char *operand; /* its name in the help */
	const char *give;    /* what is right; ends the error text */
	const char *help;
	unsigned int flags;
	/* NULL, or the reason why not. */
	const char *(*parse)(struct flx_args *args, const struct row *row, const char *value);
	/* For the parse functions that several rows share. */
	size_t offset; /* of the field in struct flx_args */
	uint32_t min;
	uint32_t max;
};

static void *field_of(struct flx_args *args, const struct row *row)
{
	return (char *)args + row->offset;
}

static const char *parse_text(struct flx_args *args, const struct row *row, const char *value)
{
	*(const char **)field_of(args, row) = value;
	return *value ? NULL : "empty";
}

static const char *parse_number(struct flx_args *args, const struct row *row, const char *value)
{
	uint64_t number;
	const char *why = flx_value_number(value, row->min, row->max, &number);

	if (!why)
		*(uint32_t *)field_of(args, row) = (uint32_t)number;
	return why;
}

static const char *parse_switch(struct flx_args *args, const struct row *row, const char *value)
{
	return flx_value_switch(value, field_of(args, row));
}

static const char *add_text(const char **list, uint32_t *count, const char *value)
{
	if (*count == FLX_PORTS_MAX)
		return "one too many";
	list[(*count)++] = value;
	return *value ? NULL : "empty";
}

static const char *parse_port(struct flx_args *args, const struct row *row, const char *value)
{
	(void)row;
	return add_text(args->options.port, &args->options.port_count, value);
}

static const char *parse_ip(struct flx_args *args, const struct row *row, const char *value)
{
	(void)row;
	return add_text(args->options.ip, &args->options.ip_count, value);
}

static const char *parse_cpus(struct flx_args *args, const struct row *row, const char *value)
{
	(void)row;
	return flx_value_cpus(value, args->options.cpu, FLX_WORKERS_MAX, &args->options.cpu_count);
}

/* A number of workers, or two: the least and the most. */
static const char *parse_workers(struct flx_args *args, const struct row *row, const char *value)
{
	const char *dash = strchr(value, '-');
	char least[8];
	uint64_t low, high;
	const char *why;

	(void)row;
	if (dash && (size_t)(dash - value) >= sizeof(least))
		return "not two numbers";
	snprintf(least, sizeof(least), "%.*s", (int)(dash ? dash - value : 0), value);
	why = flx_value_number(dash ? least : value, 1, FLX_WORKERS_MAX, &low);
	high = low;
	if (!why && dash)
		why = flx_value_number(dash + 1, 1, FLX_WORKERS_MAX, &high);
	if (why)
		return why;
	if (high < low)
		return "the most is below the least";
	args->options.workers = (uint32_t)high;
	args->options.workers_min = (uint32_t)low;
	return NULL;
}

static const char *parse_sched(struct flx_args *args, const struct row *row, const char *value)
{
	(void)row;
	for (uint32_t mode = 0; mode < FLX_SCHED_MODES; mode++)
		if (strcmp(value, flx_sched_mode_name((enum flx_sched_mode)mode)) == 0) {
			args->options.sched = mode;
			return NULL;
		}
	return "no such mode";
}

static const char *parse_lane_size(struct flx_args *args, const struct row *row, const char *value)
{
	const char *why = parse_number(args, row, value);
	uint32_t asked = args->options.lane_size;

	if (why)
		return why;
	args->options.lane_size = flx_pow2_ceil(asked);
	if (args->options.lane_size != asked)
		flx_note("%s %u: rounded up to %u, a power of two", row->name, asked,
			 args->options.lane_size);
	return NULL;
}

static const char *parse_rss_key(struct flx_args *args, const struct row *row, const char *value)
{
	(void)row;
	args->options.rss_key_given = true;
	return flx_value_hex(value, args->options.rss_key, sizeof(args->options.rss_key));
}

/* GROUP=N[:LIMIT]; whether the program has such a group, the fabric finds out. */
static const char *parse_contexts(struct flx_args *args, const struct row *row, const char *value)
{
	struct flx_options *options = &args->options;
	struct flx_contexts_option *contexts = &options->contexts[options->contexts_count];
	const char *equals = strchr(value, '=');
	size_t size = equals ? (size_t)(equals - value) : 0;

	(void)row;
	if (size == 0)
		return "not a group and a number";
	if (size >= sizeof(contexts->group))
		return "name too long";
	if (options->contexts_count == FLX_CONTEXTS_MAX)
		return "one too many";
	memcpy(contexts->group, value, size);
	contexts->group[size] = '\0';
	for (uint32_t i = 0; i < options->contexts_count; i++)
		if (strcmp(options->contexts[i].group, contexts->group) == 0)
			return "given twice";
	options->contexts_count++;
	return flx_value_capacity(equals + 1, FLX_CAPACITY_MAX, &contexts->capacity,
				  &contexts->limit);
}

static const char *parse_duration(struct flx_args *args, const struct row *row, const char *value)
{
	(void)row;
	return flx_value_seconds(value, &args->duration_us);
}

/* Adds a setting; one that is there comes from a stronger place when it comes from another. */
static const char *add_setting(struct flx_args *args, const struct flx_given *given)
{
	for (uint32_t i = 0; i < args->setting_count; i++)
		if (strcmp(args->setting[i].name, given->name) == 0)
			return args->setting[i].place.path == given->place.path ? "given twice"
										: NULL;
	if (args->setting_count == FLX_ARGS_SETTINGS_MAX)
		return "one too many";
	args->setting[args->setting_count++] = *given;
	return NULL;
}

static const char *parse_set(struct flx_args *args, const struct row *row, const char *value)
{
	const char *equals = strchr(value, '=');
	struct flx_given given = {.place = {0}};

	(void)row;
	if (!equals || equals == value)
		return "not a setting";
	if ((size_t)(equals - value) >= sizeof(given.name))
		return "name too long";
	memcpy(given.name, value, (size_t)(equals - value));
	given.value = equals + 1;
	return add_setting(args, &given);
}

#define FIELD(member) .offset = offsetof(struct flx_args, member)

static const struct row rows[] = {
	{"port", "SPEC", "each once, 8 at most",
	 "pci:ADDRESS af_xdp:IFACE af_packet:IFACE tap:NAME pcap:IN,OUT ring pair null vdev:RAW",
	 REPEATS, parse_port, 0, 0, 0},
	{"ip", "CIDR", "one per port, such as 198.18.0.1/24",
	 "address and network, the n-th for the n-th port", REPEATS, parse_ip, 0, 0, 0},
	{"gateway", "IP", "an IPv4 address", "router to what is beyond the ports' networks", 0,
	 parse_text, FIELD(options.gateway), 0, 0},
	{"workers", "N[-MAX]", "1..64, or two such numbers as in 1-8",
	 "polling threads, a CPU each (as the machine suggests); as many as the load asks for, up "
	 "to "
	 "MAX",
	 0, parse_workers, 0, 0, 0},
	{"sched", "MODE", "auto, observe or off",
	 "auto, observe or off: move slices where there is capacity, only say what would move, or "
	 "neither (auto)",
	 0, parse_sched, 0, 0, 0},
	{"cpus", "LIST", "CPU numbers and ranges such as 2,4-7, 64 in all at most",
	 "the workers' CPUs, in order, such as 2,4-7", 0, parse_cpus, 0, 0, 0},
	{"config", "FILE", "the path of a file", "options and settings, see below", NOT_FILE,
	 parse_text, FIELD(config_path), 0, 0},
	{"set", "NAME=VALUE", "NAME=VALUE, each name once, 32 at most", "a setting of the app",
	 REPEATS | NOT_FILE, parse_set, 0, 0, 0},
	{"dev", NULL, "on or off", "no root, no hugepages, no NIC: ordinary memory", SWITCH,
	 parse_switch, FIELD(options.dev), 0, 0},
	{"oversubscribe", NULL, "on or off", "allow more workers than CPUs", SWITCH, parse_switch,
	 FIELD(options.oversubscribe), 0, 0},
	{"credits", "N", "256..1048576",
	 "messages in flight at most, 256 per worker at least (4,096 + 1,024 per worker)", 0,
	 parse_number, FIELD(options.credits), FLX_CREDITS_MIN, FLX_CREDITS_MAX},
	{"lane-size", "N", "2..65536, a power of two",
	 "messages in a lane's ring, rounded up to a power of two (1,024)", 0, parse_lane_size,
	 FIELD(options.lane_size), 2, FLX_LANE_SIZE_MAX},
	{"store", "PATH", "the path of a directory",
	 "keep the contexts in files there, for the next start", 0, parse_text,
	 FIELD(options.store), 0, 0},
	{"restore", "FILE", "the path of a dump", "fill a new store from this dump", 0, parse_text,
	 FIELD(options.restore), 0, 0},
	{"snapshot", "FILE", "the path of a file",
	 "dump the contexts there as they are, again and again", 0, parse_text,
	 FIELD(options.snapshot), 0, 0},
	{"snapshot-every", "SECONDS", "1..86400", "time between snapshots (60)", 0, parse_number,
	 FIELD(options.snapshot_every_s), 1, 86400},
	{"contexts", "GROUP=N[:MAX]",
	 "a group, and 1..1000000000 contexts and a limit, each group once, 32 at most",
	 "contexts of a group at first, growing up to MAX (as the app says)", REPEATS,
	 parse_contexts, 0, 0, 0},
	{"rss-key", "HEX", "40 bytes as 80 hexadecimal digits", "RSS key, 80 digits (random)", 0,
	 parse_rss_key, 0, 0, 0},
	{"control", "PATH", "the path of a socket, or off",
	 "where flx show and the like reach it, or off (a directory of this user)", 0, parse_text,
	 FIELD(control), 0, 0},
	{"duration", "SECONDS", "seconds such as 1.5, more than 0, at most 1000000000",
	 "stop after so long (run until SIGINT or SIGTERM)", 0, parse_duration, 0, 0, 0},
	{"help", NULL, "it alone", "print this", SWITCH | NOT_FILE, parse_switch, FIELD(help), 0,
	 0},
};

#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))
static_assert(ROW_COUNT <= 64, "flx_args.given has a bit for each");

static const struct row *find_row(const char *name, size_t size)
{
	for (size_t i = 0; i < ROW_COUNT; i++)
		if (strlen(rows[i].name) == size && memcmp(rows[i].name, name, size) == 0)
			return &rows[i];
	return NULL;
}

static uint64_t bit_of(const struct row *row)
{
	return UINT64_C(1) << (row - rows);
}

/* The command line's "--name value" or "--name=value"; @next is what follows it, used or not. */
static int take_option(struct flx_args *args, const char *option, char *const **next)
{
	const char *name = option + 2;
	size_t size = strcspn(name, "=");
	const struct row *row = find_row(name, size);
	const char *value = name[size] ? name + size + 1 : NULL;
	const char *why;

	if (!row) {
		flx_error("%.*s: no such option; give one that --help lists", (int)size + 2,
			  option);
		return -EINVAL;
	}
	if (!value && row->flags & SWITCH)
		value = "on";
	else if (!value && **next && strncmp(**next, "--", 2) != 0)
		value = *(*next)++;
	if (!value) {
		flx_error("--%s: no value; give %s", row->name, row->give);
		return -EINVAL;
	}
	if (args->given & bit_of(row) && !(row->flags & REPEATS)) {
		flx_error("--%s: given twice; give it once", row->name);
		return -EINVAL;
	}
	why = row->parse(args, row, value);
	if (why)
		flx_error("--%s %s: %s; give %s", row->name, value, why, row->give);
	args->given |= bit_of(row);
	return why ? -EINVAL : 0;
}

static int take_line(struct flx_args *args, char *const *argv)
{
	int rc = 0;

	while (*argv && rc == 0) {
		const char *arg = *argv++;

		if (strcmp(arg, "--") == 0) {
			args->options.eal = argv;
			return 0;
		}
		if (strncmp(arg, "--", 2) == 0) {
			rc = take_option(args, arg, &argv);
		} else if (arg[0] == '-') {
			flx_error("%s: no such option; give one that --help lists", arg);
			rc = -EINVAL;
		} else if (args->app) {
			flx_error("%s: a second app beside %s; give one", arg, args->app);
			rc = -EINVAL;
		} else {
			args->app = arg;
		}
	}
	return rc;
}

static int refuse_entry(const struct flx_config_entry *entry, const char *why, const char *give)
{
	flx_error("%s:%u: %s = %s: %s; give %s", entry->place.path, entry->place.line, entry->name,
		  entry->value, why, give);
	return -EINVAL;
}

/* @seen: a bit per row, set by earlier lines of the file. */
static int take_entry(struct flx_args *args, const struct flx_config_entry *entry, uint64_t *seen)
{
	const struct row *row = find_row(entry->name, strlen(entry->name));
	const char *why;

	if (!row)
		return refuse_entry(entry, "no such option", "one that flx run --help lists");
	if (row->flags & NOT_FILE)
		return refuse_entry(entry, "not in a file",
				    "it on the command line, settings in [app]");
	if (*seen & bit_of(row) && !(row->flags & REPEATS))
		return refuse_entry(entry, "given twice", "it once");
	*seen |= bit_of(row);
	if (args->given & bit_of(row))
		return 0;
	why = row->parse(args, row, entry->value);
	return why ? refuse_entry(entry, why, row->give) : 0;
}

static int take_file(struct flx_args *args)
{
	int rc = flx_config_load(&args->config, args->config_path);
	uint64_t seen = 0;

	for (uint32_t i = 0; i < args->config.count && rc == 0; i++) {
		const struct flx_config_entry *entry = &args->config.entry[i];
		struct flx_given given = {.place = entry->place, .value = entry->value};
		const char *why;

		if (entry->section == FLX_CONFIG_FLX) {
			rc = take_entry(args, entry, &seen);
			continue;
		}
		memcpy(given.name, entry->name, sizeof(given.name));
		why = add_setting(args, &given);
		if (why)
			rc = refuse_entry(entry, why, "each name once, 32 at most");
	}
	return rc;
}

/* What no option can say alone. */
static int check_together(struct flx_args *args)
{
	struct flx_options *options = &args->options;

	if (!args->app) {
		flx_error("no app; give the name of a built-in one or the path of a shared object");
		return -EINVAL;
	}
	if (options->ip_count > options->port_count) {
		flx_error("--ip %s: %u networks for %u ports; give a --port for each",
			  options->ip[options->port_count], options->ip_count, options->port_count);
		return -EINVAL;
	}
	if (options->cpu_count && options->workers && options->workers != options->cpu_count &&
	    !(options->oversubscribe && options->workers > options->cpu_count)) {
		flx_error("--workers %u: --cpus lists %u; give one CPU for each, or only --cpus",
			  options->workers, options->cpu_count);
		return -EINVAL;
	}
	if (options->snapshot_every_s && !options->snapshot) {
		flx_error("--snapshot-every %u: no snapshot is asked for; give --snapshot FILE too",
			  options->snapshot_every_s);
		return -EINVAL;
	}
	if (options->cpu_count)
		options->workers = options->cpu_count;
	return 0;
}

int flx_args_parse(struct flx_args *args, char *const *argv)
{
	int rc;

	memset(args, 0, sizeof(*args));
	rc = take_line(args, argv);
	if (rc || args->help)
		return rc;
	if (args->config_path)
		rc = take_file(args);
	return rc ? rc : check_together(args);
}

void flx_args_help(FILE *out)
{
	char left[32];

	for (size_t i = 0; i < ROW_COUNT; i++) {
		snprintf(left, sizeof(left), "--%s %s", rows[i].name,
			 rows[i].operand ? rows[i].operand : "");
		fprintf(out, "  %-26s %s\n", left, rows[i].help);
	}
	fprintf(out, "  %-26s %s\n", "-- ARGUMENT...", "more arguments for DPDK's EAL");
}
