/* SPDX-License-Identifier: BSD-3-Clause */
#include "scheduler/load.h"

#include <errno.h>

#include <rte_common.h>

#include "fabric/memory.h"

/* Windows that have passed unseen after which nothing of before counts. */
#define FORGET 8

int flx_load_init(struct flx_load *load, uint32_t group_count, uint64_t tsc_hz, uint64_t now_tsc,
		  int numa)
{
	*load = (struct flx_load){
		.window_tsc = tsc_hz / 1000000 * FLX_LOAD_WINDOW_US + 1,
		.begin_tsc = now_tsc,
		.group_count = group_count,
	};
	load->end_tsc = now_tsc + load->window_tsc;
	load->slices = flx_memory_alloc("load", (group_count + 1) * sizeof(*load->slices), numa);
	load->cycles = flx_memory_alloc(
		"cycles", (size_t)(group_count + 1) * FLX_SLICES * sizeof(*load->cycles), numa);
	load->touched = flx_memory_alloc("touched", group_count + 1, numa);
	if (load->slices && load->cycles && load->touched)
		return 0;
	flx_load_fini(load);
	return -ENOMEM;
}

void flx_load_fini(struct flx_load *load)
{
	flx_memory_free(load->slices);
	flx_memory_free(load->cycles);
	flx_memory_free(load->touched);
	load->slices = NULL;
	load->cycles = NULL;
	load->touched = NULL;
}

/* @old with a part of @now in its place. */
static int64_t smooth(int64_t old, int64_t now)
{
	return old + (now - old) / FLX_LOAD_SMOOTH;
}

static void publish(_Atomic uint32_t *figure, uint32_t value)
{
	atomic_store_explicit(figure, value, memory_order_relaxed);
}

static uint32_t published(const _Atomic uint32_t *figure)
{
	return atomic_load_explicit(figure, memory_order_relaxed);
}

/* How long the oldest message has waited of which @handled were finished before. */
static uint64_t age_tsc(const struct flx_load *load, uint64_t handled, uint64_t now_tsc)
{
	uint64_t since_tsc = now_tsc;

	for (uint32_t back = 1; back <= FLX_LOAD_HISTORY; back++) {
		uint32_t at = (load->history_at - back) % FLX_LOAD_HISTORY;

		/* All that had arrived by then are finished: it came later. */
		if (load->history[at].arrived <= handled)
			break;
		since_tsc = load->history[at].closed_tsc;
	}
	return now_tsc - since_tsc;
}

static void note_arrivals(struct flx_load *load, const struct flx_load_sample *sample)
{
	uint32_t at = load->history_at++ % FLX_LOAD_HISTORY;

	load->history[at].closed_tsc = sample->now_tsc;
	load->history[at].arrived = sample->handled + sample->waiting;
}

/* Cycles of the window to cycles per 250 us, and to the smoothed ones. */
static void publish_group(struct flx_load *load, uint32_t group, uint64_t window_tsc)
{
	uint32_t *cycles = &load->cycles[(size_t)group * FLX_SLICES];
	_Atomic uint32_t *out = load->slices[group].cycles;
	uint32_t any = 0;

	for (uint32_t s = 0; s < FLX_SLICES; s++) {
		uint64_t now = cycles[s];
		uint32_t value;

		if (window_tsc > load->window_tsc)
			now = now * load->window_tsc / window_tsc;
		value = (uint32_t)smooth(published(&out[s]), (int64_t)now);
		/* Rounding would keep the last few cycles for ever. */
		if (!now && value < FLX_LOAD_SMOOTH)
			value = 0;
		publish(&out[s], value);
		any |= value;
		cycles[s] = 0;
	}
	load->touched[group] = any ? 2 : 0;
}

static void publish_slices(struct flx_load *load, uint64_t window_tsc)
{
	for (uint32_t g = 0; g < load->group_count; g++)
		if (load->touched[g])
			publish_group(load, g, window_tsc);
	publish(&load->measured, published(&load->measured) + 1);
}

static void forget_slices(struct flx_load *load)
{
	publish(&load->measured, 0);
	for (uint32_t g = 0; g < load->group_count; g++) {
		if (!load->touched[g])
			continue;
		load->touched[g] = 0;
		for (uint32_t s = 0; s < FLX_SLICES; s++) {
			publish(&load->slices[g].cycles[s], 0);
			load->cycles[(size_t)g * FLX_SLICES + s] = 0;
		}
	}
}

/*
 * Whether the next window is to be measured, of a worker whose slices are. Of each group of windows one,
 * now this one and now that: a load that comes every millisecond would else be seen always, or never.
 */
