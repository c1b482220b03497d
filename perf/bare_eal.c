/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/bare_eal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_eal.h>

#include "fabric/base.h"
#include "pmd-config/eal.h"

/* Room for a dozen CPUs, as --lcores has them; floors and peers have two. */
#define LCORES_SIZE 256

static void list_lcores(char list[LCORES_SIZE], const uint32_t *cpu, uint32_t count)
{
	int used = snprintf(list, LCORES_SIZE, "--lcores=%u@(%u", count, count ? cpu[0] : 0);

	for (uint32_t i = 1; i < count; i++)
		used += snprintf(list + used, LCORES_SIZE - (size_t)used, ",%u", cpu[i]);
	used += snprintf(list + used, LCORES_SIZE - (size_t)used, ")");
	for (uint32_t i = 0; i < count; i++)
		used += snprintf(list + used, LCORES_SIZE - (size_t)used, ",%u@%u", i, cpu[i]);
	FLX_VERIFY(used < LCORES_SIZE);
}

int flx_bare_eal_start(const char *name, uint32_t mib, const uint32_t *cpu, uint32_t count)
{
	char program[32], memory[16], lcores[LCORES_SIZE], main_lcore[24], prefix[48];
	char *arguments[] = {program,
			     "--no-huge",
			     "-m",
			     memory,
			     "--no-pci",
			     "--no-shconf",
			     "--no-telemetry",
			     "--log-level=*:error",
			     lcores,
			     main_lcore,
			     prefix};

	snprintf(program, sizeof(program), "%s", name);
	snprintf(memory, sizeof(memory), "%u", mib);
	snprintf(main_lcore, sizeof(main_lcore), "--main-lcore=%u", count);
	snprintf(prefix, sizeof(prefix), "--file-prefix=%s%d", name, (int)getpid());
	list_lcores(lcores, cpu, count);
	atexit(flx_eal_remove_dir);
	if (rte_eal_init(sizeof(arguments) / sizeof(arguments[0]), arguments) >= 0)
		return 0;
	flx_error("%s: EAL does not start; what it says above names the cause", name);
	return -EIO;
}
