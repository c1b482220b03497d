/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * declare - programs of test fluxions, checked, and what the checks say of them.
 */
#pragma once

#include "fabric/registry.h"
#include "tests/capture.h"
#include "tests/test.h"

#define FLX_ROW_FLUXIONS 3

/* A program with one fault. */
struct flx_fault_row {
	struct flx_fluxion fluxions[FLX_ROW_FLUXIONS];
	uint32_t count;
	const char *who;  /* must be named */
	const char *what; /* must be said */
};

static struct flx_registry registry;
static struct flx_capture capture;

static inline int handler(struct flx_call *call, struct flx_msg *msg, void *context)
{
	(void)call;
	(void)msg;
	(void)context;
	return 0;
}

static inline int batch(struct flx_call *call, const struct flx_elem *elems, uint32_t count)
{
	(void)call;
	(void)elems;
	(void)count;
	return 0;
}

static inline int key_a(const struct flx_msg *msg, void *key)
{
	(void)msg;
	memset(key, 'a', 4);
	return 0;
}

static inline int key_b(const struct flx_msg *msg, void *key)
{
	(void)msg;
	memset(key, 'b', 4);
	return 0;
}

static inline void init_context(void *context)
{
	memset(context, 1, 8);
}

static inline int upgrade(uint32_t version, const void *old, uint32_t old_size, void *context)
{
	(void)version;
	memcpy(context, old, old_size);
	return 0;
}

/* Checks @fluxions as program "test"; what was said is in capture.text. */
static inline int check(struct flx_fluxion *fluxions, uint32_t count)
{
	const struct flx_program program = {
		.name = "test", .fluxions = fluxions, .fluxion_count = count};
	int error;

	flx_capture_start(&capture);
	error = flx_registry_init(&registry, &program);
	flx_capture_stop(&capture);
	return error;
}

/* Checks each of @rows: one line, which names the fluxion and the matter. */
static inline void check_faults(const struct flx_fault_row *rows, size_t count)
{
	for (size_t r = 0; r < count; r++) {
		struct flx_fluxion fluxions[FLX_ROW_FLUXIONS];
		const char *line;
		int error;

		memcpy(fluxions, rows[r].fluxions, sizeof(fluxions));
		error = check(fluxions, rows[r].count);
		line = strchr(capture.text, '\n');
		if (error != -EINVAL || strncmp(capture.text, "flx: error: ", 12) != 0 || !line ||
		    line[1] || !strstr(capture.text, rows[r].who) ||
		    !strstr(capture.text, rows[r].what))
			printf("row %zu: %d, \"%s\"\n", r, error, capture.text);
		CU_ASSERT_EQUAL(error, -EINVAL);
		CU_ASSERT_EQUAL(strncmp(capture.text, "flx: error: ", 12), 0);
		CU_ASSERT(line && !line[1]);
		CU_ASSERT_PTR_NOT_NULL(strstr(capture.text, rows[r].who));
		CU_ASSERT_PTR_NOT_NULL(strstr(capture.text, rows[r].what));
	}
}

#define CHECK_FAULTS(rows) check_faults(rows, sizeof(rows) / sizeof((rows)[0]))

/* A fluxion without fault. */
#define GOOD .handler = handler, .listen = {.udp = 7}
