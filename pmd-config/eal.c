/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd-config/eal.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/mman.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

/* Arguments under construction. */
struct builder {
	struct flx_eal_arguments *arguments;
	size_t length; /* of text */
	bool full;
};

/* Adds one argument, or marks @builder full. */
__attribute__((format(printf, 2, 3))) static void add(struct builder *builder, const char *format,
						      ...)
{
	struct flx_eal_arguments *arguments = builder->arguments;
	size_t room = sizeof(arguments->text) - builder->length;
	char *text = arguments->text + builder->length;
	va_list values;
	int length;

	va_start(values, format);
	length = vsnprintf(text, room, format, values);
	va_end(values);
	if (length < 0 || (size_t)length >= room || arguments->count == FLX_EAL_ARGUMENTS_MAX) {
		builder->full = true;
		return;
	}
	builder->length += (size_t)length + 1;
	arguments->value[arguments->count++] = text;
	arguments->value[arguments->count] = NULL;
}

static void add_lcores(struct builder *builder, const struct flx_plan *plan)
{
	char map[2048];
	int length = snprintf(map, sizeof(map), "--lcores=0@(%s)", plan->housekeeping);

	for (uint32_t worker = 0; worker < plan->worker_count; worker++)
		length += snprintf(map + length, sizeof(map) - (size_t)length, ",%u@%u", worker + 1,
				   plan->worker[worker].cpu);
	add(builder, "%s", map);
	add(builder, "--main-lcore=0");
}

/*
 * --in-memory: no hugetlbfs mount is written to and no file is left behind, so a run that died
 * holds nothing (the kernel takes its pages back), and two runs cannot collide.
 */
static void add_memory(struct builder *builder, const struct flx_eal_conf *conf)
{
	if (conf->huge) {
		add(builder, "--in-memory");
	} else {
		add(builder, "--no-huge");
		add(builder, "--no-shconf");
	}
	if (conf->memory_mib > 0) {
		add(builder, "-m");
		add(builder, "%u", conf->memory_mib);
	}
}

static void add_devices(struct builder *builder, const struct flx_eal_conf *conf)
{
	bool pci = false;

	for (uint32_t port = 0; port < conf->port_count; port++)
		pci |= conf->ports[port].kind == FLX_PORT_PCI;
	if (!pci) {
		add(builder, "--no-pci");
		/* Nothing needs physical addresses: root as well gets pools in one piece. */
		add(builder, "--iova-mode=va");
	}
	for (uint32_t port = 0; port < conf->port_count; port++)
		if (conf->ports[port].eal[0])
			add(builder, "%s", conf->ports[port].eal);
}

int flx_eal_arguments_make(struct flx_eal_arguments *arguments, const struct flx_eal_conf *conf)
{
	struct builder builder = {.arguments = arguments};

	arguments->count = 0;
	add(&builder, "flx");
	add_lcores(&builder, conf->plan);
	add(&builder, "--file-prefix=flx%d", (int)getpid());
	add(&builder, "--no-telemetry");
	/* EAL itself warns of every page size that is not reserved. */
	add(&builder, "--log-level=*:warning");
	add(&builder, "--log-level=lib.eal:error");
	add_memory(&builder, conf);
	add_devices(&builder, conf);
	/* Last, so that the operator's word holds where EAL lets a later one win. */
	for (char *const *extra = conf->extra; extra && *extra; extra++) {
		if (strncmp(*extra, "--proc-type", strlen("--proc-type")) == 0) {
			flx_error("%s after --: a fabric is a primary process, and a secondary one "
				  "waits "
				  "for another for ever; leave it out",
				  *extra);
			return -EINVAL;
		}
		add(&builder, "%s", *extra);
	}
	if (!builder.full)
		return 0;
	flx_error("the EAL arguments are more than %d or longer than %zu bytes in all; give fewer "
		  "after --",
		  FLX_EAL_ARGUMENTS_MAX, sizeof(arguments->text));
	return -E2BIG;
}

