/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * request - what a running fabric is asked: one line of words with blanks between them.
 *
 * A line is printable ASCII. In a word %XX stands for the byte of these two hexadecimal digits, so
 * that a word may hold a blank or a letter of any language. A control character it never holds, so
 * that a word may be shown wherever it comes from. Pure functions.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Bytes of a line: room for a path of 255 bytes that are all escaped, and more words than any command
 * takes. */
#define FLX_REQUEST_MAX	      1023
#define FLX_REQUEST_WORDS_MAX 64

/* Its words point into itself: not to be copied. */
struct flx_request {
	uint32_t count;				     /* at least 1 */
	const char *word[FLX_REQUEST_WORDS_MAX + 1]; /* ends at NULL; the first names the command */
	char text[FLX_REQUEST_MAX + 1];
};

/*
 * flx_request_parse - take @line apart
 * @size: bytes of it, without the line feed
 * NULL, or why it is refused: a static text that reads on from "request: "; then @request is
 * undefined.
 */
const char *flx_request_parse(struct flx_request *request, const char *line, size_t size);

/*
 * flx_request_write - the line that says @words, which end at NULL
 * @line: out, FLX_REQUEST_MAX + 1 bytes; ends in a line feed, without a NUL
 * Its size in bytes, with the line feed; 0: @words hold a control character, or more than a line can.
 */
size_t flx_request_write(const char *const *words, char *line);
