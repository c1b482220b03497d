/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fabric/base.h"

/* rte_cfgfile reads into CFG_NAME_LEN + CFG_VALUE_LEN + 4 bytes: less the line feed and the NUL. */
#define LINE_MAX_BYTES (CFG_NAME_LEN + CFG_VALUE_LEN)
#define COMMENT	       '#'

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

static const char *const section_names[FLX_CONFIG_SECTIONS] = {
	[FLX_CONFIG_FLX] = "flx",
	[FLX_CONFIG_APP] = "app",
};

/* A file on its way through the checks. */
struct reading {
	const char *path;
	uint32_t line;
	int section;			    /* enum flx_config_section; -1: none yet */
	uint32_t seen[FLX_CONFIG_SECTIONS]; /* line of its heading; 0: not seen */
	uint32_t count;
	uint32_t entry_line[FLX_CONFIG_ENTRIES_MAX];
	struct rte_cfgfile_entry parsed[FLX_CONFIG_ENTRIES_MAX]; /* of one section */
	size_t size;
	char text[FLX_CONFIG_SIZE_MAX + 1]; /* room for one more, to see that there is more */
};

static int refuse(const struct reading *reading, const char *why)
{
	flx_error("%s:%u: %s", reading->path, reading->line, why);
	return -EINVAL;
}