static bool is_next(struct flx_load *load, bool asked)
{
	uint32_t measured = published(&load->measured);

	if (asked || measured < FLX_LOAD_LEARN) {
		load->passed = 0;
		return true;
	}
	if (load->passed % FLX_LOAD_EVERY == 0)
		load->chosen = (uint32_t)(load->passed * 2654435769u >> 16) % FLX_LOAD_EVERY;
	return load->passed++ % FLX_LOAD_EVERY == load->chosen;
}

/* Slices of a window that was begun with measuring are published; then it is decided anew. */
static void measure(struct flx_load *load, uint32_t busy_ppm, uint64_t window_tsc)
{
	bool asked = atomic_load_explicit(&load->asked, memory_order_relaxed);

	if (load->measures)
		publish_slices(load, window_tsc);
	if (load->watches && busy_ppm < FLX_LOAD_MEASURE_LESS && !asked) {
		load->watches = false;
		forget_slices(load);
	} else if (!load->watches && (busy_ppm >= FLX_LOAD_MEASURE || asked)) {
		load->watches = true;
	}
	load->measures = load->watches && is_next(load, asked);
}

static uint64_t share_ppm(uint64_t part_tsc, uint64_t window_tsc)
{
	return part_tsc >= window_tsc ? FLX_LOAD_FULL : part_tsc * FLX_LOAD_FULL / window_tsc;
}

/* Cycles of a message: of the last windows that handled any. */
static void note_message(struct flx_load *load, uint64_t busy_tsc, uint64_t handled)
{
	uint64_t now = handled ? busy_tsc / handled : load->message_cycles;

	load->message_cycles =
		load->message_cycles ? (uint64_t)smooth((int64_t)load->message_cycles, (int64_t)now)
				     : now;
}

static void publish_growth(struct flx_load *load, uint32_t waiting, uint64_t window_tsc,
			   bool forgets)
{
	int64_t cycles = ((int64_t)waiting - load->waiting) * (int64_t)load->message_cycles;
	int64_t now = cycles * FLX_LOAD_FULL / (int64_t)window_tsc;
	int64_t old = atomic_load_explicit(&load->growth_ppm, memory_order_relaxed);

	/* Ten times what a worker can do is as good as more. */
	now = RTE_MAX(RTE_MIN(now, 10 * FLX_LOAD_FULL), -10 * FLX_LOAD_FULL);
	atomic_store_explicit(&load->growth_ppm, (int32_t)(forgets ? now : smooth(old, now)),
			      memory_order_relaxed);
}

void flx_load_close(struct flx_load *load, const struct flx_load_sample *sample)
{
	uint64_t window_tsc = sample->now_tsc - load->begin_tsc;
	uint64_t busy_tsc = sample->busy_tsc - load->busy_tsc;
	uint64_t ppm = share_ppm(busy_tsc, window_tsc);
	/* After a sleep what was before it is no longer true. */
	bool forgets = window_tsc > FORGET * load->window_tsc;
	uint32_t busy = (uint32_t)(forgets ? (int64_t)ppm
					   : smooth(published(&load->busy_ppm), (int64_t)ppm));

	note_message(load, busy_tsc, sample->handled - load->handled);
	publish(&load->busy_ppm, busy);
	publish_growth(load, sample->waiting, window_tsc, forgets);
	publish(&load->waiting_us, (uint32_t)(sample->waiting * load->message_cycles *
					      FLX_LOAD_WINDOW_US / load->window_tsc));
	publish(&load->oldest_us,
		sample->waiting ? (uint32_t)(age_tsc(load, sample->handled, sample->now_tsc) *
					     FLX_LOAD_WINDOW_US / load->window_tsc)
				: 0);
	note_arrivals(load, sample);
	measure(load, busy, window_tsc);
	load->begin_tsc = sample->now_tsc;
	load->end_tsc = sample->now_tsc + load->window_tsc;
	load->busy_tsc = sample->busy_tsc;
	load->handled = sample->handled;
	load->waiting = sample->waiting;
	/* Release: who sees the window's end sees its figures. */
	atomic_store_explicit(&load->closed_tsc, sample->now_tsc, memory_order_release);
}

void flx_load_count(struct flx_load *load, uint32_t group, const struct flx_elem *batch,
		    uint32_t count, uint64_t cycles)
{
	uint32_t *sums = &load->cycles[(size_t)group * FLX_SLICES];
	uint32_t each = (uint32_t)(cycles / count);

	for (uint32_t i = 0; i < count; i++)
		sums[batch[i].slice] += each;
	load->touched[group] |= 1;
}
