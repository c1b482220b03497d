/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * memory - what is allocated at start: cache-aligned, zeroed, on a NUMA node, never while running.
 */
#pragma once

#include <stddef.h>

/*
 * flx_memory_alloc - @size zeroed bytes near NUMA node @numa (-1: anywhere), NULL when short
 * From EAL's heap: hugepages when it has them. EAL must run.
 * Context: setup.
 */
void *flx_memory_alloc(const char *what, size_t size, int numa);
void flx_memory_free(void *memory);
