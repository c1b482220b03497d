/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * status - the line per second in which a running fabric says how it does.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "fabric/ledger.h"

/*
 * flx_status_print - print what happened from @before to @now, one line
 * @elapsed_us: since the start; @period_us: between the two ledgers, more than 0
 *
 * Rates are per second. What the NIC refused because credits ran out, and what is unexplained, are
 * there only when they are not 0. While workers are stalled, their number is all that is printed. A
 * pure function, but for @out.
 */
void flx_status_print(FILE *out, const struct flx_ledger *before, const struct flx_ledger *now,
		      uint64_t elapsed_us, uint64_t period_us);