static int read_file(struct reading *reading)
{
	/* Not to wait for the other end, should it be a FIFO. */
	int fd = open(reading->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;
	ssize_t got = 0;
	int rc = 0;

	if (fd < 0 || fstat(fd, &status) < 0) {
		rc = -errno;
	} else if (!S_ISREG(status.st_mode)) {
		rc = S_ISDIR(status.st_mode) ? -EISDIR : -EBADF;
	} else {
		do {
			got = read(fd, reading->text + reading->size,
				   sizeof(reading->text) - reading->size);
			reading->size += got > 0 ? (size_t)got : 0;
		} while (got > 0);
		rc = got < 0 ? -errno : 0;
	}
	if (rc)
		flx_error("%s: %s; give a configuration file that can be read", reading->path,
			  rc == -EBADF ? "not a regular file" : strerror(-rc));
	if (fd >= 0)
		close(fd);
	return rc;
}

/* Bytes of the UTF-8 sequence at @text; 0: none begins there (Unicode 15, table 3-7). */
static size_t utf8_size(const uint8_t *text, size_t left)
{
	uint8_t low = 0x80, high = 0xbf;
	size_t size;

	if (text[0] < 0x80)
		return 1;
	if (text[0] < 0xc2 || text[0] > 0xf4)
		return 0;
	size = text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
	if (size > left)
		return 0;
	if (text[0] == 0xe0)
		low = 0xa0;
	else if (text[0] == 0xed)
		high = 0x9f;
	else if (text[0] == 0xf0)
		low = 0x90;
	else if (text[0] == 0xf4)
		high = 0x8f;
	if (text[1] < low || text[1] > high)
		return 0;
	for (size_t i = 2; i < size; i++)
		if (text[i] < 0x80 || text[i] > 0xbf)
			return 0;
	return size;
}

static int check_bytes(struct reading *reading)
{
	const uint8_t *text = (const uint8_t *)reading->text;
	size_t step;

	reading->line = 1;
	for (size_t i = 0; i < reading->size; i += step) {
		step = utf8_size(text + i, reading->size - i);
		if (step == 0)
			return refuse(reading, "not UTF-8; save the file as UTF-8 text");
		if (text[i] == '\0')
			return refuse(reading, "a NUL byte; give a text file");
		if (text[i] == '\r' && i + 1 < reading->size && text[i + 1] == '\n')
			continue;
		if (text[i] == 0x7f || (text[i] < ' ' && text[i] != '\t' && text[i] != '\n'))
			return refuse(reading, "a control character; give a text file");
		reading->line += text[i] == '\n';
	}
	return 0;
}

/* The part of @line (ends at NUL) without blanks around it; cuts @line. */
static char *trim(char *line)
{
	char *end;

	line += strspn(line, " \t\r");
	for (end = line + strlen(line); end > line && strchr(" \t\r", end[-1]); end--)
		;
	*end = '\0';
	return line;
}

static int check_section(struct reading *reading, char *heading)
{
	size_t size = strlen(heading);

	if (heading[size - 1] != ']')
		return refuse(reading, "not a section; give [flx] or [app] alone on a line");
	heading[size - 1] = '\0';
	heading = trim(heading + 1);
	for (int i = 0; i < FLX_CONFIG_SECTIONS; i++) {
		if (strcmp(section_names[i], heading) != 0)
			continue;
		if (reading->seen[i]) {
			flx_error("%s:%u: section [%s] again; put its lines below line %u",
				  reading->path, reading->line, heading, reading->seen[i]);
			return -EINVAL;
		}
		reading->seen[i] = reading->line;
		reading->section = i;
		return 0;
	}
	return refuse(reading,
		      "unknown section; give [flx] (options of flx run) or [app] (settings)");
}

static int check_entry(struct reading *reading, char *line)
{
	char *equals = strchr(line, '=');
	const char *name, *value;

	if (!equals)
		return refuse(reading, "neither a section, a comment (#) nor name = value");
	*equals = '\0';
	name = trim(line);
	value = trim(equals + 1);
	if (!*name || name[strspn(name, NAME_CHARACTERS)])
		return refuse(reading, "not a name before '='; give letters, digits and -_.");
	if (strlen(name) >= CFG_NAME_LEN)
		return refuse(reading, "name too long; give 63 bytes at most");
	if (!*value)
		return refuse(reading, "no value; give one behind '=', or take the line out");
	if (strlen(value) >= CFG_VALUE_LEN)
		return refuse(reading, "value too long; give 255 bytes at most");
	if (reading->section < 0)
		return refuse(reading, "before any section; put [flx] or [app] above it");
	if (reading->count == FLX_CONFIG_ENTRIES_MAX)
		return refuse(reading, "too many entries; give 256 at most");
	reading->entry_line[reading->count++] = reading->line;
	return 0;
}

/* @line: ends at NUL where its line feed was; a copy that may be cut. */
static int check_line(struct reading *reading, char *line)
{
	char *comment = strchr(line, COMMENT);

	if (comment) {
		/* rte_cfgfile would unescape it in place, with the wrong bound. */
		if (comment > line && comment[-1] == '\\')
			return refuse(reading, "'\\#'; there is no escape, and # begins a comment");
		*comment = '\0';
	}
	line = trim(line);
	if (!*line)
		return 0;
	return *line == '[' ? check_section(reading, line) : check_entry(reading, line);
}

static int check_lines(struct reading *reading)
{
	char copy[LINE_MAX_BYTES + 1];
	size_t size;
	int rc;

	reading->line = 1;
	reading->section = -1;
	for (size_t at = 0; at < reading->size; at += size + 1, reading->line++) {
		const char *start = reading->text + at;
		const char *end = memchr(start, '\n', reading->size - at);

		size = end ? (size_t)(end - start) : reading->size - at;
		if (size > LINE_MAX_BYTES)
			return refuse(reading, "line too long; give 320 bytes at most");
		memcpy(copy, start, size);
		copy[size] = '\0';
		rc = check_line(reading, copy);
		if (rc)
			return rc;
	}
	if (reading->seen[FLX_CONFIG_FLX] || reading->seen[FLX_CONFIG_APP])
		return 0;
	flx_error("%s: no section; give [flx] (options of flx run) or [app] (settings)",
		  reading->path);
	return -EINVAL;
}

static int check(struct reading *reading)
{
	int rc;

	if (reading->size == 0) {
		flx_error("%s: empty; give [flx] and options, or leave --config out",
			  reading->path);
		return -EINVAL;
	}
	if (reading->size > FLX_CONFIG_SIZE_MAX) {
		flx_error("%s: larger than 64 KiB; give a configuration file", reading->path);
		return -EINVAL;
	}
	rc = check_bytes(reading);
	return rc ? rc : check_lines(reading);
}

/* Gives rte_cfgfile the bytes that were checked, whatever has become of the file. */
static struct rte_cfgfile *parse(const struct reading *reading)
{
	const struct rte_cfgfile_parameters parameters = {.comment_character = COMMENT};
	struct rte_cfgfile *file = NULL;
	char path[32];
	int fd = memfd_create("flx-config", MFD_CLOEXEC);

	if (fd < 0)
		return NULL;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (write(fd, reading->text, reading->size) == (ssize_t)reading->size)
		file = rte_cfgfile_load_with_params(path, 0, &parameters);
	close(fd);
	return file;
}

/*
 * Copies the entries of @file. cfgfile keeps no line numbers: the n-th entry of the first section
 * is the n-th that was checked, and so on.
 */
static void take_entries(struct flx_config *config, struct reading *reading,
			 struct rte_cfgfile *file)
{
	bool app_first = reading->seen[FLX_CONFIG_APP] &&
			 reading->seen[FLX_CONFIG_APP] < reading->seen[FLX_CONFIG_FLX];

	config->count = 0;
	for (int turn = 0; turn < FLX_CONFIG_SECTIONS; turn++) {
		int section = app_first ? FLX_CONFIG_APP - turn : turn;
		int count = rte_cfgfile_section_entries(file, section_names[section],
							reading->parsed, FLX_CONFIG_ENTRIES_MAX);

		for (int i = 0; i < count && config->count < reading->count; i++) {
			struct flx_config_entry *entry = &config->entry[config->count];

			entry->section = (enum flx_config_section)section;
			entry->place.path = reading->path;
			entry->place.line = reading->entry_line[config->count++];
			memcpy(entry->name, reading->parsed[i].name, sizeof(entry->name));
			memcpy(entry->value, reading->parsed[i].value, sizeof(entry->value));
		}
	}
	FLX_VERIFY(config->count == reading->count);
}

int flx_config_load(struct flx_config *config, const char *path)
{
	struct reading *reading = calloc(1, sizeof(*reading));
	struct rte_cfgfile *file;
	int rc;

	if (!reading)
		return -ENOMEM;
	reading->path = path;
	rc = read_file(reading);
	if (rc == 0)
		rc = check(reading);
	if (rc)
		goto out;
	file = parse(reading);
	if (file) {
		take_entries(config, reading, file);
		rte_cfgfile_close(file);
	} else {
		flx_error("%s: cannot be parsed: %s; free some memory", path, strerror(errno));
		rc = -ENOMEM;
	}
out:
	free(reading);
	return rc;
}
