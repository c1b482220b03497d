/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/preflight.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <hwloc.h>

#define CPU_DIR "/sys/devices/system/cpu"

/* Room for the longest line that is read: the flags in cpuinfo have over 2 KiB. */
#define LINE_SIZE 8192

/* ------------------------------------------------------------------------------------------- files */

/* Copies @line up to its end; what is not printable ASCII would spoil tables and JSON. */
static void copy_clean(char *text, size_t size, const char *line)
{
	size_t length = 0;

	while (isspace((unsigned char)*line))
		line++;
	for (; *line && *line != '\n' && length + 1 < size; line++)
		text[length++] = isprint((unsigned char)*line) ? *line : '?';
	while (length && text[length - 1] == ' ')
		length--;
	text[length] = '\0';
}

static FILE *open_below(const char *root, const char *path)
{
	char name[512];

	snprintf(name, sizeof(name), "%s%s", root, path);
	return fopen(name, "re");
}

/* The first line of a file; "" when there is none. */
static void read_line(char *text, size_t size, const char *root, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void read_line(char *text, size_t size, const char *root, const char *format, ...)
{
	char path[256], line[LINE_SIZE] = "";
	va_list arguments;
	FILE *file;

	va_start(arguments, format);
	vsnprintf(path, sizeof(path), format, arguments);
	va_end(arguments);
	file = open_below(root, path);
	if (file && !fgets(line, sizeof(line), file))
		line[0] = '\0';
	if (file)
		fclose(file);
	copy_clean(text, size, line);
}

/* What follows @key, blanks and a colon in the first such line of a file. */
static void read_value(char *text, size_t size, const char *root, const char *path, const char *key)
{
	FILE *file = open_below(root, path);
	size_t length = strlen(key);
	char line[LINE_SIZE];

	text[0] = '\0';
	while (file && fgets(line, sizeof(line), file)) {
		const char *rest = line + length;

		if (strncmp(line, key, length) != 0 || !strchr(" \t:", *rest))
			continue;
		copy_clean(text, size, rest + strspn(rest, " \t:"));
		break;
	}
	if (file)
		fclose(file);
}

static uint64_t read_number(const char *root, const char *folder, const char *name)
{
	char text[32];

	read_line(text, sizeof(text), root, "%s/%s", folder, name);
	return strtoull(text, NULL, 10);
}

/* A set of CPUs or nodes, which is the caller's to free; empty where the file has no list. */
static hwloc_bitmap_t parse_list(const char *text)
{
	hwloc_bitmap_t set = hwloc_bitmap_alloc();

	/* Kernels without nohz_full= write "(null)" there. */
	if (set && (!isdigit((unsigned char)text[0]) || hwloc_bitmap_list_sscanf(set, text)))
		hwloc_bitmap_zero(set);
	return set;
}

static uint32_t count_list(const char *text)
{
	hwloc_bitmap_t set = parse_list(text);
	int count = hwloc_bitmap_weight(set);

	hwloc_bitmap_free(set);
	return count > 0 ? (uint32_t)count : 0;
}

/* ------------------------------------------------------------------------------------- the machine */

/* Who runs this machine, when that is another one. */
static void read_hypervisor(struct flx_preflight *preflight, const char *flags)
{
	const char *const from[] = {"/sys/hypervisor/type", "/sys/class/dmi/id/product_name",
				    "/sys/class/dmi/id/sys_vendor"};

	if (!strstr(flags, " hypervisor"))
		return;
	for (size_t i = 0; i < sizeof(from) / sizeof(from[0]) && !preflight->hypervisor[0]; i++)
		read_line(preflight->hypervisor, sizeof(preflight->hypervisor), preflight->root,
			  "%s", from[i]);
	if (!preflight->hypervisor[0])
		strcpy(preflight->hypervisor, "of an unknown kind");
}

static void read_processor(struct flx_preflight *preflight)
{
	char flags[LINE_SIZE];

	read_value(preflight->cpu, sizeof(preflight->cpu), preflight->root, "/proc/cpuinfo",
		   "model name");
	read_value(flags, sizeof(flags), preflight->root, "/proc/cpuinfo", "flags");
	preflight->tsc_invariant = strstr(flags, "constant_tsc") && strstr(flags, "nonstop_tsc");
	read_hypervisor(preflight, flags);
	read_line(preflight->clock, sizeof(preflight->clock), preflight->root,
		  "/sys/devices/system/clocksource/clocksource0/current_clocksource");
}

/* Of all CPUs used: the least of their governors, and whom they share their cores with. */
static void read_used(struct flx_preflight *preflight, hwloc_const_bitmap_t used)
{
	hwloc_bitmap_t siblings = hwloc_bitmap_alloc();
	char text[256];
	int cpu;

	for (cpu = hwloc_bitmap_first(used); cpu >= 0; cpu = hwloc_bitmap_next(used, cpu)) {
		hwloc_bitmap_t threads;

		if (!preflight->governor[0] || strcmp(preflight->governor, "performance") == 0)
			read_line(preflight->governor, sizeof(preflight->governor), preflight->root,
				  CPU_DIR "/cpu%d/cpufreq/scaling_governor", cpu);
		read_line(text, sizeof(text), preflight->root,
			  CPU_DIR "/cpu%d/topology/thread_siblings_list", cpu);
		threads = parse_list(text);
		hwloc_bitmap_clr(threads, (unsigned int)cpu);
		hwloc_bitmap_or(siblings, siblings, threads);
		hwloc_bitmap_free(threads);
	}
	hwloc_bitmap_list_snprintf(preflight->siblings, sizeof(preflight->siblings), siblings);
	hwloc_bitmap_free(siblings);
}

static void read_nodes(struct flx_preflight *preflight, hwloc_const_bitmap_t used)
{
	hwloc_bitmap_t nodes;
	char text[256];
	int node;

	read_line(text, sizeof(text), preflight->root, "/sys/devices/system/node/online");
	preflight->nodes = count_list(text);
	nodes = parse_list(text);
	for (node = hwloc_bitmap_first(nodes); node >= 0; node = hwloc_bitmap_next(nodes, node)) {
		hwloc_bitmap_t cpus;

		read_line(text, sizeof(text), preflight->root,
			  "/sys/devices/system/node/node%d/cpulist", node);
		cpus = parse_list(text);
		preflight->used_nodes += hwloc_bitmap_intersects(cpus, used) != 0;
		hwloc_bitmap_free(cpus);
	}
	hwloc_bitmap_free(nodes);
}

static void read_pages(struct flx_preflight *preflight)
{
	char path[512];
	struct dirent *entry;
	DIR *folder;

	snprintf(path, sizeof(path), "%s/sys/kernel/mm/hugepages", preflight->root);
	folder = opendir(path);
	while (folder && (entry = readdir(folder)) &&
	       preflight->pages_count < FLX_PREFLIGHT_PAGES) {
		struct flx_preflight_pages *pages = &preflight->pages[preflight->pages_count];

		if (sscanf(entry->d_name, "hugepages-%" SCNu64 "kB", &pages->size_kib) != 1)
			continue;
		snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/%.64s", entry->d_name);
		pages->total = read_number(preflight->root, path, "nr_hugepages");
		pages->free = read_number(preflight->root, path, "free_hugepages");
		preflight->pages_count++;
	}
	if (folder)
		closedir(folder);
}

/* Sums over the CPUs used: the others are idle, and would make less of what was taken of these. */
static void read_ticks(const struct flx_preflight *preflight, uint64_t *stolen, uint64_t *ticks)
{
	hwloc_bitmap_t used = parse_list(preflight->used);
	int cpu;

	*stolen = *ticks = 0;
	for (cpu = hwloc_bitmap_first(used); cpu >= 0; cpu = hwloc_bitmap_next(used, cpu)) {
		/* user nice system idle iowait irq softirq steal; guests' time is in user's. */
		uint64_t t[8] = {0};
		char key[16], text[256];

		snprintf(key, sizeof(key), "cpu%d", cpu);
		read_value(text, sizeof(text), preflight->root, "/proc/stat", key);
		sscanf(text,
		       "%" SCNu64 "%" SCNu64 "%" SCNu64 "%" SCNu64 "%" SCNu64 "%" SCNu64 "%" SCNu64
		       "%" SCNu64,
		       &t[0], &t[1], &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]);
		*stolen += t[7];
		for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
			*ticks += t[i];
	}
	hwloc_bitmap_free(used);
}

