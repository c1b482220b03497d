/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * show - `flx show`: what a running fabric has done and does, as a table.
 */
#pragma once

#include "apps/answer.h"
#include "apps/request.h"
#include "fabric/fabric.h"

/*
 * flx_show - the workers, with their CPUs and how busy they are, and the ledger
 * Busy shares are of the quarter of a second after it was asked, in which the answer waits. Takes two
 * ledgers, see flx_fabric_ledger. As a command's function, see commands.h. Context: control thread.
 */
int flx_show(struct flx_fabric *fabric, const struct flx_request *request,
	     struct flx_answer *answer);

/* flx_show_print - what it prints, of the ledgers at the begin and the end of that time; pure. */
void flx_show_print(FILE *out, const struct flx_plan *plan, const struct flx_ledger *before,
		    const struct flx_ledger *now);