/* Appends @text to @line as one word of a shell. */
static size_t quote(char *line, size_t length, size_t size, const char *text)
{
	bool plain = text[0] && strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					     "0123456789-_=,.:/@%+") == strlen(text);

	if (!plain && length + 1 < size)
		line[length++] = '\'';
	for (; *text && length + 1 < size; text++) {
		if (*text == '\'' && length + 4 < size) {
			memcpy(line + length, "'\\'", 3);
			length += 3;
		}
		line[length++] = *text;
	}
	if (!plain && length + 1 < size)
		line[length++] = '\'';
	return length;
}

void flx_eal_arguments_print(const struct flx_eal_arguments *arguments, char *line, uint32_t size)
{
	size_t length = 0;

	if (size == 0)
		return;
	for (int i = 0; i < arguments->count; i++) {
		if (i > 0 && length + 1 < size)
			line[length++] = ' ';
		length = quote(line, length, size, arguments->value[i]);
	}
	line[length] = '\0';
}

static const char *remedy(int error)
{
	switch (error) {
	case EACCES:
		return "no hugepages, or not for this user; pmd-config/setup.sh hugepages reserves "
		       "some, and --dev does without";
	case ENOMEM:
		return "not enough free hugepages; pmd-config/setup.sh hugepages MiB reserves "
		       "more, and "
		       "--dev does without";
	case EAGAIN:
		return "another process uses the same --file-prefix, or VFIO is not there "
		       "(modprobe "
		       "vfio-pci)";
	case EINVAL:
		return "an argument is wrong, the driver directory is writable for all, or a CPU "
		       "of "
		       "--lcores is not there; what EAL says above names it";
	case EALREADY:
		return "it was started before in this process, and starts only once";
	default:
		return "what EAL says above names the cause; --log-level=lib.eal:debug after -- "
		       "says "
		       "more";
	}
}

int flx_eal_start(const struct flx_eal_arguments *arguments)
{
	/* getopt moves pointers about; @arguments stays what was printed. */
	char *value[FLX_EAL_ARGUMENTS_MAX + 1];

	memcpy(value, arguments->value, sizeof(value));
	/* EAL's default is standard output, where commands print their results, and syslog. */
	rte_openlog_stream(stderr);
	if (rte_eal_init(arguments->count, value) >= 0)
		return 0;
	/* Where it was started before, this is of the one that runs. */
	if (rte_errno != EALREADY)
		flx_eal_remove_dir();
	flx_error("DPDK's environment does not start: %s; %s", rte_strerror(rte_errno),
		  remedy(rte_errno));
	return rte_errno > 0 ? -rte_errno : -EINVAL;
}

void flx_eal_remove_dir(void)
{
	const char *directory = rte_eal_get_runtime_dir();

	if (directory && *directory)
		(void)rmdir(directory);
}

void flx_eal_stop(void)
{
	rte_eal_cleanup();
	flx_eal_remove_dir();
}

/* Free pages of one size as the kernel counts them. */
static unsigned long free_pages(const char *directory)
{
	char path[320];
	unsigned long count = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/%s/free_hugepages", directory);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%lu", &count) != 1)
		count = 0;
	fclose(file);
	return count;
}

/* A free page may still be out of reach (cgroup, limit): map one, untouched, to see. */
static bool can_map(unsigned long size_kib)
{
	size_t bytes = size_kib * 1024;
	int shift = __builtin_ctzl(bytes);
	void *page =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | shift << MAP_HUGE_SHIFT, -1, 0);

	if (page == MAP_FAILED)
		return false;
	munmap(page, bytes);
	return true;
}

uint32_t flx_eal_hugepages_mib(void)
{
	DIR *sizes = opendir("/sys/kernel/mm/hugepages");
	struct dirent *entry;
	uint64_t total_kib = 0;

	if (!sizes)
		return 0;
	while ((entry = readdir(sizes))) {
		unsigned long size_kib, count;

		if (sscanf(entry->d_name, "hugepages-%lukB", &size_kib) != 1 || size_kib == 0)
			continue;
		count = free_pages(entry->d_name);
		if (count > 0 && can_map(size_kib))
			total_kib += (uint64_t)count * size_kib;
	}
	closedir(sizes);
	return (uint32_t)(total_kib / 1024);
}
