/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/figure.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fabric/base.h"
#include "fabric/ledger.h"

static struct flx_figures *all;

int flx_figures_open(void)
{
	void *memory =
		mmap(NULL, sizeof(*all), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return -errno;
	all = memory;
	return 0;
}

const struct flx_figures *flx_figures(void)
{
	return all;
}

static struct flx_found *find(const char *name)
{
	for (uint32_t i = 0; i < all->count; i++)
		if (strcmp(all->found[i].name, name) == 0)
			return &all->found[i];
	return NULL;
}

const struct flx_found *flx_figures_find(const char *name)
{
	return find(name);
}

/* A string that is cut would be another name, or another claim. */
static void copy(char *to, size_t size, const char *from)
{
	size_t length = from ? strlen(from) : 0;

	FLX_VERIFY(length < size);
	memcpy(to, from ? from : "", length + 1);
}

static struct flx_found *declare(const struct flx_figure *figure)
{
	struct flx_found *found = find(figure->name);

	if (found)
		return found;
	FLX_VERIFY(all->count < FLX_FIGURES_MAX);
	found = &all->found[all->count];
	copy(found->name, sizeof(found->name), figure->name);
	copy(found->unit, sizeof(found->unit), figure->unit);
	copy(found->floor, sizeof(found->floor), figure->floor);
	copy(found->must, sizeof(found->must), figure->must);
	copy(found->target, sizeof(found->target), figure->target);
	copy(found->what, sizeof(found->what), figure->what);
	/* Whole before it counts: who is killed here leaves nothing half-said. */
	all->count++;
	return found;
}

void flx_figure_add(const struct flx_figure *figure, double value)
{
	struct flx_found *found = declare(figure);

	if (!isfinite(value)) {
		flx_error("%s: found %f %s: nothing was measured; a bug of flxperf, or a run too "
			  "short",
			  found->name, value, found->unit);
		all->broken = true;
		return;
	}
	flx_samples_add(&found->samples, value);
	printf("  %-28s %12.*f %s\n", found->name, flx_samples_digits(value), value, found->unit);
	fflush(stdout);
}

/* As much of @from as there is room for, not ending inside of a character of UTF-8. */
static void cut(char *to, size_t size, const char *from)
{
	size_t length = strnlen(from, size - 1);

	if (from[length])
		while (length && ((uint8_t)from[length] & 0xc0) == 0x80)
			length--;
	memcpy(to, from, length);
	to[length] = '\0';
}

void flx_figure_skip(const struct flx_figure *figure, const char *reason)
{
	struct flx_found *found = declare(figure);

	cut(found->skipped, sizeof(found->skipped), reason);
	printf("  %-28s skipped: %s\n", found->name, found->skipped);
	fflush(stdout);
}

void flx_second_add(const struct flx_second *second)
{
	if (all->seconds_count < FLX_SECONDS_MAX)
		all->second[all->seconds_count++] = *second;
}

void flx_perf_flag(enum flx_perf_flag flag)
{
	all->flag[flag] = true;
}

void flx_account_add(const struct flx_ledger *ledger)
{
	struct flx_account *account = &all->account;

	account->received += ledger->received;
	account->generated += ledger->generated;
	account->delivered += ledger->delivered;
	account->consumed += ledger->consumed;
	account->dropped += ledger->dropped;
	account->in_flight += (uint64_t)ledger->in_flight;
	account->unexplained += (uint64_t)llabs(ledger->unexplained);
	account->fabrics++;
}
