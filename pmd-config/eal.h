/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * eal - starts DPDK's environment with explicit arguments made from the plan.
 *
 * The arguments are a value that can be printed and compared (`flx run` prints them) before
 * anything is touched.
 *
 * Which drivers are loaded is not ours to say: an EAL that is linked shared loads its whole plugin
 * directory, with -d as well as without (22.11, eal_plugins_init). But no driver sees a device that
 * was not named: --no-pci or --allow, and explicit --vdev. Loading fewer takes a static link.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "fabric/topology.h"
#include "pmd-config/port.h"

#define FLX_EAL_ARGUMENTS_MAX 64

struct flx_eal_conf {
	const struct flx_plan *plan;
	const struct flx_port_spec *ports;
	uint32_t port_count;
	bool huge;	     /* use hugepages; false: ordinary memory */
	uint32_t memory_mib; /* wanted in all; 0: as EAL likes */
	char *const *extra;  /* the operator's own, after "--"; ends at NULL; NULL: none */
};

struct flx_eal_arguments {
	int count;
	char *value[FLX_EAL_ARGUMENTS_MAX + 1]; /* ends at NULL; points into text */
	char text[8192];
};

/*
 * flx_eal_arguments_make - the arguments for @conf
 * lcore 0 is the control thread on the housekeeping CPUs, lcore 1 + w is worker w.
 * 0, or -E2BIG with one flx_error. Touches nothing. @arguments points into itself: do not copy it.
 */
int flx_eal_arguments_make(struct flx_eal_arguments *arguments, const struct flx_eal_conf *conf);

/* The arguments as one line that a shell takes, into @line of @size bytes; cut when it is too
 * short. */
void flx_eal_arguments_print(const struct flx_eal_arguments *arguments, char *line, uint32_t size);

/*
 * flx_eal_start - rte_eal_init with @arguments; once per process
 * 0, or -errno with one flx_error that names the cause and the remedy (hugepages missing, another
 * process with the same prefix, ...). Context: setup; the caller becomes the control thread.
 */
int flx_eal_start(const struct flx_eal_arguments *arguments);

/* Ends EAL; every port and pool must be gone. It cannot start again in this process. */
void flx_eal_stop(void);

/*
 * flx_eal_remove_dir - remove EAL's run directory, where nobody has left a file in it
 * One per process id would pile up. After a start that failed and after flx_eal_stop it is gone
 * already; this is for who calls rte_eal_init by itself. Fit for atexit.
 */
void flx_eal_remove_dir(void);

/*
 * flx_eal_hugepages - free hugepages of this machine in MiB that this process may map, 0: none or
 * not allowed. Looks only.
 */
uint32_t flx_eal_hugepages_mib(void);
