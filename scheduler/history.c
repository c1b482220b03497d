/* SPDX-License-Identifier: BSD-3-Clause */
#include "scheduler/history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t sample_bytes(const struct flx_history *history)
{
	size_t bytes = sizeof(struct flx_history_sample) + history->worker_count * sizeof(uint16_t);

	return (bytes + 7) & ~(size_t)7;
}

int flx_history_init(struct flx_history *history, uint32_t worker_count)
{
	*history = (struct flx_history){.worker_count = worker_count};
	history->samples = calloc(FLX_HISTORY_SAMPLES, sample_bytes(history));
	history->moves = calloc(FLX_HISTORY_MOVES, sizeof(*history->moves));
	if (history->samples && history->moves)
		return 0;
	flx_history_fini(history);
	return -ENOMEM;
}

void flx_history_fini(struct flx_history *history)
{
	free(history->samples);
	free(history->moves);
	history->samples = NULL;
	history->moves = NULL;
}

int flx_history_copy(struct flx_history *copy, const struct flx_history *history)
{
	int rc = flx_history_init(copy, history->worker_count);

	if (rc)
		return rc;
	copy->sample_count = history->sample_count;
	copy->move_count = history->move_count;
	memcpy(copy->samples, history->samples, FLX_HISTORY_SAMPLES * sample_bytes(history));
	memcpy(copy->moves, history->moves, FLX_HISTORY_MOVES * sizeof(*history->moves));
	return 0;
}

static struct flx_history_sample *sample_at(const struct flx_history *history, uint64_t number)
{
	return (void *)(history->samples + number % FLX_HISTORY_SAMPLES * sample_bytes(history));
}

struct flx_history_sample *flx_history_add(struct flx_history *history, uint64_t at_us)
{
	struct flx_history_sample *sample = sample_at(history, history->sample_count++);

	sample->at_us = at_us;
	return sample;
}

void flx_history_note(struct flx_history *history, const struct flx_history_move *move)
{
	history->moves[history->move_count++ % FLX_HISTORY_MOVES] = *move;
}

const struct flx_history_sample *flx_history_sample(const struct flx_history *history,
						    uint64_t number)
{
	return sample_at(history, number);
}

const struct flx_history_move *flx_history_move(const struct flx_history *history, uint64_t number)
{
	return &history->moves[number % FLX_HISTORY_MOVES];
}

uint64_t flx_history_first_sample(const struct flx_history *history)
{
	return history->sample_count > FLX_HISTORY_SAMPLES
		       ? history->sample_count - FLX_HISTORY_SAMPLES
		       : 0;
}

uint64_t flx_history_first_move(const struct flx_history *history)
{
	return history->move_count > FLX_HISTORY_MOVES ? history->move_count - FLX_HISTORY_MOVES
						       : 0;
}

static int compare(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

	return (a > b) - (a < b);
}

uint32_t flx_history_pauses(const struct flx_history *history, uint32_t *pauses_us)
{
	uint32_t count = 0;

	for (uint64_t n = flx_history_first_move(history); n < history->move_count; n++) {
		const struct flx_history_move *move = flx_history_move(history, n);

		if (move->parked && move->kind == FLX_MOVE_SLICES)
			pauses_us[count++] = move->pause_us;
	}
	qsort(pauses_us, count, sizeof(*pauses_us), compare);
	return count;
}
