/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * context_text - how types, keys and contexts are written: the same of a store's files, of a dump,
 * and of a fabric that runs.
 */
#pragma once

#include <stdio.h>

#include "apps/contents.h"

#define FLX_CONTEXT_TEXT_WHY_MAX 256

/* The table of types: its heading, then a row for each. */
void flx_context_text_heading(FILE *out);
void flx_context_text_type(FILE *out, const struct flx_contents_type *type);

/* One context as a line of a list: type, key, age, context. */
void flx_context_text_line(FILE *out, const struct flx_contents_type *type, const uint8_t *key,
			   uint32_t age_ticks, const uint8_t *context);

/* Bytes of such a line at most. */
uint32_t flx_context_text_line_max(const struct flx_contents_type *type);

/* One context alone: in hexadecimal digits, and as text in quotes where it is some. */
void flx_context_text_value(FILE *out, const struct flx_contents_type *type,
			    const uint8_t *context);

/* Into @why, FLX_CONTEXT_TEXT_WHY_MAX bytes: that there is none at the key @text (NULL: none given). */
void flx_context_text_missing(const struct flx_contents_type *type, const char *text, char *why);

/*
 * flx_context_text_key - read the key of a context of @type
 * @text: hexadecimal digits; text:TEXT, filled up with zeroes; of four bytes, an IPv4 address too.
 * NULL: none, for a type of one single context.
 * @key: out, FLX_RECORD_KEY_MAX bytes
 * @why: out, FLX_CONTEXT_TEXT_WHY_MAX bytes: what is wrong, and what would be right
 */
bool flx_context_text_key(const struct flx_contents_type *type, const char *text, uint8_t *key,
			  char *why);
