/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * base - what every module of flx stands on: assertions, reports, the sizes that bound everything.
 *
 * FLX_ASSERT states a contract and vanishes from release builds; FLX_VERIFY guards against
 * corruption and stays. Reports go to standard error, one line each; the hot path makes none.
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_branch_prediction.h>

/* Lanes are a square of this: 64 workers make 4,032 rings. More cores than that want two fabrics. */
#define FLX_WORKERS_MAX 64
/* Ports of one fabric; a port is a queue pair per worker, so more would only add empty polls. */
#define FLX_PORTS_MAX 8
/* Messages handled per fluxion and turn. Less wastes the prefetch, more falls out of L1 (32 KiB). */
#define FLX_BATCH 64

#define FLX_CACHE_LINE 64

/* State a contract of the caller; checked in debug builds only (-Db_ndebug=false). */
#define FLX_ASSERT(condition) assert(condition)

/* Stop at once, with a core, when memory is not what it must be; always checked. */
#define FLX_VERIFY(condition)                                                                      \
	do {                                                                                       \
		if (unlikely(!(condition)))                                                        \
			flx_verify_failed(#condition, __FILE__, __LINE__);                         \
	} while (0)

_Noreturn void flx_verify_failed(const char *condition, const char *file, int line);

/*
 * flx_error, flx_warn, flx_note - print one line about something an operator must know
 *
 * An error says what was refused, why, and what to do about it. The line is prefixed with "flx: "
 * and the level and ends with a line feed that the caller does not give.
 * Context: setup or control thread; never a worker (they block on the terminal).
 */
void flx_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void flx_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void flx_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Least power of two that is not below @value; 1 for 0. @value at most 2^31. */
static inline uint32_t flx_pow2_ceil(uint32_t value)
{
	return value <= 1 ? 1 : 1u << (32 - __builtin_clz(value - 1));
}
