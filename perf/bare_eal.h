/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bare_eal - EAL without ports, hugepages or files, for floors and peers that run beside no fabric.
 */
#pragma once

#include <stdint.h>

/*
 * flx_bare_eal_start - start EAL with @count lcores, number i on CPU @cpu[i], and a main one
 * @name: of whom it is for, in its file prefix. @mib: of memory.
 * The main lcore, number @count, floats over the same CPUs, for it sleeps nearly always; where @count is 0 it is
 * on CPU 0. Its run directory goes when the process exits. 0; -EIO after one flx_error. Context: once per process.
 */
int flx_bare_eal_start(const char *name, uint32_t mib, const uint32_t *cpu, uint32_t count);
