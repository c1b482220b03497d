/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/mill.h"

#include <stdalign.h>
#include <stdatomic.h>

#include <rte_cycles.h>

#include "fabric/worker.h"

/* Workers whose work is noted. */
#define WORKERS 8

extern struct flx_program flx_program_counter;

static struct {
	uint32_t cycles;
	uint64_t slot_tsc; /* cycles of a slot */
	_Atomic uint64_t begin_tsc;
	struct {
		alignas(FLX_CACHE_LINE) _Atomic uint32_t handled[FLX_MILL_SLOTS];
	} worker[WORKERS];
} mill;

static void note(uint32_t worker, uint64_t now_tsc)
{
	uint64_t begin_tsc = atomic_load_explicit(&mill.begin_tsc, memory_order_acquire);
	_Atomic uint32_t *handled;
	uint64_t slot;

	if (!begin_tsc || worker >= WORKERS)
		return;
	slot = (now_tsc - begin_tsc) / mill.slot_tsc;
	if (slot >= FLX_MILL_SLOTS)
		return;
	handled = &mill.worker[worker].handled[slot];
	/* One writer: no read-modify-write is needed. */
	atomic_store_explicit(handled, atomic_load_explicit(handled, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

/* In place of the app's main. */
static int grind(struct flx_call *call, struct flx_msg *msg, void *context)
{
	uint64_t start = rte_rdtsc();

	(void)context;
	while (rte_rdtsc() - start < mill.cycles)
		;
	note(call->worker->index, start);
	return flx_send(call, 0, msg);
}

struct flx_program *flx_mill_program(uint32_t cycles)
{
	mill.cycles = cycles;
	flx_program_counter.fluxions[0].handler = grind;
	return &flx_program_counter;
}

uint64_t flx_mill_begin(void)
{
	uint64_t now = rte_rdtsc();

	mill.slot_tsc = rte_get_tsc_hz() / 1000;
	/* Release: who sees the begin sees the size of a slot. */
	atomic_store_explicit(&mill.begin_tsc, now, memory_order_release);
	return now;
}

uint64_t flx_mill_handled(uint32_t worker, uint32_t first, uint32_t count)
{
	uint64_t sum = 0;

	for (uint32_t slot = first; slot < first + count && slot < FLX_MILL_SLOTS; slot++)
		sum += atomic_load_explicit(&mill.worker[worker].handled[slot],
					    memory_order_relaxed);
	return sum;
}