void flx_preflight_read(struct flx_preflight *preflight, const char *root, const char *used)
{
	hwloc_bitmap_t set;
	char text[256];

	*preflight = (struct flx_preflight){.root = root, .steal_per_mille = -1};
	read_processor(preflight);
	read_line(preflight->kernel, sizeof(preflight->kernel), root, "/proc/sys/kernel/osrelease");
	read_line(preflight->isolated, sizeof(preflight->isolated), root, CPU_DIR "/isolated");
	read_line(text, sizeof(text), root, CPU_DIR "/nohz_full");
	if (isdigit((unsigned char)text[0]))
		strcpy(preflight->nohz_full, text);
	read_line(text, sizeof(text), root, CPU_DIR "/online");
	preflight->online = count_list(text);
	read_value(preflight->allowed, sizeof(preflight->allowed), root, "/proc/self/status",
		   "Cpus_allowed_list");
	snprintf(preflight->used, sizeof(preflight->used), "%s",
		 used[0] ? used : preflight->allowed);
	set = parse_list(preflight->used);
	read_used(preflight, set);
	read_nodes(preflight, set);
	hwloc_bitmap_free(set);
	read_line(text, sizeof(text), root, "/proc/loadavg");
	sscanf(text, "%lf %*f %*f %u", &preflight->load, &preflight->running);
	preflight->running -= preflight->running > 0; /* us */
	read_pages(preflight);
	read_ticks(preflight, &preflight->stolen, &preflight->ticks);
}

void flx_preflight_steal(struct flx_preflight *preflight)
{
	uint64_t stolen, ticks;

	read_ticks(preflight, &stolen, &ticks);
	preflight->steal_per_mille = 0;
	/* Kernels have been seen to count steal backwards. */
	if (ticks > preflight->ticks && stolen > preflight->stolen)
		preflight->steal_per_mille = 1e3 * (double)(stolen - preflight->stolen) /
					     (double)(ticks - preflight->ticks);
}
