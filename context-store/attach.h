/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * attach - the records of a type that outlived a process get their index and free lists back.
 *
 * Two steps, each made by all workers at once. Scan: a worker verifies its share of the numbers;
 * what is free it gives to the slab, what holds a context it lists for the worker that will enter
 * it. Enter: a worker makes the tables of its slices, of the size that they need, and enters what
 * the others have listed. Here a slice is the worker's whose number is its own modulo the workers.
 *
 * A record whose word, context or key is not what a commit has left is in *quarantine*: counted,
 * neither found nor used again, and left as it is. Of two with one key the older is deleted, and
 * counted apart: no kill leaves such, but a dump does of a store in which a key was deleted and made
 * anew meanwhile.
 */
#pragma once

#include "context-store/context.h"

struct flx_attach;

/* NULL: no memory. Context: setup. */
struct flx_attach *flx_attach_alloc(struct flx_context_type *type);
void flx_attach_free(struct flx_attach *attach);

/* Context of both: a thread per worker, with a barrier in between; see store.h. 0; -ENOMEM. */
int flx_attach_scan(struct flx_attach *attach, uint32_t worker);
int flx_attach_enter(struct flx_attach *attach, uint32_t worker);
