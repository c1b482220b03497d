/* SPDX-License-Identifier: BSD-3-Clause */
/* eal - an EAL for tests: no root, no hugepages, no devices, nothing shared with another test. */
#pragma once

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_eal.h>

#include "pmd-config/eal.h"

/* Starts EAL on the calling thread as lcore 0, on the CPU it is on. 0, or -1. Once per process. */
static inline int flx_test_eal(void)
{
	char prefix[32], lcores[32];
	char *arguments[] = {
		"test",		  "--no-huge",	       "-m",   "64",   "--no-pci", "--no-shconf",
		"--no-telemetry", "--log-level=error", lcores, prefix, NULL};

	/* An explicit map: plain -l fails on CPUs above 127, and CPU 0 may not be allowed. */
	snprintf(lcores, sizeof(lcores), "--lcores=0@%d", sched_getcpu());
	snprintf(prefix, sizeof(prefix), "--file-prefix=t%d", (int)getpid());
	atexit(flx_eal_remove_dir);
	return rte_eal_init((int)RTE_DIM(arguments) - 1, arguments) < 0 ? -1 : 0;
}
